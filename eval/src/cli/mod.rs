//! The command line: arguments in, data on stdout, messages and progress on stderr, an exit code.

mod bench;
mod calibration;
mod compare;
mod data;
mod doctor;
mod evaluate;
mod explain;
mod failure;
mod generate;
mod inspect;
mod interrupt;
mod lab;
mod loading;
mod logits;
mod models;
mod observer;
mod panic;
mod progress;
mod prompt;
mod quantize;
mod quants;
mod report;
mod runtime;
mod spelling;
mod style;
mod table;
mod tasks;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use failure::{Failure, Outcome, Status};
use interrupt::StopFlag;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Evaluate quantized language models on the CPU, offline, bit for bit reproducibly
///
/// nibble reads a Hugging Face checkpoint, quantizes it in memory, runs benchmark suites on every variant and says what
/// the bits cost in quality, memory and time. For the same model bytes, tokens and recipe every logit has the same
/// bits, on any machine, with any number of threads, any batch and any instruction set.
#[derive(Debug, Parser)]
#[command(
    name = "nibble",
    version,
    styles = style::help(),
    max_term_width = 100,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    after_help = "Examples:
  nibble doctor                                       what this machine has, and what is missing
  nibble eval                                         the whole evaluation, on a small trained model in the program
  nibble eval -m DIR --quant none,rtn:w4g32 --tasks mmlu --data DATA --output_path RUN
  nibble report RUN --format html -o report.html      what a finished run found, as a page
  nibble compare RUN OTHER_RUN --max_drop 0.01        exit code 1 if a score fell by more
  nibble generate -m DIR --prompt \"Once upon a time\"
  nibble bench -m DIR --quant none,rtn:w8
  nibble quantize -m DIR --quant rtn:w4g128 -o OUT

Flags may be spelled with _ or -. `nibble COMMAND --help` explains every flag of a command.",
    after_long_help = "Examples:
  nibble doctor                                       what this machine has, and what is missing
  nibble eval                                         the whole evaluation, on a small trained model in the program
  nibble eval -m DIR --quant none,rtn:w4g32 --tasks mmlu --data DATA --output_path RUN
  nibble report RUN --format html -o report.html      what a finished run found, as a page
  nibble compare RUN OTHER_RUN --max_drop 0.01        exit code 1 if a score fell by more
  nibble generate -m DIR --prompt \"Once upon a time\"
  nibble bench -m DIR --quant none,rtn:w8
  nibble quantize -m DIR --quant rtn:w4g128 -o OUT

Exit codes:
  0  done
  1  a comparison or a threshold failed
  2  usage: a flag, a recipe or a task that does not exist
  3  input missing, damaged or not supported
  4  incomplete: the same command goes on where it stopped
  5  verification mismatch: bits differ that must not
  6  internal error

Environment:
  NIBBLE_ISA   instruction set, as --isa
  NO_COLOR     no colours

Flags may be spelled with _ or -. `nibble COMMAND --help` explains every flag of a command."
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// No progress and no notes on stderr; errors are still printed
    #[arg(short, long, global = true, help_heading = "Global")]
    quiet: bool,
    /// Also print what quantizing did to each matrix: its loss, its outliers, its time
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Global")]
    verbose: bool,
    /// Print help: -h in short, --help in full
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = "Global")]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Global")]
    version: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Doctor(doctor::Arguments),
    Eval(evaluate::Arguments),
    Compare(compare::Arguments),
    Report(report::Arguments),
    Generate(generate::Arguments),
    Logits(logits::Arguments),
    Quantize(quantize::Arguments),
    #[command(subcommand)]
    Explain(explain::Command),
    Bench(bench::Arguments),
    #[command(subcommand)]
    Models(models::Command),
    #[command(subcommand)]
    Tasks(tasks::Command),
    #[command(subcommand)]
    Quants(quants::Command),
    #[command(subcommand)]
    Data(data::Command),
}

/// What every command gets: where data goes, whom to tell, when to stop.
pub struct Context<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Raised by Ctrl-C.
    pub stop: StopFlag,
    /// How much goes to stderr.
    pub verbosity: progress::Verbosity,
}

/// Runs the command line `arguments`, the program's name first.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    panic::record();
    match std::panic::catch_unwind(|| run(arguments)) {
        Ok(status) => status.into(),
        Err(_) => {
            panic::report().print();
            Status::Internal.into()
        }
    }
}

fn run(arguments: Vec<OsString>) -> Status {
    let command = CommandLine::command();
    let arguments = spelling::with_underscores(arguments, &command);
    let parsed = command.try_get_matches_from(arguments).and_then(|matches| CommandLine::from_arg_matches(&matches));
    let command_line = match parsed {
        Ok(command_line) => command_line,
        Err(error) => {
            // Nothing can be done about a closed stdout or stderr.
            let _ = error.print();
            return if error.use_stderr() { Status::Usage } else { Status::Done };
        }
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let verbosity = progress::Verbosity::of(command_line.quiet, command_line.verbose);
    let mut context = Context { out: &mut out, stop: StopFlag::install(), verbosity };
    let outcome = dispatch(command_line.command, &mut context);
    let outcome = outcome.and_then(|status| out.flush().map(|()| status).map_err(Failure::from));
    match outcome {
        Ok(status) => status,
        Err(failure) => {
            failure.print();
            failure.status()
        }
    }
}

fn dispatch(command: Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Doctor(arguments) => doctor::run(&arguments, context),
        Command::Eval(arguments) => evaluate::run(&arguments, context),
        Command::Compare(arguments) => compare::run(&arguments, context),
        Command::Report(arguments) => report::run(&arguments, context),
        Command::Generate(arguments) => generate::run(&arguments, context),
        Command::Logits(arguments) => logits::run(&arguments, context),
        Command::Quantize(arguments) => quantize::run(&arguments, context),
        Command::Explain(command) => explain::run(&command, context),
        Command::Bench(arguments) => bench::run(&arguments, context),
        Command::Models(command) => models::run(&command, context),
        Command::Tasks(command) => tasks::run(&command, context),
        Command::Quants(command) => quants::run(&command, context),
        Command::Data(command) => data::run(&command, context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_long_flag_is_spelled_with_underscores() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                let long = argument.get_long().unwrap_or_default();
                assert!(!long.contains('-'), "--{long} of {}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&CommandLine::command());
    }
}
