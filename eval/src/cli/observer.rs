//! What a run is doing, on stderr.

use super::calibration::BuildReporter;
use super::progress::{Progress, Verbosity};
use eval::runner::{self, Building, Observer, Phase};
use quant::build::BuildObserver;

/// Tells the user about a run.
pub struct Reporter {
    verbosity: Verbosity,
    progress: Option<Progress>,
    /// While a model is built.
    building: Option<BuildReporter>,
}

impl Reporter {
    /// A reporter that has nothing to say yet.
    pub fn new(verbosity: Verbosity) -> Self {
        Self { verbosity, progress: None, building: None }
    }

    /// Takes the progress bar away.
    pub fn finish(&mut self) {
        self.finish_building();
        if let Some(mut progress) = self.progress.take() {
            progress.finish();
        }
    }
}

impl Reporter {
    fn finish_building(&mut self) {
        if let Some(mut building) = self.building.take() {
            building.finish();
        }
    }
}

impl Observer for Reporter {
    fn phase(&mut self, phase: Phase<'_>) {
        self.finish_building();
        let text = match phase {
            Phase::ReadingTasks => "reading benchmark files".to_string(),
            Phase::HashingModel => "taking the checkpoint's SHA-256".to_string(),
            Phase::Building { recipe } => format!("{recipe}: building the model"),
            Phase::Asking { recipe } => format!("{recipe}: asking"),
            Phase::Comparing { recipe } => format!("{recipe}: comparing next-token distributions"),
            Phase::Measuring { recipe } => format!("{recipe}: measuring speed and memory"),
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

    fn building(&mut self, recipe: &str, building: Building<'_>) {
        let reporter = self.building.get_or_insert_with(|| BuildReporter::new(self.verbosity, recipe.to_string()));
        match building {
            Building::Memory(need) => reporter.memory(need),
            Building::Progress(progress) => reporter.progress(progress),
            Building::Layer(report) => reporter.layer(report),
        }
    }
}
