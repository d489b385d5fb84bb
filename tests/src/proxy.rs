//! A cable between a server and its database that a test can pull.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes moved at once.
const CHUNK: usize = 16 * 1024;

/// The state of the cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cable {
    /// Everything passes.
    Whole,
    /// Connections are cut, and no new one is taken.
    Cut,
    /// Connections stand, and nothing passes.
    Stuck,
    /// What is sent to the database arrives, and its answers do not.
    Deaf,
}

/// The cable. Dropping it cuts it for good.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<Cable>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A whole cable to the host and port that a database's URL names.
    ///
    /// # Panics
    /// Panics when the URL names none, or there is no free port.
    pub async fn to(url: &str) -> Self {
        let target = host(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(watch::Sender::new(Cable::Whole));
        let task = tokio::spawn(accept(listener, target, state.clone()));
        Self { address, state, task }
    }

    /// The database's URL by way of this cable.
    pub fn url(&self, url: &str) -> String {
        url.replacen(host(url), &self.address.to_string(), 1)
    }

    /// Changes the cable's state, for connections that stand and those to come.
    pub fn set(&self, cable: Cable) {
        self.state.send_replace(cable);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Cable::Cut);
        self.task.abort();
    }
}

/// `host:port` of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['/', '?']).next().filter(|host| host.contains(':')).expect("a URL with host and port")
}

async fn accept(listener: TcpListener, target: String, state: Arc<watch::Sender<Cable>>) {
    while let Ok((near, _)) = listener.accept().await {
        if *state.borrow() == Cable::Cut {
            continue;
        }
        let Ok(far) = TcpStream::connect(&target).await else { continue };
        let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
        tokio::spawn(carry(near_read, far_write, state.subscribe(), |cable| {
            matches!(cable, Cable::Whole | Cable::Deaf)
        }));
        tokio::spawn(carry(far_read, near_write, state.subscribe(), |cable| cable == Cable::Whole));
    }
}

/// Carries one direction while the cable lets it. Returning closes it.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<Cable>,
    passes: impl Fn(Cable) -> bool,
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let cut = async {
            let _ = state.wait_for(|cable| *cable == Cable::Cut).await;
        };
        let read = tokio::select! {
            () = cut => return,
            read = from.read(&mut chunk) => read,
        };
        let Ok(count @ 1..) = read else { return };
        // Whatever was on its way when the cable stuck arrives when it does no more, as by TCP, or never.
        let state = state.wait_for(|cable| passes(*cable) || *cable == Cable::Cut).await.map(|now| *now);
        if state.is_ok_and(|now| now == Cable::Cut) || to.write_all(&chunk[..count]).await.is_err() {
            return;
        }
    }
}
