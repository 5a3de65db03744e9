//! Models in the shapes of published ones, with seeded weights, made in memory: speed does not ask what they know.

use crate::numbers::{self, Generator};
use engine::checkpoint::Checkpoint;
use engine::decoder::{Chunk, Decoder};
use engine::kv_cache::{KvCache, KvPrefix};
use engine::linear::{Activations, Linear, Weights};
use engine::model::Model;
use engine::runtime::Runtime;
use engine::tensor::Dtype;
use quant::{Recipe, build_model};
use serde_json::json;

/// The sizes of a model.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Blocks of the published model.
    pub published_layers: usize,
    /// Blocks made: fewer where all of them would not fit.
    pub layers: usize,
    /// Rows of the embedding.
    pub vocab_size: usize,
    d_model: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    d_ff: usize,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Biases on queries, keys and values; head tied to the embedding.
    Qwen2,
    /// No bias; head tied to the embedding.
    TiedLlama,
    /// No bias, own head.
    Llama,
}

/// The shapes that benchmarks know.
pub const SHAPES: [Shape; 3] = [
    Shape {
        name: "qwen2.5-0.5b",
        published_layers: 24,
        layers: 24,
        vocab_size: 151_936,
        d_model: 896,
        heads: 14,
        kv_heads: 2,
        head_dim: 64,
        d_ff: 4864,
        family: Family::Qwen2,
    },
    Shape {
        name: "llama-3.2-1b",
        published_layers: 16,
        layers: 16,
        vocab_size: 128_256,
        d_model: 2048,
        heads: 32,
        kv_heads: 8,
        head_dim: 64,
        d_ff: 8192,
        family: Family::TiedLlama,
    },
    Shape {
        name: "llama-7b",
        published_layers: 32,
        layers: 2,
        vocab_size: 32_000,
        d_model: 4096,
        heads: 32,
        kv_heads: 32,
        head_dim: 128,
        d_ff: 11_008,
        family: Family::Llama,
    },
];

/// Finds a shape by its name.
///
/// # Errors
/// The names there are.
pub fn shape(name: &str) -> Result<Shape, String> {
    let names = || SHAPES.map(|shape| shape.name).join(", ");
    SHAPES.into_iter().find(|shape| shape.name == name).ok_or_else(|| format!("expected one of {}", names()))
}

/// Options that choose models.
#[derive(clap::Args, Clone, Debug)]
pub struct ModelOptions {
    /// Shapes of models: qwen2.5-0.5b, llama-3.2-1b, llama-7b (2 of its 32 blocks)
    #[arg(short, long, value_name = "NAME,...", value_delimiter = ',', value_parser = shape, default_value = "qwen2.5-0.5b")]
    pub model: Vec<Shape>,
    /// Quantization recipes
    #[arg(long, value_name = "RECIPE,...", value_delimiter = ',', value_parser = crate::options::recipe, default_value = "none,rtn:w8,rtn:w4g32,rtn:w4a8g128")]
    pub quant: Vec<Recipe>,
    /// Rows of the vocabulary [default: the shape's own]
    #[arg(long, value_name = "N")]
    pub vocab: Option<usize>,
    /// Blocks [default: all of them, of llama-7b 2]
    #[arg(long, value_name = "N")]
    pub layers: Option<usize>,
}

impl ModelOptions {
    /// The shapes, with the sizes that other options ask for.
    pub fn shapes(&self) -> impl Iterator<Item = Shape> {
        self.model
            .iter()
            .map(|shape| shape.with(self.layers.unwrap_or(shape.layers), self.vocab.unwrap_or(shape.vocab_size)))
    }
}

impl Shape {
    /// The shape with other numbers of blocks and of tokens in the vocabulary.
    pub fn with(self, layers: usize, vocab_size: usize) -> Self {
        Self { layers, vocab_size, ..self }
    }

    /// Its name, and how much of the published model it is.
    pub fn describe(&self) -> String {
        match self.layers == self.published_layers {
            true => self.name.to_string(),
            false => format!("{} ({} of {} blocks)", self.name, self.layers, self.published_layers),
        }
    }

    /// A checkpoint of this shape, bfloat16, in memory.
    ///
    /// # Errors
    /// As [`Checkpoint::from_memory`].
    pub fn checkpoint(&self) -> Result<Checkpoint, engine::Error> {
        let (queries, keys) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let mut tensors = Vec::new();
        let mut tensor = |name: String, shape: Vec<usize>, middle: f32, reach: f32| {
            let bytes = numbers::bf16(shape.iter().product(), tensors.len() as u64, middle, reach);
            tensors.push((name, Dtype::Bf16, shape, bytes));
        };
        // An even spread of this reach keeps the scale of a layer's input.
        let reach = |columns: usize| (3.0 / columns as f32).sqrt();
        tensor("model.embed_tokens.weight".into(), vec![self.vocab_size, self.d_model], 0.0, reach(self.d_model));
        for layer in 0..self.layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            let matrices = [
                ("self_attn.q_proj", queries, self.d_model),
                ("self_attn.k_proj", keys, self.d_model),
                ("self_attn.v_proj", keys, self.d_model),
                ("self_attn.o_proj", self.d_model, queries),
                ("mlp.gate_proj", self.d_ff, self.d_model),
                ("mlp.up_proj", self.d_ff, self.d_model),
                ("mlp.down_proj", self.d_model, self.d_ff),
            ];
            for (index, (part, rows, columns)) in matrices.into_iter().enumerate() {
                tensor(name(part) + ".weight", vec![rows, columns], 0.0, reach(columns));
                if self.family == Family::Qwen2 && index < 3 {
                    tensor(name(part) + ".bias", vec![rows], 0.0, 0.1);
                }
            }
            for part in ["input_layernorm.weight", "post_attention_layernorm.weight"] {
                tensor(name(part), vec![self.d_model], 1.0, 0.1);
            }
        }
        tensor("model.norm.weight".into(), vec![self.d_model], 1.0, 0.1);
        if self.family == Family::Llama {
            tensor("lm_head.weight".into(), vec![self.vocab_size, self.d_model], 0.0, reach(self.d_model));
        }
        let (architecture, model_type) = match self.family {
            Family::Qwen2 => ("Qwen2ForCausalLM", "qwen2"),
            Family::TiedLlama | Family::Llama => ("LlamaForCausalLM", "llama"),
        };
        let config = json!({
            "architectures": [architecture],
            "model_type": model_type,
            "vocab_size": self.vocab_size,
            "hidden_size": self.d_model,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "intermediate_size": self.d_ff,
            "hidden_act": "silu",
            "max_position_embeddings": 32_768,
            "rms_norm_eps": 1e-6,
            "rope_theta": 500_000.0,
            "tie_word_embeddings": self.family != Family::Llama,
        });
        Checkpoint::from_memory(config, tensors)
    }
}

/// A model as a recipe stores it, and a decoder's checks of it.
///
/// # Errors
/// As [`build_model`], and what [`check`] finds.
pub fn model(checkpoint: &Checkpoint, recipe: &Recipe, runtime: &Runtime) -> Result<Model, Box<dyn std::error::Error>> {
    let model = build_model(checkpoint, recipe, runtime)?;
    check(&Decoder::new(&model, runtime))?;
    Ok(model)
}

/// Reads a few tokens together and one by one: the logits must be finite and the same to the last bit.
///
/// # Errors
/// If they are not.
pub fn check(decoder: &Decoder<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let tokens = Generator::new(7).tokens(8, decoder.blueprint().vocab_size);
    let mut together = decoder.cache_after(&KvPrefix::default());
    let logits = decoder.logits(&read(decoder, &mut together, &tokens)?);
    let (mut one_by_one, mut hidden) = (decoder.cache_after(&KvPrefix::default()), Vec::new());
    for token in &tokens {
        hidden = read(decoder, &mut one_by_one, std::slice::from_ref(token))?;
    }
    let same = decoder.logits(&hidden).iter().zip(&logits).all(|(a, b)| a.to_bits() == b.to_bits());
    match same && logits.iter().all(|logit| logit.is_finite()) {
        true => Ok(()),
        false => Err("tokens read together and one by one differ".into()),
    }
}

/// Appends tokens to a sequence and returns the hidden state after the last, [d_model].
///
/// # Errors
/// As [`Decoder::forward`].
pub fn read(decoder: &Decoder<'_>, cache: &mut KvCache, tokens: &[u32]) -> Result<Vec<f32>, engine::Error> {
    let (sequence_len, wanted) = (cache.len() + tokens.len(), tokens.len() - 1..tokens.len());
    let mut outputs = decoder.forward(&mut [Chunk { cache, tokens, sequence_len, wanted }])?;
    Ok(outputs.pop().transpose()?.unwrap_or_default())
}

/// What a token costs in the linear layers of all blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinearWork {
    /// f32 multiplications and additions.
    pub multiply_add: f64,
    /// Byte products and sums, twice those of the formula where activations are two bytes.
    pub byte_products: f64,
}

impl LinearWork {
    /// Of `model`'s blocks.
    pub fn of(model: &Model) -> Self {
        let mut work = Self::default();
        for linear in model.blocks.iter().flat_map(|block| block.linears()) {
            work.add(linear);
        }
        work
    }

    fn add(&mut self, linear: &Linear) {
        let operations = 2.0 * (linear.weights.rows() * linear.weights.columns()) as f64;
        let activations = match &linear.weights {
            Weights::Dense(_) | Weights::Levels(_) => Activations::A32,
            Weights::Packed { activations, .. } => *activations,
            Weights::SparseQuantized { matrix, activations } => {
                self.multiply_add += 2.0 * matrix.outlier_count() as f64;
                *activations
            }
            Weights::Decomposed(_) => Activations::A8,
        };
        match activations {
            Activations::A32 => self.multiply_add += operations,
            Activations::A8 => self.byte_products += operations,
            Activations::A16 => self.byte_products += 2.0 * operations,
        }
    }

    /// Seconds that a token takes at the limits.
    pub fn seconds_at(&self, limits: &crate::Arithmetic) -> f64 {
        self.multiply_add / limits.multiply_add + self.byte_products / limits.byte_products
    }
}
