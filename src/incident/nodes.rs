//! The nodes of one incident, for a reader.

use serde::Serialize;

use crate::node::Node;
use crate::text::redact::redact_line;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NodeEntry {
    pub id: String,
    /// `ec2`, `hybrid` or `unknown`.
    pub kind: &'static str,
    pub account: Option<String>,
    pub region: Option<String>,
}

impl From<&Node> for NodeEntry {
    fn from(node: &Node) -> Self {
        Self {
            id: node.id.to_string(),
            kind: node.id.kind(),
            account: node.account.as_ref().map(ToString::to_string),
            region: node.region.as_ref().map(ToString::to_string),
        }
    }
}

/// How many nodes of one incident a report or a message names.
pub const NODES_LISTED: usize = 100;

/// The nodes of one incident: the first [`NODES_LISTED`] by name, all counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeList {
    pub listed: Vec<NodeEntry>,
    pub count: usize,
}

impl NodeList {
    /// `nodes` sorted, each once.
    pub fn of<T: Into<NodeEntry>>(nodes: impl IntoIterator<Item = T>) -> Self {
        let mut nodes = nodes.into_iter().map(Into::into);
        let listed: Vec<NodeEntry> = nodes.by_ref().take(NODES_LISTED).collect();
        let count = listed.len() + nodes.count();
        Self { listed, count }
    }

    /// Those listed, as they leave.
    pub fn redacted(&self) -> Vec<NodeEntry> {
        let listed = self.listed.iter().map(|node| NodeEntry {
            id: redact_line(&node.id),
            ..node.clone()
        });
        listed.collect()
    }
}
