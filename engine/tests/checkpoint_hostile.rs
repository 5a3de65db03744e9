//! Do damaged and hostile files fail with an error that says what is wrong, and never with a panic?

use std::fs;
use std::path::Path;

use engine::checkpoint::{Checkpoint, OpenOptions, Reading};
use engine::error::Error;
use tempfile::TempDir;

/// A file in safetensors format: length, header text, data.
fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        fs::write(directory.path().join(name), contents).unwrap();
    }
    directory
}

/// Opens, mapped and read, and returns the error, which must be the same.
fn error(path: &Path) -> Error {
    let mapped = Checkpoint::open(path, OpenOptions { reading: Reading::Mapped }).err().expect("refused");
    let read = Checkpoint::open(path, OpenOptions { reading: Reading::Read }).err().expect("refused");
    assert_eq!(mapped.to_string(), read.to_string());
    mapped
}

/// The error of a directory whose weight file is `weights`.
fn weights_error(weights: &[u8]) -> Error {
    let directory = directory(&[("config.json", b"{}"), ("model.safetensors", weights)]);
    let error = error(directory.path());
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    error
}

macro_rules! assert_error {
    ($error:expr, $pattern:pat $(if $guard:expr)?) => {
        let error = $error;
        assert!(matches!(&error, $pattern $(if $guard)?), "{error:?}");
    };
}

const F32_PAIR: &str = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;

#[test]
fn every_truncation_of_a_file_is_noticed() {
    let whole = safetensors(F32_PAIR, &[0; 8]);
    for len in 0..whole.len() {
        assert_error!(weights_error(&whole[..len]), Error::Truncated { .. } | Error::HeaderLength { .. });
    }
    assert_error!(weights_error(&[]), Error::Truncated { expected: 8, found: 0, .. });
    let (expected, found) = (whole.len() as u64, whole.len() as u64 - 1);
    let error = weights_error(&whole[..whole.len() - 1]);
    assert_error!(error, Error::Truncated { expected: e, found: f, .. } if (*e, *f) == (expected, found));
}

#[test]
fn bytes_after_the_last_tensor_are_refused() {
    assert_error!(weights_error(&safetensors(F32_PAIR, &[0; 9])), Error::TrailingBytes { .. });
}

#[test]
fn header_lengths_beyond_the_file_or_the_format_are_refused() {
    for length in [0, 1, 100, 1 << 32, 100_000_001, u64::MAX, u64::MAX - 7] {
        let mut bytes = safetensors(F32_PAIR, &[0; 8]);
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert_error!(weights_error(&bytes), Error::HeaderLength { found, .. } if *found == length);
    }
}

#[test]
fn headers_that_are_not_the_expected_json_are_refused() {
    for header in [
        "[]",
        "{} x",
        "not json",
        "\"text\"",
        r#"{"a":1}"#,
        r#"{"a":{"dtype":"F32","shape":[2]}}"#,
        r#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]}}"#,
        r#"{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}"#,
    ] {
        assert_error!(weights_error(&safetensors(header, &[0; 8])), Error::HeaderSyntax { .. });
    }
    let deep = format!("{{\"a\":{}", "[".repeat(1 << 20));
    assert_error!(weights_error(&safetensors(&deep, &[])), Error::HeaderSyntax { .. });
    let not_utf8 = [&2u64.to_le_bytes()[..], &[b'{', 0xff]].concat();
    assert_error!(weights_error(&not_utf8), Error::HeaderSyntax { .. });
    let named = weights_error(&safetensors(r#"{"w.x":{"dtype":7}}"#, &[])).to_string();
    assert!(named.contains("w.x"), "{named}");
}

#[test]
fn a_pointer_of_git_lfs_is_recognised() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";
    let message = weights_error(pointer).to_string();
    assert!(message.contains("git lfs pull"), "{message}");
}

#[test]
fn a_name_that_occurs_twice_is_refused() {
    let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                     "b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},
                     "a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    assert_error!(weights_error(&safetensors(header, &[0; 12])), Error::DuplicateTensor { tensor, .. } if tensor == "a");
}

#[test]
fn offsets_that_overlap_leave_gaps_or_run_backwards_are_refused() {
    let two = |first: (u64, u64), second: (u64, u64)| {
        let header = format!(
            r#"{{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},"b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}}"#,
            first.1.wrapping_sub(first.0),
            first.0,
            first.1,
            second.1.wrapping_sub(second.0),
            second.0,
            second.1,
        );
        safetensors(&header, &[0; 8])
    };
    for (first, second, word) in [
        ((0, 6), (4, 8), "overlaps"),
        ((0, 8), (0, 8), "overlaps"),
        ((0, 3), (4, 8), "gap"),
        ((1, 4), (4, 8), "gap"),
        ((0, 4), (8, 4), "before it starts"),
        ((0, 4), (u64::MAX, 4), "before it starts"),
    ] {
        let error = weights_error(&two(first, second));
        let message = error.to_string();
        assert_error!(error, Error::Offsets { .. });
        assert!(message.contains(word), "{message}");
    }
    // Zero bytes at a border are no overlap.
    let directory = directory(&[("config.json", b"{}"), ("model.safetensors", &two((0, 8), (8, 8)))]);
    let checkpoint = Checkpoint::open(directory.path(), OpenOptions::default()).unwrap();
    assert_eq!(checkpoint.shape("b").unwrap(), [0]);
}

#[test]
fn offsets_beyond_the_file_are_refused() {
    let header = r#"{"a":{"dtype":"U8","shape":[1000000000000],"data_offsets":[0,1000000000000]}}"#;
    assert_error!(weights_error(&safetensors(header, &[0; 8])), Error::Truncated { .. });
}

#[test]
fn shapes_that_overflow_are_refused() {
    for shape in
        ["[4294967296,4294967296]", "[18446744073709551615,2]", "[9223372036854775808]", "[0,4294967296,4294967296]"]
    {
        let header = format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}}}"#);
        assert_error!(weights_error(&safetensors(&header, &[])), Error::ShapeOverflow { .. });
    }
    let end = u64::MAX;
    let header = format!(r#"{{"a":{{"dtype":"U8","shape":[{end}],"data_offsets":[0,{end}]}}}}"#);
    assert_error!(weights_error(&safetensors(&header, &[])), Error::ShapeOverflow { .. });
}

#[test]
fn lengths_that_contradict_shape_and_type_are_refused() {
    for (dtype, shape, expected) in [("F32", "[3]", 12), ("F16", "[2]", 4), ("F64", "[2,1]", 16), ("BOOL", "[]", 1)] {
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,8]}}}}"#);
        let error = weights_error(&safetensors(&header, &[0; 8]));
        assert_error!(error, Error::TensorLength { expected: e, found: 8, .. } if *e == expected);
    }
}

#[test]
fn element_types_are_refused_when_used_if_they_are_known_and_at_once_if_not() {
    let header = |dtype: &str| format!(r#"{{"a":{{"dtype":"{dtype}","shape":[8],"data_offsets":[0,8]}}}}"#);
    let message = weights_error(&safetensors(&header("Q4_K"), &[0; 8])).to_string();
    assert!(message.contains("Q4_K") && message.contains("BF16"), "{message}");
    let weights = safetensors(&header("F8_E4M3"), &[0; 8]);
    let directory = directory(&[("config.json", b"{}"), ("model.safetensors", &weights)]);
    let checkpoint = Checkpoint::open(directory.path(), OpenOptions::default()).unwrap();
    let message = checkpoint.tensor("a").unwrap_err().to_string();
    assert!(message.contains("F8_E4M3") && message.contains("F32, F16 or BF16"), "{message}");
}

#[test]
fn a_missing_tensor_is_named() {
    let weights = safetensors(F32_PAIR, &[0; 8]);
    let directory = directory(&[("config.json", b"{}"), ("model.safetensors", &weights)]);
    let checkpoint = Checkpoint::open(directory.path(), OpenOptions::default()).unwrap();
    assert_error!(checkpoint.tensor("b").unwrap_err(), Error::MissingTensor { tensor, .. } if tensor == "b");
}

#[test]
fn nan_and_infinity_are_reported_with_their_place() {
    let header = r#"{"a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}"#;
    for (bits, is_nan) in [(0x7fc0u16, true), (0x7f80, false)] {
        let [low, high] = bits.to_le_bytes();
        let weights = safetensors(header, &[0, 0, 0x80, 0x3f, 0, 0, low, high]);
        let directory = directory(&[("config.json", b"{}"), ("model.safetensors", &weights)]);
        let checkpoint = Checkpoint::open(directory.path(), OpenOptions::default()).unwrap();
        let view = checkpoint.tensor("a").unwrap();
        let error = checkpoint.scan_finite(&view).unwrap_err();
        assert_error!(error, Error::NotFinite { row: 1, column: 1, found, .. } if found.is_nan() == is_nan);
    }
}

fn index(map: &str) -> Vec<u8> {
    format!(r#"{{"metadata":{{"total_size":8}},"weight_map":{map}}}"#).into_bytes()
}

/// The error of a checkpoint whose index is `map` and whose two shards hold these tensors.
fn sharded_error(map: &str, first: &[&str], second: &[&str]) -> Error {
    let shard = |names: &[&str]| {
        let entries: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                format!(r#""{name}":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}}"#, 4 * i, 4 * i + 4)
            })
            .collect();
        safetensors(&format!("{{{}}}", entries.join(",")), &vec![0; 4 * names.len()])
    };
    let (first, second, index) = (shard(first), shard(second), index(map));
    let directory = directory(&[
        ("config.json", b"{}"),
        ("1.safetensors", &first),
        ("2.safetensors", &second),
        ("model.safetensors.index.json", &index),
    ]);
    match Checkpoint::open(directory.path(), OpenOptions::default()) {
        Ok(_) => panic!("accepted {map}"),
        Err(_) => error(directory.path()),
    }
}

#[test]
fn an_index_that_contradicts_its_shards_is_refused() {
    for (map, first, second, word) in [
        (r#"{"a":"1.safetensors","b":"3.safetensors"}"#, &["a"][..], &["b"][..], "3.safetensors"),
        (r#"{"a":"1.safetensors","b":"2.safetensors"}"#, &["a"], &[], "not in the shard"),
        (r#"{"a":"1.safetensors","b":"2.safetensors"}"#, &["a", "b"], &[], "not in the shard"),
        (r#"{"a":"1.safetensors","b":"2.safetensors"}"#, &["a", "b"], &["b"], "two shards"),
        (r#"{"a":"1.safetensors","b":"2.safetensors"}"#, &["a", "c"], &["b"], "missing in the index"),
        (r#"{"a":"../1.safetensors"}"#, &["a"], &[], "elsewhere"),
        (r#"{"a":"/etc/1.safetensors"}"#, &["a"], &[], "elsewhere"),
        (r#"{"a":"d\\1.safetensors"}"#, &["a"], &[], "elsewhere"),
        (r#"{"a":".."}"#, &["a"], &[], "elsewhere"),
        (r#"{"a":""}"#, &["a"], &[], "elsewhere"),
        (r#"{"a":"config.json"}"#, &["a"], &[], "elsewhere"),
        (r#"{"a":7}"#, &["a"], &[], "elsewhere"),
    ] {
        let error = sharded_error(map, first, second);
        let message = error.to_string();
        assert_error!(error, Error::Shards { .. });
        assert!(message.contains(word), "{message}");
    }
    assert_error!(sharded_error("[]", &["a"], &["b"]), Error::ConfigValue { .. });
    let twice = r#"{"a":"1.safetensors","a":"2.safetensors"}"#;
    assert_error!(sharded_error(twice, &["a"], &["a"]), Error::Json { reason, .. } if reason.contains("twice"));
}

#[test]
fn paths_that_hold_no_checkpoint_say_what_to_do() {
    let no_checkpoint = |files: &[(&str, &[u8])], word: &str| {
        let directory = directory(files);
        let error = error(directory.path());
        let message = error.to_string();
        assert_error!(error, Error::NoCheckpoint { .. });
        assert!(message.contains(word), "{message}");
    };
    no_checkpoint(&[], "config.json");
    no_checkpoint(&[("model.safetensors", b"")], "config.json");
    no_checkpoint(&[("config.json", b"{}")], "model.safetensors");
    no_checkpoint(&[("config.json", b"{}"), ("pytorch_model.bin", b"")], "save them as safetensors");
    no_checkpoint(&[("config.json", b"{}"), ("consolidated.safetensors", b"")], "Hugging Face layout");
    no_checkpoint(&[("model.gguf", b"")], "GGUF");
    no_checkpoint(&[("adapter_config.json", b"{}"), ("adapter_model.safetensors", b"")], "merge");
    no_checkpoint(&[("models--a--b", b"")], "models--a--b");
    let message = error(Path::new("no/such/directory")).to_string();
    assert!(message.contains("no such directory"), "{message}");
    let file = directory(&[("model.safetensors", b"")]);
    let message = error(&file.path().join("model.safetensors")).to_string();
    assert!(message.contains("the directory that holds it"), "{message}");
}

#[test]
fn a_configuration_that_is_not_json_or_names_a_key_twice_is_refused() {
    let weights = safetensors(F32_PAIR, &[0; 8]);
    for config in ["", "{", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":1,\"b\":2}}", "{\"a\":NaN}"] {
        let directory = directory(&[("config.json", config.as_bytes()), ("model.safetensors", &weights)]);
        assert_error!(error(directory.path()), Error::Json { .. });
    }
    let deep = "[".repeat(1 << 20);
    let directory = directory(&[("config.json", deep.as_bytes()), ("model.safetensors", &weights)]);
    assert_error!(error(directory.path()), Error::Json { .. });
}

#[test]
fn flipped_bits_in_a_header_never_cause_a_panic() {
    let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[4],"data_offsets":[8,16]}}"#;
    let whole = safetensors(header, &[0; 16]);
    let directory = directory(&[("config.json", b"{}")]);
    let file = directory.path().join("model.safetensors");
    for bit in 0..8 * (8 + header.len()) {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // Written to a new file: the old one may still be mapped.
        let _ = fs::remove_file(&file);
        fs::write(&file, &damaged).unwrap();
        if let Ok(checkpoint) = Checkpoint::open(directory.path(), OpenOptions::default()) {
            for name in checkpoint.tensor_names() {
                if let Ok(view) = checkpoint.tensor(name) {
                    assert_eq!(view.to_f32().len(), view.elements());
                }
            }
        }
    }
}

#[cfg(unix)]
mod cache {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A cache entry in the layout of huggingface_hub: blobs, and snapshots whose files are links to them.
    fn cache_entry(revisions: &[&str], main: Option<&str>) -> TempDir {
        let cache = tempfile::tempdir().unwrap();
        let entry = cache.path().join("models--organisation--name");
        fs::create_dir_all(entry.join("blobs")).unwrap();
        fs::create_dir_all(entry.join("refs")).unwrap();
        fs::write(entry.join("blobs/w"), safetensors(F32_PAIR, &[0; 8])).unwrap();
        for revision in revisions {
            let snapshot = entry.join("snapshots").join(revision);
            fs::create_dir_all(&snapshot).unwrap();
            fs::write(entry.join("blobs").join(revision), format!("{{\"revision\":\"{revision}\"}}")).unwrap();
            symlink(format!("../../blobs/{revision}"), snapshot.join("config.json")).unwrap();
            symlink("../../blobs/w", snapshot.join("model.safetensors")).unwrap();
        }
        if let Some(main) = main {
            fs::write(entry.join("refs/main"), main).unwrap();
        }
        cache
    }

    #[test]
    fn entries_and_snapshots_open() {
        let cache = cache_entry(&["aaa", "bbb"], Some("bbb\n"));
        let entry = cache.path().join("models--organisation--name");
        let open = |path: &Path| Checkpoint::open(path, OpenOptions::default()).unwrap();
        assert_eq!(open(&entry).config()["revision"], "bbb");
        assert_eq!(open(&entry.join("snapshots/aaa")).config()["revision"], "aaa");
        assert!(open(&entry).directory().ends_with("snapshots/bbb"));
        let only = cache_entry(&["aaa"], None);
        assert_eq!(open(&only.path().join("models--organisation--name")).config()["revision"], "aaa");
    }

    #[test]
    fn entries_without_a_usable_revision_are_refused() {
        for (revisions, main) in [
            (&["aaa", "bbb"][..], None),
            (&["aaa"][..], Some("ccc")),
            (&["aaa"][..], Some("../snapshots/aaa")),
            (&["aaa"][..], Some("")),
        ] {
            let cache = cache_entry(revisions, main);
            let error = error(&cache.path().join("models--organisation--name"));
            assert_error!(error, Error::NoCheckpoint { .. });
        }
        let cache = cache_entry(&["aaa"], Some("aaa"));
        let message = error(cache.path()).to_string();
        assert!(message.contains("models--organisation--name"), "{message}");
    }

    #[test]
    fn a_blob_that_is_missing_is_named() {
        let cache = cache_entry(&["aaa"], Some("aaa"));
        let entry = cache.path().join("models--organisation--name");
        fs::remove_file(entry.join("blobs/w")).unwrap();
        assert_error!(error(&entry), Error::Io { file, .. } if file.ends_with("model.safetensors"));
    }
}
