//! Blocks of sixteen positions: how keys and values are laid out for attention.

use super::{BLOCK_POSITIONS, KvBits};
use crate::grid::{CodeGrid, nearest_integer};
use crate::grouped::panel::CodeBits;
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

/// One block of codes, to be written: codes, scales and zero points of all its heads, as [`super::CodeBlocks`].
#[derive(Debug)]
pub struct CodeBlock<'a> {
    /// [kv_heads, bytes of a head].
    pub codes: &'a mut [u8],
    /// [kv_heads, 16].
    pub scales: &'a mut [f32],
    /// [kv_heads, 16], or empty.
    pub zeros: &'a mut [u8],
}

/// Quantizes keys and values, [positions, kv_heads * head_dim] each, to the places `slots` of a block.
///
/// A head with a NaN or an infinity gets the scale NaN: what sees it is not finite either.
///
/// # Panics
/// If lengths disagree.
pub fn write_code_block(
    bits: KvBits,
    head_dim: usize,
    slots: Range<usize>,
    rows: (&[f32], &[f32]),
    (keys, values): (&mut CodeBlock<'_>, &mut CodeBlock<'_>),
) {
    let heads = keys.scales.len() / BLOCK_POSITIONS;
    let (key_bytes, value_bytes) = (bits.key_bytes(head_dim), bits.value_bytes(head_dim));
    assert!(keys.codes.len() == heads * key_bytes && values.codes.len() == heads * value_bytes);
    assert!(slots.end <= BLOCK_POSITIONS && rows.0.len() == slots.len() * heads * head_dim);
    assert!(rows.1.len() == rows.0.len());
    let mut codes = vec![0; head_dim];
    for (slot, (key, value)) in slots.zip(rows.0.chunks(heads * head_dim).zip(rows.1.chunks(heads * head_dim))) {
        for head in 0..heads {
            let (range, at) = (head * head_dim..(head + 1) * head_dim, head * BLOCK_POSITIONS + slot);
            let zero;
            (keys.scales[at], zero) = encode(bits, &key[range.clone()], &mut codes);
            keys.zeros.get_mut(at).into_iter().for_each(|to| *to = zero);
            let block = &mut keys.codes[head * key_bytes..(head + 1) * key_bytes];
            for (d, &code) in codes.iter().enumerate() {
                match bits {
                    KvBits::Eight => block[d / 4 * 64 + slot * 4 + d % 4] = code,
                    KvBits::Four => set_half(&mut block[d / 8 * 64 + slot * 4 + d % 4], d / 4 % 2, code),
                }
            }
            let zero;
            (values.scales[at], zero) = encode(bits, &value[range], &mut codes);
            values.zeros.get_mut(at).into_iter().for_each(|to| *to = zero);
            let row_bytes = value_bytes / BLOCK_POSITIONS;
            let row = &mut values.codes[head * value_bytes + slot * row_bytes..][..row_bytes];
            for (d, &code) in codes.iter().enumerate() {
                match bits {
                    KvBits::Eight => row[d] = code,
                    KvBits::Four => set_half(&mut row[d / 32 * 16 + d % 16], d / 16 % 2, code),
                }
            }
        }
    }
}

/// The codes of one head of one token, its scale and zero point.
fn encode(bits: KvBits, x: &[f32], codes: &mut [u8]) -> (f32, u8) {
    if !x.iter().all(|x| x.is_finite()) {
        codes.fill(0);
        return (f32::NAN, 0);
    }
    let (mut low, mut high) = (0.0f32, 0.0f32);
    for &x in x {
        low = if x < low { x } else { low };
        high = if x > high { x } else { high };
    }
    let (low, high) = match low == high {
        true => (-1.0, 1.0),
        false => (f64::from(low), f64::from(high)),
    };
    let grid = match bits {
        KvBits::Eight => CodeGrid::new(if -low > high { -low } else { high } / 127.0, 128, CodeBits::Eight),
        KvBits::Four => {
            let scale = (high - low) / 15.0;
            CodeGrid::new(scale, nearest_integer(-low / scale), CodeBits::Four)
        }
    };
    for (code, &x) in codes.iter_mut().zip(x) {
        *code = grid.code(x);
    }
    (grid.scale() as f32, grid.zero())
}

/// Puts `code` in the low or the high half of a byte.
fn set_half(byte: &mut u8, half: usize, code: u8) {
    *byte = if half == 0 { *byte & 0xf0 | code } else { *byte & 0x0f | code << 4 };
}
