//! The WebSocket: many subscriptions on one connection, by the graphql-transport-ws protocol.

use super::conduct::Conduct;
use super::events::NOT_ANY_MORE;
use super::hub::Live;
use super::seats::Seat;
use crate::asker::Asker;
use crate::credential::{self, Denied};
use crate::door::{Door, origin, problem};
use crate::limits::{FLIGHT_MAX, INIT_WAIT, KEEPALIVE, LOOK_AGAIN, MESSAGE_MAX, QUEUE_MAX, WRITE_WAIT};
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use almoner_domain::caller::{Caller, Origin, Who};
use almoner_domain::key::KeyHash;
use async_graphql::http::{WebSocket, WebSocketProtocols, WsMessage};
use async_graphql::{Data, Error};
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};

const PROTOCOL: &str = "graphql-transport-ws";

/// Close codes of the protocol, and of WebSocket itself.
const UNAUTHORIZED: u16 = 4401;
const FORBIDDEN: u16 = 4403;
const INIT_TIMEOUT: u16 = 4408;
const TOO_MANY: u16 = 4429;
const BAD_REQUEST: u16 = 4400;
const INTERNAL: u16 = 4500;
const GOING_AWAY: u16 = 1001;
const TOO_LARGE: u16 = 1009;

/// Opens one.
pub(crate) async fn socket(request: HttpRequest, door: web::Data<Door>, body: web::Payload) -> HttpResponse {
    // A browser sends its cookies and reaches what its user reaches, whichever page opens the socket; it says which.
    if !is_of_this_host(&request) {
        return problem(403, "This page is of another site: its origin is not this host.");
    }
    if !offers(&request, PROTOCOL) {
        return problem(400, "Offer the WebSocket protocol graphql-transport-ws.");
    }
    let Some(seat) = door.live.seats.take() else {
        return problem(503, "Too many connections are open here. Close some, or try again later.");
    };
    let Ok((response, session, messages)) = actix_ws::handle_with_protocols(&request, body, &[PROTOCOL]) else {
        return problem(400, "This is no WebSocket handshake.");
    };
    let messages = messages.max_frame_size(MESSAGE_MAX).aggregate_continuations().max_continuation_size(MESSAGE_MAX);
    let header =
        request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(credential::bearer);
    let admission = Arc::new(Admission {
        live: door.live.clone(),
        header,
        origin: origin(&request),
        seat: Mutex::new(seat),
        outcome: OnceLock::new(),
    });
    let (inbox, receiver) = mpsc::channel(QUEUE_MAX);
    let responses = responses(Conduct::new(door.schema.clone()), receiver, admission.clone());
    let connection = Connection { session, inbox, admission, heard: Instant::now(), in_flight: 0, asked: None };
    actix_web::rt::spawn(connection.run(messages, responses));
    response
}

fn is_of_this_host(request: &HttpRequest) -> bool {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    match request.headers().get(ORIGIN) {
        None => true,
        Some(origin) => {
            let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
            authority.zip(text(HOST)).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
        }
    }
}

fn offers(request: &HttpRequest, protocol: &str) -> bool {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).any(|own| own.trim() == protocol)
}

/// The code and the reason that a connection is closed with.
type Closing = (u16, &'static str);

/// Who is at the other end, once they have said so.
struct Admission {
    live: Arc<Live>,
    header: Option<KeyHash>,
    origin: Origin,
    seat: Mutex<Seat>,
    /// The key and who it stands for.
    outcome: OnceLock<Result<(KeyHash, Who), Closing>>,
}

impl Admission {
    /// By the key in the payload of `connection_init`, or else the one in the header.
    async fn admit(&self, payload: &serde_json::Value) -> Result<Caller, Closing> {
        let named =
            payload.as_object().into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let said = named.and_then(|(_, value)| value.as_str()).and_then(credential::bearer);
        let key = said.or(self.header).ok_or((UNAUTHORIZED, Denied::Unknown.message()))?;
        let who = credential::who(key, &self.live.desk).await.map_err(|why| (code(why), why.message()))?;
        if !self.seat.lock().unwrap_or_else(PoisonError::into_inner).claim(key) {
            return Err((TOO_MANY, "Too many connections are open by this key. Close some first."));
        }
        let _ = self.outcome.set(Ok((key, who)));
        Ok(Caller { who, origin: self.origin.clone() })
    }

    /// Why the one who was admitted is to go; none while all is as it was.
    async fn look_again(&self) -> Option<Closing> {
        let Some(Ok((key, was))) = self.outcome.get() else { return None };
        match credential::who(*key, &self.live.desk).await {
            Ok(is) if is == *was => None,
            Err(Denied::Away) => None,
            _ => Some((FORBIDDEN, NOT_ANY_MORE)),
        }
    }

    /// Has nobody been admitted or refused yet?
    fn is_open(&self) -> bool {
        self.outcome.get().is_none()
    }
}

fn code(why: Denied) -> u16 {
    match why {
        Denied::Unknown => UNAUTHORIZED,
        Denied::Gate => FORBIDDEN,
        Denied::Away => INTERNAL,
    }
}

/// The protocol itself, from texts to texts.
fn responses(
    conduct: Conduct,
    mut inbox: mpsc::Receiver<String>,
    admission: Arc<Admission>,
) -> BoxStream<'static, WsMessage> {
    let texts = stream::poll_fn(move |context| inbox.poll_recv(context));
    let init = move |payload: serde_json::Value| async move {
        match admission.admit(&payload).await {
            Ok(caller) => {
                let mut data = Data::default();
                data.insert(Arc::new(Asker::new(caller, admission.live.desk.clone())));
                Ok(data)
            }
            Err(why) => {
                let _ = admission.outcome.set(Err(why));
                Err(Error::new(why.1))
            }
        }
    };
    WebSocket::new(conduct, texts, WebSocketProtocols::GraphQLWS).on_connection_init(init).boxed()
}

struct Connection {
    session: Session,
    inbox: mpsc::Sender<String>,
    admission: Arc<Admission>,
    /// When the other end was last heard.
    heard: Instant,
    /// Bytes sent since the other end last said that it has read all.
    in_flight: usize,
    /// Since when it is waited for that word.
    asked: Option<Instant>,
}

/// The ping whose pong says that all before it was read: the other end reads in order.
const READ_ALL: &[u8] = b"read";

/// How a connection ends: with a code and a reason, or without a word.
type End = Option<(u16, String)>;

impl Connection {
    async fn run(mut self, mut messages: AggregatedMessageStream, mut responses: BoxStream<'static, WsMessage>) {
        let begun = Instant::now();
        let mut alive = interval_at(begun + KEEPALIVE, KEEPALIVE);
        let mut look = interval_at(begun + LOOK_AGAIN, LOOK_AGAIN);
        let end = loop {
            let step = tokio::select! {
                // Not more than the protocol has taken: the rest waits in the socket.
                message = messages.recv(), if self.inbox.capacity() > 0 || self.asked.is_some() => {
                    self.hear(message).await
                }
                // Not more than fits between here and there. Meanwhile updates are coalesced, or the subscriber is dropped.
                response = responses.next(), if self.asked.is_none() => self.say(response).await,
                () = tokio::time::sleep_until(self.asked.unwrap_or(begun) + WRITE_WAIT), if self.asked.is_some() => {
                    Err(None)
                }
                () = tokio::time::sleep_until(begun + INIT_WAIT), if self.admission.is_open() => {
                    Err(said(INIT_TIMEOUT, "Say connection_init first."))
                }
                _ = alive.tick() => self.ping().await,
                _ = look.tick() => match self.admission.look_again().await {
                    None => Ok(()),
                    Some((code, reason)) => Err(said(code, reason)),
                },
                () = self.admission.live.closed() => Err(said(GOING_AWAY, "The server is stopping. Connect again.")),
            };
            if let Err(end) = step {
                break end;
            }
        };
        // Streams end first, so that a close that cannot be sent keeps nothing.
        drop(responses);
        if let Some((code, reason)) = end {
            let reason = CloseReason { code: CloseCode::from(code), description: Some(reason) };
            let _ = timeout(WRITE_WAIT, self.session.close(Some(reason))).await;
        }
    }

    async fn hear(&mut self, message: Option<Result<AggregatedMessage, actix_ws::ProtocolError>>) -> Result<(), End> {
        self.heard = Instant::now();
        match message {
            Some(Ok(AggregatedMessage::Text(text))) => {
                // There is room, unless it goes on and on and reads nothing.
                let taken = self.inbox.try_send(text.to_string());
                taken.map_err(|_| said(TOO_MANY, "Read what you are told before you ask for more."))
            }
            Some(Ok(AggregatedMessage::Ping(bytes))) => sent(timeout(WRITE_WAIT, self.session.pong(&bytes)).await),
            Some(Ok(AggregatedMessage::Pong(of))) => {
                if &of[..] == READ_ALL {
                    (self.in_flight, self.asked) = (0, None);
                }
                Ok(())
            }
            Some(Ok(AggregatedMessage::Binary(_))) => Err(said(BAD_REQUEST, "Messages are texts.")),
            Some(Ok(AggregatedMessage::Close(_))) => Err(said(1000, "")),
            Some(Err(error)) => Err(said(TOO_LARGE, &error.to_string())),
            None => Err(None),
        }
    }

    async fn say(&mut self, response: Option<WsMessage>) -> Result<(), End> {
        match response {
            // Whoever takes nothing for so long is let go; the others have their own connections.
            Some(WsMessage::Text(text)) => {
                self.in_flight += text.len();
                sent(timeout(WRITE_WAIT, self.session.text(text)).await)?;
                if self.in_flight < FLIGHT_MAX {
                    return Ok(());
                }
                self.asked = Some(Instant::now());
                sent(timeout(WRITE_WAIT, self.session.ping(READ_ALL)).await)
            }
            Some(WsMessage::Close(code, reason)) => match (self.admission.outcome.get(), code) {
                (Some(Err((code, reason))), _) => Err(said(*code, reason)),
                // What the library calls a protocol error is a bad request in the words of the protocol.
                (_, 1002) => Err(said(BAD_REQUEST, &reason)),
                (_, 1011) => Err(said(UNAUTHORIZED, "Say connection_init first.")),
                _ => Err(said(code, &reason)),
            },
            None => Err(None),
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > KEEPALIVE * 2 {
            return Err(None);
        }
        sent(timeout(WRITE_WAIT, self.session.ping(b"")).await)
    }
}

fn said(code: u16, reason: &str) -> End {
    Some((code, reason.to_owned()))
}

fn sent<E>(done: Result<Result<(), E>, tokio::time::error::Elapsed>) -> Result<(), End> {
    match done {
        Ok(Ok(())) => Ok(()),
        // Too slow, or gone.
        Ok(Err(_)) | Err(_) => Err(None),
    }
}
