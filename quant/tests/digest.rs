//! One digest file that every instruction set and architecture reproduces: `digest.txt`, a line a model and recipe.
//!
//! The models are seeded and made in memory, one for each way a decoder can differ: RMSNorm and LayerNorm, rotary and
//! learned positions, gated and plain feed-forward layers, f32, f16 and bf16 storage. To accept a change of bits, raise
//! the numerics version and write the file anew with `NIBBLE_WRITE_DIGEST=1`.

use engine::checkpoint::Checkpoint;
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::KvPrefix;
use engine::runtime::{IsaChoice, Runtime};
use engine::tensor::Dtype;
use kernels::Isa;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A fraction in -1..1 with 20 bits, from a counter: the same everywhere.
fn fraction(counter: u64) -> f32 {
    let mut z = counter.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 44) as f32 / (1u64 << 19) as f32 - 1.0
}

fn tensor(name: &str, dtype: Dtype, shape: &[usize], scale: f32, offset: f32) -> (String, Dtype, Vec<usize>, Vec<u8>) {
    let seed = name.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(1_099_511_628_211) ^ u64::from(byte)) << 20;
    let count = shape.iter().product::<usize>() as u64;
    let mut bytes = Vec::new();
    for index in 0..count {
        let value = fraction(seed + index) * scale + offset;
        match dtype {
            Dtype::F32 => bytes.extend(value.to_le_bytes()),
            Dtype::F16 => bytes.extend(half::f16::from_f32(value).to_le_bytes()),
            Dtype::Bf16 => bytes.extend(half::bf16::from_f32(value).to_le_bytes()),
        }
    }
    (name.to_string(), dtype, shape.to_vec(), bytes)
}

fn llama(dtype: Dtype) -> Checkpoint {
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 97, "hidden_size": 72,
        "intermediate_size": 150, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 18, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": false
    });
    let mut tensors = vec![
        tensor("model.embed_tokens.weight", dtype, &[97, 72], 0.4, 0.0),
        tensor("model.norm.weight", dtype, &[72], 0.2, 1.0),
        tensor("lm_head.weight", dtype, &[97, 72], 0.3, 0.0),
    ];
    for layer in 0..2 {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        for (part, rows, columns) in [
            ("self_attn.q_proj", 72, 72),
            ("self_attn.k_proj", 36, 72),
            ("self_attn.v_proj", 36, 72),
            ("self_attn.o_proj", 72, 72),
            ("mlp.gate_proj", 150, 72),
            ("mlp.up_proj", 150, 72),
            ("mlp.down_proj", 72, 150),
        ] {
            tensors.push(tensor(&name(part), dtype, &[rows, columns], 0.25, 0.0));
        }
        tensors.push(tensor(&name("input_layernorm"), dtype, &[72], 0.2, 1.0));
        tensors.push(tensor(&name("post_attention_layernorm"), dtype, &[72], 0.2, 1.0));
    }
    Checkpoint::from_memory(config, tensors).unwrap()
}

fn gpt2(activation: &str) -> Checkpoint {
    let config = serde_json::json!({
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 97, "n_positions": 64, "n_embd": 60,
        "n_layer": 2, "n_head": 4, "activation_function": activation, "layer_norm_epsilon": 1e-5
    });
    let dtype = Dtype::F32;
    let mut tensors = vec![
        tensor("transformer.wte.weight", dtype, &[97, 60], 0.4, 0.0),
        tensor("transformer.wpe.weight", dtype, &[64, 60], 0.2, 0.0),
        tensor("transformer.ln_f.weight", dtype, &[60], 0.2, 1.0),
        tensor("transformer.ln_f.bias", dtype, &[60], 0.1, 0.0),
    ];
    for layer in 0..2 {
        let name = |part: &str| format!("transformer.h.{layer}.{part}");
        for (part, inputs, outputs) in
            [("attn.c_attn", 60, 180), ("attn.c_proj", 60, 60), ("mlp.c_fc", 60, 240), ("mlp.c_proj", 240, 60)]
        {
            tensors.push(tensor(&name(&format!("{part}.weight")), dtype, &[inputs, outputs], 0.25, 0.0));
            tensors.push(tensor(&name(&format!("{part}.bias")), dtype, &[outputs], 0.1, 0.0));
        }
        for part in ["ln_1", "ln_2"] {
            tensors.push(tensor(&name(&format!("{part}.weight")), dtype, &[60], 0.2, 1.0));
            tensors.push(tensor(&name(&format!("{part}.bias")), dtype, &[60], 0.1, 0.0));
        }
    }
    Checkpoint::from_memory(config, tensors).unwrap()
}

/// SHA-256 over the bits of the logits of a 40-token sequence read in chunks, and their log-sum-exps.
fn digest(checkpoint: &Checkpoint, recipe: &str, runtime: &Runtime, chunk: usize) -> String {
    let recipe = quant::Recipe::parse(recipe).unwrap();
    let model = quant::build_model(checkpoint, &recipe, runtime).unwrap();
    let decoder = Decoder::new(&model, runtime);
    let tokens: Vec<u32> = (0..40).map(|i| (i * 37 + i * i * 11) % 97).collect();
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let mut hasher = Sha256::new();
    for part in tokens.chunks(chunk) {
        let chunk = Chunk { cache: &mut cache, tokens: part, sequence_len: tokens.len(), wanted: 0..part.len() };
        let hidden = decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap();
        let logits = decoder.logits(&hidden);
        let sums = decoder.log_sum_exps(&logits);
        for (row, sum) in logits.chunks(97).zip(sums) {
            for logit in row {
                hasher.update(logit.to_le_bytes());
            }
            hasher.update(sum.to_le_bytes());
        }
    }
    hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

const RECIPES: [&str; 19] = [
    "none",
    "rtn:w8",
    "rtn:w8a8",
    "rtn:w4g32",
    "rtn:w4a8g16",
    "rtn:w3g64",
    "rtn:w3a32g128",
    "rtn:w2g16",
    "rtn:w2a8",
    "rtn:w4g32:sym=true",
    "llm.int8:threshold=1",
    "llm.int8:threshold=1:outlier_weights=exact:half=true",
    "none:kv=8",
    "rtn:w4g32:kv=4",
    "rtn:w8a8:kv=8",
    "hqq:w4g32",
    "hqq:w2a8",
    "nf4:w4g64",
    "nf4:w4g16:double_quant=false",
];

#[test]
fn every_instruction_set_reproduces_the_digest_file() {
    let models = [
        ("llama-bf16", llama(Dtype::Bf16)),
        ("llama-f16", llama(Dtype::F16)),
        ("gpt2-tanh", gpt2("gelu_new")),
        ("gpt2-erf", gpt2("gelu")),
    ];
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/digest.txt");
    let lines = |runtime: &Runtime, chunk: usize| {
        let mut text = String::new();
        for (name, checkpoint) in &models {
            for recipe in RECIPES {
                let _ = writeln!(text, "{name} {recipe} {}", digest(checkpoint, recipe, runtime, chunk));
            }
        }
        text
    };
    if std::env::var_os("NIBBLE_WRITE_DIGEST").is_some() {
        let runtime = Runtime::new(Some(1), IsaChoice::Exactly(Isa::Scalar)).unwrap();
        std::fs::write(&path, lines(&runtime, 40)).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for isa in Isa::present() {
        // Emulated, one way of cutting is enough: the others are held natively.
        let ways: &[(usize, usize)] = if cfg!(target_arch = "x86_64") { &[(1, 40), (2, 1), (3, 7)] } else { &[(2, 7)] };
        for &(threads, chunk) in ways {
            let runtime = Runtime::new(Some(threads), IsaChoice::Exactly(isa)).unwrap();
            let found = lines(&runtime, chunk);
            for (a, b) in found.lines().zip(expected.lines()) {
                assert_eq!(a, b, "{isa}, {threads} threads, chunks of {chunk}");
            }
            assert_eq!(found.lines().count(), expected.lines().count());
        }
    }
}
