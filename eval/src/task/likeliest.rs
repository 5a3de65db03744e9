//! Multiple choice by log-likelihood, as lm-evaluation-harness's `output_type: multiple_choice`: the answer is the
//! likeliest continuation of the question.
//!
//! A benchmark of this kind is its words: a description, worked examples, a text up to where the answer belongs, and the
//! choices.

use super::ask::{Asker, Example, Question};
use super::choices::{Joining, ScoredChoices};
use super::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::metric::{self, accuracy};
use crate::request::Outcome;
use datasets::Loaded;
use serde_json::{Map, Value};

/// What there is to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choices {
    /// The same for every question.
    Fixed(&'static [&'static str]),
    /// Each question's own.
    Own,
}

/// Which scores are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {
    /// `acc`.
    Acc,
    /// `acc` and `acc_norm`, by character.
    AccAndNorm,
}

/// How a benchmark asks.
#[derive(Clone, Debug)]
pub struct Wording {
    /// What comes first, with the line breaks after it; may be empty.
    pub description: String,
    /// Worked examples, their answers with what joins them.
    pub examples: Vec<Example>,
    /// Where these are from, for results; `None` where there are never any.
    pub fewshot_sampler: Option<&'static str>,
    /// The text of a question as a pattern, for results.
    pub doc_to_text: &'static str,
    /// What joins an answer to its question.
    pub delimiter: &'static str,
    /// How answers are encoded.
    pub joining: Joining,
    /// What there is to choose from.
    pub choices: Choices,
    /// Which scores are reported.
    pub scores: Scores,
}

/// How a benchmark asks that has neither description nor worked examples.
#[derive(Clone, Copy, Debug)]
pub struct ZeroShot {
    /// Version of prompts and scoring.
    pub version: f64,
    /// The text of a question as a pattern, for results.
    pub doc_to_text: &'static str,
    /// What there is to choose from.
    pub choices: Choices,
    /// Which scores are reported.
    pub scores: Scores,
}

/// A question with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceQuestion {
    /// Up to where the answer belongs.
    pub text: String,
    /// Its own choices; empty where they are the same for every question.
    pub choices: Vec<String>,
    /// Index of the right one.
    pub answer: usize,
}

/// A benchmark whose answer is the likeliest choice.
pub struct LikeliestChoice<'a> {
    /// Its name, its documents.
    pub frame: Frame,
    /// Plain or in the chat template.
    pub asker: Asker<'a>,
    /// How it asks.
    pub wording: Wording,
    /// Its documents.
    pub questions: Vec<ChoiceQuestion>,
}

/// Adds a benchmark that is asked without description and worked examples; `question` makes its documents.
///
/// # Errors
/// A chat template that is asked for and missing.
pub fn add_zero_shot<'a, D>(
    id: &TaskId,
    inputs: &Inputs<'a>,
    suite: &mut Suite<'a>,
    words: ZeroShot,
    loaded: Loaded<Vec<D>>,
    question: impl Fn(D) -> ChoiceQuestion,
) -> Result<(), Error> {
    let asker = Asker::lm_eval(id, inputs)?;
    let (frame, documents) = Frame::new(id, inputs, words.version, loaded.content, loaded.files);
    let wording = Wording {
        description: String::new(),
        examples: Vec::new(),
        fewshot_sampler: None,
        doc_to_text: words.doc_to_text,
        delimiter: asker.delimiter(),
        joining: Joining::Together,
        choices: words.choices,
        scores: words.scores,
    };
    let questions = documents.into_iter().map(question).collect();
    suite.add(Box::new(LikeliestChoice { frame, asker, wording, questions })).map(|_| ())
}

impl LikeliestChoice<'_> {
    fn question(&self, document: usize) -> Result<&ChoiceQuestion, Error> {
        let question = self.questions.get(document);
        question.ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))
    }

    /// The choices of a question.
    fn choices<'q>(&self, question: &'q ChoiceQuestion) -> Vec<&'q str> {
        match self.wording.choices {
            Choices::Fixed(choices) => choices.to_vec(),
            Choices::Own => question.choices.iter().map(String::as_str).collect(),
        }
    }

    /// A choice in the log: its text where all questions share it, else its number from 0.
    fn named(&self, choice: usize) -> Value {
        match self.wording.choices {
            Choices::Fixed(choices) => choices.get(choice).copied().into(),
            Choices::Own => choice.into(),
        }
    }
}

impl Task for LikeliestChoice<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("output_type", "multiple_choice".into());
        if !self.wording.description.is_empty() {
            set("description", self.wording.description.as_str().into());
        }
        set("doc_to_text", self.wording.doc_to_text.into());
        set(
            "doc_to_choice",
            match self.wording.choices {
                Choices::Fixed(choices) => choices.to_vec().into(),
                Choices::Own => "{choices}".into(),
            },
        );
        set("target_delimiter", self.wording.delimiter.into());
        if self.wording.joining == Joining::Apart {
            set("answers", "encoded apart, appended".into());
        }
        if let Some(sampler) = self.wording.fewshot_sampler {
            set("fewshot_delimiter", "\n\n".into());
            set("fewshot_sampler", sampler.into());
        }
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let question = self.question(document)?;
        let delimiter = self.wording.delimiter;
        let continuations = self.choices(question).iter().map(|choice| format!("{delimiter}{choice}")).collect();
        let asked =
            Question { description: &self.wording.description, examples: &self.wording.examples, text: &question.text };
        self.asker.choices(&self.frame, document, &asked, self.wording.joining, continuations)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let question = self.question(document)?;
        let choices = self.choices(question);
        let scored = ScoredChoices::read(self.frame.place(document), outcomes, choices.len())?;
        let chosen = metric::first_largest(&scored.log_likelihoods)?;
        let sample = scored
            .log(Sample::of(item))
            .with("answer", self.named(question.answer))
            .with("extracted", self.named(chosen))
            .with("correct", chosen == question.answer);
        Ok(match self.wording.scores {
            Scores::Acc => sample,
            Scores::AccAndNorm => {
                let by_length = accuracy::by_character(&scored.of_texts(&choices))?;
                sample.with("extracted_norm", self.named(by_length)).with("correct_norm", by_length == question.answer)
            }
        })
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        let acc = self.frame.mean(samples, "correct", &accuracy::ACC)?;
        Ok(match self.wording.scores {
            Scores::Acc => vec![acc],
            Scores::AccAndNorm => vec![acc, self.frame.mean(samples, "correct_norm", &accuracy::ACC_NORM)?],
        })
    }

    fn metric_names(&self) -> &'static [&'static str] {
        match self.wording.scores {
            Scores::Acc => &["acc"],
            Scores::AccAndNorm => &["acc", "acc_norm"],
        }
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "correct", test: PairedTest::McNemar }
    }
}
