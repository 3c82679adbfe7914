//! What the reader is notified of instances and roles in every state.

use std::collections::BTreeSet;

use super::tests::{
    IMDS, NOBODY, TRUST, ago, attempt, now, open_change, open_guardrails, open_incident, planned,
    planned_open, remembering,
};
use super::*;
use crate::cause::{Cause, Confidence, ScopeKind};
use crate::diagnose::facts::ImdsFacts;
use crate::node::{IdSource, Region};
use crate::repair::audit;
use crate::repair::change::member;
use crate::repair::repairs::REPAIRS;

fn imds_case(change: impl Fn(&mut Incident, &mut ImdsFacts)) -> String {
    let mut incident = open_incident(IMDS);
    let mut imds = incident.instances[0].imds.clone().unwrap();
    change(&mut incident, &mut imds);
    if let Some(facts) = incident.instances.get_mut(0)
        && facts.imds.is_some()
    {
        facts.imds = Some(imds);
    }
    let plan = planned_open(&incident).summary;
    format!("{}: {}", plan.kind, plan.reason)
}

#[test]
fn an_instance_that_may_not_be_changed_is_notified_and_left_alone() {
    let state = |state: &'static str| {
        imds_case(move |incident, _| incident.instances[0].state = state.to_owned())
    };
    let cases = [
        state("stopped"),
        state("stopping"),
        state("shutting-down"),
        state("terminated"),
        state("pending"),
        imds_case(|_, imds| imds.endpoint_enabled = true),
        imds_case(|incident, imds| {
            incident.instances[0].state = "stopped".to_owned();
            imds.endpoint_enabled = true;
        }),
        imds_case(|_, imds| imds.pending = true),
        imds_case(|incident, _| {
            incident.instances[0].managed_by = Some("eks.amazonaws.com".to_owned())
        }),
        imds_case(|incident, _| incident.instances.clear()),
        imds_case(|incident, _| incident.instances[0].imds = None),
        imds_case(|incident, _| incident.scope.kind = ScopeKind::Node),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r#"
    advise: The instance is stopped; only a running instance is changed.
    advise: The instance is stopping; only a running instance is changed.
    advise: The instance is shutting-down; only a running instance is changed.
    advise: The instance is terminated; only a running instance is changed.
    advise: The instance is pending; only a running instance is changed.
    not-needed: The metadata endpoint of the instance is enabled at this moment, and an earlier attempt of this function may have done it.
    not-needed: The metadata endpoint of the instance is enabled at this moment, and an earlier attempt of this function may have done it.
    advise: A change of the instance's metadata options is under way. Look again once it is applied.
    advise: The instance is managed by eks.amazonaws.com, and EC2 lets nobody else change it. Make the change there.
    advise: The present state of the instance i-0123456789abcdef0 could not be read; the checks say why.
    advise: The present state of the instance i-0123456789abcdef0 could not be read; the checks say why.
    advise: The present state of the instance i-0123456789abcdef0 could not be read; the checks say why.
    "#);
}

#[test]
fn a_trust_policy_that_may_not_be_edited_is_notified_and_left_alone() {
    let with = |change: &dyn Fn(&mut Incident)| {
        let mut incident = open_incident(TRUST);
        change(&mut incident);
        let plan = planned_open(&incident).summary;
        format!("{}: {}", plan.kind, plan.reason)
    };
    let document = |statement: &str| {
        let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        with(&|incident| {
            incident
                .role
                .as_mut()
                .unwrap()
                .trust_policy
                .clone_from(&document)
        })
    };
    let cases = [
        document(
            r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#,
        ),
        document(r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}"#),
        document(
            r#"{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}"#,
        ),
        with(&|incident| {
            incident.role.as_mut().unwrap().path = "/aws-service-role/ec2.amazonaws.com/".to_owned()
        }),
        with(&|incident| incident.role = None),
        with(&|incident| incident.role.as_mut().unwrap().name = "other".to_owned()),
        with(&|incident| incident.scope.kind = ScopeKind::Node),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r#"
    not-needed: The trust policy lets EC2 assume the role at this moment.
    advise: A Deny in statement 1 covers EC2, or may cover it, and an added Allow does not undo a Deny. Ask the owner of the policy whether EC2 is meant to be denied, and narrow or remove the Deny by hand.
    advise: In statement 1 the role trusts Systems Manager, so it serves hybrid nodes or Default Host Management and should not be opened to EC2. Attach an instance profile with a role of its own.
    advise: AWS manages the roles under /aws-service-role/ and nobody else may edit them. Attach an instance profile with a role of your own.
    advise: The present state of the role web could not be read; the checks say why.
    advise: The present state of the role web could not be read; the checks say why.
    advise: The present state of the role web could not be read; the checks say why.
    "#);
}

#[test]
fn in_china_the_statement_is_only_advised() {
    let mut incident = open_incident(TRUST);
    let china = Region::parse("cn-north-1").unwrap();
    incident.affected[0].node.region = Some(china.clone());
    let guardrails = Guardrails {
        region: china.clone(),
        ..open_guardrails()
    };
    let plan = planned(&incident, &guardrails, &RepairMemory::default());
    assert_eq!(plan.outcome.status, OutcomeStatus::Refused);
    let command = plan.outcome.command.unwrap();
    assert!(command.contains("ec2.amazonaws.com.cn"), "{command}");
}

#[test]
fn what_was_done_is_recognised_and_notified_again() {
    for Repair { name: action, .. } in REPAIRS {
        let right = |incident: &mut Incident| {
            incident.confidence = Confidence::Undetermined;
            incident.fault_state = FaultState::NotObserved;
            incident.instances[0]
                .imds
                .as_mut()
                .unwrap()
                .endpoint_enabled = true;
            incident.role.as_mut().unwrap().trust_policy = NOBODY.replace(
                "\"AWS\":\"arn:aws:iam::123456789012:root\"",
                "\"Service\":\"ec2.amazonaws.com\"",
            );
        };
        let unread = |incident: &mut Incident| {
            incident.confidence = Confidence::Undetermined;
            incident.instances.clear();
            incident.role = None;
        };
        let broken = |_: &mut Incident| {};
        use OutcomeStatus::{AlreadyRight, Failed, Refused, Repaired, Unverified};
        type Change<'a> = &'a dyn Fn(&mut Incident);
        let cases: [(Option<OutcomeStatus>, i64, Change<'_>, OutcomeStatus, State); 12] = [
            (Some(Repaired), 10, &right, Repaired, State::Repaired),
            (Some(Unverified), 10, &right, Repaired, State::Repaired),
            (Some(Failed), 10, &right, AlreadyRight, State::Resolved),
            (Some(Repaired), 3_600, &right, AlreadyRight, State::Resolved),
            (None, 0, &right, AlreadyRight, State::Resolved),
            (Some(Repaired), 10, &unread, Repaired, State::Repaired),
            (Some(Failed), 10, &unread, Failed, State::RepairFailed),
            (None, 0, &unread, Refused, State::Open),
            (Some(Repaired), 60, &broken, Refused, State::Recurred),
            // So soon after the change it may be an old answer.
            (Some(Repaired), 59, &broken, Repaired, State::Repaired),
            (
                Some(Unverified),
                10,
                &broken,
                Unverified,
                State::RepairFailed,
            ),
            (Some(Failed), 10, &broken, Failed, State::RepairFailed),
        ];
        for (remembered, seconds, change, status, state) in cases {
            let mut incident = open_incident(action);
            change(&mut incident);
            let memory =
                remembering(remembered.map(|status| attempt(action, status, ago(seconds))));
            let plan = planned(&incident, &open_guardrails(), &memory);
            assert_eq!(
                plan.outcome.status, status,
                "{action} {remembered:?} {plan:?}"
            );
            assert_eq!(plan.state(), state);
        }
    }
}

#[test]
fn our_own_statement_is_recognised_without_memory() {
    let mut incident = open_incident(TRUST);
    let ours = open_change(TRUST);
    let role = incident.role.as_mut().unwrap();
    role.trust_policy = member(&ours.request, "PolicyDocument").to_owned();
    incident.fault_state = FaultState::NotObserved;
    let plan = planned_open(&incident);
    assert_eq!(plan.outcome.status, OutcomeStatus::Repaired);
    insta::assert_snapshot!(format!("{}\n{}", plan.outcome.detail.unwrap(), plan.outcome.undo.unwrap()), @r#"
    Already done in an earlier attempt: the statement SsmAgentTriageTrustEc2 in the trust policy of the role web is this function's own.
    aws iam untag-role --role-name web --tag-keys ssm-agent-triage:repair # or take trust-ec2 out of TRIAGE_REPAIR_ACTIONS
    aws iam update-assume-role-policy --role-name web --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}' # takes the statement SsmAgentTriageTrustEc2 out; overwrites whatever else has changed in the trust policy since
    "#);
}

fn by_others() -> Plan {
    let reason = "The metadata endpoint is enabled at this moment.";
    Plan::right(Some(IMDS), reason.to_owned())
}

/// The endpoint is on, and nothing is remembered.
fn switched_on() -> Incident {
    let mut incident = open_incident(IMDS);
    incident.confidence = Confidence::Undetermined;
    incident.affected[0].confirmed = false;
    incident.fault_state = FaultState::NotObserved;
    let imds = incident.instances[0].imds.as_mut().unwrap();
    imds.endpoint_enabled = true;
    incident
}

#[test]
fn an_endpoint_that_may_be_this_functions_doing_is_notified_with_its_undo() {
    let incident = switched_on();
    let plan = planned_open(&incident);
    assert_eq!(plan.outcome.status, OutcomeStatus::AlreadyRight);
    let memory = RepairMemory::default();
    assert!(plan.happened(&incident, &memory).perhaps_ours);
    insta::assert_snapshot!(format!("{}\n{}", plan.outcome.detail.unwrap(), plan.outcome.undo.unwrap()), @r#"
    The metadata endpoint of i-0123456789abcdef0 is enabled at this moment. Nothing prevents its repair, so most likely this function did it: in an earlier attempt whose message did not get through, or in another execution environment. Its log then holds audit lines of enable-imds-endpoint for i-0123456789abcdef0.
    aws ec2 delete-tags --region eu-central-1 --resources i-0123456789abcdef0 --tags Key=ssm-agent-triage:repair # or take enable-imds-endpoint out of TRIAGE_REPAIR_ACTIONS
    aws ec2 modify-instance-metadata-options --instance-id i-0123456789abcdef0 --http-endpoint disabled --region eu-central-1
    "#);
}

#[test]
fn an_endpoint_that_this_function_could_not_have_enabled_is_not_notified_as_its_doing() {
    type Change = fn(&mut Incident, &mut Guardrails);
    let closed: [Change; 10] = [
        |_, guardrails| guardrails.mode = RepairMode::Advise,
        |_, guardrails| guardrails.mode = RepairMode::DryRun,
        |_, guardrails| guardrails.actions.clear(),
        |_, guardrails| guardrails.max_repairs = 0,
        |_, guardrails| guardrails.account = None,
        |incident, _| incident.instances[0].tags.clear(),
        |incident, _| incident.instances[0].managed_by = Some("eks.amazonaws.com".to_owned()),
        |incident, _| incident.affected[0].last = ago(3_600),
        |incident, _| incident.affected[0].node.id_source = IdSource::Text,
        |incident, _| incident.affected[0].log_candidates = vec![Cause::NoInstanceProfile],
    ];
    for (number, change) in closed.into_iter().enumerate() {
        let (mut incident, mut guardrails) = (switched_on(), open_guardrails());
        change(&mut incident, &mut guardrails);
        let plan = planned(&incident, &guardrails, &RepairMemory::default());
        assert_eq!(plan, by_others(), "{number}");
    }
}

#[test]
fn an_endpoint_that_aws_did_not_let_this_function_enable_is_not_notified_as_its_doing() {
    let action = IMDS;
    let refused = attempt(action, OutcomeStatus::Failed, ago(10));
    let plan = planned(&switched_on(), &open_guardrails(), &remembering([refused]));
    assert_eq!(plan, by_others());
}

#[test]
fn what_was_not_read_is_not_notified_as_if_it_were() {
    for Repair { name: action, .. } in REPAIRS {
        let mut unread = open_incident(action);
        unread.confidence = Confidence::Undetermined;
        (unread.instances, unread.role) = (vec![], None);
        let mut done = attempt(action, OutcomeStatus::Repaired, ago(10));
        let memory = remembering([done.clone()]);
        let plan = planned(&unread, &open_guardrails(), &memory);
        let detail = plan.outcome.detail.clone().unwrap();
        assert!(detail.contains("was not read"), "{detail}");
        assert!(!plan.happened(&unread, &memory).observed);
        // Found broken since: not notified as repaired at all.
        done.undone = true;
        let memory = remembering([done]);
        let plan = planned(&unread, &open_guardrails(), &memory);
        assert_eq!(plan.outcome.status, OutcomeStatus::Refused);
        assert_eq!(plan.state(), State::Recurred);
    }
}

#[test]
fn a_late_retry_still_tells_what_the_attempt_did() {
    let mut incident = switched_on();
    incident.last = ago(5_000);
    incident.affected[0].last = ago(5_000);
    let done = attempt(IMDS, OutcomeStatus::Repaired, ago(4_900));
    let plan = planned(&incident, &open_guardrails(), &remembering([done]));
    assert_eq!(plan.outcome.status, OutcomeStatus::Repaired, "{plan:?}");
    assert_eq!(plan.outcome.undo.as_deref(), Some("undo it"));
}

#[test]
fn outcomes_without_a_write_say_what_held() {
    let status = |guardrails: Guardrails, cause: Cause, memory: RepairMemory| {
        let mut incident = open_incident(IMDS);
        incident.cause = cause;
        let plan = planned(&incident, &guardrails, &memory);
        plan.outcome.status
    };
    let off = Guardrails {
        mode: RepairMode::Advise,
        ..open_guardrails()
    };
    let none = Guardrails {
        max_repairs: 0,
        ..open_guardrails()
    };
    let unlisted = Guardrails {
        actions: BTreeSet::new(),
        ..open_guardrails()
    };
    let both = Guardrails {
        max_repairs: 0,
        ..unlisted.clone()
    };
    for (guardrails, cause, expected) in [
        (off, Cause::ImdsDisabled, OutcomeStatus::None),
        (open_guardrails(), Cause::Throttled, OutcomeStatus::None),
        (none, Cause::ImdsDisabled, OutcomeStatus::Capped),
        (unlisted, Cause::ImdsDisabled, OutcomeStatus::Refused),
        (both, Cause::ImdsDisabled, OutcomeStatus::Refused),
    ] {
        assert_eq!(status(guardrails, cause, RepairMemory::default()), expected);
    }
}

#[test]
fn the_audit_line_says_what_is_written_and_how_to_take_it_back() {
    let lines: Vec<String> = (REPAIRS.iter())
        .zip([RepairMode::Repair, RepairMode::DryRun])
        .map(|(Repair { name: action, .. }, mode)| {
            let guardrails = Guardrails {
                mode,
                ..open_guardrails()
            };
            let incident = open_incident(action);
            let plan = planned(&incident, &guardrails, &RepairMemory::default());
            let permit = plan.permit().expect("every lock is open");
            audit::line(permit, &incident.key, &guardrails, now(), None)
        })
        .collect();
    let outcome = attempt(IMDS, OutcomeStatus::Repaired, now());
    let incident = open_incident(IMDS);
    let plan = planned_open(&incident);
    let permit = plan.permit().expect("every lock is open");
    let (key, guardrails) = (&incident.key, open_guardrails());
    let after = audit::line(permit, key, &guardrails, now(), Some(&outcome.outcome));
    insta::assert_snapshot!(after, @r#"{"audit":"ssm-agent-triage/audit/1","at":"2023-11-14T22:13:20Z","incident":"123456789012/eu-central-1/imds-disabled/instance:i-0123456789abcdef0","action":"enable-imds-endpoint","resource":"i-0123456789abcdef0","account":"123456789012","region":"eu-central-1","dry_run":false,"outcome":"repaired","detail":"It was so.","undo":"undo it"}"#);
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"audit":"ssm-agent-triage/audit/1","at":"2023-11-14T22:13:20Z","incident":"123456789012/eu-central-1/imds-disabled/instance:i-0123456789abcdef0","action":"enable-imds-endpoint","resource":"i-0123456789abcdef0","account":"123456789012","region":"eu-central-1","dry_run":false,"before":{"HttpEndpoint":"disabled","HttpPutResponseHopLimit":1,"HttpTokens":"required"},"send":{"HttpEndpoint":"enabled","InstanceId":"i-0123456789abcdef0"},"undo":"aws ec2 delete-tags --region eu-central-1 --resources i-0123456789abcdef0 --tags Key=ssm-agent-triage:repair # or take enable-imds-endpoint out of TRIAGE_REPAIR_ACTIONS\naws ec2 modify-instance-metadata-options --instance-id i-0123456789abcdef0 --http-endpoint disabled --region eu-central-1"}
    {"audit":"ssm-agent-triage/audit/1","at":"2023-11-14T22:13:20Z","incident":"123456789012/eu-central-1/role-not-assumable/role:web","action":"trust-ec2","resource":"web","account":"123456789012","region":"eu-central-1","dry_run":true,"before":{"AssumeRolePolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:root\"},\"Action\":\"sts:AssumeRole\"}]}"},"send":{"PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:root\"},\"Action\":\"sts:AssumeRole\"},{\"Sid\":\"SsmAgentTriageTrustEc2\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}","RoleName":"web"},"undo":"aws iam untag-role --role-name web --tag-keys ssm-agent-triage:repair # or take trust-ec2 out of TRIAGE_REPAIR_ACTIONS\naws iam update-assume-role-policy --role-name web --policy-document '{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:root\"},\"Action\":\"sts:AssumeRole\"}]}' # takes the statement SsmAgentTriageTrustEc2 out; overwrites whatever else has changed in the trust policy since"}
    "#);
}
