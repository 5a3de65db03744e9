//! LAMBADA: the last word of a passage, which only the whole passage gives away (Paperno et al. 2016).
//!
//! The passage without its last word is the context; the word, joined by a space, is scored. It is guessed right if each
//! of its tokens is the most probable one. Source: EleutherAI/lm-evaluation-harness, `lm_eval/tasks/lambada`.

use super::ask::{Asker, Question};
use super::card::{Entry, LM_EVAL, ONLY_LM_EVAL, Protocol, find_protocol};
use super::choices::{Joining, ScoredChoices};
use super::sample::{Comparison, IntervalRule, Item, MetricValue, PairedTest, Prepared, Sample};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::metric::{accuracy, perplexity};
use crate::request::Outcome;
use datasets::Dataset;
use datasets::lambada::{self, LAMBADA as DATASET, Passage, Text};
use serde_json::{Map, Value};

static DATASETS: &[&Dataset] = &[&DATASET];

const fn entry(name: &'static str, summary: &'static str, names: fn() -> Vec<String>) -> Entry {
    Entry {
        name,
        summary,
        datasets: DATASETS,
        split: "test",
        variants: &[],
        protocols: PROTOCOLS,
        default_protocol: LM_EVAL,
        default_reason: ONLY_LM_EVAL,
        metrics: &["acc", "perplexity"],
        example: "Anna had packed an umbrella. When it began to rain, she opened her",
        names,
        canonical_protocol: |word| find_protocol(PROTOCOLS, word),
        build,
    }
}

/// OpenAI's text of the passages.
pub static LAMBADA_OPENAI: Entry = entry(
    "lambada_openai",
    "language modelling: the last word of 5,153 passages, in ordinary spelling as OpenAI prepared them",
    || vec!["lambada_openai".into()],
);

/// The authors' text.
pub static LAMBADA_STANDARD: Entry = entry(
    "lambada_standard",
    "language modelling: the last word of 5,153 passages, lower-cased and tokenized as the authors published them",
    || vec!["lambada_standard".into()],
);

const PROTOCOLS: &[Protocol] = &[Protocol {
    name: LM_EVAL,
    summary: "zero-shot; acc: the last word is what greedy decoding gives; perplexity: exp of its mean loss a passage",
    source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/lambada",
}];

struct Lambada<'a> {
    frame: Frame,
    asker: Asker<'a>,
    passages: Vec<Passage>,
}

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    id.without_variant()?;
    let text = if id.name == "lambada_openai" { Text::Openai } else { Text::Standard };
    let loaded = lambada::read(inputs.roots, text)?;
    let asker = Asker::lm_eval(id, inputs)?;
    let (frame, passages) = Frame::new(id, inputs, 1.0, loaded.content, loaded.files);
    suite.add(Box::new(Lambada { frame, asker, passages })).map(|_| ())
}

impl Task for Lambada<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("output_type", "loglikelihood".into());
        set("doc_to_text", "{text before its last space}".into());
        set("doc_to_target", " {last word}".into());
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let passage = self.passages.get(document);
        let passage = passage.ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))?;
        let (text, word) = passage.context_and_word();
        let question = Question { description: "", examples: &[], text };
        // The space is part of the target, in the chat template too.
        self.asker.choices(&self.frame, document, &question, Joining::Together, vec![format!(" {word}")])
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let scored = ScoredChoices::read(self.frame.place(document), outcomes, 1)?;
        let sample = scored.log(Sample::of(item));
        let (log_likelihood, greedy) = match (scored.log_likelihoods.as_slice(), scored.greedy.as_slice()) {
            ([log_likelihood], [greedy]) => (*log_likelihood, *greedy),
            _ => return Err(self.frame.place(document).mismatch("one score was asked for")),
        };
        Ok(sample.with("loss", -log_likelihood).with("correct", greedy))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        let losses = self.frame.column(samples, "loss")?;
        Ok(vec![
            self.frame.mean(samples, "correct", &accuracy::ACC)?,
            MetricValue::of(&perplexity::PERPLEXITY, perplexity::from_window_losses(&losses)?),
        ])
    }

    fn interval_rule(&self, name: &str) -> IntervalRule {
        if name == perplexity::PERPLEXITY.key { IntervalRule::LogStandardError } else { IntervalRule::Documents }
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "correct", test: PairedTest::McNemar }
    }
}
