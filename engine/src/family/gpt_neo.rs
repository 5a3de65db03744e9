//! GPT-Neo (`GPTNeoForCausalLM`).
//!
//! LayerNorm, learned positions, a tied head. Scores are not scaled; blocks that `attention_layers` (or `attention_types`) calls
//! local see a window of `window_size` tokens. Only the output projection of attention has a bias. Absent keys: window 256, a
//! feed-forward layer four times as wide. Follows transformers' `modeling_gpt_neo.py`.

use super::projections::equal_heads;
use super::tensors::Bias;
use super::{Family, activation, head};
use crate::blueprint::{
    Activation, BlockTensors, Blueprint, FeedForward, LinearTensors, MlpTensors, ModelTensors, Norm, NormTensors,
    Positions, Sizes,
};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::Error;

pub(super) const FAMILY: Family = Family {
    name: "gpt_neo",
    architectures: &["GPTNeoForCausalLM"],
    description: "GPT-Neo 125M to 2.7B and TinyStories models: learned positions, alternating local windows",
    paper: "Black et al. 2021, GPT-Neo; Gao et al. 2020, arXiv:2101.00027",
    verified: &["gpt_neo"],
    switches: &[],
    blueprint,
};

fn blueprint(config: &Config<'_>, checkpoint: &Checkpoint) -> Result<Blueprint, Error> {
    let layers = config.layers("num_layers")?;
    let (d_model, heads) = (config.size("hidden_size")?, config.size("num_heads")?);
    let rows = config.size_or("max_position_embeddings", 2048)?;
    let sizes = Sizes {
        vocab_size: config.size("vocab_size")?,
        d_model,
        layers,
        heads,
        kv_heads: heads,
        head_dim: equal_heads(config, "hidden_size", "num_heads")?,
        d_ff: config.optional_size("intermediate_size")?.unwrap_or(d_model.saturating_mul(4)),
        context_len: rows,
    };
    let (embedding, head) = head::ends(config, checkpoint, "transformer.wte.weight".into(), head::Default::Tied)?;
    let blocks = (0..layers).map(|layer| block(&format!("transformer.h.{layer}"), sizes.d_ff)).collect();
    let tensors = ModelTensors {
        positions: Some("transformer.wpe.weight".into()),
        ..ModelTensors::new(embedding, NormTensors::layer("transformer.ln_f"), head, blocks)
    };
    let norm = Norm::Layer { eps: config.norm_eps("layer_norm_epsilon", 1e-5)? };
    let positions = Positions::Learned { rows, first: 0 };
    let feed_forward = FeedForward::Plain(activation(config, "activation_function", Activation::GeluTanh)?);
    let window = config.size_or("window_size", 256)?;
    let is_local = local_layers(config, layers)?;
    Ok(Blueprint {
        score_scales: vec![1.0; layers],
        windows: is_local.into_iter().map(|is_local| is_local.then_some(window)).collect(),
        ..Blueprint::new(FAMILY.name, sizes, norm, positions, feed_forward, tensors)
    })
}

/// `attention_layers`, or `attention_types`: lists of types, each with how often the list is repeated.
fn local_layers(config: &Config<'_>, layers: usize) -> Result<Vec<bool>, Error> {
    let (key, types) = match config.texts("attention_layers")? {
        Some(types) => ("attention_layers", types),
        None => ("attention_types", repeated_types(config, layers)?),
    };
    let is_local = types.iter().map(|kind| match *kind {
        "global" => Ok(false),
        "local" => Ok(true),
        _ => Err(config.unsupported(key, "global and local")),
    });
    let is_local: Vec<bool> = is_local.collect::<Result<_, _>>()?;
    if is_local.len() == layers {
        return Ok(is_local);
    }
    Err(config.wrong(key, &format!("{layers} entries, one a layer, not {}", is_local.len())))
}

fn repeated_types<'a>(config: &Config<'a>, layers: usize) -> Result<Vec<&'a str>, Error> {
    const KEY: &str = "attention_types";
    let expected = || config.wrong(KEY, "a list of pairs: types of layers, and how often they are repeated");
    let mut types = Vec::new();
    for pair in config.value(KEY).and_then(|value| value.as_array()).ok_or_else(expected)? {
        let list = pair.get(0).and_then(|list| list.as_array()).ok_or_else(expected)?;
        let times = pair.get(1).and_then(|times| times.as_u64()).ok_or_else(expected)?;
        for _ in 0..times.min(layers as u64 + 1) {
            types.extend(list.iter().filter_map(|kind| kind.as_str()));
        }
    }
    Ok(types)
}

fn block(name: &str, d_ff: usize) -> BlockTensors {
    let linear = |part: &str, bias| LinearTensors::named(&format!("{name}.{part}"), bias);
    let attention = ["q_proj", "k_proj", "v_proj"].map(|part| linear(&format!("attn.attention.{part}"), Bias::Absent));
    let [query, key, value] = attention;
    let (up, down) = (linear("mlp.c_fc", Bias::Present), linear("mlp.c_proj", Bias::Present));
    BlockTensors::new(
        NormTensors::layer(&format!("{name}.ln_1")),
        [query, key, value, linear("attn.attention.out_proj", Bias::Present)],
        Some(NormTensors::layer(&format!("{name}.ln_2"))),
        MlpTensors { gate: None, up, down, width: d_ff },
    )
}
