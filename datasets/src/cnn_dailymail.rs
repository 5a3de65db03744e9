//! CNN/DailyMail: news articles with the bullet points that their editors wrote.
//!
//! Layouts: the Hugging Face copy (abisee/cnn_dailymail, configuration 3.0.0, not anonymized) has columns `article`,
//! `highlights`, `id` in `3.0.0/{train,validation,test}-*.parquet`, exported as `test.csv` or `test.jsonl`; HELM's
//! prompts, as FMInference/H2O keeps them, lie in `cnn_dailymail_0shot.jsonl` (`article`, `summary_gt`, settings of
//! generation). Highlights are separated by line breaks.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::rows::hub;
use crate::summary;
use crate::{DataRoots, Result};

pub use crate::summary::Summarized;

/// CNN/DailyMail.
pub static CNN_DAILYMAIL: Dataset = Dataset {
    name: "cnn_dailymail",
    title: "CNN/DailyMail 3.0.0, not anonymized",
    description: "11,490 test and 13,368 validation news articles with their highlights",
    licence: "Apache-2.0 (the Hugging Face copy); the articles are CNN's and the Daily Mail's",
    source: "abisee/cnn_dailymail on the Hugging Face hub, configuration 3.0.0",
    paper: "See et al., Get To The Point: Summarization with Pointer-Generator Networks, ACL 2017",
    layout: &[
        "cnn_dailymail/3.0.0/{test,validation}-00000-of-00001.parquet",
        "cnn_dailymail/{test,validation}.{csv,jsonl}",
    ],
    examine: check,
};

/// Which part of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// 13,368 articles
    Validation,
    /// the 11,490 articles that are scored
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
/// Beneath each root it tries `cnn_dailymail/` and the root itself; the prompts of HELM stand for the test split.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), or what is wrong with the file, with the row.
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<Vec<Summarized>>> {
    let mut files = hub("3.0.0", split.name());
    if split == Split::Test {
        files.extend(["cnn_dailymail_0shot.jsonl", "cnn_0shot.jsonl"].map(str::to_owned));
    }
    roots.load(&CNN_DAILYMAIL, &["cnn_dailymail/"], &files, summary::parse)
}

/// The split that is scored.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let outcome = read(roots, Split::Test).map(|loaded| (loaded.content.len(), loaded.files));
    vec![file_check("cnn_dailymail/test.jsonl".to_owned(), outcome)]
}
