//! Rotary settings of `config.json`: `rope_theta` and `rope_scaling` of transformers 4, `rope_parameters` of
//! transformers 5.

use crate::config::Config;
use crate::error::Error;
use crate::rope::{Pairing, RampEnds, Rope, RopeScaling};
use kernels::math;

/// What an entry of a settings object may be besides its type, its base and the share of rotated dimensions.
const LINEAR: &[&str] = &["factor"];
const DYNAMIC: &[&str] = &["factor", ORIGINAL];
const LLAMA3: &[&str] = &["factor", "low_freq_factor", "high_freq_factor", ORIGINAL];
const ORIGINAL: &str = "original_max_position_embeddings";

const YARN: &[&str] =
    &["factor", "attention_factor", "beta_fast", "beta_slow", "truncate", "mscale", "mscale_all_dim", ORIGINAL];
const LONG: &[&str] = &["factor", "attention_factor", "short_factor", "long_factor", ORIGINAL];
const PARTIAL: &str = "partial_rotary_factor";

/// What a family says about its heads.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub(super) head_dim: usize,
    /// Rotated dimensions, the first ones.
    pub(super) rotary_dim: usize,
    pub(super) pairing: Pairing,
    /// Longest sequence, in tokens.
    pub(super) context_len: usize,
    /// Key of the base, and its value where it is absent.
    pub(super) theta: (&'static str, f64),
}

impl Heads {
    /// Heads that are rotated as a whole, in halves.
    pub(super) fn whole(head_dim: usize, context_len: usize) -> Self {
        let theta = ("rope_theta", 10_000.0);
        Self { head_dim, rotary_dim: head_dim, pairing: Pairing::Halves, context_len, theta }
    }
}

/// The rotated dimensions of a head: the share under one of `keys`, or under `rope_parameters`; else `default`.
pub(super) fn rotary_dim(config: &Config<'_>, head_dim: usize, keys: &[&str], default: f64) -> Result<usize, Error> {
    let mut found: Option<f64> = None;
    let inside = config.section("rope_parameters")?;
    let inside = inside.as_ref().map(|section| (section, PARTIAL));
    for (section, key) in keys.iter().map(|key| (config, *key)).chain(inside) {
        let Some(share) = section.optional_number(key)? else { continue };
        if !(share > 0.0 && share <= 1.0) {
            return Err(section.wrong(key, "a share above 0 and up to 1"));
        }
        if found.is_some_and(|known| known != share) {
            return Err(section.wrong(key, "the same share of rotated dimensions everywhere"));
        }
        found = Some(share);
    }
    Ok((head_dim as f64 * found.unwrap_or(default)) as usize)
}

/// Reads the rotary embedding of all blocks.
///
/// Both spellings may be there, and settings may be given for each type of layer, as long as all say the same.
pub(super) fn rope(config: &Config<'_>, heads: Heads) -> Result<Rope, Error> {
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
            ropes.push(one(config, section, heads)?);
        }
        if ropes.iter().any(|rope| *rope != ropes[0]) {
            return Err(config.unsupported(key, "one rotary embedding for all layers, the same in both spellings"));
        }
    }
    match ropes.into_iter().next() {
        Some(rope) => Ok(rope),
        None => plain(config, heads, heads.theta),
    }
}

/// The rotary embeddings of blocks that attend to everything and of those that slide: `rope_theta` with `rope_scaling`, and
/// the base `local` without scaling; or one entry of `rope_parameters` each.
pub(super) fn by_layer_type(config: &Config<'_>, heads: Heads, local: (&'static str, f64)) -> Result<[Rope; 2], Error> {
    if let Some(settings) = config.section("rope_parameters")? {
        let of_type = |key| match settings.section(key)? {
            Some(section) => one(config, &section, heads),
            None => Err(settings.wrong(key, "the settings of this type of layer")),
        };
        return Ok([of_type("full_attention")?, of_type("sliding_attention")?]);
    }
    let full = match config.section("rope_scaling")? {
        Some(section) => one(config, &section, heads)?,
        None => plain(config, heads, heads.theta)?,
    };
    Ok([full, plain(config, heads, local)?])
}

/// Without scaling, the base on the top level.
fn plain(config: &Config<'_>, heads: Heads, theta_key: (&'static str, f64)) -> Result<Rope, Error> {
    let theta = theta(config, None, theta_key)?;
    even(config, Rope { theta, rotary_dim: heads.rotary_dim, pairing: heads.pairing, scaling: RopeScaling::Unscaled })
}

/// Reads one settings object.
fn one(config: &Config<'_>, settings: &Config<'_>, heads: Heads) -> Result<Rope, Error> {
    let Heads { head_dim, rotary_dim, pairing, context_len, .. } = heads;
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
        "yarn" => (yarn(settings, context_len)?, YARN),
        "longrope" | "su" => (long(config, settings, heads)?, LONG),
        _ => return Err(settings.unsupported(key, "default, linear, dynamic, llama3, yarn and longrope")),
    };
    for key in settings.keys().filter(|key| settings.value(key).is_some()) {
        match key {
            "rope_type" | "type" | "rope_theta" => {}
            PARTIAL
                if settings
                    .optional_number(key)?
                    .is_some_and(|share| (head_dim as f64 * share) as usize == rotary_dim) => {}
            PARTIAL => return Err(settings.unsupported(key, &(rotary_dim as f64 / head_dim as f64).to_string())),
            _ if allowed.contains(&key) => {}
            _ => return Err(settings.unsupported(key, &format!("for this rope type {}", listing(allowed)))),
        }
    }
    // The published code takes max_position_embeddings for the base of `dynamic`, whatever is said here.
    if name == "dynamic" && settings.optional_size(ORIGINAL)?.is_some_and(|len| len != context_len) {
        return Err(settings.unsupported(ORIGINAL, &format!("max_position_embeddings ({context_len})")));
    }
    if name == "dynamic" && rotary_dim < 4 {
        return Err(settings.unsupported(key, "dynamic for heads of at least 4 dimensions"));
    }
    even(config, Rope { theta: theta(config, Some(settings), heads.theta)?, rotary_dim, pairing, scaling })
}

/// 0.1 * scale * ln(factor) + 1.
fn attention_scale(factor: f64, scale: f64) -> f64 {
    if factor > 1.0 { 0.1 * scale * math::ln(factor) + 1.0 } else { 1.0 }
}

fn yarn(settings: &Config<'_>, context_len: usize) -> Result<RopeScaling, Error> {
    let original_context_len = settings.optional_size(ORIGINAL)?.unwrap_or(context_len);
    let factor = match settings.value("factor") {
        Some(_) => settings.number_from("factor", 1.0)?,
        None => context_len as f64 / original_context_len as f64,
    };
    let scales = (settings.optional_number("mscale")?, settings.optional_number("mscale_all_dim")?);
    let attention_factor = match (settings.optional_number("attention_factor")?, scales) {
        (Some(factor), _) => factor,
        (None, (Some(scale), Some(all))) if scale != 0.0 && all != 0.0 => {
            attention_scale(factor, scale) / attention_scale(factor, all)
        }
        _ => attention_scale(factor, 1.0),
    };
    let positive = |key: &str, default: f64| match settings.value(key) {
        Some(_) => settings.number_from(key, f64::MIN_POSITIVE),
        None => Ok(default),
    };
    let ends = if settings.flag("truncate", true)? { RampEnds::Whole } else { RampEnds::Fractional };
    let (beta_fast, beta_slow) = (positive("beta_fast", 32.0)?, positive("beta_slow", 1.0)?);
    Ok(RopeScaling::Yarn { factor, beta_fast, beta_slow, ends, attention_factor, original_context_len })
}

fn long(config: &Config<'_>, settings: &Config<'_>, heads: Heads) -> Result<RopeScaling, Error> {
    let (outside, inside) = (config.optional_size(ORIGINAL)?, settings.optional_size(ORIGINAL)?);
    if let (Some(outside), Some(inside)) = (outside, inside)
        && outside != inside
    {
        return Err(settings.wrong(ORIGINAL, &format!("{outside} as on the top level")));
    }
    let original_context_len = inside.or(outside).unwrap_or(heads.context_len);
    let factor = match settings.value("factor") {
        Some(_) if outside.is_none() && inside.is_none() => settings.number_from("factor", 1.0)?,
        _ => heads.context_len as f64 / original_context_len as f64,
    };
    let attention_factor = match settings.optional_number("attention_factor")? {
        Some(factor) => factor,
        None if factor <= 1.0 => 1.0,
        None => (1.0 + math::ln(factor) / math::ln(original_context_len as f64)).sqrt(),
    };
    let factors = |key: &str| {
        let count = heads.rotary_dim / 2;
        let expected = || settings.wrong(key, &format!("{count} numbers above 0, one a pair of rotated dimensions"));
        let list = settings.value(key).and_then(|value| value.as_array()).ok_or_else(expected)?;
        let numbers: Vec<f64> = list.iter().filter_map(|value| value.as_f64()).filter(|number| *number > 0.0).collect();
        if numbers.len() == count && list.len() == count { Ok(numbers) } else { Err(expected()) }
    };
    let (short_factors, long_factors) = (factors("short_factor")?, factors("long_factor")?);
    Ok(RopeScaling::Long { short_factors, long_factors, attention_factor, original_context_len })
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

/// The base: of the settings object, of the top level under `key`, or the default.
fn theta(
    config: &Config<'_>,
    settings: Option<&Config<'_>>,
    (key, default): (&'static str, f64),
) -> Result<f64, Error> {
    let read = |config: &Config<'_>, key: &str| match config.value(key) {
        None => Ok(None),
        Some(_) => config.number_from(key, f64::MIN_POSITIVE).map(Some),
    };
    let outside = read(config, key)?;
    let inside = settings.map(|settings| read(settings, "rope_theta")).transpose()?.flatten();
    match (inside, outside) {
        (Some(inside), Some(outside)) if inside != outside => {
            Err(config.wrong(key, &format!("{inside} as in the rotary settings")))
        }
        (inside, outside) => Ok(inside.or(outside).unwrap_or(default)),
    }
}

/// Rotation takes dimensions in pairs.
pub(super) fn even(config: &Config<'_>, rope: Rope) -> Result<Rope, Error> {
    if rope.rotary_dim.is_multiple_of(2) && rope.rotary_dim > 0 {
        return Ok(rope);
    }
    Err(config.wrong("head_dim", &format!("an even number of rotated dimensions, not {}", rope.rotary_dim)))
}

fn listing(keys: &[&str]) -> String {
    if keys.is_empty() { "no further settings".into() } else { keys.join(", ") }
}
