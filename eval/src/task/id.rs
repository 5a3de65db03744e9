//! Task ids: `name[:variant][@protocol]`.

use super::card::Entry;
use super::nearest::nearest;
use super::{all, names};
use crate::error::Error;
use std::fmt;
use std::path::Path;

/// A task as asked for, with its protocol.
///
/// Its text is the full id, which results, tables and file names carry. A file given as variant appears there by its
/// name, never by its path.
#[derive(Clone, Debug)]
pub struct TaskId {
    /// Its line in the registry.
    pub entry: &'static Entry,
    /// Name, for example `mmlu_anatomy`.
    pub name: String,
    /// What stands after `:`, as typed: of a file its path.
    pub variant: Option<String>,
    /// Protocol in canonical spelling.
    pub protocol: String,
}

impl TaskId {
    /// The variant as results have it: of a file its name.
    pub fn shown_variant(&self) -> Option<&str> {
        let variant = self.variant.as_deref()?;
        Some(Path::new(variant).file_name().and_then(|name| name.to_str()).unwrap_or(variant))
    }

    /// Refuses a variant where a task has none.
    ///
    /// # Errors
    /// [`Error::Variant`].
    pub(super) fn without_variant(&self) -> Result<(), Error> {
        match &self.variant {
            None => Ok(()),
            Some(found) => Err(Error::Variant {
                task: self.name.clone(),
                expected: "nothing after the name".into(),
                found: format!("`{found}`"),
            }),
        }
    }

    /// The same task with another name.
    pub(super) fn renamed(&self, name: &str) -> TaskId {
        TaskId { name: name.to_string(), ..self.clone() }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(variant) = self.shown_variant() {
            write!(f, ":{variant}")?;
        }
        write!(f, "@{}", self.protocol)
    }
}

/// Reads a task id; without `@` it has the task's default protocol.
///
/// # Errors
/// [`Error::UnknownTask`] and [`Error::UnknownProtocol`], with the nearest name there is.
pub fn parse(id: &str) -> Result<TaskId, Error> {
    let end_of_name = id.find([':', '@']).unwrap_or(id.len());
    let (name, rest) = id.split_at(end_of_name);
    let entry = find(name)?;
    let (variant, protocol) = split_protocol(entry, rest);
    let protocol = match protocol {
        None => entry.default_protocol.to_string(),
        Some(word) => (entry.canonical_protocol)(word).ok_or_else(|| Error::UnknownProtocol {
            task: name.to_string(),
            protocol: word.to_string(),
            did_you_mean: nearest(word, entry.protocols.iter().map(|protocol| protocol.name)).map(str::to_string),
            supported: entry.protocols.iter().map(|protocol| format!("`{}`", protocol.name)).collect(),
        })?,
    };
    Ok(TaskId { entry, name: name.to_string(), variant: variant.map(str::to_string), protocol })
}

/// The registry's line for a name.
///
/// # Errors
/// [`Error::UnknownTask`].
pub fn find(name: &str) -> Result<&'static Entry, Error> {
    let found = all().iter().find(|entry| entry.names().iter().any(|known| known == name));
    found.copied().ok_or_else(|| {
        let names = names();
        let did_you_mean = nearest(name, names.iter().map(String::as_str)).map(str::to_string);
        Error::UnknownTask { name: name.to_string(), did_you_mean }
    })
}

/// Splits `:variant@protocol`, either part of which may be missing. An `@` may belong to the name of a file: what
/// follows it is the protocol unless it holds a path separator, or is no protocol while a file of the whole name exists.
fn split_protocol<'a>(entry: &Entry, rest: &'a str) -> (Option<&'a str>, Option<&'a str>) {
    let Some(whole) = rest.strip_prefix(':') else {
        return (None, rest.strip_prefix('@'));
    };
    match whole.rsplit_once('@') {
        None => (Some(whole), None),
        Some((_, tail)) if tail.contains(['/', '\\']) => (Some(whole), None),
        Some((_, tail)) if (entry.canonical_protocol)(tail).is_none() && Path::new(whole).is_file() => {
            (Some(whole), None)
        }
        Some((variant, tail)) => (Some(variant), Some(tail)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_ids_carry_the_protocol_and_the_name_of_a_file() {
        for (typed, full) in [
            ("mmlu", "mmlu@qwen-chat"),
            ("mmlu@lm-eval", "mmlu@lm-eval"),
            ("mmlu_anatomy@lm-eval", "mmlu_anatomy@lm-eval"),
            ("truthfulqa_mc1", "truthfulqa_mc1@lm-eval"),
            ("perplexity:wikitext2", "perplexity:wikitext2@gptq-2048"),
            ("perplexity:some/where/text.txt@gptq-256", "perplexity:text.txt@gptq-256"),
            ("perplexity:a@b/text.txt", "perplexity:text.txt@gptq-2048"),
            ("perplexity:c4@llama.cpp-512", "perplexity:c4@llama.cpp-512"),
            ("perplexity:x.txt@lm-eval", "perplexity:x.txt@lm-eval"),
        ] {
            assert_eq!(parse(typed).unwrap().to_string(), full, "{typed}");
        }
    }

    #[test]
    fn a_file_name_may_hold_an_at_sign() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("me@home.txt");
        std::fs::write(&path, "text").unwrap();
        let id = parse(&format!("perplexity:{}", path.display())).unwrap();
        assert_eq!(id.to_string(), "perplexity:me@home.txt@gptq-2048");
        let id = parse(&format!("perplexity:{}@gptq-64", path.display())).unwrap();
        assert_eq!(id.to_string(), "perplexity:me@home.txt@gptq-64");
    }

    #[test]
    fn unknown_names_get_a_suggestion() {
        let error = parse("mmlu_anatomi@lm-eval").unwrap_err();
        assert!(
            matches!(&error, Error::UnknownTask { did_you_mean: Some(name), .. } if name == "mmlu_anatomy"),
            "{error}"
        );
        let error = parse("mmlu@lmeval").unwrap_err();
        assert!(
            matches!(&error, Error::UnknownProtocol { did_you_mean: Some(name), .. } if name == "lm-eval"),
            "{error}"
        );
        let error = parse("perplexity:x@gptq-0").unwrap_err();
        assert!(matches!(&error, Error::UnknownProtocol { .. }), "{error}");
        assert!(error.to_string().contains("`llama.cpp-<tokens>`"), "{error}");
    }
}
