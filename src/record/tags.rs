//! The tags between a record's level and its message: which part of the agent wrote it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::text::{near, trimmed_start, without_last};

/// Words that older code writes in the place of a tag, without brackets.
const WORDS: [&str; 4] = [
    "EC2RoleProvider",
    "SSMService",
    "CoreModuleWrapper",
    "UpdateS3Util",
];

/// The longest of them, in bytes.
const MAX_WORD: usize = 17;

/// No tag is longer, in bytes.
const MAX_TAG: usize = 200;

/// At most this many brackets stand before a message.
const MAX_BRACKETS: usize = 9;

/// The bracketed tags of a record, and the one unbracketed word that stands for
/// a tag (`EC2RoleProvider`). Kept as they are written: they are asked for in
/// few of the records of a healthy log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags<'a> {
    text: Cow<'a, str>,
}

impl<'a> Tags<'a> {
    /// Splits what follows the level into tags and message.
    pub(super) fn split(body: &'a str) -> (Self, &'a str) {
        let body = trimmed_start(body);
        let mut end = 0;
        for _ in 0..MAX_BRACKETS {
            let Some(tag) = bracketed_end(&body.as_bytes()[end..]) else {
                break;
            };
            end += tag + 1;
            end = body.len() - trimmed_start(&body[end..]).len();
        }
        let mut message = &body[end..];
        if let Some((_, rest)) = word(message) {
            message = rest;
        }
        let text = Cow::Borrowed(&body[..body.len() - message.len()]);
        (Self { text }, message)
    }

    /// As [`Tags::split`], the tags kept by `keep`.
    pub(super) fn split_off<'l>(
        body: &'l str,
        keep: impl Fn(&'l str) -> Cow<'a, str>,
    ) -> (Self, &'l str) {
        let (tags, message) = Tags::split(body);
        let text = match tags.text {
            Cow::Borrowed(text) => keep(text),
            Cow::Owned(text) => Cow::Owned(text),
        };
        (Self { text }, message)
    }

    /// The tags in order. The logger's `[Function @ file.go.N]` of errors.log is none.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest: &str = &self.text;
        let mut first = true;
        std::iter::from_fn(move || {
            loop {
                let (tag, more) = bracketed(rest).or_else(|| word(rest))?;
                rest = more;
                if !std::mem::take(&mut first) || !is_place(tag) {
                    return Some(tag);
                }
            }
        })
    }

    /// Their text, in bytes.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    pub fn last(&self) -> Option<&str> {
        self.iter().last()
    }

    /// Whether their text begins so.
    pub fn begin_with(&self, text: &str) -> bool {
        self.text.starts_with(text)
    }

    /// Whether the last one is one of `tags`, without a look at those before it.
    pub fn end_with_any(&self, tags: &[&str]) -> bool {
        let text = self.text.trim_ascii_end();
        let text = without_last(text, b']').as_bytes();
        tags.iter().any(|tag| {
            let before = text.strip_suffix(tag.as_bytes());
            before.is_some_and(|before| matches!(before.last(), None | Some(b'[' | b' ')))
        })
    }

    /// Whether they are another program's: the first one is a name of the kind that people
    /// give to theirs, `order-service` or `com.example.jobs`, and none is the agent's.
    pub(crate) fn are_foreign(&self) -> bool {
        // What most records have is ruled out at the first letters.
        matches!(self.text.as_bytes(), [b'[', b'a'..=b'z', ..])
            && memchr::memmem::find(self.text.as_bytes(), b"ssm").is_none()
            && self.iter().next().is_some_and(names_program)
            && !self.iter().any(is_agent_tag)
    }

    pub(super) fn extend(&mut self, more: &Self) {
        if !more.text.is_empty() {
            let text = self.text.to_mut();
            text.push(' ');
            text.push_str(&more.text);
        }
    }

    pub(super) fn into_owned(self) -> Tags<'static> {
        Tags {
            text: Cow::Owned(self.text.into_owned()),
        }
    }
}

/// The first tag of what follows a level, and the message after the tags.
pub fn without_tags(body: &str) -> (Option<&str>, &str) {
    let (_, message) = Tags::split(body);
    let first = bracketed(trimmed_start(body)).or_else(|| word(trimmed_start(body)));
    (first.map(|(tag, _)| tag), message)
}

/// Whether the agent, and hardly another program, writes this tag.
pub fn is_agent_tag(tag: &str) -> bool {
    const NAMES: [&str; 25] = [
        "amazon-ssm-agent",
        "ssm-agent-worker",
        "ssm-document-worker",
        "ssm-session-worker",
        "CredentialRefresher",
        "CoreModuleWrapper",
        "DataBackend",
        "EC2Identity",
        "EC2RoleProvider",
        "ECSIdentity",
        "EngineProcessor",
        "HealthCheck",
        "LongRunningPluginsManager",
        "LongRunningWorkerContainer",
        "MDSInteractor",
        "MGSInteractor",
        "MessageGatewayService",
        "MessageService",
        "MessagingDeliveryService",
        "OfflineService",
        "OnPremIdentity",
        "Registrar",
        "SSMEC2RoleProvider",
        "SSMService",
        "StartupProcessor",
    ];
    NAMES.contains(&tag)
        || ["instanceID=", "pluginName=", "associationId=", "messageID="]
            .iter()
            .any(|key| tag.starts_with(key))
        || is_place(tag)
}

/// Whether a tag is lower-case words joined by hyphens, dots or underscores. Of the agent's own
/// only its processes and the ids of what it runs are: those end in many digits.
fn names_program(tag: &str) -> bool {
    let joins = |b: u8| matches!(b, b'-' | b'.' | b'_');
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || joins(b);
    let last = tag.rsplit(|c: char| !c.is_ascii_alphanumeric()).next();
    let is_id = last.is_some_and(|last| last.len() > 7 && last.bytes().any(|b| b.is_ascii_digit()));
    tag.starts_with(|c: char| c.is_ascii_lowercase())
        && tag.bytes().all(is_name)
        && tag.bytes().any(joins)
        && !is_id
}

/// Whether a message of this text could not be: it would lose a tag first.
pub fn begins_with_tag(text: &str) -> bool {
    !Tags::split(text).0.text.is_empty()
}

/// `[text] rest`.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let end = bracketed_end(text.as_bytes())?;
    Some((&text[1..end], trimmed_start(&text[end + 1..])))
}

/// Where the bracket of the tag that `text` begins with is closed. A session's tag may itself
/// hold brackets, a dump's does not end.
#[inline(always)]
fn bracketed_end(text: &[u8]) -> Option<usize> {
    let [b'[', tag @ ..] = text else { return None };
    let length = near(&tag[..tag.len().min(MAX_TAG + 1)], b']')?;
    let is_end = matches!(tag.get(length + 1), None | Some(b' ' | b'\t' | b'['));
    (is_end && length > 0).then_some(length + 1)
}

fn word(text: &str) -> Option<(&str, &str)> {
    if !matches!(text.as_bytes().first(), Some(b'E' | b'S' | b'C' | b'U')) {
        return None;
    }
    let start = &text.as_bytes()[..text.len().min(MAX_WORD + 1)];
    let (word, rest) = text.split_at(near(start, b' ')?);
    WORDS.contains(&word).then(|| (word, trimmed_start(rest)))
}

fn is_place(tag: &str) -> bool {
    let at = near(tag.as_bytes(), b'@');
    at.is_some_and(|at| tag[..at].ends_with(' ') && tag[at + 1..].starts_with(' '))
        && tag.contains(".go.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_end_where_the_message_begins() {
        for (body, tags, message) in [
            (
                "[ssm-agent-worker] [HealthCheck] error when",
                vec!["ssm-agent-worker", "HealthCheck"],
                "error when",
            ),
            (
                "[NewEC2IdentityWithConfig @ ec2_identity.go.271] [EC2Identity] Failed",
                vec!["EC2Identity"],
                "Failed",
            ),
            (
                "EC2RoleProvider Failed to connect",
                vec!["EC2RoleProvider"],
                "Failed to connect",
            ),
            (
                "[RemoteRetrieve @ ec2_role_provider.go.142] EC2RoleProvider Failed",
                vec!["EC2RoleProvider"],
                "Failed",
            ),
            ("Agent failed to assume", vec![], "Agent failed to assume"),
            ("[HealthCheck]error when", vec![], "[HealthCheck]error when"),
            ("[unclosed tag", vec![], "[unclosed tag"),
        ] {
            let (found, rest) = Tags::split(body);
            assert_eq!(found.iter().last(), found.last(), "{body}");
            assert!(
                tags.last().is_none_or(|last| found.end_with_any(&[last])),
                "{body}"
            );
            assert!(!found.end_with_any(&["Check"]), "{body}");
            assert_eq!((found.iter().collect(), rest), (tags, message), "{body}");
        }
    }

    #[test]
    fn another_programs_tags_are_known_from_the_agents() {
        for (tags, foreign) in [
            ("[order-service] x", true),
            ("[com.example.jobs] [main] x", true),
            ("[http-nio-8080-exec-1] x", true),
            ("[run @ main.go.7] [backup_job] x", true),
            ("[order-service] [HealthCheck] x", false),
            ("[ssm-agent-worker] [HealthCheck] x", false),
            ("[ssm-cli] x", false),
            ("[main] x", false),
            ("[instanceID=i-0123456789abcdef0] x", false),
            ("[cd8541ad-f21a-4e5f-bdaa-7f57e8b04abf] x", false),
            ("[alice-0a1b2c3d4e5f67890] x", false),
            ("[i-0123456789abcdef0] x", false),
            ("[aws:runShellScript] x", false),
            ("EC2RoleProvider x", false),
            ("x", false),
        ] {
            assert_eq!(Tags::split(tags).0.are_foreign(), foreign, "{tags}");
        }
    }

    #[test]
    fn a_message_that_begins_with_a_tag_is_none() {
        for text in ["[HealthCheck] error", "EC2RoleProvider Failed", "[a] "] {
            assert!(begins_with_tag(text), "{text}");
        }
        for text in ["[HealthCheck]error", "Failed", "[unclosed", "EC2Role x"] {
            assert!(!begins_with_tag(text), "{text}");
        }
    }
}
