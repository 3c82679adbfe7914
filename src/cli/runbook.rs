//! `runbook`: what is said of each cause, and what to do.

use std::fmt::Write as _;

use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;

use super::arguments::{Format, one_of};
use super::terminal::Style;
use super::{Output, no_such};
use crate::cause::{Cause, ScopeKind, Severity};
use crate::notify::page::wrap;
use crate::sheet::{self, Next, Piece, SHEETS, Sheet, Step, Template, When};

/// Shows the runbook of a cause: its title, what to do and when, how to verify, what happens next.
///
/// A value in braces is filled in from the incident; what is not known then stands in capitals.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  ssm-agent-triage runbook list
  ssm-agent-triage runbook show imds-disabled
  ssm-agent-triage runbook show permission-missing --format json | jq '.sections[].items[].run'")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the causes, one to a line.
    List {
        /// Only those of this severity.
        #[arg(long, value_name = "SEVERITY", value_parser = one_of(Severity::ALL, Severity::as_str))]
        severity: Option<Severity>,
    },
    /// Shows the runbook of one cause.
    Show {
        /// As the list and every report name it.
        cause: String,
        #[arg(long, default_value_t = Format::Text, value_parser = one_of(&[Format::Text, Format::Json], Format::as_str))]
        format: Format,
    },
}

/// Runs the subcommand; the error is a sentence for standard error.
pub(super) fn run(args: Args) -> Result<Output, String> {
    match args.command {
        Command::List { severity } => Ok(Output::success(list(severity))),
        Command::Show { cause, format } => {
            let page = page(of(&cause)?);
            Ok(Output::success(match format {
                Format::Json => format!("{:#}\n", serde_json::json!(page)),
                // No argument asks for a page.
                Format::Text | Format::Html => text(&page, Style::of_standard_output().width),
            }))
        }
    }
}

fn of(cause: &str) -> Result<&'static Sheet, String> {
    let names = Cause::ALL.iter().map(|cause| cause.as_str());
    let known = Cause::parse(cause).map(sheet::of);
    known.ok_or_else(|| no_such("cause", cause, names))
}

fn list(severity: Option<Severity>) -> String {
    let sheets = (SHEETS.iter()).filter(|one| severity.is_none_or(|wanted| one.severity == wanted));
    let rows = sheets.map(|one| {
        let title = one.titles.last().map(|last| words(last.text));
        let [cause, severity] = [one.cause.as_str(), one.severity.as_str()];
        let (scope, title) = (one.scope.as_str(), title.unwrap_or_default());
        format!("{cause:22}  {severity:6}  {scope:18}  {title}\n")
    });
    rows.collect()
}

/// A sheet as people read it, in any format.
#[derive(Serialize)]
struct Page {
    cause: Cause,
    severity: Severity,
    scope: ScopeKind,
    fix: &'static str,
    sections: Vec<Section>,
}

#[derive(Serialize)]
struct Section {
    heading: String,
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    /// Empty: always.
    when: String,
    text: String,
    run: Option<String>,
    windows: Option<String>,
}

fn page(sheet: &Sheet) -> Page {
    let step = |step: &Step| Item {
        when: condition(step.when),
        text: words(step.text),
        run: step.run.map(words),
        windows: step.windows.map(words),
    };
    let next = |next: &Next| Item {
        when: condition(next.when),
        text: format!("{} {}", next.retries, next.restart.sentence()),
        run: None,
        windows: None,
    };
    let mut sections = Vec::new();
    let mut add = |heading: &str, items: Vec<Item>| {
        if !items.is_empty() {
            let heading = heading.to_owned();
            sections.push(Section { heading, items });
        }
    };
    let steps = |all: &[Step]| all.iter().map(step).collect::<Vec<Item>>();
    add("Title", steps(sheet.titles));
    add("What is wrong", steps(sheet.summaries));
    for (fault, own) in sheet.faults {
        add(
            &format!("What to do, if a check proves {fault}"),
            steps(own),
        );
    }
    add("What to do", steps(sheet.steps));
    add("After a repair", steps(sheet.repaired));
    let deciding = sheet.decide.iter().flat_map(|(_, own)| *own);
    add("To decide between causes", deciding.map(step).collect());
    add("How to verify", steps(sheet.verify));
    add("What happens next", sheet.next.iter().map(next).collect());
    Page {
        cause: sheet.cause,
        severity: sheet.severity,
        scope: sheet.scope,
        fix: sheet.fix,
        sections,
    }
}

/// The text of a template, each value in braces.
fn words(template: Template) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => (*text).to_owned(),
        Piece::Value(value) => format!("{{{value}}}"),
    };
    template.iter().map(piece).collect()
}

/// `hybrid and not proxied`; empty where there is none.
fn condition(when: When) -> String {
    let all = when.iter().map(|any| {
        let any = any.iter().map(|test| match test.holds {
            true => test.condition.to_string(),
            false => format!("not {}", test.condition),
        });
        Vec::from_iter(any).join(" or ")
    });
    Vec::from_iter(all).join(" and ")
}

fn text(page: &Page, width: usize) -> String {
    let mut out = format!(
        "{}\n\n  severity  {}\n  scope     {}\n",
        page.cause, page.severity, page.scope
    );
    for section in &page.sections {
        let _ = writeln!(out, "\n{}", section.heading);
        for item in &section.items {
            if !item.when.is_empty() {
                let _ = writeln!(
                    out,
                    "{}",
                    wrap(&format!("[{}]", item.when), "  ", "  ", width)
                );
            }
            let _ = writeln!(out, "{}", wrap(&item.text, "  - ", "    ", width));
            for command in [&item.run, &item.windows].into_iter().flatten() {
                let _ = writeln!(out, "      {command}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/causes.md` as the sheets make it.
    fn markdown() -> String {
        let mut out = String::from(
            "# Causes, and what to do\n\nWhat ssm-agent-triage says of each cause. A value in braces is \
             filled in from the incident; what is not known\nthen stands in capitals. The sheets are \
             in `src/sheet/causes/`; this page is made of them by\n`INSTA_UPDATE=always cargo test \
             --no-default-features --features cli --lib cli::runbook`.\n\n| cause | severity | what \
             must be fixed | in short |\n|---|---|---|---|\n",
        );
        for sheet in SHEETS {
            let (cause, fix) = (sheet.cause, sheet.fix);
            let _ = writeln!(
                out,
                "| [`{cause}`](#{cause}) | {} | {} | {fix} |",
                sheet.severity, sheet.scope
            );
        }
        for sheet in SHEETS {
            let page = page(sheet);
            let _ = writeln!(out, "\n## {}", page.cause);
            for section in page.sections {
                let _ = writeln!(out, "\n**{}**\n", section.heading);
                for item in section.items {
                    let when = match item.when.as_str() {
                        "" => String::new(),
                        when => format!("*{when}*: "),
                    };
                    let _ = writeln!(out, "- {when}{}", item.text);
                    for command in [item.run, item.windows].into_iter().flatten() {
                        let _ = writeln!(out, "  `{command}`");
                    }
                }
            }
        }
        out
    }

    #[test]
    fn the_page_of_causes_is_what_the_sheets_say() {
        const PAGE: &str = "docs/causes.md";
        let made = markdown();
        if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
            std::fs::write(PAGE, &made).expect("the page can be written");
        }
        let kept = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(
            kept == made,
            "{PAGE} is not what the sheets say; run INSTA_UPDATE=always cargo test \
             --no-default-features --features cli --lib cli::runbook"
        );
    }

    #[test]
    fn a_runbook_is_shown_with_its_conditions() {
        insta::assert_snapshot!(text(&page(of("imds-disabled").expect("a cause")), 100));
    }

    #[test]
    fn every_runbook_can_be_shown_and_listed() {
        for cause in Cause::ALL {
            let page = page(of(cause.as_str()).expect("a cause"));
            assert!(text(&page, 100).contains("\nHow to verify\n"), "{cause}");
            let json = serde_json::json!(page);
            assert_eq!(json["cause"], cause.as_str());
            assert!(
                json["sections"]
                    .as_array()
                    .is_some_and(|all| all.len() >= 5)
            );
        }
        assert_eq!(list(None).lines().count(), Cause::ALL.len());
        let sum: usize = (Severity::ALL.iter())
            .map(|one| list(Some(*one)).lines().count())
            .sum();
        assert_eq!(sum, Cause::ALL.len());
    }

    #[test]
    fn an_unknown_cause_is_answered_with_the_nearest() {
        let fault = of("imds-disable").expect_err("is not known");
        assert!(
            fault.starts_with(
                "no cause is called \"imds-disable\"; the nearest are imds-disabled, "
            ),
            "{fault}"
        );
    }
}
