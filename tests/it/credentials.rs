//! With whose credentials the tool reads: those of a profile, however it gets them.

use std::path::Path;
use std::process::Output;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use serde_json::json;
use tokio::process::Command;

use crate::by_id::{HYBRID, reporting};
use crate::support::account::Account;
use crate::support::http::Server;

const CONFIG: &str = "\
[profile keys]
region = us-east-1
aws_access_key_id = OPSKEY
aws_secret_access_key = test

[profile process]
region = us-east-1
credential_process = /bin/cat keys.json

[profile sso]
region = us-east-1
sso_session = ops
sso_account_id = 123456789012
sso_role_name = ReadOnly

[sso-session ops]
sso_region = us-east-1
sso_start_url = https://ops.awsapps.com/start
";

const KEYS: &str = r#"{"Version": 1, "AccessKeyId": "PROCESSKEY", "SecretAccessKey": "test"}"#;

/// As `aws sso login` keeps it, in a file named by the SHA-1 of the session's name.
const TOKEN: (&str, &str) = (
    ".aws/sso/cache/c62973cc56845b0e473e9e3c40b6e1f0a84662ef.json",
    r#"{"accessToken": "token-of-ops", "expiresAt": "2099-01-01T00:00:00Z"}"#,
);

/// The tool in a home of its own and with nothing of this process's environment.
async fn diagnose(account: &Account, home: &Path, portal: &Server, arguments: &[&str]) -> Output {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_ssm-agent-triage"));
    tool.env_clear()
        .current_dir(home)
        .env("HOME", home)
        .env("AWS_CONFIG_FILE", home.join("config"))
        .env("AWS_ENDPOINT_URL", account.url())
        .env("AWS_ENDPOINT_URL_SSO", format!("http://{}", portal.address))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(["diagnose", HYBRID])
        .args(arguments);
    tool.output().await.expect("the tool runs")
}

/// The portal of SSO, which gives credentials for the token alone.
async fn portal() -> Server {
    Server::start(|request: Request<Bytes>| async move {
        let token = request.headers().get("x-amz-sso_bearer_token")?;
        let asked = request.uri().to_string();
        let right = token == "token-of-ops"
            && asked.contains("role_name=ReadOnly")
            && asked.contains("account_id=123456789012");
        let keys = json!({"roleCredentials": {
            "accessKeyId": "SSOKEY",
            "secretAccessKey": "test",
            "sessionToken": "test",
            "expiration": 4_070_908_800_000_u64,
        }});
        right.then(|| Response::new(Full::new(Bytes::from(keys.to_string()))))
    })
    .await
}

#[tokio::test]
async fn the_credentials_of_a_profile_are_taken_and_a_missing_region_is_named() {
    let account = Account::fresh().await;
    reporting(&account, &[]);
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    std::fs::create_dir_all(home.join(".aws/sso/cache")).expect("it is made");
    for (name, text) in [("config", CONFIG), ("keys.json", KEYS), TOKEN] {
        std::fs::write(home.join(name), text).expect("it is written");
    }
    let portal = portal().await;
    for (profile, key) in [
        ("keys", "OPSKEY"),
        ("process", "PROCESSKEY"),
        ("sso", "SSOKEY"),
    ] {
        account.proxy.forget();
        let output = diagnose(&account, home, &portal, &["--profile", profile]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{profile}: {said}");
        assert!(said.contains("SILENT. "), "{profile}: {said}");
        let calls = account.proxy.calls();
        let signed = calls.iter().all(|call| call.key == key);
        assert!(signed && !calls.is_empty(), "{profile}: {calls:?}");
    }
    let output = diagnose(&account, home, &portal, &[]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--region"), "{said}");
}
