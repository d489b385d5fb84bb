//! The few requests that the story makes, of the gate and of the GraphQL API, with the messages that a person at a terminal needs.

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than any patience of the gate.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// A client of one server by one key.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

/// An answer with status 2xx.
pub(super) struct Answer {
    /// The body.
    pub(super) body: Value,
    /// It was given before, to the same idempotency key.
    pub(super) replayed: bool,
}

impl Client {
    pub(super) fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(ANSWER_WAIT).build().context("cannot make an HTTP client")?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), key: key.to_owned() })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The same server, another key.
    pub(super) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// Asks the GraphQL API for one field, and answers it. What is refused is an error here: the story needs it done.
    pub(super) async fn ask(&self, field: &str, document: &str, variables: Value) -> anyhow::Result<Value> {
        let body = json!({ "query": document, "variables": variables });
        let answer = self.post("/graphql", body).await?.body;
        if let Some(error) = answer["errors"].get(0) {
            bail!("{field}: {}", error["message"].as_str().unwrap_or("no message"));
        }
        let answer = answer["data"][field].clone();
        if let Some(refusal) = answer.get("refusals").and_then(|refusals| refusals.get(0)) {
            bail!("{field}: {}", refusal["message"].as_str().unwrap_or("no message"));
        }
        Ok(answer)
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Answer> {
        let address = format!("{}{path}", self.url);
        let mut request = self.http.request(method, &address).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("nothing answers at {}: run `almoner serve`, or name it by --url", self.url))?;
        let status = response.status();
        let replayed = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
        let text = response.text().await.with_context(|| format!("{path}: the answer broke off"))?;
        if status == StatusCode::UNAUTHORIZED {
            bail!(
                "the server does not know this key: is it an operator key of the image shop, and of this server's database?"
            );
        }
        let body: Value = serde_json::from_str(&text).with_context(|| format!("{path}: {status}, not JSON"))?;
        if !status.is_success() {
            let detail = body["detail"].as_str().unwrap_or("no detail");
            bail!("{path}: {status}: {detail} {}", body.get("errors").unwrap_or(&Value::Null));
        }
        Ok(Answer { body, replayed })
    }
}
