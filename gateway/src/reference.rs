//! Writes `REFERENCE.md` and `REFERENCE.ru.md` from the code: what a person could look up is never
//! typed twice. With `BLESS=1` the sections are written, without it a stale one fails.
//!
//! English texts are the comments of fields, the help of commands, the registry's words. The
//! Russian ones stand in the catalogue, or beside their English in [`russian`]: a changed English
//! sentence is one without a translation, and fails.

mod codes;
mod log;
mod papers;
mod russian;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use backend_types::Language;
use gateway_config::{Key, Kind, Preset, key_list};
use gateway_policy::refusal::{ONE_OF_EACH, Refusal};
use harness::{commands, document};

use crate::{access_log, cli, messages, metrics::Metrics, status::Report};

/// Name, meaning in English, meaning in Russian.
pub(crate) type Named = (&'static str, &'static str, &'static str);

/// One edition of the reference.
struct Edition {
    language: Language,
    file: &'static str,
    /// English texts without a translation, to be told all at once.
    untranslated: RefCell<BTreeSet<String>>,
    used: RefCell<BTreeSet<&'static str>>,
}

#[test]
fn both_editions_of_the_reference_are_current_and_every_text_is_translated() {
    for edition in [
        Edition::new(Language::En, "REFERENCE.md"),
        Edition::new(Language::Ru, "REFERENCE.ru.md"),
    ] {
        let sections = [
            ("commands", edition.commands()),
            ("exit-codes", edition.exit_codes()),
            ("ready", edition.ready()),
            (
                "gateway-yaml",
                edition.keys(&key_list(gateway_config::json_schema().as_value())),
            ),
            (
                "backend-yaml",
                edition.keys(&key_list(&backend::config::json_schema())),
            ),
            (
                "status",
                edition.fields(&key_list(schemars::schema_for!(Report).as_value())),
            ),
            ("request-log", edition.named("field", access_log::FIELDS)),
            ("security-log", edition.security_log()),
            ("reasons", edition.reasons()),
            ("metrics", edition.metrics()),
            ("errors", edition.errors()),
            ("command-codes", edition.command_codes()),
        ];
        edition.assert_translated();
        for (name, text) in sections {
            document::section_is_current(edition.file, name, &text);
        }
    }
}

impl Edition {
    fn new(language: Language, file: &'static str) -> Self {
        Self {
            language,
            file,
            untranslated: RefCell::default(),
            used: RefCell::default(),
        }
    }

    /// An English text in the edition's language.
    fn say(&self, english: &str) -> String {
        if self.language == Language::En {
            return english.to_owned();
        }
        let found = russian::TEXTS.iter().find(|(known, _)| *known == english);
        let Some((known, russian)) = found else {
            self.untranslated.borrow_mut().insert(english.to_owned());
            return String::new();
        };
        self.used.borrow_mut().insert(known);
        (*russian).to_owned()
    }

    fn of<'a>(&self, (_, english, russian): &'a Named) -> &'a str {
        match self.language {
            Language::En => english,
            Language::Ru => russian,
        }
    }

    fn assert_translated(&self) {
        let untranslated = self.untranslated.borrow();
        assert!(
            untranslated.is_empty(),
            "reference/russian.rs lacks {untranslated:#?}"
        );
        if self.language == Language::Ru {
            let used = self.used.borrow();
            let idle = russian::TEXTS
                .iter()
                .filter(|(known, _)| !used.contains(known));
            let idle: Vec<_> = idle.collect();
            assert!(idle.is_empty(), "nobody says {idle:#?}");
        }
    }

    fn table<const N: usize>(
        &self,
        head: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> String {
        let mut text = line(head.map(|word| self.say(word)));
        text += &"|---".repeat(N);
        text += "|\n";
        for row in rows {
            text += &line(row);
        }
        text
    }

    fn named(&self, head: &str, all: &[Named]) -> String {
        let rows = all.iter().map(|one| [code(one.0), self.of(one).to_owned()]);
        self.table([head, "meaning"], rows)
    }

    fn commands(&self) -> String {
        let mut root = cli::commands(self.language);
        root.build();
        let common = ["help", "version", "data", "json"];
        let everywhere = root.get_arguments();
        let everywhere = everywhere.filter(|arg| common.contains(&arg.get_id().as_str()));
        let head = ["option", "meaning"].map(|word| self.say(word));
        let head = head.each_ref().map(String::as_str);
        let everywhere = commands::options(everywhere, head);
        let each = commands::commands(&mut root, &common, head);
        format!(
            "{}\n\n{everywhere}{each}",
            self.say("Options of every command:")
        )
    }

    fn exit_codes(&self) -> String {
        self.named("code", cli::EXIT_CODES)
    }

    fn ready(&self) -> String {
        self.named("field", log::READY)
    }

    fn keys(&self, keys: &[Key]) -> String {
        let rows = keys.iter().map(|key| {
            assert!(!key.meaning.is_empty(), "{} has no comment", key.path);
            let preset = match &key.preset {
                Preset::Required => self.say("required"),
                Preset::Absent => self.say("absent"),
                Preset::Empty => self.say("empty"),
                Preset::Below => self.say("see below"),
                Preset::Value(value) => code(value),
            };
            [
                code(&key.path),
                self.kinds(&key.values),
                preset,
                self.say(&key.meaning),
            ]
        });
        self.table(["key", "value", "default", "meaning"], rows)
    }

    fn fields(&self, keys: &[Key]) -> String {
        let rows = keys.iter().map(|key| {
            assert!(!key.meaning.is_empty(), "{} has no comment", key.path);
            let mut meaning = self.say(&key.meaning);
            if matches!(key.preset, Preset::Absent) {
                meaning = format!("{meaning} {}", self.say("May be absent."));
            }
            [code(&key.path), self.kinds(&key.values), meaning]
        });
        self.table(["field", "value", "meaning"], rows)
    }

    fn kinds(&self, kinds: &[Kind]) -> String {
        let told: Vec<String> = kinds.iter().map(|kind| self.kind(kind)).collect();
        told.join(&format!(" {} ", self.say("or")))
    }

    fn kind(&self, kind: &Kind) -> String {
        match kind {
            Kind::Described(described) => described.clone(),
            Kind::Number => self.say("number"),
            Kind::Text => self.say("text"),
            Kind::Mapping => self.say("mapping"),
            Kind::List(items) => format!("{}: {}", self.say("list"), self.kinds(items)),
        }
    }

    fn security_log(&self) -> String {
        let rows = log::SECURITY.iter().map(|line| {
            let fields: Vec<String> = line.fields.iter().map(|field| code(field)).collect();
            [
                code(line.named.0),
                self.of(&line.named).to_owned(),
                fields.join(", "),
            ]
        });
        let lines = self.table(["message", "when", "fields"], rows);
        format!("{lines}\n{}", self.named("field", log::SECURITY_FIELDS))
    }

    /// The words of `why`, which explains the same reasons to an administrator.
    fn reasons(&self) -> String {
        let prefix = "why-reason-";
        let known = document::messages(messages::tests::EN_TEXTS);
        let rows = known.into_keys().filter_map(|key| {
            let words = messages::text(self.language, key, &[]);
            Some([code(key.strip_prefix(prefix)?), words])
        });
        self.table(["reason", "meaning"], rows)
    }

    fn metrics(&self) -> String {
        let metrics = Metrics::one_of_each();
        let page = metrics.text();
        let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for sample in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, rest)) = sample.split_once('{') else {
                continue;
            };
            let known = labels.entry(name).or_default();
            let inside = rest.split_once('}').map_or("", |(inside, _)| inside);
            known.extend(
                inside
                    .split(',')
                    .filter_map(|label| Some(label.split_once('=')?.0)),
            );
        }
        let kinds: BTreeMap<&str, &str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .collect();
        let rows = page.lines().filter_map(|line| {
            let (family, help) = line.strip_prefix("# HELP ")?.split_once(' ')?;
            let kind = kinds.get(family).copied().unwrap_or_default();
            let name = match kind {
                "counter" => format!("{family}_total"),
                _ => family.to_owned(),
            };
            let labels: Vec<String> = labels
                .get(name.as_str())
                .into_iter()
                .flatten()
                .map(|label| code(label))
                .collect();
            Some([
                code(&name),
                kind.to_owned(),
                labels.join(", "),
                self.say(help.trim_end_matches('.')),
            ])
        });
        let rows: Vec<_> = rows.collect();
        let families = self.table(["name", "kind", "labels", "meaning"], rows);
        format!("{families}\n{}", self.named("label", log::LABELS))
    }

    fn errors(&self) -> String {
        let mut rows = BTreeMap::new();
        for &refusal in ONE_OF_EACH {
            // Said in plain text: who speaks no TLS reads no JSON.
            let Some(status) = refusal.status().filter(|_| refusal != Refusal::NotTls) else {
                continue;
            };
            let seconds = refusal
                .retry_after_seconds()
                .map(|_| "N")
                .unwrap_or_default();
            let words = messages::text(self.language, refusal.message(), &[("seconds", seconds)]);
            let texts: &mut BTreeSet<String> = rows.entry((status, refusal.code())).or_default();
            texts.insert(words);
        }
        let rows = rows.into_iter().map(|((status, name), texts)| {
            let texts: Vec<String> = texts.into_iter().collect();
            [status.to_string(), code(name), texts.join(" · ")]
        });
        self.table(["status", "code", "text"], rows)
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn line<const N: usize>(cells: [String; N]) -> String {
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}
