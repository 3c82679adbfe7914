//! The compiled function behind the real Lambda Runtime Interface Emulator.
//!
//! The emulator gives every function the same ARN. A hop between the two puts
//! the account and Region of the test into it, and sees whether the function
//! answered an invocation or reported an error.

use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Uri};
use serde_json::Value;

use super::account::Account;
use super::answer::only_incident;
use super::events::Event;
use super::http::{HttpClient, Server, client, forward};
use super::process::{Guarded, Memory, PATIENCE, kill_child, memory_of_child, tool};

const FUNCTION_ARN: &str = "lambda-runtime-invoked-function-arn";

/// Whatever the function is called, the emulator has it here.
const INVOCATIONS: &str = "/2015-03-31/functions/function/invocations";

/// One execution environment: it keeps its memory from invocation to invocation.
pub(crate) struct Function {
    emulator: Guarded,
    invocations: String,
    client: HttpClient,
    reported: Arc<Mutex<Option<Reported>>>,
    /// Invocations that the function itself brought to an end.
    answered: usize,
    /// Holds the place between the function and the emulator's Runtime API.
    _hop: Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reported {
    Response,
    Error,
}

/// An invocation that failed, as Lambda would hand it to the failure destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub error_type: String,
    pub message: String,
}

impl Function {
    /// Starts the function in `account` with `settings` in its environment.
    pub(crate) async fn start(account: &Account, settings: &[(&str, &str)]) -> Self {
        for _ in 0..20 {
            if let Some(function) = Self::try_start(account, settings).await {
                return function;
            }
        }
        panic!("the emulator found its ports taken twenty times in a row");
    }

    /// `None` when another process took one of the ports meanwhile.
    async fn try_start(account: &Account, settings: &[(&str, &str)]) -> Option<Self> {
        let (invocations, runtime_api) = (free_port(), free_port());
        let reported = Arc::new(Mutex::new(None));
        let hop = hop(format!("127.0.0.1:{runtime_api}"), account, &reported).await;

        let mut command = Command::new(tool("TRIAGE_TEST_RIE", ".tools/aws-lambda-rie"));
        command
            .env_clear()
            .envs(settings.iter().copied())
            .arg("--runtime-interface-emulator-address")
            .arg(format!("127.0.0.1:{invocations}"))
            .arg("--runtime-api-address")
            .arg(format!("127.0.0.1:{runtime_api}"))
            .arg("/usr/bin/env")
            .arg(format!("AWS_LAMBDA_RUNTIME_API={}", hop.address))
            .arg(format!("AWS_ENDPOINT_URL={}", account.url()))
            .arg(format!("AWS_REGION={}", account.region))
            .args(["AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"])
            .args(["AWS_SESSION_TOKEN=test", "RUST_BACKTRACE=0"]);
        for (name, value) in settings {
            command.arg(format!("{name}={value}"));
        }
        command
            .arg(env!("CARGO_BIN_EXE_bootstrap"))
            .arg("bootstrap");

        let mut emulator = Guarded::spawn(&mut command);
        for port in [invocations, runtime_api] {
            let deadline = tokio::time::Instant::now() + PATIENCE;
            while tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_err()
            {
                if emulator.has_ended() {
                    return None;
                }
                assert!(
                    tokio::time::Instant::now() < deadline,
                    "the emulator does not listen: {}",
                    emulator.printed()
                );
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        if emulator.has_ended() {
            return None;
        }
        Some(Self {
            emulator,
            invocations: format!("127.0.0.1:{invocations}"),
            client: client(),
            reported,
            answered: 0,
            _hop: hop,
        })
    }

    /// Invokes the function and waits for its answer.
    pub(crate) async fn invoke(&mut self, event: &(impl Event + ?Sized)) -> Result<Value, Failure> {
        self.invoke_text(event.event().to_string()).await
    }

    /// Ends the environment at once, whatever it is about.
    pub(crate) fn end(self) {
        kill_child(self.emulator.id());
    }

    /// The answer to an event that is handled.
    pub(crate) async fn handle(&mut self, event: &(impl Event + ?Sized)) -> Value {
        match self.invoke(event).await {
            Ok(answer) => answer,
            Err(failure) => panic!("the event is not handled: {failure:?}\n{}", self.log()),
        }
    }

    /// The only incident of an event that is handled.
    pub(crate) async fn incident(&mut self, event: &(impl Event + ?Sized)) -> Value {
        let report = self.handle(event).await;
        only_incident(&report).clone()
    }

    /// The failure of an event that is not handled.
    pub(crate) async fn failure(&mut self, event: &(impl Event + ?Sized)) -> Failure {
        match self.invoke(event).await {
            Err(failure) => failure,
            Ok(answer) => panic!("the event is handled: {answer:#}"),
        }
    }

    /// Like [`Function::invoke`], with a payload that need not be JSON.
    pub(crate) async fn invoke_text(
        &mut self,
        payload: impl Into<Bytes>,
    ) -> Result<Value, Failure> {
        *self.reported.lock().expect("no holder panics") = None;
        let request = Request::builder()
            .method(Method::POST)
            .uri(INVOCATIONS)
            .body(payload.into())
            .expect("the request is well formed");
        let answered = forward(&self.client, request, &self.invocations);
        let response = match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => panic!("the emulator: {error}\n{}", self.emulator.printed()),
            Err(_) => panic!("no answer in time\n{}", self.emulator.printed()),
        };
        let body = String::from_utf8_lossy(response.body()).into_owned();
        let reported = *self.reported.lock().expect("no holder panics");
        self.answered += usize::from(reported.is_some());
        let json: Option<Value> = serde_json::from_str(&body).ok();
        match (reported, json) {
            (Some(Reported::Response), Some(json)) => Ok(json),
            (_, Some(json)) => Err(Failure {
                error_type: json["errorType"].as_str().unwrap_or_default().to_owned(),
                message: json["errorMessage"].as_str().unwrap_or_default().to_owned(),
            }),
            (_, None) => Err(Failure {
                error_type: "not JSON".to_owned(),
                message: body,
            }),
        }
    }

    /// Where the AWS CLI finds Lambda, with this as its only function.
    pub(crate) async fn endpoint(&self) -> Server {
        let (onward, invocations) = (client(), self.invocations.clone());
        Server::start(move |mut request: Request<Bytes>| {
            let (onward, invocations) = (onward.clone(), invocations.clone());
            *request.uri_mut() = Uri::from_static(INVOCATIONS);
            async move {
                let answer = forward(&onward, request, &invocations).await.ok()?;
                Some(answer.map(Full::new))
            }
        })
        .await
    }

    /// What the function's process takes, after its first invocation.
    pub(crate) fn memory(&self) -> Memory {
        memory_of_child(self.emulator.id())
    }

    /// Everything that the function printed, once the last invocation is over.
    pub(crate) fn log(&mut self) -> String {
        let answered = self.answered;
        let over =
            |printed: &str| (printed.matches("END RequestId").count() >= answered).then_some(());
        self.emulator.wait_for(PATIENCE, over);
        self.emulator.printed()
    }

    /// The first line with `text` in it that the function prints.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        let line = |printed: &str| {
            let mut lines = printed.split_inclusive('\n');
            let line = lines.find(|line| line.contains(text) && line.ends_with('\n'))?;
            Some(line.trim_end().to_owned())
        };
        match self.emulator.wait_for(PATIENCE, line) {
            Some(line) => line,
            None => panic!("no line with {text:?}: {}", self.emulator.printed()),
        }
    }
}

/// Passes the function's requests to the emulator's Runtime API at `emulator`.
async fn hop(
    emulator: String,
    account: &Account,
    reported: &Arc<Mutex<Option<Reported>>>,
) -> Server {
    let arn = format!(
        "arn:{}:lambda:{}:{}:function:ssm-agent-triage",
        account.partition(),
        account.region,
        account.id
    );
    let arn = HeaderValue::from_str(&arn).expect("an ARN is ASCII");
    let onward = client();
    let reported = Arc::clone(reported);
    Server::start(move |request: Request<Bytes>| {
        let (emulator, onward, arn) = (emulator.clone(), onward.clone(), arn.clone());
        let reported = Arc::clone(&reported);
        async move {
            let report = match request.uri().path() {
                path if path.ends_with("/response") => Some(Reported::Response),
                path if path.ends_with("/error") => Some(Reported::Error),
                _ => None,
            };
            if report.is_some() {
                *reported.lock().expect("no holder panics") = report;
            }
            // A refused connection is the emulator at its end.
            let mut response = forward(&onward, request, &emulator).await.ok()?;
            if response.headers().contains_key(FUNCTION_ARN) {
                response.headers_mut().insert(FUNCTION_ARN, arn);
            }
            Some(response.map(Full::new))
        }
    })
    .await
}

/// A port that nobody listens on, below the range from which outgoing
/// connections take theirs. The emulator cannot be asked for any free port.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 600) as u16 * 20;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + start.wrapping_add(step) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
