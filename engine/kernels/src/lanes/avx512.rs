//! Sixteen lanes in one AVX-512 register; byte products by `vpdpbusd` (VNNI).
//!
//! Differs from scalar in: `dot_u8` and `dot_u4` are one instruction, exact because it does not saturate.

use super::{LANES, Lanes};
use std::arch::x86_64::*;

/// AVX-512 F, BW, DQ, VL and VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The processor must have avx512f, avx512bw, avx512dq, avx512vl, avx512vnni and f16c.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        Self(())
    }
}

/// Every method body: an intrinsic whose instruction set the proof value guarantees.
macro_rules! present {
    ($e:expr) => {
        // SAFETY: a value of `Avx512` exists only where the instruction set does; loads and stores stay inside
        // the referenced arrays.
        unsafe { $e }
    };
}

impl Lanes for Avx512 {
    type F = __m512;
    type I = __m512i;
    type D = (__m512d, __m512d);
    type B = __m512i;
    type N = __m512i;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        present!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::F {
        present!(_mm512_loadu_ps(x.as_ptr()))
    }
    #[inline(always)]
    fn store(self, x: Self::F, y: &mut [f32; LANES]) {
        present!(_mm512_storeu_ps(y.as_mut_ptr(), x))
    }
    #[inline(always)]
    fn load_f32(self, x: &[u8; 64]) -> Self::F {
        present!(_mm512_loadu_ps(x.as_ptr().cast()))
    }
    #[inline(always)]
    fn load_bf16(self, x: &[u8; 32]) -> Self::F {
        present!(_mm512_castsi512_ps(upper_halves(_mm512_castsi256_si512(_mm256_loadu_si256(x.as_ptr().cast())))))
    }
    #[inline(always)]
    fn load_f16(self, x: &[u8; 32]) -> Self::F {
        present!(_mm512_cvtph_ps(_mm256_loadu_si256(x.as_ptr().cast())))
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        present!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        present!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        present!(_mm512_mul_ps(a, b))
    }
    #[cfg(feature = "free_order")]
    #[inline(always)]
    fn accumulate(self, acc: Self::F, a: Self::F, b: Self::F) -> Self::F {
        present!(_mm512_fmadd_ps(a, b, acc))
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        present!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        present!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        present!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        present!(_mm512_and_ps(a, _mm512_castsi512_ps(_mm512_set1_epi32(0x7fff_ffff))))
    }
    #[inline(always)]
    fn copy_sign(self, a: Self::F, b: Self::F) -> Self::F {
        present!({
            let sign = _mm512_castsi512_ps(_mm512_set1_epi32(i32::MIN));
            _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b))
        })
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        present!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn select_gt(self, x: Self::F, y: Self::F, a: Self::F, b: Self::F) -> Self::F {
        present!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, y), b, a))
    }
    #[inline(always)]
    fn to_int(self, a: Self::F) -> Self::I {
        present!(_mm512_cvttps_epi32(a))
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        present!(_mm512_cvtepi32_ps(a))
    }
    #[inline(always)]
    fn power_of_two(self, a: Self::I) -> Self::F {
        present!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(a, _mm512_set1_epi32(127)))))
    }
    #[inline(always)]
    fn tree(self, a: Self::F) -> f32 {
        present!({
            let eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }

    #[inline(always)]
    fn tree4(self, a: [Self::F; 4]) -> [f32; 4] {
        // The tree of four vectors at once: halves of two vectors share a register from the first sum on.
        present!({
            let eights = |x, y| _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(x, y), _mm512_shuffle_f32x4::<0xee>(x, y));
            let (ab, cd) = (eights(a[0], a[1]), eights(a[2], a[3]));
            let fours = _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(ab, cd), _mm512_shuffle_f32x4::<0xdd>(ab, cd));
            let twos = _mm512_add_ps(fours, _mm512_permute_ps::<0x4e>(fours));
            let ones = _mm512_add_ps(twos, _mm512_permute_ps::<0xb1>(twos));
            let first = _mm512_maskz_compress_ps(0x1111, ones);
            let mut sums = [0.0; 4];
            _mm_storeu_ps(sums.as_mut_ptr(), _mm512_castps512_ps128(first));
            sums
        })
    }

    #[inline(always)]
    fn tree16(self, a: [[Self::F; 4]; 4]) -> Self::F {
        // Halves of two vectors share a register from the first sum on, quarters of four from the second, and so on:
        // 15 sums for 16 vectors. Quarter i belongs to row i.
        present!({
            let eights = |x, y| _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(x, y), _mm512_shuffle_f32x4::<0xee>(x, y));
            let fours = |j: usize| {
                let (low, high) = (eights(a[0][j], a[1][j]), eights(a[2][j], a[3][j]));
                _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(low, high), _mm512_shuffle_f32x4::<0xdd>(low, high))
            };
            let twos = |x, y| _mm512_add_ps(_mm512_shuffle_ps::<0x44>(x, y), _mm512_shuffle_ps::<0xee>(x, y));
            let (low, high) = (twos(fours(0), fours(1)), twos(fours(2), fours(3)));
            _mm512_add_ps(_mm512_shuffle_ps::<0x88>(low, high), _mm512_shuffle_ps::<0xdd>(low, high))
        })
    }

    #[inline(always)]
    fn splat_int(self, x: i32) -> Self::I {
        present!(_mm512_set1_epi32(x))
    }
    #[inline(always)]
    fn load_int(self, x: &[i32; LANES]) -> Self::I {
        present!(_mm512_loadu_si512(x.as_ptr().cast()))
    }
    #[inline(always)]
    fn store_int(self, x: Self::I, y: &mut [i32; LANES]) {
        present!(_mm512_storeu_si512(y.as_mut_ptr().cast(), x))
    }
    #[inline(always)]
    fn widen_u8(self, x: &[u8; LANES]) -> Self::I {
        present!(_mm512_cvtepu8_epi32(_mm_loadu_si128(x.as_ptr().cast())))
    }
    #[inline(always)]
    fn spread(self, mask: u16, value: i32) -> Self::I {
        present!(_mm512_maskz_set1_epi32(mask, value))
    }
    #[inline(always)]
    fn add_int(self, a: Self::I, b: Self::I) -> Self::I {
        present!(_mm512_add_epi32(a, b))
    }
    #[inline(always)]
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I {
        present!(_mm512_sub_epi32(a, b))
    }
    #[inline(always)]
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I {
        present!(_mm512_mullo_epi32(a, b))
    }
    #[inline(always)]
    fn mul_add_i16(self, acc: Self::I, w: Self::I, x: i16) -> Self::I {
        // Pairs of i16: (w, 0) times (x, x).
        present!(_mm512_dpwssd_epi32(acc, w, _mm512_set1_epi16(x)))
    }
    #[inline(always)]
    fn sum_int(self, a: Self::I) -> i32 {
        present!(_mm512_reduce_add_epi32(a))
    }
    #[inline(always)]
    fn half_int(self, a: Self::I) -> Self::I {
        present!(_mm512_srai_epi32::<1>(a))
    }
    #[inline(always)]
    fn low_half(self, a: Self::I) -> Self::I {
        present!(_mm512_and_si512(a, _mm512_set1_epi32(15)))
    }
    #[inline(always)]
    fn high_half(self, a: Self::I) -> Self::I {
        present!(_mm512_srai_epi32::<4>(a))
    }

    #[inline(always)]
    fn load_bytes(self, x: &[u8; 64]) -> Self::B {
        present!(_mm512_loadu_si512(x.as_ptr().cast()))
    }
    #[inline(always)]
    fn store_bytes(self, x: Self::B, y: &mut [u8; 64]) {
        present!(_mm512_storeu_si512(y.as_mut_ptr().cast(), x))
    }
    #[inline(always)]
    fn splat_bytes(self, x: [i8; 4]) -> Self::B {
        present!(_mm512_set1_epi32(i32::from_le_bytes(x.map(|b| b as u8))))
    }
    #[inline(always)]
    fn field<const N: i32>(self, x: Self::B, mask: u8) -> Self::B {
        present!({
            let count = _mm_cvtsi32_si128(N);
            _mm512_and_si512(_mm512_srl_epi16(x, count), _mm512_set1_epi8((mask & (0xff >> N)) as i8))
        })
    }
    #[inline(always)]
    fn join<const N: i32>(self, low: Self::B, high: Self::B) -> Self::B {
        present!({
            let count = _mm_cvtsi32_si128(N);
            let kept = _mm512_and_si512(high, _mm512_set1_epi8((0xffu8 >> N) as i8));
            _mm512_or_si512(low, _mm512_sll_epi16(kept, count))
        })
    }
    #[inline(always)]
    fn dot_u8(self, acc: Self::I, w: Self::B, x: Self::B) -> Self::I {
        present!(_mm512_dpbusd_epi32(acc, w, x))
    }
    #[inline(always)]
    fn open(self, acc: Self::I) -> Self::N {
        acc
    }
    #[inline(always)]
    fn dot_u4(self, sums: Self::N, w: Self::B, x: Self::B) -> Self::N {
        self.dot_u8(sums, w, x)
    }
    #[inline(always)]
    fn close(self, _acc: Self::I, sums: Self::N) -> Self::I {
        sums
    }
    #[inline(always)]
    fn third_bit<const N: i32>(self, low: Self::B, high: Self::B) -> Self::B {
        // One shift brings bit N to bit 2 of its byte, one ternary operation masks and joins: low | (shifted & 4).
        present!({
            let (left, right) = (_mm_cvtsi32_si128((2 - N).max(0)), _mm_cvtsi32_si128((N - 2).max(0)));
            let shifted = if N < 2 { _mm512_sll_epi16(high, left) } else { _mm512_srl_epi16(high, right) };
            _mm512_ternarylogic_epi32::<0xf8>(low, shifted, _mm512_set1_epi8(4))
        })
    }
    #[inline(always)]
    fn byte<const J: i32>(self, x: Self::B) -> Self::I {
        present!({
            let count = _mm_cvtsi32_si128(8 * J);
            _mm512_and_si512(_mm512_srl_epi32(x, count), _mm512_set1_epi32(0xff))
        })
    }
    #[inline(always)]
    fn lookup(self, table: Self::F, index: Self::I) -> Self::F {
        present!(_mm512_permutexvar_ps(index, table))
    }

    #[inline(always)]
    fn zero_f64(self) -> Self::D {
        present!((_mm512_setzero_pd(), _mm512_setzero_pd()))
    }
    #[inline(always)]
    fn add_widened(self, acc: Self::D, x: Self::F) -> Self::D {
        present!((
            _mm512_add_pd(acc.0, _mm512_cvtps_pd(_mm512_castps512_ps256(x))),
            _mm512_add_pd(acc.1, _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(x)))
        ))
    }
    #[inline(always)]
    fn tree_f64(self, a: Self::D) -> f64 {
        present!({
            let eight = _mm512_add_pd(a.0, a.1);
            let four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd::<1>(eight));
            let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        })
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> Self::D {
        let x = present!(_mm512_set1_pd(x));
        (x, x)
    }
    #[inline(always)]
    fn load_f64(self, x: &[f64; LANES]) -> Self::D {
        present!((_mm512_loadu_pd(x.as_ptr()), _mm512_loadu_pd(x.as_ptr().add(8))))
    }
    #[inline(always)]
    fn store_f64(self, x: Self::D, y: &mut [f64; LANES]) {
        present!({
            _mm512_storeu_pd(y.as_mut_ptr(), x.0);
            _mm512_storeu_pd(y.as_mut_ptr().add(8), x.1);
        })
    }
    #[inline(always)]
    fn add_f64(self, a: Self::D, b: Self::D) -> Self::D {
        present!((_mm512_add_pd(a.0, b.0), _mm512_add_pd(a.1, b.1)))
    }
    #[inline(always)]
    fn sub_f64(self, a: Self::D, b: Self::D) -> Self::D {
        present!((_mm512_sub_pd(a.0, b.0), _mm512_sub_pd(a.1, b.1)))
    }
    #[inline(always)]
    fn mul_f64(self, a: Self::D, b: Self::D) -> Self::D {
        present!((_mm512_mul_pd(a.0, b.0), _mm512_mul_pd(a.1, b.1)))
    }
    #[inline(always)]
    fn div_f64(self, a: Self::D, b: Self::D) -> Self::D {
        present!((_mm512_div_pd(a.0, b.0), _mm512_div_pd(a.1, b.1)))
    }
    #[inline(always)]
    fn max_f64(self, a: Self::D, b: Self::D) -> Self::D {
        present!((_mm512_max_pd(a.0, b.0), _mm512_max_pd(a.1, b.1)))
    }
    #[inline(always)]
    fn min_f64(self, a: Self::D, b: Self::D) -> Self::D {
        present!((_mm512_min_pd(a.0, b.0), _mm512_min_pd(a.1, b.1)))
    }
    #[inline(always)]
    fn narrow_f64(self, x: Self::D, y: &mut [u8; LANES]) {
        present!({
            let low = _mm512_castsi256_si512(_mm512_cvttpd_epi32(x.0));
            let words = _mm512_inserti32x8::<1>(low, _mm512_cvttpd_epi32(x.1));
            _mm_storeu_si128(y.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(words));
        })
    }

    #[inline(always)]
    fn load_partial(self, x: &[f32]) -> Self::F {
        let mask = low_lanes(x.len());
        // SAFETY: as above; masked-off lanes are not read.
        unsafe { _mm512_maskz_loadu_ps(mask, x.as_ptr()) }
    }
    #[inline(always)]
    fn store_partial(self, x: Self::F, y: &mut [f32]) {
        let mask = low_lanes(y.len());
        // SAFETY: as above; masked-off lanes are not written.
        unsafe { _mm512_mask_storeu_ps(y.as_mut_ptr(), mask, x) }
    }

    #[inline(always)]
    fn words(self, x: Self::F) -> Self::B {
        present!(_mm512_castps_si512(x))
    }
    #[inline(always)]
    fn floats(self, x: Self::B) -> Self::F {
        present!(_mm512_castsi512_ps(x))
    }

    #[inline(always)]
    fn all_greater(self, x: Self::F, y: Self::F) -> bool {
        present!(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, y) == !0)
    }
    #[inline(always)]
    fn to_bits(self, x: Self::F) -> Self::I {
        present!(_mm512_castps_si512(x))
    }
    #[inline(always)]
    fn narrow(self, x: Self::I, y: &mut [u8; LANES]) {
        present!(_mm_storeu_si128(y.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(x)))
    }
    #[inline(always)]
    fn least(self, a: Self::F) -> f32 {
        present!(_mm512_reduce_min_ps(a))
    }
    #[inline(always)]
    fn greatest(self, a: Self::F) -> f32 {
        present!(_mm512_reduce_max_ps(a))
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        // SAFETY: a prefetch is no access: any address may be given.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    fn transpose(self, rows: [Self::B; LANES]) -> [Self::B; LANES] {
        // Words within quarters of a register first, four rows at a time, then the quarters.
        let mut four = [[self.splat_int(0); 4]; 4];
        for (i, four) in four.iter_mut().enumerate() {
            let [a, b, c, d] = [rows[4 * i], rows[4 * i + 1], rows[4 * i + 2], rows[4 * i + 3]];
            *four = present!({
                let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
                let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
                [
                    _mm512_unpacklo_epi64(ab_low, cd_low),
                    _mm512_unpackhi_epi64(ab_low, cd_low),
                    _mm512_unpacklo_epi64(ab_high, cd_high),
                    _mm512_unpackhi_epi64(ab_high, cd_high),
                ]
            });
        }
        let mut columns = rows;
        for c in 0..4 {
            present!({
                let even = _mm512_shuffle_i32x4::<0x88>(four[0][c], four[1][c]);
                let odd = _mm512_shuffle_i32x4::<0xdd>(four[0][c], four[1][c]);
                let even_after = _mm512_shuffle_i32x4::<0x88>(four[2][c], four[3][c]);
                let odd_after = _mm512_shuffle_i32x4::<0xdd>(four[2][c], four[3][c]);
                columns[c] = _mm512_shuffle_i32x4::<0x88>(even, even_after);
                columns[c + 4] = _mm512_shuffle_i32x4::<0x88>(odd, odd_after);
                columns[c + 8] = _mm512_shuffle_i32x4::<0xdd>(even, even_after);
                columns[c + 12] = _mm512_shuffle_i32x4::<0xdd>(odd, odd_after);
            })
        }
        columns
    }
}

/// A mask of the first `count` lanes, all of them from 16 on.
#[inline(always)]
fn low_lanes(count: usize) -> __mmask16 {
    if count >= LANES { !0 } else { (1 << count) - 1 }
}

/// Word i of the lower half of `words` in the upper half of lane i, zeros below it, in one instruction: what two
/// intrinsics, or one that the compiler splits, take two for. Widening bfloat16 must not cost ports that products need.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn upper_halves(words: __m512i) -> __m512i {
    const WORDS: [u16; 32] = {
        let mut index = [0; 32];
        let mut i = 0;
        while i < 32 {
            index[i] = i as u16 / 2;
            i += 1;
        }
        index
    };
    let upper: __mmask32 = 0xaaaa_aaaa;
    let widened;
    // SAFETY: AVX-512 BW is enabled here; only the registers named are touched, and the table is 64 bytes.
    unsafe {
        let index = _mm512_loadu_si512(WORDS.as_ptr().cast());
        std::arch::asm!(
            "vpermw {widened}{{{upper}}}{{z}}, {index}, {words}",
            widened = lateout(zmm_reg) widened,
            upper = in(kreg) upper,
            index = in(zmm_reg) index,
            words = in(zmm_reg) words,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    widened
}
