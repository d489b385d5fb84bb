//! Who signs what tests do.

use almoner_domain::audit::{Author, AuthorRole};
use almoner_domain::caller::Origin;

/// Whoever has the machine.
pub fn author() -> Author {
    Author { role: AuthorRole::Installation, key: None, customer: None, user: None, origin: Origin::default() }
}
