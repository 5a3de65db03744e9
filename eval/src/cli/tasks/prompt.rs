//! `nibble tasks prompt`: what a model is asked, to the letter.

use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome, Status};
use crate::cli::{lab, loading};
use clap::{Args, ValueEnum};
use datasets::{DataRoots, Pinning};
use eval::request::Request;
use eval::task::{self, Concession, DEFAULT_SEED, Inputs, Item, Prepared, PromptForm, Suite, TaskId, TaskOptions};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What `nibble tasks prompt` takes.
#[derive(Args, Debug)]
#[command(rename_all = "snake_case")]
pub struct PromptArguments {
    /// Task, with its protocol: mmlu_anatomy@lm-eval; of a group the items of its members one after the other
    #[arg(value_name = "TASK")]
    task: String,
    /// Item, from 0 on
    #[arg(long, value_name = "N", default_value_t = 0)]
    doc: usize,
    /// Checkpoint whose tokenizer and chat template are used, or `builtin[:s|:m|:l|:seeded]`
    #[arg(short, long, value_name = "DIR", default_value = lab::NAME)]
    model: String,
    /// Directory with benchmark files; may be given several times [default: data]
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Worked examples in a prompt [default: the protocol's own number]
    #[arg(long, value_name = "K")]
    num_fewshot: Option<usize>,
    /// Put prompts into the checkpoint's chat template
    #[arg(long)]
    apply_chat_template: bool,
    /// Seed of worked examples that are drawn
    #[arg(long, value_name = "S", default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Accept benchmark files that differ from the official release
    #[arg(long)]
    allow_unpinned: bool,
    /// What is written to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text, help_heading = "Output")]
    format: Format,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The prompt, byte for byte and nothing else; where an item has several, each ends with a line break
    Text,
    /// An object: prompts with what is scored after each, their tokens, how a reply ends
    Json,
}

/// Runs the command.
pub fn run(arguments: &PromptArguments, context: &mut Context<'_>) -> Outcome {
    let id = task::parse(&arguments.task)?;
    let source = loading::open(&arguments.model, false, context.verbosity)?;
    let tokenizer = source.fitting_tokenizer(engine::family::blueprint(&source.checkpoint)?.vocab_size)?;
    let data = if arguments.data.is_empty() { vec![PathBuf::from("data")] } else { arguments.data.clone() };
    let pinning = if arguments.allow_unpinned { Pinning::Allow } else { Pinning::Require };
    let options = TaskOptions {
        num_fewshot: arguments.num_fewshot,
        prompt_form: if arguments.apply_chat_template { PromptForm::Chat } else { PromptForm::Plain },
        seed: arguments.seed,
        // What an item looks like is asked, not whether it may be scored.
        double_bos: Concession::Allow,
        shown_answers: Concession::Allow,
        ..TaskOptions::default()
    };
    let roots = DataRoots::new(&data).with_pinning(pinning);
    let inputs = Inputs { tokenizer: &tokenizer, context_len: usize::MAX / 2, roots: &roots, options: &options };
    let (task, document, prepared) = prepare(&id, &inputs, arguments.doc)?;
    let (item, requests) = match prepared {
        Prepared::Ready(item, requests) => (item, requests),
        Prepared::Skipped(reason) => return Err(Failure::new(Status::Input, reason, task, "ask for another item")),
    };
    match arguments.format {
        Format::Text if item.asked.is_empty() => {
            let fix = "its items are windows of token ids: --format json has them";
            return Err(Failure::new(Status::Input, "no prompt that is a text", task, fix));
        }
        Format::Text => {
            for asked in &item.asked {
                write!(context.out, "{}", asked.text)?;
                if item.asked.len() > 1 {
                    writeln!(context.out)?;
                }
            }
        }
        Format::Json => writeln!(context.out, "{:#}", describe(&task, document, &item, &requests))?,
    }
    context.out.flush()?;
    Ok(Status::Done)
}

/// Item `number` of a task, or of the members of a group: the task that it is from, its number there.
fn prepare(id: &TaskId, inputs: &Inputs<'_>, number: usize) -> Result<(String, usize, Prepared), Failure> {
    let suite = Suite::build(std::slice::from_ref(id), inputs)?;
    let group = suite.groups().iter().find(|group| group.id == id.to_string());
    let members = group.map_or_else(|| (0..suite.tasks().len()).collect(), |group| group.members.clone());
    let mut first = 0;
    for task in members.into_iter().filter_map(|index| suite.tasks().get(index)) {
        if number < first + task.document_count() {
            return Ok((task.id().to_string(), number - first, task.prepare(number - first)?));
        }
        first += task.document_count();
    }
    let what = format!("there is no item {number}: {id} has {first}");
    Err(Failure::usage(what, "--doc", format!("a number from 0 to {}", first.saturating_sub(1))))
}

fn describe(task: &str, document: usize, item: &Item, requests: &[Request]) -> Value {
    let asked: Vec<Value> =
        (item.asked.iter()).map(|asked| json!({"prompt": asked.text, "continuations": asked.continuations})).collect();
    let requests: Vec<Value> = (requests.iter())
        .map(|request| match request {
            Request::Score { tokens, first_scored, .. } => json!({"tokens": tokens, "first_scored": first_scored}),
            Request::Generate { prompt, max_new_tokens, stop, .. } => {
                json!({"tokens": prompt, "max_new_tokens": max_new_tokens, "stop": stop})
            }
        })
        .collect();
    json!({
        "task": task, "doc_id": document, "prompt_hash": item.prompt_hash, "asked": asked, "requests": requests,
        "notes": item.notes,
    })
}
