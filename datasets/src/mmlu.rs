//! MMLU: four-choice questions in 57 subjects.
//!
//! Official layout (hendrycks/test, `data.tar`): `{dev,test,val}/<subject>_{dev,test,val}.csv`, no header row, columns
//! question, A, B, C, D, answer letter; UTF-8, fields with commas, quotes or line breaks in double quotes. The five
//! `dev` rows of a subject are its few-shot examples, in file order.
//!
//! The Hugging Face copy (cais/mmlu) has columns `question`, `subject`, `choices`, `answer` (an index) in
//! `<subject>/{dev,validation,test}-00000-of-00001.parquet`.
//!
//! Files are pinned by the SHA-256 of their parsed rows, so that another quoting of the same rows is still official;
//! the digest of the bytes is recorded beside it.
//!
//! Scripts that read these files with pandas see the choice `None` as a missing value and print `nan` (10 test and 2
//! validation rows). Here, as in the Hugging Face copy, the text stays as it is.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::{Loaded, check_pin};
use crate::nearest::nearest;
use crate::rows::{self, wrong};
use crate::source::{Source, hex};
use crate::{DataRoots, Error, Result, pins};
use sha2::{Digest, Sha256};

/// Measuring Massive Multitask Language Understanding.
pub static MMLU: Dataset = Dataset {
    name: "mmlu",
    title: "Measuring Massive Multitask Language Understanding",
    description: "57 subjects of four-choice questions: 14,042 test, 1,531 validation, 285 development (5 a subject)",
    licence: "MIT",
    source: "data.tar of hendrycks/test on GitHub (the same rows as cais/mmlu on the Hugging Face hub)",
    paper: "Hendrycks et al., Measuring Massive Multitask Language Understanding, ICLR 2021",
    layout: &[
        "mmlu/{dev,test,val}/<subject>_{dev,test,val}.csv",
        "mmlu/data/{dev,test,val}/...",
        "mmlu/<subject>/{dev,test,validation}-00000-of-00001.parquet",
    ],
    examine: check,
};

/// A question with four choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipleChoice {
    /// the question, untrimmed: official questions may begin or end with spaces
    pub question: String,
    /// the texts of A, B, C, D
    pub choices: [String; 4],
    /// index of the right choice, 0 to 3
    pub answer: usize,
}

/// Which part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// few-shot examples, 5 a subject
    Dev,
    /// questions for choosing settings
    Validation,
    /// the questions that are scored
    Test,
}

impl Split {
    /// The word in the official file names.
    pub fn name(self) -> &'static str {
        match self {
            Split::Dev => "dev",
            Split::Validation => "val",
            Split::Test => "test",
        }
    }

    /// The word in the file names of the Hugging Face copy.
    fn hub_name(self) -> &'static str {
        match self {
            Split::Validation => "validation",
            _ => self.name(),
        }
    }
}

/// The four groups for which averages are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// physics, chemistry, biology, computer science, mathematics, engineering
    Stem,
    /// history, philosophy, law
    Humanities,
    /// politics, culture, economics, geography, psychology
    SocialSciences,
    /// business, health, miscellaneous
    Other,
}

impl Category {
    /// The name of the group as lm-evaluation-harness writes it.
    pub fn name(self) -> &'static str {
        match self {
            Category::Stem => "stem",
            Category::Humanities => "humanities",
            Category::SocialSciences => "social_sciences",
            Category::Other => "other",
        }
    }
}

/// A subject and the group it counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// the name in file names and task names
    pub name: &'static str,
    /// the group of the authors' `categories.py`
    pub category: Category,
}

impl Subject {
    /// The group in Qwen's evaluation scripts, which count anatomy as STEM and agree otherwise.
    ///
    /// Test questions a group become STEM 3,153, humanities 4,705, social sciences 3,077, other 3,107 (official: STEM
    /// 3,018, other 3,242).
    pub fn category_qwen(&self) -> Category {
        if self.name == "anatomy" { Category::Stem } else { self.category }
    }

    /// The name with spaces in place of underscores, as prompts have it.
    pub fn title(&self) -> String {
        self.name.replace('_', " ")
    }
}

use Category::{Humanities, Other, SocialSciences, Stem};

const fn subject(name: &'static str, category: Category) -> Subject {
    Subject { name, category }
}

/// The subjects in alphabetical order, which is the order of evaluation.
pub static SUBJECTS: [Subject; 57] = [
    subject("abstract_algebra", Stem),
    subject("anatomy", Other),
    subject("astronomy", Stem),
    subject("business_ethics", Other),
    subject("clinical_knowledge", Other),
    subject("college_biology", Stem),
    subject("college_chemistry", Stem),
    subject("college_computer_science", Stem),
    subject("college_mathematics", Stem),
    subject("college_medicine", Other),
    subject("college_physics", Stem),
    subject("computer_security", Stem),
    subject("conceptual_physics", Stem),
    subject("econometrics", SocialSciences),
    subject("electrical_engineering", Stem),
    subject("elementary_mathematics", Stem),
    subject("formal_logic", Humanities),
    subject("global_facts", Other),
    subject("high_school_biology", Stem),
    subject("high_school_chemistry", Stem),
    subject("high_school_computer_science", Stem),
    subject("high_school_european_history", Humanities),
    subject("high_school_geography", SocialSciences),
    subject("high_school_government_and_politics", SocialSciences),
    subject("high_school_macroeconomics", SocialSciences),
    subject("high_school_mathematics", Stem),
    subject("high_school_microeconomics", SocialSciences),
    subject("high_school_physics", Stem),
    subject("high_school_psychology", SocialSciences),
    subject("high_school_statistics", Stem),
    subject("high_school_us_history", Humanities),
    subject("high_school_world_history", Humanities),
    subject("human_aging", Other),
    subject("human_sexuality", SocialSciences),
    subject("international_law", Humanities),
    subject("jurisprudence", Humanities),
    subject("logical_fallacies", Humanities),
    subject("machine_learning", Stem),
    subject("management", Other),
    subject("marketing", Other),
    subject("medical_genetics", Other),
    subject("miscellaneous", Other),
    subject("moral_disputes", Humanities),
    subject("moral_scenarios", Humanities),
    subject("nutrition", Other),
    subject("philosophy", Humanities),
    subject("prehistory", Humanities),
    subject("professional_accounting", Other),
    subject("professional_law", Humanities),
    subject("professional_medicine", Other),
    subject("professional_psychology", SocialSciences),
    subject("public_relations", SocialSciences),
    subject("security_studies", SocialSciences),
    subject("sociology", SocialSciences),
    subject("us_foreign_policy", SocialSciences),
    subject("virology", Other),
    subject("world_religions", Humanities),
];

/// The subject called `name`, or [`Error::UnknownSubject`] with the nearest name.
pub fn find_subject(name: &str) -> Result<&'static Subject> {
    SUBJECTS.iter().find(|subject| subject.name == name).ok_or_else(|| Error::UnknownSubject {
        dataset: MMLU.name,
        what: "subject",
        name: name.to_owned(),
        did_you_mean: nearest(name, SUBJECTS.iter().map(|subject| subject.name)),
    })
}

/// Reads the questions of one subject.
///
/// Beneath each root it tries `mmlu/`, `mmlu/data/`, the root itself and `data/`. The order of rows is kept: the
/// document id of a question is its index.
///
/// # Errors
/// [`Error::UnknownSubject`], [`Error::Missing`], [`Error::Pin`], or, with the row, [`Error::Utf8`], [`Error::Empty`],
/// [`Error::Csv`], [`Error::Columns`], [`Error::Answer`]; for other layouts [`Error::Row`], [`Error::Item`].
pub fn read(roots: &DataRoots, subject: &str, split: Split) -> Result<Loaded<Vec<MultipleChoice>>> {
    let subject = find_subject(subject)?;
    let word = split.name();
    let files = [
        format!("{word}/{}_{word}.csv", subject.name),
        format!("{}/{}-00000-of-00001.parquet", subject.name, split.hub_name()),
    ];
    let name = format!("mmlu/{}", files[0]);
    let folders = ["mmlu/", "mmlu/data/", "", "data/"];
    let candidates =
        files.iter().flat_map(|file| folders.iter().map(move |folder| format!("{folder}{file}"))).collect();
    let path = roots.find(&MMLU, &name, candidates)?;
    let hub = path.extension().is_some_and(|ending| ending == "parquet");
    let source = Source::read(&path, if hub { format!("mmlu/{}", files[1]) } else { name })?;
    let questions = if hub { parse_hub(&source) } else { parse(&source) }?;

    let pin = pins::mmlu_rows(word, subject.name);
    let digest = digest_of_rows(&questions);
    let (status, edition) = check_pin(roots.pinning(), pin.as_slice(), &digest, "rows", &source.name, source.label())?;
    let file = source.identity(status, edition);
    Ok(Loaded { content: questions, files: vec![file] })
}

/// Parses a file in the official layout.
///
/// # Errors
/// [`Error::Utf8`], [`Error::Empty`], [`Error::Csv`], [`Error::Columns`], [`Error::Answer`], with the row.
pub(crate) fn parse(source: &Source) -> Result<Vec<MultipleChoice>> {
    let text = source.text("rows of question, A, B, C, D, answer")?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut questions = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let row = index + 1;
        let record = record.map_err(|error| Error::Csv { file: source.label(), row, message: error.to_string() })?;
        let line = record.position().map_or(0, |position| position.line());
        let fields: Vec<&str> = record.iter().collect();
        let [question, a, b, c, d, letter] = fields.as_slice() else {
            return Err(Error::Columns { file: source.label(), row, line, expected: 6, found: record.len() });
        };
        let answer = match *letter {
            "A" => 0,
            "B" => 1,
            "C" => 2,
            "D" => 3,
            other => {
                return Err(Error::Answer { file: source.label(), row, line, found: other.to_owned() });
            }
        };
        let choices = [a, b, c, d].map(|choice| (*choice).to_owned());
        questions.push(MultipleChoice { question: (*question).to_owned(), choices, answer });
    }
    if questions.is_empty() {
        return Err(Error::Empty { file: source.label(), expected: "rows of question, A, B, C, D, answer" });
    }
    Ok(questions)
}

/// Parses rows of the Hugging Face copy.
fn parse_hub(source: &Source) -> Result<Vec<MultipleChoice>> {
    #[derive(serde::Deserialize)]
    struct Row {
        question: String,
        choices: Vec<String>,
        #[serde(deserialize_with = "rows::integer")]
        answer: i64,
    }
    rows::parse(source, "rows of question, choices and answer", |row: Row| {
        let choices = match <[String; 4]>::try_from(row.choices) {
            Ok(choices) => choices,
            Err(choices) => return wrong("four choices", choices.len().to_string()),
        };
        match usize::try_from(row.answer) {
            Ok(answer) if answer < 4 => Ok(Some(MultipleChoice { question: row.question, choices, answer })),
            _ => wrong("an answer from 0 to 3", row.answer.to_string()),
        }
    })
}

/// SHA-256 over every field of every row in order: its length in bytes (u64, little-endian), then its bytes.
fn digest_of_rows(questions: &[MultipleChoice]) -> String {
    let mut hasher = Sha256::new();
    let mut field = |text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for question in questions {
        field(&question.question);
        for choice in &question.choices {
            field(choice);
        }
        field(["A", "B", "C", "D"][question.answer]);
    }
    hex(&hasher.finalize())
}

/// Every file of the benchmark.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let mut checks = Vec::new();
    for split in [Split::Dev, Split::Validation, Split::Test] {
        for subject in &SUBJECTS {
            let word = split.name();
            let name = format!("mmlu/{word}/{}_{word}.csv", subject.name);
            let outcome = read(roots, subject.name, split).map(|loaded| (loaded.content.len(), loaded.files));
            checks.push(file_check(name, outcome));
        }
    }
    checks
}
