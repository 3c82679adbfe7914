//! What the servers carried out, read off the record of the last hop before them: messages
//! and writes, in their order.

use serde_json::Value;

use super::fleet::{Node, Thing};
use crate::support::proxy::{Call, Proxy};
use crate::support::scene::{MODIFY, UPDATE};

/// A message that the topic took.
#[derive(Debug)]
pub(super) struct Message {
    pub place: usize,
    pub key: String,
    pub state: String,
    cause: String,
    candidates: Vec<String>,
    nodes: Vec<String>,
    scope: String,
    /// Another incident goes on in its place.
    is_explained: bool,
    /// It says how to take back what was changed.
    pub has_undo: bool,
}

impl Message {
    /// Whether it says what is wrong with the node, as far as could be looked, or that it is
    /// over.
    pub(super) fn is_of(&self, node: &Node) -> bool {
        let cause = node.cause.unwrap_or_default();
        self.candidates.iter().any(|candidate| candidate == cause) && self.names(node)
    }

    /// Whether it says that the very fault of the node is no more.
    pub(super) fn says_right(&self, node: &Node) -> bool {
        let is_over = matches!(self.state.as_str(), "repaired" | "resolved");
        is_over && !self.is_explained && node.cause == Some(&self.cause) && self.names(node)
    }

    pub(super) fn names(&self, node: &Node) -> bool {
        self.nodes.contains(&node.id)
            || (node.names.iter()).any(|name| self.scope.rsplit('/').next() == Some(name))
    }
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How many requests were read.
    pub place: usize,
    pub messages: Vec<Message>,
    /// Each with its place.
    pub writes: Vec<(usize, Thing)>,
}

impl Seen {
    /// Reads what came since the last look.
    pub(super) fn look(&mut self, proxy: &Proxy) {
        for call in proxy.calls_after(self.place) {
            self.read(&call);
            self.place += 1;
        }
    }

    fn read(&mut self, call: &Call) {
        let place = self.place;
        let field = |name: &str| call.fields.get(name).cloned().unwrap_or_default();
        match call.action.as_str() {
            MODIFY if field("DryRun") == "true" => {}
            MODIFY => self.writes.push((place, (MODIFY, field("InstanceId")))),
            UPDATE => self.writes.push((place, (UPDATE, field("RoleName")))),
            "Publish" => self.messages.push(message(place, &field("Message"))),
            _ => {}
        }
    }

    /// Whether a write of the thing had come at `place`.
    pub(super) fn is_written(&self, thing: &Thing, place: usize) -> bool {
        let mut writes = self.writes.iter();
        writes.any(|(at, written)| written == thing && *at < place)
    }
}

fn message(place: usize, text: &str) -> Message {
    let event: Value = serde_json::from_str(text).expect("the message is JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    Message {
        place,
        key: text(&event["key"]),
        state: text(&event["state"]),
        cause: text(&event["cause"]),
        candidates: list(&event["candidates"]).iter().map(text).collect(),
        nodes: list(&event["nodes"])
            .iter()
            .map(|node| text(&node["id"]))
            .collect(),
        scope: text(&event["scope"]["id"]),
        has_undo: event["outcome"]["undo"].is_string(),
        is_explained: event["detail"].as_str().is_some_and(|detail| {
            detail.starts_with("Closed, because a live check has now confirmed a cause")
        }),
    }
}
