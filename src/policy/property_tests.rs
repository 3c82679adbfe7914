//! The algebra of the edit over generated policies. What the edit must keep is
//! read back with `serde_json::Value`, not with the code under test.

use proptest::prelude::*;
use serde_json::Value;

use super::{
    PolicyDecision, Refusal, RoleRef, Service, has_ours, may_assume, plan_edit, remove_ours,
    same_policy,
};
use crate::node::Partition;

/// One value or a list, as texts of JSON.
fn one_or_many(values: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        2 => prop::sample::select(values).prop_map(|v| Value::from(v).to_string()),
        1 => prop::collection::vec(prop::sample::select(values), 1..4).prop_map(|v| Value::from(v).to_string()),
    ]
}

const SERVICES: &[&str] = &[
    "lambda.amazonaws.com",
    "glue.amazonaws.com",
    "states.amazonaws.com",
    "ec2.amazonaws.com",
    "ec2.amazonaws.com.cn",
    "EC2.amazonaws.com",
    "ssm.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "*",
];
const HARMLESS_SERVICES: &[&str] = &["lambda.amazonaws.com", "glue.amazonaws.com"];
const ACCOUNTS: &[&str] = &[
    "111122223333",
    "arn:aws:iam::444455556666:root",
    "arn:aws:iam::444455556666:role/a/b",
    "AROAEXAMPLEEXAMPLE123",
    "*",
];
const LIVE_ACCOUNTS: &[&str] = &["111122223333", "arn:aws:iam::444455556666:root"];
const ACTIONS: &[&str] = &[
    "sts:AssumeRole",
    "sts:TagSession",
    "sts:*",
    "STS:Assume*",
    "*",
    "sts:AssumeRoleWithSAML",
];
const TEXTS: &[&str] = &[
    "",
    "a b",
    "\"",
    "\\",
    "]},{[",
    ",:",
    "\u{e9}\u{1F600}",
    "Statement",
    "SsmAgentTriageTrustEc2",
    "ssmagenttriagetrustec2",
    "SsmAgentTriageTrustEc2No2",
];

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(TEXTS).prop_map(|t| Value::from(t).to_string())
}

fn principal_map(
    services: &'static [&'static str],
    accounts: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let service = one_or_many(services).prop_map(|v| format!("\"Service\":{v}"));
    let account = one_or_many(accounts).prop_map(|v| format!("\"AWS\":{v}"));
    prop_oneof![
        service.clone().prop_map(|s| format!("{{{s}}}")),
        account.clone().prop_map(|a| format!("{{{a}}}")),
        (service, account).prop_map(|(s, a)| format!("{{{a},{s}}}")),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    (text(), text()).prop_map(|(a, b)| {
        format!("\"Condition\":{{\"StringEquals\":{{\"aws:PrincipalTag/x\":[{a},{b}]}}}}")
    })
}

/// A statement as text, its members in any order.
fn statement(
    effect: impl Strategy<Value = &'static str>,
    principal: impl Strategy<Value = String>,
    condition: impl Strategy<Value = Option<String>>,
) -> impl Strategy<Value = String> {
    let action = prop_oneof![
        4 => one_or_many(ACTIONS).prop_map(|a| format!("\"Action\":{a}")),
        1 => one_or_many(ACTIONS).prop_map(|a| format!("\"NotAction\":{a}")),
    ];
    let sid = prop::option::of(text().prop_map(|t| format!("\"Sid\":{t}")));
    (effect, principal, action, sid, condition)
        .prop_map(|(effect, principal, action, sid, condition)| {
            let mut members = vec![format!("\"Effect\":\"{effect}\""), principal, action];
            members.extend(sid);
            members.extend(condition);
            members
        })
        .prop_shuffle()
        .prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn any_statement() -> impl Strategy<Value = String> {
    let principal = prop_oneof![
        6 => principal_map(SERVICES, ACCOUNTS).prop_map(|p| format!("\"Principal\":{p}")),
        1 => Just("\"Principal\":\"*\"".to_owned()),
        1 => principal_map(SERVICES, ACCOUNTS).prop_map(|p| format!("\"NotPrincipal\":{p}")),
    ];
    statement(
        prop_oneof![3 => Just("Allow"), 1 => Just("Deny")],
        principal,
        prop::option::of(condition()),
    )
}

/// Trusts nobody who stands against an edit.
fn harmless_statement() -> impl Strategy<Value = String> {
    let principal = principal_map(HARMLESS_SERVICES, LIVE_ACCOUNTS);
    statement(
        prop_oneof![Just("Allow"), Just("Deny")],
        principal.prop_map(|p| format!("\"Principal\":{p}")),
        prop::option::of(condition()),
    )
}

fn policy(statement: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    policy_and_parts(statement).prop_map(|(_, policy)| policy)
}

/// So that about half of the policies lead to an edit.
fn mostly_harmless() -> impl Strategy<Value = String> {
    prop_oneof![4 => harmless_statement(), 1 => any_statement()]
}

/// The statements, and the whole policy: its members in any order, one
/// statement perhaps bare, perhaps with whitespace between all parts.
fn policy_and_parts(
    statement: impl Strategy<Value = String>,
) -> impl Strategy<Value = (Vec<String>, String)> {
    let version = prop::option::of(Just("\"Version\":\"2012-10-17\"".to_owned()));
    let id = prop::option::of(text().prop_map(|t| format!("\"Id\":{t}")));
    let parts = prop::collection::vec(statement, 1..5);
    (parts, version, id, any::<(bool, bool, bool)>()).prop_map(
        |(parts, version, id, (bare, last, airy))| {
            let statements = match parts.as_slice() {
                [only] if bare => format!("\"Statement\":{only}"),
                many => format!("\"Statement\":[{}]", many.join(",")),
            };
            let mut members: Vec<String> = version.into_iter().chain(id).collect();
            members.insert(if last { members.len() } else { 0 }, statements);
            let policy = format!("{{{}}}", members.join(","));
            let policy = if airy { spaced(&policy) } else { policy };
            (parts, policy)
        },
    )
}

/// `json` with whitespace wherever it may stand.
fn spaced(json: &str) -> String {
    let mut out = String::new();
    let (mut open, mut escaped) = (false, false);
    for c in json.chars() {
        if open {
            out.push(c);
            open = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '"' {
            out.push_str(" \"");
            open = true;
        } else {
            out.push_str(&format!("\n{c}\t"));
        }
    }
    out
}

fn partitions() -> impl Strategy<Value = Partition> {
    let known = Partition::ALL.iter().copied();
    prop::sample::select(known.chain([Partition::Unknown]).collect::<Vec<_>>())
}

fn role(partition: Partition) -> RoleRef<'static> {
    RoleRef {
        name: "MySSMRole",
        path: "/",
        arn: "arn:aws:iam::111122223333:role/MySSMRole",
        partition,
    }
}

fn read(policy: &str) -> Value {
    serde_json::from_str(policy).expect("a policy is JSON")
}

fn statements(policy: &Value) -> Vec<Value> {
    match &policy["Statement"] {
        Value::Array(items) => items.clone(),
        single => vec![single.clone()],
    }
}

/// `None` when the plan is no edit.
fn planned(policy: &str, partition: Partition) -> Option<super::Edit> {
    match plan_edit(policy, &role(partition)) {
        Ok(edit) => Some(edit),
        Err(Refusal::OtherPartition { would_do }) => Some(*would_do),
        Err(_) => None,
    }
}

fn holds(policy: &str, test: impl Fn(&Value) -> bool) -> bool {
    statements(&read(policy)).iter().any(test)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(512), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_keeps_every_statement_and_its_order_and_adds_one(
        policy in policy(mostly_harmless()), partition in partitions()
    ) {
        if let Some(edit) = planned(&policy, partition) {
            let (before, after) = (read(&policy), read(&edit.new_document));
            let mut expected = statements(&before);
            let added = read(&edit.statement);
            prop_assert!(expected.iter().all(|s| s["Sid"] != added["Sid"]));
            expected.push(added);
            prop_assert_eq!(statements(&after), expected);
            for element in ["Version", "Id"] {
                prop_assert_eq!(&before[element], &after[element]);
            }
            prop_assert_eq!(before.as_object().map(|o| o.len()), after.as_object().map(|o| o.len()));
        }
    }

    #[test]
    fn an_edit_keeps_every_statement_letter_by_letter(
        (parts, policy) in policy_and_parts(mostly_harmless()), partition in partitions()
    ) {
        if let Some(edit) = planned(&policy, partition) {
            let list = format!("\"Statement\":[{},{}]", parts.join(","), edit.statement);
            prop_assert!(edit.new_document.contains(&list), "{} has no {}", edit.new_document, list);
        }
    }

    #[test]
    fn an_edit_lets_ec2_in_and_is_not_made_twice(
        policy in policy(mostly_harmless()), partition in partitions()
    ) {
        if let Some(edit) = planned(&policy, partition) {
            let is_allowed = matches!(may_assume(Service::Ec2, &edit.new_document, partition), PolicyDecision::Allowed(_));
            prop_assert!(is_allowed);
            prop_assert_eq!(has_ours(&edit.new_document), Some(edit.sid));
            let again = plan_edit(&edit.new_document, &role(partition));
            let is_right = matches!(again, Err(Refusal::AlreadyRight { .. }));
            prop_assert!(is_right);
        }
    }

    #[test]
    fn an_undo_gives_the_policy_back(policy in policy(mostly_harmless()), partition in partitions()) {
        if let Some(edit) = planned(&policy, partition) {
            let undone = remove_ours(&edit.new_document, &edit.sid);
            let undone = undone.expect("our statement is there, and not alone");
            prop_assert!(same_policy(&undone, &policy), "{}", undone);
            prop_assert_eq!(statements(&read(&undone)), statements(&read(&policy)));
            prop_assert_eq!(read(&edit.previous_document), read(&policy));
        }
    }

    #[test]
    fn a_harmless_policy_is_always_edited(policy in policy(harmless_statement()), partition in partitions()) {
        match (plan_edit(&policy, &role(partition)), partition) {
            (Ok(_), Partition::Aws | Partition::UsGov) => {}
            (Err(Refusal::OtherPartition { .. }), other) => {
                prop_assert!(!matches!(other, Partition::Aws | Partition::UsGov));
            }
            (other, _) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn what_must_be_refused_is_refused(policy in policy(any_statement()), partition in partitions()) {
        let edit = planned(&policy, partition);
        let text = |value: &Value| value.to_string();
        let refuse = holds(&policy, |s| s.get("NotPrincipal").is_some())
            || holds(&policy, |s| text(&s["Principal"]).contains("AROA"))
            || holds(&policy, |s| {
                s["Effect"] == "Deny" && s["Action"] == "sts:AssumeRole"
                    && (s["Principal"] == "*" || text(&s["Principal"]["AWS"]).contains("\"*\"")
                        || ["ec2.", "EC2", "\"*\""].iter().any(|p| text(&s["Principal"]["Service"]).contains(p)))
            })
            || holds(&policy, |s| {
                s["Effect"] == "Allow"
                    && ["\"ssm.", "\"ecs-tasks."].iter().any(|p| text(&s["Principal"]["Service"]).contains(p))
            })
            || holds(&policy, |s| {
                s["Effect"] == "Allow" && s["Action"] == "sts:AssumeRole"
                    && text(&s["Principal"]).contains("\"ec2.amazonaws.com\"")
            });
        prop_assert!(!(refuse && edit.is_some()), "{:?}", edit);
    }

    #[test]
    fn whitespace_and_the_order_of_members_change_nothing(policy in policy(any_statement()), partition in partitions()) {
        let other = spaced(&read(&policy).to_string());
        prop_assert!(same_policy(&policy, &other));
        prop_assert_eq!(may_assume(Service::Ec2, &policy, partition), may_assume(Service::Ec2, &other, partition));
        prop_assert_eq!(
            plan_edit(&policy, &role(partition)).is_ok(),
            plan_edit(&other, &role(partition)).is_ok()
        );
    }

    #[test]
    fn a_changed_statement_is_another_policy(policy in policy(any_statement())) {
        let mut flipped = read(&policy);
        let first = match &mut flipped["Statement"] {
            Value::Array(items) => &mut items[0],
            single => single,
        };
        let effect = if first["Effect"] == "Allow" { "Deny" } else { "Allow" };
        first["Effect"] = effect.into();
        prop_assert!(!same_policy(&policy, &flipped.to_string()));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", partition in partitions()) {
        everything(&text, partition);
    }

    #[test]
    fn no_damaged_policy_makes_it_panic(
        policy in policy(any_statement()), cut in any::<prop::sample::Index>(),
        what in "[\\[\\]{},:\"\\\\ a0\u{e9}]{0,3}", partition in partitions()
    ) {
        let mut damaged: Vec<char> = policy.chars().collect();
        let at = cut.index(damaged.len());
        damaged.splice(at..(at + what.len() / 2).min(damaged.len()), what.chars());
        everything(&damaged.into_iter().collect::<String>(), partition);
    }

    #[test]
    fn no_json_makes_it_panic(json in any_json(), partition in partitions()) {
        everything(&json.to_string(), partition);
        everything(&format!("{{\"Statement\":{json}}}"), partition);
        everything(&format!("{{\"Statement\":{{\"Principal\":{json},\"Effect\":\"Allow\",\"Action\":\"*\"}}}}"), partition);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(&["Allow", "Deny", "*", "sts:AssumeRole"]).prop_map(Value::from),
    ];
    let name = prop_oneof![
        prop::sample::select(&[
            "Statement",
            "Effect",
            "Principal",
            "Service",
            "AWS",
            "Action",
            "Sid"
        ])
        .prop_map(str::to_owned),
        ".{0,4}".prop_map(|name| name),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn everything(text: &str, partition: Partition) {
    let decision = may_assume(Service::Ec2, text, partition);
    let plan = plan_edit(text, &role(partition));
    if serde_json::from_str::<Value>(text).is_err() {
        assert!(matches!(decision, PolicyDecision::Unclear(_)));
        assert!(matches!(plan, Err(Refusal::Unreadable(_))));
    }
    if let Err(refusal) = plan {
        assert!(!refusal.to_string().contains('\n'));
    }
    let ours = has_ours(text);
    assert!(remove_ours(text, ours.as_deref().unwrap_or_default()).is_none() || ours.is_some());
    assert!(same_policy(text, text));
}
