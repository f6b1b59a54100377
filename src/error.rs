//! The one error type of the crate: it says what went wrong in words that a caller may read, and knows no HTTP.
//!
//! A variant exists only where a program must tell the case apart; `api/error.rs` is the only place that turns
//! one into a status. What a caller must not see travels inside [`anyhow::Error`] and reaches the log alone.

use std::fmt;
use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// What every fallible function of the crate answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One thing that is wrong with a request, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The place as a path: `[3].trace_id`, `limit`, `email`; empty for the whole body.
    pub field: String,
    /// What is wrong there and what would be right, as one lower-case sentence.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.field, self.message) }
    }
}

fn joined(problems: &[FieldError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl FieldError {
    /// A problem with `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Everything that can go wrong, as its callers tell it apart.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not what their format demands: not JSON, not gzip, cut off.
    #[error("malformed: {0}")]
    Malformed(FieldError),
    /// The request can be read, and its values cannot be accepted.
    #[error("{}", joined(.0))]
    Invalid(Vec<FieldError>),
    /// The body comes in an encoding that the server does not read.
    #[error("unsupported encoding: {0}")]
    Unsupported(String),
    /// Nobody is signed in, or the credential is not good.
    #[error("unauthenticated")]
    Unauthenticated,
    /// The caller is known and its role is too low.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// Absent, or another's.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The state of things forbids it.
    #[error("{0}")]
    Conflict(FieldError),
    /// It is no longer what the caller has seen.
    #[error("{0} has changed")]
    Changed(&'static str),
    /// Over a stated limit.
    #[error("too large: {0}")]
    TooLarge(FieldError),
    /// The caller stopped sending in the middle of its request.
    #[error("the request did not arrive in time")]
    Slow,
    /// Too often; again after the given time.
    #[error("too many requests")]
    TooMany(Duration),
    /// A store did not answer, or there is no room at the moment; it may work later.
    #[error("unavailable")]
    Unavailable(#[source] anyhow::Error),
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl Error {
    /// One invalid field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// A state that forbids the request, at `field`.
    pub fn conflict(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Conflict(FieldError::new(field, message))
    }

    /// A limit that `field` is over.
    pub fn too_large(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::TooLarge(FieldError::new(field, message))
    }

    /// A store that did not answer.
    pub fn unavailable(cause: impl Into<anyhow::Error>) -> Self {
        Self::Unavailable(cause.into())
    }
}

impl From<DbErr> for Error {
    /// The only classifier of database errors: what may work later is unavailable, the rest is our fault.
    fn from(error: DbErr) -> Self {
        if is_outage(&error) {
            Self::Unavailable(error.into())
        } else if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            Self::conflict("", "it exists already")
        } else {
            Self::Internal(anyhow::Error::new(error).context("asking the database"))
        }
    }
}

/// Whether the database was away, overloaded or restarting, as opposed to refusing a statement.
fn is_outage(error: &DbErr) -> bool {
    let runtime = match error {
        DbErr::ConnectionAcquire(_) => return true,
        DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime) => runtime,
        _ => return false,
    };
    let RuntimeErr::SqlxError(error) = runtime else {
        return matches!(error, DbErr::Conn(_));
    };
    match error.as_ref() {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_outage_code(&code)),
        _ => false,
    }
}

/// SQLSTATE classes of an outage (connection, resources, operator, system, serialisation), and SQLite's busy,
/// I/O, full and cannot-open codes.
fn is_outage_code(code: &str) -> bool {
    const SQLITE: [&str; 4] = ["5", "10", "13", "14"];
    match code.len() {
        5 => ["08", "53", "57", "58", "40"].iter().any(|class| code.starts_with(class)) || code == "25006",
        _ => code.parse::<u32>().is_ok_and(|extended| SQLITE.contains(&(extended & 0xff).to_string().as_str())),
    }
}
