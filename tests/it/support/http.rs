//! A small HTTP server and client: what the recording proxy and the hop before
//! the Runtime API are made of.

use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) type Body = Full<Bytes>;
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type HttpClient = Client<HttpConnector, Body>;

/// A server on a free port of the loopback address; it ends with this value.
pub(crate) struct Server {
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers every request by `answer`; where it gives `None`, the connection
    /// is closed without an answer.
    pub(crate) async fn start<F, Fut, B>(answer: F) -> Self
    where
        F: Fn(Request<Bytes>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Option<Response<B>>> + Send + 'static,
        B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self::listen(answer, false).await
    }

    /// The same, but whatever closes a connection resets it.
    pub(crate) async fn start_resetting<F, Fut, B>(answer: F) -> Self
    where
        F: Fn(Request<Bytes>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Option<Response<B>>> + Send + 'static,
        B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self::listen(answer, true).await
    }

    async fn listen<F, Fut, B>(answer: F, resets: bool) -> Self
    where
        F: Fn(Request<Bytes>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Option<Response<B>>> + Send + 'static,
        B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("the loopback address has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                if resets {
                    let _ = stream.set_zero_linger();
                }
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let answer = answer.clone();
                        async move {
                            let request = whole(request).await?;
                            answer(request).await.ok_or(Closed::ByRule)
                        }
                    });
                    // A connection that ends early is what some tests are about.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, accepting }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Why a connection was closed without an answer.
#[derive(Debug)]
enum Closed {
    ByRule,
    ByPeer(hyper::Error),
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ByRule => f.write_str("closed by a rule of the test"),
            Self::ByPeer(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Closed {}

async fn whole(request: Request<Incoming>) -> Result<Request<Bytes>, Closed> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(Closed::ByPeer)?.to_bytes();
    Ok(Request::from_parts(parts, body))
}

pub(crate) fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Sends `request` to `peer` (`host:port`) and reads the whole answer.
pub(crate) async fn forward(
    client: &HttpClient,
    request: Request<Bytes>,
    peer: &str,
) -> Result<Response<Bytes>, hyper_util::client::legacy::Error> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = format!("http://{peer}{path}")
        .parse()
        .expect("a path taken from a URI is one again");
    let response = client
        .request(Request::from_parts(parts, Full::new(body)))
        .await?;
    let (parts, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => panic!("{peer} broke off in the middle of its answer: {error}"),
    };
    Ok(Response::from_parts(parts, body))
}
