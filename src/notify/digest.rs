//! One message about all that is open, has ended or came back, at the times that a
//! schedule sets.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::content::{age, minute};
use super::format::{Format, chat};
use super::message::{BODY_BYTES, Message, id, known, within};
use super::page::{Page, Style};
use crate::cause::{Cause, Severity};
use crate::diagnose::sweep::NotChecked;
use crate::incident::store::overview::IncidentOverview;
use crate::sort;
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
    /// Nodes of open incidents. Of incidents with more than a hundred each, one that is in
    /// several may count for each.
    pub node_count: usize,
    /// Nodes that Systems Manager knows; `None` where they could not be counted.
    pub registered_count: Option<usize>,
    /// Those of them that do not report.
    pub lost_count: Option<usize>,
    /// Why they could not be counted.
    pub not_counted: Option<String>,
    pub open: Section,
    /// Ended since `from`.
    pub resolved: Section,
    /// Open errors that no signature recognises.
    pub not_recognised: Section,
    /// What the last sweeps could not look at.
    pub not_checked: Unchecked,
}

/// Sweeps that could not look at their nodes, the longest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unchecked {
    pub count: usize,
    /// The first of them.
    pub sweeps: Vec<UncheckedSweep>,
}

/// One of them in a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UncheckedSweep {
    pub account: Option<String>,
    pub region: Option<String>,
    /// Whom it was to look at.
    pub selection: String,
    pub why: String,
    /// The first one in a row that could not.
    pub since: String,
    /// How long ago that was.
    pub age: String,
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
    /// How long it has been open, or how long ago it ended.
    pub age: String,
    /// No check has proved the cause of what is open.
    pub by_log_alone: bool,
    /// How long ago it came back after an end, where it has since `from`.
    pub recurred: Option<String>,
    /// How long ago this function wrote to the thing at fault, where it has since `from`.
    pub changed: Option<String>,
}

impl Digest {
    /// The digest of all incidents, and of what could not be checked, from the one before,
    /// at `from`, until `now`. `nodes` are how many Systems Manager knows and has lost, or
    /// why they could not be counted.
    pub(crate) fn new(
        (account, region): (Option<String>, Option<String>),
        nodes: Result<(usize, usize), String>,
        (all, not_checked): (&[IncidentOverview], &[NotChecked]),
        from: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let is_new = |at: &Timestamp| from.is_none_or(|from| *at > from) && *at <= now;
        let section = |of: &dyn Fn(&IncidentOverview) -> Option<Timestamp>| {
            let all = all.iter().filter_map(|one| Some((one, of(one)?)));
            Section::of(all, &is_new, now)
        };
        let is_known = |one: &IncidentOverview| one.cause != Cause::Unrecognised;
        let open = |one: &IncidentOverview| one.resolved_at.is_none().then_some(one.since);
        let resolved = |one: &IncidentOverview| one.resolved_at.filter(is_new);
        let (counted, not_counted) = match nodes {
            Ok(counted) => (Some(counted), None),
            Err(why) => (None, Some(redact_line(&why))),
        };
        Self {
            schema: SCHEMA,
            node_count: distinct(
                all.iter()
                    .filter(|one| is_known(one) && open(one).is_some()),
            ),
            registered_count: counted.map(|(all, _)| all),
            lost_count: counted.map(|(_, lost)| lost),
            not_counted,
            open: section(&|one| open(one).filter(|_| is_known(one))),
            resolved: section(&|one| resolved(one).filter(|_| is_known(one))),
            not_recognised: section(&|one| open(one).filter(|_| !is_known(one))),
            not_checked: Unchecked::of(not_checked, now),
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

    /// The sections that say something: the heading and the lines of each.
    fn sections(&self) -> Vec<(String, Vec<String>)> {
        let all = [
            ("OPEN", "", &self.open),
            ("RESOLVED", " ago", &self.resolved),
            ("NOT RECOGNISED", "", &self.not_recognised),
        ];
        let some = all.into_iter().filter(|(.., section)| section.count > 0);
        let incidents = some.map(|(heading, ago, section)| {
            let lines = section.incidents.iter().map(|line| line.text(ago));
            let rest = rest(section.count, section.incidents.len());
            (
                format!("{heading}: {}", section.count),
                lines.chain(rest).collect(),
            )
        });
        let unchecked = (self.not_checked.count > 0).then(|| {
            let Unchecked { count, sweeps } = &self.not_checked;
            let lines = sweeps.iter().map(UncheckedSweep::text);
            let rest = rest(*count, sweeps.len());
            (format!("NOT CHECKED: {count}"), lines.chain(rest).collect())
        });
        incidents.chain(unchecked).collect()
    }

    /// From when to when, and how many nodes report.
    fn head(&self) -> String {
        let period = match &self.from {
            Some(from) => format!("since {from}"),
            None => "all that is remembered".to_owned(),
        };
        let report = match (self.registered_count, self.lost_count, &self.not_counted) {
            (Some(all), Some(lost), _) => {
                format!("{lost} of {all} registered nodes do not report.")
            }
            (.., why) => format!(
                "Could not determine how many nodes report: {}.",
                why.as_deref().unwrap_or_default()
            ),
        };
        let open = match self.open.count {
            0 => " No incident is open.",
            _ => "",
        };
        format!("{}, {period}. {report}{open}", self.to)
    }

    fn text(&self) -> String {
        let mut page = Page::new("", Style::PLAIN);
        page.prose(&self.head());
        for (heading, lines) in self.sections() {
            page.heading(&heading);
            lines.iter().for_each(|line| page.prose(line));
        }
        page.text
    }

    fn chat(&self) -> String {
        let mut text = vec![chat::plain(&self.head())];
        for (heading, lines) in self.sections() {
            text.push(heading);
            text.extend(lines.iter().map(|line| chat::plain(line)));
        }
        let title = chat::plain(&self.subject());
        chat::notification(&title, &text.join("\n"), "ssm-agent-digest")
    }

    /// With at most so many incidents in each section.
    fn shortened(&self, most: usize) -> Self {
        let mut shorter = self.clone();
        for section in [
            &mut shorter.open,
            &mut shorter.resolved,
            &mut shorter.not_recognised,
        ] {
            section.incidents.truncate(most);
        }
        shorter.not_checked.sweeps.truncate(most);
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
        Message {
            subject: self.subject(),
            per_protocol: body.is_some() && format == Format::PerProtocol,
            body: body.unwrap_or_else(|| within(self.text(), BODY_BYTES)),
            attributes: known(&[
                ("account", self.account.as_deref()),
                ("region", self.region.as_deref()),
                ("state", Some("digest")),
            ]),
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
        is_new: &dyn Fn(&Timestamp) -> bool,
        now: Timestamp,
    ) -> Self {
        let mut incidents: Vec<(&IncidentOverview, Timestamp)> = incidents.collect();
        let rank = |one: &IncidentOverview| -> (Reverse<Severity>, Reverse<usize>) {
            (Reverse(one.severity), Reverse(one.nodes.count))
        };
        let ago = |at: Timestamp| age(now.duration_since(at));
        sort::by_key(&mut incidents, |(one, at)| (rank(one), *at));
        let line = |(one, at): &(&IncidentOverview, Timestamp)| Line {
            key: cut(&redact_line(&one.key), KEY).into_owned(),
            cause: one.cause.as_str(),
            severity: one.severity.as_str(),
            node_count: one.nodes.count,
            title: cut(&redact_line(&one_line(&one.title)), TITLE).into_owned(),
            since: minute(one.since),
            age: ago(*at),
            by_log_alone: !one.confirmed
                && one.resolved_at.is_none()
                && one.cause != Cause::Unrecognised,
            recurred: one.returned.iter().copied().filter(is_new).max().map(ago),
            changed: one.written_at.filter(is_new).map(ago),
        };
        Self {
            count: incidents.len(),
            incidents: incidents.iter().take(MOST[0]).map(line).collect(),
        }
    }
}

/// That there are more than are listed.
fn rest(count: usize, listed: usize) -> Option<String> {
    let rest = count - listed;
    (rest > 0).then(|| format!("{rest} more."))
}

impl Unchecked {
    fn of(all: &[NotChecked], now: Timestamp) -> Self {
        let sweep = |one: &NotChecked| UncheckedSweep {
            account: one.account.as_ref().map(ToString::to_string),
            region: one.region.as_ref().map(ToString::to_string),
            selection: cut(&redact_line(&one.selection), KEY).into_owned(),
            why: cut(&redact_line(&one.why), KEY).into_owned(),
            since: minute(one.since),
            age: age(now.duration_since(one.since)),
        };
        Self {
            count: all.len(),
            sweeps: all.iter().take(MOST[0]).map(sweep).collect(),
        }
    }
}

impl UncheckedSweep {
    /// `account 210987654321, eu-central-1, lost nodes, 25 h: …`.
    fn text(&self) -> String {
        let unknown = || "unknown".to_owned();
        let account = self.account.clone().unwrap_or_else(unknown);
        let region = self.region.clone().unwrap_or_else(unknown);
        let (selection, age, why) = (&self.selection, &self.age, &self.why);
        format!("account {account}, {region}, {selection} nodes, {age}: {why}")
    }
}

impl Line {
    /// `critical, 37 nodes, 25 h: EC2 cannot assume role MySSMRole`, and what else is known
    /// of it.
    fn text(&self, ago: &str) -> String {
        let nodes = match self.node_count {
            1 => "1 node".to_owned(),
            count => format!("{count} nodes"),
        };
        let (severity, age, title) = (self.severity, &self.age, &self.title);
        let mut text = format!("{severity}, {nodes}, {age}{ago}: {title}");
        if self.by_log_alone {
            text.push_str(", by the log alone");
        }
        if let Some(ago) = &self.recurred {
            text.push_str(&format!(", came back {ago} ago"));
        }
        if let Some(ago) = &self.changed {
            text.push_str(&format!(", changed by this function {ago} ago"));
        }
        text
    }
}

/// How many nodes are in `incidents`: of those that are listed each counts once.
fn distinct<'o>(incidents: impl Iterator<Item = &'o IncidentOverview>) -> usize {
    let mut listed = BTreeSet::new();
    let mut others = 0;
    for one in incidents {
        others += one.nodes.count.saturating_sub(one.nodes.listed.len());
        listed.extend(
            one.nodes
                .listed
                .iter()
                .map(|node| (&node.account, &node.id)),
        );
    }
    listed.len() + others
}
