//! Speed and memory of a run: `efficiency.json`.

use serde_json::Value;

/// What was measured, and on what.
#[derive(Clone, Debug, PartialEq)]
pub struct Efficiency {
    /// The machine, as the file describes it.
    pub machine: Value,
    /// How it was measured, as the file describes it.
    pub protocol: Value,
    /// By recipe.
    recipes: Vec<(String, Measured)>,
}

/// What was measured of one recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Tokens of a prompt read in a second.
    pub prompt: Option<Rate>,
    /// Tokens generated in a second.
    pub generated: Option<Rate>,
    /// Tokens scored in a second, many sequences together.
    pub scored: Option<Rate>,
    /// Weights, and keys and values of a sequence as long as the protocol's: what the recipe itself needs.
    pub held_bytes: Option<u64>,
    /// Peak of resident memory of the whole process; of a small model mostly what was left of quantizing it.
    pub peak_bytes: Option<u64>,
    /// Bytes of keys and values of one token.
    pub cache_bytes_per_token: Option<u64>,
    /// Bytes read for one generated token.
    pub bytes_per_token: Option<u64>,
    /// Their rate as a share of the memory bandwidth that was measured beside.
    pub bandwidth_share: Option<f64>,
    /// Energy of one generated token.
    pub joules_per_token: Option<f64>,
}

/// A rate over repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Median.
    pub median: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Efficiency {
    /// Name of the file in a run directory.
    pub const FILE_NAME: &'static str = "efficiency.json";

    /// The content of the file; `None` for another format.
    pub(super) fn parse(value: &Value) -> Option<Self> {
        if value["format"].as_u64() != Some(1) {
            return None;
        }
        let recipes = value["recipes"].as_object()?.iter();
        Some(Self {
            machine: value["machine"].clone(),
            protocol: value["protocol"].clone(),
            recipes: recipes.map(|(recipe, fields)| (recipe.clone(), measured(fields))).collect(),
        })
    }

    /// What was measured of a recipe.
    pub fn recipe(&self, recipe: &str) -> Option<&Measured> {
        self.recipes.iter().find(|(name, _)| name == recipe).map(|(_, measured)| measured)
    }
}

fn measured(fields: &Value) -> Measured {
    let rate = |name: &str| {
        let median = fields[name]["median"].as_f64()?;
        let end = |end: &str| fields[name][end].as_f64().unwrap_or(median);
        Some(Rate { median, low: end("low"), high: end("high") })
    };
    Measured {
        prompt: rate("prompt_tokens_per_second"),
        generated: rate("generated_tokens_per_second"),
        scored: rate("scored_tokens_per_second"),
        held_bytes: fields["weight_and_cache_bytes"].as_u64(),
        peak_bytes: fields["peak_resident_bytes"].as_u64(),
        cache_bytes_per_token: fields["cache_bytes_per_token"].as_u64(),
        bytes_per_token: fields["bytes_per_generated_token"].as_u64(),
        bandwidth_share: fields["share_of_memory_bandwidth"].as_f64(),
        joules_per_token: fields["joules_per_generated_token"].as_f64(),
    }
}
