//! The rules: one struct for each noun, over the repositories and under HTTP.

pub mod accounts;
pub mod body;
pub mod cursor;
pub mod favorites;
pub mod gather;
pub mod health;
pub mod json;
pub mod lines;
pub mod profiling;
pub mod queue;
pub mod rates;
pub mod roles;
pub mod runs;
pub mod scrape;
pub mod segments;
pub mod streamer;
pub mod tasks;
pub mod telemetry;
pub mod time;

pub use accounts::AccountService;
pub use favorites::FavoriteService;
pub use health::HealthService;
pub use profiling::ProfilingService;
pub use queue::QueueService;
pub use rates::RateLimits;
pub use runs::RunService;
pub use scrape::ScrapeService;
pub use segments::SegmentService;
pub use tasks::TaskService;
pub use telemetry::TelemetryService;

/// Every service, as the API is built from them.
#[derive(Debug, Clone)]
pub struct Services {
    /// Users, sessions, members and keys.
    pub accounts: AccountService,
    /// What users keep.
    pub favorites: FavoriteService,
    /// Topics and their messages.
    pub queue: QueueService,
    /// Runs and traces.
    pub runs: RunService,
    /// Tasks.
    pub tasks: TaskService,
    /// GPUs and what was measured of them.
    pub telemetry: TelemetryService,
    /// Whether the stores answer.
    pub health: HealthService,
    /// What the metrics say.
    pub scrape: ScrapeService,
    /// Profiles of the process.
    pub profiling: ProfilingService,
    /// Requests a second.
    pub rates: RateLimits,
}
