//! The audit trail: every change is signed in the transaction that makes it, and can be read by whom it concerns.

use crate::app::App;
use crate::authority::{self, FindError};
use crate::desk::Desk;
use crate::directory::narrow;
use almoner_domain::audit::{Action, AuditEntry, NOTE_BYTES_MAX};
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::id::CustomerId;
use almoner_domain::page::{Page, Stretch};
use almoner_domain::ports::{AuditFilter, Work};

/// What is signed, beside who signs it.
pub(crate) struct Deed<'d> {
    /// What was done.
    pub(crate) action: Action,
    /// What it was done to.
    pub(crate) subject: &'d (dyn std::fmt::Display + Sync),
    /// The customer whose affair it is.
    pub(crate) customer: Option<CustomerId>,
    /// What was given, in a few words.
    pub(crate) note: String,
}

/// Signs a deed in the unit of work that does it.
pub(crate) async fn sign(work: &mut dyn Work, app: &App, caller: &Caller, deed: Deed<'_>) -> Result<(), Fault> {
    let entry = AuditEntry {
        id: app.new_id(),
        at: app.now(),
        author: caller.author(),
        action: deed.action,
        subject: deed.subject.to_string(),
        customer: deed.customer,
        note: cut(deed.note),
    };
    work.audit().record(&entry).await
}

fn cut(mut note: String) -> String {
    note.truncate(note.floor_char_boundary(NOTE_BYTES_MAX));
    note
}

/// Who changed what, newest first. Staff see all of the tenant's; who manages or looks over a customer sees that customer's;
/// members see what they did themselves.
pub async fn list(
    caller: &Caller,
    desk: &Desk,
    mut filter: AuditFilter,
    page: Page,
) -> Result<Stretch<AuditEntry>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    if !narrow(reach, &mut filter.customer, &mut filter.user) {
        return Ok(Stretch::whole(Vec::new()));
    }
    Ok(desk.directory.audit(realm, filter, page).await?)
}
