//! What the integration tests stand on: real peers on free ports, each test in
//! an AWS account of its own, and nothing left running.

pub mod account;
pub mod answer;
pub mod events;
pub mod fleet;
pub mod http;
pub mod instances;
pub mod logs;
pub mod mailbox;
pub mod moto;
pub mod narrate;
pub mod network;
pub mod planted;
pub mod process;
pub mod proxy;
pub mod roles;
pub mod runtime;
pub mod scene;
