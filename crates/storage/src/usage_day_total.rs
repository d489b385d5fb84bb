//! Usage by the day and customer, whoever spent it for what.

use crate::table::realm_table;

realm_table! {
    "usage_day_totals" {
        key { feature_id: Uuid, day: i64, customer_id: Uuid, }
        calls: i64,
        denied: i64,
        units: i64,
    }
}
