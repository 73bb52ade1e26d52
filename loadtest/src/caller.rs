//! Somebody who has logged in and asks: sends at the pace's turn, times, checks, and writes into
//! the book what was wrong. Terminals and the accounting system are made of it.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::ValueEnum;
use http::{HeaderValue, Method, StatusCode};
use openssl::base64::encode_block;
use tokio::time::{Instant, sleep};

use crate::{
    book::{Book, Step},
    check::{self, Tokens, Wrong, wrong},
    link::{Answer, Ask, Link, form},
    pace::{Arrival, Pace},
    target::Target,
    users::User,
};

/// How to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Name and password, in a form.
    Name,
    /// Name and password in the query, as 1C sends them.
    Query,
    /// The password alone, where the database has barcode login on.
    Password,
    /// The barcode, where the database has barcode login on.
    Barcode,
    /// No session: Basic with each request.
    Basic,
}

/// An answer was wrong or missing; it stands in the book.
#[derive(Debug)]
pub(crate) struct Amiss;

/// When to begin nothing more.
pub(crate) struct Stop {
    at: Instant,
    now: AtomicBool,
}

impl Stop {
    pub(crate) fn after(span: Duration) -> Self {
        Self {
            at: Instant::now() + span,
            now: AtomicBool::new(false),
        }
    }

    pub(crate) fn now(&self) {
        self.now.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.now.load(Ordering::Relaxed) || Instant::now() >= self.at
    }
}

/// One who is told to come again does so for so long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Caller {
    who: String,
    user: User,
    way: Way,
    link: Link,
    pace: Pace,
    book: Arc<Book>,
    stop: Arc<Stop>,
    refresh: Option<String>,
}

/// Where a caller comes from and when it first asks.
pub(crate) struct Start {
    pub(crate) from: Option<Ipv4Addr>,
    pub(crate) arrival: Arrival,
    pub(crate) first: Instant,
}

impl Caller {
    pub(crate) fn new(
        who: String,
        user: User,
        way: Way,
        target: &Arc<Target>,
        start: &Start,
        (book, stop): (&Arc<Book>, &Arc<Stop>),
    ) -> Self {
        Self {
            who,
            user,
            way,
            link: Link::new(Arc::clone(target), start.from),
            pace: Pace::new(start.arrival, start.first),
            book: Arc::clone(book),
            stop: Arc::clone(stop),
            refresh: None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stop.is_over()
    }

    /// The next request comes on a new connection.
    pub(crate) fn hang_up(&mut self) {
        self.link.hang_up();
    }

    /// Asks, and reads what comes with the status that is due.
    pub(crate) async fn ask<T>(
        &mut self,
        step: Step,
        ask: &Ask,
        due: StatusCode,
        read: impl FnOnce(&[u8]) -> Result<T, Wrong>,
    ) -> Result<T, Amiss> {
        let until = Instant::now() + PATIENCE;
        let answer = loop {
            let planned = match self.is_over() {
                // What was begun is ended without further pauses.
                true => Instant::now(),
                false => self.pace.turn().await,
            };
            let answer = match self.link.ask(ask).await {
                Ok(answer) => answer,
                Err(fault) => return Err(self.amiss(step, ask, &fault.to_string())),
            };
            if let (Some(wait), true) = (busy(&answer), Instant::now() < until) {
                self.book.asked_to_wait();
                sleep(wait).await;
                self.pace.restart();
                continue;
            }
            self.book.answered(step, planned.elapsed());
            break answer;
        };
        if answer.status != due {
            let body = String::from_utf8_lossy(&answer.body);
            let body: String = body.chars().take(200).collect();
            let what = format!("{} instead of {due}: {body}", answer.status);
            return Err(self.amiss(step, ask, &what));
        }
        read(&answer.body).map_err(|wrong| self.amiss(step, ask, &wrong.to_string()))
    }

    /// Writes down what is wrong.
    fn amiss(&self, step: Step, ask: &Ask, what: &str) -> Amiss {
        // A login's query holds a password.
        let path = match step {
            Step::LogIn => ask.path.split('?').next().unwrap_or_default(),
            _ => &ask.path,
        };
        let asked = format!("{} {path}", ask.method);
        self.book
            .wrong(format!("{}, {}: {what} ({asked})", self.who, step.name()));
        Amiss
    }

    pub(crate) async fn log_in(&mut self) -> Result<(), Amiss> {
        let (name, password) = (self.user.name.clone(), self.user.password.clone());
        let barcode = self.user.barcode.clone().unwrap_or_default();
        let post = |fields: &[(&str, &str)]| Ask::new(Method::POST, "session").form(fields);
        let ask = match self.way {
            Way::Basic => {
                let basic = encode_block(format!("{name}:{password}").as_bytes());
                self.link.authorization = header(&format!("Basic {basic}"));
                return Ok(());
            }
            Way::Name => post(&[
                ("grant_type", "password"),
                ("username", &name),
                ("password", &password),
            ]),
            Way::Query => {
                let query = form(&[("username", &name), ("password", &password)]);
                Ask::get(format!("session?{query}"))
            }
            Way::Password => post(&[("grant_type", "password"), ("password", &password)]),
            Way::Barcode => post(&[("grant_type", "barcode"), ("barcode", &barcode)]),
        };
        self.link.authorization = None;
        let tokens = self
            .ask(Step::LogIn, &ask, StatusCode::OK, check::tokens)
            .await?;
        self.believe(tokens);
        Ok(())
    }

    /// A new pair of tokens for the old one; nothing where there is no session.
    pub(crate) async fn refresh(&mut self) -> Result<(), Amiss> {
        let Some(old) = self.refresh.take() else {
            return Ok(());
        };
        let fields = [("grant_type", "refresh_token"), ("refresh_token", &old)];
        let ask = Ask::new(Method::POST, "session").form(&fields);
        let read = |body: &[u8]| match check::tokens(body)? {
            tokens if tokens.refresh == old => Err(wrong("the old refresh token came back")),
            tokens => Ok(tokens),
        };
        let tokens = self.ask(Step::Refresh, &ask, StatusCode::OK, read).await?;
        self.believe(tokens);
        Ok(())
    }

    /// Ends the session, and sees that its token is worth nothing any more.
    pub(crate) async fn log_out(&mut self) -> Result<(), Amiss> {
        if self.refresh.take().is_none() {
            return Ok(());
        }
        let ask = Ask::new(Method::DELETE, "session");
        self.ask(Step::LogOut, &ask, StatusCode::NO_CONTENT, nothing)
            .await?;
        let ask = Ask::get("BaseInfo");
        self.ask(Step::LogOut, &ask, StatusCode::UNAUTHORIZED, nothing)
            .await?;
        self.link.authorization = None;
        Ok(())
    }

    fn believe(&mut self, tokens: Tokens) {
        self.link.authorization = header(&format!("Bearer {}", tokens.access));
        self.refresh = Some(tokens.refresh);
    }
}

/// Reads an answer whose body says nothing.
pub(crate) fn nothing(_: &[u8]) -> Result<(), Wrong> {
    Ok(())
}

/// Busy, and when to come again.
fn busy(answer: &Answer) -> Option<Duration> {
    match answer.status {
        StatusCode::SERVICE_UNAVAILABLE => answer.retry_after,
        _ => None,
    }
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
