//! The incidents of one node each that show the same: from a handful on they are
//! one incident with a list.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::moment::within;
use crate::node::Node;

/// So many are remembered: far more than lead to a list.
const MOST: usize = 32;

/// Those that were opened lately, by their keys, with their node and when.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) singles: BTreeMap<String, (Node, Timestamp)>,
}

impl Group {
    /// Those that were registered lately, with their node.
    pub(super) fn recent(&self, now: Timestamp) -> impl Iterator<Item = (&str, &Node)> {
        let singles = self.singles.iter();
        singles
            .filter(move |(_, (_, at))| within(*at, now))
            .map(|(key, (node, _))| (key.as_str(), node))
    }

    /// Whether that changed anything.
    pub(super) fn register(&mut self, key: &str, node: &Node, now: Timestamp) -> bool {
        if self
            .singles
            .get(key)
            .is_some_and(|(_, at)| within(*at, now))
        {
            return false;
        }
        self.singles.insert(key.to_owned(), (node.clone(), now));
        while self.singles.len() > MOST {
            let oldest = self.singles.iter().min_by_key(|(_, (_, at))| *at);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            self.singles.remove(&key);
        }
        true
    }
}
