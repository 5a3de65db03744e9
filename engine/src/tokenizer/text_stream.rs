//! Text of a growing sequence of tokens, piece by piece.

use super::{SpecialText, Tokenizer, TokenizerError};

/// Tokens that may stay undecided: a character has at most four bytes, a token at least one.
const PENDING_LIMIT: usize = 8;

/// Turns tokens into text as they are generated; every piece is valid UTF-8.
///
/// A token may end inside a character; such bytes are held back until the character is complete, at most for a few tokens
/// (bytes that never become a character then appear as U+FFFD). The concatenation of all pieces is what
/// [`Tokenizer::decode`] gives for all tokens, as long as these spell valid UTF-8. Each step decodes the last few tokens
/// only, and always a few earlier ones with them, because a decoder may treat the first token differently (drop its space).
/// To continue a prompt, push the prompt's tokens first and ignore their text.
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    specials: SpecialText,
    /// The last tokens, of which the first `settled_len` have been given out as `settled`.
    ids: Vec<u32>,
    settled_len: usize,
    settled: String,
}

impl<'a> TextStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, specials: SpecialText) -> Self {
        Self { tokenizer, specials, ids: Vec::new(), settled_len: 0, settled: String::new() }
    }

    /// Takes one more token and returns the text that it completes, often empty.
    ///
    /// # Errors
    /// Those of [`Tokenizer::decode`].
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids, self.specials)?;
        let pending_len = self.ids.len() - self.settled_len;
        if text.ends_with(char::REPLACEMENT_CHARACTER) && pending_len < PENDING_LIMIT {
            return Ok(String::new());
        }
        let piece = after(&self.settled, &text).to_string();
        if piece.is_empty() {
            // A skipped special token, say. After other text it can be forgotten; as the first token it may be a space
            // that the decoder drops, and the next one must not be dropped too.
            if self.settled_len > 0 {
                self.ids.truncate(self.settled_len);
            }
            return Ok(piece);
        }
        self.ids.drain(..self.settled_len);
        self.settled_len = self.ids.len();
        self.settled = self.tokenizer.decode(&self.ids, self.specials)?;
        Ok(piece)
    }

    /// The text still held back, with U+FFFD for bytes that never became a character.
    ///
    /// # Errors
    /// Those of [`Tokenizer::decode`].
    pub fn finish(self) -> Result<String, TokenizerError> {
        let text = self.tokenizer.decode(&self.ids, self.specials)?;
        Ok(after(&self.settled, &text).to_string())
    }
}

/// The part of `text` after `settled`, or after as much of it as the two share.
fn after<'t>(settled: &str, text: &'t str) -> &'t str {
    let shared = settled
        .char_indices()
        .zip(text.chars())
        .find(|((_, left), right)| left != right)
        .map_or(settled.len().min(text.len()), |((position, _), _)| position);
    text.get(shared..).unwrap_or_default()
}
