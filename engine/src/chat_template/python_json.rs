//! JSON as Python's `json.dumps` writes it, for the `tojson` filter of chat templates.
//!
//! transformers replaces Jinja's filter, which escapes for HTML, by `json.dumps(x, ensure_ascii=False, indent=None,
//! separators=None, sort_keys=False)`. A prompt contains that text, so its spaces and escapes count.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use std::fmt::Write;

/// The filter `tojson`.
pub(super) fn tojson(value: &Value, positional: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let argument = |position: usize, name: &str| -> Result<Value, Error> {
        match positional.get(position) {
            Some(value) => Ok(value.clone()),
            None => Ok(named.get::<Option<Value>>(name)?.unwrap_or_else(|| Value::from(()))),
        }
    };
    let ensure_ascii = argument(0, "ensure_ascii")?;
    let indent = argument(1, "indent")?;
    let separators = argument(2, "separators")?;
    let sort_keys = argument(3, "sort_keys")?;
    named.assert_all_used()?;

    let indent = match indent.kind() {
        ValueKind::None | ValueKind::Undefined => None,
        ValueKind::String => indent.as_str().map(str::to_string),
        ValueKind::Bool => Some(" ".repeat(usize::from(indent.is_true()))),
        _ => Some(" ".repeat(usize::try_from(indent)?.min(64))),
    };
    let (item_separator, key_separator) = match separators.kind() {
        ValueKind::None | ValueKind::Undefined if indent.is_some() => (",".to_string(), ": ".to_string()),
        ValueKind::None | ValueKind::Undefined => (", ".to_string(), ": ".to_string()),
        _ => (separator(&separators, 0)?, separator(&separators, 1)?),
    };
    let writer = Writer {
        ensure_ascii: ensure_ascii.is_true(),
        indent,
        item_separator,
        key_separator,
        sort_keys: sort_keys.is_true(),
    };
    let mut text = String::new();
    writer.value(&mut text, value, 1)?;
    Ok(Value::from(text))
}

fn separator(separators: &Value, index: usize) -> Result<String, Error> {
    let item = separators.get_item_by_index(index)?;
    item.as_str()
        .map(str::to_string)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "tojson: separators are two strings"))
}

/// Levels of nesting beyond which a value is refused.
const DEPTH_LIMIT: usize = 100;

struct Writer {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

impl Writer {
    fn value(&self, text: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_LIMIT {
            return Err(Error::new(ErrorKind::InvalidOperation, "tojson: the value is nested too deeply"));
        }
        match value.kind() {
            ValueKind::None => text.push_str("null"),
            ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => text.push_str(&number(value)?),
            ValueKind::String => self.string(text, value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.map(|item| (None, item)).collect();
                self.items(text, ['[', ']'], items, depth)?;
            }
            ValueKind::Map => {
                let mut items = Vec::new();
                for key in value.try_iter()? {
                    let item = value.get_item(&key)?;
                    items.push((Some(key_text(&key)?), item));
                }
                if self.sort_keys {
                    items.sort_by(|(left, _), (right, _)| left.cmp(right));
                }
                self.items(text, ['{', '}'], items, depth)?;
            }
            other => {
                let message = format!("tojson: a value of type {other} has no JSON form");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        }
        Ok(())
    }

    fn items(
        &self,
        text: &mut String,
        [open, close]: [char; 2],
        items: Vec<(Option<String>, Value)>,
        depth: usize,
    ) -> Result<(), Error> {
        let line = |text: &mut String, depth: usize| {
            if let Some(indent) = &self.indent {
                text.push('\n');
                text.push_str(&indent.repeat(depth));
            }
        };
        text.push(open);
        let any = !items.is_empty();
        for (index, (key, item)) in items.into_iter().enumerate() {
            if index > 0 {
                text.push_str(&self.item_separator);
            }
            line(text, depth);
            if let Some(key) = key {
                self.string(text, &key);
                text.push_str(&self.key_separator);
            }
            self.value(text, &item, depth + 1)?;
        }
        if any {
            line(text, depth - 1);
        }
        text.push(close);
        Ok(())
    }

    fn string(&self, text: &mut String, string: &str) {
        text.push('"');
        for character in string.chars() {
            match character {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{8}' => text.push_str("\\b"),
                '\u{c}' => text.push_str("\\f"),
                '\0'..='\u{1f}' => push_unicode_escapes(text, character),
                '\u{7f}'.. if self.ensure_ascii => push_unicode_escapes(text, character),
                _ => text.push(character),
            }
        }
        text.push('"');
    }
}

/// `\uXXXX`, two of them beyond the basic plane.
fn push_unicode_escapes(text: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\u{unit:04x}");
    }
}

fn key_text(key: &Value) -> Result<String, Error> {
    Ok(match key.kind() {
        ValueKind::String => key.as_str().unwrap_or_default().to_string(),
        ValueKind::None => "null".to_string(),
        ValueKind::Bool => (if key.is_true() { "true" } else { "false" }).to_string(),
        ValueKind::Number => number(key)?,
        other => {
            let message = format!("tojson: a key of type {other} has no JSON form");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    })
}

/// A number as JSON; Python writes what JSON lacks as `NaN` and `Infinity`.
fn number(value: &Value) -> Result<String, Error> {
    if value.is_integer() {
        return Ok(value.to_string());
    }
    let float = f64::try_from(value.clone())?;
    Ok(match float {
        _ if float.is_finite() => float_text(float),
        _ if float.is_nan() => "NaN".to_string(),
        _ if float > 0.0 => "Infinity".to_string(),
        _ => "-Infinity".to_string(),
    })
}

/// A finite float as Python's `repr`: shortest digits, an exponent with sign and two digits from 1e16 and below 1e-4.
pub(super) fn float_text(float: f64) -> String {
    // Rust's debug form has the same digits and thresholds, with a bare exponent.
    let digits = format!("{float:?}");
    match digits.split_once('e') {
        None => digits,
        Some((mantissa, exponent)) => {
            let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
            format!("{mantissa}e{sign}{size:0>2}")
        }
    }
}
