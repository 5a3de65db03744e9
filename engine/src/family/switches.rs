//! Settings by which some families change the computation. A family that does not read them would have to ignore them,
//! so its checkpoints that set one are refused.

use serde_json::Value;

use crate::config::Config;
use crate::error::Error;

/// The value, besides null, that changes nothing.
enum Neutral {
    Null,
    False,
    Number(f64),
    Empty,
}

const SWITCHES: &[(&str, Neutral)] = &[
    ("add_cross_attention", Neutral::False),
    ("alibi", Neutral::False),
    ("attention_chunk_size", Neutral::Null),
    ("attention_multiplier", Neutral::Null),
    ("attn_logit_softcapping", Neutral::Null),
    ("clip_qkv", Neutral::Null),
    ("embedding_multiplier", Neutral::Number(1.0)),
    ("final_logit_softcapping", Neutral::Null),
    ("is_encoder_decoder", Neutral::False),
    ("logit_scale", Neutral::Number(1.0)),
    ("logits_scaling", Neutral::Number(1.0)),
    ("n_routed_experts", Neutral::Number(0.0)),
    ("no_rope_layers", Neutral::Empty),
    ("num_experts", Neutral::Number(0.0)),
    ("num_local_experts", Neutral::Number(0.0)),
    ("parallel_attn", Neutral::False),
    ("partial_rotary_factor", Neutral::Number(1.0)),
    ("pruned_heads", Neutral::Empty),
    ("qk_layernorm", Neutral::False),
    ("query_pre_attn_scalar", Neutral::Null),
    ("residual_multiplier", Neutral::Number(1.0)),
    ("rope_interleaved", Neutral::False),
    ("rotary_pct", Neutral::Number(1.0)),
    ("use_cache_quantization", Neutral::False),
    ("use_parallel_residual", Neutral::False),
    ("use_qk_norm", Neutral::False),
];

/// Fails when a switch is set that the family does not read.
pub(super) fn check(config: &Config<'_>, read: &[&str]) -> Result<(), Error> {
    for (key, neutral) in SWITCHES.iter().filter(|(key, _)| !read.contains(key)) {
        let Some(value) = config.value(key) else {
            continue;
        };
        let (is_neutral, supported) = match neutral {
            Neutral::Null => (false, "null".to_string()),
            Neutral::False => (*value == Value::Bool(false), "false".to_string()),
            Neutral::Number(number) => (value.as_f64() == Some(*number), number.to_string()),
            Neutral::Empty => (
                value.as_object().is_some_and(|map| map.is_empty())
                    || value.as_array().is_some_and(|list| list.is_empty()),
                "nothing".to_string(),
            ),
        };
        if !is_neutral {
            return Err(config.unsupported(key, &supported));
        }
    }
    Ok(())
}
