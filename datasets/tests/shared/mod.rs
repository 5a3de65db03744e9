//! The reference data beside the repository.

use std::path::PathBuf;

/// The data directory; `None`, with a line that says so, where it is missing and not required.
pub fn shared_data() -> Option<PathBuf> {
    let data = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    if data.is_dir() {
        return Some(data);
    }
    let required = std::env::var("NIBBLE_REQUIRE_SHARED").is_ok_and(|value| value == "1");
    assert!(!required, "shared data missing, and NIBBLE_REQUIRE_SHARED=1");
    println!("skipped: shared data missing");
    None
}
