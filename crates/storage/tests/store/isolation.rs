//! I4: no realm reaches another's rows, whatever a query forgets.

use crate::support::{BOTH, CUSTOMER, GENERATE, Keep, On, Shop, external, id, name, raise, reports, units};
use almoner_domain::allocation::AllocationState;
use almoner_domain::customer::Customer;
use almoner_domain::fault::FaultKind;
use almoner_domain::id::{Id, LeaseId};
use almoner_domain::lease::LeaseReply;
use almoner_domain::ports::{CarveAnswer, Ledger, Lookup, Source, Store};
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::Named;
use almoner_storage::StoreOptions;
use almoner_testkit::author;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

async fn connect(shop: &Shop) -> PgConnection {
    PgConnection::connect(&shop.keep.url()).await.unwrap()
}

/// Tables with a tenant column, as the database says.
async fn realm_tables(conn: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT table_name::text FROM information_schema.columns WHERE column_name = 'tenant' \
        AND table_schema = 'public' ORDER BY table_name";
    sqlx::query_scalar(sql).fetch_all(conn).await.unwrap()
}

async fn count(conn: &mut PgConnection, table: &str) -> i64 {
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(conn).await.unwrap()
}

async fn set_realm(conn: &mut PgConnection, realm: &str) {
    sqlx::query("SELECT set_config('almoner.realm', $1, true)").bind(realm).execute(conn).await.unwrap();
}

fn spelled(realm: Realm) -> String {
    format!("{}/{}", realm.tenant.uuid(), realm.environment.as_str())
}

/// A shop with a row in nearly every table.
async fn busy_shop() -> Shop {
    let shop = Shop::open(On::Postgres).await;
    let allocation = shop.carve(Source::Subject(shop.ada()), 10).await;
    let gate = shop.gate(1).await;
    let account = allocation.lines[0].account;
    shop.lease(gate, account, 2).await;
    shop.store.end(shop.realm, allocation.allocation.id, AllocationState::Revoked, &author()).await.unwrap().unwrap();
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn every_realm_table_is_fenced_and_its_key_starts_with_the_tenant() {
    let shop = Shop::open(On::Postgres).await;
    let mut conn = connect(&shop).await;
    let tables = realm_tables(&mut conn).await;
    assert!(tables.len() >= 20, "{tables:?}");
    for table in &tables {
        let sql = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = $1::regclass";
        let fenced: bool = sqlx::query_scalar(sql).bind(table).fetch_one(&mut conn).await.unwrap();
        assert!(fenced, "{table} has no forced row-level security");
        let sql = "SELECT array_agg(a.attname::text ORDER BY k.ord) FROM pg_constraint c \
            CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k(num, ord) \
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num \
            WHERE c.contype = 'p' AND c.conrelid = $1::regclass";
        let key: Vec<String> = sqlx::query_scalar(sql).bind(table).fetch_one(&mut conn).await.unwrap();
        assert_eq!(&key[..2], ["tenant", "environment"], "{table}");
        assert!(key.len() > 2, "{table}");
    }
    // The register of tenants has no tenant column, and a fence all the same.
    let sql = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = 'tenants'::regclass";
    assert!(sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut conn).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_forgets_its_realm_sees_nothing() {
    let shop = busy_shop().await;
    let mut conn = connect(&shop).await;
    let tables = realm_tables(&mut conn).await;
    let mut filled = 0;
    for table in &tables {
        // A superuser bypasses the fence, which is why the store steps down.
        filled += i64::from(count(&mut conn, table).await > 0);
    }
    assert!(filled >= 15, "the shop must have rows to hide, it has some in {filled} tables");

    let (mine, foreign) = (spelled(shop.realm), spelled(Realm { environment: Environment::Test, ..shop.realm }));
    for realm in [None, Some(""), Some(foreign.as_str()), Some("%"), Some("'")] {
        let mut tx = conn.begin().await.unwrap();
        sqlx::query("SET LOCAL ROLE almoner_app").execute(&mut *tx).await.unwrap();
        if let Some(realm) = realm {
            set_realm(&mut tx, realm).await;
        }
        for table in tables.iter().map(String::as_str).chain(["tenants"]) {
            // The tenant's name is its own in both environments.
            let expected = i64::from(table == "tenants" && realm == Some(&foreign));
            assert_eq!(count(&mut tx, table).await, expected, "{table} with the realm {realm:?}");
        }
        tx.rollback().await.unwrap();
    }
    let mut tx = conn.begin().await.unwrap();
    sqlx::query("SET LOCAL ROLE almoner_app").execute(&mut *tx).await.unwrap();
    set_realm(&mut tx, &mine).await;
    assert!(count(&mut tx, "customers").await > 0);
    tx.rollback().await.unwrap();
    // After SET LOCAL has ended the setting is '' and not unset: that must show nothing, too.
    let mut tx = conn.begin().await.unwrap();
    sqlx::query("SET LOCAL ROLE almoner_app").execute(&mut *tx).await.unwrap();
    assert_eq!(count(&mut tx, "customers").await, 0);
}

/// Superusers bypass even a forced fence, so the store must not stay one: what its role may not read, it cannot read.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_steps_down_from_a_superuser() {
    let shop = Shop::open(On::Postgres).await;
    assert_eq!(shop.store.features(shop.realm).await.unwrap().len(), 4);
    let mut conn = connect(&shop).await;
    sqlx::query("REVOKE SELECT ON features FROM almoner_app").execute(&mut conn).await.unwrap();
    assert_eq!(shop.store.features(shop.realm).await.unwrap_err().kind, FaultKind::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn installation_scope_reads_all_realms_and_writes_none() {
    let shop = busy_shop().await;
    shop.beside(2).await;
    let mut conn = connect(&shop).await;
    for table in realm_tables(&mut conn).await {
        let mut tx = conn.begin().await.unwrap();
        let all = count(&mut tx, &table).await;
        sqlx::query("SET LOCAL ROLE almoner_app").execute(&mut *tx).await.unwrap();
        set_realm(&mut tx, "*").await;
        assert_eq!(count(&mut tx, &table).await, all, "{table}");
        let sql = AssertSqlSafe(format!("DELETE FROM {table}"));
        match sqlx::query(sql).execute(&mut *tx).await {
            Ok(done) => assert_eq!(done.rows_affected(), 0, "{table}"),
            Err(error) => assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{table}"),
        }
        tx.rollback().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_cannot_be_written_into_another_realm() {
    let shop = Shop::open(On::Postgres).await;
    let other = shop.beside(2).await;
    let mut conn = connect(&shop).await;
    let mut tx = conn.begin().await.unwrap();
    sqlx::query("SET LOCAL ROLE almoner_app").execute(&mut *tx).await.unwrap();
    set_realm(&mut tx, &spelled(shop.realm)).await;
    let insert = "INSERT INTO customers (tenant, environment, id, external_id, name) VALUES ($1, 'live', $2, 'x', 'x')";
    let written =
        sqlx::query(insert).bind(other.realm.tenant.uuid()).bind(uuid::Uuid::from_u128(9)).execute(&mut *tx).await;
    assert_eq!(written.unwrap_err().as_database_error().unwrap().code().unwrap(), "42501");
    tx.rollback().await.unwrap();

    // What is history stays: the application may not change it even in its own realm.
    let mut tx = conn.begin().await.unwrap();
    sqlx::query("SET LOCAL ROLE almoner_app").execute(&mut *tx).await.unwrap();
    set_realm(&mut tx, &spelled(shop.realm)).await;
    let changed = sqlx::query("UPDATE movements SET amount = amount + 1").execute(&mut *tx).await;
    assert_eq!(changed.unwrap_err().as_database_error().unwrap().code().unwrap(), "42501");
}

#[tokio::test(flavor = "multi_thread")]
async fn movements_cannot_be_changed_on_sqlite_either() {
    let shop = Shop::open(On::Sqlite).await;
    shop.account().await;
    let Keep::Sqlite(file) = &*shop.keep else { unreachable!() };
    let mut conn = sqlx::SqliteConnection::connect(&file.url()).await.unwrap();
    for sql in ["UPDATE movements SET amount = amount + 1", "DELETE FROM movements"] {
        let error = sqlx::query(sql).execute(&mut conn).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pooled_connection_serves_many_realms_and_leaks_none() {
    let shop = Shop::with(On::Postgres, StoreOptions { connections_max: 1, ..StoreOptions::default() }).await;
    let other = shop.beside(2).await;
    let theirs = other.carve(Source::Subject(other.customer()), 10).await.allocation.id;
    for _ in 0..20 {
        assert!(other.store.allocation(other.realm, theirs).await.unwrap().is_some());
        assert!(shop.store.allocation(shop.realm, theirs).await.unwrap().is_none());
        // A caller who goes away in the middle leaves the connection to the next.
        let gone = other.store.statement(other.realm, theirs);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(300), gone).await;
        assert!(shop.store.statement(shop.realm, theirs).await.unwrap().is_none());
    }
    let role: String = {
        let mut conn = connect(&shop).await;
        sqlx::query("SELECT current_user::text").fetch_one(&mut conn).await.unwrap().get(0)
    };
    assert_ne!(role, "almoner_app");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_without_special_rights_is_fenced_by_force_alone() {
    let shop = busy_shop().await;
    let mut conn = connect(&shop).await;
    // As an installation would have it: tables owned by a plain role, which the program connects as.
    let role = format!("owner_{}", uuid::Uuid::from_u128(shop.new_id::<LeaseId>().uuid().as_u128()).simple());
    for sql in [
        format!("CREATE ROLE {role} LOGIN PASSWORD 'owner'"),
        format!(
            "DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' \
            LOOP EXECUTE format('ALTER TABLE %I OWNER TO {role}', t); END LOOP; END $$"
        ),
        format!("GRANT USAGE ON SCHEMA public TO {role}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    }
    let url = shop.keep.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let plain = format!("{scheme}://{role}:owner@{host}");

    let mut owner = PgConnection::connect(&plain).await.unwrap();
    assert_eq!(count(&mut owner, "customers").await, 0, "forced, the fence holds its owner, too");
    let store = almoner_storage::SqlStore::connect(
        &plain,
        std::sync::Arc::new(shop.clock.clone()),
        shop.entropy.clone(),
        StoreOptions::default(),
    )
    .await
    .unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
    store.migrate().await.unwrap();
    assert_eq!(store.features(shop.realm).await.unwrap().len(), 4);
    assert_eq!(store.features(Realm { tenant: id(77), ..shop.realm }).await.unwrap().len(), 0);

    drop((store, owner));
    for sql in [
        format!("REASSIGN OWNED BY {role} TO CURRENT_USER"),
        format!("DROP OWNED BY {role}"),
        format!("DROP ROLE {role}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    }
}

/// The same through the ports, on both databases: SQLite has no fence behind the store's own.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_realm_has_does_not_exist() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let other = shop.beside(2).await;
        let theirs = other.carve(Source::Subject(other.customer()), 10).await;
        let (account, allocation) = (theirs.lines[0].account, theirs.allocation.id);
        let gate = shop.gate(1).await;

        let reply = shop.report(gate, raise(shop.new_id(), account, 1, 0, 1)).await;
        assert_eq!(reply, LeaseReply::Unknown);
        let lease = other.lease(gate, account, 5).await;
        let batch = reports(vec![raise(lease, account, 2, 5, 1)]);
        assert_eq!(shop.settle(gate, &batch).await, [LeaseReply::Unknown]);
        assert!(!shop.store.forfeit(shop.realm, lease, &author()).await.unwrap());

        assert!(shop.store.end(shop.realm, allocation, AllocationState::Revoked, &author()).await.unwrap().is_none());
        assert!(shop.store.allocation(shop.realm, allocation).await.unwrap().is_none());
        let carved = shop.store.carve(shop.realm, &shop.request(Source::Allocation(allocation), 1)).await.unwrap();
        assert_eq!(carved, CarveAnswer::UnknownParent);

        let test = Realm { environment: Environment::Test, ..other.realm };
        assert!(shop.store.statement(test, allocation).await.unwrap().is_none());
        assert_eq!(
            other.statement(allocation).await.lines[0].balance.get(almoner_domain::account::Pocket::Leased),
            units(5)
        );
        shop.sound().await;
    }
}

/// Names, ids and idempotency keys of two realms never meet.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_names_and_keys_may_be_used_in_every_realm() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let other = shop.beside(2).await;
        let mut request = shop.request(Source::Subject(shop.customer()), 10);
        request.key = Some(crate::support::mark(1, 1));
        assert!(matches!(shop.store.carve(shop.realm, &request).await.unwrap(), CarveAnswer::Carved(_)));
        assert!(matches!(other.store.carve(other.realm, &request).await.unwrap(), CarveAnswer::Carved(_)));

        let mut work = shop.store.begin(shop.realm).await.unwrap();
        let twice = Customer { id: id(0x99), external_id: external("acme-shop"), name: name("Acme again") };
        let fault = work.customers().add(&twice).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Exists);
        // Refused, the unit of work goes on: on both databases alike.
        assert!(work.customers().by_id(id(CUSTOMER)).await.unwrap().is_some());
        assert!(work.features().by_id(id(GENERATE)).await.unwrap().is_some());
        work.commit().await.unwrap();
        let named = Named::Id(id(CUSTOMER));
        let subject = almoner_domain::ports::SubjectName { customer: named, user: None };
        assert_eq!(shop.standing(&subject).await.lines.len(), 2);
        shop.sound().await;
    }
}
