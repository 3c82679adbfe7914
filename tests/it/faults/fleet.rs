//! The nodes of a world: what is broken on each, what its log says, and what a repair of it
//! would change.

use serde_json::json;

use crate::support::account::Account;
use crate::support::events::Delivery;
use crate::support::instances::Launch;
use crate::support::logs;
use crate::support::roles::{trusting_another_account, trusting_ec2};
use crate::support::scene::{MODIFY, UPDATE};

/// What a write changes: the action, and the id in it.
pub(super) type Thing = (&'static str, String);

#[derive(Clone)]
pub(super) struct Node {
    pub id: String,
    log: String,
    /// What is broken; nothing on a healthy node.
    pub cause: Option<&'static str>,
    /// Its own id, and the role or network at fault: an incident is of one of them.
    pub names: Vec<String>,
    /// What may be repaired: its owner has set the tag.
    pub thing: Option<Thing>,
}

impl Node {
    pub(super) fn delivery(&self, account: &Account) -> Delivery {
        Delivery::new(account, &self.id, &self.log)
    }
}

/// Builds the fleet of an account.
pub(super) async fn build(account: &Account) -> Vec<Node> {
    let refusing = trusting_another_account();
    account
        .role_with_profile("Tagged", &refusing, Some("allow"))
        .await;
    account.role_with_profile("Untagged", &refusing, None).await;
    account
        .role_with_profile("Bare", &trusting_ec2(), None)
        .await;
    account
        .role_with_profile("Sound", &trusting_ec2(), None)
        .await;
    let all = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]);
    account.put_role_policy("Sound", all).await;

    let on = Launch::with_profile;
    let dark = Launch::DARK;
    let cut_off = "2026-11-23 04:19:04.8131 ERROR [ssm-agent-worker] [HealthCheck] error when \
        calling AWS APIs. error details - RequestError: send request failed\n\
        caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp 52.94.5.5:443: i/o timeout\n";
    let kinds = [
        (dark, logs::IMDS_OFF, Some("imds-disabled")),
        (dark, logs::IMDS_OFF, Some("imds-disabled")),
        (Launch::DARK_UNTAGGED, logs::IMDS_OFF, Some("imds-disabled")),
        (on("Tagged"), logs::ROLE_REFUSED, Some("role-not-assumable")),
        (on("Tagged"), logs::ROLE_REFUSED, Some("role-not-assumable")),
        (
            on("Untagged"),
            logs::ROLE_REFUSED,
            Some("role-not-assumable"),
        ),
        (Launch::LIT, logs::ROLE_REFUSED, Some("no-instance-profile")),
        (on("Bare"), "", Some("permission-missing")),
        (on("Sound"), cut_off, Some("endpoint-unreachable")),
        (on("Sound"), logs::HEALTHY, None),
        (on("Sound"), logs::HEALTHY, None),
    ];
    let mut nodes = Vec::new();
    for (launch, log, cause) in kinds {
        let id = account.launch(launch).await;
        let log = match log {
            "" => format!(
                "2026-11-23 04:19:04.8188 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::{account}:assumed-role/Bare/{id} is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:{account}:instance/{id} because no identity-based policy allows the ssm:UpdateInstanceInformation action",
                account = account.id,
            ),
            log => log.to_owned(),
        };
        let mut names = vec![id.clone()];
        names.extend(
            launch
                .profile
                .filter(|role| *role != "Sound")
                .map(str::to_owned),
        );
        let thing = match (cause, launch.profile, launch.tag) {
            (Some("imds-disabled"), _, Some(_)) => Some((MODIFY, id.clone())),
            (_, Some("Tagged"), _) => Some((UPDATE, "Tagged".to_owned())),
            _ => None,
        };
        nodes.push(Node {
            id,
            log,
            cause,
            names,
            thing,
        });
    }
    nodes
}

/// Breaks the thing once more.
pub(super) async fn break_thing(account: &Account, (action, id): &Thing) {
    if *action == MODIFY {
        return account.set_imds(id, false).await;
    }
    let update = account.iam().update_assume_role_policy().role_name(id);
    let trust = trusting_another_account().to_string();
    let updated = update.policy_document(trust).send().await;
    updated.expect("the role takes the policy");
}

/// Whether live state shows the thing right.
pub(super) async fn is_right(account: &Account, (action, id): &Thing) -> bool {
    match *action {
        MODIFY => account.imds_is_on(id).await,
        _ => {
            let policy = account.trust_policy(id).await;
            policy.to_string().contains("ec2.amazonaws.com")
        }
    }
}
