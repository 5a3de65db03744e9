//! Colours of messages: only on a terminal, and not where `NO_COLOR` is set.

use clap::builder::styling::{AnsiColor, Style, Styles};
use eval::report;
use std::io::IsTerminal;

/// Colours of help and usage errors.
pub fn help() -> Styles {
    Styles::styled()
        .header(AnsiColor::Green.on_default().bold())
        .usage(AnsiColor::Green.on_default().bold())
        .literal(AnsiColor::Cyan.on_default().bold())
        .placeholder(AnsiColor::Cyan.on_default())
        .error(AnsiColor::Red.on_default().bold())
        .valid(AnsiColor::Green.on_default())
        .invalid(AnsiColor::Yellow.on_default())
}

/// Before the word `error` on stderr.
pub fn error() -> Style {
    on_stderr(AnsiColor::Red.on_default().bold())
}

/// Before a label on stderr.
pub fn label() -> Style {
    on_stderr(AnsiColor::Cyan.on_default())
}

/// After a coloured word: back to normal.
pub fn plain() -> &'static str {
    if stderr_is_coloured() { "\u{1b}[0m" } else { "" }
}

fn on_stderr(style: Style) -> Style {
    if stderr_is_coloured() { style } else { Style::new() }
}

fn stderr_is_coloured() -> bool {
    std::io::stderr().is_terminal() && colours_are_wanted()
}

/// Whether what goes to stdout has colours.
pub fn of_stdout() -> report::Style {
    let is_coloured = std::io::stdout().is_terminal() && colours_are_wanted();
    if is_coloured { report::Style::Coloured } else { report::Style::Plain }
}

fn colours_are_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}
