//! From the path a user gives to the directory that holds the files of a checkpoint.

use std::path::{Path, PathBuf};

use crate::error::Error;

const CONFIG: &str = "config.json";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Where the weights of a directory are.
pub(super) enum Weights {
    /// One file.
    Single(PathBuf),
    /// Several, named by an index file.
    Sharded(PathBuf),
}

/// The directory that `path` leads to: itself, or the snapshot of a Hugging Face cache entry
/// (`models--organisation--name`), chosen by its `refs/main`.
pub(super) fn find(path: &Path) -> Result<PathBuf, Error> {
    const EXPECTED: &str = "a directory with config.json and model.safetensors";
    let Ok(metadata) = std::fs::metadata(path) else {
        return Err(Error::NoCheckpoint {
            path: path.to_path_buf(),
            expected: EXPECTED,
            found: "no such directory".into(),
            fix:
                "check the spelling; nothing is downloaded, so a name on the Hugging Face hub has to be fetched first \
                  (`hf download ORGANISATION/NAME --local-dir DIR`)"
                    .into(),
        });
    };
    if !metadata.is_dir() {
        return Err(Error::NoCheckpoint {
            path: path.to_path_buf(),
            expected: EXPECTED,
            found: "a file".into(),
            fix: "give the directory that holds it".into(),
        });
    }
    if path.join(CONFIG).exists() {
        return Ok(path.to_path_buf());
    }
    if path.join("snapshots").is_dir() {
        return snapshot(path);
    }
    let names = names(path)?;
    Err(Error::NoCheckpoint {
        path: path.to_path_buf(),
        expected: "config.json",
        fix: match names.iter().find(|name| name.starts_with("models--")) {
            Some(entry) => {
                format!("this is a cache of models: give one of its entries, for example `{entry}`")
            }
            None => advice(&names),
        },
        found: listing(&names),
    })
}

/// The weights of a checkpoint directory. A single file goes before an index, as in transformers.
pub(super) fn weights(directory: &Path) -> Result<Weights, Error> {
    let single = directory.join(SINGLE);
    // A dangling link counts as present: the error then names the file that cannot be opened.
    if single.symlink_metadata().is_ok() {
        return Ok(Weights::Single(single));
    }
    let index = directory.join(INDEX);
    if index.symlink_metadata().is_ok() {
        return Ok(Weights::Sharded(index));
    }
    let names = names(directory)?;
    Err(Error::NoCheckpoint {
        path: directory.to_path_buf(),
        expected: "model.safetensors or model.safetensors.index.json",
        fix: advice(&names),
        found: listing(&names),
    })
}

/// The snapshot of a cache entry that `refs/main` names, or the only one.
fn snapshot(entry: &Path) -> Result<PathBuf, Error> {
    let snapshots = entry.join("snapshots");
    let revisions = names(&snapshots)?;
    let main = std::fs::read_to_string(entry.join("refs").join("main"));
    let revision = match (&main, revisions.as_slice()) {
        (Ok(main), _) => main.trim(),
        (Err(_), [only]) => only,
        (Err(_), _) => "",
    };
    let directory = snapshots.join(revision);
    if is_plain_name(revision) && directory.join(CONFIG).exists() {
        return Ok(directory);
    }
    Err(Error::NoCheckpoint {
        path: entry.to_path_buf(),
        expected: "refs/main naming a directory of snapshots/ that holds config.json",
        found: format!("refs/main `{revision}` and snapshots {}", listing(&revisions)),
        fix: "fetch the model again, or give the path of one snapshot".into(),
    })
}

/// Whether a name from a file stays inside its directory.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0'])
}

/// Names in a directory, sorted.
fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let io = |source| Error::Io { file: directory.to_path_buf(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(io)? {
        names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn listing(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len() {
        0 => "nothing".into(),
        1..=SHOWN => names.join(", "),
        more => format!("{} and {} more", names[..SHOWN].join(", "), more - SHOWN),
    }
}

/// What to do with a directory that holds something else.
fn advice(names: &[String]) -> String {
    let has = |suffix: &str| names.iter().any(|name| name.ends_with(suffix));
    if names.iter().any(|name| name == "adapter_config.json") {
        "this is an adapter: merge it into its base model and save that".into()
    } else if has(".gguf") {
        "GGUF files are not read: use the safetensors checkpoint they were made from".into()
    } else if has(".bin") || has(".pt") || has(".pth") {
        "pickled weights are not read because they can run code: save them as safetensors \
         (`save_pretrained` of transformers does)"
            .into()
    } else if has(".safetensors") {
        "use the Hugging Face layout and file names".into()
    } else {
        "give the directory of a checkpoint in the Hugging Face layout".into()
    }
}
