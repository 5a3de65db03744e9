//! Shifts of runs of words, and the number of edits with them.

use super::edit_distance::{EditDistance, Step};
use std::cmp::Reverse;

/// Longest run of words that is shifted.
const LONGEST_SHIFT: usize = 10;
/// Farthest apart that a run may be in hypothesis and reference.
const FARTHEST_SHIFT: usize = 50;
/// Orders that are tried for one segment.
const MOST_CANDIDATES: usize = 1000;

/// Edits that turn `hypothesis` into `reference`: shifts of runs, and words put in, left out or replaced.
///
/// Greedy: the shift that saves most is made, until none saves anything or too many have been tried.
pub(super) fn edits(hypothesis: &[u32], reference: &[u32]) -> u64 {
    if reference.is_empty() {
        return hypothesis.len() as u64;
    }
    let mut words = hypothesis.to_vec();
    let (mut table, mut distance) = EditDistance::new(&words, reference);
    let mut shifts = 0;
    let mut tried = 0;
    while let Some((shifted, shifted_distance)) = best_shift(&words, reference, &mut table, &mut tried) {
        if tried >= MOST_CANDIDATES || shifted_distance >= distance {
            break;
        }
        shifts += 1;
        (words, distance) = (shifted, shifted_distance);
        table.reorder(&words);
    }
    shifts + u64::from(distance)
}

/// The order of words that one shift leads to and that is closest to the reference, and its distance.
///
/// Of equally close ones: the longest run, then the first, then the shift to the first place. `table` is that of
/// `words`, and of another order afterwards.
fn best_shift(
    words: &[u32],
    reference: &[u32],
    table: &mut EditDistance<'_>,
    tried: &mut usize,
) -> Option<(Vec<u32>, u32)> {
    let alignment = Alignment::of(&table.steps());
    let mut best = None;
    for run in common_runs(words, reference) {
        if alignment.settles(&run) {
            continue;
        }
        // Before the reference's first word of the run, then after each of its words.
        let before = run.reference.checked_sub(1).map_or(0, |word| alignment.after[word]);
        let after = &alignment.after[run.reference..run.reference + run.length];
        let mut last_target = None;
        for target in std::iter::once(before).chain(after.iter().copied()) {
            if last_target.replace(target) == Some(target) {
                continue;
            }
            let shifted = shift(words, &run, target);
            let candidate = table.reorder(&shifted);
            *tried += 1;
            let rank = (Reverse(candidate), run.length, Reverse(run.hypothesis), Reverse(target));
            if best.as_ref().is_none_or(|(largest, _)| rank > *largest) {
                best = Some((rank, shifted));
            }
        }
        if *tried >= MOST_CANDIDATES {
            break;
        }
    }
    best.map(|((Reverse(closest), ..), shifted)| (shifted, closest))
}

/// Words that hypothesis and reference have in common.
struct Run {
    /// index of its first word in the hypothesis
    hypothesis: usize,
    /// index of its first word in the reference
    reference: usize,
    /// number of its words
    length: usize,
}

/// Runs by their place in the hypothesis, then in the reference, then by length: with a run, all its beginnings.
fn common_runs<'a>(hypothesis: &'a [u32], reference: &'a [u32]) -> impl Iterator<Item = Run> + 'a {
    (0..hypothesis.len()).flat_map(move |start| {
        let near = start.saturating_sub(FARTHEST_SHIFT)..reference.len().min(start + FARTHEST_SHIFT + 1);
        near.flat_map(move |place| {
            let pairs = hypothesis[start..].iter().zip(&reference[place..]);
            let longest = pairs.take(LONGEST_SHIFT).take_while(|(ours, theirs)| ours == theirs).count();
            (1..=longest).map(move |length| Run { hypothesis: start, reference: place, length })
        })
    })
}

/// Which words of the two sides belong together.
struct Alignment {
    /// of every word of the reference: the number of hypothesis words up to it
    after: Vec<usize>,
    /// of every word of the reference: whether it was not there
    missing: Vec<bool>,
    /// of every word of the hypothesis: whether it was wrong there
    wrong: Vec<bool>,
}

impl Alignment {
    fn of(steps: &[Step]) -> Self {
        let mut alignment = Self { after: Vec::new(), missing: Vec::new(), wrong: Vec::new() };
        for &step in steps {
            if step != Step::Insert {
                alignment.wrong.push(step != Step::Keep);
            }
            if step != Step::Delete {
                alignment.missing.push(step != Step::Keep);
                alignment.after.push(alignment.wrong.len());
            }
        }
        alignment
    }

    /// Whether there is no use in shifting a run: its words are right where they are, or the reference has what it
    /// needs, or the run is already there.
    fn settles(&self, run: &Run) -> bool {
        let ours = run.hypothesis..run.hypothesis + run.length;
        let theirs = run.reference..run.reference + run.length;
        let here = self.after[run.reference];
        !self.wrong[ours.clone()].contains(&true)
            || !self.missing[theirs].contains(&true)
            || (ours.start < here && here <= ours.end)
    }
}

/// The words with a run moved to before the word `target`; within itself, by as many words as the target is into it.
fn shift(words: &[u32], run: &Run, target: usize) -> Vec<u32> {
    let (start, end) = (run.hypothesis, run.hypothesis + run.length);
    let moved = &words[start..end];
    let clip = |end: usize| end.min(words.len());
    let [head, between, tail] = if target < start {
        return [&words[..target], moved, &words[target..start], &words[end..]].concat();
    } else if target > end {
        [&words[..start], &words[end..target], &words[target..]]
    } else {
        let passed = clip(target + run.length);
        [&words[..start], &words[end..passed], &words[passed..]]
    };
    [head, between, moved, tail].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_one_edit() {
        assert_eq!(edits(&[4, 5, 1, 2, 3], &[1, 2, 3, 4, 5]), 1);
        assert_eq!(edits(&[4, 5, 1, 2, 9], &[1, 2, 3, 4, 5]), 2);
        assert_eq!(edits(&[1, 2], &[]), 2);
        assert_eq!(edits(&[], &[1, 2, 3]), 3);
        assert_eq!(edits(&[1, 2, 3], &[1, 2, 3]), 0);
    }

    #[test]
    fn runs_move_before_their_target() {
        let words = [0, 1, 2, 3, 4, 5];
        let run = Run { hypothesis: 2, reference: 0, length: 2 };
        assert_eq!(shift(&words, &run, 0), [2, 3, 0, 1, 4, 5]);
        assert_eq!(shift(&words, &run, 5), [0, 1, 4, 2, 3, 5]);
        // Into itself: as far as the target is from its start, and not past the end.
        assert_eq!(shift(&words, &run, 3), [0, 1, 4, 2, 3, 5]);
        assert_eq!(shift(&words, &run, 4), [0, 1, 4, 5, 2, 3]);
        let last = Run { hypothesis: 4, reference: 0, length: 2 };
        assert_eq!(shift(&words, &last, 6), words);
    }
}
