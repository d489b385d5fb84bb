//! The audit trail.

use super::{CustomerNode, UserNode, instant, wire_id};
use crate::asker::asker;
use almoner_domain::audit::AuditEntry;
use async_graphql::{Context, ID, Object, Result};

/// One change that somebody made.
pub(crate) struct AuditObject(pub(crate) AuditEntry);

#[Object(name = "AuditEntry")]
impl AuditObject {
    /// Its id.
    async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// When it was made.
    async fn at(&self) -> String {
        instant(self.0.at)
    }

    /// What was done, such as `allocation.carve` or `key.revoke`.
    async fn action(&self) -> &str {
        self.0.action.as_str()
    }

    /// What it was done to: its id.
    async fn subject(&self) -> ID {
        wire_id(&self.0.subject)
    }

    /// What was given, in a few words: names, roles and amounts.
    async fn note(&self) -> &str {
        &self.0.note
    }

    /// The customer whose affair it is; none for what is the tenant's own.
    async fn customer(&self, context: &Context<'_>) -> Result<Option<CustomerNode>> {
        let Some(customer) = self.0.customer else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(customer).await?.map(CustomerNode))
    }

    /// In which role it was done: `installation`, `operator`, `owner`, `admin`, `member`, `viewer`, `program` (a customer's) or
    /// `gate` (a tool provider's server).
    async fn role(&self) -> &str {
        self.0.author.role.as_str()
    }

    /// The person who did it, where it was one of a customer's.
    async fn user(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        let Some(user) = self.0.author.user else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(user).await?.map(UserNode))
    }

    /// The id of the key it was done by; none at the command line.
    async fn key(&self) -> Option<ID> {
        self.0.author.key.map(wire_id)
    }

    /// The network address it came from; the proxy's where one stands between.
    async fn address(&self) -> Option<String> {
        self.0.author.origin.address.map(|address| address.to_string())
    }

    /// The id of the request, as it was answered in `X-Request-Id` and logged.
    async fn request(&self) -> Option<&str> {
        self.0.author.origin.request.as_deref()
    }
}
