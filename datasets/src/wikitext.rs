//! WikiText-2, raw: the text, its rows, and its articles as lm-evaluation-harness cuts and cleans them.
//!
//! Official layout: `wiki.test.raw` and `wiki.valid.raw`, UTF-8, one paragraph or heading a line, tokens separated by
//! spaces (` @-@ ` for a hyphen inside a word, ` , ` for a comma), ` = Title = ` for the heading of an article and
//! ` = = Section = = ` below it. Two conventions of scoring read the same bytes:
//!
//! * GPTQ, AWQ, SpQR and their followers join the *rows* of the Hugging Face copy with a blank line ([`gptq_join`]);
//! * lm-evaluation-harness cuts the text into *articles* ([`pages`]), undoes the spacing ([`detokenize`]) and divides by
//!   the number of words or bytes of the original ([`words`], [`str::len`]).

use crate::catalogue::{Dataset, FileCheck, file_check};
use crate::manifest::{Loaded, check_pin};
use crate::source::{Source, hex};
use crate::{DataRoots, Result, pins, rows as tables};
use sha2::{Digest, Sha256};

/// WikiText-2, raw.
pub static WIKITEXT2: Dataset = Dataset {
    name: "wikitext2",
    title: "WikiText-2, raw",
    description: "Good and featured Wikipedia articles: 62 test articles (1.29 MB), 60 validation articles (1.15 MB)",
    licence: "CC BY-SA 3.0 and GFDL",
    source: "wikitext-2-raw-v1.zip (the same text as Salesforce/wikitext, wikitext-2-raw-v1, on the Hugging Face hub)",
    paper: "Merity et al., Pointer Sentinel Mixture Models, ICLR 2017",
    layout: &[
        "wikitext2/wiki.{test,valid}.raw",
        "wikitext-2-raw/wiki.{test,valid}.raw",
        "wikitext2/wikitext-2-raw-v1/{test,validation}-00000-of-00001.parquet",
    ],
    examine: check,
};

mod detokenize;
pub use detokenize::detokenize;

/// Which part of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// 60 articles
    Validation,
    /// 62 articles: the part that perplexities are reported on
    Test,
}

impl Split {
    /// The word of the Hugging Face copy.
    fn name(self) -> &'static str {
        match self {
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Split::Validation => "wiki.valid.raw",
            Split::Test => "wiki.test.raw",
        }
    }
}

/// Reads the raw text of one split, unchanged.
///
/// Beneath each root it tries `wikitext2/`, `wikitext-2-raw/`, `wikitext2/wikitext-2-raw/`, `wikitext-2/` and the root
/// itself, for the raw file and for `wikitext-2-raw-v1/{test,validation}-00000-of-00001.parquet` of the Hugging Face
/// copy (Salesforce/wikitext), whose rows give the same bytes: an empty row stands for a line of one space. A parquet
/// file is pinned by the text that it holds.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), [`Utf8`](crate::Error::Utf8),
/// [`Empty`](crate::Error::Empty).
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<String>> {
    let file = split.file();
    let name = format!("wikitext2/{file}");
    let hub = format!("wikitext-2-raw-v1/{}-00000-of-00001.parquet", split.name());
    let folders = ["wikitext2/", "wikitext-2-raw/", "wikitext2/wikitext-2-raw/", "wikitext-2/", ""];
    let in_folders = |file: &str| folders.map(|folder| format!("{folder}{file}"));
    let path = roots.find(&WIKITEXT2, &name, [in_folders(file), in_folders(&hub)].concat())?;
    let pins = pins::of(&name);
    if path.extension().is_none_or(|ending| ending != "parquet") {
        let source = Source::read(&path, name)?;
        let identity = source.identify(roots.pinning(), &pins)?;
        return Ok(Loaded { content: source.text("lines of text")?.to_owned(), files: vec![identity] });
    }
    let source = Source::read(&path, format!("wikitext2/{hub}"))?;
    let content = parse_hub(&source)?;
    let digest = hex(&Sha256::digest(content.as_bytes()));
    let (status, edition) = check_pin(roots.pinning(), &pins, &digest, "text", &source.name, source.label())?;
    Ok(Loaded { content, files: vec![source.identity(status, edition)] })
}

/// The raw text of which these are the rows.
fn parse_hub(source: &Source) -> Result<String> {
    #[derive(serde::Deserialize)]
    struct Row {
        text: String,
    }
    let line = |row: Row| Ok(Some(if row.text.is_empty() { " \n".to_owned() } else { row.text }));
    Ok(tables::parse(source, "rows with a field text", line)?.concat())
}

/// The rows of the Hugging Face copy: each line with its line break, and `""` for a line of white space.
///
/// 4,358 rows for test, 3,760 for validation.
pub fn rows(raw: &str) -> Vec<&str> {
    raw.split_inclusive('\n').map(|line| if is_blank(line) { "" } else { line }).collect()
}

/// The string that GPTQ-style perplexity tokenizes: the rows joined by a blank line.
///
/// Each row already ends in a line break, so that paragraphs end up three line breaks apart.
pub fn gptq_join(raw: &str) -> String {
    rows(raw).join("\n\n")
}

/// The articles, as the document-level copy of the corpus behind lm-evaluation-harness's `wikitext` task cuts them.
///
/// A line that reads `= Title =` once trimmed, section headings (`= = Title = =` and deeper) excluded, begins an
/// article. What precedes the first one is dropped where it is blank. An article runs to the line before the next
/// heading, without that line's break. 62 articles for test, 60 for validation.
pub fn pages(raw: &str) -> Vec<&str> {
    let mut pages = Vec::new();
    let mut begin = 0;
    let mut offset = 0;
    for line in raw.split('\n') {
        if is_title(line) && offset > begin {
            let page = raw.get(begin..offset - 1).unwrap_or_default();
            if !is_blank(page) {
                pages.push(page);
            }
            begin = offset;
        }
        offset += line.len() + 1;
    }
    pages.push(raw.get(begin..).unwrap_or_default());
    pages
}

/// Whether a line is the heading of an article.
fn is_title(line: &str) -> bool {
    let folded = line.replace("= = =", "===").replace("= =", "==");
    let folded = folded.trim_matches(is_space);
    folded.starts_with("= ") && folded.ends_with(" =")
}

/// Number of words of an article for word perplexity: one more than its runs of white space.
///
/// Python's `len(re.split(r"\s+", page))`: white space at either end counts an empty word there. Taken from the
/// original article, before [`detokenize`].
pub fn words(page: &str) -> usize {
    let mut runs = 0;
    let mut inside = false;
    for character in page.chars() {
        let space = is_space(character);
        if space && !inside {
            runs += 1;
        }
        inside = space;
    }
    runs + 1
}

/// White space as Python's `str.isspace` and `\s` have it: Unicode's, and the four separators U+001C to U+001F.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

/// The files of the corpus.
fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let mut checks = Vec::new();
    for split in [Split::Test, Split::Validation] {
        let outcome = read(roots, split).map(|loaded| (pages(&loaded.content).len(), loaded.files));
        checks.push(file_check(format!("wikitext2/{}", split.file()), outcome));
    }
    checks
}
