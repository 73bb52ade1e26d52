//! What the openssl crate does not wrap. The only unsafe code of the gateway's TLS.

#![expect(
    unsafe_code,
    reason = "functions of OpenSSL that the openssl crate does not wrap"
)]

use std::{ffi::c_uint, ptr, slice};

use foreign_types::ForeignTypeRef;
use openssl::ssl::SslRef;

/// An extension of the client's hello, inside of the ClientHello callback; `None` elsewhere.
pub(super) fn client_hello_extension(ssl: &SslRef, kind: c_uint) -> Option<&[u8]> {
    let (mut bytes, mut length) = (ptr::null(), 0);
    // SAFETY: `ssl` is a live SSL, both out parameters are ours. Outside of the callback OpenSSL
    // returns 0 and writes nothing.
    let found = unsafe {
        openssl_sys::SSL_client_hello_get0_ext(ssl.as_ptr(), kind, &raw mut bytes, &raw mut length)
    };
    if found != 1 || bytes.is_null() {
        return None;
    }
    // SAFETY: OpenSSL has given pointer and length of bytes of the client's hello. It keeps them
    // until the callback has returned, and nothing that borrows from `ssl` outlives that: the
    // callback has it as `&mut`.
    Some(unsafe { slice::from_raw_parts(bytes, length) })
}
