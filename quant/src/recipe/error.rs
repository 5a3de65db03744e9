//! The error of a recipe's text: what is wrong, where, and what to write instead.

use std::fmt;

/// A recipe that cannot be read. Displayed in three lines: what, where, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeError {
    /// What is wrong.
    pub what: String,
    /// The text as given, a list with all its recipes.
    pub text: String,
    /// The character of `text` where it goes wrong, counted from 1.
    pub column: usize,
    /// What to write instead.
    pub fix: String,
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        writeln!(f, "  in `{}`, column {}", self.text.escape_debug(), self.column)?;
        write!(f, "  {}", self.fix)
    }
}

impl std::error::Error for RecipeError {}
