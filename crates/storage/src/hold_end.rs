//! What becomes of holds that stand in the ledger: committed, released, given more time, or out of time.

use crate::store::{Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, books, decision, hold};
use almoner_domain::account::Pocket;
use almoner_domain::decision::{Decision, Operation, Use, UseKind, Verdict, share_out_drawn};
use almoner_domain::fault::Fault;
use almoner_domain::hold::{Hold, HoldPart};
use almoner_domain::id::{AccountId, DecisionId, FeatureId, HoldId, Id};
use almoner_domain::ledger::{self, Books, HoldOrder, HoldRefusal};
use almoner_domain::ports::{ExtendRequest, HoldAnswer, HoldRequest};
use almoner_domain::tenant::Realm;
use almoner_domain::units::Units;
use std::sync::Arc;

impl SqlStore {
    /// Commits or releases a hold.
    pub(crate) async fn end_hold(&self, realm: Realm, request: &HoldRequest) -> Result<HoldAnswer, Fault> {
        let request = Arc::new(request.clone());
        self.write("settle_hold", realm, move |tx| {
            let request = Arc::clone(&request);
            Box::pin(async move { settle(tx, &request).await })
        })
        .await
    }

    /// Gives a hold more time.
    pub(crate) async fn prolong_hold(&self, realm: Realm, request: &ExtendRequest) -> Result<HoldAnswer, Fault> {
        let request = Arc::new(request.clone());
        self.write("extend_hold", realm, move |tx| {
            let request = Arc::clone(&request);
            Box::pin(async move { extend(tx, &request).await })
        })
        .await
    }
}

async fn settle(tx: &Tx, request: &HoldRequest) -> Result<Outcome<HoldAnswer>, Trouble> {
    let id = request.order.hold;
    let mut books = load(tx, &[id]).await?;
    if books.holds.find(id).is_none() {
        return Ok(Outcome::Undo(HoldAnswer::Unknown));
    }
    match ledger::settle_hold(&mut books, &with_rules(request))? {
        Err(refusal) => refused(tx, id, refusal, request.decision.id).await,
        Ok(spent) => {
            let decision = filled(&books, &request.decision, &spent)?;
            keep(tx, &books, decision).await
        }
    }
}

async fn extend(tx: &Tx, request: &ExtendRequest) -> Result<Outcome<HoldAnswer>, Trouble> {
    let mut books = load(tx, &[request.hold]).await?;
    if books.holds.find(request.hold).is_none() {
        return Ok(Outcome::Undo(HoldAnswer::Unknown));
    }
    match ledger::extend_hold(&mut books, request.hold, request.until)? {
        Err(refusal) => refused(tx, request.hold, refusal, request.decision.id).await,
        Ok(()) => {
            let expires_at = books.holds.get(request.hold)?.expires_at;
            let decision = Decision { hold_expires_at: Some(expires_at), ..request.decision.clone() };
            keep(tx, &books, decision).await
        }
    }
}

/// Books with holds, held for change, and their accounts with all above. Accounts are locked first, as everywhere.
async fn load<'t>(tx: &'t Tx, ids: &[HoldId]) -> Result<Books<'t>, Trouble> {
    let mut books = tx.books();
    let as_read = hold::by_ids(tx, ids).await?;
    let accounts: Vec<AccountId> = as_read.iter().flat_map(|hold| hold.parts.iter().map(|part| part.account)).collect();
    for account in account::hold_with_ancestors(tx, &accounts).await? {
        books.accounts.load(account.id, account);
    }
    for hold in hold::hold(tx, ids).await? {
        // A lease that was settled in between brought another part, in an account that is not locked.
        if hold.parts.iter().any(|part| books.accounts.find(part.account).is_none()) {
            return Err(Trouble::Overtaken);
        }
        books.holds.load(hold.id, hold);
    }
    Ok(books)
}

/// The order, with the rules of features that the request states beside it.
fn with_rules(request: &HoldRequest) -> HoldOrder {
    let mut order = request.order.clone();
    for (feature, _, rule) in &mut order.actual {
        if let Some((_, stated)) = request.excess.iter().find(|(named, _)| named == feature) {
            *rule = *stated;
        }
    }
    order
}

async fn refused(tx: &Tx, hold: HoldId, refusal: HoldRefusal, by: DecisionId) -> Result<Outcome<HoldAnswer>, Trouble> {
    if refusal == HoldRefusal::Expired {
        return Ok(Outcome::Undo(HoldAnswer::Expired));
    }
    // The same request once more, its first answer lost on the way: an extension does not end a hold, so it is sought by id.
    let all = decision::of_hold(tx, hold).await?;
    if let Some(same) = all.into_iter().find(|decision| decision.id == by) {
        return Ok(Outcome::Undo(HoldAnswer::Done(same)));
    }
    Ok(Outcome::Undo(match decision::that_ended(tx, hold).await? {
        Some(decision) if decision.operation == Operation::Expire => HoldAnswer::Expired,
        decision => HoldAnswer::Settled(decision),
    }))
}

async fn keep(tx: &Tx, books: &Books<'_>, decision: Decision) -> Result<Outcome<HoldAnswer>, Trouble> {
    books::write_back(tx, books, None).await?;
    // Where another decision owns its key, this one is kept without: a hold is settled once, so nothing was spent twice.
    let written = decision::store(tx, std::slice::from_ref(&decision)).await?;
    let key = if written.doubles.is_empty() { decision.key } else { None };
    written.add_up(tx).await?;
    Ok(Outcome::Keep(HoldAnswer::Done(Decision { key, ..decision })))
}

/// The decision with what was spent of each part, and what is left where it came from.
fn filled(books: &Books<'_>, decision: &Decision, spent: &[(HoldPart, Units)]) -> Result<Decision, Trouble> {
    let mut decision = decision.clone();
    let mut features: Vec<FeatureId> = Vec::new();
    for (part, _) in spent {
        if !features.contains(&part.feature) {
            features.push(part.feature);
        }
    }
    for feature in features {
        let parts = || spent.iter().filter(|(part, _)| part.feature == feature);
        let Some((first, _)) = parts().next() else { continue };
        let granted: Units = parts().map(|(_, units)| *units).sum();
        let held: Units = parts().map(|(part, _)| part.amount).sum();
        let remaining = books.accounts.get(first.account)?.balance.get(Pocket::Free);
        let at = decision.uses.iter().position(|used| used.feature == feature);
        let requested = at.and_then(|at| decision.uses[at].kind.requested());
        let requested = requested.unwrap_or(if granted.is_zero() { granted } else { held });
        let account = first.account;
        let kind = match at.map(|at| &decision.uses[at].kind) {
            Some(UseKind::Drawn { .. }) => UseKind::Drawn { account, requested, granted, remaining },
            _ => UseKind::Metered { account: Some(account), requested, granted, remaining, blocked: false },
        };
        match at {
            Some(at) => decision.uses[at].kind = kind,
            None => decision.uses.push(Use { feature, kind }),
        }
    }
    share_out_drawn(&mut decision.uses);
    Ok(decision)
}

/// Frees those of these holds whose time is over, with a decision for each, and answers how many.
pub(crate) async fn expire(tx: &Tx, ids: &[HoldId]) -> Result<Outcome<u64>, Trouble> {
    let mut books = load(tx, ids).await?;
    let due = |hold: &&Hold| hold.open && hold.expires_at <= tx.now();
    let due: Vec<Hold> = books.holds.iter().filter(due).cloned().collect();
    if due.is_empty() {
        return Ok(Outcome::Undo(0));
    }
    let mut decisions = Vec::with_capacity(due.len());
    for hold in &due {
        ledger::expire_hold(&mut books, hold.id)?;
        decisions.push(expiry(tx, &books, hold)?);
    }
    books::write_back(tx, &books, None).await?;
    decision::store(tx, &decisions).await?.add_up(tx).await?;
    Ok(Outcome::Keep(due.len() as u64))
}

fn expiry(tx: &Tx, books: &Books<'_>, hold: &Hold) -> Result<Decision, Trouble> {
    let decision = Decision {
        id: DecisionId::new(tx.now(), tx.entropy()),
        at: tx.now(),
        operation: Operation::Expire,
        verdict: Verdict::Allow,
        on_behalf_of: Some(hold.principals),
        allocation: hold.allocation,
        uses: Vec::new(),
        hold: Some(hold.id),
        hold_expires_at: Some(hold.expires_at),
        key: None,
        dimensions: Vec::new(),
    };
    let nothing: Vec<(HoldPart, Units)> = hold.parts.iter().map(|part| (*part, Units::ZERO)).collect();
    filled(books, &decision, &nothing)
}
