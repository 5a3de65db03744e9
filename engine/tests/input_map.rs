//! Layers whose columns lie in another order than their input's features, or want them scaled: the bits of a layer that
//! is given the mapped input, whatever the batch, the threads, the instruction set and what else reads the input.

use engine::InputMap;
use engine::format::{PackedMatrix, PackedShape, ZeroPoints};
use engine::linear::{Activations, Input, Linear, Weights, multiply};
use engine::runtime::{IsaChoice, Runtime};
use kernels::{CodeBits, Isa, Kernels};
use std::sync::Arc;

const COLUMNS: usize = 170;

/// A number from a seed, in -1..1.
fn number(seed: usize) -> f32 {
    let mixed = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn matrix(rows: usize, bits: CodeBits) -> PackedMatrix {
    let shape = PackedShape { rows, columns: COLUMNS, bits, group: Some(32), zero_points: ZeroPoints::Stored };
    PackedMatrix::build(Kernels::best(), shape, |row| {
        for (k, code) in row.codes.iter_mut().enumerate() {
            *code = ((row.row * 31 + k * 7919) % (usize::from(bits.max_code()) + 1)) as u8;
        }
        row.scales.iter_mut().enumerate().for_each(|(g, scale)| *scale = 0.1 + number(row.row * 9 + g).abs());
        row.zeros.iter_mut().enumerate().for_each(|(g, zero)| *zero = ((row.row + g) % 3) as u8);
    })
}

fn layer(matrix: PackedMatrix, activations: Activations) -> Linear {
    Linear { weights: Weights::Packed { matrix, activations }, bias: None }
}

/// What a map makes of one token.
type Apply = Box<dyn Fn(&[f32]) -> Vec<f32>>;

/// Every part of a map present and absent, with what it does.
fn maps() -> Vec<(Arc<InputMap>, Apply)> {
    let features: Vec<u32> = (0..COLUMNS).map(|k| (k * 77 % COLUMNS) as u32).collect();
    let scales: Vec<f32> = (0..COLUMNS).map(|k| 1.5 + number(k)).collect();
    let parts = [(Some(features.clone()), None), (None, Some(scales.clone())), (Some(features), Some(scales))];
    let pair = |(features, scales): (Option<Vec<u32>>, Option<Vec<f32>>)| {
        let map = Arc::new(InputMap::new(COLUMNS, features.clone(), scales.clone()).unwrap());
        let apply = move |x: &[f32]| -> Vec<f32> {
            let feature = |k: usize| features.as_ref().map_or(k, |features| features[k] as usize);
            (0..COLUMNS).map(|k| x[feature(k)] * scales.as_ref().map_or(1.0, |scales| scales[k])).collect()
        };
        (map, Box::new(apply) as Apply)
    };
    parts.into_iter().map(pair).collect()
}

#[test]
fn a_mapped_layer_is_a_layer_of_the_mapped_input() {
    for (map, apply) in maps() {
        for activations in [Activations::A8, Activations::A16, Activations::A32] {
            let plain = layer(matrix(70, CodeBits::Three), activations);
            let mapped = layer(matrix(70, CodeBits::Three).with_input_map(map.clone()), activations);
            for tokens in [1, 7, 8, 9, 33] {
                let x: Vec<f32> = (0..tokens * COLUMNS).map(number).collect();
                let x_mapped: Vec<f32> = x.chunks(COLUMNS).flat_map(&apply).collect();
                for isa in Isa::present() {
                    for threads in [1, 2, 7] {
                        let runtime = Runtime::new(Some(threads), IsaChoice::Exactly(isa)).unwrap();
                        let (mut expected, mut found) = (vec![0.0; tokens * 70], vec![1.0; tokens * 70]);
                        plain.forward(&runtime, &x_mapped, &mut expected);
                        mapped.forward(&runtime, &x, &mut found);
                        assert_eq!(found, expected, "{activations:?}, {tokens} tokens, {isa}, {threads} threads");
                    }
                }
            }
        }
    }
}

#[test]
fn layers_with_and_without_a_map_share_an_input() {
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let maps = maps();
    let layers = [
        layer(matrix(5, CodeBits::Four), Activations::A16),
        layer(matrix(64, CodeBits::Four).with_input_map(maps[0].0.clone()), Activations::A16),
        layer(matrix(16, CodeBits::Two).with_input_map(maps[0].0.clone()), Activations::A16),
        layer(matrix(3, CodeBits::Two).with_input_map(maps[2].0.clone()), Activations::A16),
        layer(matrix(9, CodeBits::Two).with_input_map(maps[2].0.clone()), Activations::A32),
        layer(matrix(9, CodeBits::Eight), Activations::A32),
    ];
    let layers: Vec<&Linear> = layers.iter().collect();
    let mut input = Input::default();
    // Used again with more and with fewer tokens.
    for tokens in [3, 20, 2] {
        let x: Vec<f32> = (0..tokens * COLUMNS).map(|i| number(i + tokens)).collect();
        input.fill(&runtime, &x, &layers);
        let mut outputs: Vec<Vec<f32>> = layers.iter().map(|layer| vec![0.0; tokens * layer.weights.rows()]).collect();
        let mut pairs: Vec<(&Linear, &mut [f32])> =
            layers.iter().copied().zip(outputs.iter_mut().map(Vec::as_mut_slice)).collect();
        multiply(&runtime, &input, &mut pairs);
        for (layer, output) in layers.iter().zip(&outputs) {
            let mut alone = vec![0.0; output.len()];
            layer.forward(&runtime, &x, &mut alone);
            assert_eq!(*output, alone);
        }
    }
}

#[test]
fn dequantized_weights_belong_to_features() {
    let (map, _) = &maps()[2];
    let (plain, mapped) = (matrix(4, CodeBits::Four), matrix(4, CodeBits::Four).with_input_map(map.clone()));
    let (mut columns, mut weights) = ([0.0; COLUMNS], [0.0; COLUMNS]);
    plain.dequantize_row(3, &mut columns);
    mapped.dequantize_row(3, &mut weights);
    for (k, &column) in columns.iter().enumerate() {
        let feature = map.features().unwrap()[k] as usize;
        assert_eq!(weights[feature], column * map.scales().unwrap()[k]);
    }
}
