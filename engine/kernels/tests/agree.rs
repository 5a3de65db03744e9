//! Every kernel on every instruction set this machine has, over ragged shapes and adversarial values: equal to scalar,
//! bit for bit; and scalar against a plain f64 statement of the formula.
//!
//! `REQUIRE_ISA=avx2,avx512` turns an instruction set that is absent from a skip into a failure.

#![allow(clippy::disallowed_methods)] // std is the oracle here

mod data;

use data::{Rng, agree, close, isas};
use kernels::*;

#[test]
fn tables_are_of_their_instruction_set() {
    for isa in isas() {
        assert_eq!(Kernels::of(isa).unwrap().isa(), isa);
    }
}

#[test]
fn norms() {
    let mut rng = Rng::new(1);
    for n in [1, 2, 15, 16, 17, 31, 33, 60, 64, 100, 896] {
        let (x, weight, bias) = (rng.floats(n), rng.floats(n), rng.floats(n));
        let rms = agree("rms_norm", |k| {
            let mut y = vec![0.0; n];
            k.rms_norm(&x, &weight, 1e-5, &mut y);
            y
        });
        let layer = agree("layer_norm", |k| {
            let mut y = vec![0.0; n];
            k.layer_norm(&x, &weight, &bias, 1e-5, &mut y);
            y
        });
        let wide: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
        let mean = wide.iter().sum::<f64>() / n as f64;
        let mean_square = wide.iter().map(|v| v * v).sum::<f64>() / n as f64;
        let variance = wide.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n as f64;
        for i in 0..n {
            let expected = wide[i] / (mean_square + 1e-5).sqrt() * f64::from(weight[i]);
            close("rms_norm", rms[i], expected, expected.abs(), 1e-6);
            let centred = (wide[i] - mean) / (variance + 1e-5).sqrt() * f64::from(weight[i]);
            close(
                "layer_norm",
                layer[i],
                centred + f64::from(bias[i]),
                1.0 + centred.abs() + 1.0 / variance.max(1e-5).sqrt(),
                1e-5,
            );
        }
    }
}

#[test]
fn additions() {
    let mut rng = Rng::new(9);
    for n in [1, 15, 16, 17, 100] {
        let (x, update) = (rng.floats(n), rng.floats(n));
        let sums = agree("add", |k| {
            let mut y = x.clone();
            assert!(k.add(&mut y, &update));
            y
        });
        assert!(sums.iter().zip(x.iter().zip(&update)).all(|(sum, (x, u))| *sum == x + u));
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, n / 2, n - 1] {
                let mut x = x.clone();
                x[at] = broken;
                assert!(isas().into_iter().all(|isa| !Kernels::of(isa).unwrap().add(&mut x.clone(), &update)));
            }
        }
    }
}

#[test]
fn rotation() {
    let mut rng = Rng::new(2);
    for (head_dim, half) in [(8, 4), (16, 8), (18, 9), (20, 10), (24, 12), (64, 32), (128, 64), (64, 8)] {
        let x = rng.floats(head_dim);
        let angles: Vec<f64> = (0..half).map(|_| rng.unit() * 6.0).collect();
        let cos: Vec<f32> = angles.iter().map(|&a| a.cos() as f32).collect();
        let sin: Vec<f32> = angles.iter().map(|&a| a.sin() as f32).collect();
        let y = agree("rotate", |k| {
            let mut y = x.clone();
            k.rotate(&mut y, &cos, &sin);
            y
        });
        for i in 0..half {
            let (a, b) = (f64::from(x[i]), f64::from(x[i + half]));
            close("rotate", y[i], a * angles[i].cos() - b * angles[i].sin(), a.abs() + b.abs(), 2e-7);
            close("rotate", y[i + half], b * angles[i].cos() + a * angles[i].sin(), a.abs() + b.abs(), 2e-7);
        }
        assert_eq!(y[2 * half..], x[2 * half..]);
    }
}

#[test]
fn activations() {
    let mut rng = Rng::new(3);
    for n in [1, 7, 16, 19, 48, 333] {
        let mut x = rng.floats(n);
        for (slot, special) in x.iter_mut().zip([0.0, -0.0, 90.0, -90.0, 1e-40, -104.5, 30.0]) {
            *slot = special;
        }
        let up = rng.floats(n);
        for kind in [Nonlinearity::Silu, Nonlinearity::GeluTanh, Nonlinearity::GeluErf, Nonlinearity::Relu] {
            let y = agree("activate", |k| {
                let mut y = x.clone();
                k.activate(kind, &mut y);
                y
            });
            let gated = agree("gate", |k| {
                let mut y = x.clone();
                k.gate(kind, &mut y, &up);
                y
            });
            for i in 0..n {
                let v = f64::from(x[i]);
                let expected = match kind {
                    Nonlinearity::Silu => v / (1.0 + (-v).exp()),
                    Nonlinearity::GeluTanh => {
                        0.5 * v * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v * v * v)).tanh())
                    }
                    Nonlinearity::GeluErf => 0.5 * v * (1.0 + erf(v / 2f64.sqrt())),
                    Nonlinearity::Relu => v.max(0.0),
                };
                close("activation", y[i], expected, v.abs().max(1e-6), 4e-7);
                assert_eq!(gated[i].to_bits(), (y[i] * up[i]).to_bits());
            }
        }
    }
}

/// erf by its Taylor series where it converges well, else 1: for the check above only.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn log_sum_exp() {
    let mut rng = Rng::new(4);
    for n in [1, 3, 16, 17, 300, 4097] {
        let x: Vec<f32> = rng.floats(n).iter().map(|v| v * 8.0).collect();
        let expected = Kernels::of(Isa::Scalar).unwrap().log_sum_exp(&x);
        for isa in isas() {
            assert_eq!(Kernels::of(isa).unwrap().log_sum_exp(&x).to_bits(), expected.to_bits(), "{isa}");
        }
        let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = x.iter().map(|&v| (f64::from(v) - f64::from(largest)).exp()).sum();
        assert!((expected - (f64::from(largest) + sum.ln())).abs() < 2e-7, "{n}");
    }
}

/// Weights in storage form, and widened.
fn stored(rng: &mut Rng, dtype: DenseType, count: usize) -> (Vec<u8>, Vec<f64>) {
    let (mut bytes, mut wide) = (Vec::new(), Vec::new());
    for value in rng.floats(count) {
        match dtype {
            DenseType::F32 => {
                bytes.extend(value.to_le_bytes());
                wide.push(f64::from(value));
            }
            DenseType::Bf16 => {
                let v = half::bf16::from_f32(value);
                bytes.extend(v.to_le_bytes());
                wide.push(f64::from(v));
            }
            DenseType::F16 => {
                let v = half::f16::from_f32(value);
                bytes.extend(v.to_le_bytes());
                wide.push(f64::from(v));
            }
        }
    }
    (bytes, wide)
}

#[test]
fn dense() {
    let mut rng = Rng::new(5);
    for dtype in [DenseType::F32, DenseType::Bf16, DenseType::F16] {
        for (rows, columns, tokens) in [
            (1, 1, 1),
            (3, 15, 2),
            (4, 16, 6),
            (5, 17, 7),
            (9, 33, 13),
            (16, 60, 1),
            (70, 172, 11),
            (37, 1100, 99),
            (5, 2100, 8),
        ] {
            let (bytes, wide) = stored(&mut rng, dtype, rows * columns);
            // An odd address: checkpoints promise no alignment.
            let shifted = [&[0u8][..], &bytes].concat();
            let x = rng.floats(tokens * columns);
            let y = agree("dense", |k| {
                let mut y = vec![0.0; tokens * rows];
                let weights = DenseRows { bytes: &shifted[1..], dtype, columns };
                k.dense(weights, &x, &mut ColumnsMut::new(&mut y, rows));
                y
            });
            for t in 0..tokens {
                for r in 0..rows {
                    let (mut sum, mut magnitude) = (0.0, 0.0);
                    for k in 0..columns {
                        let term = wide[r * columns + k] * f64::from(x[t * columns + k]);
                        sum += term;
                        magnitude += term.abs();
                    }
                    close("dense", y[t * rows + r], sum, magnitude, 1e-6);
                }
            }
        }
    }
}

#[test]
fn activation_codes() {
    let mut rng = Rng::new(6);
    for segment in [16, 32, 64, 128] {
        for n in [1, 16, 31, 64, 100, 300] {
            let mut x = rng.floats(n);
            if n > 64 {
                x[..segment.min(n)].fill(0.0);
                x[n - 1] = 1e-44;
            }
            for planes in [1, 2] {
                let stride = n.next_multiple_of(32);
                let run = |k: &Kernels| {
                    let (mut high, mut low) = (vec![99i8; stride], vec![99i8; if planes == 2 { stride } else { 0 }]);
                    let (mut scales, mut offsets) = (vec![0.0; n.div_ceil(segment)], vec![[0; 2]; n.div_ceil(segment)]);
                    let out =
                        QuantizedRowMut { high: &mut high, low: &mut low, scales: &mut scales, offsets: &mut offsets };
                    k.quantize_row(&x, segment, out);
                    (high, low, scales, offsets)
                };
                let (high, low, scales, offsets) = run(Kernels::of(Isa::Scalar).unwrap());
                for isa in isas() {
                    assert_eq!(
                        run(Kernels::of(isa).unwrap()),
                        (high.clone(), low.clone(), scales.clone(), offsets.clone()),
                        "{isa}"
                    );
                }
                let top = if planes == 2 { 32512.0 } else { 127.0 };
                for (index, values) in x.chunks(segment).enumerate() {
                    let largest = values.iter().fold(0.0f32, |a, v| a.max(v.abs()));
                    assert!(scales[index] == largest / top, "{} for {largest}", scales[index]);
                    let mut offset_sums = [0; 2];
                    for (offset, &v) in values.iter().enumerate() {
                        let at = index * segment + offset;
                        let code = i32::from(high[at]) * if planes == 2 { 255 } else { 1 }
                            + low.get(at).map_or(0, |&l| i32::from(l));
                        offset_sums[0] -= i16::from(high[at]);
                        offset_sums[1] -= low.get(at).map_or(0, |&l| i16::from(l));
                        assert!(high[at] != -128 && low.get(at) != Some(&-128));
                        if scales[index] > 1e-30 {
                            let error = f64::from(code) * f64::from(scales[index]) - f64::from(v);
                            assert!(error.abs() <= 0.5001 * f64::from(scales[index]), "{v} as {code}");
                        }
                    }
                    assert_eq!(offsets[index], offset_sums);
                }
                assert!(high[n..].iter().chain(low.get(n..).unwrap_or(&[])).all(|&c| c == 0));
            }
        }
    }
}

#[test]
fn grouped() {
    let mut rng = Rng::new(7);
    let shapes: [(usize, usize, usize); 10] = [
        (1, 1, 1),
        (16, 16, 1),
        (17, 33, 5),
        (64, 128, 6),
        (64, 130, 7),
        (40, 172, 13),
        (33, 300, 2),
        (64, 1090, 17),
        (64, 290, 1),
        (40, 260, 1),
    ];
    for bits in CodeBits::ALL {
        for group in [None, Some(16), Some(32), Some(64), Some(128)] {
            for (rows, columns, tokens) in shapes {
                for stored_zeros in [true, false] {
                    let groups = group.map_or(1, |g| columns.div_ceil(g));
                    let padded = rows.next_multiple_of(ROW_BLOCK);
                    // All codes of extremes in the first row: sums at the edge of their range.
                    let codes: Vec<u8> = (0..rows * columns)
                        .map(|i| {
                            if i < columns { bits.max_code() } else { rng.below(u64::from(bits.max_code()) + 1) as u8 }
                        })
                        .collect();
                    let mut packed = vec![0; bits.panel_bytes(rows, columns)];
                    pack(bits, rows, columns, &codes, &mut packed);
                    let scales: Vec<f32> = rng.floats(groups * padded).iter().map(|v| v.abs() + 0.01).collect();
                    let zero_bytes: Vec<u8> =
                        (0..groups * padded).map(|_| rng.below(u64::from(bits.max_code()) + 1) as u8).collect();
                    let middle = 1u8 << (bits.bits() - 1);
                    let zeros = if stored_zeros { Zeros::PerGroup(&zero_bytes) } else { Zeros::Constant(middle) };
                    let panel = Panel { bits, rows, columns, group, codes: &packed, scales: &scales, zeros };
                    let mut x = rng.floats(tokens * columns);
                    x[..columns].fill(1.0);
                    let weight = |r: usize, k: usize| {
                        let at = group.map_or(0, |g| k / g) * padded + r;
                        let zero = if stored_zeros { zero_bytes[at] } else { middle };
                        f64::from(scales[at]) * (f64::from(codes[r * columns + k]) - f64::from(zero))
                    };
                    let what = format!("{bits:?} {group:?} {rows} x {columns} x {tokens}");
                    let check = |y: &[f32], values: &dyn Fn(usize, usize) -> f64| {
                        for t in 0..tokens {
                            for r in 0..rows {
                                let (mut sum, mut magnitude) = (0.0, 0.0);
                                for k in 0..columns {
                                    let term = weight(r, k) * values(t, k);
                                    sum += term;
                                    magnitude += term.abs();
                                }
                                close(&what, y[t * rows + r], sum, magnitude, 1e-5);
                            }
                        }
                    };
                    let y = agree(&what, |k| {
                        let mut y = vec![0.0; tokens * rows];
                        k.grouped_f32(&panel, &x, &mut ColumnsMut::new(&mut y, rows));
                        y
                    });
                    check(&y, &|t, k| f64::from(x[t * columns + k]));

                    let segment = segment_of(group);
                    for planes in [1, 2] {
                        let q = data::Codes::of(&x, columns, segment, planes);
                        let y = agree(&what, |k| {
                            let mut y = vec![0.0; tokens * rows];
                            k.grouped(&panel, &q.rows(), &mut ColumnsMut::new(&mut y, rows));
                            y
                        });
                        check(&y, &|t, k| q.value(t, k));
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_measured_is_computed() {
    let words: Vec<i32> = (0..1000).map(|i: i32| i.wrapping_mul(0x0123_4567)).collect();
    let sum = words.iter().fold(0i32, |sum, &word| sum.wrapping_add(word));
    for isa in isas() {
        let kernels = Kernels::of(isa).unwrap();
        assert_eq!(kernels.read(&words), sum);
        assert!(kernels.multiply_add(2400) > 0.0);
        // Token t of a tile of T has the products 1 + t, -2, 3, -4; 2400 steps are 2400 / T of each token.
        let expected = [2, 3, 4, 6].map(|tile: i32| 2400 / tile * (tile * (tile - 1) / 2 - 2 * tile) * 16);
        let found = kernels.byte_products(2400, &[1; 1024]);
        assert!(expected.contains(&found), "{isa}: {found} is none of {expected:?}");
    }
}
