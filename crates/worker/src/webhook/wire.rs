//! The body of an event: `{"type", "timestamp", "data"}`, as the Standard Webhooks specification recommends. Amounts are decimals in
//! the feature's unit, as texts; instants are RFC 3339 in UTC.

use almoner_domain::account::Pocket;
use almoner_domain::feature::FeatureKind;
use almoner_domain::happening::{About, Happening, HappeningKind, Holder, Line};
use almoner_domain::units::Units;
use serde_json::{Value, json};

/// The body of an event.
pub(super) fn wire(happening: &Happening) -> String {
    let data = match &happening.about {
        Some(about) => data(happening.kind, about),
        None => json!({ "message": "This is a test: the endpoint hears." }),
    };
    json!({ "type": happening.kind.as_str(), "timestamp": happening.at.to_string(), "data": data }).to_string()
}

fn data(kind: HappeningKind, about: &About) -> Value {
    let user = about.user.as_ref();
    let mut data = json!({
        "customer": {
            "id": about.customer.id.to_string(),
            "external_id": about.customer.external_id.as_str(),
            "name": about.customer.name.as_str(),
        },
        "user": user.map(|user| json!({
            "id": user.id.to_string(), "external_id": user.external_id.as_str(), "name": user.name.as_str(),
        })),
        "window_end": about.window_end.map(|at| at.to_string()),
    });
    match &about.holder {
        Holder::Allocation(allocation) => {
            data["allocation"] = json!({ "id": allocation.id.to_string(), "state": allocation.state.as_str() });
            data["agent"] = json!(about.agent.as_ref().map(|agent| json!({
                "id": agent.id.to_string(), "external_id": agent.external_id.as_str(), "name": agent.name.as_str(),
            })));
            data["session"] = json!(about.session.as_ref().map(|session| json!({
                "id": session.id.to_string(),
                "kind": session.name.kind.as_str(),
                "key": session.name.key.as_str(),
            })));
        }
        Holder::Entitlement(id) => data["entitlement"] = json!({ "id": id.to_string() }),
    }
    // A mark is reached by one feature; an allocation begins and ends with all of its own.
    if is_of_whole(kind) {
        data["lines"] = about.lines.iter().map(line).collect();
    } else if let (Some(data), Some(Value::Object(line))) = (data.as_object_mut(), about.lines.first().map(line)) {
        data.extend(line);
    }
    data
}

fn is_of_whole(kind: HappeningKind) -> bool {
    use HappeningKind as Kind;
    matches!(kind, Kind::AllocationCreated | Kind::AllocationExpired | Kind::AllocationClosed | Kind::AllocationRevoked)
}

fn line(line: &Line) -> Value {
    let (unit, amount): (Option<&str>, Box<dyn Fn(Units) -> String>) = match &line.feature.kind {
        FeatureKind::Metered(meter) => (Some(meter.unit.as_str()), Box::new(|units| units.display(meter.scale))),
        // Neither is counted, so neither has an account.
        FeatureKind::Boolean | FeatureKind::Static => (None, Box::new(|units| units.get().to_string())),
    };
    let (granted, used) = (line.balance.granted(), line.balance.get(Pocket::Used));
    json!({
        "feature": line.feature.key.as_str(),
        "unit": unit,
        "granted": amount(granted),
        "used": amount(used),
        "remaining": amount(granted.checked_sub(used).unwrap_or(Units::ZERO)),
    })
}
