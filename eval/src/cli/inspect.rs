//! What a checkpoint holds, without running it: parts, sizes, tokenizer, and whether it is supported.

use super::failure::Failure;
use super::loading::Source;
use engine::blueprint::{Blueprint, ExpertTensors, FeedForward, FeedForwardTensors, LinearTensors, Norm, Positions};
use engine::checkpoint::Checkpoint;
use engine::family;
use engine::model::Role;
use engine::prequantized::Prequantized;
use engine::rope::{Pairing, Rope};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A checkpoint at a glance.
pub struct Summary {
    /// Elements of all tensors, shared ones once.
    pub parameters: u64,
    /// Bytes of all tensors.
    pub weight_bytes: u64,
    /// Element types, for example `bfloat16`.
    pub element_types: String,
    /// How matrices are stored that are quantized already; none where none is, or where that is not supported.
    pub quantization: Option<String>,
    /// What it looks like, or why it cannot be run.
    pub blueprint: Result<Blueprint, engine::Error>,
    /// Tokens of the vocabulary and the name of its file, or why it cannot be used.
    pub tokenizer: Result<(usize, String), String>,
    /// Whether prompts can be laid out as a conversation.
    pub has_chat_template: bool,
}

/// Looks at a checkpoint.
pub fn summarize(source: &Source) -> Summary {
    let checkpoint = &source.checkpoint;
    let element_type = |name: &str| match checkpoint.tensor(name) {
        Ok(view) => view.dtype.name().to_string(),
        Err(_) => checkpoint.dtype_name(name).unwrap_or("other").to_lowercase(),
    };
    let types: BTreeSet<String> = checkpoint.tensor_names().map(element_type).collect();
    let prequantized = Prequantized::of(checkpoint).ok().flatten();
    let blueprint = family::blueprint(checkpoint);
    let tokenizer = source.tokenizer().and_then(|tokenizer| {
        if let Ok(blueprint) = &blueprint {
            tokenizer.check_fits(blueprint.vocab_size)?;
        }
        Ok(tokenizer)
    });
    let has_chat_template = tokenizer.as_ref().is_ok_and(|tokenizer| tokenizer.chat_template().is_some());
    let tokenizer = tokenizer.map(|tokenizer| (tokenizer.vocab_size(), tokenizer.vocabulary_file().to_string()));
    Summary {
        parameters: match (&blueprint, &prequantized) {
            (Ok(blueprint), Some(_)) => parts(checkpoint, blueprint).iter().map(|(_, parameters, _)| parameters).sum(),
            _ => parameters(checkpoint),
        },
        quantization: prequantized.map(|format| format.describe()),
        weight_bytes: checkpoint.weight_bytes(),
        element_types: types.into_iter().collect::<Vec<_>>().join(", "),
        blueprint,
        tokenizer: tokenizer.map_err(|error| error.to_string()),
        has_chat_template,
    }
}

/// Elements of all tensors, shared ones once.
pub fn parameters(checkpoint: &Checkpoint) -> u64 {
    checkpoint.tensor_names().map(|name| elements(checkpoint, name)).sum()
}

/// The number of a tensor's elements, 0 if there is no such tensor.
fn elements(checkpoint: &Checkpoint, name: &str) -> u64 {
    checkpoint.shape(name).map_or(0, |shape| shape.iter().map(|&axis| axis as u64).product())
}

/// The parts of a decoder, in the order of the data's way through it.
pub const PARTS: [&str; 6] = ["embedding", "positions", "attention", "feed_forward", "norms", "head"];

/// Elements and bytes of each of [`PARTS`]; a tied head counts nothing.
pub fn parts<'b>(checkpoint: &Checkpoint, blueprint: &'b Blueprint) -> Vec<(&'static str, u64, u64)> {
    let tensors = &blueprint.tensors;
    // What is nothing else is a norm.
    let mut part_of: BTreeMap<&str, usize> = blueprint.expected_shapes().into_keys().map(|name| (name, 4)).collect();
    let mut put = |linear: &'b LinearTensors, part: usize| {
        part_of.extend(
            [Some(&linear.weight), linear.bias.as_ref()].into_iter().flatten().map(|it| (it.tensor.as_str(), part)),
        );
    };
    for block in &tensors.blocks {
        for role in block.roles() {
            let part = if matches!(role, Role::Gate(_) | Role::Up(_) | Role::Down(_)) { 3 } else { 2 };
            block.linear(role).into_iter().for_each(|linear| put(linear, part));
        }
        if let FeedForwardTensors::Experts(experts) = &block.feed_forward {
            put(&experts.router, 3);
            experts.shared.iter().for_each(|(_, gate)| put(gate, 3));
        }
    }
    tensors.head.iter().for_each(|head| put(head, 5));
    tensors.projections.iter().flatten().for_each(|linear| put(linear, 0));
    part_of.insert(&tensors.embedding, 0);
    part_of.extend(tensors.positions.iter().map(|name| (name.as_str(), 1)));
    let mut sizes = PARTS.map(|part| (part, 0, 0));
    let prequantized = Prequantized::of(checkpoint).ok().flatten();
    let shapes = blueprint.matrix_shapes();
    for (name, part) in part_of {
        let format = prequantized.as_ref().filter(|format| format.holds(checkpoint, name));
        let (parameters, bytes) = match (format, shapes.get(name)) {
            (Some(format), Some([rows, columns])) => {
                let tensors = format.tensors(checkpoint, name);
                ((rows * columns) as u64, tensors.iter().map(|name| checkpoint.tensor_bytes(name)).sum())
            }
            _ => (elements(checkpoint, name), checkpoint.tensor_bytes(name)),
        };
        sizes[part].1 += parameters;
        sizes[part].2 += bytes;
    }
    sizes.to_vec()
}

/// The switches of a blueprint in words.
pub fn architecture(blueprint: &Blueprint) -> Vec<(&'static str, String)> {
    let norm = match blueprint.norm {
        Norm::Rms { eps, offset } => {
            format!("RMSNorm, eps {eps:e}{}", if offset == 0.0 { "" } else { ", weights plus 1" })
        }
        Norm::Layer { eps } => format!("LayerNorm, eps {eps:e}"),
    };
    let positions = match &blueprint.positions {
        Positions::Rotary(rotary) => {
            let rope = |rope: &Rope| {
                let Rope { theta, rotary_dim, scaling, pairing } = rope;
                let pairs = if *pairing == Pairing::Halves { "" } else { " in pairs of neighbours" };
                format!("rotary, base {theta}, {rotary_dim} dimensions a head{pairs}, scaling {scaling:?}")
            };
            let mut text = rotary.ropes.iter().map(rope).collect::<Vec<_>>().join("; ");
            let without = rotary.of_layer.iter().filter(|rope| rope.is_none()).count();
            if without > 0 {
                text += &format!("; none in {without} of {} blocks", blueprint.layers);
            }
            text
        }
        Positions::Learned { rows, .. } => format!("learned, {rows} rows"),
        Positions::Alibi { .. } => "linear biases on scores (ALiBi)".into(),
    };
    let feed_forward = match blueprint.feed_forward {
        FeedForward::Gated(activation) => format!("gated, {activation:?}"),
        FeedForward::Plain(activation) => format!("plain, {activation:?}"),
    };
    let windows: BTreeSet<usize> = blueprint.windows.iter().flatten().copied().collect();
    let sliding = blueprint.windows.iter().filter(|window| window.is_some()).count();
    let window = match windows.first() {
        None => "none: every token sees all before it".to_string(),
        Some(window) => format!("{window} tokens in {sliding} of {} blocks", blueprint.layers),
    };
    vec![
        ("blocks", blueprint.layers.to_string()),
        ("d_model", blueprint.d_model.to_string()),
        ("d_ff", format!("{} ({feed_forward})", blueprint.d_ff)),
        ("experts", experts(blueprint)),
        ("heads", format!("{} of {}, {} for keys and values", blueprint.heads, blueprint.head_dim, blueprint.kv_heads)),
        ("vocabulary", blueprint.vocab_size.to_string()),
        ("norm", norm),
        ("position_encoding", positions),
        ("sliding_window", window),
        ("head", if blueprint.tensors.head.is_some() { "own weights" } else { "tied to the embedding" }.to_string()),
    ]
}

/// Experts of blocks that have some.
fn experts(blueprint: &Blueprint) -> String {
    let of_blocks: Vec<&ExpertTensors> = (blueprint.tensors.blocks.iter())
        .filter_map(|block| match &block.feed_forward {
            FeedForwardTensors::Experts(experts) => Some(experts),
            FeedForwardTensors::Dense(_) => None,
        })
        .collect();
    let (Some(first), Some(routing)) = (of_blocks.first(), blueprint.routing) else { return "none".into() };
    let width = first.experts.first().map_or(0, |expert| expert.width);
    let shared = first.shared.as_ref().map_or(String::new(), |(mlp, _)| format!(", and a shared one of {}", mlp.width));
    format!(
        "{} of {width}, {} a token{shared}, in {} of {} blocks",
        first.experts.len(),
        routing.top_k,
        of_blocks.len(),
        blueprint.layers
    )
}

/// How deep below a directory checkpoints are looked for.
const SEARCH_DEPTH: usize = 4;
/// Directories looked into at most.
const SEARCH_LIMIT: usize = 20_000;

/// Directories below `roots` that hold a checkpoint, sorted.
pub fn find_checkpoints(roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    let mut looked_into = 0;
    let mut pending: Vec<(PathBuf, usize)> = roots.iter().map(|root| (root.clone(), 0)).collect();
    while let Some((directory, depth)) = pending.pop() {
        looked_into += 1;
        if is_checkpoint(&directory) {
            found.insert(directory);
            continue;
        }
        if depth == SEARCH_DEPTH || looked_into >= SEARCH_LIMIT {
            continue;
        }
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for entry in directories {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                pending.push((entry.path(), depth + 1));
            }
        }
    }
    found.into_iter().collect()
}

/// Whether a directory looks like a checkpoint: a configuration, and weights of any kind that transformers saves.
fn is_checkpoint(directory: &Path) -> bool {
    let has = |name: &str| directory.join(name).exists();
    let weights =
        ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];
    has("config.json") && weights.into_iter().any(has)
}

/// Opens what [`find_checkpoints`] found.
pub fn open_found(directory: &Path) -> Result<Source, Failure> {
    super::loading::open(&directory.display().to_string(), false, super::progress::Verbosity::Quiet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::lab::Builtin;

    #[test]
    fn the_parts_of_the_builtin_model_are_all_of_it() {
        let source = Builtin::Seeded.open().unwrap();
        let summary = summarize(&source);
        let parts = parts(&source.checkpoint, summary.blueprint.as_ref().unwrap());
        let (mut parameters, mut bytes) = (0, 0);
        for (_, part_parameters, part_bytes) in &parts {
            parameters += part_parameters;
            bytes += part_bytes;
        }
        assert_eq!((parameters, bytes), (summary.parameters, summary.weight_bytes));
        assert_eq!(summary.tokenizer, Ok((258, "the built-in byte vocabulary".to_string())));
    }

    #[test]
    fn checkpoints_are_found_by_their_files() {
        let root = tempfile::tempdir().unwrap();
        let model = root.path().join("a/b/model");
        fs::create_dir_all(&model).unwrap();
        fs::create_dir_all(root.path().join(".hidden")).unwrap();
        for directory in [&model, &root.path().join(".hidden")] {
            fs::write(directory.join("config.json"), "{}").unwrap();
            fs::write(directory.join("model.safetensors"), "").unwrap();
        }
        assert_eq!(find_checkpoints(&[root.path().to_path_buf()]), [model]);
    }
}
