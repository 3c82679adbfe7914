//! May a service, EC2 or Systems Manager, assume the role?

use std::collections::BTreeSet;

use super::document::{Document, DocumentError, Effect, PrincipalKind, Principals, quoted};
use super::evaluate::{Caller, PolicyDecision, Request, evaluate};
use super::service::Service;
use crate::node::Partition;

pub(super) const ASSUME_ROLE: &str = "sts:AssumeRole";

/// How messages call it.
const NAME: &str = "the trust policy";

/// Whether the trust policy `text`, URL-decoded, lets `service` assume its role.
pub(crate) fn may_assume(service: Service, text: &str, partition: Partition) -> PolicyDecision {
    evaluate(&[parse(text)], &request(service, partition))
}

pub(super) fn request(service: Service, partition: Partition) -> Request<'static> {
    Request {
        action: ASSUME_ROLE,
        resource: "*",
        caller: Caller::Service { service, partition },
    }
}

/// The trust policy that `text` is: it has statements, and each of them names
/// principals and no resource.
pub(super) fn parse(text: &str) -> Result<Document, DocumentError> {
    let policy = Document::parse(NAME, text)?;
    let fault = |what: &str| Err(DocumentError(what.to_owned()));
    if policy.statements.is_empty() {
        return fault("the trust policy holds no statement");
    }
    for statement in &policy.statements {
        let at = statement.at.in_full();
        if statement.principals.is_none() {
            return fault(&format!("{at} has no Principal"));
        }
        if statement.resources.is_some() {
            return fault(&format!("{at} has a Resource, which does not belong there"));
        }
    }
    Ok(policy)
}

/// What the trust policy `text` says instead of letting `service` assume the
/// role, a clause: where it names the service in vain, else whom it names, at
/// most three of them.
pub(crate) fn whom_it_allows(service: Service, text: &str, partition: Partition) -> String {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let policy = parse(text);
    let statements = policy.iter().flat_map(|policy| &policy.statements);
    for statement in statements.filter(|one| one.effect == Effect::Allow) {
        let Some(Principals::Named(named)) = &statement.principals else {
            continue;
        };
        let named = named.0.iter();
        for (kind, name) in
            named.flat_map(|(kind, names)| names.0.iter().map(move |name| (kind, name)))
        {
            if service.is(name, partition) {
                let why = match kind {
                    PrincipalKind::Service => "the service, but not that action",
                    _ => "it, but not as a Service principal",
                };
                return format!("{} names {why}", statement.at);
            }
            names.insert(quoted(name));
        }
    }
    let mut names: Vec<String> = names.into_iter().collect();
    if names.len() > 3 {
        let others = names.split_off(2).len();
        names.push(format!("{others} others"));
    }
    let names = match names.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, names)) => format!("{} and {last}", names.join(", ")),
    };
    format!("its Allow statements name {names}")
}
