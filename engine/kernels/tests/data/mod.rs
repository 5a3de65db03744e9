//! Seeded inputs for the tests of kernels, the same on every machine.
#![allow(dead_code, clippy::disallowed_methods)]

pub mod held;

use kernels::{Isa, Kernels, QuantizedRowMut, QuantizedRows};

/// The instruction sets to test: all this machine has; those of `REQUIRE_ISA` must be among them.
pub fn isas() -> Vec<Isa> {
    if let Ok(required) = std::env::var("REQUIRE_ISA") {
        for name in required.split(',').filter(|name| !name.is_empty()) {
            let isa: Isa = name.parse().unwrap();
            assert!(isa.is_present(), "REQUIRE_ISA asks for {isa}, which this machine lacks");
        }
    }
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_present()) {
        println!("skipped: this machine lacks {isa}");
    }
    Isa::present().collect()
}

/// Runs `case` with every instruction set's kernels and compares all bits with scalar's.
pub fn agree(what: &str, case: impl Fn(&Kernels) -> Vec<f32>) -> Vec<f32> {
    let expected = case(Kernels::of(Isa::Scalar).unwrap());
    for isa in isas() {
        let found = case(Kernels::of(isa).unwrap());
        assert_eq!(found.len(), expected.len());
        for (index, (a, b)) in found.iter().zip(&expected).enumerate() {
            let same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            assert!(same, "{what}, {isa}, element {index}: {a:e} where scalar has {b:e}");
        }
    }
    expected
}

/// Fails if `found` is further from `expected` than tolerance * scale.
pub fn close(what: &str, found: f32, expected: f64, scale: f64, tolerance: f64) {
    let error = (f64::from(found) - expected).abs();
    assert!(error <= tolerance * scale.max(1e-30), "{what}: {found} for {expected}, off by {error:e}");
}

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// In 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, exactly reproducible: a sum of four uniforms.
    pub fn float(&mut self) -> f32 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        ((sum - 2.0) * 1.75) as f32
    }

    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }
}

/// Activation codes of several tokens, made by the scalar kernel.
pub struct Codes {
    columns: usize,
    segment: usize,
    stride: usize,
    high: Vec<i8>,
    low: Vec<i8>,
    scales: Vec<f32>,
    offsets: Vec<[i16; 2]>,
}

impl Codes {
    pub fn of(x: &[f32], columns: usize, segment: usize, planes: usize) -> Self {
        let (tokens, stride, segments) = (x.len() / columns, columns.next_multiple_of(32), columns.div_ceil(segment));
        let mut codes = Self {
            columns,
            segment,
            stride,
            high: vec![0; tokens * stride],
            low: vec![0; if planes == 2 { tokens * stride } else { 0 }],
            scales: vec![0.0; tokens * segments],
            offsets: vec![[0; 2]; tokens * segments],
        };
        for t in 0..tokens {
            let row = t * stride..(t + 1) * stride;
            let low = if planes == 2 { &mut codes.low[row.clone()] } else { &mut [][..] };
            let grid = t * segments..(t + 1) * segments;
            let out = QuantizedRowMut {
                high: &mut codes.high[row],
                low,
                scales: &mut codes.scales[grid.clone()],
                offsets: &mut codes.offsets[grid],
            };
            Kernels::of(Isa::Scalar).unwrap().quantize_row(&x[t * columns..(t + 1) * columns], segment, out);
        }
        codes
    }

    pub fn rows(&self) -> QuantizedRows<'_> {
        QuantizedRows {
            segment: self.segment,
            stride: self.stride,
            high: &self.high,
            low: &self.low,
            scales: &self.scales,
            offsets: &self.offsets,
        }
    }

    /// The value a code stands for.
    pub fn value(&self, token: usize, k: usize) -> f64 {
        let at = token * self.stride + k;
        let code = match self.low.get(at) {
            Some(&low) => 255 * i32::from(self.high[at]) + i32::from(low),
            None => i32::from(self.high[at]),
        };
        f64::from(code) * f64::from(self.scales[token * self.columns.div_ceil(self.segment) + k / self.segment])
    }
}
