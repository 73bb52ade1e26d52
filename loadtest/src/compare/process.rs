//! A contender's process: on a core of its own, and dead when this value is dropped.
//!
//! Each contender is told to be one process, so that its figures are one process' figures and one
//! kill is enough.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// Unit of `/proc/PID/stat`: `USER_HZ`, 100 on every Linux that this runs on.
const TICK: Duration = Duration::from_millis(10);

/// Who runs where: one core for the contender, the others for the load and the upstream. On a
/// machine with one core they share it.
pub(crate) struct Cores {
    contender: CpuSet,
    load: CpuSet,
}

impl Cores {
    /// Keeps this thread, and all that it starts from now on, off the contender's core.
    pub(crate) fn divide() -> anyhow::Result<Self> {
        let (mut contender, mut load) = (CpuSet::new(), CpuSet::new());
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let mut cores = Vec::new();
        for core in 0..CpuSet::count() {
            if allowed.is_set(core)? {
                cores.push(core);
            }
        }
        let last = *cores.last().context("no core to run on")?;
        contender.set(last)?;
        for core in &cores {
            if *core != last || cores.len() == 1 {
                load.set(*core)?;
            }
        }
        sched_setaffinity(Pid::from_raw(0), &load)?;
        Ok(Self { contender, load })
    }

    /// A child inherits the affinity of the thread that starts it.
    fn spawn(&self, command: &mut Command) -> anyhow::Result<Child> {
        sched_setaffinity(Pid::from_raw(0), &self.contender)?;
        let child = command.spawn();
        sched_setaffinity(Pid::from_raw(0), &self.load)?;
        child.with_context(|| command.get_program().display().to_string())
    }
}

pub(crate) struct Process {
    child: Child,
    said: PathBuf,
}

impl Process {
    /// What it prints goes to a file in `folder`, to be shown if it ends too early.
    pub(crate) fn start(
        cores: &Cores,
        command: &mut Command,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let said = folder.join("said");
        let file = File::create(&said).with_context(|| said.display().to_string())?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = cores.spawn(command)?;
        Ok(Self { child, said })
    }

    /// The last lines that it printed, when it has ended.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<String>> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(None);
        };
        let said = std::fs::read(&self.said).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.get(lines.len().saturating_sub(5)..);
        Ok(Some(format!(
            "ended with {status}: {}",
            last.unwrap_or_default().join("\n")
        )))
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = self.proc("stat")?;
        // Behind the program's name in brackets: state is field 3, utime 14, stime 15.
        let (_, fields) = stat.rsplit_once(") ").context("no name in stat")?;
        let mut fields = fields.split(' ').skip(11);
        let mut ticks =
            || -> anyhow::Result<u32> { Ok(fields.next().context("stat is too short")?.parse()?) };
        Ok(TICK * (ticks()? + ticks()?))
    }

    pub(crate) fn resident_kib(&self) -> anyhow::Result<u32> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
        Ok(kib.parse()?)
    }

    fn proc(&self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(&path).context(path)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed and need not be.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
