//! What `seed image-shop --json` has made: who is there, and by which keys one calls.

use almoner_domain::id::TenantId;
use almoner_domain::tenant::{Environment, Realm};
use serde_json::Value;

/// One seeded tool provider.
#[derive(Debug, Clone)]
pub struct Shop {
    /// The object that was printed.
    pub printed: Value,
    /// Its gate key, live environment.
    pub gate_key: String,
    /// Its operator key, live environment.
    pub operator_key: String,
}

impl Shop {
    /// Reads what was printed.
    ///
    /// # Panics
    /// Panics when a member is missing.
    pub fn read(printed: &Value) -> Self {
        let key = |name: &str| printed[name].as_str().unwrap_or_else(|| panic!("seed prints {name}")).to_owned();
        Self { gate_key: key("gate_key"), operator_key: key("operator_key"), printed: printed.clone() }
    }

    /// Its tenant's id.
    pub fn tenant(&self) -> String {
        self.printed["tenant"]["id"].as_str().expect("the tenant has an id").to_owned()
    }

    /// Its live environment.
    ///
    /// # Panics
    /// Panics when the id was printed in another form than ids have.
    pub fn realm(&self) -> Realm {
        let tenant: TenantId = self.tenant().parse().expect("an id of a tenant");
        Realm { tenant, environment: Environment::Live }
    }

    /// Our id of something by its external id: of `customers`, `users`, `agents` or `features`.
    ///
    /// # Panics
    /// Panics when there is none.
    pub fn id(&self, nouns: &str, external_id: &str) -> String {
        let all = self.printed[nouns].as_array().unwrap_or_else(|| panic!("seed prints {nouns}"));
        let found = all.iter().find(|one| one["external_id"] == external_id);
        let id = found.and_then(|one| one["id"].as_str());
        id.unwrap_or_else(|| panic!("no {external_id} among the {nouns}")).to_owned()
    }

    /// Our ids of all that was made.
    pub fn ids(&self) -> Vec<String> {
        let nouns = ["customers", "users", "agents", "features"];
        let all = nouns.iter().filter_map(|nouns| self.printed[*nouns].as_array()).flatten();
        let ids = all.filter_map(|one| one["id"].as_str()).map(str::to_owned);
        ids.chain([self.tenant()]).collect()
    }
}
