//! Who was denied what, and by which policy.

use crate::incident::finding::DenyReason;
use crate::node::{AccountId, Region};

/// The parts of "User: ARN is not authorized to perform: ACTION on resource:
/// ARN because …".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Denial {
    pub action: Option<String>,
    pub role: Option<String>,
    pub account: Option<AccountId>,
    pub region: Option<Region>,
    pub resource: Option<String>,
    pub reason: Option<DenyReason>,
}

pub fn read(flat: &str) -> Denial {
    let mut denial = Denial {
        reason: reason(flat),
        ..Denial::default()
    };
    if let Some(arn) = after(flat, "assumed-role/") {
        denial.role = name(arn.split('/').next().unwrap_or_default());
    }
    if let Some(rest) = after(flat, "not authorized to perform: ") {
        denial.action = rest
            .split(|c: char| !(c.is_ascii_alphanumeric() || ":*-".contains(c)))
            .next()
            .and_then(action);
    }
    if let Some(rest) = after(flat, "on resource: ") {
        let resource = rest
            .split([' ', '<', '"'])
            .next()
            .unwrap_or_default()
            .trim_end_matches(['.', ',']);
        denial.region = resource.split(':').nth(3).and_then(Region::parse);
        denial.resource =
            (!resource.is_empty() && resource.len() <= 1024).then(|| resource.to_owned());
    }
    denial.account = after(flat, "User: arn:")
        .and_then(|rest| rest.split(':').nth(3))
        .and_then(AccountId::parse)
        .or_else(|| {
            after(flat, "not configured for account: ")
                .and_then(|rest| AccountId::parse(rest.get(..12)?))
        });
    denial
}

/// The role in "EC2 cannot assume the role NAME."
pub fn unassumable_role(flat: &str) -> Option<String> {
    let rest = after(flat, "cannot assume the role ")?;
    name(
        rest.split([' ', ',', '"'])
            .next()
            .unwrap_or_default()
            .trim_end_matches('.'),
    )
}

fn after<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    text.find(words).map(|at| &text[at + words.len()..])
}

/// IAM role names: 1 to 64 of `[A-Za-z0-9_+=,.@-]`. Masked copies (`XXX`) are no name.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let shaped = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
    let masked = text.bytes().all(|b| b == b'X' || b == b'x' || b == b'*');
    (shaped && !masked).then(|| text.to_owned())
}

fn action(text: &str) -> Option<String> {
    let (service, verb) = text.split_once(':')?;
    (!service.is_empty() && !verb.is_empty() && text.len() <= 128).then(|| text.to_owned())
}

fn reason(flat: &str) -> Option<DenyReason> {
    // The tails that name a policy; "with an explicit deny" alone names none.
    [
        ("VPC endpoint policy", DenyReason::VpcEndpointPolicy),
        ("service control policy", DenyReason::ServiceControlPolicy),
        ("resource control policy", DenyReason::ServiceControlPolicy),
        ("permissions boundary", DenyReason::PermissionsBoundary),
        ("session policy", DenyReason::SessionPolicy),
        ("resource-based policy", DenyReason::ResourcePolicy),
        ("identity-based policy", DenyReason::IdentityPolicy),
        ("with an explicit deny", DenyReason::ExplicitDeny),
    ]
    .into_iter()
    .find(|(words, _)| flat.contains(words))
    .map(|(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_taken_apart() {
        let denial = read(
            "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0 because no identity-based policy allows the ssm:UpdateInstanceInformation action status code: 400, request id: x",
        );
        assert_eq!(
            denial.action.as_deref(),
            Some("ssm:UpdateInstanceInformation")
        );
        assert_eq!(denial.role.as_deref(), Some("MySSMRole"));
        assert_eq!(
            denial.account.as_ref().map(AccountId::as_str),
            Some("123456789012")
        );
        assert_eq!(
            denial.region.as_ref().map(Region::as_str),
            Some("us-east-1")
        );
        assert_eq!(
            denial.resource.as_deref(),
            Some("arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0")
        );
        assert_eq!(denial.reason, Some(DenyReason::IdentityPolicy));
    }

    #[test]
    fn the_tail_names_the_policy() {
        for (tail, reason) in [
            (
                "with an explicit deny in a service control policy",
                DenyReason::ServiceControlPolicy,
            ),
            (
                "because no permissions boundary allows the action",
                DenyReason::PermissionsBoundary,
            ),
            (
                "because no VPC endpoint policy allows the action",
                DenyReason::VpcEndpointPolicy,
            ),
            (
                "because no session policy allows the action",
                DenyReason::SessionPolicy,
            ),
            ("with an explicit deny", DenyReason::ExplicitDeny),
        ] {
            assert_eq!(read(tail).reason, Some(reason), "{tail}");
        }
        assert_eq!(
            read("is not authorized to perform: ssm:x on resource: *").reason,
            None
        );
    }

    #[test]
    fn masked_samples_name_nothing() {
        let denial = read(
            "User: arn:aws:sts::XXX:assumed-role/XXX /i-XXXXXX is not authorized to perform: ssm:UpdateInstanceInformation on resource: x",
        );
        assert_eq!((denial.role, denial.account), (None, None));
        assert_eq!(
            denial.action.as_deref(),
            Some("ssm:UpdateInstanceInformation")
        );
        assert_eq!(
            unassumable_role("EC2 cannot assume the role MySSMRole. Please see"),
            Some("MySSMRole".to_owned())
        );
    }
}
