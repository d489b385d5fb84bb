//! CloudEvents.

use super::calls::{NO_AMOUNTS, shapeless};
use super::case::Case;
use super::scene::{GENERATE, Scene};
use almoner_tests::wait::ahead;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/v1/events";

/// All cases.
pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for media in ["application/cloudevents+json", "application/cloudevents-batch+json", "application/json"] {
        cases.extend(shapeless().into_iter().map(|(name, bytes)| {
            let batch = media.contains("batch") && name == "is an empty array";
            // A batch of nothing is one.
            let bytes = if batch { b"[7]".to_vec() } else { bytes };
            as_media(scene, media, Case::post(format!("{media} {name}"), PATH, "").bytes(bytes))
        }));
    }
    cases.extend(structured(scene));
    cases.extend(batched(scene));
    cases.extend(binary(scene));
    cases
}

fn as_media(scene: &Scene, media: &str, case: Case) -> Case {
    let (name, value) = scene.client.authorization();
    case.headers(&[(&name, &value), ("content-type", media)])
}

fn good() -> Value {
    json!({
        "specversion": "1.0", "type": "image.made", "source": "/shop", "id": "bad-1",
        "data": { "subject": { "customer": "acme-shop", "user": "ada" }, "uses": [{ "feature": GENERATE, "amount": 1 }] },
    })
}

fn structured(scene: &Scene) -> Vec<Case> {
    let case = |name: &str, change: &dyn Fn(&mut Value), pointer: &str| {
        let mut event = good();
        change(&mut event);
        as_media(scene, "application/cloudevents+json", Case::post(name, PATH, &event.to_string()).at(pointer))
    };
    let without =
        |member: &'static str| move |event: &mut Value| drop(event.as_object_mut().expect("an object").remove(member));
    let old = "2020-01-01T00:00:00Z";
    let early = ahead(Duration::from_secs(3_600));
    let mut cases = vec![
        case("has no version", &without("specversion"), "/specversion"),
        case("has another version", &|event| event["specversion"] = "0.3".into(), "/specversion"),
        case("has no type", &without("type"), "/type"),
        case("has an empty type", &|event| event["type"] = "".into(), "/type"),
        case("has no source", &without("source"), "/source"),
        case("has no id", &without("id"), "/id"),
        case("has an empty id", &|event| event["id"] = "".into(), "/id"),
        case("has an id of 501 bytes", &|event| event["id"] = "i".repeat(501).into(), "/id"),
        case("has an id that is a number", &|event| event["id"] = 7.into(), "/id"),
        case("has a time that is none", &|event| event["time"] = "yesterday".into(), "/time"),
        case("happened long ago", &|event| event["time"] = old.into(), "/time"),
        case("is yet to happen", &|event| event["time"] = early.as_str().into(), "/time"),
        case("has data of another type", &|event| event["datacontenttype"] = "text/xml".into(), "/datacontenttype"),
        case("has no data", &without("data"), "/data"),
        case("has data that is a text", &|event| event["data"] = "x".into(), "/data"),
        case(
            "has data that is an array",
            &|event| event["data"] = json!([{ "customer": "acme-shop" }, null, [], {}]),
            "/data",
        ),
        case("has data with an unknown member", &|event| event["data"]["colour"] = 1.into(), "/data/colour"),
        case("has no uses", &|event| drop(event["data"].as_object_mut().expect("data").remove("uses")), "/data/uses"),
        case("has empty uses", &|event| event["data"]["uses"] = json!([]), "/data/uses"),
        case(
            "has an unknown feature",
            &|event| event["data"]["uses"][0]["feature"] = "image.nothing".into(),
            "/data/uses/0/feature",
        ),
        case(
            "has nobody's usage",
            &|event| drop(event["data"].as_object_mut().expect("data").remove("subject")),
            "/data",
        ),
        case("has two bodies' usage", &|event| event["data"]["allocation"] = scene.card.as_str().into(), "/data"),
        case(
            "has an unknown customer",
            &|event| event["data"]["subject"]["customer"] = "nobody".into(),
            "/data/subject/customer",
        )
        .status(404),
        case("has an unknown user", &|event| event["data"]["subject"]["user"] = "nobody".into(), "/data/subject/user")
            .status(404),
        case(
            "has another tenant's customer",
            &|event| event["data"]["subject"]["customer"] = scene.foreign_id("customers", "acme-shop").into(),
            "/data/subject/customer",
        )
        .status(404),
        case(
            "has another tenant's allocation",
            &|event| event["data"] = json!({ "allocation": scene.foreign_card, "uses": event["data"]["uses"] }),
            "/data/allocation",
        )
        .status(404),
        case(
            "has an allocation of another kind",
            &|event| event["data"] = json!({ "allocation": scene.hold, "uses": event["data"]["uses"] }),
            "/data/allocation",
        ),
        case(
            "has a dimension that is a number",
            &|event| event["data"]["dimensions"] = json!({ "tool": 7 }),
            "/data/dimensions/tool",
        ),
        case(
            "has an empty dimension's name",
            &|event| event["data"]["dimensions"] = json!({ "": "x" }),
            "/data/dimensions/",
        ),
    ];
    cases.extend(NO_AMOUNTS.iter().map(|amount| {
        let body = good().to_string().replace("\"amount\":1", &format!("\"amount\":{amount}"));
        let case = Case::post(format!("has an amount of {amount}"), PATH, &body).at("/data/uses/0/amount");
        as_media(scene, "application/cloudevents+json", case)
    }));
    cases
}

fn batched(scene: &Scene) -> Vec<Case> {
    let media = "application/cloudevents-batch+json";
    let mut wrong = good();
    (wrong["id"], wrong["data"]["uses"][0]["amount"]) = ("bad-2".into(), (-1).into());
    let many: Vec<Value> = (0..1_001).map(|_| json!({})).collect();
    vec![
        as_media(
            scene,
            media,
            Case::post("has one that is wrong", PATH, &json!([good(), wrong]).to_string()).at("/1/data/uses/0/amount"),
        ),
        as_media(scene, media, Case::post("is an object", PATH, &good().to_string())),
        as_media(scene, media, Case::post("has 1,001 events", PATH, &json!(many).to_string()).at("")),
    ]
}

fn binary(scene: &Scene) -> Vec<Case> {
    let (name, value) = scene.client.authorization();
    let data = good()["data"].to_string();
    let all = [("ce-specversion", "1.0"), ("ce-type", "image.made"), ("ce-source", "/shop"), ("ce-id", "bad-3")];
    let mut cases: Vec<_> = (0..all.len())
        .map(|missing| {
            let mut headers = vec![(name.as_str(), value.as_str()), ("content-type", "application/json")];
            headers.extend(all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, header)| *header));
            Case::post(format!("lacks {}", all[missing].0), PATH, &data).headers(&headers).at(all[missing].0)
        })
        .collect();
    let mut headers = vec![(name.as_str(), value.as_str()), ("content-type", "application/json")];
    headers.extend(all);
    cases.push(Case::post("has wrong data in binary mode", PATH, "{\"uses\":7}").headers(&headers).at("/data/uses"));
    cases
}
