//! May a service, EC2 or Systems Manager, assume the role?
//!
//! Each statement either reaches its call of `sts:AssumeRole`, misses it, or
//! leaves a doubt. A Deny that reaches it settles the matter, then an Allow
//! that reaches it; doubts count only where they could change the answer.
//!
//! How principals are read, and why:
//!
//! - A service principal is compared exactly: AWS documents that service
//!   principals are case-sensitive (IAM API reference,
//!   `CreateServiceLinkedRole`). One that differs from the service's only in
//!   case, or by a Region in it, is a doubt, not a miss.
//! - `"*"` in a Deny reaches services too; that is why `aws:PrincipalIsAWSService`
//!   exists ("AWS global condition context keys"). In an Allow it is a doubt:
//!   AWS documents it for identities and anonymous callers, not for services.
//! - `{"AWS": "*"}` is documented as equal to `"*"` for anonymous users only: a
//!   doubt either way. `{"Service": "*"}` is documented nowhere: a doubt.
//! - `NotPrincipal` is not supported in trust policies: a doubt.
//! - A `Condition` is never evaluated: a doubt.

use std::collections::BTreeSet;

use crate::node::{Partition, Region};

use super::document::{
    Actions, Document, Effect, Place, Principal, PrincipalKind, Principals, Statement, shown,
};

pub(super) const ASSUME_ROLE: &str = "sts:AssumeRole";

/// A service that assumes roles for nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// For the instances of a profile.
    Ec2,
    /// For Default Host Management and hybrid nodes.
    SystemsManager,
}

impl Service {
    fn prefix(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::SystemsManager => "ssm",
        }
    }

    /// The service principal to name in a new statement.
    pub(super) fn principal(self, partition: Partition) -> String {
        let suffix = match partition {
            Partition::China => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        format!("{}.{suffix}", self.prefix())
    }

    /// What the service may be called in a trust policy, the name for new
    /// statements first. In partitions with a DNS suffix of their own the
    /// global name is in use too.
    pub(super) fn accepted(self, partition: Partition) -> Vec<String> {
        let mut names = vec![self.principal(partition)];
        for suffix in ["amazonaws.com"].into_iter().chain(partition.dns_suffix()) {
            let name = format!("{}.{suffix}", self.prefix());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// As a sentence says it.
    fn in_words(self) -> &'static str {
        match self {
            Self::Ec2 => "EC2",
            Self::SystemsManager => "Systems Manager",
        }
    }
}

/// The answer, with sentences for a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// The service may assume the role.
    Allowed {
        /// The first statement that lets it.
        by: Place,
    },
    /// The service may not assume the role, for certain.
    NotAllowed {
        why: String,
        /// The Deny that forbids it; `None` when no statement allows it.
        blocking: Option<Place>,
    },
    /// The document alone does not decide it, or cannot be read.
    CannotJudge { because: String },
}

/// Whether the trust policy `document`, URL-decoded, lets EC2 assume its role.
pub fn judge(document: &str, partition: Partition) -> Judgement {
    judge_for(Service::Ec2, document, partition)
}

/// Whether the trust policy `document`, URL-decoded, lets `service` assume its
/// role.
pub fn judge_for(service: Service, document: &str, partition: Partition) -> Judgement {
    match Document::parse(document) {
        Ok(document) => judge_document(service, &document, partition),
        Err(error) => Judgement::CannotJudge {
            because: error.to_string(),
        },
    }
}

pub(super) fn judge_document(
    service: Service,
    document: &Document,
    partition: Partition,
) -> Judgement {
    let principal = service.principal(partition);
    let mut allowed_by = None;
    let mut allow_doubt = None;
    let mut deny_doubt = None;
    for statement in &document.statements {
        match (statement.effect, reach(statement, service, partition)) {
            (Effect::Allow | Effect::Deny, Reach::Misses) => {}
            (Effect::Deny, Reach::Reaches) => {
                return Judgement::NotAllowed {
                    why: format!(
                        "The trust policy denies {ASSUME_ROLE} to {principal} in {}.",
                        statement.place
                    ),
                    blocking: Some(statement.place.clone()),
                };
            }
            (Effect::Deny, Reach::Doubtful(doubt)) => {
                deny_doubt.get_or_insert((statement, doubt));
            }
            (Effect::Allow, Reach::Reaches) => {
                allowed_by.get_or_insert(&statement.place);
            }
            (Effect::Allow, Reach::Doubtful(doubt)) => {
                allow_doubt.get_or_insert((statement, doubt));
            }
        }
    }
    let some_allow = allowed_by.is_some() || allow_doubt.is_some();
    match (deny_doubt.filter(|_| some_allow), allowed_by, allow_doubt) {
        (Some((statement, doubt)), _, _) | (None, None, Some((statement, doubt))) => {
            Judgement::CannotJudge {
                because: doubt.sentence(statement, service, partition),
            }
        }
        (None, Some(place), _) => Judgement::Allowed { by: place.clone() },
        (None, None, None) => Judgement::NotAllowed {
            why: format!(
                "No statement of the trust policy lets {principal} call {ASSUME_ROLE}; {}.",
                what_it_says(document, service, partition)
            ),
            blocking: None,
        },
    }
}

/// How a statement bears on the service's call of `sts:AssumeRole`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reach {
    Misses,
    Doubtful(Doubt),
    Reaches,
}

/// Why it cannot be told whether a statement bears on the service.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Doubt {
    /// The service is named, under a condition.
    Condition,
    /// The principal is `"*"` or `{"AWS": "*"}`.
    Everyone,
    NotPrincipal,
    /// A service principal that resembles the service's, or has wildcards.
    NearlyTheService(String),
}

impl Doubt {
    pub(super) fn sentence(
        &self,
        statement: &Statement,
        service: Service,
        partition: Partition,
    ) -> String {
        let principal = service.principal(partition);
        let place = &statement.place;
        let does = match statement.effect {
            Effect::Allow => "allows",
            Effect::Deny => "denies",
        };
        match self {
            Self::Condition => format!(
                "The trust policy {does} {ASSUME_ROLE} to {principal} in {place} only under a condition, and the document does not tell whether {}'s call meets it.",
                service.in_words()
            ),
            Self::Everyone => format!(
                "The trust policy {does} {ASSUME_ROLE} to every principal in {place}, and AWS does not document whether that includes the service {principal}."
            ),
            Self::NotPrincipal => format!(
                "The trust policy uses NotPrincipal in {place}, which AWS does not support in trust policies, so whether it {does} {ASSUME_ROLE} to {principal} is not certain."
            ),
            Self::NearlyTheService(named) => format!(
                "The trust policy {does} {ASSUME_ROLE} to the service {} in {place}, and whether AWS takes that for {principal} is not certain.",
                shown(named)
            ),
        }
    }
}

pub(super) fn reach(statement: &Statement, service: Service, partition: Partition) -> Reach {
    if !takes_assume_role(&statement.actions) {
        return Reach::Misses;
    }
    let named = match &statement.principals {
        Principals::Everyone => match statement.effect {
            Effect::Allow => Reach::Doubtful(Doubt::Everyone),
            Effect::Deny => Reach::Reaches,
        },
        Principals::AllBut => Reach::Doubtful(Doubt::NotPrincipal),
        Principals::Only(principals) => strongest(principals, service, partition),
    };
    match named {
        Reach::Reaches if statement.conditioned => Reach::Doubtful(Doubt::Condition),
        Reach::Reaches | Reach::Doubtful(_) | Reach::Misses => named,
    }
}

fn strongest(principals: &[Principal], service: Service, partition: Partition) -> Reach {
    let accepted = service.accepted(partition);
    // How a partition that is not known names its services is not known either.
    let may_be = |name: &str| {
        let service = format!("{}.", service.prefix());
        partition == Partition::Unknown && name.to_ascii_lowercase().starts_with(&service)
    };
    let mut found = Reach::Misses;
    for principal in principals {
        let covered = match covers(principal, service, &accepted) {
            Reach::Misses
                if principal.kind == PrincipalKind::Service && may_be(&principal.value) =>
            {
                Reach::Doubtful(Doubt::NearlyTheService(principal.value.clone()))
            }
            covered => covered,
        };
        match (covered, &found) {
            (Reach::Reaches, _) => return Reach::Reaches,
            (doubtful @ Reach::Doubtful(_), Reach::Misses) => found = doubtful,
            (Reach::Doubtful(_) | Reach::Misses, _) => {}
        }
    }
    found
}

fn covers(principal: &Principal, service: Service, accepted: &[String]) -> Reach {
    let value = &principal.value;
    match principal.kind {
        PrincipalKind::Aws if value == "*" => Reach::Doubtful(Doubt::Everyone),
        PrincipalKind::Aws | PrincipalKind::Federated | PrincipalKind::CanonicalUser => {
            Reach::Misses
        }
        PrincipalKind::Service => {
            if accepted.contains(value) {
                Reach::Reaches
            } else if names_service(value, service.prefix())
                || accepted.iter().any(|name| matches_pattern(value, name))
            {
                Reach::Doubtful(Doubt::NearlyTheService(value.to_owned()))
            } else {
                Reach::Misses
            }
        }
    }
}

/// Whether `principal` names the service in any form in use: either DNS suffix,
/// any case, stray spaces, with or without a Region.
pub(super) fn names_service(principal: &str, service: &str) -> bool {
    let principal = principal.trim().to_ascii_lowercase();
    let rest = principal
        .strip_prefix(service)
        .and_then(|rest| rest.strip_prefix('.'));
    let Some(rest) = rest else {
        return false;
    };
    Partition::ALL
        .iter()
        .filter_map(|partition| rest.strip_suffix(partition.dns_suffix()?))
        .any(|region| {
            let named = region.strip_suffix('.').and_then(Region::parse);
            region.is_empty() || named.is_some()
        })
}

fn takes_assume_role(actions: &Actions) -> bool {
    let listed = |patterns: &[String]| patterns.iter().any(|p| matches_pattern(p, ASSUME_ROLE));
    match actions {
        Actions::Only(patterns) => listed(patterns),
        Actions::AllBut(patterns) => !listed(patterns),
    }
}

/// Whether `text` matches `pattern`, where `*` stands for any characters and `?`
/// for one, without regard to case. Linear in practice, at worst the product of
/// the lengths.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == b'?' || c.eq_ignore_ascii_case(&text[t]) => {
                p += 1;
                t += 1;
            }
            Some(_) | None => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    p = after_star;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// What the policy says instead: where it names the service in vain, else whom it
/// names, at most three, in the order of the document.
fn what_it_says(document: &Document, service: Service, partition: Partition) -> String {
    let accepted = service.accepted(partition);
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut names: Vec<String> = Vec::new();
    for statement in &document.statements {
        let (Effect::Allow, Principals::Only(principals)) =
            (statement.effect, &statement.principals)
        else {
            continue;
        };
        for principal in principals {
            if accepted.contains(&principal.value) {
                let place = &statement.place;
                return match principal.kind {
                    PrincipalKind::Service => {
                        format!("{place} names the service, but not that action")
                    }
                    PrincipalKind::Aws
                    | PrincipalKind::Federated
                    | PrincipalKind::CanonicalUser => {
                        format!("{place} names it, but not as a Service principal")
                    }
                };
            }
            if named.insert(&principal.value) {
                names.push(shown(&principal.value));
            }
        }
    }
    match names.as_slice() {
        [] => "its Allow statements name nobody".to_owned(),
        [one] => format!("its Allow statements name {one}"),
        [one, two] => format!("its Allow statements name {one} and {two}"),
        [one, two, three] => format!("its Allow statements name {one}, {two} and {three}"),
        [one, two, rest @ ..] => {
            format!(
                "its Allow statements name {one}, {two} and {} others",
                rest.len()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_iam_reads_them() {
        for pattern in [
            "sts:AssumeRole",
            "STS:assumerole",
            "sts:*",
            "*",
            "**",
            "sts:Assume*",
            "sts:?ssumeRole",
            "*:AssumeRole",
            "sts:AssumeRole*",
            "s*s:*e*Role",
        ] {
            assert!(matches_pattern(pattern, ASSUME_ROLE), "{pattern}");
        }
        for pattern in [
            "",
            "sts:AssumeRoleWithSAML",
            "sts:AssumeRole?",
            "sts:TagSession",
            "sts:assume",
            "ts:AssumeRole",
            "iam:*",
            "*WithSAML",
            "é*",
        ] {
            assert!(!matches_pattern(pattern, ASSUME_ROLE), "{pattern}");
        }
    }

    #[test]
    fn in_a_partition_that_is_not_known_no_name_of_the_service_is_missed() {
        let answer = |principal: &str, partition: Partition| {
            let document = format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"{principal}"}},"Action":"sts:AssumeRole"}}]}}"#
            );
            match judge(&document, partition) {
                Judgement::Allowed { .. } => "allowed",
                Judgement::NotAllowed { .. } => "not allowed",
                Judgement::CannotJudge { .. } => "unclear",
            }
        };
        for (principal, partition, expected) in [
            ("ec2.amazonaws.example", Partition::Unknown, "unclear"),
            ("ec2.amazonaws.com", Partition::Unknown, "allowed"),
            (
                "lambda.amazonaws.example",
                Partition::Unknown,
                "not allowed",
            ),
            ("ec2.amazonaws.example", Partition::Aws, "not allowed"),
            ("ec2.amazonaws.eu", Partition::Eusc, "allowed"),
            ("ec2.amazonaws.eu", Partition::Aws, "unclear"),
        ] {
            assert_eq!(answer(principal, partition), expected, "{principal}");
        }
    }

    #[test]
    fn a_service_is_known_in_every_form_but_not_by_its_prefix() {
        for principal in [
            "ec2.amazonaws.com",
            "EC2.AmazonAWS.com",
            " ec2.amazonaws.com ",
            "ec2.amazonaws.com.cn",
            "ec2.us-east-1.amazonaws.com",
            "ec2.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(names_service(principal, "ec2"), "{principal}");
        }
        for principal in [
            "ec2",
            "ec2.",
            "ec2fleet.amazonaws.com",
            "ec2.application-autoscaling.amazonaws.com",
            "spotfleet.ec2.amazonaws.com",
            "ec2.amazonaws.com.evil.example",
            "ecs-tasks.amazonaws.com",
            "",
        ] {
            assert!(!names_service(principal, "ec2"), "{principal}");
        }
    }
}
