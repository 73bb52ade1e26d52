//! Papers that the code writes: sections between `<!-- NAME:begin -->` and `<!-- NAME:end -->`, and
//! the catalogues of messages.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Seek, Write},
    path::PathBuf,
};

/// A file of the repository by its path from the top.
#[must_use]
pub fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file)
}

/// What stands in a section of a file.
///
/// # Panics
/// When there is no such section.
#[must_use]
#[track_caller]
pub fn section(file: &str, name: &str) -> String {
    let text = fs::read_to_string(path(file)).unwrap();
    split(file, &text, name)[1].to_owned()
}

/// Holds a section against what the code says; with `BLESS=1` it is written anew.
///
/// # Panics
/// When it is stale, or there is none.
#[track_caller]
pub fn section_is_current(file: &str, name: &str, wanted: &str) {
    let bless = std::env::var_os("BLESS").is_some();
    let mut options = fs::OpenOptions::new();
    let mut opened = options.read(true).write(bless).open(path(file)).unwrap();
    if bless {
        // Tests of several programs write sections of one file at once.
        opened.lock().unwrap();
    }
    let mut text = String::new();
    opened.read_to_string(&mut text).unwrap();
    let [before, present, after] = split(file, &text, name);
    if present == wanted {
        return;
    }
    assert!(
        bless,
        "{file}: section {name} is stale; `make reference` writes it"
    );
    opened.rewind().unwrap();
    let fresh = [before, wanted, after].concat();
    opened.write_all(fresh.as_bytes()).unwrap();
    opened.set_len(fresh.len() as u64).unwrap();
}

#[track_caller]
fn split<'a>(file: &str, text: &'a str, name: &str) -> [&'a str; 3] {
    let begin = format!("<!-- {name}:begin -->\n");
    let end = format!("<!-- {name}:end -->");
    let found = text.find(&begin).and_then(|at| {
        let (before, rest) = text.split_at(at + begin.len());
        let (present, after) = rest.split_at(rest.find(&end)?);
        Some([before, present, after])
    });
    found.unwrap_or_else(|| panic!("{file} has no section {name}"))
}

/// The messages of a Fluent catalogue, each with the values that it takes. Texts of several lines
/// and attributes are parts of their message.
///
/// # Panics
/// When a key stands twice: every lookup of a program would, and that without naming it.
#[must_use]
#[track_caller]
pub fn messages(catalogue: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut last = None;
    for line in catalogue.lines() {
        let begins = line.starts_with(|first: char| first.is_ascii_alphabetic());
        if let Some((key, _)) = line.split_once('=').filter(|_| begins) {
            let key = key.trim_end();
            assert!(!found.contains_key(key), "the key {key} stands twice");
            last = Some(key);
        }
        let Some(values) = last.map(|key| found.entry(key).or_default()) else {
            continue;
        };
        let placed = line.split('{').skip(1);
        values.extend(placed.filter_map(|placed| {
            let value = placed.split('}').next()?.trim().strip_prefix('$')?;
            value
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
                .next()
        }));
    }
    found
}
