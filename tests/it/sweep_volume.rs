//! A sweep of ten thousand nodes over replayed answers: what it asks of AWS, and what it
//! takes.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::answer::incidents;
use crate::support::narrate;
use crate::support::proxy::{Call, Effect};
use crate::support::registered::Registered;
use crate::support::roles::{trusting_another_account, trusting_ec2};
use crate::support::scene::Scene;

const NODES: usize = 10_000;
const LOST: usize = 1_000;
const ROLES: usize = 20;
const SUBNETS: usize = 30;
const VPCS: usize = 5;

const MIB: usize = 1024 * 1024;

/// So much above its idle size a sweep may take.
const MOST: usize = 32 * MIB;

fn id(number: usize) -> String {
    format!("i-{number:017x}")
}

fn number(id: &str) -> usize {
    usize::from_str_radix(id.trim_start_matches("i-"), 16).expect("an id of this fleet")
}

/// What the instances of the fleet share, by number.
struct Shared {
    owner: String,
    /// ARN and id.
    profiles: Vec<(String, String)>,
    /// VPC, subnet and security group.
    places: Vec<(String, String, String)>,
}

impl Shared {
    async fn build(scene: &Scene) -> Self {
        let all =
            json!([{"Effect": "Allow", "Action": ["ssm:*", "ssmmessages:*"], "Resource": "*"}]);
        let iam = scene.iam();
        let mut profiles = Vec::new();
        for role in 0..ROLES {
            let name = format!("Role{role}");
            let trust = match role % 2 {
                0 => trusting_ec2(),
                _ => trusting_another_account(),
            };
            scene.role_with_profile(&name, &trust, None).await;
            scene.put_role_policy(&name, all.clone()).await;
            let read = iam.get_instance_profile().instance_profile_name(&name);
            let read = read.send().await.expect("the profile is there");
            let profile = read.instance_profile().expect("the profile");
            let (arn, id) = (profile.arn(), profile.instance_profile_id());
            profiles.push((arn.to_owned(), id.to_owned()));
        }
        let mut places = Vec::new();
        for vpc in 0..VPCS {
            let of = u8::try_from(vpc).expect("a small number");
            let mut vpc = scene.vpc(of).await;
            let group = vpc.group("open", &["out -1 0.0.0.0/0"]).await;
            for _ in 0..SUBNETS / VPCS {
                let subnet = vpc.subnet().await;
                vpc.way_out(&subnet, true).await;
                places.push((vpc.id.clone(), subnet, group.clone()));
            }
        }
        Self {
            owner: scene.id.clone(),
            profiles,
            places,
        }
    }

    /// How EC2 describes the instance of this number.
    fn instance(&self, number: usize) -> String {
        let (arn, profile) = &self.profiles[number % ROLES];
        let (vpc, subnet, group) = &self.places[number % SUBNETS];
        let id = id(number);
        format!(
            "<item><instanceId>{id}</instanceId><instanceState><code>16</code><name>running</name>\
             </instanceState><privateIpAddress>10.0.0.9</privateIpAddress>\
             <launchTime>2020-01-02T03:04:05.000Z</launchTime><subnetId>{subnet}</subnetId>\
             <vpcId>{vpc}</vpcId><groupSet><item><groupId>{group}</groupId></item></groupSet>\
             <iamInstanceProfile><arn>{arn}</arn><id>{profile}</id></iamInstanceProfile>\
             <metadataOptions><state>applied</state><httpTokens>required</httpTokens>\
             <httpPutResponseHopLimit>2</httpPutResponseHopLimit>\
             <httpEndpoint>enabled</httpEndpoint></metadataOptions></item>"
        )
    }

    /// The answer to DescribeInstances, by ids or for a page of all.
    fn describe(&self, call: &Call) -> String {
        let values = call.fields.iter();
        let values = values.filter(|(name, _)| name.starts_with("Filter.1.Value."));
        let by_id = call.fields["Filter.1.Name"] == "instance-id";
        let (numbers, next): (Vec<usize>, Option<usize>) = if by_id {
            (values.map(|(_, id)| number(id)).collect(), None)
        } else {
            let page: usize = call.fields["MaxResults"].parse().expect("a number");
            let from = call.fields.get("NextToken");
            let from = from.map_or(1, |from| from.parse().expect("a token that was given"));
            let end = (from + page).min(NODES + 1);
            ((from..end).collect(), (end <= NODES).then_some(end))
        };
        let next = next.map_or(String::new(), |next| {
            format!("<nextToken>{next}</nextToken>")
        });
        let instances: String = numbers.into_iter().map(|one| self.instance(one)).collect();
        let owner = &self.owner;
        format!(
            "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>5f6b7c1e-0000-4000-8000-000000000004</requestId><reservationSet><item>\
             <reservationId>r-1</reservationId><ownerId>{owner}</ownerId><instancesSet>{instances}\
             </instancesSet></item></reservationSet>{next}</DescribeInstancesResponse>"
        )
    }
}

#[tokio::test]
async fn ten_thousand_nodes_take_few_calls_and_little_memory() {
    let scene = Scene::new().await;
    let shared = Shared::build(&scene).await;
    let registered = Registered::of(&scene);
    registered.all((1..=NODES).map(|number| {
        let minutes = if number <= LOST { 180 } else { 1 };
        (id(number), minutes)
    }));
    let describe = move |call: &Call| shared.describe(call);
    let effect = Effect::Reply(Box::new(describe));
    scene.proxy.on("DescribeInstances", effect);
    let mut function = scene.function(&[]).await;
    function.handle(&json!({"nodes": [id(1)]})).await;
    let idle = function.memory().now;

    for (nodes, most) in [("lost", 200), ("all", 400)] {
        scene.proxy.forget();
        let event: Value = json!({"sweep": {"nodes": nodes}});
        let began = Instant::now();
        let report = function.handle(&event).await;
        let took = began.elapsed();
        assert_eq!(report["sweep"]["suspects"], LOST, "{}", report["sweep"]);
        assert_eq!(report["sweep"]["continues"], false);
        // Ten roles, and the silent nodes of each subnet.
        let mut causes = BTreeMap::new();
        for incident in incidents(&report) {
            let cause = incident["cause"].as_str().expect("a cause");
            let nodes = incident["node_count"].as_u64().expect("a count");
            let (count, hit) = causes.entry(cause).or_insert((0, 0));
            (*count, *hit) = (*count + 1, *hit + nodes);
        }
        let expected = [
            ("node-silent", (15, 500)),
            ("role-not-assumable", (10, 500)),
        ];
        assert_eq!(causes, BTreeMap::from(expected));
        let calls = scene.proxy.calls().into_iter();
        let calls: Vec<Call> = calls.filter(|call| call.service != "sns").collect();
        assert!(calls.len() <= most, "{nodes}: {} calls", calls.len());
        narrate::say(&format!(
            "A sweep of {NODES} nodes, {LOST} of them lost, `{nodes}`: {} calls, {:.1} s without \
             optimization, at most {} MiB above {} MiB idle.",
            calls.len(),
            took.as_secs_f64(),
            (function.memory().peak - idle) / MIB,
            idle / MIB,
        ));
    }
    let taken = function.memory().peak - idle;
    assert!(taken <= MOST, "{} MiB above {}", taken / MIB, idle / MIB);
}
