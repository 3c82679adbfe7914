//! What Systems Manager knows: nodes, and Default Host Management.

use std::collections::BTreeMap;

use super::network::Network;
use super::reader::Reader;
use super::{DHMC_SETTING, NODES_PER_CALL, Reads};
use crate::diagnose::check::Ask;
use crate::diagnose::facts::{Facts, Read, RegistrationFacts, RoleFacts};
use crate::diagnose::needs::Needs;
use crate::node::InstanceId;

#[derive(Default)]
pub struct Manager {
    registrations: BTreeMap<InstanceId, Read<RegistrationFacts>>,
    dhmc_setting: Option<Read<String>>,
    dhmc_role: Option<Read<RoleFacts>>,
}

pub async fn read<R: Reads>(needs: &Needs, reader: &Reader<R>) -> Manager {
    let registrations = reader.in_lists(
        needs.wanted(Ask::Registration).cloned(),
        NODES_PER_CALL,
        |reads, ids: Vec<InstanceId>| async move { reads.registrations(&ids).await },
        |node: &RegistrationFacts| vec![node.id.clone()],
    );
    let (registrations, (dhmc_setting, dhmc_role)) =
        tokio::join!(registrations, read_dhmc(needs.is_wanted(Ask::Dhmc), reader));
    Manager {
        registrations,
        dhmc_setting,
        dhmc_role,
    }
}

async fn read_dhmc<R: Reads>(
    wanted: bool,
    reader: &Reader<R>,
) -> (Option<Read<String>>, Option<Read<RoleFacts>>) {
    let setting = reader
        .each(wanted.then_some(DHMC_SETTING), |reads, id| async move {
            reads.service_setting(id).await
        })
        .await
        .remove(DHMC_SETTING);
    // The setting holds the role with its path; `$None` is off.
    let role = match &setting {
        Some(Read::Found(value)) if !value.starts_with('$') => {
            value.rsplit('/').next().map(str::to_owned)
        }
        Some(Read::Found(_) | Read::Missing | Read::Failed(_)) | None => None,
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
    pub fn with(self, network: Network) -> Facts {
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
