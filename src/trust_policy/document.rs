//! A role's trust policy as the IAM policy grammar reads it.
//!
//! Tolerant where the grammar is (one value or a list of values, one statement
//! or a list), strict everywhere else: an element this module does not know
//! might change the meaning, so the document is then not judged at all.

use std::collections::BTreeMap;
use std::fmt;

use super::json::Json;

/// A trust policy, its statements in the order of the document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) place: Place,
    /// As written, unlike the one of `place`, which is only there to be shown.
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principals: Principals,
    pub(super) actions: Actions,
    /// There is a `Condition`, be it an empty one.
    pub(super) has_condition: bool,
    /// There is a `Condition` that holds something.
    pub(super) conditioned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Principals {
    /// `Principal` is `"*"`.
    Everyone,
    /// `Principal`
    Only(Vec<Principal>),
    /// `NotPrincipal`, whatever it lists: AWS documents that a role's trust
    /// policy cannot hold one ("AWS JSON policy elements: NotPrincipal").
    AllBut,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Principal {
    pub(super) kind: PrincipalKind,
    pub(super) value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrincipalKind {
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

/// Action patterns with `*` and `?`, read without regard to case
/// ("IAM JSON policy elements: Action").
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Actions {
    /// `Action`
    Only(Vec<String>),
    /// `NotAction`
    AllBut(Vec<String>),
}

/// A statement of the document, as a person would name it: `statement
/// "AllowEc2"` where its Sid is plain and no other statement has it, `statement
/// 2` otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    position: usize,
    sid: Option<String>,
}

impl Place {
    /// Counted from 1.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "statement \"{sid}\""),
            None => write!(f, "statement {}", self.position),
        }
    }
}

/// Why a document is not a trust policy that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or a member of an object is named twice.
    #[error("The trust policy is not valid JSON: {0}.")]
    NotJson(String),
    #[error("The trust policy is not a JSON object.")]
    NotAnObject,
    #[error("The trust policy holds no statement.")]
    NoStatement,
    #[error("The trust policy has an element {0} that a policy does not have.")]
    UnknownElement(String),
    #[error("The trust policy has a Version other than 2012-10-17 and 2008-10-17.")]
    UnknownVersion,
    #[error("The trust policy has an element {element} in {place}, which does not belong there.")]
    UnknownStatementElement { place: Place, element: String },
    #[error("The trust policy is malformed in {place}: {what}.")]
    Malformed { place: Place, what: &'static str },
}

impl Document {
    /// The policy that `text` is; the error says what stands against it.
    pub(super) fn parse(text: &str) -> Result<Self, DocumentError> {
        let json = Json::parse(text).map_err(|e| DocumentError::NotJson(e.to_string()))?;
        let Json::Map(members) = json else {
            return Err(DocumentError::NotAnObject);
        };
        let mut statements = Vec::new();
        for (name, value) in members {
            match name.as_str() {
                "Version" => match value {
                    Json::Text(v) if v == "2012-10-17" || v == "2008-10-17" => {}
                    _ => return Err(DocumentError::UnknownVersion),
                },
                "Id" => {}
                "Statement" => {
                    statements = match value {
                        Json::List(items) => items,
                        single => vec![single],
                    };
                }
                _ => return Err(DocumentError::UnknownElement(shown(&name))),
            }
        }
        if statements.is_empty() {
            return Err(DocumentError::NoStatement);
        }
        let sids: Vec<Option<String>> = statements.iter().map(sid_of).collect();
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for sid in sids.iter().flatten() {
            *uses.entry(sid).or_default() += 1;
        }
        let statements = statements
            .into_iter()
            .enumerate()
            .map(|(index, json)| statement(json, place(&sids, &uses, index)))
            .collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }
}

fn statement(json: Json, place: Place) -> Result<Statement, DocumentError> {
    let malformed = |what| DocumentError::Malformed {
        place: place.clone(),
        what,
    };
    let Json::Map(members) = json else {
        return Err(malformed("it is not an object"));
    };
    let (mut sid, mut effect, mut principals, mut actions) = (None, None, None, None);
    let (mut has_condition, mut conditioned) = (false, false);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("Sid", Json::Text(text)) => sid = Some(text),
            ("Sid", _) => return Err(malformed("its Sid is not a text")),
            ("Effect", Json::Text(text)) if text == "Allow" => effect = Some(Effect::Allow),
            ("Effect", Json::Text(text)) if text == "Deny" => effect = Some(Effect::Deny),
            ("Effect", _) => return Err(malformed("its Effect is neither Allow nor Deny")),
            ("Principal" | "NotPrincipal", _) if principals.is_some() => {
                return Err(malformed("it has both Principal and NotPrincipal"));
            }
            ("Principal", Json::Text(text)) if text == "*" => {
                principals = Some(Principals::Everyone);
            }
            ("Principal", value) => {
                principals = Some(Principals::Only(principal_map(value).map_err(malformed)?));
            }
            ("NotPrincipal", _) => principals = Some(Principals::AllBut),
            ("Action" | "NotAction", _) if actions.is_some() => {
                return Err(malformed("it has both Action and NotAction"));
            }
            (which @ ("Action" | "NotAction"), value) => {
                let patterns = texts(value)
                    .ok_or_else(|| malformed("its actions are not texts, or there are none"))?;
                actions = Some(match which {
                    "Action" => Actions::Only(patterns),
                    _ => Actions::AllBut(patterns),
                });
            }
            ("Condition", Json::Map(operators)) => {
                has_condition = true;
                conditioned = !operators.is_empty();
            }
            ("Condition", _) => return Err(malformed("its Condition is not an object")),
            _ => {
                return Err(DocumentError::UnknownStatementElement {
                    place,
                    element: shown(&name),
                });
            }
        }
    }
    Ok(Statement {
        effect: effect.ok_or_else(|| malformed("it has no Effect"))?,
        principals: principals.ok_or_else(|| malformed("it has no Principal"))?,
        actions: actions.ok_or_else(|| malformed("it has no Action"))?,
        sid,
        has_condition,
        conditioned,
        place,
    })
}

fn principal_map(value: Json) -> Result<Vec<Principal>, &'static str> {
    let Json::Map(members) = value else {
        return Err("its Principal is neither \"*\" nor an object");
    };
    let mut principals = Vec::new();
    for (name, value) in members {
        let kind = match name.as_str() {
            "AWS" => PrincipalKind::Aws,
            "Service" => PrincipalKind::Service,
            "Federated" => PrincipalKind::Federated,
            "CanonicalUser" => PrincipalKind::CanonicalUser,
            _ => {
                return Err(
                    "its Principal is of a kind other than AWS, Service, Federated and CanonicalUser",
                );
            }
        };
        let values = texts(value).ok_or("its principals are not texts, or there are none")?;
        principals.extend(values.into_iter().map(|value| Principal { kind, value }));
    }
    if principals.is_empty() {
        return Err("its Principal names nobody");
    }
    Ok(principals)
}

/// One text or a list of texts, at least one.
fn texts(value: Json) -> Option<Vec<String>> {
    let items = match value {
        Json::List(items) => items,
        single => vec![single],
    };
    let texts: Vec<String> = items
        .into_iter()
        .map(|item| match item {
            Json::Text(text) => Some(text),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Map(_) => None,
        })
        .collect::<Option<_>>()?;
    (!texts.is_empty()).then_some(texts)
}

fn sid_of(statement: &Json) -> Option<String> {
    let Json::Map(members) = statement else {
        return None;
    };
    members.iter().find_map(|(name, value)| match value {
        Json::Text(text) if name == "Sid" => Some(text.clone()),
        _ => None,
    })
}

/// `uses` counts the statements that have each Sid.
fn place(sids: &[Option<String>], uses: &BTreeMap<&str, usize>, index: usize) -> Place {
    let plain = |sid: &&String| {
        (1..=100).contains(&sid.len()) && sid.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let sid = sids[index]
        .as_ref()
        .filter(plain)
        .filter(|sid| uses.get(sid.as_str()) == Some(&1));
    Place {
        position: index + 1,
        sid: sid.cloned(),
    }
}

/// A text out of the document for a sentence: quoted, one line, not too long.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut line: String = text
        .chars()
        .take(LONGEST)
        .map(|c| {
            if c.is_ascii_graphic() && c != '"' {
                c
            } else {
                '?'
            }
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push_str("...");
    }
    format!("\"{line}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Document::parse(text).map_or_else(|e| e.to_string(), |d| format!("parsed: {d:?}"))
    }

    #[test]
    fn statements_are_named_by_a_plain_and_unique_sid_else_by_position() {
        let rest = r#""Effect":"Allow","Principal":"*","Action":"*""#;
        let text = format!(
            r#"{{"Statement":[{{"Sid":"One",{rest}}},{{"Sid":"Two",{rest}}},{{"Sid":"Two",{rest}}},
               {{"Sid":"a b",{rest}}},{{{rest}}},{{"Sid":"",{rest}}}]}}"#
        );
        let document = Document::parse(&text).expect("a valid policy");
        let names: Vec<String> = document
            .statements
            .iter()
            .map(|s| s.place.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "statement \"One\"",
                "statement 2",
                "statement 3",
                "statement 4",
                "statement 5",
                "statement 6"
            ]
        );
    }

    #[test]
    fn what_the_grammar_does_not_know_is_said_not_guessed() {
        let ok = r#""Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole""#;
        for (text, expected) in [
            ("", "not valid JSON"),
            ("[]", "not a JSON object"),
            ("{}", "holds no statement"),
            (r#"{"Statement":[]}"#, "holds no statement"),
            (r#"{"statement":[]}"#, "an element \"statement\""),
            (
                r#"{"Statement":[1]}"#,
                "malformed in statement 1: it is not an object",
            ),
            (
                &format!(r#"{{"Statement":{{{ok}}},"Statement":{{{ok}}}}}"#),
                "named twice",
            ),
            (
                &format!(r#"{{"Version":"2030-01-01","Statement":{{{ok}}}}}"#),
                "has a Version other",
            ),
            (
                &format!(r#"{{"Version":2012,"Statement":{{{ok}}}}}"#),
                "has a Version other",
            ),
            (
                &format!(r#"{{"Statement":[{{{ok}}},{{{ok},"Resource":"*"}}]}}"#),
                "an element \"Resource\" in statement 2",
            ),
            (&format!(r#"{{"Statement":{{{ok},"Sid":1}}}}"#), "its Sid"),
            (
                &format!(r#"{{"Statement":{{{ok},"NotAction":"x"}}}}"#),
                "both Action",
            ),
            (
                &format!(r#"{{"Statement":{{{ok},"NotPrincipal":"*"}}}}"#),
                "both Principal",
            ),
            (
                &format!(r#"{{"Statement":{{{ok},"Condition":"x"}}}}"#),
                "its Condition",
            ),
            (
                r#"{"Statement":{"Effect":"allow","Principal":"*","Action":"*"}}"#,
                "neither Allow nor Deny",
            ),
            (
                r#"{"Statement":{"Principal":"*","Action":"*"}}"#,
                "no Effect",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Action":"*"}}"#,
                "no Principal",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*"}}"#,
                "no Action",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":[]}}"#,
                "there are none",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":["a",1]}}"#,
                "not texts",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"x","Action":"a"}}"#,
                "neither \"*\" nor",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":{},"Action":"a"}}"#,
                "names nobody",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":{"Service":[]},"Action":"a"}}"#,
                "there are none",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":{"service":"x"},"Action":"a"}}"#,
                "of a kind other",
            ),
        ] {
            let found = error(text);
            assert!(found.contains(expected), "{text}\n  {found}");
        }
    }

    #[test]
    fn text_of_the_document_stays_one_short_line() {
        assert_eq!(shown("a\nb\"é"), "\"a?b??\"");
        assert_eq!(shown(&"x".repeat(500)).len(), 125);
    }
}
