//! Units on top of a quota, cards made larger and smaller, and terms that change: what people say, and what the gate then does.

use crate::asking::{data, done};
use almoner_tests::{Call, Carve, Client, Database, Server};
use serde_json::{Value, json};

const ISSUE: &str =
    "mutation($input: IssueGrantInput!) { issueGrant(input: $input) { grant { id amount kind feature { key }
    customer { externalId } expiresAt } refusals { code message } } }";
const ADJUST: &str =
    "(input: $input) { allocation { lines { carved balance { granted free } } } refusals { code message } } }";

async fn free(client: &Client) -> String {
    let seen = data(
        client,
        "{ customer(id: \"acme-shop\") { entitlements { feature { key } balance { free } } } }",
        json!({}),
    );
    let all = seen.await["customer"]["entitlements"].as_array().expect("entitlements").clone();
    let own = all.into_iter().find(|one| one["feature"]["key"] == "image.generate").expect("generations");
    own["balance"]["free"].as_str().expect("free").to_owned()
}

async fn adjust(staff: &Client, name: &str, card: &str, amount: &str) -> Value {
    let input = json!({ "id": card, "lines": [{ "feature": "image.generate", "amount": amount }] });
    let query = format!("mutation($input: AdjustAllocationInput!) {{ {name}{ADJUST}");
    data(staff, &query, json!({ "input": input })).await[name].clone()
}

pub(crate) async fn grants_and_adjustments_reach_the_gate(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let gate = server.client();
    assert_eq!(free(&staff).await, "1000");

    let bought = json!({ "customer": "acme-shop", "feature": "image.generate", "kind": "TOP_UP", "amount": "50",
        "externalId": "order-7" });
    let grant = done(&staff, "issueGrant", ISSUE, json!({ "input": bought })).await["grant"].clone();
    assert_eq!((&grant["amount"], &grant["customer"]["externalId"]), (&json!("50"), &json!("acme-shop")));
    let again = data(&staff, ISSUE, json!({ "input": bought })).await["issueGrant"].clone();
    assert_eq!(again["refusals"][0]["code"], "TAKEN", "an order is granted once");
    assert_eq!(free(&staff).await, "1050");

    // A gate that said no before says yes at once, on the quota and on a card of it.
    let card = gate.carve(&Carve::of_user("acme-shop", "ada", "t").line("image.generate", 2)).await.id().to_owned();
    let call = Call::on(&card).uses("image.generate", 1);
    for _ in 0..2 {
        assert!(gate.consume(&call).await.allowed());
    }
    assert!(!gate.consume(&call).await.allowed());
    let larger = adjust(&staff, "topUpAllocation", &card, "3").await;
    assert_eq!(larger["allocation"]["lines"][0]["carved"], "5", "{larger}");
    for _ in 0..3 {
        assert!(gate.consume(&call).await.allowed(), "the card was topped up");
    }
    assert!(!gate.consume(&call).await.allowed());
    adjust(&staff, "topUpAllocation", &card, "10").await;
    let smaller = adjust(&staff, "shrinkAllocation", &card, "10").await;
    assert_eq!(smaller["refusals"], json!([]), "{smaller}");
    assert!(!gate.consume(&call).await.allowed(), "what was taken back is not spent");

    let preview = "{ previewAllocation(input: { customer: \"acme-shop\", user: \"ada\", agent: \"catalogue\",
        session: { kind: \"task\", key: \"p\" }, lines: [{ feature: \"image.generate\", amount: \"1045\" }] })
        { expiresAt lines { amount resetsAt afterwards { free } } refusals { code } } }";
    let told = data(&staff, preview, json!({})).await["previewAllocation"].clone();
    assert_eq!(told["lines"][0]["afterwards"]["free"], "0", "{told}");
    assert_eq!(free(&staff).await, "1045", "a preview takes nothing");
    let much = data(&staff, &preview.replace("1045", "1046"), json!({})).await["previewAllocation"].clone();
    assert_eq!((&much["refusals"][0]["code"], &much["lines"]), (&json!("SHORT"), &json!([])));

    // 1,045 are free and none of the 50 is spoken for: the plan's own quota burns first.
    let void = format!(
        "mutation {{ voidGrant(id: {}) {{ grant {{ takenBack voidedAt }} refusals {{ code }} }} }}",
        grant["id"]
    );
    let voided = done(&staff, "voidGrant", &void, json!({})).await;
    assert_eq!(voided["grant"]["takenBack"], "50", "{voided}");
    assert_eq!(free(&staff).await, "995");
    let twice = data(&staff, &void, json!({})).await["voidGrant"].clone();
    assert_eq!(twice["refusals"][0]["code"], "CONFLICT");
    server.end().await;
}

pub(crate) async fn versions_of_a_plan_take_their_turns(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let publish =
        "mutation($input: PublishPlanInput!) { publishPlan(input: $input) { planVersion { number effectiveFrom
        price { amount currency } } refusals { code path } } }";
    let terms = |amount: &str, from: Option<&str>| {
        let mut input = json!({ "plan": "pro", "lines": [{ "feature": "image.generate", "amount": amount, "period": "MONTH" }],
            "price": { "amount": "19.90", "currency": "EUR" } });
        if let Some(from) = from {
            input["effectiveFrom"] = json!(from);
        }
        json!({ "input": input })
    };
    let now = done(&staff, "publishPlan", publish, terms("7", None)).await["planVersion"].clone();
    assert_eq!((&now["number"], &now["price"]["amount"]), (&json!(2), &json!("19.9")), "{now}");
    let ahead = "2999-01-01T00:00:00Z";
    done(&staff, "publishPlan", publish, terms("9", Some(ahead))).await;
    for from in [Some(ahead), Some("2998-01-01T00:00:00Z"), None] {
        let refused = data(&staff, publish, terms("8", from)).await["publishPlan"].clone();
        let refusal = &refused["refusals"][0];
        assert_eq!((&refusal["code"], &refusal["path"]), (&json!("CONFLICT"), &json!(["effectiveFrom"])), "{refused}");
    }
    // Who subscribes now gets what is in force now; who did before keeps what they had.
    for query in [
        "mutation { addCustomer(input: { externalId: \"new\", name: \"New\" }) { refusals { code } } }",
        "mutation { subscribe(input: { customer: \"new\", plan: \"pro\" }) { refusals { code } } }",
    ] {
        data(&staff, query, json!({})).await;
    }
    let month = server.client().month("new").await;
    assert_eq!(month.0["entitlements"][0]["line"]["granted"], "7", "{:?}", month.0);
    assert_eq!(free(&staff).await, "1000");

    let cancel = "mutation { cancelSubscription(customer: \"new\") { subscription { endedAt } refusals { code } } }";
    done(&staff, "cancelSubscription", cancel, json!({})).await;
    let after = data(&staff, "{ customer(id: \"new\") { entitlements { value } } }", json!({})).await;
    assert_eq!(after["customer"]["entitlements"], json!([]));
    let twice = data(&staff, cancel, json!({})).await["cancelSubscription"].clone();
    assert_eq!(twice["refusals"][0]["code"], "CONFLICT");
    server.end().await;
}
