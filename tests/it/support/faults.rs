//! What goes wrong between the function and AWS, drawn from a seed: the same seed brings the
//! same fault to the same request, known by its kind and how many of its kind came before.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use hyper::body::{Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};

use super::http::{Server, client, forward};
use super::proxy::Call;

/// What happens to one request. "Before": the server never sees it. "After": the server
/// carries it out, and the caller does not learn of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It takes so many milliseconds longer.
    Latency(u64),
    ResetBefore,
    ResetAfter,
    /// The service wants fewer requests, in its own words.
    Throttle,
    /// A server error in the service's own words …
    ErrorBefore,
    ErrorAfter,
    /// … or a front end's page, which does not know what the part behind it did.
    PageBefore,
    PageAfter,
    /// The connection breaks in the middle of the answer.
    CutBody,
    /// The answer is complete as far as HTTP goes, and half as long.
    HalfBody,
    /// The answer is a success whose body is nothing of the service's.
    Garbage,
    HangBefore,
    HangAfter,
}

impl Fault {
    /// Its name, without what it was drawn with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::ResetBefore => "reset before",
            Self::ResetAfter => "reset after",
            Self::Throttle => "throttled",
            Self::ErrorBefore => "error before",
            Self::ErrorAfter => "error after",
            Self::PageBefore => "gateway page before",
            Self::PageAfter => "gateway page after",
            Self::CutBody => "cut body",
            Self::HalfBody => "half body",
            Self::Garbage => "garbage body",
            Self::HangBefore => "hang before",
            Self::HangAfter => "hang after",
        }
    }

    /// The fault of the request `number` of this kind, where one in a hundred times
    /// `percent` has one. It depends on nothing else.
    pub(crate) fn drawn(seed: u64, kind: &str, number: u64, percent: u64) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        (seed, kind, number).hash(&mut hasher);
        let mut rng = Rng::with_seed(hasher.finish());
        if rng.u64(..100) >= percent {
            return None;
        }
        Some(match rng.u64(..100) {
            0..25 => Self::Latency(1 << rng.u64(4..12)),
            25..35 => Self::ResetBefore,
            35..45 => Self::ResetAfter,
            45..58 => Self::Throttle,
            58..64 => Self::ErrorBefore,
            64..70 => Self::ErrorAfter,
            70..74 => Self::PageBefore,
            74..78 => Self::PageAfter,
            78..83 => Self::CutBody,
            83..88 => Self::HalfBody,
            88..94 => Self::Garbage,
            94..97 => Self::HangBefore,
            _ => Self::HangAfter,
        })
    }
}

/// How often something happened, by its name.
pub(crate) type Counts = BTreeMap<&'static str, usize>;

/// The way to a server on which faults happen.
pub(crate) struct Faults {
    server: Server,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    requests: BTreeMap<String, u64>,
    happened: Counts,
}

impl Faults {
    /// Before `peer` (`host:port`). Of a hundred requests `percent` meet a fault, and twice
    /// as many of those that change something.
    pub(crate) async fn before(peer: String, seed: u64, percent: u64) -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let onward = client();
        let server = Server::start_resetting({
            let log = Arc::clone(&log);
            move |request: Request<Bytes>| {
                let call = Call::read(&request);
                let kind = call.name();
                let reads = ["Describe", "Get", "List", "BatchGet", "Query", "Simulate"];
                let reads = reads.iter().any(|word| call.action.starts_with(word));
                let fault = {
                    let mut log = log.lock().expect("no holder panics");
                    let number = log.requests.entry(kind.clone()).or_default();
                    *number += 1;
                    let percent = if reads { percent } else { 2 * percent };
                    let fault = Fault::drawn(seed, &kind, *number, percent);
                    if let Some(fault) = fault {
                        *log.happened.entry(fault.name()).or_default() += 1;
                    }
                    fault
                };
                // In a task of its own: what has begun is carried out, whoever waits for it.
                let (onward, peer) = (onward.clone(), peer.clone());
                let forwarded = async move {
                    let answer =
                        tokio::spawn(async move { forward(&onward, request, &peer).await });
                    answer.await.ok()?.ok()
                };
                async move { happen(fault, &call, forwarded).await }
            }
        })
        .await;
        Self { server, log }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// How many faults of each kind happened so far, and how many requests there were.
    pub(crate) fn happened(&self) -> (Counts, usize) {
        let log = self.log.lock().expect("no holder panics");
        let requests: u64 = log.requests.values().sum();
        (log.happened.clone(), requests as usize)
    }
}

/// The answer to `call`, or that there is none.
async fn happen(
    fault: Option<Fault>,
    call: &Call,
    forwarded: impl Future<Output = Option<Response<Bytes>>>,
) -> Option<Response<Answer>> {
    match fault {
        None => forwarded.await.map(whole),
        Some(Fault::Latency(milliseconds)) => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            forwarded.await.map(whole)
        }
        Some(Fault::ResetBefore) => None,
        Some(Fault::ResetAfter) => {
            forwarded.await;
            None
        }
        Some(Fault::Throttle) => Some(refused(call, true)),
        Some(Fault::ErrorBefore) => Some(refused(call, false)),
        Some(Fault::ErrorAfter) => {
            forwarded.await;
            Some(refused(call, false))
        }
        Some(Fault::PageBefore) => Some(page(StatusCode::SERVICE_UNAVAILABLE)),
        Some(Fault::PageAfter) => {
            forwarded.await;
            Some(page(StatusCode::BAD_GATEWAY))
        }
        Some(Fault::CutBody) => Some(forwarded.await?.map(|body| Answer::Cut(Some(body)))),
        Some(Fault::HalfBody) => {
            let mut answer = forwarded.await?;
            answer.headers_mut().remove(CONTENT_LENGTH);
            Some(whole(answer.map(|body| body.slice(..body.len() / 2))))
        }
        Some(Fault::Garbage) => {
            forwarded.await;
            Some(page(StatusCode::OK))
        }
        Some(Fault::HangBefore) => std::future::pending().await,
        Some(Fault::HangAfter) => {
            forwarded.await;
            std::future::pending().await
        }
    }
}

fn whole(answer: Response<Bytes>) -> Response<Answer> {
    answer.map(|body| Answer::Whole(Some(body)))
}

fn page(status: StatusCode) -> Response<Answer> {
    answered(
        status,
        "text/html",
        "<html><h1>busy</h1>\u{0}\u{1f}".to_owned(),
    )
}

/// How each service words that it is throttled, or broken.
fn refused(call: &Call, is_throttled: bool) -> Response<Answer> {
    let (status, code) = match (call.service.as_str(), is_throttled) {
        ("ec2", true) => (503, "RequestLimitExceeded"),
        ("ec2", false) => (500, "InternalError"),
        ("iam", true) => (400, "Throttling"),
        ("iam", false) => (500, "ServiceFailure"),
        ("sns", true) => (429, "Throttled"),
        ("sns", false) => (500, "InternalError"),
        ("dynamodb", true) => (400, "ProvisionedThroughputExceededException"),
        (_, true) => (400, "ThrottlingException"),
        (_, false) => (500, "InternalServerError"),
    };
    let status = StatusCode::from_u16(status).expect("a status");
    match call.service.as_str() {
        "ec2" => {
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Errors><Error><Code>{code}</Code>\
                 <Message>Try again later.</Message></Error></Errors><RequestID>1</RequestID></Response>"
            );
            answered(status, "text/xml", body)
        }
        "iam" | "sns" => {
            let body = format!(
                "<ErrorResponse><Error><Type>Receiver</Type><Code>{code}</Code>\
                 <Message>Try again later.</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            );
            answered(status, "text/xml", body)
        }
        _ => {
            let body = format!(r#"{{"__type":"{code}","message":"Try again later."}}"#);
            answered(status, "application/x-amz-json-1.0", body)
        }
    }
}

fn answered(status: StatusCode, kind: &'static str, body: String) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Some(body.into())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The body of an answer.
enum Answer {
    Whole(Option<Bytes>),
    /// Half of it comes, then the connection breaks.
    Cut(Option<Bytes>),
}

#[derive(Debug, thiserror::Error)]
#[error("cut by a fault of the test")]
struct Cut;

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Poll::Ready(match self.get_mut() {
            Self::Whole(body) => body.take().map(|body| Ok(Frame::data(body))),
            Self::Cut(body) => Some(match body.take() {
                Some(body) => Ok(Frame::data(body.slice(..body.len() / 2))),
                None => Err(Cut),
            }),
        })
    }

    fn size_hint(&self) -> SizeHint {
        let (Self::Whole(body) | Self::Cut(body)) = self;
        SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }
}
