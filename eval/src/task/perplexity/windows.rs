//! How a text is cut into windows, and which tokens of a window are scored.

use crate::request::Request;

/// A window: one document of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// What the model reads, and the last token, which it only predicts.
    pub tokens: Vec<u32>,
    /// First token that is scored.
    pub first_scored: usize,
    /// Length that position encodings are made for.
    pub sequence_len: usize,
    /// The text it is cut from, where there are several.
    pub text: usize,
}

impl Window {
    /// The request for it.
    pub fn request(&self) -> Request {
        let (tokens, first_scored, sequence_len) = (self.tokens.clone(), self.first_scored, self.sequence_len);
        Request::Score { tokens, first_scored, sequence_len }
    }

    /// The same window without tokens on the left beyond `limit`.
    pub fn cut_left(mut self, limit: usize) -> Self {
        let cut = self.tokens.len().saturating_sub(limit);
        self.tokens.drain(..cut);
        self.first_scored = self.first_scored.saturating_sub(cut).max(1);
        self.sequence_len = self.sequence_len.saturating_sub(cut);
        self
    }
}

/// GPTQ: windows of `window` tokens that do not overlap, the rest dropped; all tokens but the first of each are scored.
pub fn disjoint(tokens: &[u32], window: usize) -> Vec<Window> {
    let windows = tokens.chunks_exact(window);
    windows.map(|tokens| Window { tokens: tokens.to_vec(), first_scored: 1, sequence_len: window, text: 0 }).collect()
}

/// llama.cpp: the same windows; where the tokenizer adds one, the token for the beginning of a sequence takes the place
/// of the first token of each, and the tokens after position `window / 2` are scored.
pub fn second_half(tokens: &[u32], window: usize, bos: Option<u32>) -> Vec<Window> {
    let mut windows = disjoint(tokens, window);
    for window in &mut windows {
        if let (Some(first), Some(bos)) = (window.tokens.first_mut(), bos) {
            *first = bos;
        }
        window.first_scored = window.sequence_len / 2 + 1;
    }
    windows
}

/// lm-evaluation-harness: every token of a text is scored once, in windows of at most `longest` tokens read. The first
/// token is predicted from `prefix`, the first of each later window from the token before it; the last window reaches
/// back as far as it may. Source: `lm_eval/utils.py`, `get_rolling_token_windows` with a context of 1.
pub fn rolling(tokens: &[u32], prefix: u32, longest: usize, text: usize) -> Vec<Window> {
    let mut windows = Vec::new();
    let first = tokens.len().min(longest);
    if first == 0 {
        return windows;
    }
    let with_prefix = [&[prefix], &tokens[..first]].concat();
    windows.push(Window { tokens: with_prefix, first_scored: 1, sequence_len: first, text });
    let mut predicted = first;
    while predicted < tokens.len() {
        let scored = longest.min(tokens.len() - predicted);
        let end = predicted + scored;
        windows.push(Window {
            tokens: tokens[end - longest - 1..end].to_vec(),
            first_scored: longest + 1 - scored,
            sequence_len: longest,
            text,
        });
        predicted = end;
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(windows: &[Window]) -> Vec<u32> {
        windows.iter().flat_map(|window| window.tokens[window.first_scored..].to_vec()).collect()
    }

    #[test]
    fn disjoint_windows_drop_the_rest() {
        let tokens: Vec<u32> = (0..11).collect();
        let windows = disjoint(&tokens, 4);
        assert_eq!(
            windows.iter().map(|window| window.tokens.clone()).collect::<Vec<_>>(),
            [[0, 1, 2, 3], [4, 5, 6, 7]]
        );
        assert_eq!(scored(&windows), [1, 2, 3, 5, 6, 7]);
        assert!(disjoint(&tokens, 12).is_empty());
    }

    #[test]
    fn llama_cpp_scores_what_follows_the_middle() {
        // n_ctx = 8: first = 4, logits of positions 4, 5, 6 are read and predict tokens 5, 6, 7; count = 8 - 4 - 1.
        let tokens: Vec<u32> = (100..120).collect();
        let windows = second_half(&tokens, 8, Some(1));
        assert_eq!(windows.len(), 2);
        assert_eq!(windows[1].tokens, [1, 109, 110, 111, 112, 113, 114, 115]);
        assert_eq!(scored(&windows), [105, 106, 107, 113, 114, 115]);
        assert_eq!(second_half(&tokens, 8, None)[1].tokens[0], 108);
        assert_eq!(scored(&second_half(&tokens, 5, None)[..1]), [103, 104]);
    }

    /// The values are those of the documented example of lm-evaluation-harness's own tests, in our layout: contexts and
    /// continuations of ten tokens with a prefix of -100 become windows that score each token once.
    #[test]
    fn rolling_windows_score_every_token_once() {
        let tokens: Vec<u32> = (0..10).collect();
        for longest in 1..12 {
            let windows = rolling(&tokens, 99, longest, 3);
            assert_eq!(scored(&windows), tokens, "{longest}");
            for (index, window) in windows.iter().enumerate() {
                assert!(window.tokens.len() <= longest + 1 && window.first_scored >= 1 && window.text == 3);
                assert_eq!(window.sequence_len, window.tokens.len() - 1);
                assert_eq!(window.tokens[0] == 99, index == 0, "{longest} {window:?}");
            }
        }
        let windows = rolling(&tokens, 99, 4, 0);
        assert_eq!(windows[0].tokens, [99, 0, 1, 2, 3]);
        assert_eq!(windows[1].tokens, [3, 4, 5, 6, 7]);
        // The last window scores two tokens and is as long as the others.
        assert_eq!((windows[2].tokens.as_slice(), windows[2].first_scored), ([5, 6, 7, 8, 9].as_slice(), 3));
        assert!(rolling(&[], 99, 4, 0).is_empty());
    }

    #[test]
    fn cutting_left_keeps_the_end() {
        let window = Window { tokens: (0..8).collect(), first_scored: 5, sequence_len: 8, text: 0 };
        let cut = window.clone().cut_left(6);
        assert_eq!((cut.tokens.as_slice(), cut.first_scored, cut.sequence_len), ([2, 3, 4, 5, 6, 7].as_slice(), 3, 6));
        assert_eq!(window.clone().cut_left(2).first_scored, 1);
        assert_eq!(window.clone().cut_left(9), window);
    }
}
