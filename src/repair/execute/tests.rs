//! The executors against a server that answers by a script, over real HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_ec2::config::Credentials;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

mod trust_ec2;

use super::*;
use crate::aws::{LiveState, Session};
use crate::incident::store::State;
use crate::repair::change::member;
use crate::repair::locks::RepairMode;
use crate::repair::plan::tests::{
    IMDS, INSTANCE, NOBODY, TRUST, now, open_change, open_guardrails, open_incident,
};
use crate::state::Memory;

/// What the server does with one call; the last one of a script goes on.
#[derive(Debug, Clone)]
enum Answer {
    Xml(String),
    Refuse(u16, &'static str),
    /// Whatever stands between may answer so.
    Page(u16, &'static str),
    /// The connection ends without an answer.
    Drop,
}

/// API name → its answers in order.
type Script = BTreeMap<&'static str, Vec<Answer>>;

struct Aws {
    calls: Mutex<Vec<String>>,
    script: Mutex<Script>,
}

impl Aws {
    /// The bodies of the calls of one API, less what every call carries.
    fn bodies(&self, api: &str) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        let bodies = calls.iter().filter(|body| api_of(body) == api);
        bodies.cloned().collect()
    }

    fn apis(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|body| api_of(body).to_owned()).collect()
    }

    fn answer(&self, body: String) -> Answer {
        let mut script = self.script.lock().unwrap();
        let answers = script.get_mut(api_of(&body)).expect("a call in the script");
        self.calls.lock().unwrap().push(body);
        if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        }
    }
}

fn api_of(body: &str) -> &str {
    let action = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action="));
    action.unwrap_or_default()
}

/// Starts a server with `script`, and clients that know no other.
async fn aws(script: Script) -> (Arc<Aws>, Clients) {
    let aws = Arc::new(Aws {
        calls: Mutex::default(),
        script: Mutex::new(script),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::clone(&aws);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let service = hyper::service::service_fn(|request| serve(&server, request));
                // An answer that is dropped ends the connection with an error.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    let credentials = Credentials::builder()
        .access_key_id("AKIDEXAMPLE")
        .secret_access_key("secret")
        .provider_name("test")
        .build();
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region("eu-central-1")
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let session = Arc::new(Session::of(config));
    let live = Arc::new(LiveState::new(Arc::clone(&session)));
    let mut clients = Clients::new(session, live, None);
    clients.audit = |_| Ok(());
    (aws, clients)
}

async fn serve(
    aws: &Aws,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    // Systems Manager takes JSON, and the name of the call beside it.
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok()?.split_once('.'));
    let called = target.map_or(String::new(), |(_, api)| format!("Action={api}&"));
    let body = request.into_body().collect().await;
    let body = body.map_err(std::io::Error::other)?.to_bytes();
    let body = called + &String::from_utf8_lossy(&body);
    let ec2 = body.contains("Version=2016-11-15");
    let (status, text) = match aws.answer(body) {
        Answer::Drop => return Err(std::io::Error::other("dropped")),
        Answer::Xml(text) => (200, text),
        Answer::Page(status, text) => (status, text.to_owned()),
        Answer::Refuse(status, code) if ec2 => (
            status,
            format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>No.</Message></Error></Errors><RequestID>r</RequestID></Response>"
            ),
        ),
        Answer::Refuse(status, code) => (
            status,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>No.</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            ),
        ),
    };
    let response = Response::builder().status(status);
    response
        .body(Full::new(Bytes::from(text)))
        .map_err(std::io::Error::other)
}

fn instance(endpoint: &str, state: &str, tag: &str) -> Answer {
    Answer::Xml(format!(
        "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet><item><instancesSet><item>\
         <instanceId>{INSTANCE}</instanceId><instanceState><code>16</code><name>running</name></instanceState>\
         <metadataOptions><state>{state}</state><httpTokens>optional</httpTokens><httpPutResponseHopLimit>1</httpPutResponseHopLimit><httpEndpoint>{endpoint}</httpEndpoint></metadataOptions>\
         <tagSet><item><key>ssm-agent-triage:repair</key><value>{tag}</value></item></tagSet>\
         </item></instancesSet></item></reservationSet></DescribeInstancesResponse>"
    ))
}

fn role(document: &str) -> Answer {
    let document: String = document.bytes().map(|b| format!("%{b:02X}")).collect();
    Answer::Xml(format!(
        "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role>\
         <Path>/</Path><Arn>arn:aws:iam::123456789012:role/web</Arn><RoleName>web</RoleName><RoleId>AROAEXAMPLE</RoleId>\
         <CreateDate>2020-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>{document}</AssumeRolePolicyDocument>\
         <Tags><member><Key>ssm-agent-triage:repair</Key><Value>allow</Value></member></Tags>\
         </Role></GetRoleResult></GetRoleResponse>"
    ))
}

fn modified() -> Answer {
    Answer::Xml("<ModifyInstanceMetadataOptionsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"/>".to_owned())
}

fn updated() -> Answer {
    Answer::Xml(
        "<UpdateAssumeRolePolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"/>"
            .to_owned(),
    )
}

fn off() -> Answer {
    instance("disabled", "applied", "allow")
}

fn on() -> Answer {
    instance("enabled", "applied", "allow")
}

const DESCRIBE: &str = "DescribeInstances";
const MODIFY: &str = "ModifyInstanceMetadataOptions";
const GET: &str = "GetRole";
const UPDATE: &str = "UpdateAssumeRolePolicy";
const CALENDAR: &str = "GetCalendarState";

struct Run {
    aws: Arc<Aws>,
    plan: Plan,
    memory: RepairMemory,
}

impl Run {
    fn detail(&self) -> &str {
        self.plan.outcome.detail.as_deref().unwrap_or_default()
    }

    fn remembered(&self, action: &str) -> bool {
        let target = target_of(&open_incident(action));
        self.memory.last(action, &target).is_some()
    }
}

async fn run(action: &str, mode: RepairMode, script: Script) -> Run {
    run_for(action, mode, script, Duration::from_secs(60)).await
}

async fn run_for(action: &str, mode: RepairMode, script: Script, time: Duration) -> Run {
    let guardrails = Guardrails {
        mode,
        ..open_guardrails()
    };
    run_on(aws(script).await, action, &guardrails, time).await
}

async fn run_on(
    (aws, clients): (Arc<Aws>, Clients),
    action: &str,
    guardrails: &Guardrails,
    time: Duration,
) -> Run {
    let mut memory = RepairMemory::default();
    let task = Task {
        incident: &open_incident(action),
        clients: &clients,
        guardrails,
        now: now(),
        ends_at: now().checked_add(time).unwrap(),
        until: Instant::now() + time,
    };
    let plan = execute(task, &mut memory, &Memory::default()).await;
    Run { aws, plan, memory }
}

/// Switches the endpoint on, with this in place of the audit log.
async fn audited(
    script: [(&'static str, Vec<Answer>); 2],
    audit: fn(&str) -> std::io::Result<()>,
) -> Run {
    let (aws, mut clients) = aws(script.into()).await;
    clients.audit = audit;
    let action = IMDS;
    let time = Duration::from_secs(60);
    run_on((aws, clients), action, &open_guardrails(), time).await
}

async fn imds(script: [(&'static str, Vec<Answer>); 2]) -> Run {
    let (action, mode) = (IMDS, RepairMode::Repair);
    run(action, mode, script.into()).await
}

#[tokio::test]
async fn the_endpoint_is_switched_on_and_seen_to_be_on() {
    let pending = instance("enabled", "pending", "allow");
    let run = imds([
        (DESCRIBE, vec![off(), pending, on()]),
        (MODIFY, vec![modified()]),
    ])
    .await;
    assert_eq!(
        run.plan.outcome.status,
        OutcomeStatus::Repaired,
        "{:?}",
        run.plan.outcome
    );
    assert_eq!(run.aws.apis(), [DESCRIBE, MODIFY, DESCRIBE, DESCRIBE]);
    assert_eq!(
        run.aws.bodies(MODIFY),
        [format!(
            "Action={MODIFY}&Version=2016-11-15&InstanceId={INSTANCE}&HttpEndpoint=enabled"
        )]
    );
    assert!(run.remembered(IMDS));
    assert_eq!(run.plan.state(), State::Repaired);
    insta::assert_snapshot!(run.detail(), @"HttpEndpoint disabled -> enabled, at 2023-11-14 22:13 UTC, read back: applied. The other metadata options are as they were. The launch template and the account's defaults still decide for the next launch. HttpTokens is optional there, so the endpoint also answers requests without a token (IMDSv1); set it to required once everything on the instance uses tokens.");
}

#[tokio::test]
async fn what_changed_since_the_checks_is_judged_anew() {
    for (described, status) in [
        (on(), OutcomeStatus::AlreadyRight),
        (
            instance("disabled", "applied", "no"),
            OutcomeStatus::Refused,
        ),
        (
            instance("disabled", "pending", "allow"),
            OutcomeStatus::Refused,
        ),
        (
            Answer::Refuse(403, "UnauthorizedOperation"),
            OutcomeStatus::Refused,
        ),
    ] {
        let run = imds([(DESCRIBE, vec![described]), (MODIFY, vec![modified()])]).await;
        assert_eq!(run.plan.outcome.status, status, "{:?}", run.plan.outcome);
        assert_eq!(run.aws.apis(), [DESCRIBE]);
        assert!(!run.remembered(IMDS));
    }
}

#[tokio::test]
async fn a_refused_write_to_ec2_is_tried_once() {
    for (status, code) in [
        (403, "UnauthorizedOperation"),
        (503, "RequestLimitExceeded"),
        (400, "IncorrectInstanceState"),
        (400, "InvalidInstanceID.NotFound"),
    ] {
        let run = imds([
            (DESCRIBE, vec![off()]),
            (MODIFY, vec![Answer::Refuse(status, code)]),
        ])
        .await;
        assert_eq!(run.plan.outcome.status, OutcomeStatus::Failed, "{code}");
        assert_eq!(run.aws.apis(), [DESCRIBE, MODIFY], "{code}");
        assert!(run.detail().contains(code), "{}", run.detail());
        assert_eq!(run.plan.outcome.undo, None);
        assert!(run.remembered(IMDS));
    }
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_reading() {
    let mut cases = tokio::task::JoinSet::new();
    for lost in lost("InternalError") {
        for (after, status) in [
            (on(), OutcomeStatus::Repaired),
            (off(), OutcomeStatus::Unverified),
            (
                Answer::Refuse(403, "UnauthorizedOperation"),
                OutcomeStatus::Unverified,
            ),
        ] {
            let script = [(DESCRIBE, vec![off(), after]), (MODIFY, vec![lost.clone()])];
            cases.spawn(async move { (imds(script).await, status) });
        }
    }
    for (run, status) in cases.join_all().await {
        assert_eq!(run.plan.outcome.status, status, "{:?}", run.plan.outcome);
        assert_eq!(run.aws.bodies(MODIFY).len(), 1);
        assert!(!run.detail().to_lowercase().contains("nothing was changed"));
        assert!(run.plan.outcome.undo.is_some());
    }
}

#[tokio::test]
async fn what_is_not_seen_in_effect_is_unverified() {
    let pending = instance("enabled", "pending", "allow");
    let mut cases = tokio::task::JoinSet::new();
    for after in [pending, off()] {
        let script = [(DESCRIBE, vec![off(), after]), (MODIFY, vec![modified()])];
        let (action, mode) = (IMDS, RepairMode::Repair);
        let time = LEAST_TIME + Duration::from_secs(1);
        cases.spawn(run_for(action, mode, script.into(), time));
    }
    for run in cases.join_all().await {
        assert_eq!(run.plan.outcome.status, OutcomeStatus::Unverified);
        assert!(run.plan.outcome.undo.is_some());
        assert_eq!(run.plan.state(), State::RepairFailed);
    }
}

#[tokio::test]
async fn nothing_begins_without_time_to_see_it_through() {
    let script = [(DESCRIBE, vec![off()]), (MODIFY, vec![modified()])];
    let (action, mode) = (IMDS, RepairMode::Repair);
    let run = run_for(action, mode, script.into(), Duration::from_secs(2)).await;
    assert_eq!(run.plan.outcome.status, OutcomeStatus::Refused);
    assert_eq!(run.aws.apis(), [""; 0]);
}

#[tokio::test]
async fn without_an_audit_line_nothing_is_written() {
    let script = [(DESCRIBE, vec![off()]), (MODIFY, vec![modified()])];
    let run = audited(script, |_| Err(std::io::ErrorKind::BrokenPipe.into())).await;
    assert_eq!(run.plan.outcome.status, OutcomeStatus::Refused);
    assert_eq!(run.aws.apis(), [DESCRIBE]);
}

#[tokio::test]
async fn a_write_leaves_one_audit_line_before_it_and_one_after() {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let script = [(DESCRIBE, vec![off(), on()]), (MODIFY, vec![modified()])];
    let run = audited(script, |line| {
        let mut lines = LINES.lock().unwrap();
        lines.push(line.to_owned());
        // The second one cannot be written.
        match lines.len() {
            1 => Ok(()),
            _ => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    })
    .await;
    assert_eq!(run.plan.outcome.status, OutcomeStatus::Repaired);
    let detail = run.detail();
    assert!(detail.contains("could not be written"), "{detail}");
    assert_eq!(run.aws.bodies(MODIFY).len(), 1);
    let lines: Vec<serde_json::Value> = (LINES.lock().unwrap().iter())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["send"]["HttpEndpoint"], "enabled");
    assert_eq!(lines[1]["outcome"], "repaired");
    assert_eq!(lines[0]["undo"], lines[1]["undo"]);
}

#[tokio::test]
async fn nothing_is_written_while_a_change_calendar_is_closed() {
    let open = Answer::Page(200, r#"{"State":"OPEN"}"#);
    let closed = r#"{"State":"CLOSED","NextTransitionTime":"2026-11-24T06:00:00Z"}"#;
    for (answer, written, words) in [
        (open, 1, ""),
        (
            Answer::Page(200, closed),
            0,
            "closed until 2026-11-24T06:00:00Z (freeze)",
        ),
        (
            Answer::Page(400, r#"{"__type":"AccessDeniedException"}"#),
            0,
            "could not be read: GetCalendarState was denied",
        ),
        (Answer::Page(200, "{}"), 0, "could not be read"),
    ] {
        let script = [
            (DESCRIBE, vec![off(), on()]),
            (CALENDAR, vec![answer]),
            (MODIFY, vec![modified()]),
        ];
        let guardrails = Guardrails {
            calendars: vec!["freeze".to_owned()],
            ..open_guardrails()
        };
        let (aws, time) = (aws(script.into()).await, Duration::from_secs(60));
        let run = run_on(aws, IMDS, &guardrails, time).await;
        assert_eq!(run.aws.bodies(MODIFY).len(), written, "{:?}", run.plan);
        assert!(run.plan.summary.reason.contains(words), "{:?}", run.plan);
        assert_eq!(run.remembered(IMDS), written > 0);
    }
}

#[tokio::test]
async fn a_dry_run_asks_ec2_once_and_iam_never() {
    for (answer, status, word) in [
        (
            Answer::Refuse(412, "DryRunOperation"),
            OutcomeStatus::DryRun,
            "would make the change",
        ),
        (
            Answer::Refuse(403, "UnauthorizedOperation"),
            OutcomeStatus::Refused,
            "ec2:ModifyInstanceMetadataOptions",
        ),
    ] {
        let script = [(DESCRIBE, vec![off()]), (MODIFY, vec![answer])];
        let action = IMDS;
        let run = run(action, RepairMode::DryRun, script.into()).await;
        assert_eq!(run.plan.outcome.status, status, "{:?}", run.plan.outcome);
        assert!(run.detail().contains(word), "{}", run.detail());
        let [body] = run.aws.bodies(MODIFY).try_into().unwrap();
        assert!(body.contains("DryRun=true"), "{body}");
        assert!(!run.remembered(action));
    }
    let script = [(GET, vec![role(NOBODY)]), (UPDATE, vec![updated()])];
    let run = run(TRUST, RepairMode::DryRun, script.into()).await;
    assert_eq!(run.plan.outcome.status, OutcomeStatus::DryRun);
    assert_eq!(run.aws.apis(), [GET]);
    assert!(
        run.detail().contains("ec2.amazonaws.com"),
        "{}",
        run.detail()
    );
    assert!(!run.remembered(TRUST));
}

/// The ways in which an answer to a write says nothing of the write.
fn lost(code: &'static str) -> [Answer; 6] {
    [
        Answer::Drop,
        Answer::Refuse(500, code),
        Answer::Refuse(500, "SomethingUnheardOf"),
        Answer::Page(200, "<html>busy</html>"),
        Answer::Page(200, "<Cut"),
        Answer::Page(403, "<html>proxy</html>"),
    ]
}

/// A task that is carried out twice writes once, whatever came of it.
#[tokio::test]
async fn what_was_tried_is_not_tried_again_within_the_hour() {
    for (written, status) in [
        (modified(), OutcomeStatus::Refused),
        (
            Answer::Refuse(403, "UnauthorizedOperation"),
            OutcomeStatus::Failed,
        ),
    ] {
        let script = [
            (DESCRIBE, vec![off(), on(), off()]),
            (MODIFY, vec![written]),
        ];
        let (aws, clients) = aws(script.into()).await;
        let incident = open_incident(IMDS);
        let guardrails = open_guardrails();
        let task = Task {
            incident: &incident,
            clients: &clients,
            guardrails: &guardrails,
            now: now(),
            ends_at: now().checked_add(Duration::from_secs(60)).unwrap(),
            until: Instant::now() + Duration::from_secs(60),
        };
        let (mut memory, state) = (RepairMemory::default(), Memory::default());
        execute(task, &mut memory, &state).await;
        // What is read a minute later is no old answer.
        let later = Task {
            now: now().checked_add(Duration::from_secs(60)).unwrap(),
            ..task
        };
        let plan = execute(later, &mut memory, &state).await;
        assert_eq!(plan.summary.kind, "advise", "{plan:?}");
        assert_eq!(plan.outcome.status, status);
        assert_eq!(aws.bodies(MODIFY).len(), 1);
    }
}
