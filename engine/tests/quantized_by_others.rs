//! Are checkpoints in the layouts of GPTQ, AWQ and compressed-tensors read to the last bit, and packed?
//!
//! The layouts are written here bit by bit, from their description.

mod quantized;

use engine::linear::{Activations, Weights};
use engine::model::{Mlp, Model, Role};
use quantized::*;
use serde_json::{Value, json};
use std::sync::Arc;

const STEM: &str = "model.layers.0";

/// Fields one after the other, bit by bit, in words.
fn dense(fields: &[u32], bits: u32) -> Vec<u32> {
    let mut words = vec![0; (fields.len() * bits as usize).div_ceil(32)];
    for (index, field) in fields.iter().enumerate() {
        for bit in 0..bits as usize {
            let place = index * bits as usize + bit;
            words[place / 32] |= (field >> bit & 1) << (place % 32);
        }
    }
    words
}

/// As many whole fields as fit in a word.
fn padded(fields: &[u32], bits: u32) -> Vec<u32> {
    let word = |fields: &[u32]| fields.iter().rev().fold(0, |word, field| word << bits | field);
    fields.chunks(32 / bits as usize).map(word).collect()
}

/// [columns of lines] from [lines], row-major.
fn across<T: Copy>(lines: &[Vec<T>]) -> Vec<T> {
    (0..lines[0].len()).flat_map(|place| lines.iter().map(move |line| line[place])).collect()
}

fn column(matrix: &[Vec<u32>], index: usize) -> Vec<u32> {
    matrix.iter().map(|row| row[index]).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Version {
    One,
    Two,
}

fn gptq_tensors(matrices: &[Matrix], version: Version) -> Vec<Stored> {
    let mut tensors = others();
    for ((_, name, ..), matrix) in LINEARS.iter().zip(matrices) {
        let bits = matrix.bits;
        let mut push = |part: &str, dtype, shape: [usize; 2], bytes| {
            let shape = if shape[0] == 0 { vec![shape[1]] } else { shape.to_vec() };
            tensors.push((format!("{STEM}.{name}.{part}"), dtype, shape, bytes));
        };
        let lines: Vec<Vec<u32>> = matrix.codes.iter().map(|codes| dense(codes, bits)).collect();
        push("qweight", "I32", [lines[0].len(), matrix.rows], words(across(&lines)));
        let mut zeros = Vec::new();
        for group in 0..matrix.groups {
            let fields = column(&matrix.zeros, group);
            zeros.extend(match (version, bits) {
                (Version::Two, _) => dense(&fields, bits),
                // Each field by itself.
                (Version::One, 3) => dense(&fields.iter().map(|zero| (zero + 7) % 8).collect::<Vec<_>>(), 3),
                // A word as a whole.
                (Version::One, _) => {
                    let ones = dense(&vec![1; 32 / bits as usize], bits)[0];
                    dense(&fields, bits).into_iter().map(|word| word.wrapping_sub(ones)).collect()
                }
            });
        }
        push("qzeros", "I32", [matrix.groups, matrix.rows * bits as usize / 32], words(zeros));
        push("scales", "F16", [matrix.groups, matrix.rows], halves(across(&matrix.scales)));
        push("g_idx", "I32", [0, matrix.columns], words(matrix.group_of.iter().map(|&group| group as u32)));
    }
    tensors
}

fn gptq_config(drawn: Drawn, version: Version) -> Value {
    config(json!({
        "quant_method": "gptq", "bits": drawn.bits, "group_size": if drawn.group == 0 { -1 } else { drawn.group as i64 },
        "desc_act": drawn.ordered, "sym": drawn.symmetric, "damp_percent": 0.01, "lm_head": false, "true_sequential": true,
        "checkpoint_format": if version == Version::One { "gptq" } else { "gptq_v2" },
        "meta": {"quantizer": ["somebody:1.0"]}
    }))
}

const SYMMETRIES: [bool; 2] = [true, false];

fn cases() -> Vec<Drawn> {
    let mut cases = Vec::new();
    for bits in [2, 3, 4, 8] {
        for (group, ordered) in [(32, false), (32, true), (0, false), (48, false), (256, false)] {
            for symmetric in SYMMETRIES {
                cases.push(Drawn { bits, group, symmetric, ordered });
            }
        }
    }
    cases
}

#[test]
fn gptq_of_both_versions() {
    for drawn in cases() {
        let matrices = matrices(drawn);
        assert_eq!(matrices[0].is_symmetric(), drawn.symmetric);
        for version in [Version::One, Version::Two] {
            let what = format!("{drawn:?} version {}", version as usize + 1);
            let model = build(&gptq_config(drawn, version), &gptq_tensors(&matrices, version)).unwrap();
            check(&model, &matrices, &what);
            // A zero point takes no memory where all are in the middle.
            let Weights::Packed { matrix, activations } = &model.blocks[0].query.weights else { panic!() };
            assert_eq!((matrix.zeros().is_empty(), *activations), (drawn.symmetric, Activations::A16), "{what}");
            let [query, key, value, output] = [Role::Query, Role::Key, Role::Value, Role::Output]
                .map(|role| model.blocks[0].linear(role).unwrap().weights.input_map());
            assert_eq!(query.is_some(), drawn.ordered, "{what}");
            if let (Some(query), Some(key), Some(value), Some(output)) = (query, key, value, output) {
                assert!(Arc::ptr_eq(query, key) && Arc::ptr_eq(query, value) && !Arc::ptr_eq(query, output));
            }
        }
    }
}

#[test]
fn gptq_matrices_that_differ_from_the_rest() {
    let of = |bits, group| Drawn { bits, group, symmetric: false, ordered: false };
    let (four, eight) = (matrices(of(4, 32)), matrices(of(8, 16)));
    let mut mixed = four.clone();
    mixed[6] = eight[6].clone();
    let mut config = gptq_config(of(4, 32), Version::Two);
    config["quantization_config"]["dynamic"] = json!({"+:.*down_proj": {"bits": 8, "group_size": 16}});
    check(&build(&config, &gptq_tensors(&mixed, Version::Two)).unwrap(), &mixed, "dynamic");
    // A matrix that was left out.
    let mut tensors = gptq_tensors(&four, Version::Two);
    tensors.retain(|(name, ..)| !name.contains("o_proj"));
    tensors.push((format!("{STEM}.self_attn.o_proj.weight"), "F16", vec![64, 64], halves(vec![0x3c00; 64 * 64])));
    let model = build(&config, &tensors).unwrap();
    assert!(matches!(model.blocks[0].output.weights, Weights::Dense(_)));
    assert!(matches!(model.blocks[0].query.weights, Weights::Packed { .. }));
    // Biases of zeros that no such model has, and others.
    let mut tensors = gptq_tensors(&four, Version::Two);
    tensors.push((format!("{STEM}.mlp.up_proj.bias"), "F16", vec![96], halves(vec![0x8000; 96])));
    build(&gptq_config(of(4, 32), Version::Two), &tensors).unwrap();
    tensors.push((format!("{STEM}.mlp.gate_proj.bias"), "F16", vec![96], halves(vec![0x3c00; 96])));
    let error = build(&gptq_config(of(4, 32), Version::Two), &tensors).unwrap_err().to_string();
    assert!(error.contains("gate_proj.bias"), "{error}");
}

/// The order of the kernel: from the lowest bits on, output features 0 2 4 6 1 3 5 7.
fn interleaved(fields: &[u32]) -> Vec<u32> {
    let word = |of: &[u32]| {
        of[0] | of[2] << 4 | of[4] << 8 | of[6] << 12 | of[1] << 16 | of[3] << 20 | of[5] << 24 | of[7] << 28
    };
    fields.chunks(8).map(word).collect()
}

fn awq_tensors(matrices: &[Matrix]) -> Vec<Stored> {
    let mut tensors = others();
    for ((_, name, ..), matrix) in LINEARS.iter().zip(matrices) {
        let mut push = |part: &str, dtype, shape: [usize; 2], bytes| {
            tensors.push((format!("{STEM}.{name}.{part}"), dtype, shape.to_vec(), bytes));
        };
        let codes = (0..matrix.columns).flat_map(|k| interleaved(&column(&matrix.codes, k)));
        push("qweight", "I32", [matrix.columns, matrix.rows / 8], words(codes));
        let zeros = (0..matrix.groups).flat_map(|group| interleaved(&column(&matrix.zeros, group)));
        push("qzeros", "I32", [matrix.groups, matrix.rows / 8], words(zeros));
        push("scales", "F16", [matrix.groups, matrix.rows], halves(across(&matrix.scales)));
    }
    tensors
}

#[test]
fn awq() {
    for group in [16, 32, 0] {
        let matrices = matrices(Drawn { bits: 4, group, symmetric: false, ordered: false });
        let size = if group == 0 { -1 } else { group as i64 };
        let config = config(json!({
            "quant_method": "awq", "bits": 4, "group_size": size, "version": "gemm", "zero_point": true,
            "modules_to_not_convert": null
        }));
        check(&build(&config, &awq_tensors(&matrices)).unwrap(), &matrices, &format!("groups of {group}"));
    }
}

/// How compressed-tensors packs codes, and how it stores zero points.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Packing {
    Dense,
    Early,
    Bytes,
}

fn compressed_tensors(matrices: &[Matrix], packing: Packing) -> Vec<Stored> {
    let mut tensors = others();
    for ((_, name, ..), matrix) in LINEARS.iter().zip(matrices) {
        let (rows, columns, bits, groups) = (matrix.rows, matrix.columns, matrix.bits, matrix.groups);
        let offset = 1 << (bits - 1);
        let signed =
            |codes: &[u32]| -> Vec<u8> { codes.iter().map(|&code| (code as i32 - offset) as i8 as u8).collect() };
        let pack = |fields: &[u32]| if packing == Packing::Early { padded(fields, bits) } else { dense(fields, bits) };
        let mut push = |part: &str, dtype, shape: Vec<usize>, bytes| {
            tensors.push((format!("{STEM}.{name}.{part}"), dtype, shape, bytes));
        };
        if packing == Packing::Bytes {
            push("weight", "I8", vec![rows, columns], matrix.codes.iter().flat_map(|codes| signed(codes)).collect());
        } else {
            let lines: Vec<Vec<u32>> = matrix.codes.iter().map(|codes| pack(codes)).collect();
            push("weight_packed", "I32", vec![rows, lines[0].len()], words(lines.concat()));
            let sides = [rows as i64, columns as i64].into_iter().flat_map(i64::to_le_bytes);
            push("weight_shape", "I64", vec![2], sides.collect());
        }
        push("weight_scale", "F16", vec![rows, groups], halves(matrix.scales.concat()));
        if !matrix.is_symmetric() && packing == Packing::Dense {
            let lines: Vec<Vec<u32>> = (0..groups).map(|group| pack(&column(&matrix.zeros, group))).collect();
            push("weight_zero_point", "I32", vec![lines[0].len(), groups], words(across(&lines)));
        } else if !matrix.is_symmetric() {
            push(
                "weight_zero_point",
                "I8",
                vec![rows, groups],
                matrix.zeros.iter().flat_map(|zeros| signed(zeros)).collect(),
            );
        }
        if matrix.group_of.iter().enumerate().any(|(column, &group)| group != column * groups / columns) {
            push("weight_g_idx", "I32", vec![columns], words(matrix.group_of.iter().map(|&group| group as u32)));
        }
    }
    tensors
}

fn compressed_config(drawn: Drawn, packing: Packing, targets: &[&str], inputs: Value) -> Value {
    config(json!({
        "quant_method": "compressed-tensors", "quantization_status": "compressed", "ignore": ["lm_head"],
        "format": if packing == Packing::Bytes { "int-quantized" } else { "pack-quantized" },
        "config_groups": {"group_0": {
            "targets": targets, "input_activations": inputs, "output_activations": null,
            "weights": {
                "num_bits": drawn.bits, "type": "int", "symmetric": drawn.symmetric, "dynamic": false,
                "strategy": if drawn.group == 0 { "channel" } else { "group" },
                "group_size": if drawn.group == 0 { Value::Null } else { drawn.group.into() },
                "actorder": if drawn.ordered { Some("group") } else { None }, "observer": "minmax", "observer_kwargs": {}
            }
        }}
    }))
}

#[test]
fn compressed_tensors_of_every_packing() {
    for drawn in cases() {
        let matrices = matrices(drawn);
        for packing in [Packing::Dense, Packing::Early, Packing::Bytes] {
            let what = format!("{drawn:?} {packing:?}");
            let config = compressed_config(drawn, packing, &["Linear"], Value::Null);
            let model = build(&config, &compressed_tensors(&matrices, packing)).unwrap();
            check(&model, &matrices, &what);
            let Weights::Packed { matrix, activations } = &model.blocks[0].query.weights else { panic!() };
            assert_eq!((matrix.zeros().is_empty(), *activations), (drawn.symmetric, Activations::A16), "{what}");
        }
    }
}

#[test]
fn compressed_tensors_by_name_pattern_and_class() {
    let drawn = Drawn { bits: 4, group: 32, symmetric: true, ordered: false };
    let (four, eight) = (matrices(drawn), matrices(Drawn { bits: 8, ..drawn }));
    let mut mixed = four.clone();
    (mixed[6], mixed[3]) = (eight[6].clone(), eight[3].clone());
    let mut config = compressed_config(drawn, Packing::Dense, &["Linear"], Value::Null);
    let inputs = json!({"num_bits": 8, "type": "int", "symmetric": true, "dynamic": true, "strategy": "token"});
    let targets = ["re:.*down_proj$", "model.layers.0.self_attn.o_proj"];
    let other = compressed_config(Drawn { bits: 8, ..drawn }, Packing::Dense, &targets, inputs);
    config["quantization_config"]["config_groups"]["group_1"] =
        other["quantization_config"]["config_groups"]["group_0"].clone();
    let model = build(&config, &compressed_tensors(&mixed, Packing::Dense)).unwrap();
    check(&model, &mixed, "mixed");
    let is_a8 = |role| {
        matches!(model.blocks[0].linear(role).unwrap().weights, Weights::Packed { activations: Activations::A8, .. })
    };
    assert_eq!([Role::Up(Mlp::Dense), Role::Down(Mlp::Dense), Role::Output].map(is_a8), [false, true, true]);
}

/// Logits of a packed model with an input map are those of the weights that it stands for.
#[test]
fn logits_are_those_of_the_dequantized_weights() {
    use engine::decoder::{Chunk, Decoder};
    use engine::runtime::{IsaChoice, Runtime};
    let logits = |model: &Model| {
        let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
        let decoder = Decoder::new(model, &runtime);
        let mut cache = decoder.cache_after(&engine::kv_cache::KvPrefix::default());
        let chunk = Chunk { cache: &mut cache, tokens: &[1, 39, 7, 7, 20], sequence_len: 5, wanted: 0..5 };
        let hidden = decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap();
        decoder.logits(&hidden)
    };
    for drawn in cases() {
        let matrices = matrices(drawn);
        let packed = logits(&build(&gptq_config(drawn, Version::Two), &gptq_tensors(&matrices, Version::Two)).unwrap());
        let mut tensors = others();
        for ((_, name, rows, columns), matrix) in LINEARS.iter().zip(&matrices) {
            let weights = (0..*rows).flat_map(|row| (0..*columns).map(move |column| matrix.weight(row, column)));
            let bytes = weights.flat_map(f32::to_le_bytes).collect();
            tensors.push((format!("{STEM}.{name}.weight"), "F32", vec![*rows, *columns], bytes));
        }
        let dense = logits(&build(&config(Value::Null), &tensors).unwrap());
        let largest = dense.iter().fold(0f32, |largest, logit| largest.max(logit.abs()));
        for (packed, dense) in packed.iter().zip(&dense) {
            assert!((packed - dense).abs() < 1e-3 * largest, "{drawn:?}: {packed} {dense}");
        }
    }
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let drawn = Drawn { bits: 4, group: 32, symmetric: true, ordered: false };
    let matrices = matrices(drawn);
    let (gptq, awq) = (gptq_tensors(&matrices, Version::One), awq_tensors(&matrices));
    let packed = compressed_tensors(&matrices, Packing::Dense);
    let base = [
        (gptq_config(drawn, Version::One), gptq),
        (config(json!({"quant_method": "awq", "bits": 4, "group_size": 32})), awq),
        (compressed_config(drawn, Packing::Dense, &["Linear"], Value::Null), packed),
    ];
    for (which, pointer, value, named) in [
        (0, "/quant_method", json!("exl3"), "quant_method"),
        (0, "/bits", json!(5), "quantization_config.bits"),
        (0, "/bits", json!(8), "qweight"),
        (0, "/group_size", json!(0), "group_size"),
        (0, "/group_size", json!(24), "scales"),
        (0, "/checkpoint_format", json!("marlin"), "checkpoint_format"),
        (0, "/pack_dtype", json!("int16"), "pack_dtype"),
        (0, "/adapter", json!({"name": "lora"}), "adapter"),
        (0, "/is_marlin_format", json!(true), "is_marlin_format"),
        (1, "/version", json!("gemv"), "version"),
        (1, "/bits", json!(3), "bits"),
        (1, "/zero_point", json!(false), "zero_point"),
        (2, "/format", json!("float-quantized"), "format"),
        (2, "/quantization_status", json!("initialized"), "quantization_status"),
        (2, "/kv_cache_scheme", json!({"num_bits": 8}), "kv_cache_scheme"),
        (2, "/sparsity_config", json!({"format": "sparse-24"}), "sparsity_config"),
        (2, "/config_groups/group_0/weights/type", json!("float"), "weights.type"),
        (2, "/config_groups/group_0/weights/dynamic", json!(true), "weights.dynamic"),
        (2, "/config_groups/group_0/weights/strategy", json!("block"), "weights.strategy"),
        (2, "/config_groups/group_0/weights/symmetric", json!(false), "weight_zero_point"),
        (2, "/config_groups/group_0/weights/num_bits", json!(16), "weights.num_bits"),
        (2, "/config_groups/group_0/targets", json!(["re:("]), "targets"),
        (2, "/config_groups/group_0/targets", json!(["lm_head"]), "config group"),
        (2, "/config_groups/group_0/output_activations", json!({"num_bits": 8}), "output_activations"),
        (
            2,
            "/config_groups/group_0/input_activations",
            json!({"num_bits": 8, "type": "float"}),
            "input_activations.type",
        ),
        (
            2,
            "/config_groups/group_0/input_activations",
            json!({"num_bits": 8, "dynamic": false}),
            "input_activations.dynamic",
        ),
    ] {
        let (mut config, tensors) = base[which].clone();
        let section = &mut config["quantization_config"];
        match section.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => section[&pointer[1..]] = value,
        }
        let error = build(&config, &tensors).err().unwrap_or_else(|| panic!("{pointer} is taken")).to_string();
        assert!(error.contains(named), "{pointer}: {error}");
    }
    // A group that cannot be multiplied.
    let odd = Drawn { group: 24, ..drawn };
    let error = build(
        &compressed_config(odd, Packing::Dense, &["Linear"], Value::Null),
        &compressed_tensors(&quantized::matrices(odd), Packing::Dense),
    );
    assert!(error.unwrap_err().to_string().contains("groups of 24"));
}

#[test]
fn damaged_tensors_are_refused() {
    let drawn = Drawn { bits: 4, group: 32, symmetric: false, ordered: true };
    let matrices = matrices(drawn);
    let gptq = (gptq_config(drawn, Version::One), gptq_tensors(&matrices, Version::One));
    let packed = (
        compressed_config(drawn, Packing::Dense, &["Linear"], Value::Null),
        compressed_tensors(&matrices, Packing::Dense),
    );
    let bytes = (
        compressed_config(drawn, Packing::Bytes, &["Linear"], Value::Null),
        compressed_tensors(&matrices, Packing::Bytes),
    );
    type Damage = fn(&mut Stored);
    type Case<'a> = (&'a (Value, Vec<Stored>), &'static str, Damage, &'static str);
    let cases: [Case<'_>; 12] = [
        (&gptq, "up_proj.g_idx", |tensor| tensor.3[..4].copy_from_slice(&9u32.to_le_bytes()), "group 9 of feature 0"),
        (&gptq, "up_proj.g_idx", |tensor| tensor.3.fill(0), "whole groups of 32 features"),
        (&gptq, "up_proj.g_idx", |tensor| tensor.0 = "x.rotary_emb.inv_freq".into(), "g_idx"),
        (&gptq, "up_proj.qzeros", |tensor| tensor.0 = "x.rotary_emb.inv_freq".into(), "qzeros"),
        (&gptq, "up_proj.qweight", |tensor| tensor.2 = vec![4, 192], "expected shape [8, 96]"),
        (&gptq, "up_proj.scales", |tensor| tensor.3[1] = 0x7c, "finite"),
        (&gptq, "up_proj.qweight", |tensor| (tensor.1, tensor.2) = ("F32", vec![8, 96]), "element type F32"),
        (&packed, "up_proj.weight_packed", |tensor| tensor.2 = vec![48, 16], "expected shape [96, 8]"),
        (&packed, "up_proj.weight_shape", |tensor| tensor.3[0] = 7, "[7, 64]"),
        (&packed, "up_proj.weight_scale", |tensor| tensor.2 = vec![2, 96], "expected shape [96, 2]"),
        (&packed, "up_proj.weight_g_idx", |tensor| tensor.3[3] = 0x80, "of feature 0"),
        (&bytes, "up_proj.weight", |tensor| tensor.3[70] = 8, "8 in row 1, column 6"),
    ];
    for ((config, tensors), name, damage, named) in cases {
        let mut tensors = tensors.clone();
        damage(tensors.iter_mut().find(|(found, ..)| found.ends_with(name)).unwrap());
        let error = build(config, &tensors).err().unwrap_or_else(|| panic!("{name} is taken")).to_string();
        assert!(error.contains(named), "{name}: {error}");
    }
}
