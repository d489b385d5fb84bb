//! Calls without a card: a customer, its users, what the plan gives them, and what a call may ask for at once.

use almoner_tests::answer::text;
use almoner_tests::{Call, Carve, Database, Decision, Server, on_each_database};
use serde_json::json;

const GENERATE: &str = "image.generate";
const DESCRIBE: &str = "image.describe";
const UPLOAD: &str = "image.upload";

on_each_database! {
    users_of_one_customer_draw_on_one_month_and_nobody_elses;
    what_is_not_counted_is_answered_all_the_same;
    all_uses_of_a_call_are_debited_or_none;
    a_month_that_is_used_up_says_when_it_renews;
    checking_says_what_would_be_and_changes_nothing;
    a_batch_answers_in_order_each_as_if_alone;
    who_cannot_be_known_is_denied_and_told_no_more;
}

async fn users_of_one_customer_draw_on_one_month_and_nobody_elses(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let (acme, ada) = (server.shop.id("customers", "acme-shop"), server.shop.id("users", "ada"));
    let (feature, bolt) = (server.shop.id("features", GENERATE), client.month("bolt-store").await);
    let calls = [
        Call::of_user("acme-shop", "ada").uses(GENERATE, 1),
        Call::of_user("acme-shop", "ben").uses(GENERATE, 2),
        Call::of("acme-shop").uses(GENERATE, 3),
        Call::of_user(&acme, &ada).uses(GENERATE, 4),
        Call::of_user("acme-shop", &ada).uses(&feature, 5),
    ];
    let mut left = 1_000;
    for (call, amount) in calls.iter().zip(1..) {
        left -= amount;
        let decision = client.consume(call).await;
        assert!(decision.allowed(), "{decision:?}");
        assert_eq!((decision.granted(GENERATE), decision.remaining(GENERATE)), (amount, left));
        assert_eq!(text(&decision.0["on_behalf_of"]["customer"]), acme);
    }
    for month in [client.month("acme-shop").await, client.month_of_user("acme-shop", "ben").await] {
        assert_eq!((month.remaining(GENERATE), month.line(GENERATE).used), (985, 15));
        assert_eq!(text(&month.feature(GENERATE)["unit"]), "image generations");
    }
    assert_eq!(client.month("bolt-store").await, bolt, "another customer's month is another one");
    server.end().await;
}

async fn what_is_not_counted_is_answered_all_the_same(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let both = |call: Call| call.asks("image.background_removal").asks("image.max_resolution");
    let card = client.carve(&Carve::of_user("acme-shop", "ada", "one-image").line(GENERATE, 1)).await;
    for call in [Call::of_user("acme-shop", "ada"), Call::on(card.id())] {
        let decision = client.consume(&both(call)).await;
        assert!(decision.allowed(), "{decision:?}");
        assert_eq!(decision.used("image.background_removal")["included"], json!(true));
        assert_eq!(decision.used("image.max_resolution")["value"], json!(4_096));
    }
    let month = client.month("acme-shop").await;
    assert_eq!(month.feature("image.background_removal")["included"], json!(true));
    assert_eq!(month.feature("image.max_resolution")["value"], json!(4_096));
    // Beside a use that is counted, and again when nothing is left to count.
    assert!(client.consume(&both(Call::on(card.id()).uses(GENERATE, 1))).await.allowed());
    assert!(client.consume(&both(Call::on(card.id()))).await.allowed(), "a call that costs nothing is never blocked");
    assert_eq!(client.statement(card.id()).await.line(GENERATE).used, 1);
    server.end().await;
}

async fn all_uses_of_a_call_are_debited_or_none(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&Carve::of("acme-shop", "two-kinds").line(GENERATE, 5).line(UPLOAD, 2)).await;
    let call = Call::on(card.id()).uses(GENERATE, 1).uses(UPLOAD, 1);
    for _ in 0..2 {
        assert!(client.consume(&call).await.allowed());
    }
    let denied = client.consume(&call).await;
    assert_eq!(denied.reason(), "exhausted");
    assert_eq!((denied.used(UPLOAD)["blocked"].clone(), denied.remaining(UPLOAD)), (json!(true), 0));
    assert_eq!((&denied.used(GENERATE)["blocked"], denied.remaining(GENERATE)), (&json!(null), 3));
    let statement = client.statement(card.id()).await;
    assert_eq!((statement.line(GENERATE).used, statement.line(UPLOAD).used), (2, 2));
    assert!(client.consume(&Call::on(card.id()).uses(GENERATE, 3)).await.allowed(), "what was not the matter is there");
    server.end().await;
}

async fn a_month_that_is_used_up_says_when_it_renews(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let renews = client.month("acme-shop").await.feature(UPLOAD)["resets_at"].clone();
    let reply = client.post("/v1/consume", &Call::of_user("acme-shop", "ben").uses(UPLOAD, 500).0).await;
    assert!(reply.decision().allowed());
    assert!(reply.header("ratelimit-policy").starts_with("\"image.upload\";q=500;w="), "{:?}", reply.headers);
    assert!(reply.header("ratelimit").starts_with("\"image.upload\";r=0;t="), "{:?}", reply.headers);

    let denied = client.consume(&Call::of_user("acme-shop", "ben").uses(UPLOAD, 1)).await;
    assert_eq!((denied.reason(), denied.level()), ("exhausted", "customer"));
    assert_eq!(denied.0["resets_at"], renews);
    assert!(text(&renews).ends_with('Z'));
    assert!(denied.0["retry_after_s"].as_u64().is_some_and(|seconds| seconds > 0));
    assert!(denied.message().contains("0 image uploads left of 500"), "{}", denied.message());
    let refused = client.post("/v1/allocations", &Carve::of("acme-shop", "too-late").line(UPLOAD, 1).0).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains(text(&renews)), "{}", refused.text());
    server.end().await;
}

async fn checking_says_what_would_be_and_changes_nothing(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&Carve::of("acme-shop", "peek").line(GENERATE, 3)).await;
    let fits = Call::on(card.id()).uses(GENERATE, 3);
    let (month, statement) = (client.month("acme-shop").await, client.statement(card.id()).await);
    for _ in 0..5 {
        assert!(client.check(&fits).await.allowed());
        let denied = client.check(&Call::on(card.id()).uses(GENERATE, 4)).await;
        assert_eq!((denied.reason(), denied.remaining(GENERATE)), ("exhausted", 3));
        assert!(client.check(&Call::of("acme-shop").uses(GENERATE, 997)).await.allowed());
        assert!(!client.check(&Call::of("acme-shop").uses(GENERATE, 998)).await.allowed());
    }
    assert_eq!((client.month("acme-shop").await, client.statement(card.id()).await), (month, statement));
    assert!(client.consume(&fits).await.allowed(), "what was said would be is");
    assert!(!client.check(&fits).await.allowed());
    server.end().await;
}

async fn a_batch_answers_in_order_each_as_if_alone(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&Carve::of("acme-shop", "batch").line(GENERATE, 5)).await;
    let as_op = |op: &str, call: Call| {
        let mut body = call.0;
        body["op"] = op.into();
        body
    };
    let one = || Call::on(card.id()).uses(GENERATE, 1);
    let hold = client.reserve(&one()).await.hold().to_owned();
    let mut operations =
        vec![as_op("consume", one().uses("image.nothing", 1)), json!({ "op": "extend", "hold": hold, "ttl_s": 600 })];
    operations.extend((0..6).map(|_| as_op("consume", one())));
    let reply = client.post("/v1/batch", &json!({ "operations": operations })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answers = reply.json()["answers"].as_array().cloned().expect("answers");
    assert_eq!(answers.len(), 8);
    let decided = |at: usize| Decision(answers[at].clone());
    assert_eq!((&answers[0]["status"], &answers[0]["errors"][0]["pointer"]), (&json!(422), &json!("/uses/1/feature")));
    assert_eq!((decided(1).allowed(), decided(1).hold()), (true, &*hold));
    let allowed = (2..8).filter(|at| decided(*at).allowed()).count();
    assert_eq!(allowed, 4, "what is left of five: {answers:?}");
    let after =
        client.post("/v1/batch", &json!({ "operations": [as_op("check", one())] })).await.json()["answers"][0].clone();
    assert_eq!(Decision(after).reason(), "exhausted");

    let commit = json!({ "operations": [{ "op": "commit", "hold": hold, "uses": [] }] });
    let answer = client.post("/v1/batch", &commit).await.json()["answers"][0].clone();
    assert_eq!(Decision(answer).granted(GENERATE), 1);
    assert_eq!(client.statement(card.id()).await.line(GENERATE).used, 5);
    server.end().await;
}

async fn who_cannot_be_known_is_denied_and_told_no_more(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let stranger = |customer: &str, user: &str| Call::of_user(customer, user).uses(GENERATE, 1);
    for call in [stranger("nobody", "ada"), stranger("acme-shop", "nobody"), stranger("bolt-store", "ada")] {
        let denied = client.consume(&call).await;
        assert_eq!((denied.allowed(), denied.reason()), (false, "unknown_subject"), "{call:?}");
        assert_eq!(denied.0.get("on_behalf_of"), None);
    }
    let uses = json!([{ "feature": GENERATE, "amount": 1 }]);
    let token =
        client.post("/v1/consume", &json!({ "token": "eyJhbGciOiJub25lIn0.e30.", "uses": uses })).await.decision();
    assert_eq!(token.reason(), "invalid_token");
    let mut session = Call::of_user("acme-shop", "ada").uses(DESCRIBE, 1).0;
    session["agent"] = "support".into();
    session["session"] = json!({ "kind": "support_ticket", "key": "4711" });
    let denied = client.post("/v1/consume", &session).await.decision();
    assert_eq!(denied.reason(), "not_entitled", "where no budget exists the answer is deny");
    server.end().await;
}
