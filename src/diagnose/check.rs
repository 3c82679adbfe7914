//! The list of checks.

use super::checks::{
    dhmc, egress, endpoint_policy, imds, instance_profile, instance_state, network_acl,
    permissions, registration, route, trust_policy, vpc_dns, vpc_endpoint,
};
pub use super::query::Query;
pub use super::result::{CheckName, CheckResult, CheckStatus, Fault, Observation};
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
    pub needs: &'static [Query],
    /// Read along with it: it tells more with them, and does without.
    pub uses: &'static [Query],
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
        needs: &[Query::Instance],
        uses: &[],
        judge: instance_state::judge,
    },
    Check {
        name: CheckName::Registration,
        causes: registration::CAUSES,
        needs: &[Query::Registration],
        uses: &[],
        judge: registration::judge,
    },
    Check {
        name: CheckName::Imds,
        causes: &[Cause::ImdsDisabled, Cause::ImdsUnreachable],
        needs: &[Query::Instance],
        uses: &[Query::ImdsDefaults],
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
        needs: &[Query::Instance, Query::Profile],
        uses: &[],
        judge: instance_profile::judge,
    },
    Check {
        name: CheckName::TrustPolicy,
        causes: &[Cause::StaleInstanceProfile, Cause::RoleNotAssumable],
        needs: &[Query::Instance, Query::Profile],
        uses: &[Query::Role],
        judge: trust_policy::judge,
    },
    Check {
        name: CheckName::Permissions,
        causes: &[Cause::PermissionMissing],
        needs: &[Query::Instance, Query::Profile, Query::Permissions],
        uses: &[Query::Role],
        judge: permissions::judge,
    },
    Check {
        name: CheckName::Dhmc,
        causes: &[Cause::DhmcNotConfigured, Cause::DhmcRoleBroken],
        needs: &[Query::Dhmc],
        uses: &[],
        judge: dhmc::judge,
    },
    Check {
        name: CheckName::EndpointPolicy,
        causes: &[Cause::EndpointPolicyDenies],
        needs: &[
            Query::Instance,
            Query::Profile,
            Query::Endpoints,
            Query::Subnet,
        ],
        // A gateway endpoint carries what a route leads to it.
        uses: &[Query::RouteTables],
        judge: endpoint_policy::judge,
    },
    Check {
        name: CheckName::VpcEndpoint,
        causes: REACH,
        needs: &[Query::Instance, Query::Endpoints, Query::Subnet],
        uses: &[Query::RouteTables],
        judge: vpc_endpoint::judge,
    },
    Check {
        name: CheckName::Egress,
        causes: REACH,
        // The endpoints tell where the way leads.
        needs: &[
            Query::Instance,
            Query::SecurityGroups,
            Query::Endpoints,
            Query::Subnet,
        ],
        // They tell whether a name may lead to a private network elsewhere.
        uses: &[Query::RouteTables],
        judge: egress::judge,
    },
    Check {
        name: CheckName::Route,
        causes: REACH,
        // The endpoints tell where the way leads.
        needs: &[
            Query::Instance,
            Query::RouteTables,
            Query::Endpoints,
            Query::Subnet,
        ],
        uses: &[],
        judge: route::judge,
    },
    Check {
        name: CheckName::NetworkAcl,
        causes: REACH,
        // The endpoints tell where the way leads.
        needs: &[
            Query::Instance,
            Query::NetworkAcl,
            Query::Endpoints,
            Query::Subnet,
        ],
        uses: &[Query::RouteTables],
        judge: network_acl::judge,
    },
    Check {
        name: CheckName::VpcDns,
        causes: &[Cause::DnsFailure],
        needs: &[Query::Instance, Query::Dns],
        uses: &[Query::Endpoints, Query::Subnet],
        judge: vpc_dns::judge,
    },
];

impl Check {
    /// The IAM actions that it reads with.
    pub fn actions(&self) -> impl Iterator<Item = &'static str> {
        let queries = self.needs.iter().chain(self.uses);
        queries.flat_map(|ask| ask.actions().iter().copied())
    }

    pub fn is_for(&self, candidates: &[Cause]) -> bool {
        candidates.iter().any(|cause| self.causes.contains(cause))
    }

    /// The result of a check that is not run, with the reason as a sentence.
    pub fn skipped(&self, reason: &str) -> CheckResult {
        CheckResult::new(self.name, CheckStatus::Skipped, reason, None)
    }
}
