//! "Did you mean": the known name nearest to one that is not known.

/// The name of `names` that `found` becomes with the fewest edits, if those are at most a third of its length; the
/// first of equals. Case does not count.
pub(crate) fn nearest<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best = None;
    for name in names {
        let edits = edit_distance(&found.to_lowercase(), &name.to_lowercase());
        if edits <= 1.max(name.chars().count() / 3) && best.is_none_or(|(fewest, _)| edits < fewest) {
            best = Some((edits, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
fn edit_distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut table = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = table[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let edits = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
                if swapped { edits.min(table[i - 2][j - 2] + 1) } else { edits }
            };
        }
    }
    table[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["none", "rtn", "embeddings"];
        for typed in ["rnt", "rt", "RTN", "rtnn"] {
            assert_eq!(nearest(typed, names), Some("rtn"));
        }
        assert_eq!(nearest("embedding", names), Some("embeddings"));
        assert_eq!(nearest("quip", names), None);
        assert_eq!(nearest("", names), None);
    }
}
