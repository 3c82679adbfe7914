//! An object behind whatever a shipper writes in front of it: Fluentd's
//! `time TAB tag TAB {…}`, a relay's own prefix.

use super::{Context, Envelope, Opened, json, stamp};

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let (opening, object) = match line.as_bytes() {
        [.., b'}'] => ("{\"", line),
        [.., b'}', b']'] if line.contains("[{\"") => ("[{\"", line),
        // Fluentd's event, `[tag, time, {…}]`.
        [.., b'}', b']'] => ("{\"", &line[..line.len() - 1]),
        _ => return None,
    };
    let start = object.find(opening).filter(|start| *start > 0)?;
    let mut opened = json::open(&object[start..], context)?;
    let at = stamp::leading(line).map(|(at, _)| at);
    let envelope = std::mem::take(&mut opened.envelope);
    opened.envelope = Envelope {
        at: envelope.at.or(at),
        ..envelope
    };
    Some(opened)
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::*;

    #[test]
    fn an_object_behind_a_prefix_is_opened() {
        let known = Known::default();
        let context = Context {
            known: &known,
            depth: 0,
        };
        let head = "2026-11-23 04:19:04.1850 INFO x";
        for prefix in [
            "2026-11-23T04:19:04+00:00\tssm.agent\t",
            "2026-11-23 04:19:04.000000000 +0000 ssm.agent: ",
            "ssm-agent | ",
        ] {
            let line = format!("{prefix}{{\"log\":\"{head}\"}}");
            let opened = open(&line, &context).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(opened.text, head);
            let line = format!("{prefix}[{{\"log\":\"{head}\"}}]");
            assert!(open(&line, &context).is_some(), "{line}");
        }
        for line in [
            "x {\"log\":\"no record\"}",
            "x {\"log\":\"2026-11-23 04:19:04.1850 INFO x\"} y",
        ] {
            assert_eq!(open(line, &context), None, "{line}");
        }
    }
}
