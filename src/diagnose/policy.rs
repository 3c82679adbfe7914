//! Permission policies read with care: what a document surely allows, surely
//! denies, or leaves open.
//!
//! It serves where IAM's own simulator may not be called, and for the policies
//! of VPC endpoints, which the simulator does not know. A condition, a policy
//! variable, an element that is not known, or a resource that may or may not
//! be meant makes a statement doubtful, and a doubt is never a verdict.

use serde_json::{Map, Value};

use crate::trust_policy::matches_pattern;

/// What one or more documents say about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// A statement without condition denies it: that statement in words.
    Denied(String),
    /// A statement without condition allows it.
    Allowed(String),
    /// No statement speaks of it.
    Nothing,
    /// Why it cannot be told: a clause.
    Unclear(String),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `ssm:UpdateInstanceInformation`.
    pub action: &'a str,
    /// The ARN that the action is called on; `*` where it knows none.
    pub resource: &'a str,
    /// Of the caller; for documents whose statements name principals.
    pub caller: Option<Caller<'a>>,
}

/// The role that calls.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub arn: &'a str,
    pub account: &'a str,
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
    let (mut allowed, mut doubt_of_deny, mut doubt_of_allow) = (None, None, None);
    for document in documents {
        let statements = match statements(document.text) {
            Ok(statements) => statements,
            Err(what) => {
                let why = format!("{} {what}", document.name);
                doubt_of_deny = doubt_of_deny.or(Some(why));
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
                    doubt_of_deny = doubt_of_deny.or(Some(why));
                }
            }
        }
    }
    match (doubt_of_deny, allowed, doubt_of_allow) {
        (Some(why), _, _) => Says::Unclear(why),
        (None, Some(place), _) => Says::Allowed(place),
        (None, None, Some(why)) => Says::Unclear(why),
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

fn statements(text: &str) -> Result<Vec<Map<String, Value>>, &'static str> {
    const NO_POLICY: &str = "is not a policy document that can be read";
    let document: Value = serde_json::from_str(text).map_err(|_| NO_POLICY)?;
    let listed = match document.get("Statement") {
        Some(Value::Array(listed)) => listed.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        Some(_) | None => return Err(NO_POLICY),
    };
    let object = |value| match value {
        Value::Object(statement) => Ok(statement),
        _ => Err(NO_POLICY),
    };
    listed.into_iter().map(object).collect()
}

fn place(document: &str, index: usize, statement: &Map<String, Value>) -> String {
    let plain = |sid: &&str| {
        (1..=64).contains(&sid.len()) && sid.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    match statement.get("Sid").and_then(Value::as_str).filter(plain) {
        Some(sid) => format!("the statement {sid} of {document}"),
        None => format!("statement {} of {document}", index + 1),
    }
}

fn effect(statement: &Map<String, Value>) -> Option<Effect> {
    match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Some(Effect::Allow),
        Some("Deny") => Some(Effect::Deny),
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

fn matches(statement: &Map<String, Value>, request: &Request<'_>) -> Match {
    let parts = [
        action(statement, request.action),
        resource(statement, request.resource),
        principal(statement, request.caller),
        condition(statement),
    ];
    let mut doubt = None;
    for part in parts {
        match part {
            Match::No => return Match::No,
            Match::Maybe(why) => doubt = doubt.or(Some(why)),
            Match::Yes => {}
        }
    }
    if let Some(other) = statement.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Match::Maybe(format!("has an element that is not known ({other:?})"));
    }
    doubt.map_or(Match::Yes, Match::Maybe)
}

fn action(statement: &Map<String, Value>, asked: &str) -> Match {
    let holds = |value: &Value| {
        let patterns = strings(value)?;
        Some(
            patterns
                .iter()
                .any(|pattern| matches_pattern(pattern, asked)),
        )
    };
    let held = match (statement.get("Action"), statement.get("NotAction")) {
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

fn resource(statement: &Map<String, Value>, asked: &str) -> Match {
    let unknown = || Match::Maybe("names its resources in a way that is not known".to_owned());
    match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(value), None) => {
            let Some(patterns) = strings(value) else {
                return unknown();
            };
            if patterns
                .iter()
                .any(|pattern| matches_pattern(pattern, asked))
            {
                Match::Yes
            } else if patterns.iter().any(|pattern| may_be_meant(pattern)) {
                Match::Maybe("is for certain resources only".to_owned())
            } else {
                Match::No
            }
        }
        (None, Some(_)) => Match::Maybe("is for all resources but some".to_owned()),
        (Some(_), Some(_)) => unknown(),
        // The policy of a resource may leave the resource out.
        (None, None) => Match::Yes,
    }
}

/// Whether a pattern that does not match the ARN asked for might stand for the
/// node all the same: which ARNs the agent's calls are checked against is
/// documented for some of them only.
fn may_be_meant(pattern: &str) -> bool {
    let service = pattern.split(':').nth(2).unwrap_or("*");
    service.contains(['*', '?', '$'])
        || pattern.contains("${")
        || matches!(service, "ec2" | "ssm" | "ssmmessages" | "ec2messages")
}

fn principal(statement: &Map<String, Value>, caller: Option<Caller<'_>>) -> Match {
    let Some(caller) = caller else {
        return Match::Yes;
    };
    if statement.contains_key("NotPrincipal") {
        return Match::Maybe("is for all principals but some".to_owned());
    }
    let named = match statement.get("Principal") {
        None => return Match::Maybe("names no principal".to_owned()),
        Some(Value::String(all)) if all == "*" => return Match::Yes,
        Some(Value::Object(named)) => named,
        Some(_) => return Match::Maybe("names principals in a way that is not known".to_owned()),
    };
    let Some(value) = named.get("AWS") else {
        // Services and identity providers are not this role.
        return Match::No;
    };
    let Some(names) = strings(value) else {
        return Match::Maybe("names principals in a way that is not known".to_owned());
    };
    let root = format!(":iam::{}:root", caller.account);
    if names.iter().any(|name| {
        *name == "*" || *name == caller.arn || *name == caller.account || name.ends_with(&root)
    }) {
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

/// Whether a trust policy lets a service assume its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trusts {
    Yes,
    No,
    /// Why it cannot be told: a clause.
    Unclear(String),
}

pub fn trusts_service(text: &str, service: &str) -> Trusts {
    let statements = match statements(text) {
        Ok(statements) => statements,
        Err(what) => return Trusts::Unclear(format!("its trust policy {what}")),
    };
    let (mut yes, mut doubt) = (false, None);
    for (index, statement) in statements.iter().enumerate() {
        let parts = [
            action(statement, "sts:AssumeRole"),
            names_service(statement, service),
            condition(statement),
        ];
        let place = || place("its trust policy", index, statement);
        let why = parts.iter().find_map(|part| match part {
            Match::Maybe(why) => Some(why),
            Match::Yes | Match::No => None,
        });
        match (parts.contains(&Match::No), why, effect(statement)) {
            (true, _, _) => {}
            (false, None, Some(Effect::Deny)) => return Trusts::No,
            (false, None, Some(Effect::Allow)) => yes = true,
            (false, Some(why), _) => doubt = Some(format!("{} {why}", place())),
            (false, None, None) => doubt = Some(format!("{} has no Effect", place())),
        }
    }
    match (doubt, yes) {
        (Some(why), _) => Trusts::Unclear(why),
        (None, true) => Trusts::Yes,
        (None, false) => Trusts::No,
    }
}

fn names_service(statement: &Map<String, Value>, service: &str) -> Match {
    let unclear = || Match::Maybe("names principals in a way that is not known".to_owned());
    match statement.get("Principal") {
        Some(Value::String(all)) if all == "*" => unclear(),
        Some(Value::Object(named)) => match named.get("Service").map(strings) {
            None => Match::No,
            Some(None) => unclear(),
            Some(Some(names)) if names.contains(&service) => Match::Yes,
            Some(Some(_)) => Match::No,
        },
        Some(_) | None => unclear(),
    }
}

fn condition(statement: &Map<String, Value>) -> Match {
    match statement.get("Condition") {
        None => Match::Yes,
        Some(Value::Object(empty)) if empty.is_empty() => Match::Yes,
        Some(_) => Match::Maybe("has a condition".to_owned()),
    }
}

/// One string or a list of strings.
fn strings(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(one) => Some(vec![one]),
        Value::Array(several) => several.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}
