//! Undoing the spacing of WikiText, rule by rule in the order of lm-evaluation-harness.

use super::is_space;

/// An article with ordinary spacing.
///
/// The rules and their order are those of lm-evaluation-harness (`tasks/wikitext/preprocess_wikitext.py`), among them
/// two that surely do not do what was meant: the second changes only text like `/' 5/`, and puts a pattern there
/// instead of the digit; and ` N ` becomes ` 1 ` although raw WikiText keeps its numbers. Perplexities are comparable
/// only with all of them.
pub fn detokenize(page: &str) -> String {
    let mut text = page.replace("s '", "s'");
    text = slashed_digit(&text);
    for (spaced, tight) in [
        // separators inside words and numbers
        (" @-@ ", "-"),
        (" @,@ ", ","),
        (" @.@ ", "."),
        // punctuation
        (" : ", ": "),
        (" ; ", "; "),
        (" . ", ". "),
        (" ! ", "! "),
        (" ? ", "? "),
        (" , ", ", "),
    ] {
        text = text.replace(spaced, tight);
    }
    for (open, close) in [('(', ')'), ('[', ']'), ('{', '}'), ('"', '"'), ('\'', '\'')] {
        text = tighten(&text, open, close);
    }
    for (spaced, tight) in [
        ("= = = =", "===="),
        ("= = =", "==="),
        ("= =", "=="),
        (" \u{b0} ", "\u{b0}"),
        (" \n", "\n"),
        ("\n ", "\n"),
        (" N ", " 1 "),
        (" 's", "'s"),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}

/// Removes white space just inside each pair of delimiters; a pair reaches from `open` to the next `close`.
fn tighten(text: &str, open: char, close: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after_open)) = rest.split_once(open) {
        let Some((inside, after_close)) = after_open.split_once(close) else {
            break;
        };
        out.push_str(before);
        out.push(open);
        out.push_str(inside.trim_matches(is_space));
        out.push(close);
        rest = after_close;
    }
    out.push_str(rest);
    out
}

/// Replaces each `/' d/`, d a digit 0 to 9, by the ten characters `/'[0-9]/`.
fn slashed_digit(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/' ") {
        out.push_str(before);
        let mut characters = after.chars();
        let digit = characters.next().is_some_and(|character| character.is_ascii_digit());
        if digit && characters.next() == Some('/') {
            out.push_str("/'[0-9]/");
            rest = characters.as_str();
        } else {
            out.push_str("/' ");
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values are the output of the rules run in Python on the same strings.
    #[test]
    fn every_rule_does_what_the_original_does() {
        for (spaced, tight) in [
            ("a well @-@ kept list of 1 @,@ 200 , or 1 @.@ 5", "a well-kept list of 1,200, or 1.5"),
            ("the dogs ' owner ' s hat ; and : so ! why ? .", "the dogs'owner' s hat; and: so! why? ."),
            ("x ' y ' z ' w", "x 'y' z ' w"),
            ("' ' '", "'' '"),
            ("{ \n } \" \n q \"", "{} \"q\""),
            ("N N N a N b", "N 1 N a 1 b"),
            ("( a ( b ) c )", "(a ( b) c )"),
            ("[ x ] { y } ( )", "[x] {y} ()"),
            ("said \" yes \" and \" no", "said \"yes\" and \" no"),
            ("it 's 5 \u{b0} N of here", "it's 5\u{b0}N of here"),
            ("going N to \n  = = = Deep = = = \n x", "going 1 to\n === Deep ===\nx"),
            ("= = = = Four = = = =", "==== Four ===="),
            ("say /' 5/ and /' 55/ /' 5", "say /'[0-9]/ and /' 55/ /' 5"),
            ("( open [ never closed", "( open [ never closed"),
            ("", ""),
        ] {
            assert_eq!(detokenize(spaced), tight, "{spaced:?}");
        }
    }
}
