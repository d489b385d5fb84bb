//! How the story is written down: plain text, and colour only where somebody looks.

use crate::cli::out::say;
use std::io::IsTerminal;

/// Columns inside of the card's frame.
const CARD_WIDTH: usize = 72;

/// Writes to standard output.
pub(super) struct Pen {
    colour: bool,
}

impl Pen {
    pub(super) fn for_stdout() -> Self {
        Self { colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    pub(super) fn line(&self, text: &str) {
        say!("{text}");
    }

    pub(super) fn chapter(&self, number: u8, title: &str) {
        say!("\n{}", self.painted("1", &format!("{number}. {title}")));
    }

    /// A fact with its name, indented.
    pub(super) fn fact(&self, name: &str, text: &str) {
        say!("   {name:<14}  {text}");
    }

    /// One decision among many.
    pub(super) fn decision(&self, number: usize, worker: u16, allowed: bool, said: &str) {
        let word = if allowed { self.painted("32", "allow") } else { self.painted("31", "deny ") };
        say!("   {number:>4}  worker {worker:>3}  {word}  {said}");
    }

    /// A frame around rows; an empty row is a rule.
    pub(super) fn card(&self, rows: &[String]) {
        let rule = "─".repeat(CARD_WIDTH + 2);
        say!("   ┌{rule}┐");
        for row in rows {
            if row.is_empty() {
                say!("   ├{rule}┤");
            } else {
                let gap = " ".repeat(CARD_WIDTH.saturating_sub(row.chars().count()));
                say!("   │ {row}{gap} │");
            }
        }
        say!("   └{rule}┘");
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
