//! Recipes of finished runs, read back from their directories and compared.
//!
//! What is compared was written by the run: metrics and configurations from `results.json`, scores and prompts from the
//! sample logs. Neither the model nor the benchmark's files are needed.

use super::{Compared, Difference, Observation, Side, correct};
use crate::error::Error;
use crate::manifest::Manifest;
use crate::output;
use crate::runner::{COMPARED, RESULTS, folder_of};
use crate::task::{NO_FILTER, PairedTest, Sample};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A run directory.
#[derive(Debug)]
pub struct SavedRun {
    directory: PathBuf,
    manifest: Manifest,
}

/// One recipe of a run, with everything that it is compared by.
#[derive(Debug)]
pub struct SavedRecipe {
    /// Recipe in canonical spelling.
    pub recipe: String,
    /// What the run calls the model.
    pub model: String,
    tasks: Vec<SavedTask>,
}

/// A task or group of tasks.
#[derive(Debug)]
struct SavedTask {
    id: String,
    requested: bool,
    /// Main metric, with its filter where it has one.
    metric: String,
    value: Option<f64>,
    higher_is_better: bool,
    score: String,
    test: PairedTest,
    /// Version of every task in it.
    versions: Vec<Value>,
    /// Names and SHA-256 of its files.
    files: Vec<(String, String)>,
    documents: Vec<Option<Observation>>,
}

impl SavedRun {
    /// Opens the directory of a run.
    ///
    /// # Errors
    /// [`Error::NoRun`], a manifest that cannot be read.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        match Manifest::read(directory)? {
            Some(manifest) => Ok(Self { directory: directory.to_path_buf(), manifest }),
            None => Err(Error::NoRun {
                directory: directory.to_path_buf(),
                what: "there is no manifest.json".into(),
                fix: "name the --output_path of a `nibble eval`".into(),
            }),
        }
    }

    /// The recipes of its plan.
    pub fn recipes(&self) -> Vec<String> {
        self.manifest.recipes()
    }

    /// The seed of what it drew.
    pub fn seed(&self) -> u64 {
        self.manifest.value()["options"]["seed"].as_u64().unwrap_or_default()
    }

    /// Reads a recipe.
    ///
    /// # Errors
    /// [`Error::NoRun`] for one that is not in the run or not finished, files that are damaged.
    pub fn recipe(&self, recipe: &str) -> Result<SavedRecipe, Error> {
        let recipes = self.recipes();
        let missing =
            |what: String, fix: &str| Error::NoRun { directory: self.directory.clone(), what, fix: fix.to_string() };
        if !recipes.iter().any(|known| known == recipe) {
            let fix = format!("it has {}", recipes.join(", "));
            return Err(missing(format!("the run has no recipe `{recipe}`"), &fix));
        }
        let folder = self.directory.join(folder_of(recipe));
        let path = folder.join(RESULTS);
        if !path.exists() {
            let what = format!("recipe `{recipe}` is not finished");
            return Err(missing(what, "the same `nibble eval` goes on where it stopped"));
        }
        let results: Value = serde_json::from_str(&read(&path)?).map_err(|error| Error::Journal {
            file: path.clone(),
            line: error.line(),
            problem: error.to_string(),
        })?;
        let reader = Reader { folder, path, results, run: self };
        let (mut tasks, mut single) = (Vec::new(), Vec::new());
        let ids = self.manifest.tasks();
        for (id, name) in ids.iter().zip(output::file_names(&ids)) {
            single.push(reader.task(id, &name)?);
        }
        for (id, members) in reader.results["group_subtasks"].as_object().into_iter().flatten() {
            tasks.push(reader.group(id, members, &single)?);
        }
        tasks.extend(single);
        let model = self.manifest.value()["model"]["name"].as_str().unwrap_or_default().to_string();
        Ok(SavedRecipe { recipe: recipe.to_string(), model, tasks })
    }
}

/// Files of one recipe.
struct Reader<'a> {
    folder: PathBuf,
    path: PathBuf,
    results: Value,
    run: &'a SavedRun,
}

impl Reader<'_> {
    fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::Journal { file: self.path.clone(), line: 0, problem: problem.into() }
    }

    /// The main metric of a task or group: name, label, value.
    fn metric(&self, id: &str) -> Result<(String, String, Option<f64>), Error> {
        let metrics = self.results["results"][id].as_object().into_iter().flatten();
        for (key, value) in metrics {
            if let Some((name, filter)) = key.split_once(',') {
                let label = if filter == NO_FILTER { name } else { key };
                return Ok((name.to_string(), label.to_string(), value.as_f64()));
            }
        }
        Err(self.damaged(format!("results of `{id}` are missing")))
    }

    fn requested(&self, id: &str) -> bool {
        let requested = self.run.manifest.value()["requested"].as_array();
        requested.is_some_and(|ids| ids.iter().any(|known| known.as_str() == Some(id)))
    }

    fn task(&self, id: &str, name: &str) -> Result<SavedTask, Error> {
        let (name_of_metric, metric, value) = self.metric(id)?;
        let configuration = &self.results["configs"][id];
        let text = |value: &Value| value.as_str().map(str::to_string);
        let compared = &configuration[COMPARED];
        let (Some(score), Some(test)) =
            (text(&compared["score"]), compared["test"].as_str().and_then(PairedTest::find))
        else {
            return Err(self.damaged(format!("it does not say how `{id}` is compared")));
        };
        let files = configuration["files"].as_array().into_iter().flatten();
        Ok(SavedTask {
            id: id.to_string(),
            requested: self.requested(id),
            value,
            higher_is_better: self.results["higher_is_better"][id][&name_of_metric].as_bool().unwrap_or(true),
            metric,
            test,
            versions: vec![self.results["versions"][id].clone()],
            files: files.filter_map(|file| Some((text(&file["name"])?, text(&file["sha256"])?))).collect(),
            documents: self.documents(name, &score)?,
            score,
        })
    }

    fn documents(&self, name: &str, score: &str) -> Result<Vec<Option<Observation>>, Error> {
        let path = self.folder.join(format!("samples_{name}.jsonl"));
        let mut documents = Vec::new();
        for (index, line) in read(&path)?.lines().enumerate() {
            let problem = |problem: String| Error::Journal { file: path.clone(), line: index + 1, problem };
            let fields: Map<String, Value> = serde_json::from_str(line).map_err(|error| problem(error.to_string()))?;
            if fields.get("doc_id").and_then(Value::as_u64) != Some(index as u64) {
                return Err(problem(format!("expected doc_id {index}")));
            }
            documents.push(Observation::of(&Sample { fields }, score));
        }
        Ok(documents)
    }

    fn group(&self, id: &str, members: &Value, tasks: &[SavedTask]) -> Result<SavedTask, Error> {
        let (name, metric, value) = self.metric(id)?;
        let ids = members.as_array().into_iter().flatten().filter_map(Value::as_str);
        let members: Vec<&SavedTask> = ids.filter_map(|id| tasks.iter().find(|task| task.id == id)).collect();
        let first = members.first().ok_or_else(|| self.damaged(format!("group `{id}` has no members")))?;
        Ok(SavedTask {
            id: id.to_string(),
            requested: self.requested(id),
            metric,
            value,
            higher_is_better: self.results["higher_is_better"][id][&name].as_bool().unwrap_or(true),
            score: first.score.clone(),
            test: first.test,
            versions: members.iter().flat_map(|task| task.versions.clone()).collect(),
            files: members.iter().flat_map(|task| task.files.clone()).collect(),
            documents: members.iter().flat_map(|task| Observation::of_member(&task.id, &task.documents)).collect(),
        })
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Output { action: "read", path: path.to_path_buf(), source })
}

/// The differences of `variant` from `baseline`, task by task, corrected over the tasks.
///
/// # Errors
/// [`Error::NotComparable`] for tasks of another version, other files or other prompts, and where no task is in both.
pub fn compare(baseline: &SavedRecipe, variant: &SavedRecipe, seed: u64) -> Result<Vec<Difference>, Error> {
    let mut found = Vec::new();
    let mut shared = 0;
    for task in &variant.tasks {
        let Some(other) = baseline.tasks.iter().find(|other| other.id == task.id) else { continue };
        shared += 1;
        other.check(task)?;
        let (Some(before), Some(after)) = (other.value, task.value) else { continue };
        let compared = Compared {
            task: &task.id,
            requested: task.requested && other.requested,
            metric: &task.metric,
            higher_is_better: task.higher_is_better,
            score: &task.score,
            test: task.test,
            seed,
        };
        let before = Side { recipe: &baseline.recipe, value: before, documents: &other.documents };
        let after = Side { recipe: &variant.recipe, value: after, documents: &task.documents };
        found.extend(compared.difference(before, after, None)?);
    }
    if shared == 0 {
        let ids = |recipe: &SavedRecipe| -> String {
            recipe
                .tasks
                .iter()
                .filter(|task| task.requested)
                .map(|task| task.id.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let what = format!("no task is in both: {} and {}", ids(baseline), ids(variant));
        return Err(Error::NotComparable { task: ids(variant), what });
    }
    correct(&mut found);
    Ok(found)
}

impl SavedTask {
    /// Refuses results that do not come from the same questions.
    fn check(&self, other: &Self) -> Result<(), Error> {
        let differ = |what: String| Err(Error::NotComparable { task: self.id.clone(), what });
        if self.versions != other.versions {
            return differ(format!("version {} and version {}", list(&self.versions), list(&other.versions)));
        }
        if (&self.metric, &self.score, self.test) != (&other.metric, &other.score, other.test) {
            return differ(format!("the main metric is {} and {}", self.metric, other.metric));
        }
        if let Some(((name, _), _)) = self.files.iter().zip(&other.files).find(|(a, b)| a != b) {
            return differ(format!("the bytes of {name} are not the same"));
        }
        if self.files.len() != other.files.len() {
            return differ(format!("read from {} and from {} files", self.files.len(), other.files.len()));
        }
        if self.documents.len() != other.documents.len() {
            return differ(format!("{} and {} documents (--limit)", self.documents.len(), other.documents.len()));
        }
        let pairs = self.documents.iter().zip(&other.documents).enumerate();
        for (document, (before, after)) in pairs {
            if let (Some(before), Some(after)) = (before, after)
                && before.prompt_hash != after.prompt_hash
            {
                return differ(format!("document {document} has another prompt"));
            }
        }
        Ok(())
    }
}

fn list(values: &[Value]) -> String {
    let mut texts: Vec<String> = values.iter().map(Value::to_string).collect();
    texts.dedup();
    texts.join(", ")
}
