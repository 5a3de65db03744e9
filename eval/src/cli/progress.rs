//! Progress on stderr: a bar with an estimate on a terminal, a line every few seconds elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How much goes to stderr besides errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Nothing.
    Quiet,
    /// Progress and notes.
    Normal,
    /// And what was done to each matrix.
    Detailed,
}

impl Verbosity {
    /// That of the flags `--quiet` and `--verbose`.
    pub fn of(quiet: bool, verbose: bool) -> Self {
        match (quiet, verbose) {
            (true, _) => Verbosity::Quiet,
            (false, false) => Verbosity::Normal,
            (false, true) => Verbosity::Detailed,
        }
    }

    /// Prints a line to stderr.
    pub fn note(self, text: impl std::fmt::Display) {
        if self != Verbosity::Quiet {
            // Nothing can be done about a closed stderr.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// Seconds between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The unit of work that has no natural one: it is shown in per cent alone.
pub const SHARE: &str = "";

/// The progress of one piece of work.
pub enum Progress {
    /// Nobody is told.
    Silent,
    /// A terminal.
    Bar(ProgressBar),
    /// A file or a pipe.
    Lines(Lines),
}

/// Progress where lines cannot be overwritten.
pub struct Lines {
    label: String,
    total: u64,
    unit: &'static str,
    started: Instant,
    first: Option<u64>,
    printed: Instant,
}

impl Progress {
    /// Progress of `label` towards `total` of `unit`, for example `documents`; with [`SHARE`] as unit, in per cent.
    pub fn new(verbosity: Verbosity, label: impl Into<String>, total: u64, unit: &'static str) -> Self {
        let label = label.into();
        if verbosity == Verbosity::Quiet || total == 0 {
            return Progress::Silent;
        }
        if std::io::stderr().is_terminal() {
            let done = if unit == SHARE { "{percent} %" } else { "{pos}/{len} {prefix}" };
            let template = format!("{{msg}}  {{wide_bar:.cyan/dim}}  {done}  {{elapsed}} elapsed, {{eta}} to go");
            let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total).with_style(style.progress_chars("━╸─"));
            bar.set_message(label);
            bar.set_prefix(unit);
            return Progress::Bar(bar);
        }
        let now = Instant::now();
        Progress::Lines(Lines { label, total, unit, started: now, first: None, printed: now })
    }

    /// What is being done now.
    pub fn label(&mut self, label: String) {
        match self {
            Progress::Silent => {}
            Progress::Bar(bar) => bar.set_message(label),
            Progress::Lines(lines) => lines.label = label,
        }
    }

    /// Prints a line, above the bar where there is one.
    pub fn note(&self, text: &str) {
        match self {
            Progress::Silent => {}
            Progress::Bar(bar) => bar.println(text),
            Progress::Lines(_) => Verbosity::Normal.note(text),
        }
    }

    /// `done` units are done.
    pub fn set(&mut self, done: u64) {
        match self {
            Progress::Silent => {}
            Progress::Bar(bar) => bar.set_position(done),
            Progress::Lines(lines) => lines.set(done),
        }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    fn set(&mut self, done: u64) {
        // What an earlier run left done says nothing about the speed of this one.
        let first = *self.first.get_or_insert(done);
        if self.printed.elapsed() < LINE_INTERVAL {
            return;
        }
        self.printed = Instant::now();
        let percent = done as f64 * 100.0 / self.total as f64;
        let eta = match done.checked_sub(first) {
            None | Some(0) => String::new(),
            Some(new) => {
                let each = self.started.elapsed().as_secs_f64() / new as f64;
                format!(", {} to go", seconds(each * self.total.saturating_sub(done) as f64))
            }
        };
        let amount = match self.unit {
            SHARE => format!("{percent:.0} %"),
            unit => format!("{done}/{} {unit} ({percent:.0} %)", self.total),
        };
        // Nothing can be done about a closed stderr.
        let _ = writeln!(std::io::stderr(), "{}: {amount}{eta}", self.label);
    }
}

/// A duration for reading: `42 s`, `3 min 5 s`, `2 h 10 min`.
pub fn seconds(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!([seconds(0.4), seconds(185.0), seconds(7800.0)], ["0 s", "3 min 5 s", "2 h 10 min"]);
    }
}
