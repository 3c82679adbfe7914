//! What is said of a scan as a whole, however it is arranged.

use std::cmp::Reverse;

use crate::cause::Cause;
use crate::correlate::unknown::MAX_TEMPLATES;
use crate::finding::Unrecognised;
use crate::incident::group::Incident;
use crate::notify::content::second;
use crate::record::Level;
use crate::signature::Signature;

use super::Verdict;
use crate::cli::live::Caller;
use crate::cli::plural;
use crate::cli::terminal::Tone;

/// What is to be fixed, then what is of low severity.
pub(super) fn incidents(verdict: &Verdict) -> (Vec<&Incident>, Vec<&Incident>) {
    let known = verdict.incidents.iter();
    known
        .filter(|incident| incident.cause != Cause::Unrecognised)
        .partition(|incident| incident.severity.is_actionable())
}

/// The verdict in a sentence.
pub(super) fn headline(verdict: &Verdict) -> (Tone, String) {
    let (actionable, quiet) = incidents(verdict);
    let unknown = not_recognised(&verdict.reading.unrecognised);
    let (known, or_not) = match &unknown {
        None => ("", String::new()),
        Some(records) => ("known is ", format!(", {records}")),
    };
    match (actionable.len(), quiet.len()) {
        (0, _) if verdict.reading.source.records == 0 => (
            Tone::Doubtful,
            "No record of the SSM Agent was found.".to_owned(),
        ),
        (0, 0) => match unknown {
            Some(unknown) => (
                Tone::Doubtful,
                format!("Nothing known is wrong; {unknown}."),
            ),
            None if verdict.unread.is_empty() => (Tone::Good, "Nothing is wrong.".to_owned()),
            None => (
                Tone::Doubtful,
                "Nothing is wrong in what could be read.".to_owned(),
            ),
        },
        (0, quiet) => (
            if known.is_empty() {
                Tone::Good
            } else {
                Tone::Doubtful
            },
            format!(
                "Nothing {known}urgent; {} of low severity{or_not}.",
                plural(quiet, "thing")
            ),
        ),
        (actionable, 0) => (
            Tone::Bad,
            format!("{} to fix.", plural(actionable, "thing")),
        ),
        (actionable, quiet) => (
            Tone::Bad,
            format!(
                "{} to fix, {quiet} more of low severity.",
                plural(actionable, "thing")
            ),
        ),
    }
}

/// What the verdict rests on, a paragraph each.
pub(super) fn read(verdict: &Verdict) -> Vec<String> {
    let source = &verdict.reading.source;
    let records = usize::try_from(source.records).unwrap_or(usize::MAX);
    let mut read = format!(
        "Read {} in {}",
        plural(records, "record"),
        plural(verdict.files, "file"),
    );
    if verdict.logs.len() > 1 {
        read.push_str(&format!(" of {} nodes", verdict.logs.len()));
    }
    if let (Some(oldest), Some(newest)) = (source.oldest, source.newest) {
        let (oldest, newest) = (second(oldest), second(newest));
        read.push_str(&format!(", {oldest} to {newest} by the log's clock"));
    } else if records > 0 {
        read.push_str(", without times: that of the file, or of now, stands for them");
    }
    let more = if source.records == 0 {
        Some(
            "Its log is /var/log/amazon/ssm/amazon-ssm-agent.log, on Windows \
             %PROGRAMDATA%\\Amazon\\SSM\\Logs\\amazon-ssm-agent.log."
                .to_owned(),
        )
    } else if !verdict.unread.is_empty() {
        // What the verdict does not rest on; standard error says why.
        let were = if verdict.unread.len() == 1 {
            "was"
        } else {
            "were"
        };
        Some(format!(
            "{} {were} not read, or not to the end, or held no record: the verdict is on the rest.",
            plural(verdict.unread.len(), "input")
        ))
    } else {
        None
    };
    let live = verdict.live.as_ref().map(Caller::to_string);
    let all = [format!("{read}.")].into_iter().chain(live);
    all.chain(more).collect()
}

/// How many records nothing recognised: a fault may be among them.
fn not_recognised(unknown: &[Unrecognised]) -> Option<String> {
    match unknown.iter().map(|unknown| unknown.count).sum::<u64>() {
        0 => None,
        1 => Some("1 record of WARN or ERROR was not recognised".to_owned()),
        many => Some(format!(
            "{}{many} records of WARN or ERROR were not recognised",
            at_least(unknown)
        )),
    }
}

/// Of a node with many kinds of them the oldest are no longer counted.
pub(super) fn at_least(unknown: &[Unrecognised]) -> &'static str {
    match unknown.len() < MAX_TEMPLATES {
        true => "",
        false => "at least ",
    }
}

/// What looks bad and is harmless, with the number of its records, the most frequent first.
pub(super) fn harmless<'a>(
    verdict: &Verdict,
    catalogue: &'a [Signature],
) -> Vec<(u64, &'a Signature)> {
    let looks_bad = |signature: &&Signature| {
        let levels = [Level::Warn, Level::Error, Level::Critical];
        levels.into_iter().any(|level| signature.reads(level))
    };
    let count = |signature| verdict.reading.benign.get(signature).copied();
    let mut seen: Vec<(u64, &Signature)> = (catalogue.iter().filter(looks_bad))
        .filter_map(|signature| Some((count(signature.id)?, signature)))
        .collect();
    seen.sort_by_key(|(count, _)| Reverse(*count));
    seen
}
