//! What judges said: answers to the questions in the judge files of a run, given with `--judgements`.
//!
//! A file has a line an answer, as FollowBench's `llm_eval.py` writes it:
//! `{"prompt_new": "{question}", "choices": [{"message": {"content": "{answer}"}}]}`. An answer belongs to every document
//! whose question it repeats, of whatever task and recipe; of several to one question the first counts.

use super::sample::{hash_text, hexadecimal};
use crate::error::Error;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Answers of judges, by question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgements {
    /// By the SHA-256 of the question.
    answers: BTreeMap<String, String>,
    /// Name, SHA-256 and number of lines of each file.
    files: Vec<(String, String, usize)>,
}

#[derive(Deserialize)]
struct Line {
    prompt_new: String,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

impl Judgements {
    /// Reads files.
    ///
    /// # Errors
    /// [`Error::Output`] for a file that cannot be read, [`Error::Judgement`] for one that is not of this layout.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut judgements = Self::default();
        for path in paths {
            let bytes =
                std::fs::read(path).map_err(|source| Error::Output { action: "read", path: path.clone(), source })?;
            judgements.add(path, &bytes)?;
        }
        Ok(judgements)
    }

    fn add(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let wrong = |line: usize, problem: String| Error::Judgement { file: path.to_path_buf(), line, problem };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            wrong(1 + before.iter().filter(|&&byte| byte == b'\n').count(), "not UTF-8".into())
        })?;
        let mut count = 0;
        for (number, line) in text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let Line { prompt_new, choices } =
                serde_json::from_str(line).map_err(|error| wrong(number + 1, error.to_string()))?;
            let Some(choice) = choices.into_iter().next() else {
                return Err(wrong(number + 1, "`choices` is empty".into()));
            };
            self.answers.entry(hash_text(&prompt_new)).or_insert(choice.message.content);
            count += 1;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.files.push((name, hexadecimal(&Sha256::digest(bytes)), count));
        Ok(())
    }

    /// What was answered to a question.
    pub fn answer(&self, question: &str) -> Option<&str> {
        self.answers.get(&hash_text(question)).map(String::as_str)
    }

    /// The files, for results; `None` without any.
    pub fn describe(&self) -> Option<Value> {
        let file = |(name, sha256, lines): &(String, String, usize)| json!({"name": name, "sha256": sha256, "judgements": lines});
        (!self.files.is_empty()).then(|| self.files.iter().map(file).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(question: &str, answer: &str) -> String {
        json!({"prompt_new": question, "choices": [{"message": {"role": "assistant", "content": answer}}]}).to_string()
    }

    #[test]
    fn answers_belong_to_their_questions() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (directory.path().join("a.jsonl"), directory.path().join("b.jsonl"));
        std::fs::write(&a, format!("{}\n\n{}\n", line("q1", "['YES']"), line("q2", "['NO']"))).unwrap();
        std::fs::write(&b, line("q1", "later")).unwrap();
        let judgements = Judgements::read(&[a, b]).unwrap();
        assert_eq!((judgements.answer("q1"), judgements.answer("q2")), (Some("['YES']"), Some("['NO']")));
        assert_eq!(judgements.answer("q3"), None);
        let files = judgements.describe().unwrap();
        assert_eq!((&files[0]["name"], &files[0]["judgements"]), (&json!("a.jsonl"), &json!(2)));
        assert_eq!(Judgements::default().describe(), None);
    }

    #[test]
    fn a_damaged_file_is_named_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("answers.jsonl");
        let good = line("q", "a");
        for (content, expected) in [
            (format!("{good}\n{{\"prompt_new\": 1}}").into_bytes(), "answers.jsonl, line 2: invalid type"),
            (b"{\"prompt_new\": \"q\", \"choices\": []}".to_vec(), "line 1: `choices` is empty"),
            ([good.as_bytes(), b"\n\xff"].concat(), "line 2: not UTF-8"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = Judgements::read(std::slice::from_ref(&path)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Judgements::read(&[directory.path().join("none")]).is_err());
    }
}
