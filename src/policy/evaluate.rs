//! What policies decide about one request.
//!
//! Each statement matches the request, does not, or leaves it unclear. A Deny
//! that matches settles it, then an Allow that matches; what is unclear counts
//! only where it could change the answer.
//!
//! A service's call is matched with care, because AWS documents principals for
//! other callers first:
//!
//! - `"*"` in a Deny matches services too; that is why `aws:PrincipalIsAWSService`
//!   exists ("AWS global condition context keys"). In an Allow it is unclear:
//!   AWS documents it for identities and anonymous callers, not for services.
//! - `{"AWS": "*"}` is documented as equal to `"*"` for anonymous users only, and
//!   `{"Service": "*"}` is documented nowhere: unclear.

use std::fmt;

use super::condition;
use super::document::{
    Document, Effect, PrincipalKind, Principals, Statement, StatementRef, quoted,
};
use super::pattern::{Coverage, coverage, matches_ignoring_case};
use super::service::Service;
use crate::node::{AccountId, Partition};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// `ssm:UpdateInstanceInformation`.
    pub action: &'a str,
    /// The ARN that the action is called on, in which `*` stands for any text.
    pub resource: &'a str,
    pub caller: Caller<'a>,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller<'a> {
    /// The identity that the policy is attached to: no principal is named.
    Attached,
    Role {
        arn: &'a str,
        account: &'a str,
    },
    /// A role at a gateway endpoint, whose policy takes a principal that it
    /// names for the root user of the account alone ("Control access to VPC
    /// endpoints using endpoint policies").
    AtGateway,
    /// A call without a signature: nobody, as far as a policy can tell.
    Unsigned,
    Service {
        service: Service,
        partition: Partition,
    },
}

/// What one or more policies decide about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PolicyDecision {
    /// A statement that certainly matches denies it.
    Denied(StatementRef),
    /// A statement that certainly matches allows it, and none can deny it.
    Allowed(StatementRef),
    /// No statement allows it, whatever the unclear ones may deny.
    NotAllowed,
    /// Why it could not be determined: a clause.
    Unclear(String),
}

/// What `policies` together decide, each of them read, or the clause that says
/// why it is not known.
pub(crate) fn evaluate<E: fmt::Display>(
    policies: &[Result<Document, E>],
    request: &Request<'_>,
) -> PolicyDecision {
    let not_known = policies
        .iter()
        .find_map(|policy| Some(policy.as_ref().err()?.to_string()));
    let statements = policies
        .iter()
        .flatten()
        .flat_map(|policy| &policy.statements);
    decide(statements, not_known, request)
}

/// The same of statements, beside which there may be others that are not known.
pub(super) fn decide<'a>(
    statements: impl IntoIterator<Item = &'a Statement>,
    not_known: Option<String>,
    request: &Request<'_>,
) -> PolicyDecision {
    let (mut allowed, mut may_allow, mut may_deny) = (None, None, None);
    for statement in statements {
        match (statement.effect, statement.matches(request)) {
            (Effect::Allow | Effect::Deny, StatementMatch::No) => {}
            (Effect::Deny, StatementMatch::Yes) => {
                return PolicyDecision::Denied(statement.at.clone());
            }
            (Effect::Allow, StatementMatch::Yes) => allowed = allowed.or(Some(&statement.at)),
            (Effect::Allow, StatementMatch::Unclear(doubt)) => {
                may_allow = may_allow
                    .or_else(|| Some(format!("{} allows it {doubt}", statement.at.in_full())));
            }
            (Effect::Deny, StatementMatch::Unclear(doubt)) => {
                may_deny = may_deny
                    .or_else(|| Some(format!("{} denies it {doubt}", statement.at.in_full())));
            }
        }
    }
    let may_deny = may_deny.filter(|_| allowed.is_some() || may_allow.is_some());
    match (not_known.or(may_deny), allowed, may_allow) {
        (Some(why), _, _) | (None, None, Some(why)) => PolicyDecision::Unclear(why),
        (None, Some(at), _) => PolicyDecision::Allowed(at.clone()),
        (None, None, None) => PolicyDecision::NotAllowed,
    }
}

/// Whether a statement applies to a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StatementMatch {
    No,
    Unclear(Doubt),
    Yes,
}

/// Why it is unclear. Its text follows `statement 1 allows it`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Doubt {
    #[error("only under a condition")]
    Condition,
    #[error("for certain resources only")]
    SomeResources,
    #[error("for all resources but some")]
    NotResource,
    #[error("without a principal")]
    NoPrincipal,
    #[error("to all principals but some")]
    NotPrincipal,
    #[error("to certain principals only")]
    SomePrincipals,
    #[error("to principals that a gateway endpoint takes for root users")]
    AtGateway,
    #[error("to every principal, and AWS does not document whether that includes services")]
    Everyone,
    #[error("to the service {0}, which AWS may or may not take for {1}")]
    LikeTheService(String, String),
}

impl Statement {
    pub(super) fn matches(&self, request: &Request<'_>) -> StatementMatch {
        let is_named = |pattern: &String| matches_ignoring_case(pattern, request.action);
        if self.actions.listed.0.iter().any(is_named) == self.actions.all_but {
            return StatementMatch::No;
        }
        let unsigned = matches!(request.caller, Caller::Unsigned);
        let holds = |condition| condition::holds(condition, unsigned);
        let condition = match self.condition.as_ref().map_or(Some(true), holds) {
            Some(true) => StatementMatch::Yes,
            Some(false) => StatementMatch::No,
            None => StatementMatch::Unclear(Doubt::Condition),
        };
        let parts = [
            self.names_resource(request.resource),
            self.names_caller(request.caller),
            condition,
        ];
        // One that does not match decides, then the first that is unclear.
        let mut matched = StatementMatch::Yes;
        for part in parts {
            match part {
                StatementMatch::No => return StatementMatch::No,
                StatementMatch::Unclear(_) if matched == StatementMatch::Yes => matched = part,
                StatementMatch::Unclear(_) | StatementMatch::Yes => {}
            }
        }
        matched
    }

    fn names_resource(&self, asked: &str) -> StatementMatch {
        // The policy of a resource may leave the resource out.
        let Some(resources) = &self.resources else {
            return StatementMatch::Yes;
        };
        let covered = |pattern: &String| coverage(pattern, asked);
        let best = resources.listed.0.iter().map(covered).max();
        match (best.unwrap_or(Coverage::None), resources.all_but) {
            (Coverage::All, true) | (Coverage::None, false) => StatementMatch::No,
            (Coverage::All, false) | (Coverage::None, true) => StatementMatch::Yes,
            (Coverage::Some, true) => StatementMatch::Unclear(Doubt::NotResource),
            (Coverage::Some, false) => StatementMatch::Unclear(Doubt::SomeResources),
        }
    }

    fn names_caller(&self, caller: Caller<'_>) -> StatementMatch {
        let is_service = matches!(caller, Caller::Service { .. });
        match (&self.principals, caller, self.effect) {
            (_, Caller::Attached, _) => return StatementMatch::Yes,
            (None, _, _) => return StatementMatch::Unclear(Doubt::NoPrincipal),
            (Some(Principals::AllBut), _, _) => {
                return StatementMatch::Unclear(Doubt::NotPrincipal);
            }
            (Some(Principals::Everyone), _, Effect::Allow) if is_service => {
                return StatementMatch::Unclear(Doubt::Everyone);
            }
            (Some(Principals::Everyone), _, _) => return StatementMatch::Yes,
            (Some(Principals::Named(_)), _, _) => {}
        }
        let names: Vec<&str> = self.named(PrincipalKind::Aws).collect();
        let (arn, account) = match caller {
            Caller::Service { service, partition } => {
                return self.names_service(service, partition);
            }
            _ if names.contains(&"*") => return StatementMatch::Yes,
            // Services and identity providers are not this caller.
            _ if names.is_empty() => return StatementMatch::No,
            Caller::Role { arn, account } => (arn, account),
            Caller::AtGateway => return StatementMatch::Unclear(Doubt::AtGateway),
            Caller::Attached | Caller::Unsigned => return StatementMatch::No,
        };
        let root = format!(":iam::{account}:root");
        let is_caller = |name: &&str| [arn, account].contains(name) || name.ends_with(&root);
        if names.iter().any(is_caller) {
            StatementMatch::Yes
        } else if names.iter().copied().all(is_one_other) {
            StatementMatch::No
        } else {
            StatementMatch::Unclear(Doubt::SomePrincipals)
        }
    }

    fn names_service(&self, service: Service, partition: Partition) -> StatementMatch {
        let mut services = self.named(PrincipalKind::Service);
        if services.clone().any(|name| service.is(name, partition)) {
            return StatementMatch::Yes;
        }
        if self.named(PrincipalKind::Aws).any(|name| name == "*") {
            return StatementMatch::Unclear(Doubt::Everyone);
        }
        match services.find(|name| service.may_be(name, partition)) {
            Some(name) => {
                let asked = service.principal(partition);
                StatementMatch::Unclear(Doubt::LikeTheService(quoted(name), asked))
            }
            None => StatementMatch::No,
        }
    }
}

/// Whether the name stands for one role or account, by its form.
fn is_one_other(name: &str) -> bool {
    let plain = !name.contains(['*', '?', '$']);
    plain && name.contains(":iam::") && name.contains(":role/")
        || name.ends_with(":root")
        || AccountId::parse(name).is_some()
}
