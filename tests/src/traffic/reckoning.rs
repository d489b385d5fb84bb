//! What clients hold a server to, by their record.

use super::card::{Card, Tab};
use super::record::{Answered, Record, Unresolved};
use super::{CUSTOMERS, WARES};
use crate::answer::{Line, Statement};
use crate::call::Call;
use crate::client::{Client, Reply};
use crate::wait::eventually;
use futures::stream::{self, StreamExt};
use serde_json::json;
use std::sync::Arc;

/// Requests of a check under way at once.
const AT_ONCE: usize = 16;

impl Record {
    /// Each of these answers is given again, byte for byte, and says that it was given before.
    ///
    /// # Panics
    /// Panics with the first that is not.
    pub async fn assert_remembered(&self, client: &Client, answers: Vec<Answered>) {
        stream::iter(answers)
            .for_each_concurrent(AT_ONCE, |known| async move {
                let (again, _) = client.insist(&known.path, &known.body).await;
                let first = String::from_utf8_lossy(&known.answer).into_owned();
                assert_eq!((again.status, again.text()), (known.status, first), "{} {}", known.path, known.body);
                assert!(again.replayed(), "answered anew: {} {}", known.path, known.body);
            })
            .await;
    }

    /// The statements of these cards hold every allowed answer and nothing that nobody asked for.
    ///
    /// # Panics
    /// Panics with the first that does not.
    pub async fn assert_accounted(&self, client: &Client, cards: Vec<Arc<Card>>) {
        stream::iter(cards)
            .for_each_concurrent(AT_ONCE, |card| async move {
                let before: Vec<i64> = card.tabs.iter().map(Tab::spent).collect();
                let reply = client.get(&format!("/v1/allocations/{}", card.id)).await;
                assert_eq!(reply.status, 200, "an acknowledged card is missing: {}", reply.text());
                let statement = Statement(reply.json());
                for (tab, before) in card.tabs.iter().zip(before) {
                    let used = statement.line(tab.ware.feature).used;
                    let most = tab.spent_at_most();
                    assert!(
                        before <= used && used <= most,
                        "{} {}: {before} <= {used} <= {most}",
                        card.id,
                        tab.ware.feature
                    );
                }
            })
            .await;
    }

    /// Asks once more for all that was given up, so that nothing keyed is unknown any more.
    ///
    /// # Panics
    /// Panics when an answer is none that may come.
    pub async fn resolve(&self, client: &Client) -> usize {
        let unresolved = self.take_unresolved();
        let count = unresolved.len();
        stream::iter(unresolved).for_each_concurrent(AT_ONCE, |request| self.resolve_one(client, request)).await;
        count
    }

    async fn resolve_one(&self, client: &Client, request: Unresolved) {
        let (reply, _) = client.insist(&request.path, &request.body).await;
        match request.path.as_str() {
            "/v1/allocations" => return self.resolve_carving(&reply, &request),
            "/v1/reserve" => return give_back(client, &reply).await,
            _ => {}
        }
        let tabs: Vec<&Tab> = match &request.drawn_on {
            Ok(card) => request.parts.iter().map(|(at, _)| &card.tabs[*at]).collect(),
            Err(customer) => request.parts.iter().map(|(at, _)| &self.months[*customer][*at]).collect(),
        };
        let expired = reply.status == 410;
        assert!(expired || reply.status == 200, "{} {}: {}", request.path, request.body, reply.text());
        for (tab, (_, units)) in tabs.iter().zip(&request.parts) {
            tab.answered(*units, if expired { 0 } else { reply.decision().granted(tab.ware.feature) });
        }
    }

    fn resolve_carving(&self, reply: &Reply, request: &Unresolved) {
        if reply.status == 409 {
            return;
        }
        assert_eq!(reply.status, 201, "{}: {}", request.body, reply.text());
        let statement = Statement(reply.json());
        let carved = |ware: usize| {
            let line = statement.0["lines"]
                .as_array()?
                .iter()
                .find(|line: &&serde_json::Value| line["feature"] == WARES[ware].feature)?;
            Some(Tab::new(&WARES[ware], Line::read(line).granted))
        };
        let tabs = (0..WARES.len()).filter_map(carved).collect();
        let (customer, parent) = match &request.drawn_on {
            Ok(parent) => (parent.customer, Some(parent.clone())),
            Err(customer) => (*customer, None),
        };
        self.add_card(Card::new(statement.id().to_owned(), customer, parent, tabs));
    }

    /// Closes every card, waits for forgotten holds to run out, and compares the months with the record: what is free is
    /// what was granted less what was spent, to the unit where nothing is unknown. Then spends the last unit of each month.
    ///
    /// # Panics
    /// Panics when a unit is missing or too many.
    pub async fn settle_up(&self, client: &Client) {
        for card in self.cards() {
            let (reply, _) = client.insist(&format!("/v1/allocations/{}/close", card.id), &json!({})).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            card.note_closed(&reply.json()["returned"]);
        }
        self.assert_accounted(client, self.cards()).await;
        for (customer, name) in CUSTOMERS.iter().enumerate() {
            for at in 0..WARES.len() {
                self.settle_up_month(client, customer, name, at).await;
            }
        }
    }

    async fn settle_up_month(&self, client: &Client, customer: usize, name: &str, at: usize) {
        let feature = WARES[at].feature;
        let (spent, most) = self.spent_of_month(customer, at);
        let line = eventually("forgotten holds run out", async || {
            let line = client.month(name).await.line(feature);
            let back = line.granted - line.free;
            (line.held == 0 && back <= most).then_some(line)
        })
        .await;
        assert_eq!((line.granted, line.leased, line.lapsed), (WARES[at].month, 0, 0), "{name} {feature}");
        let gone = line.granted - line.free;
        assert!(spent <= gone && gone <= most, "{name} {feature}: {spent} <= {gone} <= {most}");
        if line.free > 0 {
            let last = client.consume(&Call::of(name).uses(feature, line.free)).await;
            assert!(last.allowed(), "denied while units are free: {last:?}");
        }
        let over = client.consume(&Call::of(name).uses(feature, 1)).await;
        assert_eq!((over.allowed(), over.reason()), (false, "exhausted"), "{over:?}");
    }

    /// Units of a customer's month that allowed answers spent, on it and on all cards out of it; and those at most.
    pub fn spent_of_month(&self, customer: usize, at: usize) -> (i64, i64) {
        let feature = WARES[at].feature;
        let cards = self.cards();
        let on_cards = cards.iter().filter(|card| card.customer == customer);
        let tabs = on_cards.flat_map(|card| card.tabs.iter().filter(|tab| tab.ware.feature == feature));
        let sum = |tabs: &mut dyn Iterator<Item = &Tab>, of: fn(&Tab) -> i64| tabs.map(of).sum::<i64>();
        let straight = &self.months[customer][at];
        let spent = straight.spent() + sum(&mut tabs.clone(), Tab::spent);
        (spent, straight.spent_at_most() + sum(&mut tabs.clone(), Tab::spent_at_most))
    }
}

/// A hold whose id nobody knew until now is not needed any more. One that was forgotten has run out by itself.
async fn give_back(client: &Client, reply: &Reply) {
    let decision = reply.decision();
    if decision.allowed() {
        let (released, _) = client.insist(&format!("/v1/holds/{}/release", decision.hold()), &json!({})).await;
        assert!(matches!(released.status, 200 | 410), "an acknowledged hold is missing: {}", released.text());
    }
}
