//! The story of the image shop, act by act: people speak by GraphQL, the agent's server calls the gate. Each act says what it
//! expected and did not find.

use super::client::Client;
use super::keyring::Keyring;
use super::pen::Pen;
use crate::cli::table;
use crate::wiring;
use almoner_domain::time::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc;

/// What the card is loaded with.
const LINES: [(&str, u64); 3] = [("image.generate", 10), ("image.describe", 20), ("image.upload", 10)];
/// How long the card is good for.
const CARD_LIFE: Duration = Duration::from_secs(1_800);

/// How often the report is looked at before it is taken as it is.
const REPORT_LOOKS: u32 = 100;
/// How long between two looks.
const REPORT_PAUSE: Duration = Duration::from_millis(100);

const PREVIEW: &str = "query($input: CarveAllocationInput!) { previewAllocation(input: $input) {
    lines { amount feature { key } afterwards { free } } refusals { message } } }";
const CARVE: &str = "mutation($input: CarveAllocationInput!) { carveAllocation(input: $input) {
    allocation { id expiresAt lines { feature { key } balance { free } } } refusals { message } } }";
const CLOSE: &str = "mutation($id: ID!) { closeAllocation(id: $id) { allocation { state } refusals { message } } }";
const MONTH: &str = "{ customer(id: \"acme-shop\") { entitlements { feature { key } balance { free } } } }";
const USAGE: &str = "query($input: UsageInput!) { usage(input: $input) {
    rows { units calls denied agent { externalId } user { externalId } dimensions { value } } } }";

/// One showing.
pub(super) struct Story {
    /// Ada, who hands out cards and looks where they went.
    ada: Client,
    /// The server that gates each call.
    client: Client,
    pen: Pen,
    workers: u16,
    /// Makes this showing's session and keys its own.
    mark: String,
    wrong: Vec<String>,
}

impl Story {
    pub(super) fn new(keyring: &Keyring, pen: Pen, workers: u16) -> Self {
        let mut chance = [0u8; 3];
        wiring::entropy().fill(&mut chance);
        let mark = chance.iter().map(|byte| format!("{byte:02x}")).collect();
        let (ada, client) = (keyring.ada.clone(), keyring.gate.clone());
        Self { ada, client, pen, workers, mark, wrong: Vec::new() }
    }

    /// Plays all acts; what did not come out as it must.
    pub(super) async fn play(mut self) -> anyhow::Result<Vec<String>> {
        self.pen.line(&format!("The image shop, played against {}.", self.client.url()));
        let card = self.hand_out().await?;
        let refusal = self.work(&card).await?;
        self.explain(&refusal);
        self.hold(&card).await?;
        self.repeat(&card).await?;
        self.stray(&card).await?;
        self.account_for(&card).await?;
        self.spell_out(&card).await?;
        self.take_back(&card).await?;
        let word = if self.wrong.is_empty() { "The story holds." } else { "The story does NOT hold." };
        self.pen.line(&format!("\n{word}"));
        Ok(self.wrong)
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    async fn hand_out(&mut self) -> anyhow::Result<String> {
        self.pen.chapter(1, "Ada hands the catalogue agent a prepaid card for one task");
        let before = self.month().await?;
        let session = format!("catalog-2026-11-{}", self.mark);
        let until = whole_seconds(wiring::clock().now().saturating_add(CARD_LIFE));
        let lines: Vec<Value> =
            LINES.iter().map(|(key, n)| json!({ "feature": key, "amount": n.to_string() })).collect();
        let order = json!({
            "customer": "acme-shop",
            "user": "ada",
            "agent": "catalogue",
            "session": { "kind": "task", "key": session },
            "lines": lines,
            "tools": ["render", "describe", "upload"],
            "expiresAt": until.to_string(),
        });
        let told = self.ada.ask("previewAllocation", PREVIEW, json!({ "input": order })).await?;
        self.pen.line("   She looks first what it would take; asking changes nothing:");
        for line in told["lines"].as_array().into_iter().flatten() {
            let (key, amount) = (text(&line["feature"]["key"]), text(&line["amount"]));
            self.pen.fact(key, &format!("{amount}, and {} would be left", text(&line["afterwards"]["free"])));
        }
        let made = self.ada.ask("carveAllocation", CARVE, json!({ "input": order })).await?["allocation"].clone();
        let card = text(&made["id"]).to_owned();
        let mut rows = vec![
            format!("PREPAID CARD  {card}"),
            "for           the agent catalogue, on behalf of ada at acme-shop".to_owned(),
            format!("session       task {session}"),
            "tools         render, describe, upload".to_owned(),
            format!("until         {}", text(&made["expiresAt"])),
            String::new(),
        ];
        rows.extend(
            LINES.iter().map(|(key, _)| format!("{key:<20} {:>6}", text(&card_line(&made, key)["balance"]["free"]))),
        );
        self.pen.card(&rows);
        for (key, n) in LINES {
            let free = text(&card_line(&made, key)["balance"]["free"]).to_owned();
            self.expect(free == n.to_string(), || format!("the card has {free} {key} instead of {n}"));
        }
        self.pen.line("   It is taken out of this month's quota, so that it cannot be spent twice:");
        let after = self.month().await?;
        for (key, _) in LINES {
            self.pen.fact(key, &format!("{} -> {}", left(&before, key), left(&after, key)));
        }
        Ok(card)
    }

    /// Every worker calls until it is refused; the first refusal.
    async fn work(&mut self, card: &str) -> anyhow::Result<Value> {
        self.pen.chapter(2, &format!("{} workers generate at once, each until it is refused", self.workers));
        let (tell, mut told) = mpsc::unbounded_channel();
        for worker in 1..=self.workers {
            tokio::spawn(toil(self.client.clone(), call(card, "image.generate", "render"), worker, tell.clone()));
        }
        drop(tell);
        let (mut calls, mut allowed, mut refusal) = (0, 0, None);
        while let Some((worker, answer)) = told.recv().await {
            let answer = answer?;
            calls += 1;
            let use_ = &answer["uses"][0];
            if answer["decision"] == "allow" {
                allowed += 1;
                self.pen.decision(calls, worker, true, &format!("{} left", text(&use_["remaining"])));
            } else {
                self.pen.decision(calls, worker, false, text(&answer["reason"]));
                refusal.get_or_insert(answer);
            }
        }
        self.pen.line(&format!("   {calls} calls, {allowed} allowed."));
        self.expect(allowed == 10, || format!("{allowed} generations were allowed instead of 10"));
        Ok(refusal.unwrap_or_default())
    }

    fn explain(&mut self, refusal: &Value) {
        self.pen.chapter(3, "What the agent is told, and can pass on");
        self.pen.fact("reason", &format!("{} (level: {})", text(&refusal["reason"]), text(&refusal["level"])));
        self.pen.fact("message", text(&refusal["message"]));
        let who = refusal["raise"]["who"].as_array().cloned().unwrap_or_default();
        self.pen.fact("raise", &who.iter().map(text).collect::<Vec<_>>().join(", "));
        let reason = text(&refusal["reason"]).to_owned();
        self.expect(reason == "exhausted", || format!("the reason is \"{reason}\" instead of \"exhausted\""));
        self.expect(refusal["level"] == "allocation", || "the refusal does not name the allocation".to_owned());
    }

    async fn hold(&mut self, card: &str) -> anyhow::Result<()> {
        self.pen.chapter(4, "A call whose cost is not known yet: reserve, then commit what it cost");
        let mut order = call(card, "image.describe", "describe");
        order["uses"][0]["amount"] = json!(5);
        let held = self.client.post("/v1/reserve", order).await?.body;
        let (id, left) = (text(&held["hold"]).to_owned(), text(&held["uses"][0]["remaining"]).to_owned());
        self.pen.fact("reserve", &format!("5 descriptions set aside as {id}, {left} left"));
        let actual = json!({ "uses": [{ "feature": "image.describe", "amount": 2 }] });
        let done = self.client.post(&format!("/v1/holds/{id}/commit"), actual).await?.body;
        let now = text(&done["uses"][0]["remaining"]).to_owned();
        self.pen.fact("commit", &format!("2 used, 3 come back at once, {now} left"));
        self.expect(left == "15" && now == "18", || format!("the hold left {left}, then {now}, instead of 15 and 18"));
        Ok(())
    }

    async fn repeat(&mut self, card: &str) -> anyhow::Result<()> {
        self.pen.chapter(5, "The network fails and the agent asks again: one upload, one debit, one answer");
        let mut order = call(card, "image.upload", "upload");
        order["idempotency_key"] = json!(format!("demo-upload-{}", self.mark));
        let first = self.client.post("/v1/consume", order.clone()).await?;
        let second = self.client.post("/v1/consume", order).await?;
        for answer in [&first, &second] {
            let again = if answer.replayed { "asked again" } else { "asked" };
            let left = text(&answer.body["uses"][0]["remaining"]);
            self.pen.fact(
                again,
                &format!("{} by {}, {left} left", text(&answer.body["decision"]), text(&answer.body["decision_id"])),
            );
        }
        let same = first.body == second.body && second.replayed && !first.replayed;
        self.expect(same, || "a repeated call was not answered with the stored answer".to_owned());
        Ok(())
    }

    async fn stray(&mut self, card: &str) -> anyhow::Result<()> {
        self.pen.chapter(6, "The agent tries a tool that the card is not for");
        let answer = self.client.post("/v1/consume", call(card, "image.upload", "delete")).await?.body;
        self.pen.fact(text(&answer["decision"]), text(&answer["message"]));
        let reason = text(&answer["reason"]).to_owned();
        self.expect(reason == "out_of_scope", || format!("a foreign tool was answered with \"{reason}\""));
        Ok(())
    }

    async fn account_for(&mut self, card: &str) -> anyhow::Result<()> {
        self.pen.chapter(7, "The statement: granted = free + carved + leased + held + used + lapsed");
        const POCKETS: [&str; 6] = ["free", "carved", "leased", "held", "used", "lapsed"];
        let statement = self.client.get(&format!("/v1/allocations/{card}")).await?.body;
        let cells = |key: &str| {
            let line = line(&statement, key);
            let cell = |member: &str| text(&line[member]).to_owned();
            [key.to_owned(), cell("granted"), cell("free"), cell("held"), cell("used"), cell("leased")]
        };
        let rows = LINES.map(|(key, _)| cells(key));
        let shown = table::render(["feature", "granted", "free", "held", "used", "leased"], &rows);
        shown.lines().for_each(|row| self.pen.line(&format!("   {row}")));
        for ((key, _), used) in LINES.into_iter().zip([10, 2, 1]) {
            let line = line(&statement, key);
            let sum: u64 = POCKETS.iter().map(|pocket| number(&line[*pocket])).sum();
            self.expect(sum == number(&line["granted"]), || format!("the equation of {key} does not hold"));
            let found = number(&line["used"]);
            self.expect(found == used, || format!("{found} {key} are used instead of {used}"));
        }
        Ok(())
    }

    /// Who spent what for whom, with which tool: what a person asks afterwards.
    async fn spell_out(&mut self, card: &str) -> anyhow::Result<()> {
        self.pen.chapter(8, "Who spent what, for whom, with which tool");
        for ((key, _), expected) in LINES.into_iter().zip([10, 2, 1]) {
            let rows = self.usage(card, key, expected).await?;
            for row in &rows {
                let keys = |name: &str| text(&row[name]["externalId"]).to_owned();
                let tool = row["dimensions"].get(0).map_or("-", |said| text(&said["value"]));
                self.pen.fact(
                    key,
                    &format!(
                        "{} by {} with {tool}, on behalf of {}; {} calls denied",
                        text(&row["units"]),
                        keys("agent"),
                        keys("user"),
                        row["denied"].as_u64().unwrap_or(0)
                    ),
                );
            }
            let found: u64 = rows.iter().map(|row| number(&row["units"])).sum();
            self.expect(found == expected, || format!("the report tells of {found} {key} instead of {expected}"));
        }
        Ok(())
    }

    /// What was spent of a feature on the card, once the ledger has heard all of it: gates tell it within a second or so.
    async fn usage(&self, card: &str, feature: &str, expected: u64) -> anyhow::Result<Vec<Value>> {
        for _ in 0..REPORT_LOOKS {
            let input = json!({ "allocation": card, "feature": feature, "groupBy": ["AGENT", "USER"],
                "groupByDimensions": ["tool"] });
            let report = self.ada.ask("usage", USAGE, json!({ "input": input })).await?;
            let rows = report["rows"].as_array().cloned().unwrap_or_default();
            if rows.iter().map(|row| number(&row["units"])).sum::<u64>() >= expected {
                return Ok(rows);
            }
            tokio::time::sleep(REPORT_PAUSE).await;
        }
        Ok(Vec::new())
    }

    async fn take_back(&mut self, card: &str) -> anyhow::Result<()> {
        self.pen.chapter(9, "The task ends, and what is left goes back to the month's quota");
        let before = self.month().await?;
        let closed = self.ada.ask("closeAllocation", CLOSE, json!({ "id": card })).await?["allocation"].clone();
        let after = self.month().await?;
        self.pen.fact("state", text(&closed["state"]));
        for ((key, _), expected) in LINES.into_iter().zip([0, 18, 9]) {
            let found = number_left(&after, key).saturating_sub(number_left(&before, key));
            self.pen.fact(key, &format!("{found} back: {} -> {}", left(&before, key), left(&after, key)));
            self.expect(found == expected, || format!("{found} {key} came back instead of {expected}"));
        }
        let late = self.client.post("/v1/consume", call(card, "image.describe", "describe")).await?.body;
        self.pen.fact("afterwards", &format!("{}: {}", text(&late["decision"]), text(&late["message"])));
        self.expect(late["decision"] == "deny", || "a closed card still pays".to_owned());
        Ok(())
    }

    async fn month(&self) -> anyhow::Result<Value> {
        let customer = self.ada.ask("customer", MONTH, json!({})).await?;
        Ok(customer["entitlements"].clone())
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros() / 1_000_000 * 1_000_000)
}

type Told = (u16, anyhow::Result<Value>);

async fn toil(client: Client, call: Value, worker: u16, tell: mpsc::UnboundedSender<Told>) {
    loop {
        let answer = client.post("/v1/consume", call.clone()).await.map(|answer| answer.body);
        let go_on = answer.as_ref().is_ok_and(|body| body["decision"] == "allow");
        if tell.send((worker, answer)).is_err() || !go_on {
            return;
        }
    }
}

fn call(card: &str, feature: &str, tool: &str) -> Value {
    json!({ "allocation": card, "uses": [{ "feature": feature, "amount": 1 }], "dimensions": { "tool": tool } })
}

fn line<'v>(statement: &'v Value, feature: &str) -> &'v Value {
    let lines = statement["lines"].as_array();
    lines.and_then(|lines| lines.iter().find(|line| line["feature"] == feature)).unwrap_or(&Value::Null)
}

/// The card's line of a feature, as GraphQL tells it.
fn card_line<'v>(card: &'v Value, feature: &str) -> &'v Value {
    of_feature(&card["lines"], feature)
}

fn of_feature<'v>(all: &'v Value, feature: &str) -> &'v Value {
    let all = all.as_array();
    all.and_then(|all| all.iter().find(|one| one["feature"]["key"] == feature)).unwrap_or(&Value::Null)
}

fn left<'v>(month: &'v Value, feature: &str) -> &'v str {
    text(&of_feature(month, feature)["balance"]["free"])
}

fn number_left(month: &Value, feature: &str) -> u64 {
    left(month, feature).parse().unwrap_or(0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn number(value: &Value) -> u64 {
    text(value).parse().unwrap_or(0)
}
