//! Does the VPC resolve names?

use crate::cause::Cause;
use crate::diagnose::check::{
    Check, CheckResult, Fault, Observation, OfHybrid, Query, Question, Subject,
};
use crate::diagnose::facts::{Facts, known};
use crate::diagnose::network::names::endpoints_for;

pub(crate) const CHECK: Check = Check {
    name: "vpc-dns",
    question: Question::Reachable,
    causes: &[Cause::DnsFailure],
    needs: &[Query::Instance, Query::Dns],
    uses: &[Query::Endpoints, Query::Subnet],
    observes: &[OFF],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

/// The VPC's own resolver is off.
const OFF: Observation = Observation::confirms("dns-off", Cause::DnsFailure, &[]);

/// What EC2 calls its own resolver in a DHCP option set.
const OF_THE_VPC: &str = "AmazonProvidedDNS";

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let facts = subject.facts;
    let Some(vpc) = &instance.vpc else {
        let note = format!("EC2 returned no VPC of {}.", instance.id);
        return Err(CheckResult::unknown(note));
    };
    let what = format!("which DNS servers {vpc} uses");
    let unknown = |why: String| CheckResult::undetermined(&what, &why);
    let servers = name_servers(facts, vpc).map_err(unknown)?;
    let others: Vec<&str> = servers
        .iter()
        .map(String::as_str)
        .filter(|server| *server != OF_THE_VPC)
        .collect();
    if !others.is_empty() {
        let note = format!(
            "{vpc} uses the DNS servers {}, which are not its own: see whether they know the name \
             and can be reached.",
            others.join(", ")
        );
        return Err(CheckResult::unknown(note));
    }
    let support = facts.dns_support.get(vpc);
    let support = known(support, &format!("enableDnsSupport of {vpc}")).map_err(unknown)?;
    if !support {
        return Ok(CheckResult::failed(format!(
            "{vpc} uses its own DNS server, which is disabled (enableDnsSupport is false)."
        ))
        .observed(OFF)
        .at(Fault::DnsSupport { vpc: vpc.clone() }));
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
    Ok(CheckResult::ok(note))
}

/// The DNS servers of the VPC's DHCP options.
fn name_servers<'a>(facts: &'a Facts, vpc: &str) -> Result<&'a [String], String> {
    let read = known(facts.vpcs.get(vpc), vpc)?;
    match &read.dhcp_options {
        // The set `default` hands out no option at all, so no server either:
        // what instances use then is not known.
        None => Err(format!("{vpc} has no DHCP option set")),
        Some(id) => {
            let options = facts.dhcp_options.get(id);
            let options = known(options, &format!("the DHCP option set {id}"))?;
            if options.name_servers.is_empty() {
                return Err(format!("the DHCP option set {id} names no DNS server"));
            }
            Ok(&options.name_servers)
        }
    }
}
