//! Roll-ups: what decisions spent, summed up in the transaction that keeps them, so that they are equal in each committed state.
//!
//! Summed in memory first: a flush of thousands of decisions writes a row for each session and hour that it tells of, and few
//! for each hour and day. A job over stored decisions would touch each of them once more, lag, and have to know in which order
//! they came.

use crate::bulk::Clash;
use crate::table::{NO_ENVIRONMENT, NO_TENANT};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::usage_set::{self, Place, Set};
use crate::{usage_day, usage_day_total, usage_hour, usage_hour_total, usage_session, usage_session_day};
use almoner_domain::decision::{Decision, Operation, Verdict};
use almoner_domain::id::Id;
use almoner_domain::time::{DAY, HOUR};
use sea_orm::entity::prelude::Uuid;
use std::collections::BTreeMap;

/// What tells the rows of the finest table apart, in the order in which every transaction writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    feature: Uuid,
    span: i64,
    customer: Uuid,
    user: Uuid,
    agent: Uuid,
    session: Uuid,
    allocation: Uuid,
    set: Uuid,
}

impl Key {
    fn place(&self) -> Place {
        Place { hour: self.span, customer: self.customer, feature: self.feature }
    }

    fn without_session(self) -> Self {
        Self { session: Uuid::nil(), allocation: Uuid::nil(), ..self }
    }

    fn without_set(self) -> Self {
        Self { set: Uuid::nil(), ..self }
    }

    fn of_customer(self) -> Self {
        Self { user: Uuid::nil(), agent: Uuid::nil(), ..self.without_session().without_set() }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    calls: i64,
    denied: i64,
    units: i64,
}

impl Sums {
    fn add(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.denied = self.denied.saturating_add(more.denied);
        self.units = self.units.saturating_add(more.units);
    }
}

/// Adds decisions that were stored now and not before.
///
/// The last thing that a transaction writes: whoever waits for one of these rows holds all accounts that it needs, so nobody
/// waits in a circle, and the rows that all gates share are held for the length of a commit.
pub(crate) async fn add<'d>(tx: &Tx, decisions: impl IntoIterator<Item = &'d Decision>) -> Result<(), Trouble> {
    let mut wanted: BTreeMap<Place, BTreeMap<Uuid, Set>> = BTreeMap::new();
    let mut told: BTreeMap<Key, Sums> = BTreeMap::new();
    for decision in decisions {
        let Some(counts) = counted(decision) else { continue };
        let set = Set::of(&decision.dimensions)?;
        for (key, sums) in uses(decision, set.id, counts) {
            wanted.entry(key.place()).or_default().entry(set.id).or_insert_with(|| set.clone());
            told.entry(key).or_default().add(sums);
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    let admitted = usage_set::admitted(tx, &wanted).await?;
    let mut texts: BTreeMap<Uuid, String> = wanted.into_values().flatten().map(|(id, set)| (id, set.text)).collect();
    let other = Set::other();
    texts.insert(other.id, other.text);
    let fold = |(key, sums): (Key, Sums)| {
        let is_admitted = admitted.contains(&(key.place(), key.set));
        (Key { set: if is_admitted { key.set } else { other.id }, ..key }, sums)
    };
    write(tx, told.into_iter().map(fold), &texts).await
}

/// Which of the two counts a decision adds to; none where it spent nothing and refused nothing. Says the same as `SPENDING` and
/// `DENYING` of the check.
fn counted(decision: &Decision) -> Option<Sums> {
    match (&decision.verdict, decision.operation) {
        (Verdict::Deny(_), _) => Some(Sums { denied: 1, ..Sums::default() }),
        (Verdict::Allow, Operation::Consume | Operation::Commit | Operation::Release) => {
            Some(Sums { calls: 1, ..Sums::default() })
        }
        (Verdict::Allow, Operation::Reserve | Operation::Extend | Operation::Expire | Operation::Meter) => None,
    }
}

fn uses(decision: &Decision, set: Uuid, counts: Sums) -> impl Iterator<Item = (Key, Sums)> {
    let whom = decision.on_behalf_of;
    let span = decision.at.as_micros().div_euclid(HOUR) * HOUR;
    // Whom nobody knows has no usage.
    decision.uses.iter().filter_map(move |used| {
        let whom = whom?;
        let key = Key {
            feature: used.feature.uuid(),
            span,
            customer: whom.customer.uuid(),
            user: whom.user.map_or(Uuid::nil(), Id::uuid),
            agent: whom.agent.map_or(Uuid::nil(), Id::uuid),
            session: whom.session.map_or(Uuid::nil(), Id::uuid),
            allocation: decision.allocation.map_or(Uuid::nil(), Id::uuid),
            set,
        };
        let units = if counts.calls > 0 { used.kind.granted().get() } else { 0 };
        Some((key, Sums { units, ..counts }))
    })
}

async fn write(
    tx: &Tx,
    told: impl Iterator<Item = (Key, Sums)>,
    texts: &BTreeMap<Uuid, String>,
) -> Result<(), Trouble> {
    let [mut sessions, mut session_days, mut hours, mut days, mut hour_totals, mut day_totals] =
        [(); 6].map(|()| BTreeMap::new());
    for (key, sums) in told {
        let (hour, of_day) = (key.without_session(), key.span.div_euclid(DAY) * DAY);
        let day = Key { span: of_day, ..hour };
        for (map, key) in [
            (&mut sessions, key),
            (&mut session_days, Key { span: of_day, ..key.without_set() }),
            (&mut hours, hour),
            (&mut days, day),
            (&mut hour_totals, hour.of_customer()),
            (&mut day_totals, day.of_customer()),
        ] {
            map.entry(key).or_insert_with(Sums::default).add(sums);
        }
    }
    let text = |key: &Key| texts.get(&key.set).cloned().unwrap_or_default();
    macro_rules! add {
        ($table:ident, $sums:ident { $($column:ident: $of:expr),* $(,)? }) => {{
            use $table::{Column, Entity, Model};
            let row = |(key, sums): (&Key, &Sums)| Model {
                tenant: NO_TENANT,
                environment: NO_ENVIRONMENT,
                feature_id: key.feature,
                customer_id: key.customer,
                calls: sums.calls,
                denied: sums.denied,
                units: sums.units,
                $($column: $of(key),)*
            };
            let rows: Vec<Model> = $sums.iter().map(row).collect();
            tx.insert::<Entity>(&rows, Clash::Add(&[Column::Calls, Column::Denied, Column::Units])).await?;
        }};
    }
    let (span, user, agent, set) =
        (|key: &Key| key.span, |key: &Key| key.user, |key: &Key| key.agent, |key: &Key| key.set);
    let (session, allocation) = (|key: &Key| key.session, |key: &Key| key.allocation);
    add!(
        usage_session,
        sessions {
            hour: span,
            user_id: user,
            agent_id: agent,
            session_id: session,
            allocation_id: allocation,
            set_id: set,
            dimensions: text,
        }
    );
    add!(
        usage_session_day,
        session_days { day: span, user_id: user, agent_id: agent, session_id: session, allocation_id: allocation }
    );
    add!(usage_hour, hours { hour: span, user_id: user, agent_id: agent, set_id: set, dimensions: text });
    add!(usage_day, days { day: span, user_id: user, agent_id: agent, set_id: set, dimensions: text });
    add!(usage_hour_total, hour_totals { hour: span });
    add!(usage_day_total, day_totals { day: span });
    Ok(())
}
