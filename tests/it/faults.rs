//! Thousands of invocations among faults, short deadlines and signals, drawn from a seed:
//! whatever happens, every promise is kept. `make soak` runs it at length; the figures are in
//! docs/reliability.md.
//!
//! A world is an account with a fleet of faulty and healthy nodes, a state table, execution
//! environments that share it, and faults on the way to both servers. What is checked is seen
//! from outside: what the servers carried out, what the subscriber got, what the function
//! answered, and what the failure queue holds.

mod figures;
mod fleet;
mod seen;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use figures::Figures;
use world::World;

use crate::support::account::Account;
use crate::support::faults::Fault;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => (text.parse()).unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

#[test]
fn a_seed_draws_every_fault_and_the_same_again() {
    let drawn = |seed| {
        let faults = (0..2_000).map(move |number| Fault::drawn(seed, "ec2:Call", number, 50));
        faults.collect::<Vec<_>>()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    let names = drawn(1).into_iter().flatten().map(Fault::name);
    assert_eq!(names.collect::<BTreeSet<_>>().len(), 13);
    assert_eq!(Fault::drawn(1, "ec2:Call", 1, 0), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_written_twice_among_faults() {
    let (invocations, seed) = (setting("INVOCATIONS", 150), setting("SEED", 1));
    let figures = Arc::new(Figures::new(seed, invocations as usize));
    // One turn on the test server for all of them.
    let host = Arc::new(Account::fresh().await);
    let side_by_side = (0..setting("WORLDS", 6)).map(|_| {
        let (host, figures) = (Arc::clone(&host), Arc::clone(&figures));
        tokio::spawn(async move {
            while let Some(number) = figures.next_world() {
                World::build(&host, seed, number).await.run(&figures).await;
            }
        })
    });
    for worlds in side_by_side.collect::<Vec<_>>() {
        worlds.await.expect("no world panics");
    }
    figures.end();
}
