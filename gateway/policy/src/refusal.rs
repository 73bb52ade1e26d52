//! Every way to say no, turned once into what the client sees and what the log says.
//!
//! A variant says who must act. To the client goes as little as he may know: an unknown user, a
//! wrong password and an unusable hash are one status, one code and one text (T13); the difference
//! is in [`Refusal::reason`], which only the log and the counters show.
//! Not here: texts (the gateway's catalogue, by [`Refusal::message`]), JSON, headers' syntax.

use crate::{
    credentials::{Field, LoginFault},
    head::HeadFault,
    password::StoredFault,
    throttle::RetryAfter,
};

/// Why a request or a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    // Before a request exists; answered by closing, without a byte, but for one.
    /// The lists say no.
    AddressRefused,
    /// Too many connections or too many new ones from one address.
    TooManyConnections,
    /// Plain HTTP on a TLS port: the one answer in plain text.
    NotTls,
    /// TLS on a plain port.
    NotPlain,
    /// A trusted proxy's PROXY header is malformed or did not come.
    ProxyHeader,
    /// The database says https and no certificate is usable: an administrator must act.
    NoCertificate,
    /// The head was not complete in time.
    HeadTimeout,

    // The client must send another request.
    Head(HeadFault),
    /// The path can be read in more than one way.
    AmbiguousPath,
    Login(LoginFault),
    /// A body of known length above the limit.
    BodyTooLarge,
    /// A body that did not come whole, or in chunks that are none.
    BodyBroken,
    MethodNotAllowed,
    /// No database has the id of the first path segment.
    NoSuchDatabase,
    /// Nothing is served at this path, whoever asks.
    NotFound,

    // The user must log in.
    Unauthenticated(Unauthenticated),

    // The user may not.
    /// His role, the path and the method do not go together.
    RoleForbids,
    /// An https database asked for on a plain server port.
    HttpsOnly,
    /// TLS older, or weaker, than the database's profile has for this address.
    OldTls,
    /// The database asks its clients for a certificate of their own, and this one has shown none.
    ClientCertificate,
    /// The certificate that this one has shown is in force no more.
    DeviceRevoked,

    // The client must wait.
    TooManyFailures(RetryAfter),
    /// The database's budget of failures is spent and this address is unknown to it.
    DatabaseBudget(RetryAfter),
    /// No slot was resolved in time.
    SlotsBusy,
    /// The queue of evaluations is full, or the wait in it too long.
    HashingBusy,

    // The server behind must be mended.
    /// The upstream refused the connection, broke it before answering, or answered no HTTP.
    UpstreamGone,
    UpstreamTimeout,
    /// A print server port without a print service behind it.
    NoPrintService,
    /// A fault of ours.
    Internal,
}

/// Why a request is not that of a user; to the client all but the first are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// Nothing was shown.
    NoCredentials,
    /// An `Authorization` that cannot be read, or of another scheme.
    Malformed,
    UnknownUser,
    WrongPassword,
    /// A login without a name while barcode login is off.
    NamelessOff,
    /// The stored hash cannot be evaluated: an administrator must act.
    UnusableHash(StoredFault),
    UnknownToken,
    ExpiredSession,
    /// The session was ended: logged out, another password, another user.
    EndedSession,
    RefreshNeverIssued,
    RefreshEnded,
    /// A refresh token used twice; its device's session is ended.
    RefreshReused,
}

/// Which `WWW-Authenticate` a 401 carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Basic and Bearer: a browser then asks the user.
    BasicAndBearer,
    /// Bearer alone: whoever sent one has a login of its own and wants no browser window.
    Bearer,
}

impl Refusal {
    /// The status of the answer; `None`: the connection is closed without a byte.
    #[must_use]
    pub fn status(self) -> Option<u16> {
        Some(match self {
            Self::AddressRefused
            | Self::TooManyConnections
            | Self::NotPlain
            | Self::ProxyHeader
            | Self::NoCertificate
            | Self::HeadTimeout => return None,
            Self::NotTls | Self::AmbiguousPath | Self::BodyBroken => 400,
            Self::Head(fault) => fault.status(),
            Self::Login(LoginFault::FormTooLong) | Self::BodyTooLarge => 413,
            Self::Login(_) => 400,
            Self::Unauthenticated(_) => 401,
            Self::RoleForbids
            | Self::HttpsOnly
            | Self::OldTls
            | Self::ClientCertificate
            | Self::DeviceRevoked => 403,
            Self::NoSuchDatabase | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooManyFailures(_) | Self::DatabaseBudget(_) => 429,
            Self::Internal => 500,
            Self::UpstreamGone => 502,
            Self::SlotsBusy | Self::HashingBusy | Self::NoPrintService => 503,
            Self::UpstreamTimeout => 504,
        })
    }

    /// `error.code` of the JSON body.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "unauthenticated",
            _ => {
                let message = self.message();
                message.strip_prefix("refusal-").unwrap_or(message)
            }
        }
    }

    /// Key of the text for people, in every language.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::AddressRefused => "refusal-address",
            Self::TooManyConnections => "refusal-too-many-connections",
            Self::NotTls => "refusal-not-tls",
            Self::NotPlain => "refusal-not-plain",
            Self::ProxyHeader => "refusal-proxy-header",
            Self::NoCertificate => "refusal-no-certificate",
            Self::HeadTimeout => "refusal-head-timeout",
            Self::Head(fault) => match fault.status() {
                414 => "refusal-request-line-too-long",
                417 => "refusal-expectation",
                431 => "refusal-head-too-large",
                _ => "refusal-bad-request",
            },
            Self::AmbiguousPath => "refusal-ambiguous-path",
            Self::Login(fault) => match fault {
                LoginFault::FormTooLong => "refusal-body-too-large",
                LoginFault::UnknownGrant => "refusal-unsupported-grant-type",
                LoginFault::TooLong(_) => "refusal-login-too-long",
                LoginFault::Encoding
                | LoginFault::Repeated(_)
                | LoginFault::Missing(_)
                | LoginFault::BarcodeAndPassword => "refusal-login-malformed",
            },
            Self::BodyTooLarge => "refusal-body-too-large",
            Self::BodyBroken => "refusal-body-broken",
            Self::MethodNotAllowed => "refusal-method-not-allowed",
            Self::NoSuchDatabase => "refusal-no-such-database",
            Self::NotFound => "refusal-not-found",
            Self::Unauthenticated(Unauthenticated::NoCredentials) => "refusal-no-credentials",
            Self::Unauthenticated(_) => "refusal-unauthenticated",
            Self::RoleForbids => "refusal-forbidden",
            Self::HttpsOnly => "refusal-https-only",
            Self::OldTls => "refusal-old-tls",
            Self::ClientCertificate => "refusal-client-certificate",
            Self::DeviceRevoked => "refusal-device-revoked",
            Self::TooManyFailures(_) => "refusal-too-many-failures",
            Self::DatabaseBudget(_) => "refusal-database-budget",
            Self::SlotsBusy | Self::HashingBusy => "refusal-busy",
            Self::UpstreamGone => "refusal-upstream-gone",
            Self::UpstreamTimeout => "refusal-upstream-timeout",
            Self::NoPrintService => "refusal-no-print-service",
            Self::Internal => "refusal-internal",
        }
    }

    /// `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::TooManyFailures(after) | Self::DatabaseBudget(after) => Some(after.seconds),
            Self::SlotsBusy | Self::HashingBusy => Some(2),
            Self::NoPrintService => Some(60),
            _ => None,
        }
    }

    /// Whether the connection ends with it: where the client's next bytes cannot be trusted to
    /// begin a request, he may not be connected at all, or only another handshake can help him. A
    /// 401 leaves it open.
    #[must_use]
    pub fn closes(self) -> bool {
        match self {
            Self::AddressRefused
            | Self::TooManyConnections
            | Self::NotTls
            | Self::NotPlain
            | Self::ProxyHeader
            | Self::NoCertificate
            | Self::HeadTimeout
            | Self::BodyBroken
            | Self::OldTls
            | Self::ClientCertificate
            | Self::DeviceRevoked
            | Self::Head(_)
            | Self::AmbiguousPath
            | Self::Login(LoginFault::FormTooLong)
            | Self::BodyTooLarge
            | Self::Internal => true,
            Self::Login(_)
            | Self::MethodNotAllowed
            | Self::NoSuchDatabase
            | Self::NotFound
            | Self::Unauthenticated(_)
            | Self::RoleForbids
            | Self::HttpsOnly
            | Self::TooManyFailures(_)
            | Self::DatabaseBudget(_)
            | Self::SlotsBusy
            | Self::HashingBusy
            | Self::UpstreamGone
            | Self::UpstreamTimeout
            | Self::NoPrintService => false,
        }
    }

    /// The challenge of a 401; `sent_bearer`: the request carried a Bearer token.
    #[must_use]
    pub fn challenge(self, sent_bearer: bool) -> Option<Challenge> {
        match (self, sent_bearer) {
            (Self::Unauthenticated(_), false) => Some(Challenge::BasicAndBearer),
            (Self::Unauthenticated(_), true) => Some(Challenge::Bearer),
            _ => None,
        }
    }

    /// The cause, for the log and as a metric's label: bounded, stable, never foreign text.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::AddressRefused => "address-refused",
            Self::TooManyConnections => "too-many-connections",
            Self::NotTls => "not-tls",
            Self::NotPlain => "not-plain",
            Self::ProxyHeader => "proxy-header",
            Self::NoCertificate => "no-certificate",
            Self::HeadTimeout => "head-timeout",
            Self::Head(_) => "head-fault",
            Self::AmbiguousPath => "ambiguous-path",
            Self::Login(_) => "login-fault",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyBroken => "body-broken",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::NoSuchDatabase => "no-such-database",
            Self::NotFound => "not-found",
            Self::Unauthenticated(why) => why.reason(),
            Self::RoleForbids => "role-forbids",
            Self::HttpsOnly => "https-only",
            Self::OldTls => "old-tls",
            Self::ClientCertificate => "client-certificate",
            Self::DeviceRevoked => "device-revoked",
            Self::TooManyFailures(_) => "too-many-failures",
            Self::DatabaseBudget(_) => "database-budget",
            Self::SlotsBusy => "slots-busy",
            Self::HashingBusy => "hashing-busy",
            Self::UpstreamGone => "upstream-gone",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::NoPrintService => "no-print-service",
            Self::Internal => "internal",
        }
    }

    /// What the cause says of itself beyond [`Refusal::reason`], in English, for the log.
    #[must_use]
    pub fn detail(self) -> Option<String> {
        match self {
            Self::Head(fault) => Some(fault.to_string()),
            Self::Login(fault) => Some(fault.to_string()),
            Self::Unauthenticated(Unauthenticated::UnusableHash(fault)) => Some(fault.to_string()),
            _ => None,
        }
    }
}

impl Unauthenticated {
    fn reason(self) -> &'static str {
        match self {
            Self::NoCredentials => "no-credentials",
            Self::Malformed => "credentials-malformed",
            Self::UnknownUser => "unknown-user",
            Self::WrongPassword => "wrong-password",
            Self::NamelessOff => "nameless-off",
            Self::UnusableHash(_) => "unusable-hash",
            Self::UnknownToken => "unknown-token",
            Self::ExpiredSession => "session-expired",
            Self::EndedSession => "session-ended",
            Self::RefreshNeverIssued => "refresh-never-issued",
            Self::RefreshEnded => "refresh-ended",
            Self::RefreshReused => "refresh-reused",
        }
    }
}

impl From<HeadFault> for Refusal {
    fn from(fault: HeadFault) -> Self {
        Self::Head(fault)
    }
}

impl From<LoginFault> for Refusal {
    fn from(fault: LoginFault) -> Self {
        Self::Login(fault)
    }
}

impl From<Unauthenticated> for Refusal {
    fn from(why: Unauthenticated) -> Self {
        Self::Unauthenticated(why)
    }
}

/// At least one refusal for every message key, for the test that each language has it.
pub const ONE_OF_EACH: &[Refusal] = &[
    Refusal::AddressRefused,
    Refusal::TooManyConnections,
    Refusal::NotTls,
    Refusal::NotPlain,
    Refusal::ProxyHeader,
    Refusal::NoCertificate,
    Refusal::HeadTimeout,
    Refusal::Head(HeadFault::HeadTooLong),
    Refusal::Head(HeadFault::RequestLineTooLong),
    Refusal::Head(HeadFault::Host),
    Refusal::Head(HeadFault::Expect),
    Refusal::AmbiguousPath,
    Refusal::Login(LoginFault::FormTooLong),
    Refusal::Login(LoginFault::Encoding),
    Refusal::Login(LoginFault::UnknownGrant),
    Refusal::Login(LoginFault::TooLong(Field::Password)),
    Refusal::BodyTooLarge,
    Refusal::BodyBroken,
    Refusal::MethodNotAllowed,
    Refusal::NoSuchDatabase,
    Refusal::NotFound,
    Refusal::Unauthenticated(Unauthenticated::NoCredentials),
    Refusal::Unauthenticated(Unauthenticated::WrongPassword),
    Refusal::RoleForbids,
    Refusal::HttpsOnly,
    Refusal::OldTls,
    Refusal::ClientCertificate,
    Refusal::DeviceRevoked,
    Refusal::TooManyFailures(RetryAfter { seconds: 60 }),
    Refusal::DatabaseBudget(RetryAfter { seconds: 60 }),
    Refusal::SlotsBusy,
    Refusal::HashingBusy,
    Refusal::UpstreamGone,
    Refusal::UpstreamTimeout,
    Refusal::NoPrintService,
    Refusal::Internal,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn unknown_user_and_wrong_password_look_the_same_and_are_logged_apart() {
        let seen = |why| {
            let refusal = Refusal::from(why);
            let challenge = refusal.challenge(false);
            (
                refusal.status(),
                refusal.code(),
                refusal.message(),
                challenge,
                refusal.closes(),
            )
        };
        let unusable = Unauthenticated::UnusableHash(StoredFault::TooDear);
        for why in [
            Unauthenticated::UnknownUser,
            Unauthenticated::NamelessOff,
            unusable,
        ] {
            assert_eq!(seen(why), seen(Unauthenticated::WrongPassword));
            assert_ne!(why.reason(), Unauthenticated::WrongPassword.reason());
        }
    }

    #[test]
    fn a_browser_is_challenged_and_a_bearer_is_not_sent_to_one() {
        let expired = Refusal::from(Unauthenticated::ExpiredSession);
        assert_eq!(expired.challenge(true), Some(Challenge::Bearer));
        assert_eq!(expired.challenge(false), Some(Challenge::BasicAndBearer));
        assert!(!expired.closes());
        assert_eq!(Refusal::RoleForbids.challenge(false), None);
    }

    #[test]
    fn waiting_is_told_in_seconds_and_only_with_429_and_503() {
        for &refusal in ONE_OF_EACH {
            let waits = matches!(refusal.status(), Some(429 | 503));
            assert_eq!(
                refusal.retry_after_seconds().is_some(),
                waits,
                "{refusal:?}"
            );
        }
        let blocked = Refusal::TooManyFailures(RetryAfter { seconds: 17 });
        assert_eq!(blocked.retry_after_seconds(), Some(17));
    }

    #[test]
    fn a_refusal_without_an_answer_closes() {
        for &refusal in ONE_OF_EACH {
            assert!(
                refusal.status().is_some() || refusal.closes(),
                "{refusal:?}"
            );
        }
    }

    #[test]
    fn statuses_are_those_of_the_design() {
        for (refusal, status) in [
            (Refusal::AddressRefused, None),
            (Refusal::NotTls, Some(400)),
            (Refusal::Head(HeadFault::TwoFramings), Some(400)),
            (Refusal::Head(HeadFault::RequestLineTooLong), Some(414)),
            (Refusal::Head(HeadFault::TooManyHeaders), Some(431)),
            (Refusal::Head(HeadFault::Expect), Some(417)),
            (Refusal::Login(LoginFault::Encoding), Some(400)),
            (Refusal::Login(LoginFault::FormTooLong), Some(413)),
            (Unauthenticated::NoCredentials.into(), Some(401)),
            (Refusal::RoleForbids, Some(403)),
            (Refusal::HttpsOnly, Some(403)),
            (Refusal::ClientCertificate, Some(403)),
            (Refusal::DeviceRevoked, Some(403)),
            (Refusal::NoSuchDatabase, Some(404)),
            (Refusal::MethodNotAllowed, Some(405)),
            (
                Refusal::TooManyFailures(RetryAfter { seconds: 1 }),
                Some(429),
            ),
            (
                Refusal::DatabaseBudget(RetryAfter { seconds: 1 }),
                Some(429),
            ),
            (Refusal::HashingBusy, Some(503)),
            (Refusal::UpstreamGone, Some(502)),
            (Refusal::UpstreamTimeout, Some(504)),
        ] {
            assert_eq!(refusal.status(), status, "{refusal:?}");
        }
    }

    #[test]
    fn words_for_machines_are_kebab_case_and_reasons_distinct() {
        let kebab = |word: &str| {
            word.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        for &refusal in ONE_OF_EACH {
            assert!(
                kebab(refusal.code()) && kebab(refusal.reason()),
                "{refusal:?}"
            );
            assert!(refusal.message().starts_with("refusal-"), "{refusal:?}");
        }
        let plain = |refusal: &&Refusal| !matches!(refusal, Refusal::Head(_) | Refusal::Login(_));
        let plain: Vec<_> = ONE_OF_EACH
            .iter()
            .filter(plain)
            .map(|refusal| refusal.reason())
            .collect();
        assert_eq!(plain.iter().collect::<HashSet<_>>().len(), plain.len());
    }
}
