//! Rows of one table, to be read: a query that already knows whose rows it is about.

use crate::trouble::Trouble;
use almoner_domain::page::{PAGE_MAX, Page, Stretch, Take};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::postgres_array::NotU8;
use sea_orm::sea_query::{Expr, IntoCondition, LockBehavior, LockType};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, DbBackend, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
    Value,
};

/// How rows are held until the transaction ends. On SQLite the whole file is: a writing transaction is alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nobody else changes them.
    Steady,
    /// Nobody else changes them, or holds them, for they are about to change. Their keys are not, so rows that point to
    /// them may still be written.
    Change,
    /// As [`Hold::Change`], passing over those that somebody else holds.
    ChangeUnheld,
}

/// In which order a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListOrder {
    /// As things came into being.
    OldestFirst,
    /// The latest first.
    NewestFirst,
}

/// Rows of one table.
#[must_use]
pub(crate) struct Rows<'t, E: EntityTrait> {
    conn: &'t DatabaseTransaction,
    backend: DbBackend,
    select: Select<E>,
}

impl<'t, E: EntityTrait> Rows<'t, E> {
    /// Made by a transaction alone, which adds whose rows they are.
    pub(super) fn new(conn: &'t DatabaseTransaction, backend: DbBackend, select: Select<E>) -> Self {
        Self { conn, backend, select }
    }

    /// Only those that fulfil `condition`.
    pub(crate) fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.select = self.select.filter(condition);
        self
    }

    /// In this order.
    pub(crate) fn order(mut self, column: E::Column, order: Order) -> Self {
        self.select = self.select.order_by(column, order);
        self
    }

    /// At most so many.
    pub(crate) fn limit(mut self, limit: u64) -> Self {
        self.select = self.select.limit(limit);
        self
    }

    /// Held until the transaction ends, in the order that they are sorted in.
    pub(crate) fn hold(mut self, hold: Hold) -> Self {
        if self.backend == DbBackend::Postgres {
            self.select = match hold {
                Hold::Steady => self.select.lock(LockType::Share),
                Hold::Change => self.select.lock(LockType::NoKeyUpdate),
                Hold::ChangeUnheld => self.select.lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked),
            };
        }
        self
    }

    /// One stretch of them in the order of their ids.
    pub(crate) async fn page(
        mut self,
        id: E::Column,
        order: ListOrder,
        page: Page,
    ) -> Result<Stretch<E::Model>, Trouble> {
        let (count, from_the_end) = match page.take {
            Take::First(count) => (count, false),
            Take::Last(count) => (count, true),
        };
        let count = usize::from(count.min(PAGE_MAX));
        let later = |bound: Uuid, after: bool| {
            if after == (order == ListOrder::OldestFirst) { id.gt(bound) } else { id.lt(bound) }
        };
        for (bound, after) in [(page.after, true), (page.before, false)] {
            if let Some(bound) = bound {
                self.select = self.select.filter(later(bound, after));
            }
        }
        let oldest_first = (order == ListOrder::OldestFirst) != from_the_end;
        // One more than is wanted tells whether there are more.
        let rows = self.order(id, if oldest_first { Order::Asc } else { Order::Desc }).limit(count as u64 + 1);
        let mut entries = rows.all().await?;
        let more = entries.len() > count;
        entries.truncate(count);
        if from_the_end {
            entries.reverse();
        }
        let (before, after) = if from_the_end { (more, page.before.is_some()) } else { (page.after.is_some(), more) };
        Ok(Stretch { entries, before, after })
    }

    /// The first, if any.
    pub(crate) async fn one(self) -> Result<Option<E::Model>, Trouble> {
        Ok(self.select.one(self.conn).await?)
    }

    /// All.
    pub(crate) async fn all(self) -> Result<Vec<E::Model>, Trouble> {
        Ok(self.select.all(self.conn).await?)
    }
}

/// The most values in one list: well below SQLite's 32,766 variables to a statement.
pub(crate) const LIST_MAX: usize = 8_192;

/// Is the column one of at most [`LIST_MAX`] values? PostgreSQL gets one array; SQLite a list, filled up to a power of two,
/// so that its statements come in few shapes and are prepared once.
pub(crate) fn among<C, V>(backend: DbBackend, column: C, values: &[V]) -> Expr
where
    C: ColumnTrait,
    V: Into<Value> + Clone + NotU8,
{
    let Some(last) = values.last() else { return column.is_in(Vec::<V>::new()) };
    if backend == DbBackend::Postgres {
        return column.eq_any(values.iter().cloned());
    }
    let shape = values.len().next_power_of_two();
    let padding = std::iter::repeat_n(last.clone(), shape - values.len());
    column.is_in(values.iter().cloned().chain(padding))
}
