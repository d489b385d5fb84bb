//! Conduct: what a document must be like to be followed over a kept-open connection. The limits of a request hold here too.

use crate::Api;
use crate::asker::coded;
use crate::door::give_absent_counts;
use crate::limits::{STREAMS_MAX, TOKENS_MAX, has_too_many_tokens};
use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Error, Executor, Request, Response};
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Runs the subscriptions of one connection.
#[derive(Clone)]
pub(crate) struct Conduct {
    schema: Api,
    streams: Arc<Semaphore>,
}

impl Conduct {
    pub(crate) fn new(schema: Api) -> Self {
        Self { schema, streams: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }
}

impl Executor for Conduct {
    async fn execute(&self, _: Request) -> Response {
        refused(coded("SUBSCRIPTIONS_ONLY", SUBSCRIPTIONS_ONLY))
    }

    fn execute_stream(&self, mut request: Request, data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        if let Err(why) = check(&mut request) {
            return stream::iter([refused(why)]).boxed();
        }
        let Ok(permit) = self.streams.clone().try_acquire_owned() else {
            let message = format!("A connection carries at most {STREAMS_MAX} subscriptions. Complete some first.");
            return stream::iter([refused(coded("TOO_MANY_SUBSCRIPTIONS", &message))]).boxed();
        };
        let responses = self.schema.execute_stream_with_session_data(request, data.unwrap_or_default());
        responses
            .map(move |response| {
                // Given back when the stream ends, however it does.
                let _ = &permit;
                response
            })
            .boxed()
    }
}

const SUBSCRIPTIONS_ONLY: &str = "This connection carries subscriptions alone. Send queries and mutations by POST.";

fn check(request: &mut Request) -> Result<(), Error> {
    if has_too_many_tokens(&request.query) {
        let message = format!("A document has at most {TOKENS_MAX} tokens. Ask for less, or in several subscriptions.");
        return Err(coded("TOO_LARGE", &message));
    }
    give_absent_counts(request);
    let name = request.operation_name.clone();
    // A document that cannot be parsed is refused when it is run, and so is a name that is not in it.
    let Ok(document) = request.parsed_query() else { return Ok(()) };
    let mut asked =
        document.operations.iter().filter(|(own, _)| name.is_none() || own.map(|own| own.as_str()) == name.as_deref());
    match asked.next() {
        Some((_, operation)) if operation.node.ty != OperationType::Subscription => {
            Err(coded("SUBSCRIPTIONS_ONLY", SUBSCRIPTIONS_ONLY))
        }
        _ => Ok(()),
    }
}

/// A response that says why there is nothing.
pub(crate) fn refused(why: Error) -> Response {
    Response::from_errors(vec![why.into_server_error(async_graphql::Pos::default())])
}
