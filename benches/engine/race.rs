//! Times subjects in turn, so that a busy machine slows all of them alike.

use std::time::{Duration, Instant};

/// A piece of work that is timed.
pub(crate) struct Subject<'a> {
    work: Box<dyn FnMut() + 'a>,
    /// Too slow for every round.
    once: bool,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(work: impl FnMut() + 'a) -> Self {
        Self {
            work: Box::new(work),
            once: false,
        }
    }

    /// One that is timed in the first round only.
    pub(crate) fn once(work: impl FnMut() + 'a) -> Self {
        Self {
            once: true,
            ..Self::new(work)
        }
    }
}

pub(crate) struct Outcome {
    pub median: Duration,
    /// The median over the rounds of the time against the first subject's.
    pub ratio: f64,
}

/// Runs every subject once a round, after one round that is not counted.
pub(crate) fn race(rounds: usize, mut subjects: Vec<Subject<'_>>) -> Vec<Outcome> {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); subjects.len()];
    for round in 0..=rounds {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            if subject.once && round != 1 {
                continue;
            }
            let begin = Instant::now();
            (subject.work)();
            if round > 0 {
                times.push(begin.elapsed());
            }
        }
    }
    let first = times[0].clone();
    times
        .into_iter()
        .map(|times| {
            let mut ratios: Vec<f64> = times
                .iter()
                .zip(&first)
                .map(|(time, first)| time.as_secs_f64() / first.as_secs_f64())
                .collect();
            ratios.sort_by(f64::total_cmp);
            Outcome {
                ratio: ratios[ratios.len() / 2],
                median: median(times),
            }
        })
        .collect()
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
