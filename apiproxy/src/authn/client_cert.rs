//! Client certificates of the tenant CA (upstream: `x509.CommonNameUserConversion`).

use rustls::pki_types::UnixTime;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Caller;
use crate::routes::Tenant;
use crate::tls::Connection;

/// The identity in the connection's certificate, when this tenant's CA has signed it for client use.
///
/// The TLS layer accepts any certificate (one port serves many CAs); only here is it believed or not.
pub(super) fn authenticate(tenant: &Tenant, connection: &Connection) -> Option<Caller> {
    let (leaf, intermediates) = connection.certificates()?;
    let verifier = tenant.client_verifier()?;
    verifier.verify_client_cert(leaf, intermediates, UnixTime::now()).ok()?;
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let subject = certificate.subject();
    let user = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    if user.is_empty() {
        return None;
    }
    let groups = subject.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect();
    let digest: String = Sha256::digest(leaf).iter().map(|byte| format!("{byte:02x}")).collect();
    let credential = ("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("X509SHA256={digest}")]);
    Some(Caller::new(user, String::new(), groups, vec![credential]))
}
