//! A child process whose output is kept and whose end is certain.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{DEADLINE, eventually};

/// A running binary; dropping it kills it.
pub struct Process {
    child: Child,
    stdout: Arc<Captured>,
    stderr: Arc<Captured>,
}

#[derive(Default)]
struct Captured {
    text: Mutex<Text>,
    grown: Condvar,
}

#[derive(Default)]
struct Text {
    all: String,
    ended: bool,
}

impl Process {
    /// Starts `binary` in `folder` with `LANG=C`; standard input is empty.
    pub fn start<A: AsRef<OsStr>>(
        binary: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
        folder: &Path,
    ) -> Self {
        let mut command = Command::new(binary);
        command.args(arguments).current_dir(folder).env("LANG", "C");
        Self::spawn(command)
    }

    /// Starts a prepared command; its standard streams are replaced.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|fault| panic!("{command:?}: {fault}"));
        let stdout = Captured::of(child.stdout.take().unwrap());
        let stderr = Captured::of(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What follows `ready ` on standard output.
    ///
    /// # Panics
    /// When the process ends before, or the deadline passes.
    #[track_caller]
    pub fn ready(&self) -> Value {
        let line = self.stdout_line(DEADLINE * 3, |line| line.starts_with("ready {"));
        serde_json::from_str(line.trim_start_matches("ready ")).expect("the ready line is JSON")
    }

    /// The first line of standard output that fits.
    #[track_caller]
    pub fn stdout_line(&self, deadline: Duration, fits: impl Fn(&str) -> bool) -> String {
        match self.stdout.line(deadline, fits) {
            Some(line) => line,
            None => panic!("the awaited line did not come\n{}", self.output()),
        }
    }

    /// The first line of standard error that fits.
    #[track_caller]
    pub fn stderr_line(&self, deadline: Duration, fits: impl Fn(&str) -> bool) -> String {
        match self.stderr.line(deadline, fits) {
            Some(line) => line,
            None => panic!("the awaited line did not come\n{}", self.output()),
        }
    }

    /// Standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text.lock().unwrap().all.clone()
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text.lock().unwrap().all.clone()
    }

    /// Sends a signal by name: `TERM`, `HUP`, `INT`.
    pub fn signal(&self, name: &str) {
        // The shell's own kill: no unsafe call here, no package needed for a program.
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "signal {name}");
    }

    /// SIGTERM, then its exit.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_exit(DEADLINE)
    }

    /// SIGKILL, then its exit.
    pub fn kill9(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.stdout.wait_for_the_end();
                self.stderr.wait_for_the_end();
                return status;
            }
            assert!(
                Instant::now() < end,
                "did not end within {deadline:?}\n{}",
                self.output()
            );
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Memory in use, in bytes (`VmRSS`).
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// Both streams, for a message.
    #[must_use]
    pub fn output(&self) -> String {
        format!(
            "--- stdout\n{}--- stderr\n{}---",
            self.stdout(),
            self.stderr()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut out = std::io::stderr().lock();
            drop(writeln!(out, "process {}\n{}", self.id(), self.output()));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Captured {
    fn of(stream: impl Read + Send + 'static) -> Arc<Self> {
        let captured = Arc::new(Self::default());
        let writer = Arc::clone(&captured);
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                let mut text = writer.text.lock().unwrap();
                text.all.push_str(&String::from_utf8_lossy(&line));
                line.clear();
                writer.grown.notify_all();
            }
            writer.text.lock().unwrap().ended = true;
            writer.grown.notify_all();
        });
        captured
    }

    /// Its last words are read when its exit is known; a child of its own may hold the pipe longer.
    fn wait_for_the_end(&self) {
        let text = self.text.lock().unwrap();
        let waited = self
            .grown
            .wait_timeout_while(text, Duration::from_secs(2), |text| !text.ended);
        drop(waited.unwrap());
    }

    fn line(&self, deadline: Duration, fits: impl Fn(&str) -> bool) -> Option<String> {
        let end = Instant::now() + deadline;
        let mut text = self.text.lock().unwrap();
        let mut read = 0;
        loop {
            let fresh = &text.all[read..];
            if let Some(line) = fresh.lines().find(|line| fits(line)) {
                return Some(line.to_owned());
            }
            read = text.all.len();
            let left = end.checked_duration_since(Instant::now())?;
            if text.ended {
                return None;
            }
            text = self.grown.wait_timeout(text, left).unwrap().0;
        }
    }
}

/// Runs a command to its end and returns it with its output.
///
/// # Panics
/// When it does not end in time.
#[track_caller]
pub(crate) fn finish(command: Command, stdin: &[u8], deadline: Duration) -> std::process::Output {
    waited_for(command, stdin, false, deadline)
}

/// As [`finish`], but the input has no end before the program has.
#[track_caller]
pub(crate) fn finish_unprompted(
    command: Command,
    stdin: &[u8],
    deadline: Duration,
) -> std::process::Output {
    waited_for(command, stdin, true, deadline)
}

#[track_caller]
fn waited_for(
    mut command: Command,
    stdin: &[u8],
    held: bool,
    deadline: Duration,
) -> std::process::Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("{command:?}: {fault}"));
    let mut input = child.stdin.take().unwrap();
    // A program that does not read its input has closed it: no fault of the test.
    drop(input.write_all(stdin));
    let held = held.then_some(input);
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read_all = |stream: &mut dyn Read| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let out = thread::spawn(move || read_all(&mut out));
    let err = thread::spawn(move || read_all(&mut err));
    let mut guard = Guard(child);
    let status = eventually(deadline, &format!("the end of {command:?}"), || {
        guard.0.try_wait().unwrap()
    });
    drop(held);
    std::process::Output {
        status,
        stdout: out.join().unwrap(),
        stderr: err.join().unwrap(),
    }
}

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
