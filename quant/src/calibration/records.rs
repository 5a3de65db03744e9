//! Records: conversations, Alpaca's instructions, or texts, one JSON object each.
//!
//! Spellings that data sets have: `{"messages": [{"role", "content"}]}`, `{"conversations": [{"from", "value"}]}` (with
//! `human` and `gpt`), `{"instruction", "input", "output"}`, `{"prompt", "response"}` or `{"prompt", "completion"}`, and
//! `{"text"}`. A file is an array of objects, or one object a line.

use crate::error::Error;
use engine::chat_template::Message;
use serde_json::{Map, Value};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Text(String),
    Conversation(Vec<Message>),
    /// Alpaca's; the input may be empty.
    Instruction {
        instruction: String,
        input: String,
        output: String,
    },
}

/// The messages of a record, for a chat template.
pub(super) struct TemplateInputs(pub(super) Vec<Message>);

impl Record {
    /// The record without a chat template. An instruction is written as in AutoGPTQ's
    /// `examples/quantization/quant_with_alpaca.py`; the messages of a conversation stand one a line.
    pub(super) fn plain_text(&self) -> String {
        match self {
            Record::Text(text) => text.clone(),
            Record::Conversation(messages) => {
                let contents: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
                contents.join("\n")
            }
            Record::Instruction { instruction, input, output } if input.is_empty() => {
                format!("Instruction:\n{instruction}\nOutput:\n{output}")
            }
            Record::Instruction { instruction, input, output } => {
                format!("Instruction:\n{instruction}\nInput:\n{input}\nOutput:\n{output}")
            }
        }
    }

    /// The record as messages; `None` for a bare text.
    pub(super) fn messages(&self) -> Option<TemplateInputs> {
        match self {
            Record::Text(_) => None,
            Record::Conversation(messages) => Some(TemplateInputs(messages.clone())),
            Record::Instruction { instruction, input, output } => {
                let user = if input.is_empty() { instruction.clone() } else { format!("{instruction}\n{input}") };
                Some(TemplateInputs(vec![Message::new("user", user), Message::new("assistant", output.as_str())]))
            }
        }
    }
}

/// The records of a file's `text`; with `only_instructions` every one must be an instruction.
pub(super) fn parse(file: &str, text: &str, only_instructions: bool) -> Result<Vec<Record>, Error> {
    let fail = |place: String, problem: String| Error::Calibration {
        place,
        problem,
        fix: "expected an array of objects, or one object a line, with `messages`, `conversations`, `instruction` and \
              `output`, `prompt` and `response`, or `text`"
            .into(),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let values: Vec<(String, Value)> = if text.trim_start().starts_with('[') {
        let values: Vec<Value> = serde_json::from_str(text).map_err(|error| fail(file.into(), error.to_string()))?;
        values.into_iter().enumerate().map(|(index, value)| (format!("{file}, record {index}"), value)).collect()
    } else {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let value = |(index, line): (usize, &str)| {
            let place = format!("{file}, line {}", index + 1);
            let value = serde_json::from_str(line).map_err(|error| fail(place.clone(), error.to_string()))?;
            Ok((place, value))
        };
        lines.map(value).collect::<Result<_, Error>>()?
    };
    if values.is_empty() {
        return Err(fail(file.into(), "it holds no record".into()));
    }
    let read = values.into_iter().map(|(place, value)| {
        let record = record(&value).map_err(|problem| fail(place.clone(), problem))?;
        if record.plain_text().trim().is_empty() {
            return Err(fail(place, "it has no text".into()));
        }
        match (only_instructions, &record) {
            (true, Record::Text(_) | Record::Conversation(_)) => {
                Err(fail(place, "expected `instruction`, `input` and `output`, as Alpaca has".into()))
            }
            _ => Ok(record),
        }
    });
    read.collect()
}

fn record(value: &Value) -> Result<Record, String> {
    let Value::Object(fields) = value else { return Err("expected an object".into()) };
    if let Some(list) = fields.get("messages").or_else(|| fields.get("conversations")) {
        let Value::Array(list) = list else { return Err("expected an array of messages".into()) };
        let messages: Vec<Message> = list.iter().map(message).collect::<Result<_, _>>()?;
        return match messages.is_empty() {
            true => Err("a conversation without messages".into()),
            false => Ok(Record::Conversation(messages)),
        };
    }
    if fields.contains_key("instruction") {
        let input =
            if fields.get("input").is_some_and(|input| !input.is_null()) { text(fields, "input")? } else { "".into() };
        let (instruction, output) = (text(fields, "instruction")?, text(fields, "output")?);
        return Ok(Record::Instruction { instruction, input, output });
    }
    if fields.contains_key("prompt") {
        let answer = ["response", "completion"].into_iter().find(|name| fields.contains_key(*name));
        let answer = answer.ok_or("`prompt` without `response` or `completion`")?;
        let (prompt, answer) = (text(fields, "prompt")?, text(fields, answer)?);
        return Ok(Record::Conversation(vec![Message::new("user", prompt), Message::new("assistant", answer)]));
    }
    if fields.contains_key("text") {
        return Ok(Record::Text(text(fields, "text")?));
    }
    let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
    Err(format!("no text among its keys: {}", keys.join(", ")))
}

fn message(value: &Value) -> Result<Message, String> {
    let Value::Object(fields) = value else { return Err("expected messages to be objects".into()) };
    let role = if fields.contains_key("role") { text(fields, "role")? } else { text(fields, "from")? };
    let role = match role.as_str() {
        "human" => "user".to_string(),
        "gpt" | "bot" | "chatgpt" => "assistant".to_string(),
        _ => role,
    };
    let content = if fields.contains_key("content") { text(fields, "content")? } else { text(fields, "value")? };
    Ok(Message { role, content })
}

/// The text called `name`; a list of parts of type `text` is one.
fn text(fields: &Map<String, Value>, name: &str) -> Result<String, String> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let part = |part: &Value| part.get("text").and_then(Value::as_str).map(str::to_string);
            parts
                .iter()
                .map(part)
                .collect::<Option<Vec<_>>>()
                .map(|parts| parts.concat())
                .ok_or_else(|| format!("`{name}` has parts that are no text"))
        }
        Some(_) => Err(format!("`{name}` is no text")),
        None => Err(format!("`{name}` is missing")),
    }
}
