//! Conditions on keys of which it is known that a call does not carry them.
//!
//! A call without a signature has no principal, so that every key about the
//! principal is absent. What an operator makes of an absent key is documented
//! ("IAM JSON policy elements: Condition operators"): a positive one is false,
//! a negated one true, `IfExists` true, `Null` asks for just that.

use serde_json::Value;

use super::document::Condition;

/// Whether `condition` holds; `None` where a key may be present and decide.
/// Every key must hold for the statement to apply.
pub(super) fn holds(condition: &Condition, unsigned: bool) -> Option<bool> {
    let mut certain = true;
    for (operator, keys) in &condition.0 {
        certain &= !keys.0.is_empty();
        for (key, values) in &keys.0 {
            let absent = unsigned && is_of_the_principal(key);
            match absent.then(|| on_absent(operator, values)).flatten() {
                Some(true) => {}
                Some(false) => return Some(false),
                None => certain = false,
            }
        }
    }
    certain.then_some(true)
}

/// Keys that only a signed call carries ("AWS global condition context keys",
/// properties of the principal). Key names have no case. Two may stand for
/// anonymous callers too, with the value `anonymous` ("IAM policy elements:
/// Variables and tags", principal key values).
fn is_of_the_principal(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let of_anonymous = ["aws:principaltype", "aws:userid"].contains(&key.as_str());
    (key.starts_with("aws:principal") && !of_anonymous) || key == "aws:username"
}

/// What `operator` makes of a key that the call does not carry.
fn on_absent(operator: &str, values: &Value) -> Option<bool> {
    const KNOWN: &str = "StringEquals StringEqualsIgnoreCase StringLike StringNotEquals \
                         StringNotEqualsIgnoreCase StringNotLike NumericEquals NumericNotEquals \
                         NumericLessThan NumericLessThanEquals NumericGreaterThan \
                         NumericGreaterThanEquals DateEquals DateNotEquals DateLessThan \
                         DateLessThanEquals DateGreaterThan DateGreaterThanEquals Bool \
                         BinaryEquals IpAddress NotIpAddress ArnEquals ArnNotEquals ArnLike \
                         ArnNotLike";
    if operator == "Null" {
        return match values {
            Value::String(text) => text.parse().ok(),
            Value::Bool(asked) => Some(*asked),
            _ => None,
        };
    }
    let (set, name) = operator.rsplit_once(':').unwrap_or(("", operator));
    let bare = name.strip_suffix("IfExists");
    let (name, if_exists) = (bare.unwrap_or(name), bare.is_some());
    if !KNOWN.split(' ').any(|known| known == name) {
        return None;
    }
    match (set, if_exists) {
        ("", if_exists) => Some(if_exists || name.contains("Not")),
        ("ForAllValues", _) => Some(true),
        ("ForAnyValue", false) => Some(false),
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_principal_is_absent_from_a_call_without_a_signature() {
        let text = |condition: &str| {
            let condition = serde_json::from_str(condition).expect("a condition");
            match holds(&condition, true) {
                Some(true) => "holds",
                Some(false) => "fails",
                None => "unclear",
            }
        };
        for (condition, expected) in [
            (r#"{}"#, "holds"),
            (r#"{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#, "fails"),
            (
                r#"{"StringEquals":{"aws:PrincipalType":"Anonymous"}}"#,
                "unclear",
            ),
            (
                r#"{"StringNotEquals":{"AWS:UserId":"anonymous"}}"#,
                "unclear",
            ),
            (r#"{"StringLike":{"AWS:principalaccount":["1*"]}}"#, "fails"),
            (
                r#"{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-1"}}"#,
                "holds",
            ),
            (
                r#"{"StringNotEquals":{"aws:PrincipalAccount":"1"}}"#,
                "holds",
            ),
            (
                r#"{"StringNotEqualsIfExists":{"aws:PrincipalArn":"1"}}"#,
                "holds",
            ),
            (
                r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-1/*"}}"#,
                "fails",
            ),
            (
                r#"{"ForAllValues:StringLike":{"aws:PrincipalOrgPaths":"o-1/*"}}"#,
                "holds",
            ),
            (
                r#"{"ForAnyValue:StringLikeIfExists":{"aws:PrincipalOrgPaths":"x"}}"#,
                "unclear",
            ),
            (r#"{"Null":{"aws:PrincipalOrgID":"true"}}"#, "holds"),
            (r#"{"Null":{"aws:PrincipalOrgID":"false"}}"#, "fails"),
            (r#"{"Bool":{"aws:PrincipalIsAWSService":"true"}}"#, "fails"),
            (r#"{"StringEquals":{"ssm:NodeOrgId":"o-1"}}"#, "unclear"),
            (
                r#"{"StringEquals":{"aws:SourceVpc":"v","aws:PrincipalOrgID":"o"}}"#,
                "fails",
            ),
            (
                r#"{"StringNotEquals":{"aws:SourceVpc":"v","aws:PrincipalOrgID":"o"}}"#,
                "unclear",
            ),
            (r#"{"StringSame":{"aws:PrincipalOrgID":"o"}}"#, "unclear"),
            (r#"{"StringEquals":{}}"#, "unclear"),
            (
                r#"{"Null":{"aws:PrincipalOrgID":["true","false"]}}"#,
                "unclear",
            ),
        ] {
            assert_eq!(text(condition), expected, "{condition}");
        }
    }

    #[test]
    fn a_signed_call_may_carry_every_key() {
        let condition = r#"{"StringEquals":{"aws:PrincipalOrgID":"o"}}"#;
        let condition = serde_json::from_str(condition).expect("a condition");
        assert_eq!(holds(&condition, false), None);
    }
}
