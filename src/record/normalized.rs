//! The text of a record on one line.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Deref;

use super::Record;
use super::text::{fold_into, is_folded};

/// A record with its text on one line, which is made once and only when it is
/// asked for: most records of a healthy log are passed over without it.
#[derive(Debug)]
pub struct NormalizedRecord<'r, 'a> {
    record: &'r Record<'a>,
    flat: OnceCell<Cow<'r, str>>,
}

impl<'r, 'a> NormalizedRecord<'r, 'a> {
    pub fn new(record: &'r Record<'a>) -> Self {
        Self {
            record,
            flat: OnceCell::new(),
        }
    }

    /// As [`Record::flat`].
    pub fn flat(&self) -> &str {
        self.flat.get_or_init(|| self.record.flat())
    }
}

impl<'a> Deref for NormalizedRecord<'_, 'a> {
    type Target = Record<'a>;

    fn deref(&self) -> &Record<'a> {
        self.record
    }
}

pub(super) fn flat<'r>(record: &'r Record<'_>) -> Cow<'r, str> {
    if record.rest.is_empty() && is_folded(&record.message) {
        return Cow::Borrowed(record.message.trim_end());
    }
    let length =
        record.message.len() + record.rest.iter().map(|line| line.len() + 1).sum::<usize>();
    let mut flat = String::with_capacity(length);
    fold_into(&mut flat, &record.message);
    for line in &record.rest {
        fold_into(&mut flat, line);
    }
    flat.truncate(flat.trim_end().len());
    Cow::Owned(flat)
}
