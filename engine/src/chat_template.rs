//! Chat templates: a conversation to the text that a chat model was trained on.
//!
//! A template is a Jinja program that comes with a checkpoint. It is rendered as transformers renders it (`apply_chat_template`,
//! `chat_template_utils.py`): `trim_blocks` and `lstrip_blocks`, loop controls, `raise_exception`, `strftime_now`, a `tojson`
//! that writes like Python's `json.dumps`, and the methods of Python's strings and dictionaries. Two things differ on purpose:
//! the date is given, not read from the clock, and contents are text only.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};

mod date;
mod generation_block;
mod python_json;

pub use date::Date;

/// The template of the first-generation Qwen's chat models, which publish code (`make_context`) in place of one: every turn
/// between `<|im_start|>` and `<|im_end|>`, a standard system message if the conversation has none.
pub const CHATML: &str = "\
{%- if messages and messages[0]['role'] != 'system' -%}
    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
";

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn of `role` with `content`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// Whether the text ends with the beginning of the assistant's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GenerationPrompt {
    /// It does: the model goes on with the answer.
    Add,
    /// It ends with the last message.
    #[default]
    Omit,
}

/// What a template sees besides the messages.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// Whether to begin the assistant's answer.
    pub generation_prompt: GenerationPrompt,
    /// The text of the token that begins a sequence; `None` leaves the variable undefined, as transformers does.
    pub bos_token: Option<&'a str>,
    /// The text of the token that ends one.
    pub eos_token: Option<&'a str>,
    /// The day that `strftime_now` tells, at midnight; `None` is [`Date::DEFAULT`].
    pub date: Option<Date>,
    /// More variables, such as `enable_thinking` or `tools`; they override the others.
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// Why a template could not be read or rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatTemplateError {
    /// The source is not a template.
    #[error("chat template, line {line}: syntax error: {reason}")]
    Syntax {
        /// Line of the source, counted from 1.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// The template itself refuses the conversation (`raise_exception`).
    #[error("the chat template refuses this conversation: {message}")]
    Refused {
        /// The template's own words.
        message: String,
    },
    /// The template does something that fails, with these messages or with any.
    #[error("chat template, line {line}: {reason}")]
    Render {
        /// Line of the source, counted from 1.
        line: usize,
        /// What failed.
        reason: String,
    },
}

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
}

/// The name under which the environment holds the template.
const NAME: &str = "chat";

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// A syntax error, with its line.
    pub fn new(source: &str) -> Result<Self, ChatTemplateError> {
        let mut environment = Environment::new();
        let syntax_error =
            |error: Error| ChatTemplateError::Syntax { line: error.line().unwrap_or(1), reason: describe(&error) };
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(syntax_error)?);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_formatter(|output, state, value| {
            // The engine prints values as Python does, except for the exponents of floats.
            let float = if value.is_number() && !value.is_integer() { f64::try_from(value.clone()).ok() } else { None };
            match float.filter(|float| float.is_finite()) {
                Some(float) => output.write_str(&python_json::float_text(float)).map_err(Error::from),
                None => minijinja::escape_formatter(output, state, value),
            }
        });
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", python_json::tojson);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, "raised").with_source(Raised(message)))
        });
        environment
            .add_template_owned(NAME, generation_block::replace_tags(source).into_owned())
            .map_err(syntax_error)?;
        Ok(Self { environment })
    }

    /// The built-in [`CHATML`].
    ///
    /// # Errors
    /// None; the type is that of [`ChatTemplate::new`].
    pub fn chatml() -> Result<Self, ChatTemplateError> {
        Self::new(CHATML)
    }

    /// The text of a conversation.
    ///
    /// Encode it with [`Specials::Bare`](crate::tokenizer::Specials::Bare): templates write the special tokens themselves.
    ///
    /// # Errors
    /// The template refuses the conversation, or uses what does not exist.
    pub fn render(&self, messages: &[Message], options: &Options) -> Result<String, ChatTemplateError> {
        let date = options.date.unwrap_or_default();
        let messages: Value = messages
            .iter()
            .map(|message| {
                let content = Value::from(message.content.as_str());
                Value::from_pairs([("role", Value::from(message.role.as_str())), ("content", content)])
            })
            .collect();
        let mut variables = vec![
            ("messages", messages),
            ("add_generation_prompt", Value::from(options.generation_prompt == GenerationPrompt::Add)),
            // transformers passes these always; templates ask whether they are none.
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("strftime_now", Value::from_function(move |format: String| strftime(date, &format))),
        ];
        variables.extend(options.bos_token.map(|token| ("bos_token", Value::from(token))));
        variables.extend(options.eos_token.map(|token| ("eos_token", Value::from(token))));
        variables.extend(options.extra.iter().map(|(name, value)| (name.as_str(), from_json(value))));
        self.environment.get_template(NAME).and_then(|template| template.render(Value::from_pairs(variables))).map_err(
            |error| match raised(&error) {
                Some(message) => ChatTemplateError::Refused { message: message.to_string() },
                None => ChatTemplateError::Render { line: error.line().unwrap_or(1), reason: describe(&error) },
            },
        )
    }
}

/// The words of `raise_exception`, carried through the engine's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

/// The words of `raise_exception`, if that is what `error` goes back to.
fn raised(error: &Error) -> Option<&str> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(Raised(message)) = error.downcast_ref() {
            return Some(message);
        }
        cause = error.source();
    }
    None
}

/// Kind and detail, without the source excerpt that the engine's own form appends.
fn describe(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

fn strftime(date: Date, format: &str) -> Result<String, Error> {
    date.format(format).map_err(|directive| {
        let message = format!("strftime_now({format:?}): {directive} is not supported");
        Error::new(ErrorKind::InvalidOperation, message)
    })
}

/// A JSON value as a template sees it.
fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => {
            if let Some(integer) = number.as_i64() {
                Value::from(integer)
            } else if let Some(integer) = number.as_u64() {
                Value::from(integer)
            } else {
                number.as_f64().map_or_else(|| Value::from(()), Value::from)
            }
        }
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(values) => values.iter().map(from_json).collect(),
        serde_json::Value::Object(entries) => {
            Value::from_pairs(entries.iter().map(|(key, value)| (key.as_str(), from_json(value))))
        }
    }
}
