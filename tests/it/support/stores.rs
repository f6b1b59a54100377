//! Stores that belong to one test: a folder, or a PostgreSQL schema, an S3 prefix and a Redis prefix.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use runyard::app::open_stores;
use runyard::config::Config;
use runyard::repository::Stores;
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use uuid::Uuid;

use super::redis::distributed;
use super::s3::S3Server;

/// The S3 server that the tests of one process share, each under a prefix of its own.
pub fn shared_s3() -> &'static S3Server {
    static SERVER: OnceLock<S3Server> = OnceLock::new();
    SERVER.get_or_init(S3Server::start)
}

/// Where a test keeps things; gone after the last clone of it.
#[derive(Clone)]
pub struct TestStores {
    inner: Arc<Inner>,
}

struct Inner {
    folder: TempDir,
    arguments: Vec<String>,
    schema: Option<Schema>,
}

impl TestStores {
    /// Fresh ones.
    pub async fn new() -> Self {
        let s3 = shared_s3_if_distributed();
        let endpoint = s3.map(|server| server.endpoint.clone());
        Self::with_s3(endpoint.as_deref()).await
    }

    /// Fresh ones; the payloads, when distributed, in the S3 server at this endpoint.
    pub async fn with_s3(endpoint: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("t{}", Uuid::new_v4().simple());
        let mut arguments = vec![
            format!("--data-dir={}", folder.path().display()),
            "--host=127.0.0.1".to_owned(),
            "--port=0".to_owned(),
            "--password-cost=4".to_owned(),
            format!("--jwt-secret={}", "test-secret-of-many-bytes-".repeat(2)),
        ];
        let mut schema = None;
        if distributed() {
            let database = setting("TEST_DATABASE_URL");
            let own = Schema::create(&database, &name).await;
            arguments.push(format!("--database-url={}", own.url));
            schema = Some(own);
            arguments.push("--database-connections=8".to_owned());
            arguments.push(format!("--cache-url={}?prefix={name}", setting("TEST_CACHE_URL")));
            arguments.push(format!("--blob-url=s3://runs/{name}"));
            arguments.push(format!("--aws-endpoint-url={}", endpoint.unwrap()));
            arguments.push("--aws-access-key-id=runyard-test".to_owned());
            arguments.push("--aws-secret-access-key=runyard-test-secret".to_owned());
        } else {
            let path = folder.path().display();
            arguments.push(format!("--database-url=sqlite://{path}/runyard.db"));
            arguments.push(format!("--blob-url=file://{path}/blobs"));
            arguments.push("--cache-url=memory://".to_owned());
        }
        Self { inner: Arc::new(Inner { folder, arguments, schema }) }
    }

    /// Arguments of a server over these stores; a later one wins over an earlier one of the same name.
    pub fn arguments(&self, more: &[&str]) -> Vec<String> {
        let name = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
        let replaced: Vec<String> = more.iter().map(|argument| name(argument)).collect();
        let kept = self.inner.arguments.iter().filter(|argument| !replaced.contains(&name(argument))).cloned();
        kept.chain(more.iter().map(ToString::to_string)).collect()
    }

    /// The configuration of a server over these stores.
    pub fn config(&self, more: &[&str]) -> Config {
        let program = std::iter::once("runyard".to_owned());
        Config::from_args(program.chain(self.arguments(more))).unwrap()
    }

    /// The folder for what a server keeps beside its stores; when embedded, the stores are in it.
    pub fn folder(&self) -> &Path {
        self.inner.folder.path()
    }

    /// The stores themselves, past any server.
    pub async fn open(&self) -> Stores {
        open_stores(&self.config(&[])).await.unwrap()
    }
}

fn shared_s3_if_distributed() -> Option<&'static S3Server> {
    distributed().then(shared_s3)
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("TEST_STORES=distributed needs {name}; run scripts/test.sh"))
}

/// A schema of its own in the shared PostgreSQL.
struct Schema {
    server: String,
    name: String,
    url: String,
}

impl Schema {
    async fn create(server: &str, name: &str) -> Self {
        let connection = Database::connect(server).await.unwrap();
        connection.execute_unprepared(&format!("CREATE SCHEMA {name}")).await.unwrap();
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-csearch_path%3D{name}");
        Self { server: server.to_owned(), name: name.to_owned(), url }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(schema) = self.schema.take() else { return };
        // A runtime of its own: the test's may be ending.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let connection = Database::connect(&schema.server).await.map_err(std::io::Error::other)?;
                let statement = format!("DROP SCHEMA IF EXISTS {} CASCADE", schema.name);
                connection.execute_unprepared(&statement).await.map_err(std::io::Error::other)
            })
        });
        // What cannot be dropped goes with the server.
        let _ = dropping.join();
    }
}
