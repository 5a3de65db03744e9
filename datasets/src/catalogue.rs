//! What there is to evaluate on: one entry a data set, with licence and source.

use crate::manifest::{DatasetFile, Pinning};
use crate::pins::{self, Expected};
use crate::{DataRoots, Result};

pub use crate::registered::*;

/// A data set that can be read.
#[derive(Debug, Clone, Copy)]
pub struct Dataset {
    /// the name used in messages and results
    pub name: &'static str,
    /// the full title
    pub title: &'static str,
    /// what is in it, in one sentence
    pub description: &'static str,
    /// licence of the data
    pub licence: &'static str,
    /// who publishes the official files, and where
    pub source: &'static str,
    /// the paper that describes it
    pub paper: &'static str,
    /// the files that are read, relative to a data directory
    pub layout: &'static [&'static str],
    /// reads every file to the end and says what each one is
    pub(crate) examine: fn(&DataRoots) -> Vec<FileCheck>,
}

/// Every data set that can be read, in the order in which listings show them.
pub fn catalogue() -> &'static [&'static Dataset] {
    crate::ALL
}

/// The state of one file that a data set wants.
#[derive(Debug)]
pub struct FileCheck {
    /// canonical name of the file
    pub name: String,
    /// number of items, articles or documents in it, and its identity; or why it cannot be used
    pub state: Result<(usize, DatasetFile)>,
}

impl Dataset {
    /// Reads every file of this data set beneath `roots` to the end and says what each one is.
    ///
    /// A file that differs from the official release is not an error here: its status says so.
    pub fn check(&self, roots: &DataRoots) -> Vec<FileCheck> {
        (self.examine)(&roots.clone().with_pinning(Pinning::Allow))
    }

    /// The official files whose digests are known here.
    pub fn expected(&self) -> Vec<Expected> {
        pins::expected(self.name)
    }
}

/// Turns the outcome of a reader into the state of its file.
pub(crate) fn file_check(name: String, outcome: Result<(usize, Vec<DatasetFile>)>) -> FileCheck {
    match outcome {
        Ok((count, files)) => match files.into_iter().next() {
            Some(file) => FileCheck { name: file.name.clone(), state: Ok((count, file)) },
            None => FileCheck {
                name: name.clone(),
                state: Err(crate::Error::Empty { file: name, expected: "a file with items" }),
            },
        },
        Err(error) => FileCheck { name, state: Err(error) },
    }
}
