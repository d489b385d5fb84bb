//! Rows of one kind, each with the realm that owns it.

use almoner_domain::tenant::Realm;
use std::collections::BTreeMap;

/// Who looks, and whose rows they see. The one place where the store tells realms apart.
#[derive(Clone, Copy)]
pub(super) struct Eye {
    pub(super) realm: Realm,
    pub(super) sees: fn(asked: Realm, owner: Realm) -> bool,
}

/// Rows by key. Two realms may have a row of the same key: they never see each other's.
#[derive(Clone)]
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, Vec<(Realm, V)>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<K: Ord + Copy, V> Table<K, V> {
    pub(super) fn find(&self, eye: Eye, key: K) -> Option<&V> {
        let owned = self.rows.get(&key)?;
        owned.iter().find(|(owner, _)| (eye.sees)(eye.realm, *owner)).map(|(_, row)| row)
    }

    /// Writes a row: over the one that is seen, else as a new one.
    pub(super) fn put(&mut self, eye: Eye, key: K, row: V) {
        let owned = self.rows.entry(key).or_default();
        match owned.iter_mut().find(|(owner, _)| (eye.sees)(eye.realm, *owner)) {
            Some((_, there)) => *there = row,
            None => owned.push((eye.realm, row)),
        }
    }

    pub(super) fn remove(&mut self, eye: Eye, key: K) {
        if let Some(owned) = self.rows.get_mut(&key) {
            owned.retain(|(owner, _)| !(eye.sees)(eye.realm, *owner));
        }
    }

    /// What a realm sees, in key order.
    pub(super) fn seen(&self, eye: Eye) -> impl Iterator<Item = &V> {
        self.all().filter(move |(owner, _)| (eye.sees)(eye.realm, *owner)).map(|(_, row)| row)
    }

    /// All rows of all realms, in key order.
    pub(super) fn all(&self) -> impl Iterator<Item = (Realm, &V)> {
        self.rows.values().flatten().map(|(owner, row)| (*owner, row))
    }
}
