//! Usage by the day, without sessions: a year of a whole tenant is read from it.

use crate::table::realm_table;

realm_table! {
    "usage_days" {
        key { feature_id: Uuid, day: i64, customer_id: Uuid, user_id: Uuid, agent_id: Uuid, set_id: Uuid, }
        dimensions: String,
        calls: i64,
        denied: i64,
        units: i64,
    }
}
