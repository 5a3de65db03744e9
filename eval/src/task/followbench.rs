//! FollowBench: does a model follow an instruction with one to five constraints (Jiang et al. 2024)?
//!
//! The instruction is the one message of the user in the checkpoint's chat template; greedy, at most 2,048 tokens; the
//! reply is taken as it is. 350 of the 820 English items are scored by [rules](crate::metric::followbench::rules). The
//! others are put to a judge: a run writes their [questions](crate::metric::followbench::judge) to `judge_<task>.jsonl`,
//! whatever answers them writes a file, and the same run with `--judgements FILE` reads the answers. Nothing is guessed:
//! without an answer, or with one that cannot be read, an item has no score, and metrics over the others have the filter
//! `known`. The variant `builtin` has instructions about the micro-world, all of whose constraints are checked by rules.
//!
//! Source: YJiangcm/FollowBench, `code/model_inference_vllm.py`, `code/llm_eval.py`, `code/eval.py`, `aggregator.py`.

use super::ask::{Asker, Question, Reply, ReplyLimits};
use super::card::{Entry, Protocol, find_protocol};
use super::sample::{Comparison, Item, MetricValue, NO_FILTER, PairedTest, Prepared, Sample};
use super::suite::{Average, Group};
use super::world::{BUILTIN, TEXT_TOKENS};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::metric::followbench::rules::{Instruction, has_readable_target, satisfied};
use crate::metric::followbench::{self as metric, Language, judge};
use crate::request::Outcome;
use datasets::catalogue;
use datasets::followbench::{self, Constraint, FOLLOWBENCH as DATASET, Item as Row};
use datasets::world::{self, Rule};
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
    datasets: &[&DATASET, &catalogue::WORLD],
    split: "all items at levels 1 to 5, in file order",
    variants: &[
        ("zh", "the Chinese items, with the Chinese rules and judge"),
        (
            "builtin",
            "120 instructions about the micro-world with constraints on content and format and both, all checked by rules, \
             one by one; replies of at most 64 tokens",
        ),
    ],
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

/// Which items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Items {
    /// The authors', with rules or a judge for the whole of an item's constraints.
    Official(Language),
    /// The micro-world's, with a rule for each constraint.
    World,
}

fn items(id: &TaskId) -> Result<Items, Error> {
    match id.variant.as_deref() {
        None => Ok(Items::Official(Language::English)),
        Some("zh") => Ok(Items::Official(Language::Chinese)),
        Some(BUILTIN) => Ok(Items::World),
        Some(found) => Err(Error::Variant {
            task: id.name.clone(),
            expected: "nothing, `:zh` or `:builtin`".into(),
            found: format!("`{found}`"),
        }),
    }
}

fn build_group<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    let mut group = Group::new(id, Average::Macro);
    let constraints = match items(id)? {
        Items::Official(_) => &Constraint::ALL[..],
        Items::World => &world::FOLLOWBENCH_CONSTRAINTS,
    };
    for &constraint in constraints {
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
    let items = items(id)?;
    let (loaded, limits) = match items {
        Items::Official(language) => (followbench::read(inputs.roots, language, constraint)?, LIMITS),
        Items::World if !world::FOLLOWBENCH_CONSTRAINTS.contains(&constraint) => {
            let expected = "`:builtin` of the categories content, format and mixed".into();
            return Err(Error::Variant { task: id.name.clone(), expected, found: "`builtin`".into() });
        }
        Items::World => {
            let limits = ReplyLimits { max_new_tokens: TEXT_TOKENS, ..LIMITS };
            (world::embedded().followbench(constraint)?, limits)
        }
    };
    let rows = loaded.content;
    let scored: Vec<usize> = rows.iter().zip(0..).filter(|(row, _)| row.level > 0).map(|(_, index)| index).collect();
    let (frame, scored) = Frame::new(id, inputs, 1.0, scored, loaded.files);
    let task = FollowBench {
        asker: Asker::chat(id, inputs, "a checkpoint that was made for conversations")?,
        frame,
        items,
        limits,
        constraint,
        rows,
        scored,
    };
    for document in 0..task.scored.len() {
        let row = task.row(document)?;
        let (is_readable, wanted) = match items {
            Items::Official(language) => (has_readable_target(&task.instruction(language, row)), "strings"),
            Items::World => (Rule::read(&row.target).is_some_and(|rules| !rules.is_empty()), "rules"),
        };
        if !is_readable {
            let problem = format!("the target {:?} is not a list of {wanted}", row.target);
            return Err(Error::Unscorable { task: task.frame.id, document, problem });
        }
    }
    suite.add(Box::new(task))
}

/// Appends to a sample how many of its constraints are satisfied.
fn with_count(sample: Sample, count: usize, constraints: usize) -> Sample {
    sample.with("satisfied", count).with("hard", count == constraints).with("soft", count as f64 / constraints as f64)
}

/// One category under the official protocol.
struct FollowBench<'a> {
    frame: Frame,
    items: Items,
    limits: ReplyLimits<'static>,
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

    fn instruction<'r>(&self, language: Language, row: &'r Row) -> Instruction<'r> {
        Instruction {
            language,
            category: if self.constraint == Constraint::Example { "example" } else { &row.category },
            source: &row.source,
            example_id: u64::from(row.example_id),
            level: usize::from(row.level),
            target: &row.target,
        }
    }

    /// What a judge is asked about the reply in a sample; nothing if a rule scores it.
    fn question(&self, document: usize, sample: &Sample) -> Result<Option<(Language, String)>, Error> {
        let Items::Official(language) = self.items else { return Ok(None) };
        let Some(reply) = sample.fields.get("reply").and_then(Value::as_str) else {
            return Err(self.frame.place(document).mismatch("a sample without `reply`"));
        };
        if sample.fields.contains_key("hard") {
            return Ok(None);
        }
        let (index, level) = (self.index(document)?, usize::from(self.row(document)?.level));
        let chain = self.rows.get(index.saturating_sub(level)..=index).unwrap_or_default();
        let history: Vec<&str> = chain.iter().map(|row| row.instruction.as_str()).collect();
        Ok(Some((language, judge::question(language, self.constraint.name(), &history, reply))))
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
        let scoring = match self.items {
            Items::Official(_) => {
                "YJiangcm/FollowBench, rules where they apply, a judge for the rest; rates from 0 to 1"
            }
            Items::World => "a rule of our own for each constraint; rates from 0 to 1",
        };
        set("scoring", scoring.into());
        self.asker.describe_reply(&self.frame, self.limits, &mut fields);
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let question = Question { description: "", examples: &[], text: &self.row(document)?.instruction };
        self.asker.reply(&self.frame, document, &question, self.limits)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let row = self.row(document)?;
        let reply = Reply::read(self.frame.place(document), outcomes)?;
        let sample = Sample::of(item).with("example_id", row.example_id).with("level", row.level);
        let sample = reply.log(sample);
        let verdict = match self.items {
            Items::Official(language) => satisfied(&self.instruction(language, row), reply.text),
            Items::World => {
                let rules = Rule::read(&row.target).unwrap_or_default();
                let count = rules.iter().filter(|rule| rule.holds(reply.text)).count();
                return Ok(with_count(sample.with("scored_by", "rule"), count, rules.len()));
            }
        };
        Ok(match verdict {
            Some(satisfied) => sample.with("scored_by", "rule").with("hard", satisfied).with("soft", satisfied),
            None => sample.with("scored_by", "judge"),
        })
    }

    fn judged(&self, document: usize, sample: Sample) -> Result<Sample, Error> {
        let Some((language, question)) = self.question(document, &sample)? else { return Ok(sample) };
        let level = usize::from(self.row(document)?.level);
        let Some(answer) = self.frame.options.judgements.answer(&question) else {
            return Ok(sample.with("unjudged", "missing"));
        };
        let sample = sample.with("judgement", answer);
        Ok(match judge::read(language, answer, level) {
            Some(count) => with_count(sample, count, level),
            None => sample.with("unjudged", "unreadable"),
        })
    }

    fn judge_line(&self, document: usize, sample: &Sample) -> Result<Option<Value>, Error> {
        let row = self.row(document)?;
        let line = |(_, question): (Language, String)| {
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
