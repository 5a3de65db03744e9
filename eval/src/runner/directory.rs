//! The run directory: who may write to it, what belongs to it.

use super::environment::Invocation;
use super::files;
use super::results::Variant;
use super::{RunSummary, Status};
use crate::efficiency;
use crate::error::Error;
use crate::journal::{self, Journal};
use crate::manifest::{self, Manifest};
use crate::output;
use crate::task::Suite;
use quant::Recipe;
use std::path::{Path, PathBuf};

/// What to do with a run that is in the directory already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Take it up again if it has the same plan, else refuse.
    #[default]
    Resume,
    /// Discard it.
    Overwrite,
}

/// A journal, and the directory it lies in if the run has one.
pub struct RunDirectory {
    path: Option<PathBuf>,
    journal: Journal,
    /// Names of the recipes' folders, in the order of the recipes.
    folders: Vec<(String, String)>,
}

impl RunDirectory {
    /// Opens the directory of a run, or begins one. Nobody else can write to it until this is dropped.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::PlanDiffers`], a damaged journal, a path that cannot be written.
    pub fn open(path: Option<&Path>, existing: Existing, manifest: &Manifest, model: &str) -> Result<Self, Error> {
        let folders = folders(manifest);
        let Some(path) = path else {
            return Ok(Self { path: None, journal: Journal::in_memory(model), folders });
        };
        std::fs::create_dir_all(path).map_err(|source| Error::Output {
            action: "create",
            path: path.to_path_buf(),
            source,
        })?;
        let journal = match existing {
            Existing::Overwrite => {
                let journal = Journal::create(path, model)?;
                if let Some(old) = Manifest::read(path)? {
                    remove_results(path, &old)?;
                }
                output::remove(&path.join(files::RUN))?;
                journal
            }
            Existing::Resume => {
                let journal = Journal::open(path, model)?;
                check_plan(path, manifest, &journal)?;
                journal
            }
        };
        manifest.write(path)?;
        Ok(Self { path: Some(path.to_path_buf()), journal, folders })
    }

    /// The journal.
    pub fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// Documents of a recipe that are in the journal.
    pub fn done(&self, recipe: &str, suite: &Suite<'_>) -> usize {
        let done = suite.tasks().iter().map(|task| self.journal.done(recipe, task.id(), task.document_count()));
        done.sum()
    }

    /// Writes the results and sample logs of a finished recipe.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn write_variant(&mut self, manifest: &Manifest, suite: &Suite<'_>, variant: &Variant) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        let folder = self.folders.iter().find(|(recipe, _)| *recipe == variant.recipe);
        let folder = path.join(folder.map_or(variant.recipe.as_str(), |(_, folder)| folder.as_str()));
        std::fs::create_dir_all(&folder).map_err(|source| Error::Output {
            action: "create",
            path: folder.clone(),
            source,
        })?;
        let ids: Vec<String> = suite.tasks().iter().map(|task| task.id().to_string()).collect();
        for (task, name) in suite.tasks().iter().zip(output::file_names(&ids)) {
            let lines = files::samples(&mut self.journal, &variant.key, task.as_ref())?;
            output::write(&folder.join(format!("samples_{name}.jsonl")), lines.as_bytes())?;
            let questions = files::judge_lines(&mut self.journal, &variant.key, task.as_ref())?;
            if !questions.is_empty() {
                output::write(&folder.join(format!("judge_{name}.jsonl")), questions.as_bytes())?;
            }
        }
        output::write_json(&folder.join(files::RESULTS), &files::results(manifest, suite, variant))
    }

    /// Writes what compares the recipes, if all are finished, and what is known of this invocation.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn write_summary(&self, summary: &RunSummary, invocation: Invocation) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        invocation.append_to(&path.join(files::RUN), summary.status)?;
        if summary.status == Status::Complete {
            output::write_json(&path.join(files::COMPARISON), &files::comparison(&summary.differences))?;
            output::write_json(&path.join(files::SUMMARY), &files::summary(summary))?;
        }
        Ok(())
    }

    /// Removes all results and everything from the journal.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn discard(&mut self, manifest: &Manifest) -> Result<(), Error> {
        self.journal.clear()?;
        match &self.path {
            Some(path) => remove_results(path, manifest),
            None => Ok(()),
        }
    }
}

/// Refuses a directory whose run has another plan.
fn check_plan(path: &Path, manifest: &Manifest, journal: &Journal) -> Result<(), Error> {
    let differences = match Manifest::read(path)? {
        Some(old) => old.differences(manifest),
        None if journal.is_empty() => Vec::new(),
        None => vec![format!("{} is there, {} is not", journal::FILE_NAME, manifest::FILE_NAME)],
    };
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::PlanDiffers { directory: path.to_path_buf(), differences })
}

/// The recipes of a plan with the names of their folders.
fn folders(manifest: &Manifest) -> Vec<(String, String)> {
    let recipes = manifest.recipes().into_iter();
    recipes
        .map(|recipe| {
            let folder = folder_of(&recipe);
            (recipe, folder)
        })
        .collect()
}

/// The name of a recipe's folder in a run directory.
pub(crate) fn folder_of(recipe: &str) -> String {
    Recipe::parse(recipe).map_or_else(|_| output::file_name(recipe), |recipe| recipe.slug())
}

/// Removes the results of a run, and folders that are empty then.
fn remove_results(path: &Path, manifest: &Manifest) -> Result<(), Error> {
    output::remove(&path.join(files::SUMMARY))?;
    output::remove(&path.join(files::COMPARISON))?;
    output::remove(&path.join(files::REPORT))?;
    output::remove(&path.join(efficiency::FILE_NAME))?;
    let samples = output::file_names(&manifest.tasks());
    for (_, folder) in folders(manifest) {
        let folder = path.join(folder);
        output::remove(&folder.join(files::RESULTS))?;
        for name in &samples {
            output::remove(&folder.join(format!("samples_{name}.jsonl")))?;
            output::remove(&folder.join(format!("judge_{name}.jsonl")))?;
        }
        // Whatever else is in there is not ours.
        let _ = std::fs::remove_dir(&folder);
    }
    Ok(())
}
