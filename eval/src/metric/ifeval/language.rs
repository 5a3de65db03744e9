//! The language of a text, as far as its script shows it.
//!
//! IFEval asks langdetect, a statistical model of 55 languages. Here the letters decide: a text that is not mostly in a
//! language's script is not in that language; one that is, is in it if langdetect knows no other language with that
//! script. Between languages that share a script nothing is decided. As there, a text without letters counts as followed.

use fancy_regex::Regex;
use crate::python::pattern;
use std::sync::LazyLock;

/// A script, or the scripts that one language mixes.
struct Script {
    /// Class of its letters.
    letters: Regex,
    /// Languages of langdetect that are written in it, as ISO 639-1.
    languages: &'static [&'static str],
}

static SCRIPTS: LazyLock<Vec<Script>> = LazyLock::new(|| {
    let script = |names: &[&str], languages| {
        let classes: String = names.iter().map(|name| format!(r"\p{{{name}}}")).collect();
        Script { letters: pattern(&format!("[{classes}]")), languages }
    };
    vec![
        script(
            &["Latin"],
            &[
                "af", "ca", "cs", "cy", "da", "de", "en", "es", "et", "fi", "fr", "hr", "hu", "id", "it", "lt", "lv",
                "nl", "no", "pl", "pt", "ro", "sk", "sl", "so", "sq", "sv", "sw", "tl", "tr", "vi",
            ],
        ),
        script(&["Cyrillic"], &["bg", "mk", "ru", "uk"]),
        script(&["Arabic"], &["ar", "fa", "ur"]),
        script(&["Devanagari"], &["hi", "mr", "ne"]),
        script(&["Bengali"], &["bn"]),
        script(&["Greek"], &["el"]),
        script(&["Gujarati"], &["gu"]),
        script(&["Hebrew"], &["he"]),
        script(&["Kannada"], &["kn"]),
        script(&["Malayalam"], &["ml"]),
        script(&["Gurmukhi"], &["pa"]),
        script(&["Tamil"], &["ta"]),
        script(&["Telugu"], &["te"]),
        script(&["Thai"], &["th"]),
        script(&["Hangul"], &["ko"]),
        script(&["Hiragana", "Katakana"], &["ja"]),
        script(&["Han"], &["zh-cn", "zh-tw", "ja"]),
    ]
});

/// Whether the text is in the language; `None` where its script does not decide.
pub fn is_in(text: &str, language: &str) -> Option<bool> {
    let Some(main) = main_script(text) else { return Some(true) };
    match main.languages {
        languages if !languages.contains(&language) => Some(false),
        [_] => Some(true),
        _ => None,
    }
}

/// Whether a text may be English: most of its letters are Latin, or it has none.
///
/// IFEval's checkers of case ask whether a text is English as well. Here Latin letters are enough: most replies to an
/// English prompt are, and langdetect does not read words in capitals at all.
pub fn may_be_english(text: &str) -> bool {
    main_script(text).is_none_or(|main| main.languages.contains(&"en"))
}

/// The script of most letters, of equal ones the first.
fn main_script(text: &str) -> Option<&'static Script> {
    let mut best: Option<(usize, &Script)> = None;
    for script in SCRIPTS.iter() {
        let count = script.letters.find_iter(text).count();
        if count > best.map_or(0, |(most, _)| most) {
            best = Some((count, script));
        }
    }
    best.map(|(_, script)| script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_decide_what_they_can() {
        for (text, language, expected) in [
            ("நன்றி", "ta", Some(true)),
            ("Thank you", "ta", Some(false)),
            ("спасибо", "ru", None),
            ("спасибо", "de", Some(false)),
            ("danke", "de", None),
            ("धन्यवाद", "hi", None),
            ("धन्यवाद", "ar", Some(false)),
            ("대단히 감사합니다 (thanks)", "ko", Some(true)),
            ("ありがとうございます", "ja", Some(true)),
            ("123 !?", "ko", Some(true)),
            ("", "th", Some(true)),
        ] {
            assert_eq!(is_in(text, language), expected, "{text} {language}");
        }
        assert!(may_be_english("ALL GOOD") && may_be_english("12") && !may_be_english("ДА"));
    }
}
