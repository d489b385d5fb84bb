//! Usage by the day, session by session and allocation by allocation, whatever was said of it.

use crate::table::realm_table;

realm_table! {
    "usage_session_days" {
        key {
            feature_id: Uuid,
            day: i64,
            customer_id: Uuid,
            user_id: Uuid,
            agent_id: Uuid,
            session_id: Uuid,
            allocation_id: Uuid,
        }
        calls: i64,
        denied: i64,
        units: i64,
    }
}
