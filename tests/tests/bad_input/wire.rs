//! Keys, methods, media types and paths.

use super::case::Case;
use super::scene::{GENERATE, Scene};
use reqwest::Method;
use serde_json::json;

/// All cases.
pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = keys(scene);
    cases.extend(media(scene));
    cases.extend(paths(scene));
    cases
}

/// Each route with a body that would do.
fn routes(scene: &Scene) -> Vec<(Method, String, String)> {
    let call = json!({ "allocation": scene.card, "uses": [{ "feature": GENERATE, "amount": 1 }] }).to_string();
    let carve = json!({
        "subject": { "customer": "acme-shop" }, "agent": "catalogue", "session": { "kind": "task", "key": "wire" },
        "lines": [{ "feature": GENERATE, "amount": 1 }],
    });
    let post = |path: String, body: &str| (Method::POST, path, body.to_owned());
    let get = |path: String| (Method::GET, path, String::new());
    vec![
        post("/v1/check".to_owned(), &call),
        post("/v1/consume".to_owned(), &call),
        post("/v1/reserve".to_owned(), &call),
        post(format!("/v1/holds/{}/commit", scene.hold), "{}"),
        post(format!("/v1/holds/{}/release", scene.hold), "{}"),
        post(format!("/v1/holds/{}/extend", scene.hold), "{\"ttl_s\":60}"),
        post("/v1/batch".to_owned(), "{\"operations\":[]}"),
        post("/v1/events".to_owned(), "{}"),
        post("/v1/allocations".to_owned(), &carve.to_string()),
        get(format!("/v1/allocations/{}", scene.card)),
        post(format!("/v1/allocations/{}/close", scene.card), "{}"),
        get("/v1/entitlements?customer=acme-shop".to_owned()),
    ]
}

fn keys(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    let bearer = |key: &str| format!("Bearer {key}");
    let wrong = [
        ("no key", None),
        ("an empty key", Some("Bearer ".to_owned())),
        ("a key of nobody", Some(bearer("alm_live_gate_00000000000000000000000000000000"))),
        ("an operator's key", Some(bearer(&scene.operator_key))),
        ("a key in another scheme", Some(scene.client.authorization().1.replace("Bearer", "Basic"))),
        ("a key without a scheme", Some(scene.client.authorization().1.replace("Bearer ", ""))),
        ("a key with one letter more", Some(format!("{}0", scene.client.authorization().1))),
        ("a key of a megabyte less than a header", Some(bearer(&"k".repeat(4_000)))),
    ];
    for (method, path, body) in routes(scene) {
        for (name, key) in &wrong {
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(key.iter().map(|key| ("authorization", key.as_str())));
            cases.push(
                Case::post(format!("with {name}"), path.clone(), &body)
                    .method(method.clone())
                    .headers(&headers)
                    .status(401),
            );
        }
    }
    // Keys of others find nothing of the shop's.
    for key in [&scene.foreign_key, &scene.test_key] {
        for (method, path, body) in routes(scene) {
            let own = path.contains(&scene.card) || path.contains(&scene.hold) || body.contains(&scene.card);
            if own {
                let headers = [("content-type", "application/json"), ("authorization", &*bearer(key))];
                let name =
                    if *key == scene.test_key { "by a key of the test environment" } else { "by another tenant's key" };
                cases.push(Case::post(name, path, &body).method(method).headers(&headers));
            }
        }
    }
    cases
}

fn media(scene: &Scene) -> Vec<Case> {
    let (name, key) = scene.client.authorization();
    let mut cases = Vec::new();
    for (method, path, body) in routes(scene).into_iter().filter(|(method, _, _)| *method == Method::POST) {
        for media in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "application/jsonp",
            "json",
            "*/*",
        ] {
            let headers = [(name.as_str(), key.as_str()), ("content-type", media)];
            cases.push(
                Case::post(format!("as {media}"), path.clone(), &body)
                    .method(method.clone())
                    .headers(&headers)
                    .status(415),
            );
        }
        let packed =
            [(name.as_str(), key.as_str()), ("content-type", "application/json"), ("content-encoding", "gzip")];
        cases.push(Case::post("says that it is packed and is not", path, &body).headers(&packed));
    }
    cases
}

fn paths(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (right, path, body) in routes(scene) {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if method != right {
                cases.push(Case::post("by a wrong method", path.clone(), &body).method(method).status(405));
            }
        }
        cases.push(
            Case::post("with a slash at its end", format!("{}/", path.split('?').next().unwrap_or_default()), &body)
                .method(right)
                .status(404),
        );
    }
    for path in
        ["/v1/", "/v1/nothing", "/v2/consume", "/v1/consume/more", "/nothing", "/v1/allocations/a/b/c", "//v1/consume"]
    {
        cases.push(Case::post("goes nowhere", path, "{}").status(404));
    }
    cases.push(Case::get("goes nowhere", "/").status(404));
    cases.push(Case::post("by a wrong method", "/openapi.json", "{}").status(405));
    cases
}
