//! Prices: what a use of one feature costs in units of another, the currency (a credit is such a feature).
//!
//! A price list is versioned like a plan: never changed once published, a change is a new version. A call is charged by the list
//! that is in effect when it is decided; what a hold comes to is charged by the prices it was opened at.

use crate::id::{FeatureId, PriceListId};
use crate::text::{DimensionName, DimensionValue};
use crate::time::Timestamp;
use crate::units::{Scale, Units};
use thiserror::Error;

/// The most prices in one list.
pub const LINES_MAX: usize = 500;
/// The most dimensions that one price looks at.
pub const CONDITIONS_MAX: usize = 5;

/// What features cost in one currency, from some time on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceList {
    /// Our id.
    pub id: PriceListId,
    /// The feature that is paid with.
    pub currency: FeatureId,
    /// 1, 2, 3, ... for each currency.
    pub number: u32,
    /// In effect from then on, until a later list's turn.
    pub effective_from: Timestamp,
    /// What costs how much.
    pub lines: Vec<PriceLine>,
}

/// What one feature costs, where calls say certain things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceLine {
    /// Of which feature.
    pub feature: FeatureId,
    /// What calls must say, sorted by name; nothing for any call that no other price fits better.
    pub when: Vec<(DimensionName, DimensionValue)>,
    /// How much.
    pub rate: Rate,
}

/// So many smallest units of the currency for so many smallest units of the feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    cost: Units,
    per: Units,
}

/// Why prices are no list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceListError {
    /// Nothing has a price.
    #[error("a price list has 1 to {LINES_MAX} prices")]
    Count,
    /// A currency that costs itself.
    #[error("a currency has no price in itself")]
    Itself(usize),
    /// Two prices for the same calls: which of them holds?
    #[error("this feature has another price for the same calls")]
    Repeated(usize),
    /// More dimensions than are looked at.
    #[error("a price looks at up to {CONDITIONS_MAX} dimensions, each named once")]
    Conditions(usize),
}

impl Rate {
    /// `cost` smallest units of the currency for one whole unit of a feature of this scale.
    pub fn new(cost: Units, scale: Scale) -> Self {
        Self { cost, per: Units::whole(1, scale).unwrap_or(Units::ZERO) }
    }

    /// As it was stored: `cost` for `per` smallest units; none where it would be for none of them.
    pub fn of(cost: Units, per: Units) -> Option<Self> {
        (!per.is_zero()).then_some(Self { cost, per })
    }

    /// Smallest units of the currency.
    pub fn cost(self) -> Units {
        self.cost
    }

    /// For so many smallest units of the feature.
    pub fn per(self) -> Units {
        self.per
    }

    /// What so many cost: a part of a smallest unit counts whole. As many as the ledger can hold where it would be more.
    pub fn charge(self, amount: Units) -> Units {
        let product = i128::from(amount.get()) * i128::from(self.cost.get());
        let per = i128::from(self.per.get()).max(1);
        units((product + per - 1) / per)
    }

    /// The most of the feature that so much of the currency pays for.
    pub fn affords(self, money: Units) -> Units {
        if self.cost.is_zero() {
            return Units::MAX;
        }
        units(i128::from(money.get()) * i128::from(self.per.get()) / i128::from(self.cost.get()))
    }
}

/// A result within what the ledger can hold.
fn units(value: i128) -> Units {
    i64::try_from(value).ok().and_then(|value| Units::new(value).ok()).unwrap_or(Units::MAX)
}

/// What each of several uses comes to where `money` is spent on them in their order: as asked where it is enough.
pub fn share_out(money: Units, uses: &[(Rate, Units)]) -> Vec<Units> {
    let mut left = money;
    let mut shares = Vec::with_capacity(uses.len());
    for (rate, asked) in uses {
        let share = rate.affords(left).min(*asked);
        left = left.saturating_sub(rate.charge(share));
        shares.push(share);
    }
    shares
}

impl PriceList {
    /// Checks that each call finds one price at most.
    pub fn check(&self) -> Result<(), PriceListError> {
        if self.lines.is_empty() || self.lines.len() > LINES_MAX {
            return Err(PriceListError::Count);
        }
        for (at, price) in self.lines.iter().enumerate() {
            let named_twice = price.when.windows(2).any(|pair| pair[0].0 == pair[1].0);
            if price.when.len() > CONDITIONS_MAX || named_twice {
                return Err(PriceListError::Conditions(at));
            }
            if price.feature == self.currency {
                return Err(PriceListError::Itself(at));
            }
            let same = |other: &PriceLine| other.feature == price.feature && other.when == price.when;
            if self.lines[..at].iter().any(same) {
                return Err(PriceListError::Repeated(at));
            }
        }
        Ok(())
    }

    /// What a feature costs a call that says this: by the price that looks at most of it, the first of those that look at as much.
    pub fn rate(&self, feature: FeatureId, said: &[(String, String)]) -> Option<Rate> {
        let is_said = |(name, value): &(DimensionName, DimensionValue)| {
            said.iter().any(|(said, as_what)| said == name.as_str() && as_what == value.as_str())
        };
        let fits = |price: &&PriceLine| price.feature == feature && price.when.iter().all(is_said);
        // Of equal ones `max_by_key` takes the last.
        let best = self.lines.iter().rev().filter(fits).max_by_key(|price| price.when.len());
        best.map(|price| price.rate)
    }
}

/// Of lists of any currencies, those in effect at an instant: the latest that has begun, for each currency.
pub fn in_effect(lists: &[PriceList], at: Timestamp) -> impl Iterator<Item = &PriceList> {
    let begun = move |list: &&PriceList| list.effective_from <= at;
    lists.iter().filter(begun).filter(move |list| {
        let later = |other: &PriceList| {
            other.currency == list.currency && other.number > list.number && other.effective_from <= at
        };
        !lists.iter().any(later)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn id<I: Id>(number: u128) -> I {
        I::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn amount(count: i64) -> Units {
        Units::new(count).unwrap()
    }

    fn price(feature: u128, when: &[(&str, &str)], cost: i64) -> PriceLine {
        let said =
            |(name, value): &(&str, &str)| (DimensionName::parse(name).unwrap(), DimensionValue::parse(value).unwrap());
        PriceLine {
            feature: id(feature),
            when: when.iter().map(said).collect(),
            rate: Rate::new(amount(cost), Scale::WHOLE),
        }
    }

    fn list(number: u32, from: i64, lines: Vec<PriceLine>) -> PriceList {
        let effective_from = Timestamp::from_micros(from);
        PriceList { id: id(u128::from(number)), currency: id(9), number, effective_from, lines }
    }

    #[test]
    fn the_price_that_looks_at_most_of_a_call_holds() {
        let list = list(
            1,
            0,
            vec![
                price(1, &[], 100),
                price(1, &[("model", "xl")], 500),
                price(1, &[("model", "xl"), ("speed", "fast")], 900),
                price(1, &[("speed", "fast")], 300),
            ],
        );
        list.check().unwrap();
        let cost = |said: &[(&str, &str)]| {
            let said: Vec<_> = said.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            list.rate(id(1), &said).map(|rate| rate.charge(amount(2)).get())
        };
        assert_eq!(cost(&[]), Some(200));
        assert_eq!(cost(&[("model", "s")]), Some(200));
        assert_eq!(cost(&[("model", "xl"), ("other", "x")]), Some(1_000));
        assert_eq!(cost(&[("model", "xl"), ("speed", "fast")]), Some(1_800));
        assert_eq!(list.rate(id(2), &[]), None);
    }

    #[test]
    fn what_is_charged_is_never_less_than_the_price_and_buys_what_it_is_charged_for() {
        // Three credits (of two decimals) for each whole token of three decimals.
        let rate = Rate::new(amount(300), Scale::new(3).unwrap());
        assert_eq!(rate.charge(amount(1_000)), amount(300));
        assert_eq!(rate.charge(amount(1)), amount(1), "a third of a hundredth counts whole");
        assert_eq!(rate.affords(amount(300)), amount(1_000));
        for asked in 0..2_000 {
            let charged = rate.charge(amount(asked));
            assert!(rate.affords(charged) >= amount(asked), "{asked}");
            assert!(charged.is_zero() || rate.affords(amount(charged.get() - 1)) < amount(asked), "{asked}");
        }
        assert_eq!(rate.charge(Units::MAX), Units::new(i64::MAX / 10 * 3 + 3).unwrap());
        assert_eq!(Rate::new(Units::MAX, Scale::WHOLE).charge(Units::MAX), Units::MAX);
        let free = Rate::new(Units::ZERO, Scale::WHOLE);
        assert_eq!((free.charge(Units::MAX), free.affords(Units::ZERO)), (Units::ZERO, Units::MAX));
    }

    #[test]
    fn what_is_not_enough_for_all_goes_to_the_first() {
        let (one, three) = (Rate::new(amount(1), Scale::WHOLE), Rate::new(amount(3), Scale::WHOLE));
        let uses = [(three, amount(2)), (one, amount(5))];
        assert_eq!(share_out(amount(11), &uses), [amount(2), amount(5)]);
        assert_eq!(share_out(amount(7), &uses), [amount(2), amount(1)]);
        assert_eq!(share_out(amount(5), &uses), [amount(1), amount(2)]);
        assert_eq!(share_out(Units::ZERO, &uses), [Units::ZERO, Units::ZERO]);
    }

    #[test]
    fn a_list_is_in_effect_until_the_next_ones_turn() {
        let lists = [
            list(1, 10, vec![price(1, &[], 1)]),
            list(2, 20, vec![price(1, &[], 2)]),
            PriceList { currency: id(8), ..list(1, 15, vec![price(1, &[], 3)]) },
        ];
        let numbers =
            |at| in_effect(&lists, Timestamp::from_micros(at)).map(|l| l.lines[0].rate.cost().get()).collect();
        let at: fn(Vec<i64>) -> Vec<i64> = |v| v;
        assert_eq!(at(numbers(9)), Vec::<i64>::new());
        assert_eq!(at(numbers(10)), [1]);
        assert_eq!(at(numbers(19)), [1, 3]);
        assert_eq!(at(numbers(20)), [2, 3]);
    }

    #[test]
    fn a_list_says_one_thing_of_each_call() {
        let check = |prices| list(1, 0, prices).check();
        assert_eq!(check(Vec::new()), Err(PriceListError::Count));
        assert_eq!(check(vec![price(9, &[], 1)]), Err(PriceListError::Itself(0)));
        assert_eq!(check(vec![price(1, &[], 1), price(1, &[], 2)]), Err(PriceListError::Repeated(1)));
        assert_eq!(check(vec![price(1, &[("a", "1"), ("a", "2")], 1)]), Err(PriceListError::Conditions(0)));
    }
}
