//! Integration tests: one binary, because linking the EC2 SDK takes long.

mod bad_input;
mod by_id;
mod channels;
mod credentials;
mod demo;
mod diagnosis;
mod environments;
mod guardrails;
mod kinesis;
mod lists;
mod live_state;
mod memory;
mod messages;
mod on_request;
mod peers;
mod permissions;
mod replay;
mod state_cost;
mod state_failures;
mod state_table;
mod support;
mod sweep;
mod sweep_volume;
mod volume;
mod wire;
mod writes;
