//! SNLI: does a premise entail a hypothesis, contradict it, or neither (Bowman et al. 2015)? Pairs on which the annotators
//! did not agree are left out.
//!
//! Protocol `jin-2024`, the paper's: in the chat template
//!
//! ```text
//! {premise}
//! Question: Does this imply that "{hypothesis}"? Yes, no, or maybe?
//! ```
//!
//! greedy, at most 512 tokens. The paper does not say how replies are read; here the first of the words yes, no and
//! maybe that stands alone in the reply, in any case, is the answer, and a reply without any is wrong, which suits the
//! paper's scores below chance for broken models. The prompt is PromptSource's (bigscience/promptsource, SNLI).
//!
//! Protocols `lm-eval-mnli` and `lm-eval-anli`: lm-evaluation-harness has no SNLI; its templates of the two nearest tasks
//! ask "True, False or Neither?" and take the likeliest of " True", " Neither", " False".

use super::ask::{Asker, Question, Reply, ReplyLimits};
use super::card::{Entry, Protocol, find_protocol};
use super::lettered::LIMITS;
use super::likeliest::{ChoiceQuestion, Choices, Scores, ZeroShot, add_zero_shot};
use super::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use super::world::{Origin, WORD_TOKENS};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::extract;
use crate::metric::accuracy;
use crate::python;
use crate::request::Outcome;
use datasets::snli::{self, Label, Pair, SNLI as DATASET, Split};
use datasets::{Loaded, catalogue, world};
use serde_json::{Map, Value};

/// SNLI.
pub static SNLI: Entry = Entry {
    name: "snli",
    summary: "understanding: does a sentence follow from another, contradict it, or neither?",
    datasets: &[&DATASET, &catalogue::WORLD],
    split: "test, the pairs with a gold label (9,824 of 10,000)",
    variants: &[("builtin", "240 pairs of the micro-world; replies of at most 8 tokens")],
    protocols: PROTOCOLS,
    default_protocol: JIN_2024,
    default_reason: "it is the prompt of Jin et al. 2024; lm-evaluation-harness has no SNLI",
    metrics: &["acc", "no_answer"],
    example: "A boy kicks a ball across the yard.\nQuestion: Does this imply that \"A child is outdoors.\"? Yes, no, or maybe?",
    names: || vec!["snli".into()],
    canonical_protocol: |word| find_protocol(PROTOCOLS, word),
    build,
};

const JIN_2024: &str = "jin-2024";
const MNLI: &str = "lm-eval-mnli";
const ANLI: &str = "lm-eval-anli";

const PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: JIN_2024,
        summary: "zero-shot in the chat template; greedy, at most 512 tokens; the first of yes, no, maybe in the reply is \
                  entailment, contradiction, neutral; a reply without any is wrong",
        source: "Jin et al. 2024, figures 9 to 14; bigscience/promptsource, SNLI",
    },
    Protocol {
        name: MNLI,
        summary: "\"True, False or Neither?\", a full stop added to the hypothesis where it has none; the likeliest word",
        source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/glue/mnli",
    },
    Protocol {
        name: ANLI,
        summary: "\"True, False, or Neither?\", the hypothesis as it stands; the likeliest word",
        source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/anli",
    },
];

/// The words of the paper's prompt, in the order of [`index`].
const REPLIES: &[&str] = &["yes", "maybe", "no"];
/// Those of lm-evaluation-harness.
const WORDS: &[&str] = &["True", "Neither", "False"];

/// Number of a label: 0 entailment, 1 neutral, 2 contradiction.
fn index(label: Label) -> usize {
    match label {
        Label::Entailment => 0,
        Label::Neutral => 1,
        Label::Contradiction => 2,
    }
}

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    let origin = Origin::of(id)?;
    let loaded = match origin {
        Origin::Official => snli::read(inputs.roots, Split::Test)?,
        Origin::World => world::embedded().snli()?,
    };
    let loaded = Loaded { content: loaded.content.labelled, files: loaded.files };
    if id.protocol == JIN_2024 {
        let asker = Asker::chat(id, inputs, &format!("`snli@{MNLI}`"))?;
        let (frame, pairs) = Frame::new(id, inputs, 1.0, loaded.content, loaded.files);
        let limits = origin.replies(LIMITS, WORD_TOKENS);
        return suite.add(Box::new(Asked { frame, asker, pairs, limits })).map(|_| ());
    }
    let mnli = id.protocol == MNLI;
    let doc_to_text = match mnli {
        true => "{premise}\nQuestion: {hypothesis with a full stop} True, False or Neither?\nAnswer:",
        false => "{premise}\nQuestion: {hypothesis} True, False, or Neither?\nAnswer:",
    };
    let words = ZeroShot { version: 1.0, doc_to_text, choices: Choices::Fixed(WORDS), scores: Scores::Acc };
    add_zero_shot(id, inputs, suite, words, loaded, |pair: Pair| ChoiceQuestion {
        text: if mnli { like_mnli(&pair) } else { like_anli(&pair) },
        choices: Vec::new(),
        answer: index(pair.label),
    })
}

fn like_mnli(pair: &Pair) -> String {
    let hypothesis = python::strip(&pair.hypothesis);
    let stop = if hypothesis.ends_with('.') { "" } else { "." };
    format!("{}\nQuestion: {hypothesis}{stop} True, False or Neither?\nAnswer:", pair.premise)
}

fn like_anli(pair: &Pair) -> String {
    format!("{}\nQuestion: {} True, False, or Neither?\nAnswer:", pair.premise, pair.hypothesis)
}

/// SNLI by generation.
struct Asked<'a> {
    frame: Frame,
    asker: Asker<'a>,
    pairs: Vec<Pair>,
    limits: ReplyLimits<'static>,
}

impl Asked<'_> {
    fn pair(&self, document: usize) -> Result<&Pair, Error> {
        self.pairs.get(document).ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))
    }
}

impl Task for Asked<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("doc_to_text", "{premise}\nQuestion: Does this imply that \"{hypothesis}\"? Yes, no, or maybe?".into());
        set("extraction", "the first of yes (entailment), no (contradiction), maybe (neutral); none is wrong".into());
        self.asker.describe_reply(&self.frame, self.limits, &mut fields);
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let Pair { premise, hypothesis, .. } = self.pair(document)?;
        let text = format!("{premise}\nQuestion: Does this imply that \"{hypothesis}\"? Yes, no, or maybe?");
        let question = Question { description: "", examples: &[], text: &text };
        self.asker.reply(&self.frame, document, &question, self.limits)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let answer = index(self.pair(document)?.label);
        let reply = Reply::read(self.frame.place(document), outcomes)?;
        let found = extract::first_word(reply.text, REPLIES);
        let chosen = found.as_ref().map(|(word, _)| *word);
        let span = found.and_then(|(_, range)| reply.text.get(range));
        let sample = reply.log(Sample::of(item)).with("span", span);
        Ok(sample
            .with("answer", REPLIES.get(answer).copied())
            .with("extracted", chosen.and_then(|word| REPLIES.get(word).copied()))
            .with("correct", chosen == Some(answer))
            .with("no_answer", chosen.is_none()))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        Ok(vec![
            self.frame.mean(samples, "correct", &accuracy::ACC)?,
            self.frame.mean(samples, "no_answer", &accuracy::NO_ANSWER)?,
        ])
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "correct", test: PairedTest::McNemar }
    }
}
