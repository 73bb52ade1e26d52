//! The page as HTML: what to trust, how to install it, the test, the databases to connect to.
//!
//! Whatever is not ours (names of databases, hosts, holders of certificates) is escaped here and
//! nowhere else. Nothing is loaded from elsewhere; style and script are allowed by their hashes.

use std::sync::Arc;

use gateway_certificates::{Name, validity};
use gateway_policy::Moment;
use openssl::{base64::encode_block, sha::sha256};

use super::{
    Database,
    anchor::{Anchor, Format, Trust},
    file_name, qr, self_test,
};
use crate::{
    answer::Answer,
    messages::{self, Language},
    page::escape,
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// A code for each database up to here; further ones have their string alone.
const CODES: usize = 50;
/// Hex digits that an eye compares at once, and such groups in a line.
const GROUP: usize = 4;
const LINE: usize = 4;

/// Where the page is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// Over the port; the self-test tells what has happened `since`.
    Port { since: Moment },
    /// As a file that holds everything.
    File,
}

/// What one reader sees.
pub(super) struct View<'a> {
    pub(super) trusts: &'a [&'a Trust],
    pub(super) anchors: &'a [Arc<Anchor>],
    pub(super) connections: Vec<(&'a Database, Option<String>)>,
    /// https origins to try.
    pub(super) tested: Vec<String>,
    pub(super) host: Name,
    /// Whether a certificate names the host.
    pub(super) is_named: bool,
    pub(super) medium: Medium,
    pub(super) language: Language,
}

/// A page that is made, without its frame.
pub(super) struct Page {
    language: Language,
    /// The link to the same in the other language.
    other: Option<String>,
    body: String,
}

impl Page {
    pub(super) fn into_answer(self) -> Answer {
        let hash = |text: &str| format!("'sha256-{}'", encode_block(&sha256(text.as_bytes())));
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; connect-src 'self' https:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        Answer {
            status: 200,
            headers: vec![
                ("cache-control", "no-store".to_owned()),
                ("content-security-policy", policy),
                ("x-content-type-options", "nosniff".to_owned()),
                ("referrer-policy", "no-referrer".to_owned()),
                ("content-language", self.language.as_str().to_owned()),
            ],
            content_type: "text/html; charset=utf-8",
            body: self.into_file().into(),
            close: false,
        }
    }

    pub(super) fn into_file(self) -> String {
        let title = messages::text(self.language, "certificate-page-title", &[]);
        format!(
            "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title}</title><style>{STYLE}</style></head>\n<body>\n\
             <header><h1>{title}</h1>{}</header>\n{}<script>{SCRIPT}</script>\n</body></html>\n",
            self.language.as_str(),
            self.other.unwrap_or_default(),
            self.body,
        )
    }
}

/// What there is to install, the test, the databases.
pub(super) fn page(view: &View<'_>) -> Page {
    let mut body = String::new();
    view.trust(&mut body);
    view.test(&mut body);
    view.databases(&mut body);
    if matches!(view.medium, Medium::Port { .. }) {
        put(&mut body, "footer", &view.say("close"));
    }
    let other = matches!(view.medium, Medium::Port { .. }).then(|| switch("/", view.language));
    Page {
        language: view.language,
        other,
        body,
    }
}

/// The self-test's answer for who has no script.
pub(super) fn self_test(failures: &[&str], since: Moment, language: Language) -> Page {
    let mut body = String::new();
    let say = |key: &str| messages::text(language, &format!("certificate-page-{key}"), &[]);
    put(&mut body, "h2", &say("test"));
    if failures.is_empty() {
        put(&mut body, "p", &say("test-none"));
    } else {
        put(&mut body, "p", &say("test-seen"));
        let seen = failures.iter().map(|reason| {
            let words = self_test::words(reason, language);
            format!("<li>{}</li>", escape(&words))
        });
        put(&mut body, "ul", &seen.collect::<String>());
    }
    let back = format!(
        "<a href=\"/?lang={}\">{}</a>",
        language.as_str(),
        say("back")
    );
    put(&mut body, "p", &back);
    let here = format!("/self-test?since={}&amp;", since.0);
    Page {
        language,
        other: Some(switch(&here, language)),
        body,
    }
}

impl View<'_> {
    fn say(&self, key: &str) -> String {
        self.say_of(key, &[])
    }

    /// The values are escaped by the caller.
    fn say_of(&self, key: &str, values: &[(&'static str, &str)]) -> String {
        messages::text(self.language, &format!("certificate-page-{key}"), values)
    }

    fn trust(&self, out: &mut String) {
        put(out, "h2", &self.say("trust"));
        if self.trusts.is_empty() {
            put(out, "p", &self.say("no-https"));
        }
        for trust in self.trusts {
            match trust {
                Trust::Known { issuer } => {
                    let values = [("issuer", &*escape(issuer))];
                    put(out, "p", &self.say_of("known", &values));
                }
                Trust::Nothing => warn(out, &self.say("nothing")),
                Trust::Root(_) | Trust::Itself(_) => {}
            }
        }
        for (number, anchor) in self.anchors.iter().enumerate() {
            let itself = Trust::Itself(Arc::clone(anchor));
            self.anchor(out, number, anchor, self.trusts.contains(&&itself));
        }
        if !self.is_named && !self.trusts.is_empty() {
            let host = self.host.to_string();
            warn(out, &self.say_of("not-named", &[("host", &escape(&host))]));
        }
    }

    fn anchor(&self, out: &mut String, number: usize, anchor: &Anchor, itself: bool) {
        let days = anchor.validity.days_left(validity::now()).to_string();
        let until = messages::moment(anchor.validity.until, self.language);
        let until = until.split(' ').next().unwrap_or_default();
        let holder = escape(&anchor.holder);
        let values = [("holder", &*holder), ("until", until), ("days", &days)];
        if self.anchors.len() > 1 {
            put(out, "h3", &holder);
        }
        if itself {
            warn(out, &self.say_of("itself", &values));
        } else {
            put(out, "p", &self.say_of("root", &values));
        }
        let mut files = String::new();
        let formats = [Format::Cer, Format::Crt, Format::Mobileconfig, Format::Pem];
        // Android and iOS install nothing but authorities.
        let formats = formats.into_iter().filter(|format| match format {
            Format::Crt | Format::Mobileconfig => !itself,
            Format::Cer | Format::Pem => true,
        });
        for format in formats {
            let name = format!("{}.{}", file_name(number), format.extension());
            let Some(place) = self.place(&name, anchor, format) else {
                continue;
            };
            let words = self.say(&format!("file-{}", format.extension()));
            put(&mut files, "li", &format!("<a {place}>{words}</a>"));
        }
        out.push_str(&format!("<ul class=\"files\">{files}</ul>\n"));
        for system in ["android", "android-old", "ios", "windows", "windows-ce"] {
            if itself && !system.starts_with("windows") {
                continue;
            }
            self.instructions(out, system);
        }
        if itself {
            put(out, "p", &self.say("itself-no-phones"));
        }
        self.fingerprints(out, anchor);
    }

    /// `href` of a file, which in a file of its own stands in it.
    fn place(&self, name: &str, anchor: &Anchor, format: Format) -> Option<String> {
        Some(match self.medium {
            Medium::Port { .. } => format!("href=\"/{name}\""),
            Medium::File => format!(
                "download=\"{name}\" href=\"data:{};base64,{}\"",
                format.media_type(),
                encode_block(&anchor.file(format)?)
            ),
        })
    }

    fn instructions(&self, out: &mut String, system: &str) {
        let mut steps = String::new();
        for number in 1.. {
            let key = format!("certificate-page-{system}-{number}");
            let Some(step) = messages::find(self.language, &key) else {
                break;
            };
            put(&mut steps, "li", &step);
        }
        let title = self.say(system);
        let note = messages::find(self.language, &format!("certificate-page-{system}-note"));
        let note = note.map(|note| format!("<p class=\"note\">{note}</p>"));
        out.push_str(&format!(
            "<details><summary>{title}</summary><ol>{steps}</ol>{}</details>\n",
            note.unwrap_or_default()
        ));
    }

    fn fingerprints(&self, out: &mut String, anchor: &Anchor) {
        put(out, "h3", &self.say("fingerprint"));
        put(out, "p", &self.say("fingerprint-how"));
        put(out, "p", "SHA-256");
        lines(out, "print main", &anchor.sha256);
        put(out, "p", "SHA-1");
        lines(out, "print", &anchor.sha1);
    }

    fn test(&self, out: &mut String) {
        if self.tested.is_empty() {
            return;
        }
        put(out, "h2", &self.say("test"));
        put(out, "p", &self.say("test-what"));
        let since = match self.medium {
            Medium::Port { since } => since.0.to_string(),
            Medium::File => String::new(),
        };
        let data = ["trying", "good", "bad", "silent", "old"].map(|key| {
            let words = self.say(&format!("test-{key}"));
            format!(" data-{key}=\"{}\"", escape(&words))
        });
        let data = data.concat();
        for origin in &self.tested {
            let origin = escape(origin);
            let words = self.say_of("test-button", &[("address", &origin)]);
            let by_hand = self.say_of("test-by-hand", &[("address", &origin)]);
            let told = match self.medium {
                Medium::Port { .. } => format!(
                    " <a href=\"/self-test?lang={}&amp;since={since}\">{}</a>",
                    self.language.as_str(),
                    self.say("test-told")
                ),
                Medium::File => String::new(),
            };
            out.push_str(&format!(
                "<div class=\"test\"><button type=\"button\" hidden data-url=\"{origin}\" \
                 data-since=\"{since}\"{data}>{words}</button><output></output>\
                 <p>{by_hand}{told}</p></div>\n"
            ));
        }
        put(out, "p", &self.say("test-apps"));
    }

    fn databases(&self, out: &mut String) {
        put(out, "h2", &self.say("databases"));
        if self.connections.is_empty() {
            return put(out, "p", &self.say("no-databases"));
        }
        put(out, "p", &self.say("databases-how"));
        for (number, (database, connection)) in self.connections.iter().enumerate() {
            let mut one = String::new();
            put(&mut one, "h3", &escape(&database.name));
            match connection {
                Some(text) => {
                    if let Some(code) = qr::svg(text).filter(|_| number < CODES) {
                        one.push_str(&code);
                    }
                    let text = escape(text);
                    put(
                        &mut one,
                        "p",
                        &format!("<code class=\"code\">{text}</code>"),
                    );
                }
                None => put(&mut one, "p", &self.say("database-closed")),
            }
            out.push_str(&format!("<div class=\"base\">{one}</div>\n"));
        }
    }
}

fn put(out: &mut String, element: &str, inner: &str) {
    out.push_str(&format!("<{element}>{inner}</{element}>\n"));
}

fn warn(out: &mut String, inner: &str) {
    out.push_str(&format!("<p class=\"note bad\">{inner}</p>\n"));
}

/// A fingerprint as it is compared: lines of groups.
pub(crate) fn fingerprint_lines(hex: &str) -> Vec<String> {
    let digits: Vec<char> = hex.chars().collect();
    let groups: Vec<String> = digits.chunks(GROUP).map(String::from_iter).collect();
    groups.chunks(LINE).map(|line| line.join(" ")).collect()
}

/// Numbered lines of groups.
fn lines(out: &mut String, class: &str, hex: &str) {
    let lines = fingerprint_lines(hex);
    let lines: String = lines
        .iter()
        .map(|line| format!("<li>{line}</li>"))
        .collect();
    out.push_str(&format!("<ol class=\"{class}\">{lines}</ol>\n"));
}

/// To the same page in the other language; `here` ends where a query begins or goes on.
fn switch(here: &str, language: Language) -> String {
    let (other, name) = match language {
        Language::Ru => (Language::En, "English"),
        Language::En => (Language::Ru, "Русский"),
    };
    let joint = if here.contains('?') { "" } else { "?" };
    let tag = other.as_str();
    format!("<a href=\"{here}{joint}lang={tag}\" hreflang=\"{tag}\">{name}</a>")
}
