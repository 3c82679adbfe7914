//! What the demonstration prints: headings, labelled values, quoted blocks.
//! libtest keeps it back unless it is asked for or the test fails.

#![allow(clippy::print_stdout, reason = "libtest captures it")]

use std::fmt::Write;
use std::io::IsTerminal;

const WIDTH: usize = 100;
/// Where a labelled value begins.
const INDENT: usize = 17;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

/// `text` in colour, on a terminal that wants it.
fn paint(text: &str, style: Style) -> String {
    let variable = |name| std::env::var_os(name).unwrap_or_default();
    let colored = std::io::stdout().is_terminal()
        && variable("NO_COLOR").is_empty()
        && variable("TERM") != "dumb";
    let code = match style {
        Style::Plain => return text.to_owned(),
        Style::Bold => "1",
        Style::Dim => "2",
        Style::Red => "31",
        Style::Green => "32",
        Style::Yellow => "33",
        Style::Cyan => "36",
    };
    match colored {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

/// Broken at blanks only: ids and ARNs stay whole, so that they can be copied.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("it begins with one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            let _ = write!(line, " {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

pub(crate) fn chapter(number: usize, title: &str) {
    let title = format!("{number}. {title}");
    println!("\n{}", paint(&title, Style::Cyan));
    println!("{}", paint(&"=".repeat(title.len()), Style::Cyan));
}

pub(crate) fn section(title: &str) {
    println!("\n{}", paint(title, Style::Bold));
}

/// A paragraph.
pub(crate) fn say(text: &str) {
    for line in wrap(text, WIDTH - 2) {
        println!("  {line}");
    }
}

/// A labelled value, wrapped under itself.
pub(crate) fn item(label: &str, text: &str, style: Style) {
    let mut label = paint(&format!("{label:<15}"), Style::Dim);
    for line in wrap(text, WIDTH - INDENT) {
        println!("  {label}{}", paint(&line, style));
        label = " ".repeat(INDENT - 2);
    }
}

/// Text from elsewhere, unaltered and marked at the margin.
pub(crate) fn quote(text: &str, style: Style) {
    for line in text.lines() {
        println!("  {} {}", paint("|", Style::Dim), paint(line, style));
    }
}

/// Between a thing and the text that is quoted of it.
pub(crate) fn gap() {
    println!();
}

/// A claim that holds; the test fails where it does not.
#[track_caller]
pub(crate) fn claim(holds: bool, text: &str, found: &dyn std::fmt::Debug) {
    assert!(holds, "this does not hold: {text} (found: {found:#?})");
    println!("  {} {text}", paint("checked:", Style::Green));
}

/// At most `keep` characters of it on one line.
pub(crate) fn shorten(text: &str, keep: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(keep) {
        Some(_) => line.chars().take(keep - 1).chain(['…']).collect(),
        None => line,
    }
}
