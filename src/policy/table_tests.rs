//! Trust policies as they are met, each with what it decides and what is planned.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{
    PolicyDecision, Refusal, RoleRef, Service, has_ours, may_assume, plan_edit, remove_ours,
    same_policy, whom_it_allows,
};
use crate::node::Partition::{self, Aws, China, UsGov};

/// Name, partition, `Statement` of the policy, decision, plan.
type Case = (
    &'static str,
    Partition,
    &'static str,
    &'static str,
    &'static str,
);

#[rustfmt::skip]
const CASES: &[Case] = &[
    // EC2 is allowed.
    ("the usual role", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    ("a single statement", Aws, r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#, "allowed 1", "already right"),
    ("lists everywhere", Aws, r#"[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","ec2.amazonaws.com"]},"Action":["sts:TagSession","sts:AssumeRole"]}]"#, "allowed 1", "already right"),
    ("action in another case", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"STS:assumerole"}]"#, "allowed 1", "already right"),
    ("all actions of STS", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:*"}]"#, "allowed 1", "already right"),
    ("all actions", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"*"}]"#, "allowed 1", "already right"),
    ("action with a star", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:Assume*"}]"#, "allowed 1", "already right"),
    ("action with question marks", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:??????Role"}]"#, "allowed 1", "already right"),
    ("all actions but another", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"NotAction":"sts:TagSession"}]"#, "allowed 1", "already right"),
    ("an empty condition", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{}}]"#, "allowed 1", "already right"),
    ("among other principals", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    ("in the second statement", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"},{"Sid":"Ec2","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "allowed 2", "already right"),
    ("with and without a condition", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:SecureTransport":"true"}}},{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "allowed 2", "already right"),
    ("allowed beside a Deny of somebody else", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    ("allowed beside a Deny of another action", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":"*","Action":"sts:TagSession"}]"#, "allowed 1", "already right"),
    ("allowed beside a Deny of all but AssumeRole", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":"*","NotAction":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    ("allowed with a dead principal", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":"AROAEXAMPLEEXAMPLE123","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    ("allowed in AWS GovCloud", UsGov, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    ("allowed in China by its own name", China, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com.cn"},"Action":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    ("allowed in China by the global name", China, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    ("escapes in names", Aws, r#"[{"\u0045ffect":"Allow","Principal":{"Service":"\u0065c2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    // EC2 is not allowed, and one statement repairs it.
    ("another service", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("a single statement for another service", Aws, r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}"#, "not allowed", "append"),
    ("three other services", Aws, r#"[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","glue.amazonaws.com","states.amazonaws.com"]},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("many others", Aws, r#"[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","glue.amazonaws.com","lambda.amazonaws.com"],"AWS":["111122223333","arn:aws:iam::444455556666:role/Deploy"]},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("an account", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("an account by its id, under a condition", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x y"}}}]"#, "not allowed", "append"),
    ("an OIDC provider", Aws, r#"[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"token.actions.githubusercontent.com:sub":"repo:a/b:*"}}}]"#, "not allowed", "append"),
    ("a canonical user", Aws, r#"[{"Effect":"Allow","Principal":{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("EC2 with another action", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:TagSession"}]"#, "not allowed", "append"),
    ("EC2 with a longer action", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":["sts:AssumeRoleWithSAML","sts:AssumeRole?"]}]"#, "not allowed", "append"),
    ("EC2 with everything but AssumeRole", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"NotAction":["sts:Assume*"]}]"#, "not allowed", "append"),
    ("EC2 as a principal of the wrong kind", Aws, r#"[{"Effect":"Allow","Principal":{"Federated":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("services that only sound like EC2", Aws, r#"[{"Effect":"Allow","Principal":{"Service":["ec2fleet.amazonaws.com","ec2.application-autoscaling.amazonaws.com","spotfleet.amazonaws.com","ec2.amazonaws.com.example.com"]},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("services that only sound like Systems Manager or ECS", Aws, r#"[{"Effect":"Allow","Principal":{"Service":["ssm-incidents.amazonaws.com","ecs.amazonaws.com"]},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("a Deny of Systems Manager", Aws, r#"[{"Effect":"Deny","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("a conditioned Deny of somebody else", Aws, r#"[{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}]"#, "not allowed", "append"),
    ("AWS GovCloud", UsGov, r#"[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("our Sid in other hands", Aws, r#"[{"Sid":"SsmAgentTriageTrustEc2","Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "append"),
    ("strings with brackets, quotes and commas", Aws, r#"[{"Sid":"a]},{\"Statement\":[\\","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:PrincipalTag/a":["]","}",",\\\"","Statement"]}}}]"#, "not allowed", "append"),
    // A Deny that covers EC2, or may.
    ("a Deny of EC2", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Sid":"NoEc2","Effect":"Deny","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "denied 2", "deny can match"),
    ("a Deny of everyone", Aws, r#"[{"Effect":"Deny","Principal":"*","Action":"sts:*"},{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "denied 1", "deny can match"),
    ("a Deny of all but another action", Aws, r#"[{"Effect":"Deny","Principal":{"Service":["s3.amazonaws.com","ec2.amazonaws.com"]},"NotAction":"sts:TagSession"}]"#, "denied 1", "deny can match"),
    ("a Deny of EC2 in China by the other name", China, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com.cn"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"Service":"ec2.amazonaws.com"},"Action":"*"}]"#, "denied 2", "deny can match"),
    ("a conditioned Deny of EC2", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringNotEquals":{"aws:SourceAccount":"111122223333"}}}]"#, "unclear", "deny can match"),
    ("a conditioned Deny of everyone", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]"#, "unclear", "deny can match"),
    ("a Deny of every AWS principal", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]"#, "unclear", "deny can match"),
    ("a Deny of every service", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"Service":"*"},"Action":"sts:AssumeRole"}]"#, "unclear", "deny can match"),
    ("a Deny of EC2 in another case", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"Service":"EC2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "unclear", "deny can match"),
    ("a doubtful Deny and nothing that allows", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]"#, "not allowed", "deny can match"),
    // NotPrincipal.
    ("a Deny of all but one", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]"#, "unclear", "not principal"),
    ("a Deny of all but EC2", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","NotPrincipal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "not principal"),
    ("an Allow of all but one", Aws, r#"[{"Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]"#, "unclear", "not principal"),
    ("NotPrincipal with another action", Aws, r#"[{"Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:TagSession"}]"#, "not allowed", "not principal"),
    // An Allow that may cover EC2.
    ("EC2 under a condition", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}]"#, "unclear", "conditioned allow"),
    ("EC2 under a condition that holds nothing", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{}}}]"#, "unclear", "conditioned allow"),
    ("everyone", Aws, r#"[{"Sid":"Open","Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]"#, "unclear", "unclear"),
    ("every AWS principal of an organisation", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}}]"#, "unclear", "unclear"),
    ("every service", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"*"},"Action":"sts:AssumeRole"}]"#, "unclear", "unclear"),
    ("EC2 in another case", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"EC2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "unclear", "unclear"),
    ("EC2 of a Region", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.us-east-1.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "unclear", "unclear"),
    ("EC2 of China outside China", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com.cn"},"Action":"sts:AssumeRole"}]"#, "unclear", "unclear"),
    ("a service with wildcards", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"e?2.*"},"Action":"sts:AssumeRole"}]"#, "unclear", "unclear"),
    // Roles that are not ours to open.
    ("a hybrid role", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "trusts ssm"),
    ("a hybrid role under a condition", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}]"#, "not allowed", "trusts ssm"),
    ("a hybrid role among others", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"},{"Sid":"Hybrid","Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","SSM.us-east-1.amazonaws.com"]},"Action":"sts:TagSession"}]"#, "not allowed", "trusts ssm"),
    ("a hybrid role in China", China, r#"[{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com.cn"},"Action":"sts:AssumeRole"}]"#, "not allowed", "trusts ssm"),
    ("a hybrid role that EC2 may assume too", Aws, r#"[{"Effect":"Allow","Principal":{"Service":["ssm.amazonaws.com","ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}]"#, "allowed 1", "already right"),
    ("an ECS task role", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "trusts ecs"),
    // Principals that IAM would refuse.
    ("a deleted user", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":"AIDAEXAMPLEEXAMPLE123"},"Action":"sts:AssumeRole"}]"#, "not allowed", "dead principal"),
    ("a deleted role among others", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","AROAEXAMPLEEXAMPLE123"]},"Action":"sts:AssumeRole"}]"#, "not allowed", "dead principal"),
    ("a deleted user in a Deny of another action", Aws, r#"[{"Effect":"Deny","Principal":{"AWS":"ACCAEXAMPLEEXAMPLE123"},"Action":"sts:TagSession"}]"#, "not allowed", "dead principal"),
    ("a service in the place of an account", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "dead principal"),
    ("a unique id elsewhere is nothing", Aws, r#"[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringLike":{"aws:userId":"AROAEXAMPLEEXAMPLE123:*"}}}]"#, "not allowed", "append"),
    // China is only advised on.
    ("China", China, r#"[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "not allowed", "advised only"),
    ("EC2 of a Region in China", China, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.cn-north-1.amazonaws.com.cn"},"Action":"sts:AssumeRole"}]"#, "unclear", "unclear"),
    // Documents that are not understood.
    ("an element out of place", Aws, r#"[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Resource":"*"}]"#, "unclear", "unreadable"),
    ("an element in lower case", Aws, r#"[{"effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "unclear", "unreadable"),
    ("an effect in lower case", Aws, r#"[{"Effect":"deny","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "unclear", "unreadable"),
    ("an element named twice", Aws, r#"[{"Effect":"Deny","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]"#, "unclear", "unreadable"),
    ("no principal", Aws, r#"[{"Effect":"Allow","Action":"sts:AssumeRole"}]"#, "unclear", "unreadable"),
    ("no statement", Aws, "[]", "unclear", "unreadable"),
];

fn role(partition: Partition) -> RoleRef<'static> {
    RoleRef {
        name: "MySSMRole",
        path: "/",
        arn: "arn:aws:iam::111122223333:role/MySSMRole",
        partition,
    }
}

fn document(statements: &str) -> String {
    format!("{{ \"Version\": \"2012-10-17\",\n  \"Statement\": {statements} }}")
}

fn decided(decision: &PolicyDecision) -> String {
    match decision {
        PolicyDecision::Allowed(at) => format!("allowed {}", at.position()),
        PolicyDecision::Denied(at) => format!("denied {}", at.position()),
        PolicyDecision::NotAllowed => "not allowed".to_owned(),
        PolicyDecision::Unclear(_) => "unclear".to_owned(),
    }
}

fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::AlreadyRight { .. } => "already right",
        Refusal::Unreadable(_) => "unreadable",
        Refusal::ReservedPath { .. } => "reserved path",
        Refusal::HostManagementRole => "host management",
        Refusal::TrustsSystemsManager { .. } => "trusts ssm",
        Refusal::TrustsEcsTasks { .. } => "trusts ecs",
        Refusal::DenyCanMatch { .. } => "deny can match",
        Refusal::NotPrincipal { .. } => "not principal",
        Refusal::ConditionedAllow { .. } => "conditioned allow",
        Refusal::Unclear(_) => "unclear",
        Refusal::DeadPrincipal { .. } => "dead principal",
        Refusal::OtherPartition { .. } => "advised only",
    }
}

#[test]
fn every_policy_of_the_table_is_decided_and_planned_as_it_says() {
    for (name, partition, statements, decision, plan) in CASES {
        let document = document(statements);
        assert_eq!(
            decided(&may_assume(Service::Ec2, &document, *partition)),
            *decision,
            "{name}"
        );
        match plan_edit(&document, &role(*partition)) {
            Err(refusal) => assert_eq!(refused(&refusal), *plan, "{name}"),
            Ok(edit) => {
                assert_eq!("append", *plan, "{name}");
                let after = may_assume(Service::Ec2, &edit.new_document, *partition);
                assert!(
                    matches!(after, PolicyDecision::Allowed(_)),
                    "{name}: {after:?}"
                );
                assert_eq!(
                    has_ours(&edit.new_document),
                    Some(edit.sid.clone()),
                    "{name}"
                );
                let undone = remove_ours(&edit.new_document, &edit.sid);
                let undone = undone.unwrap_or_else(|| panic!("{name}: nothing to undo"));
                assert!(same_policy(&undone, &document), "{name}: {undone}");
                assert!(same_policy(&edit.previous_document, &document), "{name}");
            }
        }
    }
}

#[test]
fn the_table_holds_no_case_twice() {
    for (at, case) in CASES.iter().enumerate() {
        for other in &CASES[..at] {
            assert_ne!(case.0, other.0);
            assert_ne!(
                (case.1, case.2),
                (other.1, other.2),
                "{} and {}",
                case.0,
                other.0
            );
        }
    }
    assert!(CASES.len() >= 60);
}

#[test]
fn what_a_person_reads() {
    let mut seen = BTreeSet::new();
    let mut page = String::new();
    for (name, partition, statements, _, _) in CASES {
        let document = document(statements);
        let decision = match may_assume(Service::Ec2, &document, *partition) {
            PolicyDecision::Allowed(at) => format!("allowed by {}", at.in_full()),
            PolicyDecision::Denied(at) => format!("denied by {}", at.in_full()),
            PolicyDecision::NotAllowed => {
                let instead = whom_it_allows(Service::Ec2, &document, *partition);
                format!("not allowed; {instead}")
            }
            PolicyDecision::Unclear(why) => why,
        };
        let plan = match plan_edit(&document, &role(*partition)) {
            Ok(edit) => format!("+ {}", edit.statement),
            Err(refusal) => refusal.to_string(),
        };
        // What was read once need not be read again.
        if seen.insert(decision.clone()) | seen.insert(plan.clone()) {
            writeln!(page, "{name}\n  {decision}\n  {plan}").expect("a String takes every write");
        }
    }
    insta::assert_snapshot!(page);
}

#[test]
fn reserved_roles_are_refused_by_path_and_by_arn() {
    let policy = document(
        CASES
            .iter()
            .find(|c| c.0 == "another service")
            .expect("in the table")
            .2,
    );
    let plan = |name, path, arn| {
        let role = RoleRef {
            name,
            path,
            arn,
            partition: Aws,
        };
        plan_edit(&policy, &role).map_err(|refusal| refused(&refusal))
    };
    for (name, path, arn) in [
        (
            "AWSServiceRoleForX",
            "/aws-service-role/x.amazonaws.com/",
            "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
        ),
        (
            "AWSReservedSSO_A_1",
            "/aws-reserved/sso.amazonaws.com/",
            "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_A_1",
        ),
        (
            "R",
            "/AWS-Service-Role/",
            "arn:aws:iam::111122223333:role/R",
        ),
        ("R", "/", "arn:aws:iam::111122223333:role/aws-reserved/R"),
        (
            "R",
            "/",
            "arn:aws:iam::111122223333:role/aws-service-role/R",
        ),
    ] {
        assert_eq!(
            plan(name, path, arn),
            Err("reserved path"),
            "{name} {path} {arn}"
        );
    }
    assert_eq!(
        plan(
            "AWSSystemsManagerDefaultEC2InstanceManagementRole",
            "/service-role/",
            "arn:aws:iam::111122223333:role/service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole",
        ),
        Err("host management")
    );
    for (name, path, arn) in [
        (
            "R",
            "/service-role/",
            "arn:aws:iam::111122223333:role/service-role/R",
        ),
        (
            "R",
            "/mine/aws-reserved/",
            "arn:aws:iam::111122223333:role/mine/aws-reserved/R",
        ),
        ("R", "", ""),
    ] {
        assert!(plan(name, path, arn).is_ok(), "{name} {path} {arn}");
    }
}

#[test]
fn what_no_sentence_of_the_table_shows() {
    let policy = document(
        CASES
            .iter()
            .find(|c| c.0 == "another service")
            .expect("in the table")
            .2,
    );
    let reserved = RoleRef {
        path: "/aws-reserved/",
        ..role(Aws)
    };
    let management = RoleRef {
        name: "AWSSystemsManagerDefaultEC2InstanceManagementRole",
        ..role(Aws)
    };
    let mut page = String::new();
    for refusal in [
        plan_edit(&policy, &reserved),
        plan_edit(&policy, &management),
        plan_edit("no policy", &role(Aws)),
    ] {
        writeln!(page, "{}", refusal.expect_err("refused")).expect("a String takes every write");
    }
    insta::assert_snapshot!(page);
}

#[test]
fn how_long_a_policy_may_be_is_left_to_iam() {
    let long = |characters: usize| {
        let filler = "x".repeat(characters);
        document(&format!(
            r#"[{{"Effect":"Allow","Principal":{{"AWS":"111122223333"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"aws:PrincipalTag/t":"{filler}"}}}}}}]"#
        ))
    };
    for characters in [1_900, 2_048, 8_000, 100_000] {
        let plan = plan_edit(&long(characters), &role(Aws));
        assert!(plan.is_ok(), "{characters}: {plan:?}");
    }
}

#[test]
fn a_document_that_no_policy_can_be_is_refused_before_it_is_parsed() {
    // Equal work for each member would take minutes.
    let members: Vec<String> = (0..90_000).map(|n| format!("\"member-{n}\":1")).collect();
    let document = format!("{{{}}}", members.join(","));
    let PolicyDecision::Unclear(why) = may_assume(Service::Ec2, &document, Aws) else {
        panic!("decided");
    };
    assert!(why.contains("longer than a policy can be"), "{why}");
    assert_eq!(has_ours(&document), None);
    assert!(same_policy(&document, &document));
}

#[test]
fn many_statements_are_read_in_the_time_that_their_length_takes() {
    let statement = |n: usize| {
        format!(
            r#"{{"Sid":"S{n}","Effect":"Allow","Principal":{{"AWS":"{n:012}"}},"Action":"sts:*"}}"#
        )
    };
    let many: Vec<String> = (0..2_500).map(statement).collect();
    let document = document(&format!("[{}]", many.join(",")));
    let edit = plan_edit(&document, &role(Aws)).expect("nothing to refuse");
    assert!(remove_ours(&edit.new_document, &edit.sid).is_some());
}

#[test]
fn whatever_stands_around_the_statements_stays() {
    for (document, before, after) in [
        (
            r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}"#,
            r#"{"Statement":["#,
            "]}",
        ),
        (
            r#"{"Version":"2008-10-17","Id":"Statement","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}"#,
            r#"{"Version":"2008-10-17","Id":"Statement","Statement":["#,
            "]}",
        ),
        (
            r#"{"St\u0061tement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}],"Id":"x","Version":"2012-10-17"}"#,
            r#"{"St\u0061tement":["#,
            r#"],"Id":"x","Version":"2012-10-17"}"#,
        ),
    ] {
        let edit = plan_edit(document, &role(Aws)).expect("nothing to refuse");
        assert!(
            edit.new_document.starts_with(before),
            "{}",
            edit.new_document
        );
        assert!(edit.new_document.ends_with(after), "{}", edit.new_document);
    }
}
