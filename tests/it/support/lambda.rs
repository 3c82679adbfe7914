//! The compiled function as Lambda runs it where deadlines are short: its Runtime API, a
//! process that is killed at the deadline to the millisecond, and signals at any moment.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::http::Server;
use super::process::{Guarded, PATIENCE, peak_memory, signal};
use super::runtime::Failure;

/// How an invocation ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Answer(Value),
    Error(Failure),
    /// Lambda killed it at its deadline.
    Killed,
    /// The process ended by itself, or by a signal, before it answered.
    Exited,
}

/// One execution environment: one process, from its start to its end.
pub(crate) struct Environment {
    process: Guarded,
    desk: Arc<Desk>,
    /// It got a SIGTERM.
    is_ending: bool,
    _server: Server,
}

/// Where the Runtime API and the test meet.
#[derive(Default)]
struct Desk {
    state: Mutex<Turn>,
    changed: Notify,
}

#[derive(Default)]
struct Turn {
    /// The event that waits, and how long its invocation may take.
    waiting: Option<(Bytes, Duration)>,
    number: u64,
    /// Set once the function has the event.
    deadline: Option<Instant>,
    /// Whether it is an answer, and its text.
    answered: Option<(bool, Bytes)>,
}

impl Environment {
    /// Starts the function; `environment` is all that it finds in its environment, beside
    /// what Lambda sets. `arn` is the function's.
    pub(crate) async fn start(arn: &str, environment: &[(&str, String)]) -> Self {
        let desk = Arc::new(Desk::default());
        let server = Server::start({
            let (desk, arn) = (Arc::clone(&desk), arn.to_owned());
            move |request: Request<Bytes>| {
                let (desk, arn) = (Arc::clone(&desk), arn.clone());
                async move { Some(desk.serve(request, &arn).await) }
            }
        })
        .await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootstrap"));
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "ssm-agent-triage")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/ssm-agent-triage")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .envs(environment.iter().map(|(name, value)| (name, value)));
        Self {
            process: Guarded::spawn(&mut command),
            desk,
            is_ending: false,
            _server: server,
        }
    }

    /// Invokes the function, which has `time` from the moment at which it takes the event.
    /// After `term` of it, the process gets a SIGTERM. Once this gives [`Ended::Killed`] or
    /// [`Ended::Exited`] there is no process any more.
    pub(crate) async fn invoke(
        &mut self,
        event: &Value,
        time: Duration,
        term: Option<Duration>,
    ) -> Ended {
        {
            let mut turn = self.desk.state.lock().expect("no holder panics");
            *turn = Turn {
                waiting: Some((event.to_string().into(), time)),
                number: turn.number + 1,
                ..Turn::default()
            };
        }
        self.desk.changed.notify_waiters();
        let mut term = term;
        let given_up = Instant::now() + PATIENCE;
        let mut ticks = interval(Duration::from_millis(10));
        loop {
            let changed = self.desk.changed.notified();
            let (deadline, answered) = {
                let mut turn = self.desk.state.lock().expect("no holder panics");
                (turn.deadline, turn.answered.take())
            };
            match answered {
                Some((true, text)) => {
                    let text = String::from_utf8_lossy(&text);
                    return Ended::Answer(serde_json::from_str(&text).expect("an answer is JSON"));
                }
                Some((false, text)) => {
                    let error: Value = serde_json::from_slice(&text).unwrap_or_default();
                    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                    return Ended::Error(Failure {
                        error_type: text("errorType"),
                        message: text("errorMessage"),
                    });
                }
                None => {}
            }
            if self.process.has_ended() {
                return Ended::Exited;
            }
            assert!(
                deadline.is_some() || Instant::now() < given_up,
                "the function takes no event: {}",
                self.process.printed()
            );
            let end = deadline.unwrap_or(given_up);
            let term_at = term.zip(deadline).map(|(after, end)| end - time + after);
            tokio::select! {
                biased;
                () = sleep_until(end) => {
                    // What came right before stands.
                    let answered = self.desk.state.lock().expect("no holder panics").answered.is_some();
                    if deadline.is_some() && !answered {
                        signal(self.process.id(), "KILL");
                        self.is_gone().await;
                        return Ended::Killed;
                    }
                }
                () = sleep_until(term_at.unwrap_or(end)), if term_at.is_some() => {
                    self.is_ending = signal(self.process.id(), "TERM");
                    term = None;
                }
                () = changed => {}
                _ = ticks.tick() => {}
            }
        }
    }

    /// Ends the environment as Lambda does when it is idle: SIGTERM, and the kill for whoever
    /// stays. Gives whether it went by itself.
    pub(crate) async fn terminate(&mut self) -> bool {
        if !self.is_ending {
            signal(self.process.id(), "TERM");
        }
        for _ in 0..200 {
            if self.process.has_ended() {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
        signal(self.process.id(), "KILL");
        self.is_gone().await;
        false
    }

    /// Whether it got a SIGTERM and is about to end: it is not invoked again.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending
    }

    /// Whether a SIGTERM ended it, and nothing else.
    pub(crate) fn was_terminated(&mut self) -> bool {
        self.is_ending && self.process.ended_by() == Some(15)
    }

    async fn is_gone(&mut self) {
        while !self.process.has_ended() {
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// The most memory that was resident of it so far, in bytes; `None` once it has ended.
    pub(crate) fn peak_memory(&self) -> Option<usize> {
        peak_memory(self.process.id())
    }

    pub(crate) fn printed(&self) -> String {
        self.process.printed()
    }
}

impl Desk {
    async fn serve(&self, request: Request<Bytes>, arn: &str) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if path.ends_with("/invocation/next") {
            return self.next(arn).await;
        }
        let number = path
            .split('/')
            .nth_back(1)
            .and_then(|id| id.rsplit('-').next());
        let number: Option<u64> = number.and_then(|number| number.parse().ok());
        let is_answer = path.ends_with("/response");
        {
            let mut turn = self.state.lock().expect("no holder panics");
            if number == Some(turn.number) && turn.answered.is_none() {
                turn.answered = Some((is_answer, request.into_body()));
            }
        }
        self.changed.notify_waiters();
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::ACCEPTED;
        response
    }

    async fn next(&self, arn: &str) -> Response<Full<Bytes>> {
        loop {
            let changed = self.changed.notified();
            let taken = {
                let mut turn = self.state.lock().expect("no holder panics");
                let number = turn.number;
                turn.waiting.take().map(|(event, time)| {
                    turn.deadline = Some(Instant::now() + time);
                    (event, SystemTime::now() + time, number)
                })
            };
            if let Some((event, deadline, number)) = taken {
                self.changed.notify_waiters();
                let since = deadline.duration_since(SystemTime::UNIX_EPOCH);
                let deadline = since.expect("after 1970").as_millis().to_string();
                let id = format!("8476a536-e9f4-11e8-9739-{number:012}");
                let response = Response::builder()
                    .header("lambda-runtime-aws-request-id", id)
                    .header("lambda-runtime-deadline-ms", deadline)
                    .header("lambda-runtime-invoked-function-arn", arn)
                    .header(
                        "lambda-runtime-trace-id",
                        "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
                    )
                    .header("content-type", "application/json");
                return response.body(Full::new(event)).expect("a response");
            }
            changed.await;
        }
    }
}
