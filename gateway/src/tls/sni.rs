//! Which certificate a client is shown, by the name that it calls us by.
//!
//! The port's own, where it has that name or where the client names nothing that anybody has; else
//! the first other one that has it. A name chooses a certificate and nothing more: never a database,
//! and never whose lists judge.

use std::{
    ptr,
    sync::{Arc, LazyLock},
};

use gateway_certificates::{Certificate, Name};
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    ssl::{Ssl, SslContext, SslContextBuilder, SslContextRef, SslRef},
    x509::{X509, X509Ref},
};

use super::client_hello;

/// What a port has to show to one client.
pub(crate) struct Certificates {
    pub(super) own: SslContext,
    pub(super) others: Vec<SslContext>,
}

impl Certificates {
    #[cfg(test)]
    pub(crate) fn own(&self) -> &SslContext {
        &self.own
    }

    /// `None`: its own.
    fn called(&self, asked: &Name) -> Option<&SslContext> {
        let good = |context: &SslContext| {
            let mut names = served(context).iter().flat_map(|one| &*one.names);
            names.any(|name| name.covers(asked))
        };
        if good(&self.own) {
            return None;
        }
        self.others.iter().find(|other| good(other))
    }
}

/// A certificate with its names.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) certificate: X509,
    pub(crate) names: Arc<[Name]>,
}

impl Served {
    /// What one client was shown, or would have been; `None`: it never came to that.
    pub(crate) fn by(ssl: &SslRef) -> Option<&Self> {
        let shown = ssl.certificate()?;
        let mut all = served(ssl.ssl_context()).iter();
        all.find(|one| ptr::eq::<X509Ref>(&*one.certificate, shown))
    }
}

/// Where a context carries what it serves, so that no certificate is parsed for a client; `None`
/// when OpenSSL is out of memory.
static SERVED: LazyLock<Option<Index<SslContext, Vec<Served>>>> =
    LazyLock::new(|| SslContext::new_ex_index().ok());

/// Tells the context what it serves.
pub(super) fn serve(builder: &mut SslContextBuilder, certificate: &Certificate) {
    let all = certificate.pairs().iter().map(|pair| Served {
        certificate: pair.leaf().to_owned(),
        names: pair.names().into(),
    });
    if let Some(index) = *SERVED {
        builder.set_ex_data(index, all.collect());
    }
}

fn served(context: &SslContextRef) -> &[Served] {
    let all = SERVED.and_then(|index| context.ex_data(index));
    all.map_or(&[], Vec::as_slice)
}

/// Where a connection carries its choice, if it has one; `None` as above.
static CHOICE: LazyLock<Option<Index<Ssl, Arc<Certificates>>>> =
    LazyLock::new(|| Ssl::new_ex_index().ok());

/// A connection that shows one of `certificates`.
pub(super) fn connection(certificates: &Arc<Certificates>) -> Result<Ssl, ErrorStack> {
    let mut ssl = Ssl::new(&certificates.own)?;
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
