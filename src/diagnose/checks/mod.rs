//! The checks: one file each, and one line in [`CHECKS`].

mod activation;
pub(crate) mod agent_version;
pub(crate) mod console;
pub(crate) mod dhmc;
mod egress;
pub(crate) mod endpoint_policy;
pub(crate) mod imds;
pub(crate) mod instance_profile;
pub(crate) mod instance_state;
mod instance_status;
mod network_acl;
pub(crate) mod permissions;
pub(crate) mod registration;
mod route;
pub(crate) mod session_preferences;
pub(crate) mod trust_policy;
mod vpc_dns;
mod vpc_endpoint;

use super::check::{Check, Question};

/// Every check, in the order in which an agent meets what they look at. Results
/// are shown in it, and of several causes that are confirmed the one whose check
/// comes first explains the others: without the metadata service neither profile
/// nor trust policy is ever used, and without a connection no permission.
pub const CHECKS: &[Check] = &[
    instance_state::CHECK,
    instance_status::CHECK,
    console::CHECK,
    registration::CHECK,
    imds::CHECK,
    instance_profile::CHECK,
    trust_policy::CHECK,
    vpc_dns::CHECK,
    vpc_endpoint::CHECK,
    egress::CHECK,
    route::CHECK,
    network_acl::CHECK,
    permissions::CHECK,
    endpoint_policy::CHECK,
    dhmc::CHECK,
    session_preferences::CHECK,
    activation::CHECK,
    agent_version::CHECK,
];

/// What the check of this name is about.
pub fn question(name: &str) -> Option<Question> {
    let check = CHECKS.iter().find(|check| check.name == name);
    check.map(|check| check.question)
}

/// Where the check of this name stands in [`CHECKS`]; an unknown one is last.
pub fn position(name: &str) -> usize {
    let position = CHECKS.iter().position(|check| check.name == name);
    position.unwrap_or(CHECKS.len())
}
