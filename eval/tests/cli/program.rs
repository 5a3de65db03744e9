//! Running the built program.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What one execution gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program, with nothing of this environment that could change what it does.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nibble"));
    command.args(arguments).env_remove("NIBBLE_ISA").env_remove("HF_HUB_CACHE").env("HF_HOME", "/nonexistent");
    // What is measured is kept between tests, not in the user's cache.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end. However it ends, it never shows a panic.
pub fn nibble(arguments: &[&str]) -> Run {
    finished(command(arguments).output().unwrap())
}

/// What a finished process gave.
pub fn finished(output: Output) -> Run {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let run =
        Run { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) };
    for word in ["panicked", "RUST_BACKTRACE", "internal error"] {
        assert!(!run.stderr.contains(word), "{run:?}");
    }
    run
}

impl Run {
    /// Standard output, of a run that did what was asked.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// Standard output of such a run as JSON.
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// The three lines of an error and nothing on standard output.
    pub fn error(self, code: i32) -> [String; 3] {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{}", self.stderr);
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [.., what, place, fix] = lines.as_slice() else { panic!("{}", self.stderr) };
        let part = |line: &str, label: &str| {
            line.strip_prefix(label).unwrap_or_else(|| panic!("{label}: {}", self.stderr)).to_string()
        };
        [part(what, "error: "), part(place, "   at: "), part(fix, "  fix: ")]
    }
}

/// Part of the reference data beside the repository; `None`, with a note, where it is missing.
pub fn shared(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(part);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("NIBBLE_REQUIRE_SHARED").is_none_or(|value| value != "1"),
        "{} is missing",
        path.display()
    );
    println!("skipped: shared data missing");
    None
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
