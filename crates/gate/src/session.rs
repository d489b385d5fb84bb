//! Sessions that agents bring without naming an allocation: which allocation each draws on. A session that has none gets one by a
//! policy, in the very call that brings it.

use crate::credential::Credential;
use crate::denial;
use crate::gate::Gate;
use crate::handle::{Handle, Target};
use almoner_domain::agent::SessionName;
use almoner_domain::allocation::AllocationState;
use almoner_domain::audit::Author;
use almoner_domain::caller::Origin;
use almoner_domain::decision::Denial;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::id::{AgentId, AllocationId, Id};
use almoner_domain::ledger::CarveRefusal;
use almoner_domain::policy::PolicyRefusal;
use almoner_domain::ports::{Gates, SessionAnswer, SessionRequest, Source, SubjectName};
use almoner_domain::principal::Principals;
use almoner_domain::standing::Standing;
use almoner_domain::tenant::Realm;
use almoner_domain::text::{Name, Named};
use almoner_domain::time::Uptime;
use moka::sync::Cache;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Sessions whose allocation is kept in memory.
const SESSIONS_MAX: u64 = 100_000;
/// New sessions that are asked about at once. A crowd of them waits here, and not in the store's connections, which leases need too.
const ASKED_AT_ONCE: usize = 4;
/// A session whose allocation has ended may have been given another one: it is asked for again at most this often.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A session, by the names that a caller has for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionTarget {
    /// Whose it is.
    pub subject: SubjectName,
    /// Which agent runs it.
    pub agent: Named<AgentId>,
    /// Its own name.
    pub session: SessionName,
}

/// Which allocation sessions draw on.
pub(crate) struct Sessions {
    known: Cache<(Realm, SessionTarget), (AllocationId, Uptime)>,
    turns: Semaphore,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self { known: Cache::new(SESSIONS_MAX), turns: Semaphore::new(ASKED_AT_ONCE) }
    }
}

/// What a session draws on.
pub(crate) enum Drawn {
    /// This allocation.
    Allocation(AllocationId),
    /// Nothing yet; this would be made for a call.
    Would(Box<Standing>),
    /// Nothing, and it gets nothing now; with whom that is said to, where they are known.
    Denied(Denial, Option<Principals>),
}

impl Gate {
    /// The allocation of a session, made by a policy where it has none. `only_look`: nothing is made.
    pub(crate) async fn drawn_on(
        &self,
        by: Credential,
        target: &SessionTarget,
        only_look: bool,
    ) -> Result<Drawn, Fault> {
        let key = (by.realm, target.clone());
        let uptime = self.clock.uptime();
        if let Some((id, asked_at)) = self.sessions.known.get(&key)
            && (self.is_usable(by.realm, id) || uptime.saturating_since(asked_at) < ASK_AGAIN)
        {
            return Ok(Drawn::Allocation(id));
        }
        let request = SessionRequest {
            id: AllocationId::new(self.clock.now(), &*self.entropy),
            subject: target.subject.clone(),
            agent: target.agent.clone(),
            session: target.session.clone(),
            only_look,
            takes_less: false,
            by: Author::gate(by.key, Origin::default()),
        };
        let answer = self.made_for(by, request).await?;
        if let SessionAnswer::Allocation { id, .. } = answer {
            self.sessions.known.insert(key, (id, uptime));
        }
        Ok(match answer {
            SessionAnswer::Allocation { id, .. } => Drawn::Allocation(id),
            SessionAnswer::Would(standing) => Drawn::Would(standing),
            SessionAnswer::NoPolicy(whom) => Drawn::Denied(denial::no_policy(), Some(whom)),
            SessionAnswer::UnknownCustomer | SessionAnswer::UnknownUser => {
                Drawn::Denied(denial::unknown_subject(), None)
            }
            SessionAnswer::UnknownAgent => Drawn::Denied(denial::unknown_agent(), None),
            SessionAnswer::Held { policy, refusal, whom } => {
                Drawn::Denied(self.held(by.realm, &policy, &refusal).await?, Some(whom))
            }
            SessionAnswer::Stopped(suspension, whom) => {
                let nothing = Handle::of_nothing(by.realm, whom);
                Drawn::Denied(denial::suspended(&nothing, &suspension), Some(whom))
            }
            SessionAnswer::Refused(refusal, whom) => {
                Drawn::Denied(self.not_carved(by.realm, &refusal).await?, Some(whom))
            }
        })
    }

    /// Asks the ledger. Where a quota has too little for all of it, what gates hold idle of it comes back first; where that is not
    /// enough, a session gets less.
    async fn made_for(&self, by: Credential, mut request: SessionRequest) -> Result<SessionAnswer, Fault> {
        let Ok(Ok(_turn)) = timeout(self.config.lease_patience, self.sessions.turns.acquire()).await else {
            return Err(Fault { operation: "carve_for_session", kind: FaultKind::Unavailable, source: None });
        };
        let mut answer = self.ledger.carve_for_session(by.realm, &request).await?;
        if let SessionAnswer::Refused(CarveRefusal::Short { account, leased, .. }, _) = &answer
            && !leased.is_zero()
        {
            self.give_back(*account).await;
            request.takes_less = true;
            answer = self.ledger.carve_for_session(by.realm, &request).await?;
        }
        if matches!(answer, SessionAnswer::Allocation { is_new: true, .. }) {
            self.refresh(by, &Source::Subject(request.subject)).await;
        }
        Ok(answer)
    }

    /// Is an allocation known to be usable still? One that is not in memory is looked up by the call itself.
    fn is_usable(&self, realm: Realm, id: AllocationId) -> bool {
        let now = self.clock.now();
        let Some(handle) = self.handles.known(realm, &Target::Allocation(id), now) else { return true };
        let standing = &handle.standing;
        standing.state == AllocationState::Active && standing.expires_at.is_none_or(|end| now < end)
    }

    async fn held(&self, realm: Realm, policy: &Name, refusal: &PolicyRefusal) -> Result<Denial, Fault> {
        let now = self.clock.now();
        Ok(match refusal {
            PolicyRefusal::Live { live_max } => denial::too_many_live(policy, *live_max),
            PolicyRefusal::Day { feature, a_day, resets_at } => {
                let feature = self.catalogue.by_id(realm, *feature).await?;
                denial::day_is_out(policy, feature.as_deref(), *a_day, *resets_at, now)
            }
        })
    }

    async fn not_carved(&self, realm: Realm, refusal: &CarveRefusal) -> Result<Denial, Fault> {
        let now = self.clock.now();
        Ok(match refusal {
            CarveRefusal::Short { feature, free, resets_at, .. } => {
                let feature = self.catalogue.by_id(realm, *feature).await?;
                denial::quota_is_out(feature.as_deref(), *free, *resets_at, now)
            }
            CarveRefusal::NotEntitled { feature } => {
                denial::policy_not_entitled(self.catalogue.by_id(realm, *feature).await?.as_deref())
            }
            CarveRefusal::Paused => denial::paused(),
            other => denial::not_carved(&other.to_string()),
        })
    }
}
