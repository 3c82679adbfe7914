//! Does the network ACL of the instance's subnet let requests out and answers
//! back in?

use crate::diagnose::check::{CheckName, CheckResult, Fault, Observation, Subject};
use crate::diagnose::facts::{AclFacts, known};
use crate::diagnose::network::names::own_subnet;
use crate::diagnose::network::path::{NetworkPath, Traffic};
use crate::diagnose::network::{Allows, acl};

const NAME: CheckName = CheckName::NetworkAcl;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    look(subject).unwrap_or_else(|result| result)
}

fn look(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.running_instance(NAME)?;
    let id = &instance.id;
    let unknown = |why: String| {
        let note = format!("Whether the network ACL before {id} lets it out is not told: {why}.");
        CheckResult::unknown(NAME, note)
    };
    let (Some(vpc), Some(subnet)) = (&instance.vpc, instance.subnet.as_deref()) else {
        return Err(unknown("EC2 does not tell its subnet".to_owned()));
    };
    own_subnet(subject, instance).map_err(unknown)?;
    let acls = known(
        subject.facts.acls.get(vpc),
        &format!("the network ACLs of {vpc}"),
    )
    .map_err(unknown)?;
    let before = |acl: &&AclFacts| acl.subnets.iter().any(|id| id == subnet);
    let acl = acls
        .iter()
        .find(before)
        .ok_or_else(|| unknown(format!("{vpc} shows none before {subnet}")))?;
    let traffic = Traffic::of(subject, instance);
    if let NetworkPath::Endpoint {
        endpoint,
        interfaces,
    } = &traffic.way
    {
        // An ACL stands before a subnet, not between two of its members.
        let inside = interfaces
            .iter()
            .filter(|interface| interface.subnet.as_deref() == Some(subnet))
            .count();
        if inside == interfaces.len() && inside > 0 {
            let note = format!(
                "{} is in {subnet} as {id} is: no network ACL lies between.",
                traffic.target_label()
            );
            return Err(CheckResult::ok(NAME, capital(note)));
        }
        let may_be_inside = interfaces.is_empty() && endpoint.subnets.iter().any(|id| id == subnet);
        if inside > 0 || may_be_inside {
            let why = "which address of the endpoint was dialled is not known";
            return Err(unknown(why.to_owned()));
        }
    }
    let name = &acl.id;
    let target_label = traffic.target_label();
    let failed = |note: String| {
        let fault = Fault::Acl {
            acl: name.clone(),
            subnet: subnet.to_owned(),
        };
        CheckResult::failed(NAME, note, Observation::WayBlocked, fault)
    };
    let out = traffic
        .lets(|far| acl::lets_out(acl, far))
        .map_err(unknown)?;
    let back = traffic
        .lets(|far| acl::allows_return_traffic(acl, far))
        .map_err(unknown)?;
    Ok(match (out, back) {
        (Allows::No, _) => failed(format!(
            "The network ACL {name} of {subnet} lets nothing out to {target_label} on 443."
        )),
        (_, Allows::No) => failed(format!(
            "The network ACL {name} of {subnet} lets no answer of {target_label} back in to the ports \
                 32768 to 65535."
        )),
        (Allows::Maybe(why), _) | (Allows::Yes, Allows::Maybe(why)) => {
            unknown(format!("{why} ({name})"))
        }
        (Allows::Yes, Allows::Yes) => CheckResult::ok(
            NAME,
            format!("The network ACL {name} of {subnet} lets {target_label} pass, out and back."),
        ),
    })
}

fn capital(sentence: String) -> String {
    match sentence.strip_prefix("the ") {
        Some(rest) => format!("The {rest}"),
        None => sentence,
    }
}
