//! What to do about an incident: the steps, each with a command that is ready
//! to run where one exists, how to see that it worked, and when the agent
//! tries again by itself.
//!
//! Facts are those of the AWS documentation ("Troubleshooting SSM Agent",
//! "Configure SSM Agent to use a proxy", "Improve the security of EC2 instances
//! by using VPC endpoints for Systems Manager", "Troubleshoot IAM roles for
//! EC2") and of the agent's source.

mod agent;
mod case;
mod decide;
mod denial;
mod fault;
mod host;
mod identity;
mod network;
mod permission;
mod recovery;
mod registration;
#[cfg(test)]
pub(crate) mod sample;
mod service;
mod usage;

use crate::cause::{Cause, Confidence};
use crate::diagnose::verdict::FaultState;
use crate::incident::group::Incident;
use crate::repair::outcome::{Outcome, OutcomeStatus};

use case::Case;
pub use recovery::{Recovery, Restart, clock, in_words, recovery};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// One or two sentences.
    pub text: String,
    /// Ready to run, with the real ids where they pass their grammar.
    pub command: Option<String>,
}

/// What to do about one incident.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Advice {
    /// In the order in which to try them.
    pub steps: Vec<Step>,
    /// Where the steps decide between causes: what each one calls for.
    pub by_cause: Vec<Step>,
    /// How to see that the nodes are back.
    pub verify: Vec<Step>,
}

impl Step {
    fn say(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            command: None,
        }
    }

    fn run(text: impl Into<String>, command: impl ToString) -> Self {
        Self {
            text: text.into(),
            command: Some(command.to_string()),
        }
    }

    /// The step as one string: the command on a line of its own.
    pub fn line(&self) -> String {
        match &self.command {
            None => self.text.clone(),
            Some(command) => format!("{}\n{command}", self.text),
        }
    }
}

/// The advice for `incident` after what came of its repair. Where the log
/// leaves several causes possible it begins with what decides between them.
/// The command that an outcome names takes the place of the steps it makes
/// needless.
pub fn advise(incident: &Incident, outcome: &Outcome) -> Advice {
    let case = Case::of(incident, outcome.command.as_deref());
    let repaired = outcome.status == OutcomeStatus::Repaired;
    let mut by_cause = Vec::new();
    let steps = match (incident.fault_state, incident.confidence) {
        _ if repaired => decide::repaired(&case, incident.cause),
        (FaultState::NotObserved, _) => decide::already_right(&case),
        (FaultState::Active, Confidence::Undetermined) if incident.candidates.len() > 1 => {
            by_cause = decide::by_cause(&incident.candidates);
            decide::between(&case, &incident.candidates)
        }
        (
            FaultState::Active,
            Confidence::Undetermined | Confidence::Likely | Confidence::Confirmed,
        ) => {
            let proved = incident.confidence == Confidence::Confirmed;
            let at_fault = match proved {
                true => fault::steps(&case, incident.cause, &incident.checks),
                false => Vec::new(),
            };
            if at_fault.is_empty() {
                fix(&case, incident.cause)
            } else {
                at_fault
            }
        }
    };
    Advice {
        steps,
        by_cause,
        verify: verify(&case, incident.cause),
    }
}

fn fix(case: &Case, cause: Cause) -> Vec<Step> {
    match cause {
        Cause::ImdsDisabled => identity::imds_disabled(case),
        Cause::ImdsUnreachable => identity::imds_unreachable(case),
        Cause::NoInstanceProfile => identity::no_instance_profile(case),
        Cause::StaleInstanceProfile => identity::stale_instance_profile(case),
        Cause::RoleNotAssumable => identity::role_not_assumable(case),
        Cause::PermissionMissing => denial::permission_missing(case),
        Cause::EndpointPolicyDenies => permission::endpoint_policy_denies(case),
        Cause::DhmcNotConfigured => permission::dhmc_not_configured(case),
        Cause::DhmcRoleBroken => permission::dhmc_role_broken(case),
        Cause::EndpointUnreachable => network::endpoint_unreachable(case),
        Cause::DnsFailure => network::dns_failure(case),
        Cause::ProxyFailure => network::proxy_failure(case),
        Cause::TlsFailure => network::tls_failure(case),
        Cause::ClockSkew => host::clock_skew(case),
        Cause::CredentialsExpired => registration::credentials_expired(case),
        Cause::CredentialsInvalid => registration::credentials_invalid(case),
        Cause::RegistrationInvalid => registration::registration_invalid(case),
        Cause::Throttled => service::throttled(case),
        Cause::ServiceError => service::service_error(case),
        Cause::HostDiskFull => host::disk_full(case),
        Cause::HostReadOnly => host::read_only(case),
        Cause::HostInotifyExhausted => host::inotify_exhausted(case),
        Cause::HostPermission => host::permission(case),
        Cause::HostMemory => host::memory(case),
        Cause::HostNoexec => host::noexec(case),
        Cause::AgentCrash => agent::crash(case),
        Cause::AgentWorker => agent::worker(case),
        Cause::AgentDuplicate => agent::duplicate(case),
        Cause::AgentConfigInvalid => agent::config_invalid(case),
        Cause::AgentOutdated => agent::outdated(case),
        Cause::AgentUpdateFailed => agent::update_failed(case),
        Cause::ChannelFailure => network::channel_failure(case),
        Cause::SessionFailure => usage::session_failure(case),
        Cause::CommandFailure => usage::command_failure(case),
        Cause::OutputFailure => usage::output_failure(case),
        Cause::Unrecognised => decide::unrecognised(case),
    }
}

/// What proves that it is over. For what concerns one session or command the
/// node's own status says nothing.
fn verify(case: &Case, cause: Cause) -> Vec<Step> {
    match cause {
        Cause::SessionFailure | Cause::CommandFailure | Cause::OutputFailure => {
            vec![usage::try_again(case, cause)]
        }
        Cause::ImdsDisabled => vec![
            identity::show_metadata_options(case),
            case.ping_status(),
            Step::say(
                "In the agent's log, \"Agent will take identity from EC2\" shows that the \
                 metadata service answers.",
            ),
        ],
        // The credentials of a node outside EC2 come from elsewhere.
        Cause::ImdsUnreachable if identity::on_azure(case) => vec![case.ping_status()],
        Cause::ImdsUnreachable
        | Cause::NoInstanceProfile
        | Cause::StaleInstanceProfile
        | Cause::RoleNotAssumable => vec![
            case.ping_status(),
            Step::say(
                "In the agent's log, \"Successfully connected with instance profile role \
                 credentials\" proves it; \"EC2 registration was successful\" does not.",
            ),
        ],
        Cause::ChannelFailure => vec![
            case.connection_status(),
            Step::say(
                "In the agent's log, \"Successfully opened websocket connection\" proves it.",
            ),
        ],
        Cause::AgentOutdated | Cause::AgentUpdateFailed => vec![case.ping_status()],
        Cause::PermissionMissing
        | Cause::EndpointPolicyDenies
        | Cause::DhmcNotConfigured
        | Cause::DhmcRoleBroken
        | Cause::EndpointUnreachable
        | Cause::DnsFailure
        | Cause::ProxyFailure
        | Cause::TlsFailure
        | Cause::ClockSkew
        | Cause::CredentialsExpired
        | Cause::CredentialsInvalid
        | Cause::Throttled
        | Cause::RegistrationInvalid
        | Cause::HostDiskFull
        | Cause::HostReadOnly
        | Cause::HostInotifyExhausted
        | Cause::HostPermission
        | Cause::HostMemory
        | Cause::HostNoexec
        | Cause::AgentCrash
        | Cause::AgentWorker
        | Cause::AgentDuplicate
        | Cause::AgentConfigInvalid
        | Cause::ServiceError
        | Cause::Unrecognised => vec![case.ping_status()],
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn each_advice() -> impl Iterator<Item = (Incident, Advice)> {
        Cause::ALL.iter().flat_map(|cause| {
            [
                sample::incident(*cause),
                sample::on_hybrid_node(*cause),
                sample::on_unknown_node(*cause),
                sample::undetermined(&[*cause, Cause::ImdsDisabled]),
            ]
            .map(|incident| {
                let advice = advise(&incident, &sample::nothing_done());
                (incident, advice)
            })
        })
    }

    fn commands(advice: &Advice) -> impl Iterator<Item = &str> {
        advice
            .steps
            .iter()
            .chain(&advice.verify)
            .filter_map(|step| step.command.as_deref())
    }

    #[test]
    fn every_cause_has_steps_a_command_and_a_way_to_verify() {
        for (incident, advice) in each_advice() {
            let cause = incident.cause;
            assert!(!advice.verify.is_empty(), "{cause}");
            assert!(commands(&advice).next().is_some(), "{cause}");
            for step in advice.steps.iter().chain(&advice.verify) {
                assert!(!step.text.contains('\n'), "{cause}: {}", step.text);
                assert!(!step.text.contains("  "), "{cause}: {}", step.text);
                assert!(
                    step.text.ends_with(['.', ':', '?', '…', ')']),
                    "{}",
                    step.text
                );
            }
            for command in commands(&advice) {
                assert!(!command.contains('\n'), "{cause}: {command}");
                assert!(!command.contains("  "), "{cause}: {command}");
            }
        }
    }

    #[test]
    fn no_two_steps_of_an_advice_run_the_same() {
        for (incident, advice) in each_advice() {
            let mut seen: Vec<&str> = advice
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
            let advice = advise(&sample::incident(cause), &sample::nothing_done());
            commands(&advice).collect::<Vec<_>>().join("\n")
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
            let advice = advise(&incident, &sample::nothing_done());
            let changes = commands(&advice).any(|line| line.contains("attach-role-policy"));
            assert_eq!(changes, reason.is_none(), "{reason:?}");
            seen.push(format!("{reason:?}: {}", advice.steps[0].line()));
        }
        insta::assert_snapshot!(seen.join("\n"));
    }

    #[test]
    fn an_action_that_the_core_policy_lacks_is_not_mended_by_it() {
        let mut incident = sample::incident(Cause::PermissionMissing);
        incident.error_details.action = Some("s3:PutObject".to_owned());
        let advice = advise(&incident, &sample::nothing_done());
        assert!(commands(&advice).all(|line| !line.contains("attach-role-policy")));
        assert!(commands(&advice).any(|line| line.contains("--action-names s3:PutObject")));
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
            let advice = advise(&incident, &sample::nothing_done());
            let aws = commands(&advice).find(|line| line.starts_with("aws "));
            assert!(aws.is_some_and(|line| line.contains(first)), "{remote_ip}");
            assert!(
                commands(&advice).all(|line| !line.contains(never)),
                "{remote_ip}"
            );
        }
    }

    #[test]
    fn an_endpoint_that_the_node_passed_by_sends_to_the_resolver() {
        use crate::diagnose::check::{CheckName, CheckResult, Fault};
        let mut incident = sample::incident(Cause::EndpointUnreachable);
        incident.error_details.remote_ip = "52.94.225.236".parse().ok();
        let open = advise(&incident, &sample::nothing_done());
        incident.checks = vec![CheckResult {
            fault: Some(Fault::EndpointBypassed {
                endpoint: "vpce-0a1b2c3d4e5f60718".to_owned(),
            }),
            ..CheckResult::unknown(CheckName::VpcEndpoint, "It was passed by.")
        }];
        let passed = advise(&incident, &sample::nothing_done());
        for advice in [&open, &passed] {
            let text: Vec<&str> = advice.steps.iter().map(|step| step.text.as_str()).collect();
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
                id: id.to_owned(),
                ..incident.signatures[0].clone()
            }];
            let advice = advise(&incident, &sample::nothing_done());
            let lines: Vec<String> = advice.steps.iter().map(Step::line).collect();
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
    fn a_proxy_that_catches_the_metadata_address_is_told_first() {
        let mut incident = sample::incident(Cause::ProxyFailure);
        incident.error_details.service = Some("imds".to_owned());
        incident.error_details.host = Some("169.254.169.254".to_owned());
        let advice = advise(&incident, &sample::nothing_done());
        assert!(advice.steps[0].text.contains("metadata address"));
        assert!(
            commands(&advice).any(|line| line.contains("https://ssm.eu-central-1.amazonaws.com/"))
        );
    }

    #[test]
    fn nothing_that_a_log_names_can_leave_its_place() {
        for cause in Cause::ALL {
            let advice = advise(&sample::hostile(*cause), &sample::nothing_done());
            for step in advice.steps.iter().chain(&advice.verify) {
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
            let advice = advise(&sample::on_hybrid_node(cause), &sample::nothing_done());
            assert!(
                commands(&advice).all(|command| !command.starts_with("aws ec2")),
                "{cause}"
            );
        }
    }

    #[test]
    fn the_command_of_a_repair_that_was_kept_back_is_the_step() {
        for cause in [Cause::ImdsDisabled, Cause::RoleNotAssumable] {
            let mut outcome = sample::nothing_done();
            outcome.command = Some("aws does it".to_owned());
            let advice = advise(&sample::incident(cause), &outcome);
            let writes = commands(&advice)
                .filter(|line| line.contains("modify-") || line.contains("update-assume"));
            assert_eq!(writes.count(), 0, "{cause}");
            assert_eq!(
                commands(&advice)
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
        let advice = advise(&sample::incident(Cause::ImdsDisabled), &outcome);
        assert!(advice.steps.is_empty());
        let advice = advise(&sample::incident(Cause::RoleNotAssumable), &outcome);
        let text: Vec<String> = advice.steps.iter().map(Step::line).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        EC2 takes a changed trust policy up at its next scheduled refresh, at most an hour later. To make it try at once, find the profile's association …
        aws ec2 describe-iam-instance-profile-associations --region eu-central-1 --filters 'Name=instance-id,Values=i-0123456789abcdef0' --query 'IamInstanceProfileAssociations[].[AssociationId,State,IamInstanceProfile.Arn,IamInstanceProfile.Id]' --output text
        … and associate the profile anew:
        aws ec2 replace-iam-instance-profile-association --region eu-central-1 --association-id ASSOCIATION_ID --iam-instance-profile 'Name=MyProfile'
        ");
    }

    #[test]
    fn the_advice_for_every_cause_reads_well() {
        let mut all = String::new();
        for cause in Cause::ALL {
            let advice = advise(&sample::incident(*cause), &sample::nothing_done());
            let _ = writeln!(all, "=== {cause}");
            for step in &advice.steps {
                let _ = writeln!(all, "- {}", step.line().replace('\n', "\n    $ "));
            }
            for step in &advice.verify {
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
        let advice = advise(&incident, &sample::nothing_done());
        let lines: Vec<String> = (advice.steps.iter())
            .chain(&advice.by_cause)
            .map(Step::line)
            .collect();
        insta::assert_snapshot!(lines.join("\n\n"));
    }
}
