//! Sixteen lanes as plain arrays: the definition every other instruction set is checked against.

use super::{LANES, Lanes};

/// Plain Rust; always present.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

/// Applies `f` lane by lane.
macro_rules! each {
    ($i:ident, $e:expr) => {
        std::array::from_fn(|$i| $e)
    };
}

/// The tree of sums, written once: lanes 8 apart, then 4, 2, 1.
macro_rules! tree {
    ($a:expr) => {{
        let mut a = $a;
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                a[i] += a[i + width];
            }
            width /= 2;
        }
        a[0]
    }};
}

impl Lanes for Scalar {
    type F = [f32; LANES];
    type I = [i32; LANES];
    type D = [f64; LANES];
    type B = [u8; 64];
    type N = [i32; LANES];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::F {
        *x
    }
    #[inline(always)]
    fn store(self, x: Self::F, y: &mut [f32; LANES]) {
        *y = x;
    }
    #[inline(always)]
    fn load_f32(self, x: &[u8; 64]) -> Self::F {
        each!(i, f32::from_le_bytes([x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]]))
    }
    #[inline(always)]
    fn load_bf16(self, x: &[u8; 32]) -> Self::F {
        each!(i, f32::from_bits(u32::from(u16::from_le_bytes([x[2 * i], x[2 * i + 1]])) << 16))
    }
    #[inline(always)]
    fn load_f16(self, x: &[u8; 32]) -> Self::F {
        each!(i, half_to_f32(u16::from_le_bytes([x[2 * i], x[2 * i + 1]])))
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i, a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i, a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i, a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i, a[i] / b[i])
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i, if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i, if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        each!(i, a[i].abs())
    }
    #[inline(always)]
    fn copy_sign(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i, a[i].copysign(b[i]))
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        each!(i, a[i].round_ties_even())
    }
    #[inline(always)]
    fn select_gt(self, x: Self::F, y: Self::F, a: Self::F, b: Self::F) -> Self::F {
        each!(i, if x[i] > y[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn to_int(self, a: Self::F) -> Self::I {
        each!(i, a[i] as i32)
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        each!(i, a[i] as f32)
    }
    #[inline(always)]
    fn power_of_two(self, a: Self::I) -> Self::F {
        each!(i, f32::from_bits((a[i].wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    fn tree(self, a: Self::F) -> f32 {
        tree!(a)
    }

    #[inline(always)]
    fn splat_int(self, x: i32) -> Self::I {
        [x; LANES]
    }
    #[inline(always)]
    fn load_int(self, x: &[i32; LANES]) -> Self::I {
        *x
    }
    #[inline(always)]
    fn store_int(self, x: Self::I, y: &mut [i32; LANES]) {
        *y = x;
    }
    #[inline(always)]
    fn widen_u8(self, x: &[u8; LANES]) -> Self::I {
        each!(i, i32::from(x[i]))
    }
    #[inline(always)]
    fn add_int(self, a: Self::I, b: Self::I) -> Self::I {
        each!(i, a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I {
        each!(i, a[i].wrapping_sub(b[i]))
    }
    #[inline(always)]
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I {
        each!(i, a[i].wrapping_mul(b[i]))
    }
    #[inline(always)]
    fn half_int(self, a: Self::I) -> Self::I {
        each!(i, a[i] >> 1)
    }
    #[inline(always)]
    fn low_half(self, a: Self::I) -> Self::I {
        each!(i, a[i] & 15)
    }
    #[inline(always)]
    fn high_half(self, a: Self::I) -> Self::I {
        each!(i, a[i] >> 4)
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
        each!(i, x[i % 4] as u8)
    }
    #[inline(always)]
    fn field<const N: i32>(self, x: Self::B, mask: u8) -> Self::B {
        each!(i, (x[i] >> N) & mask)
    }
    #[inline(always)]
    fn join<const N: i32>(self, low: Self::B, high: Self::B) -> Self::B {
        each!(i, low[i] | (high[i] << N))
    }
    #[inline(always)]
    fn dot_u8(self, acc: Self::I, w: Self::B, x: Self::B) -> Self::I {
        each!(i, {
            let mut sum = acc[i];
            for j in 4 * i..4 * i + 4 {
                sum = sum.wrapping_add(i32::from(w[j]) * i32::from(x[j] as i8));
            }
            sum
        })
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
        each!(i, i32::from(x[4 * i + J as usize]))
    }

    #[inline(always)]
    fn zero_f64(self) -> Self::D {
        [0.0; LANES]
    }
    #[inline(always)]
    fn add_widened(self, acc: Self::D, x: Self::F) -> Self::D {
        each!(i, acc[i] + f64::from(x[i]))
    }
    #[inline(always)]
    fn tree_f64(self, a: Self::D) -> f64 {
        tree!(a)
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> Self::D {
        [x; LANES]
    }
    #[inline(always)]
    fn load_f64(self, x: &[f64; LANES]) -> Self::D {
        *x
    }
    #[inline(always)]
    fn store_f64(self, x: Self::D, y: &mut [f64; LANES]) {
        *y = x;
    }
    #[inline(always)]
    fn add_f64(self, a: Self::D, b: Self::D) -> Self::D {
        each!(i, a[i] + b[i])
    }
    #[inline(always)]
    fn sub_f64(self, a: Self::D, b: Self::D) -> Self::D {
        each!(i, a[i] - b[i])
    }
    #[inline(always)]
    fn mul_f64(self, a: Self::D, b: Self::D) -> Self::D {
        each!(i, a[i] * b[i])
    }
    #[inline(always)]
    fn div_f64(self, a: Self::D, b: Self::D) -> Self::D {
        each!(i, a[i] / b[i])
    }
    #[inline(always)]
    fn max_f64(self, a: Self::D, b: Self::D) -> Self::D {
        each!(i, if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min_f64(self, a: Self::D, b: Self::D) -> Self::D {
        each!(i, if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn all_greater(self, x: Self::F, y: Self::F) -> bool {
        x.iter().zip(&y).all(|(x, y)| x > y)
    }
    #[inline(always)]
    fn to_bits(self, x: Self::F) -> Self::I {
        each!(i, x[i].to_bits() as i32)
    }
    #[inline(always)]
    fn narrow(self, x: Self::I, y: &mut [u8; LANES]) {
        *y = each!(i, x[i] as u8);
    }
}

/// IEEE half to f32, exactly, by integer operations alone.
#[inline(always)]
pub(crate) fn half_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let mantissa = u32::from(bits) & 0x3ff;
    let magnitude = match (exponent, mantissa) {
        (0, 0) => 0,
        // Subnormal halves are normal in f32: value = mantissa * 2^-24.
        (0, m) => {
            let shift = m.leading_zeros() - 21;
            ((113 - shift) << 23) | (((m << shift) & 0x3ff) << 13)
        }
        (31, m) => 0x7f80_0000 | (m << 13),
        (e, m) => ((e + 112) << 23) | (m << 13),
    };
    f32::from_bits(sign | magnitude)
}
