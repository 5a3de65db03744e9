//! Sixteen lanes in four NEON registers of four; byte products by `sdot` where the processor has it, otherwise by
//! widening multiplies.
//!
//! Differs from scalar in: both products are signed by signed, so `dot_u8` multiplies w - 128 (`CENTRE`); without `sdot`,
//! `dot_u4` adds in i16. Comparison and selection replace `fmax` and `fmin`, which treat NaN otherwise; multiplication
//! and addition stay apart, `fmla` would round once.

use super::{LANES, Lanes};
use std::arch::aarch64::*;

/// NEON without the dot product extension.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

/// NEON with the dot product extension.
#[derive(Clone, Copy)]
pub(crate) struct NeonDot(());

impl Neon {
    /// # Safety
    /// The processor must have neon.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        Self(())
    }
}

impl NeonDot {
    /// # Safety
    /// The processor must have neon and dotprod.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        Self(())
    }
}

/// Every method body: intrinsics whose instruction set the proof value guarantees.
macro_rules! present {
    ($e:expr) => {
        // SAFETY: a value of `Neon` or `NeonDot` exists only where the instruction set does; loads and stores stay
        // inside the referenced arrays.
        unsafe { $e }
    };
}

/// The same expression for the four registers.
macro_rules! four {
    ($i:ident, $e:expr) => {
        present!([
            {
                const $i: usize = 0;
                $e
            },
            {
                const $i: usize = 1;
                $e
            },
            {
                const $i: usize = 2;
                $e
            },
            {
                const $i: usize = 3;
                $e
            },
        ])
    };
}

/// The same expression for the eight registers of sixteen f64.
macro_rules! eight {
    ($i:ident, $e:expr) => {
        present!([
            {
                const $i: usize = 0;
                $e
            },
            {
                const $i: usize = 1;
                $e
            },
            {
                const $i: usize = 2;
                $e
            },
            {
                const $i: usize = 3;
                $e
            },
            {
                const $i: usize = 4;
                $e
            },
            {
                const $i: usize = 5;
                $e
            },
            {
                const $i: usize = 6;
                $e
            },
            {
                const $i: usize = 7;
                $e
            },
        ])
    };
}

/// acc + w . x, four signed bytes a lane, for |w x + w' x'| below 2^15.
#[inline(always)]
fn dot_widening(acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    present!({
        let low = vmull_s8(vget_low_s8(w), vget_low_s8(x));
        let high = vmull_high_s8(w, x);
        vpadalq_s16(acc, vpaddq_s16(low, high))
    })
}

/// x, of which the compiler knows nothing: where it sees that both halves are the same, it multiplies the upper bytes of
/// a vector by the lower half, and moves them down first, at the cost of an instruction and a register.
#[inline(always)]
fn opaque(mut x: uint8x16_t) -> uint8x16_t {
    if !cfg!(miri) {
        // SAFETY: no instruction.
        unsafe {
            std::arch::asm!("/* {x:v} */", x = inout(vreg) x, options(pure, nomem, nostack, preserves_flags));
        }
    }
    x
}

/// acc + w . x, four signed bytes a lane.
///
/// # Safety
/// The processor must have dotprod.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn sdot(mut acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction on registers, present as the caller promises.
    unsafe {
        std::arch::asm!(
            "sdot {acc:v}.4s, {w:v}.16b, {x:v}.16b",
            acc = inout(vreg) acc,
            w = in(vreg) w,
            x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}

/// acc + w . x by `sdot`.
#[inline(always)]
fn dot_instruction(acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: only methods of `NeonDot` call this, and its value exists only where dotprod does.
    unsafe { sdot(acc, w, x) }
}

/// The two types share everything but the byte products.
macro_rules! lanes {
    ($type:ty => $dot:ident; $($narrow:tt)*) => {
        impl Lanes for $type {
            $($narrow)*

            type F = [float32x4_t; 4];
            type I = [int32x4_t; 4];
            type D = [float64x2_t; 8];
            type B = [uint8x16_t; 4];
            const CENTRE: i32 = 128;

            #[inline(always)]
            fn splat(self, x: f32) -> Self::F {
                four!(I, vdupq_n_f32(x))
            }
            #[inline(always)]
            fn load(self, x: &[f32; LANES]) -> Self::F {
                four!(I, vld1q_f32(x.as_ptr().add(4 * I)))
            }
            #[inline(always)]
            fn store(self, x: Self::F, y: &mut [f32; LANES]) {
                four!(I, vst1q_f32(y.as_mut_ptr().add(4 * I), x[I]));
            }
            #[inline(always)]
            fn load_f32(self, x: &[u8; 64]) -> Self::F {
                four!(I, vreinterpretq_f32_u8(vld1q_u8(x.as_ptr().add(16 * I))))
            }
            #[inline(always)]
            fn load_bf16(self, x: &[u8; 32]) -> Self::F {
                four!(I, vreinterpretq_f32_u32(vshll_n_u16::<16>(halves(x, I))))
            }
            #[inline(always)]
            fn load_f16(self, x: &[u8; 32]) -> Self::F {
                four!(I, vcvt_f32_f16(vreinterpret_f16_u16(halves(x, I))))
            }
            #[inline(always)]
            fn add(self, a: Self::F, b: Self::F) -> Self::F {
                four!(I, vaddq_f32(a[I], b[I]))
            }
            #[inline(always)]
            fn sub(self, a: Self::F, b: Self::F) -> Self::F {
                four!(I, vsubq_f32(a[I], b[I]))
            }
            #[inline(always)]
            fn mul(self, a: Self::F, b: Self::F) -> Self::F {
                four!(I, vmulq_f32(a[I], b[I]))
            }
            #[cfg(feature = "free_order")]
            #[inline(always)]
            fn accumulate(self, acc: Self::F, a: Self::F, b: Self::F) -> Self::F {
                four!(I, vfmaq_f32(acc[I], a[I], b[I]))
            }
            #[inline(always)]
            fn div(self, a: Self::F, b: Self::F) -> Self::F {
                four!(I, vdivq_f32(a[I], b[I]))
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
                four!(I, vabsq_f32(a[I]))
            }
            #[inline(always)]
            fn copy_sign(self, a: Self::F, b: Self::F) -> Self::F {
                four!(I, vbslq_f32(vdupq_n_u32(0x8000_0000), b[I], a[I]))
            }
            #[inline(always)]
            fn round(self, a: Self::F) -> Self::F {
                four!(I, vrndnq_f32(a[I]))
            }
            #[inline(always)]
            fn select_gt(self, x: Self::F, y: Self::F, a: Self::F, b: Self::F) -> Self::F {
                four!(I, vbslq_f32(vcgtq_f32(x[I], y[I]), a[I], b[I]))
            }
            #[inline(always)]
            fn to_int(self, a: Self::F) -> Self::I {
                four!(I, vcvtq_s32_f32(a[I]))
            }
            #[inline(always)]
            fn to_float(self, a: Self::I) -> Self::F {
                four!(I, vcvtq_f32_s32(a[I]))
            }
            #[inline(always)]
            fn power_of_two(self, a: Self::I) -> Self::F {
                four!(I, vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(a[I], vdupq_n_s32(127)))))
            }
            #[inline(always)]
            fn tree(self, a: Self::F) -> f32 {
                present!({
                    let four = vaddq_f32(vaddq_f32(a[0], a[2]), vaddq_f32(a[1], a[3]));
                    let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
                    vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
                })
            }

            #[inline(always)]
            fn splat_int(self, x: i32) -> Self::I {
                four!(I, vdupq_n_s32(x))
            }
            #[inline(always)]
            fn load_int(self, x: &[i32; LANES]) -> Self::I {
                four!(I, vld1q_s32(x.as_ptr().add(4 * I)))
            }
            #[inline(always)]
            fn store_int(self, x: Self::I, y: &mut [i32; LANES]) {
                four!(I, vst1q_s32(y.as_mut_ptr().add(4 * I), x[I]));
            }
            #[inline(always)]
            fn widen_u8(self, x: &[u8; LANES]) -> Self::I {
                present!({
                    let bytes = vld1q_u8(x.as_ptr());
                    let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
                    [
                        vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))),
                        vreinterpretq_s32_u32(vmovl_high_u16(low)),
                        vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))),
                        vreinterpretq_s32_u32(vmovl_high_u16(high)),
                    ]
                })
            }
            #[inline(always)]
            fn add_int(self, a: Self::I, b: Self::I) -> Self::I {
                four!(I, vaddq_s32(a[I], b[I]))
            }
            #[inline(always)]
            fn sub_int(self, a: Self::I, b: Self::I) -> Self::I {
                four!(I, vsubq_s32(a[I], b[I]))
            }
            #[inline(always)]
            fn mul_int(self, a: Self::I, b: Self::I) -> Self::I {
                four!(I, vmulq_s32(a[I], b[I]))
            }
            #[inline(always)]
            fn half_int(self, a: Self::I) -> Self::I {
                four!(I, vshrq_n_s32::<1>(a[I]))
            }
            #[inline(always)]
            fn low_half(self, a: Self::I) -> Self::I {
                four!(I, vandq_s32(a[I], vdupq_n_s32(15)))
            }
            #[inline(always)]
            fn high_half(self, a: Self::I) -> Self::I {
                four!(I, vshrq_n_s32::<4>(a[I]))
            }

            #[inline(always)]
            fn load_bytes(self, x: &[u8; 64]) -> Self::B {
                four!(I, vld1q_u8(x.as_ptr().add(16 * I)))
            }
            #[inline(always)]
            fn store_bytes(self, x: Self::B, y: &mut [u8; 64]) {
                four!(I, vst1q_u8(y.as_mut_ptr().add(16 * I), x[I]));
            }
            #[inline(always)]
            fn splat_bytes(self, x: [i8; 4]) -> Self::B {
                let lane = u32::from_le_bytes(x.map(|b| b as u8));
                [opaque(present!(vreinterpretq_u8_u32(vdupq_n_u32(lane)))); 4]
            }
            #[inline(always)]
            fn field<const N: i32>(self, x: Self::B, mask: u8) -> Self::B {
                // A shift by a negative count is a shift right; unlike the immediate form it allows 0.
                four!(I, vandq_u8(vshlq_u8(x[I], vdupq_n_s8(-N as i8)), vdupq_n_u8(mask)))
            }
            #[inline(always)]
            fn join<const N: i32>(self, low: Self::B, high: Self::B) -> Self::B {
                four!(I, vorrq_u8(low[I], vshlq_u8(high[I], vdupq_n_s8(N as i8))))
            }
            #[inline(always)]
            fn dot_u8(self, acc: Self::I, w: Self::B, x: Self::B) -> Self::I {
                // w - 128 is in -128..=127; two products with |x| <= 127 are at most 32512.
                four!(I, {
                    let centred = vreinterpretq_s8_u8(veorq_u8(w[I], vdupq_n_u8(0x80)));
                    $dot(acc[I], centred, vreinterpretq_s8_u8(x[I]))
                })
            }
            #[inline(always)]
            fn byte<const J: i32>(self, x: Self::B) -> Self::I {
                four!(I, {
                    let shifted = vshlq_u32(vreinterpretq_u32_u8(x[I]), vdupq_n_s32(-8 * J));
                    vreinterpretq_s32_u32(vandq_u32(shifted, vdupq_n_u32(0xff)))
                })
            }

            #[inline(always)]
            fn zero_f64(self) -> Self::D {
                present!([vdupq_n_f64(0.0); 8])
            }
            #[inline(always)]
            fn add_widened(self, acc: Self::D, x: Self::F) -> Self::D {
                let low = four!(I, vaddq_f64(acc[2 * I], vcvt_f64_f32(vget_low_f32(x[I]))));
                let high = four!(I, vaddq_f64(acc[2 * I + 1], vcvt_high_f64_f32(x[I])));
                [low[0], high[0], low[1], high[1], low[2], high[2], low[3], high[3]]
            }
            #[inline(always)]
            fn tree_f64(self, a: Self::D) -> f64 {
                let eight = four!(I, vaddq_f64(a[I], a[I + 4]));
                present!({
                    let two = vaddq_f64(vaddq_f64(eight[0], eight[2]), vaddq_f64(eight[1], eight[3]));
                    vgetq_lane_f64::<0>(two) + vgetq_lane_f64::<1>(two)
                })
            }
            #[inline(always)]
            fn splat_f64(self, x: f64) -> Self::D {
                present!([vdupq_n_f64(x); 8])
            }
            #[inline(always)]
            fn load_f64(self, x: &[f64; LANES]) -> Self::D {
                eight!(I, vld1q_f64(x.as_ptr().add(2 * I)))
            }
            #[inline(always)]
            fn store_f64(self, x: Self::D, y: &mut [f64; LANES]) {
                let y = y.as_mut_ptr();
                eight!(I, vst1q_f64(y.add(2 * I), x[I]));
            }
            #[inline(always)]
            fn add_f64(self, a: Self::D, b: Self::D) -> Self::D {
                eight!(I, vaddq_f64(a[I], b[I]))
            }
            #[inline(always)]
            fn sub_f64(self, a: Self::D, b: Self::D) -> Self::D {
                eight!(I, vsubq_f64(a[I], b[I]))
            }
            #[inline(always)]
            fn mul_f64(self, a: Self::D, b: Self::D) -> Self::D {
                eight!(I, vmulq_f64(a[I], b[I]))
            }
            #[inline(always)]
            fn div_f64(self, a: Self::D, b: Self::D) -> Self::D {
                eight!(I, vdivq_f64(a[I], b[I]))
            }
            #[inline(always)]
            fn max_f64(self, a: Self::D, b: Self::D) -> Self::D {
                eight!(I, vbslq_f64(vcgtq_f64(a[I], b[I]), a[I], b[I]))
            }
            #[inline(always)]
            fn min_f64(self, a: Self::D, b: Self::D) -> Self::D {
                eight!(I, vbslq_f64(vcltq_f64(a[I], b[I]), a[I], b[I]))
            }

            #[inline(always)]
            fn all_greater(self, x: Self::F, y: Self::F) -> bool {
                let greater = four!(I, vcgtq_f32(x[I], y[I]));
                present!({
                    let all = vandq_u32(vandq_u32(greater[0], greater[1]), vandq_u32(greater[2], greater[3]));
                    vminvq_u32(all) == u32::MAX
                })
            }
            #[inline(always)]
            fn to_bits(self, x: Self::F) -> Self::I {
                four!(I, vreinterpretq_s32_f32(x[I]))
            }
            #[inline(always)]
            fn narrow(self, x: Self::I, y: &mut [u8; LANES]) {
                let halves = four!(I, vmovn_u32(vreinterpretq_u32_s32(x[I])));
                present!({
                    let low = vmovn_u16(vcombine_u16(halves[0], halves[1]));
                    let high = vmovn_u16(vcombine_u16(halves[2], halves[3]));
                    vst1q_u8(y.as_mut_ptr(), vcombine_u8(low, high))
                })
            }
        }
    };
}

lanes! { Neon => dot_widening;
    // Every product in its own i16, those of the lower eight bytes and those of the upper eight: one instruction each.
    type N = [(int16x8_t, int16x8_t); 4];
    const NARROW: bool = true;
    const UNROLL: usize = 1;

    #[inline(always)]
    fn open(self, _acc: Self::I) -> Self::N {
        present!([(vdupq_n_s16(0), vdupq_n_s16(0)); 4])
    }
    #[inline(always)]
    fn dot_u4(self, sums: Self::N, w: Self::B, x: Self::B) -> Self::N {
        four!(I, {
            let (w, x) = (vreinterpretq_s8_u8(w[I]), vreinterpretq_s8_u8(x[I]));
            (vmlal_s8(sums[I].0, vget_low_s8(w), vget_low_s8(x)), vmlal_high_s8(sums[I].1, w, x))
        })
    }
    #[inline(always)]
    fn close(self, acc: Self::I, sums: Self::N) -> Self::I {
        // Sums of two neighbours are at most 2 * 128 * 127 = 32512.
        four!(I, vpadalq_s16(acc[I], vpaddq_s16(sums[I].0, sums[I].1)))
    }
}

lanes! { NeonDot => dot_instruction;
    type N = Self::I;

    #[inline(always)]
    fn open(self, acc: Self::I) -> Self::N {
        acc
    }
    #[inline(always)]
    fn dot_u4(self, sums: Self::N, w: Self::B, x: Self::B) -> Self::N {
        four!(I, dot_instruction(sums[I], vreinterpretq_s8_u8(w[I]), vreinterpretq_s8_u8(x[I])))
    }
    #[inline(always)]
    fn close(self, _acc: Self::I, sums: Self::N) -> Self::I {
        sums
    }
}

/// Two-byte elements 4i to 4i + 3 of x, i in 0..4.
#[inline(always)]
fn halves(x: &[u8; 32], i: usize) -> uint16x4_t {
    let bytes: [u8; 8] = std::array::from_fn(|j| x[8 * i + j]);
    present!(vcreate_u16(u64::from_le_bytes(bytes)))
}
