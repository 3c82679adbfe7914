//! Permission policies read with care: what a document surely allows, surely
//! denies, or leaves open.
//!
//! It serves where IAM's own simulator may not be called or leaves a doubt, and
//! for the policies of VPC endpoints, which the simulator does not know. A
//! condition, a policy variable, an element that is not known, or a resource
//! that may or may not be meant makes a statement doubtful, and a doubt is
//! never a verdict. A doubt counts only where it could change the answer.

mod condition;
mod resource;

use resource::Reach;

use crate::trust_policy::{Json, matches_pattern};

/// What one or more documents say about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// A statement that certainly applies denies it: that statement in words.
    Denied(String),
    /// A statement that certainly applies allows it.
    Allowed(String),
    /// No statement allows it, whatever the doubtful ones may deny.
    Nothing,
    /// Why it cannot be told: a clause.
    Unclear(String),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `ssm:UpdateInstanceInformation`.
    pub action: &'a str,
    /// The ARN that the action is called on, in which `*` stands for any text.
    pub resource: &'a str,
    /// Of the caller; for documents whose statements name principals.
    pub caller: Option<Caller<'a>>,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub enum Caller<'a> {
    Role {
        arn: &'a str,
        account: &'a str,
    },
    /// A role at a gateway endpoint, whose policy takes a principal that it
    /// names for the root user of the account alone ("Control access to VPC
    /// endpoints using endpoint policies").
    AtGateway,
    /// A call without a signature: nobody, as far as a policy can tell.
    Unsigned,
}

/// A document with the name by which a person finds it.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

/// What `documents` together say: a denial beats everything, and any document
/// or statement that may deny makes an allowance doubtful.
pub fn says(documents: &[Document<'_>], request: &Request<'_>) -> Says {
    let (mut allowed, mut doubt_of_deny, mut doubt_of_allow, mut doubt) = (None, None, None, None);
    for document in documents {
        let statements = match statements(document.text) {
            Ok(statements) => statements,
            Err(what) => {
                doubt = doubt.or(Some(format!("{} {what}", document.name)));
                continue;
            }
        };
        for (index, statement) in statements.iter().enumerate() {
            let place = place(document.name, index, statement);
            let matched = matches(statement, request);
            match (effect(statement), matched) {
                (_, Match::No) => {}
                (Some(Effect::Deny), Match::Yes) => return Says::Denied(place),
                (Some(Effect::Allow), Match::Yes) => allowed = allowed.or(Some(place)),
                (Some(Effect::Allow), Match::Maybe(why)) => {
                    doubt_of_allow = doubt_of_allow.or(Some(format!("{place} {why}")));
                }
                (Some(Effect::Deny), Match::Maybe(why)) => {
                    doubt_of_deny = doubt_of_deny.or(Some(format!("{place} {why}")));
                }
                (None, Match::Yes | Match::Maybe(_)) => {
                    let why = format!("{place} has no Effect that is known");
                    doubt = doubt.or(Some(why));
                }
            }
        }
    }
    let may_allow = allowed.is_some() || doubt_of_allow.is_some();
    let doubt_of_deny = doubt_of_deny.filter(|_| may_allow);
    match (doubt.or(doubt_of_deny), allowed, doubt_of_allow) {
        (Some(why), _, _) | (None, None, Some(why)) => Says::Unclear(why),
        (None, Some(place), _) => Says::Allowed(place),
        (None, None, None) => Says::Nothing,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// A predicate that follows the statement's name.
    Maybe(String),
}

/// The members of a statement in their order.
type Statement = Vec<(String, Json)>;

fn get<'a>(members: &'a [(String, Json)], name: &str) -> Option<&'a Json> {
    let mut named = members.iter().filter(|(known, _)| known == name);
    named.next().map(|(_, value)| value)
}

fn statements(text: &str) -> Result<Vec<Statement>, &'static str> {
    const NO_POLICY: &str = "is not a policy document that can be read";
    let Ok(Json::Map(members)) = Json::parse(text) else {
        return Err(NO_POLICY);
    };
    let statement = members
        .into_iter()
        .find(|(name, _)| name == "Statement")
        .map(|(_, value)| value);
    let listed = match statement {
        Some(Json::List(listed)) => listed,
        Some(one @ Json::Map(_)) => vec![one],
        Some(_) | None => return Err(NO_POLICY),
    };
    let object = |value| match value {
        Json::Map(statement) => Ok(statement),
        _ => Err(NO_POLICY),
    };
    listed.into_iter().map(object).collect()
}

fn place(document: &str, index: usize, statement: &Statement) -> String {
    let plain = |sid: &&String| {
        (1..=64).contains(&sid.len()) && sid.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let sid = match get(statement, "Sid") {
        Some(Json::Text(sid)) => Some(sid).filter(plain),
        _ => None,
    };
    match sid {
        Some(sid) => format!("the statement {sid} of {document}"),
        None => format!("statement {} of {document}", index + 1),
    }
}

fn effect(statement: &Statement) -> Option<Effect> {
    match get(statement, "Effect") {
        Some(Json::Text(text)) if text == "Allow" => Some(Effect::Allow),
        Some(Json::Text(text)) if text == "Deny" => Some(Effect::Deny),
        Some(_) | None => None,
    }
}

/// The elements of a statement that are understood here.
const KNOWN: [&str; 10] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
    "Id",
];

fn matches(statement: &Statement, request: &Request<'_>) -> Match {
    let unsigned = matches!(request.caller, Some(Caller::Unsigned));
    let parts = [
        action(statement, request.action),
        resource(statement, request.resource),
        principal(statement, request.caller),
        condition::evaluate(get(statement, "Condition"), unsigned),
    ];
    let mut doubt = None;
    for part in parts {
        match part {
            Match::No => return Match::No,
            Match::Maybe(why) => doubt = doubt.or(Some(why)),
            Match::Yes => {}
        }
    }
    let unknown = |(key, _): &&(String, Json)| !KNOWN.contains(&key.as_str());
    if let Some((other, _)) = statement.iter().find(unknown) {
        return Match::Maybe(format!("has an element that is not known ({other:?})"));
    }
    doubt.map_or(Match::Yes, Match::Maybe)
}

fn action(statement: &Statement, asked: &str) -> Match {
    let holds = |value: &Json| {
        let patterns = strings(value)?;
        Some(
            patterns
                .iter()
                .any(|pattern| matches_pattern(pattern, asked)),
        )
    };
    let held = match (get(statement, "Action"), get(statement, "NotAction")) {
        (Some(value), None) => holds(value),
        (None, Some(value)) => holds(value).map(|held| !held),
        (Some(_), Some(_)) | (None, None) => None,
    };
    match held {
        Some(true) => Match::Yes,
        Some(false) => Match::No,
        None => Match::Maybe("names its actions in a way that is not known".to_owned()),
    }
}

fn resource(statement: &Statement, asked: &str) -> Match {
    let (value, negated) = match (get(statement, "Resource"), get(statement, "NotResource")) {
        (Some(value), None) => (Some(value), false),
        (None, Some(value)) => (Some(value), true),
        (Some(_), Some(_)) => (None, false),
        // The policy of a resource may leave the resource out.
        (None, None) => return Match::Yes,
    };
    let Some(patterns) = value.and_then(strings) else {
        return Match::Maybe("names its resources in a way that is not known".to_owned());
    };
    let reached: Vec<Reach> = patterns
        .iter()
        .map(|pattern| resource::reach(pattern, asked))
        .collect();
    match (reached.contains(&Reach::All), negated) {
        (true, true) => Match::No,
        (true, false) => Match::Yes,
        (false, true) if reached.contains(&Reach::Some) => {
            Match::Maybe("is for all resources but some".to_owned())
        }
        (false, false) if reached.contains(&Reach::Some) => {
            Match::Maybe("is for certain resources only".to_owned())
        }
        (false, true) => Match::Yes,
        (false, false) => Match::No,
    }
}

fn principal(statement: &Statement, caller: Option<Caller<'_>>) -> Match {
    let Some(caller) = caller else {
        return Match::Yes;
    };
    if get(statement, "NotPrincipal").is_some() {
        return Match::Maybe("is for all principals but some".to_owned());
    }
    let unknown = || Match::Maybe("names principals in a way that is not known".to_owned());
    let named = match get(statement, "Principal") {
        None => return Match::Maybe("names no principal".to_owned()),
        Some(Json::Text(all)) if all == "*" => return Match::Yes,
        Some(Json::Map(named)) => named,
        Some(_) => return unknown(),
    };
    // Services and identity providers are not this caller.
    const OTHERS: [&str; 3] = ["Service", "Federated", "CanonicalUser"];
    if (named.iter()).any(|(kind, _)| kind != "AWS" && !OTHERS.contains(&kind.as_str())) {
        return unknown();
    }
    let Some(value) = get(named, "AWS") else {
        return Match::No;
    };
    let Some(names) = strings(value) else {
        return unknown();
    };
    if names.contains(&"*") {
        return Match::Yes;
    }
    let (arn, account) = match caller {
        Caller::Role { arn, account } => (arn, account),
        Caller::Unsigned => return Match::No,
        Caller::AtGateway => {
            return Match::Maybe(
                "names principals, which a gateway endpoint takes for root users".to_owned(),
            );
        }
    };
    let root = format!(":iam::{account}:root");
    if names
        .iter()
        .any(|name| *name == arn || *name == account || name.ends_with(&root))
    {
        return Match::Yes;
    }
    let other_role = |name: &&str| {
        let plain = |text: &str| !text.contains(['*', '?', '$']);
        plain(name) && name.contains(":iam::") && name.contains(":role/")
            || name.ends_with(":root")
            || (name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit()))
    };
    if names.iter().all(other_role) {
        Match::No
    } else {
        Match::Maybe("is for certain principals only".to_owned())
    }
}

/// One string or a list of strings.
fn strings(value: &Json) -> Option<Vec<&str>> {
    match value {
        Json::Text(one) => Some(vec![one]),
        Json::List(several) => several
            .iter()
            .map(|one| match one {
                Json::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Map(_) => None,
    }
}
