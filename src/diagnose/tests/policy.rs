//! Policies as IAM words them, and what they surely say.

use crate::diagnose::policy::{Caller, Document, Request, Says, says};

const INSTANCE: &str = "arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0";
const PING: &str = "ssm:UpdateInstanceInformation";

fn said(statements: &str, caller: bool) -> &'static str {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
    let document = Document {
        name: "the policy Own",
        text: &text,
    };
    let caller = caller.then_some(Caller::Role {
        arn: "arn:aws:iam::111122223333:role/MySSMRole",
        account: "111122223333",
    });
    let request = Request {
        action: PING,
        resource: INSTANCE,
        caller,
    };
    name(&says(&[document], &request))
}

fn name(says: &Says) -> &'static str {
    match says {
        Says::Denied(_) => "denied",
        Says::Allowed(_) => "allowed",
        Says::Nothing => "nothing",
        Says::Unclear(_) => "unclear",
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
            "nothing",
        ),
        (
            "a shorter action",
            r#"{"Effect":"Allow","Action":"ssm:UpdateInstance","Resource":"*"}"#,
            "nothing",
        ),
        (
            "all but another",
            r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#,
            "allowed",
        ),
        (
            "all but this",
            r#"{"Effect":"Allow","NotAction":["ssm:*"],"Resource":"*"}"#,
            "nothing",
        ),
        (
            "this instance",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"arn:aws:ec2:*:*:instance/*"}"#,
            "allowed",
        ),
        (
            "other nodes",
            r#"{"Effect":"Allow","Action":"ssm:*","Resource":"arn:aws:ssm:*:*:managed-instance/*"}"#,
            "nothing",
        ),
        (
            "a bucket",
            r#"{"Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::logs/*"]}"#,
            "nothing",
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
            "nothing",
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
            "nothing",
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
        ("no statement", "[]", "nothing"),
        ("not a statement", r#""x""#, "unclear"),
    ] {
        assert_eq!(said(statements, false), expected, "{title}");
    }
}

#[test]
fn principals_count_where_the_policy_is_a_resources() {
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
            "nothing",
        ),
        (
            "another account",
            r#""Principal":{"AWS":"444455556666"}"#,
            "nothing",
        ),
        (
            "a session",
            r#""Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/MySSMRole/i-0"}"#,
            "unclear",
        ),
        (
            "a service",
            r#""Principal":{"Service":"ec2.amazonaws.com"}"#,
            "nothing",
        ),
        (
            "all but",
            r#""NotPrincipal":{"AWS":"444455556666"}"#,
            "unclear",
        ),
        ("nobody", r#""Sid":"x""#, "unclear"),
    ] {
        let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*",{principal}}}"#);
        assert_eq!(said(&statement, true), expected, "{title}");
    }
}

#[test]
fn one_document_that_cannot_be_read_leaves_only_denials_certain() {
    let document = |text| Document { name: "p", text };
    let request = Request {
        action: PING,
        resource: INSTANCE,
        caller: None,
    };
    let allow = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let deny = r#"{"Statement":{"Sid":"NoSsm","Effect":"Deny","Action":"ssm:*","Resource":"*"}}"#;
    let both = says(&[document("{"), document(allow)], &request);
    assert_eq!(name(&both), "unclear");
    let denied = says(&[document("{"), document(deny)], &request);
    assert_eq!(denied, Says::Denied("the statement NoSsm of p".to_owned()));
    assert_eq!(says(&[], &request), Says::Nothing);
}

#[test]
fn an_action_without_resources_of_its_own_is_plain_only_on_all() {
    let request = Request {
        action: "ssmmessages:CreateControlChannel",
        resource: "*",
        caller: None,
    };
    let on = |resource: &str| {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"ssmmessages:*","Resource":"{resource}"}}}}"#
        );
        name(&says(
            &[Document {
                name: "p",
                text: &text,
            }],
            &request,
        ))
    };
    assert_eq!(on("*"), "allowed");
    assert_eq!(on("arn:aws:ssmmessages:*:*:control-channel/*"), "unclear");
}
