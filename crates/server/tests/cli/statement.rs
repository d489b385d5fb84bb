//! `statement`: what a customer's quotas came to, by agent.

use crate::program::{almoner, object, printed, said};
use serde_json::Value;

#[test]
fn a_statement_tells_each_quota_of_the_period() {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), &["seed", "image-shop", "--data-dir", "data"]);
    let asked = ["statement", "--customer", "acme-shop", "--data-dir", "data"];
    let told = object(folder.path(), &[&asked[..], &["--json"]].concat());
    assert_eq!((&told["customer"]["external_id"], &told["period"]), (&"acme-shop".into(), &"current".into()));
    let quotas = told["quotas"].as_array().unwrap();
    let features: Vec<&str> = quotas.iter().map(|quota| quota["feature"].as_str().unwrap()).collect();
    let expected = [
        "assistant.input_tokens",
        "assistant.output_tokens",
        "credits",
        "image.describe",
        "image.generate",
        "image.upload",
    ];
    assert_eq!(features, expected);
    let credits = &quotas[2];
    let amounts =
        ["granted", "spent", "used", "free", "carved", "held", "leased", "lapsed"].map(|name| credits[name].clone());
    assert_eq!(amounts, ["5000", "0", "0", "5000", "0", "0", "0", "0"].map(Value::from));
    assert!(credits["start"].as_str().unwrap() < credits["end"].as_str().unwrap());
    assert!(printed(folder.path(), &asked).contains("Credits (credits)"));

    let last = object(folder.path(), &[&asked[..], &["--period", "last", "--json"]].concat());
    assert_eq!(last["quotas"], Value::Array(Vec::new()), "it subscribed in this month");
    assert!(printed(folder.path(), &[&asked[..], &["--period", "last"]].concat()).contains("no such period yet"));
    let nobody = almoner(folder.path(), &[], &["statement", "--customer", "nobody", "--data-dir", "data"]);
    assert!(!nobody.status.success() && said(&nobody).contains("no such customer"), "{}", said(&nobody));
}
