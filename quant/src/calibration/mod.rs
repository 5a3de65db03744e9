//! Calibration text: the token sequences over which a method looks at the inputs of linear layers.
//!
//! Plain text is tokenized once, as a whole, with the tokenizer's own special tokens, and cut into windows of equal
//! length: consecutive ones from its beginning (`first`), or windows that begin anywhere (`random`, seeded). Records
//! (conversations, Alpaca's instructions) are sequences of their own, cut to the length and never padded: the first
//! ones, or seeded draws without replacement. What was read, and which tokens came of it, is kept by SHA-256.

mod identity;
mod records;

pub use identity::Identity;

use crate::error::Error;
use engine::chat_template::{ChatTemplate, GenerationPrompt, Options as TemplateOptions};
use engine::philox;
use engine::tokenizer::{Specials, Tokenizer};
use records::{Record, TemplateInputs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where calibration text comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A small English text, part of this program.
    #[default]
    Builtin,
    /// A file: plain text, or records where its name ends in `.json` or `.jsonl`.
    File(PathBuf),
    /// A file of Alpaca's instructions, taken as the paper's authors did: 128 records drawn at random.
    Alpaca(PathBuf),
    /// Plain text that is there already.
    Text {
        /// What results call it.
        name: String,
        /// The text.
        text: Arc<str>,
    },
}

/// Which windows of a text, or which records of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those at the beginning, in order.
    First,
    /// Seeded draws.
    Random,
}

/// How records become text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Their texts, with nothing around them.
    #[default]
    Plain,
    /// Rendered by the model's chat template.
    ChatTemplate,
}

/// What to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// From where.
    pub source: Source,
    /// Number of sequences; by default at most [`DEFAULT_SAMPLES`], fewer where the text has fewer.
    pub samples: Option<usize>,
    /// Tokens of a sequence; by default those of the model's context, at most 2048, and at most 512 of the built-in text.
    pub length: Option<usize>,
    /// Which; by default the first, and random ones of [`Source::Alpaca`].
    pub order: Option<Order>,
    /// Seed of random draws.
    pub seed: u64,
    /// How records become text.
    pub form: Form,
}

/// Sequences that were asked for by nobody in particular.
pub const DEFAULT_SAMPLES: usize = 128;

/// Longest sequences where nothing is said.
const DEFAULT_LENGTH: usize = 2048;
const BUILTIN_LENGTH: usize = 512;

/// The built-in text; written for this project.
const BUILTIN: &str = include_str!("builtin.txt");

/// Token sequences, and where they are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration {
    sequences: Vec<Vec<u32>>,
    identity: Identity,
}

impl Source {
    /// The source that `text` names: `builtin`, `alpaca:FILE`, or a file.
    pub fn parse(text: &str) -> Self {
        match (text, text.strip_prefix("alpaca:")) {
            ("builtin", _) => Source::Builtin,
            (_, Some(file)) => Source::Alpaca(file.into()),
            (file, None) => Source::File(file.into()),
        }
    }
}

impl Order {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Order::First => "first",
            Order::Random => "random",
        }
    }
}

impl Calibration {
    /// Reads, tokenizes and cuts what `options` ask for, for a model of `context_len` tokens and `vocab_size` rows.
    ///
    /// # Errors
    /// A file that cannot be read or is not what its name says, a text that is too short, a chat template that is
    /// missing or refuses a record, tokens outside the vocabulary.
    pub fn read(
        options: &Options,
        tokenizer: &Tokenizer,
        context_len: usize,
        vocab_size: usize,
    ) -> Result<Self, Error> {
        let builtin = options.source == Source::Builtin;
        let default_length = if builtin { BUILTIN_LENGTH } else { DEFAULT_LENGTH }.min(context_len);
        let length = options.length.unwrap_or(default_length);
        let order = options.order.unwrap_or(match options.source {
            Source::Alpaca(_) => Order::Random,
            _ => Order::First,
        });
        let content = Content::read(&options.source)?;
        let problem = |problem: String, fix: &str| Error::Calibration {
            place: content.name.clone(),
            problem,
            fix: fix.to_string(),
        };
        if options.samples == Some(0) || length == 0 {
            return Err(problem("no tokens are asked for".into(), "ask for at least one sequence of one token"));
        }
        let sequences = match content.records()? {
            None if options.form == Form::ChatTemplate => {
                let fix = "give conversations (.jsonl), or leave --calibration_chat_template out";
                return Err(problem("a plain text has no messages for a chat template".into(), fix));
            }
            None => {
                let tokens = tokenizer.encode(&content.text, Specials::AsConfigured).map_err(engine::Error::from)?;
                let (found, wanted) = (tokens.len() / length, options.samples);
                let enough = match (wanted, order) {
                    (_, Order::Random) | (None, Order::First) => found > 0,
                    (Some(wanted), Order::First) => found >= wanted,
                };
                if !enough {
                    let what = format!(
                        "{} tokens are {found} windows of {length}, {} asked for",
                        tokens.len(),
                        wanted.map_or("at least one is".into(), |wanted| format!("{wanted} are"))
                    );
                    let fix = "use a longer text, fewer --calibration_samples or a shorter --calibration_length";
                    return Err(problem(what, fix));
                }
                windows(&tokens, length, wanted.unwrap_or(DEFAULT_SAMPLES), order, options.seed)
            }
            Some(records) => {
                let wanted = options.samples.unwrap_or(DEFAULT_SAMPLES);
                if let Some(asked) = options.samples.filter(|&asked| asked > records.len()) {
                    let what = format!("it holds {} records, {asked} are asked for", records.len());
                    return Err(problem(what, "use a larger file or fewer --calibration_samples"));
                }
                let encoder = Encoder::new(tokenizer, options.form, &content.name)?;
                let chosen = draw(records.len(), wanted, order, options.seed);
                let encode = |index: &usize| encoder.encode(&records[*index], *index, length);
                chosen.iter().map(encode).collect::<Result<_, _>>()?
            }
        };
        let sequences: Vec<Vec<u32>> = sequences;
        if let Some(sequence) = sequences.iter().position(Vec::is_empty) {
            return Err(problem(format!("sequence {sequence} has no token"), "remove empty records"));
        }
        if let Some(token) = sequences.iter().flatten().find(|&&token| token as usize >= vocab_size) {
            let what = format!("token {token} of the tokenizer is none of the model's {vocab_size}");
            return Err(problem(what, "use the tokenizer files published with the weights"));
        }
        let identity = Identity::new(&content, options, order, length, &sequences);
        Ok(Self { sequences, identity })
    }

    /// Sequences made elsewhere, filed under `name`.
    pub fn of_sequences(name: &str, sequences: Vec<Vec<u32>>) -> Self {
        let content = Content { name: name.into(), kind: "tokens", text: String::new(), sha256: String::new() };
        let length = sequences.iter().map(Vec::len).max().unwrap_or(0);
        let identity = Identity::new(&content, &Options::default(), Order::First, length, &sequences);
        Self { sequences, identity }
    }

    /// The sequences, each of one token at least.
    pub fn sequences(&self) -> &[Vec<u32>] {
        &self.sequences
    }

    /// What was read, and which tokens came of it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// A text or a file of records.
struct Content {
    /// What results call it: `builtin`, the file's own name, or the one that it was given.
    name: String,
    /// `text`, `records` or `alpaca`.
    kind: &'static str,
    text: String,
    /// Of the bytes.
    sha256: String,
}

impl Content {
    fn read(source: &Source) -> Result<Self, Error> {
        let (path, alpaca) = match source {
            Source::Builtin => {
                let sha256 = identity::sha256(BUILTIN.as_bytes());
                return Ok(Self { name: "builtin".into(), kind: "text", text: BUILTIN.into(), sha256 });
            }
            Source::Text { name, text } => {
                let sha256 = identity::sha256(text.as_bytes());
                return Ok(Self { name: name.clone(), kind: "text", text: text.to_string(), sha256 });
            }
            Source::File(path) => (path, false),
            Source::Alpaca(path) => (path, true),
        };
        let problem = |problem: String, fix: &str| Error::Calibration {
            place: path.display().to_string(),
            problem,
            fix: fix.to_string(),
        };
        let bytes = std::fs::read(path).map_err(|error| {
            problem(format!("cannot be read: {error}"), "give --calibration a file, `alpaca:FILE` or `builtin`")
        })?;
        let sha256 = identity::sha256(&bytes);
        let text = String::from_utf8(bytes).map_err(|error| {
            problem(format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()), "convert it to UTF-8")
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind = match (alpaca, has_records(path)) {
            (true, _) => "alpaca",
            (false, true) => "records",
            (false, false) => "text",
        };
        Ok(Self { name, kind, text, sha256 })
    }

    /// The records of a file that holds some.
    fn records(&self) -> Result<Option<Vec<Record>>, Error> {
        match self.kind {
            "text" => Ok(None),
            kind => records::parse(&self.name, &self.text, kind == "alpaca").map(Some),
        }
    }
}

fn has_records(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl")
}

/// Windows of `length` tokens; `tokens` has at least one.
fn windows(tokens: &[u32], length: usize, count: usize, order: Order, seed: u64) -> Vec<Vec<u32>> {
    match order {
        Order::First => tokens.chunks_exact(length).take(count).map(<[u32]>::to_vec).collect(),
        Order::Random => {
            let starts = tokens.len() - length + 1;
            let start = |index| {
                (philox::uniform(philox::block(philox::words(seed), [index, 0, 0, 0])) * starts as f64) as usize
            };
            (0..count as u32).map(|index| tokens[start(index)..][..length].to_vec()).collect()
        }
    }
}

/// `count` of the numbers below `total`, each at most once.
fn draw(total: usize, count: usize, order: Order, seed: u64) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..total).collect();
    if order == Order::Random {
        let words = |index: &usize| philox::block(philox::words(seed), [*index as u32, 0, 1, 0]);
        indices.sort_by_key(|index| (words(index), *index));
    }
    indices.truncate(count);
    indices
}

/// Turns records into tokens.
struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    template: Option<ChatTemplate>,
    file: &'a str,
}

impl<'a> Encoder<'a> {
    fn new(tokenizer: &'a Tokenizer, form: Form, file: &'a str) -> Result<Self, Error> {
        let template = match (form, tokenizer.chat_template()) {
            (Form::Plain, _) => None,
            (Form::ChatTemplate, Some(source)) => Some(ChatTemplate::new(source).map_err(engine::Error::from)?),
            (Form::ChatTemplate, None) => {
                return Err(Error::Calibration {
                    place: file.into(),
                    problem: "this checkpoint has no chat template".into(),
                    fix: "leave --calibration_chat_template out, or add chat_template.jinja to the checkpoint".into(),
                });
            }
        };
        Ok(Self { tokenizer, template, file })
    }

    fn encode(&self, record: &Record, index: usize, length: usize) -> Result<Vec<u32>, Error> {
        let (text, specials) = match &self.template {
            None => (record.plain_text(), Specials::AsConfigured),
            Some(template) => {
                let TemplateInputs(messages) = record.messages().ok_or_else(|| Error::Calibration {
                    place: format!("{}, record {index}", self.file),
                    problem: "it has no messages for a chat template".into(),
                    fix: "leave --calibration_chat_template out, or give conversations".into(),
                })?;
                let options = TemplateOptions {
                    generation_prompt: GenerationPrompt::Omit,
                    bos_token: self.tokenizer.bos_token(),
                    eos_token: self.tokenizer.eos_token(),
                    ..TemplateOptions::default()
                };
                let rendered = template.render(&messages, &options).map_err(|error| Error::Calibration {
                    place: format!("{}, record {index}", self.file),
                    problem: error.to_string(),
                    fix: "correct the record, or leave --calibration_chat_template out".into(),
                })?;
                (rendered, Specials::Bare)
            }
        };
        let mut tokens = self.tokenizer.encode(&text, specials).map_err(engine::Error::from)?;
        tokens.truncate(length);
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests;
