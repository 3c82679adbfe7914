//! The AWS test server: one for all tests of this process.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};

use super::http::{client, forward};
use super::process::{Guarded, PATIENCE, tool};

static SERVER: OnceLock<(Guarded, String)> = OnceLock::new();

/// `host:port` of the server, which starts with the first test that asks.
pub(crate) fn address() -> &'static str {
    let (_, address) = SERVER.get_or_init(start);
    address
}

/// A server for one test, which may then change what holds for all accounts.
pub(crate) fn of_its_own() -> (Guarded, &'static str) {
    let (server, address) = start();
    (server, address.leak())
}

fn start() -> (Guarded, String) {
    let mut server = Guarded::spawn(
        Command::new(tool("TRIAGE_TEST_MOTO", ".tools/venv/bin/moto_server"))
            // Port 0: the server takes a free one and prints which.
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1"),
    );
    let address = server.wait_for(PATIENCE, |printed| {
        let (_, rest) = printed.split_once("Running on http://")?;
        let (address, _) = rest.split_once('\n')?;
        Some(address.trim().to_owned())
    });
    match address {
        Some(address) => (server, address),
        None => panic!("the test server did not start: {}", server.printed()),
    }
}

/// Whether the server at `peer` asks IAM before it does anything.
pub(crate) async fn enforce(peer: &str, on: bool) {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/moto-api/reset-auth")
        .header(CONTENT_TYPE, "text/plain")
        .body(Bytes::from_static(if on { b"0" } else { b"inf" }))
        .expect("the request is well formed");
    let answer = forward(&client(), request, peer).await;
    assert!(answer.is_ok_and(|answer| answer.status().is_success()));
}

/// An account id that no other test of this process has: the server keeps
/// accounts apart, so tests run side by side on it.
pub(crate) fn fresh_account() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(100_000_000_001);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}
