//! The story of the product over HTTP: a customer's user hands an agent a prepaid card for one task, the agent spends it
//! where it may and no further, and what is left goes back.

use almoner_tests::answer::text;
use almoner_tests::wait::{ahead, now};
use almoner_tests::{Call, Carve, Client, Database, Server, eventually, on_each_database};
use futures::future::join_all;
use serde_json::json;
use std::time::Duration;

const GENERATE: &str = "image.generate";
const DESCRIBE: &str = "image.describe";
const UPLOAD: &str = "image.upload";
/// So many that a lease holds more than the call that it was opened for.
const TOKENS: &str = "assistant.input_tokens";
const SESSION: &str = "catalog-2026-11";
const HOUR: Duration = Duration::from_secs(3_600);

on_each_database! {
    a_card_is_taken_out_of_the_month;
    a_card_serves_its_tools_and_resources_alone;
    ten_of_sixty_four_pass_and_the_eleventh_is_told_why;
    what_is_left_returns_exactly_once_when_a_card_is_closed;
    a_card_past_its_window_denies_at_once_and_what_is_left_returns;
    a_card_for_later_opens_at_its_hour;
    a_part_of_a_card_only_narrows_and_ends_with_it;
    parts_die_with_their_card_although_the_gate_holds_their_units;
    units_idle_in_a_gate_can_be_carved;
    a_graceful_restart_changes_nothing_that_anybody_sees;
}

/// The card of the story.
fn card() -> Carve {
    Carve::of_user("acme-shop", "ada", SESSION)
        .line(GENERATE, 10)
        .line(DESCRIBE, 20)
        .line(UPLOAD, 10)
        .tools(&["render", "describe", "upload"])
        .until(ahead(HOUR))
}

fn render(card: &str) -> Call {
    Call::on(card).uses(GENERATE, 1).tool("render")
}

async fn a_card_is_taken_out_of_the_month(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let before = client.month_of_user("acme-shop", "ada").await;
    assert_eq!([GENERATE, DESCRIBE, UPLOAD].map(|f| before.remaining(f)), [1_000, 2_000, 500]);

    let card = client.carve(&card()).await;
    assert_eq!(card.state(), "active");
    let whole = [GENERATE, DESCRIBE, UPLOAD].map(|f| (card.line(f).granted, card.line(f).free, card.line(f).used));
    assert_eq!(whole, [(10, 10, 0), (20, 20, 0), (10, 10, 0)]);
    let agent = server.shop.id("agents", "catalogue");
    let user = server.shop.id("users", "ada");
    assert_eq!((text(&card.0["on_behalf_of"]["agent"]), text(&card.0["on_behalf_of"]["user"])), (&*agent, &*user));
    assert_eq!(card.0["session"], json!({ "kind": "task", "key": SESSION }));

    let after = client.month_of_user("acme-shop", "ada").await;
    assert_eq!([GENERATE, DESCRIBE, UPLOAD].map(|f| after.remaining(f)), [990, 1_980, 490]);
    assert_eq!([GENERATE, DESCRIBE, UPLOAD].map(|f| after.line(f).carved), [10, 20, 10]);
    assert_eq!(client.statement(card.id()).await.0["lines"], card.0["lines"], "read again it says the same");
    let quota = Call::of_user("acme-shop", "ada").uses(GENERATE, 991);
    assert_eq!(client.consume(&quota).await.reason(), "exhausted", "what is allocated cannot be spent twice");
    server.end().await;
}

async fn a_card_serves_its_tools_and_resources_alone(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&card().resources(&["sku-17", "sku-18"])).await;
    let id = card.id();
    for call in [
        render(id).resource("sku-17").tool("delete"),
        Call::on(id).uses(GENERATE, 1).resource("sku-17"),
        render(id).resource("sku-19"),
        render(id),
    ] {
        let denied = client.consume(&call).await;
        assert_eq!(
            (denied.allowed(), denied.reason(), denied.level()),
            (false, "out_of_scope", "allocation"),
            "{call:?}"
        );
        assert!(!denied.message().is_empty());
    }
    assert!(client.consume(&render(id).resource("sku-17")).await.allowed());
    assert_eq!(client.statement(id).await.line(GENERATE).used, 1, "what was out of scope cost nothing");

    // What the card does not hold it does not give, whatever the month has.
    let tokens = Call::on(id).uses("assistant.input_tokens", 1).tool("render").resource("sku-17");
    assert_eq!(client.consume(&tokens).await.reason(), "not_entitled");
    server.end().await;
}

async fn ten_of_sixty_four_pass_and_the_eleventh_is_told_why(database: Database) {
    let server = Server::start_with(database, &[("public_url", "https://console.example")]).await;
    let client = server.client();
    let card = client.carve(&card()).await;
    let id = card.id();
    let attempts = join_all((0..64).map(|_| async { client.consume(&render(id)).await })).await;
    let allowed: Vec<_> = attempts.iter().filter(|decision| decision.allowed()).collect();
    assert_eq!(allowed.len(), 10);
    let mut left: Vec<_> = allowed.iter().map(|decision| decision.remaining(GENERATE)).collect();
    left.sort_unstable();
    assert_eq!(left, (0..10).collect::<Vec<_>>(), "each sees one less");

    let denied = client.consume(&render(id)).await;
    assert_eq!((denied.allowed(), denied.reason(), denied.level()), (false, "exhausted", "allocation"));
    let expected = json!({ "feature": GENERATE, "requested": "1", "granted": "0", "remaining": "0", "blocked": true });
    assert_eq!(denied.0["uses"], json!([expected]));
    let said = "The allocation for session catalog-2026-11 has 0 image generations left of 10";
    assert!(denied.message().starts_with(said), "{}", denied.message());
    assert_eq!(denied.0["raise"]["who"], json!([server.shop.id("users", "ada")]));
    assert_eq!(denied.0["raise"]["url"], json!(format!("https://console.example/allocations/{id}")));
    assert_eq!((&denied.0["resets_at"], &denied.0["retry_after_s"]), (&json!(null), &json!(null)));
    assert!(text(&denied.0["on_behalf_of"]["session"]).starts_with("ses_"));

    let statement = client.statement(id).await;
    assert_eq!((statement.line(GENERATE).used, statement.line(GENERATE).free), (10, 0));
    assert_eq!((statement.line(DESCRIBE).used, statement.line(UPLOAD).used), (0, 0));
    server.end().await;
}

async fn what_is_left_returns_exactly_once_when_a_card_is_closed(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&card()).await;
    let id = card.id();
    for _ in 0..3 {
        assert!(client.consume(&render(id)).await.allowed());
    }
    let held = client.reserve(&Call::on(id).uses(DESCRIBE, 5).tool("describe")).await;

    let closed = client.close(id).await;
    assert_eq!(closed.state(), "closed");
    assert_eq!([GENERATE, DESCRIBE, UPLOAD].map(|f| closed.returned(f)), [7, 15, 10]);
    let month = client.month_of_user("acme-shop", "ada").await;
    assert_eq!([GENERATE, DESCRIBE, UPLOAD].map(|f| month.remaining(f)), [997, 1_995, 500]);

    // What was held returns when it settles, and not before.
    assert_eq!(client.commit(held.hold(), &[(DESCRIBE, 2)]).await.status, 200);
    let month = client.month_of_user("acme-shop", "ada").await;
    assert_eq!(month.remaining(DESCRIBE), 1_998);

    let again = join_all((0..8).map(|_| client.close(id))).await;
    assert!(again.iter().all(|again| again.0["returned"] == closed.0["returned"] && again.state() == "closed"));
    let month = client.month_of_user("acme-shop", "ada").await;
    assert_eq!([GENERATE, DESCRIBE, UPLOAD].map(|f| month.remaining(f)), [997, 1_998, 500], "exactly once");
    let late = client.consume(&render(id)).await;
    assert_eq!((late.reason(), late.level()), ("expired", "allocation"));
    server.end().await;
}

async fn a_card_past_its_window_denies_at_once_and_what_is_left_returns(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let end = now().saturating_add(Duration::from_millis(1_500));
    let card = client.carve(&card().until(end.to_string())).await;
    let id = card.id();
    assert!(client.consume(&Call::on(id).uses(GENERATE, 3).tool("render")).await.allowed());
    eventually("the window's end", async || (now() >= end).then_some(())).await;

    let denied = client.consume(&render(id)).await;
    assert_eq!((denied.allowed(), denied.reason(), denied.level()), (false, "expired", "allocation"));
    let month = eventually("what is left returns by itself", async || {
        let month = client.month_of_user("acme-shop", "ada").await;
        (month.line(GENERATE).free == 997).then_some(month)
    })
    .await;
    assert_eq!([GENERATE, DESCRIBE, UPLOAD].map(|f| month.remaining(f)), [997, 2_000, 500]);
    let statement = client.statement(id).await;
    assert_eq!((statement.state(), statement.line(GENERATE).used, statement.line(GENERATE).free), ("expired", 3, 0));
    assert_eq!(
        client.close(id).await.0["returned"],
        statement.0["returned"],
        "closing it afterwards returns nothing more"
    );
    assert_eq!(client.month_of_user("acme-shop", "ada").await.remaining(GENERATE), 997);
    server.end().await;
}

async fn a_card_for_later_opens_at_its_hour(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let start = now().saturating_add(Duration::from_millis(1_500));
    let card = client.carve(&card().from_then(start.to_string())).await;
    let denied = client.consume(&render(card.id())).await;
    assert_eq!((denied.allowed(), denied.reason(), denied.level()), (false, "not_started", "allocation"));
    assert_eq!(text(&denied.0["resets_at"]), start.to_string());
    let retry_s = denied.0["retry_after_s"].as_u64().expect("it says when to come again");
    assert!((1..=2).contains(&retry_s), "{retry_s}");
    eventually("the window's start", async || (now() >= start).then_some(())).await;
    assert!(client.consume(&render(card.id())).await.allowed());
    server.end().await;
}

async fn a_part_of_a_card_only_narrows_and_ends_with_it(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let parent = client.carve(&card()).await;
    let part = || Carve::from(parent.id(), "catalog-part").line(GENERATE, 4).tools(&["render"]);
    for (wider, status, pointer) in [
        (part().tools(&["render", "delete"]), 422, "/scope"),
        (part().until(ahead(2 * HOUR)), 422, "/expires_at"),
        (part().line(DESCRIBE, 21), 409, "/lines/1/amount"),
        (part().line("assistant.input_tokens", 1), 409, "/lines/1/feature"),
    ] {
        let refused = client.post("/v1/allocations", &wider.0).await;
        assert_eq!(
            (refused.status, &refused.json()["errors"][0]["pointer"]),
            (status, &json!(pointer)),
            "{}",
            refused.text()
        );
    }
    assert_eq!(client.statement(parent.id()).await.0["lines"], parent.0["lines"], "a refusal carves nothing");

    let child = client.carve(&part()).await;
    assert_eq!(child.0["scope"]["tools"], json!(["render"]));
    assert_eq!(child.0["chain"][0]["allocation"], json!(parent.id()));
    let above = client.statement(parent.id()).await.line(GENERATE);
    assert_eq!((above.granted, above.free, above.carved), (10, 6, 4));
    for _ in 0..4 {
        assert!(client.consume(&render(child.id())).await.allowed());
    }
    assert_eq!(client.consume(&render(child.id())).await.reason(), "exhausted");
    assert!(client.consume(&render(parent.id())).await.allowed(), "the parent has its own");

    client.close(parent.id()).await;
    assert_eq!(client.consume(&render(child.id())).await.reason(), "expired");
    assert_eq!(client.statement(child.id()).await.state(), "closed");
    let month = client.month_of_user("acme-shop", "ada").await;
    assert_eq!(
        (month.remaining(GENERATE), month.line(GENERATE).carved),
        (995, 5),
        "what was spent on cards stands with them"
    );
    let late = client.post("/v1/allocations", &part().0).await;
    assert_eq!((late.status, &late.json()["errors"][0]["pointer"]), (409, &json!("/parent")));
    server.end().await;
}

/// The gate has leased what is left of each part and could serve it from memory: it must not, from the answer on.
async fn parts_die_with_their_card_although_the_gate_holds_their_units(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let parent = client.carve(&Carve::of_user("acme-shop", "ada", "whole").line(TOKENS, 800_000)).await;
    let mut parts = Vec::new();
    for number in 0..8 {
        let part = client.carve(&Carve::from(parent.id(), &format!("part-{number}")).line(TOKENS, 100_000)).await;
        let below = client.carve(&Carve::from(part.id(), &format!("below-{number}")).line(TOKENS, 40_000)).await;
        parts.extend([part.id().to_owned(), below.id().to_owned()]);
    }
    let one = |card: &String| Call::on(card).uses(TOKENS, 1);
    for part in &parts {
        assert!(client.consume(&one(part)).await.allowed());
    }
    client.close(parent.id()).await;
    for denied in join_all(parts.iter().map(|part| async { client.consume(&one(part)).await })).await {
        assert_eq!(denied.reason(), "expired", "{denied:?}");
    }
    eventually("all that was not used has returned", async || {
        (client.month_of_user("acme-shop", "ada").await.remaining(TOKENS) == 30_000_000 - 16).then_some(())
    })
    .await;
    server.end().await;
}

/// What a gate has leased and not used is free, whoever asks for it.
async fn units_idle_in_a_gate_can_be_carved(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    spend(&client, 30).await;
    let card = client.carve(&Carve::of("acme-shop", "all-that-is-left").line(GENERATE, 970)).await;
    assert_eq!(client.consume(&Call::of("acme-shop").uses(GENERATE, 1)).await.reason(), "exhausted");
    assert!(client.consume(&Call::on(card.id()).uses(GENERATE, 970)).await.allowed());
    assert_eq!(client.month("acme-shop").await.remaining(GENERATE), 0);
    server.end().await;
}

async fn spend(client: &Client, times: usize) {
    for _ in 0..times {
        assert!(client.consume(&Call::of("acme-shop").uses(GENERATE, 1)).await.allowed());
    }
}

async fn a_graceful_restart_changes_nothing_that_anybody_sees(database: Database) {
    let mut server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&card()).await;
    spend(&client, 5).await;
    assert!(client.consume(&render(card.id())).await.allowed());
    let held = client.reserve(&Call::on(card.id()).uses(DESCRIBE, 5).tool("describe").ttl_s(600)).await;
    let views = async || {
        let statement = client.statement(card.id()).await;
        (statement, client.month_of_user("acme-shop", "ada").await, client.month("bolt-store").await)
    };
    let before = views().await;
    server.stop().await;
    server.restart().await;
    assert_eq!(views().await, before);
    assert_eq!(client.commit(held.hold(), &[(DESCRIBE, 5)]).await.status, 200);
    server.end().await;
}
