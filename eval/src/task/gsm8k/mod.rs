//! GSM8K: word problems of grade-school mathematics (Cobbe et al. 2021).
//!
//! Protocol `lm-eval`: `Question: {question}\nAnswer:` after five worked examples, drawn for each document from the
//! training problems; the number after `####`, or else the last number of the reply. `gsm8k_cot` asks `Q: {question}\nA:`
//! after eight fixed examples. Protocol `qwen-chat`, the paper's: the question alone in the chat template, the last number
//! of the reply.

mod exemplars;

use super::ask::{Asker, Example, Question, Reply, ReplyLimits};
use super::card::{Entry, Protocol};
use super::examples::Examples;
use super::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use super::world::{Origin, TEXT_TOKENS};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::extract::numbers::{self, Pattern};
use crate::metric::accuracy::NO_ANSWER;
use crate::metric::exact_match::{EXACT_MATCH, rewritten};
use crate::metric::{Metric, accuracy::ACC};
use crate::request::Outcome;
use datasets::gsm8k::{Problem, Split};
use datasets::{Dataset, Loaded, catalogue, world};
use exemplars::EXEMPLARS;
use serde_json::{Map, Value};

static DATASETS: &[&Dataset] = &[&catalogue::GSM8K, &catalogue::WORLD];

/// Worked examples drawn from the training problems, or none.
pub static GSM8K: Entry = Entry {
    name: "gsm8k",
    summary: "reasoning: 1,319 word problems of grade-school mathematics, answered in free text",
    datasets: DATASETS,
    split: "test; worked examples from train, drawn for each document",
    variants: &[("builtin", "200 problems of the micro-world; replies of at most 64 tokens")],
    protocols: &[
        Protocol {
            name: QWEN_CHAT,
            summary: "the question alone in the chat template; greedy, at most 512 tokens; the last number of the reply, \
                      within 1e-4 of the last one of the answer (last-number), or the last digits of both (last-digits, \
                      the script before November 2023)",
            source: "QwenLM/Qwen, eval/evaluate_chat_gsm8k.py, zero-shot",
        },
        Protocol {
            name: LM_EVAL,
            summary: "5 worked examples drawn with --seed for each document; greedy, at most 256 tokens; the number after \
                      the first \"#### \" (strict-match) or the last number (flexible-extract)",
            source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/gsm8k/gsm8k.yaml, version 3",
        },
    ],
    default_protocol: QWEN_CHAT,
    default_reason: "it is what Jin et al. 2024 used: the question is the whole input, as in Qwen's script",
    metrics: &["acc", "exact_match", "no_answer"],
    example: "\
Question: A box holds 3 rows of 4 pears. How many pears are in 2 boxes?
Answer: A box holds 3 * 4 = <<3*4=12>>12 pears.
Two boxes hold 2 * 12 = <<2*12=24>>24 pears.
#### 24

Question: Ada reads 7 pages a day. How many pages does she read in a week?
Answer:",
    names: || vec!["gsm8k".into()],
    canonical_protocol: |word| [QWEN_CHAT, LM_EVAL].contains(&word).then(|| word.to_string()),
    build,
};

/// Eight fixed worked examples.
pub static GSM8K_COT: Entry = Entry {
    name: "gsm8k_cot",
    summary: "reasoning: the word problems of GSM8K after eight fixed chains of thought",
    datasets: &[&catalogue::GSM8K],
    split: "test; the worked examples are part of the protocol",
    variants: &[],
    protocols: &[Protocol {
        name: LM_EVAL,
        summary: "the first --num_fewshot of 8 fixed examples, all unless asked for; greedy, at most 256 tokens; the number \
                  after the first \"The answer is \" (strict-match) or the last number (flexible-extract)",
        source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/gsm8k/gsm8k-cot.yaml, version 3",
    }],
    default_protocol: LM_EVAL,
    default_reason: "it is the only one",
    metrics: &["exact_match", "no_answer"],
    example: "\
Q: Olivia has $23. She bought five bagels for $3 each. How much money does she have left?
A: Olivia had 23 dollars. 5 bagels for 3 dollars each will be 5 x 3 = 15 dollars. So she has 23 - 15 dollars left. 23 - 15 \
is 8. The answer is 8.

Q: Ada reads 7 pages a day. How many pages does she read in a week?
A:",
    names: || vec!["gsm8k_cot".into()],
    canonical_protocol: |word| (word == LM_EVAL).then(|| word.to_string()),
    build,
};

const LM_EVAL: &str = "lm-eval";
const QWEN_CHAT: &str = "qwen-chat";

/// How a number is taken out of a reply and compared.
struct Rule {
    /// Name of the filter.
    filter: &'static str,
    /// Its field of the sample that says whether the answer is right.
    score: &'static str,
    metric: &'static Metric,
    pattern: &'static std::sync::LazyLock<Pattern>,
    /// Whether what was found in a reply is the number of a worked answer.
    is_right: fn(found: &str, answer: &str) -> Result<bool, Error>,
}

/// A protocol in its words.
struct Style {
    version: f64,
    /// Question, up to where the answer belongs.
    text: fn(&str) -> String,
    doc_to_text: &'static str,
    limits: ReplyLimits<'static>,
    /// Worked examples unless asked for otherwise; `None` where there are none.
    shots: Option<usize>,
    /// The main one first.
    rules: [Rule; 2],
}

const fn exact(filter: &'static str, score: &'static str, pattern: &'static std::sync::LazyLock<Pattern>) -> Rule {
    let is_right = |found: &str, answer: &str| Ok(rewritten(found) == rewritten(answer));
    Rule { filter, score, metric: &EXACT_MATCH, pattern, is_right }
}

const STRICT: (&str, &str) = ("strict-match", "exact_match,strict-match");
const FLEXIBLE: (&str, &str) = ("flexible-extract", "exact_match,flexible-extract");

static EXAMPLES_DRAWN: Style = Style {
    version: 3.0,
    text: |question| format!("Question: {question}\nAnswer:"),
    doc_to_text: "Question: {question}\nAnswer:",
    limits: ReplyLimits { max_new_tokens: 256, stop: &["Question:", "</s>", "<|im_end|>"] },
    shots: Some(5),
    rules: [exact(STRICT.0, STRICT.1, &numbers::AFTER_HASHES), exact(FLEXIBLE.0, FLEXIBLE.1, &numbers::ANY_NUMBER)],
};

static EXAMPLES_FIXED: Style = Style {
    version: 3.0,
    text: |question| format!("Q: {question}\nA:"),
    doc_to_text: "Q: {question}\nA:",
    limits: ReplyLimits { max_new_tokens: 256, stop: &["Q:", "</s>", "<|im_end|>"] },
    shots: Some(EXEMPLARS.len()),
    rules: [exact(STRICT.0, STRICT.1, &numbers::ANSWER_IS), exact(FLEXIBLE.0, FLEXIBLE.1, &numbers::ANY_NUMBER)],
};

static QUESTION_ALONE: Style = Style {
    version: 1.0,
    text: str::to_string,
    doc_to_text: "{question}",
    limits: ReplyLimits { max_new_tokens: 512, stop: &[] },
    shots: None,
    rules: [
        Rule {
            filter: "last-number",
            score: "acc,last-number",
            metric: &ACC,
            pattern: &numbers::LAST_NUMBER,
            is_right: |found, answer| {
                let Some(expected) = numbers::LAST_NUMBER.find(answer)? else { return Ok(false) };
                let (found, expected) = (numbers::number(found), numbers::number(&expected.text));
                Ok(found.zip(expected).is_some_and(|(a, b)| (a - b).abs() <= 1e-4))
            },
        },
        Rule {
            filter: "last-digits",
            score: "acc,last-digits",
            metric: &ACC,
            pattern: &numbers::LAST_DIGITS,
            is_right: |found, answer| {
                let Some(expected) = numbers::LAST_DIGITS.find(answer)? else { return Ok(false) };
                let (found, expected) = (numbers::whole_number(found), numbers::whole_number(&expected.text));
                Ok(found.is_some() && found == expected)
            },
        },
    ],
};

/// GSM8K under one protocol.
struct Gsm8k<'a> {
    frame: Frame,
    style: &'static Style,
    problems: Vec<Problem>,
    examples: Examples,
    asker: Asker<'a>,
    limits: ReplyLimits<'static>,
}

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    let origin = match id.name.as_str() {
        "gsm8k_cot" => id.without_variant().map(|()| Origin::Official)?,
        _ => Origin::of(id)?,
    };
    let (style, asker) = match (id.protocol.as_str(), id.name.as_str()) {
        (QWEN_CHAT, _) => (&QUESTION_ALONE, Asker::chat(id, inputs, "`gsm8k@lm-eval`")?),
        (_, "gsm8k_cot") => (&EXAMPLES_FIXED, Asker::lm_eval(id, inputs)?),
        _ => (&EXAMPLES_DRAWN, Asker::lm_eval(id, inputs)?),
    };
    let read = |split| -> Result<Loaded<Vec<Problem>>, Error> {
        Ok(match origin {
            Origin::Official => datasets::gsm8k::read(inputs.roots, split)?,
            Origin::World => world::embedded().gsm8k(split)?,
        })
    };
    let loaded = read(Split::Test)?;
    let (mut frame, problems) = Frame::new(id, inputs, style.version, loaded.content, loaded.files);
    frame.shots = style.shots.map_or(0, |shots| inputs.options.num_fewshot.unwrap_or(shots));
    let example = |question: &str, answer: &str| Example {
        question: (style.text)(question),
        answer: format!("{}{answer}", asker.delimiter()),
    };
    let examples = if frame.shots == 0 {
        Examples::NONE
    } else if id.name == "gsm8k_cot" {
        let fixed = EXEMPLARS.iter().map(|(question, answer)| example(question, answer));
        Examples::first(id, fixed.collect(), frame.shots)?
    } else {
        let train = read(Split::Train)?;
        let pool = train.content.iter().map(|problem| example(&problem.question, &problem.answer));
        frame.files.extend(train.files);
        Examples::drawn(id, pool.collect(), frame.shots, problems.len(), inputs.options.seed)?
    };
    let limits = origin.replies(style.limits, TEXT_TOKENS);
    suite.add(Box::new(Gsm8k { frame, style, problems, examples, asker, limits })).map(|_| ())
}

impl Gsm8k<'_> {
    fn problem(&self, document: usize) -> Result<&Problem, Error> {
        let problem = self.problems.get(document);
        problem.ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))
    }
}

impl Task for Gsm8k<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("doc_to_text".into(), self.style.doc_to_text.into());
        fields.insert("extraction".into(), self.style.rules.each_ref().map(|rule| rule.filter).as_slice().into());
        if self.frame.shots > 0 {
            fields.insert("fewshot_sampler".into(), self.examples.sampler(self.frame.options.seed).into());
        }
        self.asker.describe_reply(&self.frame, self.limits, &mut fields);
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let text = (self.style.text)(&self.problem(document)?.question);
        let examples = self.examples.of(document);
        let question = Question { description: "", examples: &examples, text: &text };
        self.asker.reply(&self.frame, document, &question, self.limits)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let problem = self.problem(document)?;
        let reply = Reply::read(self.frame.place(document), outcomes)?;
        let mut sample = reply.log(Sample::of(item)).with("answer", problem.result.as_str());
        for rule in &self.style.rules {
            let found = rule.pattern.find(reply.text)?;
            let is_right = match &found {
                Some(found) => (rule.is_right)(&found.text, &problem.answer)?,
                None => false,
            };
            sample = sample
                .with(&format!("extracted,{}", rule.filter), found.as_ref().map(|found| found.text.as_str()))
                .with(
                    &format!("span,{}", rule.filter),
                    found.as_ref().map(|found| vec![found.span.start, found.span.end]),
                )
                .with(&format!("no_answer,{}", rule.filter), found.is_none())
                .with(rule.score, is_right);
        }
        Ok(sample)
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        let mut metrics = Vec::new();
        for rule in &self.style.rules {
            let value = self.frame.mean(samples, rule.score, rule.metric)?;
            metrics.push(MetricValue { filter: rule.filter, ..value });
        }
        for rule in &self.style.rules {
            let value = self.frame.mean(samples, &format!("no_answer,{}", rule.filter), &NO_ANSWER)?;
            metrics.push(MetricValue { filter: rule.filter, ..value });
        }
        Ok(metrics)
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: self.style.rules[0].score, test: PairedTest::McNemar }
    }
}
