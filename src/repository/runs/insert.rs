//! The insert of a flush: a segment and the rows of all its requests in one transaction, a conflict staying with
//! the request that brought it.

use std::collections::HashMap;
use std::pin::Pin;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, SqlErr,
};
use uuid::Uuid;

use super::{RunRepository, encoded};
use crate::error::{Error, Result};
use crate::repository::BlobKey;
use crate::repository::database::MAX_PARAMETERS;
use crate::repository::entity::{run, segment};

/// How often an insert is planned anew because other writers came in between.
const ATTEMPTS: usize = 8;

/// Rows that one statement takes: a flush is one statement, and only a request that is larger than any flush is more.
const STATEMENT_ROWS: usize = 4_096;

/// A blob that is durable and has no row yet.
#[derive(Debug, Clone, Copy)]
pub struct NewSegment {
    /// Its key.
    pub key: BlobKey,
    /// Its size in bytes.
    pub size: u64,
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All its runs are stored, now or before.
    Stored,
    /// The run at this index has an id that belongs to a different run; nothing of the request is stored.
    Conflict(usize),
}

impl RunRepository {
    /// Stores the runs of several requests of one workspace, each of which stands or falls alone.
    ///
    /// The rows are written while the blob may still be on its way to the disk, and committed only after `durable`
    /// says that it is there.
    ///
    /// # Errors
    /// Those of `durable`; [`Error::Unavailable`] when the database does not answer, or the segment was condemned
    /// meanwhile.
    pub async fn insert(
        &self,
        now: DateTime<Utc>,
        segment: NewSegment,
        requests: Vec<Vec<run::Model>>,
        durable: impl Future<Output = Result<()>> + Send,
    ) -> Result<Vec<Verdict>> {
        let mut durable = Some(Box::pin(durable));
        let workspace = segment.key.workspace;
        let mut known = HashMap::new();
        for _ in 0..ATTEMPTS {
            let plan = plan(&requests, &known);
            if self.database.bounded(self.try_insert(now, segment, &plan.rows, &mut durable)).await? {
                return Ok(plan.verdicts);
            }
            let ids = requests.iter().flatten().map(|run| run.id).collect();
            known = self.database.bounded(self.digests(workspace, ids)).await?;
        }
        Err(Error::unavailable(anyhow!("other writers kept taking the same ids")))
    }

    /// Inserts everything, or nothing when an id is taken.
    async fn try_insert(
        &self,
        now: DateTime<Utc>,
        segment: NewSegment,
        rows: &[&run::Model],
        durable: &mut Option<Pin<Box<impl Future<Output = Result<()>> + Send>>>,
    ) -> Result<bool> {
        let transaction = self.database.begin().await?;
        let live_runs = rows.iter().filter(|run| !run.payload.0.is_empty()).count();
        insert_segment(&transaction, now, segment, live_runs).await?;
        for rows in rows.chunks(STATEMENT_ROWS) {
            let rows: Vec<run::Model> = rows.iter().map(|run| encoded((*run).clone())).collect();
            if self.database.insert_rows::<run::Entity>(&transaction, &rows).await? != rows.len() as u64 {
                transaction.rollback().await?;
                return Ok(false);
            }
        }
        if let Some(durable) = durable.take() {
            durable.await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// The digests of those runs that are stored.
    async fn digests(&self, workspace: Uuid, ids: Vec<Uuid>) -> Result<HashMap<Uuid, String>> {
        let mut digests = HashMap::new();
        for ids in ids.chunks(MAX_PARAMETERS - 1) {
            let stored = run::Entity::find()
                .select_only()
                .columns([run::Column::Id, run::Column::Digest])
                .filter(run::Column::WorkspaceId.eq(workspace))
                .filter(run::Column::Id.is_in(ids.iter().copied()))
                .into_tuple::<(Uuid, String)>()
                .all(self.database.writer())
                .await?;
            digests.extend(stored);
        }
        Ok(digests)
    }
}

struct Plan<'a> {
    verdicts: Vec<Verdict>,
    rows: Vec<&'a run::Model>,
}

/// Which rows to insert, given what is stored: the requests come one after another, and a later one meets what an
/// earlier one brought.
fn plan<'a>(requests: &'a [Vec<run::Model>], known: &'a HashMap<Uuid, String>) -> Plan<'a> {
    let mut taken: HashMap<Uuid, &str> = known.iter().map(|(id, digest)| (*id, digest.as_str())).collect();
    let mut plan = Plan { verdicts: Vec::with_capacity(requests.len()), rows: Vec::new() };
    for request in requests {
        let mut fresh: HashMap<Uuid, &run::Model> = HashMap::new();
        let mut order = Vec::with_capacity(request.len());
        let conflict = request.iter().position(|run| {
            let before = taken.get(&run.id).copied().or_else(|| fresh.get(&run.id).map(|run| run.digest.as_str()));
            match before {
                Some(digest) => digest != run.digest,
                None => {
                    fresh.insert(run.id, run);
                    order.push(run);
                    false
                }
            }
        });
        if let Some(index) = conflict {
            plan.verdicts.push(Verdict::Conflict(index));
            continue;
        }
        taken.extend(order.iter().map(|run| (run.id, run.digest.as_str())));
        plan.rows.extend(order);
        plan.verdicts.push(Verdict::Stored);
    }
    // Writers who bring the same ids take them in the same order, and never wait for each other in a ring.
    plan.rows.sort_unstable_by_key(|run| run.id);
    plan
}

async fn insert_segment(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    segment: NewSegment,
    live_runs: usize,
) -> Result<()> {
    let row = segment::Model {
        id: segment.key.segment,
        workspace_id: segment.key.workspace,
        size: segment.size as i64,
        encoding: "identity".to_owned(),
        live_runs: live_runs as i64,
        created_at: now,
        dead_at: (live_runs == 0).then_some(now),
    };
    row.into_active_model().insert(transaction).await.map(drop).map_err(|error| match error.sql_err() {
        // The collector took the blob for an orphan: its bytes are going, and the request must be sent again.
        Some(SqlErr::UniqueConstraintViolation(_)) => Error::unavailable(anyhow!("the segment was condemned")),
        _ => error.into(),
    })
}
