//! Columns, in the few types that both databases keep alike.

use sea_orm_migration::prelude::ColumnDef;
use sea_orm_migration::schema;

/// An id.
pub(crate) fn id(name: &'static str) -> ColumnDef {
    schema::uuid(name)
}

/// An id that may be missing.
pub(crate) fn id_or_none(name: &'static str) -> ColumnDef {
    schema::uuid_null(name)
}

/// A text or a word of a closed list.
pub(crate) fn text(name: &'static str) -> ColumnDef {
    schema::text(name)
}

/// A text that may be missing.
pub(crate) fn text_or_none(name: &'static str) -> ColumnDef {
    schema::text_null(name)
}

/// Units, an instant in microseconds since the epoch, or a count.
pub(crate) fn whole(name: &'static str) -> ColumnDef {
    schema::big_integer(name)
}

/// The same, where it may be missing.
pub(crate) fn whole_or_none(name: &'static str) -> ColumnDef {
    schema::big_integer_null(name)
}

/// A small count, such as a depth.
pub(crate) fn small(name: &'static str) -> ColumnDef {
    schema::small_integer(name)
}

/// A small count that may be missing.
pub(crate) fn small_or_none(name: &'static str) -> ColumnDef {
    schema::small_integer_null(name)
}

/// A hash.
pub(crate) fn hash(name: &'static str) -> ColumnDef {
    schema::blob(name)
}

/// A hash that may be missing.
pub(crate) fn hash_or_none(name: &'static str) -> ColumnDef {
    schema::blob_null(name)
}

/// Yes or no.
pub(crate) fn flag(name: &'static str) -> ColumnDef {
    schema::boolean(name)
}

/// What a customer gets of a feature, as plan lines and entitlements keep it.
pub(crate) fn offer() -> [ColumnDef; 5] {
    [
        text("offer"),
        whole_or_none("value_integer"),
        text_or_none("value_text"),
        whole_or_none("amount"),
        text_or_none("period"),
    ]
}

/// The rule that goes with [`offer`].
pub(crate) const OFFER_CHECK: &str = "(offer = 'included' AND amount IS NULL) \
    OR (offer = 'value' AND (value_integer IS NULL) <> (value_text IS NULL)) \
    OR (offer = 'quota' AND amount >= 0 AND period IS NOT NULL)";

/// On whose behalf, where at least the customer is known.
pub(crate) fn principals() -> [ColumnDef; 4] {
    [id("customer_id"), id_or_none("user_id"), id_or_none("agent_id"), id_or_none("session_id")]
}
