//! Sixteen lanes in two AVX registers, lanes 0 to 7 and 8 to 15; byte products by `vpmaddubsw` and `vpmaddwd`.
//!
//! Differs from scalar in: `vpmaddubsw` adds two products in i16 and saturates, so what is exact depends on the codes.
//! * Codes up to 15: sixteen products are at most 16 * 15 * 127 = 30480. `dot_u4` adds in i16, two instructions for 32
//!   products, and `close` widens once for up to eight steps (18 for codes up to 7, 42 for codes up to 3).
//! * Codes up to 255: one product may be 255 * 127, two do not fit. Of w - 128 they do, 2 * 128 * 127 = 32512, with the
//!   magnitude as the unsigned operand and its sign given to x; but not four. So every sum has to be widened at once, by
//!   `vpmaddwd`: two multiplications for 32 products where codes up to 15 need one, four instructions where those need
//!   two. Any way of splitting the operands comes to this: 16-bit halves of w are two `vpmaddwd`, and its nibbles two
//!   `vpmaddubsw`. Exactness caps w8 at half of the rate of `vpmaddubsw`.

use super::{LANES, Lanes};
use std::arch::x86_64::*;
use std::sync::atomic::{Ordering, compiler_fence};

/// AVX2 and F16C.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The processor must have avx2 and f16c (and fma with `free_order`).
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        Self(())
    }
}

/// Every method body: intrinsics whose instruction set the proof value guarantees.
macro_rules! present {
    ($e:expr) => {
        // SAFETY: a value of `Avx2` exists only where the instruction set does; loads and stores stay inside the
        // referenced arrays.
        unsafe { $e }
    };
}

/// The same intrinsic on both halves.
macro_rules! halves {
    ($f:path, $a:expr) => {
        present!(($f($a.0), $f($a.1)))
    };
    ($f:path, $a:expr, $b:expr) => {
        present!(($f($a.0, $b.0), $f($a.1, $b.1)))
    };
}

/// The same intrinsic on the four registers of sixteen f64.
macro_rules! quarters {
    ($f:path, $a:expr, $b:expr) => {
        present!(($f($a.0, $b.0), $f($a.1, $b.1), $f($a.2, $b.2), $f($a.3, $b.3)))
    };
}

impl Lanes for Avx2 {
    type F = (__m256, __m256);
    type I = (__m256i, __m256i);
    type D = (__m256d, __m256d, __m256d, __m256d);
    type B = (__m256i, __m256i);
    type N = (__m256i, __m256i);
    const CENTRE: i32 = 128;
    const NARROW: bool = true;
    const UNROLL: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        present!((_mm256_set1_ps(x), _mm256_set1_ps(x)))
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::F {
        present!((_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))))
    }
    #[inline(always)]
    fn store(self, x: Self::F, y: &mut [f32; LANES]) {
        present!({
            _mm256_storeu_ps(y.as_mut_ptr(), x.0);
            _mm256_storeu_ps(y.as_mut_ptr().add(8), x.1)
        })
    }
    #[inline(always)]
    fn load_f32(self, x: &[u8; 64]) -> Self::F {
        present!((_mm256_loadu_ps(x.as_ptr().cast()), _mm256_loadu_ps(x.as_ptr().add(32).cast())))
    }
    #[inline(always)]
    fn load_bf16(self, x: &[u8; 32]) -> Self::F {
        present!({
            let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(x.as_ptr().cast()));
            let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(x.as_ptr().add(16).cast()));
            (_mm256_castsi256_ps(_mm256_slli_epi32::<16>(low)), _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high)))
        })
    }
    #[inline(always)]
    fn load_f16(self, x: &[u8; 32]) -> Self::F {
        present!((
            _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast())),
            _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().add(16).cast()))
        ))
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_add_ps, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_sub_ps, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_mul_ps, a, b)
    }
    #[cfg(feature = "free_order")]
    #[inline(always)]
    fn accumulate(self, acc: Self::F, a: Self::F, b: Self::F) -> Self::F {
        present!((_mm256_fmadd_ps(a.0, b.0, acc.0), _mm256_fmadd_ps(a.1, b.1, acc.1)))
    }
    #[inline(always)]
    unsafe fn accumulate_tile<const R: usize, const T: usize>(
        self,
        acc: &mut [[Self::F; R]; T],
        w: *const f32,
        w_stride: usize,
        x: *const f32,
        x_stride: usize,
    ) {
        // Lanes 0 to 7 of the whole tile, then 8 to 15: for both at once there are too few registers. The fence keeps the
        // compiler from loading the second half earlier.
        macro_rules! half {
            ($half:tt) => {
                let mut weights = [present!(_mm256_setzero_ps()); R];
                for r in 0..R {
                    // SAFETY: as promised; numbers at any alignment.
                    weights[r] = unsafe { _mm256_loadu_ps(w.add(r * w_stride + 8 * $half)) };
                }
                for t in 0..T {
                    // SAFETY: as above.
                    let v = unsafe { _mm256_loadu_ps(x.add(t * x_stride + 8 * $half)) };
                    for r in 0..R {
                        acc[t][r].$half = present!(_mm256_add_ps(acc[t][r].$half, _mm256_mul_ps(weights[r], v)));
                    }
                }
            };
        }
        half!(0);
        compiler_fence(Ordering::SeqCst);
        half!(1);
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_div_ps, a, b)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_max_ps, a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_min_ps, a, b)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        let magnitude = self.splat(f32::from_bits(0x7fff_ffff));
        halves!(_mm256_and_ps, a, magnitude)
    }
    #[inline(always)]
    fn copy_sign(self, a: Self::F, b: Self::F) -> Self::F {
        let sign = self.splat(-0.0);
        let magnitude = halves!(_mm256_andnot_ps, sign, a);
        let sign = halves!(_mm256_and_ps, sign, b);
        halves!(_mm256_or_ps, magnitude, sign)
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        halves!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>, a)
    }
    #[inline(always)]
    fn select_gt(self, x: Self::F, y: Self::F, a: Self::F, b: Self::F) -> Self::F {
        let greater = halves!(_mm256_cmp_ps::<_CMP_GT_OQ>, x, y);
        present!((_mm256_blendv_ps(b.0, a.0, greater.0), _mm256_blendv_ps(b.1, a.1, greater.1)))
    }
    #[inline(always)]
    fn to_int(self, a: Self::F) -> Self::I {
        halves!(_mm256_cvttps_epi32, a)
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        halves!(_mm256_cvtepi32_ps, a)
    }
    #[inline(always)]
    fn power_of_two(self, a: Self::I) -> Self::F {
        let biased = self.add_int(a, self.splat_int(127));
        let placed = halves!(_mm256_slli_epi32::<23>, biased);
        halves!(_mm256_castsi256_ps, placed)
    }
    #[inline(always)]
    fn tree(self, a: Self::F) -> f32 {
        present!({
            let eight = _mm256_add_ps(a.0, a.1);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }

    #[inline(always)]
    fn tree16(self, a: [[Self::F; 4]; 4]) -> Self::F {
        // As in `avx512`: from the second sum on, halves of a register belong to one row each. Loops, as closures that
        // call closures are not inlined.
        let mut halves = [present!(_mm256_setzero_ps()); 2];
        for (half, sums) in halves.iter_mut().enumerate() {
            let mut fours = [*sums; 4];
            for j in 0..4 {
                let (x, y) = (a[2 * half][j], a[2 * half + 1][j]);
                fours[j] = present!({
                    let (x, y) = (_mm256_add_ps(x.0, x.1), _mm256_add_ps(y.0, y.1));
                    _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(x, y), _mm256_permute2f128_ps::<0x31>(x, y))
                });
            }
            *sums = present!({
                let [a, b, c, d] = fours;
                let low = _mm256_add_ps(_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b));
                let high = _mm256_add_ps(_mm256_shuffle_ps::<0x44>(c, d), _mm256_shuffle_ps::<0xee>(c, d));
                _mm256_add_ps(_mm256_shuffle_ps::<0x88>(low, high), _mm256_shuffle_ps::<0xdd>(low, high))
            });
        }
        (halves[0], halves[1])
    }

    #[inline(always)]
    fn splat_int(self, x: i32) -> Self::I {
        present!((_mm256_set1_epi32(x), _mm256_set1_epi32(x)))
    }
    #[inline(always)]
    fn load_int(self, x: &[i32; LANES]) -> Self::I {
        present!((_mm256_loadu_si256(x.as_ptr().cast()), _mm256_loadu_si256(x.as_ptr().add(8).cast())))
    }
    #[inline(always)]
    fn store_int(self, x: Self::I, y: &mut [i32; LANES]) {
        present!({
            _mm256_storeu_si256(y.as_mut_ptr().cast(), x.0);
            _mm256_storeu_si256(y.as_mut_ptr().add(8).cast(), x.1)
        })
    }
    #[inline(always)]
    fn widen_u8(self, x: &[u8; LANES]) -> Self::I {
        present!({
            let bytes = _mm_loadu_si128(x.as_ptr().cast());
            (_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes)))
        })
    }
    #[inline(always)]
    fn spread(self, mask: u16, value: i32) -> Self::I {
        present!({
            let (mask, value) = (_mm256_set1_epi32(i32::from(mask)), _mm256_set1_epi32(value));
            let low = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let bits = [low, _mm256_slli_epi32::<8>(low)];
            let [a, b] =
                bits.map(|bits| _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_and_si256(mask, bits), bits), value));
            (a, b)
        })
    }
    #[inline(always)]
    fn add_int(self, a: Self::I, b: Self::I) -> Self::I {
        halves!(_mm256_add_epi32, a, b)
    }
    #[inline(always)]
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I {
        halves!(_mm256_sub_epi32, a, b)
    }
    #[inline(always)]
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I {
        halves!(_mm256_mullo_epi32, a, b)
    }
    #[inline(always)]
    fn mul_add_i16(self, acc: Self::I, w: Self::I, x: i16) -> Self::I {
        // Pairs of i16: (w, 0) times (x, x).
        let x = present!((_mm256_set1_epi16(x), _mm256_set1_epi16(x)));
        let products = halves!(_mm256_madd_epi16, w, x);
        self.add_int(acc, products)
    }
    #[inline(always)]
    fn half_int(self, a: Self::I) -> Self::I {
        halves!(_mm256_srai_epi32::<1>, a)
    }
    #[inline(always)]
    fn low_half(self, a: Self::I) -> Self::I {
        halves!(_mm256_and_si256, a, self.splat_int(15))
    }
    #[inline(always)]
    fn high_half(self, a: Self::I) -> Self::I {
        halves!(_mm256_srai_epi32::<4>, a)
    }

    #[inline(always)]
    fn load_bytes(self, x: &[u8; 64]) -> Self::B {
        present!((_mm256_loadu_si256(x.as_ptr().cast()), _mm256_loadu_si256(x.as_ptr().add(32).cast())))
    }
    #[inline(always)]
    fn store_bytes(self, x: Self::B, y: &mut [u8; 64]) {
        present!({
            _mm256_storeu_si256(y.as_mut_ptr().cast(), x.0);
            _mm256_storeu_si256(y.as_mut_ptr().add(32).cast(), x.1)
        })
    }
    #[inline(always)]
    fn splat_bytes(self, x: [i8; 4]) -> Self::B {
        self.splat_int(i32::from_le_bytes(x.map(|b| b as u8)))
    }
    #[inline(always)]
    fn field<const N: i32>(self, x: Self::B, mask: u8) -> Self::B {
        // Words are shifted, so the mask also drops what came from the byte above.
        present!({
            let mask = _mm256_set1_epi8((mask & (0xff >> N)) as i8);
            (_mm256_and_si256(_mm256_srli_epi16::<N>(x.0), mask), _mm256_and_si256(_mm256_srli_epi16::<N>(x.1), mask))
        })
    }
    #[inline(always)]
    fn join<const N: i32>(self, low: Self::B, high: Self::B) -> Self::B {
        present!({
            let kept = _mm256_set1_epi8((0xffu8 >> N) as i8);
            (
                _mm256_or_si256(low.0, _mm256_slli_epi16::<N>(_mm256_and_si256(high.0, kept))),
                _mm256_or_si256(low.1, _mm256_slli_epi16::<N>(_mm256_and_si256(high.1, kept))),
            )
        })
    }
    #[inline(always)]
    fn dot_u8(self, acc: Self::I, w: Self::B, x: Self::B) -> Self::I {
        // |w - 128| times x with the sign of w - 128.
        let (ones, centre) = present!((_mm256_set1_epi16(1), _mm256_set1_epi8(-128)));
        let centred = present!((_mm256_xor_si256(w.0, centre), _mm256_xor_si256(w.1, centre)));
        let magnitude = halves!(_mm256_abs_epi8, centred);
        let signed = halves!(_mm256_sign_epi8, x, centred);
        let products = halves!(_mm256_maddubs_epi16, magnitude, signed);
        self.add_int(acc, present!((_mm256_madd_epi16(products.0, ones), _mm256_madd_epi16(products.1, ones))))
    }
    #[inline(always)]
    fn open(self, _acc: Self::I) -> Self::N {
        self.splat_int(0)
    }
    #[inline(always)]
    fn dot_u4(self, sums: Self::N, w: Self::B, x: Self::B) -> Self::N {
        let products = halves!(_mm256_maddubs_epi16, w, x);
        halves!(_mm256_add_epi16, sums, products)
    }
    #[inline(always)]
    fn close(self, acc: Self::I, sums: Self::N) -> Self::I {
        let ones = present!((_mm256_set1_epi16(1), _mm256_set1_epi16(1)));
        let widened = halves!(_mm256_madd_epi16, sums, ones);
        self.add_int(acc, widened)
    }
    #[inline(always)]
    fn byte<const J: i32>(self, x: Self::B) -> Self::I {
        present!({
            let (count, mask) = (_mm_cvtsi32_si128(8 * J), _mm256_set1_epi32(0xff));
            (_mm256_and_si256(_mm256_srl_epi32(x.0, count), mask), _mm256_and_si256(_mm256_srl_epi32(x.1, count), mask))
        })
    }
    #[inline(always)]
    fn lookup(self, table: Self::F, index: Self::I) -> Self::F {
        // Bit 3 of an index, as the sign, says which half of the table it means.
        present!({
            let [a, b] = [index.0, index.1].map(|index| {
                let (low, high) = (_mm256_permutevar8x32_ps(table.0, index), _mm256_permutevar8x32_ps(table.1, index));
                _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index)))
            });
            (a, b)
        })
    }

    #[inline(always)]
    fn zero_f64(self) -> Self::D {
        present!((_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()))
    }
    #[inline(always)]
    fn add_widened(self, acc: Self::D, x: Self::F) -> Self::D {
        present!((
            _mm256_add_pd(acc.0, _mm256_cvtps_pd(_mm256_castps256_ps128(x.0))),
            _mm256_add_pd(acc.1, _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x.0))),
            _mm256_add_pd(acc.2, _mm256_cvtps_pd(_mm256_castps256_ps128(x.1))),
            _mm256_add_pd(acc.3, _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x.1)))
        ))
    }
    #[inline(always)]
    fn tree_f64(self, a: Self::D) -> f64 {
        present!({
            let four = _mm256_add_pd(_mm256_add_pd(a.0, a.2), _mm256_add_pd(a.1, a.3));
            let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        })
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> Self::D {
        present!((_mm256_set1_pd(x), _mm256_set1_pd(x), _mm256_set1_pd(x), _mm256_set1_pd(x)))
    }
    #[inline(always)]
    fn load_f64(self, x: &[f64; LANES]) -> Self::D {
        let x = x.as_ptr();
        present!((_mm256_loadu_pd(x), _mm256_loadu_pd(x.add(4)), _mm256_loadu_pd(x.add(8)), _mm256_loadu_pd(x.add(12))))
    }
    #[inline(always)]
    fn store_f64(self, x: Self::D, y: &mut [f64; LANES]) {
        let y = y.as_mut_ptr();
        present!({
            _mm256_storeu_pd(y, x.0);
            _mm256_storeu_pd(y.add(4), x.1);
            _mm256_storeu_pd(y.add(8), x.2);
            _mm256_storeu_pd(y.add(12), x.3);
        })
    }
    #[inline(always)]
    fn add_f64(self, a: Self::D, b: Self::D) -> Self::D {
        quarters!(_mm256_add_pd, a, b)
    }
    #[inline(always)]
    fn sub_f64(self, a: Self::D, b: Self::D) -> Self::D {
        quarters!(_mm256_sub_pd, a, b)
    }
    #[inline(always)]
    fn mul_f64(self, a: Self::D, b: Self::D) -> Self::D {
        quarters!(_mm256_mul_pd, a, b)
    }
    #[inline(always)]
    fn div_f64(self, a: Self::D, b: Self::D) -> Self::D {
        quarters!(_mm256_div_pd, a, b)
    }
    #[inline(always)]
    fn max_f64(self, a: Self::D, b: Self::D) -> Self::D {
        quarters!(_mm256_max_pd, a, b)
    }
    #[inline(always)]
    fn min_f64(self, a: Self::D, b: Self::D) -> Self::D {
        quarters!(_mm256_min_pd, a, b)
    }

    #[inline(always)]
    fn load_partial(self, x: &[f32]) -> Self::F {
        let mask = low_lanes(self, x.len());
        // SAFETY: as above; masked-off lanes are not read.
        unsafe { (_mm256_maskload_ps(x.as_ptr(), mask.0), _mm256_maskload_ps(x.as_ptr().wrapping_add(8), mask.1)) }
    }
    #[inline(always)]
    fn store_partial(self, x: Self::F, y: &mut [f32]) {
        let mask = low_lanes(self, y.len());
        // SAFETY: as above; masked-off lanes are not written.
        unsafe {
            _mm256_maskstore_ps(y.as_mut_ptr(), mask.0, x.0);
            _mm256_maskstore_ps(y.as_mut_ptr().wrapping_add(8), mask.1, x.1);
        }
    }

    #[inline(always)]
    fn all_greater(self, x: Self::F, y: Self::F) -> bool {
        let greater = halves!(_mm256_cmp_ps::<_CMP_GT_OQ>, x, y);
        present!(_mm256_movemask_ps(_mm256_and_ps(greater.0, greater.1)) == 0xff)
    }
    #[inline(always)]
    fn to_bits(self, x: Self::F) -> Self::I {
        halves!(_mm256_castps_si256, x)
    }
    #[inline(always)]
    fn narrow(self, x: Self::I, y: &mut [u8; LANES]) {
        present!({
            // The packs saturate, so all but the low byte goes first; they work on quarters, put in order at the end.
            let low_byte = _mm256_set1_epi32(0xff);
            let words = _mm256_packus_epi32(_mm256_and_si256(x.0, low_byte), _mm256_and_si256(x.1, low_byte));
            let bytes = _mm256_packus_epi16(words, words);
            let ordered = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5));
            _mm_storeu_si128(y.as_mut_ptr().cast(), _mm256_castsi256_si128(ordered))
        })
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        // SAFETY: a prefetch is no access: any address may be given.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    fn transpose(self, rows: [Self::B; LANES]) -> [Self::B; LANES] {
        let mut columns = rows;
        for half in 0..2 {
            // Of eight rows: words 0 to 7 to the first eight results, 8 to 15 to the others.
            let [mut left, mut right] = [[rows[0].0; 8]; 2];
            for i in 0..8 {
                (left[i], right[i]) = rows[8 * half + i];
            }
            let (left, right) = (transpose_eight(left), transpose_eight(right));
            for i in 0..8 {
                match half {
                    0 => (columns[i].0, columns[i + 8].0) = (left[i], right[i]),
                    _ => (columns[i].1, columns[i + 8].1) = (left[i], right[i]),
                }
            }
        }
        columns
    }
}

/// All bits set in the first `count` lanes, in all of them from 16 on.
#[inline(always)]
fn low_lanes(s: Avx2, count: usize) -> (__m256i, __m256i) {
    let count = s.splat_int(count.min(LANES) as i32);
    let index = s.load_int(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    halves!(_mm256_cmpgt_epi32, count, index)
}

/// Word j of result i is word i of `rows[j]`.
#[inline(always)]
fn transpose_eight(rows: [__m256i; 8]) -> [__m256i; 8] {
    // Words within halves of a register first, four rows at a time, then the halves.
    let mut four = [[rows[0]; 4]; 2];
    for (i, four) in four.iter_mut().enumerate() {
        let [a, b, c, d] = [rows[4 * i], rows[4 * i + 1], rows[4 * i + 2], rows[4 * i + 3]];
        *four = present!({
            let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
            [
                _mm256_unpacklo_epi64(ab_low, cd_low),
                _mm256_unpackhi_epi64(ab_low, cd_low),
                _mm256_unpacklo_epi64(ab_high, cd_high),
                _mm256_unpackhi_epi64(ab_high, cd_high),
            ]
        });
    }
    let mut columns = rows;
    for c in 0..4 {
        present!({
            columns[c] = _mm256_permute2x128_si256::<0x20>(four[0][c], four[1][c]);
            columns[c + 4] = _mm256_permute2x128_si256::<0x31>(four[0][c], four[1][c]);
        })
    }
    columns
}
