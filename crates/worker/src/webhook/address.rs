//! Where a connection may lead: looked at where it is made, after the name was resolved and with the very addresses that are then
//! dialled, so that a name cannot say one thing to who looks and another to who calls.

use almoner_domain::address::Callable;
use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;

/// The name leads nowhere that may be called.
#[derive(Debug, Error)]
#[error("the name leads to no address that may be called; private networks are not (webhooks.allow_private)")]
pub(super) struct NotCallable;

/// Who says where a name leads.
#[async_trait]
pub(super) trait Names: Send + Sync {
    /// Addresses of a name; their ports say nothing.
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<SocketAddr>>;
}

/// The machine's resolver.
pub(super) struct MachineNames;

#[async_trait]
impl Names for MachineNames {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<SocketAddr>> {
        // The port is the one of the address; it was looked at when that was read.
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// A resolver whose answers are kept only where they may be called.
pub(super) struct Vetted {
    pub(super) names: Arc<dyn Names>,
    pub(super) callable: Callable,
}

impl Resolve for Vetted {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, callable) = (Arc::clone(&self.names), self.callable);
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            let kept: Vec<SocketAddr> = found.into_iter().filter(|address| callable.permits(address.ip())).collect();
            if kept.is_empty() {
                return Err(NotCallable.into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}
