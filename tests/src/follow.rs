//! A console that follows things live: over a WebSocket (graphql-transport-ws) or by server-sent events (graphql-sse).

use crate::client::{Client, Raw};
use crate::wait::within;
use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as WireError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A stream is followed longer than any one answer is waited for.
const STREAM_WAIT: Duration = Duration::from_secs(300);

/// What a stream brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A result: `data`, or `errors`.
    Next(Value),
    /// The subscription is complete.
    Complete,
    /// The connection is closed, with this code, 0 where none is said, and this reason.
    Closed(u16, String),
}

impl Heard {
    /// The data of a result.
    ///
    /// # Panics
    /// Panics when it is something else.
    pub fn data(&self) -> &Value {
        match self {
            Self::Next(value) if value.get("errors").is_none() => &value["data"],
            other => panic!("no data: {other:?}"),
        }
    }

    /// The code of a result's first error, empty where there is none.
    pub fn code(&self) -> &str {
        match self {
            Self::Next(value) => value["errors"][0]["extensions"]["code"].as_str().unwrap_or_default(),
            Self::Complete | Self::Closed(..) => "",
        }
    }
}

/// How a socket is opened.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// Headers beside those of the handshake.
    pub headers: Vec<(&'static str, String)>,
    /// Bytes that its end of the connection takes without being read; the system's choice where it is none.
    pub receives: Option<u32>,
}

/// A WebSocket.
#[derive(Debug)]
pub struct Socket {
    wire: WebSocketStream<TcpStream>,
}

impl Socket {
    /// Opens one. The status of the answer, where it is refused.
    ///
    /// # Panics
    /// Panics when there is no connection to be had.
    pub async fn open(client: &Client, opening: Opening) -> Result<Self, u16> {
        let address = client.address().await.expect("a server").replace("http://", "");
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = opening.receives {
            socket.set_recv_buffer_size(bytes).expect("a size");
        }
        let stream = socket.connect(address.parse().expect("an address")).await.expect("a connection");
        let mut request: Request = format!("ws://{address}/graphql").into_client_request().expect("a request");
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header"));
        for (name, value) in opening.headers {
            headers.insert(name, value.parse().expect("a header"));
        }
        match within("a handshake", client_async(request, stream)).await {
            Ok((wire, _)) => Ok(Self { wire }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("no handshake: {other}"),
        }
    }

    /// Opens one and says by which key.
    ///
    /// # Panics
    /// Panics when it is refused.
    pub async fn admitted(client: &Client) -> Self {
        let mut socket = Self::open(client, Opening::default()).await.expect("a handshake");
        socket.init(client).await;
        socket
    }

    /// Says by which key, and waits until that is taken.
    ///
    /// # Panics
    /// Panics when it is refused.
    pub async fn init(&mut self, client: &Client) {
        let (_, authorization) = client.authorization();
        self.say(json!({ "type": "connection_init", "payload": { "authorization": authorization } })).await;
        self.acknowledged().await;
    }

    /// Waits until it is let in.
    ///
    /// # Panics
    /// Panics when it is refused.
    pub async fn acknowledged(&mut self) {
        assert_eq!(self.message().await.expect("an answer")["type"], "connection_ack");
    }

    /// Sends a message.
    pub async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Sends a frame. One that cannot be sent is noticed when the next is waited for.
    pub async fn send(&mut self, message: Message) {
        let _ = self.wire.send(message).await;
    }

    /// Begins a subscription.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "id": id, "type": "subscribe", "payload": payload })).await;
    }

    /// What comes next, of whichever subscription.
    pub async fn heard(&mut self) -> Heard {
        self.heard_of().await.1
    }

    /// What comes next, and of which subscription.
    ///
    /// # Panics
    /// Panics when it is not of the protocol.
    pub async fn heard_of(&mut self) -> (String, Heard) {
        loop {
            let message = match self.message().await {
                Ok(message) => message,
                Err(closed) => return (String::new(), closed),
            };
            let id = message["id"].as_str().unwrap_or_default().to_owned();
            match message["type"].as_str() {
                Some("next") => return (id, Heard::Next(message["payload"].clone())),
                Some("error") => return (id, Heard::Next(json!({ "errors": message["payload"] }))),
                Some("complete") => return (id, Heard::Complete),
                Some("pong") => {}
                _ => panic!("no message of the protocol: {message}"),
            }
        }
    }

    /// The next text. Signs of life are none, however many come.
    async fn message(&mut self) -> Result<Value, Heard> {
        within("a message", self.text()).await
    }

    async fn text(&mut self) -> Result<Value, Heard> {
        loop {
            match self.wire.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame.map_or((0, String::new()), |f| (f.code.into(), f.reason.to_string()));
                    return Err(Heard::Closed(code, reason));
                }
                Some(Ok(_)) => {}
                None | Some(Err(WireError::ConnectionClosed | WireError::AlreadyClosed)) => {
                    return Err(Heard::Closed(0, String::new()));
                }
                Some(Err(error)) => return Err(Heard::Closed(0, error.to_string())),
            }
        }
    }
}

/// A stream of server-sent events.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    read: Vec<u8>,
}

impl Events {
    /// Begins one. The status of the answer, where it is refused.
    ///
    /// # Panics
    /// Panics when there is no answer.
    pub async fn open(client: &Client, query: &str, variables: Value) -> Result<Self, u16> {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![
            client.authorization(),
            header("content-type", "application/json"),
            header("accept", "text/event-stream"),
        ];
        let body = json!({ "query": query, "variables": variables }).to_string().into_bytes();
        let raw = Raw { method: Method::POST, path: "/graphql".to_owned(), headers, body };
        let response = client.open(raw, STREAM_WAIT).await.expect("an answer");
        if response.status() != 200 {
            return Err(response.status().as_u16());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Self { response, read: Vec::new() })
    }

    /// What comes next.
    ///
    /// # Panics
    /// Panics when it is not of the protocol.
    pub async fn heard(&mut self) -> Heard {
        within("an event", self.event()).await
    }

    async fn event(&mut self) -> Heard {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.read.drain(..end + 2).collect();
                let event = String::from_utf8(event).expect("text");
                let member = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                match member("event:") {
                    None => continue,
                    Some("complete") => return Heard::Complete,
                    Some("next") => {
                        let data = member("data:").expect("data");
                        return Heard::Next(serde_json::from_str(data).expect("JSON"));
                    }
                    Some(other) => panic!("no event of the protocol: {other}"),
                }
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.read.extend_from_slice(&bytes),
                Ok(None) => return Heard::Closed(0, String::new()),
                Err(error) => return Heard::Closed(0, error.to_string()),
            }
        }
    }
}
