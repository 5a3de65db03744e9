//! From a checkpoint to logits: safetensors, blueprint, decoder, key/value cache, tokenizer.
#![forbid(unsafe_code)]

pub mod blueprint;
pub mod rope;
