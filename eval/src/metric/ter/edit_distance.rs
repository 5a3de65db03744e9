//! Edit distance between word sequences, near the diagonal of its table.
//!
//! Row i of the table stands for the first i words of the hypothesis, column j for the first j of the reference; the
//! diagonal runs from corner to corner, and only columns less than [`BEAM`] from it are filled in. That, and which of
//! equally cheap steps is taken, decides TER's shifts, so both are the reference's.

use std::ops::Range;

/// Columns on either side of the diagonal.
const BEAM: usize = 25;

/// Cost of cells that are not filled in.
const UNREACHED: u32 = u32::MAX / 2;

/// How a cell of the table is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// the word stays
    Keep,
    /// a word of the hypothesis becomes one of the reference
    Substitute,
    /// a word of the reference is put in
    Insert,
    /// a word of the hypothesis is left out
    Delete,
}

/// Edits up to here, and the last of them.
#[derive(Clone, Copy)]
struct Cell {
    cost: u32,
    /// meaningless where the cost is [`UNREACHED`]
    step: Step,
}

/// The table of a reference and the hypothesis that was last compared with it.
///
/// Hypotheses are orders of the same words: rows of the words that two have in common at the beginning are computed
/// once.
pub(super) struct EditDistance<'a> {
    reference: &'a [u32],
    hypothesis: Vec<u32>,
    /// columns filled in, of every row but row 0, which is full
    bands: Vec<Range<usize>>,
    /// rows from 1 on, one after the other, of each the band
    rows: Vec<Vec<Cell>>,
}

impl<'a> EditDistance<'a> {
    /// The table, and the number of edits that turn `hypothesis` into `reference`.
    pub fn new(hypothesis: &[u32], reference: &'a [u32]) -> (Self, u32) {
        let bands = bands(hypothesis.len(), reference.len());
        let empty = Cell { cost: UNREACHED, step: Step::Insert };
        let rows = bands.iter().map(|band| vec![empty; band.len()]).collect();
        let mut table = Self { reference, hypothesis: hypothesis.to_vec(), bands, rows };
        table.fill(0);
        let distance = table.cell(hypothesis.len(), reference.len()).cost;
        (table, distance)
    }

    /// The number of edits that turn `hypothesis`, the same words in another order, into the reference.
    pub fn reorder(&mut self, hypothesis: &[u32]) -> u32 {
        let kept = self.hypothesis.iter().zip(hypothesis).take_while(|(old, new)| old == new).count();
        self.hypothesis[kept..].copy_from_slice(&hypothesis[kept..]);
        self.fill(kept);
        self.cell(hypothesis.len(), self.reference.len()).cost
    }

    fn cell(&self, row: usize, column: usize) -> Cell {
        let Some(above) = row.checked_sub(1) else {
            return Cell { cost: column as u32, step: Step::Insert };
        };
        let band = &self.bands[above];
        if band.contains(&column) {
            self.rows[above][column - band.start]
        } else {
            Cell { cost: UNREACHED, step: Step::Insert }
        }
    }

    /// Computes the rows of all words from word `first` on.
    fn fill(&mut self, first: usize) {
        for (word, &ours) in self.hypothesis.iter().enumerate().skip(first) {
            let band = self.bands[word].clone();
            let mut filled = std::mem::take(&mut self.rows[word]);
            let mut above_left = band.start.checked_sub(1).map_or(UNREACHED, |column| self.cell(word, column).cost);
            let mut left = UNREACHED;
            for (cell, column) in filled.iter_mut().zip(band) {
                let above = self.cell(word, column).cost;
                let same = column > 0 && self.reference[column - 1] == ours;
                let (substituted, stay) =
                    if same { (above_left, Step::Keep) } else { (above_left + 1, Step::Substitute) };
                *cell = Cell { cost: UNREACHED, step: Step::Insert };
                // Of equally cheap steps the first of this order.
                for (cost, step) in [(substituted, stay), (above + 1, Step::Delete), (left + 1, Step::Insert)] {
                    if cost < cell.cost {
                        *cell = Cell { cost, step };
                    }
                }
                (left, above_left) = (cell.cost, above);
            }
            self.rows[word] = filled;
        }
    }

    /// The steps from the hypothesis to the reference, in order.
    ///
    /// Only filled cells are visited: each was reached from one.
    pub fn steps(&self) -> Vec<Step> {
        let (mut row, mut column) = (self.hypothesis.len(), self.reference.len());
        let mut steps = Vec::with_capacity(row.max(column));
        while row > 0 || column > 0 {
            let step = self.cell(row, column).step;
            row -= usize::from(step != Step::Insert);
            column -= usize::from(step != Step::Delete);
            steps.push(step);
        }
        steps.reverse();
        steps
    }
}

/// The columns that are filled in, of the rows of all words of a hypothesis.
fn bands(hypothesis: usize, reference: usize) -> Vec<Range<usize>> {
    let ratio = if hypothesis == 0 { 1.0 } else { reference as f64 / hypothesis as f64 };
    // Wide enough for the bands of neighbouring rows to overlap, however much longer the reference is.
    let beam = if (BEAM as f64) < ratio / 2.0 { (ratio / 2.0 + BEAM as f64).ceil() as usize } else { BEAM };
    let band = |row: usize| {
        let diagonal = (row as f64 * ratio).floor() as usize;
        let end = if row == hypothesis { reference + 1 } else { (reference + 1).min(diagonal + beam) };
        diagonal.saturating_sub(beam)..end
    };
    (1..=hypothesis).map(band).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_steps() {
        use Step::{Delete, Insert, Keep, Substitute};
        let reference = [1, 2, 3, 4];
        let (mut table, distance) = EditDistance::new(&[2, 3, 9, 4, 4], &reference);
        assert_eq!(distance, 3);
        // 9, 4 are left out and the last 4 is kept: staying is preferred where it costs the same.
        assert_eq!(table.steps(), [Insert, Keep, Keep, Delete, Delete, Keep]);
        assert_eq!(table.reorder(&[9, 2, 3, 4, 4]), 2);
        assert_eq!(table.steps(), [Substitute, Keep, Keep, Delete, Keep]);
        let (table, distance) = EditDistance::new(&[], &reference);
        assert_eq!((table.steps(), distance), (vec![Insert; 4], 4));
    }

    #[test]
    fn cells_far_from_the_diagonal_are_not_filled_in() {
        // 60 words at the other end: beyond the band, so every word is replaced.
        let hypothesis: Vec<u32> = (0..60).chain(100..160).collect();
        let reference: Vec<u32> = (200..260).chain(0..60).collect();
        assert_eq!(EditDistance::new(&hypothesis, &reference).1, 120);
        // A reference a hundred times longer has a wider band: 75 columns on either side.
        let reference: Vec<u32> = (0..200).collect();
        assert_eq!(EditDistance::new(&[100, 170], &reference).1, 198);
        assert_eq!(EditDistance::new(&[7, 199], &reference).1, 200);
    }
}
