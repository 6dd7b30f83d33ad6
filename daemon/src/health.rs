//! The health port: `/livez /readyz /metrics` without TLS or credentials, for the kubelet and the monitoring. Nothing of
//! a tenant is behind it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at a time: probes and a scraper, with room.
const CONNECTIONS: usize = 64;
/// A connection ends after this long: probes are short.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a failed accept (no file descriptors, mostly).
const PAUSE: Duration = Duration::from_millis(50);

/// Whether the process is ready. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Status {
    obstacle: Arc<Mutex<Option<String>>>,
}

impl Status {
    /// Not ready, because of this.
    pub fn new(obstacle: &str) -> Self {
        Self { obstacle: Arc::new(Mutex::new(Some(obstacle.to_owned()))) }
    }

    /// Ready from now on.
    pub fn ready(&self) {
        self.set(None);
    }

    /// Not ready from now on, because of this.
    pub fn unready(&self, obstacle: &str) {
        self.set(Some(obstacle.to_owned()));
    }

    fn set(&self, obstacle: Option<String>) {
        *self.obstacle.lock().unwrap_or_else(PoisonError::into_inner) = obstacle;
    }

    fn obstacle(&self) -> Option<String> {
        self.obstacle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// A health port.
pub struct Health {
    listener: TcpListener,
    status: Status,
}

impl Health {
    /// Opens the port.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn listen(address: SocketAddr, status: Status) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, status })
    }

    /// Answers for ever; `metrics` renders the OpenMetrics text.
    pub async fn serve(self, metrics: impl Fn() -> String + Send + Sync + 'static) {
        let (status, metrics): (Status, Render) = (self.status, Arc::new(metrics));
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(seat) = seats.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let (status, metrics) = (status.clone(), metrics.clone());
            tokio::spawn(async move {
                let _seat = seat;
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let answer = answer(&status, &metrics, request.method(), request.uri().path());
                    async move { Ok::<_, Infallible>(answer) }
                });
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
                let serving = builder.serve_connection(TokioIo::new(stream), service);
                let _ = tokio::time::timeout(PATIENCE, serving).await;
            });
        }
    }
}

fn answer(status: &Status, metrics: &Render, method: &Method, path: &str) -> Response<Full<Bytes>> {
    let (code, text) = match path {
        _ if !matches!(*method, Method::GET | Method::HEAD) => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        "/livez" | "/healthz" => (StatusCode::OK, "ok".to_owned()),
        "/readyz" => match status.obstacle() {
            None => (StatusCode::OK, "ok".to_owned()),
            Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, obstacle),
        },
        "/metrics" => (StatusCode::OK, metrics()),
        _ => (StatusCode::NOT_FOUND, "not found".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = code;
    let content_type = match path {
        "/metrics" => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn probes_learn_what_is_missing() {
        let status = Status::new("waiting for the store");
        let health = Health::listen("127.0.0.1:0".parse().unwrap(), status.clone()).await.unwrap();
        let address = health.listener.local_addr().unwrap();
        tokio::spawn(health.serve(|| "up 1\n# EOF\n".to_owned()));
        let readyz = ask(address, "GET /readyz").await;
        assert!(readyz.starts_with("HTTP/1.1 503") && readyz.ends_with("waiting for the store"), "{readyz}");
        assert!(ask(address, "GET /livez").await.starts_with("HTTP/1.1 200"));
        status.ready();
        assert!(ask(address, "GET /readyz").await.starts_with("HTTP/1.1 200"));
        status.unready("shutting down");
        assert!(ask(address, "GET /readyz").await.contains("shutting down"));
        assert!(ask(address, "GET /metrics").await.contains("up 1"));
        assert!(ask(address, "POST /livez").await.starts_with("HTTP/1.1 405"));
        assert!(ask(address, "GET /api").await.starts_with("HTTP/1.1 404"));
    }
}
