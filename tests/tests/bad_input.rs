//! Bad input on every route: each is a clear problem that names the member and the remedy, nothing is changed by it to the
//! byte, nothing of anybody else's is told, and it is never a 5xx. The table stands in the folder beside this file.

#[path = "bad_input/case.rs"]
mod case;
#[path = "bad_input/scene.rs"]
mod scene;
#[path = "bad_input/calls.rs"]
mod calls;
#[path = "bad_input/carving.rs"]
mod carving;
#[path = "bad_input/events.rs"]
mod events;
#[path = "bad_input/holds.rs"]
mod holds;
#[path = "bad_input/wire.rs"]
mod wire;

use almoner_tests::{Database, on_each_database};
use case::Case;
use scene::Scene;
use std::collections::BTreeMap;

on_each_database! {
    every_bad_request_is_a_clear_problem_that_changes_nothing;
    a_bad_operation_in_a_batch_fails_alone;
    what_cannot_be_served_is_a_denial_that_tells_nothing;
}

/// Fewer cases than this, and a part of the table has gone missing.
const CASES_MIN: usize = 250;

async fn every_bad_request_is_a_clear_problem_that_changes_nothing(database: Database) {
    let scene = Scene::set(database).await;
    let before = scene.views().await;
    let mut cases = Vec::new();
    cases.extend(calls::cases(&scene));
    cases.extend(holds::cases(&scene));
    cases.extend(carving::cases(&scene));
    cases.extend(events::cases(&scene));
    cases.extend(wire::cases(&scene));
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());

    let mut faults: BTreeMap<String, String> = BTreeMap::new();
    for case in &cases {
        let fault = case.fault(&scene).await;
        if let Some(fault) = fault {
            faults.insert(case.name.clone(), fault);
        }
    }
    let list: Vec<_> = faults.iter().map(|(name, fault)| format!("{name}:\n      {fault}")).collect();
    assert!(faults.is_empty(), "{} of {} cases:\n  {}\n", faults.len(), cases.len(), list.join("\n  "));
    assert_eq!(scene.views().await, before, "bad requests changed something");
    assert!(scene.hold_is_open().await, "bad requests settled a hold");
    scene.end().await;
}

async fn a_bad_operation_in_a_batch_fails_alone(database: Database) {
    let scene = Scene::set(database).await;
    let before = scene.views().await;
    for (operation, pointer) in calls::operations(&scene) {
        let reply = scene
            .client
            .raw(Case::post("one operation", "/v1/batch", &format!("{{\"operations\":[{operation}]}}")).raw(&scene))
            .await;
        let reply = reply.expect("an answer");
        assert_eq!(reply.status, 200, "{operation}: {}", reply.text());
        let problem = reply.json()["answers"][0].clone();
        let status = problem["status"].as_u64().unwrap_or_default();
        assert!((400..500).contains(&status), "{operation}: {problem}");
        let named = problem["errors"].as_array().is_some_and(|all| all.iter().any(|one| one["pointer"] == pointer));
        assert!(named, "{operation}: no {pointer} in {problem}");
    }
    assert_eq!(scene.views().await, before);
    scene.end().await;
}

async fn what_cannot_be_served_is_a_denial_that_tells_nothing(database: Database) {
    let scene = Scene::set(database).await;
    let before = scene.views().await;
    for (body, reason) in scene.denied() {
        for path in ["/v1/check", "/v1/consume", "/v1/reserve"] {
            let reply = scene.client.raw(Case::post("denied", path, &body).raw(&scene)).await.expect("an answer");
            let decision = reply.decision();
            assert_eq!((decision.allowed(), decision.reason()), (false, reason), "{path} {body}");
            assert_eq!(scene.leak(&reply, &body), None, "{path} {body}");
        }
    }
    assert_eq!(scene.views().await, before);
    scene.end().await;
}
