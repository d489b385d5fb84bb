//! The keys of one showing: Ada's, and her tool provider's server's. Both are issued over the API and revoked at the end.

use super::client::Client;
use anyhow::Context;
use serde_json::{Value, json};

const ISSUE: &str = "mutation($input: IssueKeyInput!) {
    issueKey(input: $input) { issued { secret key { id } } refusals { message } } }";
const REVOKE: &str = "mutation($id: ID!) { revokeKey(id: $id) { id refusals { message } } }";

/// Who speaks in the story, each by a key of their own.
pub(super) struct Keyring {
    /// A person of the customer.
    pub(super) ada: Client,
    /// The server in front of the agent's calls.
    pub(super) gate: Client,
    ids: Vec<String>,
}

impl Keyring {
    pub(super) async fn issue(staff: &Client) -> anyhow::Result<Self> {
        let mut ids = Vec::new();
        let ada = json!({ "kind": "CUSTOMER", "customer": "acme-shop", "user": "ada", "name": "demo" });
        let ada = one(staff, ada, &mut ids).await?;
        let gate = one(staff, json!({ "kind": "GATE", "name": "demo" }), &mut ids).await?;
        Ok(Self { ada, gate, ids })
    }

    pub(super) async fn revoke(self, staff: &Client) -> anyhow::Result<()> {
        for id in self.ids {
            staff.ask("revokeKey", REVOKE, json!({ "id": id })).await?;
        }
        Ok(())
    }
}

async fn one(staff: &Client, input: Value, ids: &mut Vec<String>) -> anyhow::Result<Client> {
    let issued = staff.ask("issueKey", ISSUE, json!({ "input": input })).await?["issued"].clone();
    let secret = issued["secret"].as_str().context("the server issued no key")?;
    ids.extend(issued["key"]["id"].as_str().map(str::to_owned));
    Ok(staff.with_key(secret))
}
