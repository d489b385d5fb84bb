//! Webhooks: a database from before there could be several endpoints keeps the one it had, with what was on its way there.

use crate::support::{BOTH, Shop, down_to};
use almoner_domain::delivery::{DeliveryFilter, DeliveryState};
use almoner_domain::happening::HappeningKind;
use almoner_domain::id::Id;
use almoner_domain::page::Page;
use almoner_domain::ports::Deliveries;
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::{DisableReason, EndpointState, SealedSecret, SignatureScheme};
use almoner_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement, Value};
use uuid::Uuid;

const ENDPOINT: &str = "INSERT INTO webhook_endpoints (tenant, environment, url, events, secret, gone_at, created_at, changed_at) \
    VALUES ($1, $2, $3, $4, $5, $6, 1, 2)";
const DELIVERY: &str = "INSERT INTO webhook_deliveries (tenant, environment, id, event, payload, state, attempts, created_at, \
    next_attempt_at, finished_at) VALUES ($1, $2, $3, 'allocation.created', '{}', $4, 3, 10, 20, $5)";
const ALL: &str = "allocation.created allocation.threshold allocation.exhausted allocation.expired allocation.closed \
    allocation.revoked entitlement.threshold entitlement.exhausted entitlement.reset";

async fn write(db: &DatabaseConnection, sql: &str, values: Vec<Value>) {
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.unwrap();
}

async fn count(db: &DatabaseConnection, sql: &str) -> i64 {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn the_endpoint_that_there_was_stays_with_its_deliveries() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let owner = Database::connect(shop.keep.url()).await.unwrap();
        Migrator::down(&owner, Some(down_to("000030_webhooks"))).await.unwrap();
        let tenant = shop.realm.tenant.uuid();
        let one = |environment: &str, events: &str, gone: Option<i64>| -> Vec<Value> {
            let url = "https://hooks.example.com/";
            vec![tenant.into(), environment.into(), url.into(), events.into(), vec![1_u8, 2].into(), gone.into()]
        };
        write(&owner, ENDPOINT, one("live", ALL, None)).await;
        write(&owner, ENDPOINT, one("test", "allocation.closed", Some(7))).await;
        let (pending, failed) = (Uuid::from_u128(0x71), Uuid::from_u128(0x72));
        for (id, state, finished) in [(pending, "pending", None), (failed, "failed", Some(30_i64))] {
            write(&owner, DELIVERY, vec![tenant.into(), "live".into(), id.into(), state.into(), finished.into()]).await;
        }
        Migrator::up(&owner, None).await.unwrap();

        let [endpoint] = &shop.store.endpoints(shop.realm).await.unwrap()[..] else { panic!("{on:?}: one endpoint") };
        assert_eq!(
            (endpoint.url.as_str(), endpoint.events.len(), endpoint.id.uuid()),
            ("https://hooks.example.com/", 0, tenant)
        );
        assert_eq!((&endpoint.secret, endpoint.scheme), (&SealedSecret(vec![1, 2]), SignatureScheme::V1));
        assert_eq!((endpoint.state, endpoint.created_at.as_micros()), (EndpointState::Enabled, 1));
        let other =
            almoner_domain::tenant::Realm { environment: almoner_domain::tenant::Environment::Test, ..shop.realm };
        let [gone] = &shop.store.endpoints(other).await.unwrap()[..] else { panic!("{on:?}: one endpoint") };
        let since = Timestamp::from_micros(7);
        assert_eq!(gone.state, EndpointState::Disabled(DisableReason::Gone, since));
        assert!(gone.wants(HappeningKind::AllocationClosed) && !gone.wants(HappeningKind::AllocationCreated));
        let found = shop.store.deliveries(shop.realm, DeliveryFilter::default(), Page::first(9)).await.unwrap().entries;
        let read: Vec<_> =
            found.iter().map(|one| (one.id.uuid(), one.notice.uuid(), one.endpoint, one.state)).collect();
        let (a, b) = (DeliveryState::Failed, DeliveryState::Pending);
        assert_eq!(read, [(failed, failed, endpoint.id, a), (pending, pending, endpoint.id, b)], "{on:?}");

        Migrator::down(&owner, Some(down_to("000030_webhooks"))).await.unwrap();
        assert_eq!(count(&owner, "SELECT count(*) FROM webhook_endpoints").await, 2, "{on:?}");
        let same = format!("SELECT count(*) FROM webhook_endpoints WHERE events = '{ALL}' AND gone_at IS NULL");
        assert_eq!(count(&owner, &same).await, 1, "{on:?}");
        assert_eq!(count(&owner, "SELECT count(*) FROM webhook_deliveries WHERE attempts = 3").await, 2, "{on:?}");
        Migrator::up(&owner, None).await.unwrap();
        assert_eq!(shop.store.endpoints(shop.realm).await.unwrap().len(), 1, "{on:?}");
        owner.close().await.unwrap();
    }
}
