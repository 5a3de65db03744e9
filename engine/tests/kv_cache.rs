//! A cache of codes: what it changes, what it does not, and what it takes.

use engine::builtin;
use engine::checkpoint::Checkpoint;
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::{KvPrecision, KvPrefix};
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};
use engine::tensor::Dtype;
use kernels::Isa;

const CODES: [KvPrecision; 2] = [KvPrecision::Eight, KvPrecision::Four];

fn model(precision: KvPrecision) -> Model {
    Model::unquantized(&builtin::checkpoint().unwrap()).unwrap().with_kv_precision(precision).unwrap()
}

fn tokens(from: usize, count: usize) -> Vec<u32> {
    (from..from + count).map(|index| (index * 7919 % 251) as u32).collect()
}

/// Hidden states of `tokens`, `chunk` at a time, after `prefix`.
fn hidden(decoder: &Decoder<'_>, prefix: &KvPrefix, tokens: &[u32], chunk: usize) -> Vec<f32> {
    let mut cache = decoder.cache_after(prefix);
    let mut states = Vec::new();
    for tokens in tokens.chunks(chunk) {
        let chunk = Chunk { cache: &mut cache, tokens, sequence_len: 100, wanted: 0..tokens.len() };
        states.extend(decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap());
    }
    states
}

#[test]
fn bits_do_not_depend_on_chunks_prefixes_threads_or_instruction_set() {
    for precision in CODES {
        let (model, tokens) = (model(precision), tokens(3, 75));
        let scalar = Runtime::new(Some(1), IsaChoice::Exactly(Isa::Scalar)).unwrap();
        let expected = hidden(&Decoder::new(&model, &scalar), &KvPrefix::default(), &tokens, tokens.len());
        for isa in Isa::present() {
            for (threads, chunk, shared) in [(1, 1, 0), (2, 3, 16), (3, 16, 21), (2, 64, 40)] {
                let runtime = Runtime::new(Some(threads), IsaChoice::Exactly(isa)).unwrap();
                let decoder = Decoder::new(&model, &runtime);
                let mut cache = decoder.cache_after(&KvPrefix::default());
                if shared > 0 {
                    let tokens = &tokens[..shared];
                    decoder
                        .forward(&mut [Chunk { cache: &mut cache, tokens, sequence_len: 100, wanted: 0..0 }])
                        .unwrap();
                }
                let found = hidden(&decoder, &cache.freeze(), &tokens[shared..], chunk);
                let expected = &expected[shared * model.blueprint.d_model..];
                assert!(found == expected, "{precision:?}: {isa}, {threads} threads, chunks of {chunk} after {shared}");
            }
        }
    }
}

#[test]
fn sequences_of_a_batch_are_those_read_alone() {
    for precision in CODES {
        let model = model(precision);
        let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
        let decoder = Decoder::new(&model, &runtime);
        let (header, d_model) = (tokens(0, 37), model.blueprint.d_model);
        let mut cache = decoder.cache_after(&KvPrefix::default());
        decoder.forward(&mut [Chunk { cache: &mut cache, tokens: &header, sequence_len: 100, wanted: 0..0 }]).unwrap();
        let prefix = cache.freeze();
        let own: Vec<Vec<u32>> = (0..9).map(|i| tokens(60 + i, 1 + i % 4)).collect();
        let mut caches: Vec<_> = own.iter().map(|_| decoder.cache_after(&prefix)).collect();
        let mut chunks: Vec<Chunk<'_>> = (caches.iter_mut().zip(&own))
            .map(|(cache, tokens)| Chunk { cache, tokens, sequence_len: 100, wanted: 0..tokens.len() })
            .collect();
        let outputs = decoder.forward(&mut chunks).unwrap();
        for (output, own) in outputs.into_iter().zip(&own) {
            let whole = [&header[..], own].concat();
            let expected = hidden(&decoder, &KvPrefix::default(), &whole, whole.len());
            assert_eq!(output.unwrap(), expected[header.len() * d_model..]);
        }
    }
}

#[test]
fn eight_bits_stay_close_and_four_closer_than_nothing() {
    let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
    let tokens = tokens(0, 60);
    let logits = |precision| {
        let model = model(precision);
        let decoder = Decoder::new(&model, &runtime);
        decoder.logits(&hidden(&decoder, &KvPrefix::default(), &tokens, 60))
    };
    let exact = logits(KvPrecision::F32);
    let spread = exact.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    let [eight, four] = CODES.map(|precision| {
        let errors = logits(precision).into_iter().zip(&exact).map(|(a, b)| (a - b).abs());
        errors.fold(0.0f32, f32::max) / spread
    });
    println!("largest error of a logit, of the largest logit: 8 bits {eight:.4}, 4 bits {four:.4}");
    assert!(eight > 0.0 && eight < 0.02 && four > eight && four < 0.3, "8 bits {eight}, 4 bits {four}");
}

#[test]
fn bytes_are_those_held() {
    let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
    let mut per_token = Vec::new();
    for precision in [KvPrecision::F32, KvPrecision::Eight, KvPrecision::Four] {
        let model = model(precision);
        let decoder = Decoder::new(&model, &runtime);
        let mut cache = decoder.cache_after(&KvPrefix::default());
        let chunk = Chunk { cache: &mut cache, tokens: &tokens(0, 33), sequence_len: 33, wanted: 0..0 };
        decoder.forward(&mut [chunk]).unwrap();
        assert_eq!(cache.own_bytes(), 48 * decoder.cache_bytes_per_token(), "{precision:?}");
        per_token.push(decoder.cache_bytes_per_token());
    }
    assert!(per_token.is_sorted_by(|a, b| a > b), "{per_token:?}");
}

#[test]
fn heads_too_wide_for_codes_are_refused() {
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 4, "hidden_size": 8,
        "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1,
        "head_dim": 260, "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": true
    });
    let tensor = |name: &str, shape: &[usize]| {
        let bytes = 0.5f32.to_le_bytes().repeat(shape.iter().product());
        (name.to_string(), Dtype::F32, shape.to_vec(), bytes)
    };
    let block = |part: &str, shape: &[usize]| tensor(&format!("model.layers.0.{part}.weight"), shape);
    let tensors = vec![
        tensor("model.embed_tokens.weight", &[4, 8]),
        tensor("model.norm.weight", &[8]),
        block("self_attn.q_proj", &[260, 8]),
        block("self_attn.k_proj", &[260, 8]),
        block("self_attn.v_proj", &[260, 8]),
        block("self_attn.o_proj", &[8, 260]),
        block("mlp.gate_proj", &[8, 8]),
        block("mlp.up_proj", &[8, 8]),
        block("mlp.down_proj", &[8, 8]),
        block("input_layernorm", &[8]),
        block("post_attention_layernorm", &[8]),
    ];
    let model = Model::unquantized(&Checkpoint::from_memory(config, tensors).unwrap()).unwrap();
    let error = model.clone().with_kv_precision(KvPrecision::Eight).unwrap_err().to_string();
    assert!(error.contains("260") && error.contains("256") && error.contains("kv="), "{error}");
    assert!(model.with_kv_precision(KvPrecision::F32).is_ok());
}
