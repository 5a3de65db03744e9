//! The error of an evaluation: what is wrong, where, what was expected, and the way out.

use std::path::PathBuf;

/// Everything that can go wrong between a list of tasks and a table of results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that no task has.
    #[error("unknown task `{name}`{}\n  nibble tasks ls prints all of them", suggestion(.did_you_mean))]
    UnknownTask {
        /// Name as given, without variant and protocol.
        name: String,
        /// The nearest name there is.
        did_you_mean: Option<String>,
    },
    /// A protocol that the task does not have.
    #[error("task `{task}` has no protocol `{protocol}`{}\n  it has {}", suggestion(.did_you_mean), .supported.join(", "))]
    UnknownProtocol {
        /// Name of the task.
        task: String,
        /// Protocol as given.
        protocol: String,
        /// The nearest protocol the task has.
        did_you_mean: Option<String>,
        /// Every protocol of the task.
        supported: Vec<String>,
    },
    /// The part after `:` is missing, or there where it has no meaning.
    #[error("task `{task}`: expected {expected}, found {found}")]
    Variant {
        /// Name of the task.
        task: String,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A task was asked for twice.
    #[error("task `{id}` is asked for twice; name it once")]
    RepeatedTask {
        /// Full id.
        id: String,
    },
    /// Two different files would have one name in the results.
    #[error(
        "two different files are called {name}: {first} and {second}\n  \
         results name a file, never its path: rename one of them"
    )]
    AmbiguousFileName {
        /// Name without directory.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The protocol speaks to a chat model and the checkpoint has no chat template.
    #[error(
        "task `{task}`: its protocol needs a chat template and this checkpoint has none\n  \
         use {alternative}, or add chat_template.jinja to the checkpoint"
    )]
    NoChatTemplate {
        /// Full id.
        task: String,
        /// A protocol that needs none.
        alternative: String,
    },
    /// No token can stand before the first token of a text.
    #[error(
        "task `{task}`: the tokenizer names no token that begins or ends a sequence, and this protocol puts one first\n  \
         name it as bos_token in tokenizer_config.json, or use a gptq protocol"
    )]
    NoPrefixToken {
        /// Full id.
        task: String,
    },
    /// A prompt does not fit in the model's context.
    #[error(
        "task `{task}`, document {document}: {tokens} tokens do not fit in the context of {limit}\n  \
         choose what to do: --on_overflow skip, drop_shots or left; the result will then say so"
    )]
    ContextOverflow {
        /// Full id.
        task: String,
        /// Document, 0-based.
        document: usize,
        /// Tokens that the model would have to read.
        tokens: usize,
        /// Tokens that it can read.
        limit: usize,
    },
    /// A window is longer than the model's context.
    #[error(
        "task `{task}`: a window of {window} tokens does not fit in the context of {limit}\n  \
         ask for a shorter one, for example {alternative}, or score its end alone with --on_overflow left"
    )]
    WindowTooLong {
        /// Full id.
        task: String,
        /// Tokens of a window.
        window: usize,
        /// Tokens that the model can read.
        limit: usize,
        /// A task id that fits.
        alternative: String,
    },
    /// A text gives not a single window.
    #[error(
        "task `{task}`: the text has {tokens} tokens, {needed} are needed\n  \
         use a longer text or a shorter window"
    )]
    TextTooShort {
        /// Full id.
        task: String,
        /// Tokens of the text.
        tokens: usize,
        /// Tokens needed.
        needed: usize,
    },
    /// An answer adds no token to its context.
    #[error(
        "task `{task}`, document {document}: the answer {answer:?} adds no token to its context: it has no likelihood\n  \
         the tokenizer merges it into the context or the answer is empty: use another protocol or data file"
    )]
    EmptyContinuation {
        /// Full id.
        task: String,
        /// Document, 0-based.
        document: usize,
        /// The answer.
        answer: String,
    },
    /// A text begins with the token that the tokenizer puts before it anyway.
    #[error(
        "task `{task}`, document {document}: the prompt begins with two tokens for the beginning of a sequence ({token:?})\n  \
         take it out of the text or the chat template, or pass --allow_double_bos; the result will then say so"
    )]
    DoubleBos {
        /// Full id.
        task: String,
        /// Document, 0-based.
        document: usize,
        /// The token's text.
        token: String,
    },
    /// A worked example in the prompt is the question itself.
    #[error(
        "task `{task}`, document {document}: worked example {example} is the question itself, so the prompt holds the answer\n  \
         use fewer examples or another file, or pass --allow_shown_answers; the result will then say so"
    )]
    ShownAnswer {
        /// Full id.
        task: String,
        /// Document, 0-based.
        document: usize,
        /// Example, 0-based.
        example: usize,
    },
    /// More worked examples are asked for than there are.
    #[error("task `{task}`: {wanted} worked examples are asked for, there are {available}; lower --num_fewshot")]
    TooFewExamples {
        /// Full id.
        task: String,
        /// Examples asked for.
        wanted: usize,
        /// Examples in the data set.
        available: usize,
    },
    /// Every document was skipped or the limit is zero: there is nothing to score.
    #[error("task `{task}`: no document is left to score; {reason}")]
    NothingToScore {
        /// Full id.
        task: String,
        /// Why.
        reason: String,
    },
    /// An item asks for something that cannot be checked.
    #[error("task `{task}`, document {document}: {problem}\n  fetch the official file again")]
    Unscorable {
        /// Full id.
        task: String,
        /// Document, 0-based.
        document: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of judgements is not in the layout of the authors' script.
    #[error(
        "{}, line {line}: {problem}\n  \
         expected {{\"prompt_new\": \"...\", \"choices\": [{{\"message\": {{\"content\": \"...\"}}}}]}} on every line",
        file.display()
    )]
    Judgement {
        /// File.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// An answer does not fit its question: a defect of the program.
    #[error("internal error in task `{task}`, document {document}: {what}; please report this")]
    Mismatch {
        /// Full id.
        task: String,
        /// Document, 0-based.
        document: usize,
        /// What does not fit.
        what: String,
    },
    /// A result cannot be written or read.
    #[error("cannot {action} {path}: {source}; check that the path exists and that its permissions allow it")]
    Output {
        /// `write`, `read`, `create`, `lock`, `remove`.
        action: &'static str,
        /// File or directory.
        path: PathBuf,
        /// Reason given by the operating system.
        source: std::io::Error,
    },
    /// Another process writes to the run directory.
    #[error(
        "{directory}: another process{process} is writing to this run; wait for it, or choose another --output_path"
    )]
    Locked {
        /// Run directory.
        directory: PathBuf,
        /// ` (pid N)` where it is known.
        process: String,
    },
    /// A line of the journal is damaged.
    #[error(
        "{file}, line {line}: {problem}\n  \
         the file was damaged or edited: restore it, or start again with --overwrite"
    )]
    Journal {
        /// Journal.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The run directory belongs to another plan.
    #[error(
        "{directory} holds a run of another plan:\n{}\n  \
         choose another --output_path, or pass --overwrite to discard that run",
        indented(.differences)
    )]
    PlanDiffers {
        /// Run directory.
        directory: PathBuf,
        /// What differs, one line each.
        differences: Vec<String>,
    },
    /// A directory that is to be compared holds no such results.
    #[error("{directory}: {what}; {fix}")]
    NoRun {
        /// Directory as given.
        directory: PathBuf,
        /// What is missing.
        what: String,
        /// What helps.
        fix: String,
    },
    /// Two results that do not come from the same questions.
    #[error(
        "task `{task}` cannot be compared: {what}\n  \
         compare runs of one version of the program with the same tasks, files and flags"
    )]
    NotComparable {
        /// Full id.
        task: String,
        /// What differs.
        what: String,
    },
    /// A recipe is given twice.
    #[error("recipe `{recipe}` is given twice; name it once")]
    RepeatedRecipe {
        /// Recipe in canonical spelling.
        recipe: String,
    },
    /// The plan asks for nothing.
    #[error("nothing to do: {what}")]
    EmptyPlan {
        /// What is missing.
        what: &'static str,
    },
    /// Reading benchmark files.
    #[error(transparent)]
    Data(#[from] datasets::Error),
    /// Reading the checkpoint or computing.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// Quantizing the model.
    #[error(transparent)]
    Quantization(#[from] quant::Error),
    /// Text to tokens or back.
    #[error(transparent)]
    Tokenizer(#[from] engine::tokenizer::TokenizerError),
    /// Scoring a document or averaging scores.
    #[error(transparent)]
    Metric(#[from] crate::metric::Error),
    /// Comparing two variants.
    #[error(transparent)]
    Statistics(#[from] crate::statistics::Error),
    /// Reading the answer out of a reply.
    #[error(transparent)]
    Extraction(#[from] crate::extract::Error),
    /// Laying out a conversation.
    #[error(transparent)]
    ChatTemplate(#[from] engine::chat_template::ChatTemplateError),
}

/// Who has to act on an error; the command line makes exit codes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The command as typed.
    Usage,
    /// A file, the model or the machine.
    Input,
    /// The program.
    Program,
}

impl Error {
    /// Who has to act.
    pub fn blame(&self) -> Blame {
        match self {
            Error::UnknownTask { .. }
            | Error::UnknownProtocol { .. }
            | Error::Variant { .. }
            | Error::RepeatedTask { .. }
            | Error::RepeatedRecipe { .. }
            | Error::TooFewExamples { .. }
            | Error::PlanDiffers { .. }
            | Error::EmptyPlan { .. } => Blame::Usage,
            Error::Mismatch { .. } => Blame::Program,
            _ => Blame::Input,
        }
    }
}

fn suggestion(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

fn indented(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
