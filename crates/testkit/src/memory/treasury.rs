//! The ledger as people use it: grants, adjustments, previews.

use super::core::{Core, broken};
use super::windows::Whom;
use almoner_domain::account::AccountOwner;
use almoner_domain::fault::Fault;
use almoner_domain::grant::Grant;
use almoner_domain::id::GrantId;
use almoner_domain::ledger::{self, AdjustRefusal, Books};
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
        let mine = |grant: &&Grant| self.rows.accounts.find(eye, grant.account).is_some();
        let named = |grant: &Grant| grant.external_id.is_some() && grant.external_id == request.external_id;
        if self.rows.grants.iter().filter(mine).any(named) {
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
            effective_at: now,
            expires_at: account.window.end,
            created_at: now,
            voided_at: None,
            taken_back: Units::ZERO,
            external_id: request.external_id.clone(),
        };
        let mut books = Books::new(now, &*entropy);
        self.rows.load_chain(eye, &mut books, account.id);
        if !ledger::issue(&mut books, grant.clone()).map_err(|error| broken("issue", error))? {
            return Ok(GrantAnswer::TooMany);
        }
        self.rows.write_back(eye, books);
        Ok(GrantAnswer::Issued(grant))
    }

    /// Voids a grant.
    pub fn void(&mut self, now: Timestamp, realm: Realm, id: GrantId) -> Result<VoidAnswer, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let found = self.rows.grants.iter().find(|grant| grant.id == id);
        let Some(grant) = found.filter(|grant| self.rows.accounts.find(eye, grant.account).is_some()).cloned() else {
            return Ok(VoidAnswer::Unknown);
        };
        let mut books = Books::new(now, &*entropy);
        self.rows.load_chain(eye, &mut books, grant.account);
        let all = self.rows.grants.iter().filter(|other| other.account == grant.account).cloned().collect();
        let voided = ledger::void(&mut books, all, id).map_err(|error| broken("void", error))?;
        let Some(voided) = voided else { return Ok(VoidAnswer::Ended(grant)) };
        self.rows.write_back(eye, books);
        Ok(VoidAnswer::Voided(voided))
    }

    /// Makes an allocation larger or smaller.
    pub fn adjust(&mut self, now: Timestamp, realm: Realm, request: &AdjustRequest) -> Result<AdjustAnswer, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let id = request.allocation;
        if self.rows.allocations.find(eye, id).is_none() {
            return Ok(AdjustAnswer::Unknown);
        }
        let mut books = Books::new(now, &*entropy);
        self.rows.load_family(eye, &mut books, id);
        let adjusted = ledger::adjust(&mut books, id, request.adjustment, &request.lines);
        match adjusted.map_err(|error| broken("adjust", error))? {
            Ok(()) => self.rows.write_back(eye, books),
            Err(AdjustRefusal::Ended(state)) => return Ok(AdjustAnswer::Ended(state)),
            Err(AdjustRefusal::NoLine(feature)) => return Ok(AdjustAnswer::NoLine(feature)),
            Err(AdjustRefusal::Terms(refusal)) => return Ok(AdjustAnswer::Refused(refusal)),
        }
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
