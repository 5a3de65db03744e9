//! The readers against the official files, where they lie beside the repository.
//!
//! Counts are the published ones. Digests of articles and of detokenized text were computed by running
//! lm-evaluation-harness's own functions on the same files.

mod shared;

use datasets::mmlu::{self, Category, SUBJECTS, Split};
use datasets::{DataRoots, Error, PinStatus, catalogue, text, truthfulqa, wikitext};
use sha2::{Digest, Sha256};
use shared::shared_data;

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn mmlu_has_the_published_counts_and_every_file_is_pinned() {
    let Some(data) = shared_data() else { return };
    let roots = DataRoots::new(&[data]);
    for (split, expected) in [(Split::Dev, 285), (Split::Validation, 1531), (Split::Test, 14042)] {
        let mut total = 0;
        for subject in &SUBJECTS {
            let loaded = mmlu::read(&roots, subject.name, split).unwrap();
            assert_eq!(loaded.files.len(), 1);
            assert_eq!(loaded.files[0].status, PinStatus::Pinned);
            assert_eq!(loaded.files[0].name, format!("mmlu/{0}/{1}_{0}.csv", split.name(), subject.name));
            if split == Split::Dev {
                assert_eq!(loaded.content.len(), 5, "{}", subject.name);
            }
            total += loaded.content.len();
        }
        assert_eq!(total, expected);
    }
}

#[test]
fn mmlu_categories_have_the_published_sizes() {
    let Some(data) = shared_data() else { return };
    let roots = DataRoots::new(&[data]);
    let mut official = [0; 4];
    let mut qwen = [0; 4];
    for subject in &SUBJECTS {
        let count = mmlu::read(&roots, subject.name, Split::Test).unwrap().content.len();
        official[subject.category as usize] += count;
        qwen[subject.category_qwen() as usize] += count;
    }
    let order = [Category::Stem, Category::Humanities, Category::SocialSciences, Category::Other];
    assert_eq!(order.map(|category| official[category as usize]), [3018, 4705, 3077, 3242]);
    assert_eq!(order.map(|category| qwen[category as usize]), [3153, 4705, 3077, 3107]);
}

#[test]
fn mmlu_is_found_from_inside_its_own_directory() {
    let Some(data) = shared_data() else { return };
    let outside = mmlu::read(&DataRoots::new(std::slice::from_ref(&data)), "anatomy", Split::Test).unwrap();
    let inside = mmlu::read(&DataRoots::new(&[data.join("mmlu")]), "anatomy", Split::Test).unwrap();
    assert_eq!(outside.content, inside.content);
    assert_eq!(outside.files[0].sha256, inside.files[0].sha256);
    assert_eq!(outside.files[0].name, inside.files[0].name);
}

#[test]
fn truthfulqa_prefers_the_edition_of_published_numbers() {
    let Some(data) = shared_data() else { return };
    let loaded = truthfulqa::read(&DataRoots::new(std::slice::from_ref(&data))).unwrap();
    assert_eq!(loaded.files[0].edition, Some("v2021-10"));
    let questions = &loaded.content;
    assert_eq!(questions.len(), 817);
    assert_eq!(questions.iter().map(|question| question.mc1.len()).sum::<usize>(), 4186);
    assert_eq!(questions.iter().map(|question| question.mc2.len()).sum::<usize>(), 6204);
    let right = questions.iter().flat_map(|question| &question.mc2).filter(|(_, correct)| *correct).count();
    assert_eq!(right, 2835);
    assert!(questions.iter().all(|question| question.mc1[0].1), "the true answer comes first in every mc1");

    // Named directly, the later edition is read and says what it is, even when listed before the other.
    let later = data.join("truthfulqa/v2025-01");
    let loaded = truthfulqa::read(&DataRoots::new(std::slice::from_ref(&later))).unwrap();
    assert_eq!((loaded.content.len(), loaded.files[0].edition), (790, Some("v2025-01")));
    let both = truthfulqa::read(&DataRoots::new(&[later, data])).unwrap();
    assert_eq!(both.files[0].edition, Some("v2021-10"));
}

#[test]
fn wikitext_rows_joined_are_the_string_that_gptq_tokenizes() {
    let Some(data) = shared_data() else { return };
    let roots = DataRoots::new(&[data]);
    for (split, rows, bytes, digest) in [
        (wikitext::Split::Test, 4358, 1_296_370, "696cca6b65a171b0a358a4be6732cdfdf2dd6164a32e20fd70e3c13fc4dfae83"),
        (
            wikitext::Split::Validation,
            3760,
            1_151_766,
            "b44fb967f92b525731216a507d1fbc44b97446b7ef0a2b4d1a893f81f1bbc29e",
        ),
    ] {
        let loaded = wikitext::read(&roots, split).unwrap();
        assert_eq!(loaded.files[0].status, PinStatus::Pinned);
        assert_eq!(wikitext::rows(&loaded.content).len(), rows);
        let joined = wikitext::gptq_join(&loaded.content);
        assert_eq!(joined.len(), bytes);
        assert_eq!(sha256(joined.as_bytes()), digest);
    }
}

#[test]
fn wikitext_articles_and_their_detokenized_text_equal_the_harness() {
    let Some(data) = shared_data() else { return };
    let roots = DataRoots::new(&[data]);
    for (split, count, words, bytes, original, cleaned) in [
        (
            wikitext::Split::Test,
            62,
            241_335,
            1_290_527,
            "f05c9737489cb4b20eec706aee92a73b6861dcc743bc252ffa64b207d0aa5a03",
            "da61ba76b9daa5d5964a4e797206bb65bee7dd401fdbc16a83072f8cb94e08db",
        ),
        (
            wikitext::Split::Validation,
            60,
            214_006,
            1_146_785,
            "33a1caa10a658053517e342154c1365f799c6d5c88d3cb5d39f422a25d92dceb",
            "24f30eae0a1440eebf8b045128e39ca1d6867ceb9f019667d6435a018351be3b",
        ),
    ] {
        let raw = wikitext::read(&roots, split).unwrap().content;
        let pages = wikitext::pages(&raw);
        assert_eq!(pages.len(), count);
        assert_eq!(pages.iter().map(|page| wikitext::words(page)).sum::<usize>(), words);
        assert_eq!(pages.iter().map(|page| page.len()).sum::<usize>(), bytes);
        let mut before = Vec::new();
        let mut after = Vec::new();
        for page in pages {
            before.extend_from_slice(page.as_bytes());
            before.push(0);
            after.extend_from_slice(wikitext::detokenize(page).as_bytes());
            after.push(0);
        }
        assert_eq!(sha256(&before), original);
        assert_eq!(sha256(&after), cleaned);
    }
}

#[test]
fn a_text_file_is_recognised_by_its_bytes() {
    let Some(data) = shared_data() else { return };
    let loaded = text::read(&data.join("wikitext2/wiki.test.raw")).unwrap();
    assert_eq!(loaded.files[0].edition, Some("wikitext-2-raw-v1 test"));
    assert_eq!(loaded.files[0].name, "wiki.test.raw");
    let loaded = text::read(&data.join("tinystories/tinystories_validation_head.txt")).unwrap();
    assert_eq!(loaded.files[0].status, PinStatus::Unknown);
}

#[test]
fn c4_documents_are_read_from_the_one_file_there() {
    let Some(data) = shared_data() else { return };
    let loaded = datasets::c4::documents(&DataRoots::new(&[data])).unwrap();
    assert_eq!(loaded.content.len(), 1000);
    assert!(loaded.content[0].starts_with("Beginners BBQ Class Taking Place in Missoula!\n"));
}

#[test]
fn a_check_of_the_whole_directory_finds_every_file() {
    let Some(data) = shared_data() else { return };
    let roots = DataRoots::new(&[data]);
    // Name, files found, files wanted.
    for (name, found, wanted) in [
        ("mmlu", 171, 171),
        ("ceval", 104, 104),
        ("flores", 16, 16),
        ("gsm8k", 2, 2),
        ("snli", 2, 2),
        ("followbench", 12, 12),
        ("truthfulqa", 2, 2),
        ("bbq", 6, 11),
        ("wikitext2", 2, 2),
        ("c4", 1, 1),
        ("arc", 4, 4),
        ("hellaswag", 1, 1),
        ("winogrande", 1, 1),
        ("lambada", 2, 2),
        ("ifeval", 1, 1),
        ("cnn_dailymail", 0, 1),
        ("xsum", 0, 1),
        ("ptb", 0, 2),
        ("piqa", 0, 1),
        ("boolq", 0, 1),
        ("builtin", 0, 0),
    ] {
        let dataset = catalogue().iter().find(|dataset| dataset.name == name).unwrap();
        let checks = dataset.check(&roots);
        assert_eq!(checks.len(), wanted, "{name}");
        let mut good = 0;
        for check in checks {
            match check.state {
                Ok((count, file)) => {
                    assert!(count > 0 && file.bytes > 0 && file.sha256.len() == 64);
                    assert_ne!(file.status, PinStatus::Unpinned, "{}", check.name);
                    good += 1;
                }
                Err(error) => assert!(matches!(error, Error::Missing { .. }), "{}: {error}", check.name),
            }
        }
        assert_eq!(good, found, "{name}");
    }
}

#[test]
fn one_changed_byte_is_refused_and_named() {
    let Some(data) = shared_data() else { return };
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("test")).unwrap();
    let official = std::fs::read_to_string(data.join("mmlu/test/virology_test.csv")).unwrap();
    let path = copy.path().join("test/virology_test.csv");
    std::fs::write(&path, official.replacen("virus", "Virus", 1)).unwrap();
    let roots = DataRoots::new(&[copy.path().to_owned()]);
    let error = mmlu::read(&roots, "virology", Split::Test).unwrap_err();
    assert!(matches!(error, Error::Pin { .. }), "{error}");
    assert!(error.to_string().contains("--allow_unpinned"), "{error}");
    let allowed = roots.with_pinning(datasets::Pinning::Allow);
    let loaded = mmlu::read(&allowed, "virology", Split::Test).unwrap();
    assert_eq!(loaded.files[0].status, PinStatus::Unpinned);

    // The same rows in another quoting are still the official rows.
    let mut requoted = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_path(&path).unwrap();
    for record in csv::ReaderBuilder::new().has_headers(false).from_reader(official.as_bytes()).records() {
        requoted.write_record(&record.unwrap()).unwrap();
    }
    requoted.flush().unwrap();
    let loaded = mmlu::read(&DataRoots::new(&[copy.path().to_owned()]), "virology", Split::Test).unwrap();
    assert_eq!(loaded.files[0].status, PinStatus::Pinned);
}
