//! The rules: one struct for each noun, over the repositories and under HTTP.

pub mod accounts;
pub mod body;
pub mod cursor;
pub mod favorites;
pub mod health;
pub mod json;
pub mod lines;
pub mod profiling;
pub mod rates;
pub mod roles;
pub mod runs;
pub mod segments;
pub mod tasks;
pub mod time;

pub use accounts::AccountService;
pub use favorites::FavoriteService;
pub use health::HealthService;
pub use profiling::ProfilingService;
pub use rates::RateLimits;
pub use runs::RunService;
pub use segments::SegmentService;
pub use tasks::TaskService;

/// Every service, as the API is built from them.
#[derive(Debug, Clone)]
pub struct Services {
    /// Users, sessions, members and keys.
    pub accounts: AccountService,
    /// What users keep.
    pub favorites: FavoriteService,
    /// Runs and traces.
    pub runs: RunService,
    /// Tasks.
    pub tasks: TaskService,
    /// Whether the stores answer.
    pub health: HealthService,
    /// Profiles of the process.
    pub profiling: ProfilingService,
    /// Requests a second.
    pub rates: RateLimits,
}
