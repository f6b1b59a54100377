//! What every test starts from: a server of its own on a free port, with stores of its own.

pub mod client;
pub mod document;
pub mod journal;
pub mod network;
pub mod postgres;
pub mod process;
pub mod program;
pub mod raw;
pub mod redis;
pub mod s3;
pub mod stores;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use runyard::app::App;
use runyard::config::Config;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use client::{Client, Reply};
pub use process::Process;
pub use stores::TestStores;

/// A password that every user of the tests has.
pub const PASSWORD: &str = "correct horse battery";

/// What has not come by itself after this long does not come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server in this process.
pub struct TestApp {
    /// Its stores, which outlive it.
    pub stores: TestStores,
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

impl TestApp {
    /// A server with the defaults of the tests.
    pub async fn spawn() -> Self {
        Self::with(&[]).await
    }

    /// A server with these arguments as well.
    pub async fn with(arguments: &[&str]) -> Self {
        Self::over(TestStores::new().await, arguments).await
    }

    /// A server over stores that may hold something already.
    pub async fn over(stores: TestStores, arguments: &[&str]) -> Self {
        let config = stores.config(arguments);
        Self::under(stores, config).await
    }

    /// A server under this configuration, which says where the stores are.
    pub async fn under(stores: TestStores, config: Config) -> Self {
        journal::begin();
        let app = App::start(config).await.unwrap();
        let address = app.address();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move { app.run(stopped.cancelled_owned()).await });
        Self { stores, address, stop, running: Some(running) }
    }

    /// Another server over the same stores.
    pub async fn replica(&self) -> Self {
        Self::over(self.stores.clone(), &[]).await
    }

    /// Stops the server as SIGTERM does, and gives back its stores.
    pub async fn stop(mut self) -> TestStores {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            running.await.unwrap();
        }
        self.stores.clone()
    }

    /// The configuration that it runs under.
    pub fn config(&self) -> Config {
        self.stores.config(&[])
    }

    /// Somebody without credentials.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A user of this name, who signs up and logs in.
    pub async fn user(&self, name: &str) -> Client {
        self.client().signed_up(&format!("{name}@example.com")).await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// One run of the seeds' form, with this id if any.
pub fn run(id: Option<&str>, name: &str) -> serde_json::Value {
    let mut run = serde_json::json!({
        "trace_id": "944ce838-b5c5-4628-8f23-089fbda8b9e3",
        "name": name,
        "inputs": {"query": "What is the weather in San Francisco?"},
        "outputs": {"response": "It is currently 65°F and sunny in San Francisco."},
        "metadata": {"model": "gpt-4", "temperature": 0.7, "tokens": 42},
    });
    if let Some(id) = id {
        run["id"] = id.into();
    }
    run
}

/// Waits until it is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let mut pause = tokio::time::interval(Duration::from_millis(5));
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if so().await {
            return;
        }
        pause.tick().await;
    }
    panic!("never came true: {what}");
}
