//! IFEval: instructions that a program can check.
//!
//! Official layout (google-research/instruction_following_eval): `data/input_data.jsonl`, objects `{"key", "prompt",
//! "instruction_id_list", "kwargs"}`, one object of settings an instruction. The Hugging Face copy (google/IFEval,
//! `ifeval_input_data.jsonl`) is the same; its parquet form names every setting in every object and leaves those that
//! do not apply null, which are dropped here.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::{self, hub, wrong};
use crate::source::Source;
use crate::{DataRoots, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// IFEval.
pub static IFEVAL: Dataset = Dataset {
    name: "ifeval",
    title: "Instruction-Following Evaluation",
    description: "541 prompts with 834 instructions of 25 kinds that a program can check",
    licence: "Apache-2.0",
    source: "google-research/google-research on GitHub, instruction_following_eval/data/input_data.jsonl (google/IFEval on the Hugging Face hub)",
    paper: "Zhou et al., Instruction-Following Evaluation for Large Language Models, 2023",
    layout: &["ifeval/input_data.jsonl", "ifeval/ifeval_input_data.jsonl"],
    examine: check,
};

/// A prompt and what its answer must keep to.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// number of the prompt in the official file
    pub key: i64,
    /// the whole text for the model
    pub prompt: String,
    /// what is asked for, in file order
    pub instructions: Vec<Instruction>,
}

/// One thing that a program can check.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// its kind: `length_constraints:number_words`
    pub id: String,
    /// settings by name, without nulls: `{"relation": "at least", "num_words": 300}`
    pub settings: Map<String, Value>,
}

/// The 25 kinds of instructions.
pub static KINDS: [&str; 25] = [
    "change_case:capital_word_frequency",
    "change_case:english_capital",
    "change_case:english_lowercase",
    "combination:repeat_prompt",
    "combination:two_responses",
    "detectable_content:number_placeholders",
    "detectable_content:postscript",
    "detectable_format:constrained_response",
    "detectable_format:json_format",
    "detectable_format:multiple_sections",
    "detectable_format:number_bullet_lists",
    "detectable_format:number_highlighted_sections",
    "detectable_format:title",
    "keywords:existence",
    "keywords:forbidden_words",
    "keywords:frequency",
    "keywords:letter_frequency",
    "language:response_language",
    "length_constraints:nth_paragraph_first_word",
    "length_constraints:number_paragraphs",
    "length_constraints:number_sentences",
    "length_constraints:number_words",
    "punctuation:no_comma",
    "startend:end_checker",
    "startend:quotation",
];

/// Reads the prompts, in file order.
///
/// Beneath each root it tries `ifeval/`, `instruction_following_eval/data/`, `IFEval/` and the root itself.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file:
/// [`Item`](crate::Error::Item) for an instruction of an unknown kind, or without settings.
pub fn read(roots: &DataRoots) -> Result<Loaded<Vec<Prompt>>> {
    let mut files = ["input_data.jsonl", "ifeval_input_data.jsonl"].map(str::to_owned).to_vec();
    files.extend(hub("default", "train").into_iter().filter(|file| file.ends_with("-of-00001.parquet")));
    roots.load(&IFEVAL, &["ifeval/", "instruction_following_eval/data/", "IFEval/"], &files, parse)
}

fn parse(source: &Source) -> Result<Vec<Prompt>> {
    #[derive(Deserialize)]
    struct Row {
        key: i64,
        prompt: String,
        instruction_id_list: Vec<String>,
        kwargs: Vec<Map<String, Value>>,
    }
    rows::parse(source, "objects with key, prompt, instruction_id_list and kwargs, one a line", |row: Row| {
        if row.instruction_id_list.is_empty() || row.kwargs.len() != row.instruction_id_list.len() {
            let found = format!("{} instructions, {} objects", row.instruction_id_list.len(), row.kwargs.len());
            return wrong("instructions and one object of settings for each", found);
        }
        let mut instructions = Vec::with_capacity(row.kwargs.len());
        for (id, mut settings) in row.instruction_id_list.into_iter().zip(row.kwargs) {
            if !KINDS.contains(&id.as_str()) {
                return wrong("one of the 25 kinds of instructions", format!("{id:?}"));
            }
            settings.retain(|_, value| !value.is_null());
            instructions.push(Instruction { id, settings });
        }
        Ok(Some(Prompt { key: row.key, prompt: row.prompt, instructions }))
    })
}

fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let outcome = read(roots).map(|loaded| (loaded.content.len(), loaded.files));
    vec![file_check("ifeval/input_data.jsonl".to_owned(), outcome)]
}
