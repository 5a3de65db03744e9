//! SpQR of single layers: the reference's numbers, identities that hold for any layer, and bits that depend neither on
//! threads, blocks nor instruction sets.

mod numbers;

use engine::runtime::{IsaChoice, Runtime};
use kernels::{CodeBits, Isa, Kernels};
use numbers::{Numbers, matrix};
use quant::spqr::{
    ColumnOrder, FloatGrid, GridWeights, Prepared, SECOND_GROUP, Settings, Solution, ZeroKind, prepare, solve,
};

/// H = (2 / n) sum over n sequences of x^T x.
fn hessian(sequences: &[Vec<Vec<f64>>], columns: usize) -> Vec<f64> {
    let mut h = vec![0.0; columns * columns];
    for x in sequences.iter().flatten() {
        for i in 0..columns {
            for j in 0..columns {
                h[i * columns + j] += 2.0 / sequences.len() as f64 * x[i] * x[j];
            }
        }
    }
    h
}

/// U with inv(H) = U^T U, plainly: H = R R^T with R upper, from the last row up, and U = inv(R).
fn upper_factor(h: &[f64], n: usize) -> Vec<f64> {
    let mut r = vec![0.0; n * n];
    for j in (0..n).rev() {
        for i in (0..=j).rev() {
            let mut sum = h[i * n + j];
            for k in j + 1..n {
                sum -= r[i * n + k] * r[j * n + k];
            }
            r[i * n + j] = if i == j { sum.sqrt() } else { sum / r[j * n + j] };
        }
    }
    let mut u = vec![0.0; n * n];
    for j in 0..n {
        u[j * n + j] = 1.0 / r[j * n + j];
        for i in (0..j).rev() {
            let mut sum = 0.0;
            for k in i + 1..=j {
                sum += r[i * n + k] * u[k * n + j];
            }
            u[i * n + j] = -sum / r[i * n + i];
        }
    }
    u
}

struct Layer {
    weights: Vec<f32>,
    columns: usize,
    hessian: Vec<f64>,
}

impl Layer {
    fn random(seed: u64, rows: usize, columns: usize) -> Self {
        let mut numbers = Numbers(seed);
        let weights = numbers.weights(rows * columns, engine::tensor::Dtype::F32);
        let sequence = |numbers: &mut Numbers| -> Vec<Vec<f64>> {
            let token = |numbers: &mut Numbers| {
                let shared = numbers.normal();
                (0..columns).map(|j| numbers.normal() * (1.0 + (j % 5) as f64) + shared).collect()
            };
            (0..columns).map(|_| token(numbers)).collect()
        };
        let sequences: Vec<_> = (0..3).map(|_| sequence(&mut numbers)).collect();
        Self { weights, columns, hessian: hessian(&sequences, columns) }
    }

    fn solve(&self, kernels: &Kernels, settings: &Settings) -> (Solution, Prepared) {
        let mut h = self.hessian.clone();
        let prepared = prepare(&mut h, self.columns, settings);
        let upper = upper_factor(&h, self.columns);
        (solve(kernels, &matrix(&self.weights, self.columns), &upper, &prepared, settings), prepared)
    }

    /// tr((W - Q) H (W - Q)^T) with the Hessian as prepared, or as it was measured.
    fn error(&self, solution: &Solution, prepared: &Prepared, damped: Option<&Settings>) -> f64 {
        let n = self.columns;
        let mut h = self.hessian.clone();
        if let Some(settings) = damped {
            prepare(&mut h, n, settings);
        }
        let permutation: Vec<usize> = prepared.permutation.iter().map(|&from| from as usize).collect();
        // Prepared Hessians are in quantized order, measured ones in that of features.
        let place = |k: usize| if damped.is_some() { k } else { permutation[k] };
        let mut error = 0.0;
        for (row, quantized) in solution.weights().chunks(n).enumerate() {
            let difference: Vec<f64> = (0..n)
                .map(|k| match damped.is_some() && prepared.dead[k] {
                    true => -quantized[k],
                    false => f64::from(self.weights[row * n + permutation[k]]) - quantized[k],
                })
                .collect();
            for i in 0..n {
                for j in 0..n {
                    error += difference[i] * h[place(i) * n + place(j)] * difference[j];
                }
            }
        }
        error
    }
}

fn numbers_of(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn close(what: &str, found: f64, expected: f64, digits: f64) {
    assert!((found - expected).abs() <= digits * expected.abs(), "{what}: {found}, expected {expected}");
}

#[test]
fn the_reference_is_reproduced() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden/A/quant_fixture.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var_os("NIBBLE_REQUIRE_SHARED").is_none_or(|value| value != "1"), "no {}", path.display());
        println!("skipped: no {}", path.display());
        return;
    };
    let fixture: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows: Vec<Vec<f64>> = fixture["W"].as_array().unwrap().iter().map(numbers_of).collect();
    let sequences: Vec<Vec<Vec<f64>>> = (fixture["X"].as_array().unwrap().iter())
        .map(|sequence| sequence.as_array().unwrap().iter().map(numbers_of).collect())
        .collect();
    let columns = rows[0].len();
    let weights = rows.concat().iter().map(|&w| w as f32).collect();
    let layer = Layer { weights, columns, hessian: hessian(&sequences, columns) };
    let mut cases = 0;
    for case in fixture["cases"].as_array().unwrap().iter().filter(|case| case["method"] == "spqr") {
        let number = |name: &str| case[name].as_u64().unwrap() as u32;
        assert_eq!(number("second_group") as usize, SECOND_GROUP);
        let settings = Settings {
            group: number("group") as usize,
            statistic_bits: number("stat_bits"),
            tau: case["tau"].as_f64().unwrap_or(f64::INFINITY),
            damping: case["damp"].as_f64().unwrap(),
            order: if case["act_order"] == true { ColumnOrder::Diagonal } else { ColumnOrder::Given },
            ..Settings::new(CodeBits::from_bits(number("bits")).unwrap())
        };
        let (solution, prepared) = layer.solve(Kernels::best(), &settings);
        close("loss", solution.loss, case["loss"].as_f64().unwrap(), 1e-8);
        let error = layer.error(&solution, &prepared, None);
        close("hessian_error", error, case["hessian_error"].as_f64().unwrap(), 1e-8);
        let feature = |column: u32| u64::from(prepared.permutation[column as usize]);
        let mut outliers: Vec<[u64; 2]> =
            solution.outliers.iter().map(|outlier| [u64::from(outlier.row), feature(outlier.column)]).collect();
        outliers.sort();
        let expected: Vec<[u64; 2]> = serde_json::from_value(case["outliers"].clone()).unwrap();
        assert_eq!(outliers, expected);
        if let Some(q) = case["Q"].as_array() {
            for (row, found) in q.iter().zip(solution.weights().chunks(columns)) {
                for (k, &found) in found.iter().enumerate() {
                    let expected = numbers_of(row)[prepared.permutation[k] as usize];
                    assert!((found - expected).abs() <= 1e-6 * (expected.abs() + 1e-3), "{found} for {expected}");
                }
            }
        }
        cases += 1;
    }
    assert!(cases >= 6, "{cases} cases");
}

/// What is tracked is the damped layer loss, and outliers carry none of it.
#[test]
fn the_loss_is_that_of_the_damped_layer() {
    for (rows, columns) in [(1, 16), (5, 19), (17, 33), (40, 70), (64, 16)] {
        let layer = Layer::random(rows as u64, rows, columns);
        for bits in CodeBits::ALL {
            for group in [8, 16, 32] {
                for (tau, order) in [(0.2, ColumnOrder::Diagonal), (f64::INFINITY, ColumnOrder::Given)] {
                    let settings = Settings { group, tau, order, ..Settings::new(bits) };
                    let (solution, prepared) = layer.solve(Kernels::best(), &settings);
                    let what = format!("{rows} x {columns}, {settings:?}");
                    close(&what, 2.0 * solution.loss, layer.error(&solution, &prepared, Some(&settings)), 1e-9);
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
    let layer = Layer::random(3, 150, 130);
    let settings = Settings::new(CodeBits::Two);
    let (expected, _) = layer.solve(Kernels::of(Isa::Scalar).unwrap(), &settings);
    assert!(expected.outliers.len() > 100, "{} outliers", expected.outliers.len());
    for block in [1, 16, 40, 1000] {
        let (found, _) = layer.solve(Kernels::best(), &Settings { block, ..settings });
        assert_eq!(found, expected, "blocks of {block}");
    }
    for isa in Isa::present() {
        for threads in [1, 2, 7] {
            let runtime = Runtime::new(Some(threads), IsaChoice::Exactly(isa)).unwrap();
            let (found, _) = runtime.run(|| layer.solve(runtime.kernels(), &settings));
            assert_eq!(found, expected, "{isa}, {threads} threads");
        }
    }
}

/// What every part of the method is for: on a layer with a few large weights, each ablation costs.
#[test]
fn ablations_lose() {
    let layer = Layer::random(4, 96, 128);
    let full = Settings::new(CodeBits::Three);
    let error = |settings: Settings| {
        let (solution, prepared) = layer.solve(Kernels::best(), &settings);
        (layer.error(&solution, &prepared, None), solution)
    };
    let (base, solution) = error(full);
    assert!(solution.outlier_share() > 0.0 && solution.outlier_share() < 0.1, "{}", solution.outlier_share());
    let (without_outliers, none) = error(Settings { tau: f64::INFINITY, ..full });
    assert!(none.outliers.is_empty() && without_outliers > 1.2 * base, "{without_outliers} and {base}");
    let (simplified, _) = error(Settings { grid_weights: GridWeights::All, ..full });
    assert!(simplified > base, "{simplified} and {base}");
    let (large_groups, _) = error(Settings { group: 128, ..full });
    assert!(large_groups > base, "{large_groups} and {base}");
    let (coarse_statistics, _) = error(Settings { statistic_bits: 1, ..full });
    assert!(coarse_statistics > base, "{coarse_statistics} and {base}");
    // A lower threshold keeps more.
    let (_, more) = error(Settings { tau: 0.05, ..full });
    assert!(more.outliers.len() > solution.outliers.len());
}

#[test]
fn integer_zeros_are_integers() {
    let layer = Layer::random(5, 40, 64);
    let settings = Settings { zeros: ZeroKind::Integer, ..Settings::new(CodeBits::Three) };
    let (solution, _) = layer.solve(Kernels::best(), &settings);
    let grids: Vec<FloatGrid> = (0..40 * 4).map(|at| solution.grid(at / 4, at % 4)).collect();
    assert!(grids.iter().all(|grid| grid.zero == grid.zero.round_ties_even()), "{grids:?}");
    // Wider codes than statistics: zeros are quantized again, and no longer integers.
    let (solution, _) = layer.solve(Kernels::best(), &Settings { bits: CodeBits::Four, ..settings });
    assert!((0..40 * 4).any(|at| solution.grid(at / 4, at % 4).zero.fract() != 0.0));
}

/// Dead columns and rows of zeros are quantized like any other, and nothing is lost or made by them.
#[test]
fn nothing_comes_of_nothing() {
    let mut layer = Layer::random(6, 32, 48);
    for j in 0..48 {
        for dead in [5, 47] {
            layer.hessian[48 * j + dead] = 0.0;
            layer.hessian[48 * dead + j] = 0.0;
        }
    }
    layer.weights[..48].fill(0.0);
    let (solution, prepared) = layer.solve(Kernels::best(), &Settings::new(CodeBits::Four));
    assert_eq!(prepared.permutation[46..], [5, 47]);
    assert_eq!(prepared.dead.iter().filter(|&&dead| dead).count(), 2);
    assert!(solution.loss.is_finite() && solution.weights().iter().all(|w| w.is_finite()));
}
