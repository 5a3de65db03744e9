//! The store of measurements: one small file a key, in the user's cache directory.
//!
//! A speed cannot be measured twice with the same digits. Kept under everything that it depends on, it need not be:
//! what runs of one program on one machine write is then the same, byte for byte.

use crate::task::hash_text;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;

/// Version of the files.
const FORMAT: u64 = 1;

/// Where measurements are kept, if anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    directory: Option<PathBuf>,
}

impl Store {
    /// A store that keeps nothing.
    pub fn nowhere() -> Self {
        Self::default()
    }

    /// The store in `directory`, which is made when something is kept.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory: Some(directory) }
    }

    /// The user's: `nibble/efficiency` below `$XDG_CACHE_HOME` or `~/.cache`; nowhere for who has neither.
    pub fn of_user() -> Self {
        // The XDG specification has relative paths ignored.
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        Self { directory: caches.map(|caches| caches.join("nibble").join("efficiency")) }
    }

    /// What is kept under `key`. A file that is damaged, of another format or of another key holds nothing.
    pub fn get<T: DeserializeOwned>(&self, key: &Value) -> Option<T> {
        let bytes = std::fs::read(self.path(key)?).ok()?;
        let mut file: Value = serde_json::from_slice(&bytes).ok()?;
        if file["format"] != FORMAT || file["key"] != *key {
            return None;
        }
        serde_json::from_value(file["value"].take()).ok()
    }

    /// Keeps `value` under `key`, in place of what was there.
    ///
    /// # Errors
    /// What the operating system says; what was there is still there then.
    pub fn put<T: Serialize>(&self, key: &Value, value: &T) -> io::Result<()> {
        let Some(path) = self.path(key) else { return Ok(()) };
        let file = json!({"format": FORMAT, "key": key, "value": serde_json::to_value(value)?});
        if let Some(directory) = &self.directory {
            std::fs::create_dir_all(directory)?;
        }
        // Of a name that no other process writes to.
        let part = path.with_extension(format!("{}.part", std::process::id()));
        std::fs::write(&part, format!("{file:#}\n")).and_then(|()| std::fs::rename(&part, &path)).inspect_err(|_| {
            let _ = std::fs::remove_file(&part);
        })
    }

    fn path(&self, key: &Value) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(format!("{}.json", hash_text(&key.to_string()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_kept_is_found_under_its_key_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::at(directory.path().join("a/b"));
        let (key, other) = (json!({"recipe": "none"}), json!({"recipe": "rtn:w8"}));
        assert_eq!(store.get::<Vec<f64>>(&key), None);
        store.put(&key, &vec![0.1, 1.0 / 3.0]).unwrap();
        assert_eq!(store.get(&key), Some(vec![0.1, 1.0 / 3.0]));
        store.put(&key, &vec![2.5]).unwrap();
        assert_eq!((store.get(&key), store.get::<Vec<f64>>(&other)), (Some(vec![2.5]), None));
        assert_eq!(fs::read_dir(directory.path().join("a/b")).unwrap().count(), 1);
        // As another type it is not there.
        assert_eq!(store.get::<String>(&key), None);
    }

    #[test]
    fn damaged_and_foreign_files_hold_nothing_and_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::at(directory.path().to_path_buf());
        let (key, other) = (json!("mine"), json!("other"));
        store.put(&other, &7).unwrap();
        let foreign = fs::read(store.path(&other).unwrap()).unwrap();
        for content in [b"".as_slice(), b"{\"format\": 1, \"key\": \"mi", b"[1]", b"\xff\xfe", &foreign] {
            fs::write(store.path(&key).unwrap(), content).unwrap();
            assert_eq!(store.get::<u64>(&key), None, "{content:?}");
            store.put(&key, &8).unwrap();
            assert_eq!(store.get(&key), Some(8));
        }
    }

    #[test]
    fn nowhere_and_where_nothing_can_be_written() {
        let key = json!(1);
        Store::nowhere().put(&key, &2).unwrap();
        assert_eq!(Store::nowhere().get::<u64>(&key), None);
        let file = tempfile::NamedTempFile::new().unwrap();
        let store = Store::at(file.path().to_path_buf());
        assert!(store.put(&key, &2).is_err());
        assert_eq!(store.get::<u64>(&key), None);
    }
}
