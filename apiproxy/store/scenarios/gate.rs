//! A way to etcd that can be closed for one store.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on while it is open. Closed, it breaks those there are and refuses others.
pub(crate) struct Gate {
    port: u16,
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    pub(crate) async fn new(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(watch::Sender::new(true));
        let state = open.clone();
        tokio::spawn(async move {
            while let Ok((inner, _)) = listener.accept().await {
                if *state.borrow() {
                    tokio::spawn(pass(inner, to, state.subscribe()));
                }
            }
        });
        Self { port, open }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn pass(mut inner: TcpStream, to: u16, mut open: watch::Receiver<bool>) {
    let Ok(mut outer) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], to))).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
        _ = open.wait_for(|open| !open) => {}
    }
}
