//! Axes: from values to places, and where ticks stand.

use kernels::math::{ln, pow};

/// One direction of a plot.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    /// Equal distances are equal differences.
    Linear {
        /// Least value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// Equal distances are equal ratios.
    Log {
        /// Least value, above 0.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// Names side by side.
    Names(Vec<String>),
}

impl Axis {
    /// A linear axis around `values`with some room.
    pub fn linear(values: impl IntoIterator<Item = f64>, start: Start) -> Self {
        let (mut low, mut high) = ends(values);
        if start == Start::Zero {
            low = low.min(0.0);
        }
        let room = if high > low { 0.06 * (high - low) } else { 0.5 + 0.1 * high.abs() };
        if start == Start::Values || low < 0.0 {
            low -= room;
        }
        high += room;
        Axis::Linear { low, high }
    }

    /// A logarithmic axis around `values`; those that are not above 0 are left out.
    pub fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = ends(values.into_iter().filter(|&value| value > 0.0));
        let (low, high) = if high > 0.0 && low > 0.0 { (low, high) } else { (1.0, 10.0) };
        let room = pow(high / low, 0.06).max(1.05);
        Axis::Log { low: low / room, high: high * room }
    }

    /// Where a value lies between the ends, 0 to 1; beyond them at the nearer one.
    pub fn place(&self, value: f64) -> f64 {
        let place = match self {
            Axis::Linear { low, high } => (value - low) / (high - low),
            Axis::Log { low, high } => ln(value.max(low * 1e-6) / low) / ln(high / low),
            Axis::Names(names) => (value + 0.5) / names.len().max(1) as f64,
        };
        place.clamp(0.0, 1.0)
    }

    /// Whether a value lies between the ends.
    pub fn holds(&self, value: f64) -> bool {
        match self {
            Axis::Linear { low, high } | Axis::Log { low, high } => (*low..=*high).contains(&value),
            Axis::Names(names) => value >= 0.0 && value < names.len() as f64,
        }
    }

    /// Values to mark, with their texts: at most about six.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        match self {
            Axis::Linear { low, high } => linear_ticks(*low, *high),
            Axis::Log { low, high } => log_ticks(*low, *high),
            Axis::Names(names) => names.iter().enumerate().map(|(index, name)| (index as f64, name.clone())).collect(),
        }
    }
}

/// Where a linear axis begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At 0.
    Zero,
    /// Below the least value.
    Values,
}

fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), value| (a.min(value), b.max(value)));
    if low > high { (0.0, 1.0) } else { (low, high) }
}

fn linear_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let span = high - low;
    // Long numbers need more room.
    let most = if high.abs() >= 1e4 { 4.0 } else { 6.0 };
    let mut step = 1e-9;
    while span / step > most {
        // 1, 2, 5, 10, ...
        step *= if span / (2.0 * step) <= most {
            2.0
        } else if span / (5.0 * step) <= most {
            5.0
        } else {
            10.0
        };
    }
    let decimals = [1.0, 0.1, 0.01, 0.001].iter().position(|unit| step >= *unit * 0.999).unwrap_or(4);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|index| index as f64 * step).map(|value| (value, format!("{value:.decimals$}"))).collect()
}

fn log_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let mut candidates = Vec::new();
    for exponent in -12_i32..=15 {
        let decade = pow(10.0, f64::from(exponent));
        let digits: &[f64] = if high / low > 1000.0 {
            &[1.0]
        } else if high / low > 12.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0]
        };
        candidates.extend(digits.iter().map(|digit| digit * decade).filter(|value| (low..=high).contains(value)));
    }
    let every = candidates.len().div_ceil(7).max(1);
    candidates.into_iter().step_by(every).map(|value| (value, log_text(value))).collect()
}

fn log_text(value: f64) -> String {
    if (0.01..1e5).contains(&value) {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        format!("{value:.0e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_ends() {
        let texts = |axis: &Axis| axis.ticks().into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(&Axis::Linear { low: -1.0, high: 21.0 }), ["0", "5", "10", "15", "20"]);
        assert_eq!(
            texts(&Axis::Linear { low: 0.0, high: 0.3 }),
            ["0.00", "0.05", "0.10", "0.15", "0.20", "0.25", "0.30"][..].to_vec()
        );
        assert_eq!(texts(&Axis::Log { low: 0.5, high: 2e4 }), ["1", "10", "100", "1000", "10000"]);
    }

    #[test]
    fn places_lie_between_the_ends() {
        let axis = Axis::Log { low: 1.0, high: 100.0 };
        assert!((axis.place(10.0) - 0.5).abs() < 1e-12);
        assert_eq!((axis.place(0.0), axis.place(1e9)), (0.0, 1.0));
        assert_eq!(Axis::Names(vec!["a".into(), "b".into()]).place(1.0), 0.75);
        assert_eq!(Axis::linear([], Start::Values).ticks().len(), 6);
    }
}
