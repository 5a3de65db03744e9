//! Replies of our own that satisfy a rule, and replies that miss it by one thing.

use super::*;

/// Levels that the reply satisfies, as digits.
fn levels(language: Language, source: &str, target: &str, reply: &str) -> String {
    let of_level = |level: usize| Instruction { language, category: "mixed", source, example_id: 1, level, target };
    (1..=5).filter(|&level| satisfied(&of_level(level), reply).unwrap()).map(|level| level.to_string()).collect()
}

#[test]
fn some_sources_want_the_target_itself() {
    for source in ["E2E", "text_editing"] {
        assert_eq!(levels(English, source, "The text.", "The text."), "12345");
        assert_eq!(levels(English, source, "The text.", "The text.\n"), "");
    }
    assert_eq!(levels(English, "WIKIEVENTS", "a: b\nc: d", "c: d\na: b\nc: d"), "12345");
    assert_eq!(levels(English, "WIKIEVENTS", "a: b\nc: d", "c: d\n"), "", "an empty line is no event");
    assert_eq!(levels(English, "CONLL2003", "['Rome', 'Bonn']", "Bonn"), "12345");
    assert_eq!(levels(English, "CONLL2003", "['Rome', 'Bonn']", "Rome, Bonn"), "");
    assert_eq!(levels(English, "self_made_space", "north", "It is to the northwest."), "12345");
    assert_eq!(levels(English, "self_made_space", "north", "North"), "");
}

#[test]
fn some_sources_want_the_last_match() {
    assert_eq!(levels(English, "BBH_logical", "(C)", "Not (A), but (C)."), "12345");
    assert_eq!(levels(English, "BBH_logical", "(A)", "Not (A), but (C)."), "");
    assert_eq!(levels(English, "BBH_logical", "(A)", "A"), "");
    assert_eq!(levels(English, "BBH_time", "02/28/2021", "01/01/2001, then 02/28/2021!"), "12345");
    assert_eq!(levels(English, "BBH_time", "02/28/2021", "2/28/2021"), "");
    assert_eq!(levels(English, "gsm_8k", "$12", "$3 and $12."), "12345");
    assert_eq!(levels(English, "gsm_8k", "$12", "$12.50 or $5"), "");
    assert_eq!(levels(Chinese, "gsm_8k", "12美元", "共12美元。"), "12345");
    assert_eq!(levels(Chinese, "gsm_8k", "12美元", "$12"), "");
}

#[test]
fn news_summaries() {
    let news = |reply: &str| levels(English, "cnn_dailymail", "", reply);
    assert_eq!(news("Potter is rich. The actor is young. The films have ended."), "12345");
    assert_eq!(news("Potter is rich. The actor is young. The films ended."), "1234");
    assert_eq!(news("Potter is rich. The lavish actor is young. The films have ended."), "123");
    assert_eq!(news("Potter is rich. The actors are young. The films have ended."), "12");
    let long = "Potter is rich. The actor is young. The films have ended a b c d e f g h i j k.";
    assert_eq!(news(long), "1");
    assert_eq!(news("Potter is rich. The actor is young. The films have ended. "), "", "the space is a sentence");
    let chinese = |reply: &str| levels(Chinese, "cnn_dailymail", "", reply);
    assert_eq!(chinese("波特有钱。演员年轻。电影结束了"), "12345");
    assert_eq!(chinese("波特有钱。演员年轻。电影结束"), "1234");
    assert_eq!(chinese("波特有钱。演员奢侈。电影结束了。"), "123");
    assert_eq!(chinese("波特有钱.演员年轻.电影结束了"), "");
}

#[test]
fn one_sentence_summaries() {
    let summary = |reply: &str| levels(English, "xsum", "", reply);
    assert_eq!(summary("The village is running an operation."), "12345");
    assert_eq!(summary("The village is running operations."), "1234");
    assert_eq!(summary("The village runs an operation."), "123");
    assert_eq!(summary("Newton Stewart is running an operation."), "12");
    assert_eq!(summary("A  b  c  d  e  f  g  h  i  j  k."), "1", "two spaces count twice");
    assert_eq!(summary("One. Two."), "");
    assert_eq!(summary("This is\nkilling an operation"), "12345", "any white space, any end in ing");
    let chinese = |reply: &str| levels(Chinese, "xsum", "", reply);
    assert_eq!(chinese("村庄在操作。"), "12345");
    assert_eq!(chinese("村庄操作。"), "123");
    assert_eq!(chinese("牛顿斯图尔特在操作。"), "12");
    assert_eq!(chinese(&"字".repeat(20)), "1");
}

#[test]
fn dialogue_summaries() {
    let summary = |reply: &str| levels(English, "samsum", "", reply);
    assert_eq!(summary("Ann delays her stuff."), "12345");
    assert_eq!(summary("Ann, late, delays her stuff."), "1234");
    assert_eq!(summary("Ann ProcraStinates with stuff."), "123");
    assert_eq!(summary("Ann delays her stuffing."), "12");
    assert_eq!(summary("a b c d e f g h i j k l m n stuff."), "1");
    let chinese = |reply: &str| levels(Chinese, "samsum", "", reply);
    assert_eq!(chinese("琐碎的事，拖着"), "12345");
    assert_eq!(chinese("琐碎的事，拖着。"), "1234");
    assert_eq!(chinese("拖沓的，琐碎的"), "123");
}

#[test]
fn headlines() {
    let headline = |reply: &str| levels(English, "gigaword", "", reply);
    assert_eq!(headline("a b c d e f g in"), "12345");
    assert_eq!(headline("a b c d e f g h"), "1234");
    assert_eq!(headline("a b c d e f bus in"), "123");
    assert_eq!(headline("A b c d e f g in"), "12");
    assert_eq!(headline("a b c d e f g in."), "1");
    assert_eq!(headline("a b c d e f g"), "");
    let chinese = |reply: &str| levels(Chinese, "gigaword", "", reply);
    assert_eq!(chinese("人们在城里走路啊"), "12345");
    assert_eq!(chinese("人们乘公交车在走"), "123");
    assert_eq!(chinese("三人在城里走路啊"), "12", "an ideograph may be a number");
    assert_eq!(chinese("人们在城里走路。"), "1");
}

#[test]
fn abstract_summaries() {
    let summary = |reply: &str| levels(English, "arxiv", "", reply);
    assert_eq!(summary("We prune activations."), "12345");
    assert_eq!(summary("We prune transformer activations."), "1234");
    assert_eq!(summary("We prune."), "123");
    assert_eq!(summary(" We prune activations."), "12");
    assert_eq!(summary(&format!("We{}", " a".repeat(20))), "1");
    assert_eq!(levels(Chinese, "arxiv", "", "我们修剪激活。"), "12345");
    assert_eq!(levels(Chinese, "arxiv", "", "我们修剪transformers激活。"), "1234");
    assert_eq!(levels(Chinese, "arxiv", "", "修剪激活。"), "12");
}

#[test]
fn the_rest_is_for_judges() {
    let item = |language, category, source, example_id| Instruction {
        language,
        category,
        source,
        example_id,
        level: 1,
        target: "",
    };
    for (item, expected) in [
        (item(English, "format", "oasst", 30), Some(true)),
        (item(Chinese, "format", "oasst", 30), None),
        (item(English, "format", "oasst", 22), Some(false)),
        (item(Chinese, "format", "oasst", 22), Some(false)),
        (item(English, "format", "oasst", 1), None),
        (item(English, "format, content", "oasst", 22), None),
        (item(English, "style", "quora", 22), None),
        (item(English, "example", "xsum", 1), Some(false)),
    ] {
        assert_eq!(satisfied(&item, "**"), expected, "{item:?}");
    }
    let list = |target| Instruction { target, ..item(English, "content", "CONLL2003", 1) };
    assert!(has_readable_target(&list("['Bonn']")) && !has_readable_target(&list("Bonn")));
}
