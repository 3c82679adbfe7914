//! One message about all that is open, has ended or came back, at the times that a
//! schedule sets.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::content::{age, minute};
use super::format::{Format, chat};
use super::message::{BODY_BYTES, Message, id, within};
use super::page::{Page, Style};
use crate::cause::{Cause, Severity};
use crate::incident::store::overview::IncidentOverview;
use crate::text::redact::{one_line, redact_line};
use crate::text::sanitize::cut;

/// The version of its JSON.
pub(crate) const SCHEMA: &str = "ssm-agent-triage/digest/1";

/// Incidents in one section; of more their number is said. The largest for which a message
/// is within its limit is taken.
const MOST: [usize; 4] = [40, 20, 10, 3];

/// Characters of a title and of a key.
const TITLE: usize = 160;
const KEY: usize = 300;

/// What there is to say of all incidents of an account and Region.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Digest {
    pub schema: &'static str,
    pub account: Option<String>,
    pub region: Option<String>,
    /// The digest before was until then; without one this has all that is remembered.
    pub from: Option<String>,
    pub to: String,
    /// Nodes of open incidents; one of several incidents counts for each.
    pub node_count: usize,
    pub open: Section,
    /// Ended since `from`.
    pub resolved: Section,
    /// Came back after their end since `from`, whether open or not.
    pub recurring: Section,
    /// What this function wrote since `from`.
    pub changed: Section,
    /// Open errors that no signature recognises.
    pub not_recognised: Section,
    /// Open, by the log alone: no check has proved the cause.
    pub not_checked: Section,
}

/// Incidents, the most severe first.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Section {
    pub count: usize,
    /// The first of them.
    pub incidents: Vec<Line>,
}

/// One incident in a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Line {
    pub key: String,
    pub cause: &'static str,
    pub severity: &'static str,
    pub node_count: usize,
    pub title: String,
    /// Its oldest evidence.
    pub since: String,
    /// How long it has been open, or how long ago it ended, came back or was changed.
    pub age: String,
}

impl Digest {
    /// The digest of `all` from the one before, at `from`, until `now`.
    pub(crate) fn new(
        (account, region): (Option<String>, Option<String>),
        all: &[IncidentOverview],
        from: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let is_new = |at: &Timestamp| from.is_none_or(|from| *at > from) && *at <= now;
        let is_open = |one: &IncidentOverview| one.resolved_at.is_none();
        let is_known = |one: &IncidentOverview| one.cause != Cause::Unrecognised;
        let section = |of: &dyn Fn(&IncidentOverview) -> Option<Timestamp>| {
            Section::of(all.iter().filter_map(|one| Some((one, of(one)?))), now)
        };
        let open = |one: &IncidentOverview| (is_open(one) && is_known(one)).then_some(one.since);
        let nodes = all.iter().filter(|one| open(one).is_some());
        Self {
            schema: SCHEMA,
            node_count: nodes.map(|one| one.nodes).sum(),
            open: section(&open),
            resolved: section(&|one| one.resolved_at.filter(is_new).filter(|_| is_known(one))),
            recurring: section(&|one| one.returned.iter().copied().filter(is_new).max()),
            changed: section(&|one| one.written_at.filter(is_new)),
            not_recognised: section(&|one| (is_open(one) && !is_known(one)).then_some(one.since)),
            not_checked: section(&|one| open(one).filter(|_| !one.confirmed)),
            from: from.map(minute),
            to: minute(now),
            account,
            region,
        }
    }

    /// `[SSM digest] 3 open incidents, 40 nodes, account 123456789012`.
    fn subject(&self) -> String {
        let count = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        let mut text = match self.open.count {
            0 => "[SSM digest] No open incident".to_owned(),
            open => format!(
                "[SSM digest] {}, {}",
                count(open, "open incident"),
                count(self.node_count, "node")
            ),
        };
        for (name, value) in [("account ", &self.account), ("", &self.region)] {
            text.extend(value.iter().map(|value| format!(", {name}{value}")));
        }
        text
    }

    /// The sections that say something, each with its heading.
    fn sections(&self) -> impl Iterator<Item = (&'static str, &Section)> {
        let all = [
            ("OPEN", &self.open),
            ("NOT CHECKED (by the log alone)", &self.not_checked),
            ("RESOLVED", &self.resolved),
            ("RECURRING", &self.recurring),
            ("CHANGED by this function", &self.changed),
            ("NOT RECOGNISED", &self.not_recognised),
        ];
        all.into_iter().filter(|(_, section)| section.count > 0)
    }

    fn period(&self) -> String {
        match &self.from {
            Some(from) => format!("{}, since {from}.", self.to),
            None => format!("{}, all that is remembered.", self.to),
        }
    }

    fn text(&self) -> String {
        let mut page = Page::new("", Style::PLAIN);
        page.prose(&format!("{}.", &self.subject()["[SSM digest] ".len()..]));
        page.prose(&self.period());
        for (heading, section) in self.sections() {
            page.heading(&format!("{heading}: {}", section.count));
            for line in &section.incidents {
                page.prose(&line.text());
            }
            section
                .rest()
                .into_iter()
                .for_each(|rest| page.prose(&rest));
        }
        page.text
    }

    fn chat(&self) -> String {
        let mut text = vec![chat::plain(&self.period())];
        for (heading, section) in self.sections() {
            text.push(chat::plain(&format!("{heading}: {}", section.count)));
            text.extend(
                section
                    .incidents
                    .iter()
                    .map(|line| chat::plain(&line.text())),
            );
            text.extend(section.rest());
        }
        let title = chat::plain(&self.subject());
        chat::notification(&title, &text.join("\n"), "ssm-agent-digest")
    }

    /// With at most so many incidents in each section.
    fn shortened(&self, most: usize) -> Self {
        let mut shorter = self.clone();
        for section in [
            &mut shorter.open,
            &mut shorter.not_checked,
            &mut shorter.resolved,
            &mut shorter.recurring,
            &mut shorter.changed,
            &mut shorter.not_recognised,
        ] {
            section.incidents.truncate(most);
        }
        shorter
    }

    fn body(&self, format: Format) -> String {
        let json = || serde_json::to_string(self).unwrap_or_default();
        match format {
            Format::Chat => self.chat(),
            Format::Json => json(),
            Format::PerProtocol => {
                let (chat, json) = (self.chat(), json());
                let bodies = serde_json::json!({
                    "default": self.text(), "sms": self.subject(), "http": chat, "https": chat,
                    "sqs": json, "lambda": json, "firehose": json,
                });
                bodies.to_string()
            }
            Format::Mail | Format::Html | Format::Log | Format::Terminal => self.text(),
        }
    }

    /// The message, in the words of `format`.
    pub(crate) fn message(&self, format: Format) -> Message {
        let bodies = MOST.iter().map(|most| self.shortened(*most).body(format));
        let body = bodies.into_iter().find(|body| body.len() <= BODY_BYTES);
        let attributes = [
            ("account", &self.account),
            ("region", &self.region),
            ("state", &Some("digest".to_owned())),
        ];
        let known = attributes.into_iter();
        Message {
            subject: self.subject(),
            per_protocol: body.is_some() && format == Format::PerProtocol,
            body: body.unwrap_or_else(|| within(self.text(), BODY_BYTES)),
            attributes: known
                .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
                .collect::<BTreeMap<_, _>>(),
            group: id("digest"),
            deduplication: id(&format!("digest\n{}", self.to)),
        }
    }

    /// A line for the function's own log, where there is no topic.
    pub(crate) fn line(&self) -> String {
        let (subject, body) = (self.subject(), self.text());
        let body: Vec<&str> = body.lines().collect();
        serde_json::json!({"type": "message", "subject": subject, "body": body}).to_string()
    }
}

impl Section {
    /// Those of which something is to be said, each with when it began or happened.
    fn of<'o>(
        incidents: impl Iterator<Item = (&'o IncidentOverview, Timestamp)>,
        now: Timestamp,
    ) -> Self {
        let mut incidents: Vec<(&IncidentOverview, Timestamp)> = incidents.collect();
        let rank = |one: &IncidentOverview| -> (Reverse<Severity>, Reverse<usize>) {
            (Reverse(one.severity), Reverse(one.nodes))
        };
        incidents.sort_by_key(|(one, at)| (rank(one), *at));
        let line = |(one, at): &(&IncidentOverview, Timestamp)| Line {
            key: cut(&redact_line(&one.key), KEY).into_owned(),
            cause: one.cause.as_str(),
            severity: one.severity.as_str(),
            node_count: one.nodes,
            title: cut(&redact_line(&one_line(&one.title)), TITLE).into_owned(),
            since: minute(one.since),
            age: age(now.duration_since(*at)),
        };
        Self {
            count: incidents.len(),
            incidents: incidents.iter().take(MOST[0]).map(line).collect(),
        }
    }

    /// That there are more than are listed.
    fn rest(&self) -> Option<String> {
        let rest = self.count - self.incidents.len();
        (rest > 0).then(|| format!("{rest} more."))
    }
}

impl Line {
    /// `critical, 37 nodes, 25 h: EC2 cannot assume role MySSMRole`.
    fn text(&self) -> String {
        let nodes = match self.node_count {
            1 => "1 node".to_owned(),
            count => format!("{count} nodes"),
        };
        format!("{}, {nodes}, {}: {}", self.severity, self.age, self.title)
    }
}
