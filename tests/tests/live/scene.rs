//! A customer with more units than any test uses, and a card of it.

use crate::asking::{data, done};
use almoner_tests::{Carve, Client, Server};
use serde_json::{Value, json};

/// What the tests follow.
pub(crate) struct Scene {
    pub(crate) server: Server,
    /// The shop's staff.
    pub(crate) staff: Client,
    /// The shop's tools.
    pub(crate) gate: Client,
    /// A card of a million tokens, of the customer `mill`.
    pub(crate) card: String,
}

/// Units of the card.
pub(crate) const UNITS: i64 = 1_000_000;

impl Scene {
    pub(crate) async fn set(server: Server) -> Self {
        let staff = server.client().with_key(&server.shop.operator_key);
        let gate = server.client();
        for (name, mutation) in [
            (
                "defineFeature",
                "defineFeature(input: { key: \"tokens\", name: \"Tokens\", kind: METERED, unit: \"tokens\" })",
            ),
            ("createPlan", "createPlan(input: { externalId: \"bulk\", name: \"Bulk\" })"),
            (
                "publishPlan",
                "publishPlan(input: { plan: \"bulk\", lines: [{ feature: \"tokens\", amount: \"5000000\", period: MONTH }] })",
            ),
            ("addCustomer", "addCustomer(input: { externalId: \"mill\", name: \"Mill\" })"),
            ("addUser", "addUser(input: { customer: \"mill\", externalId: \"una\", name: \"Una\", role: MEMBER })"),
            ("subscribe", "subscribe(input: { customer: \"mill\", plan: \"bulk\" })"),
        ] {
            done(&staff, name, &format!("mutation {{ {mutation} {{ refusals {{ message }} }} }}"), json!({})).await;
        }
        let card = gate.carve(&Carve::of_user("mill", "una", "live").line("tokens", UNITS)).await.id().to_owned();
        Self { server, staff, gate, card }
    }

    /// A customer's key by its holder, such as `customer: "mill", user: "una"`: its id and a client by it.
    pub(crate) async fn customer_key(&self, holder: &str) -> (String, Client) {
        let query = format!(
            "mutation {{ issueKey(input: {{ kind: CUSTOMER, name: \"live\", {holder} }}) \
             {{ issued {{ secret key {{ id }} }} refusals {{ message }} }} }}"
        );
        let issued = data(&self.staff, &query, json!({})).await["issueKey"]["issued"].clone();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{issued}")).to_owned();
        (text(&issued["key"]["id"]), self.staff.with_key(&text(&issued["secret"])))
    }
}

/// Units used, by an update of the card's balance.
pub(crate) fn used(update: &Value) -> i64 {
    let used = update["allocationBalance"]["lines"][0]["balance"]["used"].as_str();
    used.and_then(|used| used.parse().ok()).unwrap_or_else(|| panic!("no balance: {update}"))
}

pub(crate) const BALANCE: &str = "subscription($id: ID!) { allocationBalance(id: $id) { cursor at allocation { state } \
    lines { feature { key } balance { granted free leased used } } } }";
