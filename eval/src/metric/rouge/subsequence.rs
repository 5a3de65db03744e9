//! Longest common subsequences of token lists.

/// The length of the longest common subsequence.
pub(super) fn length<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for ours in a {
        next_row(&mut row, ours, b);
    }
    row[b.len()]
}

/// The row of the table that one more token leads to; `row[j]` is the length for the first j tokens of `b`.
fn next_row<T: PartialEq>(row: &mut [usize], token: &T, b: &[T]) {
    let mut above_left = 0;
    for (column, theirs) in b.iter().enumerate() {
        let above = row[column + 1];
        row[column + 1] = if token == theirs { above_left + 1 } else { above.max(row[column]) };
        above_left = above;
    }
}

/// Marks the tokens of `a` that belong to one longest common subsequence with `b`: of several, the one that is read
/// off the table from its end, leaving out a token of `a` wherever it does not matter which side leaves one out.
pub(super) fn mark<T: PartialEq>(a: &[T], b: &[T], marks: &mut [bool]) {
    // [a, b]: whether a token of b has to be left out.
    let mut skips = Vec::with_capacity(a.len() * b.len());
    let mut row = vec![0; b.len() + 1];
    for ours in a {
        let above = row.clone();
        next_row(&mut row, ours, b);
        skips.extend((0..b.len()).map(|column| row[column] > above[column + 1]));
    }
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            (i, j) = (i - 1, j - 1);
            marks[i] = true;
        } else if skips[(i - 1) * b.len() + j - 1] {
            j -= 1;
        } else {
            i -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_marks() {
        let (a, b) = (b"abcbdab", b"bdcaba");
        assert_eq!(length(a, b), 4);
        let mut marks = [false; 7];
        mark(a, b, &mut marks);
        // b, c, b, a.
        assert_eq!(marks, [false, true, true, true, false, true, false]);
        assert_eq!(length(b"", b), 0);
        mark(b"", b, &mut []);
    }
}
