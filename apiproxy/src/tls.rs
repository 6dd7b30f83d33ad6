//! TLS of a listener, and what a connection brings: certificate, server name, where it came in.
//!
//! One port serves many tenants and so many client CAs: the handshake accepts any client certificate whose key the
//! client can prove to hold, as kube-apiserver's `RequestClientCert` does; `authn::client_cert` believes it or not.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use tenancy::TenantId;

use crate::fairness::Seats;
use crate::respond::Error;
use crate::routes::Routes;
use crate::visit::Visit;

/// The door a listener opens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// Tenants by SNI name or `/tenants/<name>`; `/fleet` with the operator's token; health of the process.
    Front,
    /// `/fleet` with the operator's token, health of the process, no tenants. Once there is such a listener, the front
    /// opens the fleet view to nobody.
    Fleet,
    /// One tenant: its dedicated port.
    Tenant(TenantId),
}

/// One accepted connection, or a call from inside the process.
#[derive(Clone, Debug)]
pub struct Connection {
    origin: Origin,
    certificates: Vec<CertificateDer<'static>>,
    server_name: Option<String>,
    /// None for in-process calls.
    visit: Option<Arc<Visit>>,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    /// From our own loops, without a socket; only code of this process can make one.
    Internal(Internal),
    Socket(Entrance, SocketAddr),
}

/// Which API an in-process call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Internal {
    /// The fleet view.
    Fleet,
    /// One tenant, as its system identity.
    Tenant(TenantId),
}

impl Connection {
    /// A call from inside the process.
    pub(crate) fn internal(api: Internal) -> Self {
        Self { origin: Origin::Internal(api), certificates: Vec::new(), server_name: None, visit: None }
    }

    /// A connection that came in at an entrance.
    pub(crate) fn socket(
        entrance: Entrance,
        remote: SocketAddr,
        tls: &rustls::ServerConnection,
        visit: Arc<Visit>,
    ) -> Self {
        let certificates = tls.peer_certificates().map(<[_]>::to_vec).unwrap_or_default();
        let server_name = tls.server_name().map(str::to_ascii_lowercase);
        Self { origin: Origin::Socket(entrance, remote), certificates, server_name, visit: Some(visit) }
    }

    /// Makes the connection the tenant's of an authenticated request. Errors: 429 when the tenant has too many.
    pub(crate) fn settle(&self, seats: &Seats, tenant: Option<TenantId>) -> Result<(), Error> {
        self.visit.as_ref().map_or(Ok(()), |visit| visit.settle(seats, tenant))
    }

    /// The API of an in-process call.
    pub fn internal_api(&self) -> Option<Internal> {
        match self.origin {
            Origin::Internal(api) => Some(api),
            Origin::Socket(..) => None,
        }
    }

    /// Whether the call comes from inside the process.
    pub fn is_internal(&self) -> bool {
        self.internal_api().is_some()
    }

    /// Where the connection came in; the front for in-process calls.
    pub fn entrance(&self) -> Entrance {
        match self.origin {
            Origin::Internal(Internal::Tenant(id)) => Entrance::Tenant(id),
            Origin::Internal(Internal::Fleet) => Entrance::Front,
            Origin::Socket(entrance, _) => entrance,
        }
    }

    /// Address of the client; None for in-process calls.
    pub fn remote(&self) -> Option<SocketAddr> {
        match self.origin {
            Origin::Internal(_) => None,
            Origin::Socket(_, remote) => Some(remote),
        }
    }

    /// First label of the TLS server name when it has more than one: the tenant in `<tenant>.<base domain>`.
    pub fn tenant_label(&self) -> Option<&str> {
        self.server_name.as_deref().and_then(|name| name.split_once('.')).map(|(label, _)| label)
    }

    /// Leaf and intermediates the client presented.
    pub fn certificates(&self) -> Option<(&CertificateDer<'static>, &[CertificateDer<'static>])> {
        self.certificates.split_first()
    }

    /// Whether the client presented a certificate.
    pub fn has_certificate(&self) -> bool {
        !self.certificates.is_empty()
    }
}

/// TLS configuration of an entrance. `default` is served to clients without SNI and for names of no tenant.
pub fn server_config(
    entrance: Entrance,
    routes: Arc<Routes>,
    default: Arc<CertifiedKey>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyClient { provider: provider.clone() });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Certificates { entrance, routes, default }));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Certificates {
    entrance: Entrance,
    routes: Arc<Routes>,
    default: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let tenant = match self.entrance {
            Entrance::Tenant(id) => self.routes.by_id(id),
            Entrance::Fleet => None,
            Entrance::Front => hello
                .server_name()
                .and_then(|name| name.split_once('.'))
                .and_then(|(label, _)| self.routes.by_name(&label.to_ascii_lowercase())),
        };
        tenant.and_then(|tenant| tenant.serving()).or_else(|| Some(self.default.clone()))
    }
}

#[derive(Debug)]
struct AnyClient {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
