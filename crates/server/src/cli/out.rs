//! What commands answer, on standard output.

use clap::Args;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Flags of commands that answer scripts as well.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Output {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Writes a whole text.
pub(super) fn text(text: &str) {
    write(format_args!("{text}"));
}

/// Writes and flushes: behind a pipe a line would wait for more. A reader that has seen enough, as `head` has, is no
/// error; a full disk is one, and half an answer must not pass for a whole one.
pub(super) fn write(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            // Not everybody who answers has started a log.
            let _ = writeln!(std::io::stderr(), "almoner: cannot write to standard output: {error}");
            std::process::exit(1);
        }
    }
}

/// Writes a line.
macro_rules! say {
    ($($said:tt)*) => {
        $crate::cli::out::write(format_args!("{}\n", format_args!($($said)*)))
    };
}

pub(super) use say;
