//! Every method of every instruction set this machine has, over adversarial values: the bits of scalar.
//!
//! All NaN count as one: which NaN an operation makes is not part of the contract. `REQUIRE_ISA=avx2,avx512` turns an
//! instruction set that is absent from a skip into a failure.

use super::scalar::Scalar;
use super::{LANES, Lanes};
use crate::isa::Isa;
use crate::math::{erf_lanes, exp_lanes};

/// Zeros, ones, halves to be rounded, neighbours of 2^23 and 2^31, subnormals, the largest, infinities and NaN.
#[rustfmt::skip]
const FLOATS: [f32; 48] = [
    0.0, -0.0, 1.0, -1.0, 0.1, -0.3, 0.5, -0.5, 0.499_999_97, -0.499_999_97, 0.500_000_06, 1.5, -1.5, 2.5, -2.5,
    3.5, 1.000_000_1, 0.999_999_94, 4_194_303.5, 4_194_304.5, -4_194_304.5, 8_388_607.0, 8_388_607.5, -8_388_607.5,
    8_388_608.0, 8_388_609.0, -8_388_609.0, 16_777_216.0, 2_147_483_520.0, -2_147_483_648.0, 3e9, 1e-45, -1e-45,
    2e-45, 5.877_472e-39, 1.175_494_2e-38, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, 1e20, -1e20, 1e-20, f32::MAX,
    f32::MIN, f32::EPSILON, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::from_bits(0xffc0_0001),
];

#[rustfmt::skip]
const INTEGERS: [i32; 16] = [
    0, 1, -1, 2, -2, 127, -128, 255, 65_535, 16_777_215, 16_777_217, -16_777_217, i32::MAX, i32::MAX - 64, i32::MIN,
    i32::MIN + 1,
];

/// Pseudo-random bits, the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn floats(&mut self) -> [f32; LANES] {
        std::array::from_fn(|_| f32::from_bits(self.bits() as u32))
    }
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.bits() as u8)
    }
}

/// The bits of a lane, one pattern for all NaN.
fn pattern(x: f32) -> u32 {
    if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() }
}

#[inline(always)]
fn floats<S: Lanes>(s: S, x: S::F) -> [u32; LANES] {
    let mut y = [0.0; LANES];
    s.store(x, &mut y);
    y.map(pattern)
}

#[inline(always)]
fn integers<S: Lanes>(s: S, x: S::I) -> [i32; LANES] {
    let mut y = [0; LANES];
    s.store_int(x, &mut y);
    y
}

#[inline(always)]
fn bytes<S: Lanes>(s: S, x: S::B) -> [u8; 64] {
    let mut y = [0; 64];
    s.store_bytes(x, &mut y);
    y
}

#[inline(always)]
fn scalar_bits<S: Lanes>(_: S, x: f32) -> u32 {
    pattern(x)
}

/// One expression for scalar and for the lanes under test: `s` names the lanes, the result must be equal.
macro_rules! agree {
    ($test:expr, $view:ident, |$s:ident| $e:expr $(, $context:expr)*) => {{
        let expected = {
            let $s = Scalar;
            $view($s, $e)
        };
        let found = {
            let $s = $test;
            $view($s, $e)
        };
        assert_eq!(found, expected, "{} {:?}", stringify!($e), ($($context,)*));
    }};
}

#[inline(always)]
fn one_operand<S: Lanes>(test: S, x: [f32; LANES]) {
    agree!(test, floats, |s| s.load(&x), x);
    agree!(test, floats, |s| s.abs(s.load(&x)), x);
    agree!(test, floats, |s| s.round(s.load(&x)), x);
    let found = test.tree(test.load(&x));
    assert_eq!(pattern(found), pattern(Scalar.tree(x)), "tree {x:?}");
    let scaled: [[f32; LANES]; 4] = [x, x.map(|v| v * 3.0), x.map(|v| v + 1.0), x.map(|v| -v)];
    let found = test.tree4(scaled.map(|v| test.load(&v))).map(pattern);
    assert_eq!(found, scaled.map(|v| pattern(Scalar.tree(v))), "tree4 {x:?}");
    let vectors: [[[f32; LANES]; 4]; 4] =
        std::array::from_fn(|i| std::array::from_fn(|j| x.map(|v| v * (4 * i + j) as f32 + i as f32)));
    let rows = vectors.map(|row| row.map(|v| test.load(&v)));
    let expected: [u32; LANES] = std::array::from_fn(|lane| pattern(Scalar.tree(vectors[lane / 4][lane % 4])));
    assert_eq!(floats(test, test.tree16(rows)), expected, "tree16 {x:?}");
    let sum = test.tree_f64(test.add_widened(test.add_widened(test.zero_f64(), test.load(&x)), test.load(&x)));
    let expected = Scalar.tree_f64(Scalar.add_widened(Scalar.add_widened(Scalar.zero_f64(), x), x));
    assert!(sum.to_bits() == expected.to_bits() || (sum.is_nan() && expected.is_nan()), "tree_f64 {x:?}");
    let mut stored = [0; 64];
    for (four, value) in stored.as_chunks_mut::<4>().0.iter_mut().zip(x) {
        *four = value.to_le_bytes();
    }
    agree!(test, floats, |s| s.load_f32(&stored), x);
}

/// Sixteen f64 of two vectors, and their scaled copies, whose last bits are not zero.
#[inline(always)]
fn f64_operands<S: Lanes>(test: S, x: [f32; LANES], y: [f32; LANES]) {
    let (x, y) = (x.map(|v| f64::from(v) / 3.0), y.map(|v| f64::from(v) * 0.7));
    let (a, b) = (test.load_f64(&x), test.load_f64(&y));
    let fused = test.add_f64(test.mul_f64(a, b), a);
    let found = [
        (test.add_f64(a, b), Scalar.add_f64(x, y)),
        (test.sub_f64(a, b), Scalar.sub_f64(x, y)),
        (test.mul_f64(a, b), Scalar.mul_f64(x, y)),
        (test.div_f64(a, b), Scalar.div_f64(x, y)),
        (test.max_f64(a, b), Scalar.max_f64(x, y)),
        (test.min_f64(a, b), Scalar.min_f64(x, y)),
        (fused, Scalar.add_f64(Scalar.mul_f64(x, y), x)),
        (test.splat_f64(x[5]), Scalar.splat_f64(x[5])),
    ];
    for (index, (found, expected)) in found.into_iter().enumerate() {
        let mut lanes = [0.0; LANES];
        test.store_f64(found, &mut lanes);
        for (lane, expected) in lanes.into_iter().zip(expected) {
            let same = lane.to_bits() == expected.to_bits() || (lane.is_nan() && expected.is_nan());
            assert!(same, "f64 operation {index}: {lane:e} for {expected:e} of {x:?}, {y:?}");
        }
    }
    let codes: [f64; LANES] = std::array::from_fn(|i| f64::from(x[i].to_bits() as u8));
    let mut bytes = [0; LANES];
    test.narrow_f64(test.load_f64(&codes), &mut bytes);
    assert_eq!(bytes, codes.map(|code| code as u8), "narrow_f64");
}

#[inline(always)]
fn two_operands<S: Lanes>(test: S, x: [f32; LANES], y: [f32; LANES]) {
    agree!(test, floats, |s| s.add(s.load(&x), s.load(&y)), x, y);
    agree!(test, floats, |s| s.sub(s.load(&x), s.load(&y)), x, y);
    agree!(test, floats, |s| s.mul(s.load(&x), s.load(&y)), x, y);
    agree!(test, floats, |s| s.div(s.load(&x), s.load(&y)), x, y);
    agree!(test, floats, |s| s.max(s.load(&x), s.load(&y)), x, y);
    agree!(test, floats, |s| s.min(s.load(&x), s.load(&y)), x, y);
    agree!(test, floats, |s| s.copy_sign(s.load(&x), s.load(&y)), x, y);
    let (a, b) = ([7.0; LANES], [-0.0; LANES]);
    agree!(test, floats, |s| s.select_gt(s.load(&x), s.load(&y), s.load(&a), s.load(&b)), x, y);
    // Were a product and a sum fused, these would differ.
    agree!(test, floats, |s| s.add(s.mul(s.load(&x), s.load(&y)), s.load(&x)), x, y);
    agree!(test, floats, |s| s.sub(s.load(&x), s.mul(s.load(&x), s.load(&y))), x, y);
}

#[inline(always)]
fn float_operations<S: Lanes>(test: S) {
    for value in FLOATS {
        agree!(test, floats, |s| s.splat(value), value);
    }
    for i in 0..FLOATS.len() {
        for j in 0..FLOATS.len() {
            // Every value meets every other, in every lane.
            let x = std::array::from_fn(|lane| FLOATS[(i + lane) % FLOATS.len()]);
            let y = std::array::from_fn(|lane| FLOATS[(j + lane) % FLOATS.len()]);
            two_operands(test, x, y);
            f64_operands(test, x, y);
            one_operand(test, x);
        }
    }
    let mut random = Random(1);
    for _ in 0..2_000 {
        let (x, y) = (random.floats(), random.floats());
        one_operand(test, x);
        two_operands(test, x, y);
        f64_operands(test, x, y);
        // Of one magnitude, so that rounding matters in each step of the tree.
        let near = x.map(|v| f32::from_bits((v.to_bits() & 0x83ff_ffff) | 0x3c00_0000));
        one_operand(test, near);
        two_operands(test, near, y.map(|v| f32::from_bits((v.to_bits() & 0x83ff_ffff) | 0x3c00_0000)));
    }
}

#[inline(always)]
fn conversions<S: Lanes>(test: S) {
    for first in (0..1u32 << 16).step_by(LANES) {
        let mut stored = [0; 32];
        for (pair, bits) in stored.as_chunks_mut::<2>().0.iter_mut().zip(first..) {
            *pair = (bits as u16).to_le_bytes();
        }
        agree!(test, floats, |s| s.load_bf16(&stored), first);
        agree!(test, floats, |s| s.load_f16(&stored), first);
    }
    let whole: Vec<f32> = FLOATS.into_iter().map(f32::round_ties_even).filter(|x| x.abs() < 2.2e9).collect();
    for i in 0..whole.len() {
        let x = std::array::from_fn(|lane| match whole[(i + lane) % whole.len()] {
            // The largest f32 that is an i32.
            too_large if too_large >= 2_147_483_648.0 => 2_147_483_520.0,
            value => value,
        });
        agree!(test, integers, |s| s.to_int(s.load(&x)), x);
    }
    for first in (-126..=127).step_by(LANES) {
        let x = std::array::from_fn(|lane| (first + lane as i32).min(127));
        agree!(test, floats, |s| s.power_of_two(s.load_int(&x)), x);
    }
}

#[inline(always)]
fn integer_operations<S: Lanes>(test: S) {
    let mut random = Random(2);
    for round in 0..64 {
        let a: [i32; LANES] = std::array::from_fn(|lane| INTEGERS[lane]);
        let b: [i32; LANES] = match round {
            0..16 => std::array::from_fn(|lane| INTEGERS[(lane + round) % INTEGERS.len()]),
            _ => std::array::from_fn(|_| random.bits() as i32),
        };
        agree!(test, integers, |s| s.splat_int(b[0]), b);
        agree!(test, integers, |s| s.load_int(&b), b);
        agree!(test, integers, |s| s.add_int(s.load_int(&a), s.load_int(&b)), a, b);
        agree!(test, integers, |s| s.sub_int(s.load_int(&a), s.load_int(&b)), a, b);
        agree!(test, integers, |s| s.mul_int(s.load_int(&a), s.load_int(&b)), a, b);
        agree!(test, integers, |s| s.half_int(s.load_int(&b)), b);
        agree!(test, integers, |s| s.low_half(s.load_int(&b)), b);
        agree!(test, integers, |s| s.high_half(s.load_int(&b)), b);
        agree!(test, floats, |s| s.to_float(s.load_int(&b)), b);
        assert_eq!(test.sum_int(test.load_int(&b)), Scalar.sum_int(b), "sum_int {b:?}");
        let small: [u8; LANES] = random.bytes();
        let offset = [i16::MIN, -16_256, -1, 0, 1, 16_256, i16::MAX][round % 7];
        agree!(test, integers, |s| s.mul_add_i16(s.load_int(&b), s.widen_u8(&small), offset), b, small, offset);
        agree!(test, integers, |s| s.widen_u8(&small), small);
        let (mask, value) = (b[3] as u16, 1 << (round % 9));
        agree!(test, integers, |s| s.spread(mask, value), mask, value);
    }
    agree!(test, integers, |s| s.widen_u8(&[0, 1, 2, 127, 128, 129, 254, 255, 0, 1, 2, 127, 128, 129, 254, 255]));
}

#[inline(always)]
fn field_and_join<S: Lanes, const N: i32>(test: S) {
    let mut random = Random(3);
    for first in (0..256).step_by(64) {
        let x: [u8; 64] = std::array::from_fn(|i| (first + i) as u8);
        let other: [u8; 64] = random.bytes();
        for mask in [0xff, 0x0f, 0x07, 0x03, 0x01, 0x80, 0x5a, 0x00] {
            agree!(test, bytes, |s| s.field::<N>(s.load_bytes(&x), mask), N, mask);
        }
        agree!(test, bytes, |s| s.join::<N>(s.load_bytes(&other), s.load_bytes(&x)), N);
        let low = other.map(|b| b & 3);
        agree!(test, bytes, |s| s.third_bit::<N>(s.load_bytes(&low), s.load_bytes(&x)), N);
        agree!(test, bytes, |s| s.join::<N>(s.load_bytes(&[0; 64]), s.load_bytes(&x)), N);
    }
}

#[inline(always)]
fn byte_operations<S: Lanes>(test: S) {
    field_and_join::<S, 0>(test);
    field_and_join::<S, 1>(test);
    field_and_join::<S, 2>(test);
    field_and_join::<S, 3>(test);
    field_and_join::<S, 4>(test);
    field_and_join::<S, 5>(test);
    field_and_join::<S, 6>(test);
    field_and_join::<S, 7>(test);
    let mut random = Random(4);
    for _ in 0..64 {
        let x: [u8; 64] = random.bytes();
        agree!(test, bytes, |s| s.load_bytes(&x), x);
        agree!(test, bytes, |s| s.words(s.floats(s.load_bytes(&x))), x);
        agree!(test, integers, |s| s.byte::<0>(s.load_bytes(&x)), x);
        agree!(test, integers, |s| s.byte::<1>(s.load_bytes(&x)), x);
        agree!(test, integers, |s| s.byte::<2>(s.load_bytes(&x)), x);
        agree!(test, integers, |s| s.byte::<3>(s.load_bytes(&x)), x);
        let table: [f32; LANES] =
            std::array::from_fn(|i| f32::from_bits(u32::from_le_bytes([x[i], x[i + 1], x[i + 2], 62])));
        let index: [i32; LANES] = std::array::from_fn(|i| i32::from(x[40 + i] & 15));
        agree!(test, floats, |s| s.lookup(s.load(&table), s.load_int(&index)), table, index);
        let four = [x[0] as i8, x[1] as i8, x[2] as i8, x[3] as i8];
        agree!(test, bytes, |s| s.splat_bytes(four), four);
    }
}

#[inline(always)]
fn centre_of<S: Lanes>(_: S) -> i32 {
    S::CENTRE
}

/// acc plus what products with codes less `centre` leave out.
fn with_centre(acc: i32, centre: i32, x: &[u8]) -> i32 {
    x.iter().fold(acc, |sum, &x| sum.wrapping_add(centre * i32::from(x as i8)))
}

#[inline(always)]
fn products<S: Lanes>(test: S) {
    let mut random = Random(5);
    let extreme_w = [255u8, 0, 1, 127, 128, 129, 254, 255];
    let extreme_x = [127i8, -127, 0, 1, -1, 126, -126, 64];
    for round in 0..4_096 {
        // First all four bytes alike, where sums are largest, then every combination of extremes, then anything.
        let (mut w, mut x): ([u8; 64], [u8; 64]) = (random.bytes(), random.bytes());
        if round < 64 {
            (w, x) = ([extreme_w[round / 8]; 64], [extreme_x[round % 8] as u8; 64]);
        } else if round < 2_048 {
            w = w.map(|b| extreme_w[usize::from(b) % 8]);
            x = x.map(|b| extreme_x[usize::from(b) % 8] as u8);
        }
        let x = x.map(|b| if b == 0x80 { 0x81 } else { b });
        let acc = [INTEGERS[round % INTEGERS.len()]; LANES];
        let start = |centre| std::array::from_fn(|lane| with_centre(acc[lane], centre, &x[4 * lane..4 * lane + 4]));
        agree!(
            test,
            integers,
            |s| s.dot_u8(s.load_int(&start(centre_of(s))), s.load_bytes(&w), s.load_bytes(&x)),
            w,
            x
        );
        // As many steps between opening and closing as may be, all of them at the edge where `w` and `x` are.
        for (largest, steps) in [(15, 8), (7, 18), (3, 42)] {
            let w = w.map(|b| b.min(largest));
            agree!(
                test,
                integers,
                |s| {
                    let mut sums = s.open(s.load_int(&acc));
                    for _ in 0..steps {
                        sums = s.dot_u4(sums, s.load_bytes(&w), s.load_bytes(&x));
                    }
                    s.close(s.load_int(&acc), sums)
                },
                w,
                x
            );
        }
    }
}

#[inline(always)]
fn partial_vectors<S: Lanes>(test: S) {
    for len in 0..=LANES {
        // Exactly as long as said: a checker of memory sees every byte beyond.
        let x: Vec<f32> = (0..len).map(|i| FLOATS[2 + i]).collect();
        agree!(test, floats, |s| s.load_partial(&x), len);
        let full: [f32; LANES] = std::array::from_fn(|i| FLOATS[20 + i]);
        let mut y = [9.0; LANES + 1];
        test.store_partial(test.load(&full), &mut y[..len]);
        for (i, value) in y.iter().enumerate() {
            assert_eq!(value.to_bits(), if i < len { full[i] } else { 9.0 }.to_bits(), "store_partial {len}, {i}");
        }
    }
}

#[inline(always)]
fn whole_vectors<S: Lanes>(test: S) {
    let mut random = Random(7);
    for round in 0..FLOATS.len() {
        // Greater in all lanes but one, which meets every value in every lane.
        for lane in 0..LANES {
            let mut x = [3e38; LANES];
            let mut y: [f32; LANES] = std::array::from_fn(|i| FLOATS[(round + i) % FLOATS.len()]);
            y = y.map(|value| if value < 3e38 { value } else { 1.0 });
            assert!(test.all_greater(test.load(&x), test.load(&y)), "{x:?} > {y:?}");
            x[lane] = FLOATS[round];
            for below in [FLOATS[round], FLOATS[(round + 1) % FLOATS.len()], -0.0, 0.5, f32::NAN] {
                y[lane] = below;
                let found = test.all_greater(test.load(&x), test.load(&y));
                assert_eq!(found, x[lane] > below, "{} > {below} in lane {lane}", x[lane]);
            }
        }
    }
    for _ in 0..64 {
        let x: [i32; LANES] = std::array::from_fn(|_| random.bits() as i32);
        let mut low = [0; LANES];
        test.narrow(test.load_int(&x), &mut low);
        assert_eq!(low, x.map(|word| word as u8));
        let any = random.floats();
        agree!(test, integers, |s| s.to_bits(s.load(&any)), any);
        let values = random.floats().map(|value| if value.is_nan() { f32::INFINITY } else { value });
        agree!(test, scalar_bits, |s| s.least(s.load(&values)), values);
        agree!(test, scalar_bits, |s| s.greatest(s.load(&values)), values);
        let rows: [[u8; 64]; LANES] = std::array::from_fn(|_| random.bytes());
        let columns = test.transpose(rows.each_ref().map(|row| test.load_bytes(row)));
        for (i, column) in columns.into_iter().enumerate() {
            let expected: [u8; 64] = std::array::from_fn(|at| rows[at / 4][4 * i + at % 4]);
            assert_eq!(bytes(test, column), expected, "column {i}");
        }
    }
}

#[inline(always)]
fn elementary_functions<S: Lanes>(test: S) {
    for x in FLOATS {
        agree!(test, floats, |s| exp_lanes(s, s.splat(x)), x);
        agree!(test, floats, |s| erf_lanes(s, s.splat(x)), x);
    }
    // All signs and magnitudes; a prime stride, so that all low bits occur.
    let stride = 40_009;
    for first in (0..=u32::MAX).step_by(stride * LANES) {
        let x = std::array::from_fn(|lane| f32::from_bits(first.wrapping_add((lane * stride) as u32)));
        agree!(test, floats, |s| exp_lanes(s, s.load(&x)), first);
        agree!(test, floats, |s| erf_lanes(s, s.load(&x)), first);
    }
    // Where both functions live.
    let mut random = Random(6);
    for _ in 0..20_000 {
        let x = std::array::from_fn(|_| (random.bits() as i32 as f32) * 5e-8);
        agree!(test, floats, |s| exp_lanes(s, s.load(&x)), x);
        agree!(test, floats, |s| erf_lanes(s, s.mul(s.splat(0.05), s.load(&x))), x);
    }
}

/// All of the above; inlined into a function for which the instruction set is enabled, as kernels are.
#[inline(always)]
fn everything<S: Lanes>(test: S) {
    float_operations(test);
    conversions(test);
    integer_operations(test);
    byte_operations(test);
    products(test);
    partial_vectors(test);
    whole_vectors(test);
    elementary_functions(test);
}

/// Whether to test `isa`; says what is skipped, and fails if `REQUIRE_ISA` names what is absent.
fn present(isa: Isa) -> bool {
    let required = std::env::var("REQUIRE_ISA").unwrap_or_default();
    let required = required.split(',').any(|name| name.trim() == isa.name());
    assert!(isa.is_present() || !required, "REQUIRE_ISA asks for {isa}, which this machine lacks");
    if !isa.is_present() {
        println!("skipped: this machine lacks {isa}");
    }
    isa.is_present()
}

#[test]
fn wide_agrees_with_scalar() {
    everything(super::wide::Wide);
}

#[test]
fn avx2_agrees_with_scalar() {
    if present(Isa::Avx2) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,f16c")]
            fn enabled() {
                // SAFETY: the only caller has checked that the instruction set is present.
                everything(unsafe { super::avx2::Avx2::assume() });
            }
            // SAFETY: present, as just checked.
            unsafe { enabled() }
        }
    }
}

#[test]
fn avx512_agrees_with_scalar() {
    if present(Isa::Avx512) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
            fn enabled() {
                // SAFETY: the only caller has checked that the instruction set is present.
                everything(unsafe { super::avx512::Avx512::assume() });
            }
            // SAFETY: present, as just checked.
            unsafe { enabled() }
        }
    }
}

#[test]
fn neon_agrees_with_scalar() {
    if present(Isa::Neon) {
        #[cfg(target_arch = "aarch64")]
        // SAFETY: present, as just checked.
        everything(unsafe { super::neon::Neon::assume() });
    }
}

/// The dot product extension is part of `neon` to a user: it is used where the processor has it.
#[test]
fn neon_with_dotprod_agrees_with_scalar() {
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("dotprod") {
        #[target_feature(enable = "neon,dotprod")]
        fn enabled() {
            // SAFETY: the only caller has checked that the instruction set is present.
            everything(unsafe { super::neon::NeonDot::assume() });
        }
        // SAFETY: present, as just checked.
        unsafe { enabled() };
        return;
    }
    println!("skipped: this machine lacks dotprod");
}

/// A half as the definition of IEEE 754 says: sign, 5 bits of exponent biased by 15, 10 bits of fraction.
#[test]
fn scalar_halves_are_those_of_the_definition() {
    for bits in 0..=u16::MAX {
        let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
        let (exponent, fraction) = (i32::from(bits >> 10) & 0x1f, f64::from(bits & 0x3ff));
        let power = |n: i32| f64::from_bits(((n + 1023) as u64) << 52);
        let expected = match exponent {
            0 => sign * fraction * power(-24),
            31 if fraction == 0.0 => sign * f64::INFINITY,
            31 => f64::NAN,
            _ => sign * (1024.0 + fraction) * power(exponent - 25),
        };
        let found = super::scalar::half_to_f32(bits);
        assert_eq!(pattern(found), pattern(expected as f32), "{bits:#06x}");
    }
}
