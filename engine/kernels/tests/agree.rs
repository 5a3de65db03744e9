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

#[test]
fn pointwise_functions() {
    let mut rng = Rng::new(4);
    for n in [1, 7, 16, 19, 48, 333] {
        let mut x = rng.floats(n);
        for (slot, special) in x.iter_mut().zip([0.0, -0.0, 90.0, -90.0, 1e-40, -0.3125, 0.6250001]) {
            *slot = special;
        }
        for kind in [Pointwise::Scale(0.3), Pointwise::Clamp(0.75), Pointwise::SoftCap(0.5), Pointwise::SoftCap(30.0)] {
            let y = agree("pointwise", |k| {
                let mut y = x.clone();
                k.pointwise(kind, &mut y);
                y
            });
            for (&x, &y) in x.iter().zip(&y) {
                let expected = match kind {
                    Pointwise::Scale(factor) => f64::from(factor) * f64::from(x),
                    Pointwise::Clamp(limit) => f64::from(x.clamp(-limit, limit)),
                    Pointwise::SoftCap(cap) => f64::from(cap) * (f64::from(x) / f64::from(cap)).tanh(),
                };
                close("pointwise", y, expected, expected.abs().max(1e-30), 4e-7);
            }
        }
    }
}

#[test]
fn neighbours_rotate() {
    let mut rng = Rng::new(5);
    let (x, angles) = (rng.floats(11), [0.3f64, -2.0, 7.5]);
    let [cos, sin] = [f64::cos, f64::sin].map(|f| angles.map(|angle| f(angle) as f32));
    let mut y = x.clone();
    rotate_neighbours(&mut y, &cos, &sin);
    for (i, angle) in angles.into_iter().enumerate() {
        let (a, b) = (f64::from(x[2 * i]), f64::from(x[2 * i + 1]));
        close("neighbours", y[2 * i], a * angle.cos() - b * angle.sin(), a.abs() + b.abs(), 2e-7);
        close("neighbours", y[2 * i + 1], b * angle.cos() + a * angle.sin(), a.abs() + b.abs(), 2e-7);
    }
    assert_eq!(y[6..], x[6..]);
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
    for segment in [8, 16, 32, 64, 128] {
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
                            // Half a step, and the rounding of a quotient as large as the largest code.
                            let bound = 0.5 + 2.0 * f64::from(top) / f64::from(1 << 24);
                            assert!(error.abs() <= bound * f64::from(scales[index]), "{v} as {code}");
                        }
                    }
                    assert_eq!(offsets[index], offset_sums);
                }
                assert!(high[n..].iter().chain(low.get(n..).unwrap_or(&[])).all(|&c| c == 0));
            }
        }
    }
}

/// Kinds of zero points.
#[derive(Clone, Copy, PartialEq)]
enum ZeroKind {
    Stored,
    Constant,
    Floats,
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
        for group in [None, Some(8), Some(16), Some(32), Some(64), Some(128)] {
            for (rows, columns, tokens) in shapes {
                for kind in [ZeroKind::Stored, ZeroKind::Constant, ZeroKind::Floats] {
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
                    // Beyond the codes, and between them.
                    let float_zeros: Vec<f32> =
                        rng.floats(groups * padded).iter().map(|v| v * f32::from(bits.max_code())).collect();
                    let zeros = match kind {
                        ZeroKind::Stored => Zeros::PerGroup(&zero_bytes),
                        ZeroKind::Constant => Zeros::Constant(middle),
                        ZeroKind::Floats => Zeros::Floats(&float_zeros),
                    };
                    let panel = Panel { bits, rows, columns, group, codes: &packed, scales: &scales, zeros };
                    let mut x = rng.floats(tokens * columns);
                    x[..columns].fill(1.0);
                    let weight = |r: usize, k: usize| {
                        let at = group.map_or(0, |g| k / g) * padded + r;
                        let zero = match kind {
                            ZeroKind::Stored => f64::from(zero_bytes[at]),
                            ZeroKind::Constant => f64::from(middle),
                            ZeroKind::Floats => f64::from(float_zeros[at]),
                        };
                        f64::from(scales[at]) * (f64::from(codes[r * columns + k]) - zero)
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
                                    if kind == ZeroKind::Floats {
                                        // The two parts of a sum may be larger than their difference.
                                        let code = f64::from(codes[r * columns + k]);
                                        let at = group.map_or(0, |g| k / g) * padded + r;
                                        magnitude += (2.0 * code * f64::from(scales[at]) * values(t, k)).abs();
                                    }
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

/// Statistics that are codes: the bits of `grouped` with the scales and zeros that the codes stand for.
#[test]
fn bilevel() {
    let mut rng = Rng::new(12);
    let shapes: [(usize, usize, usize); 7] =
        [(1, 1, 1), (16, 16, 1), (17, 33, 5), (64, 130, 7), (40, 172, 13), (33, 300, 2), (64, 1090, 17)];
    for bits in CodeBits::ALL {
        for (group, statistic_bits) in [(8, [3, 3]), (16, [3, 3]), (32, [1, 8]), (64, [8, 2]), (128, [4, 3])] {
            for (rows, columns, tokens) in shapes {
                let (groups, padded) = (columns.div_ceil(group), rows.next_multiple_of(ROW_BLOCK));
                let codes: Vec<u8> =
                    (0..rows * columns).map(|_| rng.below(u64::from(bits.max_code()) + 1) as u8).collect();
                let mut packed = vec![0; bits.panel_bytes(rows, columns)];
                pack(bits, rows, columns, &codes, &mut packed);
                let records = groups * padded / ROW_BLOCK;
                let planes: Vec<u8> =
                    (0..records * 2 * (statistic_bits[0] + statistic_bits[1])).map(|_| rng.next() as u8).collect();
                let seconds: Vec<[f32; 4]> =
                    (0..records).map(|_| [rng.float(), rng.float(), rng.float(), 4.0 * rng.float()]).collect();
                let panel = BilevelPanel {
                    bits,
                    rows,
                    columns,
                    group,
                    codes: &packed,
                    statistic_bits,
                    planes: &planes,
                    seconds: &seconds,
                };
                let (mut scales, mut zeros) = (vec![0.0; groups * padded], vec![0.0; groups * padded]);
                for at in 0..groups * padded {
                    let (g, row) = (at / padded, at % padded);
                    let record = g * padded / ROW_BLOCK + row / ROW_BLOCK;
                    let code = |first: usize, bits: usize| {
                        let plane = |p: usize| {
                            let at = 2 * (record * (statistic_bits[0] + statistic_bits[1]) + first + p);
                            u16::from_le_bytes([planes[at], planes[at + 1]]) >> (row % ROW_BLOCK) & 1
                        };
                        (0..bits).map(|p| f32::from(plane(p) << p)).fold(0.0, |sum, bit| sum + bit)
                    };
                    let second = seconds[record];
                    scales[at] = second[1] + second[0] * code(0, statistic_bits[0]);
                    zeros[at] = second[3] + second[2] * code(statistic_bits[0], statistic_bits[1]);
                    if row < rows {
                        let (scale, zero) = panel.grid(row, g);
                        assert_eq!((scale.to_bits(), zero.to_bits()), (scales[at].to_bits(), zeros[at].to_bits()));
                    }
                }
                let decoded = Panel {
                    bits,
                    rows,
                    columns,
                    group: Some(group),
                    codes: &packed,
                    scales: &scales,
                    zeros: Zeros::Floats(&zeros),
                };
                let x = rng.floats(tokens * columns);
                let what = format!("{bits:?} {group} {rows} x {columns} x {tokens}");
                let same = |found: Vec<f32>, expected: Vec<f32>| {
                    assert!(found.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{what}");
                };
                let product = |run: &dyn Fn(&Kernels, &mut ColumnsMut<'_>)| {
                    agree(&what, |k| {
                        let mut y = vec![0.0; tokens * rows];
                        run(k, &mut ColumnsMut::new(&mut y, rows));
                        y
                    })
                };
                same(product(&|k, y| k.bilevel_f32(&panel, &x, y)), product(&|k, y| k.grouped_f32(&decoded, &x, y)));
                for widths in [1, 2] {
                    let q = data::Codes::of(&x, columns, group, widths);
                    let q = q.rows();
                    same(product(&|k, y| k.bilevel(&panel, &q, y)), product(&|k, y| k.grouped(&decoded, &q, y)));
                }
            }
        }
    }
}

#[test]
fn outliers() {
    let mut rng = Rng::new(13);
    for (rows, columns) in [(1, 1), (5, 40), (16, 300), (64, 1000), (37, 65_536)] {
        // Rows without any, with one, with a few, and with very many.
        let (mut starts, mut indices) = (vec![7u32], vec![0u16; 7]);
        for row in 0..rows {
            let every = [0, columns as u64, 50, 3][row % 4];
            let found = (0..columns).filter(|_| every > 0 && rng.below(every) == 0).map(|column| column as u16);
            indices.extend(found);
            starts.push(indices.len() as u32);
        }
        let values: Vec<u16> = indices.iter().map(|_| rng.next() as u16 & 0xbfff).collect();
        let outliers = Outliers { starts: &starts, columns: &indices, values: &values, unit: 0.5 };
        for tokens in [1, 2, 15, 16, 17, 32, 33, 50] {
            if tokens * columns > 1 << 21 {
                continue;
            }
            let (x, before) = (rng.floats(tokens * columns), rng.floats(tokens * rows));
            let mut turned = Vec::new();
            for block in x.chunks(TOKEN_BLOCK * columns) {
                turned.extend((0..columns).flat_map(|k| block.chunks(columns).map(move |token| token[k])));
            }
            let side_by_side = TokenColumns { tokens, columns, x: &turned };
            let y = agree("outliers", |k| {
                let mut y = before.clone();
                k.outliers(&outliers, &side_by_side, &mut ColumnsMut::new(&mut y, rows));
                y
            });
            for (at, (y, before)) in y.iter().zip(before).enumerate() {
                let (token, row) = (at / rows, at % rows);
                let mut sum = 0.0;
                for i in starts[row] as usize..starts[row + 1] as usize {
                    sum +=
                        half::f16::from_bits(values[i]).to_f32() * 0.5 * x[token * columns + usize::from(indices[i])];
                }
                assert_eq!(y.to_bits(), (before + sum).to_bits(), "{rows} x {columns}, token {token}, row {row}");
            }
        }
    }
}

#[test]
fn levels() {
    let mut rng = Rng::new(14);
    let shapes: [(usize, usize, usize); 9] = [
        (1, 1, 1),
        (16, 16, 1),
        (17, 33, 5),
        (64, 128, 6),
        (64, 130, 7),
        (40, 172, 13),
        (33, 300, 2),
        (64, 390, 17),
        (40, 260, 1),
    ];
    for group in [None, Some(16), Some(32), Some(64), Some(128)] {
        for (rows, columns, tokens) in shapes {
            let (groups, padded) = (group.map_or(1, |group| columns.div_ceil(group)), rows.next_multiple_of(ROW_BLOCK));
            let codes: Vec<u8> = (0..rows * columns).map(|_| rng.below(16) as u8).collect();
            let mut packed = vec![0; CodeBits::Four.panel_bytes(rows, columns)];
            pack(CodeBits::Four, rows, columns, &codes, &mut packed);
            let levels: [f32; 16] = rng.floats(16).try_into().unwrap();
            let table: [f32; 256] = rng.floats(256).try_into().unwrap();
            let scale_codes: Vec<u8> = (0..groups * padded).map(|_| rng.next() as u8).collect();
            // A panel in the middle of its matrix, whose groups cross from one second-level scale to the next.
            let first_row = 192;
            let seconds = rng.floats((first_row + rows) * groups / 256 + 1);
            let coded =
                LevelScales::Codes { codes: &scale_codes, table: &table, seconds: &seconds, offset: 0.75, first_row };
            let floats: Vec<f32> = (0..groups * padded)
                .map(|at| {
                    let (group, row) = (at / padded, (at % padded).min(rows - 1));
                    let second = seconds[((first_row + row) * groups + group) / 256];
                    table[usize::from(scale_codes[at])] * second + 0.75
                })
                .collect();
            let x = rng.floats(tokens * columns);
            let what = format!("{group:?} {rows} x {columns} x {tokens}");
            let product = |scales| {
                let panel = LevelPanel { rows, columns, group, levels: &levels, codes: &packed, scales };
                agree(&what, |k| {
                    let mut y = vec![f32::NAN; tokens * rows];
                    k.levels(&panel, &x, &mut ColumnsMut::new(&mut y, rows));
                    y
                })
            };
            let y = product(LevelScales::Floats(&floats));
            assert!(y.iter().zip(product(coded)).all(|(a, b)| a.to_bits() == b.to_bits()), "{what}");
            let segment = group.unwrap_or(128);
            for (at, y) in y.iter().enumerate() {
                let (token, row) = (at / rows, at % rows);
                let mut sum = 0.0f32;
                for first in (0..columns).step_by(segment) {
                    let mut inner = 0.0f32;
                    for k in first..(first + segment).min(columns) {
                        inner += levels[usize::from(codes[row * columns + k])] * x[token * columns + k];
                    }
                    sum += inner * floats[group.map_or(0, |group| first / group) * padded + row];
                }
                assert_eq!(y.to_bits(), sum.to_bits(), "{what}, token {token}, row {row}");
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
        // 2400 steps of sixteen products 0.5 * 1e-6.
        assert!((kernels.multiply_add_f64(2400) - 2400.0 * 16.0 * 5e-7).abs() < 1e-12);
        // Token t of a tile of T has the products 1 + t, -2, 3, -4; 2400 steps are 2400 / T of each token.
        let expected = [2, 3, 4, 6].map(|tile: i32| 2400 / tile * (tile * (tile - 1) / 2 - 2 * tile) * 16);
        let found = kernels.byte_products(2400, &[1; 1024]);
        assert!(expected.contains(&found), "{isa}: {found} is none of {expected:?}");
    }
}

/// Bits of f64, all of which every instruction set must give.
fn agree_f64(what: &str, case: impl Fn(&Kernels) -> Vec<f64>) -> Vec<f64> {
    let expected = case(Kernels::of(Isa::Scalar).unwrap());
    for isa in isas() {
        let found = case(Kernels::of(isa).unwrap());
        assert_eq!(found.len(), expected.len());
        for (index, (a, b)) in found.iter().zip(&expected).enumerate() {
            assert!(a.to_bits() == b.to_bits(), "{what}, {isa}, element {index}: {a:e} where scalar has {b:e}");
        }
    }
    expected
}

fn f64s(rng: &mut Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| (rng.unit() - 0.5) * if rng.below(16) == 0 { 1e9 } else { 1.0 }).collect()
}

#[test]
fn products_in_f64() {
    let mut rng = Rng::new(31);
    let shapes = [
        (1, 1, 1),
        (3, 2, 17),
        (1, 13, 16),
        (16, 12, 15),
        (255, 25, 33),
        (257, 191, 18),
        (600, 207, 49),
        (0, 5, 7),
        (33, 30, 300),
        (32, 200, 257),
        (193, 24, 511),
    ];
    for (depth, rows, columns) in shapes {
        // Blocks of wider matrices: what lies around c must stay as it is.
        let (x_stride, y_stride, c_stride) = (rows + 3, columns + 5, columns + 2);
        let (x, y) = (f64s(&mut rng, depth * x_stride), f64s(&mut rng, depth * y_stride));
        let before = f64s(&mut rng, (rows + 1) * c_stride);
        let (x_block, y_block) = (Columns::new(&x, x_stride), Columns::new(&y, y_stride));
        let (x_block, y_block) = (x_block.block(0..depth, 2..2 + rows), y_block.block(0..depth, 4..4 + columns));
        for sign in [Sign::Plus, Sign::Minus] {
            let product = |k: &Kernels, cuts: &[usize]| {
                let mut after = before.clone();
                let (c, _) = ColumnsMut::new(&mut after, c_stride).split_at(columns + 1);
                let (_, mut c) = c.split_rows(1).1.split_at(1);
                for cut in cuts.windows(2) {
                    let rows = cut[0]..cut[1];
                    k.product_f64(
                        sign,
                        x_block.block(rows.clone(), 0..x_block.width()),
                        y_block.block(rows, 0..columns),
                        &mut c,
                    );
                }
                after
            };
            let found = agree_f64("product_f64", |k| product(k, &[0, depth]));
            let mut expected = before.clone();
            for i in 0..rows {
                for j in 0..columns {
                    let c = &mut expected[(i + 1) * c_stride + j + 1];
                    for k in 0..depth {
                        let product = x[k * x_stride + 2 + i] * y[k * y_stride + 4 + j];
                        *c = if sign == Sign::Plus { *c + product } else { *c - product };
                    }
                }
            }
            assert!(found.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{depth} {rows} {columns}");
            let cut = agree_f64("product_f64 in parts", |k| product(k, &[0, depth / 3, depth / 2, depth]));
            assert!(
                cut.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{depth} {rows} {columns} in parts"
            );
        }
    }
}

#[test]
fn feedback_of_a_column() {
    let mut rng = Rng::new(32);
    for rows in [1, 15, 16, 17, 100] {
        for (bits, max_code) in [(CodeBits::Two, 3), (CodeBits::Three, 7), (CodeBits::Four, 15), (CodeBits::Eight, 255)]
        {
            let scales: Vec<f64> = (0..rows).map(|_| 0.01 + rng.unit()).collect();
            let zeros: Vec<f64> = (0..rows).map(|_| rng.below(max_code + 1) as f64).collect();
            // Halves, and weights far outside of the grid.
            let weights: Vec<f64> = (0..rows)
                .map(|row| match rng.below(4) {
                    0 => scales[row] * (rng.below(600) as f64 / 2.0 - 150.0),
                    1 => 1e300 * (rng.unit() - 0.5),
                    _ => (rng.unit() - 0.5) * scales[row] * max_code as f64,
                })
                .collect();
            let losses = f64s(&mut rng, rows);
            let found = agree_f64("feedback", |k| {
                let (mut errors, mut codes, mut losses) = (weights.clone(), vec![0; rows], losses.clone());
                let column = FeedbackColumn { scales: &scales, zeros: &zeros, max_code: max_code as u8, pivot: 0.3 };
                k.feedback(column, &mut errors, &mut codes, &mut losses);
                let codes = codes.into_iter().map(f64::from);
                errors.into_iter().chain(losses).chain(codes).collect()
            });
            for row in 0..rows {
                let code = CodeGrid::new(scales[row], zeros[row] as i32, bits).code(weights[row]);
                let error = (weights[row] - scales[row] * (f64::from(code) - zeros[row])) / 0.3;
                assert_eq!(found[2 * rows + row], f64::from(code));
                assert_eq!(found[row].to_bits(), error.to_bits());
                assert_eq!(found[rows + row].to_bits(), (losses[row] + error * error).to_bits());
            }
        }
    }
}

#[test]
fn rows_split_by_a_threshold() {
    let mut rng = Rng::new(33);
    for n in [1, 15, 16, 17, 100, 300] {
        let mut x = rng.floats(n);
        let specials = [f32::NAN, f32::INFINITY, -f32::INFINITY, 2.0, -2.0, 2f32.next_down(), -0.0];
        for (at, special) in specials.into_iter().enumerate().filter(|(at, _)| at * 13 < n) {
            x[at * 13] = special;
        }
        for threshold in [2.0, 1e-3, f32::INFINITY] {
            let found = agree("split_row", |k| {
                let mut kept = vec![9.0; n + 1];
                kept[n] = k.split_row(&x, threshold, &mut kept[..n]);
                kept
            });
            let expected: Vec<f32> = x.iter().map(|&v| if v.abs() < threshold { v } else { 0.0 }).collect();
            assert!(found.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{n}, {threshold}");
            assert_eq!(found[n], expected.iter().fold(0.0, |largest, v| f32::max(largest, v.abs())));
        }
    }
}

#[test]
fn codes_with_one_scale_a_row() {
    let mut rng = Rng::new(34);
    for n in [1, 31, 128, 300] {
        let x = rng.floats(n);
        let largest = x.iter().fold(0.0, |largest, v| f32::max(largest, v.abs()));
        for scale in [largest / 127.0, largest, 0.0] {
            let (stride, segments) = (n.next_multiple_of(32), n.div_ceil(128));
            let run = |k: &Kernels| {
                let (mut high, mut scales, mut offsets) =
                    (vec![99i8; stride], vec![9.0; segments], vec![[9; 2]; segments]);
                let out = QuantizedRowMut { high: &mut high, low: &mut [], scales: &mut scales, offsets: &mut offsets };
                k.quantize_row_with(&x, scale, 128, out);
                (high, scales, offsets)
            };
            let (high, scales, offsets) = run(Kernels::of(Isa::Scalar).unwrap());
            for isa in isas() {
                assert_eq!(run(Kernels::of(isa).unwrap()), (high.clone(), scales.clone(), offsets.clone()), "{isa}");
            }
            assert!(scales.iter().all(|&found| found == scale));
            for (k, &code) in high.iter().enumerate() {
                let exact = x.get(k).filter(|_| scale > 0.0).map_or(0.0, |x| (x / scale).round_ties_even());
                assert_eq!(f32::from(code), exact);
            }
            for (offset, codes) in offsets.iter().zip(high.chunks(128)) {
                assert_eq!(i32::from(offset[0]), -codes.iter().map(|&code| i32::from(code)).sum::<i32>());
            }
        }
    }
}

#[test]
fn outlier_features_of_a_token() {
    let mut rng = Rng::new(35);
    for (rows, columns) in [(1, 1), (16, 9), (17, 40), (40, 33), (64, 130)] {
        let features: Vec<OutlierFeature> = (0..columns as u32)
            .filter(|feature| feature % 3 == 0)
            .map(|feature| OutlierFeature { feature, value: 7.0 * rng.float() })
            .collect();
        let before = rng.floats(rows);
        let added = |what: &str, weights: &OutlierWeights<'_>| {
            agree(what, |k| {
                let mut y = before.clone();
                k.add_outlier_features(weights, &features, &mut y);
                y
            })
        };
        let padded = rows.next_multiple_of(ROW_BLOCK);
        let codes: Vec<u8> = (0..rows * columns).map(|_| rng.below(256) as u8).collect();
        let mut packed = vec![0; CodeBits::Eight.panel_bytes(rows, columns)];
        pack(CodeBits::Eight, rows, columns, &codes, &mut packed);
        let scales: Vec<f32> = rng.floats(padded).iter().map(|scale| scale.abs() + 0.01).collect();
        let zero_bytes: Vec<u8> = (0..padded).map(|_| rng.below(256) as u8).collect();
        for zeros in [Zeros::Constant(128), Zeros::PerGroup(&zero_bytes)] {
            let panel =
                Panel { bits: CodeBits::Eight, rows, columns, group: None, codes: &packed, scales: &scales, zeros };
            let found = added("codes of outlier features", &OutlierWeights::Codes(panel));
            for r in 0..rows {
                let zero = if let Zeros::PerGroup(zeros) = zeros { zeros[r] } else { 128 };
                let mut sum = 0.0;
                for outlier in &features {
                    let code = f32::from(codes[r * columns + outlier.feature as usize]) - f32::from(zero);
                    sum += outlier.value * code;
                }
                assert_eq!(found[r].to_bits(), (before[r] + sum * scales[r]).to_bits());
            }
        }
        for dtype in [DenseType::F32, DenseType::Bf16, DenseType::F16] {
            let (bytes, wide) = stored(&mut rng, dtype, rows * columns);
            let found = added(
                "stored weights of outlier features",
                &OutlierWeights::Stored(DenseRows { bytes: &bytes, dtype, columns }),
            );
            for r in 0..rows {
                let mut sum = 0.0;
                for outlier in &features {
                    sum += outlier.value * wide[r * columns + outlier.feature as usize] as f32;
                }
                assert_eq!(found[r].to_bits(), (before[r] + sum).to_bits());
            }
        }
    }
}
