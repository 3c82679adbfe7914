//! What a sweep asks of AWS.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Fleet, home, instance_id, second};
use crate::diagnose::Needs;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{InstanceFacts, ProfileRef, RegistrationFacts, RunningInstance};
use crate::diagnose::live::{Call, ListNodes, ListRunning, Reads, Recent, list, read_beside};
use crate::diagnose::sweep::Listed;
use crate::finding::Finding;
use crate::node::NodeId;
use crate::selection::Selection;

const NODES: u32 = 10_000;
const LOST: u32 = 1_000;

/// Notes a call for each page.
async fn pages(fleet: &Fleet, call: &'static str, found: u32, page: u32) -> Result<(), CallError> {
    for number in 0..found.div_ceil(page).max(1) {
        fleet.answer(call, &format!("page {number}")).await?;
    }
    Ok(())
}

impl Reads<ListNodes> for Fleet {
    async fn read(&self, _: &ListNodes) -> Result<Vec<RegistrationFacts>, CallError> {
        pages(self, ListNodes::NAME, self.lost, 50).await?;
        let lost = (1..=self.lost).map(|number| NodeId::Instance(instance_id(number)));
        Ok(lost.map(|id| self.registered(id)).collect())
    }
}

impl Reads<ListRunning> for Fleet {
    async fn read(&self, _: &ListRunning) -> Result<Vec<RunningInstance>, CallError> {
        pages(self, ListRunning::NAME, NODES, 1_000).await?;
        let running = |number| RunningInstance {
            id: instance_id(number),
            launched_at: Some(second(-86_400)),
        };
        Ok((1..=NODES).map(running).collect())
    }
}

/// Twenty roles and thirty subnets of five VPCs.
fn shape(number: u32, instance: &mut InstanceFacts) {
    instance.profile = Some(ProfileRef {
        name: format!("Role{}", number % 20),
        arn: format!(
            "arn:aws:iam::111122223333:instance-profile/Role{}",
            number % 20
        ),
        id: "AIPAEXAMPLEEXAMPLE01".to_owned(),
    });
    instance.vpc = Some(format!("vpc-{}", number % 5));
    instance.subnet = Some(format!("subnet-{}", number % 30));
    instance.network.groups = vec![format!("sg-{}", number % 30)];
}

/// How many suspects a sweep of the whole fleet has, and how many calls it makes.
fn calls(selection: &Selection, denied: Vec<&'static str>) -> (usize, usize) {
    let fleet = Arc::new(Fleet {
        shape,
        denied,
        lost: LOST,
        preferences: crate::diagnose::tests::session_preferences::ALL,
        ..Fleet::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().expect("a runtime");
    let suspects = runtime.block_on(async {
        let (began, now) = (Instant::now(), second(0));
        let until = began + Duration::from_secs(60);
        let reads = Arc::clone(&fleet);
        let recent = Arc::new(Recent::new(reads, Arc::default(), began, Duration::ZERO));
        let listed = list(selection, &recent, until).await.expect("it is listed");
        let suspects = listed.suspects(&home(), Duration::from_secs(900), now);
        let asked: Vec<Finding> = suspects.iter().map(|one| one.finding(now)).collect();
        let needs = Needs::of(&asked, &home());
        let known = suspects.iter().map(|one| one.registration()).collect();
        read_beside(known, &needs, &recent, until).await;
        suspects.len()
    });
    (suspects, fleet.asked().len())
}

#[test]
fn the_calls_of_a_sweep_grow_with_scopes() {
    let (suspects, lost) = calls(&Selection::Lost, Vec::new());
    assert_eq!(suspects, 1_000);
    assert!(lost <= 200, "{lost} calls");
    let (suspects, all) = calls(&Selection::All, Vec::new());
    assert_eq!(suspects, 1_000);
    assert!(all <= 400, "{all} calls");
    // Where the simulator may not be asked, the policies of each role are read.
    let (_, without) = calls(&Selection::Lost, vec!["SimulatePrincipalPolicy"]);
    assert!(without <= 200, "{without} calls");
}

#[test]
fn what_is_known_of_a_node_is_not_asked_again_and_leads_to_its_activation() {
    let id = NodeId::parse("mi-0123456789abcdef0").expect("an id");
    let known = RegistrationFacts {
        id: id.clone(),
        activation: Some("a-1".to_owned()),
        ..Fleet::default().registered(NodeId::Instance(instance_id(1)))
    };
    let listed = Listed {
        registered: vec![RegistrationFacts {
            ping_status: "ConnectionLost".to_owned(),
            last_ping: Some(second(-7_200)),
            ..known
        }],
        ..Listed::default()
    };
    let [suspect] = &listed.suspects(&home(), Duration::ZERO, second(0))[..] else {
        panic!("it is suspected");
    };
    let needs = Needs::of(&[suspect.finding(second(0))], &home());
    let known = [suspect.registration()].into();
    let fleet = Arc::new(Fleet::default());
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().expect("a runtime");
    let facts = runtime.block_on(async {
        let (reads, began) = (Arc::clone(&fleet), Instant::now());
        let recent = Arc::new(Recent::new(reads, Arc::default(), began, Duration::ZERO));
        read_beside(known, &needs, &recent, began + Duration::from_secs(60)).await
    });
    assert_eq!(fleet.asked(), ["DescribeActivations a-1"]);
    assert!(facts.registrations.contains_key(&id));
}
