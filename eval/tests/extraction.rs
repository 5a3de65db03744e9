//! Answer extraction against the official code.
//!
//! `fixtures/qwen_ceval_extraction.json` holds the same for C-Eval and `eval/evaluate_chat_ceval.py`, which was also compared
//! on 24,000 generated replies to official questions, without a difference.
//!
//! `fixtures/qwen_extraction.json` holds replies and choices of our own making with what QwenLM's
//! `eval/evaluate_chat_mmlu.py` made of them, and the scores of rapidfuzz 3.14.6 (`fuzz.WRatio`, the scorer of thefuzz
//! 0.22.1). The same was compared on 24,000 generated replies to official questions; only replies with a dotted capital
//! or dotless small i differed.

use eval::extract::similarity::{most_similar, weighted_ratio};
use eval::extract::{Rule, first_word, qwen_chat_ceval, qwen_chat_mmlu};
use serde_json::Value;
use std::collections::BTreeSet;

fn fixtures() -> Value {
    serde_json::from_str(include_str!("fixtures/qwen_extraction.json")).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn choices(value: &Value) -> [String; 4] {
    std::array::from_fn(|index| text(&value[index]))
}

#[test]
fn replies_are_read_as_the_official_script_reads_them() {
    let mut fired = BTreeSet::new();
    for case in fixtures()["replies"].as_array().unwrap() {
        let reply = text(&case["reply"]);
        let found = qwen_chat_mmlu(&reply, &choices(&case["choices"])).unwrap();
        assert_eq!(found.rewritten, text(&case["rewritten"]), "{reply:?}");
        assert_eq!(["A", "B", "C", "D"][found.choice], text(&case["letter"]), "{reply:?}");
        assert_eq!(found.rule.name(), text(&case["rule"]), "{reply:?}");
        let matched = found.span.map(|span| found.rewritten[span].to_owned());
        assert_eq!(matched.as_deref(), case["span"].as_str(), "{reply:?}");
        assert_eq!(found.similarity.is_some(), found.rule == Rule::Similarity);
        fired.insert(found.rule);
    }
    assert_eq!(fired.len(), 5, "every rule decides at least one case: {fired:?}");
}

#[test]
fn chinese_replies_are_read_as_the_official_script_reads_them() {
    let cases: Value = serde_json::from_str(include_str!("fixtures/qwen_ceval_extraction.json")).unwrap();
    let mut fired = BTreeSet::new();
    for case in cases["replies"].as_array().unwrap() {
        let reply = text(&case["reply"]);
        let found = qwen_chat_ceval(&reply, &text(&case["question"]), &choices(&case["choices"])).unwrap();
        assert_eq!(found.rewritten, text(&case["rewritten"]), "{reply:?}");
        assert_eq!(["A", "B", "C", "D"][found.choice], text(&case["letter"]), "{reply:?}");
        assert_eq!(found.rule.name(), text(&case["rule"]), "{reply:?}");
        assert_eq!(found.matched(), case["span"].as_str(), "{reply:?}");
        fired.insert(found.rule);
    }
    assert_eq!(fired.len(), 5, "every rule decides at least one case: {fired:?}");
}

#[test]
fn three_choices_have_three_letters() {
    let three = ["the teacher", "not known", "the student"].map(str::to_owned);
    let found = |reply: &str| qwen_chat_mmlu(reply, &three).unwrap().choice;
    assert_eq!((found("The answer is D, or B."), found("It was the student."), found("Not known")), (1, 2, 1));
}

#[test]
fn words_are_found_where_they_stand_alone() {
    let words = ["yes", "no"];
    assert_eq!(first_word("I know: NO, then yes", &words), Some((1, 8..10)));
    assert_eq!(first_word("nobody yesterday éno no", &words), Some((1, 22..24)));
    assert_eq!(first_word("", &words), None);
}

#[test]
fn similarities_equal_the_library_to_the_last_bit() {
    for case in fixtures()["similarity"].as_array().unwrap() {
        let (a, b) = (text(&case["a"]), text(&case["b"]));
        let expected = case["score"].as_f64().unwrap();
        assert_eq!(weighted_ratio(&a, &b), expected, "{a:?} and {b:?}");
        assert_eq!(weighted_ratio(&b, &a), expected, "{b:?} and {a:?}");
    }
}

#[test]
fn the_first_of_equally_similar_choices_wins() {
    let same = ["x y".to_owned(), "X-Y".to_owned(), "y x".to_owned(), "y".to_owned()];
    assert_eq!(most_similar("X y!", &same), (0, 100.0));
    assert_eq!(most_similar("?!", &same), (0, 0.0), "nothing to compare");
}

#[test]
fn a_long_reply_without_an_answer_is_no_burden() {
    let reply = "answer choice is not n't correct right ".repeat(2000);
    let choices = ["first", "second", "third", "fourth"].map(str::to_owned);
    let found = qwen_chat_mmlu(&reply, &choices).unwrap();
    assert_eq!(found.rule, Rule::Similarity);
    let reply = "A B C D ".repeat(10_000);
    assert_eq!(qwen_chat_mmlu(&reply, &choices).unwrap().rule, Rule::Letter);
}
