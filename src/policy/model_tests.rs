//! The decisions on permission and trust policies, held against a model that
//! knows nothing but how IAM puts statements together.
//!
//! Each pattern of the pools stands beside what it means for the one request
//! that is asked about: it matches, it misses, or nobody can tell. The model
//! tries every truth value of all that is open, and of every condition; what
//! comes out the same each time is certain.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{Caller, Document, PolicyDecision, Request, Service, evaluate, may_assume};
use crate::node::Partition;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Truth {
    Yes,
    No,
    Open,
}

use Truth::{No, Open, Yes};

#[derive(Debug, PartialEq)]
enum Answer {
    Allowed,
    NotAllowed,
    Unclear,
}

type Pattern = (&'static str, Truth);

/// One statement: its JSON, and which groups of terms must hold for it to
/// apply. A group holds when one of its terms does, a negated one when none.
#[derive(Debug, Clone)]
struct Statement {
    json: Value,
    allow: bool,
    groups: Vec<(bool, Vec<Truth>)>,
}

/// How many truth values are open.
fn open(statements: &[Statement]) -> usize {
    let terms = statements.iter().flat_map(|one| &one.groups);
    terms
        .map(|(_, terms)| terms.iter().filter(|term| **term == Open).count())
        .sum()
}

fn answer(statements: &[Statement]) -> Answer {
    let open = open(statements);
    let (mut allowed, mut not) = (false, false);
    for assignment in 0_u32..1 << open {
        let mut bits = assignment;
        let (mut allows, mut denies) = (false, false);
        for statement in statements {
            let mut applies = true;
            for (negated, terms) in &statement.groups {
                let mut one = false;
                for term in terms {
                    one |= match term {
                        Yes => true,
                        No => false,
                        Open => {
                            let bit = bits & 1 == 1;
                            bits >>= 1;
                            bit
                        }
                    };
                }
                applies &= one != *negated;
            }
            allows |= applies && statement.allow;
            denies |= applies && !statement.allow;
        }
        if allows && !denies {
            allowed = true;
        } else {
            not = true;
        }
    }
    match (allowed, not) {
        (true, false) => Answer::Allowed,
        (false, _) => Answer::NotAllowed,
        (true, true) => Answer::Unclear,
    }
}

const ACTION: &str = "ssm:UpdateInstanceInformation";
const INSTANCE: &str = "arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0";

const ACTIONS: &[Pattern] = &[
    ("*", Yes),
    ("ssm:*", Yes),
    ("SSM:update*", Yes),
    ("ssm:UpdateInstanceInformatio?", Yes),
    ("ssm:UpdateInstance", No),
    ("ssm:UpdateInstanceInformation?", No),
    ("ssm:List*", No),
    ("ssmmessages:*", No),
];

const RESOURCES: &[Pattern] = &[
    ("*", Yes),
    (INSTANCE, Yes),
    ("arn:aws:ec2:*:*:instance/*", Yes),
    ("arn:aws:ec2:eu-*:1111*:instance/i-0*", Yes),
    ("arn:aws:ec2:us-east-1:*:instance/*", No),
    ("arn:aws:ec2:*:*:instance/i-1*", No),
    ("arn:aws:ssm:*:*:document/*", No),
    ("arn:aws:s3:::bucket/*", No),
    ("arn:aws:ec2:*", Open),
    ("arn:aws:ec2:*:*:INSTANCE/*", Open),
    ("arn:aws:ec2:*:*:instance/${aws:PrincipalTag/node}", Open),
];

fn patterns(pool: &'static [Pattern]) -> impl Strategy<Value = (Value, Vec<Truth>)> {
    let several = prop::collection::vec(select(pool), 1..4);
    (several, any::<bool>()).prop_map(|(chosen, bare)| {
        let texts: Vec<&str> = chosen.iter().map(|(text, _)| *text).collect();
        let json = match texts[..] {
            [only] if bare => json!(only),
            _ => json!(texts),
        };
        (json, chosen.iter().map(|(_, truth)| *truth).collect())
    })
}

/// A statement of `Effect` and `Condition`, to which the rest is added.
fn outline() -> impl Strategy<Value = Statement> {
    (any::<bool>(), prop::bool::weighted(0.3)).prop_map(|(allow, conditioned)| {
        let mut json = json!({"Effect": if allow { "Allow" } else { "Deny" }});
        let mut groups = Vec::new();
        if conditioned {
            json["Condition"] = json!({"StringEquals": {"aws:PrincipalTag/team": "a"}});
            groups.push((false, vec![Open]));
        }
        Statement {
            json,
            allow,
            groups,
        }
    })
}

fn of_permissions() -> impl Strategy<Value = Statement> {
    let element =
        |name: &'static str, pool| (patterns(pool), prop::bool::weighted(0.25), Just(name));
    let elements = (element("Action", ACTIONS), element("Resource", RESOURCES));
    (outline(), elements).prop_map(|(mut statement, (action, resource))| {
        for ((json, truths), negated, name) in [action, resource] {
            let name = format!("{}{name}", if negated { "Not" } else { "" });
            statement.json[name] = json;
            statement.groups.push((negated, truths));
        }
        statement
    })
}

const ASSUMES: &[Pattern] = &[
    ("sts:AssumeRole", Yes),
    ("STS:assume*", Yes),
    ("*", Yes),
    ("sts:AssumeRoleWithSAML", No),
    ("sts:TagSession", No),
];

/// `SERVICE` stands for the prefix of the service that is asked about.
const SERVICES: &[Pattern] = &[
    ("SERVICE.amazonaws.com", Yes),
    ("lambda.amazonaws.com", No),
    ("SERVICEfleet.amazonaws.com", No),
    ("SERVICE.us-east-1.amazonaws.com", Open),
    ("SERVICE.Amazonaws.com", Open),
    ("*", Open),
];

const ACCOUNTS: &[Pattern] = &[
    ("111122223333", No),
    ("arn:aws:iam::444455556666:root", No),
    ("*", Open),
];

fn of_trust() -> impl Strategy<Value = Statement> {
    let principal = prop_oneof![
        3 => patterns(SERVICES).prop_map(|(json, truths)| (json!({"Service": json}), truths)),
        1 => patterns(ACCOUNTS).prop_map(|(json, truths)| (json!({"AWS": json}), truths)),
        2 => (patterns(SERVICES), patterns(ACCOUNTS)).prop_map(|((service, mut truths), (aws, more))| {
            truths.extend(more);
            (json!({"Service": service, "AWS": aws}), truths)
        }),
        1 => Just((json!("*"), Vec::new())),
    ];
    let not_principal = prop::bool::weighted(0.1);
    let action = (patterns(ASSUMES), prop::bool::weighted(0.25));
    (outline(), action, principal, not_principal).prop_map(
        |(mut statement, ((action, truths), not_action), (principal, named), not_principal)| {
            let name = if not_action { "NotAction" } else { "Action" };
            statement.json[name] = action;
            statement.groups.push((not_action, truths));
            let everyone = named.is_empty();
            if not_principal && !everyone {
                // Trust policies know no such element: nobody can tell.
                statement.json["NotPrincipal"] = principal;
                statement.groups.push((false, vec![Open]));
                return statement;
            }
            statement.json["Principal"] = principal;
            let truths = match (everyone, statement.allow) {
                (false, _) => named,
                (true, true) => vec![Open],
                (true, false) => vec![Yes],
            };
            statement.groups.push((false, truths));
            statement
        },
    )
}

/// Open truth values that are tried out: a few thousand assignments.
const FEW: usize = 12;

fn document(statements: &[Statement]) -> String {
    let statements: Vec<&Value> = statements.iter().map(|one| &one.json).collect();
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn answered(decision: PolicyDecision) -> Answer {
    match decision {
        PolicyDecision::Allowed(_) => Answer::Allowed,
        PolicyDecision::Denied(_) | PolicyDecision::NotAllowed => Answer::NotAllowed,
        PolicyDecision::Unclear(_) => Answer::Unclear,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn permissions_are_decided_as_every_truth_value_of_the_unknown_agrees(
        statements in prop::collection::vec(of_permissions(), 1..5), cut in any::<prop::sample::Index>()
    ) {
        prop_assume!(open(&statements) <= FEW);
        let (one, other) = statements.split_at(cut.index(statements.len()));
        let texts = [document(one), document(other)];
        let policies = texts.each_ref().map(|text| Document::parse("a policy", text));
        let request = Request { action: ACTION, resource: INSTANCE, caller: Caller::Attached };
        let said = answered(evaluate(&policies, &request));
        prop_assert_eq!(said, answer(&statements), "{:?}", texts);
    }

    #[test]
    fn trust_is_decided_as_every_truth_value_of_the_unknown_agrees(
        statements in prop::collection::vec(of_trust(), 1..5)
    ) {
        prop_assume!(open(&statements) <= FEW);
        for (service, prefix) in [(Service::Ec2, "ec2"), (Service::SystemsManager, "ssm")] {
            let text = document(&statements).replace("SERVICE", prefix);
            let said = answered(may_assume(service, &text, Partition::Aws));
            prop_assert_eq!(said, answer(&statements), "{}", text);
        }
    }
}
