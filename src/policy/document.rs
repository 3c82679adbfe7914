//! A policy document as the IAM policy grammar reads it.
//!
//! Tolerant where the grammar is (one value or a list of values, one statement
//! or a list), strict everywhere else: an element that is not known here, or
//! one that is named twice, might change the meaning, so that nothing is
//! concluded from such a document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Bytes that are parsed at most: IAM takes no policy document of more than
/// 131,072 characters, none of them longer than two bytes (IAM API reference,
/// `policyDocumentType`), and no quota lets a policy grow nearly as long.
pub(super) const LONGEST: usize = 2 * 131_072;

/// A policy, its statements in the order of the document. Two are equal when
/// they mean the same to IAM: whitespace, the order of members and of values in
/// a list, and a list around a single value do not matter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    version: Option<Version>,
    id: Option<String>,
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) at: StatementRef,
    /// As written, unlike the one of `at`, which is only there to be shown.
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principals: Option<Principals>,
    pub(super) actions: Patterns,
    pub(super) resources: Option<Patterns>,
    pub(super) condition: Option<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub(super) enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Principals {
    /// `Principal` is `"*"`.
    Everyone,
    Named(Unique<PrincipalKind, Strings>),
    /// `NotPrincipal`, whatever it lists.
    AllBut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
pub(super) enum PrincipalKind {
    #[serde(rename = "AWS")]
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Patterns {
    /// It is the one with `Not`.
    pub(super) all_but: bool,
    pub(super) listed: Strings,
}

/// Operators, keys and values.
pub(super) type Condition = Unique<String, Unique<String, Value>>;

/// A statement of a policy, as a person would name it: `statement "AllowEc2"`
/// where its Sid is plain and no other statement has it, `statement 2` otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatementRef {
    policy: String,
    position: usize,
    sid: Option<String>,
}

impl StatementRef {
    /// Counted from 1.
    #[cfg(test)]
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// With the name of the policy: `statement 2 of the inline policy Own`.
    pub(crate) fn in_full(&self) -> String {
        format!("{self} of {}", self.policy)
    }
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "statement \"{sid}\""),
            None => write!(f, "statement {}", self.position),
        }
    }
}

/// Why nothing can be concluded from a document: a clause that begins with the
/// name of the policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DocumentError(pub(super) String);

impl Document {
    /// The policy that `text` is, to be called `name` in messages (`the inline
    /// policy Own`).
    ///
    /// # Errors
    /// When `text` is not JSON, is longer than a policy can be, or holds what
    /// the policy grammar does not know.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, DocumentError> {
        let fault = |what: String| DocumentError(format!("{name} {}", plain(&what)));
        if text.len() > LONGEST {
            return Err(fault("is longer than a policy can be".to_owned()));
        }
        let no_policy = |e| fault(format!("is not a policy document: {e}"));
        let members: Members<'_, Top> =
            serde_json::from_str(text).map_err(|e| no_policy(e.to_string()))?;
        let (_, texts) = statements(text).map_err(no_policy)?;
        let statement = |(index, text)| {
            let at = StatementRef {
                policy: name.to_owned(),
                position: index + 1,
                sid: None,
            };
            let malformed = |e| fault(format!("is malformed in statement {}: {e}", index + 1));
            Statement::parse(text, at).map_err(malformed)
        };
        let statements = texts.into_iter().enumerate().map(statement);
        let mut statements: Vec<Statement> = statements.collect::<Result<_, _>>()?;
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for sid in statements.iter().filter_map(|one| one.sid.clone()) {
            *uses.entry(sid).or_default() += 1;
        }
        for statement in &mut statements {
            let is_name = |sid: &&String| {
                (1..=100).contains(&sid.len())
                    && sid.bytes().all(|b| b.is_ascii_alphanumeric())
                    && uses.get(*sid) == Some(&1)
            };
            statement.at.sid = statement.sid.as_ref().filter(is_name).cloned();
        }
        Ok(Self {
            version: members.get(Top::Version).map_err(no_policy)?,
            id: members.get(Top::Id).map_err(no_policy)?,
            statements,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
enum Version {
    #[serde(rename = "2008-10-17")]
    V2008,
    #[serde(rename = "2012-10-17")]
    V2012,
}

/// The elements of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
enum Top {
    Version,
    Id,
    Statement,
}

/// The elements of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
enum Element {
    Sid,
    Effect,
    Principal,
    NotPrincipal,
    Action,
    NotAction,
    Resource,
    NotResource,
    Condition,
}

/// The texts of an object's members, all of which are known.
type Members<'a, Name> = Unique<Name, &'a RawValue>;

impl<'a, Name: Ord + fmt::Debug> Members<'a, Name> {
    fn get<T: Deserialize<'a>>(&self, name: Name) -> Result<Option<T>, String> {
        let read = |text: &&'a RawValue| serde_json::from_str(text.get());
        let value = self.0.get(&name).map(read).transpose();
        value.map_err(|e| format!("{name:?}: {e}"))
    }
}

/// The text of the element `Statement`, and of each statement in it.
pub(super) fn statements(policy: &str) -> Result<(&str, Vec<&str>), String> {
    let policy: Members<'_, Top> = serde_json::from_str(policy).map_err(|e| e.to_string())?;
    let all: &RawValue = policy.get(Top::Statement)?.ok_or("it has no Statement")?;
    let listed: Vec<&RawValue> = match all.get().starts_with('[') {
        true => policy.get(Top::Statement)?.unwrap_or_default(),
        false => vec![all],
    };
    Ok((all.get(), listed.into_iter().map(RawValue::get).collect()))
}

impl Statement {
    /// The principals of one kind that it names.
    pub(super) fn named(&self, kind: PrincipalKind) -> impl Iterator<Item = &str> + Clone {
        let names = match &self.principals {
            Some(Principals::Named(named)) => named.0.get(&kind),
            Some(Principals::Everyone | Principals::AllBut) | None => None,
        };
        names.into_iter().flat_map(|one| &one.0).map(String::as_str)
    }

    /// The statement that `text` is, or what stands against it.
    pub(super) fn parse(text: &str, at: StatementRef) -> Result<Self, String> {
        let of: Members<'_, Element> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let both = |name| format!("it has both {name:?} and Not{name:?}");
        let patterns = |name: Element, not: Element| match (of.get(name)?, of.get(not)?) {
            (Some(_), Some(_)) => Err(both(name)),
            (None, None) => Ok(None),
            (only, but) => Ok(Some(Patterns {
                all_but: but.is_some(),
                listed: only.or(but).unwrap_or_default(),
            })),
        };
        let named = match of.get::<String>(Element::Principal) {
            Ok(Some(all)) if all == "*" => Some(Principals::Everyone),
            Ok(_) | Err(_) => of.get(Element::Principal)?.map(Principals::Named),
        };
        let principals = match (named, of.0.contains_key(&Element::NotPrincipal)) {
            (Some(_), true) => return Err(both(Element::Principal)),
            (None, true) => Some(Principals::AllBut),
            (named, false) => named,
        };
        Ok(Self {
            at,
            sid: of.get(Element::Sid)?,
            effect: of.get(Element::Effect)?.ok_or("it has no Effect")?,
            principals,
            actions: patterns(Element::Action, Element::NotAction)?.ok_or("it has no Action")?,
            resources: patterns(Element::Resource, Element::NotResource)?,
            condition: of.get(Element::Condition)?,
        })
    }
}

/// One string or a list of strings, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Strings(pub(super) BTreeSet<String>);

impl TryFrom<Value> for Strings {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let items = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        let strings = items.iter().map(|item| item.as_str().map(str::to_owned));
        let strings: BTreeSet<String> = strings.collect::<Option<_>>().unwrap_or_default();
        match strings.is_empty() {
            true => Err("expected a string or a list of strings"),
            false => Ok(Self(strings)),
        }
    }
}

/// An object that names no member twice, of which `serde_json` would keep the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unique<K, V>(pub(super) BTreeMap<K, V>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Unique<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Members<K, V> {
            type Value = Unique<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is named twice"));
                    }
                }
                Ok(Unique(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// Text out of a document for a sentence: one line, not too long.
pub(super) fn plain(text: &str) -> String {
    const LONGEST: usize = 200;
    let printable = |c: char| Some(c).filter(|c| matches!(c, ' '..='~')).unwrap_or('?');
    let mut line: String = text.chars().take(LONGEST).map(printable).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push_str("...");
    }
    line
}

/// The same between quotation marks.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", plain(text).replace('"', "?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_named_by_a_plain_and_unique_sid_else_by_position() {
        let rest = r#""Effect":"Allow","Principal":"*","Action":"*""#;
        let text = format!(
            r#"{{"Statement":[{{"Sid":"One",{rest}}},{{"Sid":"Two",{rest}}},{{"Sid":"Two",{rest}}},
               {{"Sid":"a b",{rest}}},{{{rest}}},{{"Sid":"",{rest}}}]}}"#
        );
        let document = Document::parse("the policy", &text).expect("a valid policy");
        let names: Vec<String> = document
            .statements
            .iter()
            .map(|s| s.at.to_string())
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
        let rest = r#""Effect":"Allow","Principal":"*","Action":"*""#;
        let mut page = String::new();
        for text in [
            "",
            "[]",
            "{}",
            r#"{"Statement":[],"Statement":[]}"#,
            r#"{"statement":[]}"#,
            r#"{"Statement":[1]}"#,
            r#"{"Statement":null}"#,
            r#"{"Version":"2030-01-01","Statement":[]}"#,
            r#"{"Version":2012,"Statement":[]}"#,
            r#"{"Id":null,"Statement":[]}"#,
            &format!(r#"{{"Statement":[{{{rest}}},{{{rest},"Resourcen":"*"}}]}}"#),
            &format!(r#"{{"Statement":{{{rest},"Sid":1}}}}"#),
            &format!(r#"{{"Statement":{{{rest},"Effect":"Deny"}}}}"#),
            &format!(r#"{{"Statement":{{{rest},"NotAction":"x"}}}}"#),
            &format!(r#"{{"Statement":{{{rest},"NotPrincipal":"*"}}}}"#),
            &format!(r#"{{"Statement":{{{rest},"Resource":"*","NotResource":"*"}}}}"#),
            &format!(r#"{{"Statement":{{{rest},"Condition":"x"}}}}"#),
            &format!(r#"{{"Statement":{{{rest},"Condition":null}}}}"#),
            &format!(
                r#"{{"Statement":{{{rest},"Condition":{{"Bool":{{"x":"true","\u0078":"false"}}}}}}}}"#
            ),
            r#"{"Statement":[["Sid","Allow"]]}"#,
            r#"{"Statement":{"Effect":{},"Action":"*"}}"#,
            r#"{"Statement":{"Effect":"allow","Action":"*"}}"#,
            r#"{"Statement":{"Action":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow"}}"#,
            r#"{"Statement":{"Effect":"Allow","Action":[]}}"#,
            r#"{"Statement":{"Effect":"Allow","Action":["a",1]}}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":"x","Action":"a"}}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"1","AWS":"2"},"Action":"a"}}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":{"Service":[]},"Action":"a"}}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":{"service":"x"},"Action":"a"}}"#,
            &"[".repeat(100_000),
            &format!("\"{}\"", "x".repeat(LONGEST - 1)),
        ] {
            let error = Document::parse("the policy", text).expect_err(text);
            page.push_str(&format!("{}\n  {error}\n", plain(text)));
        }
        insta::assert_snapshot!(page);
    }

    #[test]
    fn text_of_the_document_stays_one_short_line() {
        assert_eq!(quoted("a\nb\"é"), "\"a?b??\"");
        assert_eq!(quoted(&"x".repeat(500)).len(), 205);
    }
}
