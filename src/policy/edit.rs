//! The additive edit of a trust policy, its refusals, and its undo.

use super::document::{
    Document, DocumentError, Effect, PrincipalKind, Principals, Statement, StatementRef, quoted,
    statements,
};
use super::evaluate::{Doubt, PolicyDecision, Request, StatementMatch, decide};
use super::service::{Service, resembles};
use super::trust::{ASSUME_ROLE, parse, request};
use crate::node::{AccountId, Partition};
use crate::sort;

/// The Sid of the statement that [`plan_edit`] appends; where it is taken,
/// `No2`, `No3` … follows it.
pub(super) const OUR_SID: &str = "SsmAgentTriageTrustEc2";

/// The role that Systems Manager makes for Default Host Management; it must
/// trust Systems Manager alone.
const HOST_MANAGEMENT_ROLE: &str = "AWSSystemsManagerDefaultEC2InstanceManagementRole";

/// The role whose trust policy is to be edited, as `iam:GetRole` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoleRef<'a> {
    pub name: &'a str,
    /// Begins and ends with `/`.
    pub path: &'a str,
    pub arn: &'a str,
    pub partition: Partition,
}

/// One statement appended, everything else as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The whole policy to send, compact JSON.
    pub new_document: String,
    /// The appended statement, compact JSON.
    pub statement: String,
    /// The Sid of the appended statement, which [`remove_ours`] takes out
    /// whatever else has changed since.
    pub sid: String,
    /// The policy as it was, compact JSON. Sending it loses what others have
    /// changed since.
    pub previous_document: String,
}

/// Why no edit is made. Every message says what a person can do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "EC2 may already assume the role, in {by}: nothing to add. If the agent still gets no credentials, associate the instance profile with the instance again."
    )]
    AlreadyRight { by: StatementRef },
    #[error(
        "It cannot be read: {0}. Correct it by hand in the IAM console, which names the fault."
    )]
    Unreadable(DocumentError),
    #[error(
        "AWS manages the roles under {path} and nobody else may edit them. Attach an instance profile with a role of your own."
    )]
    ReservedPath { path: &'static str },
    #[error(
        "This is the role of Default Host Management, which only Systems Manager should assume. Attach an instance profile with a role of its own."
    )]
    HostManagementRole,
    #[error(
        "In {at} the role trusts Systems Manager, so it serves hybrid nodes or Default Host Management and should not be opened to EC2. Attach an instance profile with a role of its own."
    )]
    TrustsSystemsManager { at: StatementRef },
    #[error(
        "In {at} the role trusts ecs-tasks.amazonaws.com, so it belongs to ECS tasks and should not be opened to EC2. Attach an instance profile with a role of its own."
    )]
    TrustsEcsTasks { at: StatementRef },
    #[error(
        "A Deny in {at} covers EC2, or may cover it, and an added Allow does not undo a Deny. Ask the owner of the policy whether EC2 is meant to be denied, and narrow or remove the Deny by hand."
    )]
    DenyCanMatch { at: StatementRef },
    #[error(
        "The policy uses NotPrincipal in {at}, which AWS does not support in trust policies. Replace it by hand with the principals that are meant."
    )]
    NotPrincipal { at: StatementRef },
    #[error(
        "The policy already allows EC2 in {at}, under a condition that somebody chose. Check by hand whether EC2 can meet the condition, and change it there."
    )]
    ConditionedAllow { at: StatementRef },
    #[error(
        "Whether EC2 may assume the role could not be determined: {0}. Check it by hand, and name the EC2 service as a principal if that is meant."
    )]
    Unclear(String),
    #[error(
        "In {at} the principal {principal} is neither an account nor an ARN; IAM shows a deleted user or role like this and refuses the policy when it is sent back. Remove that principal by hand and let EC2 assume the role in the same change."
    )]
    DeadPrincipal { at: StatementRef, principal: String },
    #[error(
        "Outside the partitions aws and aws-us-gov trust policies are only advised on. Append this statement by hand: {}", .would_do.statement
    )]
    OtherPartition { would_do: Box<Edit> },
}

/// The edit that lets EC2 assume `role`, whose trust policy is `document`
/// (URL-decoded), or why none is made. How long a trust policy may be is for
/// IAM to say: the account's quota can be raised.
pub(crate) fn plan_edit(document: &str, role: &RoleRef<'_>) -> Result<Edit, Refusal> {
    let policy = parse(document).map_err(Refusal::Unreadable)?;
    let request = request(Service::Ec2, role.partition);
    let each =
        |refuse: &dyn Fn(&Statement) -> Option<Refusal>| policy.statements.iter().find_map(refuse);
    let (right, unclear) = match decide(&policy.statements, None, &request) {
        PolicyDecision::Allowed(by) => (Some(Refusal::AlreadyRight { by }), None),
        PolicyDecision::Unclear(why) => (None, Some(Refusal::Unclear(why))),
        PolicyDecision::Denied(_) | PolicyDecision::NotAllowed => (None, None),
    };
    let refusal = right
        .or_else(|| refuse_role(role))
        .or_else(|| each(&|one| refuse_meaning(one, &request)))
        .or(unclear)
        .or_else(|| each(&refuse_owner))
        .or_else(|| each(&refuse_dead_principal));
    let edit = || append(document, &policy, role.partition);
    match (refusal, role.partition) {
        (Some(refusal), _) => Err(refusal),
        (None, Partition::Aws | Partition::UsGov) => Ok(edit()),
        (None, _) => Err(Refusal::OtherPartition {
            would_do: Box::new(edit()),
        }),
    }
}

/// The policy without our statement `sid`, compact, everything else as it was.
/// `None` when no statement with this Sid is exactly what we write, when it is
/// the only one (a policy must have one), or when `document` cannot be read.
pub(crate) fn remove_ours(document: &str, sid: &str) -> Option<String> {
    let policy = parse(document).ok()?;
    let is_this = |one: &Statement| is_ours(one) && one.sid.as_deref() == Some(sid);
    let index = policy.statements.iter().position(is_this)?;
    if policy.statements.len() == 1 {
        return None;
    }
    let document = compact(document);
    Some(with_statements(&document, |statements| {
        statements.remove(index);
    }))
}

/// The Sid of the first statement in `document` that is exactly what
/// [`plan_edit`] writes, so that a retry knows its own change.
pub(crate) fn has_ours(document: &str) -> Option<String> {
    let policy = parse(document).ok()?;
    policy.statements.into_iter().find(is_ours)?.sid
}

/// Whether two policies mean the same to IAM. A text that is not a policy is
/// the same only as itself.
pub(crate) fn same_policy(a: &str, b: &str) -> bool {
    match (parse(a), parse(b)) {
        (Ok(a), Ok(b)) => a == b,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) | (Err(_), Err(_)) => a == b,
    }
}

fn refuse_role(role: &RoleRef<'_>) -> Option<Refusal> {
    let arn = role.arn.to_ascii_lowercase();
    let by_arn = arn.split_once(":role").map_or("", |(_, rest)| rest);
    let by_path = role.path.to_ascii_lowercase();
    let is_under = |path: &&str| by_path.starts_with(path) || by_arn.starts_with(path);
    let reserved = ["/aws-service-role/", "/aws-reserved/"]
        .into_iter()
        .find(is_under);
    let host_management = role.name.eq_ignore_ascii_case(HOST_MANAGEMENT_ROLE);
    reserved
        .map(|path| Refusal::ReservedPath { path })
        .or(host_management.then_some(Refusal::HostManagementRole))
}

fn refuse_meaning(statement: &Statement, request: &Request<'_>) -> Option<Refusal> {
    let at = statement.at.clone();
    if statement.principals == Some(Principals::AllBut) {
        return Some(Refusal::NotPrincipal { at });
    }
    match (statement.effect, statement.matches(request)) {
        (Effect::Deny, StatementMatch::Yes | StatementMatch::Unclear(_)) => {
            Some(Refusal::DenyCanMatch { at })
        }
        (Effect::Allow, StatementMatch::Unclear(Doubt::Condition)) => {
            Some(Refusal::ConditionedAllow { at })
        }
        (Effect::Allow, StatementMatch::Unclear(_) | StatementMatch::Yes)
        | (Effect::Allow | Effect::Deny, StatementMatch::No) => None,
    }
}

fn refuse_owner(statement: &Statement) -> Option<Refusal> {
    let at = statement.at.clone();
    let mut services = statement.named(PrincipalKind::Service);
    if statement.effect == Effect::Deny {
        None
    } else if services.clone().any(|name| resembles(name, "ssm")) {
        Some(Refusal::TrustsSystemsManager { at })
    } else {
        let ecs = services.any(|name| resembles(name, "ecs-tasks"));
        ecs.then_some(Refusal::TrustsEcsTasks { at })
    }
}

/// IAM replaces the ARN of a deleted user or role by its unique id (`AIDA…`,
/// `AROA…`), and takes nothing but `*`, an account or an ARN back.
fn refuse_dead_principal(statement: &Statement) -> Option<Refusal> {
    let is_dead =
        |name: &&str| *name != "*" && !name.starts_with("arn:") && AccountId::parse(name).is_none();
    let name = statement.named(PrincipalKind::Aws).find(is_dead)?;
    Some(Refusal::DeadPrincipal {
        at: statement.at.clone(),
        principal: quoted(name),
    })
}

/// `document` is the text that `policy` was read from.
fn append(document: &str, policy: &Document, partition: Partition) -> Edit {
    let sid = free_sid(policy);
    let statement = our_statement(&sid, partition);
    let previous_document = compact(document);
    Edit {
        new_document: with_statements(&previous_document, |statements| statements.push(&statement)),
        previous_document,
        statement,
        sid,
    }
}

/// The policy `document`, compact, with other statements: every byte around
/// them and of those that are kept stays.
fn with_statements<'a>(document: &'a str, change: impl FnOnce(&mut Vec<&'a str>)) -> String {
    let read = statements(document);
    let (all, mut each) = read.expect("what parsed as a policy is one when it is compact");
    change(&mut each);
    // `all` is a part of `document`.
    let start = all.as_ptr() as usize - document.as_ptr() as usize;
    let (before, after) = (&document[..start], &document[start + all.len()..]);
    format!("{before}[{}]{after}", each.join(","))
}

/// `text`, which is valid JSON, without the whitespace between its parts.
/// Strings keep every byte, escapes too.
fn compact(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        let kept = in_string || !c.is_ascii_whitespace();
        in_string ^= *c == '"' && !escaped;
        escaped = in_string && *c == '\\' && !escaped;
        kept
    };
    text.chars().filter(keep).collect()
}

fn free_sid(policy: &Document) -> String {
    let sids = policy.statements.iter().filter_map(|s| s.sid.as_deref());
    let sids = sort::set(sids.map(str::to_ascii_lowercase));
    let numbered = (2_u32..).map(|number| format!("{OUR_SID}No{number}"));
    let mut names = [OUR_SID.to_owned()].into_iter().chain(numbered);
    let free = names.find(|sid| !sids.contains(&sid.to_ascii_lowercase()));
    free.expect("there are more numbers than statements")
}

/// The statement that lets EC2 in, compact JSON.
fn our_statement(sid: &str, partition: Partition) -> String {
    format!(
        r#"{{"Sid":"{sid}","Effect":"Allow","Principal":{{"Service":"{}"}},"Action":"{ASSUME_ROLE}"}}"#,
        Service::Ec2.principal(partition)
    )
}

/// Whether the statement is, in any partition, what [`append`] writes.
fn is_ours(statement: &Statement) -> bool {
    let sid = statement.sid.as_deref().filter(|sid| is_our_sid(sid));
    sid.is_some_and(|sid| {
        Partition::ALL.iter().any(|partition| {
            let ours = our_statement(sid, *partition);
            Statement::parse(&ours, statement.at.clone()).as_ref() == Ok(statement)
        })
    })
}

fn is_our_sid(sid: &str) -> bool {
    let is_number = |n: &str| {
        n.parse::<u32>()
            .is_ok_and(|number| number > 1 && number.to_string() == n)
    };
    sid.strip_prefix(OUR_SID)
        .is_some_and(|rest| rest.is_empty() || rest.strip_prefix("No").is_some_and(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: RoleRef<'_> = RoleRef {
        name: "MySSMRole",
        path: "/",
        arn: "arn:aws:iam::111122223333:role/MySSMRole",
        partition: Partition::Aws,
    };

    const OURS: &str = r#"{"Sid":"SsmAgentTriageTrustEc2","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;

    #[test]
    fn a_statement_is_appended_and_the_rest_keeps_its_text() {
        let theirs = r#"{ "Action" : [ "sts:AssumeRole" ], "Principal":{"AWS":"arn:aws:iam::111122223333:user/Zo\u00eb"},"Effect":"Allow", "Sid" : "B a" }"#;
        let kept = r#"{"Action":["sts:AssumeRole"],"Principal":{"AWS":"arn:aws:iam::111122223333:user/Zo\u00eb"},"Effect":"Allow","Sid":"B a"}"#;
        for (document, expected) in [
            (
                format!("{{\"Statement\": [\n{theirs} ],\n \"Version\":\"2012-10-17\"}}"),
                format!(r#"{{"Statement":[{kept},{OURS}],"Version":"2012-10-17"}}"#),
            ),
            (
                format!(r#"{{"Id":" x ","Statement": {theirs} }}"#),
                format!(r#"{{"Id":" x ","Statement":[{kept},{OURS}]}}"#),
            ),
        ] {
            let edit = plan_edit(&document, &ROLE).expect("nothing to refuse");
            assert_eq!(edit.new_document, expected);
            assert_eq!(edit.statement, OURS);
            assert_eq!(edit.sid, OUR_SID);
            assert_eq!(has_ours(&edit.new_document).as_deref(), Some(OUR_SID));
            let undone = remove_ours(&edit.new_document, &edit.sid).expect("ours is there");
            assert!(same_policy(&undone, &document), "{undone}");
            assert!(undone.contains(kept));
        }
    }

    #[test]
    fn a_sid_that_is_taken_is_left_to_its_owner() {
        let document = r#"{"Statement":[
            {"Sid":"SsmAgentTriageTrustEc2","Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"},
            {"Sid":"ssmagenttriagetrustec2no2","Effect":"Allow","Principal":{"Service":"glue.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        assert_eq!(has_ours(document), None);
        let edit = plan_edit(document, &ROLE).expect("nothing to refuse");
        assert_eq!(edit.sid, "SsmAgentTriageTrustEc2No3");
        assert_eq!(
            has_ours(&edit.new_document).as_deref(),
            Some("SsmAgentTriageTrustEc2No3")
        );
        assert_eq!(remove_ours(&edit.new_document, OUR_SID), None);
        assert_eq!(
            remove_ours(&edit.new_document, &edit.sid),
            Some(compact(document))
        );
    }

    #[test]
    fn only_the_very_statement_we_write_is_ours() {
        let other =
            r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}"#;
        let with = |statement: &str| format!(r#"{{"Statement":[{statement},{other}]}}"#);
        for statement in [
            OURS.to_owned(),
            OURS.replace("Ec2\"", "Ec2No12\""),
            OURS.replace(".com", ".com.cn"),
            OURS.replace("\"sts:AssumeRole\"", "[\"sts:AssumeRole\"]"),
        ] {
            assert!(has_ours(&with(&statement)).is_some(), "{statement}");
        }
        for statement in [
            OURS.replace("SsmAgent", "SsmAgents"),
            OURS.replace("Ec2\"", "Ec2No1\""),
            OURS.replace("Ec2\"", "Ec2No02\""),
            OURS.replace("Ec2\"", "Ec2No\""),
            OURS.replace("Allow", "Deny"),
            OURS.replace("sts:AssumeRole", "sts:*"),
            OURS.replace(
                "\"ec2.amazonaws.com\"",
                "[\"ec2.amazonaws.com\",\"glue.amazonaws.com\"]",
            ),
            OURS.replace("\"Effect\"", "\"Condition\":{},\"Effect\""),
        ] {
            assert_eq!(has_ours(&with(&statement)), None, "{statement}");
            assert_eq!(remove_ours(&with(&statement), OUR_SID), None, "{statement}");
        }
    }

    #[test]
    fn the_only_statement_is_not_removed() {
        for document in [
            format!(r#"{{"Statement":[{OURS}]}}"#),
            format!(r#"{{"Statement":{OURS}}}"#),
        ] {
            assert_eq!(remove_ours(&document, OUR_SID), None);
        }
    }

    #[test]
    fn policies_are_compared_by_meaning() {
        let base = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["a","b"]},"Action":"x"}]}"#;
        for same in [
            r#"{"Statement":{"Action":["x"],"Principal":{"Service":["b","a"]},"Effect":"Allow"}, "Version":"2012-10-17"}"#,
            base,
        ] {
            assert!(same_policy(base, same), "{same}");
        }
        for other in [
            base.replace("Allow", "Deny"),
            base.replace("[\"a\",\"b\"]", "\"a\""),
            base.replace("2012", "2008"),
            base.replace("\"x\"", "\"X\""),
            base.replace("\"Version\":\"2012-10-17\",", ""),
            "not JSON".to_owned(),
        ] {
            assert!(!same_policy(base, &other), "{other}");
        }
        assert!(same_policy("not JSON", "not JSON"));
    }

    #[test]
    fn whitespace_goes_only_between_the_parts() {
        assert_eq!(
            compact("{ \"a b\" :\r\n[ 1 ,\t\" \\\" , \\\\\" ] }"),
            "{\"a b\":[1,\" \\\" , \\\\\"]}"
        );
    }
}
