//! How many calls a node and its role take, and which are not made.

use super::*;

/// With everything that may have to be asked about: an endpoint, Default Host Management, a key,
/// a bucket and a log group.
#[test]
fn one_node_takes_few_calls() {
    let fleet = Arc::new(Fleet {
        preferences: crate::diagnose::tests::session_preferences::ALL,
        ..Fleet::default()
    });
    let facts = read_from(&fleet, &all_of(1), ENOUGH);
    let asked = fleet.asked();
    for call in [
        "DescribeKey 0a1b-2c",
        "DescribeLogGroups /ssm/sessions",
        "GetBucketEncryption logs-bucket",
        "SimulatePrincipalPolicy arn:aws:iam::111122223333:role/MySSMRole on \
         arn:aws:ec2:eu-central-1:111122223333:instance/i-00000000000000001, \
         arn:aws:kms:eu-central-1:111122223333:key/0a1b-2c, \
         arn:aws:logs:eu-central-1:111122223333:log-group:*:*, \
         arn:aws:logs:eu-central-1:111122223333:log-group:/ssm/sessions:*, \
         arn:aws:s3:::logs-bucket, arn:aws:s3:::logs-bucket/ssm/*, \
         arn:aws:ssm:eu-central-1:111122223333:*, \
         arn:aws:ssmmessages:eu-central-1:111122223333:*",
    ] {
        assert!(asked.iter().any(|one| one == call), "{call}: {asked:#?}");
    }
    // The command-line tool asks who it is, and an endpoint that is off leads to two more.
    assert!(asked.len() <= 25 - 3, "{asked:#?}");
    assert_eq!(facts.session.bucket, Some(Fetched::Found(true)));

    // One that does not report has a console, and no session starts on it.
    let lost = Arc::new(Fleet {
        lost: 1,
        preferences: crate::diagnose::tests::session_preferences::ALL,
        ..Fleet::default()
    });
    let silent = read_from(&lost, &all_of(1), ENOUGH);
    assert!(lost.asked().len() <= 25 - 5, "{:#?}", lost.asked());
    assert_eq!(silent.session.preferences, None);

    // They are of the account and Region, however many nodes there are.
    let further = read_from(&fleet, &all_of(40), ENOUGH);
    assert_eq!(further.session.log_group, Some(Fetched::Found(true)));
    let keys = fleet.asked().into_iter();
    assert_eq!(
        keys.filter(|call| call.starts_with("DescribeKey")).count(),
        2
    );
}

#[test]
fn nothing_is_asked_for_nothing() {
    let fleet = Arc::new(Fleet::default());
    let facts = read_from(&fleet, &[], ENOUGH);
    assert!(facts.instances.is_empty() && facts.profiles.is_empty());
    assert_eq!(fleet.asked(), [""; 0]);
}

#[test]
fn the_simulator_is_asked_about_what_the_logs_say_is_denied() {
    let denied = |number, action: &str, resource: &str| {
        let mut finding = finding(number, &[Cause::PermissionMissing], Confidence::Likely);
        finding.error_details.action = Some(action.to_owned());
        finding.error_details.resource = Some(resource.to_owned());
        finding
    };
    let association = "arn:aws:ssm:eu-central-1:111122223333:association/a-1";
    let mut findings = vec![
        denied(1, "ssm:UpdateInstanceAssociationStatus", association),
        denied(2, "ec2messages:GetMessages", "*"),
    ];
    // A log may name any number of resources.
    for number in 0..100 {
        let other = format!("arn:aws:ssmmessages:eu-central-1:111122223333:x/{number}");
        findings.push(denied(3, "ssmmessages:OpenDataChannel", &other));
    }
    let fleet = Arc::new(Fleet::default());
    read_from(&fleet, &findings, ENOUGH);
    let asked = fleet.asked();
    let simulated: Vec<&str> = asked
        .iter()
        .filter_map(|call| call.strip_prefix("SimulatePrincipalPolicy "))
        .filter_map(|about| about.split_once(" on arn:aws:"))
        .flat_map(|(_, arns)| arns.split(", arn:aws:"))
        .collect();
    for arn in [
        "ec2:eu-central-1:111122223333:instance/*",
        "ssm:eu-central-1:111122223333:*",
        "ssmmessages:eu-central-1:111122223333:*",
        "ssm:eu-central-1:111122223333:association/a-1",
        "ec2messages:eu-central-1:111122223333:*",
    ] {
        assert!(simulated.contains(&arn), "{arn}: {simulated:?}");
    }
    assert!(simulated.len() <= 12, "{simulated:?}");
}

#[test]
fn policies_are_read_only_where_the_simulator_does_not_answer() {
    let denied = finding(1, &[Cause::PermissionMissing], Confidence::Likely);
    let policies = [
        "GetPolicy arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
        "GetPolicyVersion arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
        "GetRolePolicy MySSMRole Own",
        "ListAttachedRolePolicies MySSMRole",
        "ListRolePolicies MySSMRole",
    ];
    let fleet = Arc::new(Fleet::default());
    read_from(&fleet, std::slice::from_ref(&denied), ENOUGH);
    assert!(
        policies
            .iter()
            .all(|call| !fleet.asked().iter().any(|asked| asked == call))
    );

    let fleet = Arc::new(Fleet {
        denied: vec!["SimulatePrincipalPolicy"],
        ..Fleet::default()
    });
    let facts = read_from(&fleet, &[denied], ENOUGH);
    assert!(
        policies
            .iter()
            .all(|call| fleet.asked().iter().any(|asked| asked == call))
    );
    assert!(matches!(
        facts.managed_policies.get(CORE),
        Some(Fetched::Found(_))
    ));
}
