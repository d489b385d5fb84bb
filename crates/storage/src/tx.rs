//! Transactions bound to a realm.
//!
//! The tenant filter is there by construction. A [`Tx`] keeps its connection to itself, and each query it hands out has the
//! condition on tenant and environment in it already; each row it writes gets both from the transaction, whatever the row
//! says. So no query of this crate can forget them. On PostgreSQL row-level security stands behind that; on SQLite nothing
//! does, which is why it must be so.

use crate::bulk::{self, Clash, Fixed};
use crate::database::{Begun, Purpose, Scope};
use crate::rows::{LIST_MAX, Rows, among};
use crate::store::Inner;
use crate::trouble::Trouble;
use almoner_domain::entropy::Entropy;
use almoner_domain::id::Id;
use almoner_domain::ledger::Books;
use almoner_domain::notice::Change;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::postgres_array::NotU8;
use sea_orm::sea_query::{Expr, IntoCondition};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryResult, Statement, UpdateMany, Value,
};
use std::sync::{Arc, Mutex, PoisonError};

/// A table that a realm owns.
pub(crate) trait Owned: EntityTrait {
    /// Its tenant.
    const TENANT: Self::Column;
    /// Its environment.
    const ENVIRONMENT: Self::Column;
}

/// Says of an entity's module that its table is owned by realms.
macro_rules! owned {
    ($entity:ty, $column:ty) => {
        impl crate::tx::Owned for $entity {
            const TENANT: $column = <$column>::Tenant;
            const ENVIRONMENT: $column = <$column>::Environment;
        }
    };
}
pub(crate) use owned;

/// A table that the installation owns, shared by all realms.
pub(crate) trait Installed: EntityTrait {}

/// A transaction in one realm.
pub(crate) struct Tx {
    begun: Begun,
    realm: Realm,
    backend: DbBackend,
    now: Timestamp,
    entropy: Arc<dyn Entropy>,
    changes: Mutex<Vec<Change>>,
}

impl Tx {
    /// Begins one.
    pub(crate) async fn begin(store: &Inner, realm: Realm, purpose: Purpose) -> Result<Self, Trouble> {
        Ok(Self {
            begun: store.database.begin(Scope::Realm(realm), purpose).await?,
            realm,
            backend: store.database.backend(),
            now: store.clock.now(),
            entropy: Arc::clone(&store.entropy),
            changes: Mutex::default(),
        })
    }

    /// The instant that everything in it happens at.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Which database it is.
    pub(crate) fn backend(&self) -> DbBackend {
        self.backend
    }

    /// Is it alone on the database while it writes? On SQLite it is.
    pub(crate) fn is_alone(&self) -> bool {
        self.backend == DbBackend::Sqlite
    }

    /// Chance.
    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// Empty books at its instant.
    pub(crate) fn books(&self) -> Books<'_> {
        Books::new(self.now, &*self.entropy)
    }

    /// Rows of a table, this realm's alone.
    pub(crate) fn rows<E: Owned>(&self) -> Rows<'_, E> {
        Rows::new(&self.begun.conn, self.backend, E::find()).filter(self.mine::<E>())
    }

    /// Rows of a table that no realm owns.
    pub(crate) fn installed<E: Installed>(&self) -> Rows<'_, E> {
        Rows::new(&self.begun.conn, self.backend, E::find())
    }

    /// Rows whose `column` is one of any number of values. `shape` says what else they must be, and in which order they come:
    /// it holds within each part of the list, so a caller who needs it throughout gives the list in that order.
    pub(crate) async fn all_among<E: Owned, V>(
        &self,
        column: E::Column,
        values: &[V],
        shape: impl Fn(Rows<'_, E>) -> Rows<'_, E>,
    ) -> Result<Vec<E::Model>, Trouble>
    where
        V: Into<Value> + Clone + NotU8,
    {
        let mut found = Vec::new();
        for part in values.chunks(LIST_MAX) {
            let rows = self.rows::<E>().filter(among(self.backend, Expr::col(column.as_column_ref()), part));
            found.extend(shape(rows).all().await?);
        }
        Ok(found)
    }

    /// Writes rows into this realm and answers how many were written.
    pub(crate) async fn insert<E: Owned>(
        &self,
        rows: &[E::Model],
        clash: Clash<'_, E::Column>,
    ) -> Result<u64, Trouble> {
        bulk::insert::<E>(&self.begun.conn, rows, &self.fixed::<E>(), clash).await
    }

    /// Writes rows into this realm unless a unique one is in the way, and answers the `id` of each that was written.
    pub(crate) async fn insert_new<E: Owned>(&self, rows: &[E::Model], id: E::Column) -> Result<Vec<Uuid>, Trouble> {
        bulk::insert_new::<E>(&self.begun.conn, rows, &self.fixed::<E>(), id).await
    }

    fn fixed<E: Owned>(&self) -> [Fixed<E::Column>; 2] {
        [
            Fixed { column: E::TENANT, value: self.realm.tenant.uuid().into() },
            Fixed { column: E::ENVIRONMENT, value: self.realm.environment.as_str().into() },
        ]
    }

    /// Waits until it is alone, among all transactions of its tenant that ask the same, and stays so until it is over.
    pub(crate) async fn take_turn(&self) -> Result<(), Trouble> {
        if self.is_alone() {
            return Ok(());
        }
        // The random half of the id: two tenants that share it wait for each other, and nothing else is wrong.
        let number = self.realm.tenant.uuid().as_u64_pair().1.cast_signed();
        let lock = Statement::from_sql_and_values(self.backend, "SELECT pg_advisory_xact_lock($1)", [number.into()]);
        self.begun.conn.execute_raw(lock).await?;
        Ok(())
    }

    /// Writes one row unless a unique one is in the way.
    pub(crate) async fn add<E: Owned>(&self, row: E::Model) -> Result<(), Trouble> {
        match self.insert::<E>(&[row], Clash::Skip).await? {
            // Skipped, not refused: a refused statement would end the whole transaction on PostgreSQL and not on SQLite.
            0 => Err(Trouble::Exists),
            _ => Ok(()),
        }
    }

    /// Rows of this realm to be changed.
    pub(crate) fn change<E: Owned>(&self) -> Edit<'_, E> {
        Edit { tx: self, update: E::update_many().filter(self.mine::<E>()) }
    }

    /// Deletes rows of this realm that fulfil `condition` and answers how many there were.
    pub(crate) async fn delete<E: Owned>(&self, condition: impl IntoCondition) -> Result<u64, Trouble> {
        let delete = E::delete_many().filter(self.mine::<E>()).filter(condition);
        Ok(delete.exec(&self.begun.conn).await?.rows_affected)
    }

    /// Deletes rows of this realm whose `column` is one of at most [`LIST_MAX`] values, and answers how many there were. For
    /// pruning.
    pub(crate) async fn remove<E: Owned, V>(&self, column: E::Column, values: &[V]) -> Result<u64, Trouble>
    where
        V: Into<Value> + Clone + NotU8,
    {
        let delete = E::delete_many().filter(self.mine::<E>()).filter(among(
            self.backend,
            Expr::col(column.as_column_ref()),
            values,
        ));
        Ok(delete.exec(&self.begun.conn).await?.rows_affected)
    }

    /// Puts an entry into the change feed when the transaction commits.
    pub(crate) fn feed(&self, change: Change) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if !changes.contains(&change) {
            changes.push(change);
        }
    }

    /// Commits, the change feed last.
    pub(crate) async fn commit(self, store: &Inner) -> Result<(), Trouble> {
        let changes = std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner));
        crate::change::append(&self.begun.conn, self.realm, &changes).await?;
        store.database.commit(self.begun).await
    }

    /// Undoes everything.
    pub(crate) async fn undo(self) {
        // A connection that cannot even roll back is closed, and the database undoes the transaction itself.
        if let Err(error) = self.begun.conn.rollback().await {
            tracing::debug!(%error, "a transaction could not be rolled back");
        }
    }

    fn mine<E: Owned>(&self) -> Expr {
        use sea_orm::sea_query::ExprTrait;
        E::TENANT.eq(self.realm.tenant.uuid()).and(E::ENVIRONMENT.eq(self.realm.environment.as_str()))
    }
}

/// A change to rows of one realm.
#[must_use]
pub(crate) struct Edit<'t, E: Owned> {
    tx: &'t Tx,
    update: UpdateMany<E>,
}

impl<E: Owned> Edit<'_, E> {
    /// Gives a column this value.
    pub(crate) fn set(mut self, column: E::Column, value: impl Into<Value>) -> Self {
        self.update = self.update.col_expr(column, Expr::value(value));
        self
    }

    /// Only rows that fulfil `condition`.
    pub(crate) fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.update = self.update.filter(condition);
        self
    }

    /// Makes it so and answers how many rows changed.
    pub(crate) async fn run(self) -> Result<u64, Trouble> {
        Ok(self.update.exec(&self.tx.begun.conn).await?.rows_affected)
    }
}

/// A transaction over all realms: it reads them, and writes only what the installation owns.
pub(crate) struct Everywhere {
    begun: Begun,
    backend: DbBackend,
    now: Timestamp,
}

impl Everywhere {
    /// Begins one.
    pub(crate) async fn begin(store: &Inner, purpose: Purpose) -> Result<Self, Trouble> {
        Ok(Self {
            begun: store.database.begin(Scope::Installation, purpose).await?,
            backend: store.database.backend(),
            now: store.clock.now(),
        })
    }

    /// Its instant.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Which database it is.
    pub(crate) fn backend(&self) -> DbBackend {
        self.backend
    }

    /// Rows of a table, whosever they are.
    pub(crate) fn rows<E: EntityTrait>(&self) -> Rows<'_, E> {
        Rows::new(&self.begun.conn, self.backend, E::find())
    }

    /// The answer to a query written out, for figures over whole tables.
    pub(crate) async fn query(&self, sql: &str) -> Result<Vec<QueryResult>, Trouble> {
        Ok(self.begun.conn.query_all_raw(Statement::from_string(self.backend, sql)).await?)
    }

    /// The answer to a statement with values.
    pub(crate) async fn query_one(&self, sql: &str, values: Vec<Value>) -> Result<Option<QueryResult>, Trouble> {
        Ok(self.begun.conn.query_one_raw(Statement::from_sql_and_values(self.backend, sql, values)).await?)
    }

    /// Writes rows of a table that the installation owns.
    pub(crate) async fn insert<E: Installed>(
        &self,
        rows: &[E::Model],
        clash: Clash<'_, E::Column>,
    ) -> Result<u64, Trouble> {
        bulk::insert::<E>(&self.begun.conn, rows, &[], clash).await
    }

    /// Rows of a table that the installation owns, to be changed.
    pub(crate) async fn change<E: Installed>(&self, update: UpdateMany<E>) -> Result<u64, Trouble> {
        Ok(update.exec(&self.begun.conn).await?.rows_affected)
    }

    /// Commits.
    pub(crate) async fn commit(self, store: &Inner) -> Result<(), Trouble> {
        store.database.commit(self.begun).await
    }

    /// Undoes everything.
    pub(crate) async fn undo(self) {
        if let Err(error) = self.begun.conn.rollback().await {
            tracing::debug!(%error, "a transaction could not be rolled back");
        }
    }
}
