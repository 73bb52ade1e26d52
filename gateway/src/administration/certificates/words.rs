//! Faults and notes about certificates → sentences with the way out.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use backend_types::Language;
use gateway_certificates::{Fault, Name, Slot, StoreError, judge::Note, store::Replaced};
use http::StatusCode;

use crate::{administration::Refused, certificates, gateway::InstallError, messages};

/// In the language of who asks.
#[derive(Clone, Copy)]
pub(crate) struct Speaker(pub(crate) Language);

impl Speaker {
    fn say(self, key: &str, values: &[(&'static str, &str)]) -> String {
        messages::text(self.0, key, values)
    }

    /// `cert-CODE`; its sentence is `cert-refused-CODE`.
    pub(in crate::administration) fn refuse(
        self,
        code: &str,
        values: &[(&'static str, &str)],
    ) -> Refused {
        let message = self.say(&format!("cert-refused-{code}"), values);
        Refused::new(StatusCode::CONFLICT, &format!("cert-{code}"), message)
    }

    pub(crate) fn note(self, note: &str, values: &[(&'static str, &str)]) -> String {
        self.say(&format!("cert-note-{note}"), values)
    }

    pub(in crate::administration) fn fault(self, fault: &Fault) -> Refused {
        let values = values(fault, self.0);
        let values: Vec<(&'static str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut refused = self.refuse(fault.code(), &values);
        if let Fault::ChainIncomplete { url: Some(url), .. } = fault {
            let place = self.say("cert-chain-url", &[("url", url)]);
            refused.message = format!("{} {place}", refused.message);
        }
        refused
    }

    pub(crate) fn sentence(self, fault: &Fault) -> String {
        self.fault(fault).message
    }

    /// The disk's or OpenSSL's.
    pub(in crate::administration) fn store(self, fault: &StoreError) -> Refused {
        let disk = match fault {
            StoreError::File { file, source } => self.disk(file, source),
            _ => None,
        };
        disk.unwrap_or_else(|| match fault {
            StoreError::Plan { file, .. } => {
                self.refuse("plan-damaged", &[("file", &file.display().to_string())])
            }
            _ => {
                let cause = certificates::store_words(fault, self.0);
                self.refuse("store", &[("cause", &cause)])
            }
        })
    }

    /// What whoever administers the machine mends.
    pub(super) fn disk(self, file: &Path, source: &io::Error) -> Option<Refused> {
        let code = match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "disk-full",
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "disk-denied",
            _ => return None,
        };
        Some(self.refuse(code, &[("file", &file.display().to_string())]))
    }

    pub(in crate::administration) fn install(self, fault: InstallError) -> Refused {
        match fault {
            InstallError::Store(fault) => self.store(&fault),
            InstallError::Change(fault) => Refused::not_in_force(&fault.words(self.0), self.0),
        }
    }

    /// Where the certificate before is kept, and the command that brings it back, if one does: the
    /// roots at which its chain may have ended were never stored.
    pub(super) fn replaced(self, slot: &Slot, replaced: Option<Replaced>) -> Option<String> {
        let Replaced { file, in_force } = replaced?;
        // The command is given in another folder than ours.
        let file = std::path::absolute(&file).unwrap_or(file);
        let place = match slot {
            Slot::Server => "--server".to_owned(),
            Slot::Database(id) => format!("--database {}", id.as_str()),
        };
        if !in_force {
            return Some(self.note(
                "replaced-unusable",
                &[("file", &file.display().to_string())],
            ));
        }
        let file = file.display().to_string().replace('\'', r"'\''");
        let command = format!("gateway cert import '{file}' {place} --chain-incomplete-ok");
        Some(self.note("replaced", &[("command", &command)]))
    }

    pub(crate) fn judged(self, note: &Note) -> String {
        match note {
            Note::SelfSigned => self.note("self-signed", &[]),
            Note::OwnRoot { root } => self.note("own-root", &[("root", root)]),
            Note::ChainIncomplete { issuer } => {
                self.note("chain-incomplete", &[("issuer", issuer)])
            }
            Note::Unused { holder } => self.note("unused", &[("holder", holder)]),
        }
    }
}

fn values(fault: &Fault, language: Language) -> Vec<(&'static str, String)> {
    let holder = |holder: &String| ("holder", holder.clone());
    let day = |seconds: i64| messages::moment(seconds, language);
    match fault {
        Fault::TooLarge { file }
        | Fault::TooSlow { file }
        | Fault::UnknownFormat { file }
        | Fault::Damaged { file }
        | Fault::PasswordNeeded { file }
        | Fault::WrongPassword { file }
        | Fault::UnknownCipher { file } => vec![("file", file.clone())],
        Fault::NoCertificate | Fault::RequestInstead => Vec::new(),
        Fault::NoKey { holder: whose }
        | Fault::KeyMismatch { holder: whose }
        | Fault::Authority { holder: whose }
        | Fault::NotForServers { holder: whose }
        | Fault::NoNames { holder: whose } => vec![holder(whose)],
        Fault::TwoOfAKind { first, second } => {
            vec![("first", first.clone()), ("second", second.clone())]
        }
        Fault::Expired {
            holder: whose,
            until,
        } => vec![holder(whose), ("until", day(*until))],
        Fault::NotYet {
            holder: whose,
            from,
        } => vec![holder(whose), ("from", day(*from))],
        Fault::WeakKey { holder: whose, key } | Fault::OddKey { holder: whose, key } => {
            vec![holder(whose), ("key", key.clone())]
        }
        Fault::WeakSignature {
            holder: whose,
            algorithm,
        } => vec![holder(whose), ("algorithm", algorithm.clone())],
        Fault::WrongName { missing, names } => vec![
            ("missing", Name::listed(missing)),
            ("names", Name::listed(names)),
        ],
        Fault::ChainIncomplete { of, issuer, url: _ } => {
            vec![("of", of.clone()), ("issuer", issuer.clone())]
        }
        Fault::ChainRefused {
            holder: whose,
            of,
            cause,
        } => vec![holder(whose), ("of", of.clone()), ("cause", cause.clone())],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gateway_certificates::authority::AuthorityError;
    use harness::document;

    use super::*;

    /// Those that are not of a certificate itself.
    const OTHERS: [&str; 28] = [
        "authority-damaged",
        "beside-renewed",
        "disk-denied",
        "disk-full",
        "files",
        "names-needed",
        "no-such-request",
        "nothing",
        "one-key",
        "plan-damaged",
        "store",
        "too-many-requests",
        "two-keys",
        "no-root",
        "root-exists",
        "root-exists-for",
        "root-incomplete",
        "root-lost",
        "root-key-away",
        "no-passphrase",
        "wrong-root-key",
        "not-permitted",
        "no-permitted-name",
        "root-ended",
        "authority-failed",
        "device-name",
        "device-days",
        "no-such-device",
    ];

    fn one_of_each() -> Vec<Fault> {
        let file = || "gate.pfx".to_owned();
        let holder = || "gate.example.ru".to_owned();
        let other = || "Lower CA".to_owned();
        let names = || vec!["192.0.2.1".parse().unwrap()];
        vec![
            Fault::TooLarge { file: file() },
            Fault::TooSlow { file: file() },
            Fault::UnknownFormat { file: file() },
            Fault::Damaged { file: file() },
            Fault::PasswordNeeded { file: file() },
            Fault::WrongPassword { file: file() },
            Fault::UnknownCipher { file: file() },
            Fault::NoCertificate,
            Fault::RequestInstead,
            Fault::NoKey { holder: holder() },
            Fault::KeyMismatch { holder: holder() },
            Fault::TwoOfAKind {
                first: holder(),
                second: other(),
            },
            Fault::Authority { holder: holder() },
            Fault::NotForServers { holder: holder() },
            Fault::Expired {
                holder: holder(),
                until: 0,
            },
            Fault::NotYet {
                holder: holder(),
                from: 0,
            },
            Fault::WeakKey {
                holder: holder(),
                key: "RSA 1024".to_owned(),
            },
            Fault::OddKey {
                holder: holder(),
                key: "Ed25519".to_owned(),
            },
            Fault::WeakSignature {
                holder: holder(),
                algorithm: "sha1WithRSAEncryption".to_owned(),
            },
            Fault::NoNames { holder: holder() },
            Fault::WrongName {
                missing: names(),
                names: Vec::new(),
            },
            Fault::ChainRefused {
                holder: holder(),
                of: other(),
                cause: "invalid CA certificate".to_owned(),
            },
            Fault::ChainIncomplete {
                of: holder(),
                issuer: other(),
                url: Some("http://ca.example.ru/lower.cer".to_owned()),
            },
        ]
    }

    #[test]
    fn every_fault_has_its_code_and_a_sentence_that_names_what_it_is_about() {
        for language in Language::ALL {
            let mut sentences = BTreeSet::new();
            for fault in one_of_each() {
                let Refused { code, message, .. } = Speaker(language).fault(&fault);
                assert_eq!(code, format!("cert-{}", fault.code()));
                for (name, value) in values(&fault, language) {
                    assert!(message.contains(&value), "{code}: {name} in {message}");
                }
                assert!(!message.contains("cert-refused"), "{code}: {message}");
                assert!(sentences.insert(message), "{code}: a sentence of its own");
            }
        }
    }

    #[test]
    fn the_catalogue_has_the_faults_that_there_are_and_no_other() {
        let known = document::messages(messages::tests::EN_TEXTS);
        let known = known
            .into_keys()
            .filter_map(|key| Some(key.strip_prefix("cert-refused-")?.to_owned()));
        let faults = one_of_each();
        let faults = faults.iter().map(|fault| fault.code());
        let all: BTreeSet<String> = faults.chain(OTHERS).map(str::to_owned).collect();
        assert_eq!(known.collect::<BTreeSet<_>>(), all);
    }

    #[test]
    fn a_full_disk_is_told_without_the_words_of_an_engineer() {
        let full = || io::Error::new(ErrorKind::StorageFull, "No space left on device");
        let file = || "data/tls/server/plan.json".into();
        let source = full();
        let store = Speaker(Language::Ru).store(&StoreError::File {
            file: file(),
            source,
        });
        let (file, source) = (file(), full());
        let authority = AuthorityError::File { file, source };
        let authority = Speaker(Language::Ru).authority(&authority);
        for Refused { code, message, .. } in [store, authority] {
            assert_eq!(code, "cert-disk-full");
            assert!(message.contains("data/tls/server/plan.json"), "{message}");
            assert!(!message.contains("space"), "{message}");
        }
    }

    #[test]
    fn where_a_missing_certificate_lies_is_told() {
        let fault = one_of_each().pop().unwrap();
        let message = Speaker(Language::Ru).fault(&fault).message;
        assert!(
            message.contains("http://ca.example.ru/lower.cer"),
            "{message}"
        );
    }
}
