//! What a run is doing, on stderr.

use super::progress::{Progress, Verbosity};
use eval::runner::{self, Observer, Phase};

/// Tells the user about a run.
pub struct Reporter {
    verbosity: Verbosity,
    progress: Option<Progress>,
}

impl Reporter {
    /// A reporter that has nothing to say yet.
    pub fn new(verbosity: Verbosity) -> Self {
        Self { verbosity, progress: None }
    }

    /// Takes the progress bar away.
    pub fn finish(&mut self) {
        if let Some(mut progress) = self.progress.take() {
            progress.finish();
        }
    }
}

impl Observer for Reporter {
    fn phase(&mut self, phase: Phase<'_>) {
        let text = match phase {
            Phase::ReadingTasks => "reading benchmark files".to_string(),
            Phase::HashingModel => "taking the checkpoint's SHA-256".to_string(),
            Phase::Building { recipe } => format!("{recipe}: building the model"),
            Phase::Asking { recipe } => format!("{recipe}: asking"),
            Phase::WritingResults { recipe } => format!("{recipe}: done"),
            Phase::CheckingModel => "checking that the checkpoint is still the same".to_string(),
        };
        match &self.progress {
            Some(progress) => progress.note(&text),
            None => self.verbosity.note(text),
        }
    }

    fn progress(&mut self, progress: runner::Progress<'_>) {
        let bar = self
            .progress
            .get_or_insert_with(|| Progress::new(self.verbosity, "eval", progress.total as u64, "documents"));
        bar.label(format!("{} {}", progress.recipe, progress.task));
        bar.set(progress.done as u64);
    }
}
