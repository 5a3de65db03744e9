//! What there is to evaluate on: one entry a data set, with licence and source.

use crate::manifest::{DatasetFile, Pinning};
use crate::{DataRoots, Result, c4, mmlu, truthfulqa, wikitext};

/// A data set that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// Measuring Massive Multitask Language Understanding.
pub static MMLU: Dataset = Dataset {
    name: "mmlu",
    title: "Measuring Massive Multitask Language Understanding",
    description: "57 subjects of four-choice questions: 14,042 test, 1,531 validation, 285 development (5 a subject)",
    licence: "MIT",
    source: "data.tar of hendrycks/test on GitHub (the same rows as cais/mmlu on the Hugging Face hub)",
    paper: "Hendrycks et al., Measuring Massive Multitask Language Understanding, ICLR 2021",
    layout: &["mmlu/{dev,test,val}/<subject>_{dev,test,val}.csv", "mmlu/data/{dev,test,val}/..."],
};

/// TruthfulQA, multiple choice.
pub static TRUTHFULQA: Dataset = Dataset {
    name: "truthfulqa",
    title: "TruthfulQA, multiple choice",
    description: "817 questions that invite a common falsehood, with true and false answers (MC1, MC2, MC3)",
    licence: "Apache-2.0",
    source: "sylinrl/TruthfulQA on GitHub, data/mc_task.json as of October 2021 (817 questions; the edition of January 2025 has 790)",
    paper: "Lin et al., TruthfulQA: Measuring How Models Mimic Human Falsehoods, ACL 2022",
    layout: &["truthfulqa/v2021-10/data/mc_task.json", "truthfulqa/data/mc_task.json", "truthfulqa/mc_task.json"],
};

/// WikiText-2, raw.
pub static WIKITEXT2: Dataset = Dataset {
    name: "wikitext2",
    title: "WikiText-2, raw",
    description: "Good and featured Wikipedia articles: 62 test articles (1.29 MB), 60 validation articles (1.15 MB)",
    licence: "CC BY-SA 3.0 and GFDL",
    source: "wikitext-2-raw-v1.zip (the same text as Salesforce/wikitext, wikitext-2-raw-v1, on the Hugging Face hub)",
    paper: "Merity et al., Pointer Sentinel Mixture Models, ICLR 2017",
    layout: &["wikitext2/wiki.{test,valid}.raw", "wikitext-2-raw/wiki.{test,valid}.raw"],
};

/// C4, English.
pub static C4: Dataset = Dataset {
    name: "c4",
    title: "Colossal Clean Crawled Corpus, English",
    description: "web pages, one JSON object a line with a field \"text\"",
    licence: "ODC-BY 1.0, and the terms of use of Common Crawl",
    source: "allenai/c4 on the Hugging Face hub, en/c4-validation.00000-of-00008.json.gz, unpacked",
    paper: "Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, JMLR 2020",
    layout: &["c4/c4-validation.00000-of-00008.json", "c4/<one file>.jsonl"],
};

/// The embedded set.
pub static BUILTIN: Dataset = Dataset {
    name: "builtin",
    title: "Embedded questions and text",
    description: "24 multiple-choice questions in 2 subjects, 8 questions with true and false answers, 6 KB of English text: shows that everything works, measures little",
    licence: "Apache-2.0",
    source: "part of this program",
    paper: "none",
    layout: &[],
};

/// Every data set that can be read, in the order in which listings show them.
pub fn catalogue() -> &'static [&'static Dataset] {
    static ALL: [&Dataset; 5] = [&MMLU, &TRUTHFULQA, &WIKITEXT2, &C4, &BUILTIN];
    &ALL
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
        let roots = roots.clone().with_pinning(Pinning::Allow);
        match self.name {
            "mmlu" => mmlu::check(&roots),
            "truthfulqa" => truthfulqa::check(&roots),
            "wikitext2" => wikitext::check(&roots),
            "c4" => c4::check(&roots),
            _ => Vec::new(),
        }
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
