//! Bodies as a tool provider's server writes them.

use serde_json::{Value, json};

/// The body of `check`, `consume` or `reserve`.
#[derive(Debug, Clone)]
pub struct Call(pub Value);

impl Call {
    /// By an allocation.
    pub fn on(allocation: &str) -> Self {
        Self(json!({ "allocation": allocation, "uses": [] }))
    }

    /// For a customer.
    pub fn of(customer: &str) -> Self {
        Self(json!({ "subject": { "customer": customer }, "uses": [] }))
    }

    /// For a customer's user.
    pub fn of_user(customer: &str, user: &str) -> Self {
        Self(json!({ "subject": { "customer": customer, "user": user }, "uses": [] }))
    }

    /// Units of a metered feature.
    pub fn uses(mut self, feature: &str, amount: i64) -> Self {
        self.push(json!({ "feature": feature, "amount": amount }));
        self
    }

    /// A boolean or static feature.
    pub fn asks(mut self, feature: &str) -> Self {
        self.push(json!({ "feature": feature }));
        self
    }

    fn push(&mut self, used: Value) {
        self.0["uses"].as_array_mut().expect("uses are an array").push(used);
    }

    /// With this tool.
    pub fn tool(mut self, tool: &str) -> Self {
        self.0["dimensions"]["tool"] = tool.into();
        self
    }

    /// On this resource.
    pub fn resource(mut self, resource: &str) -> Self {
        self.0["dimensions"]["resource"] = resource.into();
        self
    }

    /// With an idempotency key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0["idempotency_key"] = key.into().into();
        self
    }

    /// A hold that stands so long.
    pub fn ttl_s(mut self, seconds: u64) -> Self {
        self.0["ttl_s"] = seconds.into();
        self
    }
}

/// The body that carves an allocation.
#[derive(Debug, Clone)]
pub struct Carve(pub Value);

impl Carve {
    /// Out of a customer's quota.
    pub fn of(customer: &str, session: &str) -> Self {
        Self::new(json!({ "subject": { "customer": customer } }), session)
    }

    /// Out of the quota of a customer's user.
    pub fn of_user(customer: &str, user: &str, session: &str) -> Self {
        Self::new(json!({ "subject": { "customer": customer, "user": user } }), session)
    }

    /// Out of another allocation.
    pub fn from(parent: &str, session: &str) -> Self {
        Self::new(json!({ "parent": parent }), session)
    }

    fn new(mut body: Value, session: &str) -> Self {
        body["agent"] = "catalogue".into();
        body["session"] = json!({ "kind": "task", "key": session });
        body["lines"] = json!([]);
        Self(body)
    }

    /// So many units of a feature.
    pub fn line(mut self, feature: &str, amount: i64) -> Self {
        let lines = self.0["lines"].as_array_mut().expect("lines are an array");
        lines.push(json!({ "feature": feature, "amount": amount }));
        self
    }

    /// For these tools alone.
    pub fn tools(mut self, tools: &[&str]) -> Self {
        self.0["scope"]["tools"] = json!(tools);
        self
    }

    /// On these resources alone.
    pub fn resources(mut self, resources: &[&str]) -> Self {
        self.0["scope"]["resources"] = json!(resources);
        self
    }

    /// Not usable before.
    pub fn from_then(mut self, at: impl Into<String>) -> Self {
        self.0["not_before"] = at.into().into();
        self
    }

    /// Not usable from then on.
    pub fn until(mut self, at: impl Into<String>) -> Self {
        self.0["expires_at"] = at.into().into();
        self
    }

    /// Kept as `durable` or `fast`.
    pub fn durability(mut self, word: &str) -> Self {
        self.0["durability"] = word.into();
        self
    }

    /// With an idempotency key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0["idempotency_key"] = key.into().into();
        self
    }
}

/// The body of `commit`: the actual amounts.
pub fn actual(uses: &[(&str, i64)]) -> Value {
    json!({ "uses": amounts(uses) })
}

/// The body of `release`: what a cancelled call cost all the same.
pub fn floor(uses: &[(&str, i64)]) -> Value {
    json!({ "floor": amounts(uses) })
}

fn amounts(uses: &[(&str, i64)]) -> Vec<Value> {
    uses.iter().map(|(feature, amount)| json!({ "feature": feature, "amount": amount })).collect()
}
