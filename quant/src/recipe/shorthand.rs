//! Names that stand for recipes: scheme names, as other tools spell them, and presets, which stand for several.

/// The preset names, with the recipes they stand for.
///
/// `paper`: the variants of Jin et al. 2024, table 2.
pub(super) const PRESETS: &[(&str, &str)] = &[(
    "paper",
    "none,llm.int8,gptq:w8g128,gptq:w4g128,gptq:w3g128,gptq:w2g128,spqr:w8g16,spqr:w4g16,spqr:w3g16,spqr:w2g16",
)];

/// The recipe of the scheme name `W<bits>A<bits>[G<group>][_ASYM]`, in either case: `W4A16` is `rtn:w4a16g128:sym=true`.
///
/// As in compressed-tensors, where the names come from: symmetric unless it ends in `_ASYM`; 8-bit codes have one scale
/// a row, others one for 128 columns. `None` where `name` is not of this form; its numbers are for the parser to judge.
pub(super) fn scheme_recipe(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let (scheme, grid) = match lower.strip_suffix("_asym") {
        Some(scheme) => (scheme, ""),
        None => (lower.as_str(), ":sym=true"),
    };
    let (width, rest) = scheme.strip_prefix('w')?.split_once('a')?;
    let (activations, group) = match rest.split_once('g') {
        Some((activations, group)) => (activations, Some(group)),
        None => (rest, None),
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if ![Some(width), Some(activations), group].into_iter().flatten().all(is_number) {
        return None;
    }
    let group = match (group, width) {
        (Some(group), _) => format!("g{group}"),
        (None, "8") => String::new(),
        (None, _) => "g128".into(),
    };
    Some(format!("rtn:w{width}a{activations}{group}{grid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_names_are_spelled_out() {
        assert_eq!(scheme_recipe("W4A16").unwrap(), "rtn:w4a16g128:sym=true");
        assert_eq!(scheme_recipe("W8A8").unwrap(), "rtn:w8a8:sym=true");
        assert_eq!(scheme_recipe("w4a16g32").unwrap(), "rtn:w4a16g32:sym=true");
        assert_eq!(scheme_recipe("W4A16_ASYM").unwrap(), "rtn:w4a16g128");
        for other in ["", "w4", "w4a", "wa8", "rtn", "w4a16x", "w4a16g", "a8w4", "awq"] {
            assert_eq!(scheme_recipe(other), None, "{other}");
        }
    }
}
