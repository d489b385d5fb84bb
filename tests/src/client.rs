//! A tool provider's server, as it talks to the gate: one key, kept-alive connections, and no answer taken for granted.

use crate::answer::{Decision, Month, Statement};
use crate::call::{Call, Carve, actual};
use crate::wait::{let_run, within};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Longer than any patience of the gate.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How long a client waits before it asks again a gate that could not know.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// No answer: the connection broke, so what became of the request is unknown.
#[derive(Debug, Clone)]
pub struct Lost(pub String);

/// What came before an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Setbacks {
    /// Times that the connection broke.
    pub broken: usize,
    /// Times that the gate said that it cannot know now.
    pub could_not_know: usize,
}

/// A request that need not be well-formed.
#[derive(Debug, Clone)]
pub struct Raw {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// All headers but those of the connection.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A client of one server by one key. Cheap to clone; clones share connections. While the server is down it waits.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    address: watch::Receiver<Option<String>>,
    key: Arc<str>,
}

impl Client {
    /// A client of whatever server the address names.
    ///
    /// # Panics
    /// Panics when no HTTP client can be made.
    pub fn new(address: watch::Receiver<Option<String>>, key: &str) -> Self {
        // No proxy of the machine stands between a test and its own process.
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WAIT).pool_max_idle_per_host(256).build();
        Self { http: http.expect("an HTTP client"), address, key: key.into() }
    }

    /// The same connections, another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.into(), ..self.clone() }
    }

    /// Where the server is, such as `http://127.0.0.1:8080`, once it is up.
    pub async fn address(&self) -> Result<String, Lost> {
        let up =
            within("a server that is up", self.address.clone().wait_for(Option::is_some)).await.map(|at| at.clone());
        Ok(up.map_err(|why| lost(&why))?.unwrap_or_default())
    }

    /// Sends a request as it is, once the server is up, and tries once. What is answered may be read as it comes.
    pub async fn open(&self, raw: Raw, patience: Duration) -> Result<reqwest::Response, Lost> {
        let address = self.address().await?;
        let mut request = self.http.request(raw.method, format!("{address}{}", raw.path)).timeout(patience);
        for (name, value) in raw.headers {
            request = request.header(name, value);
        }
        request.body(raw.body).send().await.map_err(|why| lost(&why))
    }

    /// Sends a request as it is, once the server is up, and tries once.
    pub async fn raw(&self, raw: Raw) -> Result<Reply, Lost> {
        let response = self.open(raw, ANSWER_WAIT).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(|why| lost(&why))?.to_vec();
        Ok(Reply { status, headers, body })
    }

    /// Tries once.
    pub async fn try_post(&self, path: &str, body: &Value) -> Result<Reply, Lost> {
        let headers = vec![self.authorization(), (CONTENT_TYPE.to_string(), "application/json".to_owned())];
        let body = serde_json::to_vec(body).expect("JSON can be written");
        self.raw(Raw { method: Method::POST, path: path.to_owned(), headers, body }).await
    }

    /// Tries once.
    pub async fn try_get(&self, path: &str) -> Result<Reply, Lost> {
        let headers = vec![self.authorization()];
        self.raw(Raw { method: Method::GET, path: path.to_owned(), headers, body: Vec::new() }).await
    }

    /// The header that says by which key it calls.
    pub fn authorization(&self) -> (String, String) {
        (AUTHORIZATION.to_string(), format!("Bearer {}", self.key))
    }

    /// Asks a server that has no reason not to answer.
    ///
    /// # Panics
    /// Panics when it does not.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.try_post(path, body).await.unwrap_or_else(|lost| panic!("{path} {body}: {lost:?}"))
    }

    /// Asks a server that has no reason not to answer.
    ///
    /// # Panics
    /// Panics when it does not.
    pub async fn get(&self, path: &str) -> Reply {
        self.try_get(path).await.unwrap_or_else(|lost| panic!("{path}: {lost:?}"))
    }

    /// Asks by GraphQL what has an answer, and answers the data.
    ///
    /// # Panics
    /// Panics with errors where there are some.
    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        let answer = self.post("/graphql", &json!({ "query": query, "variables": variables })).await.json();
        assert!(answer["errors"].is_null(), "{query}: {answer}");
        answer["data"].clone()
    }

    /// Asks until there is an answer, as a client does that has an idempotency key or asks for what can be repeated. Also
    /// says what came in between.
    pub async fn insist(&self, path: &str, body: &Value) -> (Reply, Setbacks) {
        let mut setbacks = Setbacks::default();
        loop {
            match self.try_post(path, body).await {
                Ok(reply) if reply.could_not_know() => {
                    setbacks.could_not_know += 1;
                    let_run(ASK_AGAIN).await;
                }
                Ok(reply) => return (reply, setbacks),
                Err(_) => setbacks.broken += 1,
            }
        }
    }

    /// `POST /v1/check`.
    pub async fn check(&self, call: &Call) -> Decision {
        self.post("/v1/check", &call.0).await.decision()
    }

    /// `POST /v1/consume`.
    pub async fn consume(&self, call: &Call) -> Decision {
        self.post("/v1/consume", &call.0).await.decision()
    }

    /// `POST /v1/reserve`.
    pub async fn reserve(&self, call: &Call) -> Decision {
        self.post("/v1/reserve", &call.0).await.decision()
    }

    /// `POST /v1/holds/{id}/commit` with the actual amounts.
    pub async fn commit(&self, hold: &str, uses: &[(&str, i64)]) -> Reply {
        self.post(&format!("/v1/holds/{hold}/commit"), &actual(uses)).await
    }

    /// `POST /v1/holds/{id}/release` with a body.
    pub async fn release(&self, hold: &str, body: &Value) -> Reply {
        self.post(&format!("/v1/holds/{hold}/release"), body).await
    }

    /// `POST /v1/allocations`, which has to come out.
    ///
    /// # Panics
    /// Panics when nothing was carved.
    pub async fn carve(&self, carve: &Carve) -> Statement {
        let reply = self.post("/v1/allocations", &carve.0).await;
        assert_eq!(reply.status, 201, "{}: {}", carve.0, reply.text());
        Statement(reply.json())
    }

    /// `GET /v1/allocations/{id}`.
    pub async fn statement(&self, allocation: &str) -> Statement {
        let reply = self.get(&format!("/v1/allocations/{allocation}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Statement(reply.json())
    }

    /// `POST /v1/allocations/{id}/close`.
    pub async fn close(&self, allocation: &str) -> Statement {
        let reply = self.post(&format!("/v1/allocations/{allocation}/close"), &json!({})).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Statement(reply.json())
    }

    /// `GET /v1/entitlements` of a customer.
    pub async fn month(&self, customer: &str) -> Month {
        self.month_at(&format!("/v1/entitlements?customer={customer}")).await
    }

    /// `GET /v1/entitlements` of a customer's user.
    pub async fn month_of_user(&self, customer: &str, user: &str) -> Month {
        self.month_at(&format!("/v1/entitlements?customer={customer}&user={user}")).await
    }

    async fn month_at(&self, path: &str) -> Month {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Month(reply.json())
    }
}

fn lost(why: &dyn std::fmt::Debug) -> Lost {
    Lost(format!("{why:?}"))
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Panics when it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|why| panic!("{}: no JSON ({why}): {}", self.status, self.text()))
    }

    /// The body as a decision, which is always a 200.
    ///
    /// # Panics
    /// Panics when it is something else.
    pub fn decision(&self) -> Decision {
        assert_eq!(self.status, 200, "not a decision: {}", self.text());
        Decision(self.json())
    }

    /// A header, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Does it say that it was given before?
    pub fn replayed(&self) -> bool {
        self.header("idempotency-replayed") == "true"
    }

    /// Did the gate say that it cannot know now? Nothing was spent, and asking again can help.
    pub fn could_not_know(&self) -> bool {
        self.status == 503 || (self.status == 200 && self.json()["reason"] == "unavailable")
    }
}
