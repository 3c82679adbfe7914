//! May the role do what the agent needs, and what the log says is denied?
//!
//! IAM's simulator is believed where it could be asked, except where a
//! condition wants values it was not given. Else the role's policies and its
//! boundary are read here, and only what they say plainly counts. A policy of
//! the organisation, of a session or of an endpoint is not seen either way.

use crate::diagnose::check::{CheckName, CheckResult, Fault, Sign, Subject};
use crate::diagnose::facts::{Decision, Facts, Read, RoleFacts, Simulated, SimulatedAction, known};
use crate::diagnose::policy::{Document, Request, Says, says};
use crate::incident::finding::{DenyReason, Principal};
use crate::report::CheckStatus;

const NAME: CheckName = CheckName::Permissions;

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

/// What further actions are judged when the log names them: the rest of
/// AmazonSSMManagedInstanceCore. Others depend on a bucket, a key or a log
/// group whose own policy counts as well.
const ALSO_JUDGED: &[&str] = &[
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
    "ssm:PutComplianceItems",
    "ssm:PutConfigurePackageResult",
    "ssm:PutInventory",
    "ssm:UpdateAssociationStatus",
    "ssm:UpdateInstanceAssociationStatus",
];

/// Those that are called on the instance; the others know no resource.
const ON_THE_INSTANCE: &[&str] = &[
    PING,
    "ssm:ListInstanceAssociations",
    "ssm:PutComplianceItems",
    "ssm:PutConfigurePackageResult",
    "ssm:PutInventory",
    "ssm:UpdateAssociationStatus",
    "ssm:UpdateInstanceAssociationStatus",
];

/// All that the simulator is asked about.
pub fn judged_actions() -> impl Iterator<Item = &'static str> {
    NEEDED.iter().chain(ALSO_JUDGED).copied()
}

/// What the role may do about one action.
#[derive(Debug, Clone, PartialEq)]
enum May {
    Yes,
    /// The policy or statement that denies it.
    Denied(String),
    /// What of the permissions boundary stops it.
    Bounded(String),
    /// A policy of the organisation stops it.
    Organization,
    /// Nothing allows it.
    Missing,
    /// A clause.
    Unclear(String),
}

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    look(subject).unwrap_or_else(|result| result)
}

fn look(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.standing_instance(NAME)?;
    let role = subject.own_role(NAME, instance)?;
    let name = &role.name;
    let clues = subject.clues;
    if let Some(denied) = &clues.role
        && denied != name
    {
        let note = format!(
            "The log says that {denied} was denied; the role of {} is {name}: look whether Default \
             Host Management or a credentials file gives the agent that other role.",
            instance.id
        );
        return Err(CheckResult::unknown(NAME, note));
    }
    if !matches!(clues.principal, None | Some(Principal::Role(_))) {
        let note = format!(
            "The log says that a caller was denied which is no role, so the permissions of the \
             role {name} do not decide."
        );
        return Err(CheckResult::unknown(NAME, note));
    }
    let logged = clues.action.as_deref();
    let Some(critical) = critical(logged, clues.service.as_deref()) else {
        let note = format!(
            "Whether the role {name} may call {} is not judged: it depends on the resource and \
             its own policy too.",
            logged.unwrap_or("it")
        );
        return Err(CheckResult::unknown(NAME, note));
    };
    let may = |action: &'static str| may(subject.facts, role, subject, action);
    let decisive: Vec<(&str, May)> = critical
        .iter()
        .map(|action| (*action, may(action)))
        .collect();
    let mut missing: Vec<String> = Vec::new();
    for action in critical.iter().chain(NEEDED.iter()) {
        if may(action) == May::Missing && !missing.iter().any(|known| known == action) {
            missing.push((*action).to_owned());
        }
    }
    for (action, may) in &decisive {
        let denied = |what: &str, policy: &str| {
            CheckResult::failed(
                NAME,
                format!("{what} {action} to the role {name}."),
                Sign::PermissionLacking,
                Fault::PolicyDenies {
                    role: name.clone(),
                    action: (*action).to_owned(),
                    policy: policy.to_owned(),
                },
            )
        };
        match may {
            May::Denied(by) => return Ok(denied(&format!("{} denies", capital(by)), by)),
            May::Bounded(how) => {
                let boundary = role.boundary.as_deref().unwrap_or("of the role");
                let what = format!("The permissions boundary {boundary} {how}");
                return Ok(denied(&what, boundary));
            }
            May::Organization => {
                let by = "a policy of the organisation";
                return Ok(denied(&format!("{} denies", capital(by)), by));
            }
            May::Missing => return Ok(lacking(name, missing, Some(Sign::PermissionLacking))),
            May::Yes | May::Unclear(_) => {}
        }
    }
    if let Some((action, May::Unclear(why))) = decisive
        .iter()
        .find(|(_, may)| matches!(may, May::Unclear(_)))
    {
        let note = format!("Whether the role {name} may call {action} cannot be judged: {why}.");
        return Err(CheckResult::unknown(NAME, note));
    }
    let seen = seen_from_here(clues.reason);
    let sign = seen.then_some(Sign::PermissionGranted);
    if !missing.is_empty() {
        // The log's own complaint is put right, and another is to come.
        return Ok(lacking(name, missing, None));
    }
    let what = match logged {
        Some(action) => format!("The policies of the role {name} allow {action}"),
        None => format!("The policies of the role {name} allow what the agent needs"),
    };
    let note = match clues.reason {
        Some(reason) if !seen => format!("{what}; {}.", elsewhere(reason)),
        Some(_) | None => format!("{what}."),
    };
    let status = if seen {
        CheckStatus::Ok
    } else {
        CheckStatus::Unknown
    };
    Ok(CheckResult::new(NAME, status, note, sign))
}

/// The actions that decide: the one that the log says is denied, else those
/// without which what failed cannot work. `None` for one that is not judged.
fn critical(logged: Option<&str>, service: Option<&str>) -> Option<Vec<&'static str>> {
    match (logged, service) {
        (Some(logged), _) => judged_actions()
            .find(|action| action.eq_ignore_ascii_case(logged))
            .map(|action| vec![action]),
        (None, Some("ssmmessages")) => Some(vec![
            "ssmmessages:CreateControlChannel",
            "ssmmessages:OpenControlChannel",
        ]),
        (None, Some("ssm") | None) => Some(vec![PING]),
        (None, Some(_)) => None,
    }
}

fn lacking(role: &str, actions: Vec<String>, sign: Option<Sign>) -> CheckResult {
    let note = format!(
        "No policy of the role {role} allows {}.",
        actions.join(", ")
    );
    CheckResult {
        fault: Some(Fault::MissingActions {
            role: role.to_owned(),
            actions,
        }),
        ..CheckResult::new(NAME, CheckStatus::Failed, note, sign)
    }
}

/// Whether what the log blames would show in what was read.
fn seen_from_here(reason: Option<DenyReason>) -> bool {
    match reason {
        None | Some(DenyReason::IdentityPolicy | DenyReason::PermissionsBoundary) => true,
        Some(
            DenyReason::ServiceControlPolicy
            | DenyReason::ResourceControlPolicy
            | DenyReason::RoleTrustPolicy
            | DenyReason::SessionPolicy
            | DenyReason::VpcEndpointPolicy
            | DenyReason::ResourcePolicy
            | DenyReason::ExplicitDeny,
        ) => false,
    }
}

fn elsewhere(reason: DenyReason) -> &'static str {
    match reason {
        DenyReason::ServiceControlPolicy | DenyReason::ResourceControlPolicy => {
            "the log names a policy of the organisation, which is not seen from this account"
        }
        DenyReason::SessionPolicy => "the log names a session policy, which IAM does not keep",
        DenyReason::VpcEndpointPolicy => "the log names the policy of a VPC endpoint",
        DenyReason::ResourcePolicy => "the log names the policy of the resource",
        DenyReason::RoleTrustPolicy => "the log names the trust policy of the role to be assumed",
        DenyReason::ExplicitDeny | DenyReason::IdentityPolicy | DenyReason::PermissionsBoundary => {
            "the log names an explicit denial, which a policy of the organisation or the resource \
             may hold"
        }
    }
}

fn may(facts: &Facts, role: &RoleFacts, subject: &Subject<'_>, action: &str) -> May {
    let simulation = facts.simulations.get(&role.name);
    match simulation {
        Some(Read::Found(simulated)) => by_simulation(simulated, subject, action),
        Some(Read::Missing | Read::Failed(_)) | None => by_policies(facts, role, subject, action),
    }
}

fn by_simulation(simulated: &Simulated, subject: &Subject<'_>, action: &str) -> May {
    let logged = subject.clues.action.as_deref();
    let answered = simulated
        .actions
        .iter()
        .find(|one| one.action.eq_ignore_ascii_case(action));
    let Some(answer) = answered else {
        return May::Unclear("IAM's simulator did not answer for it".to_owned());
    };
    let policy = || match answer.policies.first() {
        Some(policy) => format!("the policy {policy}"),
        None => "a policy".to_owned(),
    };
    let SimulatedAction {
        decision,
        lacks_context,
        boundary_allows,
        organization_allows,
        ..
    } = answer;
    if *decision == Decision::Allowed {
        return May::Yes;
    }
    if *lacks_context {
        return May::Unclear("a condition decides, whose values are not known here".to_owned());
    }
    match (decision, organization_allows, boundary_allows) {
        (Decision::ExplicitDeny, _, _) => May::Denied(policy()),
        (_, Some(false), _) => May::Organization,
        (_, _, Some(false)) => May::Bounded("does not allow".to_owned()),
        // One instance stood for all, and a policy may name single instances:
        // for another one the log must say so too.
        _ if simulated.instance != *subject.instance
            && ON_THE_INSTANCE.contains(&action)
            && !logged.is_some_and(|logged| logged.eq_ignore_ascii_case(action)) =>
        {
            May::Unclear(format!(
                "IAM was asked for {} only, for which nothing allows it",
                simulated.instance
            ))
        }
        (Decision::ImplicitDeny | Decision::Allowed, _, _) => May::Missing,
    }
}

fn by_policies(facts: &Facts, role: &RoleFacts, subject: &Subject<'_>, action: &str) -> May {
    let resource = match resource(role, subject, action) {
        Ok(resource) => resource,
        Err(why) => return May::Unclear(why),
    };
    let request = Request {
        action,
        resource: &resource,
        caller: None,
    };
    let (documents, unread) = match documents(facts, role) {
        Ok(read) => read,
        Err(why) => return May::Unclear(why),
    };
    let documents: Vec<Document<'_>> = documents
        .iter()
        .map(|(name, text)| Document { name, text })
        .collect();
    let own = says(&documents, &request);
    if let Says::Denied(by) = own {
        return May::Denied(by);
    }
    if let Some(why) = unread {
        return May::Unclear(why);
    }
    let boundary = match bounded(facts, role, &request) {
        Says::Allowed(_) => None,
        Says::Denied(by) => Some(May::Bounded(format!("denies, by {by},"))),
        Says::Nothing => Some(May::Bounded("does not allow".to_owned())),
        Says::Unclear(why) => Some(May::Unclear(why)),
    };
    match (own, boundary) {
        (Says::Nothing, _) => May::Missing,
        (Says::Unclear(why), _) => May::Unclear(why),
        (Says::Allowed(_) | Says::Denied(_), Some(stopped)) => stopped,
        (Says::Allowed(_) | Says::Denied(_), None) => May::Yes,
    }
}

/// The ARN that the action is called on.
fn resource(role: &RoleFacts, subject: &Subject<'_>, action: &str) -> Result<String, String> {
    if !ON_THE_INSTANCE.contains(&action) {
        return Ok("*".to_owned());
    }
    match (role.account(), subject.region) {
        (Some(account), Some(region)) => Ok(format!(
            "arn:{}:ec2:{region}:{account}:instance/{}",
            subject.partition.arn(),
            subject.instance
        )),
        _ => Err("the ARN of the instance is not known".to_owned()),
    }
}

/// The role's policies by name, and why one of them could not be read.
type Texts<'a> = (Vec<(String, &'a str)>, Option<String>);

fn documents<'a>(facts: &'a Facts, role: &RoleFacts) -> Result<Texts<'a>, String> {
    let name = &role.name;
    let names = known(
        facts.policy_names.get(name),
        &format!("the list of policies of the role {name}"),
    )?;
    let mut texts: Vec<(String, &str)> = Vec::new();
    let mut unread = None;
    let attached = names.attached.iter().map(|arn| {
        let title = format!("the policy {}", arn.rsplit('/').next().unwrap_or(arn));
        (facts.managed_policies.get(arn), title)
    });
    let inline = names.inline.iter().map(|policy| {
        let key = (name.clone(), policy.clone());
        (
            facts.inline_policies.get(&key),
            format!("the inline policy {policy}"),
        )
    });
    for (read, title) in attached.chain(inline) {
        match known(read, &title) {
            Ok(text) => texts.push((title, text.as_str())),
            Err(why) => unread = unread.or(Some(why)),
        }
    }
    Ok((texts, unread))
}

/// What the permissions boundary says; without one everything is allowed.
fn bounded(facts: &Facts, role: &RoleFacts, request: &Request<'_>) -> Says {
    match (&role.boundary, &role.tags) {
        (Some(arn), _) => match known(
            facts.managed_policies.get(arn),
            &format!("the boundary {arn}"),
        ) {
            Ok(text) => says(
                &[Document {
                    name: "the boundary",
                    text,
                }],
                request,
            ),
            Err(why) => Says::Unclear(why),
        },
        (None, Read::Found(_)) => Says::Allowed("no boundary".to_owned()),
        // Only GetRole, which gives the tags too, tells the boundary.
        (None, Read::Missing | Read::Failed(_)) => Says::Unclear(format!(
            "whether the role {} has a permissions boundary could not be read",
            role.name
        )),
    }
}

fn capital(clause: &str) -> String {
    let mut chars = clause.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
