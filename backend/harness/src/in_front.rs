//! `gateway.yaml` for a gateway in front of some upstream, as values that a test varies.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{certificate::Issued, tool};

/// The whole file. Every field is public: start from [`InFront::new`] and change what matters.
#[derive(Clone, Debug)]
pub struct InFront {
    pub data: PathBuf,
    pub listen: String,
    pub trusted_proxies: Vec<String>,
    /// Server port and whether it speaks TLS.
    pub server: (u16, bool),
    pub server_tls: &'static str,
    /// Port of the certificate page; `None`: off.
    pub certificate_page: Option<u16>,
    /// Connections, new ones a second and burst, per address; `None`: the defaults.
    pub limits: Option<(u32, u32, u32)>,
    /// The shared service account, as YAML.
    pub account: String,
    pub databases: Vec<Database>,
}

/// One database of it. Plain HTTP and no login, unless a test wants more.
#[derive(Clone, Debug)]
pub struct Database {
    pub id: String,
    pub name: String,
    pub comment: String,
    /// `None`: named by its id, see [`InFront::folder`].
    pub folder: Option<PathBuf>,
    pub mode: &'static str,
    pub https: bool,
    pub certificate: Option<Issued>,
    pub tls: &'static str,
    pub client_certificates: &'static str,
    pub authentication: &'static str,
    pub barcode_login: bool,
    /// `smarts`, `pass` or a YAML list.
    pub rights: String,
    pub identity_headers: bool,
    pub port: u16,
    pub upstream: String,
    /// `none`, `shared` or its own, as YAML.
    pub account: String,
    /// As YAML; `None`: no print server.
    pub print: Option<String>,
    pub compress: bool,
    pub login_paths: Vec<String>,
    pub users: Vec<User>,
}

/// One user of it.
#[derive(Clone, Debug)]
pub struct User {
    pub id: String,
    pub name: String,
    pub role: &'static str,
    pub password: Option<Hashed>,
    pub barcode: Option<Hashed>,
}

/// What `gateway hash` prints for one line of input.
#[derive(Clone, Debug)]
pub struct Hashed {
    pub phc: String,
    pub index: Option<String>,
}

impl InFront {
    /// All on free ports; the data folder is `data`.
    #[must_use]
    pub fn new(data: &Path, databases: impl Into<Vec<Database>>) -> Self {
        Self {
            data: data.to_owned(),
            listen: "::".to_owned(),
            trusted_proxies: Vec::new(),
            server: (0, false),
            server_tls: "intermediate",
            certificate_page: None,
            limits: None,
            account: "none".to_owned(),
            databases: databases.into(),
        }
    }

    /// The folder whose `Server/` holds a database's lists.
    #[must_use]
    pub fn folder(&self, id: &str) -> PathBuf {
        self.data.join("databases").join(id)
    }

    /// Writes a list as an editor would that replaces the file: `whitelist` or `blacklist`.
    pub fn list(&self, id: &str, list: &str, text: impl AsRef<[u8]>) {
        let folder = self.folder(id).join("Server");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{list}.dat"));
        let fresh = folder.join(format!("{list}.dat.new"));
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, &file).unwrap();
    }

    /// Removes a list; that there was none is fine.
    pub fn remove_list(&self, id: &str, list: &str) {
        match fs::remove_file(self.folder(id).join("Server").join(format!("{list}.dat"))) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => panic!("{fault}"),
            _ => {}
        }
    }

    /// The file's text.
    #[must_use]
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        let out = &mut text;
        line(
            out,
            &format!(
                "language: en\ndata: {}",
                quoted(&self.data.display().to_string())
            ),
        );
        line(out, &format!("listen: {}", quoted(&self.listen)));
        line(out, "log: {to: stderr, level: info}\nmetrics: 127.0.0.1:0");
        line(
            out,
            &format!("trusted_proxies: {}", list(&self.trusted_proxies)),
        );
        let (port, https) = self.server;
        line(
            out,
            &format!(
                "server: {{port: {port}, https: {https}, tls: {}}}",
                self.server_tls
            ),
        );
        if let Some(port) = self.certificate_page {
            line(out, &format!("certificate_page: {{port: {port}}}"));
        }
        if let Some((connections, new, burst)) = self.limits {
            line(
                out,
                &format!(
                    "limits: {{connections_per_address: {connections}, new_per_second: {new}, \
                     burst: {burst}}}"
                ),
            );
        }
        line(out, &format!("account: {}", self.account));
        line(out, "databases:");
        for database in &self.databases {
            database.write(self, out);
        }
        text
    }
}

impl Database {
    /// Named and foldered by its id, on port 0.
    #[must_use]
    pub fn new(id: &str, upstream: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            name: format!("Database {id}"),
            comment: String::new(),
            folder: None,
            mode: "server",
            https: false,
            certificate: None,
            tls: "intermediate",
            client_certificates: "off",
            authentication: "none",
            barcode_login: false,
            rights: "pass".to_owned(),
            identity_headers: false,
            port: 0,
            upstream: upstream.into(),
            account: "none".to_owned(),
            print: None,
            compress: false,
            login_paths: Vec::new(),
            users: Vec::new(),
        }
    }

    /// With these users, who log in at the gateway.
    #[must_use]
    pub fn with_users(self, users: impl Into<Vec<User>>) -> Self {
        Self {
            authentication: "gateway",
            users: users.into(),
            ..self
        }
    }

    fn write(&self, file: &InFront, out: &mut String) {
        line(out, &format!("  - id: {}", quoted(&self.id)));
        line(out, &format!("    name: {}", quoted(&self.name)));
        let folder = self.folder.clone();
        let folder = folder.unwrap_or_else(|| file.folder(&self.id));
        let folder = quoted(&folder.display().to_string());
        line(out, &format!("    folder: {folder}"));
        line(out, &format!("    comment: {}", quoted(&self.comment)));
        line(
            out,
            &format!("    mode: {}\n    https: {}", self.mode, self.https),
        );
        if let Some(Issued { chain, key }) = &self.certificate {
            let (chain, key) = (chain.display().to_string(), key.display().to_string());
            line(
                out,
                &format!(
                    "    certificate: {{chain: {}, key: {}}}",
                    quoted(&chain),
                    quoted(&key)
                ),
            );
        }
        line(
            out,
            &format!(
                "    tls: {}\n    client_certificates: {}",
                self.tls, self.client_certificates
            ),
        );
        line(out, &format!("    authentication: {}", self.authentication));
        line(out, &format!("    barcode_login: {}", self.barcode_login));
        line(out, &format!("    rights: {}", self.rights));
        line(
            out,
            &format!("    identity_headers: {}", self.identity_headers),
        );
        line(
            out,
            &format!(
                "    port: {}\n    upstream: {}",
                self.port,
                quoted(&self.upstream)
            ),
        );
        line(
            out,
            &format!(
                "    account: {}\n    compress: {}",
                self.account, self.compress
            ),
        );
        if let Some(print) = &self.print {
            line(out, &format!("    print: {print}"));
        }
        if !self.login_paths.is_empty() {
            line(
                out,
                &format!("    login_paths: {}", list(&self.login_paths)),
            );
        }
        if self.users.is_empty() {
            return;
        }
        line(out, "    users:");
        for user in &self.users {
            let (id, name) = (quoted(&user.id), quoted(&user.name));
            line(
                out,
                &format!(
                    "      - id: {id}\n        name: {name}\n        role: {}",
                    user.role
                ),
            );
            for (key, index_key, hashed) in [
                ("password", "index", &user.password),
                ("barcode", "barcode_index", &user.barcode),
            ] {
                let Some(hashed) = hashed else { continue };
                line(out, &format!("        {key}: {}", quoted(&hashed.phc)));
                if let Some(index) = &hashed.index {
                    line(out, &format!("        {index_key}: {}", quoted(index)));
                }
            }
        }
    }
}

impl User {
    /// With a password, hashed by the gateway's own `hash`.
    #[must_use]
    #[track_caller]
    pub fn new(gateway: &str, data: &Path, name: &str, role: &'static str, password: &str) -> Self {
        Self {
            id: format!("id-{name}"),
            name: name.to_owned(),
            role,
            password: Some(Hashed::by(gateway, data, password)),
            barcode: None,
        }
    }

    /// And a barcode.
    #[must_use]
    #[track_caller]
    pub fn with_barcode(self, gateway: &str, data: &Path, barcode: &str) -> Self {
        Self {
            barcode: Some(Hashed::by(gateway, data, barcode)),
            ..self
        }
    }
}

impl Hashed {
    /// Runs `gateway hash --data …`.
    ///
    /// # Panics
    /// When it fails or prints something else than `password:` and `index:`.
    #[must_use]
    #[track_caller]
    pub fn by(gateway: &str, data: &Path, secret: &str) -> Self {
        let arguments = ["hash", "--data", data.to_str().unwrap()];
        let outcome = tool::run(gateway, arguments, &format!("{secret}\n"));
        assert_eq!(outcome.code, Some(0), "gateway hash: {outcome:?}");
        let value = |key: &str| {
            let found = outcome
                .stdout
                .lines()
                .find_map(|line| line.trim().strip_prefix(key));
            let text = found.unwrap_or_else(|| panic!("no {key} in {outcome:?}"));
            text.trim().trim_matches(['"', '\'']).to_owned()
        };
        Self {
            phc: value("password:"),
            index: Some(value("index:")),
        }
    }
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").unwrap();
}

/// JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn list(texts: &[String]) -> String {
    serde_json::to_string(texts).unwrap()
}
