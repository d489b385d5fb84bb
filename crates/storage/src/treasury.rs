//! The treasury port: grants issued and voided, allocations adjusted, and a carve that is tried and undone.

use crate::carve::{self, Attempt};
use crate::store::{Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, allocation, audit, books, customer, grant, statement, window};
use almoner_domain::account::Account;
use almoner_domain::audit::{Action, Author};
use almoner_domain::fault::Fault;
use almoner_domain::grant::{Grant, GrantStage};
use almoner_domain::id::{AccountId, CustomerId, GrantId};
use almoner_domain::ledger::{self, AdjustRefusal, Adjustment};
use almoner_domain::ports::{
    AdjustAnswer, AdjustRequest, CarveAnswer, CarvePreview, CarveRequest, GrantAnswer, GrantRequest, Treasury,
    VoidAnswer,
};
use almoner_domain::tenant::Realm;
use almoner_domain::units::Units;
use async_trait::async_trait;
use std::sync::Arc;

#[async_trait]
impl Treasury for SqlStore {
    async fn issue(&self, realm: Realm, request: &GrantRequest) -> Result<GrantAnswer, Fault> {
        let request = Arc::new(request.clone());
        let attempt = self.with_open_windows("issue", realm, move |tx| {
            let request = Arc::clone(&request);
            Box::pin(async move { issue(tx, &request).await })
        });
        attempt.await
    }

    async fn void(&self, realm: Realm, id: GrantId, by: &Author) -> Result<VoidAnswer, Fault> {
        let by = Arc::new(by.clone());
        self.write("void", realm, move |tx| {
            let by = Arc::clone(&by);
            Box::pin(async move { void(tx, id, &by).await })
        })
        .await
    }

    async fn adjust(&self, realm: Realm, request: &AdjustRequest) -> Result<AdjustAnswer, Fault> {
        let request = Arc::new(request.clone());
        self.write("adjust", realm, move |tx| {
            let request = Arc::clone(&request);
            Box::pin(async move { adjust(tx, &request).await })
        })
        .await
    }

    async fn preview(&self, realm: Realm, request: &CarveRequest) -> Result<Result<CarvePreview, CarveAnswer>, Fault> {
        let request = Arc::new(request.clone());
        let attempt = self.with_open_windows("preview", realm, move |tx| {
            let request = Arc::clone(&request);
            Box::pin(async move { Ok(Outcome::Undo(carve::preview(tx, &request).await?)) })
        });
        attempt.await
    }
}

async fn issue(tx: &Tx, request: &GrantRequest) -> Result<Outcome<Attempt<GrantAnswer>>, Trouble> {
    let done = |answer| Ok(Outcome::Undo(Attempt::Done(Box::new(answer))));
    let Some(customer) = customer::named(tx, &request.customer).await? else {
        return done(GrantAnswer::UnknownCustomer);
    };
    if let Some(external_id) = &request.external_id
        && grant::is_taken(tx, external_id).await?
    {
        return done(GrantAnswer::Taken);
    }
    let subject = window::subject(tx, customer.id, None).await?;
    if subject.missing {
        return Ok(Outcome::Undo(Attempt::Open(customer.id)));
    }
    let Some(account) = subject.account(request.feature) else { return done(GrantAnswer::NotEntitled) };
    let Some(entitlement) = subject.entitlements.iter().find(|own| own.feature == request.feature) else {
        return done(GrantAnswer::NotEntitled);
    };
    let grant = Grant {
        id: request.id,
        entitlement: entitlement.id,
        account: account.id,
        kind: request.kind,
        amount: request.amount,
        priority: request.priority,
        effective_at: request.effective_at.map_or(tx.now(), |at| at.max(tx.now())),
        expires_at: request.expires_at.or(account.window.end),
        created_at: tx.now(),
        voided_at: None,
        taken_back: Units::ZERO,
        lapsed: Units::ZERO,
        stage: GrantStage::Pending,
        carried_from: None,
        external_id: request.external_id.clone(),
    };
    let mut books = tx.books();
    for account in account::hold(tx, &[account.id]).await? {
        books.accounts.load(account.id, account);
    }
    if books.accounts.get(account.id)?.closed {
        // The customer's plan changed meanwhile, and the window ended with it.
        return Err(Trouble::Overtaken);
    }
    if !ledger::issue(&mut books, grant.clone())? {
        return done(GrantAnswer::TooMany);
    }
    let grant = books.grants.last().cloned().unwrap_or(grant);
    books::write_back(tx, &books, None).await?;
    let note = format!("{} of {} smallest units", grant.kind.as_str(), grant.amount.get());
    audit::sign(tx, &request.by, Action::IssueGrant, grant.id, customer.id, note).await?;
    Ok(Outcome::Keep(Attempt::Done(Box::new(GrantAnswer::Issued(grant)))))
}

async fn void(tx: &Tx, id: GrantId, by: &Author) -> Result<Outcome<VoidAnswer>, Trouble> {
    let Some(as_read) = grant::find(tx, id).await? else { return Ok(Outcome::Undo(VoidAnswer::Unknown)) };
    let mut books = tx.books();
    for account in account::hold(tx, &[as_read.account]).await? {
        books.accounts.load(account.id, account);
    }
    // Read once the account is held: whoever issues or voids there holds it too.
    let all = grant::of_accounts(tx, &[as_read.account]).await?;
    let now = all.iter().find(|grant| grant.id == id).cloned().unwrap_or(as_read);
    let Some(voided) = ledger::void(&mut books, all, id)? else { return Ok(Outcome::Undo(VoidAnswer::Ended(now))) };
    let customer: CustomerId = books.accounts.get(voided.account)?.principals.customer;
    books::write_back(tx, &books, None).await?;
    let note = format!("{} of {} smallest units taken back", voided.taken_back.get(), voided.amount.get());
    audit::sign(tx, by, Action::VoidGrant, id, customer, note).await?;
    Ok(Outcome::Keep(VoidAnswer::Voided(voided)))
}

async fn adjust(tx: &Tx, request: &AdjustRequest) -> Result<Outcome<AdjustAnswer>, Trouble> {
    let id = request.allocation;
    let Some(allocation) = allocation::find_for_change(tx, id).await? else {
        return Ok(Outcome::Undo(AdjustAnswer::Unknown));
    };
    let lines: Vec<AccountId> = allocation.lines.iter().map(|line| line.account).collect();
    let mut books = tx.books();
    let accounts: Vec<Account> = account::hold_with_ancestors(tx, &lines).await?;
    for account in accounts {
        books.accounts.load(account.id, account);
    }
    let customer = allocation.principals.customer;
    books.allocations.load(id, allocation);
    match ledger::adjust(&mut books, id, request.adjustment, &request.lines)? {
        Ok(()) => {}
        Err(AdjustRefusal::Ended(state)) => return Ok(Outcome::Undo(AdjustAnswer::Ended(state))),
        Err(AdjustRefusal::NoLine(feature)) => return Ok(Outcome::Undo(AdjustAnswer::NoLine(feature))),
        Err(AdjustRefusal::Terms(refusal)) => return Ok(Outcome::Undo(AdjustAnswer::Refused(refusal))),
    }
    books::write_back(tx, &books, None).await?;
    let action = match request.adjustment {
        Adjustment::TopUp => Action::TopUpAllocation,
        Adjustment::Shrink => Action::ShrinkAllocation,
    };
    let total: Units = request.lines.iter().map(|(_, amount)| *amount).sum();
    audit::sign(tx, &request.by, action, id, customer, format!("{} smallest units", total.get())).await?;
    Ok(Outcome::Keep(AdjustAnswer::Adjusted(Box::new(statement::must(tx, id).await?))))
}
