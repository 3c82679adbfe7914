//! Integration tests: one binary, because linking the EC2 SDK takes long.

mod bad_input;
mod diagnosis;
mod kinesis;
mod lists;
mod live_state;
mod locks;
mod memory;
mod peers;
mod permissions;
mod replay;
mod story;
mod support;
mod volume;
mod wire;
mod writes;
