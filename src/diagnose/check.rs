//! The list of checks.

use super::checks::{
    dhmc, egress, endpoint_policy, imds, instance_profile, instance_state, network_acl,
    permissions, registration, route, trust_policy, vpc_dns, vpc_endpoint,
};
pub use super::query::Ask;
pub use super::result::{CheckName, CheckResult, CheckStatus, Fault, Sign};
pub use super::subject::Subject;
use crate::cause::Cause;

/// A look at live state. A new check is one file with its judgement and one
/// line in [`CHECKS`].
#[derive(Debug)]
pub struct Check {
    pub name: CheckName,
    /// The causes for which it is run, when a finding has one as a candidate.
    pub causes: &'static [Cause],
    /// Without one of these the result is `unknown`.
    pub needs: &'static [Ask],
    /// Read along with it: it tells more with them, and does without.
    pub uses: &'static [Ask],
    /// Pure: facts in, result out.
    pub judge: fn(&Subject<'_>) -> CheckResult,
}

/// The ways to the services. What has a path of its own in the log only for
/// one of these is looked at for it.
const REACH: &[Cause] = &[Cause::EndpointUnreachable];

/// Every check, in the order in which results are shown.
pub const CHECKS: &[Check] = &[
    Check {
        name: CheckName::InstanceState,
        // For the last four it tells which role, subnet and VPC a node has,
        // so that one fault of many nodes is one incident.
        causes: &[
            Cause::ImdsDisabled,
            Cause::ImdsUnreachable,
            Cause::NoInstanceProfile,
            Cause::StaleInstanceProfile,
            Cause::RoleNotAssumable,
            Cause::PermissionMissing,
            Cause::EndpointPolicyDenies,
            Cause::EndpointUnreachable,
            Cause::DnsFailure,
        ],
        needs: &[Ask::Instance],
        uses: &[],
        judge: instance_state::judge,
    },
    Check {
        name: CheckName::Registration,
        causes: registration::CAUSES,
        needs: &[Ask::Registration],
        uses: &[],
        judge: registration::judge,
    },
    Check {
        name: CheckName::Imds,
        causes: &[Cause::ImdsDisabled, Cause::ImdsUnreachable],
        needs: &[Ask::Instance],
        uses: &[Ask::ImdsDefaults],
        judge: imds::judge,
    },
    Check {
        name: CheckName::InstanceProfile,
        causes: &[
            Cause::NoInstanceProfile,
            Cause::StaleInstanceProfile,
            Cause::RoleNotAssumable,
            Cause::PermissionMissing,
        ],
        needs: &[Ask::Instance, Ask::Profile],
        uses: &[],
        judge: instance_profile::judge,
    },
    Check {
        name: CheckName::TrustPolicy,
        causes: &[Cause::StaleInstanceProfile, Cause::RoleNotAssumable],
        needs: &[Ask::Instance, Ask::Profile],
        uses: &[Ask::Role],
        judge: trust_policy::judge,
    },
    Check {
        name: CheckName::Permissions,
        causes: &[Cause::PermissionMissing],
        needs: &[Ask::Instance, Ask::Profile, Ask::Permissions],
        uses: &[Ask::Role],
        judge: permissions::judge,
    },
    Check {
        name: CheckName::Dhmc,
        causes: &[Cause::DhmcNotConfigured, Cause::DhmcRoleBroken],
        needs: &[Ask::Dhmc],
        uses: &[],
        judge: dhmc::judge,
    },
    Check {
        name: CheckName::EndpointPolicy,
        causes: &[Cause::EndpointPolicyDenies],
        needs: &[Ask::Instance, Ask::Profile, Ask::Endpoints, Ask::Subnet],
        // A gateway endpoint carries what a route leads to it.
        uses: &[Ask::RouteTables],
        judge: endpoint_policy::judge,
    },
    Check {
        name: CheckName::VpcEndpoint,
        causes: REACH,
        needs: &[Ask::Instance, Ask::Endpoints, Ask::Subnet],
        uses: &[Ask::RouteTables],
        judge: vpc_endpoint::judge,
    },
    Check {
        name: CheckName::Egress,
        causes: REACH,
        // The endpoints tell where the way leads.
        needs: &[
            Ask::Instance,
            Ask::SecurityGroups,
            Ask::Endpoints,
            Ask::Subnet,
        ],
        // They tell whether a name may lead to a private network elsewhere.
        uses: &[Ask::RouteTables],
        judge: egress::judge,
    },
    Check {
        name: CheckName::Route,
        causes: REACH,
        // The endpoints tell where the way leads.
        needs: &[Ask::Instance, Ask::RouteTables, Ask::Endpoints, Ask::Subnet],
        uses: &[],
        judge: route::judge,
    },
    Check {
        name: CheckName::NetworkAcl,
        causes: REACH,
        // The endpoints tell where the way leads.
        needs: &[Ask::Instance, Ask::NetworkAcl, Ask::Endpoints, Ask::Subnet],
        uses: &[Ask::RouteTables],
        judge: network_acl::judge,
    },
    Check {
        name: CheckName::VpcDns,
        causes: &[Cause::DnsFailure],
        needs: &[Ask::Instance, Ask::Dns],
        uses: &[Ask::Endpoints, Ask::Subnet],
        judge: vpc_dns::judge,
    },
];

impl Check {
    /// The IAM actions that it reads with.
    pub fn actions(&self) -> impl Iterator<Item = &'static str> {
        let asks = self.needs.iter().chain(self.uses);
        asks.flat_map(|ask| ask.actions().iter().copied())
    }

    pub fn is_for(&self, candidates: &[Cause]) -> bool {
        candidates.iter().any(|cause| self.causes.contains(cause))
    }

    /// The result of a check that is not run, with the reason as a sentence.
    pub fn skipped(&self, reason: &str) -> CheckResult {
        CheckResult::new(self.name, CheckStatus::Skipped, reason, None)
    }
}
