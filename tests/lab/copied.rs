//! What tools and people make of a log on its way into a ticket, a chat or a mail.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

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
        true => Value::from(line).to_string(),
        false => format!("'{}'", line.replace('\'', "''")),
    }
}

/// Python's `repr`.
fn repr(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    format!("'{}'", text.replace('\t', "\\t").replace('\'', "\\'"))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
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
    "a string of JSON" false quoted;
    "a string within an object" false |text| format!("{{\n    \"InstanceId\": \"i-0123456789abcdef0\",\n    \"StandardOutputContent\": {},\n    \"Status\": \"Success\"\n}}\n", quoted(text));
    "an object within a string" false |text| quoted(&format!("{{\"a\":[1],\"text\":{}}}", quoted(text)));
    "an export of Slack" false |text| format!("[{{\"type\":\"message\",\"text\":{},\"ts\":\"1795407544.185\"}},{{\"type\":\"message\",\"text\":\"Any idea?\"}}]", quoted(&format!("Its log:\n```{}```", text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))));
    "a repr of Python" false repr;
    "bytes of Python" false |text| format!("b{}", repr(text));
    "a dictionary of Python" false |text| format!("{{'Status': 'Success', 'StandardOutputContent': {}, 'ResponseCode': 0}}", repr(text));
    "a list of Python" false |text| format!("[{}]", text.lines().map(repr).collect::<Vec<_>>().join(", "));
    "a shell's string" false |text| format!("${}", repr(text));
    "a task of Ansible" false |text| format!("ok: [web-1] => {{\n    \"result.stdout\": {}\n}}\n", quoted(text));
    "escaped" false |text| quoted(text).trim_matches('"').replace("\\\"", "\"").replace('"', "\\\"");
    "YAML of the AWS CLI" false |text| format!("events:\n{}nextForwardToken: f/1\n", each(text, |_, line| format!("- ingestionTime: 1795407544999\n  message: {}\n  timestamp: 1795407544185", scalar(line))));
    "a list of YAML" false |text| each(text, |_, line| format!("- {}", scalar(line)));
    "a block of YAML" false |text| format!("name: log\nlog: |\n{}", each(text, |_, line| format!("  {line}")));
    "rubydebug of Logstash" false |text| each(text, |_, line| format!("{{\n       \"message\" => {},\n    \"@timestamp\" => 2026-11-23T04:19:04.185Z,\n      \"@version\" => \"1\"\n}}", quoted(line)));
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

/// The records of a log.
fn records(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for line in text.lines() {
        match all.last_mut() {
            Some(record) if head(line).is_none() => record.extend(["\n", line]),
            Some(_) | None => all.push(line.to_owned()),
        }
    }
    all
}

/// A row of CSV for each record, below its header.
fn csv(text: &str, header: &str, before: &str, after: &str) -> String {
    let row = |record: &String| format!("{before}\"{}\"{after}\n", record.replace('"', "\"\""));
    let rows: String = records(text).iter().map(row).collect();
    format!("{header}\n{rows}")
}

/// An object of JSON over many lines, with what `of` makes of each record.
fn document(text: &str, of: impl Fn(&String) -> Value, around: impl Fn(Value) -> Value) -> String {
    let all = records(text).iter().map(of).collect();
    serde_json::to_string_pretty(&around(all)).expect("JSON")
}

/// Whole files as consoles and tools export them, and transcripts of terminals.
pub(crate) const EXPORTS: &[Way] = ways! {
    "Event Viewer" false |text| csv(text, "\u{feff}Level,Date and Time,Source,Event ID,Task Category", "Error,11/23/2026 4:19:04 AM,AmazonSSMAgent,1,None,", "");
    "Logs Insights, CSV" false |text| csv(text, "@timestamp,@message,@logStream", "2026-11-23 04:19:04.185,", ",i-0123456789abcdef0");
    "Logs Insights, JSON" false |text| document(text, |it| json!({"@timestamp": "2026-11-23 04:19:04", "@message": it, "@ptr": "CmEK"}), |all| all);
    "get-query-results" false |text| document(text, |it| json!([{"field": "@message", "value": it}, {"field": "@ptr", "value": "CmEK"}]), |all| json!({"results": all, "status": "Complete"}));
    "filter-log-events" false |text| document(text, |it| json!({"logStreamName": "i-0123456789abcdef0", "timestamp": 1_795_407_544_185_u64, "message": it}), |all| json!({"events": all, "searchedLogStreams": []}));
    "filter-log-events --output table" false |text| format!("|+---+---+|\n||  time  |  message  ||\n|+---+---+|\n{}", each(text, |_, line| format!("||  1795407544999  |  {line}  ||")));
    "New Relic" false |text| document(text, |it| json!({"timestamp": 1_795_407_544_185_u64, "message": it, "hostname": "web-1"}), |all| json!({"results": [{"events": all}]}));
    "Azure Monitor" false |text| document(text, |it| json!(["2026-11-23T04:19:04.185Z", "web-1", it]), |all| json!({"tables": [{"columns": [{"name": "TimeGenerated"}, {"name": "Computer"}, {"name": "SyslogMessage"}], "rows": all}]}));
    "Splunk, CSV" false |text| csv(text, "\"_serial\",\"_time\",host,\"_raw\"", "\"1\",\"2026-11-23T04:19:04.185+0000\",\"web-1\",", "");
    "Kibana, CSV" false |text| csv(text, "\"@timestamp\",\"host.name\",message", "\"Nov 23, 2026 @ 04:19:04.185\",\"web-1\",", "");
    "Graylog" false |text| records(text).iter().map(|it| format!("{}\n", json!({"version": "1.1", "host": "web-1", "short_message": &it[..it.floor_char_boundary(64)], "full_message": it}))).collect();
    "an export of Teams" false |text| document(text, |_| Value::Null, |_| json!({"body": {"contentType": "html", "content": format!("<p>Any idea?</p><pre>{}</pre>", text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))}}));
    "Ansible -v" false |text| format!("ok: [web-1] => {}\n", json!({"cmd": ["cat", "x.log"], "rc": 0, "stdout": text, "stdout_lines": text.lines().collect::<Vec<_>>()}));
    "a session" false |text| format!("Starting session with SessionId: alice-0123456789abcdef0\nsh-5.2$ sudo cat /var/log/amazon/ssm/amazon-ssm-agent.log\n{text}sh-5.2$ exit\n\nExiting session with sessionId: alice-0123456789abcdef0.\n");
    "script" false |text| format!("Script started on 2026-11-23 04:19:04+00:00 [TERM=\"xterm\"]\n\u{1b}]0;root@web-1:~\u{7}\u{1b}[?2004h[root@web-1 ~]# cat x.log\r\n\u{1b}[?2004l\r{}\u{1b}[?2004h[root@web-1 ~]# exit\r\n", text.replace('\n', "\r\n"));
    "systemctl status" false |text| format!("\u{25cf} amazon-ssm-agent.service - amazon-ssm-agent\n     Active: active (running) since Mon 2026-11-23 04:18:00 UTC; 1min ago\n   Main PID: 2373 (amazon-ssm-agen)\n\n{}", each(text, |_, line| format!("Nov 23 04:19:04 web-1 amazon-ssm-agent[2373]: {line}")));
    "journalctl -o export" false |text| each(text, |at, line| format!("__CURSOR=s=a;i={at:x}\n_HOSTNAME=web-1\nSYSLOG_IDENTIFIER=amazon-ssm-agent\nMESSAGE={line}\n"));
    "kubectl logs --prefix --timestamps" false |text| each(text, |_, line| format!("[pod/ssm-x7k2p/ssm] 2026-11-23T04:19:04.185123456Z {line}"));
    "a pipeline of GitLab" false |text| each(text, |_, line| format!("2026-11-23T04:19:04.185123Z 01O {line}"));
    "cat -A" false |text| each(text, |_, line| format!("{}$", line.replace('\t', "^I")));
    "grep in colour" false |text| each(text, |at, line| format!("\u{1b}[35m\u{1b}[Kx.log\u{1b}[m\u{1b}[K\u{1b}[36m\u{1b}[K:\u{1b}[m\u{1b}[K{at}:{}", line.replace("ERROR", "\u{1b}[01;31m\u{1b}[KERROR\u{1b}[m\u{1b}[K")));
    "an answered mail" false |text| format!("Hi Bob,\r\n\r\n> On Mon, 23 Nov 2026 at 09:51, Alice wrote:\r\n{}>\r\n> --\r\n> Bob\r\n", each(text, |_, line| format!("> > {line}\r")));
    "a question in Chinese" false |text| format!("\u{6211}\u{7684}\u{5b9e}\u{4f8b}\u{8fde}\u{63a5}\u{4e22}\u{5931}\u{3002}\n\u{65e5}\u{5fd7}\u{5982}\u{4e0b}\u{ff1a}\n{text}\n\u{8c22}\u{8c22}\u{ff01}\n");
};
