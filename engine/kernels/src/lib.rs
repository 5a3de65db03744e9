//! Every intrinsic of nibble: kernels that give the same bits on every instruction set.
//!
//! No I/O, no allocation in a kernel, no threads in a kernel: [`Team`] is for those who call them. A kernel is one body,
//! generic over sixteen lanes (`lanes`), compiled once an instruction set; [`Kernels`] is the table of one. Each folder's
//! documentation is its contract.
// Register tiles are read by row and token: the indices are the meaning.
#![allow(clippy::needless_range_loop)]

pub mod activation;
pub mod attention;
pub mod bilevel;
pub mod columns;
pub mod decomposed;
pub mod dense;
pub mod feedback;
pub mod grid;
pub mod grouped;
pub mod isa;
#[allow(dead_code)]
mod lanes;
pub mod levels;
pub mod log_sum_exp;
pub mod math;
pub mod norm;
pub mod order;
pub mod outliers;
pub mod peak;
mod pointwise;
pub mod product_f64;
pub mod quantize;
pub mod residual;
pub mod rope;
mod table;
pub mod team;

/// Whether every operation is rounded as the contract says: false only in a build that measures what that costs.
pub const KEEPS_ORDER: bool = !cfg!(feature = "free_order");

pub use activation::Nonlinearity;
pub use attention::{
    Alibi, AttentionShape, BLOCK_POSITIONS, CodeBlock, CodeBlocks, KeyValueSpan, KvBits, QUERY_GROUP, QueryCodes,
    ScoreTerms, score_stride, write_block, write_code_block,
};
pub use bilevel::BilevelPanel;
pub use columns::{Columns, ColumnsMut};
pub use decomposed::{OutlierFeature, OutlierWeights};
pub use dense::{DenseRows, DenseType};
pub use feedback::FeedbackColumn;
pub use grid::CodeGrid;
pub use grouped::panel::{CodeBits, PANEL_ROWS, Panel, ROW_BLOCK, Zeros, pack, segment_of};
pub use isa::Isa;
pub use levels::{LevelPanel, LevelScales};
pub use log_sum_exp::LOGIT_BLOCK;
pub use outliers::{Outliers, TOKEN_BLOCK, TokenColumns};
pub use pointwise::Pointwise;
pub use product_f64::Sign;
pub use quantize::{ActivationCodes, QuantizedRowMut, QuantizedRows};
pub use rope::rotate_neighbours;
pub use table::Kernels;
pub use team::Team;
