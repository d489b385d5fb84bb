//! The body of an event: `{"type", "timestamp", "data"}`, as the Standard Webhooks specification recommends. Amounts are decimals in
//! the feature's unit, as texts; instants are RFC 3339 in UTC.

use almoner_domain::account::Pocket;
use almoner_domain::agent::{Agent, Session};
use almoner_domain::customer::{Customer, User};
use almoner_domain::feature::FeatureKind;
use almoner_domain::happening::{
    About, Granted, Happening, HappeningKind, Holder, Line, SeenIn, Stepped, Subscribed, Topic,
};
use almoner_domain::subscription::SubscriptionStep;
use almoner_domain::text::Name;
use almoner_domain::units::Units;
use almoner_domain::webhook::{EndpointState, WebhookEndpoint};
use serde_json::{Value, json};

/// The body of an event.
pub fn wire(happening: &Happening) -> String {
    let data = match &happening.topic {
        Topic::Units(about) => units(happening, about),
        Topic::Grant(told) => grant(told),
        Topic::Subscription(told) => subscription(told),
        Topic::Guard(told) => guard(told),
        Topic::Endpoint(endpoint) => disabled(endpoint),
        Topic::Trial(_) => json!({ "message": "This is a test: the endpoint hears." }),
    };
    json!({ "type": happening.kind.as_str(), "timestamp": happening.at.to_string(), "data": data }).to_string()
}

fn customer(customer: &Customer) -> Value {
    json!({
        "id": customer.id.to_string(), "external_id": customer.external_id.as_str(), "name": customer.name.as_str(),
    })
}

fn user(user: &User) -> Value {
    json!({ "id": user.id.to_string(), "external_id": user.external_id.as_str(), "name": user.name.as_str() })
}

fn agent(agent: &Agent) -> Value {
    json!({ "id": agent.id.to_string(), "external_id": agent.external_id.as_str(), "name": agent.name.as_str() })
}

fn session(session: &Session) -> Value {
    json!({ "id": session.id.to_string(), "kind": session.name.kind.as_str(), "key": session.name.key.as_str() })
}

fn guard(told: &Stepped) -> Value {
    let Stepped { step, agent: of, seen_in } = told;
    let seen_in = seen_in.as_ref();
    let member = |told: fn(&SeenIn) -> Option<Value>| seen_in.and_then(told);
    json!({
        "agent": agent(of),
        "stopped": step.guarded.stopped().as_str(),
        "state": step.state.as_str(),
        "why": step.why,
        "allocation": member(|seen| Some(json!({ "id": seen.allocation.id.to_string() }))),
        "customer": member(|seen| Some(customer(&seen.customer))),
        "user": member(|seen| seen.user.as_ref().map(user)),
        "session": member(|seen| seen.session.as_ref().map(session)),
    })
}

fn grant(told: &Granted) -> Value {
    let Granted { customer: of, feature, grant } = told;
    let amount = |units: Units| units.display(feature.scale());
    json!({
        "customer": customer(of),
        "feature": feature.key.as_str(),
        "unit": feature.meter().map(|meter| meter.unit.as_str()),
        "grant": {
            "id": grant.id.to_string(),
            "external_id": grant.external_id.as_ref().map(|id| id.as_str()),
            "kind": grant.kind.as_str(),
            "amount": amount(grant.amount),
            "lapsed": amount(grant.lapsed),
            "effective_at": grant.effective_at.to_string(),
            "expires_at": grant.expires_at.map(|at| at.to_string()),
        },
    })
}

fn subscription(told: &Subscribed) -> Value {
    let Subscribed { customer: of, plan, version, subscription, step } = told;
    json!({
        "customer": customer(of),
        "change": step.map(SubscriptionStep::as_str),
        "subscription": {
            "id": subscription.id.to_string(),
            "state": if subscription.ended_at.is_some() { "ended" } else { "running" },
            "plan": { "id": plan.id.to_string(), "external_id": plan.external_id.as_str(), "name": plan.name.as_str() },
            "version": version,
            "started_at": subscription.started_at.to_string(),
            "ended_at": subscription.ended_at.map(|at| at.to_string()),
            "paused_at": subscription.paused_at.map(|at| at.to_string()),
            "changes_at": subscription.changes_at.map(|at| at.to_string()),
        },
    })
}

/// The rest of its address may hold a token, which is nobody's business at another endpoint.
fn disabled(endpoint: &WebhookEndpoint) -> Value {
    let (reason, at) = match endpoint.state {
        EndpointState::Disabled(reason, at) => (Some(reason.as_str()), Some(at.to_string())),
        // It was enabled again before this was prepared.
        EndpointState::Enabled => (None, None),
    };
    json!({
        "endpoint": {
            "id": endpoint.id.to_string(),
            "host": endpoint.url.host(),
            "description": endpoint.description.as_ref().map(Name::as_str),
            "reason": reason,
            "disabled_at": at,
        },
    })
}

fn units(happening: &Happening, about: &About) -> Value {
    let mut data = json!({
        "customer": customer(&about.customer),
        "user": about.user.as_ref().map(user),
        "window_end": about.window_end.map(|at| at.to_string()),
    });
    match &about.holder {
        Holder::Allocation(allocation) => {
            data["sequence"] = json!(happening.sequence);
            data["allocation"] = json!({ "id": allocation.id.to_string(), "state": allocation.state.as_str() });
            data["agent"] = json!(about.agent.as_ref().map(agent));
            data["session"] = json!(about.session.as_ref().map(session));
        }
        Holder::Entitlement(id) => data["entitlement"] = json!({ "id": id.to_string() }),
    }
    // A mark is reached by one feature; an allocation begins and ends with all of its own.
    if is_of_whole(happening.kind) {
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
