//! nibble.
fn main() {}
