//! The ledger as people use it: grants, adjustments, previews.

use super::core::{Core, broken};
use super::trail::Pen;
use super::windows::Whom;
use almoner_domain::account::AccountOwner;
use almoner_domain::audit::Action;
use almoner_domain::fault::Fault;
use almoner_domain::grant::{Grant, GrantStage};
use almoner_domain::id::GrantId;
use almoner_domain::ledger::{self, AdjustRefusal, Adjustment, Books};
use almoner_domain::ports::{
    AdjustAnswer, AdjustRequest, CarveAnswer, CarvePreview, CarveRequest, GrantAnswer, GrantRequest, PreviewLine,
    SubjectName, VoidAnswer,
};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use std::sync::Arc;

impl Core {
    /// Issues a grant into the current window of a customer's quota.
    pub fn issue(&mut self, now: Timestamp, realm: Realm, request: &GrantRequest) -> Result<GrantAnswer, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let name = SubjectName { customer: request.customer.clone(), user: None };
        let subject = match self.whom(now, realm, &name)? {
            Whom::UnknownCustomer | Whom::UnknownUser => return Ok(GrantAnswer::UnknownCustomer),
            Whom::Known(subject) => subject,
        };
        let named = |grant: &Grant| grant.external_id.is_some() && grant.external_id == request.external_id;
        if self.rows.grants.seen(eye).any(named) {
            return Ok(GrantAnswer::Taken);
        }
        let Some(account) = self.rows.account_of(eye, &subject, request.feature, now).cloned() else {
            return Ok(GrantAnswer::NotEntitled);
        };
        let AccountOwner::Entitlement(entitlement) = account.owner else { return Ok(GrantAnswer::NotEntitled) };
        let grant = Grant {
            id: request.id,
            entitlement,
            account: account.id,
            kind: request.kind,
            amount: request.amount,
            priority: request.priority,
            effective_at: request.effective_at.map_or(now, |at| at.max(now)),
            expires_at: request.expires_at.or(account.window.end),
            created_at: now,
            voided_at: None,
            taken_back: Units::ZERO,
            lapsed: Units::ZERO,
            stage: GrantStage::Pending,
            carried_from: None,
            external_id: request.external_id.clone(),
        };
        let mut books = Books::new(now, &*entropy);
        self.rows.load_chain(eye, &mut books, account.id);
        if !ledger::issue(&mut books, grant.clone()).map_err(|error| broken("issue", error))? {
            return Ok(GrantAnswer::TooMany);
        }
        let grant = books.grants.last().cloned().unwrap_or(grant);
        self.rows.write_back(eye, books);
        let note = format!("{} of {} smallest units", grant.kind.as_str(), grant.amount.get());
        let pen = Pen { now, realm, by: &request.by };
        self.sign(pen, Action::IssueGrant, grant.id, subject.customer.id, note);
        Ok(GrantAnswer::Issued(grant))
    }

    /// Voids a grant.
    pub(super) fn void(&mut self, pen: Pen<'_>, id: GrantId) -> Result<VoidAnswer, Fault> {
        let (eye, entropy) = (self.eye(pen.realm), Arc::clone(&self.entropy));
        let Some(grant) = self.rows.grants.find(eye, id).cloned() else { return Ok(VoidAnswer::Unknown) };
        let mut books = Books::new(pen.now, &*entropy);
        self.rows.load_chain(eye, &mut books, grant.account);
        let all = self.rows.grants.seen(eye).filter(|other| other.account == grant.account).cloned().collect();
        let voided = ledger::void(&mut books, all, id).map_err(|error| broken("void", error))?;
        let Some(voided) = voided else { return Ok(VoidAnswer::Ended(grant)) };
        let customer = books.accounts.find(voided.account).map(|account| account.principals.customer);
        self.rows.write_back(eye, books);
        if let Some(customer) = customer {
            let note = format!("{} of {} smallest units taken back", voided.taken_back.get(), voided.amount.get());
            self.sign(pen, Action::VoidGrant, id, customer, note);
        }
        Ok(VoidAnswer::Voided(voided))
    }

    /// Makes an allocation larger or smaller.
    pub fn adjust(&mut self, now: Timestamp, realm: Realm, request: &AdjustRequest) -> Result<AdjustAnswer, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let id = request.allocation;
        let Some(allocation) = self.rows.allocations.find(eye, id) else { return Ok(AdjustAnswer::Unknown) };
        let customer = allocation.principals.customer;
        let mut books = Books::new(now, &*entropy);
        self.rows.load_family(eye, &mut books, id);
        let adjusted = ledger::adjust(&mut books, id, request.adjustment, &request.lines);
        match adjusted.map_err(|error| broken("adjust", error))? {
            Ok(()) => self.rows.write_back(eye, books),
            Err(AdjustRefusal::Ended(state)) => return Ok(AdjustAnswer::Ended(state)),
            Err(AdjustRefusal::NoLine(feature)) => return Ok(AdjustAnswer::NoLine(feature)),
            Err(AdjustRefusal::Terms(refusal)) => return Ok(AdjustAnswer::Refused(refusal)),
        }
        let action = match request.adjustment {
            Adjustment::TopUp => Action::TopUpAllocation,
            Adjustment::Shrink => Action::ShrinkAllocation,
        };
        let total: Units = request.lines.iter().map(|(_, amount)| *amount).sum();
        let pen = Pen { now, realm, by: &request.by };
        self.sign(pen, action, id, customer, format!("{} smallest units", total.get()));
        Ok(self.statement(realm, id).map_or(AdjustAnswer::Unknown, |there| AdjustAnswer::Adjusted(Box::new(there))))
    }

    /// What carving would take: carved in a copy that is thrown away.
    pub fn preview(
        &mut self,
        now: Timestamp,
        realm: Realm,
        request: &CarveRequest,
    ) -> Result<Result<CarvePreview, CarveAnswer>, Fault> {
        let before = self.snapshot();
        let answer = self.carve(now, realm, request)?;
        let eye = self.eye(realm);
        let preview = match answer {
            CarveAnswer::Carved(statement) => {
                let line = |line: &almoner_domain::allocation::AllocationLine| {
                    let parent = self.rows.accounts.find(eye, line.account)?.parent?;
                    Some(PreviewLine { amount: line.carved, from: self.rows.accounts.find(eye, parent)?.clone() })
                };
                let lines = statement.allocation.lines.iter().filter_map(line).collect();
                Ok(CarvePreview { expires_at: statement.allocation.expires_at, lines })
            }
            refused => Err(refused),
        };
        self.fail_over(before);
        Ok(preview)
    }
}
