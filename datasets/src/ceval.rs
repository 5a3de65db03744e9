//! C-Eval: Chinese four-choice questions in 52 subjects.
//!
//! Official layout (hkust-nlp/ceval, `ceval-exam.zip`): `{dev,val,test}/<subject>_{dev,val,test}.csv` with the header
//! `id,question,A,B,C,D,answer`; `dev` has a column `explanation` as well, `test` no answers: they were never
//! released, and results are reported on `val`. The Hugging Face copy (ceval/ceval-exam) keeps the same columns in
//! `<subject>/{dev,val,test}-00000-of-00001.parquet`.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::nearest::nearest;
use crate::rows::{self, identifier, wrong};
use crate::source::Source;
use crate::{DataRoots, Error, Result};
use serde::Deserialize;

/// C-Eval.
pub static CEVAL: Dataset = Dataset {
    name: "ceval",
    title: "C-Eval, a multi-level multi-discipline Chinese evaluation suite",
    description: "52 subjects of Chinese four-choice questions: 1,346 validation, 260 development (5 a subject, explained), 12,342 test without answers",
    licence: "CC BY-NC-SA 4.0 (no commercial use)",
    source: "ceval-exam.zip of ceval/ceval-exam on the Hugging Face hub (hkust-nlp/ceval on GitHub)",
    paper: "Huang et al., C-Eval: A Multi-Level Multi-Discipline Chinese Evaluation Suite for Foundation Models, NeurIPS 2023",
    layout: &[
        "ceval/{dev,val,test}/<subject>_{dev,val,test}.csv",
        "ceval/<subject>/{dev,val,test}-00000-of-00001.parquet",
    ],
    examine: check,
};

/// A question with four choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// number in its file, from 0
    pub id: u32,
    /// the question, untrimmed
    pub question: String,
    /// the texts of A, B, C, D
    pub choices: [String; 4],
    /// index of the right choice, 0 to 3
    pub answer: usize,
    /// the worked solution, which the development questions have
    pub explanation: Option<String>,
}

/// A question whose answer was not released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// number in its file, from 0
    pub id: u32,
    /// the question, untrimmed
    pub question: String,
    /// the texts of A, B, C, D
    pub choices: [String; 4],
}

/// A part of the benchmark that has answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// few-shot examples, 5 a subject, with explanations
    Dev,
    /// the questions that are scored
    Validation,
}

impl Split {
    /// The word in the official file names.
    pub fn name(self) -> &'static str {
        match self {
            Split::Dev => "dev",
            Split::Validation => "val",
        }
    }
}

/// The four groups for which averages are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// mathematics, natural sciences, engineering, computer science
    Stem,
    /// politics, geography, economics, education
    SocialSciences,
    /// history, literature, law, art
    Humanities,
    /// medicine, agriculture, professional examinations
    Other,
}

impl Category {
    /// The name of the group in the authors' tables.
    pub fn name(self) -> &'static str {
        match self {
            Category::Stem => "STEM",
            Category::SocialSciences => "Social Science",
            Category::Humanities => "Humanities",
            Category::Other => "Other",
        }
    }
}

/// A subject and the group it counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// the name in file names and task names
    pub name: &'static str,
    /// the English title
    pub title: &'static str,
    /// the Chinese title, as prompts have it
    pub chinese: &'static str,
    /// the group of the authors' `subject_mapping.json`
    pub category: Category,
}

impl Subject {
    /// Whether the subject belongs to C-Eval Hard, eight subjects that need reasoning with formulas.
    pub fn is_hard(&self) -> bool {
        HARD.contains(&self.name)
    }
}

/// The subjects of C-Eval Hard.
pub static HARD: [&str; 8] = [
    "advanced_mathematics",
    "college_chemistry",
    "college_physics",
    "discrete_mathematics",
    "high_school_chemistry",
    "high_school_mathematics",
    "high_school_physics",
    "probability_and_statistics",
];

use Category::{Humanities, Other, SocialSciences, Stem};

const fn subject(name: &'static str, title: &'static str, chinese: &'static str, category: Category) -> Subject {
    Subject { name, title, chinese, category }
}

/// The subjects in alphabetical order, which is the order of evaluation.
pub static SUBJECTS: [Subject; 52] = [
    subject("accountant", "Accountant", "注册会计师", Other),
    subject("advanced_mathematics", "Advanced Mathematics", "高等数学", Stem),
    subject("art_studies", "Art Studies", "艺术学", Humanities),
    subject("basic_medicine", "Basic Medicine", "基础医学", Other),
    subject("business_administration", "Business Administration", "工商管理", SocialSciences),
    subject("chinese_language_and_literature", "Chinese Language and Literature", "中国语言文学", Humanities),
    subject("civil_servant", "Civil Servant", "公务员", Other),
    subject("clinical_medicine", "Clinical Medicine", "临床医学", Other),
    subject("college_chemistry", "College Chemistry", "大学化学", Stem),
    subject("college_economics", "College Economics", "大学经济学", SocialSciences),
    subject("college_physics", "College Physics", "大学物理", Stem),
    subject("college_programming", "College Programming", "大学编程", Stem),
    subject("computer_architecture", "Computer Architecture", "计算机组成", Stem),
    subject("computer_network", "Computer Network", "计算机网络", Stem),
    subject("discrete_mathematics", "Discrete Mathematics", "离散数学", Stem),
    subject("education_science", "Education Science", "教育学", SocialSciences),
    subject("electrical_engineer", "Electrical Engineer", "注册电气工程师", Stem),
    subject(
        "environmental_impact_assessment_engineer",
        "Environmental Impact Assessment Engineer",
        "环境影响评价工程师",
        Other,
    ),
    subject("fire_engineer", "Fire Engineer", "注册消防工程师", Other),
    subject("high_school_biology", "High School Biology", "高中生物", Stem),
    subject("high_school_chemistry", "High School Chemistry", "高中化学", Stem),
    subject("high_school_chinese", "High School Chinese", "高中语文", Humanities),
    subject("high_school_geography", "High School Geography", "高中地理", SocialSciences),
    subject("high_school_history", "High School History", "高中历史", Humanities),
    subject("high_school_mathematics", "High School Mathematics", "高中数学", Stem),
    subject("high_school_physics", "High School Physics", "高中物理", Stem),
    subject("high_school_politics", "High School Politics", "高中政治", SocialSciences),
    subject(
        "ideological_and_moral_cultivation",
        "Ideological and Moral Cultivation",
        "思想道德修养与法律基础",
        Humanities,
    ),
    subject("law", "Law", "法学", Humanities),
    subject("legal_professional", "Legal Professional", "法律职业资格", Humanities),
    subject("logic", "Logic", "逻辑学", Humanities),
    subject("mao_zedong_thought", "Mao Zedong Thought", "毛泽东思想和中国特色社会主义理论体系概论", SocialSciences),
    subject("marxism", "Marxism", "马克思主义基本原理", SocialSciences),
    subject("metrology_engineer", "Metrology Engineer", "注册计量师", Stem),
    subject("middle_school_biology", "Middle School Biology", "初中生物", Stem),
    subject("middle_school_chemistry", "Middle School Chemistry", "初中化学", Stem),
    subject("middle_school_geography", "Middle School Geography", "初中地理", SocialSciences),
    subject("middle_school_history", "Middle School History", "初中历史", Humanities),
    subject("middle_school_mathematics", "Middle School Mathematics", "初中数学", Stem),
    subject("middle_school_physics", "Middle School Physics", "初中物理", Stem),
    subject("middle_school_politics", "Middle School Politics", "初中政治", SocialSciences),
    subject("modern_chinese_history", "Modern Chinese History", "近代史纲要", Humanities),
    subject("operating_system", "Operating System", "操作系统", Stem),
    subject("physician", "Physician", "医师资格", Other),
    subject("plant_protection", "Plant Protection", "植物保护", Other),
    subject("probability_and_statistics", "Probability and Statistics", "概率统计", Stem),
    subject("professional_tour_guide", "Professional Tour Guide", "导游资格", Humanities),
    subject("sports_science", "Sports Science", "体育学", Other),
    subject("tax_accountant", "Tax Accountant", "税务师", Other),
    subject("teacher_qualification", "Teacher Qualification", "教师资格", SocialSciences),
    subject("urban_and_rural_planner", "Urban and Rural Planner", "注册城乡规划师", Other),
    subject("veterinary_medicine", "Veterinary Medicine", "兽医学", Stem),
];

/// The subject called `name`, or [`Error::UnknownSubject`] with the nearest name.
pub fn find_subject(name: &str) -> Result<&'static Subject> {
    SUBJECTS.iter().find(|subject| subject.name == name).ok_or_else(|| Error::UnknownSubject {
        dataset: CEVAL.name,
        what: "subject",
        name: name.to_owned(),
        did_you_mean: nearest(name, SUBJECTS.iter().map(|subject| subject.name)),
    })
}

/// Reads the questions of one subject, in file order.
///
/// # Errors
/// [`Error::UnknownSubject`], [`Error::Missing`], [`Error::Pin`], or what is wrong with the file, with the row.
pub fn read(roots: &DataRoots, subject: &str, split: Split) -> Result<Loaded<Vec<Question>>> {
    load(roots, subject, split.name(), |source| parse(source, split))
}

/// Parses a file in the official layout.
pub(crate) fn parse(source: &Source, split: Split) -> Result<Vec<Question>> {
    rows::parse(source, EXPECTED, |row: Row| {
        let Some(answer) = ["A", "B", "C", "D"].iter().position(|letter| *letter == row.answer) else {
            return wrong("the answer as one of A, B, C, D", format!("{:?}", row.answer));
        };
        if split == Split::Dev && row.explanation.is_empty() {
            return wrong("an explanation, as every development question has one", "none");
        }
        let explanation = Some(row.explanation).filter(|text| !text.is_empty());
        let id = number(&row.id)?;
        Ok(Some(Question { id, question: row.question, choices: [row.a, row.b, row.c, row.d], answer, explanation }))
    })
}

/// Reads the test questions of one subject, which have no answers.
///
/// # Errors
/// [`Error::UnknownSubject`], [`Error::Missing`], [`Error::Pin`], or what is wrong with the file, with the row.
pub fn read_test(roots: &DataRoots, subject: &str) -> Result<Loaded<Vec<Unanswered>>> {
    load(roots, subject, "test", |source| {
        rows::parse(source, EXPECTED, |row: Row| {
            let id = number(&row.id)?;
            Ok(Some(Unanswered { id, question: row.question, choices: [row.a, row.b, row.c, row.d] }))
        })
    })
}

const EXPECTED: &str = "a header id,question,A,B,C,D,answer and rows under it";

#[derive(Deserialize)]
struct Row {
    #[serde(deserialize_with = "identifier")]
    id: String,
    question: String,
    #[serde(rename = "A")]
    a: String,
    #[serde(rename = "B")]
    b: String,
    #[serde(rename = "C")]
    c: String,
    #[serde(rename = "D")]
    d: String,
    #[serde(default)]
    answer: String,
    #[serde(default)]
    explanation: String,
}

fn number(id: &str) -> std::result::Result<u32, rows::Wrong> {
    id.parse().or_else(|_| wrong("a number as id", format!("{id:?}")))
}

/// Beneath each root it tries `ceval/`, `ceval-exam/`, `ceval/ceval-exam/` and the root itself.
fn load<T>(
    roots: &DataRoots,
    subject: &str,
    split: &str,
    parse: impl FnOnce(&Source) -> Result<Vec<T>>,
) -> Result<Loaded<Vec<T>>> {
    let subject = find_subject(subject)?.name;
    let files = [format!("{split}/{subject}_{split}.csv"), format!("{subject}/{split}-00000-of-00001.parquet")];
    roots.load(&CEVAL, &["ceval/", "ceval-exam/", "ceval/ceval-exam/"], &files, parse)
}

/// The files of every subject; those of the test split only where they are.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let mut checks = Vec::new();
    for split in [Split::Dev, Split::Validation] {
        for subject in &SUBJECTS {
            let name = format!("ceval/{0}/{1}_{0}.csv", split.name(), subject.name);
            let outcome = read(roots, subject.name, split).map(|loaded| (loaded.content.len(), loaded.files));
            checks.push(file_check(name, outcome));
        }
    }
    for subject in &SUBJECTS {
        let outcome = read_test(roots, subject.name).map(|loaded| (loaded.content.len(), loaded.files));
        if !matches!(outcome, Err(Error::Missing { .. })) {
            checks.push(file_check(format!("ceval/test/{}_test.csv", subject.name), outcome));
        }
    }
    checks
}
