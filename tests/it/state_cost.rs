//! What the state costs, in the units that DynamoDB charges for.

use jiff::SignedDuration;

use crate::support::events::Delivery;
use crate::support::logs::{HEALTHY, ROLE_REFUSED};
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, Scene};
use crate::support::state_table::{Meter, Units};

/// What the README says of such a batch.
fn said(what: &str) -> Units {
    let readme = include_str!("../../README.md").lines();
    let mut rows = readme.filter_map(|row| row.strip_prefix(&format!("| {what} | ")));
    let row = rows
        .next()
        .unwrap_or_else(|| panic!("no row for a batch {what}"));
    let numbers: Vec<f64> = row
        .split('|')
        .filter_map(|cell| cell.trim().parse().ok())
        .collect();
    let [reads, writes, dollars] = numbers[..] else {
        panic!("three numbers, not {row}");
    };
    let units = Units { reads, writes };
    assert_eq!(
        format!("{:.2}", units.dollars_of_a_million()),
        format!("{dollars:.2}"),
        "{what}"
    );
    units
}

/// What the batches cost on average.
async fn each(
    scene: &Scene,
    function: &mut Function,
    meter: &mut Meter,
    batches: &[Delivery],
) -> Units {
    scene.proxy.forget();
    for batch in batches {
        function.handle(batch).await;
    }
    let all = meter.charge(&scene.proxy.calls());
    let count = batches.len() as f64;
    Units {
        reads: all.reads / count,
        writes: all.writes / count,
    }
}

/// What an agent that is well logs every five minutes, and less often.
const PING: &str = "2026-11-23 04:22:14.0314 INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.\n";
const REFRESHED: &str = "2026-11-23 04:22:16.1042 INFO [ssm-agent-worker] [MessageService] [Association] Schedule manager refreshed with 0 associations, 0 new associations associated\n";

#[tokio::test]
async fn the_readme_says_what_the_state_of_a_batch_costs() {
    let scene = Scene::new().await;
    let nodes = scene.refused_instances::<10>().await;
    let mut settings = ADVISE.to_vec();
    settings.push(("TRIAGE_STATE_TABLE", scene.state_table().await));
    let mut function = scene.function(&settings).await;
    let mut meter = Meter::default();
    let (first, others) = nodes.split_at(1);
    for (what, text, nodes, minutes_ago) in [
        (
            "with a health check of an agent that is well",
            PING,
            &nodes[..],
            80,
        ),
        ("with its associations refreshed", REFRESHED, &nodes, 70),
        ("of an agent that starts and is well", HEALTHY, &nodes, 60),
        (
            "with a fault that opens an incident",
            ROLE_REFUSED,
            first,
            50,
        ),
        (
            "with the same fault of one more node",
            ROLE_REFUSED,
            others,
            50,
        ),
        ("with a fault, delivered again", ROLE_REFUSED, &nodes, 50),
        ("with the fault ten minutes later", ROLE_REFUSED, &nodes, 40),
        ("of an agent that is well again", HEALTHY, &nodes, 30),
    ] {
        let age = SignedDuration::from_mins(minutes_ago);
        let batches = nodes.iter().map(|node| scene.log(node, text).aged(age));
        let batches: Vec<Delivery> = batches.collect();
        let units = each(&scene, &mut function, &mut meter, &batches).await;
        let said = said(what);
        // An item's size, and with it a unit, depends on how its times compress.
        let near = |one: f64, other: f64| (one - other).abs() <= 0.5;
        let true_enough = near(said.reads, units.reads) && near(said.writes, units.writes);
        assert!(true_enough, "{what}: {said:?}, measured {units:?}");
    }
}
