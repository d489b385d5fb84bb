//! Indexes, plain, unique and over a part of a table.

use sea_orm_migration::prelude::{ConditionalStatement, DbErr, Expr, Index, IndexCreateStatement, SchemaManager};

/// An index that a migration makes.
pub(crate) struct NewIndex {
    statement: IndexCreateStatement,
}

/// An index of `table` by `columns`.
pub(crate) fn by(name: &'static str, table: &'static str, columns: &[&'static str]) -> NewIndex {
    let mut statement = Index::create();
    statement.name(name).table(table);
    for column in columns {
        statement.col(*column);
    }
    NewIndex { statement }
}

/// A unique index within a realm: `(tenant, environment)` come first, so that it cannot tell one realm of another's rows.
pub(crate) fn unique(name: &'static str, table: &'static str, columns: &[&'static str]) -> NewIndex {
    let mut index = by(name, table, &["tenant", "environment"]);
    index.statement.unique();
    for column in columns {
        index.statement.col(*column);
    }
    index
}

/// An index within a realm.
pub(crate) fn within(name: &'static str, table: &'static str, columns: &[&'static str]) -> NewIndex {
    let mut index = by(name, table, &["tenant", "environment"]);
    for column in columns {
        index.statement.col(*column);
    }
    index
}

impl NewIndex {
    /// Only over rows that fulfil `condition`.
    pub(crate) fn only(mut self, condition: &'static str) -> Self {
        self.statement.cond_where(Expr::cust(condition));
        self
    }

    /// Unique over the whole installation, for what is looked up before a realm is known.
    pub(crate) fn everywhere(mut self) -> Self {
        self.statement.unique();
        self
    }

    /// Makes it.
    pub(crate) async fn create(self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        manager.create_index(self.statement).await
    }
}
