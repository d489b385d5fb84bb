//! One client of many: it draws its next act by chance, and records every answer.

use super::card::{Card, Tab};
use super::record::{Answered, Record, Unresolved};
use super::{CUSTOMERS, WARES};
use crate::answer::{Decision, Statement};
use crate::call::{Call, Carve};
use crate::chance::{amount, percent};
use crate::client::{Client, Reply, Setbacks};
use almoner_testkit::Dice;
use serde_json::{Value, json};
use std::sync::Arc;

/// How a client takes it when no answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nerve {
    /// It must not happen.
    Calm,
    /// It happens: mostly it asks again, sometimes it gives up.
    Stormy,
}

/// Seconds that a hold stands which its client means to settle: longer than any outage.
const TTL_LONG_S: u64 = 600;
/// Seconds that a hold stands which its client forgets.
const TTL_BRIEF_S: u64 = 1;
/// Holds that a client has open at most.
const HOLDS_MAX: usize = 4;

/// One client.
#[derive(Debug)]
pub struct Worker {
    client: Client,
    record: Arc<Record>,
    dice: Dice,
    nerve: Nerve,
    name: String,
    serial: u64,
    holds: Vec<OpenHold>,
}

/// A hold that the client means to settle.
#[derive(Debug)]
struct OpenHold {
    id: String,
    card: Arc<Card>,
    parts: Vec<(usize, i64)>,
}

impl Worker {
    /// A client with a name of its own, by which its keys differ from others'.
    pub fn new(client: Client, record: Arc<Record>, dice: Dice, nerve: Nerve, name: impl Into<String>) -> Self {
        Self { client, record, dice, nerve, name: name.into(), serial: 0, holds: Vec::new() }
    }

    /// Does something.
    pub async fn act(&mut self) {
        match self.dice.below(100) {
            0..42 => self.consume().await,
            42..58 => self.reserve().await,
            58..72 => self.settle().await,
            72..80 => self.consume_month().await,
            80..94 => self.carve().await,
            _ => self.close().await,
        }
    }

    /// Settles what it has open.
    pub async fn finish(&mut self) {
        while !self.holds.is_empty() {
            self.settle().await;
        }
    }

    fn key(&mut self) -> String {
        self.serial += 1;
        format!("{}-{}", self.name, self.serial)
    }

    fn some_card(&mut self) -> Option<Arc<Card>> {
        let cards = self.record.cards();
        // Mostly one of the latest, so that the same card is met by many.
        let from = if percent(&mut self.dice, 90) { cards.len().saturating_sub(40) } else { 0 };
        self.dice.pick(&cards[from..]).cloned()
    }

    /// One line of a card, or all.
    fn parts(&mut self, card: &Card) -> Vec<(usize, i64)> {
        let only = self.dice.below(card.tabs.len() as u64 + 1);
        let all = card.tabs.iter().enumerate();
        let chosen = all.filter(|(at, _)| only >= card.tabs.len() as u64 || *at as u64 == only);
        chosen.map(|(at, tab)| (at, amount(&mut self.dice, &tab.ware.call))).collect()
    }

    async fn consume(&mut self) {
        let Some(card) = self.some_card() else { return };
        let parts = self.parts(&card);
        let call =
            parts.iter().fold(Call::on(&card.id), |call, (at, units)| call.uses(card.tabs[*at].ware.feature, *units));
        let was_closed = card.is_closed();
        let tabs: Vec<&Tab> = parts.iter().map(|(at, _)| &card.tabs[*at]).collect();
        let Some(decision) = self.spend(call, &tabs, &parts, Ok(card.clone())).await else { return };
        assert!(!(was_closed && decision.allowed()), "{:?} was closed and paid: {decision:?}", card);
    }

    async fn consume_month(&mut self) {
        let customer = usize::from(percent(&mut self.dice, 50));
        let at = usize::try_from(self.dice.below(WARES.len() as u64)).expect("few");
        let parts = [(at, amount(&mut self.dice, &WARES[at].call))];
        let call = Call::of(CUSTOMERS[customer]).uses(WARES[at].feature, parts[0].1);
        let record = self.record.clone();
        self.spend(call, &[&record.months[customer][at]], &parts, Err(customer)).await;
    }

    /// Consumes and records. None when the answer is unknown.
    async fn spend(
        &mut self,
        call: Call,
        tabs: &[&Tab],
        parts: &[(usize, i64)],
        drawn_on: Result<Arc<Card>, usize>,
    ) -> Option<Decision> {
        let keyed = percent(&mut self.dice, 85);
        let call = if keyed { call.key(self.key()) } else { call };
        tabs.iter().zip(parts).for_each(|(tab, (_, units))| tab.ask(*units));
        let Some(reply) = self.send("/v1/consume", &call.0, keyed).await else {
            if keyed {
                let path = "/v1/consume".to_owned();
                self.record.add_unresolved(Unresolved { path, body: call.0, drawn_on, parts: parts.to_vec() });
            }
            return None;
        };
        let decision = reply.decision();
        for (tab, (_, units)) in tabs.iter().zip(parts) {
            let granted = decision.granted(tab.ware.feature);
            assert_eq!(granted, if decision.allowed() { *units } else { 0 }, "all or nothing: {decision:?}");
            tab.answered(*units, granted);
        }
        self.judge(&decision);
        Some(decision)
    }

    /// A denial for want of units says that fewer are left than were asked for.
    fn judge(&self, decision: &Decision) {
        self.record.count(!decision.allowed());
        if decision.allowed() || decision.reason() == "expired" {
            return;
        }
        assert_eq!(decision.reason(), "exhausted", "{decision:?}");
        let uses = decision.0["uses"].as_array().expect("uses");
        let units = |used: &Value, name: &str| crate::answer::number(&used[name]);
        let short = uses.iter().any(|used| units(used, "remaining") < units(used, "requested"));
        assert!(short, "denied while units are free: {decision:?}");
    }

    async fn reserve(&mut self) {
        if self.holds.len() >= HOLDS_MAX {
            return self.settle().await;
        }
        let Some(card) = self.some_card() else { return };
        let parts = self.parts(&card);
        let forgets = percent(&mut self.dice, 10);
        let call =
            parts.iter().fold(Call::on(&card.id), |call, (at, units)| call.uses(card.tabs[*at].ware.feature, *units));
        let call = call.ttl_s(if forgets { TTL_BRIEF_S } else { TTL_LONG_S }).key(self.key());
        let Some(reply) = self.send("/v1/reserve", &call.0, true).await else {
            let path = "/v1/reserve".to_owned();
            return self.record.add_unresolved(Unresolved { path, body: call.0, drawn_on: Ok(card), parts });
        };
        let decision = reply.decision();
        self.judge(&decision);
        if decision.allowed() && !forgets {
            self.holds.push(OpenHold { id: decision.hold().to_owned(), card, parts });
        }
    }

    /// Commits or releases a hold. It can be asked again without a key: the same amounts are the same answer.
    async fn settle(&mut self) {
        let at = self.dice.below(self.holds.len() as u64);
        let Some(hold) = (!self.holds.is_empty()).then(|| self.holds.swap_remove(usize::try_from(at).expect("few")))
        else {
            return;
        };
        let release = percent(&mut self.dice, 20);
        let costs: Vec<i64> = hold.parts.iter().map(|(_, held)| amount(&mut self.dice, &(0..=*held + 1))).collect();
        let uses: Vec<Value> = hold
            .parts
            .iter()
            .zip(&costs)
            .map(|((at, _), cost)| json!({ "feature": hold.card.tabs[*at].ware.feature, "amount": cost }))
            .collect();
        let (act, member) = if release { ("release", "floor") } else { ("commit", "uses") };
        let mut body = json!({ member: uses });
        let keyed = percent(&mut self.dice, 50);
        if keyed {
            body["idempotency_key"] = self.key().into();
        }
        let due: Vec<i64> = hold.parts.iter().zip(&costs).map(|((_, held), cost)| *cost.min(held)).collect();
        let tabs = || hold.parts.iter().map(|(at, _)| &hold.card.tabs[*at]).zip(&due);
        tabs().for_each(|(tab, due)| tab.ask(*due));
        let path = format!("/v1/holds/{}/{act}", hold.id);
        let reply = match self.send_again(&path, &body, keyed).await {
            Some(reply) => reply,
            None => {
                let parts = hold.parts.iter().zip(&due).map(|((at, _), due)| (*at, *due)).collect();
                return self.record.add_unresolved(Unresolved { path, body, drawn_on: Ok(hold.card), parts });
            }
        };
        let decision = reply.decision();
        self.record.count(false);
        for (tab, due) in tabs() {
            assert_eq!(decision.granted(tab.ware.feature), *due, "{act} {body}: {decision:?}");
            tab.answered(*due, *due);
        }
    }

    async fn carve(&mut self) {
        let parent = if percent(&mut self.dice, 20) { self.some_card() } else { None };
        let customer =
            parent.as_ref().map_or_else(|| usize::from(percent(&mut self.dice, 50)), |parent| parent.customer);
        let session = self.key();
        let mut carve = match &parent {
            Some(parent) => Carve::from(&parent.id, &session),
            None => Carve::of(CUSTOMERS[customer], &session),
        };
        let mut tabs = Vec::new();
        for ware in &WARES {
            let within = parent.is_none()
                || parent.as_ref().is_some_and(|p| p.tabs.iter().any(|t| t.ware.feature == ware.feature));
            if within && percent(&mut self.dice, 60) {
                let most = if parent.is_some() { ware.card.end() / 4 } else { *ware.card.end() };
                let granted = amount(&mut self.dice, &(*ware.card.start().min(&most)..=most));
                carve = carve.line(ware.feature, granted);
                tabs.push(Tab::new(ware, granted));
            }
        }
        if tabs.is_empty() {
            return;
        }
        let carve = carve.key(session);
        let Some(reply) = self.send("/v1/allocations", &carve.0, true).await else {
            let path = "/v1/allocations".to_owned();
            let drawn_on = parent.ok_or(customer);
            return self.record.add_unresolved(Unresolved { path, body: carve.0, drawn_on, parts: Vec::new() });
        };
        match reply.status {
            201 => {
                let statement = Statement(reply.json());
                assert!(
                    tabs.iter().all(|tab| statement.line(tab.ware.feature).granted == tab.granted),
                    "{statement:?}"
                );
                self.record.add_card(Card::new(statement.id().to_owned(), customer, parent, tabs));
            }
            // Too few are free, or the parent has ended.
            409 => self.record.count(true),
            _ => panic!("{}: {}", carve.0, reply.text()),
        }
    }

    async fn close(&mut self) {
        let Some(card) = self.some_card() else { return };
        let (reply, setbacks) = self.client.insist(&format!("/v1/allocations/{}/close", card.id), &json!({})).await;
        self.note(setbacks);
        assert_eq!(reply.status, 200, "{}", reply.text());
        self.record.count(false);
        card.note_closed(&reply.json()["returned"]);
    }

    /// Sends what must not be sent twice, unless it has a key.
    async fn send(&mut self, path: &str, body: &Value, keyed: bool) -> Option<Reply> {
        let gives_up = !keyed || percent(&mut self.dice, 15);
        self.send_unless(path, body, keyed, gives_up).await
    }

    /// Sends what may be sent again, whether it has a key or not.
    async fn send_again(&mut self, path: &str, body: &Value, keyed: bool) -> Option<Reply> {
        let gives_up = percent(&mut self.dice, 15);
        self.send_unless(path, body, keyed, gives_up).await
    }

    async fn send_unless(&mut self, path: &str, body: &Value, keyed: bool, gives_up: bool) -> Option<Reply> {
        let reply = if gives_up && self.nerve == Nerve::Stormy {
            match self.client.try_post(path, body).await {
                Ok(reply) if !reply.could_not_know() => reply,
                Ok(_) => {
                    self.note(Setbacks { broken: 0, could_not_know: 1 });
                    return None;
                }
                Err(_) => {
                    self.note(Setbacks { broken: 1, could_not_know: 0 });
                    return None;
                }
            }
        } else {
            let (reply, setbacks) = self.client.insist(path, body).await;
            self.note(setbacks);
            reply
        };
        if keyed && reply.status < 300 {
            let (path, body, answer) = (path.to_owned(), body.clone(), reply.body.clone());
            self.record.add_answered(Answered { path, body, status: reply.status, answer });
        }
        Some(reply)
    }

    fn note(&self, setbacks: Setbacks) {
        assert!(setbacks.broken == 0 || self.nerve == Nerve::Stormy, "a connection broke in calm weather");
        self.record.count_setbacks(setbacks);
    }
}
