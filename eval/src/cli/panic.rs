//! A panic is a defect of the program: it ends in a short message, never in a trace of the stack.

use super::failure::{Failure, Status};
use std::sync::Mutex;

/// Message and place of the latest panic. Nothing is printed when it happens: some are caught on purpose, those of a
/// library that meets a file it did not expect.
static LATEST: Mutex<Option<(String, String)>> = Mutex::new(None);

/// Keeps every panic's message from now on.
pub fn record() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let message = payload.downcast_ref::<&str>().map(|text| text.to_string());
        let message = message.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        let place = panic.location().map(|place| format!("{}, line {}", place.file(), place.line()));
        if let Ok(mut latest) = LATEST.lock() {
            *latest = Some((message, place.unwrap_or_default()));
        }
    }));
}

/// The failure to end with after a panic that nothing caught.
pub fn report() -> Failure {
    let latest = LATEST.lock().ok().and_then(|mut latest| latest.take());
    let (message, place) = latest.unwrap_or_else(|| ("a panic".into(), "unknown".into()));
    let fix = "this is a defect of nibble, not of your files: report these lines with the command that led to them";
    Failure::new(Status::Internal, message, place, fix)
}
