//! Failed logins of one database, whoever makes them: guessing from many addresses at once (T14).
//!
//! With the budget spent, logins go on only from addresses that have logged in during the last
//! 30 days. Attempts under way are not counted, so the budget may be overrun by as many as can be
//! verified at once.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use backend_types::DatabaseId;
use dashmap::DashMap;
use serde::{Deserialize, Serialize};

use super::{RetryAfter, counts};
use crate::{ClientKey, Moment};

/// Failures of one database in any minute, after which strangers wait.
pub const MAX_DATABASE_FAILURES: usize = 100;
/// How long a success makes an address known.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Known addresses of one database; beyond it an eighth, those seen longest ago, is forgotten.
const MAX_KNOWN: usize = 16_384;

/// The budgets of all databases.
#[derive(Debug, Default)]
pub struct DatabaseBudget(DashMap<DatabaseId, Budget>);

#[derive(Debug, Default)]
struct Budget {
    /// The newest [`MAX_DATABASE_FAILURES`].
    failures: VecDeque<Moment>,
    known: HashMap<ClientKey, Moment>,
}

/// One database's budget at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRecord {
    pub database: DatabaseId,
    pub failures: Vec<Moment>,
    /// Addresses with their last success.
    pub known: Vec<(ClientKey, Moment)>,
}

impl DatabaseBudget {
    /// Whether `client` may try to log in to `database`.
    ///
    /// # Errors
    /// The budget is spent and the client unknown: until a failure is forgotten.
    pub fn admit(
        &self,
        database: &DatabaseId,
        client: ClientKey,
        now: Moment,
    ) -> Result<(), RetryAfter> {
        self.0
            .get(database)
            .map_or(Ok(()), |budget| budget.admit(client, now))
    }

    pub fn failed(&self, database: &DatabaseId, now: Moment) {
        self.of(database, |budget| budget.count(now));
    }

    pub fn succeeded(&self, database: &DatabaseId, client: ClientKey, now: Moment) {
        self.of(database, |budget| budget.know(client, now));
    }

    /// Forgets databases that are no more.
    pub fn retain(&self, exists: impl Fn(&DatabaseId) -> bool) {
        self.0.retain(|database, _| exists(database));
    }

    /// What still counts, to be kept over a restart.
    #[must_use]
    pub fn export(&self, now: Moment) -> Vec<BudgetRecord> {
        let records = self.0.iter().map(|entry| BudgetRecord {
            database: entry.key().clone(),
            failures: entry.live(now).collect(),
            known: entry
                .known
                .iter()
                .map(|(&client, &success)| (client, success))
                .filter(|&(_, success)| now.since(success) < KNOWN_FOR)
                .collect(),
        });
        records
            .filter(|record| !(record.failures.is_empty() && record.known.is_empty()))
            .collect()
    }

    /// Takes back what [`DatabaseBudget::export`] gave. Moments from the future (the clock was set
    /// back) become now.
    pub fn import(&self, records: impl IntoIterator<Item = BudgetRecord>, now: Moment) {
        for record in records {
            self.of(&record.database, |budget| {
                for failure in record.failures {
                    budget.count(failure.min(now));
                }
                for (client, success) in record.known {
                    budget.know(client, success.min(now));
                }
            });
        }
    }

    fn of(&self, database: &DatabaseId, work: impl FnOnce(&mut Budget)) {
        match self.0.get_mut(database) {
            Some(mut budget) => work(&mut budget),
            None => work(&mut self.0.entry(database.clone()).or_default()),
        }
    }
}

impl Budget {
    fn live(&self, now: Moment) -> impl Iterator<Item = Moment> {
        self.failures
            .iter()
            .copied()
            .filter(move |&failure| counts(failure, now))
    }

    fn admit(&self, client: ClientKey, now: Moment) -> Result<(), RetryAfter> {
        let known = |success: &Moment| now.since(*success) < KNOWN_FOR;
        if self.live(now).count() < MAX_DATABASE_FAILURES
            || self.known.get(&client).is_some_and(known)
        {
            return Ok(());
        }
        let oldest = self.live(now).min().unwrap_or(now);
        Err(RetryAfter::until_forgotten(oldest, now))
    }

    fn count(&mut self, failure: Moment) {
        if self.failures.len() >= MAX_DATABASE_FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back(failure);
    }

    fn know(&mut self, client: ClientKey, success: Moment) {
        let last = self.known.entry(client).or_insert(success);
        *last = success.max(*last);
        if self.known.len() > MAX_KNOWN {
            let mut successes: Vec<Moment> = self.known.values().copied().collect();
            let (_, &mut bound, _) = successes.select_nth_unstable(MAX_KNOWN / 8);
            self.known
                .retain(|&key, success| *success > bound || key == client);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u32) -> ClientKey {
        ClientKey::V4(Ipv4Addr::from_bits(number))
    }

    fn database() -> DatabaseId {
        "shop".parse().unwrap()
    }

    fn after(seconds: u64) -> Moment {
        Moment(1_700_000_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_spent_budget_stops_strangers_and_lets_the_known_in() {
        let budget = DatabaseBudget::default();
        budget.succeeded(&database(), client(1), after(0));
        for number in 0..99 {
            budget.failed(&database(), after(number / 10));
        }
        assert_eq!(budget.admit(&database(), client(2), after(10)), Ok(()));
        budget.failed(&database(), after(10));
        assert_eq!(
            budget.admit(&database(), client(2), after(10)),
            Err(RetryAfter { seconds: 50 })
        );
        assert_eq!(budget.admit(&database(), client(1), after(10)), Ok(()));
        assert_eq!(
            budget.admit(&"other".parse().unwrap(), client(2), after(10)),
            Ok(())
        );
        assert_eq!(budget.admit(&database(), client(2), after(60)), Ok(()));
    }

    #[test]
    fn an_address_is_known_for_30_days() {
        let budget = DatabaseBudget::default();
        let month = KNOWN_FOR.as_secs();
        budget.succeeded(&database(), client(1), after(0));
        for _ in 0..100 {
            budget.failed(&database(), after(month - 1));
        }
        assert_eq!(
            budget.admit(&database(), client(1), after(month - 1)),
            Ok(())
        );
        assert_eq!(
            budget.admit(&database(), client(1), after(month)),
            Err(RetryAfter { seconds: 59 })
        );
    }

    #[test]
    fn the_addresses_seen_last_stay_known_when_there_are_too_many() {
        let mut budget = Budget::default();
        let many = u32::try_from(MAX_KNOWN).unwrap() + 1;
        for number in 0..many {
            budget.know(client(number), after(u64::from(number)));
        }
        assert!(budget.known.len() <= MAX_KNOWN);
        assert!(budget.known.contains_key(&client(many - 1)));
        assert!(budget.known.contains_key(&client(many / 2)));
        assert!(!budget.known.contains_key(&client(0)));
    }

    #[test]
    fn a_budget_survives_a_restart_and_a_clock_set_back() {
        let budget = DatabaseBudget::default();
        budget.succeeded(&database(), client(1), after(0));
        for _ in 0..100 {
            budget.failed(&database(), after(100));
        }
        let (exported, again) = (budget.export(after(101)), DatabaseBudget::default());
        again.import(exported.clone(), after(50));
        assert_eq!(
            again.admit(&database(), client(2), after(50)),
            Err(RetryAfter { seconds: 60 })
        );
        assert_eq!(again.admit(&database(), client(1), after(50)), Ok(()));
        again.retain(|_| false);
        assert_eq!(again.export(after(50)), []);
        assert_eq!(exported.len(), 1);
    }
}
