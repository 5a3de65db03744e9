//! Sixteen lanes in two portable vectors of eight, for targets without a file of their own.
//!
//! Differs from scalar in: rounding adds and subtracts 2^23 (`wide` rounds halves away from zero, or loses the sign of
//! a zero, depending on the target); selection is by bits. Bytes and halves are the scalar code. Of `wide` only
//! operations whose bits no target feature changes are used: `+ - * /`, comparison, bit operations, conversions.

use super::scalar::Scalar;
use super::{LANES, Lanes};
use wide::{f32x8, f64x4, i32x8};

/// The `wide` crate; always present.
#[derive(Clone, Copy)]
pub(crate) struct Wide;

/// From 2^23 on every f32 is an integer.
const INTEGERS: f32 = 8_388_608.0;

/// Sixteen elements as the arrays of two vectors.
#[inline(always)]
fn split<T: Copy>(x: &[T; LANES]) -> ([T; 8], [T; 8]) {
    (std::array::from_fn(|i| x[i]), std::array::from_fn(|i| x[i + 8]))
}

#[inline(always)]
fn floats(x: [f32; LANES]) -> (f32x8, f32x8) {
    let (low, high) = split(&x);
    (f32x8::new(low), f32x8::new(high))
}

#[inline(always)]
fn integers(x: [i32; LANES]) -> (i32x8, i32x8) {
    let (low, high) = split(&x);
    (i32x8::new(low), i32x8::new(high))
}

#[inline(always)]
fn integer_array(x: (i32x8, i32x8)) -> [i32; LANES] {
    let (low, high) = (x.0.to_array(), x.1.to_array());
    std::array::from_fn(|i| if i < 8 { low[i] } else { high[i - 8] })
}

/// a where x > y, else b; false where one is NaN.
#[inline(always)]
fn select_greater(x: f32x8, y: f32x8, a: f32x8, b: f32x8) -> f32x8 {
    x.simd_gt(y).bitselect(a, b)
}

/// Magnitude of a, sign bit of b.
#[inline(always)]
fn with_sign(a: f32x8, b: f32x8) -> f32x8 {
    f32x8::splat(-0.0).bitselect(b, a)
}

/// Nearest integer, halves to even: adding 2^23 leaves no bits for a fraction. Larger values, infinities and NaN stay.
#[inline(always)]
fn round(a: f32x8) -> f32x8 {
    let (magnitude, limit) = (with_sign(a, f32x8::splat(0.0)), f32x8::splat(INTEGERS));
    let rounded = with_sign((magnitude + limit) - limit, a);
    select_greater(limit, magnitude, rounded, a)
}

/// 2^a, by placing the exponent.
#[inline(always)]
fn power_of_two(a: i32x8) -> f32x8 {
    f32x8::new((a + i32x8::splat(127)).to_array().map(|biased| f32::from_bits((biased as u32) << 23)))
}

impl Lanes for Wide {
    type F = (f32x8, f32x8);
    type I = (i32x8, i32x8);
    type D = [f64x4; 4];
    type B = [u8; 64];
    type N = Self::I;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        (f32x8::splat(x), f32x8::splat(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::F {
        floats(*x)
    }
    #[inline(always)]
    fn store(self, x: Self::F, y: &mut [f32; LANES]) {
        y[..8].copy_from_slice(x.0.as_array());
        y[8..].copy_from_slice(x.1.as_array());
    }
    #[inline(always)]
    fn load_f32(self, x: &[u8; 64]) -> Self::F {
        floats(Scalar.load_f32(x))
    }
    #[inline(always)]
    fn load_bf16(self, x: &[u8; 32]) -> Self::F {
        floats(Scalar.load_bf16(x))
    }
    #[inline(always)]
    fn load_f16(self, x: &[u8; 32]) -> Self::F {
        floats(Scalar.load_f16(x))
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        (a.0 + b.0, a.1 + b.1)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        (a.0 - b.0, a.1 - b.1)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        (a.0 * b.0, a.1 * b.1)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        (a.0 / b.0, a.1 / b.1)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        self.select_gt(a, b, a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        self.select_gt(b, a, a, b)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        self.copy_sign(a, self.splat(0.0))
    }
    #[inline(always)]
    fn copy_sign(self, a: Self::F, b: Self::F) -> Self::F {
        (with_sign(a.0, b.0), with_sign(a.1, b.1))
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        (round(a.0), round(a.1))
    }
    #[inline(always)]
    fn select_gt(self, x: Self::F, y: Self::F, a: Self::F, b: Self::F) -> Self::F {
        (select_greater(x.0, y.0, a.0, b.0), select_greater(x.1, y.1, a.1, b.1))
    }
    #[inline(always)]
    fn to_int(self, a: Self::F) -> Self::I {
        (a.0.trunc_int(), a.1.trunc_int())
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        (f32x8::from_i32x8(a.0), f32x8::from_i32x8(a.1))
    }
    #[inline(always)]
    fn power_of_two(self, a: Self::I) -> Self::F {
        (power_of_two(a.0), power_of_two(a.1))
    }
    #[inline(always)]
    fn tree(self, a: Self::F) -> f32 {
        let eight = (a.0 + a.1).to_array();
        let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }

    #[inline(always)]
    fn splat_int(self, x: i32) -> Self::I {
        (i32x8::splat(x), i32x8::splat(x))
    }
    #[inline(always)]
    fn load_int(self, x: &[i32; LANES]) -> Self::I {
        integers(*x)
    }
    #[inline(always)]
    fn store_int(self, x: Self::I, y: &mut [i32; LANES]) {
        *y = integer_array(x);
    }
    #[inline(always)]
    fn widen_u8(self, x: &[u8; LANES]) -> Self::I {
        integers(Scalar.widen_u8(x))
    }
    #[inline(always)]
    fn add_int(self, a: Self::I, b: Self::I) -> Self::I {
        (a.0 + b.0, a.1 + b.1)
    }
    #[inline(always)]
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I {
        (a.0 - b.0, a.1 - b.1)
    }
    #[inline(always)]
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I {
        (a.0 * b.0, a.1 * b.1)
    }
    #[inline(always)]
    fn half_int(self, a: Self::I) -> Self::I {
        (a.0 >> 1, a.1 >> 1)
    }
    #[inline(always)]
    fn low_half(self, a: Self::I) -> Self::I {
        (a.0 & i32x8::splat(15), a.1 & i32x8::splat(15))
    }
    #[inline(always)]
    fn high_half(self, a: Self::I) -> Self::I {
        (a.0 >> 4, a.1 >> 4)
    }

    #[inline(always)]
    fn load_bytes(self, x: &[u8; 64]) -> Self::B {
        *x
    }
    #[inline(always)]
    fn store_bytes(self, x: Self::B, y: &mut [u8; 64]) {
        *y = x;
    }
    #[inline(always)]
    fn splat_bytes(self, x: [i8; 4]) -> Self::B {
        Scalar.splat_bytes(x)
    }
    #[inline(always)]
    fn field<const N: i32>(self, x: Self::B, mask: u8) -> Self::B {
        Scalar.field::<N>(x, mask)
    }
    #[inline(always)]
    fn join<const N: i32>(self, low: Self::B, high: Self::B) -> Self::B {
        Scalar.join::<N>(low, high)
    }
    #[inline(always)]
    fn dot_u8(self, acc: Self::I, w: Self::B, x: Self::B) -> Self::I {
        integers(Scalar.dot_u8(integer_array(acc), w, x))
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
    fn byte<const J: i32>(self, x: Self::B) -> Self::I {
        integers(Scalar.byte::<J>(x))
    }

    #[inline(always)]
    fn zero_f64(self) -> Self::D {
        [f64x4::splat(0.0); 4]
    }
    #[inline(always)]
    fn add_widened(self, acc: Self::D, x: Self::F) -> Self::D {
        let (low, high) = (x.0.to_array().map(f64::from), x.1.to_array().map(f64::from));
        [
            acc[0] + f64x4::new([low[0], low[1], low[2], low[3]]),
            acc[1] + f64x4::new([low[4], low[5], low[6], low[7]]),
            acc[2] + f64x4::new([high[0], high[1], high[2], high[3]]),
            acc[3] + f64x4::new([high[4], high[5], high[6], high[7]]),
        ]
    }
    #[inline(always)]
    fn tree_f64(self, a: Self::D) -> f64 {
        let four = ((a[0] + a[2]) + (a[1] + a[3])).to_array();
        (four[0] + four[2]) + (four[1] + four[3])
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> Self::D {
        [f64x4::splat(x); 4]
    }
    #[inline(always)]
    fn load_f64(self, x: &[f64; LANES]) -> Self::D {
        let four = |at: usize| f64x4::new([x[at], x[at + 1], x[at + 2], x[at + 3]]);
        [four(0), four(4), four(8), four(12)]
    }
    #[inline(always)]
    fn store_f64(self, x: Self::D, y: &mut [f64; LANES]) {
        for (y, x) in y.as_chunks_mut::<4>().0.iter_mut().zip(x) {
            *y = x.to_array();
        }
    }
    #[inline(always)]
    fn add_f64(self, a: Self::D, b: Self::D) -> Self::D {
        [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
    }
    #[inline(always)]
    fn sub_f64(self, a: Self::D, b: Self::D) -> Self::D {
        [a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]]
    }
    #[inline(always)]
    fn mul_f64(self, a: Self::D, b: Self::D) -> Self::D {
        [a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3]]
    }
    #[inline(always)]
    fn div_f64(self, a: Self::D, b: Self::D) -> Self::D {
        [a[0] / b[0], a[1] / b[1], a[2] / b[2], a[3] / b[3]]
    }
    #[inline(always)]
    fn max_f64(self, a: Self::D, b: Self::D) -> Self::D {
        let max = |a: f64x4, b: f64x4| a.simd_gt(b).bitselect(a, b);
        [max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]
    }
    #[inline(always)]
    fn min_f64(self, a: Self::D, b: Self::D) -> Self::D {
        let min = |a: f64x4, b: f64x4| a.simd_lt(b).bitselect(a, b);
        [min(a[0], b[0]), min(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])]
    }

    #[inline(always)]
    fn all_greater(self, x: Self::F, y: Self::F) -> bool {
        (x.0.simd_gt(y.0) & x.1.simd_gt(y.1)).all()
    }
    #[inline(always)]
    fn to_bits(self, x: Self::F) -> Self::I {
        let bits = |x: f32x8| i32x8::new(x.to_array().map(|lane| lane.to_bits() as i32));
        (bits(x.0), bits(x.1))
    }
    #[inline(always)]
    fn narrow(self, x: Self::I, y: &mut [u8; LANES]) {
        Scalar.narrow(integer_array(x), y);
    }
}
