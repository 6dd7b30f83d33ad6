//! DNS for all tenants, out of the store: no pod, no cache, no watch.
//!
//! ```text
//!   UDP and TCP on the tenant's own port ─► message ─► zone ─┬─► records    names of the tenant
//!                                                            └─► forward    all others: the host's resolvers
//! ```
//!
//! Which tenant asks is told by the port that is asked, as with its API (decision 0008); nothing in a message is believed.

mod forward;
mod message;
mod records;
mod zone;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tenancy::TenantId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use forward::Transport;
use message::{Code, Data, MAX_QUERY, MAX_TCP, Query, Record, Reply, TTL, Unreadable};
use records::Own;
use zone::{Meaning, ZONE};

/// First byte of a TLS handshake. As the first byte of a length it would announce a query of at least 5,632 bytes.
const TLS_HANDSHAKE: u8 = 0x16;
/// Questions of one tenant that wait for the host's resolvers at a time; others are answered with SERVFAIL.
const WAITING: usize = 128;
/// Datagrams that are read before other tenants get their turn.
const BURST: usize = 64;
/// Aliases that are followed for one question.
const MAX_ALIASES: usize = 8;
/// A TCP connection without a question ends after this long.
const IDLE: Duration = Duration::from_secs(10);
/// Questions on one TCP connection.
const MAX_QUESTIONS: usize = 1000;

/// The DNS of one tenant.
#[derive(Clone)]
pub(crate) struct Dns {
    api: Arc<Api>,
    tenant: TenantId,
    resolvers: Arc<[SocketAddr]>,
    waiting: Arc<Semaphore>,
}

/// The resolvers to ask: those that were configured, else those of the system.
pub(crate) fn resolvers(configured: &[SocketAddr]) -> Arc<[SocketAddr]> {
    if configured.is_empty() { forward::system().into() } else { configured.into() }
}

/// Whether a connection to a tenant's port begins as DNS rather than TLS.
pub(crate) async fn is_dns(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1) if first != [TLS_HANDSHAKE])
}

impl Dns {
    /// The DNS of a tenant.
    pub(crate) fn new(api: Arc<Api>, tenant: TenantId, resolvers: Arc<[SocketAddr]>) -> Self {
        Self { api, tenant, resolvers, waiting: Arc::new(Semaphore::new(WAITING)) }
    }

    /// Answers datagrams until stopped.
    pub(crate) async fn serve_udp(self, socket: UdpSocket, stop: CancellationToken) {
        let socket = Arc::new(socket);
        loop {
            tokio::select! {
                ready = socket.readable() => if ready.is_err() { return },
                () = stop.cancelled() => return,
            }
            for _ in 0..BURST {
                let mut buffer = [0; MAX_QUERY + 1];
                match socket.try_recv_from(&mut buffer) {
                    Ok((length, from)) => self.datagram(&socket, &buffer[..length], from),
                    Err(_) => break,
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Names of the cluster are answered at once, the others when the resolvers have answered. What cannot be sent is
    /// lost, as datagrams are.
    fn datagram(&self, socket: &Arc<UdpSocket>, bytes: &[u8], from: SocketAddr) {
        let query = match message::read(bytes) {
            Ok(query) => query,
            Err(Unreadable(why)) => {
                if let Some((id, code)) = why {
                    let _ = socket.try_send_to(&message::complain(id, code), from);
                }
                return;
            }
        };
        if let Some(reply) = self.own(&query) {
            let _ = socket.try_send_to(&query.write(&reply, query.udp_limit()), from);
            return;
        }
        let (dns, socket, bytes) = (self.clone(), socket.clone(), bytes.to_vec());
        let Ok(seat) = self.waiting.clone().try_acquire_owned() else {
            let _ = socket.try_send_to(&query.write(&failure(), query.udp_limit()), from);
            return;
        };
        tokio::spawn(async move {
            let answer = dns.abroad(&query, &bytes, Transport::Udp).await;
            drop(seat);
            let _ = socket.send_to(&answer, from).await;
        });
    }

    /// Answers the questions of a TCP connection.
    pub(crate) async fn serve_tcp(self, mut stream: TcpStream) {
        for _ in 0..MAX_QUESTIONS {
            let question = tokio::time::timeout(IDLE, question(&mut stream)).await;
            let Ok(Some(bytes)) = question else { return };
            let answer = match message::read(&bytes) {
                Ok(query) => match self.own(&query) {
                    Some(reply) => query.write(&reply, MAX_TCP),
                    None => match self.waiting.try_acquire() {
                        Ok(_seat) => self.abroad(&query, &bytes, Transport::Tcp).await,
                        Err(_) => query.write(&failure(), MAX_TCP),
                    },
                },
                Err(Unreadable(Some((id, code)))) => message::complain(id, code),
                Err(Unreadable(None)) => return,
            };
            let written = tokio::time::timeout(IDLE, stream.write_all(&forward::framed(&answer))).await;
            if !matches!(written, Ok(Ok(()))) {
                return;
            }
        }
    }

    fn meaning(&self, name: &str, kind: u16) -> Meaning {
        zone::meaning(&Own { store: &self.api.store, tenant: self.tenant }, name, kind)
    }

    /// The answer, if it can be given out of the store alone.
    fn own(&self, query: &Query) -> Option<Reply> {
        let ended = |code, answers| Some(Reply { code, answers, zone: Some(ZONE) });
        match self.meaning(&query.name, query.kind) {
            Meaning::NoName => ended(Code::NxDomain, Vec::new()),
            Meaning::Records(mut records) => {
                // Clients take the first address: everybody gets another first one.
                let turn = usize::from(query.id) % records.len().max(1);
                records.rotate_left(turn);
                ended(Code::NoError, records)
            }
            Meaning::Foreign | Meaning::Alias(_) => None,
        }
    }

    /// The answer of the host's resolvers, or the alias with what they say of its target.
    async fn abroad(&self, query: &Query, bytes: &[u8], transport: Transport) -> Vec<u8> {
        let limit = if transport == Transport::Udp { query.udp_limit() } else { MAX_TCP };
        let (mut name, mut answers) = (query.name.clone(), Vec::new());
        for _ in 0..MAX_ALIASES {
            match self.meaning(&name, query.kind) {
                Meaning::Alias(target) => {
                    let data = Data::Cname(target.clone());
                    answers.push(Record { name: std::mem::replace(&mut name, target), data, ttl: TTL });
                    if query.kind == message::CNAME {
                        return query.write(&Reply { code: Code::NoError, answers, zone: Some(ZONE) }, limit);
                    }
                }
                Meaning::Records(records) => {
                    answers.extend(records);
                    return query.write(&Reply { code: Code::NoError, answers, zone: Some(ZONE) }, limit);
                }
                Meaning::NoName => {
                    return query.write(&Reply { code: Code::NxDomain, answers, zone: Some(ZONE) }, limit);
                }
                Meaning::Foreign if answers.is_empty() => {
                    let answer = forward::ask(&self.resolvers, bytes, transport).await;
                    return answer.unwrap_or_else(|| query.write(&failure(), limit));
                }
                Meaning::Foreign => {
                    let reply = self.target(query, &name, answers).await.unwrap_or_else(failure);
                    return query.write(&reply, limit);
                }
            }
        }
        query.write(&failure(), limit)
    }

    /// An alias that leads out of the cluster. Stub resolvers do not follow aliases: the target's records come with it.
    async fn target(&self, query: &Query, name: &str, mut answers: Vec<Record>) -> Option<Reply> {
        let sent = query.about(name, rand::random())?;
        let answer = forward::ask(&self.resolvers, &sent, Transport::Udp).await?;
        let (code, records) = message::addresses(&sent, &answer)?;
        answers.extend(records);
        let code = match code {
            0 => Code::NoError,
            3 => Code::NxDomain,
            _ => Code::ServFail,
        };
        Some(Reply { code, answers, zone: None })
    }
}

fn failure() -> Reply {
    Reply { code: Code::ServFail, answers: Vec::new(), zone: None }
}

/// The next question of a connection; None when it has ended or the client sends something else.
async fn question(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = usize::from(stream.read_u16().await.ok()?);
    if length == 0 || length > MAX_QUERY {
        return None;
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}
