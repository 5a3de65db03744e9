//! Perplexities of a trained checkpoint against float64 PyTorch (`shared/golden/real`): the baseline to 1e-6 relative,
//! round-to-nearest with f32 activations to 1e-4, with 16-bit activations to 1e-3; LLM.int8(), whose f32 and f64 already
//! differ in the fourth digit there, to 1e-3.

mod stories;

use quant::Recipe;
use stories::Stories;

#[test]
fn perplexities_of_a_trained_checkpoint_equal_the_published_ones() {
    let Some(stories) = Stories::open() else { return };
    let check = |recipe: &str, expected: &serde_json::Value, tolerance: f64| {
        let parsed = Recipe::parse(recipe).unwrap();
        let model = quant::build_model(&stories.checkpoint, &parsed, &stories.runtime).unwrap();
        let (found, expected) = (stories.perplexity(&model), expected.as_f64().unwrap());
        let error = (found / expected - 1.0).abs();
        println!("{recipe}: {found} for {expected}, {error:.1e} relative");
        assert!(error <= tolerance, "{recipe}: {found} for {expected}, {error:e} relative");
    };
    check("none", &stories.golden["perplexity"]["ppl_f64"], 1e-6);
    for (name, numbers) in stories.golden["rtn"].as_object().unwrap() {
        let (bits, group) = name.split_at(2);
        check(&format!("rtn:{bits}a32{group}"), &numbers["ppl_f64"], 1e-4);
        check(&format!("rtn:{bits}{group}"), &numbers["ppl_f64"], 1e-3);
    }
    // Outliers of the reference are those of a window.
    for (recipe, name) in [
        ("llm.int8:outliers=per_call", "t6_int8_outlier_weights"),
        ("llm.int8:outliers=per_call:outlier_weights=exact", "t6_exact_outlier_weights"),
        ("llm.int8:outliers=per_call:half=true", "t6_int8_outlier_weights_half_inputs"),
        ("llm.int8:outliers=per_call:threshold=2", "t2_int8_outlier_weights"),
        ("llm.int8:outliers=per_call:threshold=2:outlier_weights=exact", "t2_exact_outlier_weights"),
        ("llm.int8:threshold=none", "no_decomposition"),
        ("llm.int8", "t6_int8_outlier_weights"),
    ] {
        check(recipe, &stories.golden["llm_int8"][name]["ppl_f64"], 1e-3);
    }
}
