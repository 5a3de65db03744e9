//! White space as Python's strings see it: what decides where the reference implementations find words.

/// White space of `str.isspace`, `str.split`, `str.strip` and `\s`: Unicode's, and the separators U+001C to U+001F.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The words of `str.split()`.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}
