//! What a person sees who opens a port in a browser: the vendor's administrators use it as the
//! test that a port is reachable.

use crate::messages::{Language, text};

/// The page at `/`. It names the database and nothing that a stranger could use.
pub(crate) fn home(language: Language, name: Option<&str>) -> String {
    let title = text(language, "page-title", &[]);
    let body = match name {
        Some(name) => text(language, "page-database", &[("name", &escape(name))]),
        None => text(language, "page-server", &[]),
    };
    let tag = match language {
        Language::Ru => "ru",
        Language::En => "en",
    };
    format!(
        "<!doctype html>\n<html lang=\"{tag}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}</style>\
         </head><body><h1>{title}</h1><p>{body}</p></body></html>\n"
    )
}

/// For a client that speaks plain HTTP to an https port: readable text in both languages, since
/// its `Accept-Language` has not been read.
pub(crate) fn this_port_speaks_https() -> String {
    let body = format!(
        "{}\n{}\n",
        text(Language::Ru, "refusal-not-tls", &[]),
        text(Language::En, "refusal-not-tls", &[]),
    );
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_markup_stays_text() {
        let page = home(Language::En, Some("<script>&\""));
        assert!(
            page.contains("&lt;script&gt;&amp;&quot;") && !page.contains("<script>"),
            "{page}"
        );
    }
}
