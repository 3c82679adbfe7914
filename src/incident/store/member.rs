//! What is known of one node in the incidents that it has joined.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::moment::settles;
use crate::cause::Cause;
use crate::node::Node;

/// Evidence that is newer by less than this is not worth a write by itself.
const LAG: Duration = Duration::from_secs(10 * 60);

/// What is known of one node in one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    /// The candidates of the node's findings that joined.
    pub(super) candidates: BTreeSet<Cause>,
    /// Newest evidence.
    pub(super) last: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) recovered_at: Option<Timestamp>,
    /// When live state first showed this very node right, as long as it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) right_since: Option<Timestamp>,
    /// In which of the incident's lives it was counted as hit.
    pub(super) life: u32,
    /// The version of the incident with which this was written: of two the one
    /// with the larger counts.
    pub(super) version: u64,
}

impl Member {
    pub(super) fn new(last: Timestamp) -> Self {
        Self {
            candidates: BTreeSet::new(),
            last,
            recovered_at: None,
            right_since: None,
            life: 0,
            version: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.recovered_at.is_none()
    }

    /// Whether its log has spoken of the fault since it was seen right.
    pub(super) fn is_unsettled(&self) -> bool {
        self.is_open() && !settles(self.right_since, self.last)
    }

    /// Whether this is worth a write after `before`.
    pub(super) fn differs(&self, before: &Self) -> bool {
        let newer = Duration::try_from(self.last.duration_since(before.last)).unwrap_or_default();
        let slightly_newer = Self {
            last: self.last,
            version: self.version,
            ..before.clone()
        };
        *self != slightly_newer || newer >= LAG || self.right_since.is_some() && !newer.is_zero()
    }
}

/// The incidents that a node has joined, by their keys.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Joined {
    pub(super) incidents: BTreeMap<String, Membership>,
}

/// So many are remembered of one node.
const MOST_JOINED: usize = 64;

impl Joined {
    /// Whether the node is in an incident from which it has not recovered.
    pub(super) fn is_open(&self) -> bool {
        let mut members = self.incidents.values().filter_map(Membership::member);
        members.any(Member::is_open)
    }

    /// Takes `membership` over, unless what is known is newer. Answers whether it did.
    pub(super) fn take(&mut self, key: &str, membership: &Membership) -> bool {
        let known = self.incidents.get(key);
        let newer = known.is_none_or(|known| known.version() < membership.version());
        if newer {
            self.incidents.insert(key.to_owned(), membership.clone());
        }
        newer
    }

    /// Names the incident of `key`, of which nothing is known here yet. Answers whether
    /// that is new.
    pub(super) fn announce(&mut self, key: &str) -> bool {
        self.take(key, &Membership::Left(0))
    }

    /// Forgets what has been over for longest where there is too much.
    pub(super) fn shrink(&mut self) {
        while self.incidents.len() > MOST_JOINED {
            let age = |membership: &Membership| {
                let member = membership.member();
                member.map(|member| (member.is_open(), member.last))
            };
            let oldest = self.incidents.iter().min_by_key(|(_, one)| age(one));
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            self.incidents.remove(&key);
        }
    }
}

/// A membership, or the version of the incident with which the node left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Membership {
    In(Member),
    Left(u64),
}

impl Membership {
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::In(member) => member.version,
            Self::Left(version) => *version,
        }
    }

    pub(super) fn member(&self) -> Option<&Member> {
        match self {
            Self::In(member) => Some(member),
            Self::Left(_) => None,
        }
    }
}

/// The members of one incident among the nodes at hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    members: BTreeMap<Node, Member>,
    /// Those that were set, and whether that is worth a write.
    pub(super) set: BTreeMap<Node, bool>,
}

impl Members {
    pub(super) fn of(members: BTreeMap<Node, Member>) -> Self {
        Self {
            members,
            set: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, node: &Node) -> Option<&Member> {
        self.members.get(node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Node, &Member)> {
        self.members.iter()
    }

    pub(super) fn set(&mut self, node: Node, member: Option<Member>, significant: bool) {
        match member {
            Some(member) => self.members.insert(node.clone(), member),
            None => self.members.remove(&node),
        };
        *self.set.entry(node).or_default() |= significant;
    }
}
