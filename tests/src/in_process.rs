//! The GraphQL door in this process, over a store and nothing else: no gate, no runner, no network. For what cannot be measured
//! from outside: statements, and the time of one processor.

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::{App as Web, Error, test};
use almoner_api::{ApiConfig, Live, routes};
use almoner_app::{App, Desk};
use almoner_domain::address::Callable;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::guard::Guarded;
use almoner_domain::id::{AccountId, AllocationId};
use almoner_domain::ports::{Gates, Queues, Seal};
use almoner_domain::queue::QueueState;
use almoner_domain::tenant::Realm;
use almoner_domain::webhook::{PublicKey, SealedSecret, WebhookSecret};
use almoner_server::{OsEntropy, SystemClock};
use almoner_storage::SqlStore;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// What people work with, over a store alone.
pub fn desk(store: &SqlStore) -> Desk {
    let all = Arc::new(store.clone());
    Desk {
        app: App { store: all.clone(), clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) },
        ledger: all.clone(),
        treasury: all.clone(),
        plan_changes: all.clone(),
        lookup: all.clone(),
        directory: all.clone(),
        lists: all.clone(),
        usage: all.clone(),
        schedules: all.clone(),
        deliveries: all,
        events: Arc::from([]),
        gates: Arc::new(Nothing),
        queues: Arc::new(Nothing),
        seal: Arc::new(Nothing),
        callable: Callable::Public,
    }
}

/// What is not here.
struct Nothing;

#[async_trait]
impl Gates for Nothing {
    async fn give_back(&self, _: AccountId) -> bool {
        false
    }

    async fn tell(&self, _: &[AccountId]) {}

    async fn ended(&self, _: Realm, _: AllocationId) {}

    async fn guard_changed(&self, _: Realm, _: Guarded) {}
}

#[async_trait]
impl Queues for Nothing {
    async fn queues(&self) -> Result<Vec<QueueState>, Fault> {
        Ok(Vec::new())
    }
}

impl Seal for Nothing {
    fn seal(&self, _: Realm, _: &WebhookSecret) -> Result<SealedSecret, Fault> {
        Err(Fault { operation: "seal", kind: FaultKind::Broken, source: None })
    }

    fn open(&self, _: Realm, _: &SealedSecret) -> Result<WebhookSecret, Fault> {
        Err(Fault { operation: "open", kind: FaultKind::Broken, source: None })
    }

    fn public_key(&self, _: &WebhookSecret) -> Result<PublicKey, Fault> {
        Err(Fault { operation: "public_key", kind: FaultKind::Broken, source: None })
    }
}

/// The door, and who asks at it.
pub struct Door<S> {
    service: S,
    key: String,
}

/// Opens the door over a store, for whoever has this key.
pub async fn door(
    store: &SqlStore,
    key: &str,
) -> Door<impl Service<Request, Response = ServiceResponse<impl MessageBody>, Error = Error>> {
    let live = Live::start(desk(store));
    let service = test::init_service(Web::new().configure(routes(live, ApiConfig::default()))).await;
    Door { service, key: key.to_owned() }
}

impl<S, B> Door<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    /// Asks, and answers the body.
    ///
    /// # Panics
    /// Panics when the door answers no JSON.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let request = test::TestRequest::post()
            .uri("/graphql")
            .insert_header(("authorization", format!("Bearer {}", self.key)))
            .set_json(json!({ "query": query, "variables": variables }));
        let response = test::call_service(&self.service, request.to_request()).await;
        let body = test::read_body(response).await;
        serde_json::from_slice(&body).expect("the door answers JSON")
    }

    /// Asks what has an answer, and answers the data.
    ///
    /// # Panics
    /// Panics with errors where there are some.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let body = self.ask(query, variables).await;
        assert!(body.get("errors").is_none() && body.get("data").is_some(), "{query}: {body}");
        body["data"].clone()
    }
}
