//! An accounting system, as the vendor's 1C processing talks: it reaches the database, logs in by
//! query, reads what there is, uploads documents (whole, or header, rows and `EndUpdate`), collects
//! the finished ones, checks that they are what a terminal must have made of them, marks and
//! removes them.
//!
//! Goods are read, not uploaded: our backend takes none yet.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    book::{Book, Step},
    caller::{Amiss, Caller, nothing},
    check::{self, flag, text, wrong},
    document::{self, Goods, Maker, Plan, Type},
    link::{Ask, keyed},
};

/// After something went wrong, and while nothing is finished.
const RECOVERY: Duration = Duration::from_millis(500);
const NOTHING_FINISHED: Duration = Duration::from_millis(100);

pub(crate) struct Accounting {
    caller: Caller,
    book: Arc<Book>,
    run: String,
    /// So many documents are with the terminals.
    most_out: usize,
    types: Vec<Type>,
    goods: Vec<Goods>,
    next: u32,
    /// Sent and not yet collected, with the type's name in paths.
    out: BTreeMap<String, (String, Plan)>,
    pub(crate) sent: u32,
    pub(crate) collected: u32,
}

impl Accounting {
    pub(crate) fn new(caller: Caller, book: &Arc<Book>, run: &str, most_out: u16) -> Self {
        Self {
            caller,
            book: Arc::clone(book),
            run: run.to_owned(),
            most_out: most_out.into(),
            types: Vec::new(),
            goods: Vec::new(),
            next: 0,
            out: BTreeMap::new(),
            sent: 0,
            collected: 0,
        }
    }

    /// Until the time is over and everything is collected, or `drain` has passed since.
    pub(crate) async fn work(&mut self, drain: Duration) {
        while !self.caller.is_over() {
            if let Err(Amiss) = self.session().await {
                self.caller.hang_up();
                sleep(RECOVERY).await;
            }
        }
        let until = Instant::now() + drain;
        while !self.out.is_empty() && Instant::now() < until {
            if let Err(Amiss) = self.collect().await {
                self.caller.hang_up();
                sleep(RECOVERY).await;
            }
        }
        for id in std::mem::take(&mut self.out).into_keys() {
            self.book.wrong(format!("{id} was never finished"));
            let ask = document::remove(&id);
            let removed = self
                .caller
                .ask(Step::Remove, &ask, StatusCode::NO_CONTENT, nothing);
            // What went wrong is in the book.
            drop(removed.await);
        }
        drop(self.caller.log_out().await);
    }

    async fn session(&mut self) -> Result<(), Amiss> {
        self.caller.log_in().await?;
        self.look_around().await?;
        loop {
            // Who has logged in sends at least once as much as may be out.
            while self.out.len() < self.most_out {
                self.send().await?;
            }
            self.collect().await?;
            if self.caller.is_over() {
                return Ok(());
            }
        }
    }

    /// What 1C asks before it exchanges anything.
    async fn look_around(&mut self) -> Result<(), Amiss> {
        let sets = |body: &[u8]| {
            let sets = check::collection(body)?;
            match sets.iter().any(|set| text(set, "name") == "Docs") {
                true => Ok(()),
                false => Err(wrong("a service document without Docs")),
            }
        };
        let ask = Ask::get("");
        self.caller
            .ask(Step::Reach, &ask, StatusCode::OK, sets)
            .await?;
        let info = |body: &[u8]| {
            let info = check::entity(body)?;
            match text(&info, "id").is_empty() || text(&info, "serverVersion").is_empty() {
                true => Err(wrong("`id` or `serverVersion` is missing")),
                false => Ok(()),
            }
        };
        let ask = Ask::get("BaseInfo");
        self.caller
            .ask(Step::BaseInfo, &ask, StatusCode::OK, info)
            .await?;
        let types = |body: &[u8]| Type::all(&check::collection(body)?);
        let ask = Ask::get("DocTypes?$expand=tables");
        self.types = self
            .caller
            .ask(Step::Types, &ask, StatusCode::OK, types)
            .await?;
        let goods = |body: &[u8]| Ok(Goods::all(&check::collection(body)?));
        let ask = Ask::get("Products?$top=500");
        self.goods = self
            .caller
            .ask(Step::Goods, &ask, StatusCode::OK, goods)
            .await?;
        let ask = Ask::get("Users");
        let users = |body: &[u8]| {
            let users = check::collection(body)?;
            let shows = |user| {
                ["password", "barcode"]
                    .iter()
                    .any(|name| has_text(user, name))
            };
            match users.iter().any(shows) {
                true => Err(wrong("a password or a barcode is shown")),
                false => Ok(()),
            }
        };
        self.caller
            .ask(Step::Users, &ask, StatusCode::OK, users)
            .await
    }

    /// Sends a document: every second one in three requests.
    async fn send(&mut self) -> Result<(), Amiss> {
        let number = self.next;
        self.next += 1;
        let place = usize::try_from(number).unwrap_or_default();
        let Some(kind) = self.types.get(place % self.types.len().max(1)).cloned() else {
            return Err(Amiss);
        };
        let plan = Plan::new(Maker::Accounting, &self.run, number, &kind, &self.goods);
        let (header, rows) = plan.as_1c_writes_it();
        let in_parts = number % 2 == 1;
        // Until its rows are there no terminal shall take it.
        let header = match in_parts {
            true => document::with(&header, "inProcess", json!(true)),
            false => document::with(&header, "declaredItems", json!(rows)),
        };
        let ask = Ask::new(Method::POST, "Docs").json(&header);
        self.caller
            .ask(Step::Create, &ask, StatusCode::CREATED, |body| {
                check::contains(&check::entity(body)?, &plan.header)
            })
            .await?;
        let id = plan.id.clone();
        self.sent += 1;
        self.out.insert(id.clone(), (kind.uni, plan));
        if !in_parts {
            return Ok(());
        }
        let ask = document::add_rows(&id, "declaredItems", &rows);
        self.caller
            .ask(Step::AddRows, &ask, StatusCode::OK, nothing)
            .await?;
        let ask = document::end_update(&id);
        self.caller
            .ask(Step::EndUpdate, &ask, StatusCode::NO_CONTENT, nothing)
            .await?;
        let ask = document::change(&id, &json!({"inProcess": false}));
        self.caller
            .ask(Step::EndUpdate, &ask, StatusCode::NO_CONTENT, nothing)
            .await
    }

    /// Looks for finished documents of its own, and takes them in.
    async fn collect(&mut self) -> Result<(), Amiss> {
        let ask = document::list("finished eq true", &self.run);
        let listed = self
            .caller
            .ask(Step::List, &ask, StatusCode::OK, |body| {
                let rows = check::collection(body)?;
                match rows.iter().all(|row| flag(row, "finished")) {
                    true => Ok(rows),
                    false => Err(wrong("a document that is not finished")),
                }
            })
            .await?;
        let finished = listed.iter().map(|row| text(row, "id"));
        let mut found = false;
        for id in finished {
            // Taken out whatever it holds: a wrong one is wrong once.
            let Some((uni, plan)) = self.out.remove(id) else {
                continue;
            };
            found = true;
            self.take_in(&uni, &plan).await?;
        }
        if !found {
            sleep(NOTHING_FINISHED).await;
        }
        Ok(())
    }

    async fn take_in(&mut self, uni: &str, plan: &Plan) -> Result<(), Amiss> {
        let path = keyed(&format!("Docs/{uni}"), &plan.id);
        let expand = "$expand=declaredItems,currentItems,extendedFields";
        let ask = Ask::get(format!("{path}?{expand}"));
        let checked = self
            .caller
            .ask(Step::Collect, &ask, StatusCode::OK, |body| {
                document::is_finished_well(&check::entity(body)?, plan)
            })
            .await;
        let ask = document::change(&plan.id, &json!({"Статус": "Загружен"}));
        self.caller
            .ask(Step::Mark, &ask, StatusCode::NO_CONTENT, nothing)
            .await?;
        let ask = Ask::new(Method::DELETE, path);
        self.caller
            .ask(Step::Remove, &ask, StatusCode::NO_CONTENT, nothing)
            .await?;
        if checked.is_ok() {
            self.collected += 1;
            self.book.document_finished();
        }
        checked
    }
}

fn has_text(entity: &serde_json::Value, name: &str) -> bool {
    !text(entity, name).is_empty()
}
