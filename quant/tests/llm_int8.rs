//! LLM.int8() against plain restatements of the paper and of bitsandbytes, and against the reference fixture; and that a
//! token's outliers are its own where the recipe says so.
#![allow(clippy::disallowed_methods)] // std is the oracle here

mod numbers;

use engine::linear::{Linear, Weights};
use engine::runtime::{IsaChoice, Runtime};
use engine::tensor::Dtype;
use kernels::Isa;
use numbers::{Numbers, quantized, runtime};

fn half(value: f32) -> f32 {
    half::f16::from_f32(value).to_f32()
}

/// What a recipe says, for the plain product.
#[derive(Clone, Copy, Debug)]
struct Plain {
    threshold: f32,
    per_call: bool,
    exact: bool,
    half: bool,
}

impl Plain {
    fn recipe(&self) -> String {
        let threshold = if self.threshold.is_finite() { self.threshold.to_string() } else { "none".into() };
        let outliers = if self.per_call { "per_call" } else { "token" };
        let weights = if self.exact { "exact" } else { "int8" };
        format!("llm.int8:threshold={threshold}:outliers={outliers}:outlier_weights={weights}:half={}", self.half)
    }

    /// y [tokens, rows] in f64 from activation codes in f32 as stated in `kernels::quantize`, with the sum of magnitudes.
    fn product(&self, x: &[f32], w: &[f32], columns: usize) -> Vec<(f64, f64)> {
        let read = |values: &[f32]| values.iter().map(|&v| if self.half { half(v) } else { v }).collect::<Vec<_>>();
        let (x, w) = (read(x), read(w));
        let mut outputs = Vec::new();
        for token in x.chunks(columns) {
            let is_large = |k: usize| match self.per_call {
                true => x.chunks(columns).any(|token| token[k].abs() >= self.threshold),
                false => token[k].abs() >= self.threshold,
            };
            let below = token.iter().filter(|v| v.abs() < self.threshold);
            let x_scale = below.fold(0.0f32, |largest, v| largest.max(v.abs())) / 127.0;
            for row in w.chunks(columns) {
                let largest = row.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
                let w_scale = if largest == 0.0 { 1.0 } else { f64::from(largest) / 127.0 };
                let (mut y, mut magnitude) = (0.0, 0.0);
                for k in 0..columns {
                    let code = (f64::from(row[k]) / w_scale).round_ties_even();
                    let term = if is_large(k) {
                        f64::from(token[k]) * if self.exact { f64::from(row[k]) } else { code * w_scale }
                    } else if x_scale > 0.0 {
                        f64::from((token[k] / x_scale).round_ties_even()) * f64::from(x_scale) * code * w_scale
                    } else {
                        0.0
                    };
                    y += term;
                    magnitude += term.abs();
                }
                outputs.push((y, magnitude));
            }
        }
        outputs
    }
}

fn product(runtime: &Runtime, weights: &Weights, x: &[f32]) -> Vec<f32> {
    let linear = Linear { weights: weights.clone(), bias: None };
    let mut y = vec![f32::NAN; x.len() / weights.columns() * weights.rows()];
    linear.forward(runtime, x, &mut y);
    y
}

/// Normal activations, some features of some tokens large; one token of zeros, one that is all outliers.
fn activations(numbers: &mut Numbers, tokens: usize, columns: usize) -> Vec<f32> {
    let mut x: Vec<f32> = (0..tokens * columns).map(|_| numbers.normal() as f32).collect();
    for (index, value) in x.iter_mut().enumerate() {
        let (token, k) = (index / columns, index % columns);
        if k % 11 == 3 && token % 3 == 0 {
            *value *= 20.0;
        }
        match token {
            1 => *value = 0.0,
            2 => *value += 50.0,
            _ => {}
        }
    }
    x[0] = 6.0;
    x[columns - 1] = -6f32.next_down();
    x
}

#[test]
fn agrees_with_the_plain_product_on_every_instruction_set() {
    let runtimes: Vec<Runtime> =
        Isa::present().map(|isa| Runtime::new(Some(2), IsaChoice::Exactly(isa)).unwrap()).collect();
    let mut numbers = Numbers(41);
    for (rows, columns, tokens) in [(1, 1, 5), (5, 17, 3), (64, 128, 9), (70, 300, 4), (17, 130, 20)] {
        let mut w = numbers.weights(rows * columns, Dtype::F32);
        if rows > 2 {
            w[columns..2 * columns].fill(0.0);
        }
        let x = activations(&mut numbers, tokens, columns);
        for threshold in [6.0, 1.0, f32::INFINITY] {
            for flags in 0..8 {
                let plain = Plain { threshold, per_call: flags & 1 > 0, exact: flags & 2 > 0, half: flags & 4 > 0 };
                let weights = quantized(&plain.recipe(), &w, columns);
                let found = product(&runtimes[0], &weights, &x);
                for runtime in &runtimes {
                    let other = product(runtime, &weights, &x);
                    assert!(found.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits()), "{plain:?}");
                }
                for (index, (&y, (expected, magnitude))) in found.iter().zip(plain.product(&x, &w, columns)).enumerate()
                {
                    let error = (f64::from(y) - expected).abs();
                    assert!(error <= 1e-6 * magnitude, "{plain:?}, output {index}: {y} for {expected}");
                }
            }
        }
    }
}

/// The reference's outputs, whose outliers are those of all six tokens; all its digits would need f64.
#[test]
fn the_reference_fixture() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!("golden/quant_fixture.json")).unwrap();
    let row = |row: &serde_json::Value| -> Vec<f32> {
        row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
    };
    let rows = |matrix: &serde_json::Value| matrix.as_array().unwrap().iter().map(row).collect::<Vec<_>>();
    let mut w = rows(&fixture["W"]);
    let columns = w[0].len();
    // As the fixture's note says.
    w.iter_mut().filter(|row| row.iter().all(|&v| v == 0.0)).for_each(|row| row.fill(0.01));
    let int8 = &fixture["int8"];
    let (x, bias) = (rows(&int8["x"]).concat(), row(&int8["bias"]));
    let mut checked = 0;
    for case in int8["cases"].as_array().unwrap() {
        let threshold = case["threshold"].as_f64().map_or("none".into(), |threshold| threshold.to_string());
        let outlier_weights = case["outlier_weights"].as_str().unwrap();
        let recipe = format!("llm.int8:threshold={threshold}:outliers=per_call:outlier_weights={outlier_weights}");
        let linear = Linear { weights: quantized(&recipe, &w.concat(), columns), bias: Some(bias.clone()) };
        let mut y = vec![0.0; x.len() / columns * w.len()];
        linear.forward(&runtime(), &x, &mut y);
        let expected: Vec<f64> = case["y"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|token| token.as_array().unwrap().iter().map(|y| y.as_f64().unwrap()))
            .collect();
        assert_eq!(y.len(), expected.len());
        for (index, (&found, &expected)) in y.iter().zip(&expected).enumerate() {
            let (token, row) = (index / w.len(), index % w.len());
            let terms = x[token * columns..(token + 1) * columns].iter().zip(&w[row]);
            let magnitude = terms.fold(f64::from(bias[row].abs()), |sum, (x, w)| sum + f64::from((x * w).abs()));
            let error = (f64::from(found) - expected).abs();
            assert!(error <= 2e-7 * magnitude, "{recipe}, output {index}: {found} for {expected}");
        }
        checked += 1;
    }
    assert_eq!(checked, 3);
}

/// A token gives the same bits whatever is read with it, on any number of threads; with outliers of a call it does not.
#[test]
fn outliers_of_a_token_depend_on_no_other() {
    let mut numbers = Numbers(42);
    let (rows, columns, tokens) = (70, 200, 19);
    let w = numbers.weights(rows * columns, Dtype::F32);
    let x = activations(&mut numbers, tokens, columns);
    let differing = |recipe: &str| {
        let weights = quantized(recipe, &w, columns);
        let together = product(&runtime(), &weights, &x);
        let mut differing = 0;
        for threads in [1, 2, 7] {
            let runtime = Runtime::new(Some(threads), IsaChoice::Best).unwrap();
            assert_eq!(product(&runtime, &weights, &x), together);
            for size in [1, 4, 10] {
                let parts = x.chunks(size * columns).flat_map(|x| product(&runtime, &weights, x));
                differing += parts.zip(&together).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            }
        }
        differing
    };
    assert_eq!(differing("llm.int8"), 0);
    assert_eq!(differing("llm.int8:outlier_weights=exact:half=true"), 0);
    assert!(differing("llm.int8:outliers=per_call") > 0);
    // Without outliers there is nothing to share.
    assert_eq!(differing("llm.int8:outliers=per_call:threshold=none"), 0);
}

/// A NaN or an infinity is not lost in a code: the decoder finds it in what comes out.
#[test]
fn broken_activations_stay_broken() {
    let mut numbers = Numbers(43);
    let w = numbers.weights(20 * 40, Dtype::F32);
    for recipe in ["llm.int8", "llm.int8:threshold=none", "llm.int8:outlier_weights=exact:outliers=per_call"] {
        let weights = quantized(recipe, &w, 40);
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x: Vec<f32> = (0..40).map(|_| numbers.normal() as f32).collect();
            x[17] = broken;
            assert!(product(&runtime(), &weights, &x).iter().all(|y| !y.is_finite()), "{recipe}, {broken}");
        }
    }
}

/// The better the outliers are kept, the smaller the error: the reason for the method.
#[test]
fn outlier_features_are_what_8_bits_lose() {
    let mut numbers = Numbers(44);
    let (rows, columns, tokens) = (64, 256, 32);
    let w = numbers.weights(rows * columns, Dtype::F32);
    let mut x: Vec<f32> = (0..tokens * columns).map(|_| numbers.normal() as f32).collect();
    // One feature in 128 is sixty times as large as the others.
    x.iter_mut().skip(7).step_by(128).for_each(|value| *value = 60.0 * value.signum());
    let truth = product(&runtime(), &quantized("none", &w, columns), &x);
    let error = |recipe: &str| -> f64 {
        let found = product(&runtime(), &quantized(recipe, &w, columns), &x);
        found.iter().zip(&truth).fold(0.0, |sum, (a, b)| sum + f64::from(a - b).powi(2)).sqrt()
    };
    let errors = ["threshold=none", "outlier_weights=int8", "outlier_weights=exact"];
    let [without, int8, exact] = errors.map(|options| error(&format!("llm.int8:{options}")));
    // What is left with 8-bit weights is their own error, times the outliers.
    assert!(int8 * 1.2 < without && exact * 2.0 < int8, "{without}, {int8}, {exact}");
}
