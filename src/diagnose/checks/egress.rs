//! Do the instance's security groups allow egress to the service on 443?

use crate::diagnose::check::{Check, CheckResult, Fault, OfHybrid, Query, Question, Subject};
use crate::diagnose::network::path::Traffic;
use crate::diagnose::network::{Allows, BLOCKED, CAUSES, group};

pub(crate) const CHECK: Check = Check {
    name: "egress",
    question: Question::Reachable,
    causes: CAUSES,
    // The endpoints decide where the path leads.
    needs: &[
        Query::Instance,
        Query::SecurityGroups,
        Query::Endpoints,
        Query::Subnet,
    ],
    // They show whether a name may lead to a private network elsewhere.
    uses: &[Query::RouteTables],
    observes: &[BLOCKED],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.running_instance()?;
    let id = &instance.id;
    let what = format!("whether the security groups of {id} allow egress");
    let unknown = |why: String| CheckResult::undetermined(&what, &why);
    let groups = &instance.network.groups;
    let traffic = Traffic::of(subject, instance);
    let answer = traffic
        .allowed_by_groups(groups, |groups, far| {
            group::allows(groups.iter().flat_map(|group| &group.egress), far)
        })
        .map_err(unknown)?;
    let (named, target) = (groups.join(", "), traffic.target_label());
    Ok(match answer {
        Allows::Yes => CheckResult::ok(format!(
            "An outbound rule of {named} allows {id} to connect to {target} on 443."
        )),
        Allows::Maybe(why) => unknown(why),
        Allows::No => CheckResult::failed(format!(
            "No outbound rule of {named} allows {id} to connect to {target} on 443."
        ))
        .observed(BLOCKED)
        .at(Fault::Egress {
            groups: groups.clone(),
        }),
    })
}
