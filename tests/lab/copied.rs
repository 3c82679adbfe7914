//! What tools and people make of a log on its way into a ticket, a chat or a mail.

use std::sync::LazyLock;

use regex::Regex;

/// A way of copying.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub name: &'static str,
    pub copy: fn(&str) -> String,
    /// It loses the heads of the records.
    pub headless: bool,
}

/// The parts of a record's first line.
struct Head<'a> {
    date: &'a str,
    time: &'a str,
    level: &'a str,
    tags: &'a str,
    message: &'a str,
}

static HEAD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?P<date>\d{4}-\d\d-\d\d) (?P<time>[\d:.]+) (?P<level>[A-Z]+) (?P<tags>(?:\[[^\]]*\] |EC2RoleProvider |SSMService )*)(?P<message>.*)$",
    )
    .expect("a regular expression")
});

fn head(line: &str) -> Option<Head<'_>> {
    let found = HEAD.captures(line)?;
    let part = |name| found.name(name).map_or("", |part| part.as_str());
    Some(Head {
        date: part("date"),
        time: part("time"),
        level: part("level"),
        tags: part("tags"),
        message: part("message"),
    })
}

fn each(text: &str, line: impl Fn(usize, &str) -> String) -> String {
    let lines = text.lines().enumerate();
    lines.map(|(at, text)| line(at + 1, text) + "\n").collect()
}

/// The heads in another form; other lines stay.
fn heads(text: &str, form: impl Fn(&Head<'_>) -> String) -> String {
    each(text, |_, line| {
        head(line).map_or_else(|| line.to_owned(), |head| form(&head))
    })
}

/// A terminal's rows.
fn rows(text: &str, columns: usize, next: &str, sign: &str) -> String {
    let mut all = String::new();
    for line in text.lines() {
        let letters: Vec<char> = line.chars().collect();
        let mut from = 0;
        loop {
            let lead = if from == 0 { "" } else { next };
            let room = columns - lead.len();
            let rest = &letters[from..];
            all.push_str(lead);
            if rest.len() <= room {
                all.extend(rest);
                all.push('\n');
                break;
            }
            let room = room - sign.len();
            all.extend(&rest[..room]);
            all.push_str(sign);
            all.push('\n');
            from += room;
        }
    }
    all
}

/// As an editor breaks lines: between words and after hyphens; longer words at
/// the edge.
fn filled(text: &str, columns: usize) -> String {
    let mut all = String::new();
    for line in text.lines() {
        let mut row = String::new();
        let mut pieces: Vec<String> = Vec::new();
        for (at, word) in line.split(' ').enumerate() {
            if at > 0 {
                pieces.push(" ".to_owned());
            }
            for part in word.split_inclusive('-') {
                pieces.push(part.to_owned());
            }
        }
        for piece in pieces {
            let mut piece = piece;
            if row.chars().count() + piece.chars().count() > columns {
                all.push_str(row.trim_end());
                all.push('\n');
                row.clear();
                if piece == " " {
                    continue;
                }
                while piece.chars().count() > columns {
                    let part: String = piece.chars().take(columns).collect();
                    piece = piece.chars().skip(columns).collect();
                    all.push_str(&part);
                    all.push('\n');
                }
            }
            row.push_str(&piece);
        }
        all.push_str(row.trim_end());
        all.push('\n');
    }
    all
}

/// `uniq -c`.
fn counted(text: &str) -> String {
    let mut all: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        match all.last_mut() {
            Some((count, last)) if *last == line => *count += 1,
            _ => all.push((1, line)),
        }
    }
    all.iter()
        .map(|(count, line)| format!("{count:7} {line}\n"))
        .collect()
}

/// Continuation lines hang below their item.
fn listed(text: &str, item: impl Fn(usize) -> String) -> String {
    let mut number = 0;
    let mut all = String::new();
    for line in text.lines() {
        if head(line).is_some() {
            number += 1;
            all.push_str(&format!("{}{line}\n", item(number)));
        } else {
            all.push_str(&format!("  {line}\n"));
        }
    }
    all
}

fn entities(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn typographic(text: &str) -> String {
    let mut open = false;
    text.chars()
        .map(|letter| match letter {
            '"' => {
                open = !open;
                if open { '\u{201c}' } else { '\u{201d}' }
            }
            '\'' => '\u{2019}',
            other => other,
        })
        .collect()
}

macro_rules! ways {
    ($($name:literal $headless:literal $copy:expr;)*) => {
        &[$(Way { name: $name, copy: $copy, headless: $headless }),*]
    };
}

pub(crate) const WAYS: &[Way] = ways! {
    "quoted" false |text| each(text, |_, line| format!("> {line}"));
    "quoted twice" false |text| each(text, |_, line| format!(">> {line}"));
    "quoted in turns" false |text| each(text, |_, line| format!("> > {line}"));
    "behind bars" false |text| each(text, |_, line| format!("| {line}"));
    "a table's row" false |text| each(text, |_, line| format!("| {line} |"));
    "indented" false |text| each(text, |_, line| format!("    {line}"));
    "commented" false |text| each(text, |_, line| format!("# {line}"));
    "bullets" false |text| listed(text, |_| "- ".to_owned());
    "stars" false |text| listed(text, |_| "* ".to_owned());
    "list" false |text| listed(text, |number| format!("{number}. "));
    "fenced" false |text| format!("Hello,\n\nthe node is gone. Its log:\n\n```\n{text}```\n\nAny idea?\n");
    "code block of Jira" false |text| format!("The node is gone.\n{{code:java}}\n{text}{{code}}\nWhat is it?\n");
    "fence on the line" false |text| format!("```{}```\n", text.trim_end());
    "each in backticks" false |text| each(text, |_, line| format!("`{line}`"));
    "a page's source" false |text| entities(text).replace("&#39;", "&#x27;");
    "preformatted" false |text| format!("<pre>{}</pre>\n", entities(text));
    "grep -n" false |text| each(text, |at, line| format!("{at}:{line}"));
    "grep of a file" false |text| each(text, |_, line| format!("/var/log/amazon/ssm/amazon-ssm-agent.log:{line}"));
    "grep -n of files" false |text| each(text, |at, line| format!("amazon-ssm-agent.log:{at}:{line}"));
    "Select-String" false |text| each(text, |at, line| format!("C:\\ProgramData\\Amazon\\SSM\\Logs\\amazon-ssm-agent.log:{at}:{line}"));
    "cat -n" false |text| each(text, |at, line| format!("{at:6}\t{line}"));
    "editor's numbers" false |text| each(text, |at, line| format!("{at:>4} | {line}"));
    "bat's numbers" false |text| each(text, |at, line| format!("{at:>4} \u{2502} {line}"));
    "uniq -c" false counted;
    "colours" false |text| each(text, |_, line| format!("\u{1b}[0;31m{line}\u{1b}[0m"));
    "no-break spaces" false |text| text.replace(' ', "\u{a0}");
    "zero width" false |text| each(text, |_, line| format!("\u{feff}{line}\u{200b}"));
    "typographic" false typographic;
    "in quotation marks" false |text| each(text, |_, line| format!("\u{201c}{line}\u{201d}"));
    "JSON strings" false |text| each(text, |_, line| format!("  \"{}\",", line.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t")));
    "CRLF" false |text| each(text, |_, line| format!("{line}\r"));
    "chat" false |text| each(text, |at, line| if head(line).is_some() { format!("[10:{:02}] alice: {line}", at % 60) } else { line.to_owned() });
    "serial console" false |text| each(text, |at, line| format!("[   {}.345678] amazon-ssm-agent[1571]: {line}", 12 + at % 80));
    "console with host" false |text| each(text, |at, line| format!("[{:5}.345678] ip-10-0-0-1 amazon-ssm-agent[1571]: {line}", 12 + at % 80));
    "aws logs tail" false |text| each(text, |_, line| format!("2024-11-04T10:02:44.962000+00:00 i-0123456789abcdef0 {line}"));
    "awslogs get" false |text| each(text, |_, line| format!("/ssm/agent i-0123456789abcdef0 {line}"));
    "gh run view" false |text| each(text, |_, line| format!("build\tRun the agent\t2026-11-23T04:19:04.1234567Z {line}"));
    "an editor's arrow" false |text| each(text, |at, line| format!("{at:6}\u{2192}{line}"));
    "a diff" false |text| each(text, |_, line| format!("+{line}"));
    "dates of the United States" false |text| heads(text, |head| format!("{}/{}/{} {} {} {}{}", &head.date[5..7], &head.date[8..], &head.date[..4], head.time, head.level, head.tags, head.message));
    "a page" false |text| format!("<html><body><pre class=\"log\">{}</pre></body></html>\n", entities(text));
    "quoted in Jira" false |text| each(text, |_, line| format!("bq. {line}"));
    "Get-WinEvent | fl" false |text| each(text, |_, line| format!("TimeCreated  : 11/23/2026 4:19:04 AM\nProviderName : AmazonSSMAgent\nId           : 1\nMessage      : {line}\n"));
    "journalctl -o verbose" false |text| each(text, |_, line| format!("Mon 2026-11-23 04:19:04.185000 UTC [s=a;i=1;b=c]\n    _HOSTNAME=h1\n    SYSLOG_IDENTIFIER=amazon-ssm-agent\n    MESSAGE={line}"));
    "docker compose" false |text| each(text, |_, line| format!("ssm-agent-1  | {line}"));
    "rows of 80" false |text| rows(text, 80, "", "");
    "rows of 100" false |text| rows(text, 100, "", "");
    "rows of 132" false |text| rows(text, 132, "", "");
    "rows of 90, indented" false |text| rows(text, 90, "    ", "");
    "rows of 80 with a hyphen" false |text| rows(text, 80, "", "-");
    "rows of 80 with a backslash" false |text| rows(text, 80, "", "\\");
    "filled to 80" false |text| filled(text, 80);
    "filled to 100" false |text| filled(text, 100);
    "quoted and filled to 72" false |text| each(&filled(text, 70), |_, line| format!("> {line}"));
    "without date" false |text| heads(text, |head| format!("{} {} {}{}", head.time, head.level, head.tags, head.message));
    "without time" false |text| heads(text, |head| format!("{} {}{}", head.level, head.tags, head.message));
    "time masked" false |text| heads(text, |head| format!("XXXX-XX-XX XX:XX:XX {} {}{}", head.level, head.tags, head.message));
    "without level" true |text| heads(text, |head| format!("{} {} {}{}", head.date, head.time, head.tags, head.message));
    "from the tags on" true |text| heads(text, |head| format!("{}{}", head.tags, head.message));
    "message only" true |text| heads(text, |head| head.message.to_owned());
    "level in brackets" true |text| heads(text, |head| format!("[{}] {}{}", head.level, head.tags, head.message));
    "level with a colon" true |text| heads(text, |head| format!("{}: {}{}", head.level.to_lowercase(), head.tags, head.message));
    "message only, quoted" true |text| each(&heads(text, |head| head.message.to_owned()), |_, line| format!("> {line}"));
    "message only, bullets" true |text| each(&heads(text, |head| head.message.to_owned()), |_, line| format!("- {line}"));
    "message only, rows of 80" true |text| rows(&heads(text, |head| head.message.to_owned()), 80, "", "");
    "message only, filled to 100" true |text| filled(&heads(text, |head| head.message.to_owned()), 100);
};

/// A cell's text, in a page.
fn cell(line: &str) -> String {
    entities(line).replace("&#39;", "&#x27;")
}

/// As YAML writes a text on one line.
fn scalar(line: &str) -> String {
    match line.contains(['\t', '\\']) {
        true => serde_json::Value::from(line).to_string(),
        false => format!("'{}'", line.replace('\'', "''")),
    }
}

/// Python's `repr`.
fn repr(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    format!("'{}'", text.replace('\t', "\\t").replace('\'', "\\'"))
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A row of a pane that is `columns` wide, with its edge.
fn pane(text: &str, columns: usize) -> String {
    each(&rows(text, columns, "", ""), |_, row| {
        format!("{row}{}\u{2502}", " ".repeat(columns - row.chars().count()))
    })
}

fn quoted_printable(text: &str) -> String {
    let escaped = text.replace('=', "=3D").replace(" \n", "=20\n");
    let mut all = String::new();
    for line in escaped.lines() {
        let mut rest = line;
        while rest.len() > 76 {
            let edge = rest.floor_char_boundary(75);
            let edge = edge - usize::from(rest[..edge].ends_with('='));
            let edge = edge - 2 * usize::from(rest[..edge - 1].ends_with('='));
            all.push_str(&format!("{}=\n", &rest[..edge]));
            rest = &rest[edge..];
        }
        all.push_str(&format!("{rest}\n"));
    }
    all
}

/// Ways in which other tools hold or show a whole log.
pub(crate) const FORMS: &[Way] = ways! {
    "a string of JSON" false json;
    "a string within an object" false |text| format!("{{\n    \"InstanceId\": \"i-0123456789abcdef0\",\n    \"StandardOutputContent\": {},\n    \"Status\": \"Success\"\n}}\n", json(text));
    "an object within a string" false |text| json(&format!("{{\"a\":[1],\"text\":{}}}", json(text)));
    "an export of Slack" false |text| format!("[{{\"type\":\"message\",\"text\":{},\"ts\":\"1795407544.185\"}},{{\"type\":\"message\",\"text\":\"Any idea?\"}}]", json(&format!("Its log:\n```{}```", text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))));
    "a repr of Python" false repr;
    "bytes of Python" false |text| format!("b{}", repr(text));
    "a dictionary of Python" false |text| format!("{{'Status': 'Success', 'StandardOutputContent': {}, 'ResponseCode': 0}}", repr(text));
    "a list of Python" false |text| format!("[{}]", text.lines().map(repr).collect::<Vec<_>>().join(", "));
    "a shell's string" false |text| format!("${}", repr(text));
    "a task of Ansible" false |text| format!("ok: [web-1] => {{\n    \"result.stdout\": {}\n}}\n", json(text));
    "escaped" false |text| json(text).trim_matches('"').replace("\\\"", "\"").replace('"', "\\\"");
    "YAML of the AWS CLI" false |text| format!("events:\n{}nextForwardToken: f/1\n", each(text, |_, line| format!("- ingestionTime: 1795407544999\n  message: {}\n  timestamp: 1795407544185", scalar(line))));
    "a list of YAML" false |text| each(text, |_, line| format!("- {}", scalar(line)));
    "a block of YAML" false |text| format!("name: log\nlog: |\n{}", each(text, |_, line| format!("  {line}")));
    "rubydebug of Logstash" false |text| each(text, |_, line| format!("{{\n       \"message\" => {},\n    \"@timestamp\" => 2026-11-23T04:19:04.185Z,\n      \"@version\" => \"1\"\n}}", json(line)));
    "debug of OpenTelemetry" false |text| each(text, |at, line| format!("LogRecord #{at}\nSeverityText: \nBody: Str({line})\nFlags: 0"));
    "Format-List" false |text| each(text, |at, line| format!("ReadCount : {at}\nLine      : {line}\n"));
    "Format-Table -Wrap" false |text| format!("TimeCreated             Id Message\n-----------             -- -------\n{}", each(text, |_, line| format!("11/23/2026 4:19:04 AM    1 {}", rows(line, 90, "", "").trim_end().replace('\n', &format!("\n{}", " ".repeat(27))))));
    "a table of a page" false |text| format!("<table>\n<tr><th>Time</th><th>Message</th></tr>\n{}</table>\n", each(text, |_, line| format!("<tr><td>4:19</td><td>{}</td></tr>", cell(line))));
    "a table of a page, a cell on each line" false |text| each(text, |_, line| format!("<tr>\n  <td>4:19</td>\n  <td class=\"m\">{}</td>\n</tr>", cell(line)));
    "a page in one line" false |text| text.lines().map(|line| format!("<div>{}</div>", cell(line))).collect();
    "a table of Markdown" false |text| format!("| Time | Message | Host |\n|---|---|---|\n{}", each(text, |at, line| format!("| {at} | {} | web-1 |", line.replace('|', "\\|"))));
    "a table of Jira" false |text| format!("||Time||Message||\n{}", each(text, |_, line| format!("|4:19|{line}|")));
    "a table of psql" false |text| format!(" host  | message\n-------+---------\n{}", each(text, |_, line| format!(" web-1 | {line}")));
    "quoted columns" false |text| format!("\"Time\",\"Host\",\"Message\"\n{}", each(text, |_, line| format!("\"Nov 23, 2026 @ 04:19:04.185\",\"web-1\",\"{}\"", line.replace('"', "\"\""))));
    "a pane of 90" false |text| pane(text, 90);
    "a pane of 120" false |text| pane(text, 120);
    "a pane beside another" false |text| each(&pane(text, 100), |_, row| format!("{row}$ top"));
    "a box" false |text| format!("\u{250c}{}\u{2510}\n{}", "\u{2500}".repeat(100), each(&pane(text, 100), |_, row| format!("\u{2502}{row}")));
    "a mail" false |text| format!("Content-Transfer-Encoding: quoted-printable\n\n{}", quoted_printable(text));
    "tabs for line ends" false |text| text.trim_end().replace('\n', "\t");
};
