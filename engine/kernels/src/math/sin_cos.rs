//! Sine and cosine in f64, correct for every finite argument.
//!
//! # Method outline
//!
//! 1. x = (4 j + quadrant) pi/2 + r with |r| <= pi/4. A finite x is an integer of 53 bits times a power of two, so
//!    x * 2/pi modulo 4 is a product of integers: 192 bits of 2/pi are enough, beginning where its bits stop
//!    contributing multiples of 4 (Payne and Hanek, "Radian reduction for trigonometric functions", 1983). No double
//!    lies closer to a multiple of pi/2 than 2^-62, so r keeps more than 70 bits. One path serves the angles of rotary
//!    embeddings and 1e308 alike; nothing is given up for large positions.
//! 2. Taylor series of sine and cosine of r = high + low, the low part entering by its derivative.

use super::double_double::DoubleDouble;
use super::exp::power_of_two;

/// pi/2 as the two nearest doubles.
const HALF_PI: DoubleDouble =
    DoubleDouble { high: f64::from_bits(0x3ff9_21fb_5444_2d18), low: f64::from_bits(0x3c91_a626_3314_5c07) };

/// 64 zero bits, then the first 1216 bits of 2/pi after the binary point.
const TWO_OVER_PI: [u64; 20] = [
    0x0000_0000_0000_0000,
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_6bab,
];

/// (sin x, cos x) in f64, x in radians, each at most 0.85 ULP from the exact value for every finite x.
///
/// NaN for NaN and the infinities; sin(-0) is -0.
pub fn sin_cos(x: f64) -> (f64, f64) {
    if !x.is_finite() {
        return (f64::NAN, f64::NAN);
    }
    let magnitude = x.abs();
    let (quadrant, r) = if magnitude <= HALF_PI.high / 2.0 {
        (0, DoubleDouble { high: magnitude, low: 0.0 })
    } else {
        reduce(magnitude)
    };
    let (sine, cosine) = (sine(r), cosine(r));
    let (sine, cosine) = match quadrant % 4 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    };
    (if x.is_sign_negative() { -sine } else { sine }, cosine)
}

/// The quadrant of x (modulo 4) and the rest in [-pi/4, pi/4], for x > pi/4.
fn reduce(x: f64) -> (u64, DoubleDouble) {
    // x = mantissa * 2^exponent.
    let exponent = (x.to_bits() >> 52) as i64 - 1075;
    let mantissa = (x.to_bits() & ((1 << 52) - 1)) | (1 << 52);
    // Bit i of the table weighs 2^(63 - i). The window begins at the bit that weighs 2^1 after scaling by
    // 2^exponent: those before it contribute multiples of 4. x > pi/4 keeps `first` above 8.
    let first = (62 + exponent) as usize;
    let (limb, shift) = (first / 64, first % 64);
    let window: [u64; 3] = std::array::from_fn(|i| {
        let pair =
            u128::from(TWO_OVER_PI[limb + i]) << 64 | u128::from(TWO_OVER_PI.get(limb + i + 1).copied().unwrap_or(0));
        ((pair << shift) >> 64) as u64
    });
    // mantissa * window modulo 2^192, most significant word first: 2 bits of quadrant, then the fraction.
    let low = u128::from(mantissa) * u128::from(window[2]);
    let middle = u128::from(mantissa) * u128::from(window[1]) + (low >> 64);
    let high = mantissa.wrapping_mul(window[0]).wrapping_add((middle >> 64) as u64);
    let (middle, low) = (middle as u64, low as u64);
    let mut quadrant = high >> 62;
    // The fraction as 128 + 64 bits, the leading bit weighing 1/2.
    let mut fraction = (u128::from(high << 2 | middle >> 62) << 64) | u128::from(middle << 2 | low >> 62);
    let mut tail = low << 2;
    // From 1/2 on it belongs to the next quadrant, as a negative rest.
    let negative = fraction >> 127 == 1;
    if negative {
        quadrant += 1;
        tail = tail.wrapping_neg();
        fraction = if tail == 0 { fraction.wrapping_neg() } else { !fraction };
    }
    // Leading zeros are at most 62, see above.
    let zeros = fraction.leading_zeros();
    if zeros > 0 {
        fraction = (fraction << zeros) | u128::from(tail >> (64 - zeros));
    }
    let top = (fraction >> 75) as u64; // 53 bits
    let rest = (fraction >> 11) as u64; // the next 64
    let scale = power_of_two(-53 - zeros as i32);
    let turn = DoubleDouble { high: top as f64 * scale, low: rest as f64 * (scale * power_of_two(-64)) };
    let r = turn.multiply(HALF_PI);
    if negative { (quadrant, DoubleDouble { high: -r.high, low: -r.low }) } else { (quadrant, r) }
}

/// sin(high + low) for |high| <= pi/4.
fn sine(r: DoubleDouble) -> f64 {
    let x = r.high;
    let square = x * x;
    let mut p = 1.0 / 355_687_428_096_000.0; // 1 / 17!
    p = p * square - 1.0 / 1_307_674_368_000.0; // 1 / 15!
    p = p * square + 1.0 / 6_227_020_800.0; // 1 / 13!
    p = p * square - 1.0 / 39_916_800.0; // 1 / 11!
    p = p * square + 1.0 / 362_880.0; // 1 / 9!
    p = p * square - 1.0 / 5_040.0; // 1 / 7!
    p = p * square + 1.0 / 120.0; // 1 / 5!
    p = p * square - 1.0 / 6.0; // 1 / 3!
    // sin(x + low) = sin x + low cos x.
    x + (x * square * p + r.low * (1.0 - 0.5 * square))
}

/// cos(high + low) for |high| <= pi/4.
fn cosine(r: DoubleDouble) -> f64 {
    let x = r.high;
    let square = x * x;
    let mut p = 1.0 / 6_402_373_705_728_000.0; // 1 / 18!
    p = 1.0 / 20_922_789_888_000.0 - p * square; // 1 / 16!
    p = p * square - 1.0 / 87_178_291_200.0; // 1 / 14!
    p = p * square + 1.0 / 479_001_600.0; // 1 / 12!
    p = p * square - 1.0 / 3_628_800.0; // 1 / 10!
    p = p * square + 1.0 / 40_320.0; // 1 / 8!
    p = p * square - 1.0 / 720.0; // 1 / 6!
    p = p * square + 1.0 / 24.0; // 1 / 4!
    // 1 - x^2 / 2 and its rounding error; cos(x + low) = cos x - low sin x.
    let half = 0.5 * square;
    let high = 1.0 - half;
    let low = (1.0 - high) - half;
    high + (low + (square * square * p - x * r.low))
}
