//! Configuration from outside: who wins, what is refused, what the reference says.

use crate::program::{almoner, said};
use std::path::Path;
use std::process::Output;

/// The value and origin that `config show` prints of a setting.
fn shown(output: &Output, key: &str) -> String {
    assert!(output.status.success(), "{}", said(output));
    let text = said(output);
    let row = text.lines().find(|line| line.split_whitespace().next() == Some(key)).expect(key);
    row.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn flags_win_over_the_environment_the_environment_over_the_file_the_file_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = "listen = \"127.0.0.1:1\"\nrole = \"gate\"\n[http]\nworkers = 3\n[gate]\nflush_interval_ms = 7\n";
    std::fs::write(folder.path().join("almoner.toml"), file).unwrap();
    let environment = [("ALMONER_HTTP_WORKERS", "4"), ("ALMONER_DATA_DIR", "."), ("ALMONER_GATE_CALLS_MAX", "5")];
    let output = almoner(folder.path(), &environment, &["config", "show", "--set", "gate.calls_max=6"]);
    assert_eq!(shown(&output, "listen"), "127.0.0.1:1 file ./almoner.toml");
    assert_eq!(shown(&output, "http.workers"), "4 environment ALMONER_HTTP_WORKERS");
    assert_eq!(shown(&output, "gate.calls_max"), "6 flag --set");
    assert_eq!(shown(&output, "gate.flush_interval_ms"), "7 file ./almoner.toml");
    assert_eq!(shown(&output, "http.keep_alive_s"), "75 default");
    assert_eq!(shown(&output, "public_url"), "(none) default");
}

#[test]
fn what_nobody_knows_is_refused_with_a_hint_and_what_cannot_be_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.toml");
    let cases = [
        ("lisen = \"127.0.0.1:1\"", "there is no setting \"lisen\"; did you mean \"listen\"?"),
        ("[gate]\nflush_intervall_ms = 1", "did you mean \"gate.flush_interval_ms\"?"),
        ("[nothing]\nlike = 1", "there is no setting \"nothing.like\""),
        ("listen = \"here\"", "\"listen\" must be an IP address and port"),
        ("[http]\nworkers = 1000", "\"http.workers\" must be a whole number from 0 to 256"),
        ("[http]\nworkers = [1]", "\"http.workers\" must be one value"),
        ("role = \"gat\"", "\"role\" must be \"all\", \"gate\", \"api\" or \"worker\""),
        ("[worker]\ndecisions_retention_d = 30", "must be 0 for ever, or a whole number of days from 31 to 36500"),
        ("listen = ", "line 1:"),
    ];
    for (text, reason) in cases {
        std::fs::write(&path, text).unwrap();
        let output = almoner(folder.path(), &[], &["config", "check", "--config", "wrong.toml"]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(said(&output).contains(reason), "{text}: {}", said(&output));
    }
    let output = almoner(folder.path(), &[], &["config", "check", "--config", "missing.toml"]);
    assert!(said(&output).contains("cannot read the configuration file missing.toml"));
}

#[test]
fn a_password_is_nowhere_to_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://almoner:hunter2@127.0.0.1:1/almoner";
    let environment = [("ALMONER_DATABASE_URL", url)];
    let output = almoner(folder.path(), &environment, &["config", "show"]);
    assert_eq!(shown(&output, "database.url"), "(set, not shown) environment ALMONER_DATABASE_URL");
    for text in [format!("[database]\nurl = {url}"), format!("[database]\nurl = \"x{url}\"")] {
        std::fs::write(folder.path().join("wrong.toml"), text).unwrap();
        let output = almoner(folder.path(), &[], &["config", "check", "--config", "wrong.toml"]);
        assert!(!output.status.success() && !said(&output).contains("hunter2"), "{}", said(&output));
    }
    let output = almoner(folder.path(), &environment, &["migrate", "--log-filter", "trace"]);
    assert!(!output.status.success() && !said(&output).contains("hunter2"), "{}", said(&output));
}

#[test]
fn the_committed_reference_is_what_the_binary_prints() {
    let folder = tempfile::tempdir().unwrap();
    let output = almoner(folder.path(), &[], &["config", "reference"]);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config-reference.md");
    let committed = std::fs::read_to_string(committed).unwrap();
    assert_eq!(said(&output), committed, "run `make generate` and commit deploy/config-reference.md");
}

#[test]
fn a_variable_that_is_no_setting_is_named_and_those_of_kubernetes_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("ALMONER_LISTN", "x"), ("ALMONER_PORT_8080_TCP", "tcp://x"), ("ALMONER_SERVICE_HOST", "x")];
    let output = almoner(folder.path(), &environment, &["config", "check"]);
    assert!(said(&output).contains("ALMONER_LISTN is no setting"));
    assert!(!said(&output).contains("ALMONER_PORT") && !said(&output).contains("ALMONER_SERVICE"));
}
