//! Rotary settings of `config.json`: `rope_theta` and `rope_scaling` of transformers 4, `rope_parameters` of
//! transformers 5.

use crate::config::Config;
use crate::error::Error;
use crate::rope::{Rope, RopeScaling};

/// What an entry of a settings object may be besides its type, its base and the share of rotated dimensions.
const LINEAR: &[&str] = &["factor"];
const DYNAMIC: &[&str] = &["factor", ORIGINAL];
const LLAMA3: &[&str] = &["factor", "low_freq_factor", "high_freq_factor", ORIGINAL];
const ORIGINAL: &str = "original_max_position_embeddings";

/// Reads the rotary embedding over whole heads of `head_dim` dimensions, in a model of `context_len` tokens.
///
/// Both spellings may be there, and settings may be given for each type of layer, as long as all say the same.
pub(super) fn rope(config: &Config<'_>, head_dim: usize, context_len: usize) -> Result<Rope, Error> {
    let mut ropes: Vec<Rope> = Vec::new();
    for key in ["rope_parameters", "rope_scaling"] {
        let Some(settings) = config.section(key)? else {
            continue;
        };
        let mut sections = Vec::new();
        for layer_type in ["full_attention", "sliding_attention"] {
            sections.extend(settings.section(layer_type)?);
        }
        if sections.is_empty() {
            sections.push(settings);
        }
        for section in &sections {
            ropes.push(one(config, section, head_dim, context_len)?);
        }
        if ropes.iter().any(|rope| *rope != ropes[0]) {
            return Err(config.unsupported(key, "one rotary embedding for all layers, the same in both spellings"));
        }
    }
    match ropes.into_iter().next() {
        Some(rope) => Ok(rope),
        None => {
            even(config, Rope { theta: theta(config, None)?, rotary_dim: head_dim, scaling: RopeScaling::Unscaled })
        }
    }
}

/// Reads one settings object.
fn one(config: &Config<'_>, settings: &Config<'_>, head_dim: usize, context_len: usize) -> Result<Rope, Error> {
    let (key, name) = match (settings.text("rope_type")?, settings.text("type")?) {
        (Some(name), Some(older)) if name != older => {
            return Err(settings.wrong("type", &format!("\"{name}\" as in rope_type")));
        }
        (Some(name), _) => ("rope_type", name),
        (None, Some(name)) => ("type", name),
        (None, None) => ("rope_type", "default"),
    };
    let factor = || settings.number_from("factor", 1.0);
    let (scaling, allowed) = match name {
        "default" => (RopeScaling::Unscaled, &[][..]),
        "linear" => (RopeScaling::Linear { factor: factor()? }, LINEAR),
        "dynamic" => (RopeScaling::Dynamic { factor: factor()?, original_context_len: context_len }, DYNAMIC),
        "llama3" => (llama3(config, settings, context_len)?, LLAMA3),
        _ => return Err(settings.unsupported(key, "default, linear, dynamic and llama3")),
    };
    for key in settings.keys().filter(|key| settings.value(key).is_some()) {
        match key {
            "rope_type" | "type" | "rope_theta" => {}
            "partial_rotary_factor" if settings.optional_number(key)? == Some(1.0) => {}
            "partial_rotary_factor" => return Err(settings.unsupported(key, "1")),
            _ if allowed.contains(&key) => {}
            _ => return Err(settings.unsupported(key, &format!("for this rope type {}", listing(allowed)))),
        }
    }
    // The published code takes max_position_embeddings for the base of `dynamic`, whatever is said here.
    if name == "dynamic" && settings.optional_size(ORIGINAL)?.is_some_and(|len| len != context_len) {
        return Err(settings.unsupported(ORIGINAL, &format!("max_position_embeddings ({context_len})")));
    }
    if name == "dynamic" && head_dim < 4 {
        return Err(settings.unsupported(key, "dynamic for heads of at least 4 dimensions"));
    }
    even(config, Rope { theta: theta(config, Some(settings))?, rotary_dim: head_dim, scaling })
}

fn llama3(config: &Config<'_>, settings: &Config<'_>, context_len: usize) -> Result<RopeScaling, Error> {
    let outside = config.optional_size(ORIGINAL)?;
    let inside = settings.optional_size(ORIGINAL)?;
    if let (Some(outside), Some(inside)) = (outside, inside)
        && outside != inside
    {
        return Err(settings.wrong(ORIGINAL, &format!("{outside} as on the top level")));
    }
    let low_freq_factor = settings.number_from("low_freq_factor", f64::MIN_POSITIVE)?;
    let high_freq_factor = settings.number_from("high_freq_factor", f64::MIN_POSITIVE)?;
    if high_freq_factor <= low_freq_factor {
        return Err(settings.wrong("high_freq_factor", &format!("a number above low_freq_factor ({low_freq_factor})")));
    }
    Ok(RopeScaling::Llama3 {
        factor: settings.number_from("factor", 1.0)?,
        low_freq_factor,
        high_freq_factor,
        original_context_len: inside.or(outside).unwrap_or(context_len),
    })
}

/// The base: of the settings object, of the top level, or 10000.
fn theta(config: &Config<'_>, settings: Option<&Config<'_>>) -> Result<f64, Error> {
    const KEY: &str = "rope_theta";
    let read = |config: &Config<'_>| match config.value(KEY) {
        None => Ok(None),
        Some(_) => config.number_from(KEY, f64::MIN_POSITIVE).map(Some),
    };
    let outside = read(config)?;
    let inside = settings.map(read).transpose()?.flatten();
    match (inside, outside) {
        (Some(inside), Some(outside)) if inside != outside => {
            Err(config.wrong(KEY, &format!("{inside} as in the rotary settings")))
        }
        (inside, outside) => Ok(inside.or(outside).unwrap_or(10_000.0)),
    }
}

/// Rotation takes dimensions in pairs.
pub(super) fn even(config: &Config<'_>, rope: Rope) -> Result<Rope, Error> {
    if rope.rotary_dim.is_multiple_of(2) {
        return Ok(rope);
    }
    Err(config.wrong("head_dim", &format!("an even number of dimensions, not {}", rope.rotary_dim)))
}

fn listing(keys: &[&str]) -> String {
    if keys.is_empty() { "no further settings".into() } else { keys.join(", ") }
}
