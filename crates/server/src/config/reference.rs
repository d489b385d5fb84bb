//! The reference of all settings, as Markdown. Committed, and made anew in CI.

use super::{SECTIONS, Section, Setting};
use std::fmt::Write;

const HEAD: &str = "\
# Configuration reference

Made by `almoner config reference`; edit `crates/server/src/config/sections.rs` instead.

A setting is given by a flag, by an environment variable, in the file, or not at all; the first that says something
wins. The file is TOML: `--config FILE` (or `ALMONER_CONFIG`), else `almoner.toml` in the data folder where there is one.
A key that nobody knows is refused. Settings without a flag of their own have `--set KEY=VALUE`.
`almoner config show` prints what holds and who says so; `almoner config check` only looks.
";

/// The whole page.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for section in SECTIONS {
        page.push_str(&chapter(section));
    }
    page
}

fn chapter(section: &Section) -> String {
    let title = section.prefix.trim_end_matches('.');
    let title = if title.is_empty() { "Top of the file".to_owned() } else { format!("`[{title}]`") };
    let mut text = format!("\n## {title}\n\n{}\n\n", section.about.trim());
    text.push_str("| setting | default | unit | environment | flag | what it does |\n|---|---|---|---|---|---|\n");
    for setting in section.settings {
        text.push_str(&row(setting));
    }
    text
}

fn row(setting: &Setting) -> String {
    let default = if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
    let flag = setting.flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
    let mut unit = setting.unit.to_owned();
    if let Some((least, most)) = setting.bounds {
        // Writing into a String cannot fail.
        let _ = write!(unit, ", {least} to {most}");
    }
    let doc = setting.doc.trim().replace('|', "\\|");
    format!("| `{}` | {default} | {unit} | `{}` | {flag} | {doc} |\n", setting.key, setting.env())
}
