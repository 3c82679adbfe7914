//! Reads that stand for later ones.

use super::*;

/// A fleet that is read in one invocation after another.
#[derive(Default)]
struct Sequence {
    fleet: Arc<Fleet>,
    kept: Arc<Kept>,
}

impl Sequence {
    fn of(fleet: Fleet) -> Self {
        Self {
            fleet: Arc::new(fleet),
            kept: Arc::default(),
        }
    }

    /// What an invocation finds, and what it asks AWS for.
    fn read(&self, findings: &[Finding], age: Duration) -> (Facts, Vec<String>) {
        self.fleet.asked.lock().expect("no call panics").clear();
        let (reads, kept) = (Arc::clone(&self.fleet), Arc::clone(&self.kept));
        let recent = Arc::new(Recent::new(reads, kept, Instant::now(), age));
        let needs = Needs::of(findings, &home());
        let facts = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime")
            .block_on(async { read(&needs, &recent, Instant::now() + SHORT * 50).await });
        (facts, self.fleet.asked())
    }

    fn queries(&self, findings: &[Finding]) -> Vec<String> {
        self.read(findings, KEPT).1
    }
}

fn text(facts: &Facts) -> String {
    format!("{facts:#?}")
}

#[test]
fn what_many_batches_ask_for_is_read_a_few_times() {
    let sequence = Sequence::default();
    let (facts, first) = sequence.read(&all_of(1), KEPT);
    for _ in 1..ASKED_BEFORE {
        assert_eq!(sequence.queries(&all_of(1)), first);
    }
    for _ in 0..10 {
        let (kept, asked) = sequence.read(&all_of(1), KEPT);
        assert_eq!((text(&kept), asked), (text(&facts), Vec::new()));
    }
    // Two nodes more, in the same subnet and on the same role.
    let (all, mut further) = sequence.read(&all_of(3), KEPT);
    // For several instances the simulator is asked about all of them.
    further.retain(|call| !call.starts_with("SimulatePrincipalPolicy"));
    let of_nodes = [
        "DescribeInstanceInformation 2",
        "DescribeInstanceStatus 2",
        "DescribeInstances 2",
    ];
    assert_eq!(further, of_nodes);
    let anew = read_from(&sequence.fleet, &all_of(3), ENOUGH);
    assert_eq!(text(&all), text(&anew));
}

#[test]
fn two_thousand_batches_about_one_broken_role_ask_a_few_times() {
    let sequence = Sequence::default();
    let began = Instant::now();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for batch in 0..2_000 {
        let causes = [Cause::RoleNotAssumable, Cause::StaleInstanceProfile];
        let findings = [finding(1 + batch % 2, &causes, Confidence::Likely)];
        for call in sequence.queries(&findings) {
            let (name, _) = call.split_once(' ').expect("what it is about follows");
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    // As often again in each minute that a busy machine takes.
    let minutes = 1 + usize::try_from(began.elapsed().as_secs() / KEPT.as_secs()).expect("few");
    let of_each_node = 2 * ASKED_BEFORE;
    let names: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "DescribeInstanceInformation",
            "DescribeInstances",
            "GetInstanceProfile",
            "GetRole"
        ]
    );
    for (name, count) in &counts {
        let most = match name.as_str() {
            "DescribeInstanceInformation" | "DescribeInstances" => of_each_node,
            _ => ASKED_BEFORE,
        };
        assert!(
            (most..=most * minutes).contains(count),
            "{count} times {name}"
        );
    }
}

#[test]
fn what_must_be_new_or_was_forgotten_is_read_again() {
    let sequence = Sequence::default();
    let first = sequence.queries(&all_of(1));
    for _ in 0..ASKED_BEFORE {
        sequence.queries(&all_of(1));
    }
    assert_eq!(sequence.queries(&all_of(1)), [""; 0]);
    assert_eq!(sequence.read(&all_of(1), Duration::ZERO).1, first);
    sequence.kept.forget();
    assert_eq!(sequence.queries(&all_of(1)), first);
}

#[test]
fn a_denial_stands_for_the_next_and_no_answer_does_not() {
    let findings = [finding(1, &[Cause::ImdsDisabled], Confidence::Likely)];
    for (fleet, stands) in [
        (
            Fleet {
                denied: vec!["DescribeInstances"],
                ..Fleet::default()
            },
            true,
        ),
        (
            Fleet {
                silent: &["DescribeInstances"],
                ..Fleet::default()
            },
            false,
        ),
    ] {
        let sequence = Sequence::of(fleet);
        for _ in 0..ASKED_BEFORE {
            sequence.queries(&findings);
        }
        let asked = sequence.queries(&findings);
        let again = asked.contains(&"DescribeInstances 1".to_owned());
        assert_eq!(again, !stands);
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let sequence = Sequence::default();
    for _ in 0..=ASKED_BEFORE {
        sequence.queries(&all_of(1_000));
    }
    let again = sequence.queries(&all_of(1_000));
    let of_instances = |call: &String| call.starts_with("DescribeInstances ");
    assert!(again.iter().any(of_instances), "a thousand are not kept");
}
