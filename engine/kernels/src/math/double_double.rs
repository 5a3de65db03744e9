//! Sums and products that keep what rounding would drop: about 106 bits from pairs of f64.
//!
//! Source: Dekker, "A floating-point technique for extending the available precision" (1971); Knuth, TAOCP 2, 4.2.2.

/// The unevaluated sum `high + low`, where `high` is the f64 nearest to it.
#[derive(Clone, Copy)]
pub(super) struct DoubleDouble {
    pub high: f64,
    pub low: f64,
}

impl DoubleDouble {
    /// a + b exactly, for |a| >= |b| or a = 0.
    pub fn ordered_sum(a: f64, b: f64) -> Self {
        let high = a + b;
        Self { high, low: b - (high - a) }
    }

    /// a + b exactly.
    pub fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        let b_seen = high - a;
        let a_seen = high - b_seen;
        Self { high, low: (a - a_seen) + (b - b_seen) }
    }

    /// a * b exactly, for |a| and |b| below 2^996 and a product that is 0 or at least 2^-969.
    pub fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        let (a_high, a_low) = halves(a);
        let (b_high, b_low) = halves(b);
        let low = ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low;
        Self { high, low }
    }

    /// self + other, relative error below 2^-103 where the two have one sign.
    pub fn add(self, other: Self) -> Self {
        let high = Self::sum(self.high, other.high);
        let low = Self::sum(self.low, other.low);
        let first = Self::ordered_sum(high.high, high.low + low.high);
        Self::ordered_sum(first.high, first.low + low.low)
    }

    /// self * other, relative error below 2^-101.
    pub fn multiply(self, other: Self) -> Self {
        let high = Self::product(self.high, other.high);
        let cross = self.high * other.low + self.low * other.high;
        Self::ordered_sum(high.high, high.low + cross)
    }

    /// self / other, relative error below 2^-99.
    pub fn divide(self, other: Self) -> Self {
        let first = self.high / other.high;
        let product = other.multiply(Self { high: first, low: 0.0 });
        let rest = self.add(Self { high: -product.high, low: -product.low });
        Self::ordered_sum(first, rest.high / other.high)
    }
}

/// a as the exact sum of two numbers of at most 26 bits each (Veltkamp).
fn halves(a: f64) -> (f64, f64) {
    let scaled = a * 134_217_729.0; // 2^27 + 1
    let high = scaled - (scaled - a);
    (high, a - high)
}
