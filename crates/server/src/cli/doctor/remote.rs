//! Is a server alive, and can it decide?

use super::Finding;
use std::net::SocketAddr;
use std::time::Duration;

/// A health check that waits longer is itself a fault.
const ANSWER_WAIT: Duration = Duration::from_secs(3);

/// A running server, from outside.
pub(super) async fn server(url: &str) -> Vec<Finding> {
    let url = url.trim_end_matches('/');
    let mut findings = Vec::new();
    for (check, path) in [("alive", "/healthz"), ("ready", "/readyz")] {
        let finding = match status(&format!("{url}{path}")).await {
            Ok((200, _)) => Finding::ok(check, format!("{url}{path}")),
            Ok((status, body)) => Finding::fail(check, format!("{url}{path} answers {status}: {body}")),
            Err(why) => Finding::fail(check, format!("{url}{path}: {why}")),
        };
        findings.push(finding);
    }
    findings
}

/// The address that this configuration would serve: whether something does is a fact, not a fault.
pub(super) async fn listens(address: SocketAddr) -> Finding {
    // Bound to all addresses, it answers at the local one.
    let mut asked = address;
    if asked.ip().is_unspecified() {
        asked.set_ip(if asked.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    match status(&format!("http://{asked}/healthz")).await {
        Ok((200, _)) => Finding::ok("serving", format!("something is alive at {asked}")),
        Ok((status, _)) => Finding::note("serving", format!("{asked} answers {status}: is it another program?")),
        Err(_) => Finding::note("serving", format!("nothing answers at {asked} now")),
    }
}

async fn status(url: &str) -> Result<(u16, String), String> {
    let client = reqwest::Client::builder().timeout(ANSWER_WAIT).build().map_err(|why| why.to_string())?;
    let response = client.get(url).send().await.map_err(|why| match why.is_timeout() {
        true => format!("no answer within {} s", ANSWER_WAIT.as_secs()),
        false => "no connection".to_owned(),
    })?;
    let status = response.status().as_u16();
    Ok((status, response.text().await.unwrap_or_default().trim().to_owned()))
}
