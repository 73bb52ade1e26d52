//! Terminals of one run: their users, their addresses, their start one after the other.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use http::{Method, StatusCode};
use openssl::rand::rand_bytes;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    book::{Book, Step},
    caller::{Amiss, Caller, Start, Stop, Way, nothing},
    check::{self, text, wrong},
    link::{Ask, Link, form, keyed},
    pace::Arrival,
    target::{Block, Target},
    terminal::{Shop, Terminal},
    users::{Role, User, Users},
};

/// Terminals come so far apart: a hundred a second, what the gateway lets one address open.
const ARRIVE: Duration = Duration::from_millis(10);

/// Logins that may fail before: fewer than block an address.
const KNOWN_AFTER: u8 = 8;

/// Who shall work how.
pub(crate) struct Crew {
    pub(crate) count: u16,
    pub(crate) ways: Vec<Way>,
    pub(crate) arrival: Arrival,
    /// All from one address, as behind one router.
    pub(crate) one_address: bool,
}

impl Crew {
    /// Sends them to work; they come back when it is over.
    pub(crate) fn start(
        &self,
        target: &Arc<Target>,
        users: &Users,
        shop: &Arc<Shop>,
        stop: &Arc<Stop>,
    ) -> anyhow::Result<JoinSet<()>> {
        let users = users.with_terminals();
        ensure!(
            !users.is_empty(),
            "none of the users has the role mobile-user"
        );
        let mut working = JoinSet::new();
        let now = Instant::now();
        for number in 0..self.count {
            let user = *users
                .get(usize::from(number) % users.len())
                .context("a user")?;
            let place = usize::from(number) / users.len() + usize::from(number);
            let way = *self.ways.get(place % self.ways.len()).context("a way")?;
            if way == Way::Barcode && user.barcode.is_none() {
                bail!("{} has no barcode to log in with", user.name);
            }
            let first = now + ARRIVE * u32::from(number);
            let start = Start {
                from: (!self.one_address).then(|| Block::Terminals.nth(number)),
                arrival: self.arrival,
                first,
            };
            let who = format!("terminal {number} ({})", user.name);
            let caller = Caller::new(who, user.clone(), way, target, &start, (&shop.book, stop));
            working.spawn(Terminal::new(number, caller, shop).work(first));
        }
        Ok(working)
    }
}

/// Users made for one run, to be removed after it.
pub(crate) struct Hired {
    maker: Caller,
    pub(crate) users: Vec<User>,
}

impl Hired {
    /// `count` users in the first group with the mobile role, by the external connection or the
    /// administrator among `users`.
    pub(crate) async fn new(
        target: &Arc<Target>,
        users: &Users,
        count: u16,
        run: &str,
        (book, stop): (&Arc<Book>, &Arc<Stop>),
    ) -> anyhow::Result<Self> {
        let maker = users
            .one(Role::ExternalConnection)
            .or_else(|| users.one(Role::Administrator))
            .context("making users needs an external connection or an administrator in the file")?;
        let start = Start {
            from: None,
            arrival: Arrival::Closed {
                pause: Duration::ZERO,
            },
            first: Instant::now(),
        };
        let who = maker.name.clone();
        let caller = Caller::new(who, maker.clone(), Way::Name, target, &start, (book, stop));
        let mut hired = Self {
            maker: caller,
            users: Vec::new(),
        };
        match hired.make(count, run).await {
            Ok(()) => Ok(hired),
            Err(Amiss) => {
                hired.dismiss().await;
                bail!(
                    "users could not be made: {}",
                    book.turn().examples.join("; ")
                )
            }
        }
    }

    async fn make(&mut self, count: u16, run: &str) -> Result<(), Amiss> {
        self.maker.log_in().await?;
        let ask = Ask::get("UserGroups");
        let group = self
            .maker
            .ask(Step::Users, &ask, StatusCode::OK, |body| {
                let groups = check::collection(body)?;
                let mobile = groups
                    .iter()
                    .find(|group| text(group, "role") == "MobileDeviceUser")
                    .ok_or_else(|| wrong("no group with the mobile role"))?;
                Ok(text(mobile, "id").to_owned())
            })
            .await?;
        for number in 0..count {
            let user = User::mobile(
                format!("loadtest-{run}-{number}"),
                secret().ok_or(Amiss)?,
                secret().ok_or(Amiss)?,
            );
            let body = json!({
                "id": user.name, "name": user.name, "groupId": group,
                "password": user.password, "barcode": user.barcode,
            });
            let ask = Ask::new(Method::POST, "Users").json(&body);
            let expected = json!({"id": user.name, "name": user.name, "groupId": group});
            self.maker
                .ask(Step::Users, &ask, StatusCode::CREATED, |body| {
                    check::contains(&check::entity(body)?, &expected)
                })
                .await?;
            self.users.push(user);
        }
        Ok(())
    }

    /// Waits until the last of them can log in: a gateway hears of new users a moment after the
    /// backend has them, and of the last one last.
    pub(crate) async fn are_known(&self, target: &Arc<Target>) -> anyhow::Result<()> {
        let last = self.users.last().context("no user was made")?;
        let mut link = Link::new(Arc::clone(target), None);
        let fields = [("username", &*last.name), ("password", &*last.password)];
        let ask = Ask::get(format!("session?{}", form(&fields)));
        for _ in 0..KNOWN_AFTER {
            if link.ask(&ask).await?.status == StatusCode::OK {
                return Ok(());
            }
            sleep(Duration::from_millis(500)).await;
        }
        bail!("the users that were made cannot log in")
    }

    pub(crate) async fn dismiss(mut self) {
        for user in std::mem::take(&mut self.users) {
            let ask = Ask::new(Method::DELETE, keyed("Users", &user.name));
            let removed = self
                .maker
                .ask(Step::Users, &ask, StatusCode::NO_CONTENT, nothing);
            // What went wrong is in the book; the next one is removed all the same.
            drop(removed.await);
        }
        drop(self.maker.log_out().await);
    }
}

/// Digits that nobody guesses.
fn secret() -> Option<String> {
    let mut random = [0; 8];
    rand_bytes(&mut random).ok()?;
    Some(format!("{:020}", u64::from_be_bytes(random)))
}

/// Part of the ids of a run, unlike those of others.
pub(crate) fn run_name() -> String {
    let mut random = [0; 4];
    match rand_bytes(&mut random) {
        Ok(()) => format!("{:08x}", u32::from_be_bytes(random)),
        Err(_) => format!("{:08x}", std::process::id()),
    }
}
