//! How a command ends: exit codes, and errors in three lines: what, where, fix.

use super::style;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

mod sources;

/// The exit codes; they are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Everything that was asked for is done.
    Done = 0,
    /// What was compared differs by more than was allowed.
    Threshold = 1,
    /// The command line asks for something that does not exist or cannot be combined.
    Usage = 2,
    /// A file, a model, a data set or an instruction set is missing, damaged or not supported.
    Input = 3,
    /// Stopped before the end; the same command goes on.
    Incomplete = 4,
    /// What was computed again has other bits.
    Mismatch = 5,
    /// A defect of the program.
    Internal = 6,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(status as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    status: Status,
    what: String,
    place: String,
    fix: String,
}

/// What commands return.
pub type Outcome = Result<Status, Failure>;

impl Failure {
    /// A failure in its three lines.
    pub fn new(status: Status, what: impl Display, place: impl Display, fix: impl Display) -> Self {
        Self { status, what: one_line(what), place: one_line(place), fix: one_line(fix) }
    }

    /// A mistake in the value of `flag`.
    pub fn usage(what: impl Display, flag: impl Display, fix: impl Display) -> Self {
        Self::new(Status::Usage, what, flag, fix)
    }

    /// An error whose text ends with its remedy, in a line of its own or after the last semicolon, as those of the other
    /// crates do.
    pub fn from_text(status: Status, error: impl Display, place: impl Display, fix_if_none: &str) -> Self {
        let (text, place) = (error.to_string(), one_line(place));
        let (what, fix) = text.rsplit_once('\n').or(text.rsplit_once("; ")).unwrap_or((&text, fix_if_none));
        let what = what.strip_prefix(&format!("{place}: ")).unwrap_or(what);
        Self::new(status, what, place, fix)
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where the failure is said to be.
    #[cfg(test)]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is said to help.
    pub fn fix(&self) -> &str {
        &self.fix
    }

    /// How the process ends.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Prints the three lines to stderr.
    pub fn print(&self) {
        if self.status == Status::Done {
            return;
        }
        let (kind, label, plain) = (style::error(), style::label(), style::plain());
        let name = match self.status {
            Status::Internal => "internal error",
            Status::Incomplete => "incomplete",
            Status::Threshold => "threshold",
            _ => "error",
        };
        let text = format!(
            "{kind}{name}{plain}: {}\n{label}   at{plain}: {}\n{label}  fix{plain}: {}\n",
            self.what, self.place, self.fix
        );
        // Nothing can be done about a closed stderr.
        let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
    }
}

/// Control characters of a file's contents stay out of the terminal; line breaks become spaces.
fn one_line(text: impl Display) -> String {
    let text = text.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    words.join(" ").chars().map(visible).collect()
}

/// Of stdout: a reader that went away is no failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let status = match error.kind() {
            io::ErrorKind::BrokenPipe => Status::Done,
            _ => Status::Input,
        };
        Self::new(
            status,
            format!("cannot write: {error}"),
            "standard output",
            "free space, or send the output elsewhere",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Error as EngineError;

    #[test]
    fn a_remedy_after_the_last_semicolon_becomes_the_third_line() {
        let error = EngineError::Truncated { file: "m/model.safetensors".into(), expected: 20, found: 10 };
        let failure = Failure::from(error);
        assert_eq!(failure.place, "m/model.safetensors");
        assert_eq!(failure.what, "m/model.safetensors is truncated: expected 20 bytes, found 10");
        assert_eq!(failure.fix, "download the file again");
        assert_eq!(failure.status(), Status::Input);
    }

    #[test]
    fn the_place_is_not_said_twice() {
        let failure = Failure::from_text(Status::Usage, "x.json: not JSON; restore it", "x.json", "");
        assert_eq!((failure.what.as_str(), failure.fix.as_str()), ("not JSON", "restore it"));
    }

    #[test]
    fn control_characters_of_files_do_not_reach_the_terminal() {
        assert_eq!(one_line("a\n  b \u{1b}[31m"), "a b \u{fffd}[31m");
    }

    #[test]
    fn a_closed_pipe_is_quiet() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).status(), Status::Done);
    }
}
