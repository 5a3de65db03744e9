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

/// At most two decimals.
pub(super) fn bits(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
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
