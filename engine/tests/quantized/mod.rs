//! A small llama with quantized matrices, drawn from a seed, and a directory to lay it out in.
#![allow(dead_code, reason = "each test uses a part")]

use engine::checkpoint::{Checkpoint, OpenOptions};
use engine::error::Error;
use engine::model::{Mlp, Model, Role};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// In -1..1.
    pub fn fraction(&mut self) -> f32 {
        (self.below(1 << 20) as f32 / f32::from(1u16 << 15) - 16.0) / 16.0
    }

    /// Every number below `count` once.
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last as u64 + 1) as usize);
        }
        order
    }
}

/// A quantized matrix: w = scale * (code - zero), its group's.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub bits: u32,
    pub groups: usize,
    /// [rows][columns].
    pub codes: Vec<Vec<u32>>,
    /// Group of every column, [columns].
    pub group_of: Vec<usize>,
    /// binary16 bits, [rows][groups].
    pub scales: Vec<Vec<u16>>,
    /// [rows][groups].
    pub zeros: Vec<Vec<u32>>,
}

impl Matrix {
    pub fn weight(&self, row: usize, column: usize) -> f32 {
        let group = self.group_of[column];
        let scale = half::f16::from_bits(self.scales[row][group]).to_f32();
        scale * (self.codes[row][column] as f32 - self.zeros[row][group] as f32)
    }

    pub fn is_symmetric(&self) -> bool {
        self.zeros.iter().flatten().all(|&zero| zero == 1 << (self.bits - 1))
    }
}

/// What all matrices have in common.
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    pub bits: u32,
    /// Columns of a group; 0 for one a row.
    pub group: usize,
    pub symmetric: bool,
    /// Whether groups are not neighbours.
    pub ordered: bool,
}

pub const D_MODEL: usize = 64;
pub const D_FF: usize = 96;
pub const VOCAB_SIZE: usize = 40;

/// Role, name without the block, and size.
pub const LINEARS: [(Role, &str, usize, usize); 7] = [
    (Role::Query, "self_attn.q_proj", 64, 64),
    (Role::Key, "self_attn.k_proj", 32, 64),
    (Role::Value, "self_attn.v_proj", 32, 64),
    (Role::Output, "self_attn.o_proj", 64, 64),
    (Role::Gate(Mlp::Dense), "mlp.gate_proj", 96, 64),
    (Role::Up(Mlp::Dense), "mlp.up_proj", 96, 64),
    (Role::Down(Mlp::Dense), "mlp.down_proj", 64, 96),
];

/// The matrices of a block. Those of an input have their groups in the same order.
pub fn matrices(drawn: Drawn) -> Vec<Matrix> {
    let mut numbers = Numbers(u64::from(drawn.bits) * 1000 + drawn.group as u64);
    let mut order = Vec::new();
    let mut matrices = Vec::new();
    for (role, _, rows, columns) in LINEARS {
        let first = matches!(role, Role::Query | Role::Output | Role::Gate(_) | Role::Down(_));
        if first {
            order = if drawn.ordered { numbers.order(columns) } else { (0..columns).collect() };
        }
        let width = if drawn.group == 0 { columns } else { drawn.group };
        let groups = columns.div_ceil(width);
        let mut group_of = vec![0; columns];
        for (place, &column) in order.iter().enumerate() {
            group_of[column] = place / width;
        }
        let mut draw = |lines: usize, bound: u64| -> Vec<Vec<u32>> {
            (0..rows).map(|_| (0..lines).map(|_| numbers.below(bound) as u32).collect()).collect()
        };
        let codes = draw(columns, 1 << drawn.bits);
        let zeros = if drawn.symmetric {
            vec![vec![1 << (drawn.bits - 1); groups]; rows]
        } else {
            draw(groups, 1 << drawn.bits)
        };
        // From 2^-8 to 2^-5.
        let scales = draw(groups, 3 << 10).into_iter().map(|line| line.into_iter().map(|bits| (7 << 10) + bits as u16));
        let scales = scales.map(Iterator::collect).collect();
        matrices.push(Matrix { rows, columns, bits: drawn.bits, groups, codes, group_of, scales, zeros });
    }
    matrices
}

/// A tensor of a file: name, element type as in the header, shape, bytes.
pub type Stored = (String, &'static str, Vec<usize>, Vec<u8>);

/// The tensors that are not quantized, of a model of one block.
pub fn others() -> Vec<Stored> {
    let mut numbers = Numbers(3);
    let mut tensor = |name: &str, shape: &[usize], offset: f32| -> Stored {
        let count = shape.iter().product();
        let values = (0..count).map(|_| half::f16::from_f32(0.3 * numbers.fraction() + offset));
        (name.into(), "F16", shape.to_vec(), values.flat_map(half::f16::to_le_bytes).collect())
    };
    vec![
        tensor("model.embed_tokens.weight", &[VOCAB_SIZE, D_MODEL], 0.0),
        tensor("lm_head.weight", &[VOCAB_SIZE, D_MODEL], 0.0),
        tensor("model.norm.weight", &[D_MODEL], 1.0),
        tensor("model.layers.0.input_layernorm.weight", &[D_MODEL], 1.0),
        tensor("model.layers.0.post_attention_layernorm.weight", &[D_MODEL], 1.0),
    ]
}

pub fn words(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    values.into_iter().flat_map(u32::to_le_bytes).collect()
}

pub fn halves(values: impl IntoIterator<Item = u16>) -> Vec<u8> {
    values.into_iter().flat_map(u16::to_le_bytes).collect()
}

/// config.json of the model, with `quantization` in it.
pub fn config(quantization: Value) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCAB_SIZE, "hidden_size": D_MODEL,
        "intermediate_size": D_FF, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 16, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": false, "quantization_config": quantization
    })
}

/// Writes a checkpoint.
pub fn directory(config: &Value, tensors: &[Stored]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let start = data.len();
        data.extend_from_slice(bytes);
        header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": [start, data.len()]}));
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&data);
    std::fs::write(directory.path().join("model.safetensors"), file).unwrap();
    directory
}

pub fn open(directory: &Path) -> Checkpoint {
    Checkpoint::open(directory, OpenOptions::default()).unwrap()
}

pub fn build(config: &Value, tensors: &[Stored]) -> Result<Model, Error> {
    let directory = directory(config, tensors);
    Model::unquantized(&open(directory.path()))
}

/// The rows of all matrices of the block, as they are multiplied.
pub fn check(model: &Model, expected: &[Matrix], what: &str) {
    for ((role, name, ..), matrix) in LINEARS.iter().zip(expected) {
        let linear = model.blocks[0].linear(*role).unwrap();
        let engine::linear::Weights::Packed { matrix: found, .. } = &linear.weights else {
            panic!("{what}: {name} is not packed")
        };
        assert_eq!(found.shape().bits.bits(), matrix.bits, "{what}: {name}");
        let mut row = vec![0.0; matrix.columns];
        for r in 0..matrix.rows {
            found.dequantize_row(r, &mut row);
            for (column, value) in row.iter().enumerate() {
                let wanted = matrix.weight(r, column);
                assert_eq!(value.to_bits(), wanted.to_bits(), "{what}: {name} [{r}, {column}]: {value} {wanted}");
            }
        }
    }
}
