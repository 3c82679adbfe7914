//! One file per check: a pure judgement of what was read.

pub mod dhmc;
pub mod egress;
pub mod endpoint_policy;
pub mod imds;
pub mod instance_profile;
pub mod instance_state;
pub mod network_acl;
pub mod permissions;
pub mod registration;
pub mod route;
pub mod trust_policy;
pub mod vpc_dns;
pub mod vpc_endpoint;
