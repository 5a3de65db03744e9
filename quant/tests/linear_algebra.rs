//! Hessians and factorisations: against plain loops, bit for bit, on every instruction set and any number of threads;
//! and against what they stand for, within rounding.
#![allow(clippy::needless_range_loop)] // matrices are read by row and column

mod numbers;

use engine::runtime::{IsaChoice, Runtime};
use kernels::{Isa, Kernels};
use numbers::Numbers;
use quant::hessian::Hessian;
use quant::linear_algebra::{NotPositiveDefinite, cholesky, inverse_factor, inverse_transposed};

/// Runs `work` with every instruction set, and on 1, 2 and 7 threads with the best: all must give the same bits.
fn everywhere(what: &str, work: impl Fn(&Kernels) -> Vec<f64> + Sync) -> Vec<f64> {
    let run = |threads, isa| {
        let runtime = Runtime::new(Some(threads), isa).unwrap();
        runtime.run(|| work(runtime.kernels()))
    };
    let expected = run(1, IsaChoice::Exactly(Isa::Scalar));
    let others =
        Isa::present().map(|isa| (2, IsaChoice::Exactly(isa))).chain([(1, IsaChoice::Best), (7, IsaChoice::Best)]);
    for (threads, isa) in others {
        let found = run(threads, isa);
        let same = found.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && found.len() == expected.len(), "{what}: {threads} threads, {isa:?}");
    }
    expected
}

/// Inputs f32 [tokens, columns] whose columns go together.
fn inputs(numbers: &mut Numbers, tokens: usize, columns: usize) -> Vec<f32> {
    let scales: Vec<f64> = (0..columns).map(|_| 0.2 + 2.0 * numbers.unit()).collect();
    let mut x = Vec::with_capacity(tokens * columns);
    for _ in 0..tokens {
        let common = numbers.normal();
        x.extend(scales.iter().map(|scale| (scale * (0.8 * common + 0.6 * numbers.normal())) as f32));
    }
    x
}

/// A positive-definite matrix.
fn positive_definite(numbers: &mut Numbers, n: usize) -> Vec<f64> {
    let mut hessian = Hessian::new(n);
    hessian.add_sequence(Kernels::best(), &inputs(numbers, 2 * n, n));
    let mut h = hessian.into_matrix();
    for j in 0..n {
        h[j * n + j] += 0.3;
    }
    h
}

#[test]
fn hessians_are_sums_in_the_order_of_tokens() {
    let mut numbers = Numbers(5);
    for (tokens, columns) in [(1, 1), (5, 17), (300, 47), (290, 193), (530, 400)] {
        let sequences = [inputs(&mut numbers, tokens, columns), inputs(&mut numbers, tokens / 2 + 1, columns)];
        let found = everywhere("Hessian", |kernels| {
            let mut hessian = Hessian::new(columns);
            sequences.iter().for_each(|x| hessian.add_sequence(kernels, x));
            assert_eq!((hessian.sequences(), hessian.columns()), (2, columns));
            let diagonal = hessian.diagonal();
            let h = hessian.into_matrix();
            assert!((0..columns).all(|j| h[j * columns + j] == diagonal[j]));
            h
        });
        let mut expected = vec![0.0; columns * columns];
        for x in sequences.iter().flat_map(|x| x.chunks(columns)) {
            for i in 0..columns {
                for j in 0..columns {
                    expected[i * columns + j] += f64::from(x[i]) * f64::from(x[j]);
                }
            }
        }
        assert!(found.iter().zip(&expected).all(|(h, sum)| h.to_bits() == sum.to_bits()), "{tokens} x {columns}");
        // Tokens divided among calls otherwise.
        let mut hessian = Hessian::new(columns);
        for x in &sequences {
            let (first, rest) = x.split_at((x.len() / columns / 3) * columns);
            hessian.add_tokens(Kernels::best(), first);
            hessian.add_sequence(Kernels::best(), rest);
        }
        assert!(hessian.into_matrix() == found);
    }
}

#[test]
fn factors_are_those_of_plain_loops() {
    let mut numbers = Numbers(6);
    for n in [1, 2, 15, 17, 96, 97, 111, 250] {
        let h = positive_definite(&mut numbers, n);
        let found = everywhere("Cholesky", |kernels| {
            let mut p = h.clone();
            cholesky(kernels, &mut p, n).unwrap();
            inverse_transposed(kernels, &mut p, n);
            p
        });
        let (mut p, mut w) = (vec![0.0; n * n], vec![0.0; n * n]);
        for i in 0..n {
            for j in i..n {
                let mut sum = h[i * n + j];
                for k in 0..i {
                    sum -= p[k * n + i] * p[k * n + j];
                }
                p[i * n + j] = if i == j { sum.sqrt() } else { sum / p[i * n + i] };
            }
        }
        for j in 0..n {
            for i in 0..=j {
                let mut sum = if i == j { 1.0 } else { 0.0 };
                for k in i..j {
                    sum -= p[k * n + j] * w[k * n + i];
                }
                w[j * n + i] = sum / p[j * n + j];
            }
        }
        for i in 0..n {
            for j in 0..n {
                let expected = if j > i { p[i * n + j] } else { w[i * n + j] };
                assert_eq!(found[i * n + j].to_bits(), expected.to_bits(), "{n}: ({i}, {j})");
            }
        }
    }
}

/// U^T U H = 1, to within n^2 roundings of the terms: U is upper triangular with a positive diagonal, hence unique.
#[test]
fn the_inverse_factor_inverts() {
    let mut numbers = Numbers(7);
    for n in [1, 3, 48, 131, 200] {
        let h = positive_definite(&mut numbers, n);
        let u = everywhere("inverse factor", |kernels| {
            // Only the lower triangle counts.
            let mut u = h.clone();
            for i in 0..n {
                u[i * n + i + 1..(i + 1) * n].fill(f64::NAN);
            }
            inverse_factor(kernels, &mut u, n).unwrap();
            u
        });
        for i in 0..n {
            assert!(u[i * n + i] > 0.0 && u[i * n..i * n + i].iter().all(|&below| below == 0.0));
        }
        // (U H)[i][j], then U^T of that.
        let mut product = vec![0.0; n * n];
        let mut size = vec![0.0f64; n * n];
        for i in 0..n {
            for k in i..n {
                for j in 0..n {
                    product[i * n + j] += u[i * n + k] * h[k * n + j];
                    size[i * n + j] += (u[i * n + k] * h[k * n + j]).abs();
                }
            }
        }
        for i in 0..n {
            for j in 0..n {
                let (mut sum, mut terms) = (0.0, 0.0);
                for k in 0..=i {
                    sum += u[k * n + i] * product[k * n + j];
                    terms += u[k * n + i].abs() * size[k * n + j];
                }
                let expected = if i == j { 1.0 } else { 0.0 };
                let tolerance = f64::EPSILON * n as f64 * terms;
                assert!((sum - expected).abs() <= tolerance, "{n}: ({i}, {j}) is {sum}, tolerance {tolerance:e}");
            }
        }
    }
}

#[test]
fn a_matrix_that_is_not_positive_definite_is_named() {
    let kernels = Kernels::best();
    let n = 130;
    let mut h = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            h[i * n + j] = if i == j { 1.0 } else { 0.0 };
        }
    }
    h[70 * n + 70] = -0.25;
    let error = inverse_factor(kernels, &mut h.clone(), n).unwrap_err();
    assert_eq!(error, NotPositiveDefinite { column: 70, pivot: -0.25 });
    let message = error.to_string();
    assert!(message.contains("column 70") && message.contains("damp") && message.contains("-2.5e-1"), "{message}");
    for broken in [0.0, f64::NAN, f64::INFINITY] {
        h[70 * n + 70] = broken;
        assert_eq!(inverse_factor(kernels, &mut h.clone(), n).unwrap_err().column, 70);
    }
}
