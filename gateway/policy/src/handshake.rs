//! Why a TLS handshake failed, in words that somebody can act on.
//!
//! What was seen (the first bytes, the client's alert, OpenSSL's reason, whom the client called and
//! what the certificate is good for) makes one of a bounded set of causes. Clients say little: many
//! call an unknown issuer, a wrong name and a wrong clock by one alert, and some leave without one;
//! so what was seen beside the alert counts too. Nothing is decided by it.

pub mod extension;
mod greeting;

pub use greeting::{Greeting, Hello, TlsVersion, is_host};

/// Alerts of TLS (RFC 8446, 6).
mod alert {
    pub(super) const CLOSE_NOTIFY: u8 = 0;
    pub(super) const HANDSHAKE_FAILURE: u8 = 40;
    pub(super) const BAD_CERTIFICATE: u8 = 42;
    pub(super) const UNSUPPORTED_CERTIFICATE: u8 = 43;
    pub(super) const CERTIFICATE_REVOKED: u8 = 44;
    pub(super) const CERTIFICATE_EXPIRED: u8 = 45;
    pub(super) const CERTIFICATE_UNKNOWN: u8 = 46;
    pub(super) const UNKNOWN_CA: u8 = 48;
    pub(super) const ACCESS_DENIED: u8 = 49;
    pub(super) const PROTOCOL_VERSION: u8 = 70;
    pub(super) const INSUFFICIENT_SECURITY: u8 = 71;
    pub(super) const USER_CANCELED: u8 = 90;
    pub(super) const NO_APPLICATION_PROTOCOL: u8 = 120;
}

/// What a failed handshake is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeFault {
    /// HTTP without TLS; the client is told so in plain text.
    PlainHttp,
    /// The client does not know who has signed the certificate.
    UnknownAuthority,
    /// The client does not accept the certificate and does not say why.
    CertificateNotAccepted,
    /// The client calls the server by a name that the certificate does not have.
    NameMismatch,
    /// The client takes a certificate in force for an expired one: its clock is wrong.
    CertificateExpired,
    TooOldTls,
    NoCommonCipher,
    NoCommonProtocol,
    ClientCertificateMissing,
    ClientCertificateRefused,
    /// Connected, and said nothing.
    Silent,
    /// Began, and did not come to the end.
    TimedOut,
    /// Broke off in the middle.
    ClientGone,
    /// Was shown a certificate for the first time, and left without a request and without an alert.
    LeftAfterHandshake,
    /// Connected, and left without a byte: whoever looks for open ports.
    ClosedAtOnce,
    /// No TLS, and nothing else that is known.
    Garbage,
    /// Ours.
    Setup,
    Other,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By the limit, nothing had come.
    Silent,
    /// By the client, nothing had come.
    ClosedAtOnce,
    /// By us: what came is no TLS.
    NotTls,
    /// By the limit.
    TimedOut,
    /// By the client, or the network.
    Gone,
    /// By an alert of the client.
    Alert(u8),
    /// By OpenSSL, with its reason.
    Library(i32),
    /// It could not begin.
    Setup,
    /// It was complete, the certificate was shown, and the client left without a request.
    Left,
}

/// The certificate that was shown, or would have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// It is good for the name that the client called; nobody asked counts as good.
    pub covers_the_called: bool,
    /// It is good for some IP address.
    pub has_addresses: bool,
    /// Nobody but itself vouches for it.
    pub self_signed: bool,
}

impl HandshakeFault {
    pub const ALL: [Self; 18] = [
        Self::PlainHttp,
        Self::UnknownAuthority,
        Self::CertificateNotAccepted,
        Self::NameMismatch,
        Self::CertificateExpired,
        Self::TooOldTls,
        Self::NoCommonCipher,
        Self::NoCommonProtocol,
        Self::ClientCertificateMissing,
        Self::ClientCertificateRefused,
        Self::Silent,
        Self::TimedOut,
        Self::ClientGone,
        Self::LeftAfterHandshake,
        Self::ClosedAtOnce,
        Self::Garbage,
        Self::Setup,
        Self::Other,
    ];

    /// `shown`: none where it never came to a certificate.
    #[must_use]
    pub fn of(end: End, greeting: Greeting<'_>, shown: Option<Shown>) -> Self {
        match (end, greeting) {
            (End::Silent, _) => return Self::Silent,
            (End::ClosedAtOnce, _) => return Self::ClosedAtOnce,
            (End::Setup, _) => return Self::Setup,
            (_, Greeting::Http) => return Self::PlainHttp,
            (_, Greeting::Garbage | Greeting::NoHello) => return Self::Garbage,
            (_, Greeting::None | Greeting::Tls(_)) => {}
        }
        let hello = greeting.hello();
        let called_otherwise =
            hello.server_name.is_some() && shown.is_some_and(|shown| !shown.covers_the_called);
        // Who calls nobody has dialled an address.
        let dialled_otherwise =
            hello.server_name.is_none() && shown.is_some_and(|shown| !shown.has_addresses);
        let self_signed = shown.is_some_and(|shown| shown.self_signed);
        match end {
            End::Alert(number) => match number {
                alert::CERTIFICATE_EXPIRED => Self::CertificateExpired,
                alert::UNKNOWN_CA => Self::UnknownAuthority,
                alert::BAD_CERTIFICATE
                | alert::UNSUPPORTED_CERTIFICATE
                | alert::CERTIFICATE_REVOKED
                | alert::CERTIFICATE_UNKNOWN
                | alert::ACCESS_DENIED => {
                    if called_otherwise || dialled_otherwise {
                        Self::NameMismatch
                    } else if self_signed {
                        Self::UnknownAuthority
                    } else {
                        Self::CertificateNotAccepted
                    }
                }
                alert::HANDSHAKE_FAILURE | alert::INSUFFICIENT_SECURITY => Self::NoCommonCipher,
                alert::NO_APPLICATION_PROTOCOL => Self::NoCommonProtocol,
                alert::PROTOCOL_VERSION if hello.offered < Some(TlsVersion::Tls12) => {
                    Self::TooOldTls
                }
                alert::CLOSE_NOTIFY | alert::USER_CANCELED => Self::ClientGone,
                _ => Self::Other,
            },
            End::Library(reason) => Self::of_library(reason),
            End::TimedOut => Self::TimedOut,
            End::Gone => Self::ClientGone,
            End::Left if called_otherwise => Self::NameMismatch,
            End::Left => Self::LeftAfterHandshake,
            End::NotTls => Self::Garbage,
            End::Silent => Self::Silent,
            End::ClosedAtOnce => Self::ClosedAtOnce,
            End::Setup => Self::Setup,
        }
    }

    /// By the number, which OpenSSL keeps (`sslerr.h`); its words have changed.
    fn of_library(reason: i32) -> Self {
        match reason {
            // unknown protocol (SSL 2 itself), unsupported protocol, version too low, inappropriate
            // fallback
            252 | 258 | 396 | 373 => Self::TooOldTls,
            // no shared cipher, no suitable signature algorithm, digest, key share, groups; no shared
            // groups, signature algorithms
            193 | 118 | 297 | 101 | 295 | 410 | 376 => Self::NoCommonCipher,
            235 => Self::NoCommonProtocol,
            199 => Self::ClientCertificateMissing,
            // certificate verify failed
            134 => Self::ClientCertificateRefused,
            // http request, https proxy request
            156 | 155 => Self::PlainHttp,
            // unexpected eof while reading
            294 => Self::ClientGone,
            // Lengths that do not add up, versions and messages that are none.
            103 | 110 | 111 | 115 | 146 | 152 | 159 | 160 | 182 | 183 | 187 | 198 | 213 | 240
            | 244 | 245 | 267 | 271 | 298 | 313 | 332 | 404 | 443 => Self::Garbage,
            _ => Self::Other,
        }
    }

    /// As in the log, in metrics and in `why`.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::PlainHttp => "plain-http",
            Self::UnknownAuthority => "unknown-authority",
            Self::CertificateNotAccepted => "certificate-not-accepted",
            Self::NameMismatch => "name-mismatch",
            Self::CertificateExpired => "certificate-expired",
            Self::TooOldTls => "too-old-tls",
            Self::NoCommonCipher => "no-common-cipher",
            Self::NoCommonProtocol => "no-common-protocol",
            Self::ClientCertificateMissing => "client-certificate-missing",
            Self::ClientCertificateRefused => "client-certificate-refused",
            Self::Silent => "silent",
            Self::TimedOut => "timed-out",
            Self::ClientGone => "client-gone",
            Self::LeftAfterHandshake => "left-after-handshake",
            Self::ClosedAtOnce => "closed-at-once",
            Self::Garbage => "garbage",
            Self::Setup => "setup",
            Self::Other => "other",
        }
    }

    /// What scanners and monitors do all day: counted, and told on request only.
    #[must_use]
    pub fn is_noise(self) -> bool {
        matches!(self, Self::Silent | Self::ClosedAtOnce | Self::Garbage)
    }
}

#[cfg(test)]
mod tests;
