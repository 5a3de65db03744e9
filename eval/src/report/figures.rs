//! Numbers as the tables print them.

/// A change with its sign.
pub(super) fn signed(change: f64) -> String {
    format!("{}{}", if change < 0.0 { "-" } else { "+" }, number(change.abs()))
}

/// Four decimals; large numbers get fewer.
pub(super) fn number(value: f64) -> String {
    if value < 1e4 {
        format!("{value:.4}")
    } else if value < 1e9 {
        format!("{value:.1}")
    } else {
        format!("{value:.3e}")
    }
}

/// Few digits: two decimals below 100, whole numbers below a million, then powers of ten.
pub(super) fn plain(value: f64) -> String {
    let size = value.abs();
    if size < 100.0 {
        format!("{value:.2}")
    } else if size < 1000.0 {
        format!("{value:.1}")
    } else if size < 1e5 {
        format!("{value:.0}")
    } else {
        format!("{value:.1e}")
    }
}

/// At most two decimals.
pub(super) fn bits(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Bytes in millions.
pub(super) fn megabytes(bytes: u64) -> String {
    let value = bytes as f64 / 1e6;
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        thousands(value as u64)
    }
}

/// A rate: three digits.
pub(super) fn rate(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        thousands(value as u64)
    }
}

/// A p-value: three decimals, or the power of ten of what would be 0.000.
pub(super) fn probability(p: f64) -> String {
    if p == 0.0 || p >= 0.001 { format!("{p:.3}") } else { format!("{p:.0e}") }
}

/// Words with commas between them and `and` before the last.
pub(super) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [words @ .., last] => format!("{} and {last}", words.join(", ")),
    }
}

/// Digits in groups of three.
pub(super) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
