//! NF4: 4-bit codes of levels that lie where normally distributed weights are many, and scales that are quantized too.
//!
//! For the weights w of one row and group (Dettmers et al. 2023, QLoRA, section 3 and appendix E; bitsandbytes,
//! `quantize_4bit`):
//! ```text
//! scale = max |w|
//! code  = the index of the level nearest to w / scale, the lower of two as near
//! value = scale * level
//! ```
//! *Double quantization* (`double_quant=true`, the default here as in the paper; bitsandbytes calls it
//! `compress_statistics`), over the scales of a matrix, row after row:
//! ```text
//! offset = mean of all scales
//! second = max |scale - offset| of 256 scales
//! scale  = table[code] * second + offset,   code: the index of the value of the table nearest to (scale - offset) / second
//! ```
//! The table of 8 bits is the dynamic data type of bitsandbytes: for each exponent e from 0 down to -6 the middles of
//! 2^(e + 6) equal parts of [0.1, 1] times 10^e, both signs, and 0 and 1. Codes of weights are chosen by the scale before
//! it is quantized. A weight then takes 4 + 8/64 + 32/(64 * 256) bits in groups of 64, and 4 + 32/64 without.
//!
//! # Activations
//! f32. Levels have no common step: an exact integer product would need them as integers, of 16 bits to be as faithful
//! as f32 (four products of bytes instead of one of floats), of 8 bits moved by up to 1/254.
//!
//! # What differs
//! Groups are parts of rows; bitsandbytes cuts the whole matrix, row after row, which is the same where the columns are a
//! multiple of the group.
//!
//! # Precision and order
//! f32 as in bitsandbytes: w * (1 / scale), compared with (level + next level) / 2. But the mean is that of an f64 sum in
//! order, rounded once, and the values of the table are rounded from f64 once, where bitsandbytes computes in f32: they
//! may differ from its by a unit in the last place.

use super::{Chosen, Method, MethodOption, Needs, OptionValue, Site};
use crate::error::Error;
use crate::recipe::Scheme;
use engine::format::{DenseMatrix, GroupScales, LevelMatrix, LevelShape, NF4, dynamic_map};
use engine::linear::{Activations, Weights};
use kernels::levels::SECOND_GROUP;
use kernels::{CodeBits, Kernels};
use rayon::prelude::*;

pub(super) static METHOD: Method = Method {
    name: "nf4",
    title: "4-bit NormalFloat",
    summary: "Every weight takes the nearest of sixteen uneven levels times the largest magnitude of its group; f32 \
              activations. Needs no calibration.",
    paper: "Dettmers et al. 2023 (QLoRA)",
    example: "nf4:w4g64",
    widths: &[CodeBits::Four],
    groups: &[16, 32, 64, 128],
    ungrouped: true,
    implied: None,
    activations: &[Activations::A32],
    options: &[MethodOption::of_words(
        "double_quant",
        "whether scales are quantized",
        &[OptionValue { name: "true", meaning: "8-bit scales" }, OptionValue { name: "false", meaning: "f32 scales" }],
    )],
    needs: Needs::Weights,
    extra_bits: 0.0,
    quantize,
};

fn quantize(site: Site<'_>) -> Result<Vec<Chosen>, Error> {
    let is_double = site.choices.holds("double_quant", "true");
    site.each(|layer, scheme| Ok(Weights::Levels(pack(site.kernels, &layer.source.matrix, scheme, is_double))))
}

/// A quotient by `scale`, or 0 where that is nothing.
#[inline(always)]
fn inverse(scale: f32) -> f32 {
    1.0 / if scale > 1e-38 { scale } else { 1e-38 }
}

fn pack(kernels: &Kernels, matrix: &DenseMatrix, scheme: &Scheme, is_double: bool) -> LevelMatrix {
    let shape = LevelShape { rows: matrix.rows(), columns: matrix.columns(), group: scheme.group };
    let (columns, groups, width) = (shape.columns, shape.groups(), scheme.group.unwrap_or(shape.columns));
    let mut largest = vec![0.0f32; shape.rows * groups];
    largest.par_chunks_mut(groups).enumerate().for_each_init(
        || vec![0.0; columns],
        |weights, (row, largest)| {
            matrix.row_to_f32(row, weights);
            for (largest, weights) in largest.iter_mut().zip(weights.chunks(width)) {
                for weight in weights {
                    *largest = if weight.abs() > *largest { weight.abs() } else { *largest };
                }
            }
        },
    );
    let scales = if is_double { quantized_scales(&largest) } else { GroupScales::Floats(largest.clone()) };
    let bounds: [f32; 15] = middles(&NF4);
    LevelMatrix::build(kernels, shape, &scales, |row, codes| {
        let mut weights = vec![0.0; columns];
        matrix.row_to_f32(row, &mut weights);
        let groups = weights.chunks(width).zip(codes.chunks_mut(width)).zip(&largest[row * groups..]);
        for ((weights, codes), &scale) in groups {
            let inverse = inverse(scale);
            for (code, weight) in codes.iter_mut().zip(weights) {
                let place = weight * inverse;
                *code = bounds.iter().filter(|&&bound| place > bound).count() as u8;
            }
        }
    })
}

/// The places half way between neighbours.
fn middles<const N: usize>(values: &[f32]) -> [f32; N] {
    let mut middles = [0.0; N];
    for (middle, pair) in middles.iter_mut().zip(values.windows(2)) {
        *middle = (pair[0] + pair[1]) / 2.0;
    }
    middles
}

fn quantized_scales(scales: &[f32]) -> GroupScales {
    let sum = scales.iter().fold(0.0, |sum, &scale| sum + f64::from(scale));
    let offset = (sum / scales.len() as f64) as f32;
    let bounds: [f32; 255] = middles(dynamic_map());
    let (mut codes, mut seconds) = (Vec::with_capacity(scales.len()), Vec::new());
    for scales in scales.chunks(SECOND_GROUP) {
        let largest = |largest: f32, &scale: &f32| {
            let magnitude = (scale - offset).abs();
            if magnitude > largest { magnitude } else { largest }
        };
        let second = scales.iter().fold(0.0, largest);
        let inverse = inverse(second);
        codes.extend(scales.iter().map(|scale| {
            let place = (scale - offset) * inverse;
            bounds.partition_point(|&bound| bound < place) as u8
        }));
        seconds.push(second);
    }
    GroupScales::Codes { codes, seconds, offset }
}
