//! WARN and ERROR records that no signature knows, grouped by template.

use jiff::Timestamp;

use crate::cause::{Cause, Confidence};
use crate::finding::Unrecognised;
use crate::finding::{ErrorDetails, Evidence, Finding, SignatureCount};
use crate::node::Node;
use crate::record::{NormalizedRecord, Record, cut};

/// Templates that are kept of one stream or node; a further one takes the place
/// of the oldest.
pub const MAX_TEMPLATES: usize = 64;
const MAX_TEMPLATE_BYTES: usize = 160;

/// So much is quoted of a record that nothing recognises.
const MAX_EXAMPLE_BYTES: usize = 512;

/// Records of one template.
#[derive(Debug, Clone, PartialEq)]
pub struct Unknown {
    /// The text with its numbers, ids and names masked.
    pub template: String,
    /// How many records have it.
    pub count: u64,
    /// One of them.
    pub example: Evidence,
    /// When it was first logged.
    pub first: Timestamp,
    /// When it was last logged.
    pub last: Timestamp,
}

impl Unknown {
    /// What it holds, in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.template.capacity() + self.example.bytes()
    }

    /// A finding of the cause `unrecognised` on `node`.
    pub fn finding(&self, node: &Node) -> Finding {
        Finding {
            node: node.clone(),
            candidates: vec![Cause::Unrecognised],
            confidence: Confidence::Undetermined,
            severity: Cause::Unrecognised.severity(),
            error_details: ErrorDetails {
                template: Some(self.template.clone()),
                ..ErrorDetails::default()
            },
            evidence: vec![self.example.clone()],
            signatures: vec![SignatureCount {
                id: "unrecognised".into(),
                count: self.count,
                first: self.first,
                last: self.last,
            }],
            first: self.first,
            last: self.last,
            retry_in_seconds: None,
            fresh: true,
        }
    }

    /// As the report has it.
    pub fn report(&self) -> Unrecognised {
        Unrecognised {
            template: self.template.clone(),
            count: self.count,
            example: self.example.text.clone(),
        }
    }
}

fn quoted(record: &Record<'_>, place: Option<&str>) -> Evidence {
    Evidence {
        at: record.at,
        level: record.level,
        component: cut(record.component(), MAX_TEMPLATE_BYTES).to_owned(),
        text: record.quote(MAX_EXAMPLE_BYTES),
        place: place.map(|file| format!("{file}:{}", record.line)),
    }
}

/// Counts the record under its template; a bounded number of templates is kept.
pub fn add(known: &mut Vec<Unknown>, record: &NormalizedRecord<'_, '_>, place: Option<&str>) {
    let template = template(record.flat());
    if let Some(unknown) = known
        .iter_mut()
        .find(|unknown| unknown.template == template)
    {
        unknown.count += 1;
        unknown.first = unknown.first.min(record.at);
        unknown.last = unknown.last.max(record.at);
        return;
    }
    if known.len() == MAX_TEMPLATES {
        known.remove(0);
    }
    known.push(Unknown {
        template,
        count: 1,
        example: quoted(record, place),
        first: record.at,
        last: record.at,
    });
}

/// Twelve hex digits of the template's hash: the scope of its incident. By
/// FNV-1a, which is the same in every version, as a key that is kept must be.
pub fn scope_id(template: &str) -> String {
    let hash = template.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")[..12].to_owned()
}

/// The text with everything that varies masked: ids, numbers, paths, addresses, quoted values.
pub fn template(flat: &str) -> String {
    let mut template = String::with_capacity(flat.len().min(MAX_TEMPLATE_BYTES));
    let mut length = 0;
    for word in flat.split(' ').filter(|word| !word.is_empty()) {
        let pieces = masked(word);
        length += pieces.map(str::len).iter().sum::<usize>() + 1;
        if !template.is_empty() {
            template.push(' ');
        }
        if length > MAX_TEMPLATE_BYTES {
            template.push('…');
            break;
        }
        template.extend(pieces);
    }
    template
}

/// What stands around a word's core, and between that the core, or `*` where it varies.
fn masked(word: &str) -> [&str; 3] {
    let around = |c: char| !c.is_alphanumeric() && c != '/';
    let begun = word.trim_start_matches(around);
    let core = begun.trim_end_matches(around);
    let before = &word[..word.len() - begun.len()];
    let varies = core.starts_with('/')
        || core.len() > 40
        || core
            .bytes()
            .any(|byte| byte.is_ascii_digit() || byte == b'@')
        || core.contains(':') && (core.contains("://") || core.contains(":\\"));
    [
        before,
        if varies { "*" } else { core },
        &begun[core.len()..],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_masked() {
        assert_eq!(
            template("could not open /var/lib/x for i-0123456789abcdef0 after 3 tries: \"broken\""),
            "could not open * for * after * tries: \"broken\""
        );
        assert_eq!(template("a  b"), "a b");
    }

    #[test]
    fn a_template_has_a_scope_of_twelve_hex_digits() {
        let id = scope_id("x");
        assert!(id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
