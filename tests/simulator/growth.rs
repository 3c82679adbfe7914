//! What more execution environments cost one another: all nodes of a fleet log the same
//! fault of their role within seconds, and so many environments write to the one incident
//! at once.

#[path = "../../benches/engine/plot.rs"]
mod plot;

use std::path::Path;

use super::fleet::{Fleet, Setup};
use super::run::{self, Outcome};
use super::verdict;

const ENVIRONMENTS: [usize; 5] = [1, 2, 4, 8, 16];

const NODES: usize = 200;

/// The mean of so many seeds.
const SEEDS: u64 = 3;

#[test]
#[ignore = "a benchmark: make bench PLOTS=docs/performance"]
fn growth_over_environments() {
    let mut operations = Vec::new();
    let mut conflicts = Vec::new();
    for environments in ENVIRONMENTS {
        let outcomes: Vec<Outcome> = (0..SEEDS).map(|seed| storm(seed, environments)).collect();
        let batches: usize = outcomes.iter().map(|one| one.batches.len()).sum();
        let a_batch =
            |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>() as f64 / batches as f64;
        let of_both = [
            a_batch(|one| one.table.operations),
            a_batch(|one| one.table.conflicts),
        ];
        let messages: usize = outcomes.iter().map(|one| one.sent.len()).sum();
        println!(
            "{environments:>3} environments: {:.2} operations and {:.2} conflicts a batch, {} messages a fault",
            of_both[0],
            of_both[1],
            messages as f64 / SEEDS as f64,
        );
        operations.push((environments as f64, of_both[0]));
        conflicts.push((environments as f64, of_both[1]));
    }
    if let Some(folder) = std::env::var_os("PLOTS") {
        plot::draw(
            &Path::new(&folder).join("environments.svg"),
            "One fault of 200 nodes that log it within 20 seconds",
            ["execution environments", "a batch"],
            &[
                ("operations on the table", operations),
                ("conflicts", conflicts),
            ],
        )
        .expect("the folder of PLOTS can be written to");
    }
}

fn storm(seed: u64, environments: usize) -> Outcome {
    let setup = Setup::calm(seed, super::nodes(NODES), environments);
    let outcome = run::run(setup, Fleet::storm);
    let complaints = verdict::complaints(&outcome);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    outcome
}
