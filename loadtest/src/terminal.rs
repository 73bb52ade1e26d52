//! A terminal: logs in, reads types and goods, then takes one document after the other (one that
//! the accounting system has sent, or one of its own), counts, finishes, and reads back what it
//! has written. Now and then it reconnects, refreshes its token and logs in anew.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    book::{Book, Step},
    caller::{Amiss, Caller, nothing},
    check::{self, flag, text, wrong},
    document::{self, Goods, Maker, Plan, Type},
    link::{Ask, keyed},
};

/// Documents between two connections; two such make a token's life, four a session.
const RECONNECT: u32 = 5;
const REFRESH: u32 = 10;
const SESSION: u32 = 20;

/// After something went wrong, before the next login.
const RECOVERY: Duration = Duration::from_millis(500);

/// While the accounting system has sent nothing.
const NOTHING_TO_DO: Duration = Duration::from_millis(100);

/// What a terminal works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Documents of an accounting system, and where there is none, documents of its own.
    GivenOrOwn,
    /// The former alone.
    Given,
}

/// What the terminals of one process share.
pub(crate) struct Shop {
    pub(crate) book: Arc<Book>,
    /// Part of the ids of this run's documents.
    pub(crate) run: String,
    pub(crate) work: Work,
    /// Own documents stay when they are finished.
    pub(crate) keep: bool,
    next: AtomicU32,
    taken: Mutex<HashSet<String>>,
    /// Own documents that are in the database.
    left: AtomicU32,
    ready: AtomicU32,
}

impl Shop {
    pub(crate) fn new(book: &Arc<Book>, run: &str, work: Work, keep: bool) -> Self {
        Self {
            book: Arc::clone(book),
            run: run.to_owned(),
            work,
            keep,
            next: AtomicU32::new(0),
            taken: Mutex::default(),
            left: AtomicU32::new(0),
            ready: AtomicU32::new(0),
        }
    }

    /// Own documents that were not removed.
    pub(crate) fn left_behind(&self) -> u32 {
        self.left.load(Ordering::Relaxed)
    }

    /// Terminals that have logged in and finished a document.
    pub(crate) fn ready(&self) -> u32 {
        self.ready.load(Ordering::Relaxed)
    }

    fn take(&self, id: &str) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(id.to_owned())
    }
}

pub(crate) struct Terminal {
    number: u16,
    caller: Caller,
    shop: Arc<Shop>,
    types: Vec<Type>,
    goods: Vec<Goods>,
    finished: u32,
}

impl Terminal {
    pub(crate) fn new(number: u16, caller: Caller, shop: &Arc<Shop>) -> Self {
        Self {
            number,
            caller,
            shop: Arc::clone(shop),
            types: Vec::new(),
            goods: Vec::new(),
            finished: 0,
        }
    }

    /// Until the time is over, whatever goes wrong.
    pub(crate) async fn work(mut self, from: Instant) {
        sleep_until(from).await;
        while !self.caller.is_over() {
            if let Err(Amiss) = self.session().await {
                self.caller.hang_up();
                sleep(RECOVERY).await;
            }
        }
    }

    async fn session(&mut self) -> Result<(), Amiss> {
        self.caller.log_in().await?;
        let types = |body: &[u8]| Type::all(&check::collection(body)?);
        let ask = Ask::get("DocTypes");
        self.types = self
            .caller
            .ask(Step::Types, &ask, StatusCode::OK, types)
            .await?;
        let goods = |body: &[u8]| Ok(Goods::all(&check::collection(body)?));
        let ask = Ask::get("Products?$top=50");
        self.goods = self
            .caller
            .ask(Step::Goods, &ask, StatusCode::OK, goods)
            .await?;
        for number in 1..=SESSION {
            // Who has logged in does at least one.
            self.document().await?;
            if self.caller.is_over() {
                break;
            }
            if number.is_multiple_of(RECONNECT) {
                self.caller.hang_up();
            }
            if number == REFRESH {
                self.caller.refresh().await?;
            }
        }
        self.caller.log_out().await
    }

    /// One document from the list to its end, where there is one.
    async fn document(&mut self) -> Result<(), Amiss> {
        let ask = document::list("finished eq false and inProcess eq false", "");
        let waiting = self
            .caller
            .ask(Step::List, &ask, StatusCode::OK, |body| {
                let rows = check::collection(body)?;
                let fits = |row: &Value| {
                    text(row, "description") == document::MARK
                        && !flag(row, "finished")
                        && !flag(row, "inProcess")
                };
                match rows.iter().all(fits) {
                    true => Ok(rows),
                    false => Err(wrong("a document that the filter leaves out")),
                }
            })
            .await?;
        let given = waiting.iter().map(|row| text(row, "id"));
        let mut given = given.filter(|id| id.starts_with(Maker::Accounting.prefix()));
        match (given.find(|id| self.shop.take(id)), self.shop.work) {
            (Some(id), _) => self.given(id).await?,
            (None, Work::GivenOrOwn) => self.own().await?,
            (None, Work::Given) => {
                sleep(NOTHING_TO_DO).await;
                return Ok(());
            }
        }
        self.shop.book.document_finished();
        self.finished += 1;
        if self.finished == 1 {
            self.shop.ready.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A document of the accounting system: its rows are what is read first.
    async fn given(&mut self, id: &str) -> Result<(), Amiss> {
        let take = json!({"inProcess": true, "deviceId": format!("loadtest-{}", self.number)});
        let ask = document::change(id, &take);
        self.caller
            .ask(Step::Take, &ask, StatusCode::NO_CONTENT, nothing)
            .await?;
        let opened = self
            .caller
            .ask(Step::Open, &document::read(id), StatusCode::OK, |body| {
                let document = check::entity(body)?;
                check::contains(&document, &take)?;
                check::contains(&document, &json!({"id": id, "currentItems": []}))?;
                document::rows(&document, "declaredItems")
            })
            .await?;
        self.count_and_finish(id, &opened).await
    }

    /// A document made on the terminal, from nothing to its end and away again.
    async fn own(&mut self) -> Result<(), Amiss> {
        let number = self.shop.next.fetch_add(1, Ordering::Relaxed);
        let Some(kind) = Type::for_terminals(&self.types).cloned() else {
            return Err(Amiss);
        };
        let plan = Plan::new(Maker::Terminal, &self.shop.run, number, &kind, &self.goods);
        let header = document::with(&plan.whole(), "inProcess", json!(true));
        let ask = Ask::new(Method::POST, "Docs").json(&header);
        let expected = document::with(&plan.header, "inProcess", json!(true));
        self.caller
            .ask(Step::Create, &ask, StatusCode::CREATED, |body| {
                check::contains(&check::entity(body)?, &expected)
            })
            .await?;
        self.shop.left.fetch_add(1, Ordering::Relaxed);
        self.look_up(number).await?;
        let opened = self
            .caller
            .ask(
                Step::Open,
                &document::read(&plan.id),
                StatusCode::OK,
                |body| {
                    let document = check::entity(body)?;
                    check::contains(&document, &plan.whole())?;
                    document::rows(&document, "declaredItems")
                },
            )
            .await?;
        self.count_and_finish(&plan.id, &opened).await?;
        if self.shop.keep || !kind.is_removable {
            return Ok(());
        }
        let ask = document::remove(&plan.id);
        self.caller
            .ask(Step::Remove, &ask, StatusCode::NO_CONTENT, nothing)
            .await?;
        self.shop.left.fetch_sub(1, Ordering::Relaxed);
        let ask = document::read(&plan.id);
        self.caller
            .ask(Step::Remove, &ask, StatusCode::NOT_FOUND, nothing)
            .await
    }

    /// Goods by their key, as after a scan.
    async fn look_up(&mut self, number: u32) -> Result<(), Amiss> {
        let place = usize::try_from(number).unwrap_or_default();
        let Some(goods) = self.goods.get(place % self.goods.len().max(1)).cloned() else {
            return Ok(());
        };
        let ask = Ask::get(keyed("Products", &goods.id));
        self.caller
            .ask(Step::Goods, &ask, StatusCode::OK, |body| {
                let expected = json!({"id": goods.id, "name": goods.name});
                check::contains(&check::entity(body)?, &expected)
            })
            .await
    }

    /// Counts every planned row, sends it, reads it back, and gives the document in.
    async fn count_and_finish(&mut self, id: &str, planned: &[Value]) -> Result<(), Amiss> {
        let (worked, facts) = (document::worked(planned), document::facts(planned));
        for (list, rows) in [("declaredItems", &worked), ("currentItems", &facts)] {
            let ask = document::add_rows(id, list, rows);
            self.caller
                .ask(Step::Change, &ask, StatusCode::OK, nothing)
                .await?;
        }
        let written = json!({"id": id, "declaredItems": worked, "currentItems": facts});
        self.caller
            .ask(
                Step::ReadBack,
                &document::read(id),
                StatusCode::OK,
                |body| check::contains(&check::entity(body)?, &written),
            )
            .await?;
        let ask = document::end_update(id);
        self.caller
            .ask(Step::EndUpdate, &ask, StatusCode::NO_CONTENT, nothing)
            .await?;
        let finished = json!({"finished": true, "inProcess": false, "modified": true});
        let ask = document::change(id, &finished);
        self.caller
            .ask(Step::Finish, &ask, StatusCode::NO_CONTENT, nothing)
            .await?;
        if id.starts_with(Maker::Accounting.prefix()) {
            // From here on it is the accounting system's, which may have removed it already.
            return Ok(());
        }
        let expected = document::with(&written, "finished", json!(true));
        self.caller
            .ask(
                Step::ReadBack,
                &document::read(id),
                StatusCode::OK,
                |body| check::contains(&check::entity(body)?, &expected),
            )
            .await
    }
}
