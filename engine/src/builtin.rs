//! A small model without files: seeded weights, no training, for trying out everything around a model.
//!
//! It has the architecture of Llama with grouped queries and an untied head, over the byte vocabulary of
//! [`Tokenizer::bytes_only`](crate::tokenizer::Tokenizer::bytes_only), and weights from a counter-based generator, so that
//! every machine makes the same bytes. It knows nothing: what it scores is chance.

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::philox;
use crate::tensor::Dtype;
use half::bf16;
use serde_json::json;

/// Name in results.
pub const NAME: &str = "builtin-seeded";

/// Key of the generator.
const SEED: u64 = 20_241_101;

const VOCAB_SIZE: usize = 258;
const D_MODEL: usize = 64;
const LAYERS: usize = 3;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 16;
const D_FF: usize = 176;
const CONTEXT_LEN: usize = 4096;

/// How the weights of a tensor are spread.
#[derive(Clone, Copy)]
enum Spread {
    /// Around 0, with this standard deviation.
    AroundZero(f64),
    /// Around 1, with this standard deviation: the weight of a norm.
    AroundOne(f64),
}

/// The checkpoint, made in memory in a few milliseconds.
///
/// # Errors
/// None in practice; the type is that of [`Checkpoint::from_memory`].
pub fn checkpoint() -> Result<Checkpoint, Error> {
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCAB_SIZE,
        "hidden_size": D_MODEL,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "intermediate_size": D_FF,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT_LEN,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "rope_scaling": null,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": false,
        "bos_token_id": 256,
        "eos_token_id": 257,
        "torch_dtype": "bfloat16"
    });
    let mut tensors = Vec::new();
    for (index, (name, shape, spread)) in layout().into_iter().enumerate() {
        let bytes = weights(index, shape.iter().product(), spread);
        tensors.push((name, Dtype::Bf16, shape, bytes));
    }
    Checkpoint::from_memory(config, tensors)
}

/// Name, shape and spread of every tensor; the place in this list is part of the generator's counter.
fn layout() -> Vec<(String, Vec<usize>, Spread)> {
    let linear = |rows: usize, columns: usize| (vec![rows, columns], Spread::AroundZero(fan_in(columns)));
    let norm = || (vec![D_MODEL], Spread::AroundOne(0.1));
    let mut tensors =
        vec![("model.embed_tokens.weight".to_string(), (vec![VOCAB_SIZE, D_MODEL], Spread::AroundZero(0.2)))];
    for layer in 0..LAYERS {
        let parts = [
            ("input_layernorm", norm()),
            ("self_attn.q_proj", linear(HEADS * HEAD_DIM, D_MODEL)),
            ("self_attn.k_proj", linear(KV_HEADS * HEAD_DIM, D_MODEL)),
            ("self_attn.v_proj", linear(KV_HEADS * HEAD_DIM, D_MODEL)),
            ("self_attn.o_proj", linear(D_MODEL, HEADS * HEAD_DIM)),
            ("post_attention_layernorm", norm()),
            ("mlp.gate_proj", linear(D_FF, D_MODEL)),
            ("mlp.up_proj", linear(D_FF, D_MODEL)),
            ("mlp.down_proj", linear(D_MODEL, D_FF)),
        ];
        tensors.extend(parts.map(|(part, rest)| (format!("model.layers.{layer}.{part}.weight"), rest)));
    }
    tensors.push(("model.norm.weight".to_string(), norm()));
    tensors.push(("lm_head.weight".to_string(), linear(VOCAB_SIZE, D_MODEL)));
    tensors.into_iter().map(|(name, (shape, spread))| (name, shape, spread)).collect()
}

/// Standard deviation that keeps the scale of a layer's input: 1 / sqrt(columns).
fn fan_in(columns: usize) -> f64 {
    1.0 / (columns as f64).sqrt()
}

/// The weights of tensor `index` as little-endian bf16, rounded to nearest even.
///
/// Element k is nearly normal (Irwin-Hall): the four words of Philox block (k, index) under the seed, summed and scaled
/// to mean 0 and variance 1. The sum is an integer and every step after it is rounded once, so no machine differs.
fn weights(index: usize, elements: usize, spread: Spread) -> Vec<u8> {
    let key = philox::words(SEED);
    let mut bytes = Vec::with_capacity(2 * elements);
    for element in 0..elements as u64 {
        let [low, high] = philox::words(element);
        let words = philox::block(key, [low, high, index as u32, 0]);
        let sum = words.iter().fold(0i64, |sum, &word| sum + i64::from(word));
        // Four uniform numbers: mean 2, variance 4/12.
        let normal = (sum - (2 << 32) + 2) as f64 / (1u64 << 32) as f64 * 3f64.sqrt();
        let value = match spread {
            Spread::AroundZero(deviation) => normal * deviation,
            Spread::AroundOne(deviation) => 1.0 + normal * deviation,
        };
        bytes.extend_from_slice(&bf16::from_f32(value as f32).to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn every_machine_makes_these_bytes() {
        let checkpoint = checkpoint().unwrap();
        let mut digest = Sha256::new();
        for name in checkpoint.tensor_names() {
            let view = checkpoint.tensor(name).unwrap();
            digest.update(format!("{name} {:?} {}\n", view.shape, view.dtype.name()));
            digest.update(view.bytes.as_slice());
        }
        let hexadecimal: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hexadecimal, "c7937f8a76cb30029785cf2b30cc3e5249dcda0c6af7aa1bc67475c10fbd69fb");
    }

    #[test]
    fn weights_have_the_stated_mean_and_deviation() {
        let elements = 100_000;
        let values: Vec<f64> = weights(3, elements, Spread::AroundZero(1.0))
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&bytes| f64::from(bf16::from_le_bytes(bytes)))
            .collect();
        let mean = values.iter().fold(0.0, |sum, value| sum + value) / elements as f64;
        let variance = values.iter().fold(0.0, |sum, value| sum + (value - mean) * (value - mean)) / elements as f64;
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn no_two_tensors_share_their_numbers() {
        let spread = Spread::AroundZero(1.0);
        assert_ne!(weights(1, 64, spread), weights(2, 64, spread));
    }
}
