//! Keys and certificates of a tenant. ECDSA P-256 throughout: 60 µs a key.
//!
//! | what | lives | renewed |
//! |---|---|---|
//! | tenant CA | 10 years | never; a new one needs new kubeconfigs |
//! | serving certificate | 90 days | in its last third, or when its names change |
//! | client certificate of the kubeconfig | 1 year | in its last third |

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose,
};
use tenancy::TenantName;
use tenancy::route::KeyPair;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const DAY: Duration = Duration::from_secs(24 * 3600);
const CA_LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);
const SERVING_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
const CLIENT_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);
/// Clocks of clients may be behind ours by this much.
const SKEW: Duration = Duration::from_secs(3600);
/// User of the kubeconfig's certificate.
const ADMIN: &str = "kubernetes-admin";
/// Its group. One only: rcgen keeps just one organisation of a name.
const ADMIN_GROUP: &str = "system:masters";

/// Why a key or certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From the certificate writer.
    #[error("certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A stored certificate that cannot be read.
    #[error("stored certificate cannot be read")]
    Read,
}

/// A new tenant CA.
///
/// # Errors
/// [`Error::Make`].
pub fn authority(tenant: &TenantName, now: SystemTime) -> Result<KeyPair, Error> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = params(&format!("rowhouse:{tenant}"), now, CA_LIFE);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let certificate = params.self_signed(&key)?;
    Ok(KeyPair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// A serving certificate for these names, followed by the CA.
///
/// # Errors
/// [`Error::Make`]: a name or the CA is not usable.
pub fn serving(ca: &KeyPair, names: &BTreeSet<String>, now: SystemTime) -> Result<KeyPair, Error> {
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    let base = self::params("rowhouse:serving", now, SERVING_LIFE);
    (params.not_before, params.not_after, params.distinguished_name) =
        (base.not_before, base.not_after, base.distinguished_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut pair = signed(ca, params)?;
    pair.certificate.push_str(&ca.certificate);
    Ok(pair)
}

/// The certificate of the tenant's kubeconfig.
///
/// # Errors
/// [`Error::Make`]: the CA is not usable.
pub fn client(ca: &KeyPair, now: SystemTime) -> Result<KeyPair, Error> {
    let mut params = params(ADMIN, now, CLIENT_LIFE);
    params.distinguished_name.push(DnType::OrganizationName, ADMIN_GROUP);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    signed(ca, params)
}

/// A signing key for service-account tokens (ES256).
///
/// # Errors
/// [`Error::Make`].
pub fn account_key() -> Result<KeyPair, Error> {
    Ok(KeyPair { certificate: String::new(), key: rcgen::KeyPair::generate()?.serialize_pem() })
}

fn params(name: &str, now: SystemTime, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now.checked_sub(SKEW).unwrap_or(now).into();
    params.not_after = now.checked_add(life).unwrap_or(now).into();
    params
}

fn signed(ca: &KeyPair, mut params: CertificateParams) -> Result<KeyPair, Error> {
    let issuer = Issuer::from_ca_cert_pem(&ca.certificate, rcgen::KeyPair::from_pem(&ca.key)?)?;
    let key = rcgen::KeyPair::generate()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(KeyPair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// Names under which a tenant's API is reached.
pub(crate) fn serving_names(
    tenant: &TenantName,
    base_domain: &str,
    advertise: Option<IpAddr>,
    service_ip: Option<&str>,
) -> BTreeSet<String> {
    let fixed = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        "::1",
    ];
    let mut names: BTreeSet<String> = fixed.into_iter().map(str::to_owned).collect();
    names.extend(advertise.map(|ip| ip.to_string()));
    names.extend(service_ip.map(str::to_owned));
    if !base_domain.is_empty() {
        names.insert(format!("{tenant}.{base_domain}"));
    }
    names
}

/// Whether a serving certificate is still what it should be: from this CA, for exactly these names, not in the last
/// third of its life.
pub(crate) fn serving_is_current(ca: &KeyPair, serving: &KeyPair, names: &BTreeSet<String>, now: SystemTime) -> bool {
    let held = with_certificate(&serving.certificate, |certificate| {
        let names = certificate.subject_alternative_name().ok().flatten();
        names
            .map(|names| names.value.general_names.iter().filter_map(text).collect::<BTreeSet<_>>())
            .unwrap_or_default()
    });
    held.is_ok_and(|held| held == *names) && is_current(ca, &serving.certificate, now)
}

/// Whether a certificate is from this CA and not in the last third of its life.
pub(crate) fn is_current(ca: &KeyPair, certificate: &str, now: SystemTime) -> bool {
    let now = seconds(now);
    let from_ca = with_certificate(&ca.certificate, |ca| ca.public_key().raw.to_vec()).and_then(|ca_key| {
        let (_, ca_key) = x509_parser::x509::SubjectPublicKeyInfo::from_der(&ca_key).map_err(|_| Error::Read)?;
        with_certificate(certificate, |certificate| {
            let (from, until) =
                (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
            is_signed_by(certificate, &ca_key) && now < until - (until - from) / 3
        })
    });
    from_ca.unwrap_or(false)
}

/// Whether the key identifiers agree: authority of the certificate, subject of the CA. Identifiers are hashes of keys,
/// and what we compare here is our own record, so the signature itself need not be checked again.
fn is_signed_by(certificate: &X509Certificate<'_>, ca_key: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> bool {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(ca_key.raw);
    let bits = Sha256::digest(&ca_key.subject_public_key.data);
    certificate.iter_extensions().any(|extension| match extension.parsed_extension() {
        x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(id) => {
            id.key_identifier.as_ref().is_some_and(|id| digest.starts_with(id.0) || bits.starts_with(id.0))
        }
        _ => false,
    })
}

/// How long until the certificate enters the last third of its life; at least a minute, at most a day.
pub(crate) fn next_look(certificate: &str, now: SystemTime) -> Duration {
    let until = with_certificate(certificate, |certificate| {
        let (from, until) =
            (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
        until - (until - from) / 3
    });
    let left = until.unwrap_or_default().saturating_sub(seconds(now));
    Duration::from_secs(u64::try_from(left).unwrap_or_default()).clamp(Duration::from_secs(60), DAY)
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| IpAddr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| IpAddr::from(octets).to_string()),
        },
        _ => None,
    }
}

fn with_certificate<T>(pem: &str, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Result<T, Error> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|_| Error::Read)?;
    let certificate = pem.parse_x509().map_err(|_| Error::Read)?;
    Ok(read(&certificate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantName {
        TenantName::parse("acme").unwrap()
    }

    #[test]
    fn a_serving_certificate_holds_while_ca_names_and_time_do() {
        let now = SystemTime::now();
        let ca = authority(&tenant(), now).unwrap();
        let names = serving_names(&tenant(), "example.com", Some([10, 0, 0, 1].into()), Some("10.96.0.9"));
        assert!(names.contains("acme.example.com") && names.contains("10.96.0.9") && names.contains("::1"));
        let pair = serving(&ca, &names, now).unwrap();
        assert_eq!(pair.certificate.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(serving_is_current(&ca, &pair, &names, now));
        assert!(serving_is_current(&ca, &pair, &names, now + 59 * DAY));
        assert!(!serving_is_current(&ca, &pair, &names, now + 61 * DAY));
        let fewer = serving_names(&tenant(), "example.com", None, None);
        assert!(!serving_is_current(&ca, &pair, &fewer, now));
        let other = authority(&tenant(), now).unwrap();
        assert!(!serving_is_current(&other, &pair, &names, now));
        let rubbish = KeyPair { certificate: "x".into(), key: "y".into() };
        assert!(!serving_is_current(&ca, &rubbish, &names, now));
    }

    #[test]
    fn the_client_certificate_names_the_administrator() {
        let now = SystemTime::now();
        let ca = authority(&tenant(), now).unwrap();
        let pair = client(&ca, now).unwrap();
        let subject = with_certificate(&pair.certificate, |certificate| certificate.subject().to_string()).unwrap();
        assert!(subject.contains("CN=kubernetes-admin") && subject.contains("O=system:masters"), "{subject}");
        assert!(is_current(&ca, &pair.certificate, now + 240 * DAY));
        assert!(!is_current(&ca, &pair.certificate, now + 250 * DAY));
        assert!(account_key().unwrap().key.contains("PRIVATE KEY"));
    }

    #[test]
    fn the_next_look_is_bounded() {
        let now = SystemTime::now();
        let ca = authority(&tenant(), now).unwrap();
        assert_eq!(next_look(&ca.certificate, now), DAY);
        assert_eq!(next_look("rubbish", now), Duration::from_secs(60));
    }
}
