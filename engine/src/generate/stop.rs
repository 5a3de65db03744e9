//! Stop strings: where a generated text ends, though no token ends there.

/// A growing text that ends before the first stop string in it.
///
/// What could be the beginning of a stop string is held back until it is decided, so that text given out is never taken
/// back, however tokens cut it.
#[derive(Clone, Debug)]
pub struct StoppedText<'a> {
    stop: &'a [String],
    held: String,
}

/// What a piece of text led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More text that belongs to the answer, possibly none.
    More(String),
    /// The last text of the answer; the stop string `stop` follows it.
    Stopped {
        /// The rest of the answer.
        text: String,
        /// The stop string found.
        stop: String,
    },
}

impl<'a> StoppedText<'a> {
    /// An empty text; empty stop strings stop nothing.
    pub fn new(stop: &'a [String]) -> Self {
        Self { stop, held: String::new() }
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &str) -> Progress {
        self.held.push_str(piece);
        let stops = self.stop.iter().filter(|stop| !stop.is_empty());
        let found = stops.clone().filter_map(|stop| self.held.find(stop.as_str()).map(|at| (at, stop)));
        // The first of several at one place, in the order given.
        if let Some((at, stop)) = found.min_by_key(|&(at, _)| at) {
            let mut text = std::mem::take(&mut self.held);
            text.truncate(at);
            return Progress::Stopped { text, stop: stop.clone() };
        }
        let undecided = stops.map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - undecided);
        Progress::More(std::mem::replace(&mut self.held, rest))
    }

    /// What was held back, when nothing follows.
    pub fn finish(self) -> String {
        self.held
    }
}

/// Bytes of the longest end of `text` with which `stop` begins.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = stop.len().min(text.len());
    let starts = (0..=longest).rev().filter(|&len| stop.is_char_boundary(len));
    starts.into_iter().find(|&len| text.ends_with(&stop[..len])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text given out, piece by piece, and whether a stop string ended it.
    fn run(stop: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let stop: Vec<String> = stop.iter().map(|stop| stop.to_string()).collect();
        let mut text = StoppedText::new(&stop);
        let mut out = Vec::new();
        for piece in pieces {
            match text.push(piece) {
                Progress::More(text) => out.push(text),
                Progress::Stopped { text, .. } => {
                    out.push(text);
                    return (out, true);
                }
            }
        }
        out.push(text.finish());
        (out, false)
    }

    #[test]
    fn a_stop_string_across_pieces_is_never_given_out() {
        let (out, stopped) = run(&["\n\n", "###"], &["one", " two#", "#", "# three"]);
        assert_eq!(out, ["one", " two", "", ""]);
        assert!(stopped);
    }

    #[test]
    fn what_turns_out_not_to_be_a_stop_string_comes_later() {
        let (out, stopped) = run(&["###"], &["a##", "b#"]);
        assert_eq!(out, ["a", "##b", "#"]);
        assert!(!stopped);
    }

    #[test]
    fn the_first_of_several_counts() {
        assert_eq!(run(&["z", "y"], &["a y b z"]), (vec!["a ".to_string()], true));
        assert_eq!(run(&["", "b"], &["ab"]), (vec!["a".to_string()], true));
    }

    #[test]
    fn letters_of_several_bytes() {
        assert_eq!(
            run(&["\u{e9}\u{e8}"], &["a\u{e9}", "\u{e9}", "\u{e8}"]),
            (vec!["a".into(), "\u{e9}".into(), String::new()], true)
        );
    }

    #[test]
    fn however_it_is_cut_the_text_is_the_same() {
        let whole = "ab##a###ab#";
        for first in 0..whole.len() {
            for second in first..whole.len() {
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];
                let (out, stopped) = run(&["###"], &pieces);
                assert_eq!((out.concat().as_str(), stopped), ("ab##a", true));
            }
        }
    }
}
