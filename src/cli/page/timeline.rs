//! Nodes × time: when each node failed and recovered, as far as its log shows.

use jiff::{SignedDuration, Timestamp};

use crate::notify::content::{age, second};
use crate::notify::format::html::nodes;
use crate::text::html::Html;

/// Rows of the picture. Of more nodes, the first of each group are drawn; of more groups, the
/// first.
const ROWS: usize = 40;

/// Labels of the axis, at most.
const TICKS: i64 = 6;

/// Pixels.
const ROW_HEIGHT: &str = "18";

/// Nodes that are drawn together.
pub(in crate::cli) struct Group {
    /// What stands in front of them: the number of their incident, or a sign.
    pub mark: String,
    /// What they have in common.
    pub name: String,
    /// The fragment of their incident.
    pub link: Option<String>,
    /// The class that colours them.
    pub class: String,
    pub rows: Vec<Row>,
}

/// One node.
pub(in crate::cli) struct Row {
    pub node: String,
    /// The first record of its log and the last; `None` where none was read.
    pub read: Option<(Timestamp, Timestamp)>,
    pub spans: Vec<Span>,
}

/// A time in which a node did not work.
#[derive(Clone)]
pub(in crate::cli) struct Span {
    pub from: Timestamp,
    /// When it worked again; `None` where the log does not say that it did.
    pub until: Option<Timestamp>,
    pub what: String,
    /// The class that colours it.
    pub class: String,
    /// The cause is not determined.
    pub undetermined: bool,
}

/// Of one node whose log is shorter, the picture says no more than the incident.
const SHORT: SignedDuration = SignedDuration::from_mins(1);

/// The picture, with what explains it; nothing where no node failed.
pub(in crate::cli) fn picture(groups: &[Group]) -> Html {
    let rows = || groups.iter().flat_map(|group| &group.rows);
    let spans = || rows().flat_map(|row| &row.spans);
    let ends = spans().flat_map(|span| [Some(span.from), span.until]);
    let read = rows().filter_map(|row| row.read);
    let times = read.flat_map(|(first, last)| [Some(first), Some(last)]);
    let times: Vec<Timestamp> = ends.chain(times).flatten().collect();
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
        return Html::default();
    };
    let all = rows().count();
    if spans().next().is_none() || all == 1 && last.duration_since(*first) < SHORT {
        return Html::default();
    }
    let axis = Axis::new(*first, *last);
    let share = match all {
        0..=ROWS => ROWS,
        _ => (ROWS / groups.len()).max(1),
    };
    let groups = &groups[..groups.len().min(ROWS)];
    let drawn: usize = groups.iter().map(|group| group.rows.len().min(share)).sum();
    let mut about = format!(
        "{} to {} by the log's clock.",
        second(*first),
        second(*last)
    );
    if drawn < all {
        about += &format!(
            " Drawn are {drawn} of {}, the most severe first.",
            nodes(all)
        );
    }
    let drawn = groups.iter().map(|group| drawn_group(group, share, &axis));
    let picture = [
        axis.labels(),
        Html::element("ol class=groups", drawn.collect::<Html>()),
    ];
    [
        Html::element("p class=meta", &about),
        Html::element("figure class=timeline", picture),
        legend(groups, spans()),
    ]
    .into()
}

fn drawn_group(group: &Group, share: usize, axis: &Axis) -> Html {
    let rows = group.rows.iter().take(share);
    let mut rows: Html = rows.map(|row| drawn_row(row, axis)).collect();
    if group.rows.len() > share {
        let more = format!("and {} more", group.rows.len() - share);
        rows.push(Html::element("li class=more", &more));
    }
    let mark = match &group.link {
        Some(link) => {
            let target = format!("#{link}");
            let attributes = [("href", target.as_str()), ("aria-label", &group.name)];
            Html::with("a class=mark", &attributes, &group.mark)
        }
        None => Html::with("span class=mark", &[("title", &group.name)], &group.mark),
    };
    let rows = Html::element("ol", rows);
    Html::with(
        "li",
        &[("class", &format!("group {}", group.class))],
        [mark, rows],
    )
}

fn drawn_row(row: &Row, axis: &Axis) -> Html {
    let mut bars = axis.grid();
    let end = row.read.map_or(axis.end, |(_, last)| last);
    if let Some((first, last)) = row.read {
        let at = axis.places(first, last).map(percent);
        let line = [
            ("x1", at[0].as_str()),
            ("x2", &at[1]),
            ("y1", "9"),
            ("y2", "9"),
        ];
        bars.push(Html::with("line class=read", &line, ""));
    }
    for span in &row.spans {
        let until = span.until.unwrap_or(end).max(span.from);
        let class = format!("bar {}", span.class);
        let [from, until] = axis.places(span.from, until);
        let [x, width] = [from, until - from].map(percent);
        let place = [("x", x.as_str()), ("width", &width), ("class", &class)];
        bars.push(Html::with("rect y=4 height=10", &place, ""));
        if span.undetermined {
            bars.push(Html::with(
                "rect class=hatched y=4 height=10",
                &place[..2],
                "",
            ));
        }
        if let Some(at) = span.until {
            let centre = [("cx", axis.place(at))];
            let centre = centre.each_ref().map(|(name, at)| (*name, at.as_str()));
            bars.push(Html::with("circle cy=9 r=4", &centre, ""));
        }
    }
    let said = row.spans.iter().map(sentence);
    let said: Vec<String> = said.collect();
    let said = match said.is_empty() {
        true => "No fault was found.".to_owned(),
        false => said.join(" "),
    };
    let title = Html::element("title", &said);
    let attributes = [("height", ROW_HEIGHT), ("aria-label", &said)];
    let svg = Html::with("svg width=100% role=img", &attributes, [title, bars]);
    // An id alone has at most 20 characters.
    let node = match row.node.chars().count() {
        0..=20 => "code",
        _ => "code class=named",
    };
    Html::element("li class=row", [Html::element(node, &row.node), svg])
}

fn sentence(span: &Span) -> String {
    let from = second(span.from);
    match span.until {
        None => format!("{} since {from}.", span.what),
        Some(at) => {
            let lasted = age(at.duration_since(span.from));
            format!("{} from {from} to {} ({lasted}).", span.what, second(at))
        }
    }
}

/// The signs that the picture uses, in the colour of its first group.
fn legend<'a>(groups: &[Group], spans: impl Iterator<Item = &'a Span> + Clone) -> Html {
    let any = |has: fn(&Span) -> bool| spans.clone().any(has);
    let signs = [
        ("sign-read", "log was read, no fault", true),
        ("sign-bar", "fault active, as far as the log shows", true),
        (
            "sign-hatched",
            "cause undetermined",
            any(|span| span.undetermined),
        ),
        ("sign-circle", "recovered", any(|span| span.until.is_some())),
    ];
    let used = signs.into_iter().filter(|(_, _, used)| *used);
    let used = used.map(|(class, text, _)| Html::with("li", &[("class", class)], text));
    let class = groups.first().map_or("", |group| group.class.as_str());
    let class = format!("legend {class}");
    Html::with("ul", &[("class", &class)], used.collect::<Html>())
}

/// The time that the picture spans, and where its labels stand.
struct Axis {
    begin: Timestamp,
    end: Timestamp,
    ticks: Vec<Timestamp>,
    /// How a label is written.
    form: &'static str,
}

/// Steps between two labels, in seconds.
const STEPS: &[i64] = &[
    1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
];

impl Axis {
    fn new(first: Timestamp, last: Timestamp) -> Self {
        let seconds = last.duration_since(first).as_secs();
        let step = STEPS.iter().find(|step| seconds / **step < TICKS);
        let step = *step.unwrap_or(&(seconds / TICKS).max(1));
        let from = first.as_second().div_euclid(step) + 1;
        let ticks = (from..).map(|at| Timestamp::from_second(at * step).ok());
        let ticks = ticks.map_while(|at| at.filter(|at| *at <= last)).collect();
        Self {
            begin: first,
            end: last,
            ticks,
            form: match step {
                ..60 => "%H:%M:%S",
                60..86_400 => "%H:%M",
                86_400..31_536_000 => "%m-%d",
                _ => "%Y-%m",
            },
        }
    }

    /// How far `at` is from the beginning, from 0 to 100.
    fn share(&self, at: Timestamp) -> f64 {
        let millis = |span: SignedDuration| span.as_millis() as f64;
        let all = millis(self.end.duration_since(self.begin)).max(1.0);
        (millis(at.duration_since(self.begin)) / all * 100.0).clamp(0.0, 100.0)
    }

    fn place(&self, at: Timestamp) -> String {
        percent(self.share(at))
    }

    /// Where what lasts from one time to another begins and ends: it can be seen, however
    /// short it was.
    fn places(&self, from: Timestamp, until: Timestamp) -> [f64; 2] {
        const LEAST: f64 = 0.8;
        let [from, until] = [from, until].map(|at| self.share(at));
        let from = from.min(100.0 - LEAST);
        [from, until.max(from + LEAST)]
    }

    fn grid(&self) -> Html {
        let lines = self.ticks.iter().map(|at| {
            let x = self.place(*at);
            let attributes = [("x1", x.as_str()), ("x2", &x)];
            Html::with("line class=grid y1=0 y2=100%", &attributes, "")
        });
        lines.collect()
    }

    /// The labels, with the pattern of what is hatched.
    fn labels(&self) -> Html {
        let pattern = "pattern id=hatch width=6 height=6 patternUnits=userSpaceOnUse \
                       patternTransform=rotate(45)";
        let stripe = Html::element("rect class=paper width=3 height=6", "");
        let mut axis = Html::element("defs", Html::element(pattern, stripe));
        for at in &self.ticks {
            let share = self.share(*at);
            let anchor = match share {
                ..4.0 => "start",
                96.0.. => "end",
                _ => "middle",
            };
            let attributes = [("x", &*percent(share)), ("text-anchor", anchor)];
            axis.push(Html::with(
                "text y=12",
                &attributes,
                at.strftime(self.form).to_string(),
            ));
        }
        Html::element("svg class=axis width=100% height=16 aria-hidden=true", axis)
    }
}

fn percent(share: f64) -> String {
    format!("{}%", (share * 100.0).round() / 100.0)
}
