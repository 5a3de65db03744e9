//! The micro-world as a source of documents: the variant `builtin` of a benchmark.
//!
//! The documents are [`datasets::world`]'s, in the layouts of the official files; prompts and scoring are the benchmark's
//! own. Only replies may be shorter than a protocol allows: right answers are, and a model that babbles would make an
//! evaluation of seconds one of minutes. Configurations say how long.

use super::ask::ReplyLimits;
use super::id::TaskId;
use crate::error::Error;

/// What stands after `:`.
pub const BUILTIN: &str = "builtin";

/// Tokens of a reply that is a letter, a word or a name: of the longest right one, twice as many.
pub const WORD_TOKENS: usize = 8;
/// Tokens of a reply that is a text: of the longest right one, about twice as many.
pub const TEXT_TOKENS: usize = 64;

/// Where the documents of a task are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The files of a benchmark's authors.
    Official,
    /// The micro-world.
    World,
}

impl Origin {
    /// Where a task that has no other variants takes its documents from.
    ///
    /// # Errors
    /// [`Error::Variant`] for anything but nothing and `builtin`.
    pub fn of(id: &TaskId) -> Result<Self, Error> {
        match id.variant.as_deref() {
            None => Ok(Origin::Official),
            Some(BUILTIN) => Ok(Origin::World),
            Some(other) => Err(Error::Variant {
                task: id.name.clone(),
                expected: "nothing or `:builtin`".into(),
                found: format!("`{other}`"),
            }),
        }
    }

    /// What ends a reply: what the protocol says, and in the world so many tokens.
    pub fn replies(self, limits: ReplyLimits<'static>, tokens: usize) -> ReplyLimits<'static> {
        match self {
            Origin::Official => limits,
            Origin::World => ReplyLimits { max_new_tokens: tokens.min(limits.max_new_tokens), ..limits },
        }
    }
}
