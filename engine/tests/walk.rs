//! A walk, block by block over whole sequences, has the bits of a forward pass, and shows what layers read.

use engine::builtin;
use engine::checkpoint::Checkpoint;
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::KvPrefix;
use engine::model::{Block, BlockInput, Builder, LinearSource, Model};
use engine::runtime::{IsaChoice, Runtime};
use engine::walk::{Walk, Watch};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Keeps the inputs of a pass, one list an input.
#[derive(Default)]
struct Inputs {
    seen: BTreeMap<BlockInput, Vec<f32>>,
    tokens: usize,
    stop_after: usize,
}

impl Watch for Inputs {
    fn input(&mut self, input: BlockInput, x: &[f32]) {
        self.seen.entry(input).or_default().extend_from_slice(x);
    }

    fn passed(&mut self, tokens: usize) -> ControlFlow<()> {
        self.tokens += tokens;
        if self.tokens >= self.stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn watch() -> Inputs {
    Inputs { stop_after: usize::MAX, ..Inputs::default() }
}

fn without_blocks(checkpoint: &Checkpoint) -> (Model, Vec<Block>) {
    let mut builder = Builder::new(checkpoint).unwrap();
    let dense = &mut |source: LinearSource| Ok::<_, engine::Error>(engine::linear::Weights::Dense(source.matrix));
    let model = builder.without_blocks(dense).unwrap();
    let blocks = (0..model.blueprint.layers).map(|layer| builder.block(layer).unwrap()).collect();
    (model, blocks)
}

#[test]
fn a_walk_has_the_bits_of_a_forward_pass() {
    let checkpoint = builtin::checkpoint().unwrap();
    let whole = Model::unquantized(&checkpoint).unwrap();
    let (model, blocks) = without_blocks(&checkpoint);
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let token = |index: usize| (index * 7919 % 251) as u32;
    // Short sequences that share a batch, and one that is larger than the workspace.
    let mut sequences: Vec<Vec<u32>> = (0..9).map(|s| (0..3 + 5 * s).map(|i| token(17 * s + i)).collect()).collect();
    sequences.insert(4, (0..14_000).map(token).collect());
    let decoder = Decoder::new(&model, &runtime);
    let mut walk = Walk::begin(decoder, &sequences).unwrap();
    for (layer, block) in blocks.iter().enumerate() {
        let (mut watched, mut passed) = (watch(), watch());
        assert!(walk.watch(decoder, layer, block, &mut watched).unwrap().is_continue());
        assert!(walk.pass(decoder, layer, block, &mut passed).unwrap().is_continue());
        assert_eq!(watched.tokens, walk.tokens());
        assert!(watched.seen.keys().copied().eq(block.inputs()));
        for (input, seen) in &watched.seen {
            assert_eq!(seen.len(), walk.tokens() * input.columns(&model.blueprint, layer));
        }
        assert_eq!(watched.seen, passed.seen, "looking changes nothing");
    }
    let d_model = model.blueprint.d_model;
    let mut walked = walk.residual().chunks(d_model);
    let decoder = Decoder::new(&whole, &runtime);
    let mut normed = vec![0.0; d_model];
    for tokens in &sequences {
        let mut cache = decoder.cache_after(&KvPrefix::default());
        let chunk = Chunk { cache: &mut cache, tokens, sequence_len: tokens.len(), wanted: 0..tokens.len() };
        for hidden in decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap().chunks(d_model) {
            runtime.kernels().rms_norm(
                walked.next().unwrap(),
                &model.final_norm.as_ref().unwrap().weight,
                1e-5,
                &mut normed,
            );
            assert_eq!(hidden, normed);
        }
    }
}

#[test]
fn a_pass_ends_when_it_is_told_to() {
    let (model, blocks) = without_blocks(&builtin::checkpoint().unwrap());
    let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
    let sequences = vec![vec![7; 9000]; 5];
    let decoder = Decoder::new(&model, &runtime);
    let mut walk = Walk::begin(decoder, &sequences).unwrap();
    let mut watch = Inputs { stop_after: 9001, ..Inputs::default() };
    assert!(walk.watch(decoder, 0, &blocks[0], &mut watch).unwrap().is_break());
    assert!((9001..=18_000).contains(&watch.tokens));
}

#[test]
fn tokens_outside_the_vocabulary_are_refused() {
    let (model, _) = without_blocks(&builtin::checkpoint().unwrap());
    let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
    let error = Walk::begin(Decoder::new(&model, &runtime), &[vec![1, 2], vec![3, 9999]]).err().unwrap();
    assert!(matches!(error, engine::Error::TokenRange { token: 9999, position: 1, .. }), "{error}");
}
