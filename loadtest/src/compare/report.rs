//! What the race came to: medians over the rounds, ratios to nginx within each round, spread.

use std::{collections::BTreeMap, fmt, fs, time::Duration};

use serde_json::{Value, json};

use super::{contender::Contender, stage::Key};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    Requests,
    RequestCpu,
    RequestCore,
    P50,
    P99,
    Handshakes,
    HandshakeCpu,
    HandshakeCore,
    Resumptions,
    ResumptionCpu,
    ResumptionCore,
    IdleKib,
}

impl Measure {
    pub(crate) const ALL: [Self; 12] = [
        Self::Requests,
        Self::RequestCpu,
        Self::RequestCore,
        Self::P50,
        Self::P99,
        Self::Handshakes,
        Self::HandshakeCpu,
        Self::HandshakeCore,
        Self::Resumptions,
        Self::ResumptionCpu,
        Self::ResumptionCore,
        Self::IdleKib,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Requests => "requests/s, kept connections",
            Self::RequestCpu => "CPU per request, µs",
            Self::RequestCore => "… its core in use, %",
            Self::P50 => "latency p50, µs",
            Self::P99 => "latency p99, µs",
            Self::Handshakes => "full handshakes/s",
            Self::HandshakeCpu => "CPU per full handshake, µs",
            Self::HandshakeCore => "… its core in use, %",
            Self::Resumptions => "resumed handshakes/s",
            Self::ResumptionCpu => "CPU per resumed handshake, µs",
            Self::ResumptionCore => "… its core in use, %",
            Self::IdleKib => "KiB per idle connection",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_second",
            Self::RequestCpu => "cpu_us_per_request",
            Self::RequestCore => "core_percent_requests",
            Self::P50 => "latency_p50_us",
            Self::P99 => "latency_p99_us",
            Self::Handshakes => "handshakes_per_second",
            Self::HandshakeCpu => "cpu_us_per_handshake",
            Self::HandshakeCore => "core_percent_handshakes",
            Self::Resumptions => "resumed_handshakes_per_second",
            Self::ResumptionCpu => "cpu_us_per_resumed_handshake",
            Self::ResumptionCore => "core_percent_resumed_handshakes",
            Self::IdleKib => "kib_per_idle_connection",
        }
    }

    /// Tells how far another figure can be trusted, and is none to be compared.
    pub(crate) fn is_footing(self) -> bool {
        matches!(
            self,
            Self::RequestCore | Self::HandshakeCore | Self::ResumptionCore
        )
    }
}

/// Per cent of a core from which on it counts as fully in use.
const IN_USE: f64 = 90.0;

/// One contender's in one round.
pub(crate) type Figures = BTreeMap<Measure, f64>;

pub(crate) struct Skipped {
    pub(crate) name: &'static str,
    pub(crate) program: String,
}

pub(crate) struct Report {
    pub(crate) racing: Vec<Contender>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) versions: BTreeMap<Contender, String>,
    pub(crate) rounds: Vec<BTreeMap<Contender, Figures>>,
    pub(crate) span: Duration,
    pub(crate) rate: u32,
    pub(crate) key: Key,
    pub(crate) access_log: bool,
}

/// The middle one and the ends of some values; there is at least one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get(values.len().saturating_sub(1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            least: *values.first()?,
            most: *values.last()?,
        })
    }
}

impl Report {
    fn values(&self, measure: Measure, of: Contender) -> Vec<f64> {
        let figures = self.rounds.iter().filter_map(|round| round.get(&of));
        figures
            .filter_map(|figures| figures.get(&measure).copied())
            .collect()
    }

    pub(crate) fn spread(&self, measure: Measure, of: Contender) -> Option<Spread> {
        Spread::of(self.values(measure, of))
    }

    /// Each round's figure by the one of `to` in the same round.
    pub(crate) fn ratio(&self, measure: Measure, of: Contender, to: Contender) -> Option<Spread> {
        let of_round = |round: &BTreeMap<Contender, Figures>| {
            let (own, base) = (
                round.get(&of)?.get(&measure)?,
                round.get(&to)?.get(&measure)?,
            );
            (*base > 0.0).then(|| own / base)
        };
        Spread::of(self.rounds.iter().filter_map(of_round).collect())
    }

    /// What Basic, once believed, costs beside a token.
    fn basic_to_tokens(&self, measure: Measure) -> Option<Spread> {
        self.ratio(measure, Contender::GatewayBasic, Contender::Gateway)
    }

    /// Somebody could have done more than he was asked for.
    fn starved(&self) -> bool {
        let footings = Measure::ALL.into_iter().filter(|one| one.is_footing());
        footings
            .flat_map(|footing| self.racing.iter().map(move |one| (footing, *one)))
            .filter_map(|(footing, one)| self.spread(footing, one))
            .any(|core| core.median < IN_USE)
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        let spread = |spread: Option<Spread>| {
            spread.map(
                |spread| json!({"median": spread.median, "min": spread.least, "max": spread.most}),
            )
        };
        let measures = |contender: Contender| -> Value {
            let all = Measure::ALL.into_iter().filter_map(|measure| {
                let mut of_all = spread(self.spread(measure, contender))?;
                let map = of_all.as_object_mut()?;
                let rounds = self.values(measure, contender).into_iter().map(rounded);
                map.insert("rounds".into(), rounds.collect());
                if !measure.is_footing() {
                    let ratio = spread(self.ratio(measure, contender, Contender::Nginx));
                    map.insert("to_nginx".into(), ratio.into());
                }
                Some((measure.key().to_owned(), of_all))
            });
            all.collect::<serde_json::Map<_, _>>().into()
        };
        let contenders: Vec<Value> = self
            .racing
            .iter()
            .map(|one| {
                json!({
                    "name": one.name(),
                    "version": self.versions.get(one),
                    "measures": measures(*one),
                })
            })
            .collect();
        let skipped: Vec<Value> = self
            .skipped
            .iter()
            .map(|one| json!({"name": one.name, "program": one.program}))
            .collect();
        let text = serde_json::to_string_pretty(&json!({
            "machine": machine(),
            "rounds": self.rounds.len(),
            "seconds": self.span.as_secs_f64(),
            "latency_at_requests_per_second": self.rate,
            "key": self.key.name(),
            "access_log": self.access_log,
            "contenders": contenders,
            "skipped": skipped,
            "basic_to_tokens": {
                "requests_per_second": spread(self.basic_to_tokens(Measure::Requests)),
                "cpu_us_per_request": spread(self.basic_to_tokens(Measure::RequestCpu)),
            },
        }))?;
        Ok(text + "\n")
    }

    /// Rows of the table, the head first.
    fn table(&self) -> Vec<[String; 6]> {
        let head = [
            "measure",
            "who",
            "median",
            "min … max",
            "÷ nginx",
            "min … max",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        for measure in Measure::ALL {
            let mut title = measure.title();
            for contender in &self.racing {
                let Some(figure) = self.spread(measure, *contender) else {
                    continue;
                };
                let ratio = (!measure.is_footing() && *contender != Contender::Nginx)
                    .then(|| self.ratio(measure, *contender, Contender::Nginx))
                    .flatten();
                let range = |spread: Spread| {
                    format!("{} … {}", figures(spread.least), figures(spread.most))
                };
                rows.push([
                    std::mem::take(&mut title).to_owned(),
                    contender.name().to_owned(),
                    figures(figure.median),
                    range(figure),
                    ratio.map_or(String::new(), |ratio| figures(ratio.median)),
                    ratio.map_or(String::new(), range),
                ]);
            }
        }
        rows
    }
}

/// More places than any of these figures has.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Three digits, or all of them before the point.
pub(crate) fn figures(value: f64) -> String {
    let places = match value.abs() {
        ..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.places$}")
}

/// Markdown, to be pasted as it is.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if cfg!(debug_assertions) {
            writeln!(f, "A debug build: these figures say nothing.\n")?;
        }
        writeln!(
            f,
            "{}; rounds: {}, {} s a measure, latency at {} requests/s, {}, access log {}",
            machine(),
            self.rounds.len(),
            self.span.as_secs_f64(),
            self.rate,
            self.key.name(),
            if self.access_log { "on" } else { "off" },
        )?;
        let mut versions: Vec<_> = self.versions.values().collect();
        versions.dedup();
        for version in versions {
            writeln!(f, "{version}")?;
        }
        writeln!(f)?;
        let rows = self.table();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: [usize; 6] = std::array::from_fn(width);
        for (number, row) in rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                match column {
                    0 | 1 => write!(f, "| {cell:<width$} ")?,
                    _ => write!(f, "| {cell:>width$} ")?,
                }
            }
            writeln!(f, "|")?;
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let dashes = "-".repeat(width + 1);
                    let right = if column < 2 { '-' } else { ':' };
                    write!(f, "|{dashes}{right}")?;
                }
                writeln!(f, "|")?;
            }
        }
        if let (Some(rate), Some(cpu)) = (
            self.basic_to_tokens(Measure::Requests),
            self.basic_to_tokens(Measure::RequestCpu),
        ) {
            writeln!(
                f,
                "\nBasic, believed, against tokens: requests/s {} ({} … {}), CPU per request {} \
                 ({} … {})",
                figures(rate.median),
                figures(rate.least),
                figures(rate.most),
                figures(cpu.median),
                figures(cpu.least),
                figures(cpu.most),
            )?;
        }
        if self.starved() {
            writeln!(
                f,
                "\nWhere a core is in use less than {IN_USE} %, the load or another program was the \
                 limit, not the contender: compare CPU, not rates and latencies."
            )?;
        }
        for Skipped { name, program } in &self.skipped {
            writeln!(f, "skipped: {name}, there is no {program}")?;
        }
        Ok(())
    }
}

/// Cores, processor, kernel.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let models: Vec<&str> = cpuinfo
        .lines()
        .filter_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches(['\t', ' ', ':']))
        .collect();
    format!(
        "{} cores, {}, Linux {}",
        models.len(),
        models.first().unwrap_or(&"unknown processor"),
        read("/proc/sys/kernel/osrelease").trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rounds: &[(f64, f64)]) -> Report {
        let round = |(nginx, gateway): &(f64, f64)| {
            BTreeMap::from([
                (
                    Contender::Nginx,
                    Figures::from([(Measure::RequestCpu, *nginx)]),
                ),
                (
                    Contender::Gateway,
                    Figures::from([(Measure::RequestCpu, *gateway)]),
                ),
            ])
        };
        Report {
            racing: vec![Contender::Nginx, Contender::Gateway],
            skipped: vec![Skipped {
                name: "HAProxy",
                program: "haproxy".to_owned(),
            }],
            versions: BTreeMap::new(),
            rounds: rounds.iter().map(round).collect(),
            span: Duration::from_secs(1),
            rate: 1,
            key: Key::P256,
            access_log: false,
        }
    }

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        // The second round ran on a machine at half speed: the medians alone would say 1.0 or 4.0.
        let report = report(&[(10.0, 20.0), (20.0, 40.0)]);
        let ratio = report.ratio(Measure::RequestCpu, Contender::Gateway, Contender::Nginx);
        assert_eq!(
            ratio,
            Some(Spread {
                median: 2.0,
                least: 2.0,
                most: 2.0
            })
        );
    }

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        let median = |values: &[f64]| Spread::of(values.to_vec()).map(|spread| spread.median);
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn who_does_not_race_is_named() {
        let report = report(&[(1.0, 1.0)]);
        assert!(
            report
                .to_string()
                .contains("skipped: HAProxy, there is no haproxy")
        );
        let json: Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["skipped"][0]["name"], "HAProxy");
    }
}
