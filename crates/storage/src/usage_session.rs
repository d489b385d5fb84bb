//! Usage by the hour, session by session and allocation by allocation.

use crate::table::realm_table;

realm_table! {
    "usage_sessions" {
        key {
            feature_id: Uuid,
            hour: i64,
            customer_id: Uuid,
            user_id: Uuid,
            agent_id: Uuid,
            session_id: Uuid,
            allocation_id: Uuid,
            set_id: Uuid,
        }
        dimensions: String,
        calls: i64,
        denied: i64,
        units: i64,
    }
}
