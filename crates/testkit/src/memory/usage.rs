//! Usage, added up from the decisions themselves each time that somebody asks: what the tables of a database must come to.

use super::core::Core;
use super::ports::MemoryStore;
use super::table::Eye;
use almoner_domain::decision::{Decision, Operation, Verdict};
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, FeatureId, Id};
use almoner_domain::ports::Usage;
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use almoner_domain::time::{DAY, HOUR, Timestamp};
use almoner_domain::units::Units;
use almoner_domain::usage::{
    Bucket, DIMENSION_SETS_MAX, DIMENSIONS_BYTES_MAX, Measure, UsageDimension, UsageFilter, UsageKey, UsageQuery,
    UsageRow,
};
use async_trait::async_trait;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

type Said = [(String, String)];

/// What one call says of one feature.
struct Spent<'d> {
    hour: i64,
    whom: Principals,
    decision: &'d Decision,
    feature: FeatureId,
    /// What was said about the call; none where it is not told apart.
    said: Option<&'d Said>,
    is_denied: bool,
    units: Units,
}

/// What a group has under one key, in the order of groups that come to the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// An id; nil where there is none.
    Id(u128),
    /// What was said, and whether it is what is not told apart.
    Said(Option<String>, bool),
}

/// Sets of dimensions that are told apart, for each hour, customer and feature: those that came first.
#[derive(Default)]
struct Sets<'d>(BTreeMap<(i64, CustomerId, FeatureId), BTreeSet<&'d Said>>);

impl<'d> Sets<'d> {
    fn told_apart(&mut self, place: (i64, CustomerId, FeatureId), said: &'d Said) -> Option<&'d Said> {
        if said.is_empty() {
            return Some(said);
        }
        let object: BTreeMap<&str, &str> = said.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if serde_json::to_string(&object).map_or(usize::MAX, |text| text.len()) > DIMENSIONS_BYTES_MAX {
            return None;
        }
        let known = self.0.entry(place).or_default();
        (known.contains(said) || (known.len() < DIMENSION_SETS_MAX && known.insert(said))).then_some(said)
    }
}

impl Core {
    /// Rows of the largest groups, by time and within a stretch of it the largest first.
    pub fn usage(&self, realm: Realm, query: &UsageQuery) -> Vec<UsageRow> {
        let mut groups: BTreeMap<Vec<Part>, BTreeMap<Timestamp, UsageRow>> = BTreeMap::new();
        for spent in self.spent(self.eye(realm)).iter().filter(|spent| spent.is_wanted(query)) {
            let key = query.keys().iter().map(|key| spent.part(key)).collect();
            let start = query.bucket().map(|bucket| start_of(bucket, spent.hour));
            let stretches = groups.entry(key).or_default();
            let row = stretches.entry(start.unwrap_or(query.span().since())).or_insert_with(|| spent.row(query, start));
            row.calls += i64::from(!spent.is_denied);
            row.denied += i64::from(spent.is_denied);
            row.units = row.units.saturating_add(spent.units);
        }
        let measure = |row: &UsageRow| match query.measure() {
            Measure::Units => row.units.get(),
            Measure::Calls => row.calls,
        };
        // Both sorts keep what comes to the same in the order of its keys.
        let mut ranked: Vec<_> = groups.into_values().collect();
        ranked.sort_by_key(|stretches| Reverse(stretches.values().map(measure).sum::<i64>()));
        ranked.truncate(usize::from(query.top()));
        let mut rows: Vec<_> = ranked.into_iter().flatten().collect();
        rows.sort_by_key(|(start, _)| *start);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// What a realm's calls spent and were refused, in the order in which the ledger was told.
    fn spent(&self, eye: Eye) -> Vec<Spent<'_>> {
        let mut sets = Sets::default();
        let mut all = Vec::new();
        let seen = self.rows.counted.iter().filter(|(owner, _)| (eye.sees)(eye.realm, *owner));
        for (_, decision) in seen {
            // Whom nobody knows has no usage.
            let (Some(whom), Some(is_denied)) = (decision.on_behalf_of, denied(decision)) else { continue };
            let hour = decision.at.as_micros().div_euclid(HOUR) * HOUR;
            for used in &decision.uses {
                let feature = used.feature;
                let said = sets.told_apart((hour, whom.customer, feature), &decision.dimensions);
                let units = if is_denied { Units::ZERO } else { used.kind.granted() };
                all.push(Spent { hour, whom, decision, feature, said, is_denied, units });
            }
        }
        all
    }
}

/// Was it refused? None where it neither refused nor spent anything: a reserve has not spent yet.
fn denied(decision: &Decision) -> Option<bool> {
    match (&decision.verdict, decision.operation) {
        (Verdict::Deny(_), _) => Some(true),
        (Verdict::Allow, Operation::Consume | Operation::Commit | Operation::Release) => Some(false),
        (Verdict::Allow, Operation::Reserve | Operation::Extend | Operation::Expire | Operation::Meter) => None,
    }
}

impl Spent<'_> {
    fn is_wanted(&self, query: &UsageQuery) -> bool {
        let UsageFilter { customer, user, agent, session, allocation, feature, dimensions } = &query.filter;
        let at = Timestamp::from_micros(self.hour);
        let is_of_span = query.span().since() <= at && at < query.span().until();
        is_of_span
            && customer.is_none_or(|id| id == self.whom.customer)
            && feature.is_none_or(|id| id == self.feature)
            && (user.is_none() || *user == self.whom.user)
            && (agent.is_none() || *agent == self.whom.agent)
            && (session.is_none() || *session == self.whom.session)
            && (allocation.is_none() || *allocation == self.decision.allocation)
            && dimensions.iter().all(|(name, value)| self.value(name.as_str()) == Some(value.as_str()))
    }

    /// What was said under a name.
    fn value(&self, name: &str) -> Option<&str> {
        self.said?.iter().find(|(said, _)| said == name).map(|(_, value)| value.as_str())
    }

    fn part(&self, key: &UsageKey) -> Part {
        match key {
            UsageKey::Customer => number(Some(self.whom.customer)),
            UsageKey::User => number(self.whom.user),
            UsageKey::Agent => number(self.whom.agent),
            UsageKey::Session => number(self.whom.session),
            UsageKey::Allocation => number(self.decision.allocation),
            UsageKey::Feature => number(Some(self.feature)),
            UsageKey::Dimension(name) => Part::Said(self.value(name.as_str()).map(str::to_owned), self.said.is_none()),
        }
    }

    /// The row of its group, with nothing added up yet.
    fn row(&self, query: &UsageQuery, start: Option<Timestamp>) -> UsageRow {
        let mut row = UsageRow { start, ..UsageRow::default() };
        for key in query.keys() {
            match key {
                UsageKey::Customer => row.customer = Some(self.whom.customer),
                UsageKey::User => row.user = self.whom.user,
                UsageKey::Agent => row.agent = self.whom.agent,
                UsageKey::Session => row.session = self.whom.session,
                UsageKey::Allocation => row.allocation = self.decision.allocation,
                UsageKey::Feature => row.feature = Some(self.feature),
                UsageKey::Dimension(name) => row.dimensions.push(UsageDimension {
                    name: name.clone(),
                    value: self.value(name.as_str()).map(str::to_owned),
                    is_other: self.said.is_none(),
                }),
            }
        }
        row
    }
}

fn number<I: Id>(id: Option<I>) -> Part {
    Part::Id(id.map_or(0, |id| id.uuid().as_u128()))
}

/// Where the stretch begins that an hour falls into.
fn start_of(bucket: Bucket, hour: i64) -> Timestamp {
    let hour_start = Timestamp::from_micros(hour);
    match bucket {
        Bucket::Hour => hour_start,
        Bucket::Day => Timestamp::from_micros(hour.div_euclid(DAY) * DAY),
        Bucket::Month => {
            let written = hour_start.to_string();
            Timestamp::parse(&format!("{}-01T00:00:00Z", &written[.."2026-11".len()])).expect("the first of a month")
        }
    }
}

#[async_trait]
impl Usage for MemoryStore {
    async fn usage(&self, realm: Realm, query: UsageQuery) -> Result<Vec<UsageRow>, Fault> {
        Ok(self.here("usage")?.0.usage(realm, &query))
    }
}
