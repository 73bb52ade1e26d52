//! What was seen of a TLS handshake that failed, for [`gateway_policy::handshake`] to judge.
//!
//! A client judges our certificate when it likes: within the handshake, or after it, as .NET does;
//! its alert then comes in place of the first request.

use std::{cmp::Ordering, error::Error as _, fmt, io};

use gateway_certificates::Name;
use gateway_policy::handshake::{End, Greeting, HandshakeFault, Hello, Shown, is_host};
use openssl::{
    error::ErrorStack,
    ssl::{self, NameType, SslRef},
};

use crate::tls::{self, HandshakeError, Served};

/// Of an alert that came in, the reason is this and the alert's number (`sslerr.h`).
const ALERT: i32 = 1000;
/// Of OpenSSL's libraries the one that speaks TLS (`err.h`).
const LIBRARY_SSL: i32 = 20;

/// A handshake that failed, judged.
pub(crate) struct Failed<'a> {
    pub(crate) fault: HandshakeFault,
    pub(crate) hello: Hello<'a>,
    /// For the log.
    pub(crate) words: &'a (dyn fmt::Display + Sync),
}

impl<'a> Failed<'a> {
    /// Nothing was seen but how it ended, and the first bytes.
    pub(crate) fn before(
        end: End,
        greeting: Greeting<'a>,
        words: &'a (dyn fmt::Display + Sync),
    ) -> Self {
        Self {
            fault: HandshakeFault::of(end, greeting, None),
            hello: greeting.hello(),
            words,
        }
    }

    /// `greeting` is what had come when the handshake began.
    pub(crate) fn within(error: &'a HandshakeError, greeting: Greeting<'a>) -> Self {
        let (end, served) = match error {
            HandshakeError::TimedOut => (End::TimedOut, None),
            HandshakeError::Setup(_) => (End::Setup, None),
            HandshakeError::Refused { cause, served } => (end(cause), served.as_ref()),
        };
        let hello = greeting.hello();
        let shown = served.map(|served| shown(served, hello.server_name));
        Self {
            fault: HandshakeFault::of(end, greeting, shown),
            hello,
            words: error,
        }
    }

    /// The handshake was complete, and in place of a request came its end. `None`: nothing is
    /// known of a certificate that this client could have minded.
    pub(crate) fn instead_of_a_request(
        tls: &'a SslRef,
        ended: &'a io::Result<Option<u8>>,
    ) -> Option<Self> {
        let alert = match ended {
            Ok(Some(_)) => return None,
            Ok(None) => None,
            Err(fault) => alert(fault),
        };
        if alert.is_none() && tls.session_reused() {
            return None;
        }
        let name = tls.servername(NameType::HOST_NAME);
        let hello = Hello {
            // What was agreed on; that the client also knew newer ones explains nothing.
            offered: Some(tls::version(tls)),
            server_name: name.filter(|name| is_host(name)),
            in_ssl2_format: false,
        };
        let shown = shown(Served::by(tls)?, hello.server_name);
        let end = alert.map_or(End::Left, End::Alert);
        let words: &(dyn fmt::Display + Sync) = match ended {
            Err(fault) => fault,
            Ok(_) => &"closed after the handshake, without a request",
        };
        Some(Self {
            fault: HandshakeFault::of(end, Greeting::Tls(hello), Some(shown)),
            hello,
            words,
        })
    }
}

fn end(error: &ssl::Error) -> End {
    match error.ssl_error() {
        Some(stack) => reason(stack).map_or(End::Gone, |reason| {
            as_alert(reason).map_or(End::Library(reason), End::Alert)
        }),
        // Also an end of the stream, of which OpenSSL says nothing.
        None => End::Gone,
    }
}

fn reason(stack: &ErrorStack) -> Option<i32> {
    let of_ssl = |one: &&openssl::error::Error| one.library_code() == LIBRARY_SSL;
    let mut errors = stack.errors().iter().filter(of_ssl);
    errors.next().map(openssl::error::Error::reason_code)
}

fn as_alert(reason: i32) -> Option<u8> {
    u8::try_from(reason.checked_sub(ALERT)?).ok()
}

/// The client's alert, where a read failed by one.
fn alert(fault: &io::Error) -> Option<u8> {
    let error = fault.get_ref()?;
    let error = error.downcast_ref::<ssl::Error>();
    let error = error.or_else(|| fault.source()?.downcast_ref())?;
    as_alert(reason(error.ssl_error()?)?)
}

fn shown(served: &Served, called: Option<&str>) -> Shown {
    let Served { certificate, names } = served;
    let called = called.and_then(|called| called.parse::<Name>().ok());
    let itself = certificate
        .issuer_name()
        .try_cmp(certificate.subject_name());
    Shown {
        covers_the_called: called
            .is_none_or(|called| names.iter().any(|name| name.covers(&called))),
        has_addresses: names.iter().any(|name| matches!(name, Name::Ip(_))),
        self_signed: itself.is_ok_and(Ordering::is_eq),
    }
}
