//! Values of command-line options that have a grammar.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cause::closed_names;
use crate::node::{AccountId, NodeId, Region};

closed_names! {
    /// How an answer is written.
    pub(super) Format {
        /// For a person.
        Text = "text",
        /// For a browser or for print: a page that is one file.
        Html = "html",
        /// For a program: the report, as the function answers it.
        Json = "json",
    }
}

/// One of a closed list, by its name.
pub(super) fn one_of<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names = PossibleValuesParser::new(all.iter().map(move |one| name(*one)));
    let find = move |text: String| all.iter().copied().find(|one| name(*one) == text);
    names.try_map(move |text| find(text).ok_or("it is none of the list"))
}

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
