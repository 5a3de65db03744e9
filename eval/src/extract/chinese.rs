//! Replies to C-Eval, by Qwen's rules (QwenLM/Qwen, `eval/evaluate_chat_ceval.py`).
//!
//! As in English, but for three things: a reply that repeats the last sentence of the question up to its blank is taken
//! for one that says "the answer is"; choice texts are replaced in their own case; the patterns are Chinese.

use super::{Error, Extraction, LETTERS, Patterns, Rule, compile, decide};
use std::cmp::Reverse;
use std::sync::LazyLock;

/// Characters from which a part of the question counts as repeated.
const REPEATED: usize = 5;

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    compile([
        (
            Rule::Statement,
            r"(?:(?:选|选择|选定)[：:]?[\s\x1c-\x1f]*|(?:(?:答案|选项)(?![^ABCD]{0,10}?(?:不|非)[^ABCD]{0,10}?(?:是|选|为|：|:|】))[^ABCD]{0,10}?(?:是|选|为|：|:|】))[^ABCD]{0,10}?)(A|B|C|D)(?:选项)?(?:\)|。|\.|，|,|．|、|A|B|C|D|(?=\n?\z)|：|:|）)"
                .to_owned(),
        ),
        (
            Rule::Verdict,
            r"(A|B|C|D)(?:选?项)?(?![^ABCD]{0,4}?(?:不|非)[^ABCD]{0,4}?(?:正确|对[的，。：]|符合))[^ABCD]{0,4}?(?:正确|对[的，。：]|符合)"
                .to_owned(),
        ),
        (Rule::Opening, r"^[\(（]?(A|B|C|D)(?:。|\)|）|\.|，|,|．|：|:|(?=\n?\z))".to_owned()),
        (Rule::Letter, r"(?<![a-zA-Z])(A|B|C|D)(?![a-zA-Z=])".to_owned()),
    ])
});

/// The choice that `reply` names, by Qwen's rules for C-Eval.
///
/// `question` and `choices` are the texts as the data file has them.
///
/// # Errors
/// [`Error::Pattern`]: none on replies of any ordinary size.
pub fn qwen_chat_ceval(reply: &str, question: &str, choices: &[String; 4]) -> Result<Extraction, Error> {
    decide(&PATTERNS, rewrite(reply, question, choices), choices)
}

/// The reply with the question's last sentence made "答案是", and choice texts made letters.
///
/// A choice of nothing but full stops is empty without them and matches between all characters, in the official script
/// as here.
fn rewrite(reply: &str, question: &str, choices: &[String; 4]) -> String {
    let sentence = question.trim_end_matches('。').rsplit('。').next().unwrap_or_default();
    let before = sentence.split('_').next().unwrap_or_default();
    let after = sentence.rsplit('_').next().unwrap_or_default();
    let is_long = |text: &str| crate::python::strip(text).chars().count() >= REPEATED;
    let mut rewritten = reply.to_owned();
    if is_long(before) {
        rewritten = rewritten.replace(before, "答案是");
    }
    if is_long(after) {
        rewritten = rewritten.replace(after, "");
    }
    let mut order: Vec<(&str, &String)> = LETTERS.into_iter().zip(choices).collect();
    order.sort_by_key(|(_, text)| Reverse(text.chars().count()));
    for (letter, text) in order {
        rewritten = rewritten.replace(text.trim_end_matches('。'), letter);
    }
    rewritten
}
