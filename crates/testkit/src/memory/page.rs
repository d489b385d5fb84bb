//! Pages of lists: the stretch that is asked for, out of rows in any order.

use almoner_domain::id::Id;
use almoner_domain::page::{PAGE_MAX, Page, Stretch, Take};

/// In which order a list is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListOrder {
    /// As things came into being.
    OldestFirst,
    /// The latest first.
    NewestFirst,
}

/// The rows by their ids, told in an order.
pub(super) fn cut<'r, T: Clone + 'r, I: Id>(
    rows: impl Iterator<Item = &'r T>,
    id: impl Fn(&T) -> I,
    order: ListOrder,
    page: Page,
) -> Stretch<T> {
    let mut rows: Vec<&T> = rows.collect();
    rows.sort_by_key(|row| id(row));
    if order == ListOrder::NewestFirst {
        rows.reverse();
    }
    rows.retain(|row| {
        let place = id(row).uuid();
        let follows = |one, other| if order == ListOrder::OldestFirst { one > other } else { one < other };
        page.after.is_none_or(|bound| follows(place, bound)) && page.before.is_none_or(|bound| follows(bound, place))
    });
    let (entries, before, after) = match page.take {
        Take::First(count) => {
            let count = rows.len().min(count.min(PAGE_MAX).into());
            (&rows[..count], page.after.is_some(), count < rows.len())
        }
        Take::Last(count) => {
            let skipped = rows.len().saturating_sub(count.min(PAGE_MAX).into());
            (&rows[skipped..], skipped > 0, page.before.is_some())
        }
    };
    Stretch { entries: entries.iter().map(|row| (*row).clone()).collect(), before, after }
}

/// Those of these ids, each once.
pub(super) fn among<'r, T: Clone + 'r, I: Id>(
    rows: impl Iterator<Item = &'r T>,
    id: impl Fn(&T) -> I,
    ids: &[I],
) -> Vec<T> {
    rows.filter(|row| ids.contains(&id(row))).cloned().collect()
}

/// Is it what is wanted? Where nothing is, everything is.
pub(super) fn fits<T: PartialEq>(wanted: Option<T>, there: Option<T>) -> bool {
    wanted.is_none() || wanted == there
}
