//! Names of services, and the endpoints that answer for them.

use super::table::table_of;
use crate::diagnose::facts::{
    Destination, EndpointFacts, Fetched, InstanceFacts, RouteTarget, known,
};
use crate::diagnose::subject::Subject;
use crate::node::{Partition, Region};

/// A host name that the agent asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub name: String,
}

impl Host {
    pub(crate) fn of(name: &str) -> Self {
        Self {
            name: name.trim_end_matches('.').to_ascii_lowercase(),
        }
    }

    /// Dual-stack names ("AWS services that support IPv6"): `ssm.REGION.api.aws`,
    /// `s3.dualstack.REGION.amazonaws.com`, and their kin in other partitions.
    pub(crate) fn has_ipv6(&self) -> bool {
        let suffixes = Partition::ALL
            .iter()
            .filter_map(|one| one.dual_stack_suffix());
        let mut befores = suffixes.filter_map(|suffix| self.name.strip_suffix(suffix));
        befores.any(|before| before.ends_with('.'))
            || self.name.split('.').any(|label| label == "dualstack")
    }

    /// `ssm-fips` for FIPS names of ssm, else `ssm`.
    fn label(&self, service: &str) -> String {
        let fips = format!("{service}-fips");
        let is_fips = self.name.split('.').any(|label| label == fips);
        if is_fips { fips } else { service.to_owned() }
    }

    /// An endpoint's own name, `vpce-0a1b-x.ssm.REGION.vpce.amazonaws.com`, or
    /// one before it.
    pub(crate) fn is_own_name_of(&self, endpoint: &EndpointFacts) -> bool {
        self.name.split('.').any(|label| {
            let rest = label.strip_prefix(endpoint.id.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    }

    /// The own name of some endpoint, which leads to its private addresses.
    pub(crate) fn is_of_an_endpoint(&self) -> bool {
        let mut labels = self.name.split('.');
        labels.any(|label| label.starts_with("vpce-")) && labels.any(|label| label == "vpce")
    }

    /// The private names of `endpoint` hold this one; where they are not known,
    /// the regional name is one and the dual-stack name is not known to be.
    pub(crate) fn leads_to(&self, endpoint: &EndpointFacts) -> bool {
        match private_names(endpoint).next() {
            Some(_) => self.is_among_names_of(endpoint),
            None => !self.has_ipv6(),
        }
    }

    /// As [`Host::leads_to`], a doubt being a yes.
    pub(crate) fn may_lead_to(&self, endpoint: &EndpointFacts) -> bool {
        private_names(endpoint).next().is_none() || self.is_among_names_of(endpoint)
    }

    fn is_among_names_of(&self, endpoint: &EndpointFacts) -> bool {
        private_names(endpoint).any(|name| match name.strip_prefix('*') {
            Some(suffix) => self.name.ends_with(suffix),
            None => self.name == *name,
        })
    }
}

/// The names of the service that an endpoint answers for; `vpce-…` ones are its own.
fn private_names(endpoint: &EndpointFacts) -> impl Iterator<Item = &String> {
    let own = |name: &&String| !name.contains("vpce-");
    endpoint.names.iter().filter(own)
}

/// The interface endpoints of the instance's VPC for `service`, by the name that
/// the log shows, or why they are not known: a clause.
pub(crate) fn endpoints_for<'a>(
    subject: &Subject<'a>,
    instance: &InstanceFacts,
    service: &str,
) -> Result<Vec<&'a EndpointFacts>, String> {
    let endpoints = endpoints_of(subject, instance)?;
    let host = subject.error_details.host.as_deref().map(Host::of);
    let label = host.as_ref().map(|host| host.label(service));
    let suffix = format!(".{}", label.as_deref().unwrap_or(service));
    let is_for = |endpoint: &&EndpointFacts| {
        let named = host
            .as_ref()
            .is_some_and(|host| host.is_among_names_of(endpoint));
        let meant = endpoint.service.ends_with(&suffix) && !is_of_another_region(subject, endpoint);
        endpoint.interface && (named || meant) && !endpoint.state.eq_ignore_ascii_case("deleted")
    };
    Ok(endpoints.iter().filter(is_for).collect())
}

/// A service name holds the Region of the service, which may be another than
/// the VPC's ("Cross-Region enabled AWS services").
fn is_of_another_region(subject: &Subject<'_>, endpoint: &EndpointFacts) -> bool {
    let region = endpoint.service.split('.').find_map(Region::parse);
    let called = subject.error_details.region.as_ref().or(subject.region);
    matches!((region, called), (Some(region), Some(called)) if region != *called)
}

/// The gateway endpoint for `service` to which a route of the instance's subnet
/// leads, or why it is not known: a clause.
pub(crate) fn gateway_for<'a>(
    subject: &Subject<'a>,
    instance: &InstanceFacts,
    service: &str,
) -> Result<Option<&'a EndpointFacts>, String> {
    let suffix = format!(".{service}");
    let mut gateways = endpoints_of(subject, instance)?
        .iter()
        .filter(|endpoint| endpoint.gateway && endpoint.service.ends_with(&suffix))
        .peekable();
    if gateways.peek().is_none() {
        return Ok(None);
    }
    let table = table_of(subject.facts, instance)?;
    let leads_to = |id: &str| {
        table.routes.iter().any(|route| {
            matches!(&route.target, RouteTarget::GatewayEndpoint(target) if target == id)
                && matches!(route.destination, Destination::PrefixList(_))
        })
    };
    Ok(gateways.find(|endpoint| leads_to(&endpoint.id)))
}

/// All endpoints of the instance's VPC, or why they are not known: a clause.
pub(crate) fn endpoints_of<'a>(
    subject: &Subject<'a>,
    instance: &InstanceFacts,
) -> Result<&'a [EndpointFacts], String> {
    own_subnet(subject, instance)?;
    let Some(vpc) = &instance.vpc else {
        return Err(format!("EC2 returned no VPC of {}", instance.id));
    };
    let endpoints = known(
        subject.facts.endpoints.get(vpc),
        &format!("the endpoints of {vpc}"),
    )?;
    Ok(endpoints)
}

/// The subnet belongs to the instance's own account.
///
/// # Errors
/// A clause where it is shared, or whose it is is not known: the routes, network
/// ACLs and endpoints of another account are not visible here ("Share your VPC
/// subnets with other accounts").
pub(crate) fn own_subnet(subject: &Subject<'_>, instance: &InstanceFacts) -> Result<(), String> {
    let Some(id) = &instance.subnet else {
        return Ok(());
    };
    let subnet = match subject.facts.subnets.get(id) {
        Some(Fetched::Found(subnet)) => subnet,
        read @ (Some(Fetched::Missing | Fetched::Failed(_)) | None) => {
            return known(read, &format!("the owner of {id}")).map(|_| ());
        }
    };
    match &instance.network.owner {
        Some(own) if *own != subnet.owner => Err(format!(
            "{id} is shared by the account {}, whose endpoints, route tables and network ACLs are \
             not visible from {own}: look there",
            subnet.owner
        )),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dual_stack_name_ends_as_those_of_its_partition_do() {
        for partition in Partition::ALL {
            let name = |suffix: Option<&str>| {
                let suffix = suffix.expect("a known partition");
                Host::of(&format!("ssm.some-region-1.{suffix}."))
            };
            assert!(
                name(partition.dual_stack_suffix()).has_ipv6(),
                "{partition:?}"
            );
            assert!(!name(partition.dns_suffix()).has_ipv6(), "{partition:?}");
        }
        assert!(Host::of("s3.dualstack.eu-central-1.amazonaws.com").has_ipv6());
        assert!(!Host::of("ssm.example.notapi.aws").has_ipv6());
    }
}
