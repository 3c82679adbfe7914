#![cfg(feature = "aws")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::world::{TRUSTS_EC2, TRUSTS_LAMBDA, instance, instance_id, profile, role};
use crate::diagnose::Needs;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{Facts, InstanceFacts, ProfileFacts, Read, RoleFacts};
use crate::diagnose::live::{Reads, read};
use crate::node::InstanceId;

/// Answers as a fleet of one profile would, and notes what it was asked.
#[derive(Default)]
struct Fleet {
    unknown: Vec<InstanceId>,
    /// Calls that are denied.
    denied: &'static [&'static str],
    /// Calls that never answer.
    silent: &'static [&'static str],
    asked: Mutex<Vec<String>>,
}

impl Fleet {
    async fn answer(&self, call: &'static str, about: &str) -> Result<(), CallError> {
        self.asked
            .lock()
            .expect("no call panics")
            .push(format!("{call} {about}"));
        if self.silent.contains(&call) {
            std::future::pending::<()>().await;
        }
        if self.denied.contains(&call) {
            return Err(CallError::Denied {
                call,
                code: "AccessDenied".to_owned(),
                message: "Not yours.".to_owned(),
            });
        }
        Ok(())
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no call panics").clone()
    }
}

impl Reads for Fleet {
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceFacts>, CallError> {
        self.answer("DescribeInstances", &ids.len().to_string())
            .await?;
        let known = ids.iter().filter(|id| !self.unknown.contains(id));
        Ok(known
            .map(|id| InstanceFacts {
                id: id.clone(),
                ..instance(1)
            })
            .collect())
    }

    async fn profile(&self, name: &str) -> Result<ProfileFacts, CallError> {
        self.answer("GetInstanceProfile", name).await?;
        let mut profile = profile();
        profile.role = Some(RoleFacts {
            tags: Read::Failed("not in this answer".to_owned()),
            ..role(TRUSTS_LAMBDA)
        });
        Ok(profile)
    }

    async fn role(&self, name: &str) -> Result<RoleFacts, CallError> {
        self.answer("GetRole", name).await?;
        Ok(role(TRUSTS_EC2))
    }
}

fn all_of(count: u32) -> Needs {
    let ids: std::collections::BTreeSet<InstanceId> = (1..=count).map(instance_id).collect();
    Needs {
        instances: ids.clone(),
        profiles_of: ids.clone(),
        roles_of: ids,
    }
}

fn read_from(fleet: &Arc<Fleet>, needs: &Needs, budget: Duration) -> Facts {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(async { read(needs, fleet, Instant::now() + budget).await })
}

const ENOUGH: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

#[test]
fn calls_grow_with_what_is_shared_and_not_with_nodes() {
    let fleet = Arc::new(Fleet {
        unknown: vec![instance_id(7)],
        ..Fleet::default()
    });
    let facts = read_from(&fleet, &all_of(450), ENOUGH);
    assert_eq!(
        fleet.asked(),
        [
            "DescribeInstances 200",
            "DescribeInstances 200",
            "DescribeInstances 50",
            "GetInstanceProfile Web",
            "GetRole MySSMRole",
        ]
    );
    assert_eq!(facts.instances.len(), 450);
    assert_eq!(facts.instances.get(&instance_id(7)), Some(&Read::Missing));
    let found = facts.instances.values();
    assert_eq!(found.filter(|i| matches!(i, Read::Found(_))).count(), 449);
    // What GetRole says stands in the place of what the profile said.
    let Some(Read::Found(profile)) = facts.profiles.get("Web") else {
        panic!("the profile was read");
    };
    assert_eq!(profile.role, Some(role(TRUSTS_EC2)));
}

#[test]
fn nothing_is_asked_for_nothing() {
    let fleet = Arc::new(Fleet::default());
    let facts = read_from(&fleet, &Needs::default(), ENOUGH);
    assert!(facts.instances.is_empty() && facts.profiles.is_empty());
    assert_eq!(fleet.asked(), [""; 0]);
}

#[test]
fn a_denied_call_is_a_fact_that_says_so() {
    let fleet = Arc::new(Fleet {
        denied: &["GetRole"],
        ..Fleet::default()
    });
    let facts = read_from(&fleet, &all_of(1), ENOUGH);
    let denied = "GetRole was denied (AccessDenied): Not yours";
    let Some(Read::Found(profile)) = facts.profiles.get("Web") else {
        panic!("the profile was read");
    };
    let role = profile.role.as_ref().expect("it holds one");
    assert_eq!(role.tags, Read::Failed(denied.to_owned()));
    assert_eq!(role.trust_policy, TRUSTS_LAMBDA);

    let fleet = Arc::new(Fleet {
        denied: &["DescribeInstances"],
        ..Fleet::default()
    });
    let facts = read_from(&fleet, &all_of(2), ENOUGH);
    let denied = "DescribeInstances was denied (AccessDenied): Not yours".to_owned();
    let expected = [1, 2].map(|n| (instance_id(n), Read::Failed(denied.clone())));
    assert_eq!(facts.instances, BTreeMap::from(expected));
    assert_eq!(fleet.asked(), ["DescribeInstances 2"]);
}

#[test]
fn time_that_is_up_ends_the_reading_and_keeps_what_was_read() {
    let fleet = Arc::new(Fleet {
        silent: &["GetInstanceProfile"],
        ..Fleet::default()
    });
    let facts = read_from(&fleet, &all_of(1), SHORT);
    assert!(matches!(
        facts.instances.get(&instance_id(1)),
        Some(Read::Found(_))
    ));
    assert_eq!(
        facts.profiles.get("Web"),
        Some(&Read::Failed("the time for checks was up".to_owned()))
    );
    assert_eq!(
        fleet.asked(),
        ["DescribeInstances 1", "GetInstanceProfile Web"]
    );
}
