//! Tables that a realm owns: keyed, linked and fenced by tenant and environment.

use crate::column;
use sea_orm_migration::prelude::{
    ColumnDef, ConnectionTrait, DbErr, Expr, ForeignKey, Index, SchemaManager, Table, TableCreateStatement,
};
use sea_orm_migration::sea_orm::DbBackend;

/// The role that transactions step down to where the connection itself would bypass row-level security.
pub const APP_ROLE: &str = "almoner_app";

/// The setting that tells PostgreSQL which realm a transaction is in: `<tenant uuid>/<live|test>`, or `*` to read all.
pub const REALM_SETTING: &str = "almoner.realm";

/// What the application may do with rows once they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Change and delete them.
    Free,
    /// Neither: they are history.
    AppendOnly,
}

/// A table that a realm owns, before it is made.
pub(crate) struct RealmTable {
    name: &'static str,
    statement: TableCreateStatement,
    rows: Rows,
    in_key_order: bool,
}

/// Begins a table whose rows are told apart within a realm by `key`.
pub(crate) fn table(name: &'static str, key: &[&'static str]) -> RealmTable {
    let mut primary = Index::create();
    primary.col("tenant").col("environment");
    for column in key {
        primary.col(*column);
    }
    let mut statement = Table::create();
    statement
        .table(name)
        .col(column::id("tenant"))
        .col(column::text("environment"))
        .primary_key(&mut primary)
        .check(Expr::cust("environment IN ('live', 'test')"));
    RealmTable { name, statement, rows: Rows::Free, in_key_order: false }
}

impl RealmTable {
    /// Adds a column.
    pub(crate) fn col(mut self, column: ColumnDef) -> Self {
        self.statement.col(column);
        self
    }

    /// Adds columns.
    pub(crate) fn cols(mut self, columns: impl IntoIterator<Item = ColumnDef>) -> Self {
        for column in columns {
            self.statement.col(column);
        }
        self
    }

    /// Adds a rule that every row must fulfil.
    pub(crate) fn check(mut self, rule: &'static str) -> Self {
        self.statement.check(Expr::cust(rule));
        self
    }

    /// Adds a foreign key to the `id` of another table of the same realm: a row never points into another realm.
    pub(crate) fn points(mut self, column: &'static str, to: &'static str) -> Self {
        let mut key = ForeignKey::create();
        key.name(format!("fk_{}_{column}", self.name))
            .from_tbl(self.name)
            .from_col("tenant")
            .from_col("environment")
            .from_col(column)
            .to_tbl(to)
            .to_col("tenant")
            .to_col("environment")
            .to_col("id");
        self.statement.foreign_key(&mut key);
        self
    }

    /// Adds a foreign key to a table that the installation owns.
    pub(crate) fn points_outside(mut self, column: &'static str, to: &'static str) -> Self {
        let mut key = ForeignKey::create();
        key.name(format!("fk_{}_{column}", self.name)).from(self.name, column).to(to, "id");
        self.statement.foreign_key(&mut key);
        self
    }

    /// Rows lie in the order of their key, and are read so. PostgreSQL has no such tables.
    pub(crate) fn in_key_order(mut self) -> Self {
        self.in_key_order = true;
        self
    }

    /// Rows are never changed or deleted once written.
    pub(crate) fn append_only(mut self) -> Self {
        self.rows = Rows::AppendOnly;
        self
    }

    /// Makes the table and its fence.
    pub(crate) async fn create(mut self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let (name, rows) = (self.name, self.rows);
        if self.in_key_order && manager.get_database_backend() == DbBackend::Sqlite {
            self.statement.extra("WITHOUT ROWID");
        }
        manager.create_table(self.statement).await?;
        match manager.get_database_backend() {
            DbBackend::Postgres => {
                grant(manager, name, rows).await?;
                fence(manager, name).await
            }
            _ if rows == Rows::AppendOnly => freeze(manager, name).await,
            _ => Ok(()),
        }
    }
}

/// Enables and forces row-level security on a table whose rows belong to realms.
///
/// A realm's transaction sees and writes its own rows. Installation scope (`*`) sees all and writes none. Where nothing is
/// set, `current_setting` gives NULL, and `''` after a `SET LOCAL` has ended: neither names any realm, so no row shows.
///
/// The setting is read in sub-queries that depend on no row: once a statement, and not for each row that is looked at. Spelled
/// out of each row's columns it took most of the time of a large read, and hid from the planner how many rows there are.
async fn fence(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    let setting = format!("current_setting('{REALM_SETTING}', true)");
    let tenant = format!("CASE WHEN {setting} LIKE '%/%' THEN CAST(split_part({setting}, '/', 1) AS uuid) END");
    let mine = format!("tenant = (SELECT {tenant}) AND environment = (SELECT split_part({setting}, '/', 2))");
    for sql in [
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        // Without FORCE the owner of the table, who is usually who connects, would see every row.
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
        format!("CREATE POLICY realm ON {table} USING ({mine}) WITH CHECK ({mine})"),
        format!("CREATE POLICY installation ON {table} FOR SELECT USING ((SELECT {setting}) = '*')"),
    ] {
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Lets the application's role work on a table. Where the role could not be made (the connection may not make roles) there
/// is nobody to step down to, and nobody who needs to: only superusers and BYPASSRLS roles do.
async fn grant(manager: &SchemaManager<'_>, table: &str, rows: Rows) -> Result<(), DbErr> {
    let rights = match rows {
        Rows::Free => "SELECT, INSERT, UPDATE, DELETE",
        Rows::AppendOnly => "SELECT, INSERT",
    };
    tolerant(manager, &format!("GRANT {rights} ON {table} TO {APP_ROLE}"), "undefined_object").await
}

/// Runs a statement in a block of its own and passes over one kind of error.
async fn tolerant(manager: &SchemaManager<'_>, sql: &str, error: &str) -> Result<(), DbErr> {
    let block = format!("DO $block$ BEGIN {sql}; EXCEPTION WHEN {error} THEN NULL; END $block$");
    manager.get_connection().execute_unprepared(&block).await?;
    Ok(())
}

/// SQLite has no rights to withhold: triggers refuse instead.
async fn freeze(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    for event in ["UPDATE", "DELETE"] {
        let name = format!("{table}_no_{}", event.to_lowercase());
        let sql = format!(
            "CREATE TRIGGER {name} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        );
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Opens the register of tenants to the application and fences it: a realm sees its own tenant, and only installation
/// scope makes one.
pub(crate) async fn open_tenants(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    grant(manager, "tenants", Rows::Free).await?;
    let everywhere = format!("current_setting('{REALM_SETTING}', true) = '*'");
    let own = format!("id::text = split_part(current_setting('{REALM_SETTING}', true), '/', 1)");
    for sql in [
        "ALTER TABLE tenants ENABLE ROW LEVEL SECURITY".to_owned(),
        "ALTER TABLE tenants FORCE ROW LEVEL SECURITY".to_owned(),
        format!("CREATE POLICY installation ON tenants USING ({everywhere}) WITH CHECK ({everywhere})"),
        format!("CREATE POLICY realm ON tenants FOR SELECT USING ({own})"),
    ] {
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Opens a table that the installation owns to the application.
pub(crate) async fn open(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    match manager.get_database_backend() {
        DbBackend::Postgres => grant(manager, table, Rows::Free).await,
        _ => Ok(()),
    }
}

/// Opens the sequence behind a column to the application.
pub(crate) async fn open_sequence(manager: &SchemaManager<'_>, table: &str, column: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let usage = format!(
        "EXECUTE format('GRANT USAGE ON SEQUENCE %s TO {APP_ROLE}', pg_get_serial_sequence('{table}', '{column}'))"
    );
    tolerant(manager, &usage, "undefined_object").await
}

/// Makes the application's role. Databases of one cluster share roles, so it may be there, or be made by somebody else
/// in this very moment; and who connects may have no right to make roles.
pub(crate) async fn create_role(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let errors = "duplicate_object OR unique_violation OR insufficient_privilege";
    tolerant(manager, &format!("CREATE ROLE {APP_ROLE} NOLOGIN"), errors).await?;
    let usage = format!("EXECUTE format('GRANT USAGE ON SCHEMA %I TO {APP_ROLE}', current_schema())");
    tolerant(manager, &usage, "undefined_object").await
}

/// Takes back what [`create_role`] gave in this database. The role itself stays: other databases may use it.
pub(crate) async fn dismiss_role(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let usage = format!("EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM {APP_ROLE}', current_schema())");
    tolerant(manager, &usage, "undefined_object").await
}

/// Drops tables, in the order given.
pub(crate) async fn drop(manager: &SchemaManager<'_>, tables: &[&'static str]) -> Result<(), DbErr> {
    for table in tables {
        manager.drop_table(Table::drop().table(*table).take()).await?;
    }
    Ok(())
}
