//! `nibble logits`: the same bytes by every way, and the numbers of float64 PyTorch.

use super::program::{nibble, shared, text};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn joined(value: &Value) -> String {
    let ids: Vec<String> = value.as_array().unwrap().iter().map(Value::to_string).collect();
    ids.join(",")
}

#[test]
fn the_digest_is_that_of_the_printed_logits() {
    let report =
        nibble(&["logits", "-m", "builtin:seeded", "--tokens", "256,72,105,33", "--positions", "3,0,3"]).json();
    assert_eq!(joined(&report["positions"]), "0,3");
    let mut digest = Sha256::new();
    for row in report["logits"].as_array().unwrap() {
        assert_eq!(row.as_array().unwrap().len(), 258);
        for logit in row.as_array().unwrap() {
            // The shortest decimal that reads back as this f32.
            let printed = logit.to_string();
            let value: f32 = printed.parse().unwrap();
            assert_eq!(serde_json::to_string(&value).unwrap(), printed);
            digest.update(value.to_le_bytes());
        }
    }
    let hexadecimal: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(report["digest"], format!("sha256:{hexadecimal}"));
}

#[test]
#[allow(clippy::disallowed_methods)]
fn next_logprobs_are_logits_minus_log_sum_exp() {
    let report = nibble(&["logits", "-m", "builtin:seeded", "--tokens", "256,72,105,33", "--positions", "all"]).json();
    let (rows, found) = (rows(&report["logits"]), numbers(&report["next_logprobs"]));
    assert_eq!((rows.len(), found.len()), (4, 3));
    for (i, next) in [72usize, 105, 33].into_iter().enumerate() {
        let total = rows[i].iter().fold(0.0, |sum, logit| sum + logit.exp());
        // The terms of the sum are f32.
        assert!((found[i] - (rows[i][next] - total.ln())).abs() < 1e-6, "{i}");
    }
    let one = nibble(&["logits", "-m", "builtin:seeded", "--tokens", "7"]).json();
    assert_eq!((one["next_logprobs"].as_array().unwrap().len(), one["logits"].as_array().unwrap().len()), (0, 1));
}

#[test]
fn no_setting_of_speed_changes_a_byte() {
    for quant in ["none", "rtn:w4g32", "rtn:w3a8"] {
        let with = |arguments: &[&str]| {
            let fixed = [
                "logits",
                "-q",
                "-m",
                "builtin:seeded",
                "--prompt",
                "The same bytes by every way.",
                "--positions",
                "all",
            ];
            nibble(&[&fixed, ["--quant", quant].as_slice(), arguments].concat()).ok()
        };
        let expected = with(&[]);
        for arguments in [
            ["--prefill_chunk", "1"],
            ["--prefill_chunk", "7"],
            ["--threads", "1"],
            ["--threads", "3"],
            ["--isa", "scalar"],
            ["--isa", "wide"],
        ] {
            assert!(with(&arguments) == expected, "{quant} {arguments:?}");
        }
        assert!(with(&["--no_mmap"]) == expected);
    }
}

#[test]
fn logits_are_those_of_float64_within_four_errors_of_float32() {
    let Some(golden) = shared("golden/A") else { return };
    for name in ["llama-dynamic", "gpt2", "qwen1", "mistral", "qwen3"] {
        let directory = golden.join(name);
        let expected: Value = serde_json::from_slice(&std::fs::read(directory.join("golden.json")).unwrap()).unwrap();
        let bound = 4.0 * expected["max_abs_diff_logits"].as_f64().unwrap();
        for sequence in expected["sequences"].as_array().unwrap() {
            let positions = joined(&sequence["positions"]);
            let ids = joined(&sequence["ids"]);
            let report =
                nibble(&["logits", "-m", text(&directory), "--tokens", &ids, "--positions", &positions]).json();
            assert_eq!(report["positions"], sequence["positions"]);
            let pairs = rows(&report["logits"]).into_iter().zip(rows(&sequence["logits_f64"]));
            for (found, expected) in pairs.flat_map(|(found, expected)| found.into_iter().zip(expected)) {
                assert!((found - expected).abs() <= bound, "{name} {}: {found} {expected}", sequence["name"]);
            }
            let pairs = numbers(&report["next_logprobs"]).into_iter().zip(numbers(&sequence["next_logprob_f64"]));
            for (found, expected) in pairs {
                assert!((found - expected).abs() <= bound, "{name} {}: {found} {expected}", sequence["name"]);
            }
        }
    }
}
