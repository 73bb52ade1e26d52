//! What the doctor looks at: ports, files, names and clocks as they are at this moment. Every
//! question has a limit, and none changes anything.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::mpsc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use backend_types::{Language, Mode};
use gateway_certificates::{Name, Store, names};
use gateway_config::{Account, Backend, Config, Finding, SharedAccount};
use gateway_policy::address_list::{ListLine, wide_lines};
use words::Cause;

use crate::{
    certificates, messages, renewal,
    status::{RenewalFaultReport, Report, ServiceState, State},
};

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Of what a server answers; its `Date` stands in the head.
const HEAD_BYTES: u64 = 16 * 1024;
/// A list has more; these are enough to see what is meant.
const WIDE_LINES: usize = 5;

pub(crate) struct Facts {
    /// What the gateway says of itself, its ports dialled by itself just now; `None`: it does not run.
    pub(crate) report: Option<Report>,
    pub(crate) language: Language,
    pub(crate) file: PathBuf,
    /// With its warnings; or its faults, in the asker's language.
    pub(crate) config: Result<(Config, Vec<String>), Vec<String>>,
    /// What is wrong with the certificates that the file names; the gateway itself says so while
    /// it runs.
    pub(crate) named: Vec<Finding>,
    /// What is wrong with the renewal of certificates; the gateway itself says so while it runs.
    pub(crate) renewals: Vec<String>,
    pub(crate) reached: Vec<Reached>,
    /// Of this machine.
    pub(crate) own: Vec<IpAddr>,
    pub(crate) resolved: Vec<Resolved>,
    pub(crate) behind: Vec<Behind>,
    pub(crate) private: Vec<Private>,
    pub(crate) lists: Vec<List>,
    pub(crate) copies: Vec<Copies>,
}

/// A port of ours, dialled from here.
pub(crate) struct Reached {
    pub(crate) port: String,
    pub(crate) address: SocketAddr,
    pub(crate) fault: Option<String>,
}

/// A DNS name of a certificate.
pub(crate) struct Resolved {
    pub(crate) name: String,
    pub(crate) addresses: Result<Vec<IpAddr>, String>,
}

/// What stands behind a database.
pub(crate) struct Behind {
    pub(crate) database: String,
    pub(crate) address: String,
    /// How many seconds its clock is ahead of ours; none where it does not say.
    pub(crate) ahead: Result<Option<i64>, String>,
    /// On another host, and a service account is sent there.
    pub(crate) account_in_clear: bool,
}

/// A file or folder that nobody else should read.
pub(crate) struct Private {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Secret,
    DataFolder,
    /// Everybody may read it; nobody else may write it.
    Configuration,
}

/// An address list as its file is now.
pub(crate) struct List {
    pub(crate) database: String,
    pub(crate) file: PathBuf,
    pub(crate) whitelist: bool,
    pub(crate) wide: Result<Vec<ListLine>, String>,
}

/// Where copies of documents lie.
pub(crate) struct Copies {
    pub(crate) database: String,
    pub(crate) folder: PathBuf,
    /// Unix seconds; none where there is no copy yet.
    pub(crate) newest: Result<Option<i64>, String>,
}

impl Facts {
    pub(crate) fn gather(
        report: Option<Report>,
        file: PathBuf,
        data: &Path,
        language: Language,
    ) -> Self {
        let words = |findings: &[Finding]| -> Vec<String> {
            findings.iter().map(|one| one.render(language)).collect()
        };
        let loaded = gateway_config::load(&file, &gateway_config::Overrides::default());
        let named = match (&report, &loaded) {
            (Some(_), _) => Vec::new(),
            (None, Ok(loaded)) => certificates::findings(&file, &loaded.warnings, language),
            (None, Err(findings)) => certificates::findings(&file, findings, language),
        };
        let config = match loaded {
            Ok(loaded) => Ok((loaded.config, words(&loaded.warnings))),
            Err(findings) => Err(words(&findings)),
        };
        let own = names::machine_addresses();
        let good = config.as_ref().ok().map(|(config, _)| config);
        Self {
            reached: report
                .as_ref()
                .map(|report| reached(report, &own, language))
                .unwrap_or_default(),
            resolved: report
                .as_ref()
                .map(|report| resolved(report, language))
                .unwrap_or_default(),
            behind: good
                .map(|config| behind(config, &own, language))
                .unwrap_or_default(),
            private: private(data, &file, good),
            renewals: renewals(report.as_ref(), data, language),
            lists: report
                .as_ref()
                .map(|report| lists(report, language))
                .unwrap_or_default(),
            copies: report
                .as_ref()
                .map(|report| copies(report, language))
                .unwrap_or_default(),
            report,
            language,
            file,
            config,
            named,
            own,
        }
    }
}

fn renewals(report: Option<&Report>, data: &Path, language: Language) -> Vec<String> {
    if let Some(report) = report {
        let faults = report.renewal_faults.iter();
        return faults.map(|one| one.words(language)).collect();
    }
    let store = Store::new(data.join("tls"));
    // A folder that cannot be read is told where its permissions are.
    let slots = store.slots().unwrap_or_default().into_iter();
    let faults = slots.filter_map(|slot| {
        let fault = renewal::unread(&store, &slot, language)?;
        let certificate = slot.to_string();
        Some(RenewalFaultReport { certificate, fault }.words(language))
    });
    faults.collect()
}

/// Every open port at every address on which it listens, each in a thread of its own.
pub(super) fn reached(report: &Report, own: &[IpAddr], language: Language) -> Vec<Reached> {
    let mut wanted = Vec::new();
    let mut port = |name: String, state: &ServiceState| {
        let Some(listening) = state.address.filter(|_| state.state == State::Open) else {
            return;
        };
        let on_all = listening.ip().is_unspecified();
        let fits = |one: &&IpAddr| listening.is_ipv6() || one.is_ipv4();
        let addresses: Vec<IpAddr> = match on_all {
            true => own.iter().filter(fits).copied().collect(),
            false => vec![listening.ip()],
        };
        wanted.extend(
            addresses
                .into_iter()
                .map(|ip| (name.clone(), SocketAddr::new(ip, listening.port()))),
        );
    };
    for named in named_ports(report, language) {
        port(named.label, named.state);
    }
    std::thread::scope(|scope| {
        let dialled: Vec<_> = wanted
            .into_iter()
            .map(|(port, address)| {
                scope.spawn(move || Reached {
                    fault: TcpStream::connect_timeout(&address, CONNECT_LIMIT)
                        .err()
                        .map(|fault| Cause::of(&fault).words(language)),
                    port,
                    address,
                })
            })
            .collect();
        dialled
            .into_iter()
            .filter_map(|one| one.join().ok())
            .collect()
    })
}

/// A public port as people call it.
pub(super) struct NamedPort<'a> {
    pub(super) label: String,
    pub(super) state: &'a ServiceState,
    /// Its administrator has said that it should be closed.
    pub(super) meant_closed: bool,
}

pub(super) fn named_ports(report: &Report, language: Language) -> Vec<NamedPort<'_>> {
    let mut ports = Vec::new();
    if let Some(server) = &report.server {
        let name = messages::text(language, "status-server", &[]);
        ports.push(NamedPort {
            label: format!("{name} {}", server.saved.port),
            state: &server.state,
            meant_closed: server.in_force.is_none(),
        });
    }
    for database in &report.databases {
        let meant_closed = database.mode != Mode::Server;
        let print = database.print.as_ref();
        let print = print.map(|print| (print.port, &print.state));
        for (port, state) in std::iter::once((database.port, &database.data)).chain(print) {
            ports.push(NamedPort {
                label: format!("{} {port}", database.name),
                state,
                meant_closed,
            });
        }
    }
    ports
}

/// The DNS names by which terminals may call us; not those that only this machine knows.
fn resolved(report: &Report, language: Language) -> Vec<Resolved> {
    let certificates = report.databases.iter().flat_map(|one| &one.certificates);
    let server = report.server.iter().flat_map(|server| &server.certificates);
    let names = certificates.chain(server).flat_map(|one| &one.names);
    let mut names: Vec<String> = names
        .filter(|name| name.contains('.') && !name.starts_with('*'))
        .filter(|name| matches!(name.parse(), Ok(Name::Dns(_))))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| Resolved {
            addresses: resolve(&name).map_err(|fault| Cause::of(&fault).words(language)),
            name,
        })
        .collect()
}

/// The system's resolver has no limit of its own worth waiting for.
fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    let (tell, told) = mpsc::channel();
    let asked = name.to_owned();
    std::thread::spawn(move || {
        let found = (asked.as_str(), 0_u16).to_socket_addrs();
        // Who asked may have given up.
        drop(tell.send(found.map(|all| all.map(|one| one.ip()).collect::<Vec<_>>())));
    });
    match told.recv_timeout(ANSWER_LIMIT) {
        Ok(found) => found,
        Err(_silent) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn behind(config: &Config, own: &[IpAddr], language: Language) -> Vec<Behind> {
    let shared = matches!(config.account, SharedAccount::Own(_));
    let mut all = Vec::new();
    for database in &config.databases {
        let server = database.upstream.server();
        let sent = match &database.account {
            Account::Own(_) => true,
            Account::Shared => shared,
            Account::None => false,
        };
        all.push((database.name.clone(), server.clone(), sent));
    }
    if let Some(Backend::Remote(remote)) = &config.backend {
        all.push(("backend".to_owned(), remote.url.server().clone(), false));
    }
    let all = all.into_iter().map(|(database, server, sent)| {
        let asked = ask(server.host(), server.port())
            .map_err(|fault| Cause::of(&fault).words(language))
            .and_then(|(ip, head)| match head.starts_with("HTTP/1.") {
                true => Ok((ip, ahead(&head))),
                false => Err(messages::text(language, "doctor-no-http", &[])),
            });
        let elsewhere = asked.as_ref().is_ok_and(|(ip, _)| !own.contains(ip));
        Behind {
            database,
            address: server.authority(),
            ahead: asked.map(|(_, ahead)| ahead),
            account_in_clear: sent && elsewhere,
        }
    });
    all.collect()
}

/// Where an answer comes from, and its head.
fn ask(host: &str, port: u16) -> io::Result<(IpAddr, String)> {
    let found = resolve(host)?;
    let ip = *found.first().ok_or(io::ErrorKind::HostUnreachable)?;
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(ip, port), CONNECT_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    let request = format!("HEAD / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    let mut limited = stream.take(HEAD_BYTES);
    loop {
        let read = limited.read(&mut chunk)?;
        head.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if read == 0 || head.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    Ok((ip, String::from_utf8_lossy(&head).into_owned()))
}

/// What the head of an answer says of the time, against ours.
fn ahead(head: &str) -> Option<i64> {
    let date = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then_some(value.trim())
    });
    let theirs = httpdate::parse_http_date(date?).ok()?;
    Some(seconds(theirs) - seconds(SystemTime::now()))
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn private(data: &Path, file: &Path, config: Option<&Config>) -> Vec<Private> {
    let mut paths = vec![
        (data.to_owned(), Kind::DataFolder),
        (file.to_owned(), Kind::Configuration),
    ];
    let secret = |path: PathBuf| (path, Kind::Secret);
    let tls = data.join("tls");
    let within = files_of(&tls).into_iter().filter(|path| path.is_dir());
    let within = within.flat_map(|slot| [slot.join("replaced"), slot]);
    for folder in [data.join("secrets"), tls].into_iter().chain(within) {
        let files = files_of(&folder).into_iter();
        paths.extend(files.filter(|path| holds_secret(path)).map(secret));
    }
    if let Some(config) = config {
        let pairs = config.certificate.iter().chain(&config.server.certificate);
        let pairs = pairs.chain(
            config
                .databases
                .iter()
                .filter_map(|one| one.certificate.as_ref()),
        );
        paths.extend(pairs.map(|pair| secret(pair.key.clone())));
        if let SharedAccount::Own(account) = &config.account {
            paths.push(secret(account.password_file.clone()));
        }
        for database in &config.databases {
            if let Account::Own(account) = &database.account {
                paths.push(secret(account.password_file.clone()));
            }
        }
        if let Some(Backend::Remote(remote)) = &config.backend {
            paths.push(secret(remote.key_file.clone()));
        }
    }
    paths.sort_by(|one, other| one.0.cmp(&other.0));
    paths.dedup_by(|one, other| one.0 == other.0);
    let found = paths.into_iter().filter_map(|(path, kind)| {
        let found = std::fs::metadata(&path).ok()?;
        let (mode, owner) = (found.mode() & 0o777, found.uid());
        Some(Private {
            path,
            mode,
            owner,
            kind,
        })
    });
    found.collect()
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Among the files of `tls`, those with a key.
fn holds_secret(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent();
    path.is_file()
        && (folder.is_some_and(|one| one.ends_with("secrets") || one.ends_with("replaced"))
            || name.ends_with(".key")
            || name == "certificate.pem"
            || name.starts_with("request-"))
}

fn lists(report: &Report, language: Language) -> Vec<List> {
    let mut lists = Vec::new();
    for database in &report.databases {
        for name in ["whitelist.dat", "blacklist.dat"] {
            let file = database.folder.join("Server").join(name);
            let wide = match std::fs::read(&file) {
                Ok(bytes) => Ok(wide_lines(&bytes, WIDE_LINES)),
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => continue,
                Err(fault) => Err(Cause::of(&fault).words(language)),
            };
            lists.push(List {
                database: database.name.clone(),
                whitelist: name == "whitelist.dat",
                file,
                wide,
            });
        }
    }
    lists
}

fn copies(report: &Report, language: Language) -> Vec<Copies> {
    let kept = report.databases.iter().filter_map(|database| {
        let folder = database.backup_folder.clone()?;
        (database.backups == Some(true)).then(|| Copies {
            newest: newest(&folder).map_err(|fault| Cause::of(&fault).words(language)),
            database: database.name.clone(),
            folder,
        })
    });
    kept.collect()
}

/// Of the files in a folder, which may be missing until the first.
fn newest(folder: &Path) -> io::Result<Option<i64>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let times = entries.flatten().filter_map(|entry| {
        let changed = entry.metadata().ok()?.modified().ok()?;
        Some(seconds(changed))
    });
    Ok(times.max())
}
