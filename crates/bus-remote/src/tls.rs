//! Whom a connection by TLS trusts.

use std::fs;
use std::path::Path;

use bus_log::{LogError, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificates that `tls_ca` names, or else those that the system trusts.
///
/// # Errors
///
/// `Invalid` if the file can't be read, or holds none, or the system trusts none: nobody could be trusted.
pub fn roots(authority: Option<&Path>) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let Some(path) = authority else {
        let found = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(found.certs);
        if store.is_empty() {
            let none = LogError::invalid("the system trusts no certificate: name tls_ca");
            return Err(match found.errors.into_iter().next() {
                Some(error) => none.with_source(error),
                None => none,
            });
        }
        return Ok(store);
    };
    let unreadable = || format!("tls_ca can't be read: {}", path.display());
    let text =
        fs::read(path).map_err(|error| LogError::invalid(unreadable()).with_source(error))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate =
            certificate.map_err(|error| LogError::invalid(unreadable()).with_source(error))?;
        store
            .add(certificate)
            .map_err(|error| LogError::invalid(unreadable()).with_source(error))?;
    }
    if store.is_empty() {
        return Err(LogError::invalid("tls_ca: no certificate to trust"));
    }
    Ok(store)
}

#[cfg(test)]
mod tests;
