//! What the integration tests stand on: real peers on free ports, each test in
//! an AWS account of its own, and nothing left running.

pub mod account;
pub mod answer;
pub mod events;
pub mod fleet;
pub mod http;
pub mod logs;
pub mod moto;
pub mod network;
pub mod process;
pub mod proxy;
pub mod runtime;
pub mod scene;
pub mod suspects;
