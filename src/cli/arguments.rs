//! Values of command-line options that have a grammar.

use crate::node::{AccountId, NodeId, Region};

pub(super) fn account(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).ok_or_else(|| "an account id is 12 digits".to_owned())
}

pub(super) fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).ok_or_else(|| "a Region is named like eu-central-1".to_owned())
}

pub(super) fn node(text: &str) -> Result<NodeId, String> {
    NodeId::parse(text).ok_or_else(|| {
        "a node id is i- with 8 or 17 hex digits, or mi- with 17, in lower case".to_owned()
    })
}
