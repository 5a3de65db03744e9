//! `nibble quantize` and `nibble explain layer`.

use super::program::{nibble, text};
use serde_json::Value;

const TOKENS: [&str; 4] = ["--tokens", "256,72,105,33", "--positions", "all"];

fn digest(model: &str, recipe: &[&str]) -> Value {
    let report = nibble(&[["logits", "-q", "-m", model].as_slice(), recipe, &TOKENS].concat()).json();
    report["digest"].clone()
}

#[test]
fn what_is_written_gives_the_same_logits() {
    let root = tempfile::tempdir().unwrap();
    for (index, (recipe, layout)) in [
        ("rtn:w4g16:head=w8", "compressed-tensors"),
        ("gptq:w3g16:act_order=true", "compressed-tensors"),
        ("spqr:w3g16", "nibble"),
    ]
    .into_iter()
    .enumerate()
    {
        let place = root.path().join(index.to_string());
        let calibration = ["--calibration_samples", "2", "--calibration_length", "64"];
        let chosen = [["--quant", recipe].as_slice(), &calibration].concat();
        let out = ["-o", text(&place), "--format", "json"];
        let written = nibble(&[["quantize", "-q", "-m", "builtin:seeded"].as_slice(), &chosen, &out].concat()).json();
        assert_eq!((&written["layout"], &written["recipe"]), (&layout.into(), &recipe.into()));
        assert_eq!(digest(text(&place), &[]), digest("builtin:seeded", &chosen), "{recipe}");
        let shown = nibble(&["models", "show", text(&place), "--format", "json"]).json();
        assert!(shown["quantization"].as_str().unwrap().starts_with(layout), "{shown}");
        let builtin = nibble(&["models", "show", "builtin:seeded", "--format", "json"]).json();
        assert_eq!((&shown["supported"], &shown["parameters"]), (&true.into(), &builtin["parameters"]));
        let file: Value = serde_json::from_slice(&std::fs::read(place.join("config.json")).unwrap()).unwrap();
        assert_eq!(file["nibble"]["recipe"], recipe);
        assert_eq!(file["nibble"]["calibration"].is_object(), recipe != "rtn:w4g16:head=w8");
        // It is not quantized again, and not written over.
        let [what, _, fix] = nibble(&["logits", "-m", text(&place), "--quant", "rtn:w4", "--tokens", "1"]).error(2);
        assert!(what.contains("quantized already") && fix.contains("`none`"), "{what} {fix}");
        let [what, _, fix] =
            nibble(&["quantize", "-m", "builtin:seeded", "--quant", "rtn:w4", "-o", text(&place)]).error(3);
        assert!(what.contains("exists") && fix.contains("--overwrite"), "{what} {fix}");
        nibble(&["quantize", "-q", "-m", "builtin:seeded", "--quant", "rtn:w8", "--overwrite", "-o", text(&place)])
            .ok();
        assert_eq!(digest(text(&place), &[]), digest("builtin:seeded", &["--quant", "rtn:w8"]));
    }
    let left = std::fs::read_dir(root.path()).unwrap().count();
    assert_eq!(left, 3, "nothing is left beside what was written");
}

#[test]
fn a_layer_in_numbers_and_as_a_picture() {
    let root = tempfile::tempdir().unwrap();
    let layer = "model.layers.1.mlp.down_proj";
    let mut errors = Vec::new();
    for (index, recipe) in ["rtn:w8g16", "rtn:w4g16", "gptq:w2g16"].into_iter().enumerate() {
        let picture = root.path().join(format!("{index}.svg"));
        let fixed = ["explain", "layer", "-q", "-m", "builtin:seeded", "--quant", recipe, "--layer", layer];
        let short = ["--calibration_samples", "2", "--calibration_length", "64"];
        let run = |more: &[&str]| nibble(&[fixed.as_slice(), &short, more].concat());
        let report = run(&["-o", text(&picture), "--format", "json"]).json();
        assert_eq!((&report["layer"], &report["block"]), (&layer.into(), &1.into()));
        let errors_found = &report["errors"]["recipe"];
        assert_eq!(errors_found["hessian_weighted"].is_number(), recipe.starts_with("gptq"));
        errors.push(errors_found["mse"].as_f64().unwrap());
        let first = std::fs::read_to_string(&picture).unwrap();
        assert!(first.starts_with("<svg ") && first.ends_with("</svg>\n") && first.contains(recipe));
        for (start, end) in [("<text", "</text>"), ("<style", "</style>"), ("<svg", "</svg>")] {
            assert_eq!(first.matches(start).count(), first.matches(end).count());
        }
        // One cell a row or more, for each of the eleven groups.
        assert!(first.matches("<rect").count() > 64 * 11 / 96 + 96, "{}", first.matches("<rect").count());
        run(&["-o", text(&picture), "--threads", "1", "--isa", "scalar"]).ok();
        assert!(std::fs::read_to_string(&picture).unwrap() == first, "the same bytes");
        for (format, named) in [("table", "SQNR dB"), ("csv", "errors,"), ("md", "| errors")] {
            let found = run(&["--format", format]).ok();
            assert!(found.contains(named) && found.contains("worst"), "{found}");
        }
    }
    assert!(errors.is_sorted() && errors[0] > 0.0, "{errors:?}");
    let [what, _, fix] = nibble(&[
        "explain",
        "layer",
        "-m",
        "builtin:seeded",
        "--quant",
        "rtn:w4",
        "--layer",
        "model.layers.1.mlp.dwn_proj",
    ])
    .error(2);
    assert!(what.contains("dwn_proj") && fix.contains(layer), "{what} {fix}");
}
