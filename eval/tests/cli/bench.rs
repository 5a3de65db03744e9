//! `nibble bench`: llama-bench's tests, table and keys. Nothing here depends on how fast it was.

use super::program::nibble;

const SMALL: [&str; 7] = ["bench", "-q", "-m", "builtin:seeded", "-r", "2", "--no_warmup"];

#[test]
fn lists_are_combined_and_keys_are_those_of_llama_bench() {
    let flags =
        ["--quant", "none,rtn:w4g32", "-p", "8,0", "-n", "2", "-d", "0,4", "-t", "1,2", "-pg", "4,2", "-o", "json"];
    let rows = nibble(&[SMALL.as_slice(), &flags].concat()).json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2 * 2 * 2 * 3);
    for row in rows {
        for key in [
            "cpu_info",
            "model_filename",
            "model_type",
            "model_size",
            "model_n_params",
            "n_threads",
            "n_prompt",
            "n_gen",
            "n_depth",
            "avg_ns",
            "stddev_ns",
            "avg_ts",
            "stddev_ts",
            "memory_bytes_per_second",
        ] {
            assert!(!row[key].is_null(), "{key}: {row}");
        }
        assert_eq!((row["samples_ts"].as_array().unwrap().len(), row["samples_ns"].as_array().unwrap().len()), (2, 2));
        assert!(row["avg_ts"].as_f64().unwrap() > 0.0);
        // Only what generates reads all weights for each token.
        let generates = row["n_prompt"] == 0;
        assert_eq!(row["bytes_per_token"].as_u64().is_some_and(|bytes| bytes > 100_000), generates, "{row}");
        assert_eq!(row["share_of_memory_bandwidth"].as_f64().is_some_and(|share| share > 0.0), generates, "{row}");
    }
    // Threads change no bit, and a smaller model is smaller.
    let of = |quant: &str, threads: u64| -> Vec<_> {
        let rows = rows.iter().filter(|row| row["quant"] == quant && row["n_threads"] == threads);
        rows.map(|row| row["logits_digest"].clone()).collect()
    };
    assert_eq!(of("none", 1), of("none", 2));
    assert_eq!(of("rtn:w4g32", 1), of("rtn:w4g32", 2));
    assert!(rows[0]["model_size"].as_u64().unwrap() > rows[rows.len() - 1]["model_size"].as_u64().unwrap());
}

#[test]
fn the_other_forms() {
    let with =
        |format: &str| nibble(&[SMALL.as_slice(), &["-p", "4", "-n", "0", "-d", "0,2", "-o", format]].concat()).ok();
    let table = with("md");
    assert!(table.contains("| t/s |") || table.contains(" t/s |"), "{table}");
    assert!(table.contains("pp4 @ d2") && table.contains(" ± "), "{table}");
    assert_eq!(with("csv").lines().count(), 3);
    let lines = with("jsonl");
    assert!(lines.lines().count() == 2 && lines.lines().all(|line| line.starts_with('{')), "{lines}");
}
