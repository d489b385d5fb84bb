//! Askers: who sends a request, and what its fields work with.

use crate::loaders::{Reader, Turns};
use almoner_app::{Desk, FindError, Forbidden};
use almoner_domain::caller::Caller;
use almoner_domain::fault::{Fault, FaultKind};
use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Error, ErrorExtensions};
use std::sync::Arc;

/// Who asks, with the means of the use cases and the sets that this request has read.
pub(crate) struct Asker {
    pub(crate) caller: Caller,
    pub(crate) desk: Desk,
    pub(crate) loader: DataLoader<Reader>,
}

impl Asker {
    pub(crate) fn new(caller: Caller, desk: Desk) -> Self {
        let reader = Reader { caller: caller.clone(), desk: desk.clone() };
        let loader = DataLoader::new(reader, async_graphql::runtime::TokioSpawner::current(), Turns);
        Self { caller, desk, loader }
    }
}

/// The asker of a request.
pub(crate) fn asker<'c>(context: &Context<'c>) -> async_graphql::Result<&'c Arc<Asker>> {
    context.data::<Arc<Asker>>()
}

/// A fault as an error: a code that stays, and nothing of what is inside.
pub(crate) fn fault(fault: &Fault) -> Error {
    let (code, message) = match fault.kind {
        FaultKind::Unavailable => ("UNAVAILABLE", "The store cannot be reached now. Nothing was changed; try again."),
        FaultKind::Conflict => {
            ("CONFLICT", "Others changed the same at the same time. Nothing was changed; try again.")
        }
        _ => ("INTERNAL", "Something is broken here. Nothing was changed; the log says what."),
    };
    tracing::error!(error = fault as &dyn std::error::Error, code, "a request cannot be answered");
    coded(code, message)
}

/// The wrong kind of credential.
pub(crate) fn forbidden(forbidden: Forbidden) -> Error {
    coded("FORBIDDEN", &forbidden.to_string())
}

/// An error with a stable code.
pub(crate) fn coded(code: &'static str, message: &str) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

/// Why something could not be looked up.
pub(crate) fn not_found(error: FindError) -> Error {
    match error {
        FindError::Forbidden(why) => forbidden(why),
        FindError::Fault(why) => fault(&why),
    }
}
