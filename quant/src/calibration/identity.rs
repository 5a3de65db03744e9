//! What calibration was made of, as manifests and results tell it.

use super::{Content, Form, Options, Order};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A calibration by its bytes: what was read, how it was cut, which tokens came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    value: Value,
    digest: String,
}

impl Identity {
    pub(super) fn new(
        content: &Content,
        options: &Options,
        order: Order,
        length: usize,
        sequences: &[Vec<u32>],
    ) -> Self {
        let ids = sequences.iter().flatten().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>();
        let mut with_lengths = Sha256::new();
        for sequence in sequences {
            with_lengths.update((sequence.len() as u64).to_le_bytes());
            sequence.iter().for_each(|id| with_lengths.update(id.to_le_bytes()));
        }
        let digest = hexadecimal(&with_lengths.finalize());
        let value = json!({
            "source": content.name,
            "kind": content.kind,
            "sha256": content.sha256,
            "chat_template": options.form == Form::ChatTemplate,
            "order": order.name(),
            "seed": (order == Order::Random).then_some(options.seed),
            "length": length,
            "sequences": sequences.len(),
            "tokens": sequences.iter().map(Vec::len).sum::<usize>(),
            "ids_sha256": sha256(&ids),
            "sequences_sha256": digest,
        });
        Self { value, digest }
    }

    /// The object of manifests and results. `ids_sha256` is of all ids as little-endian u32, `sequences_sha256` of every
    /// sequence's length as little-endian u64 before its ids.
    pub fn to_json(&self) -> Value {
        self.value.clone()
    }

    /// SHA-256 of all sequences: calibrations of one digest give the same weights.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// A few words for reading.
    pub fn describe(&self) -> String {
        let number = |name: &str| self.value[name].as_u64().unwrap_or(0);
        let source = self.value["source"].as_str().unwrap_or_default();
        format!("{} sequences, {} tokens of {source}", number("sequences"), number("tokens"))
    }
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
