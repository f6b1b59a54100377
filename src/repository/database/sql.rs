//! What the two databases write differently, and statements that write together in as few round trips as each can.

use anyhow::Context;
use sea_orm::sea_query::ColumnType;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Statement, Value};
use serde_json::Map;
use uuid::Uuid;

use super::Database;
use crate::error::Result;

/// A column by its name and type.
pub type Column<'a> = (&'a str, ColumnType);

/// A statement that writes and returns rows, and others that write what follows from them.
#[derive(Debug)]
pub struct Chain<'a> {
    /// Tables that only read, each by its name, for all the statements.
    pub with: Vec<(&'a str, String)>,
    /// The name under which the others read what the first one returned.
    pub name: &'a str,
    /// The statement that goes first.
    pub first: String,
    /// The columns of what it returns that the others read.
    pub columns: &'a [Column<'a>],
    /// The others.
    pub then: Vec<String>,
    /// The parameters of all of them, `$1`, `$2`, …
    pub values: Vec<Value>,
}

impl Database {
    /// A statement of this text.
    pub fn statement(&self, sql: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.writer.get_database_backend(), sql, values)
    }

    /// Rows as a table named `given`, taken from the parameter of this number: an array of JSON objects.
    pub fn given(&self, parameter: usize, columns: &[Column]) -> String {
        if self.writer.get_database_backend() == DbBackend::Postgres {
            let types = joined(columns, |name, kind| format!("\"{name}\" {}", postgres_type(kind)));
            return format!("json_to_recordset(${parameter}::json) AS given({types})");
        }
        let values = joined(columns, |name, kind| format!("{} AS \"{name}\"", sqlite_value(name, kind)));
        // The limit keeps the element from being written out as text anew wherever it is named.
        format!("(SELECT {values} FROM (SELECT value FROM json_each(${parameter}) LIMIT -1) AS given) AS given")
    }

    /// One row as a table named `given`, taken value by value from the parameters of this number and those after it.
    pub fn given_row(&self, first: usize, columns: &[Column]) -> String {
        let postgres = self.writer.get_database_backend() == DbBackend::Postgres;
        let given = columns.iter().enumerate().map(|(place, (name, kind))| {
            let cast = if postgres { format!("::{}", postgres_type(kind)) } else { String::new() };
            format!("${}{cast} AS \"{name}\"", first + place)
        });
        format!("(SELECT {}) AS given", given.collect::<Vec<_>>().join(", "))
    }

    /// That a column is one of the integers in a list, which is what [`Self::integers`] or [`Self::listed`] made.
    pub fn is_one_of(&self, column: &str, list: &str) -> String {
        if self.writer.get_database_backend() == DbBackend::Postgres {
            format!("{column} = ANY (({list})::bigint[])")
        } else {
            format!("{column} IN (SELECT value FROM json_each({list}))")
        }
    }

    /// That a column is one of the ids in a list that [`Self::ids`] made.
    pub fn is_one_of_ids(&self, column: &str, list: &str) -> String {
        if self.writer.get_database_backend() == DbBackend::Postgres {
            // Read once, by itself: as a part of the condition the text would be taken apart anew for every row.
            format!("{column} = ANY ((SELECT ({list})::uuid[])::uuid[])")
        } else {
            format!("{column} IN (SELECT unhex(value, '-') FROM json_each({list}))")
        }
    }

    /// The integers of a group as a list.
    pub fn listed(&self, column: &str) -> String {
        if self.writer.get_database_backend() == DbBackend::Postgres {
            format!("CAST(array_agg({column}) AS text)")
        } else {
            format!("json_group_array({column})")
        }
    }

    /// The integers of all the lists of a group as one list.
    pub fn united(&self, column: &str) -> String {
        if self.writer.get_database_backend() == DbBackend::Postgres {
            format!("concat('{{', string_agg(btrim({column}, '{{}}'), ','), '}}')")
        } else {
            format!("concat('[', group_concat(trim({column}, '[]'), ','), ']')")
        }
    }

    /// Ids as a list.
    pub fn ids(&self, ids: &[Uuid]) -> Value {
        self.list(ids.iter().map(|id| format!("\"{id}\"")))
    }

    /// Integers as a list.
    pub fn integers(&self, integers: impl IntoIterator<Item = i64>) -> Value {
        self.list(integers.into_iter().map(|integer| integer.to_string()))
    }

    fn list(&self, items: impl Iterator<Item = String>) -> Value {
        let items = items.collect::<Vec<_>>().join(",");
        if self.writer.get_database_backend() == DbBackend::Postgres {
            format!("{{{items}}}").into()
        } else {
            format!("[{items}]").into()
        }
    }

    /// What makes a statement lock the rows that it reads and pass over those that are locked; nothing where there is
    /// one writer at a time.
    pub fn skip_locked(&self) -> &'static str {
        if self.writer.get_database_backend() == DbBackend::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" }
    }

    /// Statements that write together or not at all, within a transaction if there is one already, in one round trip
    /// where the database can; what the first one returned.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn follow(
        &self,
        transaction: Option<&DatabaseTransaction>,
        chain: Chain<'_>,
    ) -> Result<Vec<QueryResult>> {
        if self.writer.get_database_backend() == DbBackend::Postgres {
            let with = chain.with.iter().map(|(name, sql)| format!("{name} AS MATERIALIZED ({sql})"));
            let first = std::iter::once(format!("{} AS ({})", chain.name, chain.first));
            let then = chain.then.iter().enumerate().map(|(place, sql)| format!("then_{place} AS ({sql})"));
            let with = with.chain(first).chain(then).collect::<Vec<_>>().join(", ");
            let statement = self.statement(format!("WITH {with} SELECT * FROM {}", chain.name), chain.values);
            return Ok(match transaction {
                Some(transaction) => transaction.query_all_raw(statement).await?,
                None => self.writer.query_all_raw(statement).await?,
            });
        }
        match transaction {
            Some(transaction) => self.one_by_one(transaction, chain).await,
            None => {
                let transaction = self.begin().await?;
                let rows = self.one_by_one(&transaction, chain).await?;
                transaction.commit().await?;
                Ok(rows)
            }
        }
    }

    async fn one_by_one(&self, transaction: &DatabaseTransaction, chain: Chain<'_>) -> Result<Vec<QueryResult>> {
        let mut values = chain.values;
        let mut with: Vec<String> =
            chain.with.iter().map(|(name, sql)| format!("{name} AS MATERIALIZED ({sql})")).collect();
        let before = if with.is_empty() { String::new() } else { format!("WITH {} ", with.join(", ")) };
        let statement = self.statement(format!("{before}{}", chain.first), values.clone());
        let rows = transaction.query_all_raw(statement).await?;
        if rows.is_empty() {
            return Ok(rows);
        }
        let returned: Vec<_> = rows.iter().map(|row| as_json(row, chain.columns)).collect::<Result<_>>()?;
        values.push(serde_json::to_string(&returned).context("writing rows as JSON")?.into());
        let given = self.given(values.len(), chain.columns);
        with.push(format!("{} AS MATERIALIZED (SELECT * FROM {given})", chain.name));
        for sql in chain.then {
            let statement = self.statement(format!("WITH {} {sql}", with.join(", ")), values.clone());
            transaction.execute_raw(statement).await?;
        }
        Ok(rows)
    }
}

/// These columns of a row as a JSON object.
fn as_json(row: &QueryResult, columns: &[Column]) -> Result<Map<String, serde_json::Value>> {
    let mut object = Map::new();
    for (name, kind) in columns {
        let value = match kind {
            ColumnType::Uuid => row.try_get::<Uuid>("", name)?.to_string().into(),
            ColumnType::BigInteger => row.try_get::<i64>("", name)?.into(),
            _ => row.try_get::<String>("", name)?.into(),
        };
        object.insert((*name).to_owned(), value);
    }
    Ok(object)
}

pub(super) fn joined(columns: &[Column], part: impl Fn(&str, &ColumnType) -> String) -> String {
    columns.iter().map(|(name, kind)| part(name, kind)).collect::<Vec<_>>().join(", ")
}

/// The type of a column in PostgreSQL, for those that rows consist of.
pub(super) fn postgres_type(kind: &ColumnType) -> &'static str {
    match kind {
        ColumnType::Uuid => "uuid",
        ColumnType::Boolean => "boolean",
        ColumnType::BigInteger => "bigint",
        ColumnType::TimestampWithTimeZone => "timestamptz",
        ColumnType::Json | ColumnType::JsonBinary => "jsonb",
        _ => "text",
    }
}

/// The value of a member of a JSON object, in the form in which the driver writes that type into SQLite.
fn sqlite_value(name: &str, kind: &ColumnType) -> String {
    match kind {
        ColumnType::Uuid => format!("unhex(given.value ->> '{name}', '-')"),
        ColumnType::TimestampWithTimeZone => format!("replace(given.value ->> '{name}', 'Z', '+00:00')"),
        ColumnType::Json | ColumnType::JsonBinary => format!("given.value -> '{name}'"),
        _ => format!("given.value ->> '{name}'"),
    }
}
