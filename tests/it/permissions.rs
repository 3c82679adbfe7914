//! The function under the read actions that the template gives it, while the
//! test server asks IAM about every call.

use std::collections::BTreeSet;

use aws_sdk_kms::types::KeyUsageType;
use aws_sdk_ssm::types::DocumentType;
use hyper::StatusCode;
use serde_json::json;
use ssm_agent_triage::diagnose::CHECKS;

use crate::support::account::Account;
use crate::support::answer::{checks, incidents};
use crate::support::events::Delivery;
use crate::support::moto;
use crate::support::planted::PlantedFleet;
use crate::support::proxy::Effect;
use crate::support::registered::Registered;
use crate::support::roles::policy;
use crate::support::runtime::Function;

/// Of these the answers are played back, or a repair alone asks, since the test server has
/// none; or what they answer makes no check unknown.
const PLAYED_BACK: [&str; 8] = [
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:GetInstanceMetadataDefaults",
    "ssm:DescribeActivations",
    "ssm:DescribeInstanceInformation",
    "ssm:GetCalendarState",
    "ssm:GetServiceSetting",
    "iam:SimulatePrincipalPolicy",
    // It asks for another action in its place.
    "s3:GetEncryptionConfiguration",
];

/// Members whose logs together call for every check but that of Default Host
/// Management.
const ASKING: [&str; 6] = [
    "well, blames credentials",
    "well, blames its policies",
    "role bounded",
    "well, blames the network",
    "endpoint shut",
    "no names",
];

/// Reads that the template lists, as IAM actions.
fn template_reads() -> BTreeSet<&'static str> {
    let is_read = |word: &&str| {
        let (service, verb) = word.split_once(':').unwrap_or_default();
        let reading = ["Describe", "Get", "List", "Simulate"];
        ["ec2", "iam", "kms", "logs", "s3", "ssm"].contains(&service)
            && reading.iter().any(|r| verb.starts_with(r))
    };
    let lines = include_str!("../../template.yaml").lines();
    lines
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split([' ', ',', '[', ']', '"']))
        .filter(is_read)
        .collect()
}

struct Guarded<'a> {
    account: &'a Account,
    peer: &'static str,
    key: (String, String),
    logs: Vec<Delivery>,
    /// Asked about by their ids, for which every check is run: one that does not report, so that
    /// its console is read, and one that does, so that what its sessions need is.
    nodes: [&'a str; 2],
}

impl Guarded<'_> {
    /// The checks that are unknown, when `actions` are allowed.
    async fn unknown_under(&self, actions: &BTreeSet<&str>) -> BTreeSet<String> {
        moto::enforce(self.peer, false).await;
        let policy = policy(json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}]));
        let request = self.account.iam().put_user_policy().user_name("function");
        let request = request
            .policy_name("reads")
            .policy_document(policy.to_string());
        request.send().await.expect("the policy is put");
        let settings = [
            ("AWS_ACCESS_KEY_ID", self.key.0.as_str()),
            ("AWS_SECRET_ACCESS_KEY", self.key.1.as_str()),
            // A user's key has none.
            ("AWS_SESSION_TOKEN", ""),
        ];
        let mut function = Function::start(self.account, &settings).await;
        moto::enforce(self.peer, true).await;
        let report = function.handle(&self.logs).await;
        let by_id = function.handle(&json!({"nodes": self.nodes})).await;
        let of_nodes = by_id["nodes"].as_array().expect("the nodes").iter();
        let of_nodes = of_nodes
            .flat_map(|node| node["checks"].as_array().expect("questions"))
            .flat_map(|question| question["results"].as_array());
        let checks = incidents(&report).iter().flat_map(checks);
        (checks.chain(of_nodes.flatten()))
            .filter(|check| check["status"] == "unknown")
            .filter_map(|check| Some(check["check"].as_str()?.to_owned()))
            .collect()
    }
}

/// A key, a bucket and a log group, which the role of a healthy node may use.
async fn name_in_session_preferences(account: &Account) {
    let key = account.kms().create_key();
    let key = key.key_usage(KeyUsageType::EncryptDecrypt).send().await;
    let key = key.expect("the key is made").key_metadata.expect("the key");
    let group = account.logs().create_log_group().log_group_name("sessions");
    group.send().await.expect("the log group is made");
    let inputs = json!({"kmsKeyId": key.key_id, "s3BucketName": "sessions",
        "cloudWatchLogGroupName": "sessions"});
    let document = json!({"schemaVersion": "1.0", "description": "Preferences",
        "sessionType": "Standard_Stream", "inputs": inputs});
    let request = account.ssm().create_document();
    let request = request.name("SSM-SessionManagerRunShell");
    let request = request.document_type(DocumentType::Session);
    let made = request.content(document.to_string()).send().await;
    made.expect("the preferences are made");
    let all = json!([{"Effect": "Allow", "Resource": "*",
        "Action": ["ssm:*", "ssmmessages:*", "kms:*", "s3:*", "logs:*"]}]);
    account.put_role_policy("Sound", all).await;
    let encrypted = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
                     <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
                     </ServerSideEncryptionConfiguration>";
    let encrypted = Effect::Answer(StatusCode::OK, encrypted.to_owned());
    account.proxy.on("GetBucketEncryption", encrypted);
}

#[tokio::test]
async fn the_templates_reads_are_enough_and_without_one_only_its_checks_are_unknown() {
    let (_server, peer) = moto::of_its_own();
    let account = Account::fresh_on(peer, "us-east-1").await;
    let fleet = PlantedFleet::build(&account, 1).await;
    let nodes = ["well, blames its policies", "well, blames credentials"];
    let nodes = nodes.map(|name| fleet.instance(name));
    Registered::of(&account).pinged(nodes[1], 1);
    name_in_session_preferences(&account).await;

    let iam = account.iam();
    let made = iam.create_user().user_name("function").send().await;
    made.expect("the user is made");
    let key = iam.create_access_key().user_name("function").send().await;
    let key = key.expect("the key is made");
    let key = key.access_key().expect("the key");
    let guarded = Guarded {
        account: &account,
        peer,
        key: (
            key.access_key_id().to_owned(),
            key.secret_access_key().to_owned(),
        ),
        logs: fleet.deliveries_of(&account, &ASKING),
        nodes,
    };

    let all = template_reads();
    assert_eq!(guarded.unknown_under(&all).await, BTreeSet::new());
    for taken in all.iter().filter(|action| !PLAYED_BACK.contains(*action)) {
        let mut rest = all.clone();
        rest.remove(taken);
        let unknown = guarded.unknown_under(&rest).await;
        let declaring: BTreeSet<String> = CHECKS
            .iter()
            .filter(|check| check.actions().any(|action| action == *taken))
            .map(|check| check.name.to_owned())
            .collect();
        assert!(!unknown.is_empty(), "{taken} is not asked for");
        assert!(unknown.is_subset(&declaring), "{taken}: {unknown:?}");
    }
}
