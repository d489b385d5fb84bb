//! `webhook`: an endpoint added with a secret that is shown once, listed without it, rotated, tried and removed; for the example's
//! tenant where none is named.

use crate::program::{almoner, object, printed, said};
use serde_json::json;

fn with<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    ["webhook"].iter().chain(arguments).chain(&["--data-dir", "data"]).copied().collect()
}

#[test]
fn an_endpoint_lives_from_add_to_remove() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    printed(folder, &["seed", "image-shop", "--data-dir", "data"]);
    let url = "https://hooks.example.com/almoner";
    let added = object(
        folder,
        &with(&["add", "--url", url, "--events", "allocation.exhausted,subscription.changed", "--json"]),
    );
    let (id, secret) = (added["id"].as_str().unwrap(), added["secret"].as_str().unwrap());
    assert!(id.starts_with("whe_") && secret.starts_with("whsec_"), "{added}");
    assert_eq!(added["events"], json!(["allocation.exhausted", "subscription.changed"]));
    let plain = printed(folder, &with(&["add", "--url", url, "--signature", "v1a", "--description", "billing"]));
    let lines: Vec<&str> = plain.lines().collect();
    assert!(lines[0].starts_with("whe_") && lines[1].starts_with("whpk_"), "{plain}");

    let of_shop = printed(folder, &with(&["list", "--tenant", "image-shop"]));
    assert_eq!(of_shop, printed(folder, &with(&["list"])), "it is the tenant that is meant where none is named");
    let text = secret.trim_start_matches("whsec_");
    assert!(of_shop.contains(id) && of_shop.contains(lines[0]) && !of_shop.contains(text), "{of_shop}");
    let rotated = object(folder, &with(&["rotate", id, "--json"]));
    assert!(rotated["secret"].as_str().is_some_and(|new| new.starts_with("whsec_") && new != secret), "{rotated}");
    assert!(object(folder, &with(&["test", id, "--json"]))["event_id"].as_str().unwrap().starts_with("ntc_"));
    printed(folder, &with(&["remove", id]));
    let again = almoner(folder, &[], &with(&["remove", id]));
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("there is no such webhook endpoint"), "{}", said(&again));
}

#[test]
fn a_private_address_needs_leave_and_bad_input_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    printed(folder, &["seed", "image-shop", "--data-dir", "data"]);
    let inside = ["add", "--url", "http://127.0.0.1:9000/hook"];
    let refused = almoner(folder, &[], &with(&inside));
    assert!(said(&refused).contains("--allow-private"), "{}", said(&refused));
    let allowed = object(folder, &with(&["add", "--url", "http://127.0.0.1:9000/hook", "--allow-private", "--json"]));
    assert_eq!(allowed["allow_private"], json!(true));
    let unknown = almoner(folder, &[], &with(&["add", "--url", "https://a.example/", "--events", "card.eaten"]));
    assert!(said(&unknown).contains("allocation.exhausted"), "{}", said(&unknown));
    for _ in 0..19 {
        printed(folder, &with(&["add", "--url", "https://a.example/"]));
    }
    let full = almoner(folder, &[], &with(&["add", "--url", "https://a.example/"]));
    assert!(said(&full).contains("remove one first"), "{}", said(&full));
}
