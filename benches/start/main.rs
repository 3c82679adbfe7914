//! How long built functions take from the start of their process to the first
//! poll for an event, and to the answer of that event: Lambda's Runtime API on
//! localhost, each function in turn, the medians and their ratios to the last.
//!
//! `make bench BOOTSTRAP=PATH HELLO=PATH`. A path that ends in `.py` is run by the interpreter that
//! `PYTHON` names.

#![allow(clippy::print_stdout)]

#[allow(dead_code)]
#[path = "../engine/logs.rs"]
mod logs;
#[allow(dead_code)]
#[path = "../engine/race.rs"]
mod race;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 60;

/// Longer than any start takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let binaries: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if binaries.is_empty() {
        return;
    }
    let event = serde_json::json!({"awslogs": {"data": logs::payload(&logs::healthy(20_000))}});
    let event = event.to_string();
    let mut times = vec![(Vec::new(), Vec::new(), Vec::new()); binaries.len()];
    for _ in 0..ROUNDS {
        for (binary, (polls, answers, faults)) in binaries.iter().zip(&mut times) {
            let run = Run::of(binary, &event).expect("the function starts and answers");
            polls.push(run.poll);
            answers.push(run.answer);
            faults.push(run.page_faults);
        }
    }
    println!(
        "From the start of the process, medians of {ROUNDS} runs, and times of the last\n\n  \
         {:<40} {:>14} {:>8} {:>16} {:>8} {:>12}",
        "function", "first poll, ms", "times", "first answer, ms", "times", "page faults"
    );
    let medians: Vec<(f64, f64, u64)> = times
        .into_iter()
        .map(|(polls, answers, mut faults)| {
            faults.sort_unstable();
            let milliseconds = |times| race::median(times).as_secs_f64() * 1e3;
            (
                milliseconds(polls),
                milliseconds(answers),
                faults[ROUNDS / 2],
            )
        })
        .collect();
    let last = medians[medians.len() - 1];
    for (binary, (poll, answer, faults)) in binaries.iter().zip(&medians) {
        println!(
            "  {binary:<40} {poll:>14.2} {:>8.2} {answer:>16.2} {:>8.2} {faults:>12}",
            poll / last.0,
            answer / last.1
        );
    }
}

/// One start of a function.
struct Run {
    poll: Duration,
    answer: Duration,
    /// Minor page faults up to the answer.
    page_faults: u64,
}

impl Run {
    fn of(binary: &str, event: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, requests) = channel();
        let event = event.to_owned();
        // It ends with the test: accepting is all that it waits for.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, event) = (sender.clone(), event.clone());
                thread::spawn(move || serve(stream, &sender, &event));
            }
        });
        let begin = Instant::now();
        let mut function = start(binary, &address.to_string())?;
        let late = |_| io::Error::other("no request in time");
        let poll = requests.recv_timeout(PATIENCE).map_err(late)?;
        let answer = requests.recv_timeout(PATIENCE).map_err(late)?;
        let page_faults = minor_faults(function.id());
        function.kill()?;
        function.wait()?;
        Ok(Self {
            poll: poll - begin,
            answer: answer - begin,
            page_faults,
        })
    }
}

fn start(binary: &str, address: &str) -> io::Result<Child> {
    let mut command = match (binary.ends_with(".py"), std::env::var_os("PYTHON")) {
        (true, Some(python)) => {
            let mut command = Command::new(python);
            command.arg(binary);
            command
        }
        _ => Command::new(binary),
    };
    command
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", address),
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_REGION", "us-east-1"),
        ])
        .stdout(Stdio::null())
        .spawn()
}

/// Answers the polls of one connection: the first of a process with the event,
/// and tells when a request came.
fn serve(stream: TcpStream, requests: &Sender<Instant>, event: &str) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut polled = false;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let at = Instant::now();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        io::copy(&mut (&mut reader).take(length), &mut io::sink())?;
        let poll = first.starts_with("GET ");
        if poll && polled {
            // The next event never comes: the process is ended.
            thread::sleep(PATIENCE);
            return Ok(());
        }
        polled |= poll;
        if requests.send(at).is_err() {
            return Ok(());
        }
        let answer = if poll {
            format!(
                "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\n\
                 Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{event}",
                event.len()
            )
        } else {
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
        };
        writer.write_all(answer.as_bytes())?;
    }
}

/// How often the kernel has given the process a page, where it tells.
fn minor_faults(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let faults = after_name.split_whitespace().nth(7);
    faults.and_then(|count| count.parse().ok()).unwrap_or(0)
}
