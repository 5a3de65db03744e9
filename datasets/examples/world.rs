//! Writes the training corpus of the micro-world, and its test sets, into a directory.
//!
//! ```text
//! cargo run --release -p datasets --example world -- OUT [--tokens N] [--seed N] [--first N]
//! ```
//!
//! `OUT/corpus.jsonl` has one document a line, `{"text": ...}` or `{"user": ..., "assistant": ...}`, in order, from
//! document `--first` on, until about `--tokens` tokens (words and marks) are written; `OUT/test/` the test files in the
//! layouts of the benchmarks.

use datasets::world::{Document, SEED, World};
use std::io::Write;
use std::path::PathBuf;

/// What the command line asks for.
struct Arguments {
    out: PathBuf,
    tokens: u64,
    seed: u64,
    first: u64,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments { out: PathBuf::new(), tokens: 1_000_000, seed: SEED, first: 0 };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut number = |name: &str| {
            let value = given.next().unwrap_or_default();
            value.parse().map_err(|_| format!("{name} needs a number, found {value:?}"))
        };
        match argument.as_str() {
            "--tokens" => parsed.tokens = number("--tokens")?,
            "--seed" => parsed.seed = number("--seed")?,
            "--first" => parsed.first = number("--first")?,
            _ if parsed.out.as_os_str().is_empty() => parsed.out = argument.into(),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    match parsed.out.as_os_str().is_empty() {
        true => Err("the first argument is the directory to write to".into()),
        false => Ok(parsed),
    }
}

/// Words and punctuation marks, as a tokenizer of the world's vocabulary counts about.
fn tokens(text: &str) -> u64 {
    text.split_whitespace().map(|word| 1 + word.chars().filter(|c| !c.is_alphanumeric()).count() as u64).sum()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { out, tokens: wanted, seed, first } = arguments()?;
    let world = World::new(seed);
    for file in world.test_files() {
        let path = out.join("test").join(&file.name);
        std::fs::create_dir_all(path.parent().unwrap_or(&out))?;
        std::fs::write(path, &file.bytes)?;
    }
    let mut corpus = std::io::BufWriter::new(std::fs::File::create(out.join("corpus.jsonl"))?);
    let (mut written, mut index) = (0, first);
    while written < wanted {
        let document = world.document(index);
        written += tokens(&document.chatml());
        let row = match document {
            Document::Text(text) => serde_json::json!({ "text": text }),
            Document::Exchange { user, assistant } => serde_json::json!({ "user": user, "assistant": assistant }),
        };
        writeln!(corpus, "{row}")?;
        index += 1;
    }
    corpus.flush()?;
    println!("documents {first} to {}, about {written} tokens", index - 1);
    Ok(())
}
