//! What is measured of every recipe.

use serde_json::{Value, json};

/// The lengths and repetitions of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Protocol {
    /// Tokens read before the first one is generated; those of each scored sequence too.
    pub prompt_tokens: usize,
    /// Tokens generated.
    pub generated_tokens: usize,
    /// Sequences scored together.
    pub scored_sequences: usize,
    /// Measurements of each figure, after a warm-up that does not count.
    pub repetitions: usize,
    /// About how long a recipe may take. A slow one generates fewer tokens, scores fewer sequences, and is not repeated
    /// as often.
    pub seconds_limit: f64,
}

impl Default for Protocol {
    /// The paper's lengths, 256 tokens in and 512 out, one sequence at a time.
    fn default() -> Self {
        Self { prompt_tokens: 256, generated_tokens: 512, scored_sequences: 16, repetitions: 3, seconds_limit: 30.0 }
    }
}

impl Protocol {
    /// The same protocol where a sequence fits in `context_len` tokens, else the longest that does, in the same
    /// proportion.
    pub fn fitting(self, context_len: usize) -> Self {
        let all = self.prompt_tokens + self.generated_tokens;
        if all <= context_len {
            return self;
        }
        // Of less than two tokens none could be scored.
        let prompt_tokens = (self.prompt_tokens * context_len / all).max(2);
        Self { prompt_tokens, generated_tokens: context_len.saturating_sub(prompt_tokens).max(1), ..self }
    }

    /// The protocol as `efficiency.json` has it; says so where it is not the one that was `asked` for.
    pub fn to_json(self, asked: Protocol) -> Value {
        let mut value = json!({
            "prompt_tokens": self.prompt_tokens,
            "generated_tokens": self.generated_tokens,
            "batch": 1,
            "repetitions": self.repetitions,
            "scored_sequences": self.scored_sequences,
            "scored_sequence_tokens": self.prompt_tokens,
            "seconds_limit": self.seconds_limit,
        });
        if self != asked {
            value["shortened"] = format!(
                "{} + {} tokens do not fit in the model's context of {}",
                asked.prompt_tokens,
                asked.generated_tokens,
                self.prompt_tokens + self.generated_tokens
            )
            .into();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_context_shortens_both_parts() {
        let paper = Protocol::default();
        assert_eq!(paper.fitting(768), paper);
        assert!(paper.to_json(paper).get("shortened").is_none());
        let short = paper.fitting(256);
        assert_eq!((short.prompt_tokens, short.generated_tokens, short.repetitions), (85, 171, 3));
        let text = short.to_json(paper)["shortened"].as_str().map(str::to_string);
        assert_eq!(text.as_deref(), Some("256 + 512 tokens do not fit in the model's context of 256"));
        let least = paper.fitting(1);
        assert_eq!((least.prompt_tokens, least.generated_tokens), (2, 1));
    }
}
