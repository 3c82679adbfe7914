//! Which nodes a sweep looks at.

use std::fmt;

/// What `TRIAGE_SWEEP`, or the input, names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Registered nodes whose ping is lost.
    Lost,
    /// Also running instances that Systems Manager has never seen.
    All,
    /// As [`Selection::All`], of those with this tag.
    Tag {
        /// At most 128 characters.
        key: String,
        /// At most 256 characters; may be empty.
        value: String,
    },
}

impl Selection {
    /// Completes the sentence "allowed: …".
    pub const ALLOWED: &str =
        "lost, all or tag:KEY=VALUE, in letters, digits, spaces and . _ : / = + @ -";

    /// `None` unless `text` is of [`Selection::ALLOWED`]. What EC2's filters take for a
    /// wildcard is no character of it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "lost" => return Some(Self::Lost),
            "all" => return Some(Self::All),
            _ => {}
        }
        let (key, value) = text.strip_prefix("tag:")?.split_once('=')?;
        let plain = |c: char| c.is_alphanumeric() || " ._:/=+@-".contains(c);
        let fits = |text: &str, most| text.chars().count() <= most && text.chars().all(plain);
        (!key.is_empty() && fits(key, 128) && fits(value, 256)).then(|| Self::Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("lost"),
            Self::All => f.write_str("all"),
            Self::Tag { key, value } => write!(f, "tag:{key}={value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_read_as_it_is_written() {
        for text in ["lost", "all", "tag:team=web", "tag:a b=", "tag:k=v=w"] {
            let read = Selection::parse(text).expect(text);
            assert_eq!(read.to_string(), text);
        }
        let long = format!("tag:{}=v", "k".repeat(129));
        for text in ["", "Lost", "tag:", "tag:=v", "tag:k", "tag:k=a*", &long] {
            assert_eq!(Selection::parse(text), None, "{text}");
        }
    }
}
