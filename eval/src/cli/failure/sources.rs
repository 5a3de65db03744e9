//! The errors of the crates below, in three lines.

use super::super::spelling::nearest;
use super::{Failure, Status};
use datasets::Error as DataError;
use engine::Error as EngineError;
use eval::Error as EvalError;
use eval::error::Blame;
use std::path::{Path, PathBuf};

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let place = match &error {
            EngineError::Io { file, .. }
            | EngineError::Json { file, .. }
            | EngineError::Truncated { file, .. }
            | EngineError::HeaderLength { file, .. }
            | EngineError::HeaderSyntax { file, .. }
            | EngineError::DuplicateTensor { file, .. }
            | EngineError::Offsets { file, .. }
            | EngineError::TrailingBytes { file, .. }
            | EngineError::ShapeOverflow { file, .. }
            | EngineError::TensorLength { file, .. }
            | EngineError::UnsupportedDtype { file, .. }
            | EngineError::MissingTensor { file, .. }
            | EngineError::UnexpectedTensor { file, .. }
            | EngineError::TensorShape { file, .. }
            | EngineError::NotFinite { file, .. }
            | EngineError::Changed { file, .. }
            | EngineError::StoredMatrix { file, .. }
            | EngineError::ConfigValue { file, .. }
            | EngineError::QuantizedMatrix { file, .. }
            | EngineError::Unsupported { file, .. } => file.display().to_string(),
            EngineError::NoCheckpoint { path, .. } | EngineError::Write { path, .. } | EngineError::Exists { path } => {
                path.display().to_string()
            }
            EngineError::Shards { index, .. } => index.display().to_string(),
            EngineError::Numerics { layer, position, .. } => format!("layer {layer}, position {position}"),
            EngineError::TokenRange { position, .. } | EngineError::ContextLength { position, .. } => {
                format!("position {position} of the input")
            }
            EngineError::Machine { .. } => "this machine".into(),
            EngineError::KvHeadDim { .. } => "--quant".into(),
            _ => "the model".into(),
        };
        Failure::from_text(Status::Input, error, place, "run `nibble doctor` to see what this machine has")
    }
}

impl From<quant::Error> for Failure {
    fn from(error: quant::Error) -> Self {
        match error {
            quant::Error::Engine(error) => error.into(),
            error @ (quant::Error::Recipe(_)
            | quant::Error::UnmatchedPattern { .. }
            | quant::Error::AlreadyQuantized { .. }) => {
                Failure::from_text(Status::Usage, error, "--quant", "`nibble quants ls` lists what there is")
            }
            error @ quant::Error::NoSuchMatrix { .. } => {
                Failure::from_text(Status::Usage, error, "--layer", "name a matrix of the model")
            }
            error @ (quant::Error::Calibration { .. } | quant::Error::NoCalibration { .. }) => Failure::from_text(
                Status::Input,
                error,
                "--calibration",
                "give a text file, `alpaca:FILE` or `builtin`",
            ),
            error @ quant::Error::Memory { .. } => {
                Failure::from_text(Status::Input, error, "this machine", "`nibble doctor` shows how much memory it has")
            }
            error @ quant::Error::Cache { .. } => {
                Failure::from_text(Status::Input, error, "--quant_cache", "name a directory that can be written to")
            }
            error => Failure::from_text(Status::Input, error, "the model", "use another checkpoint"),
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        let place = match &error {
            DataError::Missing { looked_in, .. } => directories(looked_in),
            DataError::Io { path, .. } => path.display().to_string(),
            DataError::Utf8 { file, .. }
            | DataError::Empty { file, .. }
            | DataError::Csv { file, .. }
            | DataError::Columns { file, .. }
            | DataError::Answer { file, .. }
            | DataError::Json { file, .. }
            | DataError::Item { file, .. }
            | DataError::Row { file, .. }
            | DataError::Count { file, .. }
            | DataError::Feature { file, .. }
            | DataError::Parquet { file, .. }
            | DataError::Pin { file, .. } => file.clone(),
            DataError::UnknownSubject { .. } => "--tasks".into(),
            _ => "--data".into(),
        };
        let status = match &error {
            DataError::UnknownSubject { .. } => Status::Usage,
            _ => Status::Input,
        };
        Failure::from_text(
            status,
            error,
            place,
            "fetch the official file again; `nibble data check DIR` checks all of them",
        )
    }
}

fn directories(directories: &[PathBuf]) -> String {
    let names: Vec<String> = directories.iter().map(|directory| directory.display().to_string()).collect();
    if names.is_empty() { "--data".into() } else { format!("--data {}", names.join(", ")) }
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        let status = match error.blame() {
            Blame::Usage => Status::Usage,
            Blame::Input => Status::Input,
            Blame::Program => Status::Internal,
        };
        let path = |path: &Path| path.display().to_string();
        let place = match &error {
            EvalError::Output { path: file, .. } => path(file),
            EvalError::Journal { file, line, .. } => format!("{}, line {line}", file.display()),
            EvalError::Locked { directory, .. }
            | EvalError::PlanDiffers { directory, .. }
            | EvalError::NoRun { directory, .. } => path(directory),
            EvalError::NotComparable { task, .. } => task.clone(),
            EvalError::UnknownTask { .. }
            | EvalError::UnknownProtocol { .. }
            | EvalError::Variant { .. }
            | EvalError::RepeatedTask { .. } => "--tasks".into(),
            EvalError::RepeatedRecipe { .. } => "--quant".into(),
            EvalError::TooFewExamples { .. } => "--num_fewshot".into(),
            EvalError::Tokenizer(_) => "the tokenizer".into(),
            EvalError::ChatTemplate(_) => "the chat template".into(),
            _ => String::new(),
        };
        match error {
            EvalError::UnknownTask { name, did_you_mean } => {
                let names = eval::task::names();
                let near = did_you_mean.as_deref().or_else(|| nearest(&name, names.iter().map(String::as_str)));
                let hint = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
                let fix = format!("{hint}`nibble tasks ls` lists the tasks, `nibble tasks ls --names` every name");
                Failure::usage(format!("no task is called `{name}`"), place, fix)
            }
            EvalError::Data(error) => error.into(),
            EvalError::Engine(error) => error.into(),
            EvalError::Quantization(error) => error.into(),
            error if place.is_empty() => {
                // Such a text begins with the task and the document it speaks of.
                let text = error.to_string();
                let (place, what) = text.split_once(": ").unwrap_or(("--tasks", &text));
                Failure::from_text(status, what, place, "`nibble tasks show NAME` says what the task needs")
            }
            error => Failure::from_text(status, error, place, "`nibble tasks ls` lists the tasks"),
        }
    }
}
