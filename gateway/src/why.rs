//! Why an address is refused: what the lists, the throttle and the caps say to it now, what
//! happened to it lately, and in plain words what stands in its way and what to do.
//!
//! Asks what the decisions ask and decides nothing. Looking up a list's line blocks on the disk.

use std::path::Path;

use backend_types::{DatabaseId, Language};
use gateway_policy::{
    ClientAddr, ClientKey, Moment, admit,
    recent::{History, Seen},
    throttle::MAX_FAILURES,
};
use serde::{Deserialize, Serialize};

use crate::{
    directory,
    lists::{Kind, ListFolder},
    messages,
    shared::Shared,
    status::{State, Status},
};

mod conclusion;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) address: String,
    /// As throttle and caps count it: IPv6 by its /64.
    pub(crate) counted_as: String,
    /// Its connections are judged by the addresses that it names.
    pub(crate) trusted_proxy: bool,
    pub(crate) connections: Held,
    pub(crate) throttle: Throttled,
    pub(crate) databases: Vec<Database>,
    /// The newest first. Since the gateway's start, as far as remembered.
    pub(crate) refusals: Vec<Refused>,
    pub(crate) handshakes_failed: Vec<HandshakeFailed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_success: Option<Success>,
    /// What stands in the way now and what to do, in the asker's language.
    pub(crate) conclusion: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) open: u32,
    pub(crate) at_most: u32,
}

/// Failed logins of all databases together; databases that whitelist the address count none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Throttled {
    /// Within 60 s.
    pub(crate) failures: usize,
    pub(crate) attempts_under_way: usize,
    pub(crate) at_most: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocked_seconds: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Database {
    pub(crate) id: DatabaseId,
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    /// The lines that the verdict comes from; none for an address in neither list.
    pub(crate) decided_by: Vec<Line>,
    /// Of lists that cannot be read; the last good ones decide.
    pub(crate) list_faults: Vec<String>,
    /// The blacklist cannot be read and no good one was ever known.
    pub(crate) no_good_blacklist: bool,
    /// How long the database's own budget of failures keeps the address from logging in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget_seconds: Option<u64>,
    /// Why the data server port does not serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port_closed: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Whitelisted,
    Admitted,
    Blocked,
}

impl Verdict {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Whitelisted => "why-verdict-whitelisted",
            Self::Admitted => "why-verdict-admitted",
            Self::Blocked => "why-verdict-blocked",
        }
    }
}

impl From<admit::Verdict> for Verdict {
    fn from(verdict: admit::Verdict) -> Self {
        match verdict {
            admit::Verdict::Whitelisted => Self::Whitelisted,
            admit::Verdict::Admitted => Self::Admitted,
            admit::Verdict::Blocked => Self::Blocked,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    /// Absent: closed without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<DatabaseId>,
    #[serde(flatten)]
    pub(crate) when: When,
    /// Of the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HandshakeFailed {
    pub(crate) reason: String,
    /// The newest version of TLS that it offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offered: Option<String>,
    /// Offered in the format of SSL 2.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) in_ssl2_format: bool,
    /// How it called the server, where that was the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) called: Option<String>,
    #[serde(flatten)]
    pub(crate) when: When,
}

/// Times are UTC.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct When {
    pub(crate) last: String,
    pub(crate) first: String,
    pub(crate) times: u64,
}

impl From<Seen> for When {
    fn from(seen: Seen) -> Self {
        Self {
            last: utc(seen.last),
            first: utc(seen.first),
            times: seen.times,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Success {
    pub(crate) time: String,
    pub(crate) database: DatabaseId,
    /// Id; absent where nobody had to log in here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
}

impl Report {
    /// What people call a database that may be gone by now.
    pub(crate) fn name<'a>(&'a self, id: &'a DatabaseId) -> &'a str {
        let named = self.databases.iter().find(|one| one.id == *id);
        named.map_or(id.as_str(), |one| &one.name)
    }
}

impl Status {
    /// Blocks on the disk.
    pub(crate) fn why(&self, address: ClientAddr, language: Language) -> Report {
        let shared = &self.shared;
        let (client, now) = (ClientKey::from(address), shared.now());
        let (open, at_most) = shared.connections.held_by(client);
        let standing = shared.logins.standing(client, now);
        let ports = self.report(language).databases;
        let directory = shared.directory.load_full();
        let databases = directory.databases().iter().map(|one| {
            let port = ports.iter().find(|port| port.id == one.id);
            let port = port.filter(|port| port.data.state == State::Closed);
            Database {
                port_closed: port.and_then(|port| port.data.reason.clone()),
                ..Database::of(one, shared, address, now, language)
            }
        });
        let history = shared.recent.of(client);
        let (refusals, handshakes_failed, last_success) = history.map(told).unwrap_or_default();
        let mut report = Report {
            address: address.to_string(),
            counted_as: client.to_string(),
            trusted_proxy: shared.settings.load().trusted_proxies.contains(address),
            connections: Held { open, at_most },
            throttle: Throttled {
                failures: standing.failures,
                attempts_under_way: standing.open,
                at_most: MAX_FAILURES,
                blocked_seconds: standing.blocked.map(|after| after.seconds),
            },
            databases: databases.collect(),
            refusals,
            handshakes_failed,
            last_success,
            conclusion: Vec::new(),
        };
        report.conclusion = conclusion::of(&report, language);
        report
    }
}

impl Database {
    fn of(
        database: &directory::Database,
        shared: &Shared,
        address: ClientAddr,
        now: Moment,
        language: Language,
    ) -> Self {
        let lists = &database.lists;
        let verdict = Verdict::from(admit::admit(&lists.lists(), address));
        let no_good_blacklist = lists.is_unreadable();
        let decided_by = match verdict {
            Verdict::Whitelisted => lines(lists, Kind::Whitelist, address),
            Verdict::Blocked if !no_good_blacklist => lines(lists, Kind::Blacklist, address),
            Verdict::Blocked | Verdict::Admitted => Vec::new(),
        };
        let budget = match verdict {
            Verdict::Whitelisted => None,
            Verdict::Blocked | Verdict::Admitted => {
                let client = address.into();
                shared.logins.budget_wait(&database.id, client, now)
            }
        };
        let faults = [Kind::Whitelist, Kind::Blacklist].map(|kind| lists.fault(kind));
        let faults = faults.into_iter().flatten();
        Self {
            id: database.id.clone(),
            name: database.name.clone(),
            verdict,
            decided_by,
            list_faults: faults.map(|fault| fault.words(language)).collect(),
            no_good_blacklist,
            budget_seconds: budget.map(|after| after.seconds),
            port_closed: None,
        }
    }
}

fn lines(lists: &ListFolder, kind: Kind, address: ClientAddr) -> Vec<Line> {
    let deciding = lists.deciding(kind, address.into());
    let file = deciding.file.display().to_string();
    deciding
        .lines
        .into_iter()
        .map(|line| Line {
            file: file.clone(),
            line: line.number,
            text: line.text,
        })
        .collect()
}

fn told(history: History) -> (Vec<Refused>, Vec<HandshakeFailed>, Option<Success>) {
    let refusals = history.refusals.into_iter().map(|one| Refused {
        reason: one.why.reason.to_owned(),
        status: one.why.status,
        database: one.why.database,
        when: one.seen.into(),
        request_id: one.request.map(|id| format!("{id:016x}")),
    });
    let handshakes = history.handshakes.into_iter().map(|one| HandshakeFailed {
        reason: one.fault.reason().to_owned(),
        offered: one.offered.map(|version| version.to_string()),
        in_ssl2_format: one.in_ssl2_format,
        called: one.called.map(Into::into),
        when: one.seen.into(),
    });
    let success = history.success.map(|success| Success {
        time: utc(success.at),
        database: success.database,
        user: success.user,
    });
    (refusals.collect(), handshakes.collect(), success)
}

/// ISO 8601; texts compare as times do.
pub(crate) fn utc(moment: Moment) -> String {
    let millis = i64::try_from(moment.0).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A reason of the log in words; one without words stays what it is.
pub(crate) fn reason(reason: &str, language: Language) -> String {
    messages::find(language, &format!("why-reason-{reason}")).unwrap_or_else(|| reason.to_owned())
}

/// `blacklist.dat` of a path.
pub(crate) fn file_name(file: &str) -> String {
    let name = Path::new(file).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use gateway_policy::{
        handshake::HandshakeFault,
        password::StoredFault,
        refusal::{ONE_OF_EACH, Refusal, Unauthenticated as Why},
    };

    use super::*;

    #[test]
    fn every_reason_has_words_in_both_languages() {
        let logins = [
            Why::NoCredentials,
            Why::Malformed,
            Why::UnknownUser,
            Why::WrongPassword,
            Why::NamelessOff,
            Why::UnusableHash(StoredFault::TooDear),
            Why::UnknownToken,
            Why::ExpiredSession,
            Why::EndedSession,
            Why::RefreshNeverIssued,
            Why::RefreshEnded,
            Why::RefreshReused,
        ];
        let refusals = ONE_OF_EACH.iter().copied();
        let refusals = refusals.chain(logins.map(Refusal::from));
        let reasons = refusals.map(Refusal::reason);
        let own = [crate::access_log::REFUSED_UPSTREAM];
        let handshakes = HandshakeFault::ALL.map(HandshakeFault::reason);
        for known in reasons.chain(handshakes).chain(own) {
            for language in Language::ALL {
                assert_ne!(reason(known, language), known, "{language:?}");
            }
        }
        for known in handshakes {
            for language in Language::ALL {
                let advice = messages::find(language, &format!("why-do-{known}"));
                assert!(advice.is_some(), "{known} {language:?}");
            }
        }
    }

    #[test]
    fn times_are_utc_and_compare_as_texts() {
        assert_eq!(utc(Moment(1_795_522_205_007)), "2026-11-24T12:10:05.007Z");
        assert!(utc(Moment(1_795_522_205_007)) > utc(Moment(1_795_522_204_999)));
        assert!(!utc(Moment(u64::MAX)).is_empty());
    }
}
