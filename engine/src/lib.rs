//! From a checkpoint to logits: safetensors, blueprint, decoder, key/value cache, tokenizer.
#![deny(unsafe_code)]

pub mod blueprint;
pub mod checkpoint;
pub mod error;
pub mod rope;
pub mod tensor;
