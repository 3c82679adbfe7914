//! What is said of a few records, in the words of the log.

use std::fs;

use super::tests::{answer, path};

/// What `scan` says of a log with these records.
fn answer_to(records: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("amazon-ssm-agent.log");
    let lines: Vec<String> = (1..)
        .zip(records)
        .map(|(second, record)| format!("2026-11-23 04:19:{second:02}.0000 {record}\n"))
        .collect();
    fs::write(&log, lines.concat()).unwrap();
    let (text, _) = answer(&[path(&log), "--region", "eu-central-1"]);
    // However it is wrapped.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn denied(tail: &str) -> String {
    format!(
        "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:eu-central-1:123456789012:instance/i-0123456789abcdef0{tail}"
    )
}

#[test]
fn what_nothing_recognises_is_not_shown_as_nothing_wrong() {
    let started = "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.40.0";
    let unheard = "ERROR [Unheard] the flux is reversed";
    for (records, headline) in [
        (vec![started], "Nothing is wrong. Read "),
        (
            vec![started, unheard],
            "Nothing known is wrong; 1 record of WARN or ERROR was not recognised. Read ",
        ),
        (
            vec![started, unheard, unheard, "WARN [Unheard] it hums"],
            "Nothing known is wrong; 3 records of WARN or ERROR were not recognised. Read ",
        ),
    ] {
        let text = answer_to(&records);
        assert!(text.starts_with(headline), "{text}");
    }
}

#[test]
fn the_policy_that_denies_is_named_and_shown() {
    let arn =
        "arn:aws:organizations::111122223333:policy/o-a1b2c3d4e5/service_control_policy/p-1a2b3c4d";
    let text = answer_to(&[&denied(&format!(
        " with an explicit deny in a service control policy: {arn}\n\tstatus code: 400, request id: c7a8114f-02e5-49ff-9bbf-3db760a1143a"
    ))]);
    assert!(
        text.contains(
            "1. HIGH SCP p-1a2b3c4d denies ssm:UpdateInstanceInformation Confidence: likely"
        ),
        "{text}"
    );
    assert!(text.contains(arn), "{text}");
    assert!(
        text.contains("aws organizations describe-policy --policy-id p-1a2b3c4d "),
        "{text}"
    );
    assert!(!text.contains("list-policies-for-target"), "{text}");
    assert!(!text.contains("attach-role-policy"), "{text}");

    let boundary = "arn:aws:iam::123456789012:policy/team/Boundary";
    let text = answer_to(&[&denied(&format!(
        " with an explicit deny in a permissions boundary: {boundary}"
    ))]);
    assert!(
        text.contains(&format!("--policy-arn {boundary} --version-id")),
        "{text}"
    );
    assert!(!text.contains("aws iam get-role "), "{text}");
}

#[test]
fn an_iam_user_who_was_denied_is_not_the_instances_role() {
    let text = answer_to(&[&denied(
        " because no identity-based policy allows the ssm:UpdateInstanceInformation action",
    )
    .replace(
        "arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0",
        "arn:aws:iam::123456789012:user/people/alice",
    )]);
    assert!(
        text.contains("The IAM user alice lacks ssm:UpdateInstanceInformation"),
        "{text}"
    );
    assert!(
        text.contains("list-attached-user-policies --user-name alice"),
        "{text}"
    );
    assert!(
        text.contains("--policy-source-arn arn:aws:iam::123456789012:user/people/alice "),
        "{text}"
    );
    for wrong in ["instance's role", "--role-name", "attach-role-policy"] {
        assert!(!text.contains(wrong), "{wrong}: {text}");
    }
}

#[test]
fn all_denied_actions_are_named_and_simulated() {
    let tail = |action: &str| {
        denied(&format!(
            " because no identity-based policy allows the {action} action"
        ))
        .replace("ssm:UpdateInstanceInformation", action)
    };
    let [ping, list, token] = [
        "ssm:UpdateInstanceInformation",
        "ssm:ListInstanceAssociations",
        "ssmmessages:CreateControlChannel",
    ];
    let text = answer_to(&[&tail(ping), &tail(list), &tail(token)]);
    assert!(
        text.contains(&format!("The role MySSMRole lacks {ping} and 2 more")),
        "{text}"
    );
    assert!(
        text.contains(&format!("--action-names {ping} {list} {token} ")),
        "{text}"
    );
}

#[test]
fn a_session_that_was_refused_did_not_lose_its_output() {
    const HEAD: &str = "ERROR [ssm-session-worker] [alice-0a1b2c3d4e5f67890] [DataBackend] [pluginName=Standard_Stream]";
    let user = "User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ";
    let key = format!(
        "{HEAD} Encountered error while initiating handshake. Fetching data key failed: Unable to retrieve data key, Error when decrypting data key operation error KMS: Decrypt, https response error StatusCode: 400, RequestID: R, api error AccessDeniedException: {user}kms:Decrypt on the resource associated with this ciphertext because no permissions boundary allows the kms:Decrypt action"
    );
    let unreachable = format!(
        "{HEAD} Encountered error while initiating handshake. Fetching data key failed: Unable to retrieve data key, Error when decrypting data key RequestError: send request failed\ncaused by: Post \"https://kms.us-east-1.amazonaws.com/\": dial tcp 10.0.1.9:443: i/o timeout"
    );
    let asked = format!(
        "{HEAD} Encountered an error while calling S3 API GetBucketEncryption AccessDenied: Access Denied\n\tstatus code: 403, request id: 3XK0S5Q9TVWE8FAB, host id: x1y2z3=="
    );
    let bucket = format!(
        "{HEAD} Validation failed, err: Couldn't start the session because we are unable to validate encryption on Amazon S3 bucket. Error: AccessDenied: Access Denied\n\tstatus code: 403, request id: 3XK0S5Q9TVWE8FAB, host id: x1y2z3=="
    );
    let not_set_up = format!(
        "{HEAD} Validation failed, err: We couldn't start the session because encryption is not set up on the selected CloudWatch Logs log group. Either encrypt the log group or choose an option to enable logging without encryption."
    );
    for (records, says) in [
        (vec![key.as_str()], "kms:Decrypt"),
        (vec![&unreachable], "kms"),
        (vec![&asked, &bucket], "s3:GetEncryptionConfiguration"),
        (vec![&not_set_up], "must be encrypted"),
    ] {
        let text = answer_to(&records);
        assert!(text.contains("1 thing of low severity"), "{text}");
        assert!(text.contains("[session-failure]"), "{text}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("The run itself went on"), "{text}");
        let (_, verify) = text.split_once(" Verify: ").expect("a proof");
        assert!(verify.contains("aws ssm start-session"), "{text}");
    }
    // The kind of policy that the denial names, and the two permissions on the key.
    let text = answer_to(&[&key]);
    assert!(
        text.contains("The permissions boundary of the role MySSMRole"),
        "{text}"
    );
    assert!(
        text.contains(
            "the person who opens the session kms:GenerateDataKey, the role MySSMRole kms:Decrypt"
        ),
        "{text}"
    );
}

#[test]
fn the_person_who_may_not_use_the_key_is_not_the_instances_role() {
    let text = answer_to(&[
        "ERROR [ssm-session-worker] [alice-0a1b2c3d4e5f67890] [DataBackend] [pluginName=Standard_Stream] Encountered error while initiating handshake. KMSEncryption failed on client with status 2 error: AccessDeniedException: User: arn:aws:iam::123456789012:user/alice is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu-west-2:123456789012:key/11111111-2222-3333-4444-555555555555 because no resource-based policy allows the kms:GenerateDataKey action",
    ]);
    assert!(text.contains("[session-failure]"), "{text}");
    assert!(
        text.contains("does not allow kms:GenerateDataKey to the IAM user alice"),
        "{text}"
    );
    assert!(!text.contains("--role-name"), "{text}");
}

#[test]
fn a_value_that_the_log_holds_leaves_no_placeholder() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("amazon-ssm-agent.log");
    let role = "arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0";
    for (record, wanted) in [
        (
            format!(
                "Failed to upload shell session logs to S3: AccessDenied: User: {role} is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::session-logs/a.log\" with an explicit deny in a service control policy"
            ),
            vec![
                "https://session-logs.s3.amazonaws.com/",
                "--policy-source-arn arn:aws:iam::123456789012:role/MySSMRole ",
                "--target-id 123456789012 ",
            ],
        ),
        (
            format!(
                "Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request failed: unexpected response from the service <AccessDeniedException><Message>User: {role} is not authorized to perform: ssmmessages:CreateControlChannel on resource: arn:aws:ssmmessages:eu-west-2:123456789012:control-channel/i-0123456789abcdef0 because no identity-based policy allows the ssmmessages:CreateControlChannel action</Message></AccessDeniedException>"
            ),
            vec![
                "--policy-source-arn arn:aws:iam::123456789012:role/MySSMRole ",
                "--region eu-west-2 ",
            ],
        ),
    ] {
        fs::write(&log, format!("2026-11-23 04:19:04.0000 ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] {record}\n")).unwrap();
        let (text, _) = answer(&[path(&log)]);
        for words in wanted {
            assert!(text.contains(words), "{words}: {text}");
        }
        for placeholder in [
            "https://HOST/",
            "-arn ARN",
            "ROLE_NAME",
            "ACCOUNT_ID",
            " REGION",
        ] {
            let known = placeholder != " REGION" || !text.contains("s3:");
            assert!(
                !known || !text.contains(placeholder),
                "{placeholder}: {text}"
            );
        }
    }
}
