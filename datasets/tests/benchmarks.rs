//! The readers of the benchmarks against the official files, where they lie beside the repository: counts are the
//! published ones.

mod shared;

use datasets::followbench::{Constraint, Language};
use datasets::{DataRoots, PinStatus, arc, bbq, ceval, flores, followbench, gsm8k, hellaswag, ifeval, lambada};
use datasets::{snli, truthfulqa, winogrande};
use shared::shared_data;
use std::collections::BTreeMap;

fn roots() -> Option<DataRoots> {
    shared_data().map(|data| DataRoots::new(&[data]))
}

#[test]
fn ceval_has_the_published_counts() {
    let Some(roots) = roots() else { return };
    for (split, expected) in [(ceval::Split::Dev, 260), (ceval::Split::Validation, 1346)] {
        let mut total = 0;
        for subject in &ceval::SUBJECTS {
            let loaded = ceval::read(&roots, subject.name, split).unwrap();
            assert_eq!(loaded.files[0].status, PinStatus::Pinned, "{}", subject.name);
            assert!(loaded.content.iter().enumerate().all(|(index, question)| question.id as usize == index));
            let explained = loaded.content.iter().filter(|question| question.explanation.is_some()).count();
            assert_eq!(explained, if split == ceval::Split::Dev { 5 } else { 0 });
            total += loaded.content.len();
        }
        assert_eq!(total, expected);
    }
    let of = |category| ceval::SUBJECTS.iter().filter(|subject| subject.category == category).count();
    use ceval::Category::{Humanities, Other, SocialSciences, Stem};
    assert_eq!([Stem, SocialSciences, Humanities, Other].map(of), [20, 10, 11, 11]);
    assert_eq!(ceval::SUBJECTS.iter().filter(|subject| subject.is_hard()).count(), 8);
    assert_eq!(ceval::find_subject("modern_chinese_history").unwrap().chinese, "近代史纲要");
}

#[test]
fn flores_is_aligned_and_official() {
    let Some(roots) = roots() else { return };
    for (split, sentences) in [(flores::Split::Dev, 997), (flores::Split::Devtest, 1012)] {
        for code in ["eng_Latn", "zho_Hans", "deu_Latn", "arb_Arab", "hin_Deva", "jpn_Jpan", "rus_Cyrl", "fra_Latn"] {
            let loaded = flores::read(&roots, code, split).unwrap();
            assert_eq!((loaded.content.len(), loaded.files[0].status), (sentences, PinStatus::Pinned), "{code}");
        }
    }
    assert_eq!(flores::find_language("zho_Hans").unwrap().name, "Chinese (Simplified)");
}

#[test]
fn gsm8k_has_the_published_counts() {
    let Some(roots) = roots() else { return };
    let test = gsm8k::read(&roots, gsm8k::Split::Test).unwrap();
    let train = gsm8k::read(&roots, gsm8k::Split::Train).unwrap();
    assert_eq!((test.content.len(), train.content.len()), (1319, 7473));
    assert_eq!((test.files[0].status, train.files[0].status), (PinStatus::Pinned, PinStatus::Pinned));
    assert_eq!(test.content[0].result, "18");
    for problem in test.content.iter().chain(&train.content) {
        assert!(problem.result.parse::<f64>().is_ok(), "{}", problem.result);
    }
}

#[test]
fn snli_has_the_published_labels() {
    let Some(roots) = roots() else { return };
    let test = snli::read(&roots, snli::Split::Test).unwrap().content;
    assert_eq!(test.labelled.len() + test.without_gold.len(), 9824);
    let of = |label| test.labelled.iter().filter(|pair| pair.label == label).count();
    assert_eq!([snli::Label::Entailment, snli::Label::Neutral, snli::Label::Contradiction].map(of), [3368, 3219, 3237]);
    assert_eq!(snli::read(&roots, snli::Split::Validation).unwrap().content.labelled.len(), 9842);
}

#[test]
fn followbench_has_the_published_counts() {
    let Some(roots) = roots() else { return };
    let counts = |language| {
        Constraint::ALL.map(|constraint| {
            let loaded = followbench::read(&roots, language, constraint).unwrap();
            assert_eq!(loaded.files[0].status, PinStatus::Pinned);
            loaded.content.iter().filter(|item| item.level > 0).count()
        })
    };
    let english = counts(Language::English);
    assert_eq!(english, [125, 110, 150, 150, 200, 85]);
    assert_eq!(english.iter().sum::<usize>(), 820);
    assert_eq!(counts(Language::Chinese), [115, 110, 150, 150, 200, 65]);
    let example = followbench::read(&roots, Language::English, Constraint::Example).unwrap().content;
    assert!(example.iter().all(|item| item.answer.is_some() && item.target.contains("{answer}")));
}

#[test]
fn truthfulqa_has_reference_answers_for_the_same_questions() {
    let Some(roots) = roots() else { return };
    let open = truthfulqa::read_generation(&roots).unwrap();
    assert_eq!((open.content.len(), open.files[0].edition), (817, Some("v2021-10")));
    let mut categories: Vec<&str> = open.content.iter().map(|question| question.category.as_str()).collect();
    categories.sort_unstable();
    categories.dedup();
    assert_eq!(categories.len(), 38);
    assert_eq!(open.content.iter().filter(|question| question.kind == "Adversarial").count(), 437);
    let choice = truthfulqa::read(&roots).unwrap().content;
    for question in &choice {
        assert!(open.content.iter().any(|other| other.question.trim() == question.question.trim()));
    }
}

#[test]
fn bbq_targets_are_those_on_which_three_published_rules_agree() {
    let Some(data) = shared_data() else { return };
    let mut reader = csv::Reader::from_path(data.join("bbq/targets_official.csv")).unwrap();
    let mut targets = BTreeMap::new();
    for record in reader.records() {
        let record = record.unwrap();
        let index = |field: usize| record[field].parse::<usize>().unwrap();
        targets.insert((record[0].to_owned(), index(1)), [index(2), index(3), index(4), index(5)]);
    }
    let roots = DataRoots::new(&[data]);
    let mut total = 0;
    for name in ["Age", "Disability_status", "Nationality", "Physical_appearance", "Religion", "Sexual_orientation"] {
        let loaded = bbq::read(&roots, name).unwrap();
        assert_eq!(loaded.files[0].status, PinStatus::Pinned);
        assert_eq!(loaded.content.len(), bbq::find_category(name).unwrap().items);
        for item in &loaded.content {
            let roles = item.roles();
            let position = |role| roles.iter().position(|other| *other == role).unwrap();
            let derived = [
                position(bbq::Role::Stereotyped),
                position(bbq::Role::Other),
                item.unknown().unwrap(),
                item.biased()[0],
            ];
            assert_eq!(item.biased().len(), 1);
            assert_eq!(
                Some(&derived),
                targets.get(&(name.to_owned(), item.example_id as usize)),
                "{name} {}",
                item.example_id
            );
        }
        total += loaded.content.len();
    }
    assert_eq!((total, targets.len()), (11956, 11956));
}

#[test]
fn the_extras_have_the_published_counts() {
    let Some(roots) = roots() else { return };
    for (set, split, expected) in [
        (arc::Set::Easy, arc::Split::Test, 2376),
        (arc::Set::Easy, arc::Split::Validation, 570),
        (arc::Set::Challenge, arc::Split::Test, 1172),
        (arc::Set::Challenge, arc::Split::Validation, 299),
    ] {
        let questions = arc::read(&roots, set, split).unwrap().content;
        assert_eq!(questions.len(), expected);
        assert!(questions.iter().all(|question| !question.question.starts_with("Question: ")));
    }
    assert_eq!(winogrande::read(&roots, winogrande::Split::Validation).unwrap().content.len(), 1267);
    // A sample: the official file is not there.
    assert_eq!(hellaswag::read(&roots, hellaswag::Split::Validation).unwrap().content.len(), 1000);
    for text in [lambada::Text::Openai, lambada::Text::Standard] {
        assert_eq!(lambada::read(&roots, text).unwrap().content.len(), 5153);
    }
    let prompts = ifeval::read(&roots).unwrap().content;
    assert_eq!(prompts.len(), 541);
    assert_eq!(prompts.iter().map(|prompt| prompt.instructions.len()).sum::<usize>(), 834);
}
