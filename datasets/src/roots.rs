//! Where benchmark files are looked for.

use crate::catalogue::Dataset;
use crate::manifest::{Loaded, Pinning};
use crate::source::Source;
use crate::{Error, Result, pins};
use std::path::{Path, PathBuf};

/// Directories in which the official files are looked for, in order.
///
/// Each reader knows the layouts in which the official repositories, archives and common copies keep its files, and
/// tries them beneath every directory; the directory may also be the data set itself. The first hit wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataRoots {
    dirs: Vec<PathBuf>,
    pinning: Pinning,
}

impl DataRoots {
    /// Looks in `dirs`, earlier ones first, and requires official bytes where their digests are known.
    pub fn new(dirs: &[PathBuf]) -> Self {
        Self { dirs: dirs.to_vec(), pinning: Pinning::default() }
    }

    /// The same directories under another rule for files that differ from the official release.
    pub fn with_pinning(self, pinning: Pinning) -> Self {
        Self { pinning, ..self }
    }

    /// The directories, in order.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The rule for files that differ from the official release.
    pub fn pinning(&self) -> Pinning {
        self.pinning
    }

    /// Every existing file among `candidates` (relative paths, best first), directory by directory.
    pub(crate) fn find_all(&self, candidates: &[String]) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        for dir in &self.dirs {
            for candidate in candidates {
                let path = dir.join(candidate);
                if path.is_file() {
                    found.push(path);
                }
            }
        }
        found
    }

    /// The first existing file among `candidates`, or [`Error::Missing`] for `file` of `dataset`.
    pub(crate) fn find(&self, dataset: &'static Dataset, file: &str, candidates: Vec<String>) -> Result<PathBuf> {
        match self.find_all(&candidates).into_iter().next() {
            Some(path) => Ok(path),
            None => Err(self.missing(dataset, file, candidates)),
        }
    }

    /// Finds the file of a data set, checks its digest against the official ones, and parses it.
    ///
    /// Looks for each of `files`, best first, in each of `folders` beneath every directory, and after all of these in
    /// the directories themselves, one of which may be the data set's own. The canonical name of the file is the one
    /// in `files` after the data set's.
    pub(crate) fn load<T>(
        &self,
        dataset: &'static Dataset,
        folders: &[&str],
        files: &[String],
        parse: impl FnOnce(&Source) -> Result<T>,
    ) -> Result<Loaded<T>> {
        let source = self.source(dataset, folders, files)?;
        let file = source.identify(self.pinning, &pins::of(&source.name))?;
        Ok(Loaded { content: parse(&source)?, files: vec![file] })
    }

    /// The first of `files` that exists, as [`DataRoots::load`] looks for it.
    pub(crate) fn source(&self, dataset: &'static Dataset, folders: &[&str], files: &[String]) -> Result<Source> {
        let mut looked_for = Vec::new();
        for folder_set in [folders, &[""]] {
            for dir in &self.dirs {
                for folder in folder_set {
                    for file in files {
                        let path = dir.join(folder).join(file);
                        if path.is_file() {
                            return Source::read(&path, format!("{}/{file}", dataset.name));
                        }
                    }
                }
            }
            for folder in folder_set {
                looked_for.extend(files.iter().map(|file| format!("{folder}{file}")));
            }
        }
        let wanted = files.first().map_or("", String::as_str);
        Err(self.missing(dataset, &format!("{}/{wanted}", dataset.name), looked_for))
    }

    /// Files with one of the endings directly in one of the `folders`, sorted by name; the first folder that holds any.
    pub(crate) fn find_in_folder(&self, folders: &[&str], endings: &[&str]) -> Result<Vec<PathBuf>> {
        for dir in &self.dirs {
            for folder in folders {
                let found = files_ending_in(&dir.join(folder), endings)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
        }
        Ok(Vec::new())
    }

    pub(crate) fn missing(&self, dataset: &'static Dataset, file: &str, looked_for: Vec<String>) -> Error {
        let gone: Vec<String> =
            self.dirs.iter().filter(|dir| !dir.is_dir()).map(|dir| dir.display().to_string()).collect();
        let mut advice = format!("source: {}; put it at <data>/{file} and pass --data <data>", dataset.source);
        if !gone.is_empty() {
            advice = format!("not a directory: {}; {advice}", gone.join(", "));
        }
        Error::Missing {
            dataset: dataset.name,
            file: file.to_owned(),
            looked_for,
            looked_in: self.dirs.clone(),
            advice,
        }
    }
}

fn files_ending_in(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let io = |source| Error::Io { path: folder.to_owned(), source };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if endings.iter().any(|ending| name.ends_with(ending)) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
