//! Are the reference checkpoints read as what they are, in both spellings, and unknown settings refused by name?

mod reference;

use std::fs;
use std::path::Path;

use engine::blueprint::{Activation, Blueprint, FeedForward, Norm, Orientation, Positions, QkNorm};
use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::error::Error;
use engine::family;
use engine::model::Mlp;
use engine::rope::{Pairing, Rope, RopeScaling};
use reference::shared;
use serde_json::{Value, json};

/// Names of all reference checkpoints.
fn names(shared: &Path) -> Vec<String> {
    let directories = fs::read_dir(shared).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut names: Vec<String> =
        directories.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names.len(), 40);
    names
}

fn read(directory: &Path) -> Result<Blueprint, Error> {
    family::blueprint(&Checkpoint::open(directory, OpenOptions::default())?)
}

/// The blueprint of a reference checkpoint.
fn variant(shared: &Path, name: &str) -> Blueprint {
    read(&shared.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn rope(blueprint: &Blueprint) -> &Rope {
    match &blueprint.positions {
        Positions::Rotary(rotary) => &rotary.ropes[0],
        other => panic!("rotary positions expected, not {other:?}"),
    }
}

#[test]
fn both_spellings_of_the_configuration_give_one_blueprint() {
    let Some(shared) = shared("golden/A") else {
        return;
    };
    let mut compared = 0;
    for name in &names(&shared) {
        let source = shared.join(name);
        if !source.join("config_v5.json").exists() {
            continue;
        }
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&source).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains(".safetensors") {
                fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        fs::copy(source.join("config_v5.json"), copy.path().join("config.json")).unwrap();
        assert_eq!(read(copy.path()).unwrap(), variant(&shared, name), "{name}");
        compared += 1;
    }
    assert_eq!(compared, 38);
}

/// Every key that changes what is computed, altered to what nobody knows, in every reference checkpoint that has it.
#[test]
fn unknown_settings_are_refused_by_name() {
    let Some(shared) = shared("golden/A") else {
        return;
    };
    let unknown = json!("unheard_of");
    let alterations: &[(&str, Value)] = &[
        ("/architectures/0", json!("UnheardOfForCausalLM")),
        ("/model_type", unknown.clone()),
        ("/hidden_act", unknown.clone()),
        ("/hidden_activation", unknown.clone()),
        ("/activation_function", unknown.clone()),
        ("/activation", unknown.clone()),
        ("/rope_scaling", json!({"rope_type": "unheard_of", "factor": 2.0})),
        ("/rope_scaling/type", unknown.clone()),
        ("/rope_scaling/rope_type", unknown.clone()),
        ("/layer_types/0", json!("chunked_attention")),
        ("/attention_layers/0", unknown.clone()),
        ("/attn_config/attn_type", unknown.clone()),
        ("/attn_config/qk_ln", json!(true)),
        ("/attn_config/alibi", json!(false)),
        ("/norm_type", unknown.clone()),
        ("/no_bias", json!(false)),
        ("/apply_residual_connection_post_layernorm", json!(true)),
        ("/num_ln_in_parallel_attn", json!(3)),
        ("/layer_norm_elementwise_affine", json!(false)),
        ("/num_experts_per_tok", json!(99)),
        ("/rms_norm_eps", json!(-1.0)),
        ("/layer_norm_eps", unknown.clone()),
        ("/layer_norm_epsilon", json!(null)),
        ("/tie_word_embeddings", json!("yes")),
        ("/n_head", json!(0)),
    ];
    let mut refused = 0;
    for name in &names(&shared) {
        let source = shared.join(name);
        let config: Value = serde_json::from_slice(&fs::read(source.join("config.json")).unwrap()).unwrap();
        for (pointer, value) in alterations {
            let mut config = config.clone();
            let Some(place) = config.pointer_mut(pointer) else { continue };
            *place = value.clone();
            let copy = tempfile::tempdir().unwrap();
            for entry in fs::read_dir(&source).unwrap() {
                let path = entry.unwrap().path();
                if path.to_string_lossy().contains(".safetensors") {
                    fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
                }
            }
            fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
            let message = match read(copy.path()) {
                Err(error) => error.to_string(),
                Ok(blueprint) => panic!("{name}, {pointer} = {value}: {:?}", blueprint.family),
            };
            let key = pointer.split('/').nth(1).unwrap();
            // A number of heads that fits no other size is found by what it has to fit.
            let is_named = [key, ".weight", ".bias", "query heads"].iter().any(|word| message.contains(word));
            assert!(is_named, "{name}, {pointer} = {value}: {message}");
            refused += 1;
        }
    }
    assert!(refused > 200, "{refused}");
}

/// Whatever a key says, a checkpoint is read or refused.
#[test]
fn no_value_of_any_key_causes_a_panic() {
    let Some(shared) = shared("golden/A") else {
        return;
    };
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(3),
        json!(-1),
        json!(1u64 << 40),
        json!(0.3),
        json!(-1e308),
        json!("text"),
        json!([]),
        json!([1, null, "x"]),
        json!({}),
        json!({"rope_type": "yarn", "factor": 0.0}),
        json!({"rope_type": "longrope", "short_factor": [1.0], "long_factor": []}),
    ];
    for name in &names(&shared) {
        let checkpoint = Checkpoint::open(&shared.join(name), OpenOptions::default()).unwrap();
        let tensors: Vec<_> = (checkpoint.tensor_names())
            .map(|name| {
                let view = checkpoint.tensor(name).unwrap();
                (name.to_string(), view.dtype, view.shape.clone(), view.bytes.as_slice().to_vec())
            })
            .collect();
        let config = checkpoint.config();
        for key in config.as_object().unwrap().keys() {
            for value in &values {
                let mut config = config.clone();
                config[key] = value.clone();
                let checkpoint = Checkpoint::from_memory(config, tensors.clone()).unwrap();
                if let Ok(blueprint) = family::blueprint(&checkpoint) {
                    assert!(!blueprint.tensors.blocks.is_empty());
                }
            }
        }
    }
}

/// A family is listed with the reference checkpoints that it was verified with: all there are of it.
#[test]
fn families_name_what_they_were_verified_with() {
    let Some(shared) = shared("golden/A") else {
        return;
    };
    for family in family::all() {
        let of_family = |name: &String| variant(&shared, name).family == family.name;
        let expected: Vec<String> = names(&shared).into_iter().filter(of_family).collect();
        assert_eq!(family.verified, expected, "{}", family.name);
        assert!(!expected.is_empty(), "{}", family.name);
    }
}

#[test]
fn llama_variants() {
    let Some(shared) = shared("golden/A") else {
        return;
    };
    let plain = variant(&shared, "llama-plain");
    assert_eq!((plain.vocab_size, plain.d_model, plain.layers, plain.d_ff), (300, 64, 3, 172));
    assert_eq!((plain.heads, plain.kv_heads, plain.head_dim, plain.context_len), (4, 2, 16, 512));
    assert_eq!(plain.norm, Norm::Rms { eps: 1e-5, offset: 0.0 });
    assert_eq!(plain.feed_forward, FeedForward::Gated(Activation::Silu));
    assert_eq!(
        rope(&plain),
        &Rope { theta: 10_000.0, rotary_dim: 16, pairing: Pairing::Halves, scaling: RopeScaling::Unscaled }
    );
    assert_eq!((plain.windows, plain.score_scales), (vec![None; 3], vec![0.25; 3]));
    assert!(plain.tensors.head.is_some());

    let linear = variant(&shared, "llama-linear");
    assert_eq!(rope(&linear).scaling, RopeScaling::Linear { factor: 2.5 });
    let dynamic = variant(&shared, "llama-dynamic");
    assert_eq!(rope(&dynamic).scaling, RopeScaling::Dynamic { factor: 2.0, original_context_len: 128 });

    let llama3 = variant(&shared, "llama-llama3rope");
    let scaling =
        RopeScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context_len: 64 };
    assert_eq!(rope(&llama3), &Rope { theta: 5000.0, rotary_dim: 24, pairing: Pairing::Halves, scaling });
    assert_eq!((llama3.head_dim, llama3.heads * llama3.head_dim, llama3.d_model), (24, 96, 64));
    assert!(llama3.tensors.head.is_none());

    let bias = variant(&shared, "llama-bias");
    for block in &bias.tensors.blocks {
        for linear in block.roles().into_iter().map(|role| block.linear(role).unwrap()) {
            let name = &linear.bias.as_ref().unwrap().tensor;
            assert_eq!(*name, linear.weight.tensor.replace("weight", "bias"));
        }
    }
}

#[test]
fn qwen2_qwen3_and_mistral_variants() {
    let Some(shared) = shared("golden/A") else {
        return;
    };
    let tied = variant(&shared, "qwen2-tied");
    assert_eq!(tied.windows, [None, Some(24), Some(24)]);
    assert!(tied.tensors.head.is_none());
    let block = &tied.tensors.blocks[1];
    assert_eq!(block.value.bias.as_ref().unwrap().tensor, "model.layers.1.self_attn.v_proj.bias");
    assert!(block.output.bias.is_none() && block.mlp(Mlp::Dense).unwrap().up.bias.is_none());
    let untied = variant(&shared, "qwen2-untied");
    assert_eq!(untied.windows, [None; 3]);
    assert_eq!(untied.tensors.head.unwrap().weight.tensor, "lm_head.weight");

    let qwen3 = variant(&shared, "qwen3");
    assert_eq!((qwen3.qk_norm, qwen3.head_dim, rope(&qwen3).theta), (QkNorm::PerHead, 32, 1e6));
    let [_, key] = qwen3.tensors.blocks[0].query_key_norm.as_ref().unwrap();
    assert_eq!(key.norms[0].weight, "model.layers.0.self_attn.k_norm.weight");
    assert!(qwen3.tensors.blocks[0].query.bias.is_none());

    assert_eq!(variant(&shared, "mistral").windows, [Some(32); 3]);
    let without_window = variant(&shared, "mistral-nosw");
    assert_eq!((without_window.windows, without_window.head_dim), (vec![None; 2], 16));
}

#[test]
fn gpt2_and_first_generation_qwen_variants() {
    let Some(shared) = shared("golden/A") else {
        return;
    };
    let gpt2 = variant(&shared, "gpt2");
    assert_eq!((gpt2.d_model, gpt2.d_ff, gpt2.head_dim, gpt2.context_len), (60, 240, 15, 320));
    assert_eq!(gpt2.positions, Positions::Learned { rows: 320, first: 0 });
    assert_eq!(gpt2.norm, Norm::Layer { eps: 1e-5 });
    assert_eq!(gpt2.feed_forward, FeedForward::Plain(Activation::GeluTanh));
    assert_eq!(gpt2.score_scales, [(1.0 / 15.0f64.sqrt()) as f32; 3]);
    let block = &gpt2.tensors.blocks[2];
    assert_eq!(block.key.weight.tensor, "transformer.h.2.attn.c_attn.weight");
    assert_eq!((block.key.weight.part, block.key.weight.orientation), ((1, 3), Orientation::InOut));
    assert_eq!(block.value.bias.as_ref().unwrap().part, (2, 3));
    assert!(gpt2.tensors.head.is_none());

    let qwen = variant(&shared, "qwen1");
    assert_eq!((qwen.d_ff, qwen.log_n, qwen.context_len), (172, Some(48), 512));
    let scaling = RopeScaling::QwenNtk { seq_length: 48 };
    assert_eq!(rope(&qwen), &Rope { theta: 10_000.0, rotary_dim: 16, pairing: Pairing::Halves, scaling });
    let block = &qwen.tensors.blocks[0];
    let mlp = block.mlp(Mlp::Dense).unwrap();
    assert_eq!(mlp.gate.as_ref().unwrap().weight.tensor, "transformer.h.0.mlp.w2.weight");
    assert_eq!(mlp.up.weight.tensor, "transformer.h.0.mlp.w1.weight");
    assert_eq!((block.query.weight.part, block.query.weight.orientation), ((0, 3), Orientation::OutIn));
    assert!(block.query.bias.is_some() && block.output.bias.is_none());
    let plain = variant(&shared, "qwen1-plain");
    assert_eq!((plain.log_n, &rope(&plain).scaling), (None, &RopeScaling::Unscaled));
}

#[test]
fn the_trained_checkpoints_are_read() {
    let Some(shared) = shared("models") else {
        return;
    };
    let stories = variant(&shared, "stories260K");
    assert_eq!((stories.family, stories.kv_heads, stories.head_dim), ("llama", 4, 8));
    let craft = variant(&shared, "craftgpt-5M");
    assert_eq!((craft.family, craft.feed_forward), ("gpt2", FeedForward::Plain(Activation::Relu)));
    assert!(craft.tensors.head.is_some());
}
