//! What the integration tests stand on: real peers on free ports, each test in
//! an AWS account of its own, and nothing left running.

pub(crate) mod account;
pub(crate) mod answer;
pub(crate) mod dynalite;
pub(crate) mod events;
pub(crate) mod faults;
pub(crate) mod fleet;
pub(crate) mod http;
pub(crate) mod instances;
pub(crate) mod lambda;
pub(crate) mod logs;
pub(crate) mod mailbox;
pub(crate) mod moto;
pub(crate) mod narrate;
pub(crate) mod network;
pub(crate) mod planted;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod registered;
pub(crate) mod roles;
pub(crate) mod runtime;
pub(crate) mod scene;
pub(crate) mod state_table;
