//! The digests of official files, one table for all data sets.

use crate::manifest::Pin;

/// One line a file: SHA-256, canonical name, edition.
const FILES: &str = include_str!("../pins/files.txt");
/// One line a file of MMLU: split/subject, SHA-256 of its rows.
const MMLU_ROWS: &str = include_str!("../pins/mmlu.txt");

/// An official file: what its digest must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// canonical name: `gsm8k/test.jsonl`
    pub name: String,
    /// SHA-256 in lower-case hexadecimal
    pub sha256: &'static str,
    /// the release that it identifies
    pub edition: &'static str,
    /// what it is taken over: the file's `content`, or its `rows`, whatever their quoting
    pub over: &'static str,
}

/// The official editions of the file with the canonical name `name`, the preferred one first.
pub(crate) fn of(name: &str) -> Vec<Pin> {
    let of_name = |(_, sha256, edition)| Pin { edition, sha256 };
    files().filter(|(file, _, _)| *file == name).map(of_name).collect()
}

/// The digest of the rows of one file of MMLU.
pub(crate) fn mmlu_rows(split: &str, subject: &str) -> Option<Pin> {
    let entry = mmlu().find(|(key, _)| key.split_once('/') == Some((split, subject)))?;
    Some(Pin { edition: "data.tar", sha256: entry.1 })
}

/// Every official file of a data set whose digest is known here.
pub(crate) fn expected(dataset: &str) -> Vec<Expected> {
    if dataset == "mmlu" {
        let row = |(key, sha256): (&str, _)| {
            let (split, subject) = key.split_once('/').unwrap_or((key, ""));
            Expected { name: format!("mmlu/{split}/{subject}_{split}.csv"), sha256, edition: "data.tar", over: "rows" }
        };
        return mmlu().map(row).collect();
    }
    let of_dataset = |name: &str| name.split_once('/').is_some_and(|(folder, _)| folder == dataset);
    files()
        .filter(|(name, _, _)| of_dataset(name))
        .map(|(name, sha256, edition)| Expected { name: name.to_owned(), sha256, edition, over: "content" })
        .collect()
}

fn files() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    entries(FILES).filter_map(|line| {
        let (sha256, rest) = line.split_once(' ')?;
        let (name, edition) = rest.split_once(' ')?;
        Some((name, sha256, edition))
    })
}

fn mmlu() -> impl Iterator<Item = (&'static str, &'static str)> {
    entries(MMLU_ROWS).filter_map(|line| line.split_once(' '))
}

fn entries(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_entry_of_a_known_data_set() {
        let mut seen = std::collections::BTreeSet::new();
        for line in entries(FILES) {
            let fields: Vec<&str> = line.splitn(3, ' ').collect();
            let [sha256, name, edition] = fields.as_slice() else { panic!("{line}") };
            assert!(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
            assert!(!edition.is_empty() && seen.insert((*name, *sha256)), "{line}");
            let (folder, _) = name.split_once('/').unwrap();
            assert!(crate::catalogue().iter().any(|dataset| dataset.name == folder), "{line}");
        }
        assert_eq!(mmlu().count(), 171);
    }
}
