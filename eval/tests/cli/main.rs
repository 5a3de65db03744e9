//! The command line from outside: what the built program prints, writes and returns.

mod arguments;
mod bench;
mod compare;
mod data;
mod errors;
mod evaluation;
mod generation;
mod lab;
mod listings;
mod logits;
mod program;
mod quantized;
mod report;
