//! Documents with a reference summary, as both summarization benchmarks publish them.

use crate::Result;
use crate::rows::{self, identifier, wrong};
use crate::source::Source;
use serde::Deserialize;

/// A document and the summary that its authors wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summarized {
    /// the identifier of the article, where the file has one
    pub id: Option<String>,
    /// the text to summarize
    pub document: String,
    /// the reference
    pub summary: String,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default, deserialize_with = "some_identifier")]
    id: Option<String>,
    #[serde(alias = "document")]
    article: String,
    #[serde(alias = "highlights", alias = "summary_gt")]
    summary: String,
    /// Only prompts of HELM carry settings of generation.
    stop: Option<serde::de::IgnoredAny>,
}

fn some_identifier<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<String>, D::Error> {
    identifier(deserializer).map(Some)
}

/// Parses rows of `article` and `highlights`, or of `document` and `summary`, or prompts that HELM wrote.
///
/// Those prompts (`{"article", "summary_gt", "stop", ...}`, in FMInference/H2O) wrap the document: it stands after the
/// last `###`, line break, `Article: ` and before a blank line and the instruction.
pub(crate) fn parse(source: &Source) -> Result<Vec<Summarized>> {
    rows::parse(source, "rows of a document and its summary", |row: Row| {
        let document = match row.stop {
            None => row.article,
            Some(_) => match unwrapped(&row.article) {
                Some(document) => document.to_owned(),
                None => {
                    return wrong(
                        "a prompt \"###\\nArticle: ...\\n\\nSummarize the above article ...\"",
                        excerpt(&row.article),
                    );
                }
            },
        };
        if document.trim().is_empty() {
            return wrong("a document", "an empty string");
        }
        if row.summary.trim().is_empty() {
            return wrong("a summary", "an empty string");
        }
        Ok(Some(Summarized { id: row.id, document, summary: row.summary }))
    })
}

fn unwrapped(prompt: &str) -> Option<&str> {
    let (_, last) = prompt.rsplit_once("###\nArticle: ")?;
    let (document, _) = last.rsplit_once("\n\nSummarize the above article")?;
    Some(document)
}

fn excerpt(text: &str) -> String {
    format!("{:?}", text.chars().take(60).collect::<String>())
}
