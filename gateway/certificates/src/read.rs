//! Files as authorities, Windows and people make them → the certificates and keys in them.
//!
//! PEM with anything around it, in any encoding that Notepad writes, on one line or many; DER;
//! PFX/P12, also what Windows packed with RC2 and 3DES; PKCS#7. What a block is called does not
//! matter, its bytes say what it is. Nothing is judged here.

mod iterations;

use std::cell::Cell;

use openssl::{
    base64,
    error::ErrorStack,
    pkcs7::Pkcs7,
    pkcs12::{ParsedPkcs12_2, Pkcs12},
    pkey::{PKey, Private},
    provider::Provider,
    x509::{X509, X509Req},
};
use zeroize::Zeroizing;

use crate::Fault;

/// A file as it was given, under the name that its fault is told by.
pub struct Given {
    pub name: String,
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Given {
    #[must_use]
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            bytes: Zeroizing::new(bytes),
        }
    }
}

/// What was in the files, in their order.
#[derive(Default)]
pub struct Found {
    pub certificates: Vec<X509>,
    pub keys: Vec<PKey<Private>>,
    /// Signing requests: no certificates, but easily taken for one.
    pub requests: usize,
}

/// In bytes, of all files together; the bundle of all public roots has a quarter of it.
const FILE_LIMIT: usize = 1024 * 1024;
/// Of a password, in all files together: several seconds. Windows takes some thousands, careful
/// people a million.
const ITERATIONS: u64 = 10_000_000;
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Blocks that say nothing about certificate or key.
const OTHERS: [&str; 4] = ["PARAMETERS", "CRL", "PUBLIC KEY", "COMMENT"];
/// OIDs of encryption by password: PKCS#5 (1.2.840.113549.1.5) and PKCS#12 (…1.12.1).
const BY_PASSWORD: [&[u8]; 2] = [
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x05",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01",
];

/// Everything in `files`; the password is tried where one is needed.
pub fn read(files: &[Given], password: Option<&str>) -> Result<Found, Fault> {
    let mut found = Found::default();
    let (mut room, iterations) = (FILE_LIMIT, Cell::new(ITERATIONS));
    for given in files {
        let file = File {
            name: &given.name,
            password,
            iterations: &iterations,
        };
        let left = room.checked_sub(given.bytes.len());
        room = left.ok_or_else(|| file.fault(|file| Fault::TooLarge { file }))?;
        file.read(&given.bytes, &mut found)?;
    }
    Ok(found)
}

struct File<'a> {
    name: &'a str,
    password: Option<&'a str>,
    /// So many more are done.
    iterations: &'a Cell<u64>,
}

impl File<'_> {
    fn fault(&self, of: impl FnOnce(String) -> Fault) -> Fault {
        of(self.name.to_owned())
    }

    fn read(&self, bytes: &[u8], found: &mut Found) -> Result<(), Fault> {
        let text = text(bytes);
        if text.contains(BEGIN) {
            return self.blocks(&text, found);
        }
        let unknown = || self.fault(|file| Fault::UnknownFormat { file });
        let der = match bare_base64(&text) {
            Some(der) => self.der(&der, found)?,
            None => self.der(bytes, found)?,
        };
        der.then_some(()).ok_or_else(unknown)
    }

    /// PEM. Text before, between and behind is somebody's note.
    fn blocks(&self, text: &str, found: &mut Found) -> Result<(), Fault> {
        let damaged = || self.fault(|file| Fault::Damaged { file });
        for block in text.split(BEGIN).skip(1) {
            let (label, rest) = block.split_once(DASHES).ok_or_else(damaged)?;
            let (body, _) = rest.split_once(END).ok_or_else(damaged)?;
            if OTHERS.iter().any(|other| label.ends_with(other)) {
                continue;
            }
            if body.contains("DEK-Info:") {
                found.keys.push(self.old_key(label, body)?);
                continue;
            }
            let der = decoded(body).ok_or_else(damaged)?;
            if !self.der(&der, found)? {
                return Err(damaged());
            }
        }
        Ok(())
    }

    /// Whether the bytes are anything of ours.
    fn der(&self, der: &[u8], found: &mut Found) -> Result<bool, Fault> {
        if let Ok(certificate) = X509::from_der(der) {
            found.certificates.push(certificate);
        } else if is_encrypted_key(der) {
            self.is_affordable(der)?;
            let open =
                |password: &str| PKey::private_key_from_pkcs8_passphrase(der, password.as_bytes());
            found.keys.push(self.opened(open)?);
        } else if let Ok(key) = PKey::private_key_from_der(der) {
            found.keys.push(key);
        } else if X509Req::from_der(der).is_ok() {
            found.requests += 1;
        } else if let Some(packed) = Pkcs7::from_der(der)
            .ok()
            .filter(|one| one.signed().is_some())
        {
            let certificates = packed.signed().and_then(|signed| signed.certificates());
            let certificates = certificates.into_iter().flatten();
            found
                .certificates
                .extend(certificates.map(|one| one.to_owned()));
        } else if let Ok(packed) = Pkcs12::from_der(der) {
            self.is_affordable(der)?;
            let ParsedPkcs12_2 { pkey, cert, ca } = self.opened(|word| packed.parse2(word))?;
            found.keys.extend(pkey);
            found.certificates.extend(cert);
            found.certificates.extend(ca.into_iter().flatten());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn is_affordable(&self, der: &[u8]) -> Result<(), Fault> {
        let left = self.iterations.get().checked_sub(iterations::wished(der));
        let left = left.ok_or_else(|| self.fault(|file| Fault::TooSlow { file }))?;
        self.iterations.set(left);
        Ok(())
    }

    /// A key as OpenSSL encrypted it before PKCS#8: its headers are lines of their own.
    fn old_key(&self, label: &str, body: &str) -> Result<PKey<Private>, Fault> {
        let (headers, data): (Vec<&str>, Vec<&str>) = body
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .partition(|line| line.contains(':'));
        let (headers, data) = (headers.join("\n"), data.join("\n"));
        let pem = format!("{BEGIN}{label}{DASHES}\n{headers}\n\n{data}\n{END}{label}{DASHES}\n");
        self.opened(|word| PKey::private_key_from_pem_passphrase(pem.as_bytes(), word.as_bytes()))
    }

    /// With the password given, else without one: many leave it empty.
    fn opened<T>(&self, open: impl Fn(&str) -> Result<T, ErrorStack>) -> Result<T, Fault> {
        let given = self.password.map(|word| with_old_ciphers(|| open(word)));
        let fault = match given {
            Some(Ok(opened)) => return Ok(opened),
            given => given.and_then(Result::err),
        };
        let without = match with_old_ciphers(|| open("")) {
            Ok(opened) => return Ok(opened),
            Err(without) => without,
        };
        let fault = fault.unwrap_or(without);
        Err(self.fault(|file| match self.password {
            _ if is_unsupported(&fault) => Fault::UnknownCipher { file },
            Some(_) => Fault::WrongPassword { file },
            None => Fault::PasswordNeeded { file },
        }))
    }
}

/// Windows and OpenSSL before 3.0 packed with RC2, which OpenSSL keeps apart by now: it is there
/// only while such a file is read.
fn with_old_ciphers<T>(read: impl Fn() -> Result<T, ErrorStack>) -> Result<T, ErrorStack> {
    match read() {
        Err(fault) if is_unsupported(&fault) => {
            let _old_ciphers = Provider::try_load(None, "legacy", true)?;
            read()
        }
        done => done,
    }
}

fn is_unsupported(fault: &ErrorStack) -> bool {
    let reasons = fault.errors().iter().filter_map(|one| one.reason());
    reasons.into_iter().any(|reason| {
        let reason = reason.to_ascii_lowercase();
        reason.contains("unsupported") || reason.contains("unknown cipher")
    })
}

/// PKCS#8, encrypted: the algorithm comes first.
fn is_encrypted_key(der: &[u8]) -> bool {
    let head = der.get(..der.len().min(24)).unwrap_or_default();
    BY_PASSWORD
        .iter()
        .any(|oid| head.windows(oid.len()).any(|part| part == *oid))
}

/// UTF-16 where its mark says so; else UTF-8, and what is not is a note in another encoding.
fn text(bytes: &[u8]) -> Zeroizing<String> {
    let wide = |rest: &[u8], word: fn([u8; 2]) -> u16| {
        let pairs = rest.chunks_exact(2).filter_map(|pair| pair.try_into().ok());
        String::from_utf16_lossy(&pairs.map(word).collect::<Vec<u16>>())
    };
    Zeroizing::new(match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    })
}

/// Base64 without its BEGIN and END.
fn bare_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim_start_matches('\u{feff}');
    let legal = |c: char| c.is_ascii_alphanumeric() || "+/= \t\r\n".contains(c);
    text.chars().all(legal).then(|| decoded(text)).flatten()
}

fn decoded(body: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Where a PEM was carried in a string, its line ends are two characters each.
    let body = body.replace("\\r", "").replace("\\n", "");
    let body: Zeroizing<String> = body.split_whitespace().collect::<String>().into();
    let der = base64::decode_block(&body).ok().map(Zeroizing::new);
    der.filter(|der| !der.is_empty())
}

#[cfg(test)]
mod tests;
