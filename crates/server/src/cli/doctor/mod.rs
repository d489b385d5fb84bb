//! `almoner doctor`: is everything in order, and what to do where it is not.

mod database;
mod folder;
mod remote;

use super::{Common, Done, table};
use crate::cli::out;
use crate::cli::out::say;
use crate::config::Settings;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Only ask this running server whether it is alive and ready, as a container's health check does
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// In order.
    Ok,
    /// Worth knowing; nothing is broken.
    Note,
    /// Broken.
    Fail,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Fail => "fail",
        }
    }
}

/// One check and what it found.
#[derive(Debug)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    detail: String,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, detail: detail.into() }
    }

    fn note(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Note, detail: detail.into() }
    }

    fn fail(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, detail: detail.into() }
    }
}

pub(super) fn run(common: &Common, args: &DoctorArgs) -> Done {
    let loaded = common.load(&[])?.quiet();
    let mut findings = Vec::new();
    if args.url.is_none() {
        let file = loaded.file.as_ref().map_or("no file".to_owned(), |file| file.display().to_string());
        findings.push(Finding::ok("configuration", file));
        let stranger = |name: &String| Finding::note("configuration", format!("{name} is no setting"));
        findings.extend(loaded.strangers.iter().map(stranger));
    }
    findings.extend(loaded.run(async |settings| {
        Ok(match &args.url {
            Some(url) => remote::server(url).await,
            None => local(settings).await,
        })
    })?);
    let sound = findings.iter().all(|finding| finding.verdict != Verdict::Fail);
    if args.json {
        let one = |f: &Finding| json!({ "check": f.check, "verdict": f.verdict.as_str(), "detail": f.detail });
        say!("{:#}", json!({ "ok": sound, "checks": findings.iter().map(one).collect::<Vec<_>>() }));
    } else {
        let row = |f: &Finding| [f.verdict.as_str().to_owned(), f.check.to_owned(), f.detail.clone()];
        out::text(&table::render(["", "check", "finding"], &findings.iter().map(row).collect::<Vec<_>>()));
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn local(settings: &Settings) -> Vec<Finding> {
    let serving = remote::listens(settings.node.listen.0).await;
    let mut findings = folder::examine(&settings.node.data_dir, serving.verdict == Verdict::Ok);
    findings.extend(database::examine(settings).await);
    findings.push(serving);
    findings
}
