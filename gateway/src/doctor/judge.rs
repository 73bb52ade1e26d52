//! From facts to findings, in the order of a packet's way: ports, certificates, clocks, lists, files,
//! what stands behind. Pure.

use std::collections::{BTreeMap, BTreeSet};

use gateway_config::Severity;

use super::{
    Finding,
    State::{Fault, Good, OpenDoor, Remark},
    facts::{Behind, Facts, Kind, List, Private, Resolved, named_ports},
};
use crate::{
    certificates::Origin,
    messages,
    status::{self, CertificateReport, DatabaseReport, Report, ServiceState},
};

/// What a clock may differ before somebody notices; tokens and certificates bear that.
const SKEW_SECONDS: i64 = 60;
/// Certificates of terminals and ours begin and end by it.
const BAD_SKEW_SECONDS: i64 = 300;
/// A proxy is a machine or a few, not a network like this.
const WIDE_PROXIES: (u8, u8) = (16, 32);

/// Every check, good ones too.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(report) = &facts.report {
        findings.push(Finding::new(
            "running",
            Good,
            &[
                ("version", &report.version),
                ("pid", &report.pid.to_string()),
            ],
        ));
    } else {
        findings.push(Finding::new("not-running", Fault, &[]));
    }
    configuration(facts, &mut findings);
    if let Some(report) = &facts.report {
        ports(facts, report, &mut findings);
        served(facts, report, &mut findings);
        all_certificates(report, &mut findings);
        names(facts, &mut findings);
        databases(report, &mut findings);
    }
    let renewals = facts.renewals.iter();
    findings.extend(renewals.map(|words| Finding::said("renewal-unread", Fault, words)));
    for one in &facts.named {
        let (key, state) = match one.severity() {
            Severity::Fault => ("certificate-files", Fault),
            Severity::Warning => ("certificate-ends", Remark),
        };
        findings.push(Finding::said(key, state, &one.render(facts.language)));
    }
    for behind in &facts.behind {
        upstream(behind, &mut findings);
    }
    for list in &facts.lists {
        one_list(list, &mut findings);
    }
    private(&facts.private, &mut findings);
    for copies in &facts.copies {
        let folder = copies.folder.display().to_string();
        let name = copies.database.as_str();
        let finding = match &copies.newest {
            Ok(Some(newest)) => {
                let newest = messages::moment(*newest, facts.language);
                let values = [("database", name), ("newest", &newest)];
                Finding::new("copies", Good, &values)
            }
            Ok(None) => Finding::new("no-copies", Good, &[("database", name)]),
            Err(cause) => {
                let values = [("database", name), ("folder", &*folder), ("cause", cause)];
                Finding::new("copies-unreadable", Remark, &values)
            }
        };
        findings.push(finding);
    }
    findings
}

fn configuration(facts: &Facts, findings: &mut Vec<Finding>) {
    let file = facts.file.display().to_string();
    match &facts.config {
        Err(faults) => {
            findings.extend(
                faults
                    .iter()
                    .map(|fault| Finding::said("config", Fault, fault)),
            );
        }
        Ok((config, warnings)) => {
            findings.push(Finding::new("config-good", Good, &[("file", &file)]));
            // Those of databases come with the databases, from both sources, while the gateway runs.
            if facts.report.is_none() {
                let warned = warnings.iter();
                findings.extend(warned.map(|words| Finding::said("config", Remark, words)));
            }
            let networks = config.trusted_proxies.iter().map(|net| net.0);
            for net in networks {
                let bits = if net.addr().is_ipv4() {
                    WIDE_PROXIES.0
                } else {
                    WIDE_PROXIES.1
                };
                if net.prefix_len() < bits {
                    let net = net.to_string();
                    findings.push(Finding::new("proxies-wide", Fault, &[("net", &net)]));
                }
            }
        }
    }
    let told = facts.report.as_ref().map(|report| &report.config.faults);
    for fault in told.into_iter().flatten() {
        findings.push(Finding::said("config", Fault, fault));
    }
}

fn ports(facts: &Facts, report: &Report, findings: &mut Vec<Finding>) {
    for port in named_ports(report, facts.language) {
        let label = port.label.as_str();
        let all: Vec<_> = facts
            .reached
            .iter()
            .filter(|one| one.port == label)
            .collect();
        let bad = all
            .iter()
            .filter_map(|one| Some((one, one.fault.as_ref()?)));
        let mut any_bad = false;
        for (one, cause) in bad {
            any_bad = true;
            let address = one.address.to_string();
            let values = [("port", label), ("address", &address), ("cause", cause)];
            findings.push(Finding::new("port-unreachable", Fault, &values));
        }
        if let Some(reason) = &port.state.reason {
            let state = if port.meant_closed { Good } else { Fault };
            let values = [("port", label), ("reason", reason)];
            findings.push(Finding::new("port-closed", state, &values));
        } else if !any_bad {
            let count = all.len().to_string();
            let values = [("port", label), ("count", &count)];
            findings.push(Finding::new("port-good", Good, &values));
        }
    }
}

fn served(facts: &Facts, report: &Report, findings: &mut Vec<Finding>) {
    // Perhaps of an intermediate, perhaps of a root that every terminal has.
    let mut unknown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for port in named_ports(report, facts.language) {
        let Some(watched) = &port.state.watched else {
            continue;
        };
        let label = port.label.as_str();
        for fault in &watched.faults {
            let words = format!("{label}: {fault}");
            findings.push(Finding::said("served", Fault, &words));
        }
        if watched.faults.is_empty() {
            match &watched.issuer {
                Some(issuer) => {
                    let ports = unknown.entry(issuer.clone()).or_default();
                    ports.push(label.to_owned());
                }
                // A gateway from before that, running on, does not say whose.
                None if watched.trust.as_deref() == Some("missing") => {}
                None => findings.push(Finding::new("served-good", Good, &[("port", label)])),
            }
        }
    }
    for (issuer, ports) in unknown {
        let values = [("ports", &*ports.join(", ")), ("issuer", &issuer)];
        findings.push(Finding::new("issuer-unknown", Remark, &values));
    }
}

fn all_certificates(report: &Report, findings: &mut Vec<Finding>) {
    let databases = report.databases.iter();
    let faults = databases.filter_map(|one| one.certificate_fault.as_ref());
    let server = report.server.iter();
    let faults = server
        .filter_map(|one| one.certificate_fault.as_ref())
        .chain(faults);
    let mut told = BTreeSet::new();
    for fault in faults {
        if told.insert(fault) {
            findings.push(Finding::said("certificate-files", Fault, fault));
        }
    }
    let of_databases = report.databases.iter().flat_map(|one| &one.certificates);
    let of_server = report.server.iter().flat_map(|server| &server.certificates);
    let mut seen = BTreeSet::new();
    for certificate in of_server.chain(of_databases) {
        if seen.insert(&certificate.thumbprint_sha256) {
            one_certificate(certificate, findings);
        }
    }
}

fn one_certificate(certificate: &CertificateReport, findings: &mut Vec<Finding>) {
    let holder = certificate.holder.as_str();
    let days = certificate.days_left.to_string();
    if let Some(alarm) = &certificate.alarm {
        let state = if certificate.days_left < 7 {
            Fault
        } else {
            Remark
        };
        let words = format!("{holder}: {alarm}");
        findings.push(Finding::said("certificate-ends", state, &words));
    } else {
        let values = [("holder", holder), ("days", &days)];
        findings.push(Finding::new("certificate-good", Good, &values));
    }
    match certificate.origin {
        Origin::Test => findings.push(Finding::new("certificate-test", Remark, &[])),
        Origin::SelfSigned => {
            findings.push(Finding::new(
                "certificate-itself",
                Remark,
                &[("holder", holder)],
            ));
        }
        // That an origin is not known is said of its renewal.
        Origin::Files | Origin::Imported | Origin::Authority | Origin::Acme | Origin::Unknown => {}
    }
}

fn names(facts: &Facts, findings: &mut Vec<Finding>) {
    for Resolved { name, addresses } in &facts.resolved {
        let finding = match addresses {
            Err(cause) => {
                let values = [("name", &**name), ("cause", cause)];
                Finding::new("name-unknown", Remark, &values)
            }
            Ok(addresses) if addresses.iter().any(|one| facts.own.contains(one)) => {
                Finding::new("name-good", Good, &[("name", name)])
            }
            Ok(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                let values = [("name", &**name), ("addresses", &addresses.join(", "))];
                // As behind every router that forwards a port.
                Finding::new("name-elsewhere", Good, &values)
            }
        };
        findings.push(finding);
    }
}

fn databases(report: &Report, findings: &mut Vec<Finding>) {
    if let Some(backend) = &report.backend
        && let Some(cause) = &backend.fault
    {
        findings.push(Finding::new("backend-gone", Fault, &[("cause", cause)]));
    }
    if let Some(server) = &report.server
        && server.in_force.is_some_and(|server| !server.https)
        && is_public(&server.state)
    {
        findings.push(Finding::new("server-https-off", Fault, &[]));
    }
    for database in &report.databases {
        foot_guns(database, findings);
        for list in &database.lists {
            if let Some(fault) = &list.fault {
                let values = [("fault", fault.as_str())];
                findings.push(Finding::new("list-damaged", Fault, &values));
            }
        }
    }
}

/// Reachable by others than this machine's own programs.
fn is_public(state: &ServiceState) -> bool {
    state.state == status::State::Open
        && state
            .address
            .is_some_and(|address| !address.ip().is_loopback())
}

fn foot_guns(database: &DatabaseReport, findings: &mut Vec<Finding>) {
    let public = is_public(&database.data);
    for warning in &database.warnings {
        let (key, state) = match warning.code.as_str() {
            "https-off" => ("https-off", if public { Fault } else { Remark }),
            "authentication-off" => ("authentication-off", if public { OpenDoor } else { Remark }),
            "whitelists-everybody" => ("whitelists-everybody", Fault),
            "print-pass" => ("print-pass", Remark),
            // The same thing as `https-off`, and no second fault.
            "authentication-without-https" => continue,
            _ => ("warning", Remark),
        };
        let words = format!("{}: {}", database.name, warning.message);
        findings.push(Finding::said(key, state, &words));
    }
}

fn upstream(behind: &Behind, findings: &mut Vec<Finding>) {
    let values = [
        ("database", behind.database.as_str()),
        ("address", behind.address.as_str()),
    ];
    let [database, address] = values;
    match &behind.ahead {
        Err(cause) => {
            let values = [database, address, ("cause", cause)];
            findings.push(Finding::new("upstream-gone", Fault, &values));
        }
        Ok(ahead) => {
            findings.push(Finding::new("upstream-good", Good, &values));
            if let Some(ahead) = ahead {
                let seconds = ahead.abs().to_string();
                let values = [address, ("seconds", &seconds)];
                let (key, state) = match ahead.abs() {
                    0..SKEW_SECONDS => ("clock-good", Good),
                    SKEW_SECONDS..BAD_SKEW_SECONDS => ("clock-skew", Remark),
                    _ => ("clock-skew", Fault),
                };
                findings.push(Finding::new(key, state, &values));
            }
        }
    }
    if behind.account_in_clear {
        findings.push(Finding::new("account-in-clear", Remark, &values));
    }
}

fn one_list(list: &List, findings: &mut Vec<Finding>) {
    let file = list.file.display().to_string();
    let wide = match &list.wide {
        Ok(wide) => wide,
        Err(cause) => {
            let values = [("file", &*file), ("cause", cause)];
            findings.push(Finding::new("list-unreadable", Fault, &values));
            return;
        }
    };
    let values = [("database", list.database.as_str()), ("file", &file)];
    findings.push(Finding::new("list-good", Good, &values));
    if !list.whitelist {
        return;
    }
    for line in wide {
        // Told as such, and louder, by the gateway itself.
        if line.entry.is_everybody() {
            continue;
        }
        let place = format!("{file}:{}", line.number);
        let values = [("place", &*place), ("text", &line.text)];
        let finding = if line.entry.is_private() {
            Finding::new("whitelist-private", Good, &values)
        } else {
            Finding::new("whitelist-wide", Remark, &values)
        };
        findings.push(finding);
    }
}

fn private(all: &[Private], findings: &mut Vec<Finding>) {
    let mut good = 0;
    for one in all {
        let path = one.path.display().to_string();
        let mode = format!("{:04o}", one.mode);
        let values = [("path", &*path), ("mode", &mode)];
        let finding = match one.kind {
            Kind::Secret if !backend_types::is_private(one.mode, one.owner) => {
                Finding::new("secret-open", OpenDoor, &values)
            }
            Kind::DataFolder if one.mode & 0o077 != 0 => Finding::new("data-open", Fault, &values),
            Kind::Configuration if one.mode & 0o022 != 0 => {
                Finding::new("config-writable", OpenDoor, &values)
            }
            Kind::Secret | Kind::DataFolder | Kind::Configuration => {
                good += 1;
                continue;
            }
        };
        findings.push(finding);
    }
    if good > 0 && good == all.len() {
        let count = good.to_string();
        findings.push(Finding::new("files-good", Good, &[("count", &count)]));
    }
}
