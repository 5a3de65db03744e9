//! What a model is asked: a text or token ids, from the command line to tokens.

use super::failure::{Failure, Status};
use super::loading::Source;
use clap::Args;
use engine::chat_template::{ChatTemplate, GenerationPrompt, Message, Options};
use engine::tokenizer::{Specials, Tokenizer};

/// Flags that give the input of a model.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Input")]
#[group(id = "input", required = true, multiple = false)]
pub struct PromptFlags {
    /// Text, encoded by the checkpoint's tokenizer
    ///
    /// The tokenizer adds what its files ask for, usually the token that begins a sequence.
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// Token ids separated by commas; no tokenizer is needed
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = clap::value_parser!(u32))]
    pub tokens: Option<Vec<u32>>,
}

/// Flags that lay a prompt out as a conversation.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Input")]
pub struct ChatFlags {
    /// Put the prompt into the checkpoint's chat template, as the message of a user
    #[arg(long, conflicts_with = "tokens")]
    pub chat: bool,
    /// Message of the system before it; needs --chat
    #[arg(long, value_name = "TEXT", requires = "chat", allow_hyphen_values = true)]
    pub system_instruction: Option<String>,
}

/// The tokens to give to a model, and the tokenizer to read its answer with.
pub struct Prompt {
    /// At least one.
    pub tokens: Vec<u32>,
    /// There wherever the input was a text.
    pub tokenizer: Option<Tokenizer>,
}

impl PromptFlags {
    /// The tokens of the flags, for a model of `vocab_size` rows. Where `chat` is `None` no answer is going to be read,
    /// and ids need no tokenizer: one of 150 000 tokens takes most of a second to open.
    pub fn read(&self, chat: Option<&ChatFlags>, source: &Source, vocab_size: usize) -> Result<Prompt, Failure> {
        let (tokens, tokenizer) = match (&self.tokens, &self.prompt) {
            (Some(tokens), _) if chat.is_none() => (tokens.clone(), None),
            (Some(tokens), _) => {
                (tokens.clone(), source.tokenizer().ok().filter(|it| it.check_fits(vocab_size).is_ok()))
            }
            (None, text) => {
                let tokenizer = source.fitting_tokenizer(vocab_size)?;
                let text = text.as_deref().unwrap_or_default();
                let (text, specials) = match chat.filter(|flags| flags.chat) {
                    None => (text.to_string(), Specials::AsConfigured),
                    Some(flags) => {
                        (conversation(text, flags.system_instruction.as_deref(), &tokenizer, source)?, Specials::Bare)
                    }
                };
                let tokens = tokenizer.encode(&text, specials);
                let place = source.checkpoint.directory().display().to_string();
                let tokens = tokens.map_err(|error| {
                    Failure::from_text(
                        Status::Input,
                        error,
                        place,
                        "write the prompt in characters that the vocabulary has",
                    )
                })?;
                (tokens, Some(tokenizer))
            }
        };
        if tokens.is_empty() {
            let fix = "give a text, or the ids of at least one token";
            return Err(Failure::usage("the input is empty: expected at least one token", "--prompt or --tokens", fix));
        }
        if let Some((position, &token)) = tokens.iter().enumerate().find(|(_, token)| **token as usize >= vocab_size) {
            return Err(engine::Error::TokenRange { token, position, vocab_size }.into());
        }
        Ok(Prompt { tokens, tokenizer })
    }
}

/// The text of a conversation of which the assistant's answer is next.
fn conversation(text: &str, system: Option<&str>, tokenizer: &Tokenizer, source: &Source) -> Result<String, Failure> {
    let place = source.checkpoint.directory().display().to_string();
    let Some(template) = tokenizer.chat_template() else {
        let fix = "leave --chat out, or add the model's chat_template.jinja to the checkpoint";
        return Err(Failure::new(Status::Input, "this checkpoint has no chat template", place, fix));
    };
    let system = system.map(|text| Message::new("system", text));
    let messages: Vec<Message> = system.into_iter().chain([Message::new("user", text)]).collect();
    let options = Options {
        generation_prompt: GenerationPrompt::Add,
        bos_token: tokenizer.bos_token(),
        eos_token: tokenizer.eos_token(),
        ..Options::default()
    };
    let rendered = ChatTemplate::new(template).and_then(|template| template.render(&messages, &options));
    rendered
        .map_err(|error| Failure::from_text(Status::Input, error, place, "leave --chat or --system_instruction out"))
}
