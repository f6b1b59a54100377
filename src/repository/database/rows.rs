//! Rows of entities as what statements take: in the form that each of the two databases takes fastest.

use anyhow::Context;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, IdenStatic, Iterable, ModelTrait,
    Statement, Value,
};
use serde::Serialize;

use super::sql::{joined, postgres_type};
use super::{Column, Database};
use crate::error::Result;

/// Rows that one statement inserts into SQLite at most, a power of two: with any table's columns fewer parameters than
/// it may have.
const SQLITE_ROWS: usize = 64;

impl Database {
    /// Inserts rows of an entity, leaves out those whose key is taken, and says how many were inserted.
    ///
    /// PostgreSQL gets all of them as one parameter, an array of JSON objects: one round trip, and a statement whose
    /// text is always the same. SQLite is in this process, where a round trip costs little and taking JSON apart much:
    /// it gets them value by value, in statements of a few sizes that stay prepared.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] when a row cannot be written as JSON, [`crate::error::Error::Unavailable`] when the database does not
    /// answer.
    pub async fn insert_rows<E>(&self, transaction: &DatabaseTransaction, rows: &[E::Model]) -> Result<u64>
    where
        E: EntityTrait,
        E::Model: Serialize,
    {
        let backend = self.writer.get_database_backend();
        let table = E::default();
        let table = table.table_name();
        let columns = columns::<E>();
        let names = joined(&columns, |name, _| format!("\"{name}\""));
        if backend == DbBackend::Postgres {
            let types = joined(&columns, |name, kind| format!("\"{name}\" {}", postgres_type(kind)));
            let sql = format!(
                "INSERT INTO \"{table}\" ({names}) SELECT {names} FROM json_to_recordset($1::json) AS given({types}) \
                 ON CONFLICT DO NOTHING"
            );
            let json = serde_json::to_string(rows).context("writing rows as JSON")?;
            let statement = Statement::from_sql_and_values(backend, sql, [json.into()]);
            return Ok(transaction.execute_raw(statement).await?.rows_affected());
        }
        let row = format!("({})", joined(&columns, |_, _| "?".to_owned()));
        let (mut rest, mut inserted) = (rows, 0);
        while !rest.is_empty() {
            // Powers of two: any number of rows is put together from statements of seven sizes.
            let (some, others) = rest.split_at(1 << rest.len().min(SQLITE_ROWS).ilog2());
            let places = vec![row.as_str(); some.len()].join(", ");
            let sql = format!("INSERT INTO \"{table}\" ({names}) VALUES {places} ON CONFLICT DO NOTHING");
            let values = some.iter().flat_map(|row| E::Column::iter().map(|column| row.get(column)));
            let statement = Statement::from_sql_and_values(backend, sql, values);
            inserted += transaction.execute_raw(statement).await?.rows_affected();
            rest = others;
        }
        Ok(inserted)
    }

    /// Rows of an entity as a table named `given`, taken from the parameter of this number: an array of JSON objects.
    pub fn given_rows<E: EntityTrait>(&self, parameter: usize) -> String {
        self.given(parameter, &columns::<E>())
    }

    /// These rows of an entity as a table named `given`, whose parameters are added to `values`. A row that is alone
    /// comes value by value, which spares the database taking JSON apart; several are one JSON array.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] when a row cannot be written as JSON.
    pub fn bind_rows<E>(&self, rows: &[E::Model], values: &mut Vec<Value>) -> Result<String>
    where
        E: EntityTrait,
        E::Model: Serialize,
    {
        let columns = columns::<E>();
        if let [row] = rows {
            let first = values.len() + 1;
            values.extend(E::Column::iter().map(|column| row.get(column)));
            return Ok(self.given_row(first, &columns));
        }
        values.push(serde_json::to_string(rows).context("writing rows as JSON")?.into());
        Ok(self.given(values.len(), &columns))
    }
}

fn columns<E: EntityTrait>() -> Vec<Column<'static>> {
    E::Column::iter().map(|column| (column.as_str(), column.def().get_column_type().clone())).collect()
}
