//! SpQR of single layers: the reference's numbers, identities that hold for any layer, ablations, and bits that depend
//! neither on threads, blocks nor instruction sets.

mod layer;
mod numbers;

use engine::format::OutlierPrecision;
use engine::runtime::{IsaChoice, Runtime};
use kernels::{CodeBits, Isa, Kernels};
use layer::Layer;
use quant::inverse_factor::{ColumnOrder, InverseFactor};
use quant::spqr::{FloatGrid, GridWeights, SECOND_GROUP, Settings, Solution, ZeroKind, solve};

fn solved(kernels: &Kernels, layer: &Layer, settings: &Settings) -> (Solution, InverseFactor) {
    let factor = InverseFactor::new(kernels, layer.hessian(kernels), &settings.preparation()).unwrap();
    (solve(kernels, &layer.matrix(), &factor, settings), factor)
}

/// Weights of features, [rows][columns], from those in the order of quantization.
fn in_order(weights: &[f64], factor: &InverseFactor) -> Vec<Vec<f64>> {
    let columns = factor.columns();
    let row = |weights: &[f64]| {
        let mut row = vec![0.0; columns];
        weights.iter().enumerate().for_each(|(k, &w)| row[factor.feature(k)] = w);
        row
    };
    weights.chunks(columns).map(row).collect()
}

/// tr((W - Q) H (W - Q)^T).
fn error(layer: &Layer, solution: &Solution, factor: &InverseFactor) -> f64 {
    layer.error(&in_order(&solution.weights(), factor))
}

/// A layer with some large weights, as trained ones have.
fn uneven(seed: u64, rows: usize, columns: usize) -> Layer {
    let mut layer = Layer::random(seed, rows, columns);
    let mut numbers = numbers::Numbers(seed + 99);
    for _ in 0..layer.weights.len() / 40 {
        let at = numbers.below(layer.weights.len());
        layer.weights[at] *= 6.0;
    }
    layer
}

fn numbers_of(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn close(what: &str, found: f64, expected: f64, digits: f64) {
    assert!((found - expected).abs() <= digits * expected.abs(), "{what}: {found}, expected {expected}");
}

#[test]
fn the_reference_is_reproduced() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!("golden/quant_fixture.json")).unwrap();
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32);
    let rows: Vec<Vec<f64>> = fixture["W"].as_array().unwrap().iter().map(numbers_of).collect();
    let sequence = |tokens: &serde_json::Value| {
        tokens.as_array().unwrap().iter().flat_map(|token| narrow(numbers_of(token))).collect::<Vec<f32>>()
    };
    let layer = Layer {
        rows: rows.len(),
        columns: rows[0].len(),
        weights: narrow(rows.concat()).collect(),
        sequences: fixture["X"].as_array().unwrap().iter().map(sequence).collect(),
    };
    let mut cases = 0;
    for case in fixture["cases"].as_array().unwrap().iter().filter(|case| case["method"] == "spqr") {
        let number = |name: &str| case[name].as_u64().unwrap() as u32;
        assert_eq!(number("second_group") as usize, SECOND_GROUP);
        let settings = Settings {
            group: number("group") as usize,
            statistic_bits: number("stat_bits"),
            tau: case["tau"].as_f64().unwrap_or(f64::INFINITY),
            damping: case["damp"].as_f64().unwrap(),
            order: if case["act_order"] == true { ColumnOrder::Activation } else { ColumnOrder::Natural },
            ..Settings::new(CodeBits::from_bits(number("bits")).unwrap())
        };
        let (solution, factor) = solved(Kernels::best(), &layer, &settings);
        close("loss", solution.loss, case["loss"].as_f64().unwrap(), 1e-8);
        close("hessian_error", error(&layer, &solution, &factor), case["hessian_error"].as_f64().unwrap(), 1e-8);
        let place = |outlier: &quant::spqr::Outlier| [outlier.row as usize, factor.feature(outlier.column as usize)];
        let mut outliers: Vec<[usize; 2]> = solution.outliers.iter().map(place).collect();
        outliers.sort();
        let expected: Vec<[usize; 2]> = serde_json::from_value(case["outliers"].clone()).unwrap();
        assert_eq!(outliers, expected);
        if let Some(q) = case["Q"].as_array() {
            for (row, found) in q.iter().zip(in_order(&solution.weights(), &factor)) {
                for (expected, found) in numbers_of(row).into_iter().zip(found) {
                    assert!((found - expected).abs() <= 1e-6 * (expected.abs() + 1e-3), "{found} for {expected}");
                }
            }
        }
        cases += 1;
    }
    assert!(cases >= 6, "{cases} cases");
}

/// Statistics are stored in f32 and outliers' distances to the grid in halves: what the layer loses is as solved.
#[test]
fn storing_costs_nothing() {
    for bits in CodeBits::ALL {
        for seed in 0..3 {
            let layer = uneven(seed + 50, 128, 256);
            let (solution, factor) = solved(Kernels::best(), &layer, &Settings::new(bits));
            let matrix = solution.pack(Kernels::best(), bits, OutlierPrecision::Half, None).unwrap();
            let mut stored = vec![0.0; layer.weights.len()];
            stored.chunks_mut(layer.columns).enumerate().for_each(|(row, out)| matrix.dequantize_columns(row, out));
            let share = layer.error(&in_order(&stored, &factor)) / error(&layer, &solution, &factor);
            println!("{bits:?}: {share}, outliers {}", solution.outlier_share());
            assert!((share - 1.0).abs() < 1e-4, "{bits:?}: {share}");
        }
    }
}

/// What is tracked is the damped layer loss, tr((W - Q) (H + damping) (W - Q)^T) / 2, and outliers carry none of it.
#[test]
fn the_loss_is_that_of_the_damped_layer() {
    for (rows, columns) in [(1, 16), (5, 19), (17, 33), (40, 70), (64, 16)] {
        let layer = uneven(rows as u64, rows, columns);
        for bits in CodeBits::ALL {
            for group in [8, 16, 32] {
                for (tau, order) in [(0.2, ColumnOrder::Activation), (f64::INFINITY, ColumnOrder::Natural)] {
                    let settings = Settings { group, tau, order, ..Settings::new(bits) };
                    let (solution, factor) = solved(Kernels::best(), &layer, &settings);
                    let weights = in_order(&solution.weights(), &factor);
                    let mut expected = layer.error(&weights);
                    for (row, weights) in weights.iter().enumerate() {
                        for (feature, q) in weights.iter().enumerate() {
                            // A dead column's weight counts as 0, its diagonal as 1.
                            let factor_of = if factor.is_dead(feature) { 1.0 } else { factor.damping() };
                            let difference = layer.weight(&factor, row, feature) - q;
                            expected += difference * difference * factor_of;
                        }
                    }
                    let what = format!("{rows} x {columns}, {settings:?}");
                    close(&what, 2.0 * solution.loss, expected, 1e-9);
                    assert!(tau.is_finite() || solution.outliers.is_empty(), "{what}");
                    let order: Vec<_> = solution.outliers.iter().map(|outlier| (outlier.row, outlier.column)).collect();
                    assert!(order.is_sorted(), "{what}");
                }
            }
        }
    }
}

#[test]
fn no_bit_depends_on_threads_blocks_or_instruction_sets() {
    let layer = uneven(3, 150, 130);
    let settings = Settings::new(CodeBits::Two);
    let (expected, _) = solved(Kernels::of(Isa::Scalar).unwrap(), &layer, &settings);
    assert!(expected.outliers.len() > 100, "{} outliers", expected.outliers.len());
    for block in [1, 16, 40, 1000] {
        let (found, _) = solved(Kernels::best(), &layer, &Settings { block, ..settings });
        assert_eq!(found, expected, "blocks of {block}");
    }
    for isa in Isa::present() {
        for threads in [1, 2, 7] {
            let runtime = Runtime::new(Some(threads), IsaChoice::Exactly(isa)).unwrap();
            let (found, _) = runtime.run(|| solved(runtime.kernels(), &layer, &settings));
            assert_eq!(found, expected, "{isa}, {threads} threads");
        }
    }
}

/// What every part of the method is for: on a layer with a few large weights, each ablation costs.
#[test]
fn ablations_lose() {
    let layer = uneven(4, 96, 128);
    let full = Settings::new(CodeBits::Three);
    let errors = |settings: Settings| {
        let (solution, factor) = solved(Kernels::best(), &layer, &settings);
        (error(&layer, &solution, &factor), solution)
    };
    let (base, solution) = errors(full);
    assert!(solution.outlier_share() > 0.0 && solution.outlier_share() < 0.1, "{}", solution.outlier_share());
    let (without_outliers, none) = errors(Settings { tau: f64::INFINITY, ..full });
    assert!(none.outliers.is_empty() && without_outliers > 1.2 * base, "{without_outliers} and {base}");
    let (simplified, _) = errors(Settings { grid_weights: GridWeights::All, ..full });
    assert!(simplified > base, "{simplified} and {base}");
    let (large_groups, _) = errors(Settings { group: 128, ..full });
    assert!(large_groups > base, "{large_groups} and {base}");
    let (coarse_statistics, _) = errors(Settings { statistic_bits: 1, ..full });
    assert!(coarse_statistics > base, "{coarse_statistics} and {base}");
    // A lower threshold keeps more.
    let (_, more) = errors(Settings { tau: 0.05, ..full });
    assert!(more.outliers.len() > solution.outliers.len());
}

#[test]
fn integer_zeros_are_integers() {
    let layer = uneven(5, 40, 64);
    let settings = Settings { zeros: ZeroKind::Integer, ..Settings::new(CodeBits::Three) };
    let (solution, _) = solved(Kernels::best(), &layer, &settings);
    let grids: Vec<FloatGrid> = (0..40 * 4).map(|at| solution.grid(at / 4, at % 4)).collect();
    assert!(grids.iter().all(|grid| grid.zero == grid.zero.round_ties_even()), "{grids:?}");
    // Integers are stored exactly.
    let matrix = solution.pack(Kernels::best(), settings.bits, OutlierPrecision::TwoHalves, None).unwrap();
    for (at, grid) in grids.iter().enumerate() {
        assert_eq!(f64::from(matrix.grid(at / 4, at % 4).1), grid.zero);
    }
    // Wider codes than statistics: zeros are quantized again, and no longer integers.
    let (solution, _) = solved(Kernels::best(), &layer, &Settings { bits: CodeBits::Four, ..settings });
    assert!((0..40 * 4).any(|at| solution.grid(at / 4, at % 4).zero.fract() != 0.0));
}

/// Dead columns and rows of zeros are quantized like any other, and come last.
#[test]
fn nothing_comes_of_nothing() {
    let layer = Layer::random(6, 32, 48);
    let (solution, factor) = solved(Kernels::best(), &layer, &Settings::new(CodeBits::Four));
    assert_eq!(factor.permutation().unwrap()[46..], [5, 46]);
    assert!(factor.is_dead(5) && factor.is_dead(46));
    assert!(solution.loss.is_finite() && solution.weights().iter().all(|w| w.is_finite()));
}
