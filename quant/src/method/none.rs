//! No quantization: the checkpoint's own precision, the baseline of every comparison.

use super::{Method, Needs};
use engine::linear::Weights;

pub(super) static METHOD: Method = Method {
    name: "none",
    title: "checkpoint precision",
    summary: "Weights as the checkpoint has them, multiplied with f32 activations: the baseline.",
    paper: "Jin et al. 2024, the rows called BF16",
    example: "none",
    widths: &[],
    groups: &[],
    ungrouped: true,
    implied: None,
    activations: &[],
    options: &[],
    needs: Needs::Weights,
    extra_bits: 0.0,
    quantize: |site| site.each(|layer, _| Ok(Weights::Dense(layer.source.matrix.clone()))),
};
