//! What the openssl crate does not wrap. The only unsafe code of the gateway's TLS.

#![expect(
    unsafe_code,
    reason = "functions of OpenSSL that the openssl crate does not wrap"
)]

use std::{ffi::CStr, ptr, slice};

use foreign_types::ForeignTypeRef;
use openssl::{
    error::ErrorStack,
    ssl::{SslContextBuilder, SslRef},
    x509::{X509Ref, X509VerifyResult},
};

/// Appends `certificate` to the chain of the pair that was put into `builder` last: each has its
/// own, where the crate's `add_extra_chain_cert` has one for all.
pub(super) fn add_to_chain(
    builder: &mut SslContextBuilder,
    certificate: &X509Ref,
) -> Result<(), ErrorStack> {
    // SAFETY: both are alive for the call. The argument 1 makes the context take a reference of its
    // own to the certificate (`SSL_CTX_add1_chain_cert`).
    let added = unsafe {
        openssl_sys::SSL_CTX_ctrl(
            builder.as_ptr(),
            openssl_sys::SSL_CTRL_CHAIN_CERT,
            1,
            certificate.as_ptr().cast(),
        )
    };
    if added == 1 {
        Ok(())
    } else {
        Err(ErrorStack::get())
    }
}

/// The group of the key exchange, as OpenSSL calls it; `None`: there was none.
pub(super) fn group(ssl: &SslRef) -> Option<&CStr> {
    // SAFETY: `ssl` is a live SSL.
    let name = unsafe { openssl_sys::SSL_get0_group_name(ssl.as_ptr()) };
    if name.is_null() {
        return None;
    }
    // SAFETY: the name ends with a zero and belongs to the library's list of groups, which the
    // connection's context holds for as long as `ssl` lives.
    Some(unsafe { CStr::from_ptr(name) })
}

/// What a client with a certificate that is good no more is told.
pub(super) fn revoked() -> X509VerifyResult {
    // SAFETY: any code of OpenSSL's is one; the wrapper only names a few of them itself.
    unsafe { X509VerifyResult::from_raw(openssl_sys::X509_V_ERR_CERT_REVOKED) }
}

/// An extension of the client's hello, inside of the ClientHello callback; `None` elsewhere.
pub(super) fn client_hello_extension(ssl: &SslRef, kind: u16) -> Option<&[u8]> {
    let (mut bytes, mut length) = (ptr::null(), 0);
    // SAFETY: `ssl` is a live SSL, both out parameters are ours. Outside of the callback OpenSSL
    // returns 0 and writes nothing.
    let found = unsafe {
        openssl_sys::SSL_client_hello_get0_ext(
            ssl.as_ptr(),
            kind.into(),
            &raw mut bytes,
            &raw mut length,
        )
    };
    if found != 1 || bytes.is_null() {
        return None;
    }
    // SAFETY: OpenSSL has given pointer and length of bytes of the client's hello. It keeps them
    // until the callback has returned, and nothing that borrows from `ssl` outlives that: the
    // callback has it as `&mut`.
    Some(unsafe { slice::from_raw_parts(bytes, length) })
}
