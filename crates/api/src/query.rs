//! Queries: what there is, where units stand, who used them.

use crate::asker::{Asker, asker, not_found};
use crate::cursor::{Asked, connection, list, page_cost};
use crate::lists::MovementsOf;
use crate::mutation::{AddPolicyInput, CarveAllocationInput, preview, preview_plan_change, try_on};
use crate::object::{
    AgentNode, AllocationNode, AllocationStateName, CustomerNode, DecisionNode, FeatureNode, KeyObject, MovementNode,
    MovementsFilter, Node, PlanNode, PlanVersionNode, SessionNode, UsageInput, UsageObject, UserNode, usage_cost,
};
use crate::object::{AttemptObject, DeliveryObject, DeliveryStateName, EndpointObject, EventTypeObject};
use crate::object::{AuditObject, GrantNode, PolicyObject, PreviewObject, PriceListObject, SubscriptionNode};
use crate::object::{PlanChangePreviewObject, PolicyTrialObject, QueueObject, ScheduleObject, WhenName};
use almoner_app::{agents, customers, directory, features, keys, plans, policies, prices, queues, schedules, webhooks};
use almoner_domain::delivery::DeliveryFilter;
use almoner_domain::id::{
    AgentId, AllocationId, CustomerId, DecisionId, FeatureId, GrantId, PlanId, PlanVersionId, SessionId,
    SubscriptionId, UserId,
};
use almoner_domain::page::Stretch;
use almoner_domain::ports::{AllocationFilter, AuditFilter, DecisionFilter};
use almoner_domain::text::{ExternalId, FeatureKey, Named};
use almoner_domain::time::Timestamp;
use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, ID, InputObject, Object, Result};
use std::str::FromStr;

/// A page of a list.
type Page<N> = Connection<String, N, EmptyFields, EmptyFields>;

/// Which allocations: those that fulfil all that is named.
#[derive(Default, InputObject)]
pub(crate) struct AllocationsFilter {
    /// Of which customer, by our id.
    customer: Option<ID>,
    /// Of which user, by our id.
    user: Option<ID>,
    /// For which agent, by our id.
    agent: Option<ID>,
    /// For which session, by our id.
    session: Option<ID>,
    /// Carved from which allocation.
    parent: Option<ID>,
    /// In which state.
    state: Option<AllocationStateName>,
}

/// Which decisions: those that fulfil all that is named.
#[derive(Default, InputObject)]
pub(crate) struct DecisionsFilter {
    /// On behalf of which customer, by our id.
    customer: Option<ID>,
    /// On behalf of which user, by our id.
    user: Option<ID>,
    /// By which agent, by our id.
    agent: Option<ID>,
    /// In which session, by our id.
    session: Option<ID>,
    /// On which allocation.
    allocation: Option<ID>,
    /// Only allowed ones, or only denied ones.
    allowed: Option<bool>,
    /// Taken at or after this instant (RFC 3339).
    since: Option<String>,
    /// Taken before this instant (RFC 3339).
    until: Option<String>,
}

/// Which entries of the audit trail: those that fulfil all that is named.
#[derive(Default, InputObject)]
pub(crate) struct AuditEntriesFilter {
    /// Of which customer's affairs, by our id.
    customer: Option<ID>,
    /// By which user, by our id.
    user: Option<ID>,
    /// By which key, by our id.
    key: Option<ID>,
    /// About what, by our id.
    subject: Option<ID>,
}

impl AuditEntriesFilter {
    /// As [`AllocationsFilter::read`].
    fn read(self) -> Option<AuditFilter> {
        Some(AuditFilter {
            customer: of(self.customer).ok()?,
            user: of(self.user).ok()?,
            key: of(self.key).ok()?,
            subject: self.subject.map(|id| id.0),
        })
    }
}

/// What can be asked.
pub(crate) struct Query;

#[Object]
impl Query {
    /// Anything by its id; none where there is no such thing, or it is not yours to see.
    async fn node(&self, context: &Context<'_>, id: ID) -> Result<Option<Node>> {
        node(asker(context)?, &id).await
    }

    /// Features, oldest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn features(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Page<FeatureNode>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let found = directory::features(&asker.caller, &asker.desk, page).await.map_err(not_found)?;
        Ok(connection(found, |feature| feature.id, FeatureNode))
    }

    /// A feature by its key in code.
    async fn feature(&self, context: &Context<'_>, key: String) -> Result<Option<FeatureNode>> {
        let asker = asker(context)?;
        let Ok(key) = FeatureKey::parse(&key) else { return Ok(None) };
        let found = features::find(&asker.caller, &asker.desk.app, &key).await.map_err(not_found)?;
        Ok(found.map(FeatureNode))
    }

    /// Plans, oldest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn plans(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Page<PlanNode>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let found = directory::plans(&asker.caller, &asker.desk, page).await.map_err(not_found)?;
        Ok(connection(found, |plan| plan.id, PlanNode))
    }

    /// A plan by the provider's id.
    async fn plan(&self, context: &Context<'_>, external_id: String) -> Result<Option<PlanNode>> {
        let asker = asker(context)?;
        let Ok(id) = ExternalId::parse(&external_id) else { return Ok(None) };
        let found = plans::find(&asker.caller, &asker.desk.app, &id).await.map_err(not_found)?;
        Ok(found.map(PlanNode))
    }

    /// Policies, retired ones too, by the provider's id.
    #[graphql(complexity = "100 * child_complexity")]
    async fn policies(&self, context: &Context<'_>) -> Result<Vec<PolicyObject>> {
        let asker = asker(context)?;
        let all = policies::list(&asker.caller, &asker.desk.app).await.map_err(not_found)?;
        Ok(all.into_iter().map(PolicyObject).collect())
    }

    /// Tries a policy on the past, from one instant until another, 31 days at most: which sessions of its kind it would have denied
    /// something. Nothing is changed. Staff only.
    #[graphql(complexity = "input.lines.len() + child_complexity")]
    async fn try_policy(
        &self,
        context: &Context<'_>,
        input: AddPolicyInput,
        from: String,
        to: String,
    ) -> Result<PolicyTrialObject> {
        try_on(context, input, &from, &to).await
    }

    /// A policy by our id or the provider's.
    async fn policy(&self, context: &Context<'_>, id: String) -> Result<Option<PolicyObject>> {
        let asker = asker(context)?;
        let Ok(name) = Named::parse(&id) else { return Ok(None) };
        let found = policies::find(&asker.caller, &asker.desk.app, &name).await.map_err(not_found)?;
        Ok(found.map(PolicyObject))
    }

    /// The newest prices in a currency, by its key, whether or not their time has come; none while nothing is published.
    async fn price_list(&self, context: &Context<'_>, currency: String) -> Result<Option<PriceListObject>> {
        let asker = asker(context)?;
        let Ok(currency) = FeatureKey::parse(&currency) else { return Ok(None) };
        let found = prices::latest(&asker.caller, &asker.desk.app, &currency).await.map_err(not_found)?;
        Ok(found.map(PriceListObject))
    }

    /// Customers, oldest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn customers(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Page<CustomerNode>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let found = directory::customers(&asker.caller, &asker.desk, page).await.map_err(not_found)?;
        Ok(connection(found, |customer| customer.id, CustomerNode))
    }

    /// A customer by our id or the provider's.
    async fn customer(&self, context: &Context<'_>, id: String) -> Result<Option<CustomerNode>> {
        let asker = asker(context)?;
        let Ok(name) = Named::parse(&id) else { return Ok(None) };
        let found = customers::find(&asker.caller, &asker.desk.app, &name).await.map_err(not_found)?;
        Ok(found.map(CustomerNode))
    }

    /// Agents, oldest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn agents(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Page<AgentNode>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let found = directory::agents(&asker.caller, &asker.desk, page).await.map_err(not_found)?;
        Ok(connection(found, |agent| agent.id, AgentNode))
    }

    /// An agent by our id or the provider's.
    async fn agent(&self, context: &Context<'_>, id: String) -> Result<Option<AgentNode>> {
        let asker = asker(context)?;
        let Ok(name) = Named::parse(&id) else { return Ok(None) };
        let found = agents::find(&asker.caller, &asker.desk.app, &name).await.map_err(not_found)?;
        Ok(found.map(AgentNode))
    }

    /// Allocations, newest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn allocations(
        &self,
        context: &Context<'_>,
        #[graphql(default)] filter: AllocationsFilter,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Page<AllocationNode>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let Some(filter) = filter.read() else { return Ok(Connection::new(false, false)) };
        let found = directory::allocations(&asker.caller, &asker.desk, filter, page).await.map_err(not_found)?;
        Ok(connection(found, |allocation| allocation.id, AllocationNode))
    }

    /// What gates decided, newest first. The latest may follow within seconds.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn decisions(
        &self,
        context: &Context<'_>,
        #[graphql(default)] filter: DecisionsFilter,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Page<DecisionNode>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let Some(filter) = filter.read()? else { return Ok(Connection::new(false, false)) };
        let found = directory::decisions(&asker.caller, &asker.desk, filter, page).await.map_err(not_found)?;
        Ok(connection(found, |decision| decision.id, DecisionNode))
    }

    /// How units moved, newest first: the lines of the ledger. What gates have not told yet follows within a second or so.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn movements(
        &self,
        context: &Context<'_>,
        #[graphql(default)] filter: MovementsFilter,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Page<MovementNode>> {
        let asked = Asked { first, after, last, before };
        let Some(filter) = filter.read()? else { return Ok(Connection::new(false, false)) };
        list(context, asked, |page| MovementsOf(filter, page), |movement| movement.id, MovementNode).await
    }

    /// What was spent, by whom, for what, over time. The latest may follow within seconds.
    #[graphql(complexity = "usage_cost(&input) * child_complexity")]
    async fn usage(&self, context: &Context<'_>, input: UsageInput) -> Result<UsageObject> {
        UsageObject::ask(context, input).await
    }

    /// What carving an allocation would take, and from where. Nothing is changed by asking.
    #[graphql(complexity = "input.lines.len() * child_complexity")]
    async fn preview_allocation(&self, context: &Context<'_>, input: CarveAllocationInput) -> Result<PreviewObject> {
        preview(context, input).await
    }

    /// What changing a customer's plan would do: when it takes effect, what is granted or taken back feature by feature, what stays
    /// pending, and which live allocations would shrink or end. Without a plan: what cancelling would do. Now by default. For staff.
    async fn preview_plan_change(
        &self,
        context: &Context<'_>,
        customer: String,
        plan: Option<String>,
        when: Option<WhenName>,
    ) -> Result<PlanChangePreviewObject> {
        preview_plan_change(context, &customer, plan.as_deref(), when).await
    }

    /// Who changed what, in which role, from where: newest first. Members see what they did themselves.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn audit(
        &self,
        context: &Context<'_>,
        #[graphql(default)] filter: AuditEntriesFilter,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Page<AuditObject>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let Some(filter) = filter.read() else { return Ok(Connection::new(false, false)) };
        let found = almoner_app::audit::list(&asker.caller, &asker.desk, filter, page).await.map_err(not_found)?;
        Ok(connection(found, |entry| entry.id, AuditObject))
    }

    /// Queues of the background runner, by name, over the whole installation. Operators only.
    #[graphql(complexity = "10 * child_complexity")]
    async fn queues(&self, context: &Context<'_>) -> Result<Vec<QueueObject>> {
        let asker = asker(context)?;
        let found = queues::list(&asker.caller, &asker.desk).await.map_err(not_found)?;
        let now = asker.desk.app.clock.now();
        Ok(found.into_iter().map(|state| QueueObject::new(state, now)).collect())
    }

    /// What the background runner does by itself, by name, over the whole installation. Operators only.
    #[graphql(complexity = "10 * child_complexity")]
    async fn schedules(&self, context: &Context<'_>) -> Result<Vec<ScheduleObject>> {
        let asker = asker(context)?;
        let found = schedules::list(&asker.caller, &asker.desk).await.map_err(not_found)?;
        let now = asker.desk.app.clock.now();
        Ok(found.into_iter().map(|schedule| ScheduleObject::new(schedule, now)).collect())
    }

    /// API keys, newest first, revoked ones included.
    #[graphql(complexity = "20 * child_complexity")]
    async fn api_keys(&self, context: &Context<'_>) -> Result<Vec<KeyObject>> {
        let asker = asker(context)?;
        let found = keys::list(&asker.caller, &asker.desk.app).await.map_err(not_found)?;
        Ok(found.into_iter().map(KeyObject).collect())
    }

    /// Where the tenant's systems hear of what happens, oldest first. For staff.
    #[graphql(complexity = "20 * child_complexity")]
    async fn webhook_endpoints(&self, context: &Context<'_>) -> Result<Vec<EndpointObject>> {
        let asker = asker(context)?;
        let found = webhooks::list(&asker.caller, &asker.desk).await.map_err(not_found)?;
        Ok(found.into_iter().map(EndpointObject).collect())
    }

    /// One of them. For staff.
    async fn webhook_endpoint(&self, context: &Context<'_>, id: ID) -> Result<Option<EndpointObject>> {
        let asker = asker(context)?;
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(webhooks::find(&asker.caller, &asker.desk, id).await.map_err(not_found)?.map(EndpointObject))
    }

    /// What an endpoint can be told of, with the JSON Schema of each body and an example; and the test event. For staff.
    #[graphql(complexity = "10 * child_complexity")]
    async fn webhook_event_types(&self, context: &Context<'_>) -> Result<Vec<EventTypeObject>> {
        let asker = asker(context)?;
        let found = webhooks::events(&asker.caller, &asker.desk).map_err(not_found)?;
        Ok(found.into_iter().map(EventTypeObject).collect())
    }

    /// Events that are or were on their way to endpoints, newest first. For staff.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn webhook_deliveries(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only those to this endpoint.")] endpoint: Option<ID>,
        #[graphql(desc = "Only those of this event: its `webhook-id`.")] event: Option<ID>,
        #[graphql(desc = "Only those that stand so.")] state: Option<DeliveryStateName>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Page<DeliveryObject>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let found = match (of(endpoint), of(event)) {
            (Ok(endpoint), Ok(notice)) => {
                let filter = DeliveryFilter { endpoint, notice, state: state.map(Into::into) };
                webhooks::deliveries(&asker.caller, &asker.desk, filter, page).await.map_err(not_found)?
            }
            _ => Stretch::whole(Vec::new()),
        };
        Ok(connection(found, |delivery| delivery.id, DeliveryObject))
    }

    /// The log of a delivery: attempts whose end was recorded, newest first, at most 100. For staff.
    #[graphql(complexity = "10 * child_complexity")]
    async fn webhook_attempts(&self, context: &Context<'_>, delivery: ID) -> Result<Vec<AttemptObject>> {
        let asker = asker(context)?;
        let Ok(id) = delivery.parse() else { return Ok(Vec::new()) };
        let found = webhooks::attempts(&asker.caller, &asker.desk, id).await.map_err(not_found)?;
        Ok(found.into_iter().map(AttemptObject).collect())
    }
}

/// Looks up by the kind that an id says. An id of no kind names nothing.
async fn node(asker: &Asker, id: &ID) -> Result<Option<Node>> {
    macro_rules! by_kind {
        ($($kind:ty => $node:ident($wrap:ident),)*) => {
            $(if let Ok(id) = id.parse::<$kind>() {
                return Ok(asker.loader.load_one(id).await?.map(|noun| Node::$node($wrap(noun))));
            })*
        };
    }
    if let Ok(id) = id.parse::<SessionId>() {
        let found = directory::session(&asker.caller, &asker.desk, id).await.map_err(not_found)?;
        return Ok(found.map(|session| Node::Session(SessionNode(session))));
    }
    by_kind! {
        FeatureId => Feature(FeatureNode),
        PlanId => Plan(PlanNode),
        PlanVersionId => PlanVersion(PlanVersionNode),
        CustomerId => Customer(CustomerNode),
        UserId => User(UserNode),
        AgentId => Agent(AgentNode),
        AllocationId => Allocation(AllocationNode),
        DecisionId => Decision(DecisionNode),
        GrantId => Grant(GrantNode),
        SubscriptionId => Subscription(SubscriptionNode),
    }
    Ok(None)
}

/// An id in a filter; `Err` where it is none of its kind, so that nothing fulfils the filter.
pub(crate) fn of<I: FromStr>(id: Option<ID>) -> Result<Option<I>, ()> {
    id.map(|id| id.parse().map_err(drop)).transpose()
}

impl AllocationsFilter {
    /// None where an id is of another kind: there is nothing of that name.
    fn read(self) -> Option<AllocationFilter> {
        Some(AllocationFilter {
            customer: of(self.customer).ok()?,
            user: of(self.user).ok()?,
            agent: of(self.agent).ok()?,
            session: of(self.session).ok()?,
            parent: of(self.parent).ok()?,
            state: self.state.map(Into::into),
        })
    }
}

impl DecisionsFilter {
    /// As [`AllocationsFilter::read`]; an instant that is none is an error.
    pub(crate) fn read(self) -> Result<Option<DecisionFilter>> {
        let (since, until) = (instant("since", self.since)?, instant("until", self.until)?);
        let ids = || {
            Some(DecisionFilter {
                customer: of(self.customer).ok()?,
                user: of(self.user).ok()?,
                agent: of(self.agent).ok()?,
                session: of(self.session).ok()?,
                allocation: of(self.allocation).ok()?,
                allowed: self.allowed,
                since,
                until,
            })
        };
        Ok(ids())
    }
}

fn instant(name: &str, text: Option<String>) -> Result<Option<Timestamp>> {
    let read = |text: String| {
        Timestamp::parse(&text).map_err(|why| crate::asker::coded("INVALID_INSTANT", &format!("{name} {why}")))
    };
    text.map(read).transpose()
}
