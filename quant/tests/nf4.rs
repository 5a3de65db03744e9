//! NF4: figures of bitsandbytes, the definition restated, and the same bits everywhere.

mod numbers;

use engine::format::LevelMatrix;
use engine::linear::{Linear, Weights};
use engine::runtime::{IsaChoice, Runtime};
use kernels::{CodeBits, Isa, LevelScales, PANEL_ROWS};
use numbers::{Numbers, quantized};
use quant::Recipe;

fn levels(weights: &Weights) -> &LevelMatrix {
    let Weights::Levels(matrix) = weights else { panic!("{weights:?}") };
    matrix
}

/// Sum of codes, and of codes times their place counted from 1.
fn sums(codes: &[u8]) -> (u64, u64) {
    let places = codes.iter().zip(1u64..);
    (codes.iter().map(|&code| u64::from(code)).sum(), places.map(|(&code, place)| place * u64::from(code)).sum())
}

/// Codes of weights, and of scales if they have any, [rows, ..]; all values.
fn read(matrix: &LevelMatrix) -> (Vec<u8>, Vec<u8>, Vec<f32>) {
    let shape = *matrix.shape();
    let (mut codes, mut scale_codes, mut values) = (vec![], vec![], vec![]);
    let mut row_values = vec![0.0; shape.columns];
    for row in 0..shape.rows {
        let (panel, inside) = (matrix.panel(row / PANEL_ROWS), row % PANEL_ROWS);
        let code = |k| kernels::grouped::panel::code_at(CodeBits::Four, panel.rows, panel.codes, inside, k);
        codes.extend((0..shape.columns).map(code));
        if let LevelScales::Codes { codes, .. } = panel.scales {
            scale_codes.extend((0..shape.groups()).map(|group| codes[group * panel.padded_rows() + inside]));
        }
        matrix.dequantize_row(row, &mut row_values);
        values.extend_from_slice(&row_values);
    }
    (codes, scale_codes, values)
}

/// Weights with heavy tails, exact in f32: v^3 / 2^25, v from -128 to 128.
fn heavy(count: usize) -> Vec<f32> {
    let mut numbers = Numbers(5);
    let mut weight = || {
        let v = ((numbers.next() >> 40) % 257) as f64 - 128.0;
        (v * v * v / 32768.0 / 1024.0) as f32
    };
    (0..count).map(|_| weight()).collect()
}

/// Made with `quantize_4bit` and `dequantize_4bit` of bitsandbytes 0.50 on a processor.
#[test]
fn has_the_codes_of_bitsandbytes() {
    let weights = heavy(40 * 512);
    let mut compared = 0;
    for (group, code_sums, sum, fourth) in [
        (32, (147_047, 1_503_187_243), 0.443_693_465_087_562_8, 0.0625),
        (64, (146_899, 1_501_973_873), 0.604_450_683_109_462_3, 0.0625),
        (128, (146_885, 1_502_017_082), 0.915_275_587_234_646_1, 0.0625),
    ] {
        let chosen = quantized(&format!("nf4:w4g{group}:double_quant=false"), &weights, 512);
        let (codes, scale_codes, values) = read(levels(&chosen));
        assert_eq!((sums(&codes), scale_codes.len(), values[3]), (code_sums, 0, fourth), "g{group}");
        let found: f64 = values.iter().map(|&value| f64::from(value)).sum();
        assert!((found - sum).abs() < 1e-9, "g{group}: {found} for {sum}");
    }
    for (group, code_sums, scale_sums, offset, seconds, sum) in [
        (
            32,
            (147_047, 1_503_187_243),
            (89_919, 28_510_480),
            0.057_795_904,
            vec![0.020_253_561, 0.022_300_862, 0.018_129_013],
            0.443_099_830_765_277_15,
        ),
        (
            64,
            (146_899, 1_501_973_873),
            (45_410, 7_329_388),
            0.060_383,
            vec![0.011_416_83, 0.007_586_367_4],
            0.601_576_781_366_020_4,
        ),
        (
            128,
            (146_885, 1_502_017_082),
            (22_749, 1_833_403),
            0.061_570_697,
            vec![0.012_604_527],
            0.916_208_990_849_554_5,
        ),
    ] {
        let chosen = quantized(&format!("nf4:w4g{group}"), &weights, 512);
        let (codes, scale_codes, values) = read(levels(&chosen));
        assert_eq!((sums(&codes), sums(&scale_codes)), (code_sums, scale_sums), "g{group}");
        let LevelScales::Codes { offset: found_offset, seconds: found_seconds, .. } = levels(&chosen).panel(0).scales
        else {
            panic!("scales that are no codes")
        };
        assert!((found_offset / offset - 1.0f32).abs() < 2e-7, "g{group}: {found_offset} for {offset}");
        assert_eq!(found_seconds.len(), seconds.len());
        for (found, expected) in found_seconds.iter().zip(&seconds) {
            assert!((found / expected - 1.0f32).abs() < 1e-6, "g{group}: {found} for {expected}");
            compared += 1;
        }
        // Values of the table and the offset may be off by a unit in their last place.
        let found: f64 = values.iter().map(|&value| f64::from(value)).sum();
        assert!((found - sum).abs() < 3e-5, "g{group}: {found} for {sum}");
    }
    assert_eq!(compared, 6);
}

/// Levels are where the paper's appendix E puts them, to its digits; every code of them means itself.
#[test]
fn levels_are_quantiles_of_the_normal_distribution() {
    // Quantiles of the normal distribution at evenly spaced probabilities, from `offset` down to 1/2, over the largest.
    let offset = 0.967_708_333_333_333_3;
    let quantile = |p: f64| {
        let (mut low, mut high) = (0.0f64, 8.0f64);
        for _ in 0..80 {
            let middle = (low + high) / 2.0;
            // The integral of the density from 0 by Simpson's rule.
            let parts = 2000;
            let step = middle / f64::from(parts);
            let density = |i: i32| {
                kernels::math::exp(-(f64::from(i) * step) * (f64::from(i) * step) / 2.0)
                    / (2.0 * std::f64::consts::PI).sqrt()
            };
            let weight = |i: i32| if i == 0 || i == parts { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
            let area: f64 = (0..=parts).map(|i| weight(i) * density(i)).sum::<f64>() * step / 3.0;
            if area + 0.5 < p { low = middle } else { high = middle }
        }
        low
    };
    let at = |parts: i32, i: i32| quantile(offset + (0.5 - offset) * f64::from(i) / f64::from(parts));
    let largest = quantile(offset);
    let mut expected: Vec<f64> = (0..8).map(|i| at(8, i) / largest).collect();
    expected.extend((0..7).map(|i| -at(7, i) / largest));
    expected.push(0.0);
    expected.sort_by(f64::total_cmp);
    let values: Vec<f32> = expected.iter().map(|&level| level as f32).collect();
    let chosen = quantized("nf4:w4g16:double_quant=false", &values, 16);
    let (codes, _, levels) = read(levels(&chosen));
    assert_eq!(codes, (0..16).collect::<Vec<u8>>());
    for (level, expected) in levels.iter().zip(expected) {
        assert!((f64::from(*level) - expected).abs() < 2e-6, "{level} for {expected}");
    }
}

#[test]
fn zeros_and_the_smallest_weights_are_kept() {
    let mut values = vec![0.0; 128];
    values.extend([1e-42; 128]);
    values.extend([-3e38; 128]);
    for recipe in ["nf4:w4g64", "nf4:w4g32:double_quant=false", "nf4:w4"] {
        let (_, _, found) = read(levels(&quantized(recipe, &values, 128)));
        assert!(found[..128].iter().all(|&value| value == 0.0), "{recipe}");
        assert!(found.iter().all(|value| value.is_finite()), "{recipe}");
        assert!(found[256..].iter().all(|&value| (value / -3e38 - 1.0).abs() < 0.01), "{recipe}: {}", found[256]);
    }
}

#[test]
fn bytes_are_counted() {
    let weights = heavy(64 * 512);
    let bits = |recipe: &str| quantized(recipe, &weights, 512).bytes() * 8;
    assert_eq!(bits("nf4:w4g64:double_quant=false"), 64 * 512 * 4 + 512 * 32);
    // A byte for 64 weights, four for 64 * 256, and four for all.
    assert_eq!(bits("nf4:w4g64"), 64 * 512 * 4 + 512 * 8 + 2 * 32 + 32);
}

#[test]
fn products_are_those_of_the_dequantized_weights_on_every_instruction_set_and_number_of_threads() {
    let (rows, columns) = (150, 200);
    let mut numbers = Numbers(7);
    let values: Vec<f32> = (0..rows * columns).map(|_| (0.05 * numbers.normal()) as f32).collect();
    let x: Vec<f32> = (0..5 * columns).map(|_| numbers.normal() as f32).collect();
    for recipe in ["nf4:w4g64", "nf4:w4g16", "nf4:w4", "nf4:w4g32:double_quant=false"] {
        let expected_values = read(levels(&quantized(recipe, &values, columns)));
        let mut expected: Option<Vec<u32>> = None;
        for isa in Isa::present() {
            for threads in [1, 3] {
                let runtime = Runtime::new(Some(threads), IsaChoice::Exactly(isa)).unwrap();
                let source = numbers::source(numbers::matrix(&values, columns));
                let choose = || Recipe::parse(recipe).unwrap().choose_with(runtime.kernels(), source.clone());
                let weights = runtime.run(choose).unwrap();
                let found = read(levels(&weights));
                assert!(found == expected_values, "{recipe}, {isa:?}, {threads}");
                let mut y = vec![0.0; 5 * rows];
                Linear { weights, bias: None }.forward(&runtime, &x, &mut y);
                for (at, &y) in y.iter().enumerate() {
                    let (token, row) = (at / rows, at % rows);
                    let terms = found.2[row * columns..].iter().zip(&x[token * columns..(token + 1) * columns]);
                    let exact: f64 = terms.map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                    assert!((f64::from(y) - exact).abs() < 1e-5, "{recipe}, row {row}: {y} for {exact}");
                }
                let bits: Vec<u32> = y.iter().map(|y| y.to_bits()).collect();
                assert_eq!(&bits, expected.get_or_insert_with(|| bits.clone()), "{recipe}, {isa:?}, {threads}");
            }
        }
    }
}

#[test]
fn recipes() {
    let spelled = |text: &str| Recipe::parse(text).unwrap().to_string();
    assert_eq!(spelled("nf4:w4a32g64:double_quant=true"), "nf4:w4g64");
    assert_eq!(spelled("nf4:w4g64:head=w4"), "nf4:w4g64:head=w4");
    let error = Recipe::parse("nf4:w4a16g64").unwrap_err();
    assert_eq!((error.what.as_str(), error.column), ("`nf4` has no activations of 16 bits", 8));
    assert_eq!(Recipe::parse("nf4:w8").unwrap_err().what, "`nf4` has no codes of 8 bits");
}
