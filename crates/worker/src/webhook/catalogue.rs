//! The catalogue: of each kind of event what it means, the JSON Schema (2020-12) of its body, and an example, which is made of the
//! schema, so that the two cannot disagree. That bodies are as it says is what the suites check that see some.
//!
//! Receivers ignore members that they do not know: more may come.

use almoner_domain::happening::{Described, HappeningKind};
use almoner_domain::subscription::SubscriptionStep;
use serde_json::{Map, Value, json};

/// All kinds of events, in the order in which they are listed to people.
pub fn catalogue() -> Vec<Described> {
    let described = |kind: &HappeningKind| {
        let schema = schema(*kind);
        Described { kind: *kind, example: pretty(&example(&schema)), schema: pretty(&schema) }
    };
    HappeningKind::ALL.iter().map(described).collect()
}

/// The whole catalogue as one JSON document.
pub fn catalogue_document() -> String {
    let described = |kind: &HappeningKind| {
        let schema = schema(*kind);
        json!({ "type": kind.as_str(), "description": kind.meaning(), "example": example(&schema), "schema": schema })
    };
    let events: Vec<Value> = HappeningKind::ALL.iter().map(described).collect();
    pretty(&json!({ "specification": "Standard Webhooks 1.0.0", "events": events }))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

fn schema(kind: HappeningKind) -> Value {
    let name = kind.as_str();
    let body = object(&[
        ("type", json!({ "const": name })),
        ("timestamp", instant("When it happened, which may be before it is sent.")),
        ("data", data(kind)),
    ]);
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        "description": kind.meaning(),
    });
    merge(&mut whole, body);
    whole
}

fn data(kind: HappeningKind) -> Value {
    use HappeningKind as Kind;
    match kind {
        Kind::AllocationCreated => of_allocation("active", ("lines", lines())),
        Kind::AllocationExpired => of_allocation("expired", ("lines", lines())),
        Kind::AllocationClosed => of_allocation("closed", ("lines", lines())),
        Kind::AllocationRevoked => of_allocation("revoked", ("lines", lines())),
        Kind::AllocationThreshold | Kind::AllocationExhausted => {
            let mut data = of_allocation("active", ("feature", feature()));
            merge(&mut data, line());
            data
        }
        Kind::EntitlementThreshold | Kind::EntitlementExhausted | Kind::EntitlementOverage | Kind::EntitlementReset => {
            let mut data = whose("The organisation whose entitlement it is.");
            merge(&mut data, object(&[("entitlement", object(&[("id", id("ent", "The entitlement's id."))]))]));
            merge(&mut data, line());
            data
        }
        Kind::GrantExpiring | Kind::GrantExpired => object(&[
            ("customer", named("cus", "The organisation.")),
            ("feature", feature()),
            ("unit", nullable(text("What is counted.", "image"))),
            ("grant", grant()),
        ]),
        Kind::SubscriptionChanged => object(&[
            ("customer", named("cus", "The organisation.")),
            ("change", step()),
            ("subscription", subscription()),
        ]),
        Kind::AgentWatched => guard("watch"),
        Kind::AgentThrottled => guard("throttled"),
        Kind::AgentSuspended => guard("suspended"),
        Kind::AgentResumed => guard("calm"),
        Kind::EndpointDisabled => object(&[("endpoint", endpoint())]),
        Kind::Test => object(&[("message", text("A sentence for people.", "This is a test: the endpoint hears."))]),
    }
}

/// Of an allocation: `state` as it is in an example, for it may have changed since.
fn of_allocation(state: &str, more: (&str, Value)) -> Value {
    let mut data = whose("The organisation whose units they are.");
    let states = json!({ "enum": ["active", "closed", "expired", "revoked"], "examples": [state],
        "description": "Where it stood when this was prepared." });
    let parts = object(&[
        (
            "sequence",
            json!({ "type": ["integer", "null"], "minimum": 1, "examples": [2], "description":
            "Which it is of all that happened to this allocation: 1, 2, 3, ... by which receivers put it in order. Null of what \
             happened before Almoner counted." }),
        ),
        ("allocation", object(&[("id", id("alc", "The allocation's id.")), ("state", states)])),
        ("agent", named("agt", "The software that acts for them.")),
        ("session", session()),
        more,
    ]);
    merge(&mut data, parts);
    data
}

fn session() -> Value {
    object(&[
        ("id", id("ses", "Our id.")),
        ("kind", text("What kind of run or task.", "task")),
        ("key", text("Which of that kind.", "catalog-2026-11")),
    ])
}

/// Of the runaway guard: the state that the step led to.
fn guard(state: &str) -> Value {
    let or_none = |of: Value| json!({ "anyOf": [of, { "type": "null" }] });
    let stopped = json!({ "enum": ["agent", "allocation"], "examples": ["allocation"], "description":
        "What the agent's rules stop: one allocation with all that was carved from it, or the agent in all that it does." });
    let of = object(&[("id", id("alc", "The allocation's id."))]);
    object(&[
        ("agent", named("agt", "The software.")),
        ("stopped", stopped),
        ("state", json!({ "const": state, "description": "Where it stands from then on." })),
        (
            "why",
            text(
                "Why, in a sentence without its end; where it goes on, why it had been held.",
                "the same call came 40 times within a minute",
            ),
        ),
        ("allocation", or_none(of)),
        ("customer", or_none(named("cus", "The organisation whose allocation it is."))),
        ("user", or_none(named("usr", "The person, where it is one's."))),
        ("session", or_none(session())),
    ])
}

/// The customer, the user where it is one's, and until when.
fn whose(description: &str) -> Value {
    object(&[
        ("customer", named("cus", description)),
        ("user", json!({ "anyOf": [named("usr", "The person, where it is one's."), { "type": "null" }] })),
        ("window_end", nullable(instant("When the units can no longer be used; null where they never end."))),
    ])
}

fn lines() -> Value {
    json!({ "type": "array", "items": line(), "description": "Units, feature by feature." })
}

fn feature() -> Value {
    text("The feature's key.", "image.generate")
}

fn amount(description: &str, example: &str) -> Value {
    json!({ "type": "string", "pattern": r"^-?\d+(\.\d+)?$", "description": description, "examples": [example] })
}

fn line() -> Value {
    object(&[
        ("feature", feature()),
        ("unit", nullable(text("What is counted.", "image"))),
        ("granted", amount("Units in all, as a decimal.", "10")),
        ("used", amount("Of which used.", "8")),
        ("remaining", amount("Of which not used.", "2")),
    ])
}

fn grant() -> Value {
    let kinds = json!({ "enum": ["renewal", "top_up", "promotion", "rollover", "overage"], "examples": ["promotion"],
        "description": "Why the units were issued." });
    object(&[
        ("id", id("grt", "Our id.")),
        ("external_id", nullable(text("Your id, such as an order's number.", "order-4711"))),
        ("kind", kinds),
        ("amount", amount("Units issued, as a decimal.", "100")),
        ("lapsed", amount("Of which lapsed, so far.", "40")),
        ("effective_at", instant("Usable from.")),
        ("expires_at", nullable(instant("Usable until."))),
    ])
}

fn step() -> Value {
    let mut words: Vec<Value> = SubscriptionStep::ALL.iter().map(|step| step.as_str().into()).collect();
    words.push(Value::Null);
    let description = "What happened to the subscription; null where it was announced before that was told.";
    json!({ "enum": words, "examples": ["started"], "description": description })
}

fn subscription() -> Value {
    object(&[
        ("id", id("sub", "Our id.")),
        (
            "state",
            json!({ "enum": ["running", "ended"], "examples": ["running"], "description":
            "Where it stood when this was prepared." }),
        ),
        ("plan", named("pln", "What was subscribed to.")),
        (
            "version",
            json!({ "type": "integer", "minimum": 1, "examples": [1], "description": "Which version of the plan." }),
        ),
        ("started_at", instant("Since when.")),
        ("ended_at", nullable(instant("Until when; null while it runs."))),
        ("paused_at", nullable(instant("Since when it is paused; null while it gives what it gives."))),
        ("changes_at", nullable(instant("When a scheduled change of it is due; null while none is."))),
    ])
}

fn endpoint() -> Value {
    let reasons = json!({ "enum": ["gone", "failing", "person", null], "examples": ["failing"], "description":
        "The receiver said that it is gone (410), every attempt failed for five days, or a person wants it so. Null where it was \
         enabled again before this was prepared." });
    object(&[
        ("id", id("whe", "The endpoint's id.")),
        ("host", text("The name in its address; the rest may hold a token.", "hooks.example.com")),
        ("description", nullable(text("What people call it.", "billing"))),
        ("reason", reasons),
        ("disabled_at", nullable(instant("Since when."))),
    ])
}

fn named(prefix: &str, description: &str) -> Value {
    let (external, name) = match prefix {
        "cus" => ("acme-shop", "Acme Shop"),
        "usr" => ("ada", "Ada"),
        "agt" => ("catalogue", "Catalogue agent"),
        _ => ("pro", "Pro"),
    };
    let mut whole = object(&[
        ("id", id(prefix, "Our id.")),
        ("external_id", text("Your id.", external)),
        ("name", text("What people call it.", name)),
    ]);
    whole["description"] = json!(description);
    whole
}

fn id(prefix: &str, description: &str) -> Value {
    json!({
        "type": "string",
        "pattern": format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"),
        "description": description,
        "examples": [format!("{prefix}_01kb3v5m9rfd6sxt2wq8znhy4c")],
    })
}

fn instant(description: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": description, "examples": ["2026-11-24T12:00:00Z"] })
}

fn text(description: &str, example: &str) -> Value {
    json!({ "type": "string", "description": description, "examples": [example] })
}

/// The same, or null.
fn nullable(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

/// An object that has all of these.
fn object(properties: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

/// Puts what one object has into another as well.
fn merge(into: &mut Value, more: Value) {
    let Value::Object(more) = more else { return };
    for (name, value) in more {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(there)), Value::Object(value)) => there.extend(value),
            (Some(Value::Array(there)), Value::Array(value)) => {
                let new: Vec<Value> = value.into_iter().filter(|one| !there.contains(one)).collect();
                there.extend(new);
            }
            (_, value) => into[name.as_str()] = value,
        }
    }
}

/// What a schema describes, by the first example of each member.
fn example(schema: &Value) -> Value {
    if let Some(properties) = schema["properties"].as_object() {
        return properties.iter().map(|(name, schema)| (name.clone(), example(schema))).collect::<Map<_, _>>().into();
    }
    if schema["items"].is_object() {
        return json!([example(&schema["items"])]);
    }
    if schema["anyOf"].is_array() {
        return example(&schema["anyOf"][0]);
    }
    let said = [&schema["const"], &schema["examples"][0]];
    said.into_iter().find(|value| !value.is_null()).cloned().unwrap_or_default()
}
