//! Whole models: what a recipe does to each matrix of a checkpoint, and what the weights then take.

mod numbers;

use engine::checkpoint::Checkpoint;
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::KvPrefix;
use engine::linear::Weights;
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};
use engine::tensor::Dtype;
use numbers::Numbers;
use quant::{Error, Recipe, build_model};

/// A seeded llama of two blocks with tied embeddings, bf16: d_model 32, d_ff 48, 4 heads and 2 key/value heads of 8.
fn llama() -> Checkpoint {
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 40, "hidden_size": 32,
        "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 8, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": true
    });
    let mut numbers = Numbers(5);
    let mut tensor = |name: String, shape: &[usize]| {
        let count = shape.iter().product();
        let values = numbers.weights(count, Dtype::Bf16);
        let bytes = values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect();
        (name, Dtype::Bf16, shape.to_vec(), bytes)
    };
    let mut tensors = vec![tensor("model.embed_tokens.weight".into(), &[40, 32])];
    tensors.push(tensor("model.norm.weight".into(), &[32]));
    for layer in 0..2 {
        for (part, shape) in [
            ("self_attn.q_proj", &[32, 32][..]),
            ("self_attn.k_proj", &[16, 32]),
            ("self_attn.v_proj", &[16, 32]),
            ("self_attn.o_proj", &[32, 32]),
            ("mlp.gate_proj", &[48, 32]),
            ("mlp.up_proj", &[48, 32]),
            ("mlp.down_proj", &[32, 48]),
            ("input_layernorm", &[32]),
            ("post_attention_layernorm", &[32]),
        ] {
            tensors.push(tensor(format!("model.layers.{layer}.{part}.weight"), shape));
        }
    }
    Checkpoint::from_memory(config, tensors).unwrap()
}

fn build(recipe: &str) -> Result<Model, Error> {
    build_model(&llama(), &Recipe::parse(recipe).unwrap(), &numbers::runtime())
}

fn bits(weights: &Weights) -> u32 {
    match weights {
        Weights::Dense(_) => 0,
        _ => weights.nominal_bits(),
    }
}

/// Bits of embedding, head, and the seven matrices of each block; 0 for checkpoint precision.
fn all_bits(recipe: &str) -> (u32, u32, [Vec<u32>; 2]) {
    let model = build(recipe).unwrap();
    let block = |index: usize| model.blocks[index].linears().map(|linear| bits(&linear.weights)).collect();
    (bits(&model.embedding), bits(&model.head.weights), [block(0), block(1)])
}

#[test]
fn every_matrix_gets_what_the_recipe_says() {
    let same = |bits: u32| [vec![bits; 7], vec![bits; 7]];
    assert_eq!(all_bits("none"), (0, 0, same(0)));
    assert_eq!(all_bits("rtn:w4g16"), (0, 0, same(4)), "embedding and head are kept");
    assert_eq!(all_bits("rtn:w3:head=w8"), (0, 8, same(3)));
    assert_eq!(all_bits("rtn:w3:embeddings=w4:head=w8"), (4, 8, same(3)));
    assert_eq!(all_bits("llm.int8:head=w8:*.0.mlp.*=none"), (0, 8, [vec![8, 8, 8, 8, 0, 0, 0], vec![8; 7]]));
    let patterns = "rtn:w2:*.mlp.down_proj=w8:model.layers.1.*=w4:*.k_proj.weight=none";
    assert_eq!(all_bits(patterns), (0, 0, [vec![2, 0, 2, 2, 2, 2, 8], vec![4, 0, 4, 4, 4, 4, 4]]));
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error() {
    for pattern in ["*.dwn_proj", "model.layers.2.*", "lm_head.*", "model.embed_tokens.weight", "*norm*"] {
        let error = build(&format!("rtn:w4:*.up_proj=w8:{pattern}=w8")).unwrap_err();
        let text = error.to_string();
        assert!(matches!(&error, Error::UnmatchedPattern { pattern: found, .. } if found == pattern), "{text}");
        assert!(text.contains("`model.layers.0.self_attn.q_proj.weight`") && text.contains("`head=`"), "{text}");
    }
}

/// 7680 weights a block. Sizes worked out by hand.
#[test]
fn sizes() {
    let norms = 5 * 32 * 4;
    for (recipe, embedding_and_head, block, true_bits) in [
        // bf16, the embedding's bytes once.
        ("none", 40 * 32 * 2, 7680 * 2, 16.0),
        // Half a byte a weight, five bytes for a scale and zero of 16 weights: 4 + 40/16 bits.
        ("rtn:w4g16", 40 * 32 * 2, 7680 / 2 + 7680 / 16 * 5, 6.5),
        // 224 rows a block, four bytes of scale each; and the bf16 weights beside them.
        ("llm.int8", 40 * 32 * 2, 7680 + 224 * 4, 8.0 + 32.0 * 224.0 / 7680.0),
        ("llm.int8:outlier_weights=exact", 40 * 32 * 2, 7680 * 3 + 224 * 4, 24.0 + 32.0 * 224.0 / 7680.0),
        ("rtn:w4g16:sym=true", 40 * 32 * 2, 7680 / 2 + 7680 / 16 * 4, 6.0),
        // 48 rows are stored for the head's 40, two groups a row.
        ("rtn:w8g16:head=w8", 40 * 32 * 2 + 48 * 32 + 48 * 2 * 5, 7680 + 7680 / 16 * 5, 10.5),
        ("rtn:w8g16:head=w8:embeddings=w4", 48 * 32 + 48 * 16 + 2 * 48 * 2 * 5, 7680 + 7680 / 16 * 5, 10.5),
        // A row of 48 columns is one group of 32 and one of 16: 3 bits for 64 stored columns.
        ("rtn:w3g32", 40 * 32 * 2, (6144 + 32 * 64) * 3 / 8 + (6144 / 32 + 32 * 2) * 5, 8.0 * 4352.0 / 7680.0),
    ] {
        let size = build(recipe).unwrap().size();
        assert_eq!(size.block_matrix_bytes, 2 * block, "{recipe}");
        assert_eq!(size.bytes, embedding_and_head + norms + 2 * block, "{recipe}");
        assert_eq!(size.true_bits_per_weight(), true_bits, "{recipe}");
        let nominal = Recipe::parse(recipe).unwrap().nominal_bits().unwrap_or(16);
        assert_eq!(size.nominal_bits_per_weight(), f64::from(nominal), "{recipe}");
    }
    // Half of one block's down projections at other bits: the mean over weights.
    let size = build("rtn:w4:model.layers.0.mlp.down_proj=w8").unwrap().size();
    assert_eq!(size.nominal_bits_per_weight(), 4.0 + 4.0 * 1536.0 / 15360.0);
}

/// Logits of a few tokens; also through a packed embedding and head.
fn logits(recipe: &str, threads: usize) -> Vec<f32> {
    let runtime = Runtime::new(Some(threads), IsaChoice::Best).unwrap();
    let model = build_model(&llama(), &Recipe::parse(recipe).unwrap(), &runtime).unwrap();
    let decoder = Decoder::new(&model, &runtime);
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let tokens = [1, 39, 7, 7, 20];
    let chunk = Chunk { cache: &mut cache, tokens: &tokens, sequence_len: tokens.len(), wanted: 0..tokens.len() };
    let hidden = decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap();
    decoder.logits(&hidden)
}

#[test]
fn more_bits_are_nearer_and_threads_change_nothing() {
    let exact = logits("none", 1);
    let distance = |recipe: &str| {
        let found = logits(recipe, 1);
        assert_eq!(found, logits(recipe, 3), "{recipe}");
        let mut squares = 0.0;
        for (a, b) in found.iter().zip(&exact) {
            squares += f64::from(a - b) * f64::from(a - b);
        }
        (squares / exact.len() as f64).sqrt()
    };
    let of = |options: &str| [8, 4, 3, 2].map(|bits| distance(&format!("rtn:w{bits}{options}")));
    for options in ["g16", "", "g16:head=w8:embeddings=w8", "a32g32"] {
        let found = of(options);
        assert!(found.is_sorted() && found[0] > 0.0 && found[3] > 10.0 * found[0], "{options}: {found:?}");
    }
    // Activations of 16 bits are as good as f32 ones beside the weights' error; of 8 bits they are not.
    let [a32, a16, a8] = ["a32", "a16", "a8"].map(|word| distance(&format!("rtn:w8{word}g32")));
    assert!((a16 / a32 - 1.0).abs() < 0.02 && a8 > 1.02 * a32, "{a32} {a16} {a8}");
}
