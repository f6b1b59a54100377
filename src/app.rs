//! The only place that builds things: configuration, then stores, then services, then the server; and stops them.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api::{self, Gate, OperatorSecret};
use crate::config::{Config, DatabaseUrl, Role};
use crate::error::Result;
use crate::logging::LogControl;
use crate::metrics::Metrics;
use crate::repository::{
    AccountRepository, BlobStore, Cache, Database, QueueRepository, RunRepository, SegmentRepository, Stores,
    StreamerRepository, TelemetryRepository,
};
use crate::service::accounts::{JwtSecret, OldSessions};
use crate::service::queue::UpkeepPlan;
use crate::service::roles::{Worker, work};
use crate::service::runs::Committer;
use crate::service::streamer::{Parts, StreamerService};
use crate::service::telemetry::Collector;
use crate::service::{
    AccountService, FavoriteService, HealthService, ProfilingService, QueueService, RateLimits, RunService,
    ScrapeService, SegmentService, Services, TaskService, TelemetryService,
};
use crate::watch::Watch;

/// A server that has its port and everything behind it, and does not answer yet.
pub struct App {
    config: Config,
    listener: TcpListener,
    address: SocketAddr,
    built: Built,
    log: Option<LogControl>,
}

/// What a configuration makes.
#[derive(Debug)]
pub struct Built {
    /// What is counted.
    pub metrics: Metrics,
    /// Watches the tasks.
    pub watch: Watch,
    /// The services.
    pub services: Services,
    /// The collector of segments.
    pub segments: SegmentService,
    /// Forgets old sessions.
    pub sessions: OldSessions,
    /// Publishes samples, when there is a source of them.
    pub streamer: Option<StreamerService>,
    /// Stores what samples are in the queue, woken by its bell.
    pub collector: (Collector, Arc<Notify>),
    /// Stores small requests; ends after the services are gone.
    pub committing: JoinHandle<()>,
    /// Claims messages for whoever waits; ends after the services are gone.
    pub claiming: JoinHandle<()>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Reaches every store of a configuration.
///
/// # Errors
/// [`crate::error::Error::Unavailable`] when the database or the blob store does not answer.
pub async fn open_stores(config: &Config) -> Result<Stores> {
    let database = open_database(config).await?;
    Ok(Stores { database, blobs: open_blobs(config).await?, cache: open_cache(config).await? })
}

/// Reaches the database of a configuration.
///
/// # Errors
/// [`crate::error::Error::Unavailable`] when it does not answer.
pub async fn open_database(config: &Config) -> Result<Database> {
    Database::open(&config.database(), config.database_connections, config.upstream_timeout.0).await
}

/// Reaches the blob store of a configuration.
///
/// # Errors
/// [`crate::error::Error::Unavailable`] when it does not answer.
pub async fn open_blobs(config: &Config) -> Result<BlobStore> {
    BlobStore::open(&config.blobs(), &config.aws, config.upstream_timeout.0).await
}

/// Makes the cache of a configuration, which need not be there.
///
/// # Errors
/// [`crate::error::Error::Internal`] when its URL cannot be used.
pub async fn open_cache(config: &Config) -> Result<Cache> {
    Cache::open(&config.cache_url, config.cache_bytes.as_u64(), config.cache_ttl.0).await
}

/// The OpenAPI document of the server. It comes from the code alone, over stores in a folder that goes again.
///
/// # Errors
/// Those of the file system.
pub async fn openapi() -> Result<String> {
    let folder = std::env::temp_dir().join(format!("runyard-openapi-{}", uuid::Uuid::new_v4()));
    let path = folder.display().to_string();
    let database = format!("--database-url=sqlite://{path}/runyard.db");
    let args =
        ["runyard", "--data-dir", &path, &database, &format!("--blob-url=file://{path}"), "--cache-url=memory://"];
    let config = Config::from_args(args).context("configuring a server without a past")?;
    let stores = open_stores(&config).await?;
    let document = build(&config, &stores).map(|built| api::openapi(&built.services));
    tokio::fs::remove_dir_all(&folder).await.context("tidying after the document")?;
    document
}

/// Makes the services over these stores.
///
/// # Errors
/// Says what is wrong with the token secret.
pub fn build(config: &Config, stores: &Stores) -> Result<Built> {
    let secret = match (&config.auth.jwt_secret, config.database()) {
        (Some(list), _) => JwtSecret::parse(list)?,
        (None, _) if !config.roles().contains(&Role::Api) => JwtSecret::unknown(),
        (None, DatabaseUrl::Sqlite(_)) => JwtSecret::load_or_create(&config.data_dir)?,
        (None, DatabaseUrl::Postgres(_)) => {
            return Err(anyhow!("JWT_SECRET is required with PostgreSQL: all replicas need the same").into());
        }
    };
    let accounts = AccountRepository::new(stores.database.clone());
    let metrics = Metrics::new()?;
    let runs = RunRepository::new(stores.database.clone());
    let (watch, watching) = Watch::new();
    tokio::spawn(watching);
    let (committer, committing) = Committer::new(runs, stores.blobs.clone(), metrics.clone(), watch.clone());
    let queue = QueueRepository::new(stores.database.clone());
    let (queue, claiming) = QueueService::new(queue, &config.limits, metrics.clone(), watch.clone());
    let segments = SegmentRepository::new(stores.database.clone());
    let positions = StreamerRepository::new(stores.database.clone());
    let telemetry = TelemetryRepository::new(stores.database.clone());
    let parts = Parts { positions, telemetry, queue: queue.clone(), metrics: metrics.clone() };
    let bell = Arc::new(Notify::new());
    let sessions = OldSessions::new(accounts.clone());
    let accounts = AccountService::new(accounts, &secret, &config.auth, config.limits.login_failures)?;
    let health = HealthService::new(stores.clone(), config.service());
    let scrape =
        ScrapeService::new(metrics.clone(), stores.clone(), &config.telemetry, accounts.clone(), health.clone());
    let collector = Collector::new(stores, queue.clone(), &config.telemetry, metrics.clone(), Arc::clone(&bell));
    Ok(Built {
        streamer: StreamerService::new(parts, &config.telemetry, config.upstream_timeout.0)?,
        collector: (collector, bell),
        sessions,
        services: Services {
            scrape,
            accounts,
            favorites: FavoriteService::new(stores, &config.limits, config.data_dir.clone()),
            queue,
            runs: RunService::new(stores, committer, metrics.clone(), &config.limits, config.upstream_timeout.0),
            tasks: TaskService::new(stores, &config.limits, config.data_dir.clone()),
            telemetry: TelemetryService::new(stores),
            health,
            profiling: ProfilingService::new(watch.clone()),
            rates: RateLimits::new(&config.limits),
        },
        segments: SegmentService::new(segments, stores.blobs.clone(), &config.limits),
        metrics,
        committing: tokio::spawn(watch.watched("committer", committing)),
        claiming: tokio::spawn(watch.watched("claimer", claiming)),
        watch,
    })
}

impl App {
    /// Reaches the stores, brings the schema up to date, and takes the port.
    ///
    /// # Errors
    /// Says which of it did not work.
    pub async fn start(config: Config) -> Result<Self> {
        if config.roles().contains(&Role::Streamer) && config.telemetry.streamer_source.is_none() {
            return Err(anyhow!("a streamer needs something to read: set STREAMER_SOURCE").into());
        }
        let stores = open_stores(&config).await?;
        if config.migrate {
            stores.database.migrate_up().await?;
        }
        let built = build(&config, &stores)?;
        let listener = TcpListener::bind((config.host, config.port)).await.with_context(|| {
            format!("taking {}:{}; is it in use? choose another with PORT", config.host, config.port)
        })?;
        let address = listener.local_addr().context("asking for the address")?;
        Ok(Self { config, listener, address, built, log: None })
    }

    /// With this log, whose level the operator may change.
    pub fn with_log(self, log: LogControl) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` ends, then finishes what is in hand, within the time that is configured for it.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        let Built { metrics, watch, services, segments, sessions, streamer, collector, committing, claiming } =
            self.built;
        let (collector, bell) = collector;
        let shutdown = CancellationToken::new();
        let mut workers = Workers {
            running: JoinSet::new(),
            metrics: metrics.clone(),
            watch: watch.clone(),
            shutdown: shutdown.clone(),
        };
        let serves = self.config.roles().contains(&Role::Api);
        if self.config.roles().contains(&Role::Queue) {
            workers.start(services.queue.upkeep(UpkeepPlan::default()), Arc::default());
        }
        if serves {
            workers.start(segments, Arc::default());
            workers.start(sessions, Arc::default());
        }
        if let Some(streamer) = streamer.filter(|_| self.config.roles().contains(&Role::Streamer)) {
            workers.start(streamer, Arc::default());
        }
        if self.config.roles().contains(&Role::Collector) {
            workers.start(collector, bell);
        } else {
            drop(collector);
        }
        let queue = services.queue.clone();
        let stop = async move {
            stop.await;
            // Who waits for a message is answered at once.
            queue.close();
        };
        let gate = Gate {
            metrics,
            services,
            trust_forwarded_for: self.config.auth.trust_forwarded_for,
            limits: self.config.limits.clone(),
            operator: OperatorSecret::of(&self.config.auth),
            log: self.log,
        };
        let patience = self.config.shutdown_timeout.0;
        let routes = if serves { api::routes(gate) } else { api::probes(gate) };
        api::serve(self.listener, routes, &self.config.limits, patience, &watch, stop).await;
        shutdown.cancel();
        let rest = async { tokio::join!(workers.running.join_all(), committing, claiming) };
        if tokio::time::timeout(patience, rest).await.is_err() {
            tracing::warn!("stopped before everything in hand was finished");
        }
    }
}

/// What works in the background of this process.
struct Workers {
    running: JoinSet<()>,
    metrics: Metrics,
    watch: Watch,
    shutdown: CancellationToken,
}

impl Workers {
    fn start<W: Worker>(&mut self, worker: W, bell: Arc<Notify>) {
        let working = work(worker, bell, self.metrics.clone(), self.shutdown.clone());
        self.running.spawn(self.watch.watched(W::NAME, working));
    }
}

/// Ends when the process is asked to stop: SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            pending::<()>().await;
        }
    };
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => pending().await,
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
    tracing::info!("stopping: finishing what is in hand");
}
