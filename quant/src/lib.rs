//! How the bits of a quantized model are chosen: recipes, and the methods they name.
//!
//! A *recipe* (`rtn:w4g32`) is what a user writes and what every result is filed under. It names a *method*, which
//! chooses a code for every weight. How codes are stored and multiplied is a *format*, and lives in `engine`: two
//! methods that store alike share all code from there on.
//!
//! # How exact the packed product is
//! Quantized weights are multiplied as codes, never as floats (`kernels::grouped`). Let w = s_w (c - z) be the weights
//! as stored, x the activations, y = sum of w x in exact arithmetic; u = 2^-24 and g(n) = n u / (1 - n u), the bound
//! of n roundings (Higham 2002, lemma 3.1); G the segments of a row (groups, or 128 columns where a row has one
//! scale), L the columns of one. Subnormal results cost eta = 2^-150 each.
//!
//! *(i) Against the activations as quantized*, x^ = s_x a: a segment's sum A = sum of (c - z) a is an exact integer.
//! It is converted (exactly for `a8`, rounded once for `a16`), multiplied by the rounded s_w s_x, and added in order:
//! two or three roundings and G - 1 additions.
//! ```text
//! |y' - sum w x^|  <=  g(G + 1) S + N    for a8,   S = sum over segments of |A| s_w s_x
//!                  <=  g(G + 2) S + N    for a16,  N = eta sum over segments of (|A| + 1)
//! ```
//! *(ii) Against the activations themselves.* x^ is off by half a step, and by what the division and the scale are
//! rounded by; T is the largest code, 127 or 32512:
//! ```text
//! |x - x^|         <=  d = s_x (1/2 + 2 T u) + T eta
//! |y' - sum w x|   <=  (i) + sum over segments of d (sum of |w|)                        for a8 and a16
//!                  <=  g(L + G) sum of |w x| + eta sum over segments of (s_w L + 1)     for a32
//! ```
//! (`a32` sums (c - z) x in f32, a product and an addition for each column, then scales and adds once a segment. Zero
//! points are codes here: where they are not, A is a difference of two sums, rounded once more, and |A| in S is the sum of
//! their magnitudes.)
//! `tests/packed_product.rs` checks both for every width, group, kind of activations and instruction set.
#![forbid(unsafe_code)]

pub mod build;
pub mod cache;
pub mod calibration;
pub mod error;
pub mod explain;
pub mod gptq;
pub mod grid;
pub mod hessian;
pub mod inverse_factor;
pub mod linear_algebra;
pub mod method;
pub mod model;
pub mod recipe;
pub mod report;
pub mod spqr;
mod statistics;
mod suggestion;

pub use build::{Build, Quantized};
pub use cache::BlockCache;
pub use calibration::Calibration;
pub use error::Error;
pub use model::build_model;
pub use recipe::{Recipe, RecipeError, Scheme};
