//! Virtual time: it stands still while anything can go on, and then jumps to the next
//! moment at which something does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;

/// 2026-11-23 00:00 UTC, in milliseconds since 1970.
pub(super) const START: i64 = 1_795_392_000_000;

#[derive(Default)]
struct Clock {
    now: i64,
    number: u64,
    /// Who waits for which moment; of one moment in the order of their numbers.
    waiting: BTreeMap<(i64, u64), Waker>,
}

thread_local! {
    static CLOCK: RefCell<Clock> = RefCell::default();
}

/// Begins anew at [`START`].
pub(super) fn reset() {
    CLOCK.with_borrow_mut(|clock| {
        *clock = Clock {
            now: START,
            ..Clock::default()
        };
    });
}

/// In milliseconds since 1970.
pub(super) fn millis() -> i64 {
    CLOCK.with_borrow(|clock| clock.now)
}

/// The time that an invocation reads.
pub(super) fn now() -> Timestamp {
    timestamp(millis())
}

pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).expect("a moment of these years")
}

/// Goes on to `at`, unless that has passed.
pub(super) fn advance(at: i64) {
    CLOCK.with_borrow_mut(|clock| clock.now = clock.now.max(at));
}

/// The next moment for which somebody waits.
pub(super) fn next() -> Option<i64> {
    CLOCK.with_borrow(|clock| clock.waiting.keys().next().map(|(at, _)| *at))
}

/// Goes on to that moment, and wakes the first who waits for it.
pub(super) fn wake_next() {
    let waker = CLOCK.with_borrow_mut(|clock| {
        let ((at, _), waker) = clock.waiting.pop_first()?;
        clock.now = clock.now.max(at);
        Some(waker)
    });
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Lets so many milliseconds pass.
pub(super) fn pause(millis: u64) -> Pause {
    Pause {
        until: self::millis() + i64::try_from(millis).expect("few milliseconds"),
        number: None,
    }
}

/// A place at which others go on, and at which an invocation may be cut off.
pub(super) struct Pause {
    until: i64,
    number: Option<u64>,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        CLOCK.with_borrow_mut(|clock| {
            let until = self.until;
            if let Some(number) = self.number.take()
                && clock.waiting.remove(&(until, number)).is_none()
            {
                return Poll::Ready(());
            }
            clock.number += 1;
            let number = clock.number;
            clock
                .waiting
                .insert((until, number), context.waker().clone());
            self.number = Some(number);
            Poll::Pending
        })
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            CLOCK.with_borrow_mut(|clock| clock.waiting.remove(&(self.until, number)));
        }
    }
}
