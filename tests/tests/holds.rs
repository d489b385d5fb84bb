//! Calls whose cost is not known when they start: reserve, then commit what it cost, or release.

use almoner_tests::answer::{number, text};
use almoner_tests::call::{actual, floor};
use almoner_tests::wait::ahead;
use almoner_tests::{Call, Carve, Client, Database, Decision, Server, eventually, on_each_database};
use serde_json::json;
use std::time::Duration;

const DESCRIBE: &str = "image.describe";
const UPLOAD: &str = "image.upload";

on_each_database! {
    a_hold_settles_at_what_the_call_cost;
    a_hold_is_settled_once;
    a_commit_above_its_hold_says_what_was_denied;
    a_cancelled_call_costs_its_floor;
    a_hold_lives_as_long_as_it_is_told_and_then_returns;
    a_hold_survives_the_process_that_gave_it;
}

async fn card(client: &Client) -> String {
    let carve = Carve::of_user("acme-shop", "ada", "describe-all").line(DESCRIBE, 20).line(UPLOAD, 10);
    client.carve(&carve.until(ahead(Duration::from_secs(3_600)))).await.id().to_owned()
}

async fn reserve(client: &Client, card: &str, amount: i64) -> Decision {
    let held = client.reserve(&Call::on(card).uses(DESCRIBE, amount).ttl_s(600)).await;
    assert!(held.allowed(), "{held:?}");
    assert!(held.hold().starts_with("hld_"));
    held
}

async fn a_hold_settles_at_what_the_call_cost(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = card(&client).await;
    let held = reserve(&client, &card, 8).await;
    assert_eq!((held.granted(DESCRIBE), held.remaining(DESCRIBE)), (8, 12));
    let line = client.statement(&card).await.line(DESCRIBE);
    assert_eq!((line.held, line.used, line.free), (8, 0, 12), "reserved and spent are shown apart");
    let more = client.consume(&Call::on(&card).uses(DESCRIBE, 13)).await;
    assert_eq!(more.reason(), "exhausted", "what is held nobody else can have");

    let done = client.commit(held.hold(), &[(DESCRIBE, 3)]).await.decision();
    assert!(done.allowed());
    assert_eq!((done.granted(DESCRIBE), done.remaining(DESCRIBE)), (3, 17), "five return at once");
    let line = client.statement(&card).await.line(DESCRIBE);
    assert_eq!((line.held, line.used, line.free), (0, 3, 17));

    let all = reserve(&client, &card, 7).await;
    let done = client.post(&format!("/v1/holds/{}/commit", all.hold()), &json!({})).await.decision();
    assert_eq!(done.granted(DESCRIBE), 7, "without amounts it costs what was held");
    let free = reserve(&client, &card, 7).await;
    assert_eq!(client.commit(free.hold(), &[(DESCRIBE, 0)]).await.decision().granted(DESCRIBE), 0);
    assert_eq!(client.statement(&card).await.line(DESCRIBE).used, 10);
    server.end().await;
}

async fn a_hold_is_settled_once(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = card(&client).await;
    let held = reserve(&client, &card, 8).await;
    let first = client.commit(held.hold(), &[(DESCRIBE, 3)]).await;
    let again = client.commit(held.hold(), &[(DESCRIBE, 3)]).await;
    assert_eq!((again.status, &again.body), (200, &first.body), "the same amounts, the same answer");
    let other = client.commit(held.hold(), &[(DESCRIBE, 4)]).await;
    assert_eq!(other.status, 409, "{}", other.text());
    assert_eq!(client.release(held.hold(), &json!({})).await.status, 409);
    let extended = client.post(&format!("/v1/holds/{}/extend", held.hold()), &json!({ "ttl_s": 60 })).await;
    assert_eq!(extended.status, 409, "{}", extended.text());
    assert_eq!(client.statement(&card).await.line(DESCRIBE).used, 3);
    server.end().await;
}

async fn a_commit_above_its_hold_says_what_was_denied(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = card(&client).await;
    let held = reserve(&client, &card, 8).await;
    let done = client.commit(held.hold(), &[(DESCRIBE, 12)]).await.decision();
    assert!(done.allowed());
    assert_eq!((done.granted(DESCRIBE), number(&done.used(DESCRIBE)["excess_denied"])), (8, 4));
    assert_eq!(client.statement(&card).await.line(DESCRIBE).used, 8);

    let held = reserve(&client, &card, 2).await;
    let foreign = client.commit(held.hold(), &[(UPLOAD, 1)]).await;
    assert_eq!((foreign.status, &foreign.json()["errors"][0]["pointer"]), (422, &json!("/uses/0/feature")));
    assert_eq!(client.statement(&card).await.line(UPLOAD).used, 0);
    server.end().await;
}

async fn a_cancelled_call_costs_its_floor(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = card(&client).await;
    let held = reserve(&client, &card, 8).await;
    let released = client.release(held.hold(), &floor(&[(DESCRIBE, 1)])).await.decision();
    assert_eq!((released.granted(DESCRIBE), released.remaining(DESCRIBE)), (1, 19));
    let held = reserve(&client, &card, 8).await;
    let released = client.release(held.hold(), &json!({})).await.decision();
    assert_eq!((released.granted(DESCRIBE), released.remaining(DESCRIBE)), (0, 19));
    let line = client.statement(&card).await.line(DESCRIBE);
    assert_eq!((line.held, line.used, line.free), (0, 1, 19));
    server.end().await;
}

async fn a_hold_lives_as_long_as_it_is_told_and_then_returns(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = card(&client).await;
    let brief = client.reserve(&Call::on(&card).uses(DESCRIBE, 8).ttl_s(1)).await;
    let kept = client.reserve(&Call::on(&card).uses(DESCRIBE, 5).ttl_s(1)).await;
    let path = format!("/v1/holds/{}/extend", kept.hold());
    let extended = client.post(&path, &json!({ "ttl_s": 600 })).await.decision();
    assert!(text(&extended.0["expires_at"]) > text(&kept.0["expires_at"]));

    let line = eventually("the brief one returns", async || {
        let line = client.statement(&card).await.line(DESCRIBE);
        (line.held == 5).then_some(line)
    })
    .await;
    assert_eq!((line.used, line.free), (0, 15));
    let (late, path) =
        (client.commit(brief.hold(), &[(DESCRIBE, 8)]).await, format!("/v1/holds/{}/extend", brief.hold()));
    assert_eq!(late.status, 410, "{}", late.text());
    assert_eq!(client.post(&path, &json!({ "ttl_s": 60 })).await.status, 410);
    assert_eq!(client.release(brief.hold(), &json!({})).await.status, 410);
    assert_eq!(client.commit(kept.hold(), &[(DESCRIBE, 5)]).await.decision().granted(DESCRIBE), 5);
    assert_eq!(client.statement(&card).await.line(DESCRIBE).used, 5);
    server.end().await;
}

async fn a_hold_survives_the_process_that_gave_it(database: Database) {
    let mut server = Server::start(database).await;
    let client = server.client();
    let card = card(&client).await;
    let (killed, stopped) = (reserve(&client, &card, 4).await, reserve(&client, &card, 3).await);
    let brief = client.reserve(&Call::on(&card).uses(DESCRIBE, 8).ttl_s(2)).await;
    server.restart().await;
    assert_eq!(client.statement(&card).await.line(DESCRIBE).held, 15);
    let done = client.commit(killed.hold(), &[(DESCRIBE, 1)]).await;
    assert_eq!(done.decision().granted(DESCRIBE), 1);
    server.stop().await;
    server.restart().await;
    let path = format!("/v1/holds/{}/extend", stopped.hold());
    assert!(client.post(&path, &json!({ "ttl_s": 900 })).await.decision().allowed());
    let again = client.commit(killed.hold(), &[(DESCRIBE, 1)]).await;
    assert_eq!((again.status, again.json()), (200, done.json()), "known over both restarts");
    assert_eq!(client.post(&format!("/v1/holds/{}/commit", stopped.hold()), &actual(&[])).await.status, 200);
    eventually("the brief one returns", async || {
        (client.statement(&card).await.line(DESCRIBE).held == 0).then_some(())
    })
    .await;
    assert_eq!(client.commit(brief.hold(), &[(DESCRIBE, 8)]).await.status, 410);
    let line = client.statement(&card).await.line(DESCRIBE);
    assert_eq!((line.used, line.free), (4, 16));
    server.end().await;
}
