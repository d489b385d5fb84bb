//! Hostile addresses: whatever an endpoint's address is or its name leads to, nothing is called that is not on the public internet.
//! Each is tried by a whole attempt, past where it would have been refused when it was added.

use super::WebhookConfig;
use super::address::{Names, NotCallable, Vetted};
use super::deliver::Deliver;
use super::open_seal::OpenSeal;
use almoner_domain::address::Callable;
use almoner_domain::delivery::{Claim, Exchange, PAUSE_FIRST, Retries};
use almoner_domain::id::{Id, TenantId};
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::{SealedSecret, SignatureScheme, WebhookUrl};
use almoner_testkit::{MemoryStore, MockClock, SeededEntropy};
use async_trait::async_trait;
use reqwest::dns::{Name, Resolve};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A resolver that says what is asked for, one answer after the other and the last one for ever.
struct Says {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Says {
    fn of(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().expect("an address")).collect();
        Arc::new(Self { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Names for Says {
    async fn addresses(&self, _: &str) -> std::io::Result<Vec<SocketAddr>> {
        let at = self.asked.fetch_add(1, Ordering::AcqRel).min(self.answers.len().saturating_sub(1));
        Ok(self.answers[at].iter().map(|address| SocketAddr::new(*address, 0)).collect())
    }
}

/// A service of this machine that nobody outside may reach, and how often somebody did.
struct Inside {
    port: u16,
    reached: Arc<AtomicUsize>,
}

impl Inside {
    /// It answers with this head and ends the connection.
    async fn open(head: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let reached = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reached);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::AcqRel);
                let head = head.clone();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4_096]).await;
                    let _ = stream.write_all(head.as_bytes()).await;
                });
            }
        });
        Self { port, reached }
    }

    async fn answering() -> Self {
        Self::open("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()).await
    }

    fn reached(&self) -> usize {
        self.reached.load(Ordering::Acquire)
    }
}

fn deliver(names: Arc<dyn Names>) -> Deliver {
    let (clock, entropy) = (Arc::new(MockClock::default()), Arc::new(SeededEntropy::default()));
    let config = WebhookConfig {
        callable: Callable::Public,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(5),
        retries: Retries { first: PAUSE_FIRST },
    };
    let store = Arc::new(MemoryStore::new(clock.clone(), entropy.clone()));
    Deliver::new(store, Arc::new(OpenSeal), clock, entropy, config, names).expect("a client")
}

/// What comes of an attempt at an address that is in the table of endpoints already.
async fn attempt(deliver: &Deliver, url: &str, callable: Callable) -> Result<u16, String> {
    let url = WebhookUrl::parse(url, Callable::Any).map_err(|why| format!("never added: {why}"))?;
    let now = Timestamp::from_micros(0);
    let claim = Claim {
        realm: Realm { tenant: TenantId::least_at(now), environment: Environment::Live },
        id: Id::least_at(now),
        notice: Id::least_at(now),
        attempt: 1,
        endpoint: Id::least_at(now),
        url,
        callable,
        scheme: SignatureScheme::V1,
        secrets: vec![SealedSecret(vec![7; 32])],
        payload: "{}".to_owned(),
        begun_at: now,
        until: now,
    };
    deliver.send(&claim, &mut Exchange::default()).await.map(|answer| answer.status.as_u16())
}

/// Writings of one IPv4 address that a browser's reading of addresses (WHATWG) takes for it.
fn writings([a, b, c, d]: [u8; 4]) -> Vec<String> {
    let whole = u32::from_be_bytes([a, b, c, d]);
    let tail = u32::from_be_bytes([0, b, c, d]);
    let short = u32::from(c) << 8 | u32::from(d);
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{whole}"),
        format!("{whole:#x}"),
        format!("0{whole:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a}.{tail}"),
        format!("{a}.{b}.{short}"),
        format!("{a:#04X}.{b}.{c}.{d}"),
        format!("%3{}{}", a / 100, &format!("{a}.{b}.{c}.{d}")[1..]),
        format!("{a}\u{3002}{b}\u{3002}{c}\u{3002}{d}"),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
        format!("[::{a}.{b}.{c}.{d}]"),
        format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
        format!("[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1]"),
    ]
}

/// Addresses that are not of the public internet, beside those of this machine.
const ELSEWHERE: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.53",
    "127.255.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::7f00:1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[100::1]",
    "[2001::1]",
    "[2001:0:7f00:1::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::1]",
    "[2002:a9fe:a9fe::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff01::1]",
    "[ff02::1]",
    "[ff05::2]",
];

/// Names that mean this machine whatever a resolver says.
const NAMES: &[&str] = &["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.LocalHost.", "\u{24db}ocalhost"];

/// What is no endpoint at all: other schemes, names in it, ports of other services.
const NEVER: &[&str] = &[
    "ftp://hooks.example/",
    "gopher://hooks.example/",
    "file:///etc/passwd",
    "dict://hooks.example/",
    "ldap://hooks.example/",
    "jar:http://hooks.example!/",
    "data:text/plain,x",
    "unix:/var/run/docker.sock",
    "ws://hooks.example/",
    "//hooks.example/",
    "https://",
    "http://user@hooks.example/",
    "http://user:word@hooks.example/",
    "http://hooks.example@127.0.0.1/",
    "http://[::1",
    "http://127.0.0.1:99999/",
    "http://1.2.3.4.5/",
    "http://256.1.1.1/",
    "http://0x100000000/",
    "javascript:alert(1)",
];

const PORTS: &[u16] = &[0, 1, 21, 22, 23, 25, 53, 110, 111, 135, 139, 389, 445, 514, 873];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hostile_address_is_called() {
    let inside = Inside::answering().await;
    let deliver = deliver(Says::of(&[&["127.0.0.1"]]));
    let port = inside.port;
    let mut rows = 0;
    for host in writings([127, 0, 0, 1]).iter().chain(&writings([169, 254, 169, 254])).chain(&writings([10, 1, 2, 3])) {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/");
            let why = attempt(&deliver, &url, Callable::Public).await.expect_err(&url);
            assert!(why.contains("private network"), "{url}: {why}");
            rows += 1;
        }
    }
    for host in ELSEWHERE.iter().chain(NAMES) {
        let url = format!("http://{host}:{port}/latest/meta-data");
        let why = attempt(&deliver, &url, Callable::Public).await.expect_err(&url);
        assert!(why.contains("private network"), "{url}: {why}");
        rows += 1;
    }
    for url in
        NEVER.iter().map(|url| (*url).to_owned()).chain(PORTS.iter().map(|port| format!("http://1.1.1.1:{port}/")))
    {
        assert!(attempt(&deliver, &url, Callable::Public).await.is_err(), "{url}");
        assert!(WebhookUrl::parse(&url, Callable::Public).is_err(), "{url}");
        rows += 1;
    }
    assert!(rows >= 120, "{rows} addresses");
    assert_eq!(inside.reached(), 0, "somebody was called");

    // That each of the first kind would have led there.
    for host in writings([127, 0, 0, 1]).iter().filter(|host| !host.starts_with('[')) {
        let url = format!("http://{host}:{port}/");
        assert_eq!(attempt(&deliver, &url, Callable::Any).await, Ok(200), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_leads_inside() {
    let inside = Inside::answering().await;
    let url = format!("http://hooks.example:{}/", inside.port);
    for address in ELSEWHERE.iter().map(|host| host.trim_matches(['[', ']'])).chain(["127.0.0.1", "::ffff:127.0.0.1"]) {
        for answer in [vec![address], vec![address, "127.0.0.1"], vec!["10.0.0.1", address, "::1"]] {
            let why = attempt(&deliver(Says::of(&[&answer])), &url, Callable::Public).await.expect_err(address);
            assert!(why.contains("no address that may be called"), "{answer:?}: {why}");
        }
    }
    assert!(attempt(&deliver(Says::of(&[&[]])), &url, Callable::Public).await.is_err(), "it leads nowhere");
    assert_eq!(inside.reached(), 0, "somebody was called");
    assert_eq!(attempt(&deliver(Says::of(&[&["127.0.0.1"]])), &url, Callable::Any).await, Ok(200));
}

/// Of an answer that mixes both, what is dialled are the public addresses alone; and whoever is dialled was looked at: there is no
/// second question between.
#[tokio::test]
async fn a_name_is_asked_once_and_its_answer_is_what_is_dialled() {
    let name = || Name::from_str("hooks.example").expect("a name");
    let mixed = ["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111", "169.254.169.254"];
    let rebinding = Says::of(&[&mixed, &["127.0.0.1"]]);
    let vetted = Vetted { names: rebinding.clone(), callable: Callable::Public };
    let kept: Vec<String> =
        vetted.resolve(name()).await.expect("some may be called").map(|to| to.ip().to_string()).collect();
    assert_eq!(kept, ["1.1.1.1", "2606:4700::1111"]);
    assert_eq!(rebinding.asked.load(Ordering::Acquire), 1);
    let again = vetted.resolve(name()).await;
    assert!(again.is_err_and(|why| why.is::<NotCallable>()), "the next attempt looks again");

    let inside = Inside::answering().await;
    let names = Says::of(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let url = format!("http://hooks.example:{}/", inside.port);
    assert_eq!(
        attempt(&deliver(names.clone()), &url, Callable::Any).await,
        Ok(200),
        "it went where the first answer led"
    );
    assert_eq!((names.asked.load(Ordering::Acquire), inside.reached()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_redirect_is_followed() {
    let inside = Inside::answering().await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("http://127.0.0.1:{}/", inside.port);
        let head =
            format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let outside = Inside::open(head).await;
        let url = format!("http://127.0.0.1:{}/", outside.port);
        let deliver = deliver(Says::of(&[&["127.0.0.1"]]));
        assert_eq!(attempt(&deliver, &url, Callable::Any).await, Ok(status));
        assert_eq!((outside.reached(), inside.reached()), (1, 0));
    }
}
