//! `almoner config`: what holds, what could hold, and whether it can.

use super::out;
use super::{Common, Done, Loaded, table};
use crate::config::{reference, settings};
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Print every setting, its value and who says so. Secrets are not shown.
    Show,
    /// Print the reference of all settings, as Markdown.
    Reference,
    /// Read the configuration as `serve` would, and say what is wrong with it.
    Check,
}

pub(super) fn run(common: &Common, args: &ConfigArgs) -> Done {
    match args.act {
        Act::Reference => out::text(&reference()),
        Act::Show => out::text(&show(&common.load(&[])?)),
        Act::Check => out::text(&check(&common.load(&[])?)),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(loaded: &Loaded) -> String {
    let row = |setting: &crate::config::Setting| {
        let (text, origin) = loaded.layers.text(setting.key);
        let shown = if setting.secret && !text.is_empty() { "(set, not shown)" } else { text };
        let shown = if shown.is_empty() { "(none)" } else { shown };
        [setting.key.to_owned(), shown.to_owned(), origin.to_string()]
    };
    table::render(["setting", "value", "from"], &settings().map(row).collect::<Vec<_>>())
}

fn check(loaded: &Loaded) -> String {
    let mut text = String::new();
    for name in &loaded.strangers {
        text.push_str(&format!("{name} is no setting and changes nothing.\n"));
    }
    match &loaded.file {
        Some(file) => text.push_str(&format!("The configuration is sound; {} was read.\n", file.display())),
        None => text.push_str("The configuration is sound; there is no file.\n"),
    }
    text
}
