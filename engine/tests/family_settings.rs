//! Are settings of `config.json` read as the published code reads them, and those that are not understood refused?

use std::collections::BTreeMap;

use engine::blueprint::{Activation, Blueprint, FeedForward, Norm, Positions};
use engine::checkpoint::Checkpoint;
use engine::error::Error;
use engine::family;
use engine::rope::RopeScaling;
use engine::tensor::Dtype;
use serde_json::{Value, json};

/// A model to be varied: a configuration and the shapes of its tensors.
#[derive(Clone)]
struct Model {
    config: Value,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl Model {
    /// One layer, d_model 8, two heads of 4, d_ff 12, vocabulary 10, head stored.
    fn separate(architecture: &str, model_type: &str) -> Self {
        let config = json!({
            "architectures": [architecture], "model_type": model_type, "vocab_size": 10, "hidden_size": 8,
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 12,
            "tie_word_embeddings": false
        });
        let mut model = Self { config, shapes: BTreeMap::new() };
        model.tensor("model.embed_tokens.weight", &[10, 8]).tensor("lm_head.weight", &[10, 8]);
        model.tensor("model.norm.weight", &[8]);
        for (name, shape) in [
            ("input_layernorm", &[8][..]),
            ("self_attn.q_proj", &[8, 8]),
            ("self_attn.k_proj", &[4, 8]),
            ("self_attn.v_proj", &[4, 8]),
            ("self_attn.o_proj", &[8, 8]),
            ("post_attention_layernorm", &[8]),
            ("mlp.gate_proj", &[12, 8]),
            ("mlp.up_proj", &[12, 8]),
            ("mlp.down_proj", &[8, 12]),
        ] {
            model.tensor(&format!("model.layers.0.{name}.weight"), shape);
        }
        model
    }

    fn llama() -> Self {
        Self::separate("LlamaForCausalLM", "llama")
    }

    fn mistral() -> Self {
        Self::separate("MistralForCausalLM", "mistral")
    }

    fn qwen2() -> Self {
        let mut model = Self::separate("Qwen2ForCausalLM", "qwen2");
        for (name, len) in [("q_proj", 8), ("k_proj", 4), ("v_proj", 4)] {
            model.tensor(&format!("model.layers.0.self_attn.{name}.bias"), &[len]);
        }
        model
    }

    fn gpt2(prefix: &str) -> Self {
        let config = json!({
            "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 10, "n_embd": 8, "n_layer": 1,
            "n_head": 2, "n_positions": 16
        });
        let mut model = Self { config, shapes: BTreeMap::new() };
        for (name, shape) in [
            ("wte.weight", &[10, 8][..]),
            ("wpe.weight", &[16, 8]),
            ("ln_f.weight", &[8]),
            ("ln_f.bias", &[8]),
            ("h.0.ln_1.weight", &[8]),
            ("h.0.ln_1.bias", &[8]),
            ("h.0.ln_2.weight", &[8]),
            ("h.0.ln_2.bias", &[8]),
            ("h.0.attn.c_attn.weight", &[8, 24]),
            ("h.0.attn.c_attn.bias", &[24]),
            ("h.0.attn.c_proj.weight", &[8, 8]),
            ("h.0.attn.c_proj.bias", &[8]),
            ("h.0.mlp.c_fc.weight", &[8, 32]),
            ("h.0.mlp.c_fc.bias", &[32]),
            ("h.0.mlp.c_proj.weight", &[32, 8]),
            ("h.0.mlp.c_proj.bias", &[8]),
        ] {
            model.tensor(&format!("{prefix}{name}"), shape);
        }
        model
    }

    fn tensor(&mut self, name: &str, shape: &[usize]) -> &mut Self {
        self.shapes.insert(name.to_string(), shape.to_vec());
        self
    }

    fn without(mut self, tensor: &str) -> Self {
        self.shapes.remove(tensor).expect("the tensor is there");
        self
    }

    /// With a key of the configuration set.
    fn with(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// With a key of the configuration removed.
    fn absent(mut self, key: &str) -> Self {
        self.config.as_object_mut().unwrap().remove(key);
        self
    }

    fn checkpoint(&self) -> Checkpoint {
        let tensors = self.shapes.iter().map(|(name, shape)| {
            let bytes = vec![0; 2 * shape.iter().product::<usize>()];
            (name.clone(), Dtype::Bf16, shape.clone(), bytes)
        });
        Checkpoint::from_memory(self.config.clone(), tensors.collect()).unwrap()
    }

    fn read(&self) -> Result<Blueprint, Error> {
        family::blueprint(&self.checkpoint())
    }

    fn accepted(&self) -> Blueprint {
        self.read().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The scaling of the rotary embedding and its base.
    fn rope(&self) -> (f64, RopeScaling) {
        match self.accepted().positions {
            Positions::Rotary(mut rotary) => (rotary.ropes[0].theta, rotary.ropes.remove(0).scaling),
            other => panic!("rotary positions expected, not {other:?}"),
        }
    }

    /// The message of the error, which must be about a value of the configuration or a setting.
    fn refused(&self) -> String {
        match self.read() {
            Err(error @ (Error::ConfigValue { .. } | Error::Unsupported { .. })) => error.to_string(),
            other => panic!("{other:?} for {}", self.config),
        }
    }
}

fn assert_contains(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
}

#[test]
fn defaults_of_absent_keys() {
    let llama = Model::llama().accepted();
    assert_eq!((llama.context_len, llama.head_dim, llama.kv_heads), (2048, 4, 1));
    assert_eq!(llama.norm, Norm::Rms { eps: 1e-6, offset: 0.0 });
    assert_eq!(Model::llama().rope(), (10_000.0, RopeScaling::Unscaled));
    assert_eq!(Model::qwen2().accepted().context_len, 32_768);
    assert_eq!(Model::mistral().accepted().windows, [Some(4096)]);
    assert_eq!(Model::mistral().with("sliding_window", json!(null)).accepted().windows, [None]);
    // As many key/value heads as query heads in Llama, and wherever the value is null.
    let mut full = Model::llama().absent("num_key_value_heads");
    full.tensor("model.layers.0.self_attn.k_proj.weight", &[8, 8]);
    full.tensor("model.layers.0.self_attn.v_proj.weight", &[8, 8]);
    assert_eq!(full.accepted().kv_heads, 2);
    let null = Model { config: Model::mistral().config, ..full }.with("num_key_value_heads", json!(null));
    assert_eq!(null.accepted().kv_heads, 2);
    // Llama is untied by default, GPT-2 tied.
    assert!(Model::llama().absent("tie_word_embeddings").accepted().tensors.head.is_some());
    let gpt2 = Model::gpt2("transformer.").accepted();
    assert!(gpt2.tensors.head.is_none());
    assert_eq!((gpt2.d_ff, gpt2.feed_forward), (32, FeedForward::Plain(Activation::GeluTanh)));
    // Either of architectures and model_type is enough.
    assert_eq!(Model::llama().absent("architectures").accepted(), llama);
    assert_eq!(Model::llama().absent("model_type").accepted(), llama);
}

#[test]
fn rotary_settings_in_every_spelling() {
    let linear = (5e5, RopeScaling::Linear { factor: 4.0 });
    let theta = || Model::llama().with("rope_theta", json!(5e5));
    for settings in [
        json!({"type": "linear", "factor": 4}),
        json!({"rope_type": "linear", "factor": 4.0}),
        json!({"rope_type": "linear", "type": "linear", "factor": 4.0, "low_freq_factor": null}),
    ] {
        assert_eq!(theta().with("rope_scaling", settings).rope(), linear);
    }
    let new = json!({"rope_theta": 5e5, "rope_type": "linear", "factor": 4.0, "partial_rotary_factor": 1.0});
    assert_eq!(Model::llama().with("rope_parameters", new.clone()).rope(), linear);
    let nested = json!({"full_attention": new, "sliding_attention": null});
    assert_eq!(Model::llama().with("rope_parameters", nested).rope(), linear);
    let both =
        theta().with("rope_parameters", new.clone()).with("rope_scaling", json!({"type": "linear", "factor": 4}));
    assert_eq!(both.rope(), linear);

    let context = || Model::llama().with("max_position_embeddings", json!(4096));
    let dynamic = json!({"type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 4096});
    let expected = RopeScaling::Dynamic { factor: 2.0, original_context_len: 4096 };
    assert_eq!(context().with("rope_scaling", dynamic).rope().1, expected);
    let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0});
    let expected = |original_context_len| RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_context_len,
    };
    assert_eq!(context().with("rope_scaling", llama3.clone()).rope().1, expected(4096));
    let outside = context().with("original_max_position_embeddings", json!(1024)).with("rope_scaling", llama3);
    assert_eq!(outside.rope().1, expected(1024));
    for none in [json!(null), json!({"type": "default"}), json!({"rope_theta": 10000})] {
        assert_eq!(Model::llama().with("rope_scaling", none).rope(), (10_000.0, RopeScaling::Unscaled));
    }
}

#[test]
fn rotary_settings_that_are_not_understood() {
    for (settings, words) in [
        (json!({"type": "ntk", "factor": 4.0}), &["ntk", "rope_scaling.type", "llama3"][..]),
        (json!({"rope_type": "longrope"}), &["rope_scaling.short_factor", "2 numbers"]),
        (json!({"rope_type": "linear"}), &["rope_scaling.factor"]),
        (json!({"type": "linear", "factor": 0.5}), &["rope_scaling.factor", "0.5"]),
        (json!({"type": "linear", "factor": "2"}), &["rope_scaling.factor"]),
        (json!({"type": "linear", "rope_type": "dynamic", "factor": 2.0}), &["rope_scaling.type", "dynamic"]),
        (json!({"type": "linear", "factor": 2.0, "mrope_section": [1, 1]}), &["mrope_section"]),
        (json!({"type": "default", "factor": 2.0}), &["rope_scaling.factor", "no further settings"]),
        (json!({"type": "default", "partial_rotary_factor": 0.5}), &["partial_rotary_factor", "0.5"]),
        (json!({"type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 7}), &["original_max", "2048"]),
        (json!({"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0}), &["high_freq_factor"]),
        (
            json!({"type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 4.0}),
            &["high_freq_factor"],
        ),
        (json!({"rope_theta": 5.0}), &["rope_theta"]),
        (json!({"rope_theta": 0}), &["rope_theta"]),
        (json!({"full_attention": {"factor": 2.0, "type": "linear"}, "sliding_attention": {}}), &["all layers"]),
        (json!("linear"), &["rope_scaling"]),
    ] {
        let model = Model::llama().with("rope_theta", json!(1e4)).with("rope_scaling", settings);
        assert_contains(&model.refused(), words);
    }
    let mut odd = Model::llama().with("head_dim", json!(3));
    for (name, shape) in [("q_proj", [6, 8]), ("k_proj", [3, 8]), ("v_proj", [3, 8]), ("o_proj", [8, 6])] {
        odd.tensor(&format!("model.layers.0.self_attn.{name}.weight"), &shape);
    }
    assert_contains(&odd.refused(), &["head_dim", "even"]);
}

#[test]
fn settings_of_other_families_are_refused_unless_neutral() {
    for (key, value) in [
        ("partial_rotary_factor", json!(0.5)),
        ("final_logit_softcapping", json!(30.0)),
        ("attn_logit_softcapping", json!(50.0)),
        ("logits_scaling", json!(8.0)),
        ("clip_qkv", json!(8.0)),
        ("num_local_experts", json!(8)),
        ("sliding_window", json!(4096)),
        ("layer_types", json!(["sliding_attention"])),
        ("layer_types", json!(["linear_attention"])),
        ("layer_types", json!([])),
        ("hidden_act", json!("quick_gelu")),
        ("hidden_act", json!(null)),
        ("attention_bias", json!("yes")),
        ("rms_norm_eps", json!(-1.0)),
        ("quantization_config", json!({"quant_method": "gptq"})),
        ("num_hidden_layers", json!(1_000_000_000)),
        ("num_hidden_layers", json!(0)),
        ("hidden_size", json!(9)),
        ("hidden_size", json!(u64::MAX)),
        ("vocab_size", json!(-1)),
        ("vocab_size", json!(10.5)),
        ("num_attention_heads", json!(3)),
        ("num_key_value_heads", json!(0)),
        ("num_key_value_heads", json!(3)),
        ("model_type", json!("mistral")),
        ("architectures", json!(["LlamaModel"])),
        ("architectures", json!("LlamaForCausalLM")),
    ] {
        let message = Model::llama().with(key, value.clone()).refused();
        let key = if key == "num_attention_heads" { "hidden_size" } else { key };
        assert_contains(&message, &[key]);
    }
    assert_contains(&Model::llama().absent("vocab_size").refused(), &["vocab_size", "nothing"]);
    let neutral = Model::llama()
        .with("partial_rotary_factor", json!(1.0))
        .with("pretraining_tp", json!(2))
        .with("logits_scaling", json!(1))
        .with("final_logit_softcapping", json!(null))
        .with("sliding_window", json!(null))
        .with("layer_types", json!(["full_attention"]))
        .with("pruned_heads", json!({}))
        .with("quantization_config", json!(null));
    assert_eq!(neutral.accepted(), Model::llama().accepted());
    assert_contains(&Model::gpt2("").with("add_cross_attention", json!(true)).refused(), &["add_cross_attention"]);
    for other in [json!([]), json!(null), json!(7)] {
        assert!(family::blueprint(&Checkpoint::from_memory(other, Vec::new()).unwrap()).is_err());
    }
}

#[test]
fn activations_by_name() {
    for (name, expected) in [
        ("silu", Activation::Silu),
        ("swish", Activation::Silu),
        ("gelu", Activation::GeluErf),
        ("gelu_new", Activation::GeluTanh),
        ("gelu_pytorch_tanh", Activation::GeluTanh),
        ("gelu_fast", Activation::GeluTanh),
        ("relu", Activation::Relu),
    ] {
        let llama = Model::llama().with("hidden_act", json!(name)).accepted();
        assert_eq!(llama.feed_forward, FeedForward::Gated(expected));
        let gpt2 = Model::gpt2("").with("activation_function", json!(name)).accepted();
        assert_eq!(gpt2.feed_forward, FeedForward::Plain(expected));
    }
}

#[test]
fn sliding_windows_of_qwen2() {
    let qwen2 = Model::qwen2;
    assert_eq!(qwen2().with("sliding_window", json!(16)).accepted().windows, [None]);
    let used = || qwen2().with("sliding_window", json!(16)).with("use_sliding_window", json!(true));
    assert_eq!(used().accepted().windows, [None]);
    assert_eq!(used().with("max_window_layers", json!(0)).accepted().windows, [Some(16)]);
    assert_eq!(used().with("max_window_layers", json!(1)).accepted().windows, [None]);
    let sliding = json!(["sliding_attention"]);
    assert_eq!(used().with("layer_types", sliding.clone()).accepted().windows, [Some(16)]);
    assert_contains(&qwen2().with("layer_types", sliding).refused(), &["layer_types", "no sliding window"]);
    assert_contains(&used().with("layer_types", json!(["full_attention", "full_attention"])).refused(), &["1 entries"]);
}

#[test]
fn a_window_of_mistral_is_in_all_layers() {
    let sliding = Model::mistral().with("sliding_window", json!(8)).with("layer_types", json!(["sliding_attention"]));
    assert_eq!(sliding.accepted().windows, [Some(8)]);
    assert_contains(&sliding.with("layer_types", json!(["full_attention"])).refused(), &["layer_types"]);
}

#[test]
fn tied_and_untied_heads() {
    let tied = || Model::llama().with("tie_word_embeddings", json!(true));
    assert!(tied().without("lm_head.weight").accepted().tensors.head.is_none());
    assert!(tied().accepted().tensors.head.is_none(), "the stored head equals the embedding");
    let only_head = tied().without("model.embed_tokens.weight").accepted();
    assert_eq!((only_head.tensors.embedding.as_str(), only_head.tensors.head), ("lm_head.weight", None));
    assert_contains(&Model::llama().without("lm_head.weight").refused(), &["tie_word_embeddings", "lm_head.weight"]);

    let model = tied();
    let mut tensors = Vec::new();
    for (name, shape) in &model.shapes {
        let fill = u8::from(name == "lm_head.weight");
        tensors.push((name.clone(), Dtype::Bf16, shape.clone(), vec![fill; 2 * shape.iter().product::<usize>()]));
    }
    let differing = Checkpoint::from_memory(model.config.clone(), tensors).unwrap();
    let message = family::blueprint(&differing).unwrap_err().to_string();
    assert_contains(&message, &["tie_word_embeddings", "lm_head.weight"]);
}

#[test]
fn gpt2_with_and_without_the_prefix_and_its_scales() {
    for prefix in ["", "transformer."] {
        let blueprint = Model::gpt2(prefix).accepted();
        assert_eq!(blueprint.tensors.embedding, format!("{prefix}wte.weight"));
        assert_eq!(blueprint.score_scales, [0.5]);
    }
    let mut buffers = Model::gpt2("");
    buffers.tensor("h.0.attn.bias", &[1, 1, 16, 16]).tensor("h.0.attn.masked_bias", &[]);
    buffers.accepted();
    let unscaled = Model::gpt2("").with("scale_attn_weights", json!(false));
    assert_eq!(unscaled.accepted().score_scales, [1.0]);

    let mut two = Model::gpt2("").with("n_layer", json!(2)).with("scale_attn_by_inverse_layer_idx", json!(true));
    for (name, shape) in two.shapes.clone() {
        two.tensor(&name.replace("h.0.", "h.1."), &shape);
    }
    assert_eq!(two.accepted().score_scales, [0.5, 0.25]);
}

#[test]
fn every_tensor_missing_misshapen_or_unexpected_is_named() {
    for model in [Model::llama(), Model::qwen2(), Model::gpt2("transformer.")] {
        for (name, shape) in &model.shapes {
            let error = model.clone().without(name).read().unwrap_err();
            assert_contains(&error.to_string(), &[name]);
            let mut misshapen = model.clone();
            let mut wrong = shape.clone();
            wrong[0] += 1;
            misshapen.tensor(name, &wrong);
            match misshapen.read() {
                Err(Error::TensorShape { tensor, expected, found, .. }) => {
                    assert_eq!((&tensor, &expected, &found), (name, shape, &wrong));
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    let mut bias = Model::llama();
    bias.tensor("model.layers.0.self_attn.q_proj.bias", &[8]);
    let error = bias.read().unwrap_err();
    assert!(matches!(&error, Error::UnexpectedTensor { tensor, .. } if tensor.ends_with("q_proj.bias")), "{error}");
    let mut layer = Model::llama();
    layer.tensor("model.layers.1.input_layernorm.weight", &[8]);
    assert!(matches!(layer.read(), Err(Error::UnexpectedTensor { .. })));
    let mut derived = Model::llama();
    derived.tensor("model.layers.0.self_attn.rotary_emb.inv_freq", &[2]);
    derived.accepted();
}

#[test]
fn the_registry_describes_every_family() {
    let names: Vec<&str> = family::all().iter().map(|family| family.name).collect();
    let unique: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!((names.len(), unique.len()), (28, 28));
    for family in family::all() {
        assert!(!family.architectures.is_empty() && !family.description.is_empty() && !family.paper.is_empty());
    }
}

#[test]
fn no_value_of_any_key_causes_a_panic() {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1),
        json!(2),
        json!(7),
        json!(i32::MAX),
        json!(1u64 << 32),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(0.5),
        json!(-1e308),
        json!(5e-324),
        json!("text"),
        json!(""),
        json!([]),
        json!([null]),
        json!(["sliding_attention"]),
        json!({}),
        json!({"type": "dynamic", "factor": 1e308}),
        json!({"rope_type": "llama3", "factor": 1, "low_freq_factor": 5e-324, "high_freq_factor": 1e308}),
        json!({"full_attention": {"full_attention": {}}}),
    ];
    let further = [
        "activation_function",
        "attention_bias",
        "head_dim",
        "hidden_act",
        "layer_types",
        "max_position_embeddings",
        "max_window_layers",
        "n_inner",
        "original_max_position_embeddings",
        "quantization_config",
        "rms_norm_eps",
        "rope_parameters",
        "rope_scaling",
        "rope_theta",
        "scale_attn_weights",
        "sliding_window",
        "use_sliding_window",
    ];
    for model in [Model::llama(), Model::qwen2(), Model::mistral(), Model::gpt2("")] {
        let present: Vec<String> = model.config.as_object().unwrap().keys().cloned().collect();
        for key in present.iter().map(String::as_str).chain(further) {
            for value in &values {
                if let Ok(blueprint) = model.clone().with(key, value.clone()).read() {
                    assert_eq!(blueprint.layers, blueprint.tensors.blocks.len());
                    assert_eq!(blueprint.layers, blueprint.windows.len());
                    assert_eq!(blueprint.layers, blueprint.score_scales.len());
                }
            }
        }
    }
}
