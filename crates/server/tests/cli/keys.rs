//! `keys`: issued once, listed without the secret, rotated with an overlap, revoked for good.

use crate::program::{almoner, object, printed, said};

const OF_SHOP: [&str; 4] = ["--data-dir", "data", "--tenant", "image-shop"];

fn with<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    ["keys"].iter().chain(arguments).chain(&OF_SHOP).copied().collect()
}

#[test]
fn a_key_lives_from_issue_over_rotation_to_revocation() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    printed(folder, &["seed", "image-shop", "--data-dir", "data"]);
    let issued =
        object(folder, &with(&["issue", "--kind", "gate", "--name", "shop", "--environment", "test", "--json"]));
    assert!(issued["key"].as_str().unwrap().starts_with("alm_test_gate_"));
    let id = issued["id"].as_str().unwrap();
    let listed = printed(folder, &with(&["list", "--environment", "test"]));
    assert!(listed.contains(id) && !listed.contains(issued["key"].as_str().unwrap()));
    assert!(!printed(folder, &with(&["list"])).contains(id), "the environments share nothing");

    let next = object(folder, &with(&["rotate", id, "--environment", "test", "--json"]));
    assert_eq!((&next["replaces"], &next["name"]), (&issued["id"], &issued["name"]));
    printed(folder, &with(&["revoke", id, "--environment", "test"]));
    let again = almoner(folder, &[], &with(&["revoke", id, "--environment", "test"]));
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("there is no key"), "{}", said(&again));
    let nobody = ["keys", "list", "--data-dir", "data", "--tenant", "nobody"];
    assert!(said(&almoner(folder, &[], &nobody)).contains("there is no tenant \"nobody\""));
}
