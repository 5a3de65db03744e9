//! C4 and other corpora of one JSON object a line.
//!
//! Official layout (allenai/c4): `en/c4-validation.00000-of-00008.json.gz`, one object `{"text", "timestamp", "url"}` a
//! line. The files are read unpacked: nothing here decompresses.

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::Loaded;
use crate::source::Source;
use crate::{DataRoots, Error, Result};
use std::path::Path;

/// C4, English.
pub static C4: Dataset = Dataset {
    name: "c4",
    title: "Colossal Clean Crawled Corpus, English",
    description: "web pages, one JSON object a line with a field \"text\"",
    licence: "ODC-BY 1.0, and the terms of use of Common Crawl",
    source: "allenai/c4 on the Hugging Face hub, en/c4-validation.00000-of-00008.json.gz, unpacked",
    paper: "Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, JMLR 2020",
    layout: &["c4/c4-validation.00000-of-00008.json", "c4/<one file>.jsonl"],
    examine: check,
};

/// The shard on which perplexities are reported.
const VALIDATION: &str = "c4-validation.00000-of-00008.json";

/// Reads the documents of the C4 file beneath `roots`.
///
/// Looked for in `c4/`, `c4/en/`, `en/` and the root itself: the first validation shard, else the only file there that
/// ends in `.jsonl`.
///
/// # Errors
/// [`Error::Missing`] (which says so where only a packed file is there), [`Error::Ambiguous`], or what
/// [`read_documents`] finds.
pub fn documents(roots: &DataRoots) -> Result<Loaded<Vec<String>>> {
    let folders = ["c4", "c4/en", "en", ""];
    let shards: Vec<String> = folders.iter().map(|folder| join(folder, VALIDATION)).collect();
    if let Some(path) = roots.find_all(&shards).first() {
        return read_documents(path);
    }
    let found = roots.find_in_folder(&["c4", "c4/en"], &[".jsonl"])?;
    match found.as_slice() {
        [path] => read_documents(path),
        [] => {
            let packed = roots.find_in_folder(&folders, &[".json.gz", ".jsonl.gz"])?;
            let file = format!("c4/{VALIDATION}");
            let mut looked_for = shards;
            looked_for.push("c4/*.jsonl".to_owned());
            let mut error = roots.missing(&C4, &file, looked_for);
            if let (Some(path), Error::Missing { advice, .. }) = (packed.first(), &mut error) {
                *advice = format!("found {}, which is packed: unpack it with gunzip -k", path.display());
            }
            Err(error)
        }
        _ => Err(Error::Ambiguous {
            dataset: C4.name,
            found,
            advice: "name the one to use as perplexity:FILE, or keep one in that folder".to_owned(),
        }),
    }
}

fn join(folder: &str, file: &str) -> String {
    if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") }
}

/// Reads the field `text` of every line of `path`; other fields are ignored, blank lines skipped.
///
/// # Errors
/// [`Error::Io`], [`Error::Utf8`], [`Error::Empty`], [`Error::Json`] with the line.
pub fn read_documents(path: &Path) -> Result<Loaded<Vec<String>>> {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let source = Source::read(path, file_name)?;
    let documents = parse(&source)?;
    let file = crate::text::identify(&source);
    Ok(Loaded { content: documents, files: vec![file] })
}

/// Parses JSON lines with a field `text`.
pub(crate) fn parse(source: &Source) -> Result<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Document {
        text: String,
    }

    const EXPECTED: &str = "JSON objects with a field \"text\", one a line";
    let mut documents = Vec::new();
    for (index, line) in source.text(EXPECTED)?.split('\n').enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let document: Document = serde_json::from_str(line).map_err(|error| Error::Json {
            file: source.label(),
            line: index + 1,
            column: error.column(),
            message: error.to_string(),
        })?;
        documents.push(document.text);
    }
    if documents.is_empty() {
        return Err(Error::Empty { file: source.label(), expected: EXPECTED });
    }
    Ok(documents)
}

/// The one file that [`documents`] reads.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let outcome = documents(roots).map(|loaded| (loaded.content.len(), loaded.files));
    vec![file_check(format!("c4/{VALIDATION}"), outcome)]
}
