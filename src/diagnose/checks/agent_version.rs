//! Is the agent new enough for what this node needs of it?

use super::dhmc;
use crate::cause::Cause;
use crate::diagnose::check::{Check, CheckResult, Observation, OfHybrid, Query, Question, Subject};
use crate::diagnose::facts::{Facts, Fetched, RegistrationFacts, known};
use crate::node::{NodeId, Region};

pub(crate) const CHECK: Check = Check {
    name: "agent-version",
    question: Question::Reported,
    causes: &[Cause::AgentOutdated],
    needs: &[Query::Registration],
    uses: &[Query::Instance, Query::Dhmc],
    observes: &[OUTDATED],
    of_hybrid: OfHybrid::Also(|hybrid| new_enough(hybrid.id, hybrid.facts, hybrid.region)),
    evaluate,
};

/// It cannot do what this node needs.
const OUTDATED: Observation = Observation::confirms("agent-too-old", Cause::AgentOutdated, &[]);

/// As the agent numbers itself.
type Version = [u32; 4];

/// From then on ssmmessages carries commands too ("Reference: ec2messages,
/// ssmmessages, and other API operations").
const ONE_CHANNEL: Version = [3, 3, 40, 0];

/// The oldest agent that does what a node needs.
struct Oldest {
    version: Version,
    /// What an older one cannot do: a clause.
    lacks: &'static str,
    /// Whether this node needs it.
    needed: fn(&Node<'_>) -> bool,
}

struct Node<'a> {
    registration: &'a RegistrationFacts,
    region: Option<&'a Region>,
    /// An EC2 instance without an instance profile, where Default Host
    /// Management is on.
    is_hosted: bool,
}

const TABLE: &[Oldest] = &[
    // "Default Host Management Configuration", its prerequisites.
    Oldest {
        version: [3, 2, 582, 0],
        lacks: "an older one gets no credentials from Default Host Management, and the instance \
                has no profile",
        needed: |node| node.is_hosted && !node.registration.is_online(),
    },
    Oldest {
        version: ONE_CHANNEL,
        lacks: "an older one takes commands from ec2messages, which this Region does not have",
        needed: |node| node.region.is_some_and(|region| !has_ec2messages(region)),
    },
    // The release notes of the agent: its first version with Session Manager.
    Oldest {
        version: [2, 3, 68, 0],
        lacks: "an older one starts no session",
        needed: |_| true,
    },
];

pub(crate) fn has_ec2messages(region: &Region) -> bool {
    !WITHOUT_EC2MESSAGES.contains(&region.as_str())
}

/// Whether the agent is known to be older than [`ONE_CHANNEL`].
pub(crate) fn is_before_one_channel(subject: &Subject<'_>) -> bool {
    let id = NodeId::Instance(subject.instance.clone());
    let registration = subject
        .facts
        .registrations
        .get(&id)
        .and_then(Fetched::found);
    let version = registration.and_then(|one| version(one.agent_version.as_deref()?));
    version.is_some_and(|version| version < ONE_CHANNEL)
}

/// Regions that were launched in 2024 or later have no ec2messages.
const WITHOUT_EC2MESSAGES: &[&str] = &[
    "ap-east-2",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "eusc-de-east-1",
    "mx-central-1",
];

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let id = NodeId::Instance(subject.instance.clone());
    new_enough(&id, subject.facts, subject.region)
}

fn new_enough(
    id: &NodeId,
    facts: &Facts,
    region: Option<&Region>,
) -> Result<CheckResult, CheckResult> {
    let what = "how old the agent is";
    if facts.registrations.get(id) == Some(&Fetched::Missing) {
        let note = format!("{id} is not registered: how old its agent is, is not known.");
        return Err(CheckResult::skipped(note));
    }
    let registration = known(
        facts.registrations.get(id),
        &format!("the registration of {id}"),
    )
    .map_err(|why| CheckResult::undetermined(what, &why))?;
    let logged = registration.agent_version.as_deref().unwrap_or_default();
    let Some(version) = version(logged) else {
        let why = "Systems Manager names no version";
        return Err(CheckResult::undetermined(what, why));
    };
    let instance = id
        .instance()
        .and_then(|id| facts.instances.get(id)?.found());
    let node = Node {
        registration,
        region,
        is_hosted: dhmc::is_on(facts) && instance.is_some_and(|one| one.profile.is_none()),
    };
    let too_old = TABLE
        .iter()
        .find(|one| version < one.version && (one.needed)(&node));
    Ok(match too_old {
        Some(Oldest {
            version: oldest,
            lacks,
            ..
        }) => {
            let oldest = oldest.map(|number| number.to_string()).join(".");
            let note = format!("The agent of {id} is {logged}; it takes {oldest}: {lacks}.");
            CheckResult::failed(note).observed(OUTDATED)
        }
        None => CheckResult::ok(format!("The agent of {id}, {logged}, is new enough.")),
    })
}

/// `3.3.4793.0` as numbers; `None` for anything else.
fn version(text: &str) -> Option<Version> {
    let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
    numbers.ok()?.try_into().ok()
}
