//! What the preferences of Session Manager name, looked at in KMS, S3 and CloudWatch Logs.

use aws_sdk_kms::types::KeyUsageType;
use aws_sdk_s3::types::{
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule,
};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::by_id::{diagnose, reporting};
use crate::support::answer::{incidents, only_incident};
use crate::support::proxy::{Effect, json_answer};
use crate::support::runtime::Function;
use crate::support::scene::Scene;

const GROUP: &str = "/ssm/sessions";

/// A healthy node that reports, and what sessions to it rest on.
struct Sessions {
    scene: Scene,
    node: String,
    key: String,
    bucket: String,
}

impl Sessions {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let node = scene.healthy_instance().await;
        let all = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]);
        scene.put_role_policy("Sound", all).await;
        let request = scene.kms().create_key();
        let key = request.key_usage(KeyUsageType::EncryptDecrypt).send().await;
        let key = key.expect("the key is made").key_metadata;
        let key = key.expect("the key").key_id;
        let bucket = format!("logs-{}", scene.id);
        let made = scene.s3().create_bucket().bucket(&bucket).send().await;
        made.expect("the bucket is made");
        // Its name only begins like the one that is meant.
        let sessions = Self {
            scene,
            node,
            key,
            bucket,
        };
        sessions.make_group("/ssm/sessions-old", true).await;
        sessions
    }

    async fn make_group(&self, name: &str, encrypted: bool) {
        let key = encrypted.then(|| self.key_arn());
        let request = self.scene.logs().create_log_group().log_group_name(name);
        let made = request.set_kms_key_id(key).send().await;
        made.expect("the log group is made");
    }

    fn key_arn(&self) -> String {
        let (account, key) = (&self.scene.id, &self.key);
        format!("arn:aws:kms:us-east-1:{account}:key/{key}")
    }

    async fn encrypt_bucket(&self) {
        let by_default = ServerSideEncryptionByDefault::builder();
        let by_default = by_default.sse_algorithm(ServerSideEncryption::Aes256);
        let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(
            by_default.build().expect("an algorithm is given"),
        );
        let set = ServerSideEncryptionConfiguration::builder().rules(rule.build());
        let request = self.scene.s3().put_bucket_encryption();
        let request = request.bucket(&self.bucket);
        let set = set.build().expect("a rule is given");
        let set = request.server_side_encryption_configuration(set);
        set.send().await.expect("the bucket is encrypted");
    }

    /// The preferences, each of whose destinations must be encrypted.
    fn all(&self) -> Value {
        json!({
            "kmsKeyId": self.key,
            "s3BucketName": self.bucket,
            "s3KeyPrefix": "a/b/",
            "s3EncryptionEnabled": true,
            "cloudWatchLogGroupName": GROUP,
            "cloudWatchEncryptionEnabled": true,
            "cloudWatchStreamingEnabled": false,
        })
    }

    /// From now on, these are the preferences, and the node reports.
    fn prefer(&self, inputs: &Value) {
        let proxy = &self.scene.proxy;
        proxy.clear_rules();
        reporting(&self.scene, &[&self.node]);
        let document = json!({"schemaVersion": "1.0", "inputs": inputs}).to_string();
        proxy.on("GetDocument", json_answer(json!({"Content": document})));
    }

    /// What the function says of the node, and of the preferences.
    async fn look(&self, function: &mut Function) -> (Value, String) {
        let report = function.handle(&json!({"node": self.node})).await;
        let questions = report["nodes"][0]["checks"].as_array();
        let results = questions.expect("questions").iter();
        let mut results = results.flat_map(|one| one["results"].as_array().expect("results"));
        let result = results.find(|one| one["check"] == "session-preferences");
        let result = result.expect("the check is run");
        let text = |field: &str| result[field].as_str().unwrap_or_default();
        let said = format!("{}: {}", text("status"), text("note"));
        (report, said)
    }
}

#[tokio::test]
async fn what_is_there_and_encrypted_is_told_from_what_is_not() {
    let sessions = Sessions::new().await;
    let (kms, key) = (sessions.scene.kms(), &sessions.key);
    sessions.prefer(&sessions.all());
    let mut function = sessions.scene.function(&[]).await;

    // Neither is the bucket encrypted nor the log group there.
    let (report, said) = sessions.look(&mut function).await;
    assert!(said.starts_with("failed: "), "{said}");
    for part in [
        "has no default encryption",
        "/ssm/sessions is encrypted, and it does not exist",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let incident = only_incident(&report);
    assert_eq!(incident["cause"], "session-failure");
    assert_eq!(incident["confidence"], "confirmed");
    assert_eq!(incident["severity"], "low");
    assert_eq!(report["nodes"][0]["status"], "faulty");

    sessions.encrypt_bucket().await;
    sessions.make_group(GROUP, true).await;
    let (report, said) = sessions.look(&mut function).await;
    assert!(said.starts_with("ok: What the preferences"), "{said}");
    assert_eq!(report["nodes"][0]["status"], "healthy");
    assert_eq!(incidents(&report).len(), 0);

    let disabled = kms.disable_key().key_id(key).send().await;
    disabled.expect("the key is disabled");
    let (report, said) = sessions.look(&mut function).await;
    assert!(
        said.contains("which is disabled: no session starts"),
        "{said}"
    );
    assert_eq!(only_incident(&report)["cause"], "session-failure");

    let deleted = kms.schedule_key_deletion().key_id(key).send().await;
    deleted.expect("the key is to be deleted");
    let (_, said) = sessions.look(&mut function).await;
    assert!(said.contains("which is to be deleted"), "{said}");

    let ended = sessions.scene.logs().delete_log_group();
    let ended = ended.log_group_name(GROUP).send().await;
    ended.expect("the log group is deleted");
    sessions.make_group(GROUP, false).await;
    sessions.prefer(&json!({"cloudWatchLogGroupName": GROUP, "s3BucketName": "no-such-bucket"}));
    let (report, said) = sessions.look(&mut function).await;
    let lost = "failed: The preferences of Session Manager name the bucket no-such-bucket, which does \
                not exist: what sessions write is not kept there.";
    assert_eq!(said, lost);
    assert_eq!(report["nodes"][0]["status"], "healthy");
    assert_eq!(sessions.scene.writes(), []);
}

#[tokio::test]
async fn what_is_refused_or_elsewhere_proves_nothing() {
    const S3_DENIED: &str = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message>\
                             <RequestId>r</RequestId></Error>";
    const ELSEWHERE: &str = "<Error><Code>PermanentRedirect</Code><Message>The bucket you are \
                             attempting to access must be addressed using the specified \
                             endpoint.</Message><Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint>\
                             </Error>";
    let denied = |action: &str| {
        json!({"__type": "AccessDeniedException", "message": format!("not {action}")}).to_string()
    };
    let sessions = Sessions::new().await;
    sessions.encrypt_bucket().await;
    sessions.make_group(GROUP, true).await;
    sessions.prefer(&sessions.all());
    let mut function = sessions.scene.function(&[]).await;
    for (call, status, body, says) in [
        (
            "DescribeKey",
            400,
            denied("kms:DescribeKey"),
            "DescribeKey was denied",
        ),
        (
            "GetBucketEncryption",
            403,
            S3_DENIED.to_owned(),
            "GetBucketEncryption was denied",
        ),
        (
            "GetBucketEncryption",
            301,
            ELSEWHERE.to_owned(),
            "PermanentRedirect",
        ),
        (
            "DescribeLogGroups",
            400,
            denied("logs:DescribeLogGroups"),
            "DescribeLogGroups was denied",
        ),
    ] {
        sessions.prefer(&sessions.all());
        let status = StatusCode::from_u16(status).expect("a status");
        sessions.scene.proxy.on(call, Effect::Answer(status, body));
        let (report, said) = sessions.look(&mut function).await;
        assert!(
            said.starts_with("unknown: Could not determine whether the "),
            "{call}: {said}"
        );
        assert!(said.contains(says), "{call}: {said}");
        assert_eq!(incidents(&report).len(), 0, "{call}");
    }
}

#[tokio::test]
async fn a_node_is_diagnosed_with_few_calls_whatever_its_preferences_name() {
    let sessions = Sessions::new().await;
    sessions.prefer(&sessions.all());
    sessions.scene.proxy.forget();
    let output = diagnose(&sessions.scene, &[&sessions.node]).await;
    let card = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(card.contains("FAULTY. Sessions cannot start in"), "{card}");
    let calls = sessions.scene.proxy.calls();
    for call in ["DescribeKey", "GetBucketEncryption", "DescribeLogGroups"] {
        let made = calls.iter().filter(|one| one.action == call).count();
        assert_eq!(made, 1, "{call}");
    }
    assert!(calls.len() <= 25, "{calls:#?}");
}
