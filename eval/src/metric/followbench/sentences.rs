//! Sentences as FollowBench's rules count them: what lies between marks, white space included.

use super::Language;
use crate::python;

/// The pieces between sentence marks, but for empty ones: after "One. Two. " they are "One", " Two" and " ".
pub(super) fn sentences(language: Language, text: &str) -> Vec<&str> {
    let marks: &[char] = match language {
        Language::English => &['.', '!', '?'],
        Language::Chinese => &['。', '！', '？'],
    };
    text.split(marks).filter(|sentence| !sentence.is_empty()).collect()
}

/// Length of a sentence: in words, of a Chinese one in characters.
pub(super) fn length(language: Language, sentence: &str) -> usize {
    match language {
        Language::English => python::words(sentence).count(),
        Language::Chinese => sentence.chars().count(),
    }
}

/// Whether the text has the word; of Chinese the characters, wherever they stand.
pub(super) fn contains(language: Language, text: &str, word: &str) -> bool {
    match language {
        Language::English => python::contains_word(text, word),
        Language::Chinese => text.contains(word),
    }
}

/// Whether there is a sentence `number`, from 1, and it has the word.
pub(super) fn nth_contains(language: Language, text: &str, number: usize, word: &str) -> bool {
    let sentences = sentences(language, text);
    sentences.get(number - 1).is_some_and(|sentence| contains(language, sentence, word))
}

/// Whether every sentence is shorter than `limit`.
pub(super) fn all_shorter(language: Language, text: &str, limit: usize) -> bool {
    sentences(language, text).iter().all(|sentence| length(language, sentence) < limit)
}

/// Whether every sentence is longer than `limit`.
pub(super) fn all_longer(language: Language, text: &str, limit: usize) -> bool {
    sentences(language, text).iter().all(|sentence| length(language, sentence) > limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{Chinese, English};

    #[test]
    fn white_space_after_the_last_mark_is_a_sentence() {
        assert_eq!(sentences(English, "One. Two!\n"), ["One", " Two", "\n"]);
        assert_eq!(sentences(English, "What?!..."), ["What"]);
        assert_eq!(sentences(English, "一。二"), ["一。二"]);
        assert_eq!(sentences(Chinese, "一。二！三."), ["一", "二", "三."]);
        assert!(sentences(English, "...").is_empty());
    }

    #[test]
    fn lengths_are_words_or_characters() {
        assert!(all_shorter(English, "a b c. d e", 4) && !all_shorter(English, "a b c. d e", 3));
        assert!(all_longer(English, "a b. c d", 1) && !all_longer(English, "a b. ", 0));
        assert!(all_shorter(Chinese, "一二。三", 3) && !all_shorter(Chinese, "一二。三", 2));
        assert!(all_longer(English, "", 5) && all_shorter(English, "", 0));
    }

    #[test]
    fn words_are_looked_for_in_one_sentence() {
        assert!(nth_contains(English, "A cat. A dog.", 2, "dog"));
        assert!(!nth_contains(English, "A cat. A dog.", 1, "dog") && !nth_contains(English, "A cat.", 2, "cat"));
        assert!(!contains(English, "dogs", "dog") && contains(Chinese, "小狗们", "狗"));
    }
}
