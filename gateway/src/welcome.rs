//! What a person reads when the gateway has started: addresses, the certificate, and after the
//! first start, this once, the users with their passwords and three commands that work when
//! pasted. A service's stdout is kept in the journal: there it is told where these stand instead.
//! Then the ready line for programs.

use std::net::SocketAddr;

use backend_types::{MadeUser, Role};
use gateway_certificates::names;
use gateway_config::Config;
use serde_json::json;
use words::Cause;

use crate::{
    certificates::{InUse, Origin, Served},
    messages::{self, Language, text},
    status::{DatabaseReport, Report, ServiceState, State},
};

/// People's text; `first` is what the embedded backend has made just now.
pub(crate) fn text_for_people(
    report: &Report,
    served: Option<Served>,
    config: &Config,
    first: Option<&backend::FirstStart>,
) -> String {
    let language = config.language;
    let say = |key: &str, values: &[(&'static str, &str)]| text(language, key, values);
    let mut out = String::new();
    let mut line = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    line(say("welcome-title", &[("version", &report.version)]));
    line(String::new());
    for database in &report.databases {
        line(format!(
            "  {}  {}",
            database.name,
            address(language, database)
        ));
    }
    if let Some(server) = &report.server {
        let scheme = if server.saved.https { "https" } else { "http" };
        line(format!(
            "  {}  {}",
            say("welcome-server", &[]),
            place(language, scheme, &server.state)
        ));
    }
    if let Some(page) = &report.certificate_page {
        line(format!(
            "  {}  {}",
            say("welcome-certificate-page", &[]),
            place(language, "http", &page.state)
        ));
    }
    line(String::new());
    match &served {
        Some(Ok(in_use)) => {
            for pair in in_use.certificate.pairs() {
                let validity = pair.validity();
                let values = [
                    ("file", &*in_use.file.display().to_string()),
                    ("from", &messages::moment(validity.from, language)),
                    ("to", &messages::moment(validity.until, language)),
                ];
                line(say("welcome-certificate", &values));
                line(format!("  SHA-1    {}", pair.thumbprint_sha1()));
                line(format!("  SHA-256  {}", pair.thumbprint_sha256()));
            }
            if in_use.origin == Origin::Test {
                line(format!("  {}", say("welcome-test-certificate", &[])));
            }
        }
        Some(Err(fault)) => {
            line(say(
                "welcome-no-certificate",
                &[("fault", &fault.words(language))],
            ));
        }
        None => {}
    }
    for warning in &report.config.warnings {
        line(format!("  ! {warning}"));
    }
    if let Some(first) = first {
        line(String::new());
        let pair = served.as_ref().and_then(|served| served.as_deref().ok());
        let users = users(language, report, pair, first);
        match log_files::first_passwords::aside(&users) {
            Ok(None) => line(users),
            Ok(Some(file)) => {
                let file = file.display().to_string();
                line(say("welcome-users-aside", &[("file", &file)]));
            }
            Err(fault) => {
                let fault = Cause::of(&fault).words(language);
                line(say("welcome-users-lost", &[("fault", &fault)]));
            }
        }
    }
    line(String::new());
    out
}

/// Who was made, with passwords, and what to try.
fn users(
    language: Language,
    report: &Report,
    in_use: Option<&InUse>,
    first: &backend::FirstStart,
) -> String {
    let mut lines = vec![text(language, "welcome-users", &[])];
    for database in &first.databases {
        lines.push(format!("  {}", database.settings.name));
        let users = database.users.iter();
        lines.extend(users.map(|user| format!("    {}", made_user(language, user))));
    }
    let commands = in_use.map(|in_use| commands(report, in_use, first));
    for command in commands.unwrap_or_default() {
        lines.extend([String::new(), command]);
    }
    lines.join("\n")
}

fn address(language: Language, database: &DatabaseReport) -> String {
    let scheme = if database.https { "https" } else { "http" };
    place(language, scheme, &database.data)
}

fn place(language: Language, scheme: &str, state: &ServiceState) -> String {
    match (state.address, state.state, &state.reason) {
        (Some(address), State::Open, _) => {
            let port = address.port();
            let host = names::host_name();
            let local = format!("{scheme}://localhost:{port}");
            host.map_or(local.clone(), |host| {
                format!("{local}  {scheme}://{host}:{port}")
            })
        }
        (_, _, Some(reason)) => text(language, "welcome-closed", &[("reason", reason)]),
        (_, _, None) => text(language, "welcome-closed", &[("reason", "")]),
    }
}

fn made_user(language: Language, user: &MadeUser) -> String {
    let role = text(language, role_key(user.role), &[]);
    let line = format!("{}  {}  ({role})", user.name, user.password);
    match &user.barcode {
        Some(barcode) => {
            let told = text(language, "welcome-barcode", &[("barcode", barcode)]);
            format!("{line}  {told}")
        }
        None => line,
    }
}

fn role_key(role: Role) -> &'static str {
    match role {
        Role::MobileUser => "role-mobile-user",
        Role::ExternalConnection => "role-external-connection",
        Role::Administrator => "role-administrator",
    }
}

/// Log in, list documents, change one: as the external connection of the first database.
fn commands(report: &Report, in_use: &InUse, first: &backend::FirstStart) -> Vec<String> {
    let Some((made, user)) = first.databases.iter().find_map(|database| {
        let external = |user: &&MadeUser| user.role == Role::ExternalConnection;
        database
            .users
            .iter()
            .find(external)
            .map(|user| (database, user))
    }) else {
        return Vec::new();
    };
    let served = report
        .databases
        .iter()
        .find(|database| database.id == made.id);
    let Some((served, port)) =
        served.and_then(|one| one.data.address.map(|address| (one, address.port())))
    else {
        return Vec::new();
    };
    let (trust, scheme) = if served.https {
        (
            format!(" --cacert {}", quoted(&in_use.file.display().to_string())),
            "https",
        )
    } else {
        (String::new(), "http")
    };
    let base = format!("{scheme}://localhost:{port}/api/v1");
    let credential = quoted(&format!("{}:{}", user.name, user.password));
    let curl = format!("curl -sS --fail-with-body{trust}");
    vec![
        format!(
            "{curl} -G {base}/session --data-urlencode username={} --data-urlencode password={}",
            quoted(&user.name),
            quoted(&user.password)
        ),
        format!("{curl} -u {credential} '{base}/Docs?$top=3'"),
        format!(
            "{curl} -u {credential} -X PATCH \"{base}/Docs('{}')\" -H 'Content-Type: application/json' \
             -d '{{\"description\":\"curl\"}}' -w '%{{http_code}}\\n'",
            backend::SAMPLE_DOCUMENT
        ),
    ]
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `ready {…}`: what was bound, for programs.
pub(crate) fn ready_line(report: &Report, metrics: Option<SocketAddr>) -> String {
    let databases: Vec<_> = report
        .databases
        .iter()
        .map(|database| {
            json!({
                "id": database.id,
                "name": database.name,
                "address": database.data.address,
                "print": database.print.as_ref().and_then(|print| print.state.address),
            })
        })
        .collect();
    let server = report
        .server
        .as_ref()
        .and_then(|server| server.state.address);
    format!(
        "ready {}",
        json!({"databases": databases, "server": server, "metrics": metrics})
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in ["plain", "Обмен", "it's", "a b", "$x`y`\"", ""] {
            let echo = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quoted(text)))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(echo.stdout).unwrap(), text);
        }
    }
}
