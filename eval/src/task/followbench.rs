//! FollowBench: does a model follow an instruction with one to five constraints (Jiang et al. 2024)?
//!
//! The instruction is the one message of the user in the checkpoint's chat template; greedy, at most 2,048 tokens; the
//! reply is taken as it is. 350 of the 820 English items are scored by [rules](crate::metric::followbench::rules). The
//! others are put to a judge: a run writes their [questions](crate::metric::followbench::judge) to `judge_<task>.jsonl`,
//! whatever answers them writes a file, and the same run with `--judgements FILE` reads the answers. Nothing is guessed:
//! without an answer, or with one that cannot be read, an item has no score, and metrics over the others have the filter
//! `known`.
//!
//! Source: YJiangcm/FollowBench, `code/model_inference_vllm.py`, `code/llm_eval.py`, `code/eval.py`, `aggregator.py`.

use super::ask::{Asker, Question, Reply, ReplyLimits};
use super::card::{Entry, Protocol, find_protocol};
use super::sample::{Comparison, Item, MetricValue, NO_FILTER, PairedTest, Prepared, Sample};
use super::suite::{Average, Group};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::metric::followbench::rules::{Instruction, has_readable_target, satisfied};
use crate::metric::followbench::{self as metric, Language, judge};
use crate::request::Outcome;
use datasets::followbench::{self, Constraint, FOLLOWBENCH as DATASET, Item as Row};
use serde_json::{Map, Value, json};

/// All categories, and their mean as the authors' aggregator takes it.
pub static FOLLOWBENCH: Entry = Entry {
    name: "followbench",
    summary: "instruction following: are all of 1 to 5 constraints satisfied? Mean over content, situation, style, format \
              and mixed; example constraints are shown beside them, as the authors' aggregator has it",
    names: || vec!["followbench".into()],
    build: build_group,
    ..CARD
};

/// One category.
pub static FOLLOWBENCH_CATEGORY: Entry = Entry {
    name: "followbench_<category>",
    summary: "instruction following: constraints of one of content, situation, style, format, example, mixed",
    names: || Constraint::ALL.iter().map(|constraint| task_name(*constraint)).collect(),
    build: |id, inputs, suite| {
        let constraint = Constraint::ALL.into_iter().find(|constraint| task_name(*constraint) == id.name);
        add(id, inputs, suite, constraint.unwrap_or(Constraint::Content)).map(|_| ())
    },
    ..CARD
};

const CARD: Entry = Entry {
    name: "",
    summary: "",
    datasets: &[&DATASET],
    split: "all items at levels 1 to 5, in file order",
    variants: &[("zh", "the Chinese items, with the Chinese rules and judge")],
    protocols: PROTOCOLS,
    default_protocol: OFFICIAL,
    default_reason: "there is one, and the paper follows it",
    metrics: metric::KEYS,
    example: EXAMPLE,
    names: Vec::new,
    canonical_protocol: |word| find_protocol(PROTOCOLS, word),
    build: |_, _, _| Ok(()),
};

const OFFICIAL: &str = "official";

const PROTOCOLS: &[Protocol] = &[Protocol {
    name: OFFICIAL,
    summary: "the instruction in the chat template, greedy, at most 2,048 tokens; rules score what rules can, a judge the \
              rest: questions are written to judge_<task>.jsonl of each recipe, answers read with --judgements",
    source: "YJiangcm/FollowBench, code/model_inference_vllm.py, code/eval.py, aggregator.py; code_zh",
}];

/// An instruction of our own writing.
const EXAMPLE: &str = "\
Describe a bicycle to someone who has never seen one. Use exactly three sentences, and do not name any of its parts.";

const LIMITS: ReplyLimits<'_> = ReplyLimits { max_new_tokens: 2048, stop: &[] };

/// The filter of metrics over the items whose satisfaction is known, where that is not all of them.
const KNOWN: &str = "known";

fn task_name(constraint: Constraint) -> String {
    format!("followbench_{}", constraint.name())
}

fn language(id: &TaskId) -> Result<Language, Error> {
    match id.variant.as_deref() {
        None => Ok(Language::English),
        Some("zh") => Ok(Language::Chinese),
        Some(found) => Err(Error::Variant {
            task: id.name.clone(),
            expected: "nothing or `:zh`".into(),
            found: format!("`{found}`"),
        }),
    }
}

fn build_group<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    let mut group = Group::new(id, Average::Macro);
    for constraint in Constraint::ALL {
        let member = TaskId { entry: &FOLLOWBENCH_CATEGORY, ..id.renamed(&task_name(constraint)) };
        let index = add(&member, inputs, suite, constraint)?;
        if constraint != Constraint::Example {
            group.members.push(index);
        }
    }
    suite.add_group(group);
    Ok(())
}

fn add<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>, constraint: Constraint) -> Result<usize, Error> {
    let language = language(id)?;
    let loaded = followbench::read(inputs.roots, language, constraint)?;
    let rows = loaded.content;
    let scored: Vec<usize> = rows.iter().zip(0..).filter(|(row, _)| row.level > 0).map(|(_, index)| index).collect();
    let (frame, scored) = Frame::new(id, inputs, 1.0, scored, loaded.files);
    let task = FollowBench {
        asker: Asker::chat(id, inputs, "a checkpoint that was made for conversations")?,
        frame,
        language,
        constraint,
        rows,
        scored,
    };
    for document in 0..task.scored.len() {
        let row = task.row(document)?;
        if !has_readable_target(&task.instruction(row)) {
            let problem = format!("the target {:?} is not a list of strings", row.target);
            return Err(Error::Unscorable { task: task.frame.id, document, problem });
        }
    }
    suite.add(Box::new(task))
}

/// One category under the official protocol.
struct FollowBench<'a> {
    frame: Frame,
    language: Language,
    constraint: Constraint,
    /// Every item, level 0 too.
    rows: Vec<Row>,
    /// The documents: items at level 1 and above.
    scored: Vec<usize>,
    asker: Asker<'a>,
}

impl FollowBench<'_> {
    fn index(&self, document: usize) -> Result<usize, Error> {
        let index = self.scored.get(document).copied();
        index.ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))
    }

    fn row(&self, document: usize) -> Result<&Row, Error> {
        let row = self.rows.get(self.index(document)?);
        row.ok_or_else(|| self.frame.place(document).mismatch("there is no such item"))
    }

    fn instruction<'r>(&self, row: &'r Row) -> Instruction<'r> {
        Instruction {
            language: self.language,
            category: if self.constraint == Constraint::Example { "example" } else { &row.category },
            source: &row.source,
            example_id: u64::from(row.example_id),
            level: usize::from(row.level),
            target: &row.target,
        }
    }

    /// What a judge is asked about the reply in a sample; nothing if a rule scores it.
    fn question(&self, document: usize, sample: &Sample) -> Result<Option<String>, Error> {
        let Some(reply) = sample.fields.get("reply").and_then(Value::as_str) else {
            return Err(self.frame.place(document).mismatch("a sample without `reply`"));
        };
        if sample.fields.contains_key("hard") {
            return Ok(None);
        }
        let (index, level) = (self.index(document)?, usize::from(self.row(document)?.level));
        let chain = self.rows.get(index.saturating_sub(level)..=index).unwrap_or_default();
        let history: Vec<&str> = chain.iter().map(|row| row.instruction.as_str()).collect();
        Ok(Some(judge::question(self.language, self.constraint.name(), &history, reply)))
    }
}

impl Task for FollowBench<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        set("doc_to_text", "{instruction}".into());
        set("scoring", "YJiangcm/FollowBench, rules where they apply, a judge for the rest; rates from 0 to 1".into());
        self.asker.describe_reply(&self.frame, LIMITS, &mut fields);
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let question = Question { description: "", examples: &[], text: &self.row(document)?.instruction };
        self.asker.reply(&self.frame, document, &question, LIMITS)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let row = self.row(document)?;
        let reply = Reply::read(self.frame.place(document), outcomes)?;
        let sample = Sample::of(item).with("example_id", row.example_id).with("level", row.level);
        let sample = reply.log(sample);
        Ok(match satisfied(&self.instruction(row), reply.text) {
            Some(satisfied) => sample.with("scored_by", "rule").with("hard", satisfied).with("soft", satisfied),
            None => sample.with("scored_by", "judge"),
        })
    }

    fn judged(&self, document: usize, sample: Sample) -> Result<Sample, Error> {
        let Some(question) = self.question(document, &sample)? else { return Ok(sample) };
        let level = usize::from(self.row(document)?.level);
        let Some(answer) = self.frame.options.judgements.answer(&question) else {
            return Ok(sample.with("unjudged", "missing"));
        };
        let sample = sample.with("judgement", answer);
        Ok(match judge::read(self.language, answer, level) {
            Some(count) => {
                sample.with("satisfied", count).with("hard", count == level).with("soft", count as f64 / level as f64)
            }
            None => sample.with("unjudged", "unreadable"),
        })
    }

    fn judge_line(&self, document: usize, sample: &Sample) -> Result<Option<Value>, Error> {
        let row = self.row(document)?;
        let line = |question: String| {
            json!({
                "example_id": row.example_id,
                "category": row.category,
                "source": row.source,
                "level": row.level,
                "prompt_new": question,
            })
        };
        Ok(self.question(document, sample)?.map(line))
    }

    fn judgements(&self) -> Option<Value> {
        self.frame.options.judgements.describe()
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        let mut items = Vec::with_capacity(samples.len());
        for (document, sample) in samples {
            let row = self.row(*document)?;
            items.push(metric::Item {
                example: row.example_id as usize,
                level: usize::from(row.level),
                satisfied: sample.number("hard").zip(sample.number("soft")),
            });
        }
        let filter = if items.iter().all(|item| item.satisfied.is_some()) { NO_FILTER } else { KNOWN };
        let summary = metric::summary(&items).into_iter();
        Ok(summary.map(|(metric, estimate)| MetricValue { filter, ..MetricValue::of(metric, estimate) }).collect())
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "hard", test: PairedTest::McNemar }
    }
}
