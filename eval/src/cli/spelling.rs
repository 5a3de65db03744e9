//! Spelling: `--flag-name` for `--flag_name`, and what a mistyped name was meant to be.

use clap::Command;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Rewrites hyphens inside the names of long flags to underscores, the spelling that the parser knows.
///
/// `-pg`, as llama-bench has it, becomes `--pg`. Only the name before `=` is touched, nothing after `--`, and no argument that is the text of a flag that takes any
/// text (`--prompt --like-this`).
pub fn with_underscores(arguments: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let free_text = free_text_flags(command);
    let mut is_text = false;
    let mut rest_is_plain = false;
    let normalise = |argument: OsString| {
        let Some(text) = argument.to_str() else {
            is_text = false;
            return argument;
        };
        if std::mem::take(&mut is_text) || rest_is_plain {
            return argument;
        }
        if text == "--" {
            rest_is_plain = true;
            return argument;
        }
        if text == "-pg" {
            // llama-bench's; the parser knows short flags of one letter only.
            return "--pg".into();
        }
        let Some(long) = text.strip_prefix("--") else {
            is_text = free_text.contains(text);
            return argument;
        };
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let flag = format!("--{}", name.replace('-', "_"));
        match value {
            Some(value) => format!("{flag}={value}").into(),
            None => {
                is_text = free_text.contains(&flag);
                flag.into()
            }
        }
    };
    arguments.into_iter().map(normalise).collect()
}

/// The flags of all subcommands whose value may begin with a hyphen.
fn free_text_flags(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter(|argument| argument.is_allow_hyphen_values_set());
    let mut flags: BTreeSet<String> = own
        .flat_map(|argument| {
            let long = argument.get_long().map(|name| format!("--{name}"));
            let short = argument.get_short().map(|name| format!("-{name}"));
            long.into_iter().chain(short)
        })
        .collect();
    flags.extend(command.get_subcommands().flat_map(free_text_flags));
    flags
}

/// The one of `known` that `name` was probably meant to be: at most a third of its letters differ.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distances = known.into_iter().map(|other| (edit_distance(&name, &other.to_lowercase()), other));
    let (distance, other) = distances.min_by_key(|&(distance, _)| distance)?;
    let longer = name.chars().count().max(other.chars().count());
    (distance <= longer.div_ceil(3)).then_some(other)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from `from` to `to` (optimal string alignment).
fn edit_distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for i in 0..from.len() {
        let mut row = vec![i + 1];
        for j in 0..to.len() {
            let replaced = above[j] + usize::from(from[i] != to[j]);
            let mut best = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i] == to[j - 1] && from[i - 1] == to[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn normalised(arguments: &[&str]) -> Vec<String> {
        let command = Command::new("nibble").subcommand(
            Command::new("generate")
                .arg(Arg::new("prompt").long("prompt").short('p').allow_hyphen_values(true))
                .arg(Arg::new("top_k").long("top_k")),
        );
        let arguments = arguments.iter().map(OsString::from).collect();
        let normalised = with_underscores(arguments, &command).into_iter();
        normalised.map(|argument| argument.into_string().unwrap()).collect()
    }

    #[test]
    fn hyphens_in_the_names_of_flags_become_underscores() {
        assert_eq!(normalised(&["generate", "--top-k", "3"]), ["generate", "--top_k", "3"]);
        assert_eq!(normalised(&["--top-k=a-b"]), ["--top_k=a-b"]);
        assert_eq!(normalised(&["--top_k", "-x-y"]), ["--top_k", "-x-y"]);
    }

    #[test]
    fn values_and_what_follows_two_hyphens_stay_as_they_are() {
        assert_eq!(normalised(&["--prompt", "--a-b", "--top-k"]), ["--prompt", "--a-b", "--top_k"]);
        assert_eq!(normalised(&["-p", "--a-b", "--top-k"]), ["-p", "--a-b", "--top_k"]);
        assert_eq!(normalised(&["--prompt=--a-b", "--top-k"]), ["--prompt=--a-b", "--top_k"]);
        assert_eq!(normalised(&["--", "--a-b", "-pg"]), ["--", "--a-b", "-pg"]);
        assert_eq!(normalised(&["-pg", "1,2", "--prompt", "-pg"]), ["--pg", "1,2", "--prompt", "-pg"]);
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["mmlu", "truthfulqa_mc1", "truthfulqa_mc2", "perplexity"];
        assert_eq!(nearest("perplexty", known), Some("perplexity"));
        assert_eq!(nearest("mlmu", known), Some("mmlu"));
        assert_eq!(nearest("Truthfulqa_mc3", known), Some("truthfulqa_mc1"));
        assert_eq!(nearest("gsm8k", known), None);
    }

    #[test]
    fn a_swap_counts_once() {
        assert_eq!(edit_distance("abcd", "acbd"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
