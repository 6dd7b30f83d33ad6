//! Names outside of the cluster: asked of the resolvers of the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::message::{self, MAX_TCP};

/// One resolver has this long for an answer; then the next is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// Resolvers that are asked for one question.
const MOST: usize = 3;

/// How a question came, and so how it is asked further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// The resolvers that /etc/resolv.conf names; none when there is no such file.
pub(super) fn system() -> Vec<SocketAddr> {
    parse(&std::fs::read_to_string(Path::new("/etc/resolv.conf")).unwrap_or_default())
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| -> Option<SocketAddr> {
        let mut words = line.split_whitespace();
        let ip: IpAddr = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next()?.parse().ok())?;
        Some(SocketAddr::new(ip, 53))
    };
    text.lines().filter_map(address).take(MOST).collect()
}

/// Asks one resolver after the other; the answer is theirs, byte for byte. None when nobody answers.
pub(super) async fn ask(resolvers: &[SocketAddr], query: &[u8], transport: Transport) -> Option<Vec<u8>> {
    for resolver in resolvers {
        let answer = async {
            match transport {
                Transport::Udp => over_udp(*resolver, query).await,
                Transport::Tcp => over_tcp(*resolver, query).await,
            }
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) if message::answers(query, &answer) => return Some(answer),
            Ok(Ok(_)) => tracing::debug!(%resolver, "resolver answers another question"),
            Ok(Err(error)) => tracing::debug!(%resolver, %error, "resolver does not answer"),
            Err(_) => tracing::debug!(%resolver, "resolver does not answer in time"),
        }
    }
    None
}

/// From a port of its own for every question, so that answers cannot be guessed.
async fn over_udp(resolver: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: IpAddr = if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(resolver).await?;
    socket.send(query).await?;
    let mut answer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        if message::answers(query, &answer[..length]) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn over_tcp(resolver: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    stream.write_all(&framed(query)).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// A message as it goes over TCP: its length before it.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len().min(MAX_TCP)).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], &message[..usize::from(length)]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_of_the_system() {
        let text =
            "# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.2\nnameserver ::1\nnameserver x\noptions ndots:5";
        assert_eq!(parse(text), ["10.0.0.2:53".parse().unwrap(), "[::1]:53".parse::<SocketAddr>().unwrap()]);
    }
}
