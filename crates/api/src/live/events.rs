//! Server-sent events: one subscription a request, by the graphql-sse protocol in its distinct connections mode.
//!
//! Each result is an event `next`, the end an event `complete`. A stream that ends without it was cut off: connect again.

use super::conduct::{Conduct, refused};
use super::hub::Live;
use super::seats::Seat;
use crate::asker::coded;
use crate::credential::{self, Denied};
use crate::limits::{KEEPALIVE, LOOK_AGAIN, WRITE_WAIT};
use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use almoner_domain::caller::Who;
use almoner_domain::key::KeyHash;
use async_graphql::{Executor, Request, Response};
use futures::stream::{self, StreamExt};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};

/// Events on their way to the connection. Few, for each may be large, and whoever is slow is to be noticed.
const QUEUE_MAX: usize = 2;
/// A comment, which says that the connection lives.
const ALIVE: Bytes = Bytes::from_static(b":\n\n");
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");

/// Answers with a stream of events.
pub(crate) fn events(
    live: Arc<Live>,
    conduct: &Conduct,
    by: (KeyHash, Who),
    seat: Seat,
    request: Request,
) -> HttpResponse {
    let responses = conduct.execute_stream(request, None);
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    actix_web::rt::spawn(drive(live, by, seat, responses, sender));
    let body = stream::unfold(receiver, |mut receiver| async move {
        let event: Bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(event), receiver))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        // Proxies that gather answers would hold events back.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body)
}

/// Runs beside the connection, so that a client that does not read cannot stop the clock.
async fn drive(
    live: Arc<Live>,
    (key, was): (KeyHash, Who),
    _seat: Seat,
    mut responses: stream::BoxStream<'static, Response>,
    sender: mpsc::Sender<Bytes>,
) {
    let mut alive = interval_at(Instant::now() + KEEPALIVE, KEEPALIVE);
    let mut look = interval_at(Instant::now() + LOOK_AGAIN, LOOK_AGAIN);
    let last = loop {
        let event = tokio::select! {
            response = responses.next() => match response {
                Some(response) => next(&response),
                None => break vec![COMPLETE],
            },
            _ = alive.tick() => ALIVE,
            _ = look.tick() => match credential::who(key, &live.desk).await {
                Ok(is) if is == was => continue,
                Err(Denied::Away) => continue,
                _ => break vec![next(&refused(coded("UNAUTHORIZED", NOT_ANY_MORE))), COMPLETE],
            },
            () = live.closed() => break Vec::new(),
            () = sender.closed() => return,
        };
        if !matches!(timeout(WRITE_WAIT, sender.send(event)).await, Ok(Ok(()))) {
            return;
        }
    };
    for event in last {
        // Whoever does not hear it has gone already.
        let _ = timeout(WRITE_WAIT, sender.send(event)).await;
    }
}

/// What a stream ends with when its key may no longer what it may follow.
pub(crate) const NOT_ANY_MORE: &str =
    "The key was revoked, or what it may do has changed. Connect again with a key that is good.";

fn next(response: &Response) -> Bytes {
    // A response is made of what serialises.
    let json = serde_json::to_string(response).unwrap_or_else(|_| "{}".to_owned());
    Bytes::from(format!("event: next\ndata: {json}\n\n"))
}
