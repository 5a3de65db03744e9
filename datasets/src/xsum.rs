//! XSum: BBC articles with a summary of one sentence.
//!
//! Layouts: the Hugging Face copy (EdinburghNLP/xsum) has columns `document`, `summary`, `id` in
//! `data/{train,validation,test}-00000-of-00001.parquet`, exported as `test.jsonl` or `test.csv`; HELM's prompts, as
//! FMInference/H2O keeps them, lie in `xsum_0shot.jsonl` (`article`, `summary_gt`, settings of generation), 1,000 of
//! the test articles with line breaks made spaces.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::hub;
use crate::summary;
use crate::{DataRoots, Result};

pub use crate::summary::Summarized;

/// XSum.
pub static XSUM: Dataset = Dataset {
    name: "xsum",
    title: "XSum, extreme summarization",
    description: "11,334 test and 11,332 validation BBC articles with a summary of one sentence",
    licence: "MIT (the authors' repository); the articles are the BBC's",
    source: "EdinburghNLP/xsum on the Hugging Face hub, or the prompts xsum_0shot.jsonl of FMInference/H2O on GitHub",
    paper: "Narayan et al., Don't Give Me the Details, Just the Summary!, EMNLP 2018",
    layout: &[
        "xsum/data/{test,validation}-00000-of-00001.parquet",
        "xsum/{test,validation}.{jsonl,csv}",
        "xsum/xsum_0shot.jsonl",
    ],
    examine: check,
};

/// Which part of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// 11,332 articles
    Validation,
    /// the 11,334 articles that are scored
    Test,
}

impl Split {
    /// The word in the file names.
    pub fn name(self) -> &'static str {
        match self {
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// Reads the articles, in file order.
///
/// Beneath each root it tries `xsum/`, `summarization_data/` and the root itself; the prompts of HELM stand for the
/// test split.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file, with the row.
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<Vec<Summarized>>> {
    let mut files = hub("default", split.name());
    if split == Split::Test {
        files.push("xsum_0shot.jsonl".to_owned());
    }
    roots.load(&XSUM, &["xsum/", "summarization_data/"], &files, summary::parse)
}

/// The split that is scored.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let outcome = read(roots, Split::Test).map(|loaded| (loaded.content.len(), loaded.files));
    vec![file_check("xsum/test.jsonl".to_owned(), outcome)]
}
