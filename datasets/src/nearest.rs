//! The name that was probably meant.

/// The name with the smallest edit distance, if that is at most a third of the longer one.
pub(crate) fn nearest(name: &str, names: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let mut best: Option<(usize, &'static str)> = None;
    for other in names {
        let distance = edit_distance(name, other);
        if best.is_none_or(|(smallest, _)| distance < smallest) {
            best = Some((distance, other));
        }
    }
    best.filter(|(distance, other)| 3 * distance <= name.len().max(other.len())).map(|(_, other)| other)
}

/// Levenshtein distance in bytes.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut next = vec![i + 1];
        for ((j, y), window) in b.bytes().enumerate().zip(row.windows(2)) {
            let replace = window[0] + usize::from(x != y);
            let delete = window[1] + 1;
            let insert = next[j] + 1;
            next.push(replace.min(delete).min(insert));
        }
        row = next;
    }
    row[b.len()]
}
