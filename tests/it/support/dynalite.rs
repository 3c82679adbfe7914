//! A DynamoDB that is not the test server's: one for all tests of this process.

use std::process::Command;
use std::sync::OnceLock;

use super::process::{Guarded, PATIENCE, tool};

/// Port 0: the server takes a free one and prints which.
const START: &str = "\
    const server = require(process.argv[1])({ createTableMs: 0 });\
    server.listen(0, '127.0.0.1', () => console.log(`on port ${server.address().port}.`));";

static SERVER: OnceLock<(Guarded, String)> = OnceLock::new();

/// `host:port` of the server, which starts with the first test that asks.
pub(crate) fn address() -> &'static str {
    let (_, address) = SERVER.get_or_init(start);
    address
}

fn start() -> (Guarded, String) {
    let package = tool(
        "TRIAGE_TEST_DYNALITE",
        ".tools/dynalite/node_modules/dynalite",
    );
    let mut server = Guarded::spawn(Command::new("node").args(["-e", START]).arg(package));
    let address = server.wait_for(PATIENCE, |printed| {
        let (_, rest) = printed.split_once("on port ")?;
        let (port, _) = rest.split_once('.')?;
        Some(format!("127.0.0.1:{port}"))
    });
    match address {
        Some(address) => (server, address),
        None => panic!("dynalite did not start: {}", server.printed()),
    }
}
