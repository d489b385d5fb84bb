//! What happens around every request: an id, a limit on time, a count, a span for those who trace.

use super::Shared;
use super::problem::TimedOut;
use crate::telemetry::REQUEST_TARGET;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids of callers are replaced: they go into logs.
const ID_BYTES_MAX: usize = 128;

/// What a worker needs to watch requests.
pub(super) struct Watch {
    shared: Arc<Shared>,
    limit: Duration,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, limit: Duration) -> Self {
        Self { shared, limit }
    }
}

/// Wraps a request.
pub(super) async fn watch<B: MessageBody>(
    watch: Rc<Watch>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let shared = &watch.shared;
    let _open = shared.open();
    let begun = shared.clock.uptime();
    let id = request_id(request.headers(), shared);
    // Where the doors find it, whoever chose it.
    request.headers_mut().insert(REQUEST_ID.clone(), id.clone());
    let span = span(&request, &id);
    let path = (request.method().clone(), request.uri().clone());
    let result = tokio::time::timeout(watch.limit, next.call(request)).instrument(span.clone()).await;
    let mut result = result.unwrap_or_else(|_| Err(TimedOut.into()));
    let status = match &mut result {
        Ok(response) => {
            let headers = response.headers_mut();
            headers.insert(REQUEST_ID.clone(), id.clone());
            if shared.is_stopping() {
                // Said to the connection, which then says it to the client: the header alone would keep it open.
                response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            response.status()
        }
        Err(error) => error.as_response_error().status_code(),
    };
    let took = shared.clock.uptime().saturating_since(begun);
    shared.meters.answered(status, took);
    span.record("http.response.status_code", status.as_u16());
    span.in_scope(|| tracing::debug!(target: REQUEST_TARGET, status = status.as_u16(), ?took, "answered"));
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        let id = id.to_str().unwrap_or_default();
        tracing::error!(target: REQUEST_TARGET, id, method = %path.0, path = path.1.path(), %status, "request failed");
    }
    result
}

fn request_id(headers: &HeaderMap, shared: &Shared) -> HeaderValue {
    let plain = |bytes: &[u8]| bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if let Some(given) = headers.get(&REQUEST_ID)
        && (1..=ID_BYTES_MAX).contains(&given.len())
        && plain(given.as_bytes())
    {
        return given.clone();
    }
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let (mut bytes, mut letters) = ([0u8; 16], [0u8; 32]);
    shared.entropy.fill(&mut bytes);
    for (pair, byte) in letters.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    HeaderValue::from_bytes(&letters).unwrap_or(HeaderValue::from_static("unknown"))
}

/// At debug level, so that who neither traces nor asks for it pays nothing for it.
fn span(request: &ServiceRequest, id: &HeaderValue) -> Span {
    let span = tracing::debug_span!(
        target: REQUEST_TARGET,
        "request",
        otel.kind = "server",
        request_id = id.to_str().unwrap_or_default(),
        http.request.method = %request.method(),
        url.path = request.path(),
        http.response.status_code = tracing::field::Empty,
    );
    if !span.is_disabled() && request.headers().contains_key("traceparent") {
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        // Refused only where nobody exports spans.
        let _ = span.set_parent(parent);
    }
    span
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
