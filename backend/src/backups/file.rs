//! A copy as a file: XML outside, as the vendor's tools expect of the name, our JSON inside.
//!
//! ```xml
//! <?xml version="1.0" encoding="utf-8"?>
//! <DocumentBackup format="1" database="…" documentId="…" documentTypeName="…"
//!     taken="2026-03-02T09:14:55Z" reason="replace" user="…">{"id": …}</DocumentBackup>
//! ```
//!
//! The element's text is the document as `POST Docs` takes it; `<`, `>` and `&` stand in it as JSON
//! escapes, so it has no entities and nothing is lost either way. The vendor's own shape of a
//! document file is not public, so it is not imitated.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::SystemTime,
};

use quick_xml::{
    Reader, Writer, XmlVersion,
    events::{BytesDecl, BytesText, Event},
};
use serde_json::Value;

use crate::messages::Message;

use super::{Copy, Reason, name};

const ELEMENT: &str = "DocumentBackup";
const FORMAT: &str = "1";
/// A copy of a document that the API took whole is never larger than a few of its bodies.
const FILE_BYTES: u64 = 256 * 1024 * 1024;
const UNFINISHED: &str = ".unfinished";

/// Why a text is no copy of a document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyFault {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("it is larger than {FILE_BYTES} bytes")]
    TooLarge,
    #[error("it is not XML: {0}")]
    Xml(#[from] quick_xml::Error),
    #[error("it has no element {ELEMENT} of format {FORMAT}")]
    Other,
    #[error("the attribute {0} is missing or damaged")]
    Attribute(&'static str),
    #[error("the document inside is damaged: {0}")]
    Json(#[from] serde_json::Error),
}

impl CopyFault {
    pub(crate) fn message(&self) -> Message {
        let message = Message::new("copy-damaged");
        match self {
            Self::File(fault) => message.with_cause("detail", fault),
            Self::Json(fault) => message.with_cause("detail", fault),
            Self::TooLarge => message
                .with("number", FILE_BYTES / (1024 * 1024))
                .with_part("detail", "part-copy-too-large"),
            Self::Xml(_) => message.with_part("detail", "part-copy-not-xml"),
            Self::Other => message.with_part("detail", "part-copy-other"),
            Self::Attribute(name) => message
                .with("name", name)
                .with_part("detail", "part-copy-attribute"),
        }
    }
}

/// Puts every copy into the folder, which is made where it is missing; all are on disk afterwards.
pub(super) fn put_all<'a>(folder: &Path, copies: impl Iterator<Item = &'a Copy>) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    for copy in copies {
        put(folder, copy)?;
    }
    File::open(folder)?.sync_all()?;
    // The folder may be new itself.
    for above in folder.ancestors().skip(1).take(2) {
        File::open(above)?.sync_all()?;
    }
    Ok(())
}

fn put(folder: &Path, copy: &Copy) -> io::Result<()> {
    let content = write(copy)?;
    let mut number = 1;
    let target = loop {
        let target = folder.join(name::of(copy, number));
        match fs::read(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break target,
            Err(error) => return Err(error),
            // Written before a kill that came before the queue knew of it.
            Ok(there) if there == content => return Ok(()),
            Ok(_) => number += 1,
        }
    };
    let unfinished = folder.join(UNFINISHED);
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(&content)?;
    // A name has whole seconds; this is the order within one.
    file.set_modified(SystemTime::try_from(copy.taken).map_err(io::Error::other)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, target)
}

/// The content of a copy's file.
pub(crate) fn write(copy: &Copy) -> io::Result<Vec<u8>> {
    let json = serde_json::to_string(&copy.document)?;
    // These three stand inside texts only, where JSON has another spelling for them.
    let json = json
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    let mut xml = Writer::new(Vec::with_capacity(json.len() + 512));
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    xml.create_element(ELEMENT)
        .with_attribute(("format", FORMAT))
        .with_attribute(("database", copy.database.as_str()))
        .with_attribute(("documentId", copy.id.as_str()))
        .with_attribute(("documentTypeName", copy.type_name()))
        .with_attribute(("taken", copy.taken.to_string().as_str()))
        .with_attribute(("reason", copy.reason.as_str()))
        .with_attribute(("user", copy.user.as_str()))
        .write_text_content(BytesText::from_escaped(json))?;
    Ok(xml.into_inner())
}

/// The copy in the file of this name in the folder.
pub(crate) fn open(folder: &Path, file: &str) -> Result<Copy, CopyFault> {
    let path = folder.join(file);
    if fs::metadata(&path)?.len() > FILE_BYTES {
        return Err(CopyFault::TooLarge);
    }
    read(&fs::read_to_string(path)?)
}

/// The copy that a file's text holds.
pub(crate) fn read(text: &str) -> Result<Copy, CopyFault> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let start = loop {
        match reader.read_event()? {
            Event::Start(start) => break start,
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Text(space) if space.trim_ascii().is_empty() => {}
            _ => return Err(CopyFault::Other),
        }
    };
    let attribute = |wanted: &'static str| {
        let fault = CopyFault::Attribute(wanted);
        let Ok(Some(found)) = start.try_get_attribute(wanted) else {
            return Err(fault);
        };
        match found.normalized_value(XmlVersion::Explicit1_0) {
            Ok(value) => Ok(value.into_owned()),
            Err(_) => Err(fault),
        }
    };
    let is_ours = start.name().as_ref() == ELEMENT;
    if !is_ours || attribute("format")? != FORMAT {
        return Err(CopyFault::Other);
    }
    let inside = reader.read_text(start.name())?;
    let document = serde_json::from_str(inside.trim())?;
    let damaged = CopyFault::Attribute;
    Ok(Copy {
        database: attribute("database")?
            .parse()
            .map_err(|_no_id| damaged("database"))?,
        taken: attribute("taken")?
            .parse()
            .map_err(|_no_moment| damaged("taken"))?,
        reason: Reason::named(&attribute("reason")?).ok_or_else(|| damaged("reason"))?,
        user: attribute("user")?,
        id: match &document {
            Value::Object(document) if document.contains_key("id") => attribute("documentId")?,
            _ => return Err(damaged("documentId")),
        },
        document: crate::entity::object(document),
    })
}
