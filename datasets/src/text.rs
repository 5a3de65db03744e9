//! Plain text files, for perplexity on anything.

use crate::manifest::{DatasetFile, Loaded, Pin, PinStatus};
use crate::source::Source;
use crate::{Result, pins};
use std::path::Path;

/// The content of a text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// every character of the file, a byte order mark included
    pub text: String,
    /// whether the text begins with one
    pub byte_order_mark: ByteOrderMark,
}

/// U+FEFF at the beginning of a file.
///
/// It is a character that a tokenizer sees, and it is almost never meant: whoever scores such a text should say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrderMark {
    /// the text begins with something else
    Absent,
    /// the text begins with U+FEFF, which is kept
    Present,
}

/// Reads a text file, unchanged: line breaks are not translated and a byte order mark is kept.
///
/// The name in the manifest is the file's own, without its directory. A file that is known by its digest (WikiText-2,
/// in raw form or joined for GPTQ) is recorded as such.
///
/// # Errors
/// [`Io`](crate::Error::Io), [`Empty`](crate::Error::Empty), [`Utf8`](crate::Error::Utf8).
pub fn read(path: &Path) -> Result<Loaded<Text>> {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let source = Source::read(path, file_name)?;
    let content = parse(&source)?;
    Ok(Loaded { content, files: vec![identify(&source)] })
}

pub(crate) fn parse(source: &Source) -> Result<Text> {
    let text = source.text("text")?.to_owned();
    let byte_order_mark = match text.strip_prefix('\u{feff}') {
        Some(_) => ByteOrderMark::Present,
        None => ByteOrderMark::Absent,
    };
    Ok(Text { text, byte_order_mark })
}

/// Digests under which a file is known whatever it is called: WikiText-2's rows joined by a blank line.
const KNOWN: &[Pin] = &[
    Pin {
        edition: "wikitext-2-raw-v1 test, rows joined by a blank line",
        sha256: "696cca6b65a171b0a358a4be6732cdfdf2dd6164a32e20fd70e3c13fc4dfae83",
    },
    Pin {
        edition: "wikitext-2-raw-v1 validation, rows joined by a blank line",
        sha256: "b44fb967f92b525731216a507d1fbc44b97446b7ef0a2b4d1a893f81f1bbc29e",
    },
];

/// The files of WikiText-2, and what they are called where their name does not say it.
const RAW: [(&str, &str); 2] = [
    ("wikitext2/wiki.test.raw", "wikitext-2-raw-v1 test"),
    ("wikitext2/wiki.valid.raw", "wikitext-2-raw-v1 validation"),
];

/// The identity of a file of any name: pinned if its digest is known, else unknown.
pub(crate) fn identify(source: &Source) -> DatasetFile {
    let is_raw = |name: &str| pins::of(name).iter().any(|pin| pin.sha256 == source.sha256);
    let joined = KNOWN.iter().find(|pin| pin.sha256 == source.sha256).map(|pin| pin.edition);
    let known = joined.or_else(|| RAW.iter().find(|(name, _)| is_raw(name)).map(|(_, edition)| *edition));
    match known {
        Some(edition) => source.identity(PinStatus::Pinned, Some(edition)),
        None => source.identity(PinStatus::Unknown, None),
    }
}
