//! The HTTP server around the doors: connections and their limits, request ids, health, metrics. It knows no operation: bodies and
//! their limits are the doors'.

mod meters;
mod ops;
mod problem;
mod shared;
mod watch;

pub(crate) use shared::Shared;

use crate::config::Settings;
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use almoner_api::{ApiConfig, Live};
use anyhow::Context;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may take to close.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// How long what was sent may stay untaken. A client that follows something and does not read would keep its connection for
/// ever: while data waits to be taken the HTTP server does not look at the connection, but the system does.
#[cfg(target_os = "linux")]
const UNTAKEN_MAX: Duration = Duration::from_secs(30);

/// The server over a bound socket; it runs when it is awaited.
pub(crate) fn server(
    settings: &Settings,
    listener: TcpListener,
    shared: Arc<Shared>,
    live: Option<Arc<Live>>,
) -> anyhow::Result<Server> {
    let api_config = ApiConfig { introspection: settings.api.introspection };
    let settings = &settings.http;
    let gate = shared.gate.clone().map(almoner_gate::routes);
    let api = live.map(|live| almoner_api::routes(live, api_config));
    let workers = match settings.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        set => set,
    };
    let limit = Duration::from_millis(settings.request_timeout_ms);
    // Connections inherit it from the socket that they were accepted from.
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(&listener, UNTAKEN_MAX.as_millis() as u32)
        .context("cannot bound how long data may stay untaken")?;
    let factory = move || {
        // One a worker, so that the count of its owners is no cache line that all workers write.
        let watch = Rc::new(watch::Watch::new(shared.clone(), limit));
        App::new()
            .app_data(web::Data::from(shared.clone()))
            .wrap(from_fn(move |request, next| watch::watch(watch.clone(), request, next)))
            .configure(ops::routes)
            .configure(|service| {
                if let Some(gate) = &gate {
                    gate(service);
                }
                if let Some(api) = &api {
                    api(service);
                }
            })
            .default_service(web::to(problem::no_such_path))
    };
    let server = HttpServer::new(factory)
        .workers(workers)
        .max_connections(settings.connections_max)
        .keep_alive(Duration::from_secs(settings.keep_alive_s))
        .client_request_timeout(Duration::from_millis(settings.head_timeout_ms))
        .client_disconnect_timeout(CLOSE_WAIT)
        .tcp_nodelay(true)
        .disable_signals()
        .listen(listener)
        .context("cannot serve the socket")?;
    Ok(server.run())
}
