//! A server with two tenants, their certificate authorities, and ways in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use apiproxy::admission::services::{Allocator, LocalRange};
use apiproxy::connect::HostAccess;
use apiproxy::tls::Entrance;
use apiproxy::{Config, Server};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use store::HistoryLimits;
use tenancy::route::{self, RouteSpec};
use tenancy::{TenantId, TenantName};
use tokio::net::TcpListener;

use crate::client::{Client, Credential, Target};

/// The operator's token of every test server.
pub(crate) const FLEET_TOKEN: &str = "fleet-token";

/// One tenant and the keys only it has.
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) name: &'static str,
    authority: Authority,
    token_key: String,
}

/// A certificate authority.
pub(crate) struct Authority {
    pem: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { pem: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    fn issue(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> (Certificate, KeyPair) {
        let issuer = Issuer::from_ca_cert_pem(&self.pem, KeyPair::from_pem(&self.key).unwrap()).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &issuer).unwrap(), key)
    }
}

impl Tenant {
    fn new(name: &'static str) -> Self {
        let token_key = KeyPair::generate().unwrap().serialize_pem();
        Self { id: TenantId::from_uid(name), name, authority: Authority::new(name), token_key }
    }

    /// A tenant no server knows.
    pub(crate) fn stranger() -> Self {
        Self::new("stranger")
    }

    /// A client certificate of this tenant's CA.
    pub(crate) fn certificate(&self, user: &str, groups: &[&str]) -> Credential {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        // rcgen keeps one organisation; one is enough here.
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        let (certificate, key) = self.authority.issue(params, ExtendedKeyUsagePurpose::ClientAuth);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Credential::Certificate(certificate.der().clone(), Arc::new(key))
    }

    /// The record this tenant is served by.
    pub(crate) fn spec(&self) -> RouteSpec {
        let params = CertificateParams::new(vec![self.server_name()]).unwrap();
        let (certificate, key) = self.authority.issue(params, ExtendedKeyUsagePurpose::ServerAuth);
        RouteSpec {
            tenant: TenantName::parse(self.name).unwrap(),
            ca: route::KeyPair { certificate: self.authority.pem.clone(), key: self.authority.key.clone() },
            serving: route::KeyPair { certificate: certificate.pem(), key: key.serialize_pem() },
            service_account_keys: vec![route::KeyPair { certificate: String::new(), key: self.token_key.clone() }],
            port: None,
            service_ip: None,
            caps: tenancy::route::Caps::default(),
            admin_users: Vec::new(),
            admin_groups: Vec::new(),
            sight: tenancy::SyncFromHost::default(),
        }
    }

    fn server_name(&self) -> String {
        format!("{}.clusters.test", self.name)
    }
}

/// A running server.
pub(crate) struct World {
    pub(crate) server: Arc<Server>,
    pub(crate) acme: Tenant,
    pub(crate) beta: Tenant,
    front: SocketAddr,
}

impl World {
    /// A server that keeps nothing.
    pub(crate) async fn start() -> Self {
        Self::open(None, Tenant::new("acme"), Tenant::new("beta"), HistoryLimits::default()).await
    }

    /// A server that remembers only the last few changes.
    pub(crate) async fn with_short_history() -> Self {
        let history = HistoryLimits { events: 5, ..HistoryLimits::default() };
        Self::open(None, Tenant::new("acme"), Tenant::new("beta"), history).await
    }

    /// A server over a data directory.
    pub(crate) async fn start_in(directory: PathBuf) -> Self {
        Self::open(Some(directory), Tenant::new("acme"), Tenant::new("beta"), HistoryLimits::default()).await
    }

    /// Stops the server and starts another one over the same data directory, with the same tenants.
    pub(crate) async fn restart_in(self, directory: PathBuf) -> Self {
        self.server.shutdown().await;
        Self::open(Some(directory), self.acme, self.beta, HistoryLimits::default()).await
    }

    /// A server whose tenants have ports of their own, and the addresses of acme's and beta's. Names outside are asked of
    /// `resolver`.
    pub(crate) async fn with_ports(resolver: SocketAddr) -> (Self, [SocketAddr; 2]) {
        let (acme, beta) = (Tenant::new("acme"), Tenant::new("beta"));
        let loopback = std::net::IpAddr::from([127, 0, 0, 1]);
        let config = Config { tenant_listen: Some(loopback), resolvers: vec![resolver], ..config(None) };
        let server = Server::start(config).await.unwrap();
        let mut doors = Vec::new();
        for tenant in [&acme, &beta] {
            // Free a moment ago, for TCP as well as for UDP.
            let free = TcpListener::bind((loopback, 0)).await.unwrap();
            let door = free.local_addr().unwrap();
            drop(free);
            server.register(tenant.id, &RouteSpec { port: Some(door.port()), ..tenant.spec() }).await.unwrap();
            doors.push(door);
        }
        let front = listen(&server, Entrance::Front).await;
        (Self { server, acme, beta, front }, [doors[0], doors[1]])
    }

    async fn open(data_dir: Option<PathBuf>, acme: Tenant, beta: Tenant, history: HistoryLimits) -> Self {
        let config = config(data_dir);
        let server = Server::start_with_history(config, history).await.unwrap();
        for tenant in [&acme, &beta] {
            server.register(tenant.id, &tenant.spec()).await.unwrap();
        }
        let front = listen(&server, Entrance::Front).await;
        Self { server, acme, beta, front }
    }

    /// `system:masters` of acme, with the account pods need.
    pub(crate) async fn admin(&self) -> Client {
        let admin = self.client(&self.acme, self.acme.certificate("admin", &["system:masters"])).await;
        let account = json!({"metadata": {"name": "default"}});
        admin.post("/api/v1/namespaces/default/serviceaccounts", account).await;
        admin
    }

    /// A credential at the door of a tenant, by path.
    pub(crate) async fn client(&self, tenant: &Tenant, credential: Credential) -> Client {
        Client::connect(self.target("localhost", format!("/tenants/{}", tenant.name)), credential).await
    }

    /// A user of acme without groups.
    pub(crate) async fn user(&self, name: &str) -> Client {
        self.client(&self.acme, self.acme.certificate(name, &[])).await
    }

    /// A credential at the door of a tenant, by server name.
    pub(crate) async fn by_name(&self, tenant: &Tenant, credential: Credential) -> Client {
        Client::connect(self.target(&tenant.server_name(), String::new()), credential).await
    }

    /// A credential at a tenant's own listener.
    pub(crate) async fn by_port(&self, tenant: &Tenant, credential: Credential) -> Client {
        let address = listen(&self.server, Entrance::Tenant(tenant.id)).await;
        self.at(tenant, address, credential).await
    }

    /// A credential at an address of a tenant's.
    pub(crate) async fn at(&self, tenant: &Tenant, address: SocketAddr, credential: Credential) -> Client {
        let target = Target { address, ..self.target(&tenant.server_name(), String::new()) };
        Client::connect(target, credential).await
    }

    /// A credential at the fleet view.
    pub(crate) async fn fleet(&self, credential: Credential) -> Client {
        Client::connect(self.target("localhost", "/fleet".to_owned()), credential).await
    }

    /// A stranger at a listener for the fleet alone, opened now.
    pub(crate) async fn fleet_apart(&self) -> Client {
        let address = listen(&self.server, Entrance::Fleet).await;
        let target = Target { address, ..self.target("localhost", String::new()) };
        Client::connect(target, Credential::None).await
    }

    /// A credential at the front itself.
    pub(crate) async fn front(&self, credential: Credential) -> Client {
        Client::connect(self.target("localhost", String::new()), credential).await
    }

    /// Address of the front.
    pub(crate) fn address(&self) -> SocketAddr {
        self.front
    }

    fn target(&self, server_name: &str, prefix: String) -> Target {
        let pems = [self.server.front_ca(), &self.acme.authority.pem, &self.beta.authority.pem];
        let roots = pems.iter().map(|pem| {
            use rustls::pki_types::pem::PemObject as _;
            CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
        });
        Target { address: self.front, server_name: server_name.to_owned(), prefix, roots: roots.collect() }
    }
}

fn config(data_dir: Option<PathBuf>) -> Config {
    Config {
        data_dir,
        etcd: None,
        services: Allocator::Local(LocalRange::new([10, 96])),
        host: Some(HostAccess::Simulated(|pod, container| format!("{} {container}\n", pod["metadata"]["name"]))),
        fleet_token: FLEET_TOKEN.to_owned(),
        names: Vec::new(),
        tenant_listen: None,
        resolvers: Vec::new(),
    }
}

async fn listen(server: &Arc<Server>, entrance: Entrance) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    server.serve(listener, entrance).unwrap();
    address
}
