//! The statement appended to a trust policy, and read back.

use super::*;

async fn trust(script: [(&'static str, Vec<Answer>); 2]) -> Run {
    run(TRUST, RepairMode::Repair, script.into()).await
}

/// The trust policy with our statement.
fn repaired_policy() -> String {
    member(&open_change(TRUST).request, "PolicyDocument").to_owned()
}

#[tokio::test]
async fn one_statement_is_appended_and_seen_to_be_there() {
    let fixed = repaired_policy();
    // IAM may go on giving the old policy for a while.
    let run = trust([
        (GET, vec![role(NOBODY), role(NOBODY), role(&fixed)]),
        (UPDATE, vec![updated()]),
    ])
    .await;
    assert_eq!(
        run.plan.outcome.status,
        OutcomeStatus::Repaired,
        "{:?}",
        run.plan.outcome
    );
    assert_eq!(run.aws.apis(), [GET, UPDATE, GET, GET]);
    let [body] = run.aws.bodies(UPDATE).try_into().unwrap();
    let sent = body.split("PolicyDocument=").nth(1).unwrap();
    let sent = percent_encoding::percent_decode_str(sent)
        .decode_utf8()
        .unwrap();
    assert_eq!(sent, fixed);
    assert!(run.remembered(TRUST));
    insta::assert_snapshot!(run.detail(), @"trust policy of web: statement SsmAgentTriageTrustEc2 absent -> present, at 2023-11-14 22:13 UTC, read back: applied. Every other statement is as it was. EC2 applies it within 1 h, or at once on stop and start. Whoever may pass this role can now use it on EC2.");
}

#[tokio::test]
async fn a_policy_that_changed_meanwhile_is_left_alone() {
    let changed = NOBODY.replace(":root", ":user/eve");
    let denied = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}"#;
    for (document, status) in [
        (changed.as_str(), OutcomeStatus::Refused),
        (denied, OutcomeStatus::Refused),
        (&repaired_policy(), OutcomeStatus::Repaired),
    ] {
        let run = trust([(GET, vec![role(document)]), (UPDATE, vec![updated()])]).await;
        assert_eq!(run.plan.outcome.status, status, "{:?}", run.plan.outcome);
        assert_eq!(run.aws.apis(), [GET]);
    }
}

#[tokio::test]
async fn a_refused_write_to_iam_is_tried_once() {
    for (status, code) in [
        (403, "AccessDenied"),
        (400, "Throttling"),
        (400, "MalformedPolicyDocument"),
        (404, "NoSuchEntity"),
        (400, "UnmodifiableEntity"),
        (409, "LimitExceeded"),
    ] {
        let run = trust([
            (GET, vec![role(NOBODY)]),
            (UPDATE, vec![Answer::Refuse(status, code)]),
        ])
        .await;
        assert_eq!(run.plan.outcome.status, OutcomeStatus::Failed, "{code}");
        assert_eq!(run.aws.apis(), [GET, UPDATE], "{code}");
        assert!(run.detail().contains(code), "{}", run.detail());
    }
}

#[tokio::test]
async fn a_lost_answer_of_iam_is_settled_by_reading() {
    let fixed = repaired_policy();
    let by_others = NOBODY.replace(":root", ":user/eve");
    let mut cases = tokio::task::JoinSet::new();
    for lost in lost("ServiceFailure") {
        for (after, status) in [
            (fixed.as_str(), OutcomeStatus::Repaired),
            (NOBODY, OutcomeStatus::Unverified),
            (&by_others, OutcomeStatus::Unverified),
        ] {
            let read = vec![role(NOBODY), role(after)];
            let script = [(GET, read), (UPDATE, vec![lost.clone()])];
            cases.spawn(async move { (trust(script).await, status) });
        }
    }
    for (run, status) in cases.join_all().await {
        assert_eq!(run.plan.outcome.status, status, "{:?}", run.plan.outcome);
        assert_eq!(run.aws.bodies(UPDATE).len(), 1);
    }
}
