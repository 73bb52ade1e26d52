//! Who races: how each is set up for the same checks, started, and shown to make them.
//!
//! The settings are the ones that an administrator who cares would write: kept connections on both
//! sides, no limit on their requests, no access log unless asked for.

use std::{
    fmt::Write,
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use openssl::base64::encode_block;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{
    load::{self, Connection, Target},
    process::{Cores, Process},
    stage::{LISTED_CLIENT, Stage, free_port, token},
};

/// A debug build on a busy machine reads its list within this.
const START_LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A refused client is cut at once; who still waits after this was let in.
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);
const USER: &str = "Exchange";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Contender {
    Nginx,
    NginxAuthRequest,
    Haproxy,
    Gateway,
    GatewayBasic,
}

impl Contender {
    pub(crate) const ALL: [Self; 5] = [
        Self::Nginx,
        Self::NginxAuthRequest,
        Self::Haproxy,
        Self::Gateway,
        Self::GatewayBasic,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxAuthRequest => "nginx auth_request",
            Self::Haproxy => "HAProxy",
            Self::Gateway => "gateway",
            Self::GatewayBasic => "gateway, Basic",
        }
    }

    /// Differs from another contender in how a request is judged alone: connections are the same.
    pub(crate) fn requests_alone(self) -> bool {
        matches!(self, Self::NginxAuthRequest | Self::GatewayBasic)
    }
}

/// The programs, as found.
pub(crate) struct Programs {
    pub(crate) nginx: PathBuf,
    pub(crate) haproxy: PathBuf,
    pub(crate) gateway: PathBuf,
}

impl Programs {
    pub(crate) fn of(&self, contender: Contender) -> &Path {
        match contender {
            Contender::Nginx | Contender::NginxAuthRequest => &self.nginx,
            Contender::Haproxy => &self.haproxy,
            Contender::Gateway | Contender::GatewayBasic => &self.gateway,
        }
    }
}

/// A contender that serves, and has shown that it makes the checks.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) target: Arc<Target>,
}

pub(crate) async fn start(
    contender: Contender,
    programs: &Programs,
    stage: &Stage,
    cores: &Cores,
    access_log: bool,
) -> anyhow::Result<Running> {
    let folder = stage.fresh("contender")?;
    let setup = Setup {
        stage,
        folder: &folder,
        address: free_port()?,
        access_log,
    };
    let program = programs.of(contender);
    let password = token()?;
    let mut command = match contender {
        Contender::Nginx => setup.nginx(program, false)?,
        Contender::NginxAuthRequest => setup.nginx(program, true)?,
        Contender::Haproxy => setup.haproxy(program)?,
        Contender::Gateway | Contender::GatewayBasic => setup.gateway(program, &password)?,
    };
    let mut process = Process::start(cores, &mut command, &folder)?;
    listening(setup.address, &mut process).await?;

    let target = |authorization: &str| Target {
        address: setup.address,
        tls: stage.tls.clone(),
        request: load::request(authorization),
        body: Arc::clone(&stage.body),
    };
    let authorization = match contender {
        Contender::Nginx | Contender::NginxAuthRequest | Contender::Haproxy => {
            let middle = stage.known.get(stage.known.len() / 2);
            middle.context("no token")?.clone()
        }
        Contender::Gateway => format!("Bearer {}", log_in(&target(""), &password).await?),
        Contender::GatewayBasic => {
            format!(
                "Basic {}",
                encode_block(format!("{USER}:{password}").as_bytes())
            )
        }
    };
    let target = Arc::new(target(&authorization));
    checks(&target).await?;
    Ok(Running { process, target })
}

async fn listening(address: SocketAddr, process: &mut Process) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    while TcpStream::connect(address).await.is_err() {
        if let Some(said) = process.ended()? {
            bail!(said);
        }
        ensure!(Instant::now() < deadline, "does not listen on {address}");
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

async fn log_in(target: &Target, password: &str) -> anyhow::Result<String> {
    let form = format!("grant_type=password&username={USER}&password={password}");
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut connection = Connection::open(target, Ipv4Addr::LOCALHOST, None).await?;
    let (status, body) = connection.exchange(request.as_bytes()).await?;
    ensure!(status == 200, "the login was answered {status}");
    let body: serde_json::Value = serde_json::from_slice(&body)?;
    let token = body.get("Access_token").and_then(serde_json::Value::as_str);
    Ok(token.context("a login without a token")?.to_owned())
}

/// A race against somebody who checks nothing would say nothing.
async fn checks(target: &Arc<Target>) -> anyhow::Result<()> {
    let good = load::open(target, 1).await.context("a good request")?;
    drop(good);
    let mut connection = Connection::open(target, Ipv4Addr::LOCALHOST, None).await?;
    let wrong = load::request("Bearer 00000000000000000000000000000000");
    let (status, _) = connection.exchange(&wrong).await?;
    ensure!(status == 401, "a wrong token was answered {status}");
    let listed = async {
        let mut connection = Connection::open(target, LISTED_CLIENT, None).await?;
        connection.exchange(&target.request).await
    };
    match timeout(REFUSAL_LIMIT, listed).await {
        Ok(Err(_cut)) => Ok(()),
        Ok(Ok((status, _))) => bail!("a listed address was answered {status}"),
        Err(_elapsed) => bail!("a listed address was let in"),
    }
}

struct Setup<'a> {
    stage: &'a Stage,
    folder: &'a Path,
    address: SocketAddr,
    access_log: bool,
}

impl Setup<'_> {
    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// Lines of `text`, each made of one value.
    fn lines<'t>(values: &'t [String], line: impl Fn(&'t str) -> String) -> String {
        values.iter().map(|value| line(value) + "\n").collect()
    }

    fn nginx(&self, program: &Path, auth_request: bool) -> anyhow::Result<Command> {
        let Self { stage, address, .. } = self;
        let (chain, key) = (stage.file("chain.pem"), stage.file("key.pem"));
        self.write(
            "blacklist",
            &Self::lines(&stage.blacklist, |line| format!("{line} 1;")),
        )?;
        self.write(
            "known",
            &Self::lines(&stage.known, |known| format!("\"{known}\" 1;")),
        )?;
        let access_log = if self.access_log { "access.log" } else { "off" };
        let judge = if auth_request {
            "auth_request /judge;"
        } else {
            "if ($known = 0) { return 401; }"
        };
        // Without a master: one process to measure and to kill.
        let text = format!(
            "daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log error.log error;
events {{ worker_connections 3600; }}
http {{
    access_log {access_log};
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    map_hash_max_size 8192;
    map_hash_bucket_size 128;
    geo $blocked {{ default 0; include blacklist; }}
    map $http_authorization $known {{ default 0; include known; }}
    upstream data {{
        server {upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    upstream judge {{
        server {judge_address};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address} ssl;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:10m;
        if ($blocked) {{ return 444; }}
        location / {{
            {judge}
            proxy_pass http://data;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $http_host;
            proxy_set_header Authorization \"\";
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Request-Id $request_id;
        }}
        location = /judge {{
            internal;
            proxy_pass http://judge;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_pass_request_body off;
            proxy_set_header Content-Length \"\";
        }}
    }}
}}
",
            upstream = stage.upstream,
            judge_address = stage.judge,
            chain = chain.display(),
            key = key.display(),
        );
        let config = self.write("nginx.conf", &text)?;
        let mut command = Command::new(program);
        command.arg("-p").arg(self.folder);
        command.arg("-e").arg(self.folder.join("error.log"));
        command.arg("-c").arg(config);
        Ok(command)
    }

    fn haproxy(&self, program: &Path) -> anyhow::Result<Command> {
        let Self { stage, address, .. } = self;
        let blacklist = self.write("blacklist", &Self::lines(&stage.blacklist, str::to_owned))?;
        let known = self.write("known", &Self::lines(&stage.known, str::to_owned))?;
        let log = if self.access_log {
            "log stdout format raw local0 info\n    option httplog"
        } else {
            "no log"
        };
        let text = format!(
            "global
    nbthread 1
    maxconn 3600
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    {log}
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    timeout http-request 10s
    timeout http-keep-alive 75s
    http-reuse always
frontend terminals
    bind {address} ssl crt {pem}
    tcp-request connection reject if {{ src -f {blacklist} }}
    http-request deny deny_status 401 unless {{ req.hdr(authorization) -f {known} }}
    http-request del-header Authorization
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Request-Id %[uuid()]
    default_backend data
backend data
    server data {upstream}
",
            pem = stage.file("both.pem").display(),
            blacklist = blacklist.display(),
            known = known.display(),
            upstream = stage.upstream,
        );
        let config = self.write("haproxy.cfg", &text)?;
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(config);
        Ok(command)
    }

    /// One core is one worker to it.
    fn gateway(&self, program: &Path, password: &str) -> anyhow::Result<Command> {
        let Self { stage, folder, .. } = self;
        let data = folder.join("data");
        let lists = data.join("race").join("Server");
        fs::create_dir_all(&lists)?;
        fs::write(
            lists.join("blacklist.dat"),
            Self::lines(&stage.blacklist, str::to_owned),
        )?;
        let level = if self.access_log { "info" } else { "warn" };
        let mut text = String::new();
        writeln!(
            text,
            "language: en
data: {data}
listen: 127.0.0.1
log: {{to: file, level: {level}}}
metrics: off
server: {{port: 0, https: true}}
limits: {{connections_per_address: 1000000, new_per_second: 1000000, burst: 1000000}}
databases:
  - id: race
    name: Race
    folder: {folder}
    https: true
    certificate: {{chain: {chain}, key: {key}}}
    authentication: gateway
    rights: smarts
    port: {port}
    upstream: http://{upstream}
    users:
      - id: '1'
        name: {USER}
        role: external-connection",
            data = quoted(&data),
            folder = quoted(&data.join("race")),
            chain = quoted(&stage.file("chain.pem")),
            key = quoted(&stage.file("key.pem")),
            port = self.address.port(),
            upstream = stage.upstream,
        )?;
        for line in hash(program, &data, password)?.lines() {
            writeln!(text, "        {}", line.trim())?;
        }
        let config = self.write("gateway.yaml", &text)?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(config);
        Ok(command)
    }
}

/// JSON's strings are YAML's.
fn quoted(path: &Path) -> serde_json::Value {
    path.display().to_string().into()
}

/// The lines `password:` and `index:`.
fn hash(program: &Path, data: &Path, password: &str) -> anyhow::Result<String> {
    let mut hash = Command::new(program)
        .arg("hash")
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program.display().to_string())?;
    if let Some(mut line) = hash.stdin.take() {
        writeln!(line, "{password}")?;
    }
    let done = hash.wait_with_output()?;
    ensure!(done.status.success(), "hash {}", done.status);
    Ok(String::from_utf8(done.stdout)?)
}
