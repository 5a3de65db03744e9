//! Which blocks attend through a sliding window.

use crate::config::Config;
use crate::error::Error;

/// The window of each of `layers` blocks: `window` in the blocks that `layer_types` calls sliding, or, where that key
/// is absent, in those that `slides` selects. `None` attends to everything.
pub(super) fn by_layer(
    config: &Config<'_>,
    layers: usize,
    window: Option<usize>,
    slides: impl Fn(usize) -> bool,
) -> Result<Vec<Option<usize>>, Error> {
    const KEY: &str = "layer_types";
    let Some(types) = config.texts(KEY)? else {
        return Ok((0..layers).map(|layer| window.filter(|_| slides(layer))).collect());
    };
    if types.len() != layers {
        return Err(config.wrong(KEY, &format!("{layers} entries, one a layer, not {}", types.len())));
    }
    let mut windows = Vec::with_capacity(layers);
    for layer_type in types {
        windows.push(match (layer_type, window) {
            ("full_attention", _) => None,
            ("sliding_attention", Some(_)) => window,
            ("sliding_attention", None) => {
                return Err(config.wrong(KEY, "full_attention everywhere, since no sliding window is set"));
            }
            _ => return Err(config.unsupported(KEY, "full_attention and sliding_attention")),
        });
    }
    Ok(windows)
}

/// The rule of Qwen2 and Qwen3: with `use_sliding_window`, blocks from `max_window_layers` on slide.
pub(super) fn from_max_window_layers(config: &Config<'_>, layers: usize) -> Result<Vec<Option<usize>>, Error> {
    let window = if !config.flag("use_sliding_window", false)? {
        None
    } else if config.has("sliding_window") {
        config.optional_size("sliding_window")?
    } else {
        Some(4096)
    };
    let first = config.optional_count("max_window_layers")?.unwrap_or(28);
    by_layer(config, layers, window, |layer| layer >= first)
}

/// No window: settings of one are refused.
pub(super) fn none(config: &Config<'_>, layers: usize) -> Result<Vec<Option<usize>>, Error> {
    if config.value("sliding_window").is_some() {
        return Err(config.unsupported("sliding_window", "null in this family"));
    }
    by_layer(config, layers, None, |_| false)
}
