//! The schema: up, down and up again on both databases, and what it then is, word for word.

use crate::support::{BOTH, Keep, On};
use almoner_migrations::{Migrator, MigratorTrait};
use almoner_storage::{SqlStore, StoreOptions};
use almoner_testkit::{MockClock, SeededEntropy};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use std::path::PathBuf;
use std::sync::Arc;

/// Set to write the golden files anew.
const UPDATE: &str = "UPDATE_GOLDEN";

fn golden(on: On) -> PathBuf {
    let file = match on {
        On::Sqlite => "schema.sqlite.txt",
        On::Postgres => "schema.postgres.txt",
    };
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(file)
}

async fn lines(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect()
}

async fn described(db: &DatabaseConnection) -> String {
    let queries: &[&str] = match db.get_database_backend() {
        DbBackend::Sqlite => &[
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'seaql%' ORDER BY tbl_name, type DESC, name",
        ],
        _ => &[
            "SELECT format('%s.%s %s%s%s', table_name, column_name, data_type, \
                CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END, \
                coalesce(' DEFAULT ' || column_default, '')) \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'seaql%' \
             ORDER BY table_name COLLATE \"C\", ordinal_position",
            "SELECT format('%s: %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint \
             WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'seaql%' \
             AND contype IN ('p', 'u', 'f', 'c') \
             ORDER BY conrelid::regclass::text COLLATE \"C\", contype, pg_get_constraintdef(oid) COLLATE \"C\"",
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'seaql%' \
             ORDER BY tablename, indexname",
            "SELECT format('%s: policy %s for %s using %s check %s', tablename, policyname, cmd, qual, \
                coalesce(with_check, 'none')) FROM pg_policies WHERE schemaname = 'public' ORDER BY tablename, policyname",
            "SELECT format('%s: %s may %s', table_name, grantee, string_agg(privilege_type, ', ' ORDER BY privilege_type)) \
             FROM information_schema.role_table_grants WHERE table_schema = 'public' AND grantee = 'almoner_app' \
             GROUP BY table_name, grantee ORDER BY table_name",
        ],
    };
    let mut text = String::new();
    for query in queries {
        for line in lines(db, query).await {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_goes_up_down_and_up_and_is_what_the_golden_file_says() {
    for on in BOTH {
        let keep = Keep::new(on).await;
        let db = Database::connect(keep.url()).await.unwrap();
        Migrator::up(&db, None).await.unwrap();
        let first = described(&db).await;
        Migrator::down(&db, None).await.unwrap();
        assert_eq!(described(&db).await, "", "{on:?}: down leaves something behind");
        Migrator::up(&db, None).await.unwrap();
        assert_eq!(described(&db).await, first, "{on:?}");
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(golden(on), &first).unwrap();
        }
        let expected = std::fs::read_to_string(golden(on)).unwrap_or_default();
        assert!(
            first == expected,
            "the schema is not what {:?} says: run with {UPDATE}=1 and look at the difference",
            golden(on)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_migrate_at_once() {
    for on in BOTH {
        let keep = Keep::new(on).await;
        let mut stores = Vec::new();
        for _ in 0..4 {
            let clock = Arc::new(MockClock::default());
            let entropy = Arc::new(SeededEntropy::default());
            stores.push(SqlStore::connect(&keep.url(), clock, entropy, StoreOptions::default()).await.unwrap());
        }
        assert_eq!(stores[0].pending_migrations().await.unwrap().len(), Migrator::migrations().len());
        let tasks: Vec<_> =
            stores.iter().cloned().map(|store| tokio::spawn(async move { store.migrate().await })).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(stores[0].pending_migrations().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_used_is_a_fault_that_says_so() {
    for url in ["mysql://localhost/x", "sqlite::memory:", "postgres://127.0.0.1:1/nobody"] {
        let clock = Arc::new(MockClock::default());
        let entropy = Arc::new(SeededEntropy::default());
        let fault = SqlStore::connect(url, clock, entropy, StoreOptions::default()).await.err().unwrap();
        assert_eq!(fault.operation, "connect");
        assert_eq!(fault.is_passing(), url.starts_with("postgres"), "{url}: {fault:?}");
    }
}
