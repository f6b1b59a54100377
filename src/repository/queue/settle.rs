//! What a consumer says of a lease: each statement names the lease and its end, so that a lost one changes nothing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::ColumnType;
use sea_orm::{ConnectionTrait, DatabaseTransaction, Value};
use serde::Serialize;
use uuid::Uuid;

use super::{ACKED, DEAD, LIVE, QueueRepository, micros};
use crate::error::{Error, Result};
use crate::repository::database::Column;

/// Longest that a message waits after a nack that does not say how long.
const MAX_BACK_OFF: i64 = 300_000_000;

/// What becomes of the messages of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// They are done.
    Ack,
    /// They come again after this time, or else one that doubles with each attempt.
    Nack(Option<Duration>),
    /// They are held until then.
    Extend(DateTime<Utc>),
    /// They come again at once, as if nobody had leased them.
    Release,
}

#[derive(Serialize)]
struct Dead<'a> {
    msg_uuid: Uuid,
    reason: &'a str,
}

const DEAD_COLUMNS: [Column; 2] = [("msg_uuid", ColumnType::Uuid), ("reason", ColumnType::Text)];

impl QueueRepository {
    /// Acks messages of a lease, all that it still holds when none is named; how many.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a lease that is not of this workspace; [`Error::Conflict`] when it does not hold them
    /// all, and then the transaction must be given up.
    pub async fn ack_in(
        &self,
        transaction: &DatabaseTransaction,
        lease: Uuid,
        workspace: Uuid,
        msg_uuids: &[Uuid],
        now: DateTime<Utc>,
    ) -> Result<u64> {
        self.database.bounded(self.settle_in(transaction, lease, workspace, msg_uuids, Settlement::Ack, now)).await
    }

    /// Makes messages of a lease dead letters, each for a reason; how many.
    ///
    /// # Errors
    /// As [`Self::ack_in`].
    pub async fn bury_in(
        &self,
        transaction: &DatabaseTransaction,
        lease: Uuid,
        workspace: Uuid,
        dead: &[(Uuid, String)],
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let rows: Vec<Dead> = dead.iter().map(|(msg_uuid, reason)| Dead { msg_uuid: *msg_uuid, reason }).collect();
        let rows = serde_json::to_string(&rows).context("writing dead letters as JSON")?;
        let sql = format!(
            "UPDATE messages SET state = {DEAD}, reason = given.reason, updated_at = $3 FROM {given} \
             WHERE messages.msg_uuid = given.msg_uuid AND {held} RETURNING messages.msg_uuid",
            given = self.database.given(4, &DEAD_COLUMNS),
            held = self.held(),
        );
        let values = [lease.into(), workspace.into(), micros(now).into(), rows.into()];
        let wanted: HashSet<Uuid> = dead.iter().map(|(msg_uuid, _)| *msg_uuid).collect();
        let work = async {
            let rows = transaction.query_all_raw(self.database.statement(sql, values)).await?;
            let found = rows.iter().map(|row| Ok(row.try_get("", "msg_uuid")?)).collect::<Result<HashSet<Uuid>>>()?;
            self.judge(transaction, lease, workspace, found == wanted, rows.len() as u64).await
        };
        self.database.bounded(work).await
    }

    /// Settles messages of a lease, all that it still holds when none is named; how many.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a lease that is not of this workspace; [`Error::Conflict`] when it does not hold them
    /// all, and then nothing has changed.
    pub async fn settle(
        &self,
        lease: Uuid,
        workspace: Uuid,
        msg_uuids: &[Uuid],
        settlement: Settlement,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let alone = msg_uuids.is_empty() && !matches!(settlement, Settlement::Extend(_));
        let work = async {
            if alone {
                // One statement, which is a transaction by itself: it changes what is held, or nothing at all.
                return self.settle_in(self.database.writer(), lease, workspace, &[], settlement, now).await;
            }
            let transaction = self.database.begin().await?;
            let settled = self.settle_in(&transaction, lease, workspace, msg_uuids, settlement, now).await;
            match settled {
                Ok(_) => transaction.commit().await?,
                Err(_) => transaction.rollback().await?,
            }
            settled
        };
        self.database.bounded(work).await
    }

    /// Acks all that these leases of a workspace still hold, each by itself; for each how many messages, or why none:
    /// [`Error::NotFound`] for a lease that is not of this workspace, [`Error::Conflict`] for one that holds nothing
    /// any longer, or was named before.
    ///
    /// # Errors
    /// Those of the database; then nothing is known to be acked.
    pub async fn ack_leases(&self, workspace: Uuid, leases: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Result<u64>>> {
        let ids = self.database.ids(leases);
        let ours = format!("FROM leases WHERE workspace_id = $2 AND {}", self.database.is_one_of_ids("id", "$1"));
        let of_leases = |list: String| format!("(SELECT {list} {ours})");
        let sql = format!(
            "UPDATE messages SET state = {ACKED}, updated_at = $3 WHERE {topics} AND {ranks} AND {leases} \
             AND messages.state = {LIVE} AND messages.visible_at > $3 RETURNING messages.lease_id",
            topics = self.database.is_one_of("messages.topic_id", &of_leases(self.database.listed("topic_id"))),
            ranks = self.database.is_one_of("messages.rank", &of_leases(self.database.united("ranks"))),
            leases = self.database.is_one_of_ids("messages.lease_id", "$1"),
        );
        let statement = self.database.statement(sql, [ids.clone(), workspace.into(), micros(now).into()]);
        let acking = async { Ok(self.database.writer().query_all_raw(statement).await?) };
        let mut acked: HashMap<Uuid, u64> = HashMap::new();
        for row in self.database.bounded(acking).await? {
            *acked.entry(row.try_get("", "lease_id")?).or_default() += 1;
        }
        let mut known: Result<HashSet<Uuid>> = Ok(acked.keys().copied().collect());
        if !leases.iter().all(|lease| acked.contains_key(lease)) {
            let statement = self.database.statement(format!("SELECT id {ours}"), [ids, workspace.into()]);
            let asking = async {
                let rows = self.database.reader().query_all_raw(statement).await?;
                rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
            };
            known = self.database.bounded(asking).await;
        }
        // What is acked is acked, also when nobody can say why the others are not.
        let outcome = |lease: &Uuid| match (acked.remove(lease), &known) {
            (Some(count), _) => Ok(count),
            (None, Ok(known)) if known.contains(lease) => Err(lost()),
            (None, Ok(_)) => Err(Error::NotFound("lease")),
            (None, Err(error)) => Err(Error::unavailable(anyhow!("looking for a lease: {error}"))),
        };
        Ok(leases.iter().map(outcome).collect())
    }

    async fn settle_in(
        &self,
        connection: &impl ConnectionTrait,
        lease: Uuid,
        workspace: Uuid,
        msg_uuids: &[Uuid],
        settlement: Settlement,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let now = micros(now);
        let mut values: Vec<Value> = vec![lease.into(), workspace.into(), now.into()];
        let change = match settlement {
            Settlement::Ack => format!("state = {ACKED}"),
            Settlement::Nack(delay) => {
                let visible_at = match delay {
                    Some(delay) => {
                        let delay = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
                        values.push(now.saturating_add(delay).into());
                        "$4".to_owned()
                    }
                    None => {
                        values.push(i64::from(lease.as_fields().0).into());
                        format!("$3 + {}", back_off())
                    }
                };
                let exhausted = "messages.attempts >= \
                    (SELECT max_attempts FROM topics WHERE topics.id = messages.topic_id)";
                format!(
                    "state = CASE WHEN {exhausted} THEN {DEAD} ELSE {LIVE} END, lease_id = NULL, leased_by = NULL, \
                     visible_at = {visible_at}"
                )
            }
            Settlement::Release => "lease_id = NULL, leased_by = NULL, visible_at = $3, \
                attempts = messages.attempts - 1"
                .to_owned(),
            Settlement::Extend(until) => {
                values.push(micros(until).into());
                "visible_at = $4".to_owned()
            }
        };
        let named = if msg_uuids.is_empty() {
            String::new()
        } else {
            values.push(self.database.ids(msg_uuids));
            format!("AND {}", self.database.is_one_of_ids("messages.msg_uuid", &format!("${}", values.len())))
        };
        let sql = format!(
            "UPDATE messages SET {change}, updated_at = $3 WHERE {} {named} RETURNING messages.msg_uuid",
            self.held()
        );
        let rows = connection.query_all_raw(self.database.statement(sql, values)).await?;
        let all = msg_uuids.is_empty() || {
            let found = rows.iter().map(|row| Ok(row.try_get("", "msg_uuid")?)).collect::<Result<HashSet<Uuid>>>()?;
            found == msg_uuids.iter().copied().collect()
        };
        let count = self.judge(connection, lease, workspace, all && !rows.is_empty(), rows.len() as u64).await?;
        if let Settlement::Extend(until) = settlement {
            // The lease's row goes some time after the last of its messages was held.
            let sql = "UPDATE leases SET until = $2 WHERE id = $1 AND until < $2";
            let statement = self.database.statement(sql, [lease.into(), micros(until).into()]);
            connection.execute_raw(statement).await?;
        }
        Ok(count)
    }

    /// That a message is one that the lease `$1` of the workspace `$2` holds at the moment `$3`.
    fn held(&self) -> String {
        let of_lease = |column: &str| format!("(SELECT {column} FROM leases WHERE id = $1 AND workspace_id = $2)");
        format!(
            "messages.topic_id = {} AND {} AND messages.lease_id = $1 AND messages.state = {LIVE} \
             AND messages.visible_at > $3",
            of_lease("topic_id"),
            self.database.is_one_of("messages.rank", &of_lease("ranks")),
        )
    }

    /// Tells why a lease does not hold what it should.
    async fn judge(
        &self,
        connection: &impl ConnectionTrait,
        lease: Uuid,
        workspace: Uuid,
        held: bool,
        count: u64,
    ) -> Result<u64> {
        if held {
            return Ok(count);
        }
        let sql = "SELECT 1 AS one FROM leases WHERE id = $1 AND workspace_id = $2";
        let statement = self.database.statement(sql, [lease.into(), workspace.into()]);
        match connection.query_one_raw(statement).await? {
            Some(_) => Err(lost()),
            None => Err(Error::NotFound("lease")),
        }
    }
}

fn lost() -> Error {
    Error::conflict("", "the lease is lost, or does not hold all of these messages")
}

/// How long a message waits after a nack, in microseconds: one second, doubled with each attempt, give or take a
/// quarter, which the rank and the parameter `$4` say, so that what failed together does not come back together.
fn back_off() -> String {
    let doubled = "CASE WHEN messages.attempts > 9 THEN 300000000 \
        ELSE CAST(1000000 AS bigint) << (CAST(messages.attempts AS integer) - 1) END";
    let jitter = "(768 + ((messages.rank % 1000003) * 7919 + $4) % 512)";
    let delay = format!("({doubled}) * {jitter} / 1024");
    format!("CASE WHEN {delay} > {MAX_BACK_OFF} THEN {MAX_BACK_OFF} ELSE {delay} END")
}
