//! Signatures in sacreBLEU's form: everything that changes a score, so that two scores can be told to be comparable.

/// The version of sacreBLEU whose scores are equalled, as signatures state it.
pub const SACREBLEU_VERSION: &str = "2.6.0";

/// Whether capitals count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// `mixed`: texts as they are
    #[default]
    Mixed,
    /// `lc`: both sides in lower case; as Python's, but for letters that are younger than its version of Unicode
    Lower,
}

impl Case {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Lower => "lc",
        }
    }

    pub(super) fn apply(self, text: &str) -> String {
        match self {
            Self::Mixed => text.to_owned(),
            Self::Lower => text.to_lowercase(),
        }
    }
}

/// Number of references of the segments of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum References {
    /// as many for every segment
    Each(usize),
    /// `var`: not the same number for all
    Varying,
}

impl References {
    /// What the numbers of references of all segments amount to; `None` without segments.
    pub fn of(numbers: impl IntoIterator<Item = usize>) -> Option<Self> {
        let mut numbers = numbers.into_iter();
        let first = numbers.next()?;
        Some(if numbers.all(|number| number == first) { Self::Each(first) } else { Self::Varying })
    }
}

impl std::fmt::Display for References {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Each(number) => write!(f, "{number}"),
            Self::Varying => f.write_str("var"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_references() {
        assert_eq!(References::of([2, 2, 2]), Some(References::Each(2)));
        assert_eq!(References::of([2, 1]).map(|references| references.to_string()).as_deref(), Some("var"));
        assert_eq!(References::of([]), None);
    }
}
