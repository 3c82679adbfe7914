//! The broken things that most tests begin with, and the settings under which
//! the function meets them.

use std::ops::Deref;

use serde_json::Value;

use super::account::Account;
use super::events::{Delivery, Event};
use super::instances::Launch;
use super::logs;
use super::mailbox::Mailbox;
use super::roles::{trusting_another_account, trusting_ec2};
use super::runtime::Function;

pub(crate) const ADVISE: &[(&str, &str)] = &[("TRIAGE_REPAIR", "advise"), ALL_ACTIONS];
pub(crate) const DRY_RUN: &[(&str, &str)] = &[("TRIAGE_REPAIR", "dry-run"), ALL_ACTIONS];
pub(crate) const REPAIR: &[(&str, &str)] = &[("TRIAGE_REPAIR", "repair"), ALL_ACTIONS];
pub(crate) const ALL_ACTIONS: (&str, &str) =
    ("TRIAGE_REPAIR_ACTIONS", "enable-imds-endpoint,trust-ec2");

/// The two writes.
pub(crate) const MODIFY: &str = "ModifyInstanceMetadataOptions";
pub(crate) const UPDATE: &str = "UpdateAssumeRolePolicy";

/// The role of [`Scene::broken_role`].
pub(crate) const ROLE: &str = "MySSMRole";

/// An account with a mailbox for the messages.
pub(crate) struct Scene {
    account: Account,
    pub mailbox: Mailbox,
}

impl Deref for Scene {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::in_region("us-east-1").await
    }

    pub(crate) async fn in_region(region: &str) -> Self {
        let account = Account::fresh_in(region).await;
        let mailbox = account.mailbox().await;
        Self { account, mailbox }
    }

    /// Starts the function with `settings`, its topic the one of the mailbox.
    pub(crate) async fn function(&self, settings: &[(&str, &str)]) -> Function {
        let mut all = vec![("TRIAGE_TOPIC_ARN", self.mailbox.topic.as_str())];
        all.extend_from_slice(settings);
        Function::start(self, &all).await
    }

    /// The answer of the function with `settings` to its first event.
    pub(crate) async fn handle(
        &self,
        settings: &[(&str, &str)],
        event: &(impl Event + ?Sized),
    ) -> Value {
        self.function(settings).await.handle(event).await
    }

    /// The only incident of that event.
    pub(crate) async fn incident(
        &self,
        settings: &[(&str, &str)],
        event: &(impl Event + ?Sized),
    ) -> Value {
        self.function(settings).await.incident(event).await
    }

    /// An instance whose metadata service is off, and which may be repaired.
    pub(crate) async fn dark_instance(&self) -> String {
        self.launch(Launch::DARK).await
    }

    pub(crate) async fn dark_instances<const N: usize>(&self) -> [String; N] {
        self.launch_each(Launch::DARK).await
    }

    /// An instance whose metadata service is off, and which may not be repaired.
    pub(crate) async fn untagged_dark_instance(&self) -> String {
        self.launch(Launch::DARK_UNTAGGED).await
    }

    /// An instance on a role that EC2 may not assume and that may be repaired.
    pub(crate) async fn refused_instance(&self) -> String {
        let [instance] = self.refused_instances().await;
        instance
    }

    /// An instance on a role that EC2 may not assume and that may not be repaired.
    pub(crate) async fn untagged_refused_instance(&self) -> String {
        let trust = trusting_another_account();
        self.role_with_profile(ROLE, &trust, None).await;
        self.launch(Launch::with_profile(ROLE)).await
    }

    /// Several instances on one such role.
    pub(crate) async fn refused_instances<const N: usize>(&self) -> [String; N] {
        let trust = trusting_another_account();
        self.role_with_profile(ROLE, &trust, Some("allow")).await;
        self.launch_each(Launch::with_profile(ROLE)).await
    }

    /// A dark and a refused instance, and what both have logged.
    pub(crate) async fn both_faults(&self) -> ([String; 2], [Delivery; 2]) {
        let (dark, refused) = (self.dark_instance().await, self.refused_instance().await);
        let logged = [self.imds_off(&dark), self.role_refused(&refused)];
        ([dark, refused], logged)
    }

    async fn launch_each<const N: usize>(&self, launch: Launch<'_>) -> [String; N] {
        let mut instances = [const { String::new() }; N];
        for instance in &mut instances {
            *instance = self.launch(launch).await;
        }
        instances
    }

    /// An instance with nothing wrong, on the role `Sound`.
    pub(crate) async fn healthy_instance(&self) -> String {
        self.role_with_profile("Sound", &trusting_ec2(), None).await;
        self.launch(Launch::with_profile("Sound")).await
    }

    /// What the instance has logged.
    pub(crate) fn log(&self, instance: &str, text: &str) -> Delivery {
        Delivery::new(self, instance, text)
    }

    /// What the instance logs when its metadata service is off.
    pub(crate) fn imds_off(&self, instance: &str) -> Delivery {
        self.log(instance, logs::IMDS_OFF)
    }

    /// What each of the instances logs when its metadata service is off.
    pub(crate) fn all_imds_off<'i>(
        &self,
        instances: impl IntoIterator<Item = &'i String>,
    ) -> Vec<Delivery> {
        let instances = instances.into_iter();
        instances.map(|instance| self.imds_off(instance)).collect()
    }

    /// What the instance logs when EC2 may not assume its role.
    pub(crate) fn role_refused(&self, instance: &str) -> Delivery {
        self.log(instance, logs::ROLE_REFUSED)
    }

    pub(crate) fn healthy(&self, instance: &str) -> Delivery {
        self.log(instance, logs::HEALTHY)
    }
}
