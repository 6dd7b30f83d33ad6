//! Throw-away certificates for the host's control plane.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::Node;

/// A certificate authority that writes what it issues into a directory.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
    name: String,
}

/// Paths of a certificate and its key, both PEM.
pub(crate) struct Issued {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Makes an authority; its certificate is `<directory>/<name>.crt`.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("the parameters are valid");
        let authority = Self { issuer, directory: directory.to_owned(), name: name.to_owned() };
        write(&authority.certificate(), &authority.issuer.pem());
        authority
    }

    /// Path of the authority's certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.join(format!("{}.crt", self.name))
    }

    /// A serving certificate for names and addresses of loopback, of a real node and of Service `kubernetes`.
    pub(crate) fn server(&self, name: &str) -> Issued {
        let names = ["localhost", "127.0.0.1", Node::ADDRESS, "10.96.0.1", "kubernetes", "kubernetes.default.svc"]
            .map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("these are valid names");
        params.distinguished_name.push(DnType::CommonName, name);
        self.issue(name, params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client certificate for one user in at most one group.
    pub(crate) fn client(&self, user: &str, group: Option<&str>) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        self.issue(user, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, name: &str, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Issued {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are valid");
        let path = |suffix: &str| self.directory.join(format!("{}-{suffix}", name.replace(':', "-")));
        let issued = Issued { certificate: path("client.crt"), key: path("client.key") };
        write(&issued.certificate, &certificate.pem());
        write(&issued.key, &key.serialize_pem());
        issued
    }
}

/// A bare key pair, for signing service-account tokens and checking them.
pub(crate) fn signing_key(private: &Path, public: &Path) {
    let key = key();
    write(private, &key.serialize_pem());
    write(public, &key.public_key_pem());
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the random source works")
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
