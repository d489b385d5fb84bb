//! Pages: a stretch of a list that is too long to be read at once.
//!
//! Lists are in the order of ids, which is the order in which things came into being; so a list does not shift under
//! whoever pages through it, and the id of an entry says where it stands even when the entry itself is gone.

use uuid::Uuid;

/// The most entries of one page.
pub const PAGE_MAX: u16 = 100;

/// Which stretch of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// Only entries after this one, in the order of the list.
    pub after: Option<Uuid>,
    /// Only entries before this one.
    pub before: Option<Uuid>,
    /// How many, and from which end of what is left.
    pub take: Take,
}

/// How many entries, from which end. At most [`PAGE_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Take {
    /// The first ones.
    First(u16),
    /// The last ones, still in the order of the list.
    Last(u16),
}

impl Page {
    /// The beginning of a list.
    pub const fn first(count: u16) -> Self {
        Self { after: None, before: None, take: Take::First(count) }
    }
}

/// A stretch of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch<T> {
    /// Its entries, in the order of the list.
    pub entries: Vec<T>,
    /// Are there entries before it?
    pub before: bool,
    /// Are there entries after it?
    pub after: bool,
}

impl<T> Stretch<T> {
    /// All of a list.
    pub const fn whole(entries: Vec<T>) -> Self {
        Self { entries, before: false, after: false }
    }

    /// The same stretch of what its entries come to.
    pub fn try_map<U, E>(self, read: impl FnMut(T) -> Result<U, E>) -> Result<Stretch<U>, E> {
        let Self { entries, before, after } = self;
        Ok(Stretch { entries: entries.into_iter().map(read).collect::<Result<_, _>>()?, before, after })
    }
}
