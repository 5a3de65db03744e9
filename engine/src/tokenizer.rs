//! Text to token ids and back, as the checkpoint's own tokenizer does it.
//!
//! The vocabulary is read from `tokenizer.json` by the `tokenizers` library, or from `qwen.tiktoken` where a checkpoint of
//! the first-generation Qwen has nothing else. What stands in the small files beside it (which token begins a sequence,
//! which ends one, whether the former is prepended, the chat template) is read as transformers reads it.

use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};
use tokenizers::{AddedToken, Model, PostProcessorWrapper};

use crate::chat_template::CHATML;
use crate::checkpoint::Checkpoint;

mod base64;
mod byte_alphabet;
mod configuration;
mod error;
mod model;
mod pipeline;
mod text_stream;
mod tiktoken;

pub use error::TokenizerError;
pub use text_stream::TextStream;

use configuration::{Configuration, Files, Setting};
use pipeline::{Pipeline, guarded};

/// Whether encoding adds the tokens that the tokenizer's files ask for around a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specials {
    /// With what the files ask for, typically one token for the beginning of a sequence (`add_special_tokens=True`).
    AsConfigured,
    /// The text alone, as for a continuation or a text that a chat template has already marked up.
    Bare,
}

/// Whether decoding spells out special tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialText {
    /// Special tokens appear as their text.
    Keep,
    /// Special tokens are left out (`skip_special_tokens=True`).
    Skip,
}

/// A checkpoint's tokenizer.
///
/// Encoding is a function of the files and the text alone: truncation and padding that a file asks for are switched off, and
/// so is BPE dropout. The strings of special tokens inside a text become those tokens, as in transformers; callers that
/// must not allow that look for them first.
pub struct Tokenizer {
    pipeline: Pipeline,
    file: String,
    sha256: String,
    vocab_size: usize,
    /// The largest id and its token.
    last_token: Option<(u32, String)>,
    /// What [`Specials::AsConfigured`] puts before a text.
    prefix: Vec<u32>,
    /// What it puts after it.
    suffix: Vec<u32>,
    bos: Option<(u32, String)>,
    eos: Option<(u32, String)>,
    eos_ids: Vec<u32>,
    chat_template: Option<String>,
}

impl Tokenizer {
    /// Opens the tokenizer of a checkpoint directory: `tokenizer.json`, else `qwen.tiktoken`.
    ///
    /// # Errors
    /// No such file, one that is broken or inconsistent, or a broken file among those beside it.
    pub fn open(directory: &Path) -> Result<Self, TokenizerError> {
        Self::of_files(Files { directory, embedded: None })
    }

    /// Opens the tokenizer that belongs to a checkpoint, from its directory or from the program.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, TokenizerError> {
        Self::of_files(Files { directory: checkpoint.directory(), embedded: checkpoint.embedded_files() })
    }

    fn of_files(files: Files<'_>) -> Result<Self, TokenizerError> {
        let mut configuration = Configuration::read(files)?;
        let path = files.path("tokenizer.json");
        if let Some(bytes) = files.read("tokenizer.json")? {
            return Self::assemble(pipeline::parse(&bytes, &path)?, configuration, path, &bytes);
        }
        let path = files.path("qwen.tiktoken");
        if let Some(bytes) = files.read("qwen.tiktoken")? {
            let pipeline = pipeline::from_value(tiktoken::to_tokenizer_json(&bytes, &path)?, &path)?;
            if configuration.eos_token == Setting::Absent {
                configuration.eos_token = Setting::Given("<|endoftext|>".to_string());
            }
            // The chat models of this family say so here, and stop at either marker of the next turn.
            if configuration.chat_format.as_deref() == Some("chatml") {
                let markers = ["<|im_end|>", "<|im_start|>"];
                configuration.eos_ids.extend(markers.iter().filter_map(|token| pipeline.token_to_id(token)));
                configuration.chat_template.get_or_insert_with(|| CHATML.to_string());
            }
            return Self::assemble(pipeline, configuration, path, &bytes);
        }
        Err(TokenizerError::NotFound {
            directory: files.directory.to_path_buf(),
            looked_for: "tokenizer.json, qwen.tiktoken",
        })
    }

    /// A tokenizer from the bytes of a `tokenizer.json` alone.
    ///
    /// No file names its special tokens then: there is no beginning of a sequence other than what the post-processor of the
    /// file prepends, no end and no chat template.
    ///
    /// # Errors
    /// Those of a broken or inconsistent `tokenizer.json`.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let path = PathBuf::from("tokenizer.json");
        Self::assemble(pipeline::parse(bytes, &path)?, Configuration::default(), path, bytes)
    }

    /// The tokenizer of a model without files: id 0 to 255 are the bytes, 256 is `<s>`, which is prepended, 257 is `</s>`.
    ///
    /// # Errors
    /// None that a file could cause; the library's own are passed on.
    pub fn bytes_only() -> Result<Self, TokenizerError> {
        let characters = byte_alphabet::characters();
        let vocabulary: serde_json::Map<String, serde_json::Value> =
            (0..=255u8).map(|byte| (characters[byte as usize].to_string(), json!(byte))).collect();
        let special = |id: u32, content: &str| {
            json!({
                "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true
            })
        };
        let contents = json!({
            "version": "1.0",
            "added_tokens": [special(256, "<s>"), special(257, "</s>")],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
            "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
            "model": {"type": "BPE", "vocab": vocabulary, "merges": []}
        });
        let bytes = contents.to_string().into_bytes();
        let path = PathBuf::from("the built-in byte vocabulary");
        let configuration = Configuration {
            bos_token: Setting::Given("<s>".to_string()),
            eos_token: Setting::Given("</s>".to_string()),
            add_bos_token: Some(true),
            ..Configuration::default()
        };
        Self::assemble(pipeline::from_value(contents, &path)?, configuration, path, &bytes)
    }

    fn assemble(
        mut pipeline: Pipeline,
        configuration: Configuration,
        path: PathBuf,
        bytes: &[u8],
    ) -> Result<Self, TokenizerError> {
        add_special_tokens(&mut pipeline, &configuration, &path)?;
        let (mut prefix, mut suffix) = measure_post_processor(&pipeline, &path)?;
        pipeline.with_post_processor(None::<PostProcessorWrapper>);

        let with_id = |token: &String| pipeline.token_to_id(token).map(|id| (id, token.clone()));
        let with_token = |id: u32| pipeline.id_to_token(id).map(|token| (id, token));
        let bos = match &configuration.bos_token {
            Setting::Given(token) => with_id(token),
            Setting::None => None,
            Setting::Absent => configuration.bos_id.and_then(with_token),
        };
        let eos = match &configuration.eos_token {
            Setting::Given(token) => with_id(token),
            Setting::None => None,
            Setting::Absent => configuration.eos_ids.first().copied().and_then(with_token),
        };
        if let (Some(add), Some((bos, _))) = (configuration.add_bos_token, &bos) {
            prefix.retain(|id| id != bos);
            if add {
                prefix.insert(0, *bos);
            }
        }
        if let (Some(add), Some((eos, _))) = (configuration.add_eos_token, &eos) {
            suffix.retain(|id| id != eos);
            if add {
                suffix.push(*eos);
            }
        }
        let mut eos_ids = configuration.eos_ids;
        if let Some((eos, _)) = &eos
            && !eos_ids.contains(eos)
        {
            eos_ids.push(*eos);
        }
        let vocabulary = pipeline.get_vocab(true);
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let file = path.file_name().map_or(path.clone(), PathBuf::from).display().to_string();
        Ok(Self {
            file,
            sha256,
            vocab_size: vocabulary.len(),
            last_token: vocabulary.into_iter().map(|(token, id)| (id, token)).max(),
            pipeline,
            prefix,
            suffix,
            bos,
            eos,
            eos_ids,
            chat_template: configuration.chat_template,
        })
    }

    /// The token ids of a text; an empty text gives no ids but those that `specials` adds.
    ///
    /// # Errors
    /// A character that the vocabulary lacks where it has no token for the unknown either, or a defect of the vocabulary
    /// that shows only now.
    pub fn encode(&self, text: &str, specials: Specials) -> Result<Vec<u32>, TokenizerError> {
        let encoding = guarded(|| self.pipeline.encode_fast(text, false).map_err(|error| error.to_string())).map_err(
            |reason| TokenizerError::Encode {
                file: self.file.clone(),
                text_bytes: text.len(),
                text_start: text.chars().take(40).collect(),
                reason,
            },
        )?;
        let ids = encoding.get_ids();
        Ok(match specials {
            Specials::Bare => ids.to_vec(),
            Specials::AsConfigured => [self.prefix.as_slice(), ids, self.suffix.as_slice()].concat(),
        })
    }

    /// The text of token ids. Ids without a token (rows that pad a model's vocabulary) have no text; bytes that are not UTF-8
    /// become U+FFFD.
    ///
    /// # Errors
    /// A defect of the decoder that the vocabulary file describes.
    pub fn decode(&self, ids: &[u32], specials: SpecialText) -> Result<String, TokenizerError> {
        let skip = specials == SpecialText::Skip;
        guarded(|| self.pipeline.decode(ids, skip).map_err(|error| error.to_string()))
            .map_err(|reason| TokenizerError::Decode { file: self.file.clone(), ids_len: ids.len(), reason })
    }

    /// Text of tokens as they are generated.
    pub fn text_stream(&self, specials: SpecialText) -> TextStream<'_> {
        TextStream::new(self, specials)
    }

    /// How many tokens there are, added ones included. Ids may have gaps: the largest can be above this.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Checks that the model has a row for every id.
    ///
    /// `vocab_size`: rows of the model's embedding, which may be more than the tokenizer uses.
    ///
    /// # Errors
    /// The largest id is `vocab_size` or above.
    pub fn check_fits(&self, vocab_size: usize) -> Result<(), TokenizerError> {
        match &self.last_token {
            Some((id, token)) if *id as usize >= vocab_size => Err(TokenizerError::BeyondVocabulary {
                file: self.file.clone(),
                token: token.clone(),
                id: *id,
                vocab_size,
            }),
            _ => Ok(()),
        }
    }

    /// The id of a token given by its text in the vocabulary file (`"Ġthe"`, not `" the"`).
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.pipeline.token_to_id(token)
    }

    /// The text in the vocabulary file of an id.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.pipeline.id_to_token(id)
    }

    /// The token that begins a sequence: what `tokenizer_config.json` or `special_tokens_map.json` names, else the id of
    /// `generation_config.json` or `config.json`. A name of `null` means that there is none.
    pub fn bos_id(&self) -> Option<u32> {
        self.bos.as_ref().map(|&(id, _)| id)
    }

    /// The text of the token that begins a sequence.
    pub fn bos_token(&self) -> Option<&str> {
        self.bos.as_ref().map(|(_, token)| token.as_str())
    }

    /// The text of the token that ends a sequence, the first of its kind.
    pub fn eos_token(&self) -> Option<&str> {
        self.eos.as_ref().map(|(_, token)| token.as_str())
    }

    /// The tokens at which generation stops: those of `generation_config.json` (else `config.json`), then the tokenizer's
    /// own.
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos_ids
    }

    /// The context of the first token of a text that is scored without any: the beginning of a sequence, else its end.
    /// lm-evaluation-harness calls it so.
    pub fn prefix_token_id(&self) -> Option<u32> {
        self.bos_id().or(self.eos.as_ref().map(|&(id, _)| id)).or(self.eos_ids.first().copied())
    }

    /// Whether [`Specials::AsConfigured`] puts the beginning of a sequence before a text: asked of the post-processor by
    /// encoding, then corrected by `add_bos_token`.
    pub fn adds_bos(&self) -> bool {
        self.bos_id().is_some_and(|bos| self.prefix.contains(&bos))
    }

    /// The source of the checkpoint's chat template.
    pub fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    /// The name of the vocabulary file, without its directory.
    pub fn vocabulary_file(&self) -> &str {
        &self.file
    }

    /// SHA-256 of the vocabulary file's bytes, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tokenizer")
            .field("file", &self.file)
            .field("vocab_size", &self.vocab_size)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

/// Makes the text of special tokens recognisable: those listed with an id, and those that are only named.
///
/// A named token that the vocabulary lacks (often one for padding) is left out; it could only get an id without a row.
fn add_special_tokens(
    pipeline: &mut Pipeline,
    configuration: &Configuration,
    path: &Path,
) -> Result<(), TokenizerError> {
    let rejected = |reason| TokenizerError::Rejected { file: path.to_path_buf(), reason };
    let listed = configuration.added_tokens.iter().map(|(_, token)| token.clone());
    guarded(|| pipeline.add_tokens(listed).map_err(|error| error.to_string())).map_err(rejected)?;
    for (expected, token) in &configuration.added_tokens {
        let found = pipeline.token_to_id(&token.content).unwrap_or(u32::MAX);
        if found != *expected {
            return Err(TokenizerError::AddedTokenId {
                file: path.with_file_name("tokenizer_config.json"),
                token: token.content.clone(),
                expected: *expected,
                found,
            });
        }
    }
    let known = pipeline.get_added_vocabulary().get_vocab();
    let named: Vec<AddedToken> = configuration
        .special_tokens
        .iter()
        .filter(|token| !known.contains_key(token.as_str()) && pipeline.get_model().token_to_id(token).is_some())
        .map(|token| AddedToken::from(token.as_str(), true))
        .collect();
    guarded(|| pipeline.add_tokens(named).map_err(|error| error.to_string())).map_err(rejected)?;
    Ok(())
}

/// The ids that the post-processor puts before and after a text.
fn measure_post_processor(pipeline: &Pipeline, path: &Path) -> Result<(Vec<u32>, Vec<u32>), TokenizerError> {
    let rejected = |reason| TokenizerError::Rejected { file: path.to_path_buf(), reason };
    let encode = |text: &str, specials: bool| {
        guarded(|| pipeline.encode_fast(text, specials).map_err(|error| error.to_string()))
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(rejected)
    };
    for probe in ["a", "0", "."] {
        let bare = encode(probe, false)?;
        let full = encode(probe, true)?;
        let place = full.windows(bare.len().max(1)).position(|window| window == bare);
        if let Some(start) = place {
            let end = start + bare.len();
            return Ok((full[..start].to_vec(), full[end..].to_vec()));
        }
        if !bare.is_empty() {
            let reason = format!(
                "its post_processor makes {full:?} of {bare:?}: it must put tokens before and after a text and nothing else"
            );
            return Err(rejected(reason));
        }
    }
    // A vocabulary without any of these characters: the empty text shows what is added, all of it in front.
    Ok((encode("", true)?, Vec::new()))
}
