//! The name that was probably meant.

/// The candidate with the smallest edit distance to `word`, if that is at most a third of the longer of the two.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = edit_distance(word, candidate);
        let longer = word.chars().count().max(candidate.chars().count());
        if 3 * distance <= longer && best.is_none_or(|(smallest, _)| distance < smallest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_known_pairs() {
        for (a, b, distance) in
            [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2), ("é", "e", 1), ("x", "x", 0)]
        {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["mmlu", "perplexity", "truthfulqa_mc1", "truthfulqa_mc2"];
        assert_eq!(nearest("perplexty", names), Some("perplexity"));
        assert_eq!(nearest("truthfulqa_mc", names), Some("truthfulqa_mc1"));
        assert_eq!(nearest("gsm8k", names), None);
    }
}
