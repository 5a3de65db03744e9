//! Where the reference data lies.

use std::path::{Path, PathBuf};

/// The directory `part` of the reference data beside the repository; `None`, with a note, where it is missing.
pub fn shared(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(part);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var_os("NIBBLE_REQUIRE_SHARED").is_some_and(|value| value == "1");
    assert!(!required, "{} is missing", path.display());
    println!("skipped: shared data missing");
    None
}
