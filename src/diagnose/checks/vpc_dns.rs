//! Does the VPC answer for names?

use crate::diagnose::check::{CheckName, CheckResult, Fault, Observation, Subject};
use crate::diagnose::facts::{Facts, known};
use crate::diagnose::network::names::endpoints_for;

const NAME: CheckName = CheckName::VpcDns;

/// What EC2 calls its own resolver in a DHCP option set.
const OF_THE_VPC: &str = "AmazonProvidedDNS";

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    look(subject).unwrap_or_else(|result| result)
}

fn look(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance(NAME)?;
    let facts = subject.facts;
    let Some(vpc) = &instance.vpc else {
        let note = format!("EC2 does not tell the VPC of {}.", instance.id);
        return Err(CheckResult::unknown(NAME, note));
    };
    let unknown = |why: String| {
        CheckResult::unknown(
            NAME,
            format!("Who resolves names in {vpc} is not told: {why}."),
        )
    };
    let servers = name_servers(facts, vpc).map_err(unknown)?;
    let others: Vec<&str> = servers
        .iter()
        .map(String::as_str)
        .filter(|server| *server != OF_THE_VPC)
        .collect();
    if !others.is_empty() {
        let note = format!(
            "{vpc} hands out the DNS servers {}, which are not its own: see whether they know the \
             name and can be reached.",
            others.join(", ")
        );
        return Err(CheckResult::unknown(NAME, note));
    }
    let support = known(
        facts.dns_support.get(vpc),
        &format!("enableDnsSupport of {vpc}"),
    )
    .map_err(unknown)?;
    if !support {
        return Ok(CheckResult::failed(
            NAME,
            format!(
                "{vpc} hands out its own DNS server, which is switched off (enableDnsSupport is \
                 false)."
            ),
            Observation::DnsOff,
            Fault::DnsSupport { vpc: vpc.clone() },
        ));
    }
    let hostnames = facts.dns_hostnames.get(vpc).and_then(|read| read.found());
    let service = subject.error_details.service.as_deref().unwrap_or_default();
    let nameless = endpoints_for(subject, instance, service)
        .is_ok_and(|endpoints| endpoints.iter().any(|endpoint| endpoint.private_dns));
    let note = if hostnames == Some(&false) && nameless {
        format!(
            "{vpc} resolves names itself; enableDnsHostnames is false, without which the private \
             names of its endpoints do not work."
        )
    } else {
        format!("{vpc} resolves names itself (enableDnsSupport is true).")
    };
    Ok(CheckResult::ok(NAME, note))
}

/// The DNS servers that the VPC hands out.
fn name_servers<'a>(facts: &'a Facts, vpc: &str) -> Result<&'a [String], String> {
    let read = known(facts.vpcs.get(vpc), vpc)?;
    match &read.dhcp_options {
        // The set `default` hands out no option at all, so no server either:
        // what instances use then is not told.
        None => Err(format!("{vpc} has no DHCP option set")),
        Some(id) => {
            let options = known(
                facts.dhcp_options.get(id),
                &format!("the DHCP option set {id}"),
            )?;
            if options.name_servers.is_empty() {
                return Err(format!("the DHCP option set {id} names no DNS server"));
            }
            Ok(&options.name_servers)
        }
    }
}
