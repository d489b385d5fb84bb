//! `serve`: from the line that it prints to a clean end.

use crate::program::{Serving, almoner, said};
use std::os::unix::fs::PermissionsExt;

async fn get(url: String) -> (u16, String) {
    let answer = reqwest::get(url).await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

#[tokio::test]
async fn it_listens_where_it_says_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(folder.path());
    let url = serving.url.clone();
    assert_eq!(get(format!("{url}/healthz")).await, (200, "{\"status\":\"alive\"}".to_owned()));
    assert_eq!(get(format!("{url}/readyz")).await, (200, "{\"status\":\"ready\"}".to_owned()));
    let (status, metrics) = get(format!("{url}/metrics")).await;
    assert_eq!(status, 200);
    assert!(metrics.contains("almoner_http_answers_total{class=\"2xx\"} 2"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"));
    let (status, problem) = get(format!("{url}/nothing")).await;
    assert_eq!(status, 404);
    assert!(problem.contains("\"status\":404"), "{problem}");
    let told = reqwest::Client::new().get(format!("{url}/healthz")).header("x-request-id", "mine-1").send();
    assert_eq!(told.await.unwrap().headers()["x-request-id"], "mine-1");
    let alive = almoner(folder.path(), &[], &["doctor", "--url", &url]);
    assert!(alive.status.success(), "{}", said(&alive));
    assert!(serving.stop().success());
    let dead = almoner(folder.path(), &[], &["doctor", "--url", &url]);
    assert_eq!(dead.status.code(), Some(1), "{}", said(&dead));
}

#[tokio::test]
async fn its_folder_is_nobody_elses_and_serves_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let _serving = Serving::start(folder.path());
    let second = almoner(folder.path(), &[], &["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(said(&second).contains("another process has the journal"), "{}", said(&second));
    let data = folder.path().join("data");
    let mut seen = vec![data.clone()];
    for inner in [data.clone(), data.join("journal")] {
        seen.extend(std::fs::read_dir(inner).unwrap().map(|entry| entry.unwrap().path()));
    }
    for path in seen {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} can be read by others", path.display());
    }
}
