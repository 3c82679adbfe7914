//! The container runtime's log: `2026-09-10T10:00:10.815462921Z stderr F …`. A
//! line of more than 16 KB comes in parts, of which all but the last have a `P`.
//! (Kubernetes, `pkg/kubelet/kuberuntime/logs`.)

use super::{Context, Envelope, Opened, stamp};
use crate::machine::Environment;
use crate::record::text::split_at_byte;

pub(super) fn open<'a>(line: &'a str, _: &Context<'_>) -> Option<Opened<'a>> {
    let (at, rest) = stamp::iso(line)?;
    let rest = rest
        .strip_prefix("stdout ")
        .or_else(|| rest.strip_prefix("stderr "))?;
    let (tags, text) = split_at_byte(rest, b' ').unwrap_or((rest, ""));
    let partial = match tags.as_bytes() {
        [b'P'] | [b'P', b':', ..] => true,
        [b'F'] | [b'F', b':', ..] => false,
        _ => return None,
    };
    let envelope = Envelope {
        at: Some(at),
        machine: [Environment::Kubernetes].into_iter().collect(),
        partial,
        ..Envelope::default()
    };
    Some(Opened::new(text, envelope))
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::*;

    #[test]
    fn whole_lines_and_parts_are_opened() {
        let known = Known::default();
        let context = Context {
            known: &known,
            depth: 0,
        };
        for (line, text, partial) in [
            ("2026-09-10T10:00:10.815462921Z stderr F a b", "a b", false),
            (
                "2026-09-10T10:00:10.815462921+02:00 stdout P a ",
                "a ",
                true,
            ),
            ("2026-09-10T10:00:10Z stdout F:x a", "a", false),
            ("2026-09-10T10:00:10Z stdout F", "", false),
        ] {
            let opened = open(line, &context).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((&*opened.text, opened.envelope.partial), (text, partial));
            assert!(opened.envelope.at.is_some(), "{line}");
        }
        for line in [
            "2026-09-10T10:00:10Z stdin F a",
            "2026-09-10T10:00:10Z stdout X a",
            "2026-09-10 10:00:10 stdout F a",
        ] {
            assert_eq!(open(line, &context), None, "{line}");
        }
    }
}
