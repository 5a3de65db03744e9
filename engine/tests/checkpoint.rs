//! Do checkpoints open, and do their tensors hold what the files hold?

mod reference;

use std::path::Path;

use engine::checkpoint::{Checkpoint, OpenOptions, Reading};
use engine::error::Error;
use engine::tensor::Dtype;
use reference::shared;
use safetensors::tensor::{Dtype as StoredDtype, TensorView as Stored};
use serde_json::json;

const BOTH: [OpenOptions; 2] = [OpenOptions { reading: Reading::Mapped }, OpenOptions { reading: Reading::Read }];

/// A checkpoint of three tensors in the three element types, written by the safetensors crate.
fn write_three(directory: &Path) {
    let f32_bytes: Vec<u8> =
        [1.5f32, -2.0, 0.0, 3.0e-39, 7.0, f32::MAX].iter().flat_map(|value| value.to_le_bytes()).collect();
    let f16_bytes: Vec<u8> = [0x3c00u16, 0x0001, 0xfbff].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let bf16_bytes: Vec<u8> = [0x3f80u16, 0x0001].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let tensors = [
        ("a.matrix", StoredDtype::F32, vec![2, 3], &f32_bytes),
        ("b.vector", StoredDtype::F16, vec![3], &f16_bytes),
        ("c.column", StoredDtype::BF16, vec![2, 1], &bf16_bytes),
    ]
    .map(|(name, dtype, shape, bytes)| (name, Stored::new(dtype, shape, bytes).unwrap()));
    let file = directory.join("model.safetensors");
    safetensors::serialize_to_file(tensors, None, &file).unwrap();
    std::fs::write(directory.join("config.json"), r#"{"model_type": "llama"}"#).unwrap();
}

#[test]
fn a_directory_opens_mapped_and_read_alike() {
    let directory = tempfile::tempdir().unwrap();
    write_three(directory.path());
    for options in BOTH {
        let checkpoint = Checkpoint::open(directory.path(), options).unwrap();
        assert_eq!(checkpoint.config()["model_type"], "llama");
        let names: Vec<&str> = checkpoint.tensor_names().collect();
        assert_eq!(names, ["a.matrix", "b.vector", "c.column"]);
        assert!(checkpoint.contains("a.matrix") && !checkpoint.contains("d"));
        assert_eq!(checkpoint.weight_bytes(), 24 + 6 + 4);
        let matrix = checkpoint.tensor("a.matrix").unwrap();
        assert_eq!((matrix.dtype, matrix.rows(), matrix.columns()), (Dtype::F32, 2, 3));
        assert_eq!(matrix.to_f32(), [1.5, -2.0, 0.0, 3.0e-39, 7.0, f32::MAX]);
        let vector = checkpoint.tensor("b.vector").unwrap();
        assert_eq!(vector.to_f32(), [1.0, 1.0 / 16_777_216.0, -65504.0]);
        let column = checkpoint.tensor("c.column").unwrap();
        assert_eq!(column.to_f32(), [1.0, f32::from_bits(1 << 16)]);
        // Tensors outlive the checkpoint.
        drop(checkpoint);
        assert_eq!(matrix.to_f32()[0], 1.5);
    }
}

#[test]
fn what_is_released_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    // The second tensor begins and ends inside a page.
    let values: Vec<f32> = (0..100_000).map(|k| k as f32).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensors = [("a", 0..1000), ("b", 1000..99_000), ("c", 99_000..100_000)].map(|(name, range)| {
        let stored = &bytes[4 * range.start..4 * range.end];
        (name, Stored::new(StoredDtype::F32, vec![range.len()], stored).unwrap())
    });
    safetensors::serialize_to_file(tensors, None, &directory.path().join("model.safetensors")).unwrap();
    std::fs::write(directory.path().join("config.json"), "{}").unwrap();
    for options in BOTH {
        let checkpoint = Checkpoint::open(directory.path(), options).unwrap();
        let digests = checkpoint.sha256().unwrap();
        let views = ["a", "b", "c"].map(|name| checkpoint.tensor(name).unwrap());
        for range in [0..0, 0..392_000, 4000..8000, 1..391_999] {
            views[1].bytes.release(range);
            let found: Vec<f32> = views.iter().flat_map(|view| view.to_f32()).collect();
            assert_eq!(found, values);
        }
        checkpoint.verify_unchanged(&digests).unwrap();
    }
}

#[test]
fn digests_are_those_of_the_files_and_a_change_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    write_three(directory.path());
    std::fs::write(directory.path().join("tokenizer.json"), "abc").unwrap();
    for options in BOTH {
        let checkpoint = Checkpoint::open(directory.path(), options).unwrap();
        let digests = checkpoint.sha256().unwrap();
        let names: Vec<&str> = digests.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json"]);
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digests[2].1, abc);
        checkpoint.verify_unchanged(&digests).unwrap();
        std::fs::write(directory.path().join("tokenizer.json"), "abd").unwrap();
        let error = checkpoint.verify_unchanged(&digests).unwrap_err();
        assert!(matches!(&error, Error::Changed { file, .. } if file.ends_with("tokenizer.json")));
        std::fs::remove_file(directory.path().join("tokenizer.json")).unwrap();
        assert!(checkpoint.verify_unchanged(&digests).is_err());
        std::fs::write(directory.path().join("tokenizer.json"), "abc").unwrap();
        checkpoint.verify_unchanged(&digests).unwrap();
    }
}

#[test]
fn a_truncated_map_is_noticed_before_it_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    write_three(directory.path());
    let checkpoint = Checkpoint::open(directory.path(), OpenOptions::default()).unwrap();
    let file = directory.path().join("model.safetensors");
    std::fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
    assert!(matches!(checkpoint.sha256(), Err(Error::Changed { .. })));
}

#[test]
fn a_checkpoint_made_in_memory_is_like_one_on_disk() {
    let tensors = || {
        vec![
            ("b".to_string(), Dtype::Bf16, vec![1, 2], vec![0x80, 0x3f, 0, 0x40]),
            ("a".to_string(), Dtype::F32, vec![1], 2.5f32.to_le_bytes().to_vec()),
        ]
    };
    let config = json!({"model_type": "llama"});
    let checkpoint = Checkpoint::from_memory(config.clone(), tensors()).unwrap();
    assert_eq!(checkpoint.tensor_names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(checkpoint.tensor("b").unwrap().to_f32(), [1.0, 2.0]);
    assert!(checkpoint.files().is_empty());
    let digests = checkpoint.sha256().unwrap();
    checkpoint.verify_unchanged(&digests).unwrap();
    let mut reversed = tensors();
    reversed.reverse();
    let same = Checkpoint::from_memory(config.clone(), reversed).unwrap();
    assert_eq!(same.sha256().unwrap(), digests);
    let mut other = tensors();
    other[0].3[0] = 0x81;
    let other = Checkpoint::from_memory(config.clone(), other).unwrap();
    assert_ne!(other.sha256().unwrap(), digests);

    let twice = [tensors(), tensors()].concat();
    let error = Checkpoint::from_memory(config.clone(), twice).err();
    assert!(matches!(error, Some(Error::DuplicateTensor { .. })));
    let short = vec![("a".to_string(), Dtype::F32, vec![2], vec![0; 7])];
    let error = Checkpoint::from_memory(config, short).err();
    assert!(matches!(error, Some(Error::TensorLength { expected: 8, found: 7, .. })));
}

#[test]
fn every_reference_checkpoint_opens_and_agrees_with_the_safetensors_crate() {
    let Some(shared) = shared("golden/A") else {
        return;
    };
    let mut opened = 0;
    for entry in std::fs::read_dir(shared).unwrap() {
        let directory = entry.unwrap().path();
        if !directory.is_dir() {
            continue;
        }
        for options in BOTH {
            let checkpoint = Checkpoint::open(&directory, options).unwrap();
            let mut seen = 0;
            for file in checkpoint.files() {
                let bytes = std::fs::read(file).unwrap();
                for (name, stored) in safetensors::SafeTensors::deserialize(&bytes).unwrap().iter() {
                    let view = checkpoint.tensor(name).unwrap();
                    assert_eq!(view.shape, stored.shape(), "{name}");
                    assert_eq!(view.bytes.as_slice(), stored.data(), "{name}");
                    checkpoint.scan_finite(&view).unwrap();
                    seen += 1;
                }
            }
            assert_eq!(checkpoint.tensor_names().count(), seen);
            opened += 1;
        }
    }
    assert!(opened > 0);
}

#[test]
fn the_trained_checkpoints_open() {
    let Some(shared) = shared("models") else {
        return;
    };
    for entry in std::fs::read_dir(shared).unwrap() {
        let directory = entry.unwrap().path();
        let checkpoint = Checkpoint::open(&directory, OpenOptions::default()).unwrap();
        for name in checkpoint.tensor_names() {
            checkpoint.scan_finite(&checkpoint.tensor(name).unwrap()).unwrap();
        }
    }
}
