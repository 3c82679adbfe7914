//! Child processes that never outlive the test process.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long anything here may take before the test fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A tool that `make test` sets up: named by `variable`, else at `default`
/// below the project.
pub(crate) fn tool(variable: &str, default: &str) -> PathBuf {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join(default),
    };
    assert!(
        path.exists(),
        "{} is missing: `make test` sets it up, or name one by {variable}",
        path.display()
    );
    path
}

/// A running child with everything it printed so far. It is killed when this
/// value is dropped, and also when the test process dies without dropping it:
/// a second process, the guard, holds the other end of a pipe and kills the
/// child once that pipe closes without the word that all is done.
pub(crate) struct Guarded {
    child: Child,
    guard: Child,
    printed: Arc<Printed>,
}

#[derive(Default)]
struct Printed {
    text: Mutex<String>,
    more: Condvar,
}

impl Guarded {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let guard = Command::new("sh")
            .args(["-c", "read -r done || kill -KILL \"$1\"", "guard"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // An interrupt from the terminal reaches the test process, not the guard.
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let printed = Arc::new(Printed::default());
        collect(child.stdout.take(), &printed);
        collect(child.stderr.take(), &printed);
        Self {
            child,
            guard,
            printed,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The signal that ended it, if one did.
    pub(crate) fn ended_by(&mut self) -> Option<i32> {
        let status = self.child.try_wait().ok().flatten();
        status.and_then(|status| status.signal())
    }

    pub(crate) fn printed(&self) -> String {
        self.printed.text.lock().expect("no writer panics").clone()
    }

    /// Waits until what the child printed gives `Some`; `None` when the child
    /// ended or `patience` ran out before.
    pub(crate) fn wait_for<T>(
        &mut self,
        patience: Duration,
        found: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let deadline = std::time::Instant::now() + patience;
        loop {
            let ended = self.has_ended();
            let text = self.printed.text.lock().expect("no writer panics");
            if let Some(value) = found(&text) {
                return Some(value);
            }
            if ended || std::time::Instant::now() >= deadline {
                return None;
            }
            drop(
                self.printed
                    .more
                    .wait_timeout(text, Duration::from_millis(50)),
            );
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The child is gone and its id may be given anew: the guard must not act.
        if let Some(mut word) = self.guard.stdin.take() {
            use std::io::Write;
            let _ = word.write_all(b"done\n");
        }
        let _ = self.guard.wait();
    }
}

fn collect(stream: Option<impl Read + Send + 'static>, printed: &Arc<Printed>) {
    let stream = stream.expect("the stream was asked for as a pipe");
    let printed = Arc::clone(printed);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            printed
                .text
                .lock()
                .expect("no writer panics")
                .push_str(&String::from_utf8_lossy(&line));
            printed.more.notify_all();
            line.clear();
        }
    });
}

/// What the kernel counts of a process's memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident now.
    pub now: usize,
    /// The most that was resident since the process began.
    pub peak: usize,
}

/// The memory of the only child of `parent`.
pub(crate) fn memory_of_child(parent: u32) -> Memory {
    let child = status_of_child(parent);
    let bytes = |name| field(&child, name).expect("the kernel counts in kB") * 1024;
    Memory {
        now: bytes("VmRSS:"),
        peak: bytes("VmHWM:"),
    }
}

/// The most memory that was resident of a process, in bytes, while it runs.
pub(crate) fn peak_memory(id: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    Some(field(&status, "VmHWM:")? * 1024)
}

/// Ends the only child of `parent` at once, as it is.
pub(crate) fn kill_child(parent: u32) {
    let id = field(&status_of_child(parent), "Pid:").expect("a process has an id");
    let id = u32::try_from(id).expect("an id of a process");
    assert!(signal(id, "KILL"));
}

/// Whether the process was there to get the signal of this name.
pub(crate) fn signal(id: u32, name: &str) -> bool {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &id.to_string()])
        .stderr(Stdio::null())
        .status();
    sent.is_ok_and(|status| status.success())
}

/// What `/proc/PID/status` says of the only child of `parent`.
fn status_of_child(parent: u32) -> String {
    let statuses = std::fs::read_dir("/proc").expect("the kernel lists its processes");
    let statuses = statuses
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("status")).ok());
    let mut children: Vec<String> = statuses
        .filter(|status| field(status, "PPid:") == Some(parent as usize))
        .collect();
    assert_eq!(children.len(), 1, "children of process {parent}");
    children.remove(0)
}

/// The number behind `name` in the text of `/proc/PID/status`.
fn field(status: &str, name: &str) -> Option<usize> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
