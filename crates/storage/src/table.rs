//! How a table is told to sea-orm: its name, what tells its rows apart within a realm, and its other columns.

use sea_orm::entity::prelude::Uuid;

/// What a row's tenant is before a transaction writes it: the transaction fills in its own.
pub(crate) const NO_TENANT: Uuid = Uuid::nil();
/// What a row's environment is before a transaction writes it.
pub(crate) const NO_ENVIRONMENT: String = String::new();

/// A table that a realm owns. Its key is `(tenant, environment, <key>)`.
macro_rules! realm_table {
    ($name:literal { key { $($key:ident: $key_type:ty,)* } $($field:ident: $type:ty,)* }) => {
        // What the derive writes names these without their paths.
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = $name)]
        pub(crate) struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub(crate) tenant: Uuid,
            #[sea_orm(primary_key, auto_increment = false)]
            pub(crate) environment: String,
            $(#[sea_orm(primary_key, auto_increment = false)] pub(crate) $key: $key_type,)*
            $(pub(crate) $field: $type,)*
        }

        crate::table::behaviour!();
        crate::tx::owned!(Entity, Column);
    };
}
pub(crate) use realm_table;

/// A table that the installation owns.
macro_rules! installation_table {
    ($name:literal { key { $key:ident: $key_type:ty, } $($field:ident: $type:ty,)* }) => {
        // What the derive writes names these without their paths.
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = $name)]
        pub(crate) struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub(crate) $key: $key_type,
            $(pub(crate) $field: $type,)*
        }

        crate::table::behaviour!();
        impl crate::tx::Installed for Entity {}
    };
}
pub(crate) use installation_table;

/// What sea-orm asks of every table and none here needs: relations, and hooks.
macro_rules! behaviour {
    () => {
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub(crate) enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    };
}
pub(crate) use behaviour;
