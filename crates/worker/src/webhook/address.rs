//! Where a connection may lead: looked at where it is made, after the name was resolved and with the very addresses that are then
//! dialled, so that a name cannot say one thing to who looks and another to who calls.

use almoner_domain::address::Callable;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::SocketAddr;
use thiserror::Error;

/// The name leads nowhere that may be called.
#[derive(Debug, Error)]
#[error("the name leads to no address that may be called; private networks are not (webhooks.allow_private)")]
pub(super) struct NotCallable;

/// The machine's resolver, whose answers are kept only where they may be called.
pub(super) struct Vetted {
    pub(super) callable: Callable,
}

impl Resolve for Vetted {
    fn resolve(&self, name: Name) -> Resolving {
        let callable = self.callable;
        Box::pin(async move {
            // The port is the one of the address; it was looked at when that was read.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found.filter(|address| callable.permits(address.ip())).collect();
            if kept.is_empty() {
                return Err(NotCallable.into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[tokio::test]
    async fn a_name_that_leads_inside_leads_nowhere() {
        let name = || Name::from_str("localhost").unwrap();
        let inside = Vetted { callable: Callable::Public }.resolve(name()).await;
        assert!(inside.is_err_and(|why| why.is::<NotCallable>()));
        let allowed = Vetted { callable: Callable::Any }.resolve(name()).await.unwrap();
        assert!(allowed.count() > 0);
    }
}
