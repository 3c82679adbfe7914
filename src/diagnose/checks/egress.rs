//! Do the instance's security groups let it out to the service on 443?

use crate::diagnose::check::{CheckName, CheckResult, Fault, Observation, Subject};
use crate::diagnose::facts::{GroupFacts, known};
use crate::diagnose::network::path::Traffic;
use crate::diagnose::network::{Allows, group};

const NAME: CheckName = CheckName::Egress;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    look(subject).unwrap_or_else(|result| result)
}

fn look(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.running_instance(NAME)?;
    let id = &instance.id;
    let unknown = |why: String| {
        let note = format!("Whether the security groups of {id} let it out is not told: {why}.");
        CheckResult::unknown(NAME, note)
    };
    let ids = &instance.network.groups;
    if ids.is_empty() {
        return Err(unknown("EC2 names none".to_owned()));
    }
    let traffic = Traffic::of(subject, instance);
    let named = names(ids);
    let mut unread = None;
    let mut groups: Vec<&GroupFacts> = Vec::new();
    for id in ids {
        match known(subject.facts.groups.get(id), id) {
            Ok(group) => groups.push(group),
            Err(why) => unread = unread.or(Some(why)),
        }
    }
    let rules = || groups.iter().flat_map(|group| &group.egress);
    let answer = traffic
        .lets(|far| group::lets(rules(), far))
        .map_err(unknown)?;
    let target_label = traffic.target_label();
    Ok(match (answer, unread) {
        (Allows::Yes, _) => CheckResult::ok(
            NAME,
            format!("An outbound rule of {named} lets {id} out to {target_label} on 443."),
        ),
        (Allows::Maybe(why), _) | (Allows::No, Some(why)) => unknown(why),
        (Allows::No, None) => CheckResult::failed(
            NAME,
            format!("No outbound rule of {named} lets {id} out to {target_label} on 443."),
            Observation::WayBlocked,
            Fault::Egress {
                groups: ids.clone(),
            },
        ),
    })
}

/// `sg-1`, or `sg-1, sg-2`.
pub fn names(ids: &[String]) -> String {
    ids.join(", ")
}
