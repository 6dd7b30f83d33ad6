//! One identity at one door of the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest wait for anything: far beyond what a working server needs, so that a broken one ends the test.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a client proves who it is.
#[derive(Clone)]
pub(crate) enum Credential {
    Certificate(CertificateDer<'static>, Arc<PrivateKeyDer<'static>>),
    Token(String),
    None,
}

/// Where a client connects to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) server_name: String,
    pub(crate) prefix: String,
    pub(crate) roots: Vec<CertificateDer<'static>>,
}

/// A connection with an identity.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    prefix: String,
    token: Option<String>,
    headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    /// The body, from JSON or protobuf; null when it is neither.
    pub(crate) body: Value,
    pub(crate) raw: Bytes,
}

impl Reply {
    /// The reply, when it has this code.
    #[track_caller]
    pub(crate) fn expect(self, code: u16) -> Self {
        assert_eq!(self.code, code, "{}", String::from_utf8_lossy(&self.raw));
        self
    }

    /// The `reason` and `message` of a Status.
    pub(crate) fn reason(&self) -> (&str, &str) {
        (self.body["reason"].as_str().unwrap_or_default(), self.body["message"].as_str().unwrap_or_default())
    }

    /// Text of the `Warning` headers.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.headers.get_all("warning").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// `metadata.resourceVersion`.
    #[track_caller]
    pub(crate) fn version(&self) -> String {
        self.body["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
    }

    /// Names of the items of a list.
    pub(crate) fn names(&self) -> Vec<String> {
        let items = self.body["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// A protobuf body, as JSON would say it.
fn message(body: &[u8]) -> Value {
    let mut value = wire::decode(body, None).unwrap();
    let api_version = value["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let schema = schema::Table::builtin().kind(group, version, value["kind"].as_str().unwrap()).unwrap();
    schema::conform::conform(schema.node(), &mut value).unwrap();
    value
}

impl Client {
    pub(crate) async fn connect(target: Target, credential: Credential) -> Self {
        let mut roots = RootCertStore::empty();
        for root in target.roots {
            roots.add(root).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let mut token = None;
        let mut config = match credential {
            Credential::Certificate(certificate, key) => {
                config.with_client_auth_cert(vec![certificate], key.clone_key()).unwrap()
            }
            Credential::Token(text) => {
                token = Some(text);
                config.with_no_client_auth()
            }
            Credential::None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(target.address).await.unwrap();
        let name = ServerName::try_from(target.server_name.clone()).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.unwrap();
        tokio::spawn(connection);
        let authority = format!("{}:{}", target.server_name, target.address.port());
        Self { sender, authority, prefix: target.prefix, token, headers: Vec::new() }
    }

    /// The same connection with another bearer token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same connection with one more header on every request.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// Sends a request as it is.
    pub(crate) async fn open(&self, method: Method, path: &str, kind: &str, body: Bytes) -> http::Response<Incoming> {
        let mut request = Request::builder().method(method);
        request = request.uri(format!("https://{}{}{path}", self.authority, self.prefix));
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let sent = self.sender.clone().send_request(request);
        tokio::time::timeout(PATIENCE, sent).await.unwrap_or_else(|_| panic!("no answer to {path}")).unwrap()
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn send(&self, method: Method, path: &str, kind: &str, body: impl Into<Bytes>) -> Reply {
        let answer = self.open(method, path, kind, body.into()).await;
        let (parts, body) = answer.into_parts();
        let raw = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
        let body = if raw.starts_with(&wire::MAGIC) {
            message(&raw)
        } else {
            serde_json::from_slice(&raw).unwrap_or(Value::Null)
        };
        Reply { code: parts.status.as_u16(), headers: parts.headers, body, raw }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "", Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, "application/json", body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, "application/json", body.to_string()).await
    }

    /// A merge patch.
    pub(crate) async fn merge(&self, path: &str, body: Value) -> Reply {
        self.patch("merge-patch+json", path, body).await
    }

    /// A patch of a type (`json-patch+json` …).
    pub(crate) async fn patch(&self, kind: &str, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, &format!("application/{kind}"), body.to_string()).await
    }

    /// Server-side apply.
    pub(crate) async fn apply(&self, path: &str, manager: &str, body: Value) -> Reply {
        let separator = if path.contains('?') { '&' } else { '?' };
        self.patch("apply-patch+yaml", &format!("{path}{separator}fieldManager={manager}"), body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, "", Bytes::new()).await
    }

    /// Delete with `DeleteOptions`.
    pub(crate) async fn delete_with(&self, path: &str, options: Value) -> Reply {
        self.send(Method::DELETE, path, "application/json", options.to_string()).await
    }

    /// Opens a watch, which must succeed.
    pub(crate) async fn watch(&self, path: &str) -> Watch {
        let answer = self.open(Method::GET, path, "", Bytes::new()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        Watch { body: answer.into_body(), read: BytesMut::new() }
    }

    /// Reads until an answer fits: the way to wait for what the server does afterwards.
    pub(crate) async fn until(&self, path: &str, fits: impl Fn(&Reply) -> bool) -> Reply {
        let ask = async {
            let mut again = tokio::time::interval(Duration::from_millis(5));
            loop {
                again.tick().await;
                let reply = self.get(path).await;
                if fits(&reply) {
                    return reply;
                }
            }
        };
        tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| panic!("{path} never became as expected"))
    }

    /// Waits until a path answers 404.
    pub(crate) async fn until_gone(&self, path: &str) {
        self.until(path, |reply| reply.code == 404).await;
    }
}

/// An open watch.
pub(crate) struct Watch {
    body: Incoming,
    read: BytesMut,
}

impl Watch {
    /// The next event; None at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(end + 1);
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("no event came");
            let data = frame?.unwrap().into_data().unwrap_or_default();
            self.read.extend_from_slice(&data);
        }
    }

    /// The next protobuf event: its type and the body of its object; None at the end of the stream.
    pub(crate) async fn next_frame(&mut self) -> Option<(String, Value)> {
        loop {
            let length = self.read.first_chunk::<4>().map(|head| u32::from_be_bytes(*head) as usize + 4);
            if let Some(length) = length.filter(|length| self.read.len() >= *length) {
                let frame = self.read.split_to(length);
                let kind_ends = 6 + usize::from(frame[5]);
                let kind = String::from_utf8(frame[6..kind_ends].to_vec()).unwrap();
                let body = frame.windows(4).position(|four| four == wire::MAGIC).unwrap();
                return Some((kind, message(&frame[body..])));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("no event came");
            let data = frame?.unwrap().into_data().unwrap_or_default();
            self.read.extend_from_slice(&data);
        }
    }

    /// `TYPE name` of the next events.
    pub(crate) async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            let event = self.next().await.expect("the watch goes on");
            let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
            names.push(format!("{} {name}", event["type"].as_str().unwrap()));
        }
        names
    }
}
