//! Does a template render as transformers renders it?
//!
//! The templates of `chat_template_fixtures` are written for this test in the style of published ones; `expected.json` holds
//! what transformers 5.23.0 with jinja2 3.1.6 made of them (`make_expected.py` there).

use std::collections::BTreeMap;

use engine::chat_template::{ChatTemplate, ChatTemplateError, Date, GenerationPrompt, Message, Options};
use serde_json::{Value, json};

/// A file of `chat_template_fixtures`.
fn fixture(name: &str) -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chat_template_fixtures/");
    std::fs::read_to_string(format!("{directory}{name}")).unwrap()
}

fn messages(value: &Value) -> Vec<Message> {
    let text = |value: &Value| value.as_str().unwrap().to_string();
    value.as_array().unwrap().iter().map(|turn| Message::new(text(&turn["role"]), text(&turn["content"]))).collect()
}

fn render(source: &str, messages: &[Message]) -> Result<String, ChatTemplateError> {
    ChatTemplate::new(source)?.render(messages, &Options::default())
}

#[test]
fn texts_equal_those_of_transformers() {
    let expected: Value = serde_json::from_str(&fixture("expected.json")).unwrap();
    for case in expected.as_array().unwrap() {
        let template = ChatTemplate::new(&fixture(&format!("{}.jinja", case["template"].as_str().unwrap()))).unwrap();
        let extra: BTreeMap<String, Value> = serde_json::from_value(case["extra"].clone()).unwrap();
        let options = Options {
            generation_prompt: match case["generation_prompt"].as_bool().unwrap() {
                true => GenerationPrompt::Add,
                false => GenerationPrompt::Omit,
            },
            bos_token: Some("<s>"),
            eos_token: Some("</s>"),
            date: None,
            extra,
        };
        let found = template.render(&messages(&case["messages"]), &options);
        match (&case["text"], &case["refused"], found) {
            (Value::String(text), _, Ok(found)) => {
                let differing: Vec<_> = found.lines().zip(text.lines()).filter(|(found, text)| found != text).collect();
                assert_eq!(&found, text, "{}: (found, expected) {differing:#?}", case["template"]);
            }
            (_, Value::String(words), Err(ChatTemplateError::Refused { message })) => assert_eq!(&message, words),
            (_, _, found) => panic!("{found:?} for {case:#}"),
        }
    }
}

#[test]
fn chatml_is_what_the_first_generation_of_qwen_sends() {
    let template = ChatTemplate::chatml().unwrap();
    let options = Options { generation_prompt: GenerationPrompt::Add, ..Options::default() };
    let question = [Message::new("user", "Hello")];
    assert_eq!(
        template.render(&question, &options).unwrap(),
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n\
         <|im_start|>assistant\n"
    );
    let talk = [
        Message::new("system", "Be brief."),
        Message::new("user", "a\n"),
        Message::new("assistant", " b"),
        Message::new("user", ""),
    ];
    assert_eq!(
        template.render(&talk, &options).unwrap(),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\na\n<|im_end|>\n<|im_start|>assistant\n b<|im_end|>\n\
         <|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"
    );
    assert_eq!(template.render(&[], &Options::default()).unwrap(), "");
}

#[test]
fn the_date_is_given_and_never_the_clocks() {
    let formats = "%Y-%m-%d %a %A %b %B %e %j %y %H:%M:%S %I %p %u %w %-d/%-m %F %D %c%%";
    let template = ChatTemplate::new(&format!("{{{{ strftime_now('{formats}') }}}}")).unwrap();
    let on = |date| template.render(&[], &Options { date, ..Options::default() }).unwrap();
    // As Python's datetime(...).strftime gives in the C locale.
    assert_eq!(
        on(None),
        "2024-07-26 Fri Friday Jul July 26 208 24 00:00:00 12 AM 5 5 26/7 2024-07-26 07/26/24 Fri Jul 26 00:00:00 2024%"
    );
    assert_eq!(
        on(Date::new(2000, 2, 29)),
        "2000-02-29 Tue Tuesday Feb February 29 060 00 00:00:00 12 AM 2 2 29/2 2000-02-29 02/29/00 Tue Feb 29 00:00:00 2000%"
    );
    assert_eq!(
        on(Date::new(2023, 1, 1)),
        "2023-01-01 Sun Sunday Jan January  1 001 23 00:00:00 12 AM 7 0 1/1 2023-01-01 01/01/23 Sun Jan  1 00:00:00 2023%"
    );
    for (year, month, day) in [(2023, 2, 29), (1900, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 4, 31), (1500, 1, 1)] {
        assert_eq!(Date::new(year, month, day), None);
    }
    for format in ["%Q", "%", "%-", "%-Q"] {
        let error = render(&format!("{{{{ strftime_now('{format}') }}}}"), &[]).unwrap_err();
        assert!(error.to_string().contains(&format!("{format} is not supported")), "{error}");
    }
}

#[test]
fn errors_name_the_line_or_carry_the_templates_words() {
    match ChatTemplate::new("{% for m in messages %}\n{{ m.role }\n{% endfor %}") {
        Err(ChatTemplateError::Syntax { line: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(ChatTemplate::new("{% if x %}"), Err(ChatTemplateError::Syntax { .. })));
    match render("one\n{{ messages[0].role.nothing.more }}", &[Message::new("user", "x")]) {
        Err(ChatTemplateError::Render { line: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    match render("{% macro f() %}{{ raise_exception('no ' ~ 1) }}{% endmacro %}{{ f() }}", &[]) {
        Err(ChatTemplateError::Refused { message }) => assert_eq!(message, "no 1"),
        other => panic!("{other:?}"),
    }
    for broken in ["{{ x.nofunction() }}", "{{ 'a'.nomethod() }}", "{{ [] | nofilter }}", "{{ missing | tojson }}"] {
        assert!(render(broken, &[]).is_err(), "{broken}");
    }
    // Recursion and nesting end in an error, not in a crash.
    assert!(render("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", &[]).is_err());
    assert!(ChatTemplate::new(&format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000))).is_err());
    assert!(ChatTemplate::new(&"{% if true %}".repeat(100_000)).is_err());
    let deep = format!("{{{{ {}1{} | tojson }}}}", "[".repeat(90), "]".repeat(90));
    assert!(render(&deep, &[]).is_ok_and(|text| text.starts_with("[[[[")) || render(&deep, &[]).is_err());
}

#[test]
fn undefined_variables_are_empty_as_in_jinja() {
    let options = Options { extra: BTreeMap::from([("given".to_string(), json!(null))]), ..Options::default() };
    let template = "[{{ bos_token }}{{ missing }}]{{ tools is none }}{{ documents is defined }}{{ given is none }}";
    assert_eq!(ChatTemplate::new(template).unwrap().render(&[], &options).unwrap(), "[]TrueTrueTrue");
}
