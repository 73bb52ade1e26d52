//! `backend.yaml`: where the data lies and where the separate backend listens.
//!
//! The file is one flat map. All of its faults are told at once, each with its place, what is
//! allowed there and the key that was probably meant.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use backend_types::{Language, is_private};
use log_files::Log;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_yaml::Value;

use crate::{Listen, Options, SharedKey, messages::Message};

const KEYS: [&str; 5] = ["data", "listen", "key_file", "language", "log"];
const SHORTEST_KEY: usize = 16;

/// Configuration of the separate backend. Relative paths are relative to the working directory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Backend")]
#[expect(
    dead_code,
    reason = "two keys are taken where their faults have places"
)]
struct Keys {
    /// Data folder: databases, users, documents. Made at the first start.
    #[schemars(length(min = 1))]
    data: PathBuf,
    /// `unix:PATH`, which only this user can open, or `ADDRESS:PORT`, which needs `key_file`.
    #[schemars(regex(pattern = r"^(unix:.+|.+:[0-9]+)$"))]
    listen: String,
    /// File with the shared key, at least 16 characters; readable by its owner alone (0600), or
    /// root's and readable by a group (0640).
    #[serde(default)]
    #[schemars(length(min = 1))]
    key_file: Option<PathBuf>,
    /// Language of messages, where a client does not ask for another.
    #[serde(default)]
    #[schemars(schema_with = "language_schema")]
    language: Language,
    /// The log.
    #[serde(default)]
    log: Log,
}

fn language_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "enum": ["ru", "en"], "default": "ru"})
}

/// What a file without faults says.
#[derive(Debug)]
pub struct Configuration {
    pub options: Options,
    pub log: Log,
}

/// One fault of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1; a key that is missing is told at the first line.
    pub line: usize,
    pub column: usize,
    pub key: String,
    /// What is wrong and what would be right.
    pub(crate) said: Message,
}

/// Why the file cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    Unreadable { file: PathBuf, source: io::Error },
    Faults { file: PathBuf, faults: Vec<Fault> },
}

impl ConfigError {
    /// For who started the program: a line for each fault.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        match self {
            Self::Unreadable { file, source } => unreadable(file, source).in_language(language),
            Self::Faults { file, faults } => {
                let lines = faults.iter().map(|fault| {
                    let Fault {
                        line,
                        column,
                        key,
                        said,
                    } = fault;
                    let said = said.in_language(language);
                    format!("{}:{line}:{column}: {key}: {said}", file.display())
                });
                lines.collect::<Vec<_>>().join("\n")
            }
        }
    }
}

fn unreadable(file: &Path, source: &io::Error) -> Message {
    Message::new("start-file-unreadable")
        .with("file", file.display())
        .with_cause("detail", source)
}

/// Why a file with the shared key cannot be used.
#[derive(Debug)]
pub enum KeyError {
    File { file: PathBuf, source: io::Error },
    Readable { file: PathBuf, mode: u32 },
    NoKey { file: PathBuf },
}

impl KeyError {
    fn message(&self) -> Message {
        match self {
            Self::File { file, source } => unreadable(file, source),
            Self::Readable { file, mode } => Message::new("start-key-open")
                .with("file", file.display())
                .with("mode", format!("{mode:o}")),
            Self::NoKey { file } => Message::new("start-key-none")
                .with("file", file.display())
                .with("least", SHORTEST_KEY),
        }
    }
}

/// The JSON schema of the file.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Keys).to_value()
}

/// Reads the file and the key that it names.
///
/// # Errors
/// See [`ConfigError`].
pub fn read(file: &Path) -> Result<Configuration, ConfigError> {
    let text = fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    parse(&text).map_err(|faults| ConfigError::Faults {
        file: file.to_owned(),
        faults,
    })
}

fn parse(text: &str) -> Result<Configuration, Vec<Fault>> {
    let mut faults = Faults {
        text,
        found: Vec::new(),
    };
    let map = match serde_yaml::from_str(text) {
        Ok(Value::Mapping(map)) => map,
        Ok(Value::Null) => serde_yaml::Mapping::new(),
        Ok(_) => return Err(faults.with("", Message::new("start-yaml-map"))),
        Err(error) => return Err(faults.with_syntax(&error)),
    };
    for (key, value) in &map {
        let key = key.as_str().unwrap_or_default();
        match (key, value.as_str()) {
            ("data" | "key_file", Some(path)) if !path.is_empty() => {}
            ("data" | "key_file", _) => faults.add(key, Message::new("start-yaml-path")),
            ("listen", Some(listen)) if listen_of(listen).is_some() => {}
            ("listen", _) => faults.add(key, Message::new("start-yaml-listen")),
            ("language", Some("ru" | "en")) => {}
            ("language", _) => faults.add(key, Message::new("start-yaml-language")),
            ("log", _) => {
                if let Some(fault) = log_fault(value) {
                    faults.add(key, fault);
                }
            }
            _ => faults.add_unknown(key),
        }
    }
    for required in ["data", "listen"] {
        if !map.contains_key(required) {
            faults.add(required, Message::new("start-yaml-key-missing"));
        }
    }
    let said = |key: &str| map.get(key).and_then(Value::as_str);
    let listen = said("listen").and_then(listen_of);
    let key = match said("key_file").map(|file| read_key(Path::new(file))) {
        Some(Ok(key)) => Some(key),
        Some(Err(error)) => {
            faults.add("key_file", error.message());
            None
        }
        None => {
            if matches!(listen, Some(Listen::Tcp(_))) {
                faults.add("listen", Message::new("start-yaml-tcp-needs-key"));
            }
            None
        }
    };
    match (listen, serde_yaml::from_str::<Keys>(text)) {
        (Some(listen), Ok(keys)) if faults.found.is_empty() => Ok(Configuration {
            options: Options {
                data: keys.data,
                listen,
                key,
                language: keys.language,
            },
            log: keys.log,
        }),
        (_, Err(error)) if faults.found.is_empty() => Err(faults.with_syntax(&error)),
        _ => Err(faults.found),
    }
}

/// What is wrong below `log`: the first thing is told, with the key that it is about.
fn log_fault(value: &Value) -> Option<Message> {
    let log: Log = match serde_yaml::from_value(value.clone()) {
        Ok(log) => log,
        Err(error) => return Some(Message::new("start-yaml-log").with("detail", error)),
    };
    let ranges = [
        ("file_mib", log.file_mib, 1..=4096),
        ("keep_days", log.keep_days.into(), 1..=3650),
        (
            "total_mib",
            log.total_mib,
            log.file_mib.saturating_mul(2)..=1_048_576,
        ),
    ];
    ranges.into_iter().find_map(|(key, number, range)| {
        let (least, most) = range.clone().into_inner();
        let told = || {
            Message::new("start-yaml-log-range")
                .with("key", key)
                .with("number", number)
                .with("least", least)
                .with("most", most)
        };
        (!range.contains(&number)).then(told)
    })
}

fn listen_of(text: &str) -> Option<Listen> {
    match text.strip_prefix("unix:") {
        Some("") => None,
        Some(path) => Some(Listen::Unix(path.into())),
        None => text.parse::<SocketAddr>().ok().map(Listen::Tcp),
    }
}

/// The key in a file that nobody else can read.
///
/// # Errors
/// See [`KeyError`].
pub fn read_key(file: &Path) -> Result<SharedKey, KeyError> {
    let fault = |source| KeyError::File {
        file: file.to_owned(),
        source,
    };
    let found = fs::metadata(file).map_err(fault)?;
    let mode = found.mode() & 0o777;
    if !is_private(mode, found.uid()) {
        let file = file.to_owned();
        return Err(KeyError::Readable { file, mode });
    }
    let text = fs::read_to_string(file).map_err(fault)?;
    let key = text.trim();
    if key.len() < SHORTEST_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let file = file.to_owned();
        return Err(KeyError::NoKey { file });
    }
    Ok(SharedKey::new(key))
}

/// Faults while they are collected, and the text in which their places are found.
struct Faults<'a> {
    text: &'a str,
    found: Vec<Fault>,
}

impl Faults<'_> {
    fn add(&mut self, key: &str, said: Message) {
        // The map is flat: a key stands at the beginning of its line.
        let at_key = |line: &str| {
            let rest = line.strip_prefix(key);
            rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
        };
        let line = self
            .text
            .lines()
            .position(at_key)
            .map_or(1, |index| index + 1);
        self.found.push(Fault {
            line,
            column: 1,
            key: key.to_owned(),
            said,
        });
    }

    fn add_unknown(&mut self, key: &str) {
        let nearest = KEYS.into_iter().min_by_key(|known| distance(known, key));
        let said = match nearest.filter(|known| distance(known, key) <= 2) {
            Some(nearest) => Message::new("start-yaml-nearest").with("nearest", nearest),
            None => Message::new("start-yaml-unknown").with("keys", KEYS.join(", ")),
        };
        self.add(key, said);
    }

    fn with(mut self, key: &str, said: Message) -> Vec<Fault> {
        self.add(key, said);
        self.found
    }

    fn with_syntax(mut self, error: &serde_yaml::Error) -> Vec<Fault> {
        let (line, column) = error
            .location()
            .map_or((1, 1), |at| (at.line(), at.column()));
        self.found.push(Fault {
            line,
            column,
            key: "yaml".to_owned(),
            said: Message::new("start-yaml-syntax").with("detail", error),
        });
        self.found
    }
}

/// Letters to insert, delete or replace until one word is the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, in_a) in a.chars().enumerate() {
        let mut next = vec![row + 1];
        for ((pair, in_b), inserted) in last.windows(2).zip(&b).zip(row + 1..) {
            let &[replaced, deleted] = pair else { continue };
            let inserted = next.last().copied().unwrap_or(inserted);
            let replaced = replaced + usize::from(in_a != *in_b);
            next.push(replaced.min(deleted + 1).min(inserted + 1));
        }
        last = next;
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    fn key_file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        (folder, file)
    }

    #[test]
    fn a_file_with_five_faults_lists_five_with_their_lines() {
        let text = "dat: ./data\nlanguage: de\n# a comment\nlisten: localhost\nkey_file: 5\n";
        let faults = parse(text).unwrap_err();
        let mut told: Vec<(usize, &str)> = faults
            .iter()
            .map(|fault| (fault.line, fault.key.as_str()))
            .collect();
        told.sort_unstable();
        let expected = [
            (1, "dat"),
            (1, "data"),
            (2, "language"),
            (4, "listen"),
            (5, "key_file"),
        ];
        assert_eq!(told, expected);
        let unknown = faults.iter().find(|fault| fault.key == "dat").unwrap();
        let said = unknown.said.in_language(Language::En);
        assert!(said.contains("data was probably meant"), "{said}");
        let file = PathBuf::from("backend.yaml");
        let shown = ConfigError::Faults { file, faults };
        let russian = shown.words(Language::Ru);
        assert!(
            russian.contains("backend.yaml:2:1: language: ожидалось ru или en"),
            "{russian}"
        );
        let shown = shown.words(Language::En);
        assert!(
            shown.contains("backend.yaml:2:1: language: ru or en was expected"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_place() {
        let faults = parse("data: [\n").unwrap_err();
        assert_eq!((faults.len(), faults[0].key.as_str()), (1, "yaml"));
        assert!(
            parse("data: a\ndata: b\nlisten: unix:s\n").is_err(),
            "a key given twice"
        );
        assert!(parse("- data\n").is_err());
        assert_eq!(parse("").unwrap_err().len(), 2, "two keys are required");
    }

    #[test]
    fn a_socket_or_an_address_is_taken_and_nothing_else() {
        assert_eq!(
            listen_of("unix:/run/s"),
            Some(Listen::Unix("/run/s".into()))
        );
        let tcp = listen_of("127.0.0.1:0").unwrap();
        assert_eq!(tcp.to_string(), "127.0.0.1:0");
        for wrong in ["unix:", "localhost", "9000", "/run/s"] {
            assert_eq!(listen_of(wrong), None, "{wrong}");
        }
        assert!(parse("data: d\nlisten: unix:s\n").is_ok());
        assert!(
            parse("data: d\nlisten: \"127.0.0.1:0\"\n").is_err(),
            "no key"
        );
    }

    #[test]
    fn a_log_is_bounded_and_has_room_for_two_files() {
        let told = |log: &str| {
            let text = format!("data: d\nlisten: unix:s\nlog: {log}\n");
            let faults = parse(&text).map(|found| found.log).unwrap_err();
            (faults[0].line, faults[0].said.in_language(Language::En))
        };
        for (log, expected) in [
            ("{fil_mib: 8}", "unknown field `fil_mib`"),
            ("{keep_days: 0}", "keep_days: 0 is outside of 1 to 3650"),
            (
                "{file_mib: 8, total_mib: 15}",
                "total_mib: 15 is outside of 16",
            ),
            ("{file_mib: 4097}", "file_mib: 4097"),
            ("{level: loud}", "unknown variant `loud`"),
            ("stderr", "invalid type"),
        ] {
            let (line, text) = told(log);
            assert!(
                line == 3 && text.contains(expected),
                "{log}: {line}: {text}"
            );
        }
        let twin = "data: d\nlisten: unix:s\nlog: {file_mib: 8, total_mib: 16}\n";
        assert_eq!(parse(twin).unwrap().log.total_mib, 16);
    }

    #[test]
    fn the_shipped_file_and_its_schema_are_current() {
        let shipped = include_str!("../../config/backend.yaml");
        let keys: Keys = serde_yaml::from_str(shipped).unwrap();
        assert_eq!(keys.listen, "127.0.0.1:10510");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/backend.schema.json");
        let wanted = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &wanted).unwrap();
        }
        let written = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(written, wanted, "BLESS=1 cargo test -p backend writes it");
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let open = |mode| {
            let (folder, file) = key_file("0123456789abcdef\n", mode);
            let roots = fs::metadata(&file).unwrap().uid() == 0;
            (read_key(&file), roots, file, folder)
        };
        let (refused, ..) = open(0o644);
        assert!(matches!(
            refused,
            Err(KeyError::Readable { mode: 0o644, .. })
        ));
        // A group's where it is root's, as the gateway takes it.
        let (read, roots, file, _folder) = open(0o640);
        assert_eq!(read.is_ok(), roots);
        if roots {
            chown(&file, Some(1000), None).unwrap();
            assert!(matches!(read_key(&file), Err(KeyError::Readable { .. })));
        }
        for no_key in [
            "0123456789abcde",
            "0123456789 abcdef",
            "0123456789abcdef\nsecond",
        ] {
            let (_folder, file) = key_file(no_key, 0o600);
            assert!(
                matches!(read_key(&file), Err(KeyError::NoKey { .. })),
                "{no_key}"
            );
        }
        let (_folder, twin) = key_file("0123456789abcdef\n", 0o600);
        assert!(read_key(&twin).is_ok());
    }
}
