//! Files of a run directory: written whole or not at all.

use crate::error::Error;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes a JSON value, indented, with a line break at the end.
///
/// # Errors
/// [`Error::Output`].
pub fn write_json(path: &Path, value: &Value) -> Result<(), Error> {
    write(path, format!("{value:#}\n").as_bytes())
}

/// Writes a file under another name beside it, and renames it when it is complete.
///
/// # Errors
/// [`Error::Output`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = path.with_file_name(name);
    let output = |source| Error::Output { action: "write", path: path.to_path_buf(), source };
    let mut file = File::create(&part).map_err(output)?;
    file.write_all(bytes).map_err(output)?;
    file.sync_all().map_err(output)?;
    std::fs::rename(&part, path).map_err(output)
}

/// Removes a file if it is there.
///
/// # Errors
/// [`Error::Output`].
pub fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::Output { action: "remove", path: path.to_path_buf(), source }),
    }
}

/// Bytes of the longest name: room for a prefix and an ending remains in what file systems allow.
const LONGEST: usize = 200;

/// A task id as the name of a file: what is not a letter, a digit or one of `._@=+-` becomes `-`; the end of a long one
/// gives way to the beginning of its SHA-256.
pub fn file_name(id: &str) -> String {
    let safe = |character: char| character.is_alphanumeric() || "._@=+-".contains(character);
    let name: String = id.chars().map(|character| if safe(character) { character } else { '-' }).collect();
    if name.len() <= LONGEST {
        return name;
    }
    let digest = crate::task::hash_text(id);
    let mut short = String::new();
    for character in name.chars() {
        if short.len() + character.len_utf8() + 17 > LONGEST {
            break;
        }
        short.push(character);
    }
    format!("{short}-{}", &digest[..16])
}

/// File names for `ids`, no two the same: of equal ones all but the first get a number.
pub fn file_names(ids: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(ids.len());
    for id in ids {
        let plain = file_name(id);
        let mut name = plain.clone();
        let mut number = 2;
        while names.iter().any(|taken| taken.eq_ignore_ascii_case(&name)) {
            name = format!("{plain}-{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_safe_and_unique() {
        let ids = ["rtn:w4g32", "rtn-w4g32", "perplexity:a b/\u{e9}.txt@gptq-256", "RTN:W4G32"].map(String::from);
        assert_eq!(
            file_names(&ids),
            ["rtn-w4g32", "rtn-w4g32-2", "perplexity-a-b-\u{e9}.txt@gptq-256", "RTN-W4G32-3"].map(String::from)
        );
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let long = |end: &str| format!("perplexity:{}{end}@gptq-256", "é".repeat(150));
        let (a, b) = (file_name(&long("a")), file_name(&long("b")));
        assert!(a.len() <= LONGEST && a.len() > LONGEST - 4 && a != b, "{a} {b}");
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        write_json(&path, &serde_json::json!({"a": 1.5})).unwrap();
        write_json(&path, &serde_json::json!([])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[]\n");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        let missing = directory.path().join("no/such/a.json");
        assert!(matches!(write(&missing, b""), Err(Error::Output { action: "write", .. })));
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
