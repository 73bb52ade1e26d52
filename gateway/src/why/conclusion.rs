//! A report in plain sentences: what stands in the way now and what to do; where nothing does,
//! what went wrong last.

use backend_types::Language;

use gateway_policy::handshake::HandshakeFault;

use super::{Database, HandshakeFailed, Report, Verdict, file_name, reason};
use crate::messages;

const UNUSED: &str = "left-after-handshake";

/// At least one sentence.
pub(super) fn of(report: &Report, language: Language) -> Vec<String> {
    let words = Words { report, language };
    let mut sentences: Vec<String> = report
        .databases
        .iter()
        .filter_map(|database| words.about(database))
        .collect();
    sentences.extend(words.throttle());
    sentences.extend(words.cap());
    if sentences.is_empty() {
        sentences.extend(words.nothing_in_the_way());
    }
    if report.trusted_proxy {
        sentences.push(words.say("why-trusted-proxy", &[]));
    }
    sentences
}

struct Words<'a> {
    report: &'a Report,
    language: Language,
}

impl Words<'_> {
    fn say(&self, key: &str, values: &[(&'static str, &str)]) -> String {
        messages::text(self.language, key, values)
    }

    fn about(&self, database: &Database) -> Option<String> {
        let name = database.name.as_str();
        let whitelist = self.whitelist(database);
        let faults = database.list_faults.join("; ");
        let values = [
            ("database", name),
            ("command", &*whitelist),
            ("fault", &*faults),
        ];
        if database.verdict == Verdict::Blocked {
            if database.no_good_blacklist {
                return Some(self.say("why-no-good-blacklist", &values));
            }
            let places: Vec<String> = database
                .decided_by
                .iter()
                .map(|line| format!("{}:{} «{}»", file_name(&line.file), line.line, line.text))
                .collect();
            let places = places.join(", ");
            let [database_value, command, fault] = values;
            let values = [database_value, command, fault, ("places", &*places)];
            let key = if faults.is_empty() {
                "why-blacklisted"
            } else {
                "why-blacklisted-by-copy"
            };
            return Some(self.say(key, &values));
        }
        if let Some(reason) = &database.port_closed {
            let values = [("database", name), ("reason", reason)];
            return Some(self.say("why-port-closed", &values));
        }
        let seconds = database.budget_seconds?.to_string();
        let values = [
            ("database", name),
            ("command", &*whitelist),
            ("seconds", &*seconds),
        ];
        Some(self.say("why-budget", &values))
    }

    fn throttle(&self) -> Option<String> {
        let seconds = self.report.throttle.blocked_seconds?.to_string();
        let database = self.counting()?;
        let values = [
            ("client", self.report.counted_as.as_str()),
            ("seconds", &seconds),
            ("command", &self.whitelist(database)),
        ];
        Some(self.say("why-throttled", &values))
    }

    fn cap(&self) -> Option<String> {
        let held = &self.report.connections;
        let database = self.counting()?;
        if held.open < held.at_most || self.report.trusted_proxy {
            return None;
        }
        let values = [
            ("client", self.report.counted_as.as_str()),
            ("open", &held.open.to_string()),
            ("command", &self.whitelist(database)),
        ];
        Some(self.say("why-cap", &values))
    }

    /// A database for which the address is not exempt from throttle and cap.
    fn counting(&self) -> Option<&Database> {
        let counts = |database: &&Database| database.verdict == Verdict::Admitted;
        self.report.databases.iter().find(counts)
    }

    fn nothing_in_the_way(&self) -> Vec<String> {
        let refused = self.report.refusals.first();
        let success = self.report.last_success.as_ref();
        // Browsers open connections in advance: of who is served, leaving one unused says nothing.
        let telling = |one: &&HandshakeFailed| success.is_none() || one.reason != UNUSED;
        let handshake = self.report.handshakes_failed.iter().find(telling);
        let refused = refused.map(|one| (&one.when.last, &one.reason, one.database.as_ref()));
        let failed = handshake.map(|one| (&one.when.last, &one.reason, None));
        let worst = refused.max(failed);
        match (worst, success) {
            (None, None) => vec![self.say("why-never-seen", &[])],
            (Some((last, what, database)), success)
                if success.is_none_or(|success| success.time <= *last) =>
            {
                let place = database
                    .map(|id| self.say("why-in-database", &[("database", self.report.name(id))]));
                let words = reason(what, self.language);
                let time = messages::moment_of(last, self.language);
                let values = [
                    ("time", time.as_str()),
                    ("reason", &words),
                    ("place", place.as_deref().unwrap_or_default()),
                ];
                let mut sentences = vec![self.say("why-last-refused", &values)];
                let handshake = handshake.filter(|one| one.reason == *what && place.is_none());
                sentences.extend(handshake.and_then(|one| self.seen_in(one)));
                let advice = match handshake {
                    // No profile lets it in.
                    Some(one) if is_too_old(one) && knows_ssl_alone(one) => "ssl-alone",
                    _ => what.as_str(),
                };
                let advice = messages::find(self.language, &format!("why-do-{advice}"));
                let advice = advice.unwrap_or_else(|| self.say("why-do-look-it-up", &[]));
                sentences.push(advice);
                sentences
            }
            (_, Some(success)) => {
                let time = messages::moment_of(&success.time, self.language);
                let database = self.report.name(&success.database);
                let values = [("time", time.as_str()), ("database", database)];
                vec![self.say("why-served", &values)]
            }
            (Some(_), None) => Vec::new(),
        }
    }

    /// What the client showed of itself beside its reason.
    fn seen_in(&self, handshake: &HandshakeFailed) -> Option<String> {
        if let Some(called) = &handshake.called {
            return Some(self.say("why-called", &[("name", called)]));
        }
        let values = [("version", handshake.offered.as_deref()?)];
        if handshake.in_ssl2_format {
            return Some(self.say("why-offered-in-ssl2-format", &values));
        }
        is_too_old(handshake).then(|| self.say("why-offered", &values))
    }

    /// What to type to have the address whitelisted.
    fn whitelist(&self, database: &Database) -> String {
        let address = &self.report.address;
        let twice = self
            .report
            .databases
            .iter()
            .filter(|one| one.name == database.name);
        let unclear = database.name.contains(['\'', '\n']) || twice.count() > 1;
        let name = if unclear {
            database.id.as_str()
        } else {
            &database.name
        };
        format!("gateway list add '{name}' whitelist {address}")
    }
}

fn is_too_old(handshake: &HandshakeFailed) -> bool {
    handshake.reason == HandshakeFault::TooOldTls.reason()
}

fn knows_ssl_alone(handshake: &HandshakeFailed) -> bool {
    let offered = handshake.offered.as_deref();
    offered.is_some_and(|offered| offered.starts_with("SSL"))
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn database(verdict: Verdict) -> Database {
        Database {
            id: "shop".parse().unwrap(),
            name: "Магазин 15".to_owned(),
            verdict,
            decided_by: Vec::new(),
            list_faults: Vec::new(),
            no_good_blacklist: false,
            budget_seconds: None,
            port_closed: None,
        }
    }

    fn report(database: Database) -> Report {
        Report {
            address: "203.0.113.7".to_owned(),
            counted_as: "203.0.113.7".to_owned(),
            trusted_proxy: false,
            connections: Held {
                open: 1,
                at_most: 512,
            },
            throttle: Throttled {
                failures: 0,
                attempts_under_way: 0,
                at_most: 10,
                blocked_seconds: None,
            },
            databases: vec![database],
            refusals: Vec::new(),
            handshakes_failed: Vec::new(),
            last_success: None,
            conclusion: Vec::new(),
        }
    }

    fn at(second: u64) -> When {
        When::from(Seen {
            times: 1,
            first: Moment(0),
            last: Moment(second * 1000),
        })
    }

    fn refused(reason: &str, second: u64) -> Refused {
        Refused {
            reason: reason.to_owned(),
            status: Some(401),
            database: "shop".parse().ok(),
            when: at(second),
            request_id: None,
        }
    }

    #[track_caller]
    fn check(report: &Report, words: &[&str]) {
        for language in [Language::Ru, Language::En] {
            let sentences = of(report, language).join("\n");
            for word in words {
                assert!(sentences.contains(word), "{word} in {sentences}");
            }
        }
    }

    #[track_caller]
    fn check_at(report: &Report, second: i64, word: &str) {
        for language in [Language::Ru, Language::En] {
            let sentences = of(report, language).join("\n");
            let moment = messages::moment(second, language);
            assert!(sentences.contains(&moment), "{moment} in {sentences}");
            assert!(sentences.contains(word), "{word} in {sentences}");
        }
    }

    #[test]
    fn a_blacklisted_address_hears_the_line_and_what_to_type() {
        let line = Line {
            file: "/data/Server/blacklist.dat".to_owned(),
            line: 14,
            text: "203.0.113.0/24".to_owned(),
        };
        let mut report = report(Database {
            decided_by: vec![line],
            ..database(Verdict::Blocked)
        });
        let command = "gateway list add 'Магазин 15' whitelist 203.0.113.7";
        check(&report, &["blacklist.dat:14 «203.0.113.0/24»", command]);

        let fault = "blacklist.dat:3: \"x\" is not an address or range".to_owned();
        report.databases[0].list_faults = vec![fault];
        check(&report, &["blacklist.dat:14", "blacklist.dat:3", command]);
        report.databases[0].no_good_blacklist = true;
        report.databases[0].decided_by.clear();
        check(&report, &["blacklist.dat:3", command]);
        report.databases[0].name = "Bob's".to_owned();
        check(&report, &["gateway list add 'shop' whitelist"]);
    }

    #[test]
    fn throttle_cap_budget_and_a_closed_port_are_each_told_and_not_to_the_whitelisted() {
        let stand = |verdict| {
            let mut report = report(database(verdict));
            report.throttle.blocked_seconds = Some(43);
            report.connections.open = 512;
            report
        };
        check(&stand(Verdict::Admitted), &["43", "512"]);
        let exempt = of(&stand(Verdict::Whitelisted), Language::En).join("\n");
        assert!(
            !exempt.contains("43") && !exempt.contains("512"),
            "{exempt}"
        );
        check(
            &report(Database {
                budget_seconds: Some(17),
                ..database(Verdict::Admitted)
            }),
            &["17", "Магазин 15"],
        );
        check(
            &report(Database {
                port_closed: Some("port 9706 is busy".to_owned()),
                ..database(Verdict::Admitted)
            }),
            &["port 9706 is busy"],
        );
    }

    #[test]
    fn where_nothing_is_in_the_way_the_newest_event_is_told() {
        let mut report = report(database(Verdict::Admitted));
        let never = of(&report, Language::En);
        report.refusals = vec![refused("wrong-password", 100), refused("head-fault", 5)];
        check_at(&report, 100, "Магазин 15");
        assert_ne!(of(&report, Language::En), never);
        report.handshakes_failed = vec![HandshakeFailed {
            reason: "too-old-tls".to_owned(),
            offered: Some("TLS 1.0".to_owned()),
            in_ssl2_format: false,
            called: None,
            when: at(101),
        }];
        check_at(&report, 101, "TLS 1.0");
        check(&report, &["old"]);
        report.handshakes_failed[0].in_ssl2_format = true;
        check(&report, &["Windows CE", "TLS 1.0", "SSL 2", "old"]);
        report.handshakes_failed[0].offered = Some("SSL 3.0".to_owned());
        check(&report, &["SSL 3.0"]);
        let no_profile_helps = of(&report, Language::En).join("\n");
        assert!(
            !no_profile_helps.contains("whitelist"),
            "{no_profile_helps}"
        );
        report.handshakes_failed[0].in_ssl2_format = false;
        report.handshakes_failed[0].reason = "name-mismatch".to_owned();
        report.handshakes_failed[0].called = Some("gate.example".to_owned());
        check_at(&report, 101, "gate.example");
        report.last_success = Some(Success {
            time: utc(Moment(200_000)),
            database: "shop".parse().unwrap(),
            user: None,
        });
        check_at(&report, 200, "");
        report.handshakes_failed[0].reason = UNUSED.to_owned();
        report.handshakes_failed[0].when = at(300);
        check_at(&report, 200, "");
        report.last_success = None;
        check_at(&report, 300, "");
    }
}
