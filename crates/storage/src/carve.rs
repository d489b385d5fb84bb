//! Carving an allocation.

use crate::store::{Deed, Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::window::{self, Subject};
use crate::{account, agent, allocation, audit, books, customer, session, statement, subscription, user};
use almoner_domain::allocation::Allocation;
use almoner_domain::audit::Action;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::id::{AccountId, AgentId, AllocationId, CustomerId, FeatureId, UserId};
use almoner_domain::ledger::{self, Books, CarveOrder, CarveRefusal, RETENTION};
use almoner_domain::ports::{CarveAnswer, CarvePreview, CarveRequest, PreviewLine, Source, SubjectName};
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use std::sync::Arc;

/// How often the windows may have to be opened before a carve finds them open: once, and once more where one ends just then.
const OPENINGS_MAX: usize = 3;

/// What an attempt at a customer's current windows comes to.
pub(crate) enum Attempt<A> {
    /// An answer.
    Done(Box<A>),
    /// The customer's current windows must be opened first. They are in a transaction of their own, because a refused carve
    /// leaves nothing behind, and the account that it names in its refusal must be there.
    Open(CustomerId),
}

impl SqlStore {
    /// Carves all lines of a request, or none.
    pub(crate) async fn carve_allocation(&self, realm: Realm, request: &CarveRequest) -> Result<CarveAnswer, Fault> {
        let request = Arc::new(request.clone());
        let attempt = self.with_open_windows("carve", realm, move |tx| {
            let request = Arc::clone(&request);
            Box::pin(async move { carve(tx, &request).await })
        });
        attempt.await
    }

    /// Tries what needs a customer's current windows, and opens them where they are not.
    pub(crate) async fn with_open_windows<A, F>(
        &self,
        operation: &'static str,
        realm: Realm,
        attempt: F,
    ) -> Result<A, Fault>
    where
        A: Send + 'static,
        F: for<'t> Fn(&'t Tx) -> Deed<'t, Outcome<Attempt<A>>> + Clone + Send + Sync + 'static,
    {
        for _ in 0..OPENINGS_MAX {
            match self.write(operation, realm, attempt.clone()).await? {
                Attempt::Done(answer) => return Ok(*answer),
                Attempt::Open(customer) => self.open_windows(realm, customer).await?,
            }
        }
        Err(Fault { operation, kind: FaultKind::Conflict, source: None })
    }
}

async fn carve(tx: &Tx, request: &CarveRequest) -> Result<Outcome<Attempt<CarveAnswer>>, Trouble> {
    let done = |answer| Ok(Outcome::Undo(Attempt::Done(Box::new(answer))));
    if let Some(answer) = repeated(tx, request).await? {
        return done(answer);
    }
    let (mut books, order) = match ready(tx, request).await? {
        Ready::Open(customer) => return Ok(Outcome::Undo(Attempt::Open(customer))),
        Ready::Nobody(answer) => return done(*answer),
        Ready::Books(books, order) => (books, order),
    };
    match ledger::carve(&mut books, &order)? {
        Err(refusal) => done(CarveAnswer::Refused(refusal)),
        Ok(id) => {
            books::write_back(tx, &books, request.key).await?;
            audit::sign(tx, &request.by, Action::CarveAllocation, id, order.principals.customer, String::new()).await?;
            let answer = CarveAnswer::Carved(statement::must(tx, id).await?);
            Ok(Outcome::Keep(Attempt::Done(Box::new(answer))))
        }
    }
}

/// What carving would take, in a transaction that is undone.
pub(crate) async fn preview(
    tx: &Tx,
    request: &CarveRequest,
) -> Result<Attempt<Result<CarvePreview, CarveAnswer>>, Trouble> {
    let done = |answer| Ok(Attempt::Done(Box::new(answer)));
    let (mut books, order) = match ready(tx, request).await? {
        Ready::Open(customer) => return Ok(Attempt::Open(customer)),
        Ready::Nobody(answer) => return done(Err(*answer)),
        Ready::Books(books, order) => (books, order),
    };
    let id = match ledger::carve(&mut books, &order)? {
        Err(refusal) => return done(Err(CarveAnswer::Refused(refusal))),
        Ok(id) => id,
    };
    let expires_at = books.allocations.get(id)?.expires_at;
    let line = |(_, account, amount): &(_, Option<AccountId>, _)| {
        Some(PreviewLine { amount: *amount, from: books.accounts.find((*account)?)?.clone() })
    };
    done(Ok(CarvePreview { expires_at, lines: order.lines.iter().filter_map(line).collect() }))
}

/// What a carve works on.
enum Ready<'t> {
    Books(Box<Books<'t>>, Box<CarveOrder>),
    Open(CustomerId),
    Nobody(Box<CarveAnswer>),
}

async fn ready<'t>(tx: &'t Tx, request: &CarveRequest) -> Result<Ready<'t>, Trouble> {
    let giver = match &request.source {
        Source::Subject(name) => from_subject(tx, name).await?,
        Source::Allocation(parent) => from_allocation(tx, *parent).await?,
    };
    let giver = match giver {
        Found::Giver(giver) => giver,
        Found::Open(customer) => return Ok(Ready::Open(customer)),
        Found::Nobody(answer) => return Ok(Ready::Nobody(answer)),
    };
    let Some(agent) = agent::named(tx, &request.agent).await? else {
        return Ok(Ready::Nobody(Box::new(CarveAnswer::UnknownAgent)));
    };
    let order = order(tx, request, &giver, agent.id).await?;

    let mut books = tx.books();
    let from: Vec<AccountId> = order.lines.iter().filter_map(|(_, account, _)| *account).collect();
    for account in account::hold(tx, &from).await? {
        books.accounts.load(account.id, account);
    }
    if let Some(parent) = giver.parent {
        books.allocations.load(parent.id, parent);
    }
    Ok(Ready::Books(Box::new(books), Box::new(order)))
}

/// The answer to a request that was made before: by its key, or by the id that the caller chose for it.
async fn repeated(tx: &Tx, request: &CarveRequest) -> Result<Option<CarveAnswer>, Trouble> {
    if let Some(mark) = request.key
        && let Some((id, at, body)) = allocation::by_key(tx, mark.key).await?
    {
        if tx.now() < at.saturating_add(RETENTION) {
            return Ok(Some(replay(tx, id, body == mark.body).await?));
        }
        allocation::forget_key(tx, id).await?;
    }
    if allocation::find(tx, request.id).await?.is_none() {
        return Ok(None);
    }
    let body = allocation::body_of(tx, request.id).await?;
    let same = body.is_none_or(|body| request.key.is_none_or(|mark| mark.body == body));
    Ok(Some(replay(tx, request.id, same).await?))
}

async fn replay(tx: &Tx, id: AllocationId, same: bool) -> Result<CarveAnswer, Trouble> {
    if !same {
        return Ok(CarveAnswer::KeyReused);
    }
    Ok(CarveAnswer::Replayed(statement::must(tx, id).await?))
}

/// Who gives units.
struct Giver {
    customer: CustomerId,
    user: Option<UserId>,
    parent: Option<Allocation>,
    accounts: Accounts,
}

/// Where its units of a feature stand.
enum Accounts {
    Entitled(Subject),
    Lines(Vec<(FeatureId, AccountId)>),
}

impl Accounts {
    fn of(&self, feature: FeatureId) -> Option<AccountId> {
        match self {
            Self::Entitled(subject) => subject.account(feature).map(|account| account.id),
            Self::Lines(lines) => lines.iter().find(|(line, _)| *line == feature).map(|(_, account)| *account),
        }
    }
}

enum Found {
    Giver(Box<Giver>),
    Open(CustomerId),
    Nobody(Box<CarveAnswer>),
}

fn nobody(answer: CarveAnswer) -> Found {
    Found::Nobody(Box::new(answer))
}

async fn from_subject(tx: &Tx, name: &SubjectName) -> Result<Found, Trouble> {
    let Some(customer) = customer::named(tx, &name.customer).await? else {
        return Ok(nobody(CarveAnswer::UnknownCustomer));
    };
    let user = match &name.user {
        None => None,
        Some(name) => match user::named(tx, customer.id, name).await? {
            None => return Ok(nobody(CarveAnswer::UnknownUser)),
            Some(user) => Some(user.id),
        },
    };
    let subject = window::subject(tx, customer.id, user).await?;
    if subject.missing {
        return Ok(Found::Open(customer.id));
    }
    if subject.is_paused() {
        return Ok(nobody(CarveAnswer::Refused(CarveRefusal::Paused)));
    }
    let giver = Giver { customer: customer.id, user, parent: None, accounts: Accounts::Entitled(subject) };
    Ok(Found::Giver(Box::new(giver)))
}

async fn from_allocation(tx: &Tx, parent: AllocationId) -> Result<Found, Trouble> {
    let Some(parent) = allocation::find_steady(tx, parent).await? else {
        return Ok(nobody(CarveAnswer::UnknownParent));
    };
    let running = subscription::running(tx, parent.principals.customer).await?;
    if running.is_some_and(|running| running.is_paused()) {
        return Ok(nobody(CarveAnswer::Refused(CarveRefusal::Paused)));
    }
    Ok(Found::Giver(Box::new(Giver {
        customer: parent.principals.customer,
        user: parent.principals.user,
        accounts: Accounts::Lines(parent.lines.iter().map(|line| (line.feature, line.account)).collect()),
        parent: Some(parent),
    })))
}

async fn order(tx: &Tx, request: &CarveRequest, giver: &Giver, agent: AgentId) -> Result<CarveOrder, Trouble> {
    let session = session::named(tx, agent, &request.session).await?;
    let line = |(feature, amount): &(FeatureId, _)| (*feature, giver.accounts.of(*feature), *amount);
    Ok(CarveOrder {
        id: request.id,
        parent: giver.parent.as_ref().map(|parent| parent.id),
        principals: Principals {
            customer: giver.customer,
            user: giver.user,
            agent: Some(agent),
            session: Some(session),
        },
        agent,
        lines: request.lines.iter().map(line).collect(),
        scope: request.scope.clone(),
        not_before: request.not_before,
        expires_at: request.expires_at,
        durability: request.durability,
        conditions: request.conditions.clone(),
    })
}
