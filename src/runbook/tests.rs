//! What is said of incidents, as people get it.

mod faults;
mod machines;
mod shell;
mod titles;

use std::fmt::Write as _;

use super::*;
use jiff::SignedDuration;

use crate::cause::Cause;
use crate::failure::Service;
use crate::incident::group::Incident;
use crate::incident::sample;
use crate::machine::Environment;
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::sheet::Restart;

fn advise(incident: &Incident, outcome: &Outcome) -> Runbook {
    outcome.runbook(incident, None)
}

fn recovery(incident: &Incident, now: Option<Timestamp>) -> Recovery {
    sample::nothing_done().runbook(incident, now).next
}

fn schedule(cause: Cause) -> &'static str {
    sheet::of(cause).next.last().expect("the last").retries
}

fn each_runbook() -> impl Iterator<Item = (Incident, Runbook)> {
    Cause::ALL.iter().flat_map(|cause| {
        [
            sample::incident(*cause),
            sample::on_hybrid_node(*cause),
            sample::on_unknown_node(*cause),
            sample::undetermined(&[*cause, Cause::ImdsDisabled]),
        ]
        .map(|incident| {
            let runbook = advise(&incident, &sample::nothing_done());
            (incident, runbook)
        })
    })
}

fn commands(runbook: &Runbook) -> impl Iterator<Item = &str> {
    runbook
        .steps
        .iter()
        .chain(&runbook.verify)
        .filter_map(|step| step.command.as_deref())
}

#[test]
fn every_cause_has_steps_a_command_and_a_way_to_verify() {
    for (incident, runbook) in each_runbook() {
        let cause = incident.cause;
        assert!(!runbook.verify.is_empty(), "{cause}");
        assert!(commands(&runbook).next().is_some(), "{cause}");
        for step in runbook.steps.iter().chain(&runbook.verify) {
            assert!(!step.text.contains('\n'), "{cause}: {}", step.text);
            assert!(!step.text.contains("  "), "{cause}: {}", step.text);
            assert!(
                step.text.ends_with(['.', ':', '?', '…', ')']),
                "{}",
                step.text
            );
        }
        for command in commands(&runbook) {
            assert!(!command.contains('\n'), "{cause}: {command}");
            assert!(!command.contains("  "), "{cause}: {command}");
        }
    }
}

#[test]
fn no_two_steps_of_a_runbook_run_the_same() {
    for (incident, runbook) in each_runbook() {
        let mut seen: Vec<&str> = runbook
            .steps
            .iter()
            .filter_map(|step| step.command.as_deref())
            .collect();
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all, "{}", incident.cause);
    }
}

#[test]
fn commands_hold_the_real_ids() {
    let text = |cause| {
        let runbook = advise(&sample::incident(cause), &sample::nothing_done());
        commands(&runbook).collect::<Vec<_>>().join("\n")
    };
    let imds = text(Cause::ImdsDisabled);
    assert!(imds.contains(
        "aws ec2 modify-instance-metadata-options --region eu-central-1 \
         --instance-id i-0123456789abcdef0 --http-endpoint enabled"
    ));
    let trust = text(Cause::RoleNotAssumable);
    assert!(trust.contains("aws iam get-role --role-name MySSMRole --query"));
    let denied = text(Cause::PermissionMissing);
    assert!(denied.contains(
        "aws iam attach-role-policy --role-name MySSMRole \
         --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    ));
    let network = text(Cause::EndpointUnreachable);
    assert!(network.contains("https://ssm.eu-central-1.amazonaws.com/"));
    assert!(network.contains("'Name=vpc-id,Values=vpc-0a1b2c3d4e5f60718'"));
}

#[test]
fn other_partitions_have_their_own_names() {
    for (region, arn, host) in [
        (
            "cn-north-1",
            "arn:aws-cn:iam::aws:policy/",
            "ssmmessages.cn-north-1.amazonaws.com.cn",
        ),
        (
            "us-gov-west-1",
            "arn:aws-us-gov:iam::aws:policy/",
            "ssmmessages.us-gov-west-1.amazonaws.com",
        ),
    ] {
        let denied = advise(
            &sample::in_region(Cause::PermissionMissing, region),
            &sample::nothing_done(),
        );
        assert!(commands(&denied).any(|command| command.contains(arn)));
        assert!(
            commands(&denied).all(|command| !command.starts_with("aws iam")
                || command.contains(&format!("--region {region}")))
        );
        let channel = advise(
            &sample::in_region(Cause::ChannelFailure, region),
            &sample::nothing_done(),
        );
        assert!(commands(&channel).any(|command| command.contains(host)));
    }
}

#[test]
fn each_reason_of_a_denial_has_its_own_first_step() {
    use crate::failure::DenyReason;
    let mut seen = Vec::new();
    for reason in [
        None,
        Some(DenyReason::PermissionsBoundary),
        Some(DenyReason::ServiceControlPolicy),
        Some(DenyReason::SessionPolicy),
        Some(DenyReason::VpcEndpointPolicy),
        Some(DenyReason::ResourcePolicy),
        Some(DenyReason::ExplicitDeny),
    ] {
        let mut incident = sample::incident(Cause::PermissionMissing);
        incident.error_details.reason = reason;
        let runbook = advise(&incident, &sample::nothing_done());
        let changes = commands(&runbook).any(|line| line.contains("attach-role-policy"));
        assert_eq!(changes, reason.is_none(), "{reason:?}");
        seen.push(format!("{reason:?}: {}", runbook.steps[0].line()));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn an_action_that_the_core_policy_lacks_is_not_mended_by_it() {
    let mut incident = sample::incident(Cause::PermissionMissing);
    incident.error_details.action = Some("s3:PutObject".to_owned());
    let runbook = advise(&incident, &sample::nothing_done());
    assert!(commands(&runbook).all(|line| !line.contains("attach-role-policy")));
    assert!(commands(&runbook).any(|line| line.contains("--action-names s3:PutObject")));
}

#[test]
fn the_address_that_was_dialled_says_where_to_look_first() {
    for (remote_ip, first, never) in [
        ("10.0.1.7", "describe-vpc-endpoints", "create-route"),
        ("fd00::7", "describe-vpc-endpoints", "create-route"),
        ("100.64.3.7", "describe-vpc-endpoints", "create-route"),
        ("::ffff:10.0.1.7", "describe-vpc-endpoints", "create-route"),
        (
            "52.94.225.236",
            "describe-instances",
            "authorize-security-group-ingress",
        ),
    ] {
        let mut incident = sample::incident(Cause::EndpointUnreachable);
        incident.error_details.remote_ip = remote_ip.parse().ok();
        let runbook = advise(&incident, &sample::nothing_done());
        let aws = commands(&runbook).find(|line| line.starts_with("aws "));
        assert!(aws.is_some_and(|line| line.contains(first)), "{remote_ip}");
        assert!(
            commands(&runbook).all(|line| !line.contains(never)),
            "{remote_ip}"
        );
    }
}

#[test]
fn an_endpoint_that_the_node_passed_by_sends_to_the_resolver() {
    use crate::diagnose::check::{CheckResult, Fault};
    let mut incident = sample::incident(Cause::EndpointUnreachable);
    incident.error_details.remote_ip = "52.94.225.236".parse().ok();
    let open = advise(&incident, &sample::nothing_done());
    incident.checks = vec![CheckResult {
        fault: Some(Fault::EndpointBypassed {
            endpoint: "vpce-0a1b2c3d4e5f60718".to_owned(),
        }),
        ..CheckResult::unknown("It was passed by.")
    }];
    let passed = advise(&incident, &sample::nothing_done());
    for runbook in [&open, &passed] {
        let text: Vec<&str> = runbook
            .steps
            .iter()
            .map(|step| step.text.as_str())
            .collect();
        let text = text.join(" ");
        assert!(
            !text.contains("no interface endpoint is in the way"),
            "{text}"
        );
        assert!(text.contains("resolver"), "{text}");
    }
    let says = |step: &&Step| step.text.contains("vpce-0a1b2c3d4e5f60718 answers");
    assert!(passed.steps.iter().any(|step| says(&step)));
    let place = |words: &str| {
        let line = |step: &Step| step.line().contains(words);
        passed.steps.iter().position(line).expect("a step")
    };
    assert!(place("/etc/resolv.conf") < place("describe-security-groups"));
}

#[test]
fn what_names_another_file_leaves_the_agents_own_alone() {
    use crate::finding::SignatureCount;
    let of = |id: &str| {
        let mut incident = sample::incident(Cause::AgentConfigInvalid);
        incident.signatures = vec![SignatureCount {
            id: id.to_owned().into(),
            ..incident.signatures[0].clone()
        }];
        let runbook = advise(&incident, &sample::nothing_done());
        let lines: Vec<String> = runbook.steps.iter().map(Step::line).collect();
        (lines.join("\n"), recovery(&incident, None))
    };
    let (own, restart) = of("agent-configuration-not-loaded");
    assert!(own.contains("mv /etc/amazon/ssm/amazon-ssm-agent.json"));
    assert_eq!(restart.restart, Restart::Needed);
    let (logger, restart) = of("logger-configuration-invalid");
    assert!(logger.contains("/etc/amazon/ssm/seelog.xml"));
    assert_eq!(restart.restart, Restart::NotNeeded);
    for other in [
        "cloudwatch-plugin-configuration-invalid",
        "windows-sysprep-running",
        "windows-service-not-started",
        "setup-failed",
        "similarity-threshold-invalid",
    ] {
        assert!(!of(other).0.contains("amazon-ssm-agent.json"), "{other}");
    }
    assert!(!logger.contains("amazon-ssm-agent.json"), "{logger}");
}

#[test]
fn a_proxy_that_catches_the_metadata_address_comes_first() {
    let mut incident = sample::incident(Cause::ProxyFailure);
    incident.error_details.service = Some("imds".to_owned());
    incident.error_details.host = Some("169.254.169.254".to_owned());
    let runbook = advise(&incident, &sample::nothing_done());
    assert!(runbook.steps[0].text.contains("metadata address"));
    assert!(
        commands(&runbook).any(|line| line.contains("https://ssm.eu-central-1.amazonaws.com/"))
    );
}

#[test]
fn nothing_that_a_log_names_can_leave_its_place() {
    for cause in Cause::ALL {
        let runbook = advise(&sample::hostile(*cause), &sample::nothing_done());
        for step in runbook.steps.iter().chain(&runbook.verify) {
            assert!(!step.line().contains("evil"), "{cause}: {}", step.line());
        }
    }
}

#[test]
fn a_hybrid_node_is_never_sent_to_ec2() {
    for cause in [
        Cause::EndpointUnreachable,
        Cause::DnsFailure,
        Cause::RegistrationInvalid,
        Cause::ClockSkew,
        Cause::AgentCrash,
        Cause::HostDiskFull,
    ] {
        let runbook = advise(&sample::on_hybrid_node(cause), &sample::nothing_done());
        assert!(
            commands(&runbook).all(|command| !command.starts_with("aws ec2")),
            "{cause}"
        );
    }
}

#[test]
fn the_command_of_a_repair_that_was_kept_back_is_the_step() {
    for cause in [Cause::ImdsDisabled, Cause::RoleNotAssumable] {
        let mut outcome = sample::nothing_done();
        outcome.command = Some("aws does it".to_owned());
        let runbook = advise(&sample::incident(cause), &outcome);
        let writes = commands(&runbook)
            .filter(|line| line.contains("modify-") || line.contains("update-assume"));
        assert_eq!(writes.count(), 0, "{cause}");
        assert_eq!(
            commands(&runbook)
                .filter(|line| *line == "aws does it")
                .count(),
            1
        );
    }
}

#[test]
fn what_is_repaired_needs_no_steps_but_the_agents_next_try() {
    let mut outcome = sample::nothing_done();
    outcome.status = OutcomeStatus::Repaired;
    let runbook = advise(&sample::incident(Cause::ImdsDisabled), &outcome);
    assert!(runbook.steps.is_empty());
    let runbook = advise(&sample::incident(Cause::RoleNotAssumable), &outcome);
    let text: Vec<String> = runbook.steps.iter().map(Step::line).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    To apply it at once instead of within 1 h, find the association …
    aws ec2 describe-iam-instance-profile-associations --region eu-central-1 --filters 'Name=instance-id,Values=i-0123456789abcdef0' --query 'IamInstanceProfileAssociations[].[AssociationId,State,IamInstanceProfile.Arn,IamInstanceProfile.Id]' --output text
    … and associate the instance profile again:
    aws ec2 replace-iam-instance-profile-association --region eu-central-1 --association-id ASSOCIATION_ID --iam-instance-profile 'Name=MyProfile'
    ");
}

#[test]
fn the_runbook_of_every_cause_reads_well() {
    let mut all = String::new();
    for cause in Cause::ALL {
        let runbook = advise(&sample::incident(*cause), &sample::nothing_done());
        let _ = writeln!(all, "=== {cause}");
        for step in &runbook.steps {
            let _ = writeln!(all, "- {}", step.line().replace('\n', "\n    $ "));
        }
        for step in &runbook.verify {
            let _ = writeln!(all, "verify: {}", step.line().replace('\n', "\n    $ "));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn an_undetermined_incident_begins_with_what_decides() {
    let incident = sample::undetermined(&[
        Cause::RoleNotAssumable,
        Cause::NoInstanceProfile,
        Cause::ImdsDisabled,
        Cause::ImdsUnreachable,
        Cause::StaleInstanceProfile,
    ]);
    let runbook = advise(&incident, &sample::nothing_done());
    let lines: Vec<String> = (runbook.steps.iter())
        .chain(&runbook.by_cause)
        .map(Step::line)
        .collect();
    insta::assert_snapshot!(lines.join("\n\n"));
}

#[test]
fn what_the_log_says_comes_before_the_known_schedule() {
    let mut incident = sample::incident(Cause::RoleNotAssumable);
    incident.retry_in_seconds = None;
    assert_eq!(
        recovery(&incident, None).retries,
        schedule(Cause::RoleNotAssumable)
    );
    incident.retry_in_seconds = Some(1654);
    assert_eq!(
        recovery(&incident, None).retries,
        "The agent retries 27 min 34 s after its last record, at \
         2026-11-23 04:46:38 by the log's clock."
    );
    let soon = sample::at("2026-11-23T04:40:00Z");
    assert!(
        recovery(&incident, Some(soon))
            .retries
            .ends_with("at 2026-11-23 04:46:38 UTC, in 6 min 38 s.")
    );
    let late = sample::at("2026-11-23T06:40:00Z");
    assert!(
        recovery(&incident, Some(late))
            .retries
            .ends_with(schedule(Cause::RoleNotAssumable))
    );
    incident.retry_in_seconds = Some(u64::MAX);
    assert_eq!(
        recovery(&incident, None).retries,
        schedule(Cause::RoleNotAssumable)
    );
}

#[test]
fn no_schedule_contradicts_what_the_quoted_record_says() {
    for (cause, text, retries) in [
        (
            Cause::CommandFailure,
            "Unable to get next scheduled association, Association stuck at InProgress, will retry later",
            "The agent says that it retries, and not when.",
        ),
        (
            Cause::EndpointUnreachable,
            "MDSInteractor stopped temporarily due to internal failure. We will retry automatically after 15 minutes",
            "The agent says that it retries after 15 minutes.",
        ),
        (
            Cause::CommandFailure,
            "failed to run commands: exit status 1",
            schedule(Cause::CommandFailure),
        ),
        (
            Cause::EndpointUnreachable,
            "Failed to ping, will retry: i/o timeout",
            schedule(Cause::EndpointUnreachable),
        ),
    ] {
        let mut incident = sample::incident(cause);
        incident.evidence[0].text = text.to_owned();
        assert_eq!(recovery(&incident, None).retries, retries, "{text}");
    }
}

#[test]
fn a_channel_has_a_schedule_of_its_own() {
    let mut incident = sample::incident(Cause::EndpointUnreachable);
    incident.retry_in_seconds = None;
    incident.error_details.service = Some("ssm".to_owned());
    assert_eq!(
        recovery(&incident, None).retries,
        schedule(Cause::EndpointUnreachable)
    );
    incident.error_details.service = Some("ssmmessages".to_owned());
    assert_eq!(
        recovery(&incident, None).retries,
        schedule(Cause::ChannelFailure)
    );
}

#[test]
fn spans_read_as_people_say_them() {
    for (seconds, words) in [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (1654, "27 min 34 s"),
        (3600, "1 h"),
        (11_100, "3 h 5 min"),
        (86_400, "1 day"),
        (180_000, "2 days 2 h"),
        (-90, "1 min 30 s"),
    ] {
        assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
    }
}

#[test]
fn azures_metadata_service_gets_no_steps_of_ec2() {
    let mut incident = sample::on_hybrid_node(Cause::ImdsUnreachable);
    incident.error_details.service = Some(Service::AzureMetadata.as_str().to_owned());
    let runbook = advise(&incident, &sample::nothing_done());
    let all: Vec<String> = (runbook.steps.iter().chain(&runbook.verify))
        .map(|step| format!("{} {}", step.text, step.command.as_deref().unwrap_or("")))
        .collect();
    assert!(all.iter().any(|step| step.contains("Azure")), "{all:?}");
    for words in ["aws ec2", "hop limit", "instance profile", "from EC2"] {
        assert!(
            !all.iter().any(|step| step.contains(words)),
            "{words}: {all:?}"
        );
    }
    let schedule = recovery(&incident, None);
    assert!(!format!("{schedule:?}").contains("three attempts"));
}

#[test]
fn steps_follow_the_platform_that_the_log_shows() {
    let (linux, windows) = ("df -h /var/lib/amazon/ssm", "Get-PSDrive");
    for (platforms, shown, hidden) in [
        (vec![Environment::Windows], vec![windows], vec![linux]),
        (vec![Environment::Linux], vec![linux], vec![windows]),
        (vec![], vec![linux, windows], vec![]),
        (
            vec![Environment::Linux, Environment::Windows],
            vec![linux, windows],
            vec![],
        ),
    ] {
        let mut incident = sample::incident(Cause::HostDiskFull);
        incident.error_details.machine = platforms.iter().copied().collect();
        let runbook = advise(&incident, &sample::nothing_done());
        let has = |words: &str| commands(&runbook).any(|line| line.contains(words));
        assert!(shown.into_iter().all(has), "{platforms:?}");
        assert!(!hidden.into_iter().any(has), "{platforms:?}");
    }
}

#[test]
fn a_proxy_in_use_comes_before_all_else_that_can_hide_the_metadata_service() {
    let mut incident = sample::incident(Cause::ImdsUnreachable);
    incident.error_details.proxied = true;
    let runbook = advise(&incident, &sample::nothing_done());
    assert!(runbook.steps[0].line().contains("no_proxy=169.254.169.254"));
}

#[test]
fn where_an_image_may_have_taken_the_log_along_the_machine_is_to_be_compared_first() {
    let mut incident = sample::incident(Cause::ImdsDisabled);
    let begins = |incident: &Incident| {
        let runbook = advise(incident, &sample::nothing_done());
        runbook.steps[0]
            .text
            .starts_with("Make sure that this is i-0123456789abcdef0: ")
    };
    assert!(!begins(&incident));
    incident.error_details.id_in_doubt = true;
    for confidence in [Confidence::Likely, Confidence::Undetermined] {
        incident.confidence = confidence;
        assert!(begins(&incident), "{confidence}");
    }
    // Live state has shown it on that very machine.
    incident.confidence = Confidence::Confirmed;
    assert!(!begins(&incident));
}

#[test]
fn a_container_has_a_role_of_its_own() {
    for (environment, host, role) in [
        (
            Some(Environment::Ecs),
            "169.254.170.2",
            "The task role lacks",
        ),
        (
            Some(Environment::Kubernetes),
            "169.254.170.23",
            "The pod's role lacks",
        ),
        (
            None,
            "ssm.eu-central-1.amazonaws.com",
            "The role of i-0123456789abcdef0 lacks",
        ),
    ] {
        let mut incident = sample::incident(Cause::PermissionMissing);
        incident.role = None;
        incident.scope.kind = crate::cause::ScopeKind::Node;
        incident.error_details.host = Some(host.to_owned());
        incident.error_details.machine = environment.into_iter().collect();
        let title = advise(&incident, &sample::nothing_done()).title;
        assert!(title.starts_with(role), "{title}");
    }
}
