//! A log in another form than its own lines, read back: how it was cut, and what
//! holds it.
//!
//! A form is one file with the function that reads it back, and one line here. What
//! holds lines is looked for where no line begins as the agent's do.

use super::marks::{begins_log, strip};
use super::rows::{Rows, is_unquoted};
use super::{aligned, fields, frame, literal, mail, page, run_on, table};
use crate::record::lines;

type Form = fn(&str) -> Option<Rows>;

/// What cuts lines, and leaves the beginnings of some.
const CUTTING: [Form; 3] = [mail::open, frame::open, run_on::open];

/// What holds lines, in the order in which it is looked for.
const HOLDING: [Form; 5] = [
    fields::open,
    literal::open,
    page::open,
    table::open,
    aligned::open,
];

/// The lines that a text holds in another form.
pub(super) fn unfold(text: &str) -> Option<Rows> {
    let read = |forms: &[Form]| forms.iter().find_map(|open| open(text));
    // What a shipper's object holds is its own to tell.
    let object = |line| {
        strip(line, |it, _| {
            (it.starts_with('{') && begins_log(it)).then_some(())
        })
    };
    let is_line = |line| is_unquoted(line) || object(line).is_some();
    let has_lines = || lines(text).any(is_line);
    read(&CUTTING).or_else(|| (!has_lines()).then(|| read(&HOLDING)).flatten())
}
