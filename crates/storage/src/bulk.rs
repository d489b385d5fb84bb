//! Many rows written at once.
//!
//! A flush brings thousands of rows. They are written by statements of few shapes (so many rows each), which the database
//! prepares once and the driver keeps.

use crate::trouble::Trouble;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn,
    Statement, Value,
};
use std::fmt::Write;

/// What becomes of a row whose key is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clash<'c, C> {
    /// The statement fails.
    Refuse,
    /// It is left out. That covers every unique index of the table, not the primary key alone.
    Skip,
    /// These columns of the row that is there take the new values.
    Update(&'c [C]),
    /// The new values of these columns are added to those of the row that is there.
    Add(&'c [C]),
}

/// A column whose value does not come from the row.
pub(crate) struct Fixed<C> {
    /// Which.
    pub(crate) column: C,
    /// Its value.
    pub(crate) value: Value,
}

/// Rows to a statement, from most to fewest. The last is 1, so any number of rows is a sum of them.
const SHAPES_SQLITE: [usize; 4] = [256, 32, 8, 1];
/// PostgreSQL keeps a parse tree for each shape on each connection: smaller ones.
const SHAPES_POSTGRES: [usize; 3] = [128, 16, 1];

/// Writes rows and answers how many were written.
pub(crate) async fn insert<E>(
    conn: &DatabaseTransaction,
    rows: &[E::Model],
    fixed: &[Fixed<E::Column>],
    clash: Clash<'_, E::Column>,
) -> Result<u64, Trouble>
where
    E: EntityTrait,
{
    let mut written = 0;
    for statement in statements::<E>(conn.get_database_backend(), rows, fixed, &tail::<E>(clash)) {
        written += conn.execute_raw(statement).await?.rows_affected();
    }
    Ok(written)
}

/// Writes rows unless a unique one is in the way, and answers the `id` of each that was written.
pub(crate) async fn insert_new<E>(
    conn: &DatabaseTransaction,
    rows: &[E::Model],
    fixed: &[Fixed<E::Column>],
    id: E::Column,
) -> Result<Vec<Uuid>, Trouble>
where
    E: EntityTrait,
{
    let tail = format!("{} RETURNING \"{}\"", tail::<E>(Clash::Skip), id.as_str());
    let mut written = Vec::with_capacity(rows.len());
    for statement in statements::<E>(conn.get_database_backend(), rows, fixed, &tail) {
        for row in conn.query_all_raw(statement).await? {
            written.push(row.try_get_by_index(0)?);
        }
    }
    Ok(written)
}

/// The statements that write these rows, each made when it is its turn.
fn statements<'r, E: EntityTrait>(
    backend: DbBackend,
    rows: &'r [E::Model],
    fixed: &'r [Fixed<E::Column>],
    tail: &'r str,
) -> impl Iterator<Item = Statement> + 'r {
    let shapes: &[usize] = match backend {
        DbBackend::Postgres => &SHAPES_POSTGRES,
        _ => &SHAPES_SQLITE,
    };
    let head = head::<E>();
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let (mut rest, mut written) = (rows, (0, String::new()));
    std::iter::from_fn(move || {
        let shape = *shapes.iter().find(|shape| rest.len() >= **shape)?;
        if written.0 != shape {
            written = (shape, sql(backend, &head, columns.len(), shape, tail));
        }
        let (now, later) = rest.split_at(shape);
        rest = later;
        let values: Vec<Value> = now.iter().flat_map(|row| values::<E>(row, &columns, fixed)).collect();
        Some(Statement::from_sql_and_values(backend, &written.1, values))
    })
}

fn values<'r, E: EntityTrait>(
    row: &'r E::Model,
    columns: &'r [E::Column],
    fixed: &'r [Fixed<E::Column>],
) -> impl Iterator<Item = Value> + 'r {
    columns.iter().map(move |column| {
        let name = column.as_str();
        match fixed.iter().find(|f| f.column.as_str() == name) {
            Some(fixed) => fixed.value.clone(),
            None => row.get(*column),
        }
    })
}

fn head<E: EntityTrait>() -> String {
    let names: Vec<String> = E::Column::iter().map(|c| format!("\"{}\"", c.as_str())).collect();
    format!("INSERT INTO \"{}\" ({}) VALUES ", E::default().table_name(), names.join(", "))
}

fn tail<E: EntityTrait>(clash: Clash<'_, E::Column>) -> String {
    match clash {
        Clash::Refuse => String::new(),
        Clash::Skip => " ON CONFLICT DO NOTHING".to_owned(),
        Clash::Update(columns) => {
            change::<E>(columns.iter().map(|c| format!("\"{0}\" = excluded.\"{0}\"", c.as_str())).collect())
        }
        Clash::Add(columns) => {
            let table = E::default().table_name();
            let sum = |c: &E::Column| format!("\"{0}\" = \"{table}\".\"{0}\" + excluded.\"{0}\"", c.as_str());
            change::<E>(columns.iter().map(sum).collect())
        }
    }
}

fn change<E: EntityTrait>(sets: Vec<String>) -> String {
    let key: Vec<String> = E::PrimaryKey::iter().map(|k| format!("\"{}\"", k.into_column().as_str())).collect();
    format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), sets.join(", "))
}

fn sql(backend: DbBackend, head: &str, width: usize, rows: usize, tail: &str) -> String {
    let mut text = String::with_capacity(head.len() + tail.len() + rows * (width * 7 + 4));
    text.push_str(head);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..width {
            if column > 0 {
                text.push_str(", ");
            }
            match backend {
                // Writing to a String cannot fail.
                DbBackend::Postgres => drop(write!(text, "${}", row * width + column + 1)),
                _ => text.push('?'),
            }
        }
        text.push(')');
    }
    text.push_str(tail);
    text
}
