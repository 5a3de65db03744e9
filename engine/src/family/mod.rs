//! Model families: from `config.json` and tensor names to a [`Blueprint`].
//!
//! A family is one file with a `FAMILY` and one word in the `registry!` line. What a configuration asks for and no
//! family implements is refused by name; nothing falls back to a default that the model was not trained with.

mod alibi;
mod head;
mod projections;
mod rotary;
mod shapes;
mod switches;
mod tensors;
mod windows;

use crate::blueprint::{Activation, Blueprint};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;
use crate::prequantized::Prequantized;

/// A model family.
pub struct Family {
    /// Name, which is also `model_type` in `config.json`.
    pub name: &'static str,
    /// Entries of `architectures` in `config.json` that belong to it.
    pub architectures: &'static [&'static str],
    /// Members, and what distinguishes them.
    pub description: &'static str,
    /// Where the architecture is described.
    pub paper: &'static str,
    /// Reference checkpoints whose logits and greedy continuations agree with PyTorch in float64 (`engine/tests/golden.rs`).
    pub verified: &'static [&'static str],
    /// Settings of `switches.rs` that it reads itself.
    switches: &'static [&'static str],
    blueprint: fn(&Config<'_>, &Checkpoint) -> Result<Blueprint, Error>,
}

macro_rules! registry {
    ($($family:ident),+ $(,)?) => {
        $(mod $family;)+
        const FAMILIES: &[Family] = &[$($family::FAMILY),+];
    };
}

registry! {
    llama, mistral, mixtral, qwen, qwen2, qwen2_moe, qwen3, qwen3_moe, olmo2, olmoe, gemma, gemma2, gemma3_text, phi, phi3, gpt2,
    gpt_neo, gpt_neox, gptj, opt, bloom, falcon, mpt, stablelm, smollm3, cohere, granite, starcoder2
}

/// All families, in the order of the registry.
pub fn all() -> &'static [Family] {
    FAMILIES
}

/// The blueprint of a checkpoint, whose tensors are checked against it.
///
/// # Errors
/// [`Error::Unsupported`] for an architecture or a setting that is not implemented, [`Error::ConfigValue`] for a value
/// that is missing or out of range, and what [`Blueprint::check`] finds.
pub fn blueprint(checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let config = Config::new(checkpoint.config(), &checkpoint.config_file())?;
    let family = choose(&config)?;
    switches::check(&config, family.switches)?;
    let blueprint = (family.blueprint)(&config, checkpoint)?;
    blueprint.check(checkpoint, Prequantized::of(checkpoint)?.as_ref())?;
    Ok(blueprint)
}

/// The family named by `architectures` and `model_type`, which must not contradict each other.
fn choose(config: &Config<'_>) -> Result<&'static Family, Error> {
    let supported = || {
        let families = FAMILIES.iter().map(|family| format!("{} ({})", family.name, family.architectures.join(", ")));
        families.collect::<Vec<_>>().join(", ")
    };
    let architectures = config.texts("architectures")?.unwrap_or_default();
    let model_type = config.text("model_type")?;
    let by_architecture = match architectures.as_slice() {
        [] => None,
        [architecture, ..] => match FAMILIES.iter().find(|family| family.architectures.contains(architecture)) {
            Some(family) => Some(family),
            None => return Err(config.unsupported("architectures", &supported())),
        },
    };
    let by_type = FAMILIES.iter().find(|family| Some(family.name) == model_type);
    match (by_architecture, model_type) {
        (Some(family), None) => Ok(family),
        (Some(family), Some(name)) if name == family.name => Ok(family),
        (Some(family), Some(_)) => {
            Err(config.wrong("model_type", &format!("{}, the family of {}", family.name, architectures[0])))
        }
        (None, _) => by_type.ok_or_else(|| config.unsupported("model_type", &supported())),
    }
}

/// The nonlinearity under `key`, or `default` where the key is absent; names as in transformers.
fn activation(config: &Config<'_>, key: &str, default: Activation) -> Result<Activation, Error> {
    match config.text(key)? {
        None if !config.has(key) => Ok(default),
        Some("silu" | "swish") => Ok(Activation::Silu),
        Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_fast") => Ok(Activation::GeluTanh),
        Some("gelu" | "gelu_python") => Ok(Activation::GeluErf),
        Some("relu") => Ok(Activation::Relu),
        _ => Err(config.unsupported(key, "silu, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast and relu")),
    }
}
