//! Credits: features that are paid with another, by a price list that changes with time and with what a call says.

use almoner_tests::{Call, Carve, Client, Database, Server, eventually, on_each_database};
use serde_json::{Value, json};

const REPLY: &str = "support.reply";
const CHECK: &str = "support.refund_check";
const CREDITS: &str = "credits";
const PUBLISH: &str = "mutation($input: PublishPricesInput!) { publishPrices(input: $input) { priceList { number } refusals { message } } }";

on_each_database! {
    a_use_draws_its_price_from_the_allocation_and_from_the_quota;
    too_few_credits_deny_the_whole_call_and_say_what_they_would_pay_for;
    a_hold_is_settled_at_the_prices_it_was_opened_at;
    a_price_holds_for_what_a_call_says_and_from_its_time_on;
    what_was_paid_is_usage_of_both;
}

/// What a call is paid with, by a feature's use.
fn price(decision: &almoner_tests::Decision, feature: &str) -> Value {
    decision.used(feature)["price"].clone()
}

async fn a_use_draws_its_price_from_the_allocation_and_from_the_quota(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&Carve::of_user("acme-shop", "ada", "paid").line(CREDITS, 50)).await;
    let decision = client.consume(&Call::on(card.id()).uses(CHECK, 2).uses(REPLY, 4)).await;
    assert!(decision.allowed(), "{decision:?}");
    assert_eq!(decision.0["uses"].as_array().map(Vec::len), Some(2), "one entry for each use that was asked for");
    assert_eq!((decision.granted(CHECK), decision.remaining(CHECK)), (2, 13), "40 credits pay for 13 more");
    assert_eq!((decision.granted(REPLY), decision.remaining(REPLY)), (4, 40));
    assert_eq!(price(&decision, CHECK), json!({ "feature": CREDITS, "amount": "6", "remaining": "40" }));
    assert_eq!(client.statement(card.id()).await.line(CREDITS).used, 10);

    let month = client.month("acme-shop").await.remaining(CREDITS);
    let straight = client.consume(&Call::of("acme-shop").uses(REPLY, 1)).await;
    assert!(straight.allowed(), "{straight:?}");
    assert_eq!(client.month("acme-shop").await.remaining(CREDITS), month - 1);
    let looked = client.check(&Call::on(card.id()).uses(CHECK, 13)).await;
    assert!(looked.allowed() && looked.remaining(CHECK) == 13, "{looked:?}");
    assert!(!client.check(&Call::on(card.id()).uses(CHECK, 14)).await.allowed());
    server.end().await;
}

async fn too_few_credits_deny_the_whole_call_and_say_what_they_would_pay_for(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&Carve::of("acme-shop", "short").line(CREDITS, 5)).await;
    let denied = client.consume(&Call::on(card.id()).uses(REPLY, 1).uses(CHECK, 2)).await;
    assert_eq!((denied.reason(), denied.level()), ("exhausted", "allocation"), "{denied:?}");
    assert_eq!((denied.granted(CHECK), denied.remaining(CHECK), denied.remaining(REPLY)), (0, 1, 5));
    assert_eq!(denied.used(CHECK)["blocked"], json!(true));
    assert_eq!(price(&denied, CHECK)["amount"], "6", "what was asked for costs");
    assert!(denied.message().contains("5 credits"), "{}", denied.message());
    assert!(
        client.consume(&Call::on(card.id()).uses(CHECK, 1)).await.allowed(),
        "nothing of the denied call was taken"
    );

    // What the plan does not have and no credits pay for is not entitled; what pays is not asked for beside what it pays for.
    let plain = client.carve(&Carve::of("acme-shop", "no-credits").line("image.generate", 1)).await;
    let denied = client.consume(&Call::on(plain.id()).uses(REPLY, 1)).await;
    assert_eq!(denied.reason(), "not_entitled", "{denied:?}");
    let both = Call::on(card.id()).uses(REPLY, 1).uses(CREDITS, 1);
    let refused = client.post("/v1/consume", &both.0).await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/uses/1/feature")));
    server.end().await;
}

async fn a_hold_is_settled_at_the_prices_it_was_opened_at(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    let card = client.carve(&Carve::of("acme-shop", "held").line(CREDITS, 30)).await;
    let held = client.reserve(&Call::on(card.id()).uses(CHECK, 5)).await;
    assert!(held.allowed(), "{held:?}");
    assert_eq!(client.statement(card.id()).await.line(CREDITS).held, 15);
    let prices = json!([{ "feature": CHECK, "cost": "10" }, { "feature": REPLY, "cost": "0.25" }]);
    publish(&staff, (&client, card.id()), prices, "0.25").await;

    let settled = client.commit(held.hold(), &[(CHECK, 2)]).await.decision();
    assert_eq!((settled.granted(CHECK), price(&settled, CHECK)["amount"].as_str()), (2, Some("6")), "{settled:?}");
    let line = client.statement(card.id()).await.line(CREDITS);
    assert_eq!((line.held, line.used), (0, 6));
    let again = client.commit(held.hold(), &[(CHECK, 2)]).await;
    assert_eq!((again.status, again.decision().id()), (200, settled.id()), "the same answer");
    assert_eq!(client.commit(held.hold(), &[(CHECK, 3)]).await.status, 409);

    // At the new price. A commit above the hold is cut to what was held: 10 credits pay for one.
    let held = client.reserve(&Call::on(card.id()).uses(CHECK, 1)).await;
    let cut = client.commit(held.hold(), &[(CHECK, 2)]).await.decision();
    assert_eq!((cut.granted(CHECK), cut.used(CHECK)["excess_denied"].as_str()), (1, Some("1")), "{cut:?}");
    // What pays was not asked for, so it cannot be committed.
    let held = client.reserve(&Call::on(card.id()).uses(CHECK, 1)).await;
    assert_eq!(client.commit(held.hold(), &[(CREDITS, 1)]).await.status, 422);
    let released = client.release(held.hold(), &json!({})).await.decision();
    assert_eq!(released.granted(CHECK), 0, "{released:?}");
    assert_eq!(client.statement(card.id()).await.line(CREDITS).used, 16);
    server.end().await;
}

async fn a_price_holds_for_what_a_call_says_and_from_its_time_on(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    let card = client.carve(&Carve::of("acme-shop", "models").line(CREDITS, 100)).await;
    let later = "2999-01-01T00:00:00Z";
    let prices = json!([
        { "feature": REPLY, "cost": "1.5" },
        { "feature": REPLY, "cost": "5", "dimensions": [{ "name": "model", "value": "xl" }] },
    ]);
    publish(&staff, (&client, card.id()), prices, "1.5").await;
    let said = |model: &str| {
        let mut call = Call::on(card.id()).uses(REPLY, 2);
        call.0["dimensions"]["model"] = model.into();
        call
    };
    let mut cost = Vec::new();
    for call in [said("s"), said("xl"), Call::on(card.id()).uses(REPLY, 2)] {
        let decision = client.consume(&call).await;
        cost.push(price(&decision, REPLY)["amount"].clone());
    }
    assert_eq!(cost, [json!("3"), json!("10"), json!("3")]);
    // The list took the place of the whole one before: a refund check has no price any more.
    assert_eq!(client.consume(&Call::on(card.id()).uses(CHECK, 1)).await.reason(), "not_entitled");

    let input = json!({ "currency": CREDITS, "effectiveFrom": later, "prices": [{ "feature": REPLY, "cost": "99" }] });
    let body = json!({ "query": PUBLISH, "variables": { "input": input } });
    let published = staff.post("/graphql", &body).await.json();
    assert_eq!(published["data"]["publishPrices"]["priceList"]["number"], 3, "{published}");
    let decision = client.consume(&said("s")).await;
    assert_eq!(price(&decision, REPLY)["amount"], "3", "its time has not come");
    server.end().await;
}

async fn what_was_paid_is_usage_of_both(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    let card = client.carve(&Carve::of_user("acme-shop", "ada", "told").line(CREDITS, 50)).await;
    assert!(client.consume(&Call::on(card.id()).uses(CHECK, 2).uses(REPLY, 4).tool("desk")).await.allowed());
    client.close(card.id()).await;
    let row = |units: &str| json!([{ "units": units, "dimensions": [{ "value": "desk" }] }]);
    eventually("the ledger has heard of it", async || {
        let mut told = Vec::new();
        for feature in [CHECK, REPLY, CREDITS] {
            let query = format!(
                "{{ usage(input: {{ feature: \"{feature}\", groupByDimensions: [\"tool\"] }}) {{ rows {{ units dimensions {{ value }} }} }} }}"
            );
            let answer = staff.post("/graphql", &json!({ "query": query })).await.json();
            told.push(answer["data"]["usage"]["rows"].clone());
        }
        (told == [row("2"), row("4"), row("10")]).then_some(())
    })
    .await;
    server.end().await;
}

/// New prices, from now on, once the gate charges this for a reply on an allocation.
async fn publish(staff: &Client, on: (&Client, &str), prices: Value, reply: &str) {
    let body = json!({ "query": PUBLISH, "variables": { "input": { "currency": CREDITS, "prices": prices } } });
    let published = staff.post("/graphql", &body).await.json();
    assert_eq!(published["data"]["publishPrices"]["refusals"], json!([]), "{published}");
    let (client, card) = on;
    eventually("the gate knows the prices", async || {
        let looked = client.check(&Call::on(card).uses(REPLY, 1)).await;
        (price(&looked, REPLY)["amount"] == reply).then_some(())
    })
    .await;
}
