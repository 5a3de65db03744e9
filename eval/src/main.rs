//! `nibble`: evaluates quantized language models on the CPU, offline, bit for bit reproducibly.
#![forbid(unsafe_code)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main(std::env::args_os().collect())
}
