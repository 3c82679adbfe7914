//! How text may look where it is shown.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};

use super::arguments::Format;
use crate::cause::closed_names;
use crate::notify::page::Ink;
pub(super) use crate::notify::page::Style;

closed_names! {
    /// What a verdict comes to at a glance.
    pub(super) Tone {
        Good = "good",
        Doubtful = "doubtful",
        Bad = "bad",
    }
}

impl Tone {
    pub(super) fn ink(self) -> Ink {
        match self {
            Self::Good => Ink::GREEN,
            Self::Doubtful => Ink::YELLOW,
            Self::Bad => Ink::RED,
        }
    }
}

/// Columns of prose where nothing asks for fewer.
const WIDEST: usize = 100;

/// With fewer, most lines would be a word.
const NARROWEST: usize = 24;

/// What to do with an answer that no terminal shows as it is meant.
pub(super) fn hint(format: Format) -> Option<&'static str> {
    let is_for_a_browser = format == Format::Html && io::stdout().is_terminal();
    is_for_a_browser.then_some("this is a page for a browser: redirect it to a file, > page.html")
}

impl Style {
    pub(crate) fn of_standard_output() -> Self {
        let terminal = io::stdout().is_terminal().then(|| {
            terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
        });
        let variable = |name: &str| std::env::var_os(name);
        Self::of(
            terminal,
            variable("TERM").as_deref(),
            variable("NO_COLOR").as_deref(),
        )
    }

    /// `terminal` is there when the text goes to one, with its columns where
    /// they are known.
    fn of(terminal: Option<Option<usize>>, term: Option<&OsStr>, no_color: Option<&OsStr>) -> Self {
        let is_dumb = term.is_none_or(|term| term.is_empty() || term == "dumb");
        let refused = no_color.is_some_and(|value| !value.is_empty());
        Self {
            colour: terminal.is_some() && (!is_dumb || cfg!(windows)) && !refused,
            width: terminal
                .flatten()
                .filter(|width| *width > 0)
                .map_or(WIDEST, |width| width.clamp(NARROWEST, WIDEST)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_a_terminal_that_takes_it_and_nobody_refused() {
        let colour = |terminal: bool, term: Option<&str>, no_color: Option<&str>| {
            Style::of(
                terminal.then_some(Some(80)),
                term.map(OsStr::new),
                no_color.map(OsStr::new),
            )
            .colour
        };
        assert!(colour(true, Some("xterm"), None));
        assert!(colour(true, Some("xterm"), Some("")));
        assert!(!colour(true, Some("xterm"), Some("0")));
        assert!(!colour(false, Some("xterm"), None));
        if !cfg!(windows) {
            assert!(!colour(true, Some("dumb"), None));
            assert!(!colour(true, Some(""), None));
            assert!(!colour(true, None, None));
        }
    }

    #[test]
    fn prose_is_no_wider_than_the_terminal() {
        for (terminal, width) in [
            (None, 100),
            (Some(None), 100),
            (Some(Some(0)), 100),
            (Some(Some(250)), 100),
            (Some(Some(72)), 72),
            (Some(Some(3)), 24),
        ] {
            assert_eq!(Style::of(terminal, None, None).width, width, "{terminal:?}");
        }
    }
}
