//! May the role do what the agent needs, and what the log says is denied?
//!
//! IAM's simulator is believed where it could be asked and leaves no doubt: a
//! condition may want values it was not given, a policy may name resources of
//! which only the form was asked about, and a policy of the organisation may
//! decide otherwise on a real call. There, and where it could not be asked,
//! the role's policies and its boundary are read here, and only what they say
//! plainly counts. A policy of the organisation, of a session or of an endpoint
//! is not seen either way: only the log names one.

#[cfg(any(feature = "aws", test))]
use std::collections::{BTreeMap, BTreeSet};

use crate::cause::Cause;
use crate::diagnose::called_on::{CalledOn, Place};
use crate::diagnose::check::{
    Check, CheckResult, Fault, Observation, OfHybrid, Query, Question, Subject,
};
use crate::diagnose::facts::{Decision, Doubt, Fetched, RoleFacts, Simulated, known};
use crate::diagnose::result::capital;
use crate::failure::{DenyReason, Principal};
use crate::policy::{self, CORE_ACTIONS, Caller, Document, PolicyDecision, Request};
use crate::sort;

pub(crate) const CHECK: Check = Check {
    name: "permissions",
    question: Question::Allowed,
    causes: &[Cause::PermissionMissing],
    needs: &[Query::Instance, Query::Profile, Query::Permissions],
    uses: &[Query::Role],
    observes: &[LACKING, GRANTED],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

/// The role may not do what the log says is denied.
const LACKING: Observation =
    Observation::confirms("permission-lacking", Cause::PermissionMissing, &[]);
/// The role may do it.
const GRANTED: Observation =
    Observation::refutes("permission-granted", &[Cause::PermissionMissing]);

/// Without it the agent is offline.
const PING: &str = "ssm:UpdateInstanceInformation";

/// What every agent needs to be managed and to take commands and sessions.
const NEEDED: &[&str] = &[
    PING,
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

/// The action under the name by which it is evaluated; `None` for one that is not. Those are what
/// AmazonSSMManagedInstanceCore allows an agent, but for reading documents and parameters. Others
/// depend on a bucket, a key or a log group whose own policy counts as well.
fn evaluated(logged: &str) -> Option<&'static str> {
    let reads = |action: &str| action.starts_with("ssm:Get") || action.starts_with("ssm:Describe");
    let mut known = CORE_ACTIONS.iter().copied();
    known.find(|action| !reads(action) && action.eq_ignore_ascii_case(logged))
}

/// What the simulator is asked for a role whose nodes log that `denied`, each
/// an action and perhaps the resource it was denied on: actions with the ARN that each is called on.
#[cfg(any(feature = "aws", test))]
pub(crate) fn to_simulate<'a>(
    place: &Place<'_>,
    denied: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Vec<(&'static str, String)> {
    let needed = NEEDED.iter().map(|action| (*action, None));
    let denied = denied.filter_map(|(action, on)| Some((evaluated(action)?, on)));
    let mut asked: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for (action, logged) in needed.chain(denied) {
        let on = place.called_on(action, logged).unwrap_or_default();
        for arn in on.arns() {
            if asked.len() < MOST_RESOURCES || asked.contains_key(arn) {
                asked.entry(arn.clone()).or_default().insert(action);
            }
        }
    }
    let asked = asked.into_iter();
    let each =
        asked.flat_map(|(arn, actions)| actions.into_iter().map(move |one| (one, arn.clone())));
    each.collect()
}

/// Resources that the simulator is asked about for one role at most: logs may name any
/// number. What it was not asked about the policies decide.
#[cfg(any(feature = "aws", test))]
const MOST_RESOURCES: usize = 12;

/// What the role may do about one action on one resource.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum May {
    Yes,
    /// The policy or statement that denies it.
    Denied(String),
    /// What of the permissions boundary stops it.
    Bounded(String),
    /// Nothing allows it.
    Missing,
    /// A clause.
    Unclear(String),
}

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let role = subject.own_role(instance)?;
    let name = &role.name;
    let error_details = subject.error_details;
    if let Some(denied) = &error_details.role
        && denied != name
    {
        let note = format!(
            "The log says that {denied} was denied; the role of {} is {name}: look whether Default \
             Host Management or a credentials file gives the agent that other role.",
            instance.id
        );
        return Err(CheckResult::unknown(note));
    }
    if !matches!(error_details.principal, None | Some(Principal::Role(_))) {
        let note = format!(
            "The log says that a caller was denied which is no role, so the permissions of the \
             role {name} do not decide."
        );
        return Err(CheckResult::unknown(note));
    }
    let logged = error_details.denied_actions();
    let critical = critical(&logged, error_details.service.as_deref());
    if critical.is_empty() {
        return Err(CheckResult::unknown(not_evaluated(name, &logged)));
    }
    let permissions = Permissions::of(subject, role);
    let may = |action: &'static str| (action, permissions.may(action, subject));
    let decisive: Vec<(&str, May)> = critical.iter().copied().map(may).collect();
    let mut missing: Vec<String> = Vec::new();
    for (action, may) in critical.iter().chain(NEEDED).copied().map(may) {
        if may == May::Missing && !missing.iter().any(|known| known == action) {
            missing.push(action.to_owned());
        }
    }
    if let Some((action, may)) = decisive.iter().find(|(_, may)| may.stops()) {
        if *may == May::Missing {
            return Ok(lacking(name, missing).observed(LACKING));
        }
        let (by, policy) = may.by(role);
        let note = format!("{} {action} to the role {name}.", capital(&by));
        return Ok(CheckResult::failed(note)
            .observed(LACKING)
            .at(Fault::PolicyDenies {
                role: name.clone(),
                action: (*action).to_owned(),
                policy,
            }));
    }
    for (action, may) in &decisive {
        if let May::Unclear(why) = may {
            let note =
                format!("Could not determine whether the role {name} may call {action}: {why}.");
            return Err(CheckResult::unknown(note));
        }
    }
    if !missing.is_empty() {
        // The log's own complaint is put right, and another is to come.
        return Ok(lacking(name, missing));
    }
    let (evaluated_ones, others): (Vec<&str>, Vec<&str>) = logged
        .into_iter()
        .partition(|action| evaluated(action).is_some());
    let what = if evaluated_ones.is_empty() {
        format!("The policies of the role {name} allow what the agent needs")
    } else {
        format!(
            "The policies of the role {name} allow {}",
            evaluated_ones.join(", ")
        )
    };
    let reasons = error_details.denied.iter().filter_map(|one| one.reason);
    let mut reasons = error_details.reason.into_iter().chain(reasons);
    if let Some(elsewhere) = reasons.find_map(elsewhere) {
        let note = format!("{what}; {elsewhere}.");
        return Err(CheckResult::unknown(note));
    }
    if !others.is_empty() {
        let note = format!("{what}. {}", not_evaluated(name, &others));
        return Err(CheckResult::unknown(note));
    }
    Ok(CheckResult::ok(format!("{what}.")).observed(GRANTED))
}

/// The actions that decide: those that the log says are denied, as far as they
/// are evaluated, else those without which what failed cannot work.
fn critical(logged: &[&str], service: Option<&str>) -> Vec<&'static str> {
    if !logged.is_empty() {
        return logged
            .iter()
            .filter_map(|action| evaluated(action))
            .collect();
    }
    match service {
        Some("ssmmessages") => vec![
            "ssmmessages:CreateControlChannel",
            "ssmmessages:OpenControlChannel",
        ],
        Some("ssm") | None => vec![PING],
        Some(_) => Vec::new(),
    }
}

fn not_evaluated(role: &str, actions: &[&str]) -> String {
    let actions = match actions {
        [] => "it".to_owned(),
        actions => actions.join(", "),
    };
    format!(
        "Could not determine whether the role {role} may call {actions}: that depends on the \
         resource and its own policy too."
    )
}

fn lacking(role: &str, actions: Vec<String>) -> CheckResult {
    let note = format!(
        "No policy of the role {role} allows {}.",
        actions.join(", ")
    );
    CheckResult::failed(note).at(Fault::MissingActions {
        role: role.to_owned(),
        actions,
    })
}

/// What the log blames that would not show in what was read: a clause.
fn elsewhere(reason: DenyReason) -> Option<&'static str> {
    match reason {
        DenyReason::IdentityPolicy | DenyReason::PermissionsBoundary => None,
        DenyReason::ServiceControlPolicy | DenyReason::ResourceControlPolicy => {
            Some("the log names a policy of the organisation, which is not seen from this account")
        }
        DenyReason::SessionPolicy => {
            Some("the log names a session policy, which IAM does not keep")
        }
        DenyReason::VpcEndpointPolicy => Some("the log names the policy of a VPC endpoint"),
        DenyReason::ResourcePolicy => Some("the log names the policy of the resource"),
        DenyReason::RoleTrustPolicy => {
            Some("the log names the trust policy of the role to be assumed")
        }
        DenyReason::ExplicitDeny => Some(
            "the log names an explicit denial, which a policy of the organisation or the resource \
             may hold",
        ),
    }
}

impl May {
    fn stops(&self) -> bool {
        match self {
            Self::Denied(_) | Self::Bounded(_) | Self::Missing => true,
            Self::Yes | Self::Unclear(_) => false,
        }
    }

    /// What stops it, a clause that the action completes, and which policy that is.
    pub(super) fn by(&self, role: &RoleFacts) -> (String, String) {
        let boundary = role.boundary.as_deref().unwrap_or("of the role");
        match self {
            Self::Denied(by) => (format!("{by} denies"), by.clone()),
            Self::Bounded(how) => (
                format!("the permissions boundary {boundary} {how}"),
                boundary.to_owned(),
            ),
            Self::Yes | Self::Missing | Self::Unclear(_) => Default::default(),
        }
    }
}

/// All that is known of what a role may do.
pub(super) struct Permissions<'a> {
    /// Its own policies: each, or why it is not known.
    own: Vec<Policy>,
    boundary: Option<Policy>,
    simulated: Option<&'a Simulated>,
    /// For the ARNs that its calls are checked on.
    place: Option<Place<'a>>,
}

type Policy = Result<Document, String>;

impl<'a> Permissions<'a> {
    pub(super) fn of(subject: &Subject<'a>, role: &'a RoleFacts) -> Self {
        let (facts, name) = (subject.facts, &role.name);
        let read = |text: Option<&Fetched<String>>, title: String| {
            Document::parse(&title, known(text, &title)?).map_err(|e| e.to_string())
        };
        let listed = format!("the list of policies of the role {name}");
        let own = match known(facts.policy_names.get(name), &listed) {
            Err(why) => vec![Err(why)],
            Ok(names) => {
                let attached = names.attached.iter().map(|arn| {
                    let title = format!("the policy {}", arn.rsplit('/').next().unwrap_or(arn));
                    read(facts.managed_policies.get(arn), title)
                });
                let inline = names.inline.iter().map(|policy| {
                    let key = (name.clone(), policy.clone());
                    let title = format!("the inline policy {policy}");
                    read(facts.inline_policies.get(&key), title)
                });
                attached.chain(inline).collect()
            }
        };
        let boundary = match (&role.boundary, &role.tags) {
            (Some(arn), _) => {
                let text = facts.managed_policies.get(arn);
                Some(read(text, format!("the boundary {arn}")))
            }
            (None, Fetched::Found(_)) => None,
            // Only GetRole, which gives the tags too, gives the boundary.
            (None, Fetched::Missing | Fetched::Failed(_)) => Some(Err(format!(
                "whether the role {name} has a permissions boundary could not be read"
            ))),
        };
        let place = || {
            Some(Place {
                partition: subject.partition.arn()?,
                region: subject.region?.as_str(),
                account: role.account()?,
                instance: subject.instance.as_str(),
            })
        };
        Self {
            own,
            boundary,
            simulated: facts.simulations.get(name).and_then(Fetched::found),
            place: place(),
        }
    }

    pub(super) fn place(&self) -> Option<&Place<'a>> {
        self.place.as_ref()
    }

    /// What it may do about `action` on `arn`.
    pub(super) fn may_call(&self, action: &str, arn: &str) -> May {
        match &self.place {
            Some(place) => self.by_simulation(action, arn, place),
            None => self.by_policies(action, arn),
        }
    }

    /// What the role may do about `action`, once for each resource that the log
    /// names, else for the documented ones.
    fn may(&self, action: &str, subject: &Subject<'_>) -> May {
        let Some(place) = &self.place else {
            return May::Unclear("the ARNs that it is checked on are not known".to_owned());
        };
        let named = subject.error_details.denied_calls();
        let named = named.filter(|(denied, _)| denied.eq_ignore_ascii_case(action));
        let mut logged = sort::set(named.map(|(_, resource)| resource));
        if logged.is_empty() {
            logged.insert(None);
        }
        let on = |logged| place.called_on(action, logged).unwrap_or_default();
        let each = logged
            .into_iter()
            .map(|logged| self.may_on(&on(logged), action, place));
        let each: Vec<May> = each.collect();
        let worst = each.iter().find(|may| may.stops());
        let worst = worst.or_else(|| each.iter().find(|may| **may != May::Yes));
        worst.cloned().unwrap_or(May::Yes)
    }

    /// What it may do where the action is checked `on` these.
    fn may_on(&self, on: &CalledOn, action: &str, place: &Place<'_>) -> May {
        let may = |arn: &'_ String| (arn.clone(), self.by_simulation(action, arn, place));
        let [all, perhaps, one_of] = [&on.all, &on.perhaps, &on.one_of]
            .map(|arns| arns.iter().map(may).collect::<Vec<(String, May)>>());
        let stops = |(_, may): &&(String, May)| may.stops();
        if let Some((_, stopped)) = all.iter().find(stops) {
            return stopped.clone();
        }
        if let Some((_, first)) = one_of.first()
            && one_of.iter().all(|one| stops(&one))
        {
            return first.clone();
        }
        let mut every = all.iter().chain(&perhaps).chain(&one_of);
        if let Some((_, unclear)) = every.find(|(_, may)| matches!(may, May::Unclear(_))) {
            return unclear.clone();
        }
        match perhaps.iter().chain(&one_of).find(stops) {
            Some((arn, _)) => May::Unclear(format!(
                "it is not allowed on {arn}, and whether it is checked on that is not documented"
            )),
            None => May::Yes,
        }
    }

    fn by_simulation(&self, action: &str, arn: &str, place: &Place<'_>) -> May {
        let Some(simulated) = self.simulated else {
            return self.by_policies(action, arn);
        };
        // One question may stand for all instances.
        let any = (arn == place.instance_arn()).then(|| {
            let any = Place {
                instance: "*",
                ..*place
            };
            any.instance_arn()
        });
        let answer = [Some(arn), any.as_deref()].into_iter().flatten();
        let Some(answer) = answer
            .filter_map(|arn| simulated.answer(action, arn))
            .next()
        else {
            return match self.by_policies(action, arn) {
                May::Unclear(_) => May::Unclear("IAM's simulator did not answer for it".to_owned()),
                certain => certain,
            };
        };
        let Some(doubt) = answer.doubt() else {
            let policy = answer.policies.first();
            let policy = policy.map_or("a policy".to_owned(), |name| format!("the policy {name}"));
            return match (answer.decision, answer.boundary_allows) {
                (Decision::Allowed, _) => May::Yes,
                (Decision::ExplicitDeny, _) => May::Denied(policy),
                (Decision::ImplicitDeny, Some(false)) => May::Bounded("does not allow".to_owned()),
                (Decision::ImplicitDeny, _) => May::Missing,
            };
        };
        let why = match (doubt, self.by_policies(action, arn)) {
            // What the role's own policies leave out no other policy gives.
            (_, stopped @ (May::Denied(_) | May::Bounded(_) | May::Missing)) => return stopped,
            (Doubt::Organization, _) => {
                "a policy of the organisation may deny it, of which the simulator is not certain"
                    .to_owned()
            }
            (Doubt::Context | Doubt::Resource, May::Yes) => return May::Yes,
            (Doubt::Context | Doubt::Resource, May::Unclear(why))
                if self.own.iter().any(Result::is_ok) =>
            {
                why
            }
            (Doubt::Context, May::Unclear(_)) => {
                "a condition decides, whose values are not known here".to_owned()
            }
            (Doubt::Resource, May::Unclear(_)) => format!(
                "IAM was asked for {}, for which nothing allows it, and a policy may name one of \
                 them",
                answer.resource
            ),
        };
        May::Unclear(why)
    }

    fn by_policies(&self, action: &str, arn: &str) -> May {
        let request = Request {
            action,
            resource: arn,
            caller: Caller::Attached,
        };
        let own = match policy::evaluate(&self.own, &request) {
            PolicyDecision::Denied(at) => return May::Denied(at.in_full()),
            PolicyDecision::NotAllowed => return May::Missing,
            PolicyDecision::Allowed(_) => May::Yes,
            PolicyDecision::Unclear(why) => May::Unclear(why),
        };
        // What the boundary stops for certain is stopped whatever the role's
        // own policies leave open.
        let boundary = self.boundary.as_ref().map(std::slice::from_ref);
        match boundary.map(|boundary| policy::evaluate(boundary, &request)) {
            Some(PolicyDecision::Denied(at)) => May::Bounded(format!("denies, by {at},")),
            Some(PolicyDecision::NotAllowed) => May::Bounded("does not allow".to_owned()),
            Some(PolicyDecision::Unclear(why)) if own == May::Yes => May::Unclear(why),
            Some(PolicyDecision::Unclear(_) | PolicyDecision::Allowed(_)) | None => own,
        }
    }
}
