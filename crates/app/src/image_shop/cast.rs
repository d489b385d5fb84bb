//! Who is in the story: names alone.

use almoner_domain::customer::Role;

/// An external id and what people call it.
pub(super) type Named = (&'static str, &'static str);
/// A customer and its people with their roles.
pub(super) type Company = (Named, &'static [(Named, Role)]);

/// The people and programs of one tool provider.
pub(super) struct Cast {
    /// The provider.
    pub(super) tenant: Named,
    /// Its customers.
    pub(super) customers: &'static [Company],
    /// Its customers' agents.
    pub(super) agents: &'static [Named],
    /// The one of them that answers support tickets.
    pub(super) support: &'static str,
}

/// The company that the story is about.
pub(super) const IMAGE_SHOP: Cast = Cast {
    tenant: ("image-shop", "Image Shop"),
    customers: &[
        (("acme-shop", "Acme Shop"), &[(("ada", "Ada"), Role::Owner), (("ben", "Ben"), Role::Member)]),
        (("bolt-store", "Bolt Store"), &[(("cy", "Cy"), Role::Owner)]),
    ],
    agents: &[("catalogue", "Catalogue agent"), ("support", "Support agent")],
    support: "support",
};

/// Another company on the same installation. Some of its names are its own and some are the same as the first one's:
/// both kinds must lead to its own things, or to nothing.
pub(super) const PRINT_HOUSE: Cast = Cast {
    tenant: ("print-house", "Print House"),
    customers: &[
        (("delta-prints", "Delta Prints"), &[(("dan", "Dan"), Role::Owner), (("eve", "Eve"), Role::Member)]),
        (("acme-shop", "Acme Shop"), &[(("ada", "Ada"), Role::Owner)]),
    ],
    agents: &[("proofs", "Proofs agent"), ("support", "Support agent")],
    support: "support",
};
