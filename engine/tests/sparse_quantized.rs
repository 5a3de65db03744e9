//! Matrices with quantized statistics and outliers: what is stored, what it takes, and products against f64 arithmetic
//! on the weights as stored, to a derived bound, with the same bits for every batch, thread count and instruction set.

use engine::InputMap;
use engine::format::{Line, OutlierPrecision, SparseQuantizedMatrix, SparseQuantizedParts, SparseQuantizedShape};
use engine::linear::{Activations, Linear, Weights};
use engine::runtime::{IsaChoice, Runtime};
use kernels::{CodeBits, Isa, Kernels};
use std::sync::Arc;

/// A number from a seed, in -1..1.
fn number(seed: usize) -> f64 {
    let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// The parts of a matrix, from seeds.
struct Parts {
    shape: SparseQuantizedShape,
    codes: Vec<u8>,
    scale_codes: Vec<u8>,
    zero_codes: Vec<u8>,
    second_levels: Vec<[Line; 2]>,
    outliers: Vec<(u32, u32, f64)>,
}

impl Parts {
    /// One weight in `every` is an outlier.
    fn new(rows: usize, columns: usize, bits: CodeBits, group: usize, every: usize) -> Self {
        let groups = columns.div_ceil(group);
        let code = |seed: usize, bits: u32| ((number(seed) + 1.0) / 2.0 * f64::from(1u32 << bits)) as u8;
        let line = |seed: usize, scale: f64| Line {
            step: scale * (0.2 + number(seed).abs() / 8.0),
            offset: scale * (0.5 + number(seed + 1).abs()),
        };
        let outliers = (0..rows * columns).filter(|at| number(at * 7 + 3).abs() * (every as f64) < 1.0);
        Self {
            shape: SparseQuantizedShape { rows, columns, bits, group, statistic_bits: [3, 3] },
            codes: (0..rows * columns).map(|at| code(at, bits.bits())).collect(),
            scale_codes: (0..rows * groups).map(|at| code(at + 1_000_000, 3)).collect(),
            zero_codes: (0..rows * groups).map(|at| code(at + 2_000_000, 3)).collect(),
            second_levels: (0..rows.div_ceil(16) * groups)
                .map(|at| [line(3 * at, 0.01), line(3 * at + 7, f64::from(bits.max_code()) / 3.0)])
                .collect(),
            outliers: outliers.map(|at| ((at / columns) as u32, (at % columns) as u32, 0.3 * number(at + 9))).collect(),
        }
    }

    fn matrix(&self) -> SparseQuantizedMatrix {
        let parts = SparseQuantizedParts {
            codes: &self.codes,
            scale_codes: &self.scale_codes,
            zero_codes: &self.zero_codes,
            second_levels: &self.second_levels,
            outliers: &self.outliers,
            outlier_precision: OutlierPrecision::Half,
        };
        SparseQuantizedMatrix::new(Kernels::best(), self.shape, &parts).unwrap()
    }

    /// Scale and zero of a row and group as they were given.
    fn grid(&self, row: usize, group: usize) -> (f64, f64) {
        let SparseQuantizedShape { rows, columns, group: width, .. } = self.shape;
        let groups = columns.div_ceil(width);
        let first = row / 16 * 16;
        let at = first * groups + group * 16.min(rows - first) + row - first;
        let [scales, zeros] = self.second_levels[row / 16 * groups + group];
        let value = |line: Line, code: u8| line.offset + line.step * f64::from(code);
        (value(scales, self.scale_codes[at]), value(zeros, self.zero_codes[at]))
    }
}

const SHAPES: [(usize, usize); 6] = [(1, 1), (5, 19), (16, 128), (70, 200), (129, 33), (64, 515)];

#[test]
fn what_is_stored_is_what_was_given() {
    for (rows, columns) in SHAPES {
        for bits in CodeBits::ALL {
            for group in [8, 16, 128] {
                let parts = Parts::new(rows, columns, bits, group, 20);
                let matrix = parts.matrix();
                let mut row = vec![0.0; columns];
                for r in 0..rows {
                    matrix.dequantize_columns(r, &mut row);
                    for (k, &found) in row.iter().enumerate() {
                        let (scale, zero) = parts.grid(r, k / group);
                        let (stored_scale, stored_zero) = matrix.grid(r, k / group);
                        // Offset and step, both positive here, are rounded to f32, and so is their sum.
                        let close = |found: f32, expected: f64| (f64::from(found) / expected - 1.0).abs() < 2e-7;
                        assert!(close(stored_scale, scale) && close(stored_zero, zero), "{rows} x {columns}");
                        let code = f64::from(parts.codes[r * columns + k]);
                        let dense = f64::from(stored_scale) * (code - f64::from(stored_zero));
                        match parts.outliers.iter().find(|outlier| (outlier.0, outlier.1) == (r as u32, k as u32)) {
                            None => assert_eq!(found, dense),
                            Some(&(.., weight)) => {
                                let bound = (weight - dense).abs() / 2048.0 + 1e-9;
                                assert!((found - weight).abs() <= bound, "{found} for {weight} beside {dense}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn bytes_are_those_held() {
    // 3 + 2 * 3 / 16 + 4 * 32 / 256 bits a weight; 32 bits an outlier; where each row's begin, and where the last ones end.
    let parts = Parts::new(64, 256, CodeBits::Three, 16, 50);
    let matrix = parts.matrix();
    assert_eq!(matrix.outlier_count(), parts.outliers.len());
    assert!(parts.outliers.len() > 100);
    assert_eq!(matrix.bytes() * 8, 64 * 256 * 31 / 8 + 32 * parts.outliers.len() + 32 * 65);
}

#[test]
fn more_columns_than_an_index_can_name() {
    let columns = (1 << 16) + 1;
    let mut parts = Parts::new(1, columns, CodeBits::Two, 128, usize::MAX);
    parts.outliers.clear();
    assert_eq!(parts.matrix().outlier_count(), 0);
    let outliers = [(0, 1 << 16, 1.0)];
    let borrowed = SparseQuantizedParts {
        codes: &parts.codes,
        scale_codes: &parts.scale_codes,
        zero_codes: &parts.zero_codes,
        second_levels: &parts.second_levels,
        outliers: &outliers,
        outlier_precision: OutlierPrecision::Half,
    };
    let error = SparseQuantizedMatrix::new(Kernels::best(), parts.shape, &borrowed).unwrap_err().to_string();
    assert!(error.contains("outliers in 65537 columns: expected at most 65536"), "{error}");
}

fn tokens(count: usize, columns: usize) -> Vec<f32> {
    (0..count * columns).map(|i| (number(i * 3 + 1) * if i % 41 == 0 { 30.0 } else { 1.0 }) as f32).collect()
}

/// As `quant`'s bound, with float zeros: a segment's sum of c a and z times the sum of a are exact integers, each
/// converted (one rounding; two for z sum(a), which is a product, and none of the sums for `a8`), subtracted, scaled by
/// a rounded product of scales and added in order; then outliers, a product and a sum each, and one more sum.
#[test]
fn products_agree_with_f64_to_a_derived_bound() {
    let runtimes: Vec<Runtime> =
        Isa::present().map(|isa| Runtime::new(Some(2), IsaChoice::Exactly(isa)).unwrap()).collect();
    let gamma = |n: usize| n as f64 / (1u64 << 24) as f64 / (1.0 - n as f64 / (1u64 << 24) as f64);
    let mut used = [0.0f64; 3];
    for (rows, columns) in SHAPES {
        for bits in CodeBits::ALL {
            for group in [8, 16, 64] {
                let matrix = Parts::new(rows, columns, bits, group, 9).matrix();
                let (count, groups) = (21, columns.div_ceil(group));
                let x = tokens(count, columns);
                for (kind, largest_code) in
                    [(Activations::A8, 127.0), (Activations::A16, 32512.0), (Activations::A32, 0.0)]
                {
                    let weights = Weights::SparseQuantized { matrix: matrix.clone(), activations: kind };
                    let linear = Linear { weights, bias: None };
                    let mut y = vec![0.0; count * rows];
                    linear.forward(&runtimes[0], &x, &mut y);
                    for runtime in &runtimes[1..] {
                        let mut other = vec![0.0; count * rows];
                        linear.forward(runtime, &x, &mut other);
                        assert!(y.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits()));
                    }
                    let mut weights = vec![0.0; columns];
                    for r in 0..rows {
                        matrix.dequantize_columns(r, &mut weights);
                        for t in 0..count {
                            let x = &x[t * columns..(t + 1) * columns];
                            let (mut expected, mut bound) = (0.0, 0.0);
                            for (g, x) in x.chunks(group).enumerate() {
                                let (scale, zero) = matrix.grid(r, g);
                                let (scale, zero) = (f64::from(scale), f64::from(zero));
                                let largest = x.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                                let step =
                                    if largest_code > 0.0 { f64::from(largest / largest_code as f32) } else { 0.0 };
                                let (mut sum, mut parts) = (0.0, 0.0);
                                for (j, &v) in x.iter().enumerate() {
                                    let at = g * group + j;
                                    let code = kernels::grouped::panel::code_at(
                                        bits,
                                        matrix.panel(r / 64).rows,
                                        matrix.panel(r / 64).codes,
                                        r % 64,
                                        at,
                                    );
                                    let dense = scale * (f64::from(code) - zero);
                                    let outlier = weights[at] - dense;
                                    let entered = match step {
                                        0.0 => f64::from(v),
                                        step => step * f64::from((v / step as f32).round_ties_even()),
                                    };
                                    sum += dense * entered + outlier * f64::from(v);
                                    // Every product in the sum, in two parts, and the outlier's.
                                    parts += scale * (f64::from(code) + zero.abs()) * entered.abs()
                                        + (outlier * f64::from(v)).abs();
                                }
                                expected += sum;
                                bound += parts;
                            }
                            // For a32 every column is a difference, a product and a sum.
                            let roundings =
                                groups + 5 + columns / 9 * 3 + if largest_code > 0.0 { 0 } else { group + 1 };
                            let bound = gamma(roundings) * bound + 1e-30;
                            let error = (f64::from(y[t * rows + r]) - expected).abs();
                            assert!(
                                error <= bound,
                                "{kind:?}, {rows} x {columns}, {bits:?}, {group}: {error} > {bound}"
                            );
                            used[kind as usize] = used[kind as usize].max(error / bound);
                        }
                    }
                }
            }
        }
    }
    println!("share of the bound used: {used:.3?}");
    assert!(used.iter().all(|&share| share > 0.02), "{used:?}");
}

#[test]
fn no_bit_depends_on_batch_threads_or_instruction_set() {
    let (rows, columns) = (150, 200);
    let features: Vec<u32> = (0..columns).map(|k| (k * 77 % columns) as u32).collect();
    let scales: Vec<f32> = (0..columns).map(|k| 1.5 + number(k) as f32).collect();
    let plain = Parts::new(rows, columns, CodeBits::Three, 16, 30).matrix();
    let map = Arc::new(InputMap::new(columns, Some(features.clone()), Some(scales.clone())).unwrap());
    let mapped = plain.clone().with_input_map(map);
    let x = tokens(50, columns);
    let x_mapped: Vec<f32> = (x.chunks(columns))
        .flat_map(|x| features.iter().zip(&scales).map(|(&feature, scale)| x[feature as usize] * scale))
        .collect();
    for activations in [Activations::A8, Activations::A16, Activations::A32] {
        let layer = |matrix: &SparseQuantizedMatrix| Linear {
            weights: Weights::SparseQuantized { matrix: matrix.clone(), activations },
            bias: None,
        };
        let (plain, mapped) = (layer(&plain), layer(&mapped));
        // Every token by itself.
        let runtime = Runtime::new(Some(1), IsaChoice::Exactly(Isa::Scalar)).unwrap();
        let mut expected = vec![0.0; 50 * rows];
        for (x, y) in x_mapped.chunks(columns).zip(expected.chunks_mut(rows)) {
            plain.forward(&runtime, x, y);
        }
        for isa in Isa::present() {
            for threads in [1, 2, 7] {
                let runtime = Runtime::new(Some(threads), IsaChoice::Exactly(isa)).unwrap();
                for count in [1, 2, 8, 15, 16, 17, 31, 32, 33, 50] {
                    let mut y = vec![0.0; count * rows];
                    mapped.forward(&runtime, &x[..count * columns], &mut y);
                    assert_eq!(
                        y,
                        expected[..count * rows],
                        "{activations:?}, {count} tokens, {isa}, {threads} threads"
                    );
                }
            }
        }
    }
}
