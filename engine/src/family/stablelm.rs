//! StableLM (`StableLmForCausalLM`).
//!
//! The Llama layout with LayerNorm and a quarter of each head rotated. With `qk_layernorm` each head of queries and keys has a
//! LayerNorm of its own, without bias; with `use_parallel_residual` both halves of a block read the same normalised stream.
//! Absent keys: 32 key/value heads, context 4096. Follows transformers' `modeling_stablelm.py`.

use super::projections::{self, Variant, name};
use super::rotary::{self, Heads};
use super::tensors::Bias;
use super::{Family, windows};
use crate::blueprint::{Blueprint, HeadNormTensors, Norm, NormTensors, QkNorm, Residual};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "stablelm",
    architectures: &["StableLmForCausalLM"],
    description: "StableLM 3B, 1.6B and 12B: the Llama layout with LayerNorm and partly rotated heads",
    paper: "Bellagente et al. 2024, arXiv:2402.17834",
    verified: &["stablelm"],
    switches: &["partial_rotary_factor", "qk_layernorm", "use_parallel_residual"],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let base = Variant::new(config, FAMILY.name, 4096)?;
    let rotary_dim = rotary::rotary_dim(config, base.heads.head_dim, &["partial_rotary_factor"], 0.25)?;
    let variant = Variant {
        default_kv_heads: Some(32),
        norm: Norm::Layer { eps: config.norm_eps("layer_norm_eps", 1e-5)? },
        norm_bias: Bias::Present,
        query_key_value: Bias::from_flag(config, "use_qkv_bias")?,
        heads: Heads { rotary_dim, ..base.heads },
        ..base
    };
    let mut blueprint = projections::blueprint(config, checkpoint, variant)?;
    if config.flag("qk_layernorm", false)? {
        blueprint.qk_norm = QkNorm::PerHead;
        let (heads, shape) = ([blueprint.heads, blueprint.kv_heads], vec![blueprint.head_dim]);
        for (layer, block) in blueprint.tensors.blocks.iter_mut().enumerate() {
            let norms = |part: &str, heads: usize| {
                let norm = |head| NormTensors::rms(&name(layer, &format!("self_attn.{part}.norms.{head}")));
                HeadNormTensors { norms: (0..heads).map(norm).collect(), shape: shape.clone() }
            };
            block.query_key_norm = Some([norms("q_layernorm", heads[0]), norms("k_layernorm", heads[1])]);
        }
    }
    if config.flag("use_parallel_residual", false)? {
        blueprint.residual = Residual::Parallel;
        for block in &mut blueprint.tensors.blocks {
            block.feed_forward_norm = None;
        }
    }
    Ok(Blueprint { windows: windows::none(config, blueprint.layers)?, ..blueprint })
}
