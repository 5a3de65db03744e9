//! Parquet files as the Hugging Face hub stores them: read under the feature `parquet`, refused with its name without.

use datasets::{DataRoots, gsm8k};
use std::path::Path;
use tempfile::TempDir;

/// A directory with one of the files of `tests/parquet`, called as the hub does.
fn dir_with(fixture: &str, path: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join(path);
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(fixture);
    std::fs::copy(file, place).unwrap();
    dir
}

fn roots(dir: &TempDir) -> DataRoots {
    DataRoots::new(&[dir.path().to_owned()])
}

#[test]
#[cfg(not(feature = "parquet"))]
fn without_the_feature_the_error_names_it() {
    let dir = dir_with("gsm8k.parquet", "gsm8k/main/test-00000-of-00001.parquet");
    let error = gsm8k::read(&roots(&dir), gsm8k::Split::Test).unwrap_err();
    assert!(matches!(error, datasets::Error::Feature { .. }), "{error}");
    assert!(error.to_string().contains("--features parquet"), "{error}");
}

#[cfg(feature = "parquet")]
mod with_the_feature {
    use super::*;
    use datasets::{Pinning, arc, boolq, ifeval, mmlu, snli, truthfulqa, wikitext};

    #[test]
    fn strings_lists_structures_integers_and_booleans_are_read() {
        let dir = dir_with("gsm8k.parquet", "gsm8k/main/test-00000-of-00001.parquet");
        let loaded = gsm8k::read(&roots(&dir), gsm8k::Split::Test).unwrap();
        assert_eq!(loaded.files[0].name, "gsm8k/main/test-00000-of-00001.parquet");
        let results: Vec<&str> = loaded.content.iter().map(|problem| problem.result.as_str()).collect();
        assert_eq!(results, ["7", "600"]);

        let dir = dir_with("snli.parquet", "snli/plain_text/test-00000-of-00001.parquet");
        let pairs = snli::read(&roots(&dir), snli::Split::Test).unwrap().content;
        let labels: Vec<snli::Label> = pairs.labelled.iter().map(|pair| pair.label).collect();
        assert_eq!(labels, [snli::Label::Entailment, snli::Label::Contradiction]);
        assert_eq!(pairs.without_gold, [("Two dogs run.".to_owned(), "The dogs are brown.".to_owned())]);

        let dir = dir_with("arc.parquet", "arc/ARC-Easy/test-00000-of-00001.parquet");
        let questions = arc::read(&roots(&dir), arc::Set::Easy, arc::Split::Test).unwrap().content;
        assert_eq!((&questions[0].choices[..], questions[0].answer), (&["ice".to_owned(), "rock".to_owned()][..], 0));
        assert_eq!((questions[1].choices.len(), questions[1].answer), (3, 1));

        let dir = dir_with("boolq.parquet", "boolq/data/validation-00000-of-00001.parquet");
        let items = boolq::read(&roots(&dir), boolq::Split::Validation).unwrap().content;
        assert_eq!([items[0].answer, items[1].answer], [boolq::Answer::Yes, boolq::Answer::No]);

        let dir = dir_with("truthfulqa.parquet", "truthfulqa/generation/validation-00000-of-00001.parquet");
        let questions = truthfulqa::read_generation(&roots(&dir)).unwrap().content;
        assert_eq!(questions[0].correct_answers, ["It can strike the same place again", "Yes"]);

        let dir = dir_with("mmlu.parquet", "mmlu/virology/validation-00000-of-00001.parquet");
        let allowing = roots(&dir).with_pinning(Pinning::Allow);
        let loaded = mmlu::read(&allowing, "virology", mmlu::Split::Validation).unwrap();
        assert_eq!((loaded.content[0].choices[2].as_str(), loaded.content[0].answer), ("c", 2));
        assert_eq!(loaded.files[0].name, "mmlu/virology/validation-00000-of-00001.parquet");

        let dir = dir_with("truthfulqa_mc.parquet", "truthful_qa/multiple_choice/validation-00000-of-00001.parquet");
        let questions = truthfulqa::read(&roots(&dir)).unwrap().content;
        let named = |text: &str, correct| (text.to_owned(), correct);
        assert_eq!(questions[0].mc1, [named("Yes", true), named("No", false)]);
        assert_eq!(questions[0].mc2, [named("Yes", true), named("It can", true), named("Never", false)]);

        let dir = dir_with("wikitext.parquet", "wikitext2/wikitext-2-raw-v1/test-00000-of-00001.parquet");
        let error = wikitext::read(&roots(&dir), wikitext::Split::Test).unwrap_err();
        assert!(error.to_string().contains("its text has SHA-256"), "{error}");
        let allowing = roots(&dir).with_pinning(Pinning::Allow);
        let raw = wikitext::read(&allowing, wikitext::Split::Test).unwrap().content;
        assert_eq!(raw, " \n = One = \n \n Text of one . \n");

        let dir = dir_with("ifeval.parquet", "ifeval/data/train-00000-of-00001.parquet");
        let prompts = ifeval::read(&roots(&dir)).unwrap().content;
        assert!(prompts[0].instructions[0].settings.is_empty(), "nulls are dropped");
        assert_eq!(prompts[0].instructions[1].settings["num_words"], 3);
    }
}
