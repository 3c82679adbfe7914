//! Does the network ACL of the instance's subnet allow requests out and their
//! responses back in?

use crate::diagnose::check::{Check, CheckResult, Fault, OfHybrid, Query, Question, Subject};
use crate::diagnose::facts::{AclFacts, known};
use crate::diagnose::network::names::own_subnet;
use crate::diagnose::network::path::{NetworkPath, Traffic};
use crate::diagnose::network::{Allows, BLOCKED, CAUSES, acl};
use crate::diagnose::result::capital;

pub(crate) const CHECK: Check = Check {
    name: "network-acl",
    question: Question::Reachable,
    causes: CAUSES,
    // The endpoints decide where the path leads.
    needs: &[
        Query::Instance,
        Query::NetworkAcl,
        Query::Endpoints,
        Query::Subnet,
    ],
    uses: &[Query::RouteTables],
    observes: &[BLOCKED],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.running_instance()?;
    let id = &instance.id;
    let what = format!("whether the network ACL of {id} allows its traffic");
    let unknown = |why: String| CheckResult::undetermined(&what, &why);
    let (Some(vpc), Some(subnet)) = (&instance.vpc, instance.subnet.as_deref()) else {
        return Err(unknown("EC2 returned no subnet".to_owned()));
    };
    own_subnet(subject, instance).map_err(unknown)?;
    let acls = subject.facts.acls.get(vpc);
    let acls = known(acls, &format!("the network ACLs of {vpc}")).map_err(unknown)?;
    let is_own = |acl: &&AclFacts| acl.subnets.iter().any(|id| id == subnet);
    let acl = (acls.iter().find(is_own))
        .ok_or_else(|| unknown(format!("{vpc} has none for {subnet}")))?;
    let traffic = Traffic::of(subject, instance);
    let target = traffic.target_label();
    if let NetworkPath::Endpoint {
        endpoint,
        interfaces,
    } = &traffic.path
    {
        // An ACL applies to a subnet, not between two of its members.
        let inside = interfaces
            .iter()
            .filter(|interface| interface.subnet.as_deref() == Some(subnet))
            .count();
        if inside == interfaces.len() && inside > 0 {
            return Err(CheckResult::ok(format!(
                "{} is in {subnet} like {id}: no network ACL applies.",
                capital(&target)
            )));
        }
        let may_be_inside = interfaces.is_empty() && endpoint.subnets.iter().any(|id| id == subnet);
        if inside > 0 || may_be_inside {
            let why = "which address of the endpoint was dialled is not known";
            return Err(unknown(why.to_owned()));
        }
    }
    let name = &acl.id;
    let failed = |what: String| {
        CheckResult::failed(format!(
            "The network ACL {name} of {subnet} does not allow {what}."
        ))
        .observed(BLOCKED)
        .at(Fault::Acl {
            acl: name.clone(),
            subnet: subnet.to_owned(),
        })
    };
    let by = |allows: fn(&AclFacts, &_) -> Allows| {
        traffic.allows(|far| allows(acl, far)).map_err(unknown)
    };
    Ok(
        match (by(acl::allows_egress)?, by(acl::allows_return_traffic)?) {
            (Allows::No, _) => failed(format!("egress to {target} on 443")),
            (_, Allows::No) => failed(format!(
                "return traffic from {target} to the ports 32768 to 65535"
            )),
            (Allows::Maybe(why), _) | (Allows::Yes, Allows::Maybe(why)) => {
                unknown(format!("{why} ({name})"))
            }
            (Allows::Yes, Allows::Yes) => CheckResult::ok(format!(
                "The network ACL {name} of {subnet} allows traffic to {target} and back."
            )),
        },
    )
}
