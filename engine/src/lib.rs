//! From a checkpoint to logits: safetensors, blueprint, decoder, key/value cache, tokenizer.
#![deny(unsafe_code)]

mod aligned;
mod attention;
pub mod blueprint;
mod builder;
pub mod builtin;
pub mod chat_template;
pub mod checkpoint;
mod chunk;
mod config;
pub mod decoder;
pub mod error;
pub mod family;
mod feed_forward;
mod file_bytes;
pub mod format;
pub mod generate;
pub mod head;
mod input;
mod input_map;
pub mod kv_cache;
pub mod linear;
pub mod model;
pub mod philox;
pub mod prequantized;
mod query_codes;
pub mod rope;
pub mod runtime;
pub mod save;
pub mod tensor;
pub mod tokenizer;
pub mod walk;
mod workspace;

pub use error::Error;
pub use input_map::InputMap;
