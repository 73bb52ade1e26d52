//! Counters for Prometheus. Labels are bounded: databases, reasons and status classes, never an
//! address or a name that a client chose.

use backend_types::DatabaseId;
use gateway_policy::{agreed::Agreed, handshake::HandshakeFault, ports::Holder};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::watchdog::Figures;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Answered {
    pub(crate) database: String,
    /// `2xx`, `4xx`, …
    pub(crate) status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct LoggedIn {
    pub(crate) database: String,
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct HandshakeComplete {
    /// Of the port; empty for the server port.
    pub(crate) database: String,
    pub(crate) version: &'static str,
    pub(crate) cipher: &'static str,
    pub(crate) group: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct HandshakeFailed {
    /// Of the port; empty for the server port.
    pub(crate) database: String,
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Renewed {
    /// `server`, `database-ID`.
    pub(crate) certificate: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Port {
    /// Empty for the server port.
    pub(crate) database: String,
    /// `data`, `print`, `server`.
    pub(crate) port: &'static str,
}

impl From<&Holder> for Port {
    fn from(holder: &Holder) -> Self {
        Self {
            database: holder
                .database()
                .map(ToString::to_string)
                .unwrap_or_default(),
            port: match holder {
                Holder::Data(_) => "data",
                Holder::Print(_) => "print",
                Holder::Server | Holder::CertificatePage | Holder::Metrics => "server",
            },
        }
    }
}

pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) connections: Counter,
    pub(crate) open_connections: Gauge,
    pub(crate) accept_errors: Counter,
    pub(crate) refused: Family<Reason, Counter>,
    pub(crate) handshakes_failed: Family<HandshakeFailed, Counter>,
    pub(crate) certificate_seconds: Family<Port, Gauge>,
    pub(crate) certificate_alarm: Family<Port, Gauge>,
    pub(crate) port_faults: Family<Port, Gauge>,
    pub(crate) requests: Family<Answered, Counter>,
    pub(crate) handshakes: Family<HandshakeComplete, Counter>,
    pub(crate) logins: Family<LoggedIn, Counter>,
    certificate_renewal_failures: Family<Renewed, Gauge>,
    pub(crate) request_seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("smarts_gateway");
        let metrics = Self {
            connections: Counter::default(),
            open_connections: Gauge::default(),
            accept_errors: Counter::default(),
            refused: Family::default(),
            handshakes_failed: Family::default(),
            certificate_seconds: Family::default(),
            certificate_alarm: Family::default(),
            port_faults: Family::default(),
            requests: Family::default(),
            handshakes: Family::default(),
            logins: Family::default(),
            certificate_renewal_failures: Family::default(),
            request_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 18)),
            registry: Registry::default(),
        };
        registry.register(
            "connections",
            "Connections accepted",
            metrics.connections.clone(),
        );
        registry.register(
            "open_connections",
            "Connections now",
            metrics.open_connections.clone(),
        );
        registry.register(
            "accept_errors",
            "Failed accepts",
            metrics.accept_errors.clone(),
        );
        registry.register("refused", "Refusals by reason", metrics.refused.clone());
        registry.register(
            "handshakes",
            "Complete TLS handshakes by database, version, cipher and group",
            metrics.handshakes.clone(),
        );
        registry.register(
            "handshakes_failed",
            "Failed TLS handshakes by database and reason",
            metrics.handshakes_failed.clone(),
        );
        registry.register(
            "certificate_seconds_left",
            "Until the certificate of a port ends, the first of two",
            metrics.certificate_seconds.clone(),
        );
        registry.register(
            "certificate_alarm",
            "How near the end of a port's certificate is: 0 there is time, 1 a stage is reached, 2 act today",
            metrics.certificate_alarm.clone(),
        );
        registry.register(
            "port_faults",
            "What the watchdog has found wrong at a port",
            metrics.port_faults.clone(),
        );
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register(
            "logins",
            "Login attempts by outcome",
            metrics.logins.clone(),
        );
        registry.register(
            "certificate_renewal_failures",
            "Failed attempts in a row to renew a certificate that renews by itself",
            metrics.certificate_renewal_failures.clone(),
        );
        registry.register_with_unit(
            "request",
            "From the first byte of a request to the last of its answer",
            Unit::Seconds,
            metrics.request_seconds.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }

    pub(crate) fn refuse(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn handshake_complete(&self, database: Option<&DatabaseId>, agreed: Agreed) {
        let labels = HandshakeComplete {
            database: database.map(ToString::to_string).unwrap_or_default(),
            version: agreed.version.as_str(),
            cipher: agreed.cipher,
            group: agreed.group,
        };
        self.handshakes.get_or_create(&labels).inc();
    }

    pub(crate) fn handshake_failed(&self, database: Option<&DatabaseId>, fault: HandshakeFault) {
        let labels = HandshakeFailed {
            database: database.map(ToString::to_string).unwrap_or_default(),
            reason: fault.reason(),
        };
        self.handshakes_failed.get_or_create(&labels).inc();
    }

    /// The ports of now; those that are gone are gone here too.
    pub(crate) fn watched(&self, figures: &[Figures]) {
        self.certificate_seconds.clear();
        self.certificate_alarm.clear();
        self.port_faults.clear();
        for figure in figures {
            let port = Port::from(&figure.holder);
            let seconds = self.certificate_seconds.get_or_create(&port);
            seconds.set(figure.seconds_left);
            self.certificate_alarm
                .get_or_create(&port)
                .set(figure.alarm);
            let faults = i64::try_from(figure.faults).unwrap_or(i64::MAX);
            self.port_faults.get_or_create(&port).set(faults);
        }
    }

    pub(crate) fn login(&self, database: &DatabaseId, outcome: &'static str) {
        let labels = LoggedIn {
            database: database.to_string(),
            outcome,
        };
        self.logins.get_or_create(&labels).inc();
    }

    /// Failures in a row of every certificate that renews by itself.
    pub(crate) fn renewals(&self, all: impl Iterator<Item = (String, u32)>) {
        self.certificate_renewal_failures.clear();
        for (certificate, failures) in all {
            self.certificate_renewal_failures
                .get_or_create(&Renewed { certificate })
                .set(failures.into());
        }
    }

    pub(crate) fn answered(&self, database: &str, status: u16, seconds: f64) {
        let status = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.requests
            .get_or_create(&Answered {
                database: database.to_owned(),
                status,
            })
            .inc();
        self.request_seconds.observe(seconds);
    }

    /// The OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing into a String cannot fail; an empty page is what a scraper would notice.
            Err(std::fmt::Error) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_policy::handshake::TlsVersion;

    use super::*;

    impl Metrics {
        /// With a sample of every family.
        pub(crate) fn one_of_each() -> Self {
            let metrics = Self::new();
            metrics.refuse("not-found");
            metrics.handshake_failed(None, HandshakeFault::Other);
            let agreed = Agreed {
                version: TlsVersion::Tls13,
                cipher: "TLS_AES_128_GCM_SHA256",
                group: "X25519MLKEM768",
            };
            metrics.handshake_complete(None, agreed);
            metrics.watched(&[Figures {
                holder: Holder::Server,
                seconds_left: 1,
                alarm: 0,
                faults: 0,
            }]);
            metrics.login(&"shop".parse().unwrap(), "good");
            metrics.answered("shop", 200, 0.001);
            metrics.renewals(std::iter::once(("server".to_owned(), 1)));
            metrics
        }
    }

    #[test]
    fn the_page_is_open_metrics_and_ends_with_eof() {
        let metrics = Metrics::new();
        metrics.refuse("too-many-failures");
        metrics.answered("shop", 204, 0.001);
        let text = metrics.text();
        assert!(
            text.contains("smarts_gateway_refused_total{reason=\"too-many-failures\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("database=\"shop\",status=\"2xx\"} 1"),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"));
    }
}
