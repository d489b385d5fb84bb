//! From the wire to the domain: each member checked, each error with its pointer.

use super::body::{CallBody, Pairs, SessionBody, SubjectBody, UseBody, escape};
use super::problem::{MemberError, Problem};
use crate::answered::short;
use crate::call::{AskedUse, Call, CallKey};
use crate::credential::Credential;
use crate::decide::Refusal;
use crate::gate::Gate;
use crate::handle::Target;
use crate::session::SessionTarget;
use almoner_domain::agent::SessionName;
use almoner_domain::decision::{DIMENSIONS_MAX, USES_MAX};
use almoner_domain::feature::{Feature, FeatureKind};
use almoner_domain::hold::{HOLD_TTL_DEFAULT, HOLD_TTL_MAX};
use almoner_domain::id::{AgentId, FeatureId};
use almoner_domain::ports::SubjectName;
use almoner_domain::text::{DimensionName, DimensionValue, IdempotencyKey, Named, SessionKey, SessionKind, TextError};
use almoner_domain::units::{Units, UnitsError};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Errors gathered while a body is read.
#[derive(Default)]
pub(super) struct Errors(Vec<MemberError>);

impl Errors {
    pub(super) fn add(&mut self, pointer: impl Into<String>, detail: impl std::fmt::Display) {
        self.0.push(MemberError { pointer: pointer.into(), detail: detail.to_string() });
    }

    /// The value, or the error with its pointer.
    pub(super) fn keep<T, E: std::fmt::Display>(&mut self, pointer: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.add(pointer, error)).ok()
    }

    pub(super) fn done(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::members(self.0)) }
    }
}

/// May a use have an amount of zero? A call asks for something; a settlement may come to nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Zero {
    Refused,
    Allowed,
}

/// What a call says, as far as a token is not the answer.
pub(super) enum Parsed {
    Call(Call),
    /// The caller presents a token: nothing here verifies it yet.
    Token(Call),
}

impl Gate {
    /// Reads the body of `check`, `consume` or `reserve`.
    pub(super) async fn parse_call(&self, by: Credential, operation: &str, body: CallBody) -> Result<Parsed, Problem> {
        let mut errors = Errors::default();
        let fingerprint = fingerprint(operation, &body);
        let target = target(&body, &mut errors);
        let mut uses = self.parse_uses(by, "/uses", &body.uses, Zero::Refused, &mut errors).await?;
        if body.uses.is_empty() {
            errors.add("/uses", "is empty; name at least one feature");
        }
        let dimensions = dimensions("/dimensions", body.dimensions, &mut errors);
        self.price(by, &mut uses, &dimensions, &mut errors);
        let key = body.idempotency_key.as_deref().and_then(|key| {
            let key = errors.keep("/idempotency_key", IdempotencyKey::parse(key))?;
            Some(CallKey { key, body: fingerprint })
        });
        if operation == "check" && body.idempotency_key.is_some() {
            errors.add("/idempotency_key", "has no meaning for a check, which changes nothing; leave it out");
        }
        if operation != "reserve" && body.ttl_s.is_some() {
            errors.add("/ttl_s", "is for reserve alone; leave it out");
        }
        let ttl = ttl(body.ttl_s, &mut errors);
        errors.done()?;
        let token = body.token.is_some();
        // A token is denied before its target is looked at, so any will do.
        let Some(target) = target else { return Err(Problem::invalid("say who is calling")) };
        let call = Call { target, uses, key, dimensions, ttl };
        Ok(if token { Parsed::Token(call) } else { Parsed::Call(call) })
    }

    /// Looks up what each metered use costs.
    fn price(&self, by: Credential, uses: &mut [AskedUse], dimensions: &[(String, String)], errors: &mut Errors) {
        self.catalogue.price(by.realm, uses, dimensions, self.clock.now());
        // What one call draws from one place is one sum, which could not be told apart again when a hold is settled.
        let pays = |currency: FeatureId| uses.iter().any(|used| used.prices.iter().any(|(id, _)| *id == currency));
        for (i, used) in uses.iter().enumerate() {
            if pays(used.feature.id) {
                errors.add(
                    format!("/uses/{i}/feature"),
                    "pays for another use of this call; use it in a call of its own",
                );
            }
        }
    }

    /// Reads features with amounts.
    pub(super) async fn parse_uses(
        &self,
        by: Credential,
        pointer: &str,
        uses: &[UseBody],
        zero: Zero,
        errors: &mut Errors,
    ) -> Result<Vec<AskedUse>, Problem> {
        if uses.len() > USES_MAX {
            errors.add(pointer, format!("has {} entries; at most {USES_MAX} are accepted", uses.len()));
            return Ok(Vec::new());
        }
        let mut parsed: Vec<AskedUse> = Vec::with_capacity(uses.len());
        for (i, used) in uses.iter().enumerate() {
            let feature = match self.find_feature(by, &used.feature).await? {
                Some(feature) => feature,
                None => {
                    errors.add(format!("{pointer}/{i}/feature"), "names no feature here; check its key");
                    continue;
                }
            };
            if parsed.iter().any(|other| other.feature.id == feature.id) {
                errors.add(format!("{pointer}/{i}/feature"), "stands here twice; add the amounts up");
                continue;
            }
            match amount(&feature, used, zero) {
                Ok(amount) => parsed.push(AskedUse { feature, amount, prices: Vec::new() }),
                Err(why) => errors.add(format!("{pointer}/{i}/amount"), why),
            }
        }
        Ok(parsed)
    }

    async fn find_feature(&self, by: Credential, named: &str) -> Result<Option<Arc<Feature>>, Problem> {
        let found = if named.starts_with("fea_") {
            match named.parse::<FeatureId>() {
                Ok(id) => self.catalogue.by_id(by.realm, id).await,
                Err(_) => return Ok(None),
            }
        } else {
            self.catalogue.by_key(by.realm, named).await
        };
        found.map_err(|fault| Problem::from(Refusal::Unavailable(Some(fault))))
    }
}

fn amount(feature: &Feature, used: &UseBody, zero: Zero) -> Result<Units, String> {
    match (&feature.kind, &used.amount) {
        (FeatureKind::Metered(meter), Some(amount)) => {
            let units = Units::parse(&amount.0, meter.scale).map_err(|error| error.to_string())?;
            if units.is_zero() && zero == Zero::Refused { Err(UnitsError::Zero.to_string()) } else { Ok(units) }
        }
        (FeatureKind::Metered(_), None) => Err("is missing; a metered feature is used by amount".to_owned()),
        (FeatureKind::Boolean | FeatureKind::Static, None) => Ok(Units::ZERO),
        (FeatureKind::Boolean | FeatureKind::Static, Some(_)) => {
            Err("has no meaning for a feature that is not metered; leave it out".to_owned())
        }
    }
}

fn target(body: &CallBody, errors: &mut Errors) -> Option<Target> {
    let given = [body.token.is_some(), body.allocation.is_some(), body.subject.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        errors.add("", "names who is calling not once: give exactly one of token, allocation and subject");
        return None;
    }
    let session = session(body, errors);
    if body.dpop.is_some() && body.token.is_none() {
        errors.add("/dpop", "goes with a token alone; leave it out");
    }
    if let Some(allocation) = &body.allocation {
        return errors.keep("/allocation", allocation.parse()).map(Target::Allocation);
    }
    let Some(subject) = &body.subject else {
        return Some(Target::Allocation(almoner_domain::id::Id::from_uuid(uuid::Uuid::nil())));
    };
    let subject = parse_subject("/subject", subject, errors);
    match session {
        None => subject.map(Target::Subject),
        Some(None) => None,
        Some(Some((agent, session))) => {
            Some(Target::Session(Box::new(SessionTarget { subject: subject?, agent, session })))
        }
    }
}

/// Reads a customer and user.
pub(super) fn parse_subject(pointer: &str, subject: &SubjectBody, errors: &mut Errors) -> Option<SubjectName> {
    let customer = errors.keep(&format!("{pointer}/customer"), Named::parse(&subject.customer));
    let user = match &subject.user {
        Some(user) => Some(errors.keep(&format!("{pointer}/user"), Named::parse(user))?),
        None => None,
    };
    Some(SubjectName { customer: customer?, user })
}

/// Reads a session's name.
pub(super) fn parse_session(pointer: &str, session: &SessionBody, errors: &mut Errors) -> Option<SessionName> {
    let kind = errors.keep(&format!("{pointer}/kind"), SessionKind::parse(&session.kind));
    let key = errors.keep(&format!("{pointer}/key"), SessionKey::parse(&session.key));
    Some(SessionName { kind: kind?, key: key? })
}

/// The agent and session of a subject, where the call names them; none within where they are wrong.
fn session(body: &CallBody, errors: &mut Errors) -> Option<Option<(Named<AgentId>, SessionName)>> {
    match (&body.agent, &body.session) {
        (None, None) => None,
        (Some(agent), Some(session)) if body.subject.is_some() => {
            let agent = errors.keep("/agent", Named::parse(agent));
            let session = parse_session("/session", session, errors);
            Some(agent.zip(session))
        }
        (agent, _) => {
            let pointer = if agent.is_some() { "/agent" } else { "/session" };
            errors.add(pointer, "goes with subject, agent and session together");
            Some(None)
        }
    }
}

/// Reads dimensions, in the order of their names.
pub(super) fn dimensions(pointer: &str, pairs: Pairs, errors: &mut Errors) -> Vec<(String, String)> {
    if pairs.0.len() > DIMENSIONS_MAX {
        errors.add(pointer, format!("has {} members; at most {DIMENSIONS_MAX} are accepted", pairs.0.len()));
        return Vec::new();
    }
    for (name, value) in &pairs.0 {
        let pointer = format!("{pointer}/{}", escape(name));
        let checked = DimensionName::parse(name).map(|_| ()).and_then(|()| DimensionValue::parse(value).map(|_| ()));
        let _: Option<()> = errors.keep::<_, TextError>(&pointer, checked);
    }
    pairs.0.into_iter().collect()
}

/// Reads how long a hold stands.
pub(super) fn ttl(seconds: Option<u64>, errors: &mut Errors) -> Duration {
    let Some(seconds) = seconds else { return HOLD_TTL_DEFAULT };
    let ttl = Duration::from_secs(seconds);
    if ttl.is_zero() || ttl > HOLD_TTL_MAX {
        errors.add("/ttl_s", format!("must be between 1 and {} seconds", HOLD_TTL_MAX.as_secs()));
    }
    ttl
}

/// A hash of what a call says, whatever the order and spacing of its members.
fn fingerprint(operation: &str, body: &CallBody) -> [u8; 16] {
    let mut print = Print(Sha256::new());
    print.text(operation);
    print.option(body.token.as_deref());
    print.option(body.allocation.as_deref());
    print.option(body.subject.as_ref().map(|s| s.customer.as_str()));
    print.option(body.subject.as_ref().and_then(|s| s.user.as_deref()));
    print.option(body.agent.as_deref());
    print.option(body.session.as_ref().map(|s| s.kind.as_str()));
    print.option(body.session.as_ref().map(|s| s.key.as_str()));
    print.uses(&body.uses);
    for (name, value) in &body.dimensions.0 {
        print.text(name);
        print.text(value);
    }
    print.option(body.ttl_s.map(|ttl| ttl.to_string()).as_deref());
    short(print.0)
}

/// A digest of texts, each with its length, so that no two lists of them read alike.
pub(super) struct Print(pub(super) Sha256);

impl Print {
    pub(super) fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    pub(super) fn option(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.update(u64::MAX.to_le_bytes()),
        }
    }

    pub(super) fn uses(&mut self, uses: &[UseBody]) {
        self.0.update((uses.len() as u64).to_le_bytes());
        for used in uses {
            self.text(&used.feature);
            self.option(used.amount.as_ref().map(|amount| amount.0.as_str()));
        }
    }
}
