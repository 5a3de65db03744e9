//! The protocols of perplexity.

use crate::task::card::Protocol;

/// What the registry says of them.
pub const PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: "gptq-<tokens>",
        summary: "the text is tokenized once, with the tokenizer's own special tokens; windows do not overlap, the rest \
                  is dropped; exp of the mean of the windows' mean losses",
        source: "IST-DASLab/gptq; Vahe1994/SpQR",
    },
    Protocol {
        name: "lm-eval",
        summary: "rolling log-likelihood of whole documents (WikiText-2: detokenized articles), the first token given \
                  the token that begins (else ends) a sequence, windows of the model's context or --window tokens; per \
                  word, per byte",
        source: "EleutherAI/lm-evaluation-harness, loglikelihood_rolling, lm_eval/tasks/wikitext",
    },
    Protocol {
        name: "llama.cpp-<tokens>",
        summary: "windows do not overlap; the token that begins a sequence takes the place of the first token of each if \
                  the tokenizer adds one; only tokens after position <tokens>/2 are scored; at least two windows",
        source: "ggml-org/llama.cpp, tools/perplexity/perplexity.cpp",
    },
];

/// A protocol with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// GPTQ's windows.
    Gptq {
        /// Tokens of a window, at least 2.
        window: usize,
    },
    /// lm-evaluation-harness's rolling log-likelihood.
    Rolling,
    /// llama.cpp's windows.
    LlamaCpp {
        /// Tokens of a window, at least 4.
        window: usize,
    },
}

impl Rule {
    /// The protocol that a word means.
    pub fn parse(word: &str) -> Option<Self> {
        if word == "lm-eval" {
            return Some(Rule::Rolling);
        }
        if let Some(number) = word.strip_prefix("gptq-") {
            return number.parse().ok().filter(|&window| window >= 2).map(|window| Rule::Gptq { window });
        }
        let number = word.strip_prefix("llama.cpp-")?;
        number.parse().ok().filter(|&window| window >= 4).map(|window| Rule::LlamaCpp { window })
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rule::Gptq { window } => write!(f, "gptq-{window}"),
            Rule::Rolling => f.write_str("lm-eval"),
            Rule::LlamaCpp { window } => write!(f, "llama.cpp-{window}"),
        }
    }
}
