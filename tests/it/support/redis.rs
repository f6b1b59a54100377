//! Redis servers for tests: each is a process of its own under a temporary folder, which a test may stop, freeze and
//! restart, and which ends with its test.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use runyard::config::CacheUrl;
use tempfile::TempDir;

/// Whether the tests of distributed back ends were asked for.
pub fn distributed() -> bool {
    std::env::var("TEST_STORES").is_ok_and(|stores| stores == "distributed")
}

/// Whether servers can be started that a test stops and freezes; `scripts/with-stores.sh` says so loudly when not.
pub fn outages() -> bool {
    distributed() && !std::env::var("TEST_OUTAGES").is_ok_and(|outages| outages == "no")
}

/// The shared Redis that the harness gave, with a key prefix that nobody else has.
pub fn shared() -> Option<CacheUrl> {
    let url = std::env::var("TEST_CACHE_URL").ok().filter(|url| url.starts_with("redis"))?;
    let url = url.split_once("?prefix=").map_or(url.as_str(), |(url, _)| url);
    Some(format!("{url}?prefix=test-{}", uuid::Uuid::new_v4().simple()).parse().unwrap())
}

/// One private Redis server.
pub struct RedisServer {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl RedisServer {
    /// A running server; nothing when only embedded back ends are tested.
    ///
    /// Panics when there is no `redis-server` program: a test of Redis must not pass without Redis.
    pub async fn start() -> Option<Self> {
        if !outages() {
            return None;
        }
        // Between finding a free port and using it somebody else may take it; then the process ends, and we retry.
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut server = Self { process: spawn(port, folder.path()), port, folder };
            if server.answers().await {
                return Some(server);
            }
        }
        panic!("redis-server found no free port");
    }

    /// Its address, with a key prefix of the caller's.
    pub fn url(&self, prefix: &str) -> CacheUrl {
        format!("redis://127.0.0.1:{}?prefix={prefix}", self.port).parse().unwrap()
    }

    /// The argument that makes a server use it.
    pub fn argument(&self) -> String {
        format!("--cache-url=redis://127.0.0.1:{}?prefix=a", self.port)
    }

    /// Ends the process at once, as a crash does.
    pub fn kill(&mut self) {
        // A stopped process takes SIGKILL too.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on the same port, with what its last snapshot holds, if there was one.
    pub async fn restart(&mut self) {
        self.process = spawn(self.port, self.folder.path());
        assert!(self.answers().await, "redis-server did not come back on port {}", self.port);
    }

    /// Stops it from doing anything, with all of its connections open.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Asks it something over a connection of its own.
    pub async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill {signal}");
    }

    /// Waits until it answers; false when its process ended instead.
    async fn answers(&mut self) -> bool {
        let mut pause = tokio::time::interval(std::time::Duration::from_millis(5));
        for _ in 0..4_000 {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            let pid = self.process.id().to_string();
            // Another server may have the port: only ours has this process id.
            let info: redis::RedisResult<String> = self.ask(&["INFO", "server"]).await;
            if info.is_ok_and(|info| info.lines().any(|line| line.strip_prefix("process_id:") == Some(&pid))) {
                return true;
            }
            pause.tick().await;
        }
        panic!("redis-server does not answer");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(port: u16, folder: &Path) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string(), "--dir"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("TEST_STORES=distributed needs the program redis-server: {error}"))
}
