//! Blocks of sixteen positions: how keys and values are laid out for attention.

use super::BLOCK_POSITIONS;
use std::ops::Range;

/// Writes keys and values, [positions, kv_heads * head_dim] each, to the places `slots` of a block: keys
/// [kv_heads, head_dim, 16], values [kv_heads, 16, head_dim].
///
/// # Panics
/// If lengths disagree.
pub fn write_block(
    head_dim: usize,
    slots: Range<usize>,
    rows: (&[f32], &[f32]),
    (keys, values): (&mut [f32], &mut [f32]),
) {
    let width = keys.len() / BLOCK_POSITIONS;
    assert!(width.is_multiple_of(head_dim) && keys.len() == width * BLOCK_POSITIONS && values.len() == keys.len());
    assert!(slots.end <= BLOCK_POSITIONS && rows.0.len() == slots.len() * width && rows.1.len() == rows.0.len());
    for (d, positions) in keys.chunks_mut(BLOCK_POSITIONS).enumerate() {
        for (slot, key) in positions[slots.clone()].iter_mut().zip(rows.0.chunks(width)) {
            *slot = key[d];
        }
    }
    for (head, positions) in values.chunks_mut(BLOCK_POSITIONS * head_dim).enumerate() {
        let positions = positions.chunks_mut(head_dim).skip(slots.start);
        for (position, value) in positions.zip(rows.1.chunks(width)) {
            position.copy_from_slice(&value[head * head_dim..][..head_dim]);
        }
    }
}
