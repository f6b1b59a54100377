//! A network between a server and one of its stores, which can swallow everything: nothing comes any more, not even
//! that a connection is closed, as behind a firewall that has forgotten it.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A way to a store; it ends with everything on it when this is dropped.
pub struct Network {
    /// Where the store is for those who go this way.
    pub address: SocketAddr,
    forgotten: watch::Sender<()>,
    forwarding: JoinHandle<()>,
}

impl Network {
    /// A way to this store.
    pub async fn to(store: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let forgotten = watch::Sender::new(());
        let watched = forgotten.clone();
        let forwarding = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                connections.spawn(forward(client, store, watched.subscribe()));
            }
        });
        Self { address, forgotten, forwarding }
    }

    /// Swallows what goes over the connections that there are; new ones work.
    pub fn forget_connections(&self) {
        self.forgotten.send_replace(());
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}

async fn forward(mut client: TcpStream, store: SocketAddr, mut forgotten: watch::Receiver<()>) {
    let Ok(mut store) = TcpStream::connect(store).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut store) => {}
        // Both ends stay open, and nobody reads.
        _ = forgotten.changed() => std::future::pending().await,
    }
}
