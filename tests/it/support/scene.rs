//! The broken things that most tests begin with, and the settings under which
//! the function meets them.

use serde_json::{Value, json};

use super::account::Account;
use super::events::Delivery;
use super::fleet::{Launch, Mailbox, trusting_another_account, trusting_ec2};
use super::logs;
use super::runtime::Function;

pub const ADVISE: &[(&str, &str)] = &[("TRIAGE_REPAIR", "advise"), ALL_ACTIONS];
pub const DRY_RUN: &[(&str, &str)] = &[("TRIAGE_REPAIR", "dry-run"), ALL_ACTIONS];
pub const REPAIR: &[(&str, &str)] = &[("TRIAGE_REPAIR", "repair"), ALL_ACTIONS];
pub const ALL_ACTIONS: (&str, &str) = ("TRIAGE_REPAIR_ACTIONS", "enable-imds-endpoint,trust-ec2");

/// An account with a mailbox for the messages.
pub struct Scene {
    pub account: Account,
    pub mailbox: Mailbox,
}

impl Scene {
    pub async fn new() -> Self {
        Self::in_region("us-east-1").await
    }

    pub async fn in_region(region: &str) -> Self {
        let account = Account::fresh_in(region).await;
        let mailbox = account.mailbox().await;
        Self { account, mailbox }
    }

    /// Starts the function with `settings`, its topic the one of the mailbox.
    pub async fn function(&self, settings: &[(&str, &str)]) -> Function {
        let mut all = vec![("TRIAGE_TOPIC_ARN", self.mailbox.topic.as_str())];
        all.extend_from_slice(settings);
        Function::start(&self.account, &all).await
    }

    /// An instance whose metadata service is off, and which may be repaired.
    pub async fn dark_instance(&self) -> String {
        self.account.launch(dark()).await
    }

    /// A role that EC2 may not assume and that may be repaired, in a profile of
    /// the same name, with `count` instances on it.
    pub async fn broken_role(&self, name: &str, count: usize) -> Vec<String> {
        let trust = trusting_another_account();
        self.account
            .role_with_profile(name, &trust, Some("allow"))
            .await;
        let mut instances = Vec::new();
        for _ in 0..count {
            let launch = Launch {
                profile: Some(name),
                ..Launch::default()
            };
            instances.push(self.account.launch(launch).await);
        }
        instances
    }

    /// An instance with nothing wrong.
    pub async fn healthy_instance(&self) -> String {
        self.account
            .role_with_profile("Sound", &trusting_ec2(), None)
            .await;
        let launch = Launch {
            profile: Some("Sound"),
            ..Launch::default()
        };
        self.account.launch(launch).await
    }

    /// What the instance logs when its metadata service is off.
    pub fn imds_off(&self, instance: &str) -> Delivery {
        Delivery::new(&self.account, instance, logs::IMDS_OFF)
    }

    /// What the instance logs when EC2 may not assume its role.
    pub fn role_refused(&self, instance: &str) -> Delivery {
        Delivery::new(&self.account, instance, logs::ROLE_REFUSED)
    }

    pub fn healthy(&self, instance: &str) -> Delivery {
        Delivery::new(&self.account, instance, logs::HEALTHY)
    }
}

/// Metadata service off, tagged for repair.
pub fn dark() -> Launch<'static> {
    Launch {
        imds_off: true,
        tag: Some("allow"),
        ..Launch::default()
    }
}

/// Several deliveries in one invocation by hand.
pub fn together(deliveries: &[Delivery]) -> Value {
    json!(deliveries.iter().map(Delivery::message).collect::<Vec<_>>())
}
