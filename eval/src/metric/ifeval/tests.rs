//! Replies of our own that follow an instruction, and replies that miss it.

use super::*;
use serde_json::json;

fn instruction(id: &str, arguments: Value) -> Instruction {
    Instruction::new(id, arguments.as_object().unwrap()).unwrap()
}

/// Replies that follow, and replies that do not.
fn check(id: &str, arguments: Value, followed: &[&str], missed: &[&str]) {
    let instruction = instruction(id, arguments);
    for reply in followed {
        assert_eq!(instruction.strictly(reply), Some(true), "{id}: {reply}");
    }
    for reply in missed {
        assert_eq!(instruction.strictly(reply), Some(false), "{id}: {reply}");
    }
}

#[test]
fn keywords() {
    let both = json!({"keywords": ["river", "ink"]});
    check("keywords:existence", both, &["RIVERS of ink", "thİnk, river"], &["a river", "ink"]);
    let forbidden = json!({"forbidden_words": ["ink", "two words"]});
    check("keywords:forbidden_words", forbidden, &["think inks", "two\nwords"], &["Ink!", "Two Words", "-ink-"]);
    let few = json!({"keyword": " tea ", "frequency": 2, "relation": "less than"});
    check("keywords:frequency", few, &["tea", "none"], &["tea teatime", "Tea and TEA"]);
    let many = json!({"keyword": "tea", "frequency": 2, "relation": "at least"});
    check("keywords:frequency", many, &["teatea"], &["tea"]);
    let pattern = json!({"keywords": ["a.c"]});
    check("keywords:existence", pattern, &["aBc"], &["ac"]);
}

#[test]
fn letters_and_case() {
    let letter = |relation: &str, letter: &str| json!({"letter": letter, "let_frequency": 3, "let_relation": relation});
    check("keywords:letter_frequency", letter("at least", "A"), &["Banana", "aaaa"], &["Anna"]);
    check("keywords:letter_frequency", letter("less than", "#"), &["# two #"], &["###"]);
    check("change_case:english_capital", json!({}), &["ALL 1 OK!"], &["All", "123", "ДА", ""]);
    check("change_case:english_lowercase", json!({}), &["all 1 ok!"], &["All", "123", "да"]);
    let capital = |relation: &str| json!({"capital_frequency": 2, "capital_relation": relation});
    check("change_case:capital_word_frequency", capital("at least"), &["A NEW day", "IT'S"], &["A new Day"]);
    check("change_case:capital_word_frequency", capital("less than"), &["A new Day"], &["I am. I go."]);
}

#[test]
fn lengths() {
    let words = |relation: &str| json!({"num_words": 3, "relation": relation});
    check("length_constraints:number_words", words("at least"), &["one two-three", "it's so"], &["one two"]);
    check("length_constraints:number_words", words("less than"), &["one_two three"], &["a b c"]);
    let sentences = |relation: &str| json!({"num_sentences": 2.0, "relation": relation});
    check("length_constraints:number_sentences", sentences("at least"), &["One. Two."], &["One, Mr. Two."]);
    check("length_constraints:number_sentences", sentences("less than"), &["One..."], &["One? Two!"]);
    let two = json!({"num_paragraphs": 2});
    check("length_constraints:number_paragraphs", two, &["a\n***\nb", "***a***b***"], &["a", "a******b", "a\n\nb"]);
    let nth = json!({"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "It"});
    let followed = ["a\n\nIt's so", "a\n\n\"it, too"];
    let missed = ["a\n\nIts so", "a\n\nb\n\nit", "it", "a\n\n\n\nit", "a\n\n'\"'it"];
    check("length_constraints:nth_paragraph_first_word", nth, &followed, &missed);
}

#[test]
fn formats() {
    check("detectable_content:number_placeholders", json!({"num_placeholders": 2}), &["[a] [b]", "[]x[[]"], &["[a\n] [b]"]);
    let ps = |marker: &str| json!({"postscript_marker": marker});
    check("detectable_content:postscript", ps("P.S."), &["text p. s. more", "P.S. x"], &["PS. x", "P.S x"]);
    check("detectable_content:postscript", ps("P.P.S"), &["P.P.S x", "p. p. s."], &["P.S. x"]);
    let bullets = json!({"num_bullets": 2});
    check("detectable_format:number_bullet_lists", bullets, &["* a\n - b", "- a\n\n*b"], &["* a", "**a**\n- b", "*a\n*b\n-c"]);
    check("detectable_format:constrained_response", json!({}), &["So: My answer is maybe."], &["My answer is yes"]);
    let highlights = json!({"num_highlights": 2});
    check("detectable_format:number_highlighted_sections", highlights, &["*a* and *b*", "**a** **b**"], &["*a*", "**a**", "* \n*", "** **"]);
    let sections = json!({"section_spliter": "Part", "num_sections": 2});
    check("detectable_format:multiple_sections", sections, &["Part 1 a Part2 b"], &["Part 1", "part 1 part 2", "Part A Part B"]);
    let json_followed = ["{\"a\": [1, NaN]}", "```json\n[1e999]\n```", "```\n\"\\ud800\"```", "-Infinity"];
    check("detectable_format:json_format", json!({}), &json_followed, &["{a: 1}", "{\"a\": 1} x", "[5NaN]", "[1,]"]);
    check("detectable_format:title", json!({}), &["<<a>> text"], &["<<>>", "<< >>", "<a>", "<<a\n>>"]);
}

#[test]
fn combinations_and_ends() {
    check("combination:two_responses", json!({}), &["a ****** b", "******a******b"], &["a****** a", "a******b******c", "a****** ******b"]);
    let prompt = json!({"prompt_to_repeat": "Say it. "});
    check("combination:repeat_prompt", prompt, &["  say IT. So.", "Say it."], &["I say it.", "Say it"]);
    let ending = json!({"end_phrase": "That is ALL."});
    check("startend:end_checker", ending, &["so.\" that is all.\"", "That is all. "], &["That is all!", "That is all. No."]);
    check("startend:quotation", json!({}), &["\"a\" ", "\"\""], &["\"", "\"a", "“a”", "a\"b\""]);
    check("punctuation:no_comma", json!({}), &["a; b， c"], &["a, b"]);
}

#[test]
fn languages() {
    let tamil = instruction("language:response_language", json!({"language": "ta"}));
    assert_eq!((tamil.strictly("நன்றி"), tamil.strictly("thanks"), tamil.strictly(" ")), (Some(true), Some(false), Some(false)));
    let german = instruction("language:response_language", json!({"language": "de"}));
    assert_eq!((german.strictly("danke"), german.strictly("спасибо")), (None, Some(false)));
    assert_eq!(german.loosely(&forms("спасибо\ndanke")), None);
    assert_eq!(tamil.loosely(&forms("Sure:\nநன்றி நன்றி")), Some(true));
}

#[test]
fn eight_forms() {
    let forms = forms("*one*\n two \nthree");
    let plain = ["*one*\n two \nthree", "two \nthree", "*one*\n two", "two"];
    assert_eq!(forms[..4], plain);
    assert_eq!(forms[4], "one\n two \nthree");
    assert_eq!(forms[6], "one\n two");
    assert_eq!(super::forms("one")[1..4], ["", "", ""]);
}

#[test]
fn prompts_need_all_instructions() {
    assert_eq!(all(&[Some(true), Some(true)]), Some(true));
    assert_eq!(all(&[Some(true), None]), None);
    assert_eq!(all(&[None, Some(false)]), Some(false));
}

#[test]
fn what_cannot_be_checked_says_why() {
    let error = |id: &str, arguments: Value| Instruction::new(id, arguments.as_object().unwrap()).unwrap_err().to_string();
    assert_eq!(error("keywords:none", json!({})), "no instruction is called \"keywords:none\"");
    let id = "length_constraints:number_words";
    assert!(error(id, json!({"relation": "about", "num_words": 3})).ends_with("found \"about\""));
    assert!(error(id, json!({"relation": "at least", "num_words": 0})).contains("a number above 0"));
    assert!(error(id, json!({"num_words": 3})).ends_with("as `relation`, found nothing"));
    assert!(error("keywords:existence", json!({"keywords": ["("]})).contains("a pattern"));
    assert!(error("keywords:letter_frequency", json!({"letter": "ab"})).contains("one character"));
    let nth = json!({"num_paragraphs": 1, "nth_paragraph": 2, "first_word": "a"});
    assert!(error("length_constraints:nth_paragraph_first_word", nth).contains("one of the paragraphs"));
}
