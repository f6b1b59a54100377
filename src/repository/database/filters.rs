//! Conditions and orders that the two databases write differently.

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{DbBackend, IntoSimpleExpr};

use super::Database;

impl Database {
    /// What makes a statement lock the rows that it reads, in the order in which it reads them; nothing where there
    /// is one writer at a time.
    pub fn lock_clause(&self) -> &'static str {
        if self.writer.get_database_backend() == DbBackend::Postgres { "FOR UPDATE" } else { "" }
    }

    /// A text as it is ordered: by code points, whatever the language of the database.
    pub fn by_code_points(&self, column: impl IntoSimpleExpr) -> SimpleExpr {
        let column = column.into_simple_expr();
        match self.reader.get_database_backend() {
            DbBackend::Postgres => Expr::cust_with_exprs("$1 COLLATE \"C\"", [column]),
            _ => column,
        }
    }

    /// That the JSON array in `column` has the text `value` among its items.
    pub fn json_array_has(&self, column: impl IntoSimpleExpr, value: &str) -> SimpleExpr {
        let column = column.into_simple_expr();
        match self.reader.get_database_backend() {
            DbBackend::Postgres => {
                let wanted = serde_json::json!([value]);
                Expr::cust_with_exprs("$1 @> $2", [column, Expr::val(wanted)])
            }
            _ => Expr::cust_with_exprs(
                "EXISTS (SELECT 1 FROM json_each(?) AS item WHERE item.value = ?)",
                [column, Expr::val(value)],
            ),
        }
    }

    /// That the JSON object in `column` has the text `value` under `key`.
    pub fn json_object_has(&self, column: impl IntoSimpleExpr, key: &str, value: &str) -> SimpleExpr {
        let column = column.into_simple_expr();
        match self.reader.get_database_backend() {
            DbBackend::Postgres => {
                let wanted = serde_json::json!({ key: value });
                Expr::cust_with_exprs("$1 @> $2", [column, Expr::val(wanted)])
            }
            _ => Expr::cust_with_exprs(
                "EXISTS (SELECT 1 FROM json_each(?) AS item WHERE item.key = ? AND item.value = ?)",
                [column, Expr::val(key), Expr::val(value)],
            ),
        }
    }
}
