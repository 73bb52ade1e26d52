//! Other people's programs, run to their end: curl, openssl, Debian's python3 with requests, any.

use std::{
    ffi::OsStr,
    process::{Command, Output},
    time::Duration,
};

use crate::{
    DEADLINE,
    process::{finish, finish_unprompted},
};

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs any program to its end, with `stdin` as its input.
#[track_caller]
pub fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
    stdin: &str,
) -> Outcome {
    run_for(DEADLINE * 2, program, arguments, stdin)
}

/// As [`run`], for a program that takes its time.
#[track_caller]
pub fn run_for<A: AsRef<OsStr>>(
    deadline: Duration,
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
    stdin: &str,
) -> Outcome {
    let command = command(program, arguments);
    outcome(&finish(command, stdin.as_bytes(), deadline))
}

/// As [`run`], for a client that takes the end of its input for the end of the conversation: there
/// is none until it has ended by itself.
#[track_caller]
pub fn converse<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
    stdin: &str,
) -> Outcome {
    let command = command(program, arguments);
    outcome(&finish_unprompted(command, stdin.as_bytes(), DEADLINE * 2))
}

fn command<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LANG", "C.UTF-8")
        .env_remove("LC_ALL");
    command
}

fn outcome(output: &Output) -> Outcome {
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `curl`, quiet, without a proxy; returns the status code and the body of the last response.
///
/// # Panics
/// When curl itself fails.
#[track_caller]
pub fn curl<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> (u16, String) {
    let fixed = [
        "-sS",
        "--noproxy",
        "*",
        "--max-time",
        "20",
        "-w",
        "\n%{http_code}",
    ];
    let mut all: Vec<_> = fixed
        .iter()
        .map(|text| OsStr::new(text).to_owned())
        .collect();
    all.extend(
        arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned()),
    );
    let outcome = run("curl", all, "");
    assert_eq!(outcome.code, Some(0), "curl: {}", outcome.stderr);
    let (body, status) = outcome.stdout.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// A Python script with arguments, under Debian's interpreter: others on the path lack requests.
///
/// # Panics
/// When it does not exit with 0.
#[track_caller]
pub fn python(script: &str, arguments: &[&str]) -> String {
    let all = ["-c", script].into_iter().chain(arguments.iter().copied());
    let outcome = run("/usr/bin/python3", all, "");
    assert_eq!(
        outcome.code,
        Some(0),
        "python: {}{}",
        outcome.stdout,
        outcome.stderr
    );
    outcome.stdout
}

/// `openssl s_client` against `address`, with `stdin` after the handshake: `Q` ends it, or, with
/// `-ign_eof` among the arguments, a request whose answer is read to its end.
#[track_caller]
pub fn s_client(address: &str, arguments: &[&str], stdin: &str) -> Outcome {
    let fixed = ["s_client", "-connect", address];
    run(
        "openssl",
        fixed.into_iter().chain(arguments.iter().copied()),
        stdin,
    )
}
