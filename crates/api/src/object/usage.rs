//! Usage: what was spent, by whom, for what, over time.

use super::{AgentNode, AllocationNode, CustomerNode, FeatureNode, SessionNode, UserNode, instant};
use crate::asker::{asker, coded, fault, forbidden};
use almoner_app::usage::{self, AskUsageError, AskedUsage, UsageReport};
use almoner_domain::feature::FeatureKind;
use almoner_domain::text::{DimensionName, DimensionValue, FeatureKey};
use almoner_domain::time::Timestamp;
use almoner_domain::usage::{
    Bucket, Measure, Span, TOP_MAX, UsageDimension, UsageError, UsageFilter, UsageKey, UsageRow,
};
use async_graphql::{Context, Enum, Error, ID, InputObject, Object, Result, SimpleObject};
use std::str::FromStr;

/// Groups that are answered where nobody says how many.
const TOP_DEFAULT: i32 = 10;

/// How long the stretches of a series are, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "UsageBucket")]
pub(crate) enum BucketName {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

/// What usage is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "UsageKey")]
pub(crate) enum KeyName {
    /// On behalf of which customer.
    Customer,
    /// On behalf of which user.
    User,
    /// By which agent.
    Agent,
    /// In which session.
    Session,
    /// From which allocation.
    Allocation,
    /// Of which feature.
    Feature,
}

/// What groups are ordered by, the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "UsageMeasure")]
pub(crate) enum MeasureName {
    /// Units spent.
    Units,
    /// Calls that were allowed.
    Calls,
}

/// Something that callers said about calls.
#[derive(InputObject)]
pub(crate) struct DimensionFilter {
    /// The name, at most 64 bytes.
    name: String,
    /// The value, at most 500 bytes.
    value: String,
}

/// Which usage, and how it is summed up.
#[derive(InputObject)]
pub(crate) struct UsageInput {
    /// Of which feature, by its key in code. Units of different features do not add up: name one here, or group by FEATURE.
    feature: Option<String>,
    /// On behalf of which customer, by our id.
    customer: Option<ID>,
    /// On behalf of which user, by our id.
    user: Option<ID>,
    /// By which agent, by our id.
    agent: Option<ID>,
    /// In which session, by our id.
    session: Option<ID>,
    /// From which allocation.
    allocation: Option<ID>,
    /// Of calls of which all this was said, at most 5.
    #[graphql(default)]
    dimensions: Vec<DimensionFilter>,
    /// From this instant (RFC 3339, a whole hour in UTC). With `until`, or neither: then the last 30 days.
    since: Option<String>,
    /// Until just before this instant (RFC 3339, a whole hour in UTC).
    until: Option<String>,
    /// What it is grouped by, with `groupByDimensions` at most 3.
    #[graphql(default)]
    group_by: Vec<KeyName>,
    /// By what callers said under these names, such as `tool`.
    #[graphql(default)]
    group_by_dimensions: Vec<String>,
    /// How long the stretches of a series are; left out for one sum of the whole time.
    bucket: Option<BucketName>,
    /// What groups are ordered by: left out, units where a feature is named and calls where none is.
    order_by: Option<MeasureName>,
    /// How many groups, the largest ones, 1 to 100. Groups times stretches of time are at most 1,000.
    #[graphql(default_with = "TOP_DEFAULT")]
    top: i32,
}

/// What a usage query costs: one for each group.
pub(crate) fn usage_cost(input: &UsageInput) -> usize {
    usize::try_from(input.top).unwrap_or(0).clamp(1, usize::from(TOP_MAX))
}

/// What was spent.
pub(crate) struct UsageObject(UsageReport);

impl UsageObject {
    /// Asks, and answers.
    pub(crate) async fn ask(context: &Context<'_>, input: UsageInput) -> Result<Self> {
        let asker = asker(context)?;
        let report = usage::usage(&asker.caller, &asker.desk, input.read()?).await;
        report.map(Self).map_err(refused)
    }
}

#[Object(name = "Usage")]
impl UsageObject {
    /// The first instant that it tells of.
    async fn since(&self) -> String {
        instant(self.0.query.span().since())
    }

    /// The first instant that it does not tell of any more.
    async fn until(&self) -> String {
        instant(self.0.query.span().until())
    }

    /// By time, and within a stretch of it the largest group first. A group has no row where it spent nothing and nothing was
    /// denied. Within an hour, for one customer and feature, at most 100 different sets of dimensions are told apart; all that
    /// is said beyond is one group, whose dimensions say `isOther`.
    async fn rows(&self) -> Vec<UsageRowObject> {
        let row = |row: &UsageRow| UsageRowObject {
            row: row.clone(),
            span: stretch(&self.0, row),
            feature: row.feature.or(self.0.query.filter.feature),
        };
        self.0.rows.iter().map(row).collect()
    }
}

/// What one group spent in one stretch of time.
pub(crate) struct UsageRowObject {
    row: UsageRow,
    span: (Timestamp, Timestamp),
    feature: Option<almoner_domain::id::FeatureId>,
}

/// A field that is there where usage is grouped by it and somebody is named.
macro_rules! loaded {
    ($context:ident, $id:expr, $node:ident) => {{
        let Some(id) = $id else { return Ok(None) };
        Ok(asker($context)?.loader.load_one(id).await?.map($node))
    }};
}

#[Object(name = "UsageRow")]
impl UsageRowObject {
    /// The first instant of its stretch of time.
    async fn start(&self) -> String {
        instant(self.span.0)
    }

    /// The first instant after it.
    async fn end(&self) -> String {
        instant(self.span.1)
    }

    /// The feature that was used.
    async fn feature(&self, context: &Context<'_>) -> Result<Option<FeatureNode>> {
        loaded!(context, self.feature, FeatureNode)
    }

    /// The customer, where it is grouped by it.
    async fn customer(&self, context: &Context<'_>) -> Result<Option<CustomerNode>> {
        loaded!(context, self.row.customer, CustomerNode)
    }

    /// The user, where it is grouped by it and calls named one.
    async fn user(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        loaded!(context, self.row.user, UserNode)
    }

    /// The agent, where it is grouped by it and calls named one.
    async fn agent(&self, context: &Context<'_>) -> Result<Option<AgentNode>> {
        loaded!(context, self.row.agent, AgentNode)
    }

    /// The session, where it is grouped by it and calls named one.
    async fn session(&self, context: &Context<'_>) -> Result<Option<SessionNode>> {
        loaded!(context, self.row.session, SessionNode)
    }

    /// The allocation, where it is grouped by it and calls named one.
    async fn allocation(&self, context: &Context<'_>) -> Result<Option<AllocationNode>> {
        loaded!(context, self.row.allocation, AllocationNode)
    }

    /// What callers said, of the names that it is grouped by, in their order.
    async fn dimensions(&self) -> Vec<UsageDimensionObject> {
        self.row.dimensions.iter().map(UsageDimensionObject::of).collect()
    }

    /// Calls that were allowed and spent. A hold is one once it is committed or released; one that ran out of time is none.
    async fn calls(&self) -> i64 {
        self.row.calls
    }

    /// Calls that were denied.
    async fn denied(&self) -> i64 {
        self.row.denied
    }

    /// Units spent, as a decimal in the feature's unit; 0 where the feature is not metered.
    async fn units(&self, context: &Context<'_>) -> Result<String> {
        let feature = match self.feature {
            Some(id) => asker(context)?.loader.load_one(id).await?,
            None => None,
        };
        Ok(match feature.map(|feature| feature.kind) {
            Some(FeatureKind::Metered(meter)) => self.row.units.display(meter.scale),
            Some(FeatureKind::Boolean | FeatureKind::Static) | None => self.row.units.get().to_string(),
        })
    }
}

/// What callers said under one name.
#[derive(SimpleObject)]
#[graphql(name = "UsageDimension")]
pub(crate) struct UsageDimensionObject {
    /// The name.
    name: String,
    /// The value; none where nothing was said, or it is not told apart.
    value: Option<String>,
    /// Is it all that is not told apart any more?
    is_other: bool,
}

impl UsageDimensionObject {
    fn of(said: &UsageDimension) -> Self {
        Self { name: said.name.to_string(), value: said.value.clone(), is_other: said.is_other }
    }
}

/// The stretch of time that a row tells of, cut to what was asked.
fn stretch(report: &UsageReport, row: &UsageRow) -> (Timestamp, Timestamp) {
    let span = report.query.span();
    let (Some(start), Some(bucket)) = (row.start, report.query.bucket()) else { return (span.since(), span.until()) };
    (start.max(span.since()), bucket.end_of(start).min(span.until()))
}

impl UsageInput {
    fn read(self) -> Result<AskedUsage> {
        let read = |name: &str, text: &Option<String>| {
            let parse = |text: &String| Timestamp::parse(text).map_err(|why| invalid("SPAN", name, why));
            text.as_ref().map(parse).transpose()
        };
        let span = match (read("since", &self.since)?, read("until", &self.until)?) {
            (Some(since), Some(until)) => Some(Span::new(since, until).map_err(told)?),
            (None, None) => None,
            _ => return Err(invalid("SPAN", "since and until", "go together; name both, or neither")),
        };
        let mut dimensions = Vec::new();
        for said in &self.dimensions {
            let name = DimensionName::parse(&said.name).map_err(|why| invalid("DIMENSION", "name", why))?;
            let value = DimensionValue::parse(&said.value).map_err(|why| invalid("DIMENSION", "value", why))?;
            dimensions.push((name, value));
        }
        let mut keys: Vec<UsageKey> = self.group_by.iter().copied().map(UsageKey::from).collect();
        for name in &self.group_by_dimensions {
            let name = DimensionName::parse(name).map_err(|why| invalid("GROUPING", "groupByDimensions", why))?;
            keys.push(UsageKey::Dimension(name));
        }
        let feature = self.feature.as_deref().map(FeatureKey::parse).transpose();
        let filter = UsageFilter {
            customer: of("customer", self.customer)?,
            user: of("user", self.user)?,
            agent: of("agent", self.agent)?,
            session: of("session", self.session)?,
            allocation: of("allocation", self.allocation)?,
            feature: None,
            dimensions,
        };
        Ok(AskedUsage {
            filter,
            feature: feature.map_err(|why| invalid("FEATURE", "feature", why))?,
            span,
            keys,
            bucket: self.bucket.map(Into::into),
            measure: self.order_by.map(Into::into),
            top: u16::try_from(self.top).map_err(|_| told(UsageError::Top))?,
        })
    }
}

fn of<I: FromStr<Err: std::fmt::Display>>(member: &str, id: Option<ID>) -> Result<Option<I>> {
    id.map(|id| id.parse().map_err(|why| invalid("ID", member, why))).transpose()
}

/// A member that is wrong, and what to do.
fn invalid(what: &str, member: &str, why: impl std::fmt::Display) -> Error {
    let code = match what {
        "SPAN" => "INVALID_SPAN",
        "DIMENSION" => "INVALID_DIMENSION",
        "GROUPING" => "INVALID_GROUPING",
        "FEATURE" => "INVALID_FEATURE",
        "ORDER" => "INVALID_ORDER",
        "TOP" => "INVALID_TOP",
        _ => "INVALID_ID",
    };
    coded(code, &format!("{member} {why}."))
}

fn told(why: UsageError) -> Error {
    let (what, member) = match why {
        UsageError::Span => ("SPAN", "since and until"),
        UsageError::Keys | UsageError::Repeated => ("GROUPING", "groupBy"),
        UsageError::Wanted => ("DIMENSION", "dimensions"),
        UsageError::Top => ("TOP", "top"),
        UsageError::Feature => ("FEATURE", "feature:"),
        UsageError::Measure => ("ORDER", "orderBy:"),
        UsageError::Rows => ("TOP", "the answer"),
    };
    invalid(what, member, why)
}

fn refused(error: AskUsageError) -> Error {
    match error {
        AskUsageError::Forbidden(why) => forbidden(why),
        AskUsageError::Fault(why) => fault(&why),
        AskUsageError::Query(why) => told(why),
        AskUsageError::UnknownFeature(key) => {
            invalid("FEATURE", "feature", format!("\"{key}\" is not there; take the key of one of `features`"))
        }
    }
}

impl From<BucketName> for Bucket {
    fn from(name: BucketName) -> Self {
        match name {
            BucketName::Hour => Self::Hour,
            BucketName::Day => Self::Day,
            BucketName::Month => Self::Month,
        }
    }
}

impl From<MeasureName> for Measure {
    fn from(name: MeasureName) -> Self {
        match name {
            MeasureName::Units => Self::Units,
            MeasureName::Calls => Self::Calls,
        }
    }
}

impl From<KeyName> for UsageKey {
    fn from(name: KeyName) -> Self {
        match name {
            KeyName::Customer => Self::Customer,
            KeyName::User => Self::User,
            KeyName::Agent => Self::Agent,
            KeyName::Session => Self::Session,
            KeyName::Allocation => Self::Allocation,
            KeyName::Feature => Self::Feature,
        }
    }
}
