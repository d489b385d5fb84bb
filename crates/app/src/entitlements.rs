//! Entitlements as people look at them: what a customer or a user may use, what remains, when it resets.

use crate::authority::{self, FindError};
use crate::desk::Desk;
use almoner_domain::caller::Caller;
use almoner_domain::ports::SubjectName;
use almoner_domain::statement::EntitlementStatement;

/// What a customer, or one of its users, may use; `None` where there is no such customer or user.
pub async fn of(
    caller: &Caller,
    desk: &Desk,
    subject: &SubjectName,
) -> Result<Option<EntitlementStatement>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let found = desk.lookup.entitlements(realm, subject).await?;
    Ok(found.filter(|found| reach.has(&found.principals)))
}
