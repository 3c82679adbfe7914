//! One signature, in full.

use std::fmt::{Display, Write as _};

use crate::cli::no_such;
use crate::notify::page::wrap;
use crate::signature::{Entry, Kind, Signature};

/// The first entry of this id; the error names the nearest ones.
pub(super) fn render(entries: &[Entry], id: &str, width: usize) -> Result<String, String> {
    let known = entries.iter().find(|entry| entry.signature.id == id);
    let ids = entries.iter().map(|one| one.signature.id);
    let entry = known.ok_or_else(|| no_such("signature", id, ids))?;
    let one = &entry.signature;
    let mut page = format!("{}\n\n{}\n\n", one.id, wrap(one.title, "", "", width));
    for (name, value) in fields(entry) {
        if !value.is_empty() {
            let _ = writeln!(
                page,
                "{}",
                wrap(&value, &format!("  {name:<15}"), &" ".repeat(17), width)
            );
        }
    }
    texts(&mut page, "Message begins with one of", one.starts);
    texts(&mut page, "Message holds one of", one.contains);
    texts(&mut page, "Message holds none of", one.excludes);
    texts(&mut page, "Message matches", one.pattern.as_slice());
    texts(&mut page, "Recognises", entry.documentation.matches);
    texts(&mut page, "Does not recognise", entry.documentation.rejects);
    Ok(page)
}

fn fields(entry: &Entry) -> [(&'static str, String); 13] {
    let (one, about) = (&entry.signature, &entry.documentation);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    [
        ("kind", one.kind.to_string()),
        ("part", one.part.to_string()),
        ("causes", causes(one)),
        ("what to do", runbook(one).unwrap_or_default()),
        ("severity", text(one.severity.map(|it| it.as_str()))),
        ("levels", levels(one)),
        ("tags", one.components.join(", ")),
        ("role", text(one.role.map(|it| it.as_str()))),
        ("clears", list(one.clears)),
        ("checks", about.checks.join(", ")),
        ("harmless when", text(about.false_positives)),
        ("agents", text(about.versions)),
        ("see", about.references.join("; ")),
    ]
}

fn list(names: &[impl Display]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// The sheet of the likeliest cause.
fn runbook(one: &Signature) -> Option<String> {
    let cause = one.causes.first()?;
    Some(format!("ssm-agent-triage runbook show {cause}"))
}

fn causes(one: &Signature) -> String {
    let list = list(one.causes);
    match one.kind {
        Kind::Fault | Kind::Symptom if one.overrides_error => list,
        Kind::Fault | Kind::Symptom if list.is_empty() => {
            "what the error inside the text says".to_owned()
        }
        Kind::Fault | Kind::Symptom => format!("what the error inside the text says, else {list}"),
        Kind::Recovery | Kind::Benign => list,
    }
}

fn levels(one: &Signature) -> String {
    match one.levels {
        [] => "WARN and above".to_owned(),
        levels => list(levels),
    }
}

/// A heading with texts as they are written: never wrapped, to be copied.
fn texts(page: &mut String, heading: &str, texts: &[&str]) {
    if texts.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n  {heading}");
    for text in texts {
        for (number, line) in text.trim_end().lines().enumerate() {
            let indent = if number == 0 { "      " } else { "        " };
            let _ = writeln!(page, "{indent}{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::signatures::tests::sample;
    use crate::signature::builtin_entries;

    #[test]
    fn a_signature_is_shown_with_its_examples() {
        insta::assert_snapshot!(render(&sample(), "own-check-failed", 100).expect("is known"), @r#"
        own-check-failed

        Our own check of the host failed

          kind           fault
          part           host
          causes         what the error inside the text says, else host-permission, host-disk-full,
                         host-noexec
          what to do     ssm-agent-triage runbook show host-permission
          severity       low
          levels         WARN and above
          tags           Own
          checks         instance-state
          harmless when  while the host is set up
          agents         3.2.582-
          see            Our handbook, chapter 7

          Message begins with one of
              own check failed

          Message holds one of
              because of

          Message holds none of
              as it should

          Message matches
              (?P<why>[a-z]+)$

          Recognises
              2024-11-04 10:00:07.0137 ERROR [Own] own check failed because of
                	something

          Does not recognise
              2024-11-04 10:00:07.0137 ERROR [Own] own check failed because of that, as it should
        "#);
    }

    #[test]
    fn every_signature_can_be_shown() {
        let catalogue = builtin_entries();
        for id in catalogue.iter().map(|entry| entry.signature.id) {
            let page = render(&catalogue, id, 100).expect("is known");
            assert!(page.starts_with(&format!("{id}\n\n")), "{page}");
            assert!(page.contains("\n  Recognises\n      "), "{page}");
        }
    }

    #[test]
    fn an_unknown_id_is_answered_with_the_nearest() {
        let error = render(&sample(), "own-check", 100).expect_err("is not known");
        assert!(
            error.contains("the nearest are own-check-failed, own-"),
            "{error}"
        );
    }
}
