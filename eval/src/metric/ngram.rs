//! N-grams: runs of n neighbouring tokens or characters, counted and compared.

use crate::python::is_space;

/// The n-grams of one order in a text, each with its count, in ascending order.
pub(super) struct Counts<'a, T>(Vec<(&'a [T], u64)>);

impl<'a, T: Ord> Counts<'a, T> {
    /// The n-grams of `order` tokens; none where the text is shorter.
    pub fn of(tokens: &'a [T], order: usize) -> Self {
        let mut grams: Vec<&[T]> = tokens.windows(order).collect();
        grams.sort_unstable();
        Self(grams.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len() as u64)).collect())
    }

    /// How often a gram occurs.
    fn count(&self, gram: &[T]) -> u64 {
        self.0.binary_search_by(|(other, _)| (*other).cmp(gram)).map_or(0, |found| self.0[found].1)
    }

    /// Number of grams found in references: of each as many as in the reference that has most of it.
    pub fn clipped(&self, references: &[Self]) -> u64 {
        let most = |gram| references.iter().map(|reference| reference.count(gram)).max().unwrap_or(0);
        self.0.iter().map(|&(gram, count)| count.min(most(gram))).sum()
    }
}

/// Number of n-grams of `order` in a text of `tokens` tokens.
pub(super) fn total(tokens: usize, order: usize) -> u64 {
    (tokens + 1).saturating_sub(order) as u64
}

/// The characters of a text without its white space.
pub(super) fn characters(text: &str) -> Vec<char> {
    text.chars().filter(|&character| !is_space(character)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grams_are_counted_and_clipped() {
        let hypothesis = ["the", "the", "the", "cat"];
        let counts = Counts::of(&hypothesis, 1);
        assert_eq!(counts.0, [(&["cat"][..], 1), (&["the"][..], 3)]);
        let (first, second) = (["the", "dog"], ["cat", "the", "cat", "the"]);
        assert_eq!(counts.clipped(&[Counts::of(&first, 1)]), 1);
        // Of each gram the reference that has most of it: two of `the`, one of `cat`.
        assert_eq!(counts.clipped(&[Counts::of(&first, 1), Counts::of(&second, 1)]), 3);
        assert_eq!(Counts::of(&hypothesis, 5).clipped(&[counts]), 0);
        assert_eq!([total(4, 1), total(4, 4), total(4, 5), total(0, 1)], [4, 1, 0, 0]);
        assert_eq!(characters(" a\u{1c}\u{3000}b\n"), ['a', 'b']);
    }
}
