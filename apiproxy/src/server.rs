//! A running server: store, tenants, listeners, the loops inside.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::sign::CertifiedKey;
use store::{Backend, Store};
use tenancy::TenantId;
use tenancy::route::{self, RouteSpec};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::Api;
use crate::config::Config;
use crate::dns::{self, Dns};
use crate::front::{Front, fleet_token};
use crate::respond::Body;
use crate::routes::follow;
use crate::serve::handle;
use crate::tls::{Connection, Entrance, Internal, server_config};
use crate::visit::Strangers;
use crate::{bootstrap, lifecycle, sharing};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] store::OpenError),
    /// A certificate cannot be made.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The data directory cannot be made.
    #[error("the data directory cannot be used: {0}")]
    DataDir(std::io::Error),
}

/// Connections served at the same time, over all listeners.
const MAX_CONNECTIONS: usize = 20_000;
/// A client has this long for its TLS handshake, and for the head of a request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Streams one client may have open on a connection: client-go puts all its watches on one.
const MAX_STREAMS: u32 = 2000;
/// Time that open requests have to end when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// A running server.
pub struct Server {
    api: Arc<Api>,
    front: Front,
    tenant_listen: Option<IpAddr>,
    resolvers: Arc<[SocketAddr]>,
    tasks: TaskTracker,
    connections: Arc<Semaphore>,
    strangers: Strangers,
    /// Ends what is still open when the time to drain is over.
    cut: CancellationToken,
}

impl Server {
    /// Opens the store, loads the routes, starts the loops inside. Nothing listens yet: see [`Server::serve`].
    pub async fn start(config: Config) -> Result<Arc<Self>, StartError> {
        Self::start_with_history(config, store::HistoryLimits::default()).await
    }

    /// As [`Server::start`], with another bound on how far back watches resume and lists reach.
    pub async fn start_with_history(config: Config, history: store::HistoryLimits) -> Result<Arc<Self>, StartError> {
        let backend = match (config.etcd, &config.data_dir) {
            (Some(etcd), _) => Backend::Etcd(etcd),
            (None, Some(directory)) => {
                std::fs::create_dir_all(directory).map_err(StartError::DataDir)?;
                Backend::File(directory.join("store.db"))
            }
            (None, None) => Backend::Memory,
        };
        let (base, shared) = (bootstrap::base(), sharing::collections());
        let store = Store::open(store::Config { backend, base, shared, history, ..store::Config::default() })?;
        let front = Front::open(&store, &config.names).await?;
        let fleet_token = if config.fleet_token.is_empty() { fleet_token(&store).await? } else { config.fleet_token };
        let api = Arc::new(Api::new(store, config.services, config.host, fleet_token));
        let known = follow::load(&api);
        let server = Arc::new(Self {
            api: api.clone(),
            front,
            tenant_listen: config.tenant_listen,
            resolvers: dns::resolvers(&config.resolvers),
            tasks: TaskTracker::new(),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            strangers: Strangers::new(),
            cut: CancellationToken::new(),
        });
        server.tasks.spawn(follow::run(api.clone(), known));
        server.tasks.spawn(lifecycle::reaper::run(api.clone()));
        server.tasks.spawn(lifecycle::quota::run(api));
        server.tasks.spawn(server.clone().follow_ports());
        Ok(server)
    }

    /// PEM of the CA that signs the front's serving certificate.
    pub fn front_ca(&self) -> &str {
        &self.front.ca
    }

    /// The bearer token that opens the fleet view over the network.
    pub fn fleet_token(&self) -> &str {
        self.api.fleet_token()
    }

    /// The metrics in the OpenMetrics text format.
    pub fn metrics(&self) -> String {
        self.api.metrics.encode(&self.api).unwrap_or_default()
    }

    /// A client of the fleet view, without a socket.
    pub fn fleet_client(&self) -> kube::Client {
        self.internal_client(Internal::Fleet)
    }

    /// A client of one tenant's API as its system identity, without a socket.
    pub fn tenant_client(&self, tenant: TenantId) -> kube::Client {
        self.internal_client(Internal::Tenant(tenant))
    }

    fn internal_client(&self, internal: Internal) -> kube::Client {
        let api = self.api.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move {
                let connection = Connection::internal(internal);
                Ok::<_, std::convert::Infallible>(handle(&api, &connection, request).await)
            }
        });
        kube::Client::new(service, "default")
    }

    /// Registers a tenant directly, for servers without a syncer (the lab's host).
    ///
    /// Errors: what the fleet view answers, as text.
    pub async fn register(&self, id: TenantId, spec: &RouteSpec) -> Result<(), String> {
        let route = serde_json::json!({
            "apiVersion": format!("{}/{}", route::GROUP, route::VERSION), "kind": route::KIND,
            "metadata": {"name": id.as_str()}, "spec": spec,
        });
        let base = format!("/apis/{}/{}/{}", route::GROUP, route::VERSION, route::RESOURCE);
        let exists = self.api.routes.by_id(id).is_some();
        let (method, uri) = if exists { ("PUT", format!("{base}/{id}")) } else { ("POST", base) };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json")
            .body(route.to_string().into_bytes())
            .map_err(|error| error.to_string())?;
        let answer = self.fleet_client().request::<serde_json::Value>(request).await;
        answer.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Accepts connections on a listener until the server stops.
    pub fn serve(self: &Arc<Self>, listener: TcpListener, entrance: Entrance) -> Result<(), StartError> {
        if entrance == Entrance::Fleet {
            self.api.fleet_apart.store(true, Ordering::Relaxed);
        }
        let stop = self.api.draining.clone();
        self.accept(listener, entrance, stop)
    }

    fn accept(
        self: &Arc<Self>,
        listener: TcpListener,
        entrance: Entrance,
        stop: CancellationToken,
    ) -> Result<(), StartError> {
        let tls = server_config(entrance, self.api.routes.clone(), self.default_certificate())
            .map_err(|error| StartError::Certificate(error.to_string()))?;
        let acceptor = TlsAcceptor::from(tls);
        let server = self.clone();
        self.tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stop.cancelled() => return,
                };
                match accepted {
                    Ok((stream, remote)) => server.clone().connection(stream, remote, &acceptor, entrance),
                    Err(error) => {
                        // Out of file descriptors, mostly: a short pause lets others finish.
                        tracing::warn!(%error, "accept failed");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        Ok(())
    }

    fn default_certificate(&self) -> Arc<CertifiedKey> {
        self.front.serving.clone()
    }

    fn connection(self: Arc<Self>, stream: TcpStream, remote: SocketAddr, acceptor: &TlsAcceptor, entrance: Entrance) {
        let (Ok(seat), Some(visit)) = (self.connections.clone().try_acquire_owned(), self.strangers.admit()) else {
            tracing::warn!(%remote, "too many connections");
            return;
        };
        let acceptor = acceptor.clone();
        let tasks = self.tasks.clone();
        tasks.spawn(async move {
            let _seat = seat;
            let _ = stream.set_nodelay(true);
            if let Entrance::Tenant(tenant) = entrance {
                match tokio::time::timeout(HANDSHAKE, dns::is_dns(&stream)).await {
                    Ok(true) => return self.dns(tenant).serve_tcp(stream).await,
                    Ok(false) => {}
                    Err(_) => return,
                }
            }
            let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
            let Ok(Ok(stream)) = handshake else { return };
            let connection = Arc::new(Connection::socket(entrance, remote, stream.get_ref().1, visit.clone()));
            let api = self.api.clone();
            let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                let (api, connection) = (api.clone(), connection.clone());
                async move { Ok::<Response<Body>, std::convert::Infallible>(handle(&api, &connection, request).await) }
            });
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE);
            builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
            let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            tokio::pin!(serving);
            tokio::select! {
                _ = serving.as_mut() => return,
                () = visit.overstayed() => {
                    serving.as_mut().graceful_shutdown();
                    // What a stranger was being answered may still arrive; who does not read it is cut off.
                    let _ = tokio::time::timeout(HANDSHAKE, serving).await;
                    return;
                }
                () = self.api.draining.cancelled() => serving.as_mut().graceful_shutdown(),
            }
            tokio::select! {
                _ = serving => {}
                () = self.cut.cancelled() => {}
            }
        });
    }

    fn dns(&self, tenant: TenantId) -> Dns {
        Dns::new(self.api.clone(), tenant, self.resolvers.clone())
    }

    /// Keeps one listener per tenant that wants a port of its own.
    async fn follow_ports(self: Arc<Self>) {
        let Some(address) = self.tenant_listen else { return };
        let mut changes = self.api.routes.changes();
        let mut open: HashMap<(u16, TenantId), CancellationToken> = HashMap::new();
        loop {
            let wanted = self.api.routes.ports();
            open.retain(|key, stop| {
                let keep = wanted.contains(key);
                if !keep {
                    stop.cancel();
                }
                keep
            });
            for (port, tenant) in wanted {
                if open.contains_key(&(port, tenant)) {
                    continue;
                }
                let stop = self.api.draining.child_token();
                match TcpListener::bind((address, port)).await {
                    Ok(listener) => {
                        if self.accept(listener, Entrance::Tenant(tenant), stop.clone()).is_ok() {
                            self.answer_names((address, port), tenant, stop.clone()).await;
                            open.insert((port, tenant), stop);
                        }
                    }
                    Err(error) => tracing::error!(%tenant, port, %error, "the port of a tenant cannot be opened"),
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
                () = self.api.draining.cancelled() => return,
            }
        }
    }

    /// Says by `/readyz` that the server will stop; it goes on serving until [`Server::shutdown`].
    pub fn leave(&self) {
        self.api.leaving.store(true, Ordering::Relaxed);
    }

    /// Opens the tenant's port for DNS over UDP.
    async fn answer_names(&self, at: (IpAddr, u16), tenant: TenantId, stop: CancellationToken) {
        match UdpSocket::bind(at).await {
            Ok(socket) => drop(self.tasks.spawn(self.dns(tenant).serve_udp(socket, stop))),
            Err(error) => tracing::error!(%tenant, port = at.1, %error, "the port of a tenant's DNS cannot be opened"),
        }
    }

    /// Stops: no new connections, watches end, requests in flight finish (10 s at most), the store is closed.
    pub async fn shutdown(&self) {
        self.shutdown_within(DRAIN).await;
    }

    /// As [`Server::shutdown`], with another bound on how long requests may take to finish.
    pub async fn shutdown_within(&self, grace: Duration) {
        self.leave();
        self.api.draining.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!("some requests did not end in time");
            self.cut.cancel();
        }
        self.api.store.close();
    }
}
