//! Does a checkpoint that was written give the bits of the model it was made from?

use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::decoder::{Chunk, Decoder};
use engine::error::Error;
use engine::family;
use engine::kv_cache::KvPrefix;
use engine::linear::Weights;
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};
use engine::save::{Existing, Saved, save};
use engine::tensor::Dtype;
use engine::tokenizer::Tokenizer;
use quant::build::Unobserved;
use quant::calibration::Options;
use quant::{Build, Calibration, Quantized, Recipe, build_model};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// A fraction in -1..1 with 20 bits, from a counter.
fn fraction(counter: u64) -> f32 {
    let mut z = counter.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 44) as f32 / (1u64 << 19) as f32 - 1.0
}

fn tensor(name: &str, shape: &[usize], offset: f32) -> (String, Dtype, Vec<usize>, Vec<u8>) {
    let seed = name.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(1_099_511_628_211) ^ u64::from(byte)) << 20;
    let values = (0..shape.iter().product::<usize>() as u64).map(|index| fraction(seed + index) * 0.3 + offset);
    let bytes = values.flat_map(|value| half::bf16::from_f32(value).to_le_bytes()).collect();
    (name.to_string(), Dtype::Bf16, shape.to_vec(), bytes)
}

/// Whose columns are whole groups of 32.
fn llama(tied: bool) -> Checkpoint {
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 258, "hidden_size": 64,
        "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 16, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": tied, "torch_dtype": "bfloat16"
    });
    let mut tensors =
        vec![tensor("model.embed_tokens.weight", &[258, 64], 0.0), tensor("model.norm.weight", &[64], 1.0)];
    if !tied {
        tensors.push(tensor("lm_head.weight", &[258, 64], 0.0));
    }
    for layer in 0..2 {
        for (part, shape, offset) in [
            ("self_attn.q_proj", &[64, 64][..], 0.0),
            ("self_attn.k_proj", &[32, 64], 0.0),
            ("self_attn.v_proj", &[32, 64], 0.0),
            ("self_attn.o_proj", &[64, 64], 0.0),
            ("mlp.gate_proj", &[96, 64], 0.0),
            ("mlp.up_proj", &[96, 64], 0.0),
            ("mlp.down_proj", &[64, 96], 0.0),
            ("input_layernorm", &[64], 1.0),
            ("post_attention_layernorm", &[64], 1.0),
        ] {
            tensors.push(tensor(&format!("model.layers.{layer}.{part}.weight"), shape, offset));
        }
    }
    Checkpoint::from_memory(config, tensors).unwrap()
}

/// Fused and transposed tensors, biases, learned positions, a tied head.
fn gpt2() -> Checkpoint {
    let config = json!({
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 258, "n_positions": 128, "n_embd": 64,
        "n_layer": 1, "n_head": 4, "n_inner": null, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5
    });
    let mut tensors =
        vec![tensor("transformer.wte.weight", &[258, 64], 0.0), tensor("transformer.wpe.weight", &[128, 64], 0.0)];
    for (part, shape, offset) in [
        ("ln_f.weight", &[64][..], 1.0),
        ("ln_f.bias", &[64], 0.0),
        ("h.0.ln_1.weight", &[64], 1.0),
        ("h.0.ln_1.bias", &[64], 0.0),
        ("h.0.ln_2.weight", &[64], 1.0),
        ("h.0.ln_2.bias", &[64], 0.0),
        ("h.0.attn.c_attn.weight", &[64, 192], 0.0),
        ("h.0.attn.c_attn.bias", &[192], 0.0),
        ("h.0.attn.c_proj.weight", &[64, 64], 0.0),
        ("h.0.attn.c_proj.bias", &[64], 0.0),
        ("h.0.mlp.c_fc.weight", &[64, 256], 0.0),
        ("h.0.mlp.c_fc.bias", &[256], 0.0),
        ("h.0.mlp.c_proj.weight", &[256, 64], 0.0),
        ("h.0.mlp.c_proj.bias", &[64], 0.0),
    ] {
        tensors.push(tensor(&format!("transformer.{part}"), shape, offset));
    }
    Checkpoint::from_memory(config, tensors).unwrap()
}

fn runtime() -> Runtime {
    Runtime::new(Some(2), IsaChoice::Best).unwrap()
}

fn logits(model: &Model) -> Vec<u32> {
    let runtime = runtime();
    let decoder = Decoder::new(model, &runtime);
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let tokens = [1, 39, 7, 7, 250, 20];
    let chunk = Chunk { cache: &mut cache, tokens: &tokens, sequence_len: tokens.len(), wanted: 0..tokens.len() };
    let hidden = decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap();
    decoder.logits(&hidden).iter().map(|logit| logit.to_bits()).collect()
}

fn quantized(checkpoint: &Checkpoint, recipe: &str) -> Model {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = Options { samples: Some(3), length: Some(48), ..Options::default() };
    let calibration = Calibration::read(&options, &tokenizer, 128, 258).unwrap();
    let recipe = Recipe::parse(recipe).unwrap();
    let (runtime, stop) = (runtime(), AtomicBool::new(false));
    let (recipe, runtime, calibration) = (&recipe, &runtime, Some(&calibration));
    let build = Build { checkpoint, recipe, runtime, calibration, cache: None, available_bytes: None, stop: &stop };
    let Quantized { model, .. } = build.run(&mut Unobserved).unwrap().unwrap();
    model
}

fn saved(model: &Model, checkpoint: &Checkpoint, recipe: &str, place: &Path) -> Result<Saved, Error> {
    save(model, checkpoint, place, Existing::Refuse, recipe, &Map::new())
}

fn reopened(place: &Path) -> Checkpoint {
    Checkpoint::open(place, OpenOptions::default()).unwrap()
}

/// Writes a model, reads it back, and compares bits, sizes and maps.
fn round_trip(checkpoint: &Checkpoint, recipe: &str, layout: &str) -> Value {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("out");
    let model = quantized(checkpoint, recipe);
    let written = saved(&model, checkpoint, recipe, &place).unwrap();
    assert_eq!(written.layout, layout, "{recipe}");
    assert_eq!(written.files, ["config.json", "model.safetensors"], "{recipe}");
    let again = reopened(&place);
    assert_eq!(again.weight_bytes(), written.tensor_bytes);
    let read = build_model(&again, &Recipe::none(), &runtime()).unwrap();
    assert!(logits(&read) == logits(&model), "{recipe}");
    let (before, after) = (model.size(), read.size());
    assert_eq!(after.nominal_bits_per_weight(), before.nominal_bits_per_weight(), "{recipe}");
    assert_eq!(after.block_matrix_bytes, before.block_matrix_bytes, "{recipe}");
    // Quantizing what is quantized is refused, and writing it again changes nothing but its place.
    if layout != "as the checkpoint has them" {
        let error = build_model(&again, &Recipe::parse("rtn:w4g32").unwrap(), &runtime()).unwrap_err().to_string();
        assert!(error.contains("quantized already") && error.contains("`none`"), "{error}");
        let second = root.path().join("second");
        saved(&read, &again, "none", &second).unwrap();
        for file in ["config.json", "model.safetensors"] {
            let [first, second] = [&place, &second].map(|place| std::fs::read(place.join(file)).unwrap());
            let same = if file == "config.json" { first == second } else { first.len() == second.len() };
            assert!(same, "{recipe}: {file}");
        }
        assert!(logits(&build_model(&reopened(&second), &Recipe::none(), &runtime()).unwrap()) == logits(&model));
    }
    again.config().clone()
}

#[test]
fn what_compressed_tensors_can_say() {
    for recipe in [
        "rtn:w4g32",
        "rtn:w8",
        "rtn:w3g32",
        "rtn:w3",
        "rtn:w2g16:sym=true",
        "rtn:w4g32:sym=true:head=w8",
        "rtn:w8a8",
        "rtn:w8a8g32:sym=true",
        "rtn:w4a8g32",
        "rtn:w4g32:*.down_proj=w8:*.k_proj=none:model.layers.1.mlp.*=w3g16",
        "gptq:w4g32",
        "gptq:w4g32:act_order=true",
        "gptq:w3a8g16:act_order=true:sym=true",
        "gptq:w4g32:act_order=true:static_groups=true",
        "gptq:w4:act_order=true",
        "gptq:w4g32:act_order=true:*.o_proj=none:*.down_proj=w8gnone",
    ] {
        let config = round_trip(&llama(false), recipe, "compressed-tensors");
        assert_eq!(config["nibble"]["recipe"], recipe);
    }
}

#[test]
fn what_it_cannot_say_is_stored_as_it_lies_in_memory() {
    for recipe in [
        "rtn:w4g128",
        "rtn:w4a32g32",
        "gptq:w4a32g32:act_order=true",
        "spqr:w3g16",
        "rtn:w4g32:embeddings=w8",
        "llm.int8",
        "llm.int8:threshold=0.5:outlier_weights=exact",
        "llm.int8:threshold=0.5:outliers=per_call:half=true",
        "llm.int8:threshold=none",
        "nf4:w4g64",
        "nf4:w4g16:double_quant=false",
        "hqq:w4g64",
        "smoothquant:w8a8",
        "awq:w4g32",
    ] {
        round_trip(&llama(false), recipe, "nibble");
    }
    for recipe in ["rtn:w4g32", "gptq:w3g32:act_order=true", "spqr:w4g16", "rtn:w4g32:*.c_attn=none"] {
        round_trip(&gpt2(), recipe, "nibble");
    }
}

#[test]
fn what_is_not_quantized_is_copied() {
    round_trip(&llama(false), "none", "as the checkpoint has them");
    round_trip(&gpt2(), "none", "as the checkpoint has them");
}

#[test]
fn a_head_that_shares_the_embedding_gets_weights_of_its_own_where_either_is_quantized() {
    let config = round_trip(&llama(true), "rtn:w4g32", "compressed-tensors");
    assert_eq!(config["tie_word_embeddings"], true);
    for (recipe, layout) in [
        ("rtn:w4g32:head=w8", "compressed-tensors"),
        ("rtn:w4g32:embeddings=w8", "nibble"),
        ("rtn:w4g32:embeddings=w4:head=w8", "nibble"),
    ] {
        let config = round_trip(&llama(true), recipe, layout);
        assert_eq!(config["tie_word_embeddings"], false, "{recipe}");
    }
}

#[test]
fn the_configuration_says_what_is_stored() {
    let config = round_trip(&llama(false), "rtn:w4g32:sym=true", "compressed-tensors");
    let quantization = &config["quantization_config"];
    assert_eq!(quantization["format"], "pack-quantized");
    assert_eq!(quantization["ignore"], json!(["lm_head"]));
    let group = &quantization["config_groups"]["group_0"];
    assert_eq!((&group["targets"], &group["input_activations"]), (&json!(["Linear"]), &Value::Null));
    let weights = &group["weights"];
    assert_eq!((&weights["num_bits"], &weights["group_size"]), (&json!(4), &json!(32)));
    assert_eq!(
        (&weights["symmetric"], &weights["strategy"], &weights["actorder"]),
        (&json!(true), &json!("group"), &Value::Null)
    );
    let config = round_trip(&llama(false), "rtn:w8a8:*.o_proj=none:*.up_proj=w4g32", "compressed-tensors");
    let quantization = &config["quantization_config"];
    assert_eq!(quantization["format"], "mixed-precision");
    let groups = quantization["config_groups"].as_object().unwrap();
    let formats: Vec<&str> = groups.values().map(|group| group["format"].as_str().unwrap()).collect();
    assert_eq!(formats, ["int-quantized", "pack-quantized"]);
    assert_eq!(groups["group_1"]["targets"], json!(["model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"]));
    assert_eq!(groups["group_0"]["input_activations"]["num_bits"], 8);
}

#[test]
fn a_directory_appears_as_a_whole_or_stays_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("out");
    let checkpoint = llama(false);
    let model = quantized(&checkpoint, "rtn:w4g32");
    saved(&model, &checkpoint, "rtn:w4g32", &place).unwrap();
    let permissions = |file: &str| std::fs::metadata(place.join(file)).unwrap().permissions();
    assert_eq!(permissions("model.safetensors"), permissions("config.json"));
    let names = |path: &Path| std::fs::read_dir(path).unwrap().count();
    assert_eq!(names(root.path()), 1, "nothing is left beside it");
    assert!(matches!(saved(&model, &checkpoint, "rtn:w4g32", &place), Err(Error::Exists { .. })));
    let replaced = |checkpoint: &Checkpoint, place: &Path| {
        save(&model, checkpoint, place, Existing::Replace, "rtn:w4g32", &Map::new())
    };
    replaced(&checkpoint, &place).unwrap();
    assert_eq!(names(root.path()), 1);
    // The one being read, and what is no checkpoint.
    assert!(matches!(replaced(&reopened(&place), &place), Err(Error::Exists { .. })));
    let other = root.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("letter.txt"), "precious").unwrap();
    assert!(matches!(replaced(&checkpoint, &other), Err(Error::Exists { .. })));
    assert!(other.join("letter.txt").exists());
}

/// Whatever is changed in the description of matrices, reading fails without a panic or gives a model.
#[test]
fn damaged_descriptions_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("out");
    let checkpoint = llama(false);
    saved(&quantized(&checkpoint, "spqr:w3g16"), &checkpoint, "spqr:w3g16", &place).unwrap();
    let text = std::fs::read_to_string(place.join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    let matrix = "model.layers.0.mlp.up_proj";
    for (key, value) in [
        ("rows", json!(95)),
        ("columns", json!(65)),
        ("bits", json!(5)),
        ("group", json!(0)),
        ("kind", json!("other")),
        ("map", json!(77)),
        ("activations", json!("a4")),
    ] {
        let mut config = config.clone();
        config["quantization_config"]["matrices"][matrix][key] = value;
        std::fs::write(place.join("config.json"), config.to_string()).unwrap();
        let error = build_model(&reopened(&place), &Recipe::none(), &runtime()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(matrix) || text.contains("map."), "{key}: {text}");
    }
    let mut config = config.clone();
    config["quantization_config"]["matrices"].as_object_mut().unwrap().shift_remove(matrix);
    std::fs::write(place.join("config.json"), config.to_string()).unwrap();
    assert!(family::blueprint(&reopened(&place)).unwrap_err().to_string().contains(matrix));
}

#[test]
fn packed_stays_packed() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("out");
    let checkpoint = llama(false);
    saved(&quantized(&checkpoint, "rtn:w4g32"), &checkpoint, "rtn:w4g32", &place).unwrap();
    let read = build_model(&reopened(&place), &Recipe::none(), &runtime()).unwrap();
    let packed = read
        .blocks
        .iter()
        .flat_map(|block| block.linears())
        .filter(|linear| matches!(linear.weights, Weights::Packed { .. }));
    assert_eq!(packed.count(), 14);
}
