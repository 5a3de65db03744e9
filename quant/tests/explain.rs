//! Is what is said about a layer what plain sums over its numbers give?

mod layer_model;

use engine::format::DenseMatrix;
use engine::linear::Weights;
use engine::model::{LinearSource, Mlp, Role};
use engine::tensor::{Dtype, TensorBytes};
use layer_model::{LAYERS, build, calibration, checkpoint, runtime};
use quant::build::{QuantizedLayer, Unobserved};
use quant::explain::{Errors, explain};
use quant::{Build, Recipe};
use std::sync::atomic::AtomicBool;

fn layer(recipe: &str, block: Option<usize>, role: Role) -> QuantizedLayer {
    let (checkpoint, recipe, runtime) = (checkpoint(), Recipe::parse(recipe).unwrap(), runtime());
    let (calibration, stop) = (calibration(), AtomicBool::new(false));
    let build = Build {
        checkpoint: &checkpoint,
        recipe: &recipe,
        runtime: &runtime,
        calibration: Some(&calibration),
        cache: None,
        available_bytes: None,
        stop: &stop,
    };
    build.layer(block, role, &mut Unobserved).unwrap().unwrap()
}

fn rows(rows: usize, columns: usize, read: impl Fn(usize, &mut [f32])) -> Vec<Vec<f32>> {
    let row = |index| {
        let mut row = vec![0.0; columns];
        read(index, &mut row);
        row
    };
    (0..rows).map(row).collect()
}

fn of_weights(weights: &Weights) -> Vec<Vec<f32>> {
    rows(weights.rows(), weights.columns(), |row, out| weights.row(row, out))
}

#[test]
fn a_layer_is_quantized_as_it_is_in_the_whole_model() {
    for recipe in [
        "rtn:w4g32",
        "gptq:w3g16",
        "gptq:w3g16:act_order=true",
        "gptq:w4g32:true_sequential=true",
        "spqr:w3g16",
        "gptq:w4g32:*.o_proj=none:*.q_proj=w8",
    ] {
        let model = build(recipe);
        for block in 0..LAYERS {
            for role in model.blocks[block].roles() {
                let whole = of_weights(&model.blocks[block].linear(role).unwrap().weights);
                let alone = layer(recipe, Some(block), role);
                assert!(of_weights(&alone.weights) == whole, "{recipe}, block {block}, {role}");
                assert_eq!(alone.tensor, model.blueprint.tensors.blocks[block].linear(role).unwrap().weight.tensor);
            }
        }
    }
    let head = layer("rtn:w4g32:head=w8", None, Role::Head);
    assert!(of_weights(&head.weights) == of_weights(&build("rtn:w4g32:head=w8").head.weights));
    assert_eq!(head.weights.nominal_bits(), 8);
}

/// Errors by the definition, one term after the other.
fn plain_errors(before: &[Vec<f32>], after: &[Vec<f32>], hessian: Option<&[f64]>) -> Errors {
    let (mut largest, mut error, mut signal, mut weighted) = (0.0f64, 0.0, 0.0, 0.0);
    let columns = before[0].len();
    for (before, after) in before.iter().zip(after) {
        let d: Vec<f64> = before.iter().zip(after).map(|(&a, &b)| f64::from(a) - f64::from(b)).collect();
        for (j, d_j) in d.iter().enumerate() {
            largest = largest.max(d_j.abs());
            error += d_j * d_j;
            signal += f64::from(before[j]) * f64::from(before[j]);
            for (k, d_k) in d.iter().enumerate() {
                weighted += hessian.map_or(0.0, |hessian| d_j * hessian[j * columns + k] * d_k);
            }
        }
    }
    let mse = error / (before.len() * columns) as f64;
    #[allow(clippy::disallowed_methods)]
    let sqnr_db = 10.0 * (signal / error).log10();
    Errors { largest, mse, sqnr_db, hessian_weighted: hessian.map(|_| weighted) }
}

fn assert_near(found: &Errors, expected: &Errors, what: &str) {
    assert_eq!(found.largest, expected.largest, "{what}");
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-10 * b.abs();
    assert!(near(found.mse, expected.mse) && near(found.sqnr_db, expected.sqnr_db), "{what}: {found:?} {expected:?}");
    match (found.hessian_weighted, expected.hessian_weighted) {
        (Some(a), Some(b)) => assert!(near(a, b), "{what}: {a} {b}"),
        (a, b) => assert_eq!(a, b, "{what}"),
    }
}

#[test]
fn errors_are_those_of_the_definition() {
    for recipe in ["rtn:w3g16", "gptq:w3g16:act_order=true", "spqr:w2g16"] {
        for role in [Role::Query, Role::Down(Mlp::Dense)] {
            let what = format!("{recipe}, {role}");
            let layer = layer(recipe, Some(1), role);
            let (explanation, hessian) = (explain(&layer), layer.hessian.as_deref());
            assert_eq!(hessian.is_some(), recipe != "rtn:w3g16");
            let original = layer.original.as_ref().unwrap();
            let before = rows(original.rows(), original.columns(), |row, out| original.row_to_f32(row, out));
            let errors = explanation.errors.unwrap();
            assert_near(&errors, &plain_errors(&before, &of_weights(&layer.weights), hessian), &what);
            let Some(nearest) = &layer.nearest else {
                assert_eq!((recipe, explanation.nearest), ("rtn:w3g16", None));
                continue;
            };
            let nearest = plain_errors(&before, &of_weights(nearest), hessian);
            assert_near(&explanation.nearest.unwrap(), &nearest, &what);
            // What the method is for.
            assert!(errors.hessian_weighted < nearest.hessian_weighted, "{what}: {errors:?} {nearest:?}");
        }
    }
}

#[test]
fn scales_codes_and_where_errors_are() {
    // Two rows, two groups of 16, of two bits: the second group of row 1 is four times as wide.
    let weight = |row: usize, k: usize| {
        let width = if row == 1 && k >= 16 { 4.0 } else { 1.0 };
        width * ([0.0, 1.0, 2.0, 3.0][k % 4] + if k % 16 == 5 { 0.25 } else { 0.0 })
    };
    let values = (0..2).flat_map(|row| (0..32).map(move |k| weight(row, k)));
    let matrix =
        DenseMatrix::new(TensorBytes::from_vec(values.flat_map(f32::to_le_bytes).collect()), Dtype::F32, 2, 32);
    let recipe = Recipe::parse("rtn:w2g16").unwrap();
    let source =
        LinearSource { tensor: "t".into(), role: Role::Up(Mlp::Dense), layer: Some(0), matrix: matrix.clone() };
    let weights = runtime().run(|| recipe.choose(source)).unwrap();
    let (original, nearest, hessian, report) = (Some(matrix), None, None, None);
    let tensor = "t".into();
    let layer = QuantizedLayer {
        tensor,
        role: Role::Up(Mlp::Dense),
        layer: Some(0),
        original,
        weights,
        nearest,
        hessian,
        report,
    };
    let explanation = explain(&layer);
    let scales = explanation.scales.unwrap();
    assert_eq!((scales.least, scales.median, scales.largest), (1.0, 1.0, 4.0));
    let zeros = explanation.zeros.unwrap();
    assert_eq!((zeros.least, zeros.largest, explanation.group), (0.0, 0.0, Some(16)));
    assert_eq!(explanation.codes, [16, 16, 16, 16]);
    let errors = explanation.errors.unwrap();
    // Three errors of a quarter and one of 1.
    assert_eq!((errors.largest, errors.mse, errors.hessian_weighted), (1.0, (3.0 / 16.0 + 1.0) / 64.0, None));
    let heat = explanation.heat.unwrap();
    assert_eq!((heat.rows, heat.columns), (1, 16));
    let quarter = (1.0f64 / 16.0 / 16.0).sqrt();
    assert_eq!(heat.cells, [[quarter, quarter], [quarter, 0.25]]);
    assert_eq!(explanation.worst_rows, [(1, (1.0 / 16.0 + 1.0) / 32.0), (0, 2.0 / 16.0 / 32.0)]);
    let (before, after) = (explanation.before.unwrap(), explanation.after.unwrap());
    assert_eq!((before.low, before.high), (0.0, 12.0));
    for histogram in [&before, &after] {
        assert_eq!(histogram.counts.iter().sum::<u64>(), 64);
    }
    assert_eq!((after.counts[0], after.counts[95]), (16, 4));
    assert_eq!(explanation.outliers, None);
}
