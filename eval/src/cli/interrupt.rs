//! Ctrl-C: the first asks for a clean end, the second ends at once.

use super::failure::Status;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised once the user wants no more; shared with whoever can stop at a clean place.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// A flag that Ctrl-C (and a termination request) raises.
    pub fn install() -> Self {
        let flag = Self::default();
        let raised = Arc::clone(&flag.0);
        let handler = move || {
            if raised.swap(true, Ordering::SeqCst) {
                std::process::exit(Status::Incomplete as i32);
            }
            let message = b"\nstopping at the next clean place; press Ctrl-C again to stop at once\n";
            // Nothing can be done about a closed stderr.
            let _ = std::io::stderr().write_all(message);
        };
        // Without a handler Ctrl-C ends the process as it always did, and the journal still holds what is done.
        let _ = ctrlc::set_handler(handler);
        flag
    }

    /// The flag itself.
    pub fn as_atomic(&self) -> &AtomicBool {
        &self.0
    }

    /// Whether to stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
