//! What makes allocations just in time: each support ticket has its credits, without anybody pressing a button.

use super::cast::Cast;
use super::catalogue::CREDITS;
use super::{SeedError, at};
use crate::policies::{NewPolicy, NewPolicyLine, NewSelector};
use almoner_domain::conditions::Conditions;
use almoner_domain::scope::Scope;
use almoner_domain::text::{ExternalId, FeatureKey, Name, Named, SessionKind, TextError};
use almoner_domain::zone::Zone;
use std::time::Duration;

/// How long a ticket has its credits.
const LIFETIME: Duration = Duration::from_secs(2 * 3_600);

/// Up to 50 credits for each ticket, for two hours, at most 500 a day.
pub(super) fn for_tickets(cast: &Cast) -> Result<NewPolicy, SeedError> {
    let zone = Zone::parse("UTC").map_err(at("policies"))?;
    made(cast, zone).map_err(at("policies"))
}

fn made(cast: &Cast, zone: Zone) -> Result<NewPolicy, TextError> {
    let credits =
        NewPolicyLine { feature: FeatureKey::parse(CREDITS)?, up_to: "50".to_owned(), a_day: Some("500".to_owned()) };
    Ok(NewPolicy {
        external_id: ExternalId::parse("support-tickets")?,
        name: Name::parse("Support tickets")?,
        agents: NewSelector::These(vec![Named::External(ExternalId::parse(cast.support)?)]),
        session_kind: SessionKind::parse("support_ticket")?,
        customer: None,
        lines: vec![credits],
        scope: Scope::default(),
        conditions: Conditions::default(),
        lifetime: LIFETIME,
        live_max: None,
        zone,
    })
}
