//! Packed matrices in files: what is read is what was written, and no file causes a panic.

use engine::InputMap;
use engine::format::{
    GridRow, Line, MatrixReader, MatrixWriter, OutlierPrecision, PackedMatrix, PackedShape, SparseQuantizedMatrix,
    SparseQuantizedParts, SparseQuantizedShape, ZeroPoints,
};
use engine::linear::{Activations, Weights};
use kernels::{CodeBits, Kernels};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const ROWS: usize = 37;
const COLUMNS: usize = 72;

fn packed(map: &Arc<InputMap>) -> Weights {
    let shape = PackedShape {
        rows: ROWS,
        columns: COLUMNS,
        bits: CodeBits::Three,
        group: Some(32),
        zero_points: ZeroPoints::Stored,
    };
    let matrix = PackedMatrix::build(Kernels::best(), shape, |row: GridRow<'_>| {
        for (k, code) in row.codes.iter_mut().enumerate() {
            *code = ((k * 7 + row.row) % 8) as u8;
        }
        for (group, (scale, zero)) in row.scales.iter_mut().zip(row.zeros.iter_mut()).enumerate() {
            (*scale, *zero) = (0.1 + row.row as f32 + group as f32, ((row.row + group) % 8) as u8);
        }
    });
    Weights::Packed { matrix: matrix.with_input_map(Arc::clone(map)), activations: Activations::A8 }
}

fn sparse(map: &Arc<InputMap>) -> Weights {
    let (groups, blocks) = (COLUMNS.div_ceil(16), ROWS.div_ceil(16));
    let numbers = |count: usize, below: usize| (0..count).map(|i| (i * 31 % below) as u8).collect::<Vec<u8>>();
    let lines: Vec<[Line; 2]> = (0..groups * blocks)
        .map(|i| [Line { step: 0.1, offset: 0.5 + i as f64 / 64.0 }, Line { step: 0.3, offset: -1.0 }])
        .collect();
    let parts = SparseQuantizedParts {
        codes: &numbers(ROWS * COLUMNS, 4),
        scale_codes: &numbers(ROWS * groups, 8),
        zero_codes: &numbers(ROWS * groups, 8),
        second_levels: &lines,
        outliers: &[(0, 71, 9.0), (5, 3, -7.5), (36, 0, 2.25)],
        outlier_precision: OutlierPrecision::Half,
    };
    let shape =
        SparseQuantizedShape { rows: ROWS, columns: COLUMNS, bits: CodeBits::Two, group: 16, statistic_bits: [3, 3] };
    let matrix = SparseQuantizedMatrix::new(Kernels::best(), shape, &parts).unwrap();
    Weights::SparseQuantized { matrix: matrix.with_input_map(Arc::clone(map)), activations: Activations::A16 }
}

fn rows(weights: &Weights) -> Vec<f32> {
    let mut rows = vec![0.0; ROWS * COLUMNS];
    for (row, out) in rows.chunks_mut(COLUMNS).enumerate() {
        match weights {
            Weights::Packed { matrix, .. } => matrix.dequantize_row(row, out),
            Weights::SparseQuantized { matrix, .. } => matrix.dequantize_row(row, out),
            Weights::Dense(_) | Weights::Decomposed(_) | Weights::Levels(_) => panic!("a matrix that is not stored"),
        }
    }
    rows
}

/// Two matrices that share a map, in a file.
fn written(path: &Path) -> [Weights; 2] {
    let features = (0..COLUMNS as u32).map(|k| k * 5 % COLUMNS as u32).collect();
    let map = Arc::new(InputMap::new(COLUMNS, Some(features), Some(vec![0.5; COLUMNS])).unwrap());
    let matrices = [packed(&map), sparse(&map)];
    let mut writer = MatrixWriter::default();
    writer.push("a", &matrices[0]);
    writer.push("b", &matrices[1]);
    writer.write(path, json!({"what": "a test"})).unwrap();
    matrices
}

#[test]
fn what_is_read_is_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("two.safetensors");
    let matrices = written(&path);
    let mut reader = MatrixReader::open(&path).unwrap();
    assert_eq!(reader.content(), &json!({"what": "a test"}));
    let read = ["a", "b"].map(|name| reader.take(name).unwrap().unwrap());
    assert!(reader.take("c").unwrap().is_none());
    for (read, written) in read.iter().zip(&matrices) {
        assert_eq!(rows(read), rows(written));
        assert_eq!((read.bytes(), read.nominal_bits()), (written.bytes(), written.nominal_bits()));
        assert_eq!(read.input_map(), written.input_map());
    }
    assert!(Arc::ptr_eq(read[0].input_map().unwrap(), read[1].input_map().unwrap()), "one map for both");
    assert!(matches!(read[0], Weights::Packed { activations: Activations::A8, .. }));
    // The same bytes each time.
    let again = directory.path().join("again.safetensors");
    written(&again);
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap());
}

#[test]
fn a_header_that_lies_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("two.safetensors");
    written(&path);
    let bytes = std::fs::read(&path).unwrap();
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..8 + header_len].to_vec()).unwrap();
    let mut refused = 0;
    for (from, to) in [
        ("rows\\\":37", "rows\\\":99"),
        ("rows\\\":37", "rows\\\":00"),
        ("columns\\\":72", "columns\\\":99"),
        ("columns\\\":72", "columns\\\":40"),
        ("bits\\\":3", "bits\\\":5"),
        ("bits\\\":2", "bits\\\":8"),
        ("group\\\":32", "group\\\":31"),
        ("group\\\":16", "group\\\":64"),
        ("scale_bits\\\":3", "scale_bits\\\":9"),
        ("a16", "a99"),
        ("map\\\":0", "map\\\":4"),
        ("format\\\":1", "format\\\":2"),
        ("a.codes", "z.codes"),
        ("b.starts", "b.startz"),
    ] {
        assert!(header.contains(from), "{from} in {header}");
        let mut changed = bytes.clone();
        changed[8..8 + header_len].copy_from_slice(header.replace(from, to).as_bytes());
        std::fs::write(&path, changed).unwrap();
        let read = MatrixReader::open(&path).and_then(|mut reader| {
            reader.take("a")?;
            reader.take("b")
        });
        let error = read.err().unwrap_or_else(|| panic!("{from} -> {to} was read")).to_string();
        assert!(error.contains("two.safetensors") && error.contains("remove the file"), "{error}");
        refused += 1;
    }
    assert_eq!(refused, 14);
}
