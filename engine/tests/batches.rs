//! What shares a batch changes no bit: batches larger than the workspace, sequences that share prefixes of prefixes, and
//! the head that never writes a row of logits.

use engine::builtin;
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::KvPrefix;
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};

fn token(index: usize) -> u32 {
    (index * 7919 % 251) as u32
}

/// Hidden states of all tokens of one sequence, read alone.
fn alone(decoder: &Decoder<'_>, tokens: &[u32]) -> Vec<f32> {
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let chunk = Chunk { cache: &mut cache, tokens, sequence_len: tokens.len(), wanted: 0..tokens.len() };
    decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap()
}

#[test]
fn a_batch_larger_than_the_workspace_is_read_in_parts() {
    let model = Model::unquantized(&builtin::checkpoint().unwrap()).unwrap();
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let decoder = Decoder::new(&model, &runtime);
    // 24,000 tokens need more than the workspace has; lengths that do not divide it, so that sequences are cut.
    let sequences: Vec<Vec<u32>> = (0..2400).map(|s| (0..7 + s % 7).map(|i| token(13 * s + i)).collect()).collect();
    let mut caches: Vec<_> = sequences.iter().map(|_| decoder.cache_after(&KvPrefix::default())).collect();
    let mut chunks: Vec<Chunk<'_>> = (caches.iter_mut().zip(&sequences))
        .map(|(cache, tokens)| Chunk { cache, tokens, sequence_len: tokens.len(), wanted: 2..tokens.len() })
        .collect();
    let outputs = decoder.forward(&mut chunks).unwrap();
    let d_model = model.blueprint.d_model;
    for ((output, sequence), cache) in outputs.iter().zip(&sequences).zip(&caches).step_by(37) {
        assert_eq!(output.as_ref().unwrap(), &alone(&decoder, sequence)[2 * d_model..]);
        assert_eq!(cache.len(), sequence.len());
    }
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let wide = Chunk { cache: &mut cache, tokens: &sequences.concat()[..20_000], sequence_len: 20_000, wanted: 5..6 };
    let found = decoder.forward(&mut [wide]).unwrap().remove(0).unwrap();
    assert_eq!(found, alone(&decoder, &sequences.concat()[..6])[5 * d_model..]);
}

#[test]
fn sequences_that_share_prefixes_are_those_read_alone() {
    let model = Model::unquantized(&builtin::checkpoint().unwrap()).unwrap();
    let d_model = model.blueprint.d_model;
    for threads in [1, 2] {
        let runtime = Runtime::new(Some(threads), IsaChoice::Best).unwrap();
        let decoder = Decoder::new(&model, &runtime);
        let tokens: Vec<u32> = (0..90).map(token).collect();
        let prefix = |start: &KvPrefix, tokens: &[u32]| {
            let mut cache = decoder.cache_after(start);
            decoder.forward(&mut [Chunk { cache: &mut cache, tokens, sequence_len: 100, wanted: 0..0 }]).unwrap();
            cache.freeze()
        };
        // Two headers; two questions after the first; choices of one to five tokens after all of them, mixed.
        let headers = [prefix(&KvPrefix::default(), &tokens[..41]), prefix(&KvPrefix::default(), &tokens[7..20])];
        let questions = [prefix(&headers[0], &tokens[50..69]), prefix(&headers[0], &tokens[60..65])];
        let starts: [(&KvPrefix, Vec<&[u32]>); 4] = [
            (&questions[0], vec![&tokens[..41], &tokens[50..69]]),
            (&questions[1], vec![&tokens[..41], &tokens[60..65]]),
            (&headers[0], vec![&tokens[..41]]),
            (&headers[1], vec![&tokens[7..20]]),
        ];
        let members: Vec<(usize, &[u32])> = (0..23).map(|i| (i * i % 4, &tokens[i..i + 1 + i % 5])).collect();
        let mut caches: Vec<_> = members.iter().map(|&(start, _)| decoder.cache_after(starts[start].0)).collect();
        let mut chunks: Vec<Chunk<'_>> = (caches.iter_mut().zip(&members))
            .map(|(cache, &(_, tokens))| Chunk { cache, tokens, sequence_len: 100, wanted: 0..tokens.len() })
            .collect();
        let outputs = decoder.forward(&mut chunks).unwrap();
        for (output, (start, own)) in outputs.into_iter().zip(&members) {
            let whole = [starts[*start].1.concat(), own.to_vec()].concat();
            let expected = alone(&decoder, &whole);
            assert_eq!(output.unwrap(), expected[(whole.len() - own.len()) * d_model..]);
        }
    }
}

#[test]
fn distributions_are_those_of_the_logits() {
    let model = Model::unquantized(&builtin::checkpoint().unwrap()).unwrap();
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let decoder = Decoder::new(&model, &runtime);
    let tokens: Vec<u32> = (0..300).map(token).collect();
    let hidden = alone(&decoder, &tokens);
    let wanted: Vec<Vec<u32>> = (0..300).map(|i| (0..i % 4).map(|j| token(i + j)).chain([9_999]).collect()).collect();
    let vocab_size = model.blueprint.vocab_size;
    let logits = decoder.logits(&hidden);
    let sums = decoder.log_sum_exps(&logits);
    let found = decoder.distributions(&hidden, &wanted);
    assert_eq!(found.len(), 300);
    for (((found, row), sum), wanted) in found.iter().zip(logits.chunks(vocab_size)).zip(sums).zip(&wanted) {
        let mut best = 0;
        for (token, logit) in row.iter().enumerate() {
            best = if *logit > row[best] { token } else { best };
        }
        assert_eq!((found.best as usize, found.log_sum_exp.to_bits(), found.is_finite), (best, sum.to_bits(), true));
        let expected: Vec<Option<f32>> = wanted.iter().map(|&token| row.get(token as usize).copied()).collect();
        assert_eq!(found.logits, expected);
    }
}
