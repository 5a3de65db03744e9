//! From a checkpoint to logits: safetensors, blueprint, decoder, key/value cache, tokenizer.
#![deny(unsafe_code)]

mod aligned;
mod attention;
pub mod blueprint;
pub mod builtin;
pub mod chat_template;
pub mod checkpoint;
mod chunk;
mod config;
pub mod decoder;
pub mod error;
pub mod family;
pub mod format;
pub mod generate;
pub mod head;
mod input;
pub mod kv_cache;
pub mod linear;
pub mod model;
pub mod philox;
mod query_codes;
pub mod rope;
pub mod runtime;
pub mod tensor;
pub mod tokenizer;
mod workspace;

pub use error::Error;
