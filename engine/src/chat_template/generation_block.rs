//! `{% generation %}` ... `{% endgeneration %}`: a block that transformers adds to Jinja.
//!
//! It marks what the assistant says, for training; the text is that of its contents. The template engine does not know it, so
//! it is read as a condition that always holds.

use std::borrow::Cow;

/// The template with the two tags replaced by `if true` and `endif`.
pub(super) fn replace_tags(source: &str) -> Cow<'_, str> {
    if !source.contains("generation") {
        return Cow::Borrowed(source);
    }
    let mut replaced = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        replaced.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end + 2);
        let inner = tag[2..end].trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        match inner {
            "generation" => replaced.push_str(&tag.replacen(inner, "if true", 1)),
            "endgeneration" => replaced.push_str(&tag.replacen(inner, "endif", 1)),
            _ => replaced.push_str(tag),
        }
        rest = after;
    }
    replaced.push_str(rest);
    Cow::Owned(replaced)
}
