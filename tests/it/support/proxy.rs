//! The recording proxy between the function and the test server. It puts every
//! request into the account of its test, writes it down, and plays the faults
//! that a test asks for: it is the peer for replayed answers, too.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::http::{Body, Server, client, forward};

/// One request as it came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The access key of the signature.
    pub key: String,
    /// From the signature: `ec2`, `iam`, `sns`, `sqs` …
    pub service: String,
    pub action: String,
    /// The form's fields, without `Action` and `Version`; for a JSON request
    /// its whole text under the empty name.
    pub fields: BTreeMap<String, String>,
}

impl Call {
    pub(crate) fn read(request: &Request<Bytes>) -> Self {
        let text = |name: &str| {
            let value = request.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
        let signature = text(AUTHORIZATION.as_str()).unwrap_or_default();
        let (_, scope) = signature.split_once("Credential=").unwrap_or_default();
        let mut scope = scope.split('/').map(str::to_owned);
        let key = scope.next().unwrap_or_default();
        let service = scope.nth(2).unwrap_or_default();
        if let Some(target) = text("x-amz-target") {
            let action = target.rsplit('.').next().unwrap_or_default().to_owned();
            let body = String::from_utf8_lossy(request.body()).into_owned();
            return Self {
                key,
                service,
                action,
                fields: BTreeMap::from([(String::new(), body)]),
            };
        }
        if service == "s3" {
            // The one call that the function makes of it.
            let is_known = request
                .uri()
                .query()
                .is_some_and(|query| query.starts_with("encryption"));
            let action = if is_known { "GetBucketEncryption" } else { "" }.to_owned();
            let bucket = request.uri().path().trim_matches('/').to_owned();
            return Self {
                key,
                service,
                action,
                fields: BTreeMap::from([("Bucket".to_owned(), bucket)]),
            };
        }
        let mut fields: BTreeMap<String, String> = form(request.body());
        let action = fields.remove("Action").unwrap_or_default();
        fields.remove("Version");
        Self {
            key,
            service,
            action,
            fields,
        }
    }

    /// `ec2:DescribeInstances`.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }
}

/// What happens to a request that a rule takes.
pub(crate) enum Effect {
    /// The server never sees it; this is the answer.
    Answer(StatusCode, String),
    /// The server never sees it; this answers.
    Reply(Reply),
    /// The server carries it out, and the answer is lost on the way back.
    LoseAnswer,
    /// The server carries it out, and this is the answer.
    AnswerAfter(StatusCode, String),
    /// The server never sees it, and nothing comes back.
    Break,
    /// The server answers, and its text is changed on the way back.
    Edit(fn(String) -> String),
    /// The server answers; before the answer goes back, this happens.
    Then(Box<dyn Fn() -> Happening + Send + Sync>),
}

/// From a request to the text that answers it.
pub(crate) type Reply = Box<dyn Fn(&Call) -> String + Send + Sync>;

pub(crate) type Happening = Pin<Box<dyn Future<Output = ()> + Send>>;

/// For one action: let `skip` requests through, then act on `times` of them.
struct Rule {
    action: String,
    skip: usize,
    times: usize,
    effect: Arc<Effect>,
}

#[derive(Default)]
struct Log {
    calls: Vec<Call>,
    /// Those that the server took and whose answer went back.
    taken: Vec<Call>,
    rules: Vec<Rule>,
}

pub(crate) struct Proxy {
    server: Server,
    log: Arc<Mutex<Log>>,
}

impl Proxy {
    /// Passes everything to `peer` (`host:port`) as requests of `account`.
    pub(crate) async fn start(peer: &'static str, account: &str) -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let account = HeaderValue::from_str(account).expect("an account id is digits");
        let onward = client();
        let server = Server::start({
            let log = Arc::clone(&log);
            move |mut request: Request<Bytes>| {
                let (log, onward) = (Arc::clone(&log), onward.clone());
                let call = Call::read(&request);
                // Whoever has assumed a role is in the account of that.
                if !call.key.starts_with("ASIA") {
                    (request.headers_mut()).insert("x-moto-account-id", account.clone());
                }
                async move {
                    let effect = log.lock().expect("no holder panics").note(&request);
                    if let Some(Effect::Reply(reply)) = effect.as_deref() {
                        return Some(answer(StatusCode::OK, &reply(&call)));
                    }
                    let passed = |response: Response<Bytes>| {
                        if response.status().is_success() {
                            log.lock().expect("no holder panics").taken.push(call);
                        }
                        passed(response)
                    };
                    let forwarded = async || match forward(&onward, request, peer).await {
                        Ok(response) => response,
                        Err(error) => panic!("the test server did not answer: {error}"),
                    };
                    match effect.as_deref() {
                        None | Some(Effect::Reply(_)) => Some(passed(forwarded().await)),
                        Some(Effect::Answer(status, body)) => Some(answer(*status, body)),
                        Some(Effect::LoseAnswer) => {
                            forwarded().await;
                            None
                        }
                        Some(Effect::AnswerAfter(status, body)) => {
                            forwarded().await;
                            Some(answer(*status, body))
                        }
                        Some(Effect::Break) => None,
                        Some(Effect::Edit(edit)) => Some(edited(forwarded().await, *edit)),
                        Some(Effect::Then(happening)) => {
                            let response = forwarded().await;
                            happening().await;
                            Some(passed(response))
                        }
                    }
                }
            }
        })
        .await;
        Self { server, log }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.server.address.to_string()
    }

    /// From now on, every request for `action` meets `effect`.
    pub(crate) fn on(&self, action: &str, effect: Effect) {
        self.rule(action, 0, usize::MAX, effect);
    }

    /// Lets `skip` requests for `action` through; the next `times` meet `effect`.
    pub(crate) fn rule(&self, action: &str, skip: usize, times: usize, effect: Effect) {
        self.log.lock().expect("no holder panics").rules.push(Rule {
            action: action.to_owned(),
            skip,
            times,
            effect: Arc::new(effect),
        });
    }

    /// What the test server cannot do: no node is registered with Systems
    /// Manager, and the policy simulator may not be asked.
    pub(crate) fn stand_in_for_ssm_and_simulator(&self) {
        let nobody = json_answer(json!({"InstanceInformationList": []}));
        self.on("DescribeInstanceInformation", nobody);
        self.on("SimulatePrincipalPolicy", iam_denied());
    }

    pub(crate) fn clear_rules(&self) {
        self.log.lock().expect("no holder panics").rules.clear();
    }

    /// Every request so far, in order of arrival.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.log.lock().expect("no holder panics").calls.clone()
    }

    /// The same without the first `count`.
    pub(crate) fn calls_after(&self, count: usize) -> Vec<Call> {
        self.log.lock().expect("no holder panics").calls[count..].to_vec()
    }

    /// The requests for `action` so far.
    pub(crate) fn calls_of(&self, action: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.action == action);
        calls
    }

    /// The requests for `action` that the server carried out and whose answer
    /// was still waited for, so that whoever asked knows.
    pub(crate) fn taken_of(&self, action: &str) -> Vec<Call> {
        let mut calls = self.log.lock().expect("no holder panics").taken.clone();
        calls.retain(|call| call.action == action);
        calls
    }

    /// Forgets what was written down until now.
    pub(crate) fn forget(&self) {
        let mut log = self.log.lock().expect("no holder panics");
        log.calls.clear();
        log.taken.clear();
    }
}

impl Log {
    fn note(&mut self, request: &Request<Bytes>) -> Option<Arc<Effect>> {
        let call = Call::read(request);
        let mut effect = None;
        for rule in self
            .rules
            .iter_mut()
            .filter(|rule| rule.action == call.action)
        {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                effect = Some(Arc::clone(&rule.effect));
                break;
            }
        }
        // The test server breaks on it; an account without defaults is the usual one.
        if effect.is_none() && call.action == "GetInstanceMetadataDefaults" {
            effect = Some(Arc::new(metadata_defaults(
                "<managedBy>account</managedBy>",
            )));
        }
        self.calls.push(call);
        effect
    }
}

fn passed(response: Response<Bytes>) -> Response<Body> {
    response.map(Full::new)
}

fn edited(response: Response<Bytes>, edit: fn(String) -> String) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let text = edit(String::from_utf8_lossy(&body).into_owned());
    Response::from_parts(parts, Full::new(Bytes::from(text)))
}

fn answer(status: StatusCode, body: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_owned())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

pub(crate) fn json_answer(body: Value) -> Effect {
    Effect::Answer(StatusCode::OK, body.to_string())
}

/// How EC2 gives the account's metadata defaults.
pub(crate) fn metadata_defaults(of_account: &str) -> Effect {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <GetInstanceMetadataDefaultsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>5f6b7c1e-0000-4000-8000-000000000003</requestId>\
         <accountLevel>{of_account}</accountLevel></GetInstanceMetadataDefaultsResponse>"
    );
    Effect::Answer(StatusCode::OK, body)
}

/// How EC2 words a refusal.
pub(crate) fn ec2_error(status: u16, code: &str, message: &str) -> Effect {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Errors><Error><Code>{code}</Code>\
         <Message>{message}</Message></Error></Errors>\
         <RequestID>5f6b7c1e-0000-4000-8000-000000000001</RequestID></Response>"
    );
    Effect::Answer(code_of(status), body)
}

/// How IAM and SNS word a refusal.
pub(crate) fn query_error(status: u16, code: &str, message: &str) -> Effect {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>5f6b7c1e-0000-4000-8000-000000000002</RequestId></ErrorResponse>"
    );
    Effect::Answer(code_of(status), body)
}

/// EC2 denies the caller an action.
pub(crate) fn ec2_denied() -> Effect {
    ec2_error(403, "UnauthorizedOperation", "You are not authorized")
}

/// IAM denies the caller an action.
pub(crate) fn iam_denied() -> Effect {
    query_error(403, "AccessDenied", "You are not authorized")
}

/// SNS denies the caller an action.
pub(crate) fn sns_denied() -> Effect {
    query_error(403, "AuthorizationError", "You are not authorized")
}

fn code_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("the test names a status code")
}

/// The fields of an `application/x-www-form-urlencoded` body.
fn form(body: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// Form decoding: `+` is a blank, `%XX` a byte.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let pair: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&pair);
                u8::from_str_radix(&digits, 16).expect("the SDK encodes by two hex digits")
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
