//! What can be said on the command line besides the configuration: what the program is to do.

use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};

use super::{Config, values};

/// Runyard keeps every run of an LLM application with its full inputs and outputs.
#[derive(Debug, Parser)]
#[command(name = "runyard", version, about)]
pub struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to do it.
    #[command(flatten)]
    pub config: Config,
}

impl Cli {
    /// What the command line and the environment say. Ends the process, and says why, when they cannot be read.
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|mut error| {
            if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
                let starred = values::without_password(value);
                error.insert(ContextKind::InvalidValue, ContextValue::String(starred));
            }
            error.exit()
        })
    }
}

/// What the program can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve (the default).
    Serve,
    /// Bring the database's schema up or down, or say where it is.
    Migrate {
        /// Which way.
        #[command(subcommand)]
        direction: Direction,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Manage users.
    User {
        /// What to do.
        #[command(subcommand)]
        action: UserAction,
    },
    /// GPU telemetry without a server.
    Telemetry {
        /// What to do.
        #[command(subcommand)]
        action: TelemetryAction,
    },
    /// Print the effective configuration, secrets starred, and reach every store.
    Check,
    /// Ask the server of this configuration whether it is ready; the exit status is the answer.
    Health,
    /// Print `.env.example`.
    EnvExample,
    /// Print the configuration table of `docs/OPERATIONS.md`.
    ConfigTable,
}

/// Ways of a migration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Direction {
    /// Apply everything that is missing.
    Up,
    /// Take the latest step back.
    Down,
    /// List the steps and whether they are applied.
    Status,
}

/// What can be done to users from the command line.
#[derive(Debug, Clone, Subcommand)]
pub enum UserAction {
    /// Create a user with a workspace, also when sign-up is closed; the password comes from standard input.
    Create {
        /// The user's e-mail address.
        email: String,
    },
}

/// What can be done about telemetry from the command line.
#[derive(Debug, Clone, Subcommand)]
pub enum TelemetryAction {
    /// Print a made-up file of a DCGM exporter, which STREAMER_SOURCE takes; the same numbers print the same bytes.
    Sample {
        /// GPUs in all.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        gpus: u32,
        /// Hosts that share them.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        hosts: u32,
        /// Rows; unset: one for each of 10 metrics of each GPU. More are later looks at the same GPUs.
        #[arg(long)]
        rows: Option<u64>,
        /// Another seed, other values.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}
