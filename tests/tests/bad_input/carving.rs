//! Allocations: carve, read, close; and entitlements.

use super::calls::{NO_AMOUNTS, shapeless};
use super::case::Case;
use super::scene::{GENERATE, Scene, USED_KEY};
use almoner_tests::wait::ahead;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/v1/allocations";
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// All cases.
pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases: Vec<_> =
        shapeless().into_iter().map(|(name, bytes)| Case::post(name, PATH, "").bytes(bytes)).collect();
    cases.push(Case::post("is empty", PATH, "").status(400));
    cases.extend(sources(scene));
    cases.extend(lines(scene));
    cases.extend(terms());
    cases.extend(reading(scene));
    cases.extend(months(scene));
    cases
}

fn good() -> Value {
    json!({
        "subject": { "customer": "acme-shop", "user": "ada" },
        "agent": "catalogue",
        "session": { "kind": "task", "key": "bad" },
        "lines": [{ "feature": GENERATE, "amount": 1 }],
    })
}

/// The good body with one member changed; null takes it out.
fn case(name: &str, member: &str, value: Value, pointer: &str) -> Case {
    let mut body = good();
    let members = body.as_object_mut().expect("an object");
    if value.is_null() {
        drop(members.remove(member))
    } else {
        drop(members.insert(member.to_owned(), value))
    }
    Case::post(name, PATH, &body.to_string()).at(pointer)
}

fn sources(scene: &Scene) -> Vec<Case> {
    let from = |name: &str, parent: &str, pointer: &str| {
        let mut body = good();
        body.as_object_mut().expect("an object").remove("subject");
        body["parent"] = parent.into();
        Case::post(name, PATH, &body.to_string()).at(pointer)
    };
    let subject = |customer: &str, user: &str| json!({ "customer": customer, "user": user });
    vec![
        case("names no source", "subject", Value::Null, ""),
        case("names two sources", "parent", scene.card.as_str().into(), ""),
        case("has a subject that is a text", "subject", "acme-shop".into(), "/subject"),
        case("has a subject that is an array", "subject", json!(["acme-shop", "ada"]), "/subject"),
        case("has an unknown customer", "subject", subject("nobody", "ada"), "/subject/customer").status(404),
        case("has an unknown user", "subject", subject("acme-shop", "nobody"), "/subject/user").status(404),
        case("has another customer's user", "subject", subject("acme-shop", "cy"), "/subject/user").status(404),
        case(
            "has another tenant's customer",
            "subject",
            subject(&scene.foreign_id("customers", "acme-shop"), "ada"),
            "/subject/customer",
        )
        .status(404),
        case(
            "has another tenant's user",
            "subject",
            subject("acme-shop", &scene.foreign_id("users", "ada")),
            "/subject/user",
        )
        .status(404),
        case(
            "has a customer of another kind",
            "subject",
            subject(&scene.id("users", "ada"), "ada"),
            "/subject/customer",
        ),
        case("has no agent", "agent", Value::Null, "/agent"),
        case("has an unknown agent", "agent", "nobody".into(), "/agent").status(404),
        case("has another tenant's agent", "agent", scene.foreign_id("agents", "proofs").into(), "/agent").status(404),
        case("has an agent of another kind", "agent", scene.id("users", "ada").into(), "/agent"),
        case("has no session", "session", Value::Null, "/session"),
        case("has a session that is an array", "session", json!(["task", "bad"]), "/session"),
        case("has a session without a kind", "session", json!({ "key": "a" }), "/session/kind"),
        case("has a session of an empty kind", "session", json!({ "kind": "", "key": "a" }), "/session/kind"),
        case(
            "has a session's key of 201 bytes",
            "session",
            json!({ "kind": "task", "key": "k".repeat(201) }),
            "/session/key",
        ),
        from("has an unknown parent", "alc_00000000000000000000000000", "/parent").status(404),
        from("has another tenant's parent", &scene.foreign_card, "/parent").status(404),
        from("has a parent of another kind", &scene.hold, "/parent"),
        from("has a closed parent", &scene.closed, "/parent").status(409),
        from("has an expired parent", &scene.expired, "/parent").status(409),
        case("has a used key", "idempotency_key", format!("{USED_KEY}-to-carve").into(), "/idempotency_key")
            .status(422),
        case("has an empty key", "idempotency_key", "".into(), "/idempotency_key"),
        case("has a key that is a number", "idempotency_key", 7.into(), "/idempotency_key"),
        case("has an unknown member", "colour", "red".into(), "/colour"),
    ]
}

fn lines(scene: &Scene) -> Vec<Case> {
    let line = |feature: &str, amount: Value| json!({ "feature": feature, "amount": amount });
    let one = |used: Value| json!([used]);
    let mut cases = vec![
        case("has no lines", "lines", Value::Null, "/lines"),
        case("has empty lines", "lines", json!([]), "/lines"),
        case("has lines that are an object", "lines", json!({}), "/lines"),
        case("has 65 lines", "lines", vec![line(GENERATE, 1.into()); 65].into(), "/lines"),
        Case::post("has 100,000 lines", PATH, &json!({ "lines": vec![line(GENERATE, 1.into()); 100_000] }).to_string())
            .status(413),
        case(
            "has a feature twice",
            "lines",
            json!([line(GENERATE, 1.into()), line(GENERATE, 1.into())]),
            "/lines/1/feature",
        ),
        case("has an unknown feature", "lines", one(line("image.nothing", 1.into())), "/lines/0/feature"),
        case(
            "has another tenant's feature",
            "lines",
            one(line(&scene.foreign_id("features", GENERATE), 1.into())),
            "/lines/0/feature",
        ),
        case(
            "has a boolean feature",
            "lines",
            one(json!({ "feature": "image.background_removal" })),
            "/lines/0/feature",
        ),
        case("has a line that is an array", "lines", json!([[GENERATE, 1]]), "/lines/0"),
        case(
            "has a line with an unknown member",
            "lines",
            one(json!({ "feature": GENERATE, "amount": 1, "colour": 1 })),
            "/lines/0/colour",
        ),
        case("asks for more than is free", "lines", one(line(GENERATE, 1_001.into())), "/lines/0/amount").status(409),
        case("asks for all there can be", "lines", one(line(GENERATE, i64::MAX.into())), "/lines/0/amount").status(409),
    ];
    cases.extend(NO_AMOUNTS.iter().map(|amount| {
        let body = good().to_string().replace("\"amount\":1", &format!("\"amount\":{amount}"));
        Case::post(format!("has an amount of {amount}"), PATH, &body).at("/lines/0/amount")
    }));
    cases
}

fn terms() -> Vec<Case> {
    let tools = |count: usize| (0..count).map(|at| format!("tool-{at}")).collect::<Vec<_>>();
    let mut cases = vec![
        case("has a scope that is an array", "scope", json!([["render"], null]), "/scope"),
        case("has a scope with an unknown member", "scope", json!({ "colours": [] }), "/scope/colours"),
        case("has tools that are a text", "scope", json!({ "tools": "render" }), "/scope/tools"),
        case("has 257 tools", "scope", json!({ "tools": tools(257) }), "/scope/tools"),
        case("has a tool without a name", "scope", json!({ "tools": ["render", ""] }), "/scope/tools/1"),
        case("has a tool that is a number", "scope", json!({ "tools": ["render", 7] }), "/scope/tools/1"),
        case("has a resource of 501 bytes", "scope", json!({ "resources": ["r".repeat(501)] }), "/scope/resources/0"),
        case("has ended", "expires_at", "2020-01-01T00:00:00Z".into(), "/expires_at"),
        case("ends after more than a year", "expires_at", ahead(400 * DAY).into(), "/expires_at"),
        case("is kept somehow", "durability", "maybe".into(), "/durability"),
    ];
    for time in [
        "tomorrow",
        "",
        "2026-13-01T00:00:00Z",
        "2026-11-31T00:00:00Z",
        "2026-11-30",
        "2026-11-30T00:00:00",
        "99999-01-01T00:00:00Z",
        "1e400",
    ] {
        cases.push(case(&format!("ends at {time:?}"), "expires_at", time.into(), "/expires_at"));
        cases.push(case(&format!("begins at {time:?}"), "not_before", time.into(), "/not_before"));
    }
    for time in [json!(7), json!(true), json!({ "at": "2026-11-30T00:00:00Z" })] {
        cases.push(case(&format!("ends at {time}"), "expires_at", time, "/expires_at"));
    }
    let mut backwards = good();
    (backwards["not_before"], backwards["expires_at"]) = (ahead(2 * DAY).into(), ahead(DAY).into());
    cases.push(Case::post("ends before it begins", PATH, &backwards.to_string()).at("/expires_at"));
    cases
}

fn reading(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, id) in [
        ("of an unknown id", "alc_00000000000000000000000000"),
        ("of an id that is none", "nothing"),
        ("of an id in capitals", &scene.card.to_uppercase()),
        ("of an id of another kind", &scene.hold),
        ("of another tenant's id", &scene.foreign_card),
        ("of an id in broken UTF-8", "%c3%28"),
        ("of an id with a null", "alc_%00"),
    ] {
        cases.push(Case::get(format!("statement {name}"), format!("{PATH}/{id}")).status(404));
        cases.push(Case::post(format!("closing {name}"), format!("{PATH}/{id}/close"), "{}").status(404));
    }
    let close = format!("{PATH}/{}/close", scene.card);
    cases.extend(shapeless().into_iter().map(|(name, bytes)| Case::post(name, close.clone(), "").bytes(bytes)));
    cases
}

fn months(scene: &Scene) -> Vec<Case> {
    let ask = |name: &str, query: &str, at: &str| Case::get(name, format!("/v1/entitlements?{query}")).at(at);
    let foreign = scene.foreign_id("customers", "delta-prints");
    vec![
        Case::get("of nobody", "/v1/entitlements").at("customer"),
        ask("of a user alone", "user=ada", "customer"),
        ask("of an empty customer", "customer=", "customer"),
        ask("of two customers", "customer=acme-shop&customer=bolt-store", "customer"),
        ask("of an unknown customer", "customer=nobody", "customer").status(404),
        ask("of another tenant's customer", &format!("customer={foreign}"), "customer").status(404),
        ask("of a customer of another kind", &format!("customer={}", scene.id("users", "ada")), "customer"),
        ask("of an unknown user", "customer=acme-shop&user=nobody", "user").status(404),
        ask("of another customer's user", "customer=acme-shop&user=cy", "user").status(404),
        ask("of an empty user", "customer=acme-shop&user=", "user"),
        ask("with an unknown parameter", "customer=acme-shop&colour=red", "colour"),
        ask("of a customer in broken UTF-8", "customer=%ff", "customer"),
        ask("of a customer with a null", "customer=a%00b", "customer"),
        ask("of a customer of 10,000 letters", &format!("customer={}", "c".repeat(10_000)), "customer"),
    ]
}
