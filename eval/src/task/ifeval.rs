//! IFEval: does a reply follow instructions that a program can check (Zhou et al. 2023)?
//!
//! The prompt is the data set's, without anything around it; greedy, at most 1,280 tokens, no stop string. What is checked
//! and how, and where this differs from the original, stands in [`crate::metric::ifeval`]. Source:
//! EleutherAI/lm-evaluation-harness, `lm_eval/tasks/ifeval`.

use super::ask::{Asker, Question, Reply, ReplyLimits};
use super::card::{Entry, LM_EVAL, ONLY_LM_EVAL, Protocol, find_protocol};
use super::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::metric::Metric;
use crate::metric::ifeval::{
    INSTRUCTION_LOOSE, INSTRUCTION_STRICT, Instruction, NOT_CHECKED, PROMPT_LOOSE, PROMPT_STRICT, all, forms,
};
use crate::request::Outcome;
use crate::statistics::{Estimate, mean_estimate};
use datasets::ifeval::{self, IFEVAL as DATASET};
use serde_json::{Map, Value};

/// IFEval.
pub static IFEVAL: Entry = Entry {
    name: "ifeval",
    summary: "instruction following: share of prompts, and of instructions, that the reply follows, by 25 checkers",
    datasets: &[&DATASET],
    split: "all 541 prompts (Hugging Face calls them train)",
    variants: &[],
    protocols: PROTOCOLS,
    default_protocol: LM_EVAL,
    default_reason: ONLY_LM_EVAL,
    metrics: &[
        "prompt_level_strict_acc",
        "inst_level_strict_acc",
        "prompt_level_loose_acc",
        "inst_level_loose_acc",
        "inst_not_checked",
    ],
    example: EXAMPLE,
    names: || vec!["ifeval".into()],
    canonical_protocol: |word| find_protocol(PROTOCOLS, word),
    build,
};

const PROTOCOLS: &[Protocol] = &[Protocol {
    name: LM_EVAL,
    summary: "the prompt alone, greedy, at most 1,280 tokens; published numbers of chat models use --apply_chat_template. \
              Languages are told by script: where that does not decide, an instruction is in no accuracy, but counted",
    source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/ifeval",
}];

/// A prompt of our own writing.
const EXAMPLE: &str =
    "Explain to a child why the sea is salty. Use at least 40 words, no commas, and end with the words: Now you know.";

const LIMITS: ReplyLimits<'_> = ReplyLimits { max_new_tokens: 1280, stop: &[] };

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    id.without_variant()?;
    let loaded = ifeval::read(inputs.roots)?;
    let (frame, prompts) = Frame::new(id, inputs, 4.0, loaded.content, loaded.files);
    let mut instructed = Vec::with_capacity(prompts.len());
    for (document, prompt) in prompts.into_iter().enumerate() {
        let mut instructions = Vec::with_capacity(prompt.instructions.len());
        for instruction in &prompt.instructions {
            let known = Instruction::new(&instruction.id, &instruction.settings).map_err(|unknown| {
                Error::Unscorable { task: frame.id.clone(), document, problem: unknown.to_string() }
            })?;
            instructions.push((instruction.id.clone(), known));
        }
        instructed.push(Instructed { prompt: prompt.prompt, instructions });
    }
    suite.add(Box::new(IfEval { frame, asker: Asker::lm_eval(id, inputs)?, prompts: instructed })).map(|_| ())
}

/// A prompt with its instructions, by name.
struct Instructed {
    prompt: String,
    instructions: Vec<(String, Instruction)>,
}

/// IFEval under lm-evaluation-harness's protocol.
struct IfEval<'a> {
    frame: Frame,
    asker: Asker<'a>,
    prompts: Vec<Instructed>,
}

impl IfEval<'_> {
    fn prompt(&self, document: usize) -> Result<&Instructed, Error> {
        self.prompts.get(document).ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))
    }
}

impl Task for IfEval<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("doc_to_text", "{prompt}".into());
        set("sentences", "Punkt's procedure with short word lists".into());
        set("language", "by script; not checked where it does not decide".into());
        self.asker.describe_reply(&self.frame, LIMITS, &mut fields);
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let question = Question { description: "", examples: &[], text: &self.prompt(document)?.prompt };
        self.asker.reply(&self.frame, document, &question, LIMITS)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let Instructed { instructions, .. } = self.prompt(document)?;
        let reply = Reply::read(self.frame.place(document), outcomes)?;
        let forms = forms(reply.text);
        let mut verdicts = (Vec::with_capacity(instructions.len()), Vec::with_capacity(instructions.len()));
        for (_, instruction) in instructions {
            verdicts.0.push(instruction.strictly(reply.text));
            verdicts.1.push(instruction.loosely(&forms));
        }
        let (strict, loose) = verdicts;
        let names: Vec<&str> = instructions.iter().map(|(name, _)| name.as_str()).collect();
        Ok(reply
            .log(Sample::of(item))
            .with("instructions", names)
            .with(PROMPT_STRICT.key, all(&strict))
            .with(INSTRUCTION_STRICT.key, strict)
            .with(PROMPT_LOOSE.key, all(&loose))
            .with(INSTRUCTION_LOOSE.key, loose))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        let [prompt_strict, strict, prompt_loose, loose] =
            [&PROMPT_STRICT, &INSTRUCTION_STRICT, &PROMPT_LOOSE, &INSTRUCTION_LOOSE]
                .map(|metric| verdicts(samples, metric));
        let share = |metric, verdicts: &[Option<bool>]| -> Result<MetricValue, Error> {
            let known: Vec<f64> = verdicts.iter().flatten().map(|&right| f64::from(u8::from(right))).collect();
            let nothing = Estimate { value: f64::NAN, standard_error: None, items: 0 };
            Ok(MetricValue::of(metric, if known.is_empty() { nothing } else { mean_estimate(&known)? }))
        };
        // Instructions of one prompt are not independent: like the original, no standard error.
        let over_instructions = |metric, verdicts: &[Option<bool>]| -> Result<MetricValue, Error> {
            Ok(MetricValue { standard_error: None, ..share(metric, verdicts)? })
        };
        let unchecked: Vec<Option<bool>> = strict.iter().map(|verdict| Some(verdict.is_none())).collect();
        Ok(vec![
            share(&PROMPT_STRICT, &prompt_strict)?,
            over_instructions(&INSTRUCTION_STRICT, &strict)?,
            share(&PROMPT_LOOSE, &prompt_loose)?,
            over_instructions(&INSTRUCTION_LOOSE, &loose)?,
            over_instructions(&NOT_CHECKED, &unchecked)?,
        ])
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: PROMPT_STRICT.key, test: PairedTest::McNemar }
    }
}

/// The verdicts in samples, of prompts or of their instructions; `None` where something was not checked.
fn verdicts(samples: &[(usize, &Sample)], metric: &Metric) -> Vec<Option<bool>> {
    let mut verdicts = Vec::new();
    for (_, sample) in samples {
        match sample.fields.get(metric.key) {
            Some(Value::Array(values)) => verdicts.extend(values.iter().map(Value::as_bool)),
            Some(value) => verdicts.push(value.as_bool()),
            None => verdicts.push(None),
        }
    }
    verdicts
}
