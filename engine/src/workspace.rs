//! Memory that a forward pass works in, kept from one to the next.

use crate::aligned::Aligned;
use crate::input::Input;
use crate::query_codes::QueryCodesBuffer;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buffers for the tokens of a batch; they only grow.
#[derive(Default)]
pub(crate) struct Workspace {
    /// Normalised residual stream: input of the query, key, value, gate and up projections.
    pub(crate) normed: Input,
    /// [tokens, heads * head_dim].
    pub(crate) query: Aligned<f32>,
    /// [tokens, kv_heads * head_dim] each.
    pub(crate) key: Aligned<f32>,
    pub(crate) value: Aligned<f32>,
    /// Input of the output projection.
    pub(crate) attended: Input,
    /// Input of the down projection.
    pub(crate) hidden: Input,
    /// Input of an expert: the rows of `normed` that go there.
    pub(crate) routed: Input,
    /// Hidden states of scored positions.
    pub(crate) head: Input,
    /// What is added to the residual stream, [tokens, d_model].
    pub(crate) update: Aligned<f32>,
    /// The same of attention, while the feed-forward layer beside it is computed.
    pub(crate) other_update: Aligned<f32>,
    /// One a thread.
    pub(crate) scratch: Vec<Mutex<Scratch>>,
}

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    /// A product whose result goes on at once: [tokens, PRODUCT_ROWS], or logits of a block of the vocabulary.
    pub(crate) product: Aligned<f32>,
    /// Queries and outputs of an attention task, [queries, head_dim].
    pub(crate) queries: Aligned<f32>,
    /// The same queries where keys are codes.
    pub(crate) query_codes: QueryCodesBuffer,
    pub(crate) attended: Aligned<f32>,
    /// Scores of a group of queries.
    pub(crate) scores: Aligned<f32>,
}

impl Workspace {
    /// The memory of thread `worker`, which no other thread asks for at the same time.
    pub(crate) fn scratch(scratch: &[Mutex<Scratch>], worker: usize) -> MutexGuard<'_, Scratch> {
        scratch[worker].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
