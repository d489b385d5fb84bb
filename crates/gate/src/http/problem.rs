//! Problems (RFC 9457): what is wrong with a request, where, and what to do about it.

use crate::decide::Refusal;
use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds after which a caller should come again when the gate is full or cannot know.
const RETRY_S: u32 = 1;

/// What is wrong with a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// A stable URN of the kind of problem.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind in a few words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: String,
    /// The path that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Each member that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<MemberError>,
}

/// One member that is wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MemberError {
    /// Where: a JSON pointer (RFC 6901) into the body, or the name of a query parameter or header.
    pub pointer: String,
    /// What is wrong with it, and what to do.
    pub detail: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $kind:literal, $title:literal;)*) => {
        impl Problem {$(
            $(#[$doc])*
            pub(crate) fn $name(detail: impl Into<String>) -> Self {
                Self { kind: concat!("urn:almoner:problem:", $kind), title: $title, status: $status, detail: detail.into(), instance: None, errors: Vec::new() }
            }
        )*}
    };
}

kinds! {
    /// The body is not JSON of the expected shape.
    malformed = 400, "malformed", "The request is malformed";
    /// No key, or not one that may do this.
    unauthorized = 401, "unauthorized", "A gate key is needed";
    /// There is no such thing in the caller's realm.
    not_found = 404, "not_found", "There is no such thing";
    /// The path exists, the method does not.
    method = 405, "method_not_allowed", "This path has other methods";
    /// Too few units are free above, or a hold was settled in another way.
    conflict = 409, "conflict", "It conflicts with what is";
    /// It was there, and its time is over.
    gone = 410, "gone", "Its time is over";
    /// The body is too large.
    too_large = 413, "too_large", "The body is too large";
    /// The body is of another media type.
    media_type = 415, "unsupported_media_type", "The body is of another media type";
    /// The body says something that cannot be.
    invalid = 422, "invalid", "The request cannot be followed";
    /// The idempotency key was used with another body.
    key_reused = 422, "idempotency_key_reused", "The idempotency key was used before";
    /// Too many calls at once.
    flood = 429, "too_many_requests", "Too many calls at once";
    /// The gate cannot know now.
    unavailable = 503, "unavailable", "The gate cannot know now";
}

impl Problem {
    /// The same problem, naming a member.
    pub(crate) fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(MemberError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// The same problem, its members named as they stand in a larger body or elsewhere.
    pub(crate) fn within(mut self, pointer: impl Fn(&str) -> String) -> Self {
        for error in &mut self.errors {
            error.pointer = pointer(&error.pointer);
        }
        self
    }

    /// A request that cannot be followed because of these members.
    pub(crate) fn members(errors: Vec<MemberError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!("{} members are wrong; see errors", many.len()),
        };
        Self { errors, ..Self::invalid(detail) }
    }

    /// The problem as an answer to `path`.
    pub(crate) fn respond(mut self, path: &str) -> HttpResponse {
        self.instance = Some(path.to_owned());
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponseBuilder::new(status);
        if matches!(self.status, 429 | 503) {
            response.insert_header((RETRY_AFTER, RETRY_S));
        }
        if self.status == 401 {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"almoner\""));
        }
        let body = serde_json::to_vec(&self).unwrap_or_default();
        response.content_type("application/problem+json").body(body)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::KeyReused => Self::key_reused("This idempotency key was used with another body. Use a new key.")
                .at("/idempotency_key", "was used before with another body; use a new key"),
            Refusal::UnknownAllocation => {
                Self::not_found("There is no such allocation. Check the id and the key you call with.")
                    .at("/allocation", "names no allocation here")
            }
            Refusal::UnknownCustomer => Self::not_found("There is no such customer or user. Check the ids.")
                .at("/subject/customer", "names no customer here"),
            Refusal::UnknownUser => Self::not_found("The customer has no such user. Check the id.")
                .at("/subject/user", "names no user of this customer"),
            Refusal::UnknownHold => Self::not_found("There is no such hold. Check the id."),
            Refusal::HoldExpired => Self::gone("The hold has expired and what it held is free again. Reserve anew."),
            Refusal::HoldSettled => Self::conflict(
                "The hold is settled already, in another way or with other amounts. Nothing was changed.",
            ),
            Refusal::NotHeld { index } => Self::invalid("The hold has no such feature.")
                .at(format!("/uses/{index}/feature"), "is not in this hold; name only what was reserved"),
            Refusal::Unavailable(fault) => {
                if let Some(fault) = fault {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "a request cannot be answered");
                }
                Self::unavailable("The gate cannot reach its store or journal now. Nothing was changed; try again.")
            }
        }
    }
}
