//! Spans, codes and packing of weights: every instruction set against the formula, one weight at a time in f64.
//!
//! `REQUIRE_ISA=avx2,avx512` turns an instruction set that is absent from a skip into a failure.

mod data;

use data::{Rng, isas};
use kernels::grid::nearest_integer;
use kernels::{CodeBits, CodeGrid, DenseRows, DenseType, Kernels, PANEL_ROWS, pack};

/// Weights as they are stored, and widened.
struct Stored {
    dtype: DenseType,
    bytes: Vec<u8>,
    values: Vec<f32>,
}

impl Stored {
    fn f32(values: Vec<f32>) -> Self {
        Self { dtype: DenseType::F32, bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(), values }
    }

    /// Every finite value of a type of two bytes.
    fn all_of(dtype: DenseType) -> Self {
        let bits = (0..=u16::MAX).filter(|&bits| widened(dtype, bits).is_finite());
        Self::halves(dtype, bits.collect())
    }

    fn halves(dtype: DenseType, bits: Vec<u16>) -> Self {
        let values = bits.iter().map(|&bits| widened(dtype, bits)).collect();
        Self { dtype, bytes: bits.into_iter().flat_map(u16::to_le_bytes).collect(), values }
    }

    /// The row of these weights at an odd address: checkpoints promise no alignment.
    fn with_row(&self, check: impl FnOnce(DenseRows<'_>)) {
        let shifted = [&[0][..], &self.bytes].concat();
        check(DenseRows { bytes: &shifted[1..], dtype: self.dtype, columns: self.values.len() });
    }
}

fn widened(dtype: DenseType, bits: u16) -> f32 {
    match dtype {
        DenseType::F16 => half::f16::from_bits(bits).into(),
        _ => half::bf16::from_bits(bits).into(),
    }
}

/// The formula of the module, restated.
fn plain_code(weight: f32, scale: f64, zero: i32, bits: CodeBits) -> u8 {
    let code = (f64::from(weight) / scale).round_ties_even() + f64::from(zero);
    code.max(0.0).min(f64::from(bits.max_code())) as u8
}

/// Checks codes of `weights`, one grid for every `width` of them.
fn check(weights: &Stored, width: usize, grids: &[(f64, i32)], bits: CodeBits) {
    let values = weights.values.iter().zip(weights.values.iter().enumerate().map(|(k, _)| grids[k / width]));
    let expected: Vec<u8> = values.map(|(&value, (scale, zero))| plain_code(value, scale, zero, bits)).collect();
    let grids: Vec<CodeGrid> = grids.iter().map(|&(scale, zero)| CodeGrid::new(scale, zero, bits)).collect();
    for (k, (&value, &code)) in weights.values.iter().zip(&expected).enumerate() {
        assert_eq!(grids[k / width].code(value), code, "{value:e}, {:?}", grids[k / width]);
    }
    weights.with_row(|row| {
        for isa in isas() {
            let mut codes = vec![0xa5; row.columns];
            Kernels::of(isa).unwrap().encode(row, width, &grids, &mut codes);
            for (k, (code, expected)) in codes.iter().zip(&expected).enumerate() {
                let place = (weights.values[k], grids[k / width], weights.dtype);
                assert_eq!(code, expected, "{isa}, column {k} in grids of {width}: {place:?}");
            }
        }
    });
}

fn one_grid(weights: &Stored, scale: f64, zero: i32, bits: CodeBits) {
    check(weights, weights.values.len(), &[(scale, zero)], bits);
}

#[test]
fn every_bfloat16_and_half_on_grids_of_every_size() {
    for dtype in [DenseType::Bf16, DenseType::F16] {
        let weights = Stored::all_of(dtype);
        // Scales whose inverse overflows, is normal, and is subnormal in f32; ties on powers of two, none on thirds.
        for exponent in [-157, -149, -128, -127, -126, -60, -24, -8, -1, 0, 5, 60, 120, 126, 127] {
            for factor in [1.0, 1.0 / 3.0, 1.0 / 255.0, 1.999_999_9] {
                let scale = f64::from_bits(((exponent + 1023) as u64) << 52) * factor;
                one_grid(&weights, scale, 128, CodeBits::Eight);
            }
        }
        for (bits, zero) in [(CodeBits::Four, 0), (CodeBits::Four, 15), (CodeBits::Three, 4), (CodeBits::Two, 1)] {
            one_grid(&weights, 0.1, zero, bits);
        }
    }
}

/// Weights at, and within a few last places of, every boundary between two codes.
#[test]
fn boundaries() {
    let mut rng = Rng::new(1);
    for (bits, zero) in [(CodeBits::Eight, 0), (CodeBits::Eight, 131), (CodeBits::Eight, 255), (CodeBits::Four, 7)] {
        for scale in [1.0, 0.1, 1.0 / 255.0, 3e-39, 1e-44, 1e30, 2.0 * f64::from(f32::MAX) / 255.0, rng.unit()] {
            let mut values = Vec::new();
            for quarter in -4 * 300..=4 * 300 {
                let value = (f64::from(quarter) / 4.0 * scale) as f32;
                for nudge in -3i32..=3 {
                    values.push(f32::from_bits(value.to_bits().wrapping_add_signed(nudge)));
                }
            }
            values.retain(|value| value.is_finite());
            one_grid(&Stored::f32(values), scale, zero, bits);
        }
    }
}

#[test]
fn values_beyond_every_grid_take_its_ends() {
    let mut values = vec![0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, 1e-45, -1e-45];
    values
        .extend((0..200).flat_map(|k| [1e-40, 1e-20, 1.0, 511.9, 1e4, 3e9, 1e38].map(|m| m * (k - 100) as f32 / 37.0)));
    values.retain(|value| value.is_finite());
    for scale in [1e-46, 1e-39, 1e-30, 1.0, 2.5, 1e20, 1.3e36] {
        for zero in [0, 1, 100, 255] {
            one_grid(&Stored::f32(values.clone()), scale, zero, CodeBits::Eight);
        }
    }
}

/// Grids of every width, the last of a row cut short, fitted as quantizers fit them; and what they are fitted to.
#[test]
fn rows_of_groups() {
    let mut rng = Rng::new(2);
    for columns in [1, 15, 16, 17, 40, 128, 300, 1100, 5000] {
        for width in [columns, 16, 32, 64, 128] {
            // Stored as 8-bit codes once: many weights lie on boundaries.
            let coarse = |rng: &mut Rng| half::bf16::from_f32(rng.below(255) as f32 - 127.0).to_bits();
            let fine = |rng: &mut Rng| half::bf16::from_f32(rng.float()).to_bits();
            let rows = [
                Stored::f32(rng.floats(columns)),
                Stored::halves(DenseType::Bf16, (0..columns).map(|_| fine(&mut rng)).collect()),
                Stored::halves(DenseType::Bf16, (0..columns).map(|_| coarse(&mut rng)).collect()),
                Stored::halves(
                    DenseType::F16,
                    rng.floats(columns).iter().map(|&v| half::f16::from_f32(v).to_bits()).collect(),
                ),
                Stored::f32(vec![0.25; columns]),
                Stored::f32(vec![-0.0; columns]),
            ];
            for weights in &rows {
                let spans: Vec<(f32, f32)> = weights.values.chunks(width).map(plain_span).collect();
                weights.with_row(|row| {
                    for isa in isas() {
                        let (mut low, mut high) = (vec![9.0; spans.len()], vec![-9.0; spans.len()]);
                        Kernels::of(isa).unwrap().spans(row, width, &mut low, &mut high);
                        for ((low, high), span) in low.into_iter().zip(high).zip(&spans) {
                            let bits = (low.to_bits(), high.to_bits());
                            assert_eq!(bits, (span.0.to_bits(), span.1.to_bits()), "{isa}, {columns} by {width}");
                        }
                    }
                });
                for bits in CodeBits::ALL {
                    let fitted = |&(low, high): &(f32, f32)| {
                        let reach = f64::from(high) - f64::from(low);
                        let scale = if reach == 0.0 { 1.0 } else { reach / f64::from(bits.max_code()) };
                        (scale, nearest_integer(-f64::from(low) / scale))
                    };
                    check(weights, width, &spans.iter().map(fitted).collect::<Vec<_>>(), bits);
                }
            }
        }
    }
}

fn plain_span(weights: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = (0.0, 0.0);
    for &weight in weights {
        low = if weight < low { weight } else { low };
        high = if weight > high { weight } else { high };
    }
    (low, high)
}

/// Packing by every instruction set, against scalar, which `code_at` reads back in the tests of the layout.
#[test]
fn packed_panels() {
    let mut rng = Rng::new(3);
    for bits in CodeBits::ALL {
        for rows in [1, 15, 16, 17, 33, PANEL_ROWS] {
            for columns in [1, 4, 31, 32, 63, 64, 65, 100, 128, 200, 896] {
                let codes: Vec<u8> =
                    (0..rows * columns).map(|_| rng.below(u64::from(bits.max_code()) + 1) as u8).collect();
                let mut expected = vec![0xa5; bits.panel_bytes(rows, columns)];
                pack(bits, rows, columns, &codes, &mut expected);
                for isa in isas() {
                    let mut packed = vec![0x5a; expected.len()];
                    Kernels::of(isa).unwrap().pack(bits, rows, columns, &codes, &mut packed);
                    assert!(packed == expected, "{isa}, {bits:?}, {rows} x {columns}");
                }
            }
        }
    }
}
