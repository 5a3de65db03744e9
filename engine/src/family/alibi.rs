//! Slopes of linear biases (Press et al. 2022, arXiv:2108.12409), as the families that have them choose them where the number
//! of heads is no power of two.

use kernels::math;

/// BLOOM and Falcon: a geometric sequence from 2^(-8/c) for the largest power of two c up to the heads; then every other
/// number of the sequence for 2c.
pub(super) fn slopes(heads: usize) -> Vec<f32> {
    let power = 1 << heads.ilog2();
    let slope = |of: usize, index: usize| math::pow(2.0, -8.0 * index as f64 / of as f64) as f32;
    let first = (1..=power).map(|index| slope(power, index));
    first.chain((0..heads - power).map(|index| slope(2 * power, 2 * index + 1))).collect()
}

/// The same rounded to bfloat16.
pub(super) fn slopes_in_bf16(heads: usize) -> Vec<f32> {
    slopes(heads).into_iter().map(|slope| half::bf16::from_f32(slope).to_f32()).collect()
}

/// MPT: 2^(-bias_max * i / c) for the smallest power of two c from the heads on; of more than there are heads, those with odd
/// places first.
pub(super) fn slopes_to(heads: usize, bias_max: f64) -> Vec<f32> {
    let power = heads.next_power_of_two();
    let slope = |index: usize| math::pow(2.0, -bias_max * index as f64 / power as f64) as f32;
    if power == heads {
        return (1..=heads).map(slope).collect();
    }
    let odd_places = (2..=power).step_by(2);
    odd_places.chain((1..=power).step_by(2)).take(heads).map(slope).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_six_heads() {
        // build_alibi_tensor of transformers' modeling_bloom.py, and build_mpt_alibi_tensor of its modeling_mpt.py.
        let expected = [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125];
        assert_eq!(slopes(6), expected);
        let expected = [2f32, 4.0, 6.0, 8.0, 1.0, 3.0].map(|power| math::pow(2.0, f64::from(-power)) as f32);
        assert_eq!(slopes_to(6, 8.0), expected);
        assert_eq!(slopes(4), slopes_to(4, 8.0));
    }
}
