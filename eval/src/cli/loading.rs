//! From `--model` and `--quant` to a model in memory.

use super::failure::{Failure, Status};
use super::lab::Builtin;
use super::progress::Verbosity;
use super::spelling::nearest;
use clap::Args;
use engine::checkpoint::{Checkpoint, OpenOptions, Reading};
use engine::tokenizer::{Tokenizer, TokenizerError};
use quant::Recipe;
use std::path::{Path, PathBuf};

/// Flags that choose a checkpoint.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Model")]
pub struct ModelFlags {
    /// Checkpoint directory in the Hugging Face layout, or `builtin[:s|:m|:l]`
    ///
    /// A directory with config.json and model.safetensors (or model.safetensors.index.json and its shards), an entry of
    /// a Hugging Face cache (models--ORGANISATION--NAME) or the ORGANISATION/NAME of one. Nothing is downloaded.
    /// `builtin` is `builtin:s`, a small model that is part of this program, trained on the micro-world and on nothing else
    /// (`nibble data show builtin`); `builtin:m` and `builtin:l` are larger ones, in datasets/lab of the repository.
    /// `builtin:seeded` is made in memory from a seed: untrained, for trying things out, its scores are chance.
    #[arg(short, long, value_name = "DIR")]
    pub model: Option<String>,
    /// Read weight files into memory instead of mapping them
    ///
    /// A mapped file that is truncated meanwhile ends the program; what is read does not depend on the file any more.
    #[arg(long)]
    pub no_mmap: bool,
}

/// The flag that chooses one recipe.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", next_help_heading = "Model")]
pub struct RecipeFlag {
    /// Quantization recipe [default: none]
    ///
    /// `none` is the checkpoint's own precision; `rtn:w4g32` is 4-bit codes with one scale for 32 columns of a row.
    /// `nibble quants ls` lists the methods, `nibble quants show RECIPE` explains a recipe.
    #[arg(long = "quant", value_name = "RECIPE", default_value = "none", hide_default_value = true)]
    pub quant: String,
}

impl RecipeFlag {
    /// The recipe.
    pub fn recipe(&self) -> Result<Recipe, Failure> {
        match recipes(std::slice::from_ref(&self.quant))?.as_slice() {
            [recipe] => Ok(recipe.clone()),
            several => {
                let what = format!("expected one recipe, found {}", several.len());
                Err(Failure::usage(
                    what,
                    format!("--quant {}", self.quant),
                    "name one; `nibble eval` and `nibble bench` take several",
                ))
            }
        }
    }
}

/// The recipes of a comma-separated list, or of several such lists.
pub fn recipes(lists: &[String]) -> Result<Vec<Recipe>, Failure> {
    Recipe::parse_list(&lists.join(",")).map_err(|error| {
        let place = format!("--quant `{}`, column {}", error.text, error.column);
        Failure::usage(error.what, place, error.fix)
    })
}

/// An opened checkpoint.
pub struct Source {
    /// Name in results and tables.
    pub name: String,
    /// Its files.
    pub checkpoint: Checkpoint,
    /// Where it is from.
    pub origin: Origin,
}

/// Where a checkpoint is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made in memory from a seed.
    Seeded,
    /// Trained on the micro-world, part of the program or of the repository.
    Lab,
    /// Anywhere else.
    Directory,
}

impl ModelFlags {
    /// Opens the checkpoint.
    pub fn open(&self, verbosity: Verbosity) -> Result<Source, Failure> {
        let Some(model) = &self.model else {
            let fix = "add --model DIR, a checkpoint in the Hugging Face layout, or --model builtin to try the command";
            return Err(Failure::usage("no model is given", "--model", fix));
        };
        open(model, self.no_mmap, verbosity)
    }
}

/// Opens the checkpoint that `model`, a path or a name, means.
pub fn open(model: &str, no_mmap: bool, verbosity: Verbosity) -> Result<Source, Failure> {
    if let Some(builtin) = Builtin::parse(model)? {
        return builtin.open();
    }
    let given = PathBuf::from(model);
    let path = match in_cache(&given) {
        Some(entry) => {
            verbosity.note(format!("note: {model} is no directory here; taking {}", entry.display()));
            entry
        }
        None => given,
    };
    let reading = if no_mmap { Reading::Read } else { Reading::Mapped };
    let checkpoint = Checkpoint::open(&path, OpenOptions { reading }).map_err(|error| not_found(error, &path))?;
    Ok(Source { name: model_name(checkpoint.directory()), checkpoint, origin: Origin::Directory })
}

impl Source {
    /// Opens its tokenizer.
    pub fn tokenizer(&self) -> Result<Tokenizer, TokenizerError> {
        match self.origin {
            Origin::Seeded => Tokenizer::bytes_only(),
            Origin::Lab | Origin::Directory => Tokenizer::of(&self.checkpoint),
        }
    }

    /// Its tokenizer, which must belong to a model of `vocab_size` rows.
    pub fn fitting_tokenizer(&self, vocab_size: usize) -> Result<Tokenizer, Failure> {
        let tokenizer = self.tokenizer().map_err(|error| self.tokenizer_failure(&error))?;
        tokenizer.check_fits(vocab_size).map_err(|error| self.tokenizer_failure(&error))?;
        Ok(tokenizer)
    }

    fn tokenizer_failure(&self, error: &TokenizerError) -> Failure {
        let fix = "use the tokenizer files published with the weights; --tokens needs none";
        Failure::from_text(Status::Input, error, self.checkpoint.directory().display(), fix)
    }
}

/// Directories in which the tools of the Hugging Face hub keep models.
pub fn cache_directories() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || variable("HOME").or_else(|| variable("USERPROFILE"));
    let hub = variable("HF_HUB_CACHE")
        .or_else(|| variable("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| home().map(|home| home.join(".cache/huggingface/hub")));
    hub.into_iter().filter(|hub| hub.is_dir()).collect()
}

/// The cache entry that `given`, an ORGANISATION/NAME that is no path here, names.
fn in_cache(given: &Path) -> Option<PathBuf> {
    let text = given.to_str()?;
    let (organisation, name) = text.split_once('/')?;
    let is_name = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\']);
    if !is_name(organisation) || !is_name(name) || given.exists() {
        return None;
    }
    let entries = cache_directories().into_iter().map(|hub| hub.join(format!("models--{organisation}--{name}")));
    entries.into_iter().find(|entry| entry.is_dir())
}

/// What a checkpoint's directory is called: ORGANISATION/NAME in a cache, else its last part.
pub fn model_name(directory: &Path) -> String {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
    let names =
        directory.ancestors().filter_map(|part| part.file_name()).map(|name| name.to_string_lossy().into_owned());
    let names: Vec<String> = names.collect();
    let cached = names.iter().find_map(|name| name.strip_prefix("models--"));
    match cached {
        Some(name) => name.replacen("--", "/", 1),
        None => names.into_iter().next().unwrap_or_else(|| "model".into()),
    }
}

/// The failure of a checkpoint that does not open; a path that does not exist gets the nearest one beside it.
fn not_found(error: engine::Error, path: &Path) -> Failure {
    let engine::Error::NoCheckpoint { path: place, expected, found, fix } = error else {
        return error.into();
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let siblings: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let meant = match path.exists() {
        true => None,
        false => nearest(&name, siblings.iter().map(String::as_str)),
    };
    let fix = match meant {
        Some(sibling) => format!("did you mean {}? {fix}", parent.join(sibling).display()),
        None => fix,
    };
    Failure::new(Status::Input, format!("no checkpoint: expected {expected}, found {found}"), place.display(), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_directories() {
        let cached = "/no/hub/models--Org--A-Model--v2/snapshots/0123";
        assert_eq!(model_name(Path::new(cached)), "Org/A-Model--v2");
        assert_eq!(model_name(Path::new("/no/models/tiny")), "tiny");
        assert_eq!(model_name(Path::new("/no/models/tiny/")), "tiny");
    }

    #[test]
    fn a_mistyped_path_gets_its_neighbour() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("stories260K")).unwrap();
        let path = directory.path().join("storys260K");
        let failure = open(path.to_str().unwrap(), false, Verbosity::Quiet).err().unwrap();
        assert_eq!(failure.status(), Status::Input);
        assert_eq!(failure.place(), path.display().to_string());
        assert!(failure.fix().starts_with("did you mean "), "{failure:?}");
    }
}
