//! Allocations for sessions: the one that a session has, or the one that a policy makes for it, once however many calls race.

use crate::carve::Attempt;
use crate::store::{Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::window::{self, Subject};
use crate::{
    account, agent, allocation, audit, books, customer, guard, policy, policy_allocation, session, standing, user,
};
use almoner_domain::account::Pocket;
use almoner_domain::agent::Agent;
use almoner_domain::audit::Action;
use almoner_domain::calendar::Window;
use almoner_domain::fault::Fault;
use almoner_domain::id::{AccountId, CustomerId, FeatureId, UserId};
use almoner_domain::ledger::{self, CarveOrder, CarveRefusal};
use almoner_domain::policy::{Policy, PolicyRefusal, choose};
use almoner_domain::ports::{SessionAnswer, SessionRequest};
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use almoner_domain::units::Units;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whom a session is for.
struct Whom {
    customer: CustomerId,
    user: Option<UserId>,
    agent: Agent,
}

impl Whom {
    /// They, with no session that is known yet.
    fn principals(&self) -> Principals {
        Principals { customer: self.customer, user: self.user, agent: Some(self.agent.id), session: None }
    }
}

impl SqlStore {
    /// What a session draws on, made by a policy where it has nothing yet.
    pub(crate) async fn allocation_for_session(
        &self,
        realm: Realm,
        request: &SessionRequest,
    ) -> Result<SessionAnswer, Fault> {
        let request = Arc::new(request.clone());
        let asked = Arc::clone(&request);
        // Nearly always it is there, and then nobody needs the right to write.
        let known = self.read("session", realm, move |tx| Box::pin(async move { known(tx, &asked).await })).await?;
        if let Some(answer) = known {
            return Ok(answer);
        }
        self.with_open_windows("carve_for_session", realm, move |tx| {
            let request = Arc::clone(&request);
            Box::pin(async move { make(tx, &request).await })
        })
        .await
    }
}

/// The answer where nothing has to be made.
async fn known(tx: &Tx, request: &SessionRequest) -> Result<Option<SessionAnswer>, Trouble> {
    let whom = match whom(tx, request).await? {
        Ok(whom) => whom,
        Err(answer) => return Ok(Some(answer)),
    };
    if let Some(answer) = found(tx, &whom, request).await? {
        return Ok(Some(answer));
    }
    let policies = policy::in_force(tx, &request.session.kind, whom.customer).await?;
    let Some(chosen) = choose(&policies, &whom.agent, &request.session.kind, whom.customer) else {
        return Ok(Some(SessionAnswer::NoPolicy(whom.principals())));
    };
    // What is out now is out, whoever is about to make one: a crowd that comes when a day is over need not queue to hear so.
    let caps = Caps::of(tx, chosen, whom.customer).await?;
    let refused = caps.amounts(chosen, |_| Units::MAX).err();
    Ok(refused.map(|refusal| held(chosen, refusal, &whom)))
}

fn held(policy: &Policy, refusal: PolicyRefusal, whom: &Whom) -> SessionAnswer {
    SessionAnswer::Held { policy: policy.name.clone(), refusal, whom: whom.principals() }
}

/// What a policy has handed out to a customer, as far as it is bounded.
struct Caps {
    day: Window,
    live: u64,
    out: BTreeMap<FeatureId, Units>,
}

impl Caps {
    async fn of(tx: &Tx, policy: &Policy, customer: CustomerId) -> Result<Self, Trouble> {
        let day = policy.zone.day(tx.now()).map_err(|error| Trouble::row("policy", error))?;
        let live = match policy.live_max {
            Some(_) => policy_allocation::live(tx, policy.id, customer).await?,
            None => 0,
        };
        let out = match policy.lines.iter().any(|line| line.a_day.is_some()) {
            true => policy_allocation::out(tx, policy.id, customer, day).await?,
            false => BTreeMap::default(),
        };
        Ok(Self { day, live, out })
    }

    /// What a session gets, where so many units are free.
    fn amounts(
        &self,
        policy: &Policy,
        free: impl Fn(FeatureId) -> Units,
    ) -> Result<Vec<(FeatureId, Units)>, PolicyRefusal> {
        let out = |feature| self.out.get(&feature).copied().unwrap_or_default();
        policy.amounts(self.live, self.day, out, free)
    }
}

async fn whom(tx: &Tx, request: &SessionRequest) -> Result<Result<Whom, SessionAnswer>, Trouble> {
    let Some(customer) = customer::named(tx, &request.subject.customer).await? else {
        return Ok(Err(SessionAnswer::UnknownCustomer));
    };
    let user = match &request.subject.user {
        None => None,
        Some(name) => match user::named(tx, customer.id, name).await? {
            None => return Ok(Err(SessionAnswer::UnknownUser)),
            Some(user) => Some(user.id),
        },
    };
    Ok(match agent::named(tx, &request.agent).await? {
        None => Err(SessionAnswer::UnknownAgent),
        Some(agent) => Ok(Whom { customer: customer.id, user, agent }),
    })
}

/// The allocation that the session has: the newest that is active, else the newest.
async fn found(tx: &Tx, whom: &Whom, request: &SessionRequest) -> Result<Option<SessionAnswer>, Trouble> {
    let Some(session) = session::find(tx, whom.agent.id, &request.session).await? else { return Ok(None) };
    let id = allocation::of_session(tx, whom.customer, whom.user, session).await?;
    Ok(id.map(|id| SessionAnswer::Allocation { id, is_new: false }))
}

async fn make(tx: &Tx, request: &SessionRequest) -> Result<Outcome<Attempt<SessionAnswer>>, Trouble> {
    let undone = |answer| Ok(Outcome::Undo(Attempt::Done(Box::new(answer))));
    let whom = match whom(tx, request).await? {
        Ok(whom) => whom,
        Err(answer) => return undone(answer),
    };
    let policies = policy::in_force(tx, &request.session.kind, whom.customer).await?;
    let Some(chosen) = choose(&policies, &whom.agent, &request.session.kind, whom.customer) else {
        return undone(SessionAnswer::NoPolicy(whom.principals()));
    };
    // Held: of all calls that race for allocations of this policy one goes on, and the next sees what it made.
    let Some(policy) = policy::hold(tx, chosen.id).await? else { return Err(Trouble::Overtaken) };
    if let Some(answer) = found(tx, &whom, request).await? {
        return undone(answer);
    }
    if let Some(stopped) = guard::stops(tx, whom.agent.id).await? {
        return undone(SessionAnswer::Stopped(stopped, whom.principals()));
    }
    let subject = window::subject(tx, whom.customer, whom.user).await?;
    if subject.missing {
        return Ok(Outcome::Undo(Attempt::Open(whom.customer)));
    }
    if subject.is_paused() {
        return undone(SessionAnswer::Refused(CarveRefusal::Paused, whom.principals()));
    }
    carve(tx, request, &whom, &policy, &subject).await
}

async fn carve(
    tx: &Tx,
    request: &SessionRequest,
    whom: &Whom,
    policy: &Policy,
    subject: &Subject,
) -> Result<Outcome<Attempt<SessionAnswer>>, Trouble> {
    let undone = |answer| Ok(Outcome::Undo(Attempt::Done(Box::new(answer))));
    let from = |feature: FeatureId| subject.account(feature).map(|account| account.id);
    let sources: Vec<AccountId> = policy.lines.iter().filter_map(|line| from(line.feature)).collect();
    let mut books = tx.books();
    for account in account::hold(tx, &sources).await? {
        books.accounts.load(account.id, account);
    }
    let caps = Caps::of(tx, policy, whom.customer).await?;
    let free = |feature| {
        let account = from(feature).and_then(|id| books.accounts.find(id));
        let (free, leased) = account.map_or((Units::ZERO, Units::ZERO), |account| {
            (account.balance.get(Pocket::Free), account.balance.get(Pocket::Leased))
        });
        // What gates hold idle may come back: it is asked for first, and less is given only when it does not.
        if request.takes_less || leased.is_zero() { free } else { Units::MAX }
    };
    let amounts = match caps.amounts(policy, free) {
        Ok(amounts) => amounts,
        Err(refusal) => return undone(held(policy, refusal, whom)),
    };
    let session = session::named(tx, whom.agent.id, &request.session).await?;
    let principals = Principals { session: Some(session), ..whom.principals() };
    let order = CarveOrder {
        id: request.id,
        parent: None,
        principals,
        agent: whom.agent.id,
        lines: amounts.iter().map(|(feature, amount)| (*feature, from(*feature), *amount)).collect(),
        scope: policy.scope.clone(),
        not_before: None,
        expires_at: Some(tx.now().saturating_add(policy.lifetime)),
        durability: None,
        conditions: policy.conditions.clone(),
    };
    match ledger::carve(&mut books, &order)? {
        Err(refusal) => undone(SessionAnswer::Refused(refusal, whom.principals())),
        Ok(id) => {
            books::write_back(tx, &books, None).await?;
            if request.only_look {
                let standing = standing::of_allocation(tx, id).await?;
                let standing = standing.ok_or_else(|| Trouble::row("allocation", "it is not there"))?;
                return undone(SessionAnswer::Would(Box::new(standing)));
            }
            policy_allocation::add(tx, policy.id, caps.day, id, principals).await?;
            let note = policy.external_id.to_string();
            audit::sign(tx, &request.by, Action::CarveAllocation, id, whom.customer, note).await?;
            let answer = SessionAnswer::Allocation { id, is_new: true };
            Ok(Outcome::Keep(Attempt::Done(Box::new(answer))))
        }
    }
}
