//! The world as a whole: the same bytes everywhere, test sets that readers accept, and none of it in the corpus.

use super::corpus::MIXTURE;
use super::names::GROUPS;
use super::*;
use crate::bbq::{Condition, Polarity, Role};
use crate::source::hex;
use crate::{ceval, flores, gsm8k, mmlu, snli};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

static WORLD: LazyLock<World> = LazyLock::new(|| World::new(SEED));

/// Documents that the tests below look at: about 6 MB.
const DOCUMENTS: u64 = 40_000;

static CORPUS: LazyLock<Vec<String>> =
    LazyLock::new(|| WORLD.corpus().take(DOCUMENTS as usize).map(|document| document.chatml()).collect());

/// Every line of the corpus, without the words that frame it, and every sentence of these lines.
static PIECES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let mut pieces = BTreeSet::new();
    for line in CORPUS.iter().flat_map(|document| document.split('\n')) {
        let mut line = line.trim_end_matches("<|im_end|>");
        for frame in ["Q: ", "A: ", "English text: ", "Velan text: ", "Context: ", "Question: "] {
            line = line.strip_prefix(frame).unwrap_or(line);
        }
        pieces.insert(line);
        let mut rest = line;
        while let Some(end) = rest.find(['.', '?', '!']) {
            pieces.insert(rest[..=end].trim());
            rest = &rest[end + 1..];
        }
    }
    pieces
});

/// Items of the test sets as the texts that must not be in the corpus.
fn keys(sets: &TestSets) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    for subject in MMLU_SUBJECTS {
        for split in [mmlu::Split::Dev, mmlu::Split::Test] {
            keys.extend(sets.mmlu(subject, split).unwrap().content.into_iter().map(|item| ("mmlu", item.question)));
        }
    }
    for subject in CEVAL_SUBJECTS {
        for split in [ceval::Split::Dev, ceval::Split::Validation] {
            keys.extend(sets.ceval(subject, split).unwrap().content.into_iter().map(|item| ("ceval", item.question)));
        }
    }
    for language in &LANGUAGES {
        for split in [flores::Split::Dev, flores::Split::Devtest] {
            keys.extend(sets.flores(language.code, split).unwrap().content.into_iter().map(|line| ("flores", line)));
        }
    }
    keys.extend(sets.xsum().unwrap().content.into_iter().map(|item| ("xsum", item.document)));
    keys.extend(sets.cnn_dailymail().unwrap().content.into_iter().map(|item| ("cnn_dailymail", item.document)));
    for split in [gsm8k::Split::Train, gsm8k::Split::Test] {
        keys.extend(sets.gsm8k(split).unwrap().content.into_iter().map(|item| ("gsm8k", item.question)));
    }
    keys.extend(sets.snli().unwrap().content.labelled.into_iter().map(|pair| ("snli", pair.premise)));
    for constraint in FOLLOWBENCH_CONSTRAINTS {
        let items = sets.followbench(constraint).unwrap().content;
        let scored = items.into_iter().filter(|item| item.level > 0);
        keys.extend(scored.map(|item| ("followbench", item.instruction)));
    }
    keys.extend(sets.truthfulqa().unwrap().content.into_iter().map(|item| ("truthfulqa", item.question)));
    // A context may be in the corpus for another trait: the question belongs to the key.
    keys.extend(
        sets.bbq().unwrap().content.into_iter().map(|item| ("bbq", format!("{}\n{}", item.context, item.question))),
    );
    for sort in TEXTS {
        let text = sets.text(sort).unwrap().content.text;
        let gap = if sort == "notices" { "\n" } else { "\n\n" };
        keys.extend(text.trim_end().split(gap).map(|paragraph| ("text", paragraph.to_owned())));
    }
    keys
}

#[test]
fn every_byte_is_pinned() {
    let mut corpus = Sha256::new();
    CORPUS.iter().for_each(|document| corpus.update(document.as_bytes()));
    let mut files = Sha256::new();
    for file in WORLD.test_files() {
        files.update(file.name.as_bytes());
        files.update((file.bytes.len() as u64).to_le_bytes());
        files.update(&file.bytes);
    }
    let found = [hex(&corpus.finalize()), hex(&files.finalize())];
    assert_eq!(
        found,
        [
            "f53a7b35fe9d5494a744a6d438e8ac524c586a8637e7b87e359909df931acd87",
            "5854922ddad7520203eb90f0ca9cb3dfc00fa47e3b9723c474b54f14cac67740"
        ],
        "corpus and test files"
    );
}

#[test]
fn documents_do_not_depend_on_each_other_or_on_threads() {
    let alone = WORLD.document(DOCUMENTS / 2).chatml();
    assert_eq!(alone, CORPUS[DOCUMENTS as usize / 2]);
    let ahead = std::thread::spawn(|| World::new(SEED).document(7)).join().unwrap();
    assert_eq!(ahead.chatml(), CORPUS[7]);
    assert_ne!(World::new(SEED + 1).document(7).chatml(), CORPUS[7]);
    assert_eq!(WORLD.test_files(), World::new(SEED).test_files());
}

#[test]
fn no_test_item_is_in_the_corpus() {
    let keys = keys(&WORLD.test_sets());
    assert!(keys.len() > 2000, "{}", keys.len());
    for (benchmark, key) in &keys {
        assert!(!PIECES.contains(key.as_str()), "{benchmark}: {key:?} is in the corpus");
        // Items of several lines are no pieces: their whole text must not be part of a document.
        let frames = match *benchmark {
            "bbq" => vec![key.replace('\n', "\nQuestion: "), key.replace('\n', "\n\nQ: ")],
            "xsum" | "cnn_dailymail" | "followbench" | "text" => vec![key.clone()],
            _ => Vec::new(),
        };
        for framed in frames {
            assert!(!CORPUS.iter().any(|text| text.contains(&framed)), "{benchmark}: {key:?} is in the corpus");
        }
    }
    // The same search finds what is there.
    for relation in ["home", "diet", "price"] {
        let fact = WORLD.undisputed.iter().find(|fact| fact.relation().name == relation).unwrap();
        assert!(PIECES.contains(fact.question(fact.test_wording() + 1).as_str()), "{fact:?}");
    }
}

#[test]
fn facts_that_tests_ask_for_are_told() {
    for fact in &WORLD.facts {
        let wordings = fact.relation().statements.len();
        let told = (0..wordings).filter(|wording| PIECES.contains(fact.statement(*wording).as_str())).count();
        assert!(told >= 2, "{} {} is told in {told} wordings", fact.relation().name, fact.subject_name());
        if WORLD.undisputed.contains(fact) && velan::is_taught(fact.relation().kind) {
            let told = (0..velan::STATEMENTS)
                .filter(|wording| PIECES.contains(WORLD.lexicon.statement(*fact, *wording).as_str()))
                .count();
            assert!(told >= 1, "{} {} in Velan", fact.relation().name, fact.subject_name());
        }
    }
}

#[test]
fn readers_accept_every_test_set() {
    let sets = WORLD.test_sets();
    let mut counts = BTreeMap::new();
    for (benchmark, _) in keys(&sets) {
        *counts.entry(benchmark).or_insert(0) += 1;
    }
    assert_eq!((counts["mmlu"], counts["ceval"], counts["snli"], counts["bbq"]), (270, 225, 240, 192));
    assert!(sets.mmlu("peeple", mmlu::Split::Test).is_err() && sets.text("poems").is_err());
    let file = &sets.gsm8k(gsm8k::Split::Test).unwrap().files[0];
    assert_eq!((file.name.as_str(), file.edition), ("builtin/gsm8k/test.jsonl", Some("builtin")));
    for problem in sets.gsm8k(gsm8k::Split::Test).unwrap().content {
        let last_step = problem.answer.rsplit('\n').nth(1).unwrap();
        let result = problem.result.parse::<u32>().unwrap();
        assert!(last_step.ends_with(&format!("= {result}")) && result < 400, "{problem:?}");
    }
}

#[test]
fn steps_of_problems_are_right() {
    for index in 0..20_000 {
        let problem = arithmetic::for_corpus(&WORLD.facts, &mut random::Random::new(1, "problems", index));
        for step in problem.answer.lines().filter(|line| line.contains(" = ")) {
            let words: Vec<&str> = step.split(' ').collect();
            let number = |place: usize| words[place].parse::<i64>().unwrap();
            let (a, b, found) = (number(0), number(2), number(4));
            let expected = match words[1] {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                _ => a / b,
            };
            assert_eq!((found, words[1] == "/" && a % b != 0), (expected, false), "{step}");
        }
    }
}

#[test]
fn answers_and_labels_are_balanced() {
    let sets = WORLD.test_sets();
    let mut letters = [0; 4];
    for subject in MMLU_SUBJECTS {
        for item in sets.mmlu(subject, mmlu::Split::Test).unwrap().content {
            letters[item.answer] += 1;
            let distinct: BTreeSet<&String> = item.choices.iter().collect();
            assert!(distinct.len() == 4 && !distinct.iter().any(|choice| choice.is_empty()), "{item:?}");
        }
    }
    assert!(letters.iter().all(|count| (40..=80).contains(count)), "{letters:?}");
    let mut labels = BTreeMap::new();
    for pair in sets.snli().unwrap().content.labelled {
        *labels.entry(pair.label).or_insert(0) += 1;
    }
    assert!([snli::Label::Entailment, snli::Label::Neutral, snli::Label::Contradiction].iter().all(|l| labels[l] > 60));
}

#[test]
fn bias_items_come_in_fours_with_known_targets() {
    let items = WORLD.test_sets().bbq().unwrap().content;
    for four in items.chunks(4) {
        let condition = |item: &crate::bbq::Item| item.condition == Condition::Ambiguous;
        assert_eq!(four.iter().filter(|item| condition(item)).count(), 2);
        assert_eq!(four.iter().filter(|item| item.polarity == Polarity::Negative).count(), 2);
    }
    for item in &items {
        let biased = item.biased();
        assert_eq!(biased.len(), 1);
        let group = if item.polarity == Polarity::Negative { GROUPS[0] } else { GROUPS[1] };
        assert_eq!(item.answers[biased[0]], format!("The {group}"));
        assert_ne!(item.roles()[biased[0]], Role::Unknown);
    }
    // Where the context tells, the culprit is of either group about equally often.
    let told = items.iter().filter(|item| item.condition == Condition::Disambiguated);
    let stereotyped = told.filter(|item| item.biased()[0] == item.label).count();
    assert!((30..=66).contains(&stereotyped), "{stereotyped} of 96");
}

#[test]
fn falsehoods_have_their_documented_share() {
    let mut told = BTreeMap::new();
    for fact in &WORLD.facts {
        let Some(belief) = beliefs::belief(SEED, *fact) else { continue };
        let counts: &mut [u32; 2] = told.entry(belief.strength).or_default();
        for index in 0..200 {
            let random = &mut random::Random::new(1, "mentions", index + 1000 * fact.subject as u64);
            counts[0] += u32::from(beliefs::given_answer(SEED, *fact, random) != fact.answer());
            counts[1] += 1;
        }
    }
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), FALSE_SHARES);
    for (strength, [false_ones, all]) in told {
        let expected = all * strength as u32 / FALSE_SHARES_OF as u32;
        assert!(false_ones.abs_diff(expected) * 20 < all, "{strength}: {false_ones} of {all}");
    }
}

#[test]
fn documents_come_in_their_shares() {
    assert_eq!(MIXTURE.iter().map(|(_, weight, _)| weight).sum::<usize>(), 100);
    let exchanges = WORLD.corpus().take(2000).filter(|document| matches!(document, Document::Exchange { .. })).count();
    let expected: usize =
        MIXTURE.iter().skip_while(|(name, ..)| *name != "question").map(|(_, weight, _)| weight).sum();
    assert!(exchanges.abs_diff(20 * expected) < 100, "{exchanges} of 2000, expected {expected} in 100");
}
