//! Figures for people and for programs.

use serde_json::{Map, Value, json};

use crate::{
    attack::{Attack, Loot},
    book::{Latencies, Sheet, figures},
    pace::Arrival,
};

/// What a run says of itself at the end.
pub(crate) struct Report {
    pub(crate) text: String,
    pub(crate) json: Value,
    /// Nothing was wrong, and nothing got through that must not.
    pub(crate) is_right: bool,
}

/// Milliseconds with as many digits as are worth reading.
fn ms(micros: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two minutes at most")]
    let ms = micros as f64 / 1000.0;
    match micros {
        0..10_000 => format!("{ms:.2}"),
        10_000..100_000 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

fn quantile(latencies: &Latencies, quantile: f64) -> String {
    ms(latencies.value_at_quantile(quantile))
}

fn row(out: &mut String, name: &str, latencies: &Latencies) {
    line(
        out,
        &format!(
            "{name:<12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            latencies.len(),
            quantile(latencies, 0.5),
            quantile(latencies, 0.9),
            quantile(latencies, 0.99),
            quantile(latencies, 0.999),
            ms(latencies.max()),
        ),
    );
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Latencies by step, and what was wrong.
pub(crate) fn of_work(
    title: &str,
    sheet: &Sheet,
    arrival: Arrival,
    seconds: f64,
    mut more: Map<String, Value>,
    notes: &[String],
) -> Report {
    let mut text = String::new();
    line(&mut text, title);
    line(
        &mut text,
        "step          requests    p50 ms       p90       p99     p99.9       max",
    );
    let mut steps = Map::new();
    for (step, latencies) in sheet.steps(arrival) {
        row(&mut text, step.name(), &latencies);
        steps.insert(step.name().replace(' ', "-"), figures(&latencies));
    }
    let all = sheet.all(arrival, |step| !step.is_login());
    row(&mut text, "all, no login", &all);
    if let Arrival::Closed { .. } = arrival {
        line(
            &mut text,
            "corrected for coordinated omission: requests that a stall kept back are counted in",
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "a count for people")]
    let rate = sheet.answered() as f64 / seconds.max(f64::EPSILON);
    line(
        &mut text,
        &format!(
            "{} requests in {seconds:.1} s, {rate:.0} a second; {} documents finished; {} times asked to wait",
            sheet.answered(),
            sheet.documents,
            sheet.asked_to_wait,
        ),
    );
    for note in notes {
        line(&mut text, note);
    }
    wrong_answers(&mut text, sheet);
    more.insert("arrival".to_owned(), arrival_json(arrival));
    more.insert("seconds".to_owned(), json!(seconds));
    more.insert("requests".to_owned(), json!(sheet.answered()));
    more.insert("documents".to_owned(), json!(sheet.documents));
    more.insert("asked_to_wait".to_owned(), json!(sheet.asked_to_wait));
    more.insert("steps".to_owned(), Value::Object(steps));
    more.insert("all".to_owned(), figures(&all));
    more.insert("wrong".to_owned(), wrong_json(sheet));
    Report {
        text,
        json: Value::Object(more),
        is_right: sheet.wrong == 0 && sheet.documents > 0,
    }
}

fn arrival_json(arrival: Arrival) -> Value {
    match arrival {
        Arrival::Closed { pause } => json!({"closed": {"pause_ms": pause.as_secs_f64() * 1000.0}}),
        Arrival::Open { every } => json!({"open": {"each_every_ms": every.as_secs_f64() * 1000.0}}),
    }
}

fn wrong_json(sheet: &Sheet) -> Value {
    json!({"count": sheet.wrong, "examples": sheet.examples})
}

fn wrong_answers(text: &mut String, sheet: &Sheet) {
    match (sheet.wrong, sheet.documents) {
        (0, 0) => line(text, "WRONG: not one document was finished"),
        (0, _) => line(text, "every answer was right"),
        (count, _) => line(text, &format!("WRONG ANSWERS: {count}")),
    }
    for example in &sheet.examples {
        line(text, &format!("  {example}"));
    }
}

/// One attack with the calm before it.
pub(crate) struct Fight {
    pub(crate) attack: Attack,
    pub(crate) calm: Sheet,
    pub(crate) attacked: Sheet,
    pub(crate) loot: Loot,
}

impl Fight {
    fn pair(&self, arrival: Arrival) -> (Latencies, Latencies) {
        let of = |sheet: &Sheet| sheet.all(arrival, |step| !step.is_login());
        (of(&self.calm), of(&self.attacked))
    }

    /// Attacked ÷ calm.
    fn ratio(&self, arrival: Arrival, quantile: f64) -> f64 {
        let (calm, attacked) = self.pair(arrival);
        #[expect(clippy::cast_precision_loss, reason = "two minutes at most")]
        let of = |latencies: &Latencies| latencies.value_at_quantile(quantile) as f64;
        of(&attacked) / of(&calm).max(1.0)
    }

    fn json(&self, arrival: Arrival, attackers: u16) -> Value {
        let (calm, attacked) = self.pair(arrival);
        let logins = |sheet: &Sheet| figures(&sheet.all(arrival, |step| step.is_login()));
        json!({
            "attack": self.attack.name(),
            "attackers": attackers,
            "calm": figures(&calm),
            "attacked": figures(&attacked),
            "ratio": {"p50": self.ratio(arrival, 0.5), "p99": self.ratio(arrival, 0.99)},
            "logins": {"calm": logins(&self.calm), "attacked": logins(&self.attacked)},
            "loot": self.loot.json(),
        })
    }
}

/// Calm against attack: the ratio is the figure.
pub(crate) fn of_fights(
    title: &str,
    fights: &[Fight],
    rest: &Sheet,
    arrival: Arrival,
    attackers: u16,
) -> Report {
    let mut text = String::new();
    line(&mut text, title);
    line(
        &mut text,
        "attack               calm p50     p99   attacked p50     p99      ratio p50     p99   logins p50 calm  attacked",
    );
    for fight in fights {
        let (calm, attacked) = fight.pair(arrival);
        let logins = |sheet: &Sheet| {
            let logins = sheet.all(arrival, |step| step.is_login());
            match logins.len() {
                0 => "-".to_owned(),
                _ => quantile(&logins, 0.5),
            }
        };
        line(
            &mut text,
            &format!(
                "{:<17} {:>8} ms {:>7} {:>11} ms {:>7} {:>14.2} {:>7.2} {:>17} {:>9}",
                fight.attack.name(),
                quantile(&calm, 0.5),
                quantile(&calm, 0.99),
                quantile(&attacked, 0.5),
                quantile(&attacked, 0.99),
                fight.ratio(arrival, 0.5),
                fight.ratio(arrival, 0.99),
                logins(&fight.calm),
                logins(&fight.attacked),
            ),
        );
    }
    line(&mut text, "");
    line(
        &mut text,
        "attack            connections     cut  longest   answers; what got through",
    );
    for fight in fights {
        line(&mut text, &loot_line(fight));
    }
    let mut good = Sheet::default();
    let mut let_through = 0;
    for fight in fights {
        good.mention(&fight.calm);
        good.mention(&fight.attacked);
        let_through += fight.loot.let_through.values().sum::<u64>();
    }
    good.mention(rest);
    line(&mut text, "");
    line(&mut text, "the terminals meanwhile:");
    wrong_answers(&mut text, &good);
    if let_through > 0 {
        line(
            &mut text,
            &format!("GOT THROUGH AND MUST NOT: {let_through}"),
        );
    }
    let all: Vec<Value> = fights
        .iter()
        .map(|fight| fight.json(arrival, attackers))
        .collect();
    Report {
        text,
        json: json!({
            "arrival": arrival_json(arrival),
            "attacks": all,
            "documents": good.documents,
            "wrong": wrong_json(&good),
            "let_through": let_through,
        }),
        is_right: good.wrong == 0 && good.documents > 0 && let_through == 0,
    }
}

fn loot_line(fight: &Fight) -> String {
    let loot = &fight.loot;
    let answers = loot.answers.iter();
    let mut told: Vec<String> = answers
        .map(|(status, count)| format!("{count} × {status}"))
        .collect();
    if fight.attack == Attack::Guessing {
        told.push(format!("{} guesses verified", loot.guesses_verified()));
    }
    let through = loot.let_through.iter();
    told.extend(through.map(|(what, count)| format!("GOT THROUGH {count} ×: {what}")));
    format!(
        "{:<17} {:>11} {:>7} {:>6.1} s   {}",
        fight.attack.name(),
        loot.connections,
        loot.cut,
        loot.longest.as_secs_f64(),
        told.join(", ")
    )
}
