//! Rows of one table, to be read: a query that already knows whose rows it is about.

use crate::trouble::Trouble;
use almoner_domain::page::{PAGE_MAX, Page, Stretch, Take};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::postgres_array::NotU8;
use sea_orm::sea_query::{Asterisk, Expr, IntoCondition, LockBehavior, LockType, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, FromQueryResult, IdenStatic, Order,
    QueryFilter, QueryOrder, QueryResult, QuerySelect, QueryTrait, Select, TryGetable, Value,
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

    /// One column of them, for a condition on other rows.
    pub(crate) fn subquery(self, column: E::Column) -> SelectStatement {
        self.select.select_only().column(column).into_query()
    }

    /// One stretch of them in the order of their ids.
    pub(crate) async fn page(self, id: E::Column, order: ListOrder, page: Page) -> Result<Stretch<E::Model>, Trouble> {
        let rows = self.cut(id, order, page).all().await?;
        Ok(stretch(rows, page))
    }

    /// As many as a page has in its order, read from the end that it is taken from, and one more, which tells whether there are
    /// more.
    fn cut(mut self, id: E::Column, order: ListOrder, page: Page) -> Self {
        let later = |bound: Uuid, after: bool| {
            if after == (order == ListOrder::OldestFirst) { id.gt(bound) } else { id.lt(bound) }
        };
        for (bound, after) in [(page.after, true), (page.before, false)] {
            if let Some(bound) = bound {
                self.select = self.select.filter(later(bound, after));
            }
        }
        let (count, from_the_end) = taken(page);
        self.order(id, read_order(order, from_the_end)).limit(count as u64 + 1)
    }

    /// Columns of them under other names, for a query around them.
    pub(crate) fn pick(self, columns: Vec<(Expr, &'static str)>) -> Picked<'t> {
        let select =
            columns.into_iter().fold(self.select.select_only(), |select, (column, name)| select.expr_as(column, name));
        Picked { conn: self.conn, backend: self.backend, select: select.into_query(), hints: Vec::new() }
    }

    /// The first, if any.
    pub(crate) async fn one(self) -> Result<Option<E::Model>, Trouble> {
        Ok(self.select.one(self.conn).await?)
    }

    /// One column of all.
    pub(crate) async fn only<V: TryGetable>(self, column: E::Column) -> Result<Vec<V>, Trouble> {
        Ok(self.select.select_only().column(column).into_tuple().all(self.conn).await?)
    }

    /// All.
    pub(crate) async fn all(self) -> Result<Vec<E::Model>, Trouble> {
        Ok(self.select.all(self.conn).await?)
    }
}

/// How many entries a page has, and whether they are taken from its end.
fn taken(page: Page) -> (usize, bool) {
    let (count, from_the_end) = match page.take {
        Take::First(count) => (count, false),
        Take::Last(count) => (count, true),
    };
    (usize::from(count.min(PAGE_MAX)), from_the_end)
}

fn read_order(order: ListOrder, from_the_end: bool) -> Order {
    if (order == ListOrder::OldestFirst) == from_the_end { Order::Desc } else { Order::Asc }
}

/// What was cut, as a page.
fn stretch<M>(mut entries: Vec<M>, page: Page) -> Stretch<M> {
    let (count, from_the_end) = taken(page);
    let more = entries.len() > count;
    entries.truncate(count);
    if from_the_end {
        entries.reverse();
    }
    let (before, after) = if from_the_end { (more, page.before.is_some()) } else { (page.after.is_some(), more) };
    Stretch { entries, before, after }
}

/// Lists to a statement: SQLite joins at most 500 queries.
const LISTS_MAX: usize = 100;

/// The same stretch of each of many lists.
pub(crate) async fn pages<E: EntityTrait>(
    lists: Vec<Rows<'_, E>>,
    id: E::Column,
    order: ListOrder,
    page: Page,
) -> Result<Vec<Stretch<E::Model>>, Trouble> {
    let mut found: Vec<Vec<E::Model>> = lists.iter().map(|_| Vec::new()).collect();
    let place = read_order(order, taken(page).1);
    let mut lists = (0_i32..).zip(lists).peekable();
    while lists.peek().is_some() {
        let mut joined: Option<SelectStatement> = None;
        let mut asked = None;
        for (number, list) in lists.by_ref().take(LISTS_MAX) {
            asked = Some((list.conn, list.backend));
            let cut = list.cut(id, order, page).select.expr_as(Expr::val(number), "list").into_query();
            // A query with an end of its own joins others only from within another.
            let within = Query::select().column(Asterisk).from_subquery(cut, "cut").to_owned();
            joined = Some(match joined {
                None => within,
                Some(mut others) => others.union(UnionType::All, within).to_owned(),
            });
        }
        let (Some(joined), Some((conn, backend))) = (joined, asked) else { break };
        let mut sorted = Query::select().column(Asterisk).from_subquery(joined, "lists").to_owned();
        sorted.order_by("list", Order::Asc).order_by(id.as_str(), place.clone());
        for row in conn.query_all_raw(backend.build(&sorted)).await? {
            let number: i32 = row.try_get("", "list")?;
            if let Some(list) = usize::try_from(number).ok().and_then(|number| found.get_mut(number)) {
                list.push(E::Model::from_query_result(&row, "")?);
            }
        }
    }
    Ok(found.into_iter().map(|rows| stretch(rows, page)).collect())
}

/// Columns of rows that are summed up by the database. Whose rows they are was said before; the query around them cannot
/// reach any other.
#[must_use]
pub(crate) struct Picked<'t> {
    conn: &'t DatabaseTransaction,
    backend: DbBackend,
    select: SelectStatement,
    /// Tables, and the index that each is read by.
    hints: Vec<(&'static str, &'static str)>,
}

impl Picked<'_> {
    /// Read by this index of this table. SQLite gathers no figures unless it is told to, and without any it takes a stretch of the
    /// key for less than it is; PostgreSQL knows better by itself.
    pub(crate) fn by_index(mut self, table: &'static str, index: &'static str) -> Self {
        self.hints.push((table, index));
        self
    }

    /// Summed up by some of the columns. By none of them they are one sum, and none where there is nothing to sum up.
    pub(crate) fn by(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        let names: Vec<Expr> = names.into_iter().map(Expr::cust).collect();
        if names.is_empty() {
            self.select.and_having(Expr::cust("count(*) > 0"));
        }
        self.select.add_group_by(names);
        self
    }

    /// What `shape` makes of them.
    pub(crate) fn over(self, shape: impl FnOnce(&mut SelectStatement)) -> Self {
        let mut select = Query::select().from_subquery(self.select, "picked").to_owned();
        shape(&mut select);
        Self { select, ..self }
    }

    /// And those of another table, with the same columns.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.select.union(UnionType::All, other.select);
        self.hints.extend(other.hints);
        self
    }

    /// The answer to the query that is written around them.
    pub(crate) async fn around(self, query: impl FnOnce(&str) -> String) -> Result<Vec<QueryResult>, Trouble> {
        let mut statement = self.backend.build(&self.select);
        if self.backend == DbBackend::Sqlite {
            for (table, index) in &self.hints {
                // The library that writes the rest has no word for it.
                let (plain, hinted) =
                    (format!("FROM \"{table}\" WHERE"), format!("FROM \"{table}\" INDEXED BY \"{index}\" WHERE"));
                statement.sql = statement.sql.replace(&plain, &hinted);
            }
        }
        statement.sql = query(&statement.sql);
        Ok(self.conn.query_all_raw(statement).await?)
    }
}

/// The most values in one list: well below SQLite's 32,766 variables to a statement.
pub(crate) const LIST_MAX: usize = 8_192;

/// As [`among`], where most rows are looked at and few are among these: PostgreSQL compares each with a hash of the values, and not
/// with one value after the other, which it does with an array that it does not know when it plans.
pub(crate) fn among_few<V>(backend: DbBackend, column: Expr, values: &[V]) -> Expr
where
    V: Into<Value> + Clone + NotU8,
{
    use sea_orm::sea_query::{ExprTrait, Func};

    match values.first() {
        Some(first) if backend == DbBackend::Postgres => {
            column.in_subquery(Query::select().expr(Func::cust("unnest").arg(array(first, values))).to_owned())
        }
        _ => among(backend, column, values),
    }
}

/// Values as one array of PostgreSQL; one of them says of which type.
fn array<V: Into<Value> + Clone>(one: &V, values: &[V]) -> Expr {
    let all: Vec<Value> = values.iter().cloned().map(Into::into).collect();
    Expr::val(Value::Array(one.clone().into().array_type(), Some(Box::new(all))))
}

/// Is the column one of at most [`LIST_MAX`] values? PostgreSQL gets one array; SQLite a list, filled up to a power of two,
/// so that its statements come in few shapes and are prepared once.
pub(crate) fn among<V>(backend: DbBackend, column: Expr, values: &[V]) -> Expr
where
    V: Into<Value> + Clone + NotU8,
{
    use sea_orm::sea_query::ExprTrait;

    let Some(last) = values.last() else { return column.is_in(Vec::<V>::new()) };
    if backend == DbBackend::Postgres {
        return column.eq(PgFunc::any(array(last, values)));
    }
    let shape = values.len().next_power_of_two();
    let padding = std::iter::repeat_n(last.clone(), shape - values.len());
    column.is_in(values.iter().cloned().chain(padding))
}
