//! Where the log cannot tell: what to run to know, and what each answer means.

use super::Step;
use super::case::Case;
use super::identity;
use super::recovery::{self, Restart};
use crate::cause::Cause;

/// What is right at this moment needs nothing but the agent's next try.
pub(super) fn already_right(case: &Case) -> Vec<Step> {
    let mut steps = vec![Step::say(
        "What the log complains about is right now: it was put right since, or the fault lies \
         where AWS does not show it. Look whether the node is back before anything is changed.",
    )];
    steps.extend(case.restart());
    steps.push(case.diagnostics());
    steps
}

/// What is repaired comes back by itself; where that takes long, how to hurry
/// it.
pub(super) fn repaired(case: &Case, cause: Cause) -> Vec<Step> {
    match recovery::restart(cause) {
        Restart::AfterRefresh => identity::associate_anew(case),
        Restart::Shortens | Restart::Needed => case.restart(),
        Restart::NotNeeded | Restart::Useless | Restart::Unknown => Vec::new(),
    }
}

/// Steps that tell `candidates` apart.
pub(super) fn between(case: &Case, candidates: &[Cause]) -> Vec<Step> {
    let mut steps = Vec::new();
    let about_identity = candidates.iter().any(|cause| is_about_identity(*cause));
    if about_identity && !case.is_hybrid() {
        steps.push(Step::run(
            "From outside, one look tells most of it. HttpEndpoint disabled: imds-disabled. No \
             Profile: no-instance-profile.",
            case.with_instance(case.aws("aws ec2 describe-instances")).text(
                "--query 'Reservations[].Instances[].{State:State.Name,Imds:MetadataOptions,Profile:IamInstanceProfile}'",
            ),
        ));
        if candidates.contains(&Cause::StaleInstanceProfile) {
            steps.push(Step::run(
                "No such profile, no role in it, or another InstanceProfileId than the one shown \
                 above: stale-instance-profile.",
                case.with_profile(case.iam("aws iam get-instance-profile")),
            ));
        }
        if candidates.contains(&Cause::RoleNotAssumable) {
            steps.push(Step::run(
                "No statement that lets EC2 call sts:AssumeRole: role-not-assumable.",
                case.with_role(case.iam("aws iam get-role"))
                    .text("--query Role.AssumeRolePolicyDocument"),
            ));
        }
        steps.push(identity::curl_metadata());
    } else {
        steps.push(case.diagnostics());
    }
    steps
}

/// What each of `candidates` calls for.
pub(super) fn by_cause(candidates: &[Cause]) -> Vec<Step> {
    candidates
        .iter()
        .map(|cause| Step::say(one_line(*cause)))
        .collect()
}

fn is_about_identity(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::ImdsDisabled
            | Cause::ImdsUnreachable
            | Cause::NoInstanceProfile
            | Cause::StaleInstanceProfile
            | Cause::RoleNotAssumable
    )
}

pub(super) fn unrecognised(case: &Case) -> Vec<Step> {
    let mut steps = vec![Step::say(
        "No signature knows this message. The agent's own checks tell whether it matters:",
    )];
    steps.push(case.diagnostics());
    steps.push(case.log_files());
    steps.push(Step::run(
        "If it is harmless or its cause is known to you, teach it: an entry in a file that \
         TRIAGE_SIGNATURES names. The form of an entry:",
        "ssm-agent-triage signatures list",
    ));
    steps
}

/// The cause in a word and what mends it.
fn one_line(cause: Cause) -> String {
    let what = match cause {
        Cause::ImdsDisabled => {
            "turn the metadata endpoint on: aws ec2 modify-instance-metadata-options \
             --http-endpoint enabled"
        }
        Cause::ImdsUnreachable => {
            "free the way to 169.254.169.254: no_proxy, the host's firewall, a persistent route \
             on Windows, the hop limit of a container"
        }
        Cause::NoInstanceProfile => {
            "attach an instance profile with AmazonSSMManagedInstanceCore, or set up Default Host \
             Management"
        }
        Cause::StaleInstanceProfile => "associate the instance profile anew",
        Cause::RoleNotAssumable => "let EC2 assume the role, in the role's trust policy",
        Cause::PermissionMissing => "allow the action, mostly by AmazonSSMManagedInstanceCore",
        Cause::EndpointPolicyDenies => "allow the action in the VPC endpoint's policy",
        Cause::DhmcNotConfigured => {
            "set up Default Host Management, or give the instance a profile"
        }
        Cause::DhmcRoleBroken => "mend the role that Default Host Management names",
        Cause::EndpointUnreachable => {
            "open the way to 443: security groups, routes, network ACL, interface endpoints"
        }
        Cause::DnsFailure => "mend name resolution: VPC DNS, DHCP options, private DNS",
        Cause::ProxyFailure => "mend the proxy, or except the hosts from it",
        Cause::TlsFailure => "exempt the hosts from TLS inspection, or trust its authority",
        Cause::ClockSkew => "set the clock by 169.254.169.123",
        Cause::CredentialsExpired => "check the clock, restart the agent",
        Cause::CredentialsInvalid => "remove credentials that stand before the role's",
        Cause::Throttled => "spread the calls, ask for a higher limit; it mostly heals by itself",
        Cause::RegistrationInvalid => "register the node anew",
        Cause::HostDiskFull => "free space or inodes",
        Cause::HostReadOnly => "make the file system writable",
        Cause::HostInotifyExhausted => "raise fs.inotify.max_user_instances and max_user_watches",
        Cause::HostPermission => "give the agent's folders back to root",
        Cause::HostMemory => "free memory",
        Cause::HostNoexec => "allow programs to run from the agent's folders",
        Cause::AgentCrash => "see the service's last words, reinstall the agent",
        Cause::AgentWorker => "see who killed the worker, reinstall the agent",
        Cause::AgentDuplicate => "keep one agent, remove the other",
        Cause::AgentConfigInvalid => "mend amazon-ssm-agent.json or set it aside",
        Cause::AgentOutdated => "update the agent",
        Cause::AgentUpdateFailed => "see AmazonSSMAgent-update.txt; the updater needs S3",
        Cause::ChannelFailure => "free the way to ssmmessages, WebSocket included",
        Cause::SessionFailure => "see the session preferences",
        Cause::CommandFailure => "see the command's own output",
        Cause::OutputFailure => "let the role write to the destination",
        Cause::ServiceError => "wait; see the AWS Health Dashboard",
        Cause::Unrecognised => "see the agent's log",
    };
    format!("{cause}: {what}.")
}
