//! The packed product against f64 arithmetic on dequantized weights, to the bounds that the crate's documentation
//! derives (`src/lib.rs`, "How exact the packed product is"), on every instruction set of the machine.

mod numbers;

use engine::linear::{Activations, Linear, Weights};
use engine::runtime::{IsaChoice, Runtime};
use engine::tensor::Dtype;
use kernels::Isa;
use numbers::{Numbers, PlainGrid, plain_grid, quantized};

/// Unit roundoff of f32.
const U: f64 = 1.0 / (1 << 24) as f64;
/// Half the smallest subnormal f32, 2^-150.
const ETA: f64 = f32::from_bits(1) as f64 / 2.0;

/// The bound of n roundings.
fn gamma(n: usize) -> f64 {
    n as f64 * U / (1.0 - n as f64 * U)
}

/// Activations of one token and segment as codes: scale, and codes as numbers. Restated from `kernels::quantize`.
fn plain_codes(x: &[f32], largest_code: f32) -> (f64, Vec<f64>) {
    let largest = x.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let scale = largest / largest_code;
    let code = |&v: &f32| (v / scale).round_ties_even().max(-largest_code).min(largest_code);
    let codes = if scale == 0.0 { vec![0.0; x.len()] } else { x.iter().map(|v| f64::from(code(v))).collect() };
    (f64::from(scale), codes)
}

/// The exact product, or what f64 makes of it, and how far from it an f32 result may be.
struct Expected {
    /// sum of w x^ (of w x for `a32`).
    quantized: f64,
    quantized_bound: f64,
    /// sum of w x.
    original: f64,
    original_bound: f64,
}

/// One output, from the plain grids of a row's groups (f32 scales, codes) and one token.
fn expected(grids: &[PlainGrid], group: Option<usize>, x: &[f32], activations: Activations) -> Expected {
    let segment = group.unwrap_or(128);
    let segments = x.len().div_ceil(segment);
    let mut e = Expected { quantized: 0.0, quantized_bound: 0.0, original: 0.0, original_bound: 0.0 };
    // What f64 itself may be off by: K roundings of 2^-53 on the sum of magnitudes, generously.
    let own = x.len() as f64 * 4.0 / (1u64 << 53) as f64;
    for (index, x) in x.chunks(segment).enumerate() {
        let grid = &grids[if group.is_some() { index } else { 0 }];
        let codes = &grid.codes[if group.is_some() { 0 } else { index * segment }..][..x.len()];
        let scale = f64::from(grid.scale as f32);
        let (mut original, mut magnitude, mut weights) = (0.0, 0.0, 0.0);
        for (code, &x) in codes.iter().zip(x) {
            let w = scale * (code - grid.zero);
            original += w * f64::from(x);
            magnitude += (w * f64::from(x)).abs();
            weights += w.abs();
        }
        e.original += original;
        e.original_bound += own * magnitude;
        let largest_code = match activations {
            Activations::A8 => 127.0,
            Activations::A16 => 32512.0,
            Activations::A32 => {
                let rounding =
                    gamma(segment.min(x.len()) + segments) * magnitude + ETA * (scale * x.len() as f64 + 1.0);
                e.quantized += original;
                e.quantized_bound += rounding + own * magnitude;
                e.original_bound += rounding;
                continue;
            }
        };
        let (step, x_codes) = plain_codes(x, largest_code as f32);
        let mut sum = 0.0;
        for (code, x_code) in codes.iter().zip(&x_codes) {
            sum += (code - grid.zero) * x_code;
        }
        let roundings = segments + if activations == Activations::A8 { 1 } else { 2 };
        let rounding = gamma(roundings) * sum.abs() * scale * step + ETA * (sum.abs() + 1.0);
        e.quantized += sum * scale * step;
        e.quantized_bound += rounding + own * sum.abs() * scale * step;
        e.original_bound += rounding + (step * (0.5 + 2.0 * largest_code * U) + largest_code * ETA) * weights;
    }
    e
}

/// Tokens as they come: about normal with outliers; one of zeros, a very small one, a very large one, one that makes
/// the largest sums there are.
fn activations(numbers: &mut Numbers, columns: usize) -> Vec<Vec<f32>> {
    let mut token = |scale: f64| -> Vec<f32> {
        let one = |numbers: &mut Numbers| {
            let outlier = if numbers.below(50) == 0 { 30.0 } else { 1.0 };
            (scale * outlier * numbers.normal()) as f32
        };
        (0..columns).map(|_| one(numbers)).collect()
    };
    vec![token(1.0), vec![0.0; columns], token(1e-30), token(1e20), token(1e-43), vec![3.0; columns], token(0.01)]
}

/// Rows of weights: as checkpoints have them, of zeros, of one sign, and so small that scales underflow.
fn weights(numbers: &mut Numbers, rows: usize, columns: usize) -> Vec<f32> {
    let mut values = numbers.weights(rows * columns, Dtype::F32);
    for (row, values) in values.chunks_mut(columns).enumerate() {
        match row {
            1 => values.fill(0.0),
            2 => values.iter_mut().for_each(|w| *w = w.abs()),
            3 => values.iter_mut().for_each(|w| *w *= 1e-42),
            4 => values.fill(0.75),
            _ => {}
        }
    }
    values
}

#[test]
fn agrees_with_dequantized_f64_to_the_stated_bounds() {
    let runtimes: Vec<Runtime> =
        Isa::present().map(|isa| Runtime::new(Some(2), IsaChoice::Exactly(isa)).unwrap()).collect();
    let mut numbers = Numbers(11);
    // The largest share of each bound that was used up: a bound that is never approached would prove little.
    let mut used = [[0.0f64; 2]; 3];
    for (rows, columns) in [(5, 1), (6, 19), (65, 33), (16, 128), (70, 200), (9, 515)] {
        let values = weights(&mut numbers, rows, columns);
        let tokens = activations(&mut numbers, columns);
        let x: Vec<f32> = tokens.concat();
        let bias: Vec<f32> = (0..rows).map(|_| numbers.normal() as f32).collect();
        for bits in [8, 4, 3, 2] {
            for group in [None, Some(16), Some(32), Some(64), Some(128)] {
                for symmetric in [false, true] {
                    let grids: Vec<Vec<PlainGrid>> = values
                        .chunks(columns)
                        .map(|row| {
                            row.chunks(group.unwrap_or(columns)).map(|w| plain_grid(w, bits, symmetric)).collect()
                        })
                        .collect();
                    for (kind, word) in [(Activations::A8, "a8"), (Activations::A16, "a16"), (Activations::A32, "a32")]
                    {
                        let group_word = group.map_or(String::new(), |group| format!("g{group}"));
                        let recipe = format!("rtn:w{bits}{word}{group_word}:sym={symmetric}");
                        let weights = quantized(&recipe, &values, columns);
                        let plain = Linear { weights: weights.clone(), bias: None };
                        let biased = Linear { weights, bias: Some(bias.clone()) };
                        let y = products(&runtimes, &plain, &x, columns);
                        let shifted = products(&runtimes, &biased, &x, columns);
                        for (t, token) in tokens.iter().enumerate() {
                            for r in 0..rows {
                                let e = expected(&grids[r], group, token, kind);
                                let found = f64::from(y[t * rows + r]);
                                let place = format!("{recipe}, {rows} x {columns}, token {t}, row {r}: {found}");
                                let errors = [(found - e.quantized).abs(), (found - e.original).abs()];
                                assert!(errors[0] <= e.quantized_bound, "{place}, expected {}", e.quantized);
                                assert!(errors[1] <= e.original_bound, "{place}, expected {}", e.original);
                                let [first, second] = &mut used[kind as usize];
                                *first = first.max(errors[0] / e.quantized_bound);
                                *second = second.max(errors[1] / e.original_bound);
                                // A bias is one addition more.
                                assert_eq!(shifted[t * rows + r], y[t * rows + r] + bias[r], "{place}");
                            }
                        }
                    }
                }
            }
        }
    }
    println!("share of the bounds used, (i) and (ii): a8 {:.3?}, a16 {:.3?}, a32 {:.3?}", used[0], used[1], used[2]);
    assert!(used.iter().flatten().all(|&share| share > 0.1), "{used:?}");
}

/// y of every instruction set, which must be the same bits.
fn products(runtimes: &[Runtime], linear: &Linear, x: &[f32], columns: usize) -> Vec<f32> {
    let mut first: Option<Vec<f32>> = None;
    for runtime in runtimes {
        let mut y = vec![f32::NAN; x.len() / columns * linear.weights.rows()];
        linear.forward(runtime, x, &mut y);
        match &first {
            None => first = Some(y),
            Some(first) => assert!(first.iter().zip(&y).all(|(a, b)| a.to_bits() == b.to_bits())),
        }
    }
    first.unwrap()
}

/// Codes and activations that make every segment's sum as large as it gets: still exact to the bound.
#[test]
fn the_largest_sums_do_not_overflow() {
    let runtime = numbers::runtime();
    let columns = 384;
    // A row that is all maximum but for one weight, a second one all minimum: codes 255 and zero point 0, and reverse.
    for sign in [1.0f32, -1.0] {
        let values = vec![sign; columns];
        let x = vec![-2.5f32; columns];
        for recipe in ["rtn:w8a8", "rtn:w8a16", "rtn:w8a32", "rtn:w8a8g128", "rtn:w8a16g128", "rtn:w2a16g128"] {
            let weights = quantized(recipe, &values, columns);
            assert!(matches!(weights, Weights::Packed { .. }));
            let mut y = [0.0];
            let linear = Linear { weights, bias: None };
            linear.forward(&runtime, &x, &mut y);
            let expected = -2.5 * f64::from(sign) * columns as f64;
            assert!((f64::from(y[0]) / expected - 1.0).abs() < 1e-6, "{recipe}: {} for {expected}", y[0]);
        }
    }
}
