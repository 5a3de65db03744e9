//! Sixteen lanes: the vector every kernel is written in, one file an instruction set.
//!
//! A kernel is written once, generic over [`Lanes`], and compiled once for each instruction set. The order of every
//! floating-point operation is therefore the same by construction: an instruction set can only differ in *how* it
//! performs one lane-wise operation, and each of these is rounded once, so it cannot differ in the bits.
//!
//! | file | vector of 16 f32 | integer product of 4 bytes |
//! |---|---|---|
//! | `scalar` | `[f32; 16]`, the definition | i32 arithmetic |
//! | `wide` | two `wide::f32x8` | as scalar |
//! | `avx2` | two `__m256` | `vpmaddubsw` + `vpmaddwd` |
//! | `avx512` | one `__m512` | `vpdpbusd` |
//! | `neon` | four `float32x4_t` | `sdot`, or widening multiplies |
//!
//! Fused multiply-add is absent on purpose: it rounds once where scalar Rust rounds twice. The feature `free_order` has
//! it, in [`Lanes::accumulate`] alone, for measuring what its absence costs.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;
pub(crate) mod wide;

/// Number of lanes, the same for every instruction set.
pub(crate) const LANES: usize = 16;

/// Operations on sixteen lanes of f32, i32, f64 and 4 bytes a lane.
///
/// A value of an implementing type is a proof that the instruction set is present; the kernels' table makes it.
/// All comparisons are `if a > b { a } else { b }`: with a NaN in `a` or `b` the result is `b`.
pub(crate) trait Lanes: Copy {
    /// Sixteen f32.
    type F: Copy;
    /// Sixteen i32.
    type I: Copy;
    /// Sixteen f64.
    type D: Copy;
    /// Sixteen times four bytes, in memory order.
    type B: Copy;
    /// Sums of byte products with codes up to 15, on their way to sixteen i32.
    type N: Copy;
    /// What `dot_u8` subtracts from every code.
    const CENTRE: i32 = 0;
    /// Whether sums of `dot_u4` are narrower than 32 bits: `open` begins at zero, and `close` is work.
    const NARROW: bool = false;
    /// Steps of four columns that a loop over byte products takes at a time, 1 or 4. Where registers are few, 4 only
    /// tempt the compiler to add products of several steps first, and to let accumulators wait in memory.
    const UNROLL: usize = 4;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F;
    /// Lane i from `x[i]`.
    fn load(self, x: &[f32; LANES]) -> Self::F;
    /// Lane i to `y[i]`.
    fn store(self, x: Self::F, y: &mut [f32; LANES]);
    /// Lane i from the little-endian f32 at byte 4i.
    fn load_f32(self, x: &[u8; 64]) -> Self::F;
    /// Lane i from the little-endian bfloat16 at byte 2i, widened exactly.
    fn load_bf16(self, x: &[u8; 32]) -> Self::F;
    /// Lane i from the little-endian IEEE half at byte 2i, widened exactly.
    fn load_f16(self, x: &[u8; 32]) -> Self::F;
    /// a + b.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// a - b.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// a * b.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// acc + a * b, product and sum rounded apart: written once, so that what the contract costs can be measured.
    #[inline(always)]
    fn accumulate(self, acc: Self::F, a: Self::F, b: Self::F) -> Self::F {
        self.add(acc, self.mul(a, b))
    }
    /// acc[t][r] + w[r] * x[t], as `accumulate`: R rows of weights, `w_stride` apart, T of activations, `x_stride` apart.
    ///
    /// # Safety
    /// Sixteen numbers must lie at each of them.
    #[inline(always)]
    unsafe fn accumulate_tile<const R: usize, const T: usize>(
        self,
        acc: &mut [[Self::F; R]; T],
        w: *const f32,
        w_stride: usize,
        x: *const f32,
        x_stride: usize,
    ) {
        let mut weights = [self.splat(0.0); R];
        for r in 0..R {
            // SAFETY: as promised.
            weights[r] = self.load_f32(unsafe { &*w.add(r * w_stride).cast() });
        }
        for t in 0..T {
            // SAFETY: as promised.
            let v = self.load(unsafe { &*x.add(t * x_stride).cast() });
            for r in 0..R {
                acc[t][r] = self.accumulate(acc[t][r], weights[r], v);
            }
        }
    }
    /// a / b, correctly rounded.
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// a where a > b, else b.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// a where a < b, else b.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Sign bit cleared.
    fn abs(self, a: Self::F) -> Self::F;
    /// Magnitude of a, sign bit of b.
    fn copy_sign(self, a: Self::F, b: Self::F) -> Self::F;
    /// Nearest integer, halves to even.
    fn round(self, a: Self::F) -> Self::F;
    /// a where x > y, else b.
    fn select_gt(self, x: Self::F, y: Self::F, a: Self::F, b: Self::F) -> Self::F;
    /// To i32; a must be an integer that fits.
    fn to_int(self, a: Self::F) -> Self::I;
    /// From i32, rounded to nearest even.
    fn to_float(self, a: Self::I) -> Self::F;
    /// 2^a for a in -126..=127, by placing the exponent.
    fn power_of_two(self, a: Self::I) -> Self::F;
    /// The sum of the lanes in the order of [`crate::order`]: +8, +4, +2, +1.
    fn tree(self, a: Self::F) -> f32;

    /// [`Lanes::tree`] of four vectors.
    #[inline(always)]
    fn tree4(self, a: [Self::F; 4]) -> [f32; 4] {
        a.map(|a| self.tree(a))
    }

    /// [`Lanes::tree`] of sixteen vectors: lane 4i + j is that of `a[i][j]`.
    #[inline(always)]
    fn tree16(self, a: [[Self::F; 4]; 4]) -> Self::F {
        let mut sums = [0.0; LANES];
        for i in 0..4 {
            for j in 0..4 {
                sums[4 * i + j] = self.tree(a[i][j]);
            }
        }
        self.load(&sums)
    }

    /// All lanes `x`.
    fn splat_int(self, x: i32) -> Self::I;
    /// Lane i from `x[i]`.
    fn load_int(self, x: &[i32; LANES]) -> Self::I;
    /// Lane i to `y[i]`.
    fn store_int(self, x: Self::I, y: &mut [i32; LANES]);
    /// Lane i from `x[i]`, zero-extended.
    fn widen_u8(self, x: &[u8; LANES]) -> Self::I;
    /// Lane i is `value` where bit i of `mask` is set, else 0.
    #[inline(always)]
    fn spread(self, mask: u16, value: i32) -> Self::I {
        let mut lanes = [0; LANES];
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane = i32::from(mask >> i & 1) * value;
        }
        self.load_int(&lanes)
    }
    /// a + b, wrapping.
    fn add_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// a - b, wrapping.
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// a * b, wrapping.
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// acc + w * x, wrapping; w in 0..=255.
    #[inline(always)]
    fn mul_add_i16(self, acc: Self::I, w: Self::I, x: i16) -> Self::I {
        self.add_int(acc, self.mul_int(w, self.splat_int(i32::from(x))))
    }
    /// The sum of all lanes, wrapping.
    #[inline(always)]
    fn sum_int(self, a: Self::I) -> i32 {
        let mut lanes = [0; LANES];
        self.store_int(a, &mut lanes);
        lanes.into_iter().fold(0, i32::wrapping_add)
    }
    /// a >> 1, keeping the sign.
    fn half_int(self, a: Self::I) -> Self::I;
    /// a & 15.
    fn low_half(self, a: Self::I) -> Self::I;
    /// a >> 4, keeping the sign.
    fn high_half(self, a: Self::I) -> Self::I;

    /// Byte 4i + j from `x[4i + j]`.
    fn load_bytes(self, x: &[u8; 64]) -> Self::B;
    /// Byte 4i + j to `y[4i + j]`.
    fn store_bytes(self, x: Self::B, y: &mut [u8; 64]);
    /// The same four bytes in every lane.
    fn splat_bytes(self, x: [i8; 4]) -> Self::B;
    /// Every byte shifted right by N (0 to 7), then masked.
    fn field<const N: i32>(self, x: Self::B, mask: u8) -> Self::B;
    /// Every byte shifted left by N (0 to 7) and joined to `low` by or.
    fn join<const N: i32>(self, low: Self::B, high: Self::B) -> Self::B;
    /// acc + sum over j of (w[4i + j] - CENTRE) * x[4i + j], w unsigned up to 255, x signed in -127..=127. Exact.
    fn dot_u8(self, acc: Self::I, w: Self::B, x: Self::B) -> Self::I;
    /// Opens sums that [`Lanes::close`] adds to `acc`: of so many [`Lanes::dot_u4`] that their number times the largest
    /// code is at most 128.
    fn open(self, acc: Self::I) -> Self::N;
    /// sums + sum over j of w[4i + j] * x[4i + j], w up to 15, x as in `dot_u8`. Exact.
    fn dot_u4(self, sums: Self::N, w: Self::B, x: Self::B) -> Self::N;
    /// `acc` plus all products since it was opened.
    fn close(self, acc: Self::I, sums: Self::N) -> Self::I;
    /// low + 4 * bit N (0 to 7) of high, byte by byte; low up to 3.
    #[inline(always)]
    fn third_bit<const N: i32>(self, low: Self::B, high: Self::B) -> Self::B {
        self.join::<2>(low, self.field::<N>(high, 1))
    }
    /// Byte j of every lane, zero-extended; `J` in 0..4.
    fn byte<const J: i32>(self, x: Self::B) -> Self::I;
    /// Lane i is lane `index[i]` of `table`; indices in 0..16.
    #[inline(always)]
    fn lookup(self, table: Self::F, index: Self::I) -> Self::F {
        let (mut values, mut places, mut found) = ([0.0; LANES], [0; LANES], [0.0; LANES]);
        self.store(table, &mut values);
        self.store_int(index, &mut places);
        for (found, place) in found.iter_mut().zip(places) {
            *found = values[place as usize % LANES];
        }
        self.load(&found)
    }

    /// All lanes 0.
    fn zero_f64(self) -> Self::D;
    /// acc + the lanes of x widened to f64.
    fn add_widened(self, acc: Self::D, x: Self::F) -> Self::D;
    /// The sum of the lanes: +8, +4, +2, +1.
    fn tree_f64(self, a: Self::D) -> f64;
    /// All lanes `x`.
    fn splat_f64(self, x: f64) -> Self::D;
    /// Lane i from `x[i]`.
    fn load_f64(self, x: &[f64; LANES]) -> Self::D;
    /// Lane i to `y[i]`.
    fn store_f64(self, x: Self::D, y: &mut [f64; LANES]);
    /// a + b.
    fn add_f64(self, a: Self::D, b: Self::D) -> Self::D;
    /// a - b.
    fn sub_f64(self, a: Self::D, b: Self::D) -> Self::D;
    /// a * b.
    fn mul_f64(self, a: Self::D, b: Self::D) -> Self::D;
    /// a / b, correctly rounded.
    fn div_f64(self, a: Self::D, b: Self::D) -> Self::D;
    /// a where a > b, else b.
    fn max_f64(self, a: Self::D, b: Self::D) -> Self::D;
    /// a where a < b, else b.
    fn min_f64(self, a: Self::D, b: Self::D) -> Self::D;
    /// Lane i, an integer of 0..=255, to `y[i]`.
    #[inline(always)]
    fn narrow_f64(self, x: Self::D, y: &mut [u8; LANES]) {
        let mut lanes = [0.0; LANES];
        self.store_f64(x, &mut lanes);
        for (byte, lane) in y.iter_mut().zip(lanes) {
            *byte = crate::grid::nearest_integer(lane) as u8;
        }
    }

    /// The first `x.len()` lanes from x (at most 16), the others 0.
    #[inline(always)]
    fn load_partial(self, x: &[f32]) -> Self::F {
        let mut padded = [0.0; LANES];
        for (slot, &value) in padded.iter_mut().zip(x) {
            *slot = value;
        }
        self.load(&padded)
    }
    /// The first `y.len()` lanes (at most 16) to y.
    #[inline(always)]
    fn store_partial(self, x: Self::F, y: &mut [f32]) {
        let mut padded = [0.0; LANES];
        self.store(x, &mut padded);
        for (slot, &value) in y.iter_mut().zip(&padded) {
            *slot = value;
        }
    }

    /// Whether x > y in every lane; no where one is NaN.
    fn all_greater(self, x: Self::F, y: Self::F) -> bool;
    /// The bits of every lane.
    fn to_bits(self, x: Self::F) -> Self::I;
    /// The low byte of lane i to `y[i]`.
    fn narrow(self, x: Self::I, y: &mut [u8; LANES]);
    /// The least lane. No lane may be NaN, and zeros must have one sign.
    #[inline(always)]
    fn least(self, a: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(a, &mut lanes);
        lanes.into_iter().fold(lanes[0], |least, lane| if lane < least { lane } else { least })
    }
    /// The greatest lane; as `least`.
    #[inline(always)]
    fn greatest(self, a: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(a, &mut lanes);
        lanes.into_iter().fold(lanes[0], |greatest, lane| if lane > greatest { lane } else { greatest })
    }
    /// The bits of lane i as four bytes, little-endian.
    #[inline(always)]
    fn words(self, x: Self::F) -> Self::B {
        let (mut lanes, mut bytes) = ([0.0f32; LANES], [0; 4 * LANES]);
        self.store(x, &mut lanes);
        for (word, lane) in bytes.as_chunks_mut().0.iter_mut().zip(lanes) {
            *word = lane.to_le_bytes();
        }
        self.load_bytes(&bytes)
    }
    /// The f32 whose bits lane i has, little-endian.
    #[inline(always)]
    fn floats(self, x: Self::B) -> Self::F {
        let mut bytes = [0; 4 * LANES];
        self.store_bytes(x, &mut bytes);
        self.load_f32(&bytes)
    }
    /// Asks for the cache line of `at`, wherever that is: a hint, nothing is read.
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        _ = at;
    }
    /// Lane j of result i is lane i of `rows[j]`, four bytes each.
    #[inline(always)]
    fn transpose(self, rows: [Self::B; LANES]) -> [Self::B; LANES] {
        let mut transposed = [[[0u8; 4]; LANES]; LANES];
        let mut row = [0; 4 * LANES];
        for (j, words) in rows.into_iter().enumerate() {
            self.store_bytes(words, &mut row);
            for (column, word) in transposed.iter_mut().zip(row.as_chunks::<4>().0) {
                column[j] = *word;
            }
        }
        let mut columns = rows;
        for (column, words) in columns.iter_mut().zip(&transposed) {
            row.copy_from_slice(words.as_flattened());
            *column = self.load_bytes(&row);
        }
        columns
    }
}
