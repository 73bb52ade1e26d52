//! The commands: options → a run → figures on stdout. True: everything was right.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use http::HeaderValue;
use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use openssl::base64::encode_block;
use serde_json::{Map, Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, interval},
};

use crate::{
    accounting,
    attack::{Attack, Plan},
    book::Book,
    caller::{Caller, Start, Stop, Way},
    crew::{Crew, Hired, run_name},
    idle,
    pace::Arrival,
    report::{self, Report},
    target::{Target, To},
    terminal::{Shop, Work},
    under_attack::Siege,
    users::{From, Role, Users},
};

/// Whom, as whom, and how the figures are told.
#[derive(Args)]
struct Common {
    #[command(flatten)]
    to: To,
    #[command(flatten)]
    users: From,
    /// Figures as JSON.
    #[arg(long)]
    json: bool,
}

/// How the askers ask.
#[derive(Args)]
struct Asking {
    /// How long, such as 30s or 5m.
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = span)]
    span: Duration,
    /// Open arrival: so many requests a second over all terminals, whatever becomes of the
    /// answers. Absent: each terminal asks when it has its answer.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Without --rate: pause before each request.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = span, conflicts_with = "rate")]
    pause: Duration,
    /// All terminals from one address, as behind one router, not each from its own 127.1.x.y.
    #[arg(long)]
    one_address: bool,
}

#[derive(Args)]
pub(crate) struct Terminals {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    asking: Asking,
    /// How many terminals.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    count: u16,
    /// How they log in; several ways take turns.
    #[arg(long, value_delimiter = ',', default_value = "name")]
    login: Vec<Way>,
    /// A user of its own for each terminal, made before and removed after by the external
    /// connection or the administrator among the users.
    #[arg(long)]
    own_users: bool,
    /// Leave finished documents in the database.
    #[arg(long)]
    keep: bool,
}

#[derive(Args)]
pub(crate) struct Accounting {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    asking: Asking,
    /// So many documents are with the terminals at any time.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    documents: u16,
    /// Terminals that work on them; with 0 they are other processes' (`loadtest terminals`).
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(0..=20_000))]
    terminals: u16,
    /// How long terminals have for what is still out when the time is over.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = span)]
    drain: Duration,
    /// How the terminals log in.
    #[arg(long, value_delimiter = ',', default_value = "name")]
    login: Vec<Way>,
}

#[derive(Args)]
pub(crate) struct Attacks {
    /// guessing, slow-heads, slow-bodies, slow-reads, half-handshakes, garbage, malformed-heads,
    /// or all.
    #[arg(value_name = "ATTACK", required = true, value_parser = wave)]
    attacks: Vec<Wave>,
    #[command(flatten)]
    common: Common,
    /// How many connections attack, each from an address of its own, 127.2.x.y.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    count: u16,
    /// An attacker whose connection ended, or whose guess was answered, goes on after so long.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = span)]
    every: Duration,
    /// How long each calm and each attack is, at most 2m.
    #[arg(long = "for", value_name = "TIME", default_value = "12s", value_parser = span)]
    span: Duration,
    /// How often calm and attacks take turns.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=20))]
    rounds: u16,
    /// Good terminals.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    terminals: u16,
    /// Their requests a second, all together.
    #[arg(long, value_name = "N", default_value = "100", value_parser = rate)]
    rate: f64,
    /// How they log in.
    #[arg(long, value_delimiter = ',', default_value = "name")]
    login: Vec<Way>,
}

#[derive(Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    common: Common,
    /// The gateway's process, on this machine.
    #[arg(long)]
    pid: u32,
    /// How many connections, after 1250 that use up what the start left free.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    count: u16,
}

#[derive(Clone, Copy)]
enum Wave {
    One(Attack),
    All,
}

fn wave(text: &str) -> Result<Wave, String> {
    match text {
        "all" => Ok(Wave::All),
        _ => Attack::from_str(text, false).map(Wave::One),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|fault| format!("{fault}"))?;
    Duration::try_from(span).map_err(|fault| format!("{fault}"))
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("0.1 to 1000000".to_owned()),
    }
}

impl Common {
    fn users(&self, target: &Target) -> anyhow::Result<Users> {
        Ok(self.users.read(target)?)
    }

    /// Prints it. A reader that has gone has read what it wanted.
    fn tell(&self, report: &Report) -> anyhow::Result<bool> {
        let text = match self.json {
            true => serde_json::to_string_pretty(&report.json)? + "\n",
            false => report.text.clone(),
        };
        match io::stdout().write_all(text.as_bytes()) {
            Err(fault) if fault.kind() != io::ErrorKind::BrokenPipe => Err(fault.into()),
            _ => Ok(report.is_right),
        }
    }
}

impl Asking {
    fn arrival(&self, askers: u16) -> Arrival {
        Arrival::new(self.rate, askers, self.pause)
    }

    fn describe(&self) -> String {
        match self.rate {
            Some(rate) => format!("open arrival, {rate} requests a second"),
            None => "closed arrival".to_owned(),
        }
    }
}

impl Terminals {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let target = Arc::new(self.common.to.target()?);
        let users = self.common.users(&target)?;
        room_for(self.count)?;
        runtime()?.block_on(self.work(&target, users))
    }

    async fn work(&self, target: &Arc<Target>, users: Users) -> anyhow::Result<bool> {
        let (book, run) = (Arc::new(Book::default()), run_name());
        let mut hired = None;
        if self.own_users {
            let forever = Arc::new(Stop::after(Duration::from_secs(3600)));
            let made = Hired::new(target, &users, self.count, &run, (&book, &forever)).await?;
            if let Err(fault) = made.are_known(target).await {
                made.dismiss().await;
                return Err(fault);
            }
            hired = Some(made);
        }
        let users = match &hired {
            Some(hired) => Users::new(hired.users.clone()),
            None => users,
        };
        // Making users is no part of the figures, unless something was wrong with it.
        book.turn();
        let crew = Crew {
            count: self.count,
            ways: self.login.clone(),
            arrival: self.asking.arrival(self.count),
            one_address: self.asking.one_address,
        };
        let shop = Arc::new(Shop::new(&book, &run, Work::GivenOrOwn, self.keep));
        let stop = Arc::new(Stop::after(self.asking.span));
        let started = Instant::now();
        let working = crew.start(target, &users, &shop, &stop)?;
        let all = working.join_all();
        while_it_lasts(all, &book, &stop, self.asking.span).await;
        let seconds = started.elapsed().as_secs_f64();
        let mut sheet = book.turn();
        if let Some(hired) = hired {
            hired.dismiss().await;
            sheet.mention(&book.turn());
        }
        let title = format!(
            "{} terminals at {}, {}",
            self.count,
            target.url(),
            self.asking.describe()
        );
        let left = shop.left_behind();
        let note = format!("{left} documents load-t-{run}-… are left in the database");
        let notes: Vec<String> = (left > 0).then_some(note).into_iter().collect();
        let more = head("terminals", target, [("terminals", json!(self.count))]);
        let report = report::of_work(&title, &sheet, crew.arrival, seconds, more, &notes);
        self.common.tell(&report)
    }
}

impl Accounting {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let target = Arc::new(self.common.to.target()?);
        let users = self.common.users(&target)?;
        room_for(self.terminals)?;
        runtime()?.block_on(self.work(&target, &users))
    }

    async fn work(&self, target: &Arc<Target>, users: &Users) -> anyhow::Result<bool> {
        let (book, run) = (Arc::new(Book::default()), run_name());
        let user = users
            .one(Role::ExternalConnection)
            .context("none of the users has the role external-connection")?;
        let stop = Arc::new(Stop::after(self.asking.span));
        let crew = Crew {
            count: self.terminals,
            ways: self.login.clone(),
            arrival: self.asking.arrival(self.terminals),
            one_address: self.asking.one_address,
        };
        let started = Instant::now();
        let start = Start {
            from: None,
            arrival: Arrival::Closed {
                pause: self.asking.pause,
            },
            first: started,
        };
        let who = format!("accounting ({})", user.name);
        let caller = Caller::new(
            who,
            user.clone(),
            Way::Query,
            target,
            &start,
            (&book, &stop),
        );
        let mut accounting = accounting::Accounting::new(caller, &book, &run, self.documents);
        // Terminals go on until the last of its documents is finished.
        let until_all_is_in = Arc::new(Stop::after(self.asking.span + self.drain));
        let shop = Arc::new(Shop::new(
            &Arc::new(Book::default()),
            &run,
            Work::Given,
            true,
        ));
        let working = match self.terminals {
            0 => None,
            _ => Some(crew.start(target, users, &shop, &until_all_is_in)?),
        };
        let work = async {
            accounting.work(self.drain).await;
            until_all_is_in.now();
            if let Some(working) = working {
                working.join_all().await;
            }
        };
        while_it_lasts(work, &book, &stop, self.asking.span).await;
        let seconds = started.elapsed().as_secs_f64();
        let mut sheet = book.turn();
        // Of its own terminals only what was wrong counts here.
        let terminals = shop.book.turn();
        sheet.note_wrong(&terminals);
        let title = format!(
            "accounting at {}, {} terminals of its own",
            target.url(),
            self.terminals
        );
        let (sent, collected) = (accounting.sent, accounting.collected);
        let notes = [format!(
            "{sent} documents sent, {collected} collected and as the terminals finished them"
        )];
        let more = head(
            "accounting",
            target,
            [
                ("terminals", json!(self.terminals)),
                ("sent", json!(sent)),
                ("collected", json!(collected)),
            ],
        );
        let report = report::of_work(&title, &sheet, start.arrival, seconds, more, &notes);
        self.common.tell(&report)
    }
}

impl Attacks {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let target = Arc::new(self.common.to.loopback_target()?);
        ensure!(self.span <= Duration::from_secs(120), "--for: at most 2m");
        ensure!(
            self.every >= Duration::from_millis(10),
            "--every: at least 10ms"
        );
        let users = self.common.users(&target)?;
        room_for(self.count + self.terminals)?;
        runtime()?.block_on(self.work(&target, &users))
    }

    async fn work(&self, target: &Arc<Target>, users: &Users) -> anyhow::Result<bool> {
        let book = Arc::new(Book::default());
        let shop = Arc::new(Shop::new(&book, &run_name(), Work::GivenOrOwn, false));
        let stop = Arc::new(Stop::after(Duration::from_secs(24 * 3600)));
        let arrival = Arrival::new(Some(self.rate), self.terminals, Duration::ZERO);
        let crew = Crew {
            count: self.terminals,
            ways: self.login.clone(),
            arrival,
            one_address: false,
        };
        let working = crew.start(target, users, &shop, &stop)?;
        let names = users.with_terminals();
        let siege = Siege {
            attacks: self.wanted(),
            rounds: self.rounds,
            plan: Plan {
                attack: Attack::Guessing,
                target: Arc::clone(target),
                count: self.count,
                every: self.every,
                span: self.span,
                names: names.into_iter().map(|user| user.name.clone()).collect(),
            },
        };
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        let siege = siege.lay(&shop, self.terminals, &stop, |now| bar.set_message(now));
        let outcome = tokio::select! {
            outcome = siege => outcome,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        };
        bar.finish_and_clear();
        stop.now();
        working.join_all().await;
        let mut outcome = outcome?;
        outcome.rest.add(book.turn());
        let title = format!(
            "{} attackers on {}, {} terminals at {} requests a second, {} s each",
            self.count,
            target.url(),
            self.terminals,
            self.rate,
            self.span.as_secs_f64()
        );
        let (fights, rest) = (&outcome.fights, &outcome.rest);
        let report = report::of_fights(&title, fights, rest, arrival, self.count);
        self.common.tell(&report)
    }

    fn wanted(&self) -> Vec<Attack> {
        let mut wanted = Vec::new();
        for wave in &self.attacks {
            let more = match wave {
                Wave::All => Attack::ALL.to_vec(),
                Wave::One(attack) => vec![*attack],
            };
            for attack in more {
                if !wanted.contains(&attack) {
                    wanted.push(attack);
                }
            }
        }
        wanted
    }
}

impl Idle {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let target = Arc::new(self.common.to.loopback_target()?);
        let users = self.common.users(&target)?;
        let user = users
            .one(Role::ExternalConnection)
            .or_else(|| users.one(Role::MobileUser))
            .context("no user to log in as")?;
        let basic = encode_block(format!("{}:{}", user.name, user.password).as_bytes());
        let basic = HeaderValue::from_str(&format!("Basic {basic}"))?;
        room_for(self.count + idle::WARM_UP)?;
        let measured = idle::measure(&target, basic, self.pid, self.count);
        let each = runtime()?.block_on(measured)?;
        let report = Report {
            text: format!(
                "{each:.1} KiB per idle connection, over {} after {}\n",
                self.count,
                idle::WARM_UP
            ),
            json: json!({"idle_kib": each, "connections": self.count, "after": idle::WARM_UP}),
            is_right: true,
        };
        self.common.tell(&report)
    }
}

/// Descriptors for so many connections at once, as far as the system gives them.
fn room_for(connections: u16) -> anyhow::Result<()> {
    const BESIDES: u64 = 100;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    ensure!(
        u64::from(connections) + BESIDES <= most,
        "{connections} connections need more than the {most} descriptors of this process (ulimit -n)"
    );
    Ok(())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

fn head<const N: usize>(
    command: &str,
    target: &Target,
    more: [(&str, Value); N],
) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("command".to_owned(), json!(command));
    head.insert("address".to_owned(), json!(target.url()));
    head.extend(more.map(|(name, value)| (name.to_owned(), value)));
    head
}

/// Shows how far it is, on a terminal; Ctrl-C ends it early, with its figures.
async fn while_it_lasts(work: impl Future, book: &Book, stop: &Stop, span: Duration) {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let bar = ProgressBar::new(millis);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {elapsed} {msg}") {
        bar.set_style(style);
    }
    let started = Instant::now();
    let mut tick = interval(Duration::from_millis(200));
    tokio::pin!(work);
    loop {
        tokio::select! {
            _ = &mut work => break,
            _ = tokio::signal::ctrl_c() => stop.now(),
            _ = tick.tick() => {
                let passed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                bar.set_position(passed.min(millis));
                let (requests, wrong) = book.progress();
                bar.set_message(format!("{requests} requests, {wrong} wrong"));
            }
        }
    }
    bar.finish_and_clear();
}
