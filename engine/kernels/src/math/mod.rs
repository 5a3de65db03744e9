//! Elementary functions of our own: one result on every machine and libc.
//!
//! glibc, musl and the same glibc with and without FMA hardware disagree in the last bit of `exp` or `ln`. These
//! functions use only `+ - * / sqrt` and bit operations, each rounded once in the written order, so they cannot.
//!
//! | function | type | method | largest error |
//! |---|---|---|---|
//! | [`exp`] | f64 | reduction by multiples of ln 2, Taylor to degree 13 | 0.7 ULP, 0.8 where subnormal |
//! | [`ln`] | f64 | atanh series in double-double | 0.501 ULP |
//! | [`pow`] | f64 | double-double logarithm and product, then the exponential | as `exp` |
//! | [`sin_cos`] | f64 | exact reduction by integers for every finite x, Taylor | 0.85 ULP |
//! | [`exp_f32`], `exp_lanes` | f32 | reduction by multiples of ln 2, minimax to degree 6 | 0.71 ULP, 0.78 where subnormal |
//! | `erf_lanes` | f32 | odd minimax near 0, 1 - exp of a minimax beyond | 1.28 ULP, and 8e-8 |
//! | `tanh_lanes` | f32 | odd polynomial near 0, 1 - 2 / (exp(2x) + 1) beyond | 1.9 ULP |
//!
//! The f32 bounds are measured over all 2^32 arguments; the f64 bounds hold for a hundred thousand random arguments a
//! function against 1300 bits, and for the hard points in the tests.
//!
//! A coefficient is written as a bit pattern, or as a quotient of integers that doubles hold exactly: both name one
//! double without a decimal to be rounded.

mod double_double;
mod erf;
mod exp;
mod ln;
mod pow;
mod sin_cos;
mod tanh;
#[cfg(test)]
mod tests;

pub(crate) use erf::erf_lanes;
pub use exp::{exp, exp_f32};
pub(crate) use exp::{exp_lanes, exp_vectors};
pub use ln::ln;
pub use pow::pow;
pub use sin_cos::sin_cos;
pub(crate) use tanh::tanh_lanes;
