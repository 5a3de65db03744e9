//! WikiText-2, raw: the text, its rows, and its articles as lm-evaluation-harness cuts and cleans them.
//!
//! Official layout: `wiki.test.raw` and `wiki.valid.raw`, UTF-8, one paragraph or heading a line, tokens separated by
//! spaces (` @-@ ` for a hyphen inside a word, ` , ` for a comma), ` = Title = ` for the heading of an article and
//! ` = = Section = = ` below it. Two conventions of scoring read the same bytes:
//!
//! * GPTQ, AWQ, SpQR and their followers join the *rows* of the Hugging Face copy with a blank line ([`gptq_join`]);
//! * lm-evaluation-harness cuts the text into *articles* ([`pages`]), undoes the spacing ([`detokenize`]) and divides by
//!   the number of words or bytes of the original ([`words`], [`str::len`]).

use crate::catalogue::{FileCheck, WIKITEXT2, file_check};
use crate::manifest::{Loaded, Pin};
use crate::source::Source;
use crate::{DataRoots, Result};

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
    fn file(self) -> &'static str {
        match self {
            Split::Validation => "wiki.valid.raw",
            Split::Test => "wiki.test.raw",
        }
    }

    fn pins(self) -> &'static [Pin] {
        match self {
            Split::Validation => &[VALIDATION],
            Split::Test => &[TEST],
        }
    }
}

pub(crate) const VALIDATION: Pin =
    Pin { edition: "wikitext-2-raw-v1", sha256: "4cd0f6876d07a413aa911261ff6d363c72d757d47f0fdd6015702014c89cb9c7" };
pub(crate) const TEST: Pin =
    Pin { edition: "wikitext-2-raw-v1", sha256: "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08" };

/// Reads the raw text of one split, unchanged.
///
/// Beneath each root it tries `wikitext2/`, `wikitext-2-raw/`, `wikitext2/wikitext-2-raw/`, `wikitext-2/` and the root
/// itself.
///
/// # Errors
/// [`Missing`](crate::Error::Missing), [`Pin`](crate::Error::Pin), [`Utf8`](crate::Error::Utf8),
/// [`Empty`](crate::Error::Empty).
pub fn read(roots: &DataRoots, split: Split) -> Result<Loaded<String>> {
    let file = split.file();
    let name = format!("wikitext2/{file}");
    let folders = ["wikitext2/", "wikitext-2-raw/", "wikitext2/wikitext-2-raw/", "wikitext-2/", ""];
    let candidates = folders.iter().map(|folder| format!("{folder}{file}")).collect();
    let path = roots.find(&WIKITEXT2, &name, candidates)?;
    let source = Source::read(&path, name)?;
    let identity = source.identify(roots.pinning(), split.pins())?;
    Ok(Loaded { content: source.text("lines of text")?.to_owned(), files: vec![identity] })
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
pub(crate) fn check(roots: &DataRoots) -> Vec<FileCheck> {
    let mut checks = Vec::new();
    for split in [Split::Test, Split::Validation] {
        let outcome = read(roots, split).map(|loaded| (pages(&loaded.content).len(), loaded.files));
        checks.push(file_check(format!("wikitext2/{}", split.file()), outcome));
    }
    checks
}
