//! What Systems Manager knows: nodes, and Default Host Management.

use std::collections::BTreeMap;

use super::network::Network;
use super::reader::Reader;
use super::{AwsReader, DHMC_SETTING, NODES_PER_CALL};
use crate::diagnose::check::Query;
use crate::diagnose::facts::{Facts, Fetched, RegistrationFacts, RoleFacts};
use crate::diagnose::needs::Needs;
use crate::node::InstanceId;

#[derive(Default)]
pub(super) struct Manager {
    registrations: BTreeMap<InstanceId, Fetched<RegistrationFacts>>,
    dhmc_setting: Option<Fetched<String>>,
    dhmc_role: Option<Fetched<RoleFacts>>,
}

pub(super) async fn read<R: AwsReader>(needs: &Needs, reader: &Reader<R>) -> Manager {
    let registrations = reader.in_lists(
        needs.wanted(Query::Registration).cloned(),
        NODES_PER_CALL,
        |reads, ids: Vec<InstanceId>| async move { reads.registrations(&ids).await },
        |node: &RegistrationFacts| vec![node.id.clone()],
    );
    let (registrations, (dhmc_setting, dhmc_role)) = tokio::join!(
        registrations,
        read_dhmc(needs.is_wanted(Query::Dhmc), reader)
    );
    Manager {
        registrations,
        dhmc_setting,
        dhmc_role,
    }
}

async fn read_dhmc<R: AwsReader>(
    wanted: bool,
    reader: &Reader<R>,
) -> (Option<Fetched<String>>, Option<Fetched<RoleFacts>>) {
    let setting = reader
        .each(wanted.then_some(DHMC_SETTING), |reads, id| async move {
            reads.service_setting(id).await
        })
        .await
        .remove(DHMC_SETTING);
    // The setting holds the role with its path; `$None` is off.
    let role = match &setting {
        Some(Fetched::Found(value)) if !value.starts_with('$') => {
            value.rsplit('/').next().map(str::to_owned)
        }
        Some(Fetched::Found(_) | Fetched::Missing | Fetched::Failed(_)) | None => None,
    };
    let role = role.filter(|name| !name.is_empty());
    let roles = reader
        .each(role, |reads, name: String| async move {
            reads.role(&name).await
        })
        .await;
    (setting, roles.into_values().next())
}

impl Manager {
    /// The facts of both that hang on no single instance.
    pub(super) fn with(self, network: Network) -> Facts {
        Facts {
            groups: network.groups,
            acls: network.acls,
            route_tables: network.route_tables,
            endpoints: network.endpoints,
            interfaces: network.interfaces,
            subnets: network.subnets,
            vpcs: network.dns.vpcs,
            dns_support: network.dns.support,
            dns_hostnames: network.dns.hostnames,
            dhcp_options: network.dns.dhcp_options,
            registrations: self.registrations,
            dhmc_setting: self.dhmc_setting,
            dhmc_role: self.dhmc_role,
            ..Facts::default()
        }
    }
}
