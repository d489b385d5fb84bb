//! Clients of others, as their users install them: graphql-ws and graphql-sse of npm, on Node.

use crate::scene::{BALANCE, Scene};
use almoner_tests::wait::within;
use almoner_tests::{Call, Database, Server};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// One that follows something and prints what comes.
struct Foreign {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Foreign {
    async fn follow(kind: &str, scene: &Scene, key: &str, count: usize) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        let is_there = folder.join("node_modules").is_dir();
        assert!(is_there, "the clients are missing: deploy/dev/prerequisites.sh clients");
        let url = format!("{}/graphql", scene.staff.address().await.expect("an address"));
        let variables = json!({ "id": scene.card }).to_string();
        let mut command = Command::new("node");
        command.arg(folder.join("follow.mjs")).args([kind, &url, key, BALANCE, &variables, &count.to_string()]);
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("node starts");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Self { process, lines }
    }

    async fn heard(&mut self) -> Value {
        let line = within("a line", self.lines.next_line()).await.expect("a pipe");
        serde_json::from_str(&line.expect("the client says more")).expect("JSON")
    }

    async fn ended(mut self) {
        assert!(within("its end", self.process.wait()).await.expect("a process").success());
    }
}

pub(crate) async fn unmodified_clients_follow(database: Database) {
    let scene = Scene::set(Server::start(database).await).await;
    let key = scene.server.shop.operator_key.clone();
    let balance = |heard: &Value| heard["next"]["data"]["allocationBalance"]["lines"][0]["balance"].clone();
    for (kind, before, used) in [("ws", "0", "5"), ("sse", "5", "10")] {
        let mut foreign = Foreign::follow(kind, &scene, &key, 1_000).await;
        let first = foreign.heard().await;
        assert_eq!(balance(&first)["used"], before, "{kind}: {first}");
        assert!(scene.gate.consume(&Call::on(&scene.card).uses("tokens", 5)).await.allowed());
        loop {
            let heard = foreign.heard().await;
            if balance(&heard)["used"] == used {
                break;
            }
        }
        drop(foreign);

        // One that has heard enough ends by itself.
        let mut foreign = Foreign::follow(kind, &scene, &key, 1).await;
        foreign.heard().await;
        assert_eq!(foreign.heard().await, json!({ "complete": true }), "{kind}");
        foreign.ended().await;

        let mut foreign = Foreign::follow(kind, &scene, "alm_live_operator_x", 1).await;
        let refused = foreign.heard().await;
        assert!(refused["error"].is_object(), "{kind}: {refused}");
        foreign.ended().await;
    }
    // The end of what is followed completes them.
    let (mut ws, mut sse) =
        (Foreign::follow("ws", &scene, &key, 1_000).await, Foreign::follow("sse", &scene, &key, 1_000).await);
    ws.heard().await;
    sse.heard().await;
    scene.gate.close(&scene.card).await;
    for mut foreign in [ws, sse] {
        let mut state = String::new();
        loop {
            let heard = foreign.heard().await;
            if heard == json!({ "complete": true }) {
                break;
            }
            let allocation = &heard["next"]["data"]["allocationBalance"]["allocation"];
            state = allocation["state"].as_str().unwrap_or_else(|| panic!("{heard}")).to_owned();
        }
        assert_eq!(state, "CLOSED");
        foreign.ended().await;
    }
    scene.server.end().await;
}
