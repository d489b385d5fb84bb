//! The catalogue of webhook events, as a check: whatever body a suite sees is what the catalogue says, and nothing beside.

use almoner_domain::happening::HappeningKind;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static VALIDATORS: LazyLock<BTreeMap<&'static str, Validator>> = LazyLock::new(|| {
    let validator = |kind: HappeningKind, schema: &str| {
        let mut schema: Value = serde_json::from_str(schema).expect("a schema is JSON");
        close(&mut schema);
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        (kind.as_str(), options.build(&schema).expect("a schema of 2020-12"))
    };
    almoner_worker::catalogue().into_iter().map(|described| validator(described.kind, &described.schema)).collect()
});

/// Receivers pass over members that they do not know; here one that the catalogue does not name is a mistake.
fn close(schema: &mut Value) {
    if schema["properties"].is_object() {
        schema["additionalProperties"] = json!(false);
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(close),
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Sees that a body is what the catalogue says.
///
/// # Panics
/// Panics with what is wrong when it is not.
pub fn assert_described(body: &Value) {
    let kind = body["type"].as_str().unwrap_or_default();
    let validator = VALIDATORS.get(kind).unwrap_or_else(|| panic!("the catalogue does not have {kind:?}: {body}"));
    let wrong: Vec<String> = validator.iter_errors(body).map(|why| format!("{}: {why}", why.instance_path())).collect();
    assert!(wrong.is_empty(), "{kind} is not what the catalogue says: {wrong:?}\n{body:#}");
}
