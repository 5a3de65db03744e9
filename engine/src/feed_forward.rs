//! The feed-forward half of a block: one layer for all tokens, or experts.
//!
//! # Experts
//! The router's scores of a token become probabilities (softmax over all experts, in f32); the `top_k` likeliest are
//! chosen, of equals the first. update = sum over the chosen, in the order of experts, of weight * expert(normed), and
//! then sigmoid(gate(normed)) * shared(normed) where there is a shared expert. An expert multiplies the tokens that go to
//! it together: a token's bits do not depend on which others do.
//!
//! Source: Shazeer et al. 2017, arXiv:1701.06538; transformers' `MixtralSparseMoeBlock` and `Qwen2MoeSparseMoeBlock`.

use crate::aligned::Aligned;
use crate::blueprint::{Activation, FeedForward, Routing, RoutingWeights};
use crate::decoder::{Decoder, InputObserver, State};
use crate::input::Input;
use crate::linear::{Linear, PRODUCT_ROWS, multiply, runs};
use crate::model::{Block, BlockInput, ExpertLayers, FeedForwardLayers, Mlp, MlpLayers};
use crate::workspace::{Scratch, Workspace};
use kernels::{ColumnsMut, Nonlinearity, Pointwise, math};
use std::ops::Range;
use std::sync::Mutex;

impl MlpLayers {
    /// What reads its input.
    fn reads(&self) -> impl Iterator<Item = &Linear> {
        self.gate.iter().chain([&self.up])
    }
}

impl Block {
    /// What of the feed-forward half reads the normalised residual stream of all tokens.
    pub(crate) fn feed_forward_reads(&self) -> Vec<&Linear> {
        match &self.feed_forward {
            FeedForwardLayers::Dense(mlp) => mlp.reads().collect(),
            FeedForwardLayers::Experts(experts) => {
                let shared = experts.shared.iter().flat_map(|(mlp, gate)| mlp.reads().chain([gate]));
                [&experts.router].into_iter().chain(shared).collect()
            }
        }
    }
}

impl Decoder<'_> {
    /// update = feed_forward(normed).
    pub(crate) fn feed_forward(&self, block: &Block, state: &State, work: &mut Workspace, observe: InputObserver<'_>) {
        let Workspace { normed, hidden, routed, update, scratch, .. } = work;
        match &block.feed_forward {
            FeedForwardLayers::Dense(mlp) => {
                observe(BlockInput::FeedForward(Mlp::Dense), normed.x());
                self.mlp(mlp, Mlp::Dense, normed, &state.rows, (hidden, scratch), update.as_mut_slice(), observe);
            }
            FeedForwardLayers::Experts(experts) => {
                update.as_mut_slice().fill(0.0);
                self.experts(experts, state, (normed, routed, hidden, scratch), update, observe);
            }
        }
    }

    /// y [tokens, d_model] = down(hidden), hidden = activation(gate(x)) * up(x), or activation(up(x)); `calls` are the
    /// tokens that are read in one call.
    #[allow(clippy::too_many_arguments)] // a product and the memory it takes
    fn mlp(
        &self,
        mlp: &MlpLayers,
        which: Mlp,
        x: &Input,
        calls: &[Range<usize>],
        (hidden, scratch): (&mut Input, &[Mutex<Scratch>]),
        y: &mut [f32],
        observe: InputObserver<'_>,
    ) {
        self.hidden(mlp, x, hidden, scratch);
        observe(BlockInput::Down(which), hidden.x());
        hidden.write_views(self.runtime(), calls);
        multiply(self.runtime(), hidden, &mut [(&mlp.down, y)]);
    }

    /// A block of columns is finished while it is in the cache.
    fn hidden(&self, mlp: &MlpLayers, x: &Input, hidden: &mut Input, scratch: &[Mutex<Scratch>]) {
        let (kernels, tokens) = (self.runtime().kernels(), x.tokens());
        hidden.prepare(tokens, &[&mlp.down]);
        let mut tasks: Vec<_> = (runs(self.runtime(), tokens, hidden.columns_mut()).into_iter())
            .map(|(run, hidden)| (run, Some(hidden)))
            .collect();
        self.runtime().team().for_each_mut(&mut tasks, |worker, (run, hidden)| {
            let Some(hidden) = hidden.take() else { return };
            for (index, mut hidden) in run.clone().zip(hidden.chunks(PRODUCT_ROWS)) {
                let up = mlp.up.product(x, index);
                match (self.blueprint().feed_forward, &mlp.gate) {
                    (FeedForward::Gated(activation), Some(gate)) => {
                        gate.product(x, index).write(kernels, &mut hidden);
                        let mut scratch = Workspace::scratch(scratch, worker);
                        let width = hidden.width();
                        scratch.product.resize(tokens * width);
                        up.write(kernels, &mut ColumnsMut::new(scratch.product.as_mut_slice(), width));
                        for (token, up) in scratch.product.as_slice().chunks(width).enumerate() {
                            kernels.gate(nonlinearity(activation), hidden.row(token), up);
                        }
                    }
                    (FeedForward::Gated(activation) | FeedForward::Plain(activation), _) => {
                        up.write(kernels, &mut hidden);
                        for token in 0..tokens {
                            kernels.activate(nonlinearity(activation), hidden.row(token));
                        }
                    }
                }
            }
        });
    }

    /// update += experts(normed).
    fn experts(
        &self,
        layers: &ExpertLayers,
        state: &State,
        (normed, routed, hidden, scratch): (&Input, &mut Input, &mut Input, &[Mutex<Scratch>]),
        update: &mut Aligned<f32>,
        observe: InputObserver<'_>,
    ) {
        let (runtime, d_model) = (self.runtime(), self.blueprint().d_model);
        let Some(routing) = self.blueprint().routing else { return };
        let mut scores = vec![0.0; normed.tokens() * layers.experts.len()];
        multiply(runtime, normed, &mut [(&layers.router, &mut scores)]);
        let chosen: Vec<Vec<(usize, f32)>> =
            scores.chunks(layers.experts.len()).map(|scores| route(scores, routing)).collect();
        for (index, expert) in layers.experts.iter().enumerate() {
            let (mut tokens, mut weights, mut calls, mut x) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for rows in &state.rows {
                let first = tokens.len();
                for token in rows.clone() {
                    if let Some(&(_, weight)) = chosen[token].iter().find(|(expert, _)| *expert == index) {
                        tokens.push(token);
                        weights.push(weight);
                        x.extend_from_slice(&normed.x()[token * d_model..][..d_model]);
                    }
                }
                calls.push(first..tokens.len());
            }
            if tokens.is_empty() {
                continue;
            }
            routed.fill_calls(runtime, &x, &expert.reads().collect::<Vec<_>>(), &calls);
            observe(BlockInput::FeedForward(Mlp::Expert(index)), routed.x());
            // The gathered rows are read: their memory takes the results.
            self.mlp(expert, Mlp::Expert(index), routed, &calls, (hidden, scratch), &mut x, observe);
            self.add_weighted(&tokens, &weights, &mut x, update);
        }
        if let Some((shared, gate)) = &layers.shared {
            observe(BlockInput::FeedForward(Mlp::Shared), normed.x());
            let mut scores = vec![0.0; normed.tokens()];
            multiply(runtime, normed, &mut [(gate, &mut scores)]);
            let weights: Vec<f32> = scores.iter().map(|score| 1.0 / (1.0 + math::exp_f32(-score))).collect();
            let mut y = vec![0.0; normed.tokens() * d_model];
            self.mlp(shared, Mlp::Shared, normed, &state.rows, (hidden, scratch), &mut y, observe);
            let tokens: Vec<usize> = (0..normed.tokens()).collect();
            self.add_weighted(&tokens, &weights, &mut y, update);
        }
    }

    /// update[tokens[i]] += weights[i] * y[i], row by row; y is overwritten.
    fn add_weighted(&self, tokens: &[usize], weights: &[f32], y: &mut [f32], update: &mut Aligned<f32>) {
        let (kernels, d_model) = (self.runtime().kernels(), self.blueprint().d_model);
        for ((&token, &weight), row) in tokens.iter().zip(weights).zip(y.chunks_mut(d_model)) {
            kernels.pointwise(Pointwise::Scale(weight), row);
            kernels.add(&mut update.as_mut_slice()[token * d_model..][..d_model], row);
        }
    }
}

/// The experts of a token and their weights, by number of the expert.
fn route(scores: &[f32], routing: Routing) -> Vec<(usize, f32)> {
    let largest =
        scores.iter().fold(f32::NEG_INFINITY, |largest, &score| if score > largest { score } else { largest });
    let terms: Vec<f32> = scores.iter().map(|score| math::exp_f32(score - largest)).collect();
    let total = terms.iter().fold(0.0, |sum: f32, term| sum + term);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // Stable, so that equals stay in their order; NaN scores are found later, in the residual stream.
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order.truncate(routing.top_k);
    order.sort_unstable();
    let mut chosen: Vec<(usize, f32)> = order.into_iter().map(|expert| (expert, terms[expert] / total)).collect();
    if routing.weights == RoutingWeights::OfChosen {
        let sum = chosen.iter().fold(0.0, |sum: f32, (_, weight)| sum + weight);
        chosen.iter_mut().for_each(|(_, weight)| *weight /= sum);
    }
    chosen
}

fn nonlinearity(activation: Activation) -> Nonlinearity {
    match activation {
        Activation::Silu => Nonlinearity::Silu,
        Activation::GeluTanh => Nonlinearity::GeluTanh,
        Activation::GeluErf => Nonlinearity::GeluErf,
        Activation::Relu => Nonlinearity::Relu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_experts_are_chosen() {
        let scores = [0.0, 2.0, 1.0, 2.0, -1.0];
        let all = route(&scores, Routing { top_k: 2, weights: RoutingWeights::OfAll });
        let total: f64 = scores.iter().map(|&score| math::exp(f64::from(score))).sum();
        let share = (math::exp(2.0) / total) as f32;
        assert_eq!(all.iter().map(|(expert, _)| *expert).collect::<Vec<_>>(), [1, 3]);
        assert!(all.iter().all(|(_, weight)| (weight - share).abs() < 1e-6), "{all:?}");
        let chosen = route(&scores, Routing { top_k: 3, weights: RoutingWeights::OfChosen });
        assert_eq!(chosen.iter().map(|(expert, _)| *expert).collect::<Vec<_>>(), [1, 2, 3]);
        assert!((chosen.iter().map(|(_, weight)| weight).sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(route(&[1.0, 1.0], Routing { top_k: 1, weights: RoutingWeights::OfChosen }), [(0, 1.0)]);
    }
}
