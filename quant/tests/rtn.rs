//! Round to nearest: codes, scales and zero points against a plain restatement of the paper's text, and against the
//! reference fixtures.

mod numbers;

use engine::tensor::Dtype;
use numbers::{Numbers, packed, plain_grid, quantized, read};
use std::path::PathBuf;

const GROUPS: [Option<usize>; 5] = [None, Some(16), Some(32), Some(64), Some(128)];

fn spelling(bits: u32, group: Option<usize>, symmetric: bool) -> String {
    let group = group.map_or(String::new(), |group| format!("g{group}"));
    format!("rtn:w{bits}{group}:sym={symmetric}")
}

/// Checks that the matrix holds the plain grid's codes, its scales rounded once, and its zero points; that
/// `dequantize_row` gives scale * (code - zero); and the bound |w - value| <= scale / 2 of `grid` where it holds.
fn check(values: &[f32], columns: usize, bits: u32, group: Option<usize>, symmetric: bool) {
    let recipe = spelling(bits, group, symmetric);
    let weights = quantized(&recipe, values, columns);
    let matrix = packed(&weights);
    let found = read(matrix);
    let width = group.unwrap_or(columns);
    let mut index = 0;
    for (row, values) in values.chunks(columns).enumerate() {
        let mut dequantized = vec![0.0; columns];
        matrix.dequantize_row(row, &mut dequantized);
        for (number, weights) in values.chunks(width).enumerate() {
            let place = format!("{recipe}, {} x {columns}, row {row}, group {number}", values.len() / columns);
            let plain = plain_grid(weights, bits, symmetric);
            let scale = plain.scale as f32;
            assert_eq!(found.scales[index].to_bits(), scale.to_bits(), "{place}");
            assert_eq!(f64::from(found.zeros[index]), plain.zero, "{place}");
            let all_positive = weights.iter().all(|&w| w >= 0.0);
            for (k, (&w, &code)) in weights.iter().zip(&plain.codes).enumerate() {
                let column = number * width + k;
                assert_eq!(f64::from(found.codes[row * columns + column]), code, "{place}, weight {w}");
                let value = scale * (code - plain.zero) as f32;
                assert_eq!(dequantized[column].to_bits(), value.to_bits(), "{place}");
                if !(symmetric && all_positive) {
                    let step = plain.scale * (0.5 + (code - plain.zero).abs() / f64::from(1 << 24));
                    let slack = f64::from(f32::from_bits(1)) * 255.0;
                    assert!(
                        (f64::from(w) - f64::from(scale) * (code - plain.zero)).abs() <= step * (1.0 + 1e-12) + slack,
                        "{place}, {w}"
                    );
                }
            }
            index += 1;
        }
    }
}

#[test]
fn codes_are_those_of_the_plain_grid() {
    let mut numbers = Numbers(1);
    let shapes = [(1, 1), (1, 17), (3, 31), (16, 33), (17, 100), (64, 128), (65, 129), (130, 67), (70, 320)];
    for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16] {
        for (rows, columns) in shapes {
            let values = numbers.weights(rows * columns, dtype);
            for bits in [8, 4, 3, 2] {
                for group in GROUPS {
                    for symmetric in [false, true] {
                        check(&values, columns, bits, group, symmetric);
                    }
                }
            }
        }
    }
}

/// Weights that came from an 8-bit file lie on each other's ties; every one must fall as in f64.
#[test]
fn ties_fall_as_in_f64() {
    let mut numbers = Numbers(2);
    for unit in [1.0, 0.1f32, 0.003] {
        let values: Vec<f32> = (0..48 * 64).map(|_| unit * (numbers.below(255) as f32 - 127.0)).collect();
        for bits in [8, 4, 3, 2] {
            for group in GROUPS {
                for symmetric in [false, true] {
                    check(&values, 64, bits, group, symmetric);
                }
            }
        }
    }
}

#[test]
fn rows_of_one_sign_and_of_zeros() {
    let columns = 40;
    let mut rows: Vec<Vec<f32>> = vec![
        vec![0.0; columns],
        vec![-0.0; columns],
        vec![0.25; columns],
        vec![-0.25; columns],
        (0..columns).map(|k| k as f32 / 7.0).collect(),
        (0..columns).map(|k| -(k as f32) / 7.0).collect(),
    ];
    let mut one_negative = rows[4].clone();
    one_negative[33] = -1e-3;
    let mut one_weight = rows[0].clone();
    one_weight[39] = -3.0;
    rows.extend([one_negative, one_weight]);
    let values = rows.concat();
    for bits in [8, 4, 3, 2] {
        for group in GROUPS {
            for symmetric in [false, true] {
                check(&values, columns, bits, group, symmetric);
            }
        }
        // A row of zeros is exactly zero again, whatever the grid.
        let weights = quantized(&spelling(bits, None, false), &values, columns);
        let mut row = vec![1.0; columns];
        packed(&weights).dequantize_row(0, &mut row);
        assert!(row.iter().all(|&w| w == 0.0), "{row:?}");
    }
}

/// Scales that underflow, and the largest weights there are: no panic, no NaN, no infinity.
#[test]
fn extreme_weights_stay_finite() {
    let tiny = f32::from_bits(1);
    let mut values = vec![];
    for magnitude in [tiny, 3.0 * tiny, 200.0 * tiny, 1e-40, f32::MIN_POSITIVE, 1e-30, 1e30, f32::MAX / 4.0] {
        for k in 0..48 {
            values.push(magnitude * ((k % 7) as f32 - 3.0) / 3.0);
        }
    }
    let mut row = vec![0.0; 48];
    for bits in [8, 4, 3, 2] {
        for group in GROUPS {
            for symmetric in [false, true] {
                let weights = quantized(&spelling(bits, group, symmetric), &values, 48);
                let matrix = packed(&weights);
                for (index, values) in values.chunks(48).enumerate() {
                    matrix.dequantize_row(index, &mut row);
                    assert!(row.iter().all(|w| w.is_finite()), "{bits} bits, row {index}: {row:?}");
                    let largest = values.iter().fold(0.0f32, |m, w| if w.abs() > m { w.abs() } else { m });
                    for (&value, &w) in row.iter().zip(values) {
                        let bound = f64::from(largest) * 1.01 + 255.0 * f64::from(tiny);
                        assert!((f64::from(value) - f64::from(w)).abs() <= bound, "{value} for {w}");
                    }
                }
                if group.is_none() {
                    check(&values, 48, bits, group, symmetric);
                }
            }
        }
    }
}

/// Scaling a row by a power of two scales its grid and leaves its codes; another row changes nothing.
#[test]
fn rows_are_independent_and_scale() {
    let mut numbers = Numbers(3);
    let columns = 96;
    let values = numbers.weights(20 * columns, Dtype::F32);
    let mut changed = values.clone();
    for value in &mut changed[5 * columns..6 * columns] {
        *value *= 64.0;
    }
    for bits in [8, 4, 3, 2] {
        for symmetric in [false, true] {
            let recipe = spelling(bits, Some(32), symmetric);
            let (before, after) = (quantized(&recipe, &values, columns), quantized(&recipe, &changed, columns));
            let (before, after) = (read(packed(&before)), read(packed(&after)));
            assert_eq!(before.codes, after.codes);
            assert_eq!(before.zeros, after.zeros);
            for (index, (a, b)) in before.scales.iter().zip(&after.scales).enumerate() {
                let factor = if (15..18).contains(&index) { 64.0 } else { 1.0 };
                assert_eq!(a * factor, *b, "scale {index}");
            }
        }
    }
}

/// Bytes and bits worked out by hand.
#[test]
fn true_bits() {
    for (recipe, rows, columns, bytes) in [
        // 64 x 128, a group of 32: 4096 bytes of codes, 4 x 64 scales of 4 bytes and zeros of 1. 5.25 bits a weight.
        ("rtn:w4g32", 64, 128, 4096 + 256 * 5),
        // Symmetric: no zeros. 5 bits.
        ("rtn:w4g32:sym=true", 64, 128, 4096 + 256 * 4),
        // One scale and zero a row: 8.3125 bits.
        ("rtn:w8", 64, 128, 8192 + 64 * 5),
        ("rtn:w8g128:sym=true", 64, 128, 8192 + 64 * 4),
        // 3.3125, 2.3125 and, in groups of 16, 4.5 bits.
        ("rtn:w3g128", 64, 128, 3072 + 64 * 5),
        ("rtn:w2", 64, 128, 2048 + 64 * 5),
        ("rtn:w2g16", 64, 128, 2048 + 512 * 5),
        // 17 rows are stored as 32, 33 columns at 3 bits as 64, at 4 as 40, at 2 as 48, at 8 as 36.
        ("rtn:w3", 17, 33, 32 * 64 * 3 / 8 + 32 * 5),
        ("rtn:w4", 17, 33, 32 * 40 / 2 + 32 * 5),
        ("rtn:w2", 17, 33, 32 * 48 / 4 + 32 * 5),
        ("rtn:w8", 17, 33, 32 * 36 + 32 * 5),
        // 100 rows are stored as 64 + 48; 70 columns are five groups of 16.
        ("rtn:w4g16", 100, 70, 112 * 72 / 2 + 112 * 5 * 5),
    ] {
        let weights = quantized(recipe, &vec![0.5; rows * columns], columns);
        assert_eq!(weights.bytes(), bytes, "{recipe}, {rows} x {columns}");
        let size = engine::model::WeightSize {
            bytes: 0,
            block_matrix_bytes: weights.bytes(),
            block_matrix_weights: rows * columns,
            block_code_bits: rows * columns * weights.nominal_bits() as usize,
        };
        let expected = 8.0 * bytes as f64 / (rows * columns) as f64;
        assert_eq!(size.true_bits_per_weight(), expected);
        assert_eq!(size.nominal_bits_per_weight(), f64::from(weights.nominal_bits()));
    }
    let size = |recipe| 8.0 * quantized(recipe, &[0.5; 64 * 128], 128).bytes() as f64 / 8192.0;
    assert_eq!((size("rtn:w4g32"), size("rtn:w4g32:sym=true"), size("rtn:w8")), (5.25, 5.0, 8.3125));
    assert_eq!((size("rtn:w3g128"), size("rtn:w2g16")), (3.3125, 4.5));
}

#[test]
fn an_empty_matrix_is_an_error() {
    let recipe = quant::Recipe::parse("rtn:w4").unwrap();
    let empty = engine::format::DenseMatrix::new(engine::tensor::TensorBytes::from_vec(vec![]), Dtype::F32, 0, 8);
    let error = recipe.choose(numbers::source(empty)).unwrap_err();
    assert!(error.to_string().contains("found 0 x 8"), "{error}");
}

fn shared() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("NIBBLE_REQUIRE_SHARED").is_none_or(|value| value != "1"), "no {}", path.display());
    println!("skipped: shared data missing");
    None
}

/// tr((W - Q) H (W - Q)^T) of the reference fixture, H = (2/n) sum x x^T over n sequences, to nine digits: the codes
/// are the reference's, since one code off changes it by far more. Q as it is stored, so that 3e-7 is allowed for
/// scales rounded to f32.
#[test]
fn the_reference_fixture() {
    let Some(shared) = shared() else { return };
    let text = std::fs::read_to_string(shared.join("golden/A/quant_fixture.json")).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(&text).unwrap();
    let row = |row: &serde_json::Value| row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
    let rows = |matrix: &serde_json::Value| matrix.as_array().unwrap().iter().map(row).collect::<Vec<_>>();
    let weights = rows(&fixture["W"]);
    let sequences: Vec<Vec<Vec<f64>>> = fixture["X"].as_array().unwrap().iter().map(rows).collect();
    let columns = weights[0].len();
    let values: Vec<f32> = weights.concat().iter().map(|&w| w as f32).collect();
    let mut checked = 0;
    for case in fixture["cases"].as_array().unwrap() {
        if case["method"] != "rtn" {
            continue;
        }
        let bits = case["bits"].as_u64().unwrap();
        let recipe = spelling(bits as u32, case["group"].as_u64().map(|group| group as usize), false);
        let quantized = quantized(&recipe, &values, columns);
        // tr(D H D^T) = 2/n * sum over tokens of |D x|^2.
        let (mut error, mut row) = (0.0, vec![0.0; columns]);
        for (index, weights) in weights.iter().enumerate() {
            packed(&quantized).dequantize_row(index, &mut row);
            for token in sequences.iter().flatten() {
                let mut product = 0.0;
                for ((w, &q), x) in weights.iter().zip(&row).zip(token) {
                    product += (w - f64::from(q)) * x;
                }
                error += product * product;
            }
        }
        error *= 2.0 / sequences.len() as f64;
        let expected = case["hessian_error"].as_f64().unwrap();
        assert!((error / expected - 1.0).abs() < 3e-7, "{recipe}: {error}, expected {expected}");
        checked += 1;
    }
    assert_eq!(checked, 6);
}
