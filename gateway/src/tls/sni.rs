//! Which certificate a client is shown, by the name that it calls us by.
//!
//! The port's own, where it has that name or where the client names nothing that anybody has; else
//! the first other one that has it. A name chooses a certificate and nothing more: never a database,
//! and never whose lists judge.

use std::sync::{Arc, LazyLock};

use gateway_certificates::Name;
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    ssl::{Ssl, SslContext, SslRef},
};

use super::client_hello;

/// A context with the names of its certificate.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) context: SslContext,
    pub(super) names: Arc<[Name]>,
}

/// What a port has to show to one client.
pub(crate) struct Certificates {
    pub(super) own: Named,
    pub(super) others: Vec<Named>,
}

impl Certificates {
    #[cfg(test)]
    pub(crate) fn own(&self) -> &SslContext {
        &self.own.context
    }

    /// `None`: its own.
    fn called(&self, asked: &Name) -> Option<&SslContext> {
        let good = |named: &Named| named.names.iter().any(|name| name.covers(asked));
        if good(&self.own) {
            return None;
        }
        let other = self.others.iter().find(|other| good(other))?;
        Some(&other.context)
    }
}

/// Where a connection carries its choice, if it has one; `None` when OpenSSL is out of memory.
static CHOICE: LazyLock<Option<Index<Ssl, Arc<Certificates>>>> =
    LazyLock::new(|| Ssl::new_ex_index().ok());

/// A connection that shows one of `certificates`.
pub(super) fn connection(certificates: &Arc<Certificates>) -> Result<Ssl, ErrorStack> {
    let mut ssl = Ssl::new(&certificates.own.context)?;
    if let Some(choice) = *CHOICE
        && !certificates.others.is_empty()
    {
        ssl.set_ex_data(choice, Arc::clone(certificates));
    }
    Ok(ssl)
}

/// Within the ClientHello callback of every context: a session to resume is looked for after it, so
/// that one begun with another certificate is none.
pub(super) fn choose(ssl: &mut SslRef) -> Result<(), ErrorStack> {
    match chosen(ssl) {
        Some(other) => ssl.set_ssl_context(&other),
        None => Ok(()),
    }
}

/// `None`: the port's own.
fn chosen(ssl: &SslRef) -> Option<SslContext> {
    let certificates = ssl.ex_data((*CHOICE)?)?;
    let asked = client_hello::server_name(ssl)?.parse().ok()?;
    certificates.called(&asked).cloned()
}
