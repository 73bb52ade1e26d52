//! What is wrong, where, and the words for it.

use std::fmt;

use crate::{Language, tree::Mark};

fluent_templates::static_loader! {
    static MESSAGES = {
        locales: "./src/messages",
        fallback_language: "en",
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// Whether a file with this finding comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does not; or, of a certificate's files, it does without the ports that need them.
    Fault,
    /// It does; `check --strict` refuses it, and `status` repeats it.
    Warning,
}

/// One fault or warning with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// `databases[0].port`; empty for the file as a whole.
    pub path: String,
    pub cause: Cause,
    /// What would be legal here; empty where the cause says it.
    pub allowed: Vec<String>,
    /// The legal word that was probably meant.
    pub nearest: Option<String>,
}

impl Finding {
    pub(crate) fn new(file: &str, mark: Mark, path: &str, cause: Cause) -> Self {
        Self {
            file: file.to_owned(),
            line: mark.line,
            column: mark.column,
            path: path.to_owned(),
            cause,
            allowed: Vec::new(),
            nearest: None,
        }
    }

    #[must_use]
    pub fn severity(&self) -> Severity {
        self.cause.severity()
    }

    /// One line: `file:line:column: path: message`.
    #[must_use]
    pub fn render(&self, language: Language) -> String {
        let path = match self.path.as_str() {
            "" => String::new(),
            path => format!("{path}: "),
        };
        let mut message = self.cause.render(language);
        if let Some(nearest) = &self.nearest {
            message += "; ";
            message += &say(language, "did-you-mean", &[("nearest", nearest)]);
        }
        if !self.allowed.is_empty() {
            message += if self.nearest.is_some() { " " } else { "; " };
            message += &say(
                language,
                "allowed",
                &[("allowed", &self.allowed.join(", "))],
            );
        }
        // What was typed in the file stands in the message; it must not break the line.
        let message = message.replace(char::is_control, " ");
        format!(
            "{}:{}:{}: {path}{message}",
            self.file, self.line, self.column
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Language::En))
    }
}

/// Faults kept, and as many warnings; the rest is counted.
const MOST: usize = 1000;

/// The findings of one file while it is read.
pub(crate) struct Findings {
    file: String,
    faults: Vec<Finding>,
    warnings: Vec<Finding>,
    more_faults: usize,
    more_warnings: usize,
}

impl Findings {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            faults: Vec::new(),
            warnings: Vec::new(),
            more_faults: 0,
            more_warnings: 0,
        }
    }

    pub(crate) fn add(&mut self, mark: Mark, path: &str, cause: Cause) {
        self.add_choice(mark, path, cause, None, Vec::new);
    }

    /// With what would be legal, and what of it was probably meant.
    pub(crate) fn add_choice(
        &mut self,
        mark: Mark,
        path: &str,
        cause: Cause,
        nearest: Option<&str>,
        allowed: impl FnOnce() -> Vec<String>,
    ) {
        let (found, more) = match cause.severity() {
            Severity::Fault => (&mut self.faults, &mut self.more_faults),
            Severity::Warning => (&mut self.warnings, &mut self.more_warnings),
        };
        if found.len() == MOST {
            *more += 1;
            return;
        }
        let mut finding = Finding::new(&self.file, mark, path, cause);
        finding.nearest = nearest.map(str::to_owned);
        finding.allowed = allowed();
        found.push(finding);
    }

    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// As they stand in the file.
    pub(crate) fn in_order(self) -> Vec<Finding> {
        let mut found = self.faults;
        found.extend(self.warnings);
        found.sort_by_key(|finding| (finding.line, finding.column));
        let end = found
            .last()
            .map_or(Mark::START, |last| Mark::new(last.line, last.column));
        for (count, more) in [
            (
                self.more_faults,
                (|count| Cause::MoreFaults { count }) as fn(String) -> Cause,
            ),
            (self.more_warnings, |count| Cause::MoreWarnings { count }),
        ] {
            if count > 0 {
                found.push(Finding::new(&self.file, end, "", more(count.to_string())));
            }
        }
        found
    }
}

pub(crate) fn say(language: Language, id: &str, arguments: &[(&'static str, &str)]) -> String {
    words::text(&MESSAGES, language, id, arguments)
}

/// What stands in the place of an argument, in the reader's language.
trait Argument {
    fn told(&self, language: Language) -> String;
}

impl Argument for String {
    fn told(&self, _same_in_all: Language) -> String {
        self.clone()
    }
}

impl Argument for words::Cause {
    fn told(&self, language: Language) -> String {
        self.words(language)
    }
}

/// One line a cause: severity, name, arguments of its message, id of its message. An argument is
/// a text unless its type is said.
macro_rules! causes {
    (@type) => { String };
    (@type $kind:ty) => { $kind };
    ($($severity:ident $name:ident { $($argument:ident $(: $kind:ty)?),* } $id:literal)*) => {
        /// What is wrong. The fields are the arguments of the message.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Cause {
            $($name { $($argument: causes!(@type $($kind)?)),* },)*
        }

        impl Cause {
            /// The id of every message, with the names of its arguments.
            #[cfg(test)]
            pub(crate) const MESSAGES: &[(&str, &[&str])] =
                &[$(($id, &[$(stringify!($argument)),*])),*];

            #[must_use]
            pub fn severity(&self) -> Severity {
                match self {
                    $(Self::$name { .. } => Severity::$severity,)*
                }
            }

            /// Name of the cause for programs; it does not change with the language.
            #[must_use]
            pub fn id(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $id,)*
                }
            }

            /// The words alone, without a place.
            #[must_use]
            pub fn render(&self, language: Language) -> String {
                match self {
                    $(Self::$name { $($argument),* } =>
                        say(language, $id, &[$((stringify!($argument), &*$argument.told(language))),*]),)*
                }
            }
        }
    };
}

causes! {
    // The file.
    Fault FileUnreadable { file, reason: words::Cause } "file-unreadable"
    Fault TooLarge {} "too-large"
    Fault NotUtf8 {} "not-utf8"
    Fault Syntax { detail } "syntax"
    Fault Unreadable { detail } "unreadable"
    Fault Anchor {} "anchor"
    Fault Tag {} "tag"
    Fault SecondDocument {} "second-document"
    Fault MoreFaults { count } "more-faults"
    Warning MoreWarnings { count } "more-warnings"

    // Keys.
    Fault UnknownKey { key } "unknown-key"
    Fault MissingKey { key } "missing-key"
    Fault DuplicateKey { key, line } "duplicate-key"
    Fault KeyNotText {} "key-not-text"

    // Values.
    Fault ExpectedMapping {} "expected-mapping"
    Fault ExpectedList {} "expected-list"
    Fault ExpectedText {} "expected-text"
    Fault ExpectedNumber { text } "expected-number"
    Fault ExpectedSwitch { text } "expected-switch"
    Fault NotAllowed { text } "not-allowed"
    Fault NeedsQuotes { text } "needs-quotes"
    Fault Quoted { text } "quoted"
    Fault Empty {} "empty"
    Fault TooLong { most } "too-long"
    Fault OutOfRange { text, least, most } "out-of-range"
    Fault NotAnAddress { text } "not-an-address"
    Fault NotASocketAddress { text } "not-a-socket-address"
    Fault NotANetwork { text } "not-a-network"
    Fault NotADatabaseId { text } "not-a-database-id"
    Fault NotAnUpstream { text } "not-an-upstream"
    Fault UpstreamHttps { text } "upstream-https"
    Fault NotAPath { text } "not-a-path"
    Fault NotAnArgon2Hash {} "not-an-argon2-hash"
    Fault Argon2OutOfBounds { parameters } "argon2-out-of-bounds"
    Fault NotABlindIndex {} "not-a-blind-index"

    // Between keys.
    Fault NoSource {} "no-source"
    Fault MetricsPublic { text } "metrics-public"
    Fault TrustsEverybody { text } "trusts-everybody"
    Fault LogTooSmall { total, least } "log-too-small"
    Fault DuplicateDatabase { id, line } "duplicate-database"
    Fault PortTaken { port, holder, line } "port-taken"
    Fault PortTakenByDefault { port, key } "port-taken-by-default"
    Fault DuplicateLogin { name, holder, line } "duplicate-login"
    Fault DuplicateSecret { holder, line } "duplicate-secret"
    Fault DefaultPassword {} "default-password"
    Fault NoSharedAccount {} "no-shared-account"
    Fault UsersOfUpstream {} "users-of-upstream"
    Fault AccountWithUpstream {} "account-with-upstream"
    Fault NotAnAccountName {} "not-an-account-name"
    Fault NotAPassword { file } "not-a-password"
    Fault ClientCertificatesWithoutHttps {} "client-certificates-without-https"
    Fault LoginPathsUnused {} "login-paths-unused"
    Fault BarcodeLoginUnused {} "barcode-login-unused"
    Fault IndexWithoutBarcode {} "index-without-barcode"
    Fault SecretReadable { file, mode } "secret-readable"
    Fault NotAnIndexKey { file } "not-an-index-key"
    Fault NotAFile { file } "not-a-file"
    // Never of `load`: what `check` finds in the files of certificates, in its reader's language.
    Fault CertificateUnusable { fault } "certificate-unusable"
    Warning CertificateEnds { alarm } "certificate-ends"

    Warning HttpsOff {} "https-off"
    Warning TlsOld {} "tls-old"
    Warning TlsOldForEveryone {} "tls-old-for-everyone"
    Warning TlsOldForNobody {} "tls-old-for-nobody"
    Warning AuthenticationOff {} "authentication-off"
    Warning AuthenticationWithoutHttps {} "authentication-without-https"
    Warning WhitelistsEverybody { file, text } "whitelists-everybody"
    Warning ListDamaged { file, line, text } "list-damaged"
    Warning ListUnreadable { file, reason: words::Cause } "list-unreadable"
    Warning NoUsers {} "no-users"
    Warning UserWithoutIndex {} "user-without-index"
    Warning UserWithoutBarcodeIndex {} "user-without-barcode-index"
    Warning PortsStayClosed { mode } "ports-stay-closed"
    Warning RightsWithoutRoles {} "rights-without-roles"
    Warning SharedFolder { holder, line } "shared-folder"
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Language::En))
    }
}

impl std::error::Error for Cause {}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn both_languages_have_every_message_and_name_its_arguments() {
        let texts = [
            ("ru", include_str!("messages/ru.ftl")),
            ("en", include_str!("messages/en.ftl")),
        ];
        let other: &[(&str, &[&str])] = &[
            ("did-you-mean", &["nearest"]),
            ("allowed", &["allowed"]),
            ("change-faulty", &[]),
            ("change-would-be-faulty", &[]),
            ("change-no-database", &["id"]),
            ("change-no-user", &["id"]),
            ("change-no-key", &["key"]),
            ("change-unclear", &[]),
            ("step-write", &["line"]),
            ("step-replace", &[]),
            ("step-insert", &[]),
            ("step-delete", &[]),
        ];
        for (language, text) in texts {
            let mut lines = HashMap::new();
            for (id, line) in text.lines().filter_map(|line| line.split_once(" = ")) {
                assert!(
                    lines.insert(id, line).is_none(),
                    "{language}: the key {id} stands twice"
                );
            }
            let wanted = Cause::MESSAGES.iter().chain(other);
            for (id, arguments) in wanted.clone() {
                let line = lines
                    .get(id)
                    .unwrap_or_else(|| panic!("{language}: no {id}"));
                assert_eq!(
                    line.matches("{ $").count(),
                    arguments.len(),
                    "{language}: {id}"
                );
                for argument in *arguments {
                    let place = format!("{{ ${argument} }}");
                    assert!(line.contains(&place), "{language}: {id}: {place}");
                }
            }
            assert_eq!(
                lines.len(),
                wanted.count(),
                "{language}: a message nobody says"
            );
        }
    }

    #[test]
    fn a_finding_is_one_line_whatever_was_typed() {
        let cause = Cause::UnknownKey {
            key: "a\nb\u{1b}[31m".into(),
        };
        let mut finding =
            Finding::new("gateway.yaml", Mark::new(14, 3), "databases[0].prot", cause);
        finding.nearest = Some("port".into());
        finding.allowed = vec!["id".into(), "port".into()];
        assert_eq!(
            finding.render(Language::En),
            "gateway.yaml:14:3: databases[0].prot: unknown key \"a b [31m\"; \
             did you mean \"port\"? allowed: id, port"
        );
        assert!(finding.render(Language::Ru).contains("неизвестный ключ"));
    }
}
