//! Usage by the hour, without sessions.

use crate::table::realm_table;

realm_table! {
    "usage_hours" {
        key { feature_id: Uuid, hour: i64, customer_id: Uuid, user_id: Uuid, agent_id: Uuid, set_id: Uuid, }
        dimensions: String,
        calls: i64,
        denied: i64,
        units: i64,
    }
}
