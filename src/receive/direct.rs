//! What a person sends by hand. A decoded DATA_MESSAGE needs no type of its
//! own; raw text does.

use std::borrow::Cow;

use serde::Deserialize;

use super::ReceiveError;
use crate::decode::json_fault;
use crate::node::{AccountId, Home, NodeId, Region};
use crate::selection::Selection;

/// `{"log":"…raw text…","node":"i-…"}`: the text of one node's log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawLog<'p> {
    pub log: Cow<'p, str>,
    pub node: Option<NodeId>,
    /// The function's own when the caller names none.
    pub account: Option<AccountId>,
    /// The function's own when the caller names none.
    pub region: Option<Region>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Fields<'p> {
    #[serde(borrow)]
    log: Cow<'p, str>,
    node: Option<Cow<'p, str>>,
    account: Option<Cow<'p, str>>,
    region: Option<Cow<'p, str>>,
}

impl<'p> RawLog<'p> {
    /// Reads the object. A key it does not know is refused: a misspelt `node`
    /// would leave the log without its node.
    pub(super) fn parse(event: &'p str) -> Result<Self, ReceiveError> {
        let fields: Fields<'p> =
            serde_json::from_str(event).map_err(|fault| ReceiveError::RawLog {
                found: json_fault(&fault).0,
            })?;
        Ok(Self {
            node: named(
                fields.node,
                NodeId::parse,
                "node",
                "i- with 8 or 17 hex digits, or mi- with 17",
            )?,
            account: named(fields.account, AccountId::parse, "account", "12 digits")?,
            region: named(
                fields.region,
                Region::parse,
                "region",
                "a Region such as eu-central-1",
            )?,
            log: fields.log,
        })
    }
}

/// So many nodes are diagnosed in one invocation: what is read of them fits into
/// the time for checks.
pub(super) const MOST_NODES: usize = 50;

/// `{"node":"i-…"}` or `{"nodes":["i-…","mi-…"]}`: nodes of which no log is at hand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Ids {
    node: Option<String>,
    #[serde(default)]
    nodes: Vec<String>,
    account: Option<String>,
    region: Option<String>,
}

/// The nodes, each once, in their order, and where they are.
pub(super) fn nodes(event: &str) -> Result<(Vec<NodeId>, Home), ReceiveError> {
    let wrong = |found: String| ReceiveError::Nodes { found };
    let ids: Ids = serde_json::from_str(event).map_err(|fault| wrong(json_fault(&fault).0))?;
    let home = home(ids.account, ids.region).map_err(wrong)?;
    let mut nodes: Vec<NodeId> = Vec::new();
    for text in ids.node.into_iter().chain(ids.nodes) {
        let Some(id) = NodeId::parse(&text) else {
            let shown: String = text.chars().take(40).collect();
            return Err(wrong(format!("{shown:?}, which is no node id")));
        };
        if !nodes.contains(&id) {
            nodes.push(id);
        }
        if nodes.len() > MOST_NODES {
            return Err(wrong("more".to_owned()));
        }
    }
    if nodes.is_empty() {
        return Err(wrong("none".to_owned()));
    }
    Ok((nodes, home))
}

/// What an input names of account and Region; the function's own stand for the rest.
fn home(account: Option<String>, region: Option<String>) -> Result<Home, String> {
    let shown = |text: &str| text.chars().take(40).collect::<String>();
    let no_account = |text: &str| format!("account {:?}, which is not 12 digits", shown(text));
    let no_region = |text: &str| format!("region {:?}, which is no Region", shown(text));
    let account = account.map(|text| AccountId::parse(&text).ok_or_else(|| no_account(&text)));
    let region = region.map(|text| Region::parse(&text).ok_or_else(|| no_region(&text)));
    Ok(Home {
        account: account.transpose()?,
        region: region.transpose()?,
    })
}

/// What may stand in `{"sweep":{…}}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct SweepFields<'p> {
    #[serde(borrow)]
    nodes: Option<Cow<'p, str>>,
    account: Option<String>,
    region: Option<String>,
}

/// `{"sweep":{}}` or `{"sweep":{"nodes":"all"}}`: whom to look at, where `None` leaves it
/// to the setting, and where.
pub(super) fn sweep(fields: &str) -> Result<(Option<Selection>, Home), ReceiveError> {
    let wrong = |found: String| ReceiveError::Sweep { found };
    let fields: SweepFields<'_> =
        serde_json::from_str(fields).map_err(|fault| wrong(json_fault(&fault).0))?;
    let home = home(fields.account, fields.region).map_err(wrong)?;
    let selection = fields.nodes.map(|text| {
        let shown = || text.chars().take(40).collect::<String>();
        Selection::parse(&text).ok_or_else(|| wrong(format!("nodes {:?}", shown())))
    });
    Ok((selection.transpose()?, home))
}

/// `{"digest":{}}`: one message about all that is open.
pub(super) fn digest(fields: &str) -> Result<(), ReceiveError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, expecting = "an object")]
    struct DigestFields {}

    let read: Result<DigestFields, _> = serde_json::from_str(fields);
    read.map(|_| ()).map_err(|fault| ReceiveError::Digest {
        found: json_fault(&fault).0,
    })
}

/// `{"repair":{"action":"…","node":"i-…"}}`: a person asks for one repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepairRequest {
    /// The repair's name; whether there is one of it is not known here.
    pub action: String,
    pub node: NodeId,
    pub home: Home,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct RepairFields {
    action: String,
    node: String,
    account: Option<String>,
    region: Option<String>,
}

pub(super) fn repair(fields: &str) -> Result<RepairRequest, ReceiveError> {
    let wrong = |found: String| ReceiveError::Repair { found };
    let fields: RepairFields =
        serde_json::from_str(fields).map_err(|fault| wrong(json_fault(&fault).0))?;
    let home = home(fields.account, fields.region).map_err(wrong)?;
    let id = NodeId::parse(&fields.node);
    let shown = || fields.node.chars().take(40).collect::<String>();
    let node = id.ok_or_else(|| wrong(format!("node {:?}, which is no node id", shown())))?;
    Ok(RepairRequest {
        action: fields.action,
        node,
        home,
    })
}

fn named<T>(
    text: Option<Cow<'_, str>>,
    parse: impl Fn(&str) -> Option<T>,
    key: &str,
    wanted: &str,
) -> Result<Option<T>, ReceiveError> {
    let Some(text) = text else { return Ok(None) };
    match parse(&text) {
        Some(value) => Ok(Some(value)),
        None => Err(ReceiveError::RawLog {
            found: format!(
                "{key} {:?}, which is not {wanted}",
                text.chars().take(40).collect::<String>()
            ),
        }),
    }
}
