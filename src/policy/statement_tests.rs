//! Policies as IAM words them, and what they surely say.

use super::document::DocumentError;
use super::{Caller, Document, PolicyDecision, Request, evaluate};

const INSTANCE: &str = "arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0";
const PING: &str = "ssm:UpdateInstanceInformation";

fn decided(statements: &str, caller: Caller<'_>) -> &'static str {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
    let request = Request {
        action: PING,
        resource: INSTANCE,
        caller,
    };
    name(&evaluate(&[policy(&text)], &request))
}

fn policy(text: &str) -> Result<Document, DocumentError> {
    Document::parse("the policy Own", text)
}

fn name(decision: &PolicyDecision) -> &'static str {
    match decision {
        PolicyDecision::Denied(_) => "denied",
        PolicyDecision::Allowed(_) => "allowed",
        PolicyDecision::NotAllowed => "not allowed",
        PolicyDecision::Unclear(_) => "unclear",
    }
}

#[test]
fn statements_are_read_as_iam_reads_them_or_not_at_all() {
    for (title, statements, expected) in [
        (
            "strings for lists",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"*"}"#,
            "allowed",
        ),
        (
            "lists",
            r#"[{"Effect":"Allow","Action":["ssm:Get*","ssm:Update*"],"Resource":["*"]}]"#,
            "allowed",
        ),
        (
            "any case",
            r#"{"Effect":"Allow","Action":"SSM:updateinstanceinformation","Resource":"*"}"#,
            "allowed",
        ),
        (
            "a star within",
            r#"{"Effect":"Allow","Action":"ssm:*InstanceInformatio?","Resource":"*"}"#,
            "allowed",
        ),
        (
            "everything",
            r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#,
            "allowed",
        ),
        (
            "another action",
            r#"{"Effect":"Allow","Action":"ssm:ListAssociations","Resource":"*"}"#,
            "not allowed",
        ),
        (
            "a shorter action",
            r#"{"Effect":"Allow","Action":"ssm:UpdateInstance","Resource":"*"}"#,
            "not allowed",
        ),
        (
            "all but another",
            r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#,
            "allowed",
        ),
        (
            "all but this",
            r#"{"Effect":"Allow","NotAction":["ssm:*"],"Resource":"*"}"#,
            "not allowed",
        ),
        (
            "this instance",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"arn:aws:ec2:*:*:instance/*"}"#,
            "allowed",
        ),
        (
            "other nodes",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"arn:aws:ssm:*:*:managed-instance/*"}"#,
            "not allowed",
        ),
        (
            "a bucket",
            r#"{"Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::logs/*"]}"#,
            "not allowed",
        ),
        (
            "a variable",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"${ec2:SourceInstanceARN}"}"#,
            "unclear",
        ),
        (
            "all resources but some",
            r#"{"Effect":"Allow","Action":"ssm:*","NotResource":"arn:aws:ssm:*:*:document/*"}"#,
            "allowed",
        ),
        (
            "all resources but this",
            r#"{"Effect":"Allow","Action":"ssm:*","NotResource":"arn:aws:ec2:*:*:instance/*"}"#,
            "not allowed",
        ),
        (
            "all resources but perhaps this",
            r#"{"Effect":"Allow","Action":"ssm:*","NotResource":"arn:aws:ec2:*:*:Instance/*"}"#,
            "unclear",
        ),
        (
            "all resources of a service, across colons",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"arn:aws:ec2:*"}"#,
            "unclear",
        ),
        (
            "an effect named twice",
            r#"{"Effect":"Deny","Effect":"Allow","Action":"ssm:*","Resource":"*"}"#,
            "unclear",
        ),
        (
            "a conditioned denial and nothing that allows",
            r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#,
            "not allowed",
        ),
        (
            "a condition",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}"#,
            "unclear",
        ),
        (
            "an empty condition",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"*","Condition":{}}"#,
            "allowed",
        ),
        (
            "a denial beats",
            r#"[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"ssm:Update*","Resource":"*"}]"#,
            "denied",
        ),
        (
            "a conditioned denial",
            r#"[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]"#,
            "unclear",
        ),
        (
            "a denial of another",
            r#"[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]"#,
            "allowed",
        ),
        (
            "a denial of all but",
            r#"[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":"ssm:*","Resource":"*"}]"#,
            "allowed",
        ),
        (
            "plain beside conditioned",
            r#"[{"Effect":"Allow","Action":"ssm:*","Resource":"*","Condition":{"Bool":{"x":"true"}}},{"Effect":"Allow","Action":"ssm:*","Resource":"*"}]"#,
            "allowed",
        ),
        (
            "an unknown element",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"*","Resourcen":"*"}"#,
            "unclear",
        ),
        (
            "an unknown effect",
            r#"{"Effect":"allow","Action":"ssm:*","Resource":"*"}"#,
            "unclear",
        ),
        (
            "both kinds of action",
            r#"{"Effect":"Allow","Action":"ssm:*","NotAction":"ssm:*","Resource":"*"}"#,
            "unclear",
        ),
        (
            "an action that is no string",
            r#"{"Effect":"Allow","Action":7,"Resource":"*"}"#,
            "unclear",
        ),
        ("no statement", "[]", "not allowed"),
        ("not a statement", r#""x""#, "unclear"),
    ] {
        assert_eq!(decided(statements, Caller::Attached), expected, "{title}");
    }
}

#[test]
fn principals_count_where_the_policy_is_a_resources() {
    let role = Caller::Role {
        arn: "arn:aws:iam::111122223333:role/MySSMRole",
        account: "111122223333",
    };
    for (title, principal, expected) in [
        ("everyone", r#""Principal":"*""#, "allowed"),
        ("everyone in AWS", r#""Principal":{"AWS":"*"}"#, "allowed"),
        (
            "the role",
            r#""Principal":{"AWS":["arn:aws:iam::111122223333:role/MySSMRole"]}"#,
            "allowed",
        ),
        (
            "the account",
            r#""Principal":{"AWS":"111122223333"}"#,
            "allowed",
        ),
        (
            "the account's root",
            r#""Principal":{"AWS":"arn:aws:iam::111122223333:root"}"#,
            "allowed",
        ),
        (
            "another role",
            r#""Principal":{"AWS":"arn:aws:iam::111122223333:role/Other"}"#,
            "not allowed",
        ),
        (
            "another account",
            r#""Principal":{"AWS":"444455556666"}"#,
            "not allowed",
        ),
        (
            "a session",
            r#""Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/MySSMRole/i-0"}"#,
            "unclear",
        ),
        (
            "a service",
            r#""Principal":{"Service":"ec2.amazonaws.com"}"#,
            "not allowed",
        ),
        (
            "all but",
            r#""NotPrincipal":{"AWS":"444455556666"}"#,
            "unclear",
        ),
        ("nobody", r#""Sid":"x""#, "unclear"),
    ] {
        let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*",{principal}}}"#);
        assert_eq!(decided(&statement, role), expected, "{title}");
    }
}

#[test]
fn one_document_that_cannot_be_read_leaves_only_denials_certain() {
    let request = Request {
        action: PING,
        resource: INSTANCE,
        caller: Caller::Attached,
    };
    let allow = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let deny = r#"{"Statement":{"Sid":"NoSsm","Effect":"Deny","Action":"ssm:*","Resource":"*"}}"#;
    let both = evaluate(&[policy("{"), policy(allow)], &request);
    assert_eq!(name(&both), "unclear");
    let PolicyDecision::Denied(at) = evaluate(&[policy("{"), policy(deny)], &request) else {
        panic!("the Deny is certain");
    };
    assert_eq!(at.in_full(), "statement \"NoSsm\" of the policy Own");
    let none: [Result<Document, DocumentError>; 0] = [];
    assert_eq!(evaluate(&none, &request), PolicyDecision::NotAllowed);
}

#[test]
fn an_action_without_resources_of_its_own_is_plain_only_on_all() {
    let request = Request {
        action: "ssmmessages:CreateControlChannel",
        resource: "*",
        caller: Caller::Attached,
    };
    let on = |resource: &str| {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"ssmmessages:*","Resource":"{resource}"}}}}"#
        );
        name(&evaluate(&[policy(&text)], &request))
    };
    assert_eq!(on("*"), "allowed");
    assert_eq!(on("arn:aws:ssmmessages:*:*:control-channel/*"), "unclear");
}
