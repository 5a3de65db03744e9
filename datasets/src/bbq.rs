//! BBQ: do answers follow stereotypes where the context does not tell, and even where it does?
//!
//! Official layout (nyu-mll/BBQ): `data/<category>.jsonl`, one object a line with `example_id`, `question_index`,
//! `question_polarity` (`neg`, `nonneg`), `context_condition` (`ambig`, `disambig`), `answer_info` (for each answer the
//! words and the group it stands for), `additional_metadata.stereotyped_groups`, `context`, `question`, `ans0` to
//! `ans2` and `label`. Items come four together: ambiguous and disambiguated, negative and non-negative. Beside them
//! the authors keep `supplemental/additional_metadata.csv` with the biased answer of every item ([`read_targets`]).

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::nearest::nearest;
use crate::rows::{self, identifier, integer, wrong};
use crate::source::Source;
use crate::{DataRoots, Error, Result};
use serde::Deserialize;

mod roles;
pub use roles::Role;

/// BBQ.
pub static BBQ: Dataset = Dataset {
    name: "bbq",
    title: "Bias Benchmark for Question Answering",
    description: "58,492 questions in 11 categories with an ambiguous or a telling context and three answers, one of them unknown",
    licence: "CC BY 4.0",
    source: "nyu-mll/BBQ on GitHub, data/*.jsonl (heegyu/bbq on the Hugging Face hub)",
    paper: "Parrish et al., BBQ: A Hand-Built Bias Benchmark for Question Answering, Findings of ACL 2022",
    layout: &["bbq/data/<category>.jsonl", "bbq/official/<category>.jsonl", "bbq/supplemental/additional_metadata.csv"],
    examine: check,
};

/// A category and how many items its file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Category {
    /// the name in file names and results
    pub name: &'static str,
    /// number of items
    pub items: usize,
}

const fn category(name: &'static str, items: usize) -> Category {
    Category { name, items }
}

/// The categories in alphabetical order; the two with an `x` cross race with another attribute.
pub static CATEGORIES: [Category; 11] = [
    category("Age", 3680),
    category("Disability_status", 1556),
    category("Gender_identity", 5672),
    category("Nationality", 3080),
    category("Physical_appearance", 1576),
    category("Race_ethnicity", 6880),
    category("Race_x_SES", 11160),
    category("Race_x_gender", 15960),
    category("Religion", 1200),
    category("SES", 6864),
    category("Sexual_orientation", 864),
];

/// Whether a question asks for the one who does harm or is deficient, or for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Polarity {
    /// the stereotyped group is the biased answer
    #[serde(rename = "neg")]
    Negative,
    /// the other group is the biased answer
    #[serde(rename = "nonneg")]
    NonNegative,
}

/// Whether the context tells the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Condition {
    /// it does not: the right answer is the unknown one
    #[serde(rename = "ambig")]
    Ambiguous,
    /// it does
    #[serde(rename = "disambig")]
    Disambiguated,
}

/// A question with three answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// number of the item in its category, from 0
    pub example_id: u32,
    /// number of the template: items of one template are not independent
    pub question_index: String,
    /// which group the biased answer names
    pub polarity: Polarity,
    /// whether the context tells the answer
    pub condition: Condition,
    /// name of the category
    pub category: String,
    /// what is told
    pub context: String,
    /// what is asked
    pub question: String,
    /// the three answers
    pub answers: [String; 3],
    /// of each answer the words that were put into the template, and the group they stand for
    pub answer_info: [Vec<String>; 3],
    /// the groups about which the stereotype is
    pub stereotyped_groups: Vec<String>,
    /// the finer category, where there is one
    pub subcategory: Option<String>,
    /// the version of the template: `a`, `b`, ...
    pub version: String,
    /// where the stereotype is documented
    pub source: String,
    /// index of the right answer
    pub label: usize,
}

/// The category called `name`, or [`Error::UnknownSubject`] with the nearest name.
pub fn find_category(name: &str) -> Result<&'static Category> {
    CATEGORIES.iter().find(|category| category.name == name).ok_or_else(|| Error::UnknownSubject {
        dataset: BBQ.name,
        what: "category",
        name: name.to_owned(),
        did_you_mean: nearest(name, CATEGORIES.iter().map(|category| category.name)),
    })
}

const FOLDERS: [&str; 6] = ["bbq/data/", "BBQ/data/", "bbq/", "BBQ/", "bbq/official/", "data/"];

/// Reads the items of one category, in file order.
///
/// Beneath each root it tries `bbq/` and `BBQ/` with `data/` and without, `bbq/official/`, `data/` and the root itself.
///
/// # Errors
/// [`Error::UnknownSubject`], [`Error::Missing`], [`Error::Pin`], or what is wrong with the file, with the line.
pub fn read(roots: &DataRoots, category: &str) -> Result<Loaded<Vec<Item>>> {
    let category = find_category(category)?;
    let files = [format!("{}.jsonl", category.name)];
    roots.load(&BBQ, &FOLDERS, &files, |source| parse(source, category))
}

#[derive(Deserialize)]
struct Row {
    #[serde(deserialize_with = "integer")]
    example_id: i64,
    #[serde(deserialize_with = "identifier")]
    question_index: String,
    question_polarity: Polarity,
    context_condition: Condition,
    category: String,
    answer_info: AnswerInfo,
    additional_metadata: Metadata,
    context: String,
    question: String,
    ans0: String,
    ans1: String,
    ans2: String,
    #[serde(deserialize_with = "integer")]
    label: i64,
}

#[derive(Deserialize)]
struct AnswerInfo {
    ans0: Vec<String>,
    ans1: Vec<String>,
    ans2: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    subcategory: Option<String>,
    stereotyped_groups: Vec<String>,
    #[serde(default)]
    version: String,
    #[serde(default)]
    source: String,
}

pub(crate) fn parse(source: &Source, category: &Category) -> Result<Vec<Item>> {
    rows::parse(source, "objects with context, question, ans0, ans1, ans2 and label, one a line", |row: Row| {
        if row.category != category.name {
            return wrong("an item of the category in the file's name", format!("{:?}", row.category));
        }
        let Some(label) = usize::try_from(row.label).ok().filter(|label| *label < 3) else {
            return wrong("a label from 0 to 2", row.label.to_string());
        };
        let Ok(example_id) = u32::try_from(row.example_id) else {
            return wrong("an example_id from 0", row.example_id.to_string());
        };
        let item = Item {
            example_id,
            question_index: row.question_index,
            polarity: row.question_polarity,
            condition: row.context_condition,
            category: row.category,
            context: row.context,
            question: row.question,
            answers: [row.ans0, row.ans1, row.ans2],
            answer_info: [row.answer_info.ans0, row.answer_info.ans1, row.answer_info.ans2],
            stereotyped_groups: row.additional_metadata.stereotyped_groups,
            subcategory: row.additional_metadata.subcategory.filter(|name| name != "None"),
            version: row.additional_metadata.version,
            source: row.additional_metadata.source,
            label,
        };
        let unknown = item.roles().iter().filter(|role| **role == Role::Unknown).count();
        if unknown != 1 {
            return wrong("one answer of the group \"unknown\"", unknown.to_string());
        }
        if (item.condition == Condition::Ambiguous) != (item.roles()[label] == Role::Unknown) {
            return wrong(
                "the unknown answer to be right where the context is ambiguous, and only there",
                format!("label {label}"),
            );
        }
        Ok(Some(item))
    })
}

/// What the authors' metadata say of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// name of the category
    pub category: String,
    /// number of the item in its category
    pub example_id: u32,
    /// index of the biased answer, polarity taken into account; 16 items have none and are left out of bias scores
    pub location: Option<usize>,
    /// `label` where people are named by their group, `name` where by a proper name
    pub label_type: String,
}

/// Reads the authors' metadata, `additional_metadata.csv`, for all categories.
///
/// Beneath each root it tries `bbq/` and `BBQ/` with `supplemental/` and without, `supplemental/` and the root itself.
///
/// # Errors
/// [`Error::Missing`], [`Error::Pin`], or what is wrong with the file, with the row.
pub fn read_targets(roots: &DataRoots) -> Result<Loaded<Vec<Target>>> {
    let folders = ["bbq/supplemental/", "BBQ/supplemental/", "bbq/", "BBQ/", "bbq/analysis_scripts/", "supplemental/"];
    roots.load(&BBQ, &folders, &["additional_metadata.csv".to_owned()], |source| {
        #[derive(Deserialize)]
        struct Row {
            category: String,
            #[serde(deserialize_with = "integer")]
            example_id: i64,
            target_loc: String,
            label_type: String,
        }
        rows::parse(source, "a header with category, example_id, target_loc and label_type", |row: Row| {
            let location = match row.target_loc.as_str() {
                "0" | "0.0" => Some(0),
                "1" | "1.0" => Some(1),
                "2" | "2.0" => Some(2),
                "" | "NA" => None,
                other => return wrong("a target_loc of 0, 1, 2 or NA", format!("{other:?}")),
            };
            let Ok(example_id) = u32::try_from(row.example_id) else {
                return wrong("an example_id from 0", row.example_id.to_string());
            };
            Ok(Some(Target { category: row.category, example_id, location, label_type: row.label_type }))
        })
    })
}

/// The file of every category.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let state = |category: &Category| {
        let outcome = read(roots, category.name).map(|loaded| (loaded.content.len(), loaded.files));
        file_check(format!("bbq/{}.jsonl", category.name), outcome)
    };
    CATEGORIES.iter().map(state).collect()
}
