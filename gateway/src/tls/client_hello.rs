//! Two answers of a client's hello, before a certificate is chosen.

use gateway_policy::handshake::extension;
use openssl::ssl::SslRef;

use super::ffi;

/// Whom the client asks for; only inside of the ClientHello callback.
pub(crate) fn server_name(ssl: &SslRef) -> Option<&str> {
    extension::server_name(ffi::client_hello_extension(ssl, extension::SERVER_NAME)?)
}

/// Whether `protocol` is all that the client wants to speak; only inside of the callback.
pub(crate) fn wants_only(ssl: &SslRef, protocol: &[u8]) -> bool {
    let alpn = ffi::client_hello_extension(ssl, extension::ALPN);
    alpn.is_some_and(|alpn| extension::is_only_protocol(alpn, protocol))
}
