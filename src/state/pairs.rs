//! Forms of items as JSON: a map whose keys are no strings, as a list of pairs; what is
//! left out, and what is passed over.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// For `#[serde(with = "crate::state::pairs")]`.
pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
    map: &BTreeMap<K, V>,
    s: S,
) -> Result<S::Ok, S::Error> {
    s.collect_seq(map)
}

/// For `#[serde(with = "crate::state::pairs")]`.
pub fn deserialize<'de, K, V, D>(d: D) -> Result<BTreeMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let mut map = BTreeMap::new();
    map.extend(Vec::deserialize(d)?);
    Ok(map)
}

/// Whether a field of an item may be left out: reading gives it its default.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A list less the elements that a newer function wrote with names that are not
/// known here.
pub(crate) fn known<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Element<T> {
        Known(T),
        Unknown(IgnoredAny),
    }
    let all = Vec::<Element<T>>::deserialize(deserializer)?;
    let known = all.into_iter().filter_map(|element| match element {
        Element::Known(known) => Some(known),
        Element::Unknown(_) => None,
    });
    Ok(known.collect())
}
