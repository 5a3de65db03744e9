//! Prompts: text to tokens, by the rules of lm-evaluation-harness, and conversations.

use super::Inputs;
use super::id::TaskId;
use crate::error::Error;
use crate::python;
use engine::chat_template::{ChatTemplate, GenerationPrompt, Message, Options};
use engine::tokenizer::{SpecialText, Specials, Tokenizer};

/// Encodes prompts for one model.
pub struct PromptEncoder<'a> {
    tokenizer: &'a Tokenizer,
    /// Text of the token that would come first; a prompt that begins with it gets no second one.
    prefix_text: Option<String>,
}

/// A context and what follows it, in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Not empty.
    pub context: Vec<u32>,
    /// Not empty once checked.
    pub continuation: Vec<u32>,
}

impl<'a> PromptEncoder<'a> {
    /// An encoder for a tokenizer.
    ///
    /// # Errors
    /// A tokenizer that cannot spell its own special tokens.
    pub fn new(tokenizer: &'a Tokenizer) -> Result<Self, Error> {
        let prefix_text = match tokenizer.prefix_token_id() {
            Some(id) => Some(tokenizer.decode(&[id], SpecialText::Keep)?).filter(|text| !text.is_empty()),
            None => None,
        };
        Ok(Self { tokenizer, prefix_text })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &'a Tokenizer {
        self.tokenizer
    }

    /// Tokens of a prompt, with the special tokens that the tokenizer is configured to add unless the text begins with
    /// the first of them already (lm-evaluation-harness, `tok_encode`).
    ///
    /// # Errors
    /// What the tokenizer refuses.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let marked = self.prefix_text.as_deref().is_some_and(|prefix| text.starts_with(prefix));
        let specials = if marked { Specials::Bare } else { Specials::AsConfigured };
        Ok(self.tokenizer.encode(text, specials)?)
    }

    /// Tokens of each continuation after a context that is not empty (lm-evaluation-harness, `_encode_pair`).
    ///
    /// White space at the end of the context is moved to the continuation. Context and continuation are encoded
    /// together; the continuation is what exceeds the length of the context encoded alone.
    ///
    /// # Errors
    /// What the tokenizer refuses.
    pub fn pairs(&self, context: &str, continuations: &[String]) -> Result<Vec<Pair>, Error> {
        let kept = context.trim_end_matches(python::is_space);
        let moved = &context[kept.len()..];
        let encoded = self.encode(kept)?;
        let mut pairs = Vec::with_capacity(continuations.len());
        for continuation in continuations {
            let whole = self.encode(&format!("{kept}{moved}{continuation}"))?;
            let continuation = whole.get(encoded.len()..).unwrap_or_default().to_vec();
            pairs.push(Pair { context: encoded.clone(), continuation });
        }
        Ok(pairs)
    }

    /// Whether a prompt begins with two tokens for the beginning of a sequence.
    pub fn begins_twice(&self, tokens: &[u32]) -> bool {
        let bos = self.tokenizer.bos_id();
        matches!(tokens, [first, second, ..] if Some(*first) == bos && Some(*second) == bos)
    }
}

/// Lays out conversations for one model.
pub struct Conversation<'a> {
    template: ChatTemplate,
    tokenizer: &'a Tokenizer,
}

impl<'a> Conversation<'a> {
    /// The checkpoint's own template.
    ///
    /// # Errors
    /// [`Error::NoChatTemplate`], which names `alternative`; a template that cannot be compiled.
    pub fn new(inputs: &Inputs<'a>, id: &TaskId, alternative: &str) -> Result<Self, Error> {
        let source = inputs
            .tokenizer
            .chat_template()
            .ok_or_else(|| Error::NoChatTemplate { task: id.to_string(), alternative: alternative.to_string() })?;
        Ok(Self { template: ChatTemplate::new(source)?, tokenizer: inputs.tokenizer })
    }

    /// The text of messages, up to where the model's answer begins.
    ///
    /// # Errors
    /// The template refuses the conversation.
    pub fn render(&self, messages: &[Message]) -> Result<String, Error> {
        let options = Options {
            generation_prompt: GenerationPrompt::Add,
            bos_token: self.tokenizer.bos_token(),
            eos_token: self.tokenizer.eos_token(),
            ..Options::default()
        };
        Ok(self.template.render(messages, &options)?)
    }
}
