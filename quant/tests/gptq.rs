//! GPTQ of one layer: the identities of `paper.md` 5.1, the reference fixture to its printed digits, plain loops bit for
//! bit, and the same bits everywhere.
#![allow(clippy::needless_range_loop)] // matrices are read by row and column

mod layer;
mod numbers;

use engine::runtime::{IsaChoice, Runtime};
use kernels::{CodeBits, Isa, Kernels};
use layer::{Layer, plain_gptq, values};
use numbers::matrix;
use quant::gptq::{GridFit, Groups, Settings, Solution, solve};
use quant::grid::{Grid, Search, Symmetry};
use quant::hessian::Hessian;
use quant::inverse_factor::{ColumnOrder, DeadColumns, InverseFactor, Preparation};
use serde_json::Value;
use sha2::{Digest, Sha256};

const SHAPES: [(usize, usize); 5] = [(1, 1), (7, 3), (21, 47), (18, 130), (33, 100)];

fn solved(layer: &Layer, settings: &Settings) -> (Solution, InverseFactor) {
    let kernels = Kernels::best();
    let factor = layer.factor(kernels, settings);
    (solve(kernels, &layer.matrix(), &factor, settings), factor)
}

/// Settings that differ in everything; groups of 13 columns divide no block.
fn all_settings() -> Vec<Settings> {
    let mut all = Vec::new();
    let kinds = [
        Groups::Dynamic(GridFit::InPlace),
        Groups::Dynamic(GridFit::Original { block: 32 }),
        Groups::Dynamic(GridFit::Original { block: 10 }),
        Groups::Static,
    ];
    for (bits, group) in CodeBits::ALL.into_iter().zip([None, Some(16), Some(13), Some(64)]) {
        for groups in kinds {
            for order in [ColumnOrder::Natural, ColumnOrder::Activation] {
                for symmetry in [Symmetry::Asymmetric, Symmetry::Symmetric] {
                    all.push(Settings { groups, order, symmetry, ..Settings::new(bits, group) });
                }
            }
        }
    }
    all.push(Settings { search: Search::LeastError, ..Settings::new(CodeBits::Three, Some(16)) });
    all.push(Settings {
        search: Search::LeastError,
        symmetry: Symmetry::Symmetric,
        ..Settings::new(CodeBits::Two, None)
    });
    all
}

/// The place of a code of the order of quantization among a solution's codes.
fn place(solution: &Solution, factor: &InverseFactor, k: usize) -> usize {
    if solution.permutation.is_some() { k } else { factor.feature(k) }
}

#[test]
fn plain_loops_give_the_same_bits() {
    for (seed, (rows, columns)) in SHAPES.into_iter().enumerate() {
        let layer = Layer::random(seed as u64, rows, columns);
        for settings in all_settings() {
            let (solution, factor) = solved(&layer, &settings);
            let plain = plain_gptq(&layer, &factor, &settings);
            let what = format!("{rows} x {columns}, {settings:?}");
            assert_eq!(solution.loss.to_bits(), plain.loss.to_bits(), "{what}");
            let ordered = settings.order == ColumnOrder::Activation;
            let kept = ordered && settings.group.is_some() && settings.groups != Groups::Static;
            assert_eq!(solution.permutation.as_deref(), factor.permutation().filter(|_| kept), "{what}");
            for row in 0..rows {
                for k in 0..columns {
                    let at = place(&solution, &factor, k);
                    let grid = row * solution.groups() + settings.group.map_or(0, |group| at / group);
                    let found = (solution.codes[row * columns + at], solution.scales[grid], solution.zeros[grid]);
                    let plain_at = row * columns + k;
                    let expected = (plain.codes[plain_at], plain.scales[plain_at], plain.zeros[plain_at]);
                    assert_eq!(found, expected, "{what}: row {row}, column {k}");
                }
            }
        }
    }
}

#[test]
fn threads_and_instruction_sets_change_no_bit() {
    let layer = Layer::random(11, 70, 131);
    let mut settings = vec![Settings::new(CodeBits::Four, Some(32)), Settings::new(CodeBits::Two, None)];
    settings.extend(settings.clone().into_iter().map(|it| Settings { order: ColumnOrder::Activation, ..it }));
    settings.push(Settings { groups: Groups::Dynamic(GridFit::Original { block: 48 }), ..settings[0] });
    settings.push(Settings { search: Search::LeastError, ..settings[0] });
    for settings in settings {
        let run = |threads, isa| {
            let runtime = Runtime::new(Some(threads), isa).unwrap();
            let kernels = runtime.kernels();
            runtime.run(|| solve(kernels, &layer.matrix(), &layer.factor(kernels, &settings), &settings))
        };
        let expected = run(1, IsaChoice::Exactly(Isa::Scalar));
        assert!(expected.loss.is_finite());
        for isa in Isa::present() {
            assert!(run(2, IsaChoice::Exactly(isa)) == expected, "{isa}, {settings:?}");
        }
        for threads in [1, 2, 7] {
            assert!(run(threads, IsaChoice::Best) == expected, "{threads} threads, {settings:?}");
        }
    }
}

/// The SHA-256 of codes, scales, zeros and loss: the same on every machine.
#[test]
fn a_solution_is_the_same_on_every_machine() {
    let layer = Layer::random(12, 40, 200);
    let grouped = Settings::new(CodeBits::Three, Some(32));
    let mut hash = Sha256::new();
    for settings in [Settings { order: ColumnOrder::Activation, search: Search::LeastError, ..grouped }, grouped] {
        let (solution, _) = solved(&layer, &settings);
        hash.update(&solution.codes);
        hash.update(&solution.zeros);
        solution.scales.iter().chain([&solution.loss]).for_each(|number| hash.update(number.to_le_bytes()));
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "9076ef26acce98a0e78c3c463ca9f49519bd99137627bd929e9c0f0f17ae961c");
}

/// Identities 1 and 2: W - W^ = E U, and tr((W - W^) H (W - W^)^T) = ||E||^2 with the damped H. Tolerances are 1e-10 of
/// the terms' magnitude, a few thousand roundings.
#[test]
fn the_error_is_that_of_the_layer() {
    for (seed, (rows, columns)) in SHAPES.into_iter().enumerate() {
        let layer = Layer::random(20 + seed as u64, rows, columns);
        for settings in all_settings() {
            let (solution, factor) = solved(&layer, &settings);
            let plain = plain_gptq(&layer, &factor, &settings);
            let (u, values) = (factor.upper(), values(&solution));
            for row in 0..rows {
                for j in 0..columns {
                    let feature = factor.feature(j);
                    let difference = layer.weight(&factor, row, feature) - values[row][feature];
                    let (mut sum, mut size) = (0.0, 0.0f64);
                    for k in 0..=j {
                        let term = plain.errors[row * columns + k] * u[k * columns + j];
                        sum += term;
                        size += term.abs();
                    }
                    assert!((sum - difference).abs() <= 1e-10 * (size + difference.abs()), "{settings:?}");
                }
            }
            // Dead features' weights count as zeros; their 1 on the diagonal and the damping are added by hand.
            let mut alive = Layer { sequences: layer.sequences.clone(), weights: layer.weights.clone(), ..layer };
            for row in 0..rows {
                for j in (0..columns).filter(|&j| factor.is_dead(j)) {
                    alive.weights[row * columns + j] = 0.0;
                }
            }
            let mut error = alive.error(&values);
            for row in 0..rows {
                for j in 0..columns {
                    let difference = alive.weight(&factor, row, j) - values[row][j];
                    let diagonal = factor.damping() + if factor.is_dead(j) { 1.0 } else { 0.0 };
                    error += diagonal * difference * difference;
                }
            }
            assert!((error - 2.0 * solution.loss).abs() <= 1e-10 * error, "{error}, {}, {settings:?}", solution.loss);
        }
    }
}

/// The damped Hessian in the order of quantization.
fn damped(layer: &Layer, factor: &InverseFactor) -> Vec<f64> {
    let n = layer.columns;
    let natural = layer.hessian(Kernels::best()).into_matrix();
    let mut h = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            h[i * n + j] = natural[factor.feature(i) * n + factor.feature(j)];
        }
        h[i * n + i] += factor.damping() + if factor.is_dead(factor.feature(i)) { 1.0 } else { 0.0 };
    }
    h
}

/// Identity 3: U[j][j]^2 = inv(H[j.., j..])[0][0], by Gauss-Jordan elimination of every trailing part.
#[test]
fn pivots_are_those_of_the_shrinking_inverse() {
    for order in [ColumnOrder::Natural, ColumnOrder::Activation] {
        let settings = Settings { order, ..Settings::new(CodeBits::Four, None) };
        let layer = Layer::random(31, 2, 37);
        let (_, factor) = solved(&layer, &settings);
        let h = damped(&layer, &factor);
        for j in 0..layer.columns {
            // Solve H[j.., j..] x = e_0 by elimination from the last row up: what is left of the first row gives x_0.
            let m = layer.columns - j;
            let mut a: Vec<Vec<f64>> =
                (0..m).map(|r| (0..m).map(|c| h[(j + r) * layer.columns + j + c]).collect()).collect();
            for pivot in (1..m).rev() {
                for r in 0..pivot {
                    let factor = a[r][pivot] / a[pivot][pivot];
                    for c in 0..=pivot {
                        a[r][c] -= factor * a[pivot][c];
                    }
                }
            }
            let expected = 1.0 / a[0][0];
            let found = factor.pivot(j) * factor.pivot(j);
            assert!((found / expected - 1.0).abs() < 1e-10, "column {j}: {found}, {expected}");
        }
    }
}

/// Identity 4: without groups the authors' blocks change nothing, and grids fitted in place know no blocks.
#[test]
fn blocks_change_nothing_without_groups() {
    let layer = Layer::random(41, 19, 100);
    for bits in CodeBits::ALL {
        let settings = Settings::new(bits, None);
        let (expected, _) = solved(&layer, &settings);
        for block in [1, 7, 16, 64, 128] {
            let groups = Groups::Dynamic(GridFit::Original { block });
            assert!(solved(&layer, &Settings { groups, ..settings }).0 == expected, "{block}");
        }
    }
    // With groups they do: the trap that `GridFit::InPlace` avoids. One block of a column is the same as in place.
    let settings = Settings::new(CodeBits::Three, Some(16));
    let (in_place, _) = solved(&layer, &settings);
    let loss = |block| {
        let groups = Groups::Dynamic(GridFit::Original { block });
        solved(&layer, &Settings { groups, ..settings }).0.loss
    };
    assert_eq!(loss(1), in_place.loss);
    assert_eq!(loss(16), in_place.loss);
    assert!(loss(64) != in_place.loss);
}

fn round_to_nearest(layer: &Layer, settings: &Settings) -> Vec<Vec<f64>> {
    let width = settings.group.unwrap_or(layer.columns);
    let of_group = |weights: &[f32]| -> Vec<f64> {
        let grid = Grid::span(weights, settings.bits, settings.symmetry);
        weights.iter().map(|&weight| grid.value(grid.codes().code(weight))).collect()
    };
    layer.weights.chunks(layer.columns).map(|row| row.chunks(width).flat_map(of_group).collect()).collect()
}

/// Identity 5: where features do not go together GPTQ is round to nearest.
#[test]
fn a_diagonal_hessian_gives_round_to_nearest() {
    for (rows, columns, group) in [(9, 33, None), (20, 50, Some(16))] {
        let mut layer = Layer::random(51, rows, columns);
        let x = |token: usize, j: usize| if token == j { 1.5 } else { 0.0 };
        layer.sequences = vec![(0..columns * columns).map(|at| x(at / columns, at % columns)).collect()];
        for bits in CodeBits::ALL {
            for symmetry in [Symmetry::Asymmetric, Symmetry::Symmetric] {
                let settings = Settings { symmetry, ..Settings::new(bits, group) };
                assert_eq!(values(&solved(&layer, &settings).0), round_to_nearest(&layer, &settings));
            }
        }
    }
}

/// Identity 6: on inputs that go together GPTQ loses less than round to nearest.
#[test]
fn less_is_lost_than_by_rounding() {
    for (seed, (rows, columns)) in [(21, 47), (18, 130), (33, 100)].into_iter().enumerate() {
        let layer = Layer::random(61 + seed as u64, rows, columns);
        for bits in CodeBits::ALL {
            for group in [None, Some(16)] {
                for order in [ColumnOrder::Natural, ColumnOrder::Activation] {
                    let settings = Settings { order, ..Settings::new(bits, group) };
                    let (gptq, rounded) = (values(&solved(&layer, &settings).0), round_to_nearest(&layer, &settings));
                    let (gptq, rounded) = (layer.error(&gptq), layer.error(&rounded));
                    assert!(gptq < 0.9 * rounded, "{settings:?}: {gptq} and {rounded}");
                }
            }
        }
    }
}

/// Identity 7: weights that the grid has come back as they are, whatever the Hessian; and six more bits divide the loss
/// by about 4^6 (16 bits, for which there is no code, would bring anything back).
#[test]
fn a_fine_grid_gives_the_weights_back() {
    let mut layer = Layer::random(71, 24, 60);
    let random = layer.weights.clone();
    for row in layer.weights.chunks_mut(60) {
        // Multiples of 1/64 from -100/64 to 155/64: 256 values. Features 5 and 58 are dead, their weights zeros.
        row.iter_mut().for_each(|w| *w = (*w * 400.0).round().clamp(-100.0, 155.0) / 64.0);
        (row[0], row[1], row[5], row[58]) = (-100.0 / 64.0, 155.0 / 64.0, 0.0, 0.0);
    }
    for order in [ColumnOrder::Natural, ColumnOrder::Activation] {
        let settings = Settings { order, ..Settings::new(CodeBits::Eight, None) };
        let (solution, _) = solved(&layer, &settings);
        assert_eq!(solution.loss, 0.0);
        let expected: Vec<Vec<f64>> =
            layer.weights.chunks(60).map(|row| row.iter().map(|&w| f64::from(w)).collect()).collect();
        assert_eq!(values(&solution), expected);
    }
    layer.weights = random;
    let loss = |bits| solved(&layer, &Settings::new(bits, None)).0.loss;
    let ratio = loss(CodeBits::Two) / loss(CodeBits::Eight);
    assert!((2000.0..20_000.0).contains(&ratio), "{ratio}");
}

/// Dead columns, the order of columns and the damping, for GPTQ and for SpQR, on a Hessian worked out by hand.
#[test]
fn a_hessian_is_made_ready_in_the_stated_order() {
    let kernels = Kernels::best();
    // Two sequences of a token each: H = sum x^T x.
    let hessian = || {
        let mut hessian = Hessian::new(4);
        hessian.add_sequence(kernels, &[1.0, 0.0, 2.0, 0.0]);
        hessian.add_sequence(kernels, &[0.0, 0.0, 0.0, 1.0]);
        hessian
    };
    assert_eq!(hessian().diagonal(), [1.0, 0.0, 4.0, 1.0]);
    let prepare =
        |order, dead| InverseFactor::new(kernels, hessian(), &Preparation { order, damp: 0.5, dead }).unwrap();
    let gptq = prepare(ColumnOrder::Activation, DeadColumns::First);
    // Equals stay in the natural order, the dead one among them.
    assert_eq!(gptq.permutation(), Some(&[2, 0, 1, 3][..]));
    assert_eq!(gptq.damping(), 0.5 * (1.0 + 1.0 + 4.0 + 1.0) / 4.0);
    // The dead column goes with no other: U there is 1 / sqrt(1 + damping).
    assert_eq!(gptq.pivot(2), 1.0 / (1.0 + gptq.damping()).sqrt());
    assert!(gptq.is_dead(1) && !gptq.is_dead(0) && gptq.feature(2) == 1);
    let spqr = prepare(ColumnOrder::Activation, DeadColumns::Last);
    assert_eq!(spqr.permutation(), Some(&[2, 0, 3, 1][..]));
    assert_eq!((spqr.damping(), spqr.pivot(3)), (0.5 * 6.0 / 4.0, 1.0));
    let natural = prepare(ColumnOrder::Natural, DeadColumns::Last);
    assert_eq!((natural.permutation(), natural.pivot(1)), (None, 1.0));
    // Without damping the first and third features, which are one, leave nothing: the pivot is 0, in either order.
    for order in [ColumnOrder::Natural, ColumnOrder::Activation] {
        let preparation = Preparation { order, damp: 0.0, dead: DeadColumns::First };
        let Err(error) = InverseFactor::new(kernels, hessian(), &preparation) else { panic!("a factor of nothing") };
        let first = if order == ColumnOrder::Natural { 0 } else { 2 };
        assert_eq!((error.column, error.pivot), (first, 0.0));
        assert!(error.to_string().contains("raise `damp`"));
    }
}

/// A number as it is printed with so many digits.
fn printed(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap()
}

fn numbers_of(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn rows_of(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().flat_map(numbers_of).collect()
}

/// Every GPTQ and RTN case of a reference fixture (made in f64 by a plain PyTorch program) to the printed digits.
fn check_fixture(fixture: &Value) -> usize {
    let size = |name: &str| fixture[name].as_u64().unwrap() as usize;
    let layer = Layer {
        rows: size("rows"),
        columns: size("cols"),
        weights: rows_of(&fixture["W"]),
        sequences: fixture["X"].as_array().unwrap().iter().map(rows_of).collect(),
    };
    let diagonal = layer.hessian(Kernels::best()).diagonal();
    for (found, expected) in diagonal.iter().zip(fixture["H_diag"].as_array().unwrap()) {
        assert_eq!(*found, expected.as_f64().unwrap());
    }
    let mut checked = 0;
    for case in fixture["cases"].as_array().unwrap() {
        let bits = CodeBits::from_bits(case["bits"].as_u64().unwrap() as u32).unwrap();
        let group = case["group"].as_u64().map(|group| group as usize);
        let settings = Settings::new(bits, group);
        let values = match case["method"].as_str().unwrap() {
            "rtn" => round_to_nearest(&layer, &settings),
            "gptq" => {
                let groups = match case["grid"].as_str().unwrap() {
                    "original" => GridFit::Original { block: case["blocksize"].as_u64().unwrap() as usize },
                    "in_place" => GridFit::InPlace,
                    other => panic!("a grid `{other}`"),
                };
                let damp = case["damp"].as_f64().unwrap();
                let settings = Settings { groups: Groups::Dynamic(groups), damp, ..settings };
                let (solution, _) = solved(&layer, &settings);
                assert_eq!(printed(solution.loss, 9), case["loss"].as_f64().unwrap(), "{settings:?}");
                values(&solution)
            }
            _ => continue,
        };
        assert_eq!(printed(layer.error(&values), 9), case["hessian_error"].as_f64().unwrap(), "{settings:?}");
        if let Some(expected) = case.get("Q").and_then(Value::as_array) {
            for (row, expected) in values.iter().zip(expected) {
                for (value, expected) in row.iter().zip(expected.as_array().unwrap()) {
                    assert_eq!(printed(*value, 7), expected.as_f64().unwrap(), "{settings:?}");
                }
            }
        }
        checked += 1;
    }
    checked
}

#[test]
fn the_reference_fixture() {
    let fixture = serde_json::from_str(include_str!("golden/quant_fixture.json")).unwrap();
    assert_eq!(check_fixture(&fixture), 15);
}

/// Scales are rounded to f32 where they are stored, after the codes are chosen: that moves a layer's error by no more
/// than 1e-6 of itself, so that feedback for the rounding would gain nothing.
#[test]
fn rounding_scales_when_stored_costs_nothing() {
    let layer = Layer::random(81, 40, 96);
    for bits in CodeBits::ALL {
        for group in [None, Some(16)] {
            let settings = Settings::new(bits, group);
            let (mut solution, _) = solved(&layer, &settings);
            let exact = layer.error(&values(&solution));
            solution.scales.iter_mut().for_each(|scale| *scale = f64::from(*scale as f32));
            let stored = layer.error(&values(&solution));
            assert!((stored / exact - 1.0).abs() < 1e-6, "{settings:?}: {exact}, {stored}");
        }
    }
}

/// Weights so small or so large that grids underflow, or that feedback is as large as it can be: no panic.
#[test]
fn extreme_weights_are_solved() {
    let mut layer = Layer::random(91, 6, 40);
    for (row, magnitude) in layer.weights.chunks_mut(40).zip([1e-45, 1e-38, 3e38, 1e30, 0.0, 1.0]) {
        row.iter_mut().enumerate().for_each(|(j, w)| *w = if j % 3 == 0 { magnitude } else { -magnitude });
    }
    let weights = matrix(&layer.weights, 40);
    for settings in all_settings() {
        let kernels = Kernels::best();
        let solution = solve(kernels, &weights, &layer.factor(kernels, &settings), &settings);
        assert!(solution.scales.iter().all(|scale| *scale > 0.0 && scale.is_finite()), "{settings:?}");
    }
}
