//! What is wrong, in one plain sentence.

use crate::cause::{Cause, Confidence, Scope, ScopeKind};
use crate::diagnose::verdict::FaultState;
use crate::failure::Service;
use crate::failure::{DenyReason, Principal};
use crate::finding::ErrorDetails;

/// The title of an incident: its subject line and first sentence.
pub(super) fn title(
    cause: Cause,
    scope: &Scope,
    error_details: &ErrorDetails,
    confidence: Confidence,
    fault_state: FaultState,
) -> String {
    let fault = fault(cause, scope, error_details, confidence);
    match Doubt::of(fault_state, confidence) {
        Some(doubt) => format!("{fault}{}", doubt.words()),
        None => fault,
    }
}

/// Why a title's fault may not be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Further causes are possible.
    Undetermined,
    /// Live state shows nothing wrong.
    NotSeenLive,
}

impl Doubt {
    const ALL: [Self; 2] = [Self::Undetermined, Self::NotSeenLive];

    fn of(fault_state: FaultState, confidence: Confidence) -> Option<Self> {
        match (fault_state, confidence) {
            (FaultState::NotObserved, _) => Some(Self::NotSeenLive),
            (FaultState::Active, Confidence::Undetermined) => Some(Self::Undetermined),
            (FaultState::Active, Confidence::Likely | Confidence::Confirmed) => None,
        }
    }

    /// The end of a title in doubt.
    pub fn words(self) -> &'static str {
        match self {
            Self::Undetermined => ": likeliest cause, not yet decided",
            Self::NotSeenLive => ", says the log; live state does not show it",
        }
    }

    /// The same where there is little room.
    pub fn short(self) -> &'static str {
        match self {
            Self::Undetermined => ": undetermined",
            Self::NotSeenLive => ": not seen live",
        }
    }

    /// A title without its doubt, and the doubt.
    pub fn split(title: &str) -> (&str, Option<Self>) {
        (Self::ALL.into_iter())
            .find_map(|doubt| Some((title.strip_suffix(doubt.words())?, Some(doubt))))
            .unwrap_or((title, None))
    }
}

/// Whether the metadata service that failed is Azure's.
fn on_azure(error_details: &ErrorDetails) -> bool {
    error_details.service.as_deref() == Some(Service::AzureMetadata.as_str())
}

/// Stands where one node would be named.
const EACH: &str = "each of several nodes";

fn fault(
    cause: Cause,
    scope: &Scope,
    error_details: &ErrorDetails,
    confidence: Confidence,
) -> String {
    let known = known(scope);
    let at = match scope.kind {
        ScopeKind::Nodes => EACH,
        ScopeKind::AccountRegion if known.is_empty() => "the node's account and Region",
        _ => known.as_str(),
    };
    let of_calls = |fault: &str| match at {
        "" => fault.to_owned(),
        calls => format!("{fault}: {calls}"),
    };
    match cause {
        Cause::ImdsDisabled => format!("The instance metadata service of {at} is switched off"),
        Cause::ImdsUnreachable if on_azure(error_details) => {
            format!("The agent on {at} does not reach Azure's instance metadata service")
        }
        Cause::ImdsUnreachable => {
            format!("The agent on {at} does not reach the instance metadata service")
        }
        Cause::NoInstanceProfile => capital(format!("{at} has no instance profile")),
        Cause::StaleInstanceProfile => {
            format!("The instance profile that {at} holds is stale or empty")
        }
        Cause::RoleNotAssumable => format!("EC2 may not assume {}", role(scope)),
        Cause::PermissionMissing => permission_missing(scope, error_details, confidence),
        Cause::EndpointPolicyDenies => {
            format!("The policy of a VPC endpoint turns the agent away: {at}")
        }
        Cause::DhmcNotConfigured => {
            format!("Default Host Management is not set up in {at}")
        }
        Cause::DhmcRoleBroken => {
            format!("The role of Default Host Management in {at} does not work")
        }
        Cause::EndpointUnreachable if scope.kind == ScopeKind::Nodes => {
            let service = error_details
                .service
                .as_deref()
                .or(error_details.host.as_deref());
            format!(
                "The agent does not reach {} from {at}",
                service.unwrap_or("AWS")
            )
        }
        Cause::EndpointUnreachable => match scope.id.split_once('/') {
            Some(("-", from)) => format!("The agent does not reach AWS from {from}"),
            Some((service, from)) => format!("The agent does not reach {service} from {from}"),
            None => format!("The agent does not reach AWS from {at}"),
        },
        Cause::DnsFailure => format!("Names of AWS services are not resolved in {at}"),
        Cause::ProxyFailure => format!("The proxy of {at} keeps the agent from AWS"),
        Cause::TlsFailure => format!("The agent on {at} gets no trusted TLS connection to AWS"),
        Cause::ClockSkew => format!("The clock of {at} is wrong"),
        Cause::CredentialsExpired => format!("The agent on {at} uses expired credentials"),
        Cause::CredentialsInvalid => {
            format!("The agent on {at} uses credentials that AWS does not accept")
        }
        Cause::Throttled => of_calls("AWS throttles the agent's calls"),
        Cause::RegistrationInvalid => format!("The registration of {at} is not valid"),
        Cause::HostDiskFull => format!("A disk of {at} is full"),
        Cause::HostReadOnly => format!("A file system of {at} is read-only"),
        Cause::HostInotifyExhausted => format!("{at} has run out of inotify instances or watches"),
        Cause::HostPermission => format!("The agent on {at} may not use its own files"),
        Cause::HostMemory => format!("{at} has too little memory"),
        Cause::HostNoexec => format!("The agent's folder on {at} is mounted noexec"),
        Cause::AgentCrash => format!("The agent on {at} crashes"),
        Cause::AgentWorker => format!("A worker process of the agent on {at} does not stay up"),
        Cause::AgentDuplicate => format!("A second agent runs on {at}"),
        Cause::AgentConfigInvalid => format!("The agent's configuration on {at} is not valid"),
        Cause::AgentOutdated => format!("The agent on {at} is outdated"),
        Cause::AgentUpdateFailed => format!("The agent on {at} could not be updated"),
        Cause::ChannelFailure => {
            format!("The agent on {at} has no lasting channel to Systems Manager")
        }
        Cause::SessionFailure if error_details.client => {
            "session-manager-plugin could not open a session from its user's machine".to_owned()
        }
        Cause::SessionFailure => format!("A session on {at} failed"),
        Cause::CommandFailure => format!("A command on {at} failed"),
        Cause::OutputFailure => {
            format!("The output of a session or command on {at} was not delivered")
        }
        Cause::ServiceError => of_calls("AWS answers the agent with errors of its own"),
        Cause::Unrecognised => "The agent writes errors that no signature knows".to_owned(),
    }
}

/// The scope's id; of an account, a Region and a call the parts that are known.
fn known(scope: &Scope) -> String {
    match scope.kind {
        ScopeKind::AccountRegion | ScopeKind::AccountRegionApi => {
            let parts = scope.id.split('/').filter(|part| *part != "-");
            parts.collect::<Vec<_>>().join("/")
        }
        ScopeKind::Instance
        | ScopeKind::Role
        | ScopeKind::Policy
        | ScopeKind::VpcEndpoint
        | ScopeKind::ServiceInSubnet
        | ScopeKind::ServiceOnNode
        | ScopeKind::Vpc
        | ScopeKind::Node
        | ScopeKind::Template
        | ScopeKind::Nodes => scope.id.clone(),
    }
}

fn role(scope: &Scope) -> String {
    match scope.kind {
        ScopeKind::Role => format!("the role {}", scope.id),
        ScopeKind::Policy => "the agent's role".to_owned(),
        ScopeKind::Instance
        | ScopeKind::VpcEndpoint
        | ScopeKind::ServiceInSubnet
        | ScopeKind::ServiceOnNode
        | ScopeKind::Vpc
        | ScopeKind::Node
        | ScopeKind::AccountRegion
        | ScopeKind::AccountRegionApi
        | ScopeKind::Template => format!("the role of {}", scope.id),
        ScopeKind::Nodes => format!("the role of {EACH}"),
    }
}

/// Who may not do what, and by which kind of policy. What a check proved is the role's own.
fn permission_missing(
    scope: &Scope,
    error_details: &ErrorDetails,
    confidence: Confidence,
) -> String {
    let caller = caller(scope, error_details);
    let actions = plain_actions(error_details);
    let what = match actions.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        [one, rest @ ..] => Some(format!("{one} and {} more", rest.len())),
    };
    let proved = confidence == Confidence::Confirmed;
    let explicit = error_details.denied.iter().any(|one| one.explicit);
    let by = match error_details.reason.filter(|_| !proved) {
        Some(DenyReason::PermissionsBoundary) => "permissions boundary",
        Some(DenyReason::ServiceControlPolicy) => "service control policy",
        Some(DenyReason::ResourceControlPolicy) => "resource control policy",
        Some(DenyReason::SessionPolicy) => "session policy",
        Some(DenyReason::ResourcePolicy) => "policy of the resource",
        Some(DenyReason::RoleTrustPolicy) => "role trust policy",
        Some(DenyReason::VpcEndpointPolicy) => "VPC endpoint policy",
        Some(DenyReason::ExplicitDeny) => "policy",
        Some(DenyReason::IdentityPolicy) if explicit => "policy of its own",
        Some(DenyReason::IdentityPolicy) | None => {
            let lacks = what.unwrap_or_else(|| "a permission that the agent needs".to_owned());
            return capital(format!("{caller} lacks {lacks}"));
        }
    };
    let what = what.unwrap_or_else(|| "a call of the agent".to_owned());
    match scope.kind {
        ScopeKind::Policy if scope.id.starts_with("p-") => {
            format!("The {by} {} denies {what} to {caller}", scope.id)
        }
        _ if explicit => format!("A {by} denies {what} to {caller}"),
        _ => format!("No {by} allows {what} to {caller}"),
    }
}

fn caller(scope: &Scope, error_details: &ErrorDetails) -> String {
    match &error_details.principal {
        Some(Principal::Role(name)) if scope.kind != ScopeKind::Role => format!("the role {name}"),
        Some(Principal::User(path)) => {
            format!("the IAM user {}", path.rsplit('/').next().unwrap_or(path))
        }
        Some(Principal::Federated(name)) => format!("the federated user {name}"),
        Some(Principal::Root) => "the root user of the account".to_owned(),
        Some(Principal::Service(name)) => format!("the service {name}"),
        Some(Principal::InstanceIdentity) => {
            format!("the identity (aws:ec2-instance) of {}", scope.id)
        }
        Some(Principal::Role(_)) | None => role(scope),
    }
}

/// The denied actions that read as such: they come from log text.
fn plain_actions(error_details: &ErrorDetails) -> Vec<&str> {
    let is_word = |word: &str| {
        (1..=64).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let mut actions = error_details.denied_actions();
    actions.retain(|action| {
        let parts = action.split_once(':');
        parts.is_some_and(|(service, name)| is_word(service) && is_word(name))
    });
    actions
}

fn capital(sentence: String) -> String {
    match sentence.strip_prefix("the ") {
        Some(rest) => format!("The {rest}"),
        None => sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_only_what_is_known() {
        for (cause, kind, id, says) in [
            (
                Cause::Throttled,
                ScopeKind::AccountRegionApi,
                "-/-/ssm:UpdateInstanceInformation",
                "AWS throttles the agent's calls: ssm:UpdateInstanceInformation",
            ),
            (
                Cause::Throttled,
                ScopeKind::AccountRegionApi,
                "123456789012/eu-central-1/ssm:GetManifest",
                "AWS throttles the agent's calls: 123456789012/eu-central-1/ssm:GetManifest",
            ),
            (
                Cause::ServiceError,
                ScopeKind::AccountRegionApi,
                "-/eu-central-1/-",
                "AWS answers the agent with errors of its own: eu-central-1",
            ),
            (
                Cause::ServiceError,
                ScopeKind::AccountRegionApi,
                "-/-/-",
                "AWS answers the agent with errors of its own",
            ),
            (
                Cause::DhmcNotConfigured,
                ScopeKind::AccountRegion,
                "-/eu-central-1",
                "Default Host Management is not set up in eu-central-1",
            ),
            (
                Cause::DhmcRoleBroken,
                ScopeKind::AccountRegion,
                "-/-",
                "The role of Default Host Management in the node's account and Region does not work",
            ),
            (
                Cause::EndpointUnreachable,
                ScopeKind::ServiceOnNode,
                "-/i-0123456789abcdef0",
                "The agent does not reach AWS from i-0123456789abcdef0",
            ),
        ] {
            let id = id.to_owned();
            let scope = Scope { kind, id };
            let title = fault(cause, &scope, &ErrorDetails::default(), Confidence::Likely);
            assert_eq!(title, says);
        }
    }
}
