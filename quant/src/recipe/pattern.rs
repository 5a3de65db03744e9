//! Patterns over the tensor names of a checkpoint.

use std::fmt;

/// A tensor name in which `*` stands for any characters, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// What tensor names end in, and patterns may leave out.
const SUFFIX: &str = ".weight";

impl Pattern {
    /// The pattern `text`, or the first character that no tensor name has, with its place in bytes.
    pub(super) fn new(text: &str) -> Result<Self, (usize, char)> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '*');
        match text.char_indices().find(|&(_, c)| !allowed(c)) {
            Some(found) => Err(found),
            None => Ok(Self(text.to_string())),
        }
    }

    /// Whether the pattern matches `tensor`, with or without its `.weight`.
    pub fn matches(&self, tensor: &str) -> bool {
        matches(&self.0, tensor) || tensor.strip_suffix(SUFFIX).is_some_and(|name| matches(&self.0, name))
    }
}

/// Every piece between stars, in order, at the first place it is found: what a star skips never needs to grow later.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        let name = "model.layers.10.mlp.down_proj.weight";
        for pattern in [
            "model.layers.10.mlp.down_proj.weight",
            "model.layers.10.mlp.down_proj",
            "*.down_proj.weight",
            "*.down_proj",
            "*.10.*",
            "model.*",
            "*",
            "**",
            "*.weight",
            "m*l*d*n*t",
        ] {
            assert!(Pattern::new(pattern).unwrap().matches(name), "{pattern}");
        }
        for pattern in
            ["*.1.*", "down_proj", "*.down_proj.", "model.layers.10.mlp.down_proj.weight.*", "*.up_proj*", ""]
        {
            assert!(!Pattern::new(pattern).unwrap().matches(name), "{pattern}");
        }
    }

    #[test]
    fn a_piece_is_not_used_twice() {
        assert!(!matches("a*a", "a"));
        assert!(!matches("ab*ba", "aba"));
        assert!(matches("ab*ba", "abba"));
        assert!(matches("*ab*ab*", "abab"));
        assert!(!matches("*ab*ab*", "aab"));
    }

    #[test]
    fn what_no_tensor_name_has_is_refused() {
        assert_eq!(Pattern::new("*.q/proj"), Err((3, '/')));
    }
}
