//! `gateway why ADDRESS`: everything that the gateway says to an address, and what to do.

use std::net::IpAddr;

use super::{
    Outcome, Session,
    table::{Cell, Table, Tone},
};
use crate::why::{self, Database, HandshakeFailed, Refused, Report, Verdict, When};

#[derive(clap::Args)]
pub(super) struct Why {
    address: IpAddr,
}

impl Why {
    pub(super) fn run(self, session: &Session) -> Outcome {
        let path = format!("/why?address={}", self.address);
        let report: Report = session.gateway.get(&path)?;
        session.show(&report, |report| print(report, session))
    }
}

fn print(report: &Report, session: &Session) {
    let say = |key: &str| session.say(key, &[]);
    let mut facts = Table::default();
    facts.field(say("why-address"), report.address.as_str());
    if report.counted_as != report.address {
        facts.field(say("why-counted-as"), report.counted_as.as_str());
    }
    facts.field(say("why-connections"), connections(report, session));
    facts.field(say("why-failures"), failures(report, session));
    facts.field(say("why-last-success"), last_success(report, session));
    out!("{}", facts.text(session.colour).trim_end());

    out!("");
    let heads = ["why-database", "why-verdict", "why-line"].map(say);
    let mut table = Table::with_head(heads);
    for database in &report.databases {
        verdict(database, session, &mut table);
    }
    out!("{}", table.text(session.colour).trim_end());

    if !report.refusals.is_empty() {
        out!("\n{}", say("why-refusals"));
        out!(
            "{}",
            refusals(report, session).text(session.colour).trim_end()
        );
    }
    if !report.handshakes_failed.is_empty() {
        out!("\n{}", say("why-handshakes"));
        let handshakes = &report.handshakes_failed;
        out!(
            "{}",
            handshakes_failed(handshakes, session)
                .text(session.colour)
                .trim_end()
        );
    }
    out!("");
    for sentence in &report.conclusion {
        out!("{}", Tone::Strong.paint(sentence, session.colour));
    }
}

fn connections(report: &Report, session: &Session) -> String {
    let (open, limit) = (
        report.connections.open.to_string(),
        report.connections.at_most.to_string(),
    );
    let values = [("open", open.as_str()), ("limit", &limit)];
    session.say("why-connections-of", &values)
}

fn failures(report: &Report, session: &Session) -> Cell {
    let throttle = &report.throttle;
    let (failures, limit) = (throttle.failures.to_string(), throttle.at_most.to_string());
    let (open, seconds) = (
        throttle.attempts_under_way.to_string(),
        throttle.blocked_seconds.unwrap_or_default().to_string(),
    );
    let values = [
        ("failures", failures.as_str()),
        ("limit", &limit),
        ("open", &open),
        ("seconds", &seconds),
    ];
    match throttle.blocked_seconds {
        None => session.say("why-failures-of", &values).into(),
        Some(_) => Cell::new(session.say("why-failures-blocked", &values), Tone::Bad),
    }
}

fn last_success(report: &Report, session: &Session) -> String {
    let Some(success) = &report.last_success else {
        return session.say("why-none", &[]);
    };
    let time = session.moment(&success.time);
    let user = success.user.as_deref();
    let key = match user {
        Some(_) => "why-last-success-user",
        None => "why-last-success-nobody",
    };
    let values = [
        ("time", time.as_str()),
        ("database", report.name(&success.database)),
        ("user", user.unwrap_or_default()),
    ];
    session.say(key, &values)
}

fn verdict(database: &Database, session: &Session, table: &mut Table) {
    let (key, tone) = match database.verdict {
        Verdict::Blocked if database.no_good_blacklist => ("why-verdict-unreadable", Tone::Bad),
        Verdict::Blocked => (database.verdict.message(), Tone::Bad),
        Verdict::Admitted => (database.verdict.message(), Tone::Plain),
        Verdict::Whitelisted => (database.verdict.message(), Tone::Good),
    };
    let lines = database
        .decided_by
        .iter()
        .map(|line| Cell::from(format!("{}:{}  {}", line.file, line.line, line.text)));
    let faults = database
        .list_faults
        .iter()
        .map(|fault| Cell::new(format!("✗ {fault}"), Tone::Bad));
    let mut places = lines.chain(faults);
    let first = places.next().unwrap_or_else(|| "".into());
    let word = Cell::new(session.say(key, &[]), tone);
    table.row([database.name.as_str().into(), word, first]);
    for place in places {
        table.row(["".into(), "".into(), place]);
    }
}

fn refusals(report: &Report, session: &Session) -> Table {
    let heads = [
        "why-column-time",
        "why-column-status",
        "why-column-reason",
        "why-database",
        "why-column-times",
        "why-column-since",
        "why-column-request",
    ];
    let mut table = Table::with_head(heads.map(|key| session.say(key, &[])));
    for Refused {
        reason,
        status,
        database,
        when,
        request_id,
    } in &report.refusals
    {
        let [last, times, since] = cells(when, session);
        let status = status.map(|status| status.to_string());
        let database = database.as_ref().map(|id| report.name(id));
        table.row([
            last,
            status.unwrap_or_default().into(),
            why::reason(reason, session.language).into(),
            database.unwrap_or_default().into(),
            times,
            since,
            request_id.as_deref().unwrap_or_default().into(),
        ]);
    }
    table
}

fn handshakes_failed(handshakes: &[HandshakeFailed], session: &Session) -> Table {
    let heads = [
        "why-column-time",
        "why-column-reason",
        "why-column-times",
        "why-column-since",
    ];
    let mut table = Table::with_head(heads.map(|key| session.say(key, &[])));
    for failed in handshakes {
        let [last, times, since] = cells(&failed.when, session);
        let reason = why::reason(&failed.reason, session.language);
        let details = [failed.called.as_deref(), failed.offered.as_deref()];
        let details: Vec<&str> = details.into_iter().flatten().collect();
        let reason = match &*details {
            [] => reason,
            details => format!("{reason} ({})", details.join(", ")),
        };
        table.row([last, reason.into(), times, since]);
    }
    table
}

/// Last, times, and since when if more than one.
fn cells(when: &When, session: &Session) -> [Cell; 3] {
    let since = if when.times > 1 {
        session.moment(&when.first)
    } else {
        String::new()
    };
    [
        session.moment(&when.last).into(),
        when.times.to_string().into(),
        since.into(),
    ]
}
