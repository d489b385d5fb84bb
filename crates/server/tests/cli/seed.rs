//! `seed image-shop`: the object that scripts, documentation and tests build on.

use crate::program::{object, printed};
use serde_json::Value;

fn names<'v>(shop: &'v Value, nouns: &str) -> Vec<&'v str> {
    shop[nouns].as_array().expect(nouns).iter().map(|one| one["external_id"].as_str().expect("a name")).collect()
}

#[test]
fn it_prints_one_object_with_everything_that_a_caller_needs() {
    let folder = tempfile::tempdir().unwrap();
    let seeded = object(folder.path(), &["seed", "image-shop", "--json", "--data-dir", "data"]);
    assert_eq!(seeded["tenant"]["external_id"], "image-shop");
    assert_eq!(names(&seeded, "customers"), ["acme-shop", "bolt-store"]);
    assert_eq!(names(&seeded, "users"), ["ada", "ben", "cy"]);
    assert_eq!(names(&seeded, "agents"), ["catalogue", "support"]);
    let features = names(&seeded, "features");
    assert_eq!(features.len(), 10);
    assert_eq!(names(&seeded, "policies"), ["support-tickets"]);
    assert!(features.contains(&"image.generate") && features.contains(&"assistant.output_tokens"));
    for shop in [&seeded, &seeded["other_tenant"]] {
        assert!(shop["operator_key"].as_str().unwrap().starts_with("alm_live_operator_"));
        assert!(shop["gate_key"].as_str().unwrap().starts_with("alm_live_gate_"));
        let prefixes =
            [("customers", "cus_"), ("users", "usr_"), ("agents", "agt_"), ("features", "fea_"), ("policies", "pol_")];
        for (nouns, prefix) in prefixes {
            let all = shop[nouns].as_array().unwrap();
            assert!(!all.is_empty());
            assert!(all.iter().all(|one| one["id"].as_str().unwrap().starts_with(prefix)), "{nouns}");
        }
    }
    assert_ne!(seeded["tenant"]["id"], seeded["other_tenant"]["tenant"]["id"]);
}

#[test]
fn seeding_again_gives_the_same_ids_and_fresh_keys() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["seed", "image-shop", "--json", "--data-dir", "data"];
    let (mut first, mut second) = (object(folder.path(), &arguments), object(folder.path(), &arguments));
    for key in ["operator_key", "gate_key"] {
        assert_ne!(first[key], second[key]);
        for seeded in [&mut first, &mut second] {
            seeded[key] = Value::Null;
            seeded["other_tenant"][key] = Value::Null;
        }
    }
    assert_eq!(first, second);
    let doctor = object(folder.path(), &["doctor", "--json", "--data-dir", "data"]);
    assert_eq!(doctor["ok"], true, "{doctor:#}");
    assert!(printed(folder.path(), &["migrate", "--data-dir", "data"]).contains("up to date"));
}
