//! DNS at the tenants' own ports, over UDP and TCP.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::world::World;

const A: u16 = 1;
const SRV: u16 = 33;
const NOT_THERE: u8 = 3;

/// A question on the wire.
fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// Code, number of answers, and the whole of an answer.
type Answer = (u8, u8, Vec<u8>);

fn read(bytes: Vec<u8>) -> Answer {
    assert_eq!(bytes[..2], [0x12, 0x34], "the answer to our question");
    (bytes[3] & 0x0f, bytes[7], bytes)
}

/// Asks until the door is open, which it is soon after the tenant is registered.
async fn ask(server: SocketAddr, name: &str, kind: u16) -> Answer {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    let mut buffer = vec![0; 2048];
    for _ in 0..100 {
        let _ = socket.send(&question(name, kind)).await;
        if let Ok(Ok(length)) = tokio::time::timeout(Duration::from_millis(300), socket.recv(&mut buffer)).await {
            buffer.truncate(length);
            return read(buffer);
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody answers at {server}");
}

/// A resolver that knows one address for every name.
async fn resolver() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let mut answer = buffer[..length].to_vec();
            answer[2] |= 0x80;
            answer[7] = 1;
            answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 99]);
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_tenants_port_answers_for_its_services_and_no_others() {
    let (world, [acme, beta]) = World::with_ports(resolver().await).await;
    let admin = world.admin().await;
    let service = json!({"metadata": {"name": "web"}, "spec": {"clusterIP": "10.96.3.4", "ports": [{"name": "http", "port": 80}]}});
    admin.post("/api/v1/namespaces/default/services", service).await.expect(201);
    let away = json!({"metadata": {"name": "away"}, "spec": {"type": "ExternalName", "externalName": "example.com"}});
    admin.post("/api/v1/namespaces/default/services", away).await.expect(201);

    let (code, count, bytes) = ask(acme, "web.default.svc.cluster.local", A).await;
    assert_eq!((code, count), (0, 1));
    assert!(bytes.ends_with(&[10, 96, 3, 4]), "{bytes:?}");
    assert_eq!(ask(acme, "_http._tcp.web.default.svc.cluster.local", SRV).await.1, 1);
    assert_eq!(ask(acme, "nobody.default.svc.cluster.local", A).await.0, NOT_THERE);
    // The same question at the neighbour's port: it has no such service, and the host is not asked either.
    assert_eq!(ask(beta, "web.default.svc.cluster.local", A).await.0, NOT_THERE);
    assert_eq!(ask(beta, "4.3.96.10.in-addr.arpa", 12).await.0, NOT_THERE);

    // What is outside comes from the resolver, also behind an alias.
    let (code, count, bytes) = ask(beta, "example.com", A).await;
    assert_eq!((code, count), (0, 1));
    assert!(bytes.ends_with(&[192, 0, 2, 99]));
    let (code, count, bytes) = ask(acme, "away.default.svc.cluster.local", A).await;
    assert_eq!((code, count), (0, 2), "the alias and its target");
    assert!(bytes.ends_with(&[192, 0, 2, 99]));
}

#[tokio::test]
async fn names_and_the_api_share_a_tcp_port() {
    let (world, [acme, _]) = World::with_ports(resolver().await).await;
    ask(acme, "cluster.local", A).await;
    let mut stream = TcpStream::connect(acme).await.unwrap();
    // Two questions at once, as RFC 7766 allows.
    for name in ["kubernetes.default.svc.cluster.local", "default.svc.cluster.local"] {
        let bytes = question(name, A);
        stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    }
    for code in [NOT_THERE, 0] {
        let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(read(answer).0, code);
    }
    // Nonsense ends the connection and nothing else.
    let mut stream = TcpStream::connect(acme).await.unwrap();
    stream.write_all(&[0xff; 64]).await.unwrap();
    assert!(matches!(stream.read(&mut [0; 16]).await, Ok(0) | Err(_)));
    let admin = world.acme.certificate("admin", &["system:masters"]);
    world.at(&world.acme, acme, admin).await.get("/api/v1/namespaces").await.expect(200);
}
