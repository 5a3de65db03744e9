//! WinoGrande: whom does a sentence with a blank mean (Sakaguchi et al. 2020)?
//!
//! Partial scoring: the sentence up to the blank with one of two names in it is the context, and what follows the blank,
//! joined by a space, is scored after each; the name after which it is likelier is the answer. Source:
//! EleutherAI/lm-evaluation-harness, `lm_eval/tasks/winogrande`.

use super::ask::{Asker, Question};
use super::card::{Entry, LM_EVAL, ONLY_LM_EVAL, Protocol, find_protocol};
use super::choices::ScoredChoices;
use super::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::metric::{self, accuracy};
use crate::python;
use crate::request::Outcome;
use datasets::winogrande::{self, Split, WINOGRANDE as DATASET};
use serde_json::{Map, Value};

/// WinoGrande.
pub static WINOGRANDE: Entry = Entry {
    name: "winogrande",
    summary: "common sense: which of two names fills the blank of a sentence?",
    datasets: &[&DATASET],
    split: "validation",
    variants: &[],
    protocols: PROTOCOLS,
    default_protocol: LM_EVAL,
    default_reason: ONLY_LM_EVAL,
    metrics: &["acc"],
    example: "The key did not fit into the lock because the key",
    names: || vec!["winogrande".into()],
    canonical_protocol: |word| find_protocol(PROTOCOLS, word),
    build,
};

const PROTOCOLS: &[Protocol] = &[Protocol {
    name: LM_EVAL,
    summary: "zero-shot, partial scoring: the likelihood of what follows the blank, after each of the two names",
    source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/winogrande",
}];

struct WinoGrande<'a> {
    frame: Frame,
    asker: Asker<'a>,
    items: Vec<winogrande::Item>,
}

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    id.without_variant()?;
    let loaded = winogrande::read(inputs.roots, Split::Validation)?;
    let asker = Asker::lm_eval(id, inputs)?;
    let (frame, items) = Frame::new(id, inputs, 1.0, loaded.content, loaded.files);
    suite.add(Box::new(WinoGrande { frame, asker, items })).map(|_| ())
}

impl WinoGrande<'_> {
    fn item(&self, document: usize) -> Result<&winogrande::Item, Error> {
        let item = self.items.get(document);
        item.ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))
    }
}

impl Task for WinoGrande<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("output_type", "multiple_choice".into());
        set("doc_to_text", "{sentence before the blank}{option}, once for each option".into());
        set("doc_to_target", "{sentence after the blank, stripped}".into());
        set("target_delimiter", self.asker.delimiter().into());
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let item = self.item(document)?;
        let (before, after) = item.around_blank();
        let contexts = item.options.each_ref().map(|option| format!("{before}{option}"));
        let questions = contexts.each_ref().map(|text| Question { description: "", examples: &[], text });
        let rest = format!("{}{}", self.asker.delimiter(), python::strip(after));
        self.asker.after_each(&self.frame, document, &questions, &rest)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let answer = self.item(document)?.answer;
        let scored = ScoredChoices::read(self.frame.place(document), outcomes, 2)?;
        let chosen = metric::first_largest(&scored.log_likelihoods)?;
        let sample = scored.log(Sample::of(item));
        Ok(sample.with("answer", answer).with("extracted", chosen).with("correct", chosen == answer))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        Ok(vec![self.frame.mean(samples, "correct", &accuracy::ACC)?])
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "correct", test: PairedTest::McNemar }
    }
}
