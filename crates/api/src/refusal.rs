//! Refusals: what was asked cannot be, by which member, and what to do. Expected, so they are part of a payload.

use crate::asker;
use almoner_app::Forbidden;
use almoner_domain::fault::Fault;
use async_graphql::{Enum, Error, SimpleObject};

/// What kind of refusal it is. Codes stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum RefusalCode {
    /// A member is not of the form that it must have.
    Invalid,
    /// It names something that is not there, or not yours to see.
    NotFound,
    /// The name is taken.
    Taken,
    /// What is there does not allow it now.
    Conflict,
    /// Too few units are free.
    Short,
    /// A bound is reached.
    Limit,
}

/// Why nothing was changed.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Refusal {
    /// What kind of refusal it is.
    pub(crate) code: RefusalCode,
    /// What is wrong and what to do, in a sentence.
    pub(crate) message: String,
    /// The member of the input, from the outside in; empty where it is the whole.
    pub(crate) path: Vec<String>,
}

/// Why a mutation did nothing.
pub(crate) enum Stop {
    /// It was refused.
    Refused(Vec<Refusal>),
    /// It could not be tried.
    Fault(Error),
}

impl Stop {
    /// One refusal.
    pub(crate) fn at(code: RefusalCode, path: &[&str], message: impl ToString) -> Self {
        Self::Refused(vec![refusal(code, path, message)])
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(asker::fault(&fault))
    }
}

impl From<Forbidden> for Stop {
    fn from(why: Forbidden) -> Self {
        Self::Fault(asker::forbidden(why))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

fn refusal(code: RefusalCode, path: &[&str], message: impl ToString) -> Refusal {
    Refusal { code, message: message.to_string(), path: path.iter().map(|part| (*part).to_owned()).collect() }
}

/// Members that are wrong, gathered so that all are told at once.
#[derive(Default)]
pub(crate) struct Checks(Vec<Refusal>);

impl Checks {
    /// Keeps what is right, and notes what is not.
    pub(crate) fn keep<T, E: std::fmt::Display>(&mut self, path: &[&str], read: Result<T, E>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(why) => {
                self.add(path, why);
                None
            }
        }
    }

    /// Notes that a member is wrong.
    pub(crate) fn add(&mut self, path: &[&str], why: impl std::fmt::Display) {
        let name = path.last().copied().unwrap_or("the input");
        self.0.push(refusal(RefusalCode::Invalid, path, format!("{name} {why}")));
    }

    /// Stops where something was wrong.
    pub(crate) fn done(self) -> Result<(), Stop> {
        if self.0.is_empty() { Ok(()) } else { Err(Stop::Refused(self.0)) }
    }
}

/// All were kept, or `done` would have stopped.
pub(crate) fn kept<T>(value: Option<T>) -> Result<T, Stop> {
    value.ok_or_else(|| Stop::Refused(Vec::new()))
}

/// The payload of a mutation: what came of it, or why nothing did.
macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $(#[$field_doc:meta])* $field:ident: $type:ty }) => {
        $(#[$doc])*
        pub(crate) struct $name {
            done: Option<$type>,
            refusals: Vec<crate::refusal::Refusal>,
        }

        #[async_graphql::Object]
        impl $name {
            $(#[$field_doc])*
            async fn $field(&self) -> Option<&$type> {
                self.done.as_ref()
            }

            /// Why nothing was changed; empty where it was.
            async fn refusals(&self) -> &[crate::refusal::Refusal] {
                &self.refusals
            }
        }

        impl $name {
            /// What a mutation answers.
            pub(crate) fn of(done: Result<$type, crate::refusal::Stop>) -> async_graphql::Result<Self> {
                match done {
                    Ok(value) => Ok(Self { done: Some(value), refusals: Vec::new() }),
                    Err(crate::refusal::Stop::Refused(refusals)) => Ok(Self { done: None, refusals }),
                    Err(crate::refusal::Stop::Fault(error)) => Err(error),
                }
            }
        }
    };
}
pub(crate) use payload;
