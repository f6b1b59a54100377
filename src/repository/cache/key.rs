//! Names of what is cached: only this file knows how a key is spelled, and every spelling holds the version of the
//! stored form, so that a release that stores something else never reads what an older one left.

use std::time::Duration;

use uuid::Uuid;

use super::entry::Generation;
use super::tally::Kind;

/// Longest that a reader may take from its miss to its fill; a load that takes longer is not stored.
const MARKER_TTL: Duration = Duration::from_secs(30);

/// One thing that can be cached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CacheKey {
    /// One run as it is sent to a client.
    Run {
        /// Whose run it is.
        workspace: Uuid,
        /// The run.
        id: Uuid,
    },
    /// One task as it is sent to a client.
    Task {
        /// Whose task it is.
        workspace: Uuid,
        /// The task.
        id: i64,
    },
    /// Part of a list, as of one generation.
    Page {
        /// Whose list it is.
        owner: Uuid,
        /// Which list it is.
        list: &'static str,
        /// The generation that was current before the page was read.
        generation: Generation,
        /// What of the list was asked for: filters, limit and cursor.
        query: String,
    },
    /// One entry of a list as it is sent to a client.
    Item {
        /// Whose list it is.
        owner: Uuid,
        /// Which list it is.
        list: &'static str,
        /// The entry.
        id: Uuid,
    },
    /// The order of a list, see [`super::order`].
    Order {
        /// Whose list it is.
        owner: Uuid,
        /// Which list it is.
        list: &'static str,
    },
    /// The current generation of a list; [`super::Cache::generation`] reads it.
    Generation {
        /// Whose list it is.
        owner: Uuid,
        /// Which list it is.
        list: &'static str,
    },
}

impl CacheKey {
    /// The key's spelling in a Redis that may have other users, who have other scopes.
    pub(super) fn spell(&self, scope: &str) -> String {
        match self {
            Self::Run { workspace, id } => {
                format!("{scope}:v1:run:{}:{}", workspace.simple(), id.simple())
            }
            Self::Task { workspace, id } => format!("{scope}:v1:task:{}:{id}", workspace.simple()),
            Self::Page { owner, list, generation, query } => {
                format!("{scope}:v1:page:{}:{list}:{generation}:{query}", owner.simple())
            }
            Self::Item { owner, list, id } => format!("{scope}:v1:item:{}:{list}:{}", owner.simple(), id.simple()),
            Self::Order { owner, list } => format!("{scope}:v1:order:{}:{list}", owner.simple()),
            Self::Generation { owner, list } => format!("{scope}:v1:generation:{}:{list}", owner.simple()),
        }
    }

    /// What is cached under it.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Run { .. } => Kind::Run,
            Self::Task { .. } => Kind::Task,
            Self::Page { .. } => Kind::Page,
            Self::Item { .. } => Kind::Item,
            Self::Order { .. } => Kind::Order,
            Self::Generation { .. } => Kind::Generation,
        }
    }

    /// How long a marker stands under this key. A generation is nothing but a marker, so it lives as long as a value.
    pub(super) fn marker_ttl(&self, ttl: Duration) -> Duration {
        match self {
            Self::Run { .. } | Self::Task { .. } | Self::Page { .. } | Self::Item { .. } | Self::Order { .. } => {
                MARKER_TTL.min(ttl)
            }
            Self::Generation { .. } => ttl,
        }
    }

    /// Bytes that the key holds outside of itself.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Page { query, .. } => query.len(),
            Self::Run { .. } | Self::Task { .. } | Self::Item { .. } | Self::Order { .. } | Self::Generation { .. } => {
                0
            }
        }
    }
}
