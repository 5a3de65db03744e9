//! No quantization: the checkpoint's own precision, the baseline of every comparison.

use super::Method;
use engine::linear::Weights;

pub(super) static METHOD: Method = Method {
    name: "none",
    title: "checkpoint precision",
    summary: "Weights as the checkpoint has them, multiplied with f32 activations: the baseline.",
    paper: "Jin et al. 2024, the rows called BF16",
    example: "none",
    widths: &[],
    groups: &[],
    options: &[],
    quantize: |_, source, _, _| Ok(Weights::Dense(source.matrix.clone())),
};
