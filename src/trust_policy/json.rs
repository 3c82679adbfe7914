//! JSON as a policy needs it: members in their order, a repeated member
//! refused, and the text of each part at hand so that an edit can leave it alone.
//!
//! `serde_json::Value` keeps the last of two equal members and sorts them all;
//! its feature `preserve_order` would mend the order for every dependant of the
//! crate, and not the rest. `RawValue` keeps the text of one level, not what
//! stands around it.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Bytes that are parsed at most: IAM takes no policy document of more than
/// 131,072 characters, none of them longer than two bytes (IAM API reference,
/// `policyDocumentType`), and no quota lets a policy grow nearly as long.
pub(crate) const LONGEST: usize = 2 * 131_072;

/// A JSON value. Numbers and booleans stand as their text: no policy element
/// that is judged takes one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    /// Fails on text that is longer than [`LONGEST`], is not one JSON value, is nested deeper than
    /// serde_json allows, or names a member of an object twice.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        if text.len() > LONGEST {
            return Err(de::Error::custom("it is longer than a policy can be"));
        }
        serde_json::from_str(text)
    }

    /// What the policy language makes of the value: the order of members and of
    /// texts in a list has no meaning, nor has a list around a single value.
    pub(super) fn canonical(self) -> Self {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => self,
            Self::List(items) => {
                let mut items: Vec<Self> = items.into_iter().map(Self::canonical).collect();
                if items.iter().all(|item| matches!(item, Self::Text(_))) {
                    items.sort();
                    items.dedup();
                }
                match <[Self; 1]>::try_from(items) {
                    Ok([only]) => only,
                    Err(items) => Self::List(items),
                }
            }
            Self::Map(members) => {
                let mut members: Vec<(String, Self)> = members
                    .into_iter()
                    .map(|(name, value)| (name, value.canonical()))
                    .collect();
                members.sort();
                Self::Map(members)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut names = BTreeSet::new();
        while let Some((name, value)) = access.next_entry::<String, Json>()? {
            if !names.insert(name.clone()) {
                return Err(de::Error::custom("a member of an object is named twice"));
            }
            members.push((name, value));
        }
        Ok(Json::Map(members))
    }
}

/// `text`, which is valid JSON, without the whitespace between its parts.
/// Strings keep every byte, escapes too.
pub(super) fn compact(text: &str) -> String {
    let mut strings = Strings::default();
    text.chars()
        .filter(|c| strings.inside(*c) || !matches!(c, ' ' | '\t' | '\n' | '\r'))
        .collect()
}

/// The places of the items in `container`, which is a compact JSON array or
/// object with its brackets; the items of an object are `"name":value`.
pub(super) fn items(container: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut strings = Strings::default();
    let mut depth = 0_usize;
    let mut start = 1;
    for (at, c) in container.char_indices() {
        if strings.inside(c) {
            continue;
        }
        match c {
            '[' | '{' => depth += 1,
            ',' if depth == 1 => {
                found.push(start..at);
                start = at + 1;
            }
            ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && start < at {
                    found.push(start..at);
                }
            }
            _ => {}
        }
    }
    found
}

/// The place of the value of the member `name` in `object`, a compact JSON object.
pub(super) fn member(object: &str, name: &str) -> Option<Range<usize>> {
    items(object).into_iter().find_map(|item| {
        let colon = item.start + colon_after_name(object.get(item.clone())?)?;
        let named: String = serde_json::from_str(object.get(item.start..colon)?).ok()?;
        (named == name).then_some(colon + 1..item.end)
    })
}

fn colon_after_name(item: &str) -> Option<usize> {
    let mut strings = Strings::default();
    item.char_indices()
        .find(|(_, c)| !strings.inside(*c) && *c == ':')
        .map(|(at, _)| at)
}

/// Follows JSON text character by character and knows what is in a string.
#[derive(Default)]
struct Strings {
    open: bool,
    escaped: bool,
}

impl Strings {
    /// Whether `next` belongs to a string, its quotes included.
    fn inside(&mut self, next: char) -> bool {
        if !self.open {
            self.open = next == '"';
            return self.open;
        }
        if self.escaped {
            self.escaped = false;
        } else if next == '\\' {
            self.escaped = true;
        } else if next == '"' {
            self.open = false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_goes_only_between_the_parts() {
        assert_eq!(
            compact("{ \"a b\" :\r\n[ 1 ,\t\" \\\" , \\\\\" ] }"),
            "{\"a b\":[1,\" \\\" , \\\\\"]}"
        );
    }

    #[test]
    fn items_are_split_at_the_commas_of_their_own_depth() {
        let text = r#"["a,b",{"c":[1,2],"d]":"}"},[]]"#;
        let found: Vec<&str> = items(text).into_iter().map(|item| &text[item]).collect();
        assert_eq!(found, [r#""a,b""#, r#"{"c":[1,2],"d]":"}"}"#, "[]"]);
        assert!(items("[]").is_empty());
        assert!(items("{}").is_empty());
    }

    #[test]
    fn a_member_is_found_by_its_name_as_json_reads_it() {
        let text = r#"{"x":{"Statement":1},"St\u0061tement":[{"y":"Statement"}]}"#;
        let value = member(text, "Statement").map(|place| &text[place]);
        assert_eq!(value, Some(r#"[{"y":"Statement"}]"#));
        assert_eq!(member(text, "y"), None);
    }

    #[test]
    fn a_member_named_twice_is_refused() {
        assert!(Json::parse(r#"{"a":1,"a":2}"#).is_err());
        assert!(Json::parse(r#"{"a":{"b":1,"\u0062":2}}"#).is_err());
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn what_is_longer_than_a_policy_can_be_is_not_parsed() {
        let of = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert!(Json::parse(&of(LONGEST)).is_ok());
        assert!(Json::parse(&of(LONGEST + 1)).is_err());
    }

    #[test]
    fn canonical_forms_agree_where_the_policy_language_does() {
        let canonical = |text| Json::parse(text).map(Json::canonical).ok();
        assert_eq!(
            canonical(r#"{"a":["y","x","y"],"b":"z"}"#),
            canonical(r#"{"b":["z"],"a":["x","y"]}"#)
        );
        assert_ne!(
            canonical(r#"[{"a":1},{"b":1}]"#),
            canonical(r#"[{"b":1},{"a":1}]"#)
        );
        assert_ne!(canonical(r#""1""#), canonical("1"));
    }
}
