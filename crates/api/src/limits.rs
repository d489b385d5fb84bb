//! Limits of a request, each checked before anything is run.

use async_graphql::{ObjectType, SchemaBuilder, SubscriptionType};
use std::time::Duration;

/// The largest body, in bytes.
pub(crate) const BODY_MAX: usize = 64 * 1024;
/// The most tokens of a document: a console's largest query has a few hundred. Counted without parsing, so that a hostile
/// document costs no more than reading it once.
pub(crate) const TOKENS_MAX: usize = 2_000;
/// The deepest that fields are nested.
const DEPTH_MAX: usize = 12;
/// The deepest that anything is nested, lists and inputs included, before the parser gives up.
const NESTING_MAX: usize = 32;
/// What a request may cost: one for each field, times the entries of the pages above it.
const COMPLEXITY_MAX: usize = 5_000;
/// Fields under another name.
const ALIASES_MAX: usize = 30;
/// Directives on one field.
const DIRECTIVES_MAX: usize = 5;
/// The longest that a request may take.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(10);

/// Subscriptions of one connection: a console shows some panels at once.
pub(crate) const STREAMS_MAX: usize = 16;
/// The largest message over a WebSocket, in bytes: it carries one document, as a body does.
pub(crate) const MESSAGE_MAX: usize = BODY_MAX;
/// Messages of one WebSocket that wait to be taken up.
pub(crate) const QUEUE_MAX: usize = 16;
/// How long a WebSocket may be open before it says who it is.
pub(crate) const INIT_WAIT: Duration = Duration::from_secs(5);
/// How often an open stream gives a sign of life; a WebSocket that gives none for twice as long is closed. Below the patience of
/// the usual proxies, a minute.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(15);
/// How often the key of an open stream is looked up again: how long a revoked one may go on.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Bytes on their way over one WebSocket before its client must have read them: so a slow one costs little memory here.
pub(crate) const FLIGHT_MAX: usize = 256 * 1024;
/// How long a client may take nothing before its connection is let go.
pub(crate) const WRITE_WAIT: Duration = Duration::from_secs(10);

/// A schema with these limits.
pub(crate) fn limit<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    builder
        .limit_depth(DEPTH_MAX)
        .limit_recursive_depth(NESTING_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .limit_aliases(ALIASES_MAX)
        .limit_directives(DIRECTIVES_MAX)
}

/// Does the document have more tokens than are read? (GraphQL, October 2021, section 2.1.6: lexical tokens.)
pub(crate) fn has_too_many_tokens(document: &str) -> bool {
    let mut bytes = document.bytes().peekable();
    let mut tokens = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
            b'#' => {
                while bytes.peek().is_some_and(|next| !matches!(next, b'\n' | b'\r')) {
                    bytes.next();
                }
                continue;
            }
            b'"' => {
                // The end of a text, or of an empty one that begins a block: what is miscounted is refused by the parser.
                while let Some(next) = bytes.next() {
                    match next {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ if is_of_name(byte) => {
                while bytes.peek().is_some_and(|next| is_of_name(*next)) {
                    bytes.next();
                }
            }
            _ => {}
        }
        tokens += 1;
        if tokens > TOKENS_MAX {
            return true;
        }
    }
    false
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_texts_and_marks_count_and_nothing_else_does() {
        let few = "# a comment { { {\n{ plan(id: \"a \\\" b {{{\") { name, name } }";
        assert!(!has_too_many_tokens(few));
        let many = |token: &str| token.repeat(TOKENS_MAX + 1);
        for token in ["a ", "{", "\"x\"", "1.5 ", "@a", "$"] {
            assert!(has_too_many_tokens(&many(token)), "{token}");
        }
        assert!(!has_too_many_tokens(&many(", \n")), "what separates is no token");
        assert!(!has_too_many_tokens(&"a".repeat(TOKENS_MAX * 10)), "one name");
    }
}
