//! The race: nginx, HAProxy and the gateway, one core each, before one upstream, with the same
//! certificate, the same blacklist and the same tokens to check.
//!
//! What is written down are ratios. Absolute figures depend on the machine and on who else uses it,
//! so each round gives every contender its turn within a minute, and a contender's ratio is that to
//! nginx in the same round. Each turn is a fresh process. Loopback only, in a folder that is gone
//! afterwards, and no process outlives the race.

mod contender;
mod load;
mod picture;
mod process;
mod report;
mod stage;
mod upstream;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use self::{
    contender::{Contender, Programs, Running},
    load::{Done, Handshake},
    process::Cores,
    report::{Figures, Measure, Report, Skipped},
    stage::{Key, Stage},
};

/// Race nginx, HAProxy and the gateway before one upstream with the same checks.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's program; without it, the one beside this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// nginx's program; what is not there is skipped.
    #[arg(long, default_value = "nginx")]
    nginx: PathBuf,
    /// HAProxy's program; what is not there is skipped.
    #[arg(long, default_value = "haproxy")]
    haproxy: PathBuf,
    /// Each contender has its turn in each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Seconds of each measure.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,
    /// Requests a second while latency is measured.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// The key of everybody's certificate.
    #[arg(long, value_enum, default_value_t = Key::P256)]
    key: Key,
    /// Every contender writes its access log; without this none does.
    #[arg(long)]
    access_log: bool,
    /// One short round: shows that all of it works. Its figures say nothing.
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "rate"])]
    quick: bool,
    /// Where to write all figures of all rounds.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to draw the ratios.
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// How long and how much.
#[derive(Clone, Copy, Debug)]
struct Scale {
    rounds: u16,
    span: Duration,
    rate: u32,
    /// Idle connections: the slope is taken from the first count to the second. What reading a
    /// list or hashing a password left free (some 20 MiB) is used up by the first.
    idle: (usize, usize),
}

/// Connections that ask at once, and clients that shake hands at once.
const ASKING: usize = 32;
const SHAKING: usize = 16;
/// Upstream connections, caches and branch predictors find their state within this.
const WARM_UP: Duration = Duration::from_millis(300);
/// Memory that a process gives back it gives back within this.
const SETTLE: Duration = Duration::from_millis(200);
/// HAProxy wants two for each connection that it may have to take, be they used or not.
const DESCRIPTORS: u64 = 8000;

impl Options {
    /// Runs the race and prints what it came to. SIGINT, SIGTERM and SIGHUP end it and all its
    /// processes.
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        raise_descriptor_limit()?;
        let cores = Cores::divide()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let report = runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut hang_up = signal(SignalKind::hangup())?;
            tokio::select! {
                raced = race(self, &cores) => raced,
                _ = terminate.recv() => bail!("ended by a signal"),
                _ = interrupt.recv() => bail!("ended by a signal"),
                _ = hang_up.recv() => bail!("ended by a signal"),
            }
        })?;
        if let Some(file) = &self.json {
            fs::write(file, report.json()?).with_context(|| file.display().to_string())?;
        }
        if let Some(file) = &self.svg {
            fs::write(file, picture::draw(&report)).with_context(|| file.display().to_string())?;
        }
        io::stdout().write_all(report.to_string().as_bytes())?;
        Ok(true)
    }

    fn scale(&self) -> Scale {
        if self.quick {
            return Scale {
                rounds: 1,
                span: Duration::from_millis(200),
                rate: 200,
                idle: (20, 60),
            };
        }
        Scale {
            rounds: self.rounds,
            span: Duration::from_secs(self.seconds.into()),
            rate: self.rate,
            idle: (1250, 3250),
        }
    }

    fn programs(&self) -> anyhow::Result<Programs> {
        let beside = std::env::current_exe()?.with_file_name("gateway");
        let gateway = self.gateway.clone().unwrap_or(beside);
        ensure!(
            gateway.is_file(),
            "no gateway at {}: build it, or name it with --gateway",
            gateway.display()
        );
        Ok(Programs {
            nginx: found(&self.nginx),
            haproxy: found(&self.haproxy),
            gateway,
        })
    }
}

/// Debian keeps servers where a user's `PATH` does not look.
fn found(program: &Path) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beyond = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    if program.components().count() > 1 {
        return program.to_owned();
    }
    std::env::split_paths(&path)
        .chain(beyond)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| program.to_owned())
}

async fn race(options: &Options, cores: &Cores) -> anyhow::Result<Report> {
    let programs = options.programs()?;
    let scale = options.scale();
    let (mut racing, mut skipped) = (Vec::new(), Vec::new());
    let mut versions = BTreeMap::new();
    for contender in Contender::ALL {
        let program = programs.of(contender);
        if !program.is_file() {
            let (name, program) = (contender.name(), program.display().to_string());
            eprintln!("skipped: {name}, there is no {program}");
            skipped.push(Skipped { name, program });
            continue;
        }
        versions.insert(contender, version(program)?);
        racing.push(contender);
    }
    let stage = Stage::new(options.key)?;
    let mut rounds = Vec::new();
    for number in 0..scale.rounds {
        let mut round = BTreeMap::new();
        // Nobody is always first.
        let first = usize::from(number) % racing.len();
        for contender in racing.iter().cycle().skip(first).take(racing.len()) {
            let name = contender.name();
            eprintln!("round {} of {}: {name}", number + 1, scale.rounds);
            let running =
                contender::start(*contender, &programs, &stage, cores, options.access_log)
                    .await
                    .with_context(|| format!("{name} does not start"))?;
            let figures = turn(*contender, running, scale).await.context(name)?;
            round.insert(*contender, figures);
        }
        rounds.push(round);
    }
    Ok(Report {
        racing,
        skipped,
        versions,
        rounds,
        span: scale.span,
        rate: scale.rate,
        key: options.key,
        access_log: options.access_log,
    })
}

/// One contender's turn in one round.
async fn turn(contender: Contender, mut running: Running, scale: Scale) -> anyhow::Result<Figures> {
    let mut figures = Figures::new();
    let connections_too = !contender.requests_alone();
    if connections_too {
        // First: a process that has served a load has memory left over that hides the slope.
        figures.insert(Measure::IdleKib, idle(&running, scale.idle).await?);
    }
    let target = running.target.clone();
    let mut kept = load::open(&target, ASKING).await?;
    load::requests(&target, &mut kept, WARM_UP.min(scale.span)).await?;
    let before = running.process.cpu()?;
    let done = load::requests(&target, &mut kept, scale.span).await?;
    let cost = running.process.cpu()? - before;
    figures.insert(Measure::Requests, per_second(&done));
    figures.insert(Measure::RequestCpu, micros_each(cost, &done));
    figures.insert(Measure::RequestCore, share(cost, &done));

    let latencies = load::paced(&target, &mut kept, scale.rate, scale.span).await?;
    drop(kept);
    for (measure, quantile) in [(Measure::P50, 0.5), (Measure::P99, 0.99)] {
        let micros = u32::try_from(latencies.value_at_quantile(quantile))?;
        figures.insert(measure, micros.into());
    }
    if connections_too {
        for (kind, rate, each, core) in [
            (
                Handshake::Full,
                Measure::Handshakes,
                Measure::HandshakeCpu,
                Measure::HandshakeCore,
            ),
            (
                Handshake::Resumed,
                Measure::Resumptions,
                Measure::ResumptionCpu,
                Measure::ResumptionCore,
            ),
        ] {
            let before = running.process.cpu()?;
            let done = load::handshakes(&target, kind, SHAKING, scale.span).await?;
            let cost = running.process.cpu()? - before;
            figures.insert(rate, per_second(&done));
            figures.insert(each, micros_each(cost, &done));
            figures.insert(core, share(cost, &done));
        }
    }
    if let Some(said) = running.process.ended()? {
        bail!(said);
    }
    Ok(figures)
}

/// KiB of resident memory for each connection that has carried a request and waits for the next.
async fn idle(running: &Running, (few, many): (usize, usize)) -> anyhow::Result<f64> {
    let mut open = load::open(&running.target, few).await?;
    sleep(SETTLE).await;
    let before = running.process.resident_kib()?;
    open.extend(load::open(&running.target, many - few).await?);
    sleep(SETTLE).await;
    let grown = running.process.resident_kib()?.saturating_sub(before);
    drop(open);
    Ok(f64::from(grown) / f64::from(u32::try_from(many - few)?))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per_second(done: &Done) -> f64 {
    done.count as f64 / done.took.as_secs_f64()
}

fn micros_each(cost: Duration, done: &Done) -> f64 {
    share(cost, done) / per_second(done) * 10_000.0
}

/// Per cent of the contender's core.
fn share(cost: Duration, done: &Done) -> f64 {
    cost.as_secs_f64() / done.took.as_secs_f64() * 100.0
}

/// The first line of what it says to `-v`; the gateway knows `--version` alone.
fn version(program: &Path) -> anyhow::Result<String> {
    let flag = match program.file_name() {
        Some(name) if name == "gateway" => "--version",
        _ => "-v",
    };
    let said = Command::new(program)
        .arg(flag)
        .output()
        .with_context(|| program.display().to_string())?;
    let said = [said.stdout, said.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

/// Of this process and, inherited, of the contenders.
fn raise_descriptor_limit() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        hard >= DESCRIPTORS,
        "{hard} descriptors are too few, {DESCRIPTORS} are needed: ulimit -Hn"
    );
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(())
}
