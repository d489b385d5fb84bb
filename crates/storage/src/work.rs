//! Units of work of the control plane: a transaction that a use case holds, with a repository for each noun.
//!
//! The repositories are in the files of their nouns. On SQLite a unit of work holds the right to write until it ends, so a use
//! case must not ask the ledger for anything while it has one.

use crate::database::Purpose;
use crate::store::SqlStore;
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use almoner_domain::fault::Fault;
use almoner_domain::notice::Change;
use almoner_domain::ports::{
    Agents, AuditTrail, Customers, Features, Installation, Keys, Plans, Policies, Prices, Store, Subscriptions,
    Webhooks, Work,
};
use almoner_domain::tenant::Realm;
use async_trait::async_trait;
use std::sync::Arc;

#[async_trait]
impl Store for SqlStore {
    async fn begin(&self, realm: Realm) -> Result<Box<dyn Work>, Fault> {
        let inner = Arc::clone(self.inner());
        let tx = self.finish("begin", async move { Tx::begin(&inner, realm, Purpose::Write).await }).await?;
        Ok(Box::new(SqlWork { store: self.clone(), tx: Some(tx) }))
    }

    async fn installation(&self) -> Result<Box<dyn Installation>, Fault> {
        let inner = Arc::clone(self.inner());
        let begun = async move { Everywhere::begin(&inner, Purpose::Write).await };
        let tx = self.finish("installation", begun).await?;
        Ok(Box::new(SqlInstallation { store: self.clone(), tx: Some(tx) }))
    }
}

/// A unit of work in one realm.
pub(crate) struct SqlWork {
    store: SqlStore,
    tx: Option<Tx>,
}

impl SqlWork {
    /// Its transaction, to read.
    pub(crate) fn tx(&self) -> Result<&Tx, Trouble> {
        self.tx.as_ref().ok_or(Trouble::Lost)
    }

    /// Its transaction, to change what gates may hold in memory.
    pub(crate) fn catalogue(&self) -> Result<&Tx, Trouble> {
        let tx = self.tx()?;
        tx.feed(Change::Catalogue);
        Ok(tx)
    }
}

#[async_trait]
impl Work for SqlWork {
    fn features(&mut self) -> &mut dyn Features {
        self
    }

    fn plans(&mut self) -> &mut dyn Plans {
        self
    }

    fn policies(&mut self) -> &mut dyn Policies {
        self
    }

    fn prices(&mut self) -> &mut dyn Prices {
        self
    }

    fn customers(&mut self) -> &mut dyn Customers {
        self
    }

    fn agents(&mut self) -> &mut dyn Agents {
        self
    }

    fn subscriptions(&mut self) -> &mut dyn Subscriptions {
        self
    }

    fn keys(&mut self) -> &mut dyn Keys {
        self
    }

    fn webhooks(&mut self) -> &mut dyn Webhooks {
        self
    }

    fn audit(&mut self) -> &mut dyn AuditTrail {
        self
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Fault> {
        let inner = Arc::clone(self.store.inner());
        let tx = self.tx.take().ok_or_else(|| Trouble::Lost.into_fault("commit"))?;
        self.store.finish("commit", async move { tx.commit(&inner).await }).await
    }
}

/// A unit of work on the installation's register.
pub(crate) struct SqlInstallation {
    store: SqlStore,
    tx: Option<Everywhere>,
}

impl SqlInstallation {
    /// Its transaction.
    pub(crate) fn tx(&self) -> Result<&Everywhere, Trouble> {
        self.tx.as_ref().ok_or(Trouble::Lost)
    }

    /// Makes it so.
    pub(crate) async fn commit(mut self) -> Result<(), Fault> {
        let inner = Arc::clone(self.store.inner());
        let tx = self.tx.take().ok_or_else(|| Trouble::Lost.into_fault("commit"))?;
        self.store.finish("commit", async move { tx.commit(&inner).await }).await
    }
}
