//! What a client shows to prove who he is: `Authorization`, a login form, a login query.
//!
//! Shapes: RFC 6750 and 7617, RFC 6749 §4.3 and §6, and what real clients of Mobile SMARTS send
//! beside them: Basic without base64, the grant type behind a colon, the password in the query.
//! Everything is decoded, brought to NFC and measured here, so that nothing long or malformed
//! reaches a hash. A [`Secret`] shows itself neither in `Debug` nor in a fault.
//! Not here: who it is (`password`, `session`), how often he may try (`throttle`).

use std::fmt;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use percent_encoding::percent_decode;
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::password;

/// The largest login form, in bytes.
pub const MAX_FORM_BYTES: usize = 16 * 1024;
/// The longest login name, in characters.
pub const MAX_NAME_CHARS: usize = 256;
/// The longest token looked up, in bytes; ours have 32.
pub const MAX_TOKEN_BYTES: usize = 256;

/// A password, barcode or token: wiped when dropped, compared in constant time, never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself; for hashing and looking up, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The key under which a login name is found: NFC, trimmed, without letter case.
#[must_use]
pub fn login_name(name: &str) -> String {
    // Lower-casing may decompose (İ), so NFC comes last as well.
    let lower: String = name.nfc().flat_map(char::to_lowercase).collect();
    lower.trim().nfc().collect()
}

/// The value of an `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    Bearer(Secret),
    Basic {
        name: String,
        password: Secret,
    },
    /// Bearer or Basic that cannot be read or is too long; nothing is verified.
    Malformed,
    /// Another scheme.
    Other,
}

impl Authorization {
    /// Reads the raw value. A Basic value with a colon is the plain `login:password` that the
    /// vendor documents (base64 has no colon), any other is base64 of it. Both are UTF-8 and end
    /// the name at the first colon.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let value = value.trim_ascii();
        let end = value.iter().position(|&byte| byte == b' ');
        let (scheme, rest) = value.split_at(end.unwrap_or(value.len()));
        let rest = rest.trim_ascii();
        let read = if scheme.eq_ignore_ascii_case(b"bearer") {
            bearer(rest)
        } else if scheme.eq_ignore_ascii_case(b"basic") {
            basic(rest)
        } else {
            return Self::Other;
        };
        read.unwrap_or(Self::Malformed)
    }
}

fn bearer(token: &[u8]) -> Option<Authorization> {
    let short = (1..=MAX_TOKEN_BYTES).contains(&token.len());
    let token = std::str::from_utf8(token).ok()?;
    let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
    (short && visible).then(|| Authorization::Bearer(Secret::new(token.to_owned())))
}

fn basic(value: &[u8]) -> Option<Authorization> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let plain = Zeroizing::new(match value.contains(&b':') {
        true => value.to_vec(),
        false => BASE64.decode(value).ok()?,
    });
    let (name, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    Some(Authorization::Basic {
        name: measured_name(name).ok()?,
        password: measured_secret(password, Field::Password).ok()?,
    })
}

/// What a login asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    Password { name: String, password: Secret },
    PasswordAlone { password: Secret },
    Barcode { barcode: Secret },
    Refresh { token: Secret },
}

/// A field of a login form or query. `client_id`, `client_secret`, `scope` and unknown ones are
/// ignored, as clients send made-up values there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    GrantType,
    Username,
    Password,
    Barcode,
    RefreshToken,
}

impl Field {
    const ALL: [Self; 5] = [
        Self::GrantType,
        Self::Username,
        Self::Password,
        Self::Barcode,
        Self::RefreshToken,
    ];

    /// As on the wire, there in any letter case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GrantType => "grant_type",
            Self::Username => "username",
            Self::Password => "password",
            Self::Barcode => "barcode",
            Self::RefreshToken => "refresh_token",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The login cannot be read; nothing was verified and nothing counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginFault {
    #[error("the form is longer than {MAX_FORM_BYTES} bytes")]
    FormTooLong,
    #[error("the form is not percent-encoded UTF-8")]
    Encoding,
    #[error("{0} occurs twice")]
    Repeated(Field),
    #[error("{0} is missing")]
    Missing(Field),
    #[error("{0} is too long")]
    TooLong(Field),
    #[error("grant_type is none of password, barcode, refresh_token")]
    UnknownGrant,
    #[error("barcode excludes username and password")]
    BarcodeAndPassword,
}

impl Grant {
    /// Reads an `application/x-www-form-urlencoded` body.
    ///
    /// # Errors
    /// A [`LoginFault`]; it holds nothing of the input.
    pub fn from_form(body: &[u8]) -> Result<Self, LoginFault> {
        if body.len() > MAX_FORM_BYTES {
            return Err(LoginFault::FormTooLong);
        }
        let mut fields = Fields::read(body)?;
        let grant = fields.take(Field::GrantType)?;
        let grant = grant.expose().trim();
        let is = |name: &str| grant.eq_ignore_ascii_case(name);
        if is("password") {
            fields.password()
        } else if is("barcode") {
            fields.barcode()
        } else if is("refresh_token") {
            let token = fields.take(Field::RefreshToken)?;
            match token.expose().len() <= MAX_TOKEN_BYTES {
                true => Ok(Self::Refresh { token }),
                false => Err(LoginFault::TooLong(Field::RefreshToken)),
            }
        } else {
            Err(LoginFault::UnknownGrant)
        }
    }

    /// Reads the query of `GET B/session`: `username` and `password`, `password` alone, or
    /// `barcode`.
    ///
    /// # Errors
    /// A [`LoginFault`]; it holds nothing of the input.
    pub fn from_query(query: &str) -> Result<Self, LoginFault> {
        if query.len() > MAX_FORM_BYTES {
            return Err(LoginFault::FormTooLong);
        }
        let mut fields = Fields::read(query.as_bytes())?;
        if fields.barcode.is_none() {
            return fields.password();
        }
        match (&fields.username, &fields.password) {
            (None, None) => fields.barcode(),
            _ => Err(LoginFault::BarcodeAndPassword),
        }
    }
}

/// The known fields, decoded, not yet measured.
#[derive(Default)]
struct Fields {
    grant_type: Option<Secret>,
    username: Option<Secret>,
    password: Option<Secret>,
    barcode: Option<Secret>,
    refresh_token: Option<Secret>,
}

impl Fields {
    fn read(encoded: &[u8]) -> Result<Self, LoginFault> {
        let mut fields = Self::default();
        for pair in encoded.split(|&byte| byte == b'&') {
            // The vendor's own sample misprints `grant_type:refresh_token`.
            let separator = pair
                .iter()
                .position(|&byte| byte == b'=')
                .or_else(|| pair.iter().position(|&byte| byte == b':'));
            let (name, value) = match separator {
                Some(at) => (pair.get(..at), pair.get(at + 1..)),
                None => (Some(pair), None),
            };
            let name = decode(name.unwrap_or_default())?;
            let known = |field: &Field| name.expose().eq_ignore_ascii_case(field.as_str());
            let Some(field) = Field::ALL.into_iter().find(known) else {
                continue;
            };
            let value = decode(value.unwrap_or_default())?;
            if fields.slot(field).replace(value).is_some() {
                return Err(LoginFault::Repeated(field));
            }
        }
        Ok(fields)
    }

    fn slot(&mut self, field: Field) -> &mut Option<Secret> {
        match field {
            Field::GrantType => &mut self.grant_type,
            Field::Username => &mut self.username,
            Field::Password => &mut self.password,
            Field::Barcode => &mut self.barcode,
            Field::RefreshToken => &mut self.refresh_token,
        }
    }

    fn take(&mut self, field: Field) -> Result<Secret, LoginFault> {
        self.slot(field).take().ok_or(LoginFault::Missing(field))
    }

    fn password(&mut self) -> Result<Grant, LoginFault> {
        let password = measured_secret(self.take(Field::Password)?.expose(), Field::Password)?;
        Ok(match &self.username {
            Some(name) => Grant::Password {
                name: measured_name(name.expose())?,
                password,
            },
            None => Grant::PasswordAlone { password },
        })
    }

    fn barcode(&mut self) -> Result<Grant, LoginFault> {
        let barcode = measured_secret(self.take(Field::Barcode)?.expose(), Field::Barcode)?;
        Ok(Grant::Barcode { barcode })
    }
}

fn decode(encoded: &[u8]) -> Result<Secret, LoginFault> {
    let mut rest = encoded;
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        rest = match rest.get(at + 1..) {
            Some([high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            _ => return Err(LoginFault::Encoding),
        };
    }
    let spaced: Zeroizing<Vec<u8>> = Zeroizing::new(
        encoded
            .iter()
            .map(|&byte| if byte == b'+' { b' ' } else { byte })
            .collect(),
    );
    let decoded: Vec<u8> = percent_decode(&spaced).collect();
    match String::from_utf8(decoded) {
        Ok(text) => Ok(Secret::new(text)),
        Err(broken) => {
            drop(Zeroizing::new(broken.into_bytes()));
            Err(LoginFault::Encoding)
        }
    }
}

fn measured_name(name: &str) -> Result<String, LoginFault> {
    let name: String = name.nfc().take(MAX_NAME_CHARS + 1).collect();
    match name.chars().count() <= MAX_NAME_CHARS {
        true => Ok(name),
        false => Err(LoginFault::TooLong(Field::Username)),
    }
}

fn measured_secret(text: &str, field: Field) -> Result<Secret, LoginFault> {
    password::normal(text)
        .map(Secret)
        .ok_or(LoginFault::TooLong(field))
}

#[cfg(test)]
mod tests;
