//! What a path means: which database, whether it is a login endpoint, and what the rights check
//! may read in it.
//!
//! Three readings, each strict in its own way, and one loose on purpose ([`may_be_login`]). [`split_database`] cuts `/{id}` on the server port
//! and leaves the rest byte for byte. [`Place::of`] compares the raw path with a literal set, so
//! no other spelling is ever served without login (attack class T2). [`Judged::of`] decodes for
//! the rights check and gives up where an upstream might read another path than it does (T1).
//!
//! Bases are those of the vendor: `/api/v1`, also behind `/MobileSMARTS`, in any letter case.

use std::borrow::Cow;

use backend_types::DatabaseId;
use percent_encoding::percent_decode_str;

/// On the server port: the database named by the first segment, and the target that remains.
///
/// `/{id}/api/v1?x` becomes `/api/v1?x`; `/{id}` and `/{id}?x` become `/` and `/?x`. `None` where
/// the segment is no database id: ids have no characters to escape, so an escaped one is none.
#[must_use]
pub fn split_database(target: &str) -> Option<(DatabaseId, Cow<'_, str>)> {
    let target = target.strip_prefix('/')?;
    let end = target.find(['/', '?']).unwrap_or(target.len());
    let (id, rest) = target.split_at_checked(end)?;
    let rest = match rest {
        "" => Cow::Borrowed("/"),
        _ if rest.starts_with('/') => Cow::Borrowed(rest),
        _ => Cow::Owned(format!("/{rest}")),
    };
    Some((id.parse().ok()?, rest))
}

/// Where in a database a raw path (without query) leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// `/`: the page for people.
    Human,
    /// `B/session`.
    Session,
    /// `/api/session`, as the vendor's page heads it.
    ApiSession,
    /// `/oauth/token`, also under `B`.
    OauthToken,
    /// `B/connect/token`.
    ConnectToken,
    /// `B/.well-known/openid-configuration`.
    OpenIdConfiguration,
    /// Below `B`: what follows it, empty or beginning with `/`; still to be [`Judged`].
    Api(&'a str),
    /// Outside every base.
    Other,
}

impl<'a> Place<'a> {
    #[must_use]
    pub fn of(path: &'a str) -> Self {
        if path == "/" {
            return Self::Human;
        }
        let inside = after(path, "/MobileSMARTS").unwrap_or(path);
        let Some(api) = after(inside, "/api") else {
            return match inside {
                "/oauth/token" => Self::OauthToken,
                _ => Self::Other,
            };
        };
        match (api, after(api, "/v1")) {
            ("/session", _) => Self::ApiSession,
            (_, Some("/session")) => Self::Session,
            (_, Some("/oauth/token")) => Self::OauthToken,
            (_, Some("/connect/token")) => Self::ConnectToken,
            (_, Some("/.well-known/openid-configuration")) => Self::OpenIdConfiguration,
            (_, Some(rest)) => Self::Api(rest),
            (_, None) => Self::Other,
        }
    }

    /// Whether credentials are taken or given back here.
    #[must_use]
    pub fn is_login(self) -> bool {
        match self {
            Self::Session | Self::ApiSession | Self::OauthToken | Self::ConnectToken => true,
            Self::Human | Self::OpenIdConfiguration | Self::Api(_) | Self::Other => false,
        }
    }
}

/// Whether any server, however carelessly it reads, could take a raw path for a login endpoint:
/// those of [`Place::is_login`], and every spelling of them that decodes, folds or climbs.
///
/// Where the existing server judges, `/api/v1/%73ession` takes passwords as well as
/// `/api/v1/session` does; guesses at either must count. Where the gateway judges, such a
/// spelling is no login endpoint and needs none.
#[must_use]
pub fn may_be_login(path: &str) -> bool {
    let once = percent_decode_str(path).decode_utf8_lossy();
    let twice = percent_decode_str(&once).decode_utf8_lossy();
    let path = twice.to_ascii_lowercase().replace('\\', "/");
    let end = path.find(['?', '#', '\0']).unwrap_or(path.len());
    let mut kept: Vec<&str> = Vec::new();
    for piece in path.get(..end).unwrap_or_default().split('/') {
        let piece = piece.split(';').next().unwrap_or_default().trim();
        match (piece, piece.trim_end_matches(['.', ' '])) {
            ("..", _) => drop(kept.pop()),
            (_, "") => {}
            (_, name) => kept.push(name),
        }
    }
    Place::of(&format!("/{}", kept.join("/"))).is_login()
}

/// What follows a whole segment, in any letter case.
fn after<'a>(path: &'a str, segment: &str) -> Option<&'a str> {
    let (start, rest) = path.split_at_checked(segment.len())?;
    let whole = rest.is_empty() || rest.starts_with('/');
    (whole && start.eq_ignore_ascii_case(segment)).then_some(rest)
}

/// A path that every upstream reads alike, decoded for the rights check.
///
/// OData splits at `/` before it decodes, and keys may hold anything between single quotes:
/// `Docs('a%2Fb')` is one segment with the key `a/b`. Servers that decode first see a slash there,
/// which is harmless as long as none of the pieces between slashes is empty or climbs. So inside
/// quotes (`'` or `%27`, doubled to stand for itself) `%2F`, `%3F`, `%23` and `;` are allowed;
/// outside they are not. Refused everywhere: invalid escapes and UTF-8, control characters, `\`,
/// what is still an escape after decoding once (`%252e`), empty segments but a last one, quotes
/// that do not close in their segment, and pieces of dots and spaces alone (`..`, `%2e%2e`,
/// `..;`, `.. `).
///
/// Letter case stays: a reader who ignores it finds in `users` what `rights` never allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged<'a> {
    segments: Vec<Cow<'a, str>>,
    ends_in_slash: bool,
}

impl<'a> Judged<'a> {
    /// Reads a raw path that is empty or begins with `/`, or the rest in [`Place::Api`]. `None`:
    /// ambiguous, to be refused.
    #[must_use]
    pub fn of(path: &'a str) -> Option<Self> {
        let mut raw: Vec<&str> = path.split('/').collect();
        if raw.first() != Some(&"") {
            return None;
        }
        let ends_in_slash = raw.len() > 1 && raw.pop_if(|last| last.is_empty()).is_some();
        let segments = raw
            .into_iter()
            .skip(1)
            .map(segment)
            .collect::<Option<_>>()?;
        Some(Self {
            segments,
            ends_in_slash,
        })
    }

    /// The segments, decoded; a key's slash stays inside its segment.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.segments.iter().map(AsRef::as_ref)
    }

    /// The whole path, decoded, for rules by prefix.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path: String = self.segments().flat_map(|segment| ["/", segment]).collect();
        if self.ends_in_slash {
            path.push('/');
        }
        path
    }
}

fn segment(raw: &str) -> Option<Cow<'_, str>> {
    let mut decoded = Vec::new();
    let mut quoted = false;
    let mut rest = raw.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, escaped, after) = match (first, after) {
            (b'%', &[high, low, ref after @ ..]) => (hex(high)? << 4 | hex(low)?, true, after),
            (b'%', _) => return None,
            _ => (first, false, after),
        };
        let legal = match byte {
            b'\'' => {
                quoted = !quoted;
                true
            }
            b'\\' => false,
            b'/' | b'?' | b'#' if escaped => quoted,
            b';' => quoted,
            _ => !byte.is_ascii_control(),
        };
        if !legal {
            return None;
        }
        decoded.push(byte);
        rest = after;
    }
    let decoded = String::from_utf8(decoded).ok()?;
    let plain = !quoted && !has_escape(&decoded) && decoded.split('/').all(stays);
    plain.then(|| {
        if decoded == raw {
            Cow::Borrowed(raw)
        } else {
            Cow::Owned(decoded)
        }
    })
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

fn has_escape(decoded: &str) -> bool {
    let bytes = decoded.as_bytes().windows(3);
    bytes.into_iter().any(|window| match *window {
        [b'%', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

/// Whether a piece neither vanishes nor climbs when somebody normalises the path.
fn stays(piece: &str) -> bool {
    let name = piece.split(';').next().unwrap_or_default();
    !name.trim_matches(['.', ' ']).is_empty()
}

#[cfg(test)]
mod tests;
