//! Similarity of two texts in percent, as `thefuzz.process.extractOne` computes it.
//!
//! The score is the *weighted ratio* of thefuzz 0.22 over rapidfuzz 3.14, equal to it to the last bit on the check
//! vectors. From the inside out, with `|s|` the number of characters:
//!
//! * indel distance `d(a, b) = |a| + |b| - 2 lcs(a, b)`, lcs the length of the longest common subsequence;
//! * `ratio = 100 (1 - d / (|a| + |b|))`;
//! * `partial_ratio`: the best ratio of the shorter text with any stretch of the longer that is as long, or that is cut
//!   off at one of its ends;
//! * the *token* forms compare words instead of texts: sorted, or as sets after common words are taken out;
//! * `weighted_ratio`: the best of these, token forms and partial forms scaled down.

use fancy_regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Index and score of the choice most similar to `query`; of equal ones the first.
///
/// The query is normalized twice, the choices once, as the library does.
pub fn most_similar(query: &str, choices: &[String]) -> (usize, f64) {
    let query = normalize(&drop_latin_1(&normalize(query)));
    let mut best = (0, f64::NEG_INFINITY);
    for (index, choice) in choices.iter().enumerate() {
        let score = weighted_ratio(&query, &normalize(&drop_latin_1(choice)));
        if score > best.1 {
            best = (index, score);
        }
    }
    best
}

/// Removes U+0080 to U+00FF, and nothing beyond: what the library calls ASCII.
fn drop_latin_1(text: &str) -> String {
    text.chars().filter(|character| !('\u{80}'..='\u{ff}').contains(character)).collect()
}

/// Letters and digits in lower case, everything else a space, ends trimmed.
fn normalize(text: &str) -> String {
    static OTHER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[^\p{L}\p{N}]").unwrap_or_else(|error| panic!("the pattern is a constant: {error}"))
    });
    let spaced = OTHER.replace_all(text, " ");
    // One character for one: of the two that dotted capital I becomes, the first.
    let lower: String = spaced.chars().filter_map(|character| character.to_lowercase().next()).collect();
    lower.trim_matches(' ').to_owned()
}

/// The weighted ratio of two normalized texts, 0 to 100; 0 if one is empty.
///
/// Texts of similar length (the longer less than 1.5 times the shorter) compare as wholes: the larger of [`ratio`] and
/// 0.95 times the token forms. Else the partial forms join in, scaled by 0.9, or by 0.6 if the longer is more than 8
/// times the shorter.
pub fn weighted_ratio(a: &str, b: &str) -> f64 {
    const TOKENS: f64 = 0.95;
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let (x, y): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (shorter, longer) = if x.len() < y.len() { (x.len(), y.len()) } else { (y.len(), x.len()) };
    let lengths = longer as f64 / shorter as f64;
    let whole = ratio(&x, &y);
    if lengths < 1.5 {
        return whole.max(token_ratio(a, b) * TOKENS);
    }
    let scale = if lengths <= 8.0 { 0.9 } else { 0.6 };
    whole.max(partial_ratio(&x, &y) * scale).max(partial_token_ratio(a, b) * TOKENS * scale)
}

/// 100 for equal texts, 0 for texts without a common character; 100 for two empty ones.
fn ratio(a: &[char], b: &[char]) -> f64 {
    similarity(Pattern::new(a).common_subsequence(b), a.len(), b.len()) * 100.0
}

/// `1 - d / (|a| + |b|)` from the length of the longest common subsequence.
fn similarity(common: usize, a: usize, b: usize) -> f64 {
    let total = a + b;
    let distance = total - 2 * common;
    if total == 0 { 1.0 } else { 1.0 - distance as f64 / total as f64 }
}

/// The best [`ratio`] of the shorter text with a window of the longer; both ways round for equal lengths.
fn partial_ratio(a: &[char], b: &[char]) -> f64 {
    let (shorter, longer) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let best = best_window(shorter, longer);
    if a.len() == b.len() { best.max(best_window(longer, shorter)) } else { best }
}

/// The best ratio of `needle` with each of the windows of `text` of its length, and with the shorter ones that are cut
/// off at the beginning and at the end of `text`.
///
/// A window whose last character (first character, at the end of the text) is not in the needle is passed over, as in
/// the library: another window does at least as well.
fn best_window(needle: &[char], text: &[char]) -> f64 {
    let pattern = Pattern::new(needle);
    let (n, m) = (needle.len(), text.len());
    if n == 0 {
        return if m == 0 { 100.0 } else { 0.0 };
    }
    let mut best = 0.0;
    let mut consider = |window: &[char]| {
        let score = similarity(pattern.common_subsequence(window), n, window.len());
        if score > best {
            best = score;
        }
    };
    for end in 1..m {
        if pattern.contains(text[end - 1]) {
            consider(&text[end.saturating_sub(n)..end]);
        }
    }
    for start in m.saturating_sub(n)..m {
        if pattern.contains(text[start]) {
            consider(&text[start..]);
        }
    }
    best * 100.0
}

/// The larger of the ratio of sorted words and the ratio of word sets.
fn token_ratio(a: &str, b: &str) -> f64 {
    let (x, y) = (Words::of(a), Words::of(b));
    let sorted = ratio(&joined(&x.sorted), &joined(&y.sorted));
    sorted.max(token_set_ratio(&x, &y))
}

/// The ratio of word sets: 100 if one holds the other, else the best of comparing the common words with either set, and
/// the two sets with each other.
fn token_set_ratio(a: &Words<'_>, b: &Words<'_>) -> f64 {
    if a.set.is_empty() || b.set.is_empty() {
        return 0.0;
    }
    let common: Vec<&str> = a.set.intersection(&b.set).copied().collect();
    let only_a = joined(&a.only(b));
    let only_b = joined(&b.only(a));
    if !common.is_empty() && (only_a.is_empty() || only_b.is_empty()) {
        return 100.0;
    }
    let score = |distance: usize, total: usize| {
        if total == 0 { 100.0 } else { 100.0 - 100.0 * distance as f64 / total as f64 }
    };
    let common_len = joined(&common).len();
    let space = usize::from(common_len != 0);
    let (a_len, b_len) = (only_a.len(), only_b.len());
    let (with_a, with_b) = (common_len + space + a_len, common_len + space + b_len);
    // The common words match in full, so only the rest has a distance.
    let rest = a_len + b_len - 2 * Pattern::new(&only_a).common_subsequence(&only_b);
    let between = score(rest, with_a + with_b);
    if common_len == 0 {
        return between;
    }
    let to_a = score(space + a_len, common_len + with_a);
    let to_b = score(space + b_len, common_len + with_b);
    between.max(to_a).max(to_b)
}

/// 100 if a word is in both, else the best partial ratio of sorted words and of word sets.
fn partial_token_ratio(a: &str, b: &str) -> f64 {
    let (x, y) = (Words::of(a), Words::of(b));
    if x.set.intersection(&y.set).next().is_some() {
        return 100.0;
    }
    let sorted = partial_ratio(&joined(&x.sorted), &joined(&y.sorted));
    sorted.max(partial_ratio(&joined(&x.only(&y)), &joined(&y.only(&x))))
}

/// The words of a normalized text.
struct Words<'a> {
    /// sorted by code points, repetitions kept
    sorted: Vec<&'a str>,
    set: BTreeSet<&'a str>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let mut sorted: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        sorted.sort_unstable();
        let set = sorted.iter().copied().collect();
        Self { sorted, set }
    }

    /// The words that `other` lacks, each once, sorted.
    fn only(&self, other: &Words<'_>) -> Vec<&'a str> {
        self.set.iter().copied().filter(|word| !other.set.contains(word)).collect()
    }
}

/// Words joined by spaces, as characters.
fn joined(words: &[&str]) -> Vec<char> {
    words.join(" ").chars().collect()
}

/// A text prepared for comparison with many others: for each of its characters, the bits of the places where it stands.
struct Pattern {
    len: usize,
    /// distinct characters, sorted, each with one bit a place
    places: Vec<(char, Vec<u64>)>,
}

impl Pattern {
    fn new(text: &[char]) -> Self {
        let mut characters = text.to_vec();
        characters.sort_unstable();
        characters.dedup();
        let blank = vec![0; text.len().div_ceil(64)];
        let mut places: Vec<(char, Vec<u64>)> =
            characters.into_iter().map(|character| (character, blank.clone())).collect();
        for (place, character) in text.iter().enumerate() {
            if let Ok(index) = places.binary_search_by_key(character, |(known, _)| *known) {
                places[index].1[place / 64] |= 1 << (place % 64);
            }
        }
        Self { len: text.len(), places }
    }

    fn contains(&self, character: char) -> bool {
        self.places.binary_search_by_key(&character, |(known, _)| *known).is_ok()
    }

    /// Length of the longest common subsequence with `text`.
    ///
    /// Bit-parallel (Hyyrö 2004): bit i of the state is 0 once the first i + 1 characters of the pattern have a longer
    /// common subsequence with what has been read of `text` than the first i; each character of `text` costs an
    /// addition of the whole state, `state = (state + (state & places)) | (state & !places)`.
    fn common_subsequence(&self, text: &[char]) -> usize {
        let mut state = vec![u64::MAX; self.len.div_ceil(64)];
        for character in text {
            let Ok(index) = self.places.binary_search_by_key(character, |(known, _)| *known) else { continue };
            let mut carry = false;
            for (word, places) in state.iter_mut().zip(&self.places[index].1) {
                let matched = *word & places;
                let (sum, over) = word.overflowing_add(matched);
                let (sum, over_again) = sum.overflowing_add(u64::from(carry));
                carry = over || over_again;
                *word = sum | (*word & !places);
            }
        }
        let mut common = 0;
        for (index, word) in state.iter().enumerate() {
            let places = (self.len - 64 * index).min(64);
            let mask = if places == 64 { u64::MAX } else { (1 << places) - 1 };
            common += (!word & mask).count_ones() as usize;
        }
        common
    }
}
