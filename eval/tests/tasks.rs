//! Is a task what it says? Prompts literally, scores by hand, and what has to be refused.

mod fixture;

use datasets::{DataRoots, Pinning};
use engine::tokenizer::Tokenizer;
use eval::request::{Outcome, Request};
use eval::task::{Concession, OnOverflow, Prepared, PromptForm, TaskOptions, all, hash_text};
use eval::{Error, task};
use fixture::*;

fn shots(count: usize) -> TaskOptions {
    TaskOptions { num_fewshot: Some(count), ..TaskOptions::default() }
}

#[test]
fn every_line_of_the_registry_can_be_asked_for() {
    for entry in all() {
        assert!(!entry.names().is_empty(), "{}", entry.name);
        for name in entry.names() {
            assert_eq!(task::find(&name).unwrap().name, entry.name, "{name}");
            assert_eq!(task::parse(&name).unwrap().protocol, entry.default_protocol);
        }
        for text in [entry.summary, entry.split, entry.default_reason, entry.example] {
            assert!(!text.is_empty(), "{}", entry.name);
        }
        for metric in entry.metrics {
            assert!(eval::metric::find(metric).is_some(), "{metric}");
        }
        for protocol in entry.protocols {
            let word = protocol.name.replace("<tokens>", "512");
            let name = &entry.names()[0];
            assert_eq!(task::parse(&format!("{name}@{word}")).unwrap().protocol, word);
        }
    }
}

#[test]
fn the_examples_on_the_cards_are_the_prompts() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let (roots, options) = (DataRoots::default(), shots(1));
    let ids = "mmlu_people:builtin@lm-eval,truthfulqa_mc1:builtin,truthfulqa_mc2:builtin,truthfulqa:builtin";
    let suite = suite(ids, &tokenizer, &roots, &options).unwrap();
    for (index, task) in suite.tasks().iter().enumerate() {
        let (item, requests) = ready(&suite, index, 0);
        for request in &requests {
            let (context, _) = texts(&tokenizer, request);
            assert_eq!(context, format!("<s>{}", task.frame().entry.example), "{}", task.id());
        }
        assert_eq!(item.prompt_hash, hash_text(task.frame().entry.example));
        assert_eq!(item.prompt_tokens, 1 + task.frame().entry.example.len());
    }
    let continuations: Vec<String> = ready(&suite, 0, 0).1.iter().map(|request| texts(&tokenizer, request).1).collect();
    assert_eq!(continuations, [" A", " B", " C", " D"]);
    let (_, mc1) = ready(&suite, 1, 0);
    assert_eq!(mc1.len(), 4);
    assert_eq!(texts(&tokenizer, &mc1[0]).1, " Dunholt.");
    // Both tasks at once score each text once: four answers of MC1, and two more of MC2.
    assert_eq!(ready(&suite, 2, 0).1.len(), 6);
    assert_eq!(ready(&suite, 3, 0).1.len(), 6);
    // A fixed number of worked examples stays, and the results say so.
    assert_eq!(suite.tasks()[1].frame().shots, 0);
    assert!(suite.tasks()[1].configuration()["note"].as_str().unwrap().contains("ignored"));
}

#[test]
fn the_last_token_is_not_part_of_the_sequence_that_positions_are_made_for() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let (roots, options) = (DataRoots::default(), TaskOptions::default());
    let suite = suite("truthfulqa_mc1:builtin", &tokenizer, &roots, &options).unwrap();
    let Request::Score { tokens, first_scored, sequence_len } = &ready(&suite, 0, 0).1[0] else { panic!() };
    assert_eq!((*sequence_len, *first_scored), (tokens.len() - 1, 1 + task::find("truthfulqa").unwrap().example.len()));
}

#[test]
fn chat_protocols_lay_out_a_conversation() {
    let directory = tempfile::tempdir().unwrap();
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let roots = DataRoots::default();
    let options = shots(2);
    let ids = "mmlu_people:builtin,truthfulqa_mc1:builtin@repe";
    let chat = suite(ids, &tokenizer, &roots, &options).unwrap();
    let (item, requests) = ready(&chat, 0, 0);
    let prompt = "<s>[user]The following is a multiple-choice question. Please choose the most suitable one among A, B, C \
                  and D as the answer to this question.\n\nHow does Ivo earn a living?\nA. mason\nB. smith\nC. \
                  potter\nD. miller\n[assistant]";
    assert_eq!(item.prompt_hash, hash_text(prompt));
    let [Request::Generate { prompt: tokens, max_new_tokens: 8, .. }] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    assert_eq!(texts(&tokenizer, &requests[0]).0, prompt);
    assert_eq!(tokens.iter().filter(|&&token| token == 256).count(), 1);
    assert_eq!(chat.tasks()[0].frame().shots, 0);

    let (context, answer) = texts(&tokenizer, &ready(&chat, 1, 0).1[1]);
    assert_eq!(context, "<s>[user]Where are nets sold?[assistant]");
    assert_eq!(answer, "Ivystead.");

    // lm-eval's prompts in the template: the description speaks for the system, no space joins the letter.
    let options = TaskOptions { prompt_form: PromptForm::Chat, ..shots(1) };
    let plain = suite("mmlu_people:builtin@lm-eval", &tokenizer, &roots, &options).unwrap();
    let (context, letter) = texts(&tokenizer, &ready(&plain, 0, 0).1[2]);
    let (description, body) = all()[1].example.split_once("\n\n").unwrap();
    assert_eq!(context, format!("<s>[system]{description}\n\n[user]{body}[assistant]"));
    assert_eq!(letter, "C");
}

#[test]
fn a_chat_protocol_without_template_names_the_way_out() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let (roots, options) = (DataRoots::default(), TaskOptions::default());
    for (id, alternative) in [
        ("mmlu:builtin", "`mmlu@lm-eval`"),
        ("mmlu_people:builtin", "`mmlu_people@lm-eval`"),
        ("truthfulqa:builtin@repe", "`truthfulqa@lm-eval`"),
    ] {
        let error = suite(id, &tokenizer, &roots, &options).err().unwrap();
        assert!(matches!(error, Error::NoChatTemplate { .. }), "{error}");
        assert!(error.to_string().contains(alternative), "{error}");
    }
}

#[test]
fn the_likeliest_letter_is_the_answer() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let (roots, options) = (DataRoots::default(), TaskOptions::default());
    let suite = suite("mmlu_people:builtin@lm-eval", &tokenizer, &roots, &options).unwrap();
    let task = &suite.tasks()[0];
    let (item, requests) = ready(&suite, 0, 0);
    let outcomes = |log_probs: [f64; 4]| -> Vec<Outcome> {
        requests.iter().zip(log_probs).map(|(request, log_prob)| even(request, log_prob)).collect()
    };
    // " A" has two tokens here.
    let right = task.score(0, &item, &outcomes([-1.5, -1.0, -2.0, -3.0])).unwrap();
    assert_eq!(right.fields["log_probs"], serde_json::json!([-3.0, -2.0, -4.0, -6.0]));
    assert_eq!(right.fields["token_counts"], serde_json::json!([2, 2, 2, 2]));
    assert_eq!((right.fields["answer"].as_str(), right.fields["extracted"].as_str()), (Some("B"), Some("B")));
    let wrong = task.score(0, &item, &outcomes([-1.5, -3.0, -2.0, -1.5])).unwrap();
    assert_eq!((wrong.fields["extracted"].as_str(), wrong.number("correct")), (Some("A"), Some(0.0)));
    let metrics = task.aggregate(&[(0, &right), (1, &wrong), (2, &right), (3, &right)]).unwrap();
    assert_eq!((metrics[0].name, metrics[0].value, metrics[0].standard_error), ("acc", 0.75, Some(0.25)));
    assert!(task.aggregate(&[]).is_err());
    assert!(matches!(task.score(0, &item, &outcomes([-1.0; 4])[..3]), Err(Error::Mismatch { .. })));
}

#[test]
fn a_reply_is_read_by_qwens_rules() {
    let directory = tempfile::tempdir().unwrap();
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let (roots, options) = (DataRoots::default(), TaskOptions::default());
    let suite = suite("mmlu_people:builtin@qwen-chat", &tokenizer, &roots, &options).unwrap();
    let (item, _) = ready(&suite, 0, 0);
    let reply = Outcome::Generated { tokens: vec![7; 9], text: "The answer is A, I believe.".into() };
    let sample = suite.tasks()[0].score(0, &item, &[reply]).unwrap();
    assert_eq!((sample.fields["extracted"].as_str(), sample.number("correct")), (Some("A"), Some(0.0)));
    assert_eq!(sample.fields["rule"], "statement");
    assert_eq!(sample.fields["token_counts"], serde_json::json!([9]));
}

#[test]
fn truthfulqa_scores_follow_the_labels() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let (roots, options) = (DataRoots::default(), TaskOptions::default());
    let ids = "truthfulqa:builtin,truthfulqa_mc1:builtin,truthfulqa_mc2:builtin";
    let suite = suite(ids, &tokenizer, &roots, &options).unwrap();
    // The second true answer of MC2 and a false one are scored last; a log-probability is a sum over tokens.
    let sums = [-8.0, -9.0, -7.0, -30.0, -6.0, -60.0];
    let outcomes: Vec<Outcome> =
        sums.map(|sum| Outcome::Scored { log_probs: vec![sum / 2.0; 2], greedy: vec![false; 2] }).into();
    let (item, _) = ready(&suite, 0, 0);
    let sample = suite.tasks()[0].score(0, &item, &outcomes).unwrap();
    assert_eq!(sample.number("mc1"), Some(0.0));
    assert_eq!(sample.number("mc3"), Some(0.5));
    // numpy: e = exp([-8, -6, -9, -7, -30, -60]); e[:2].sum() / e.sum()
    let mc2 = sample.number("mc2").unwrap();
    assert!((mc2 - 0.7310585786122338).abs() < 1e-15, "{mc2}");
    let mc1 = suite.tasks()[1].score(0, &item, &outcomes[..4]).unwrap();
    assert_eq!((mc1.fields["answer"].as_u64(), mc1.fields["extracted"].as_u64()), (Some(0), Some(2)));
    assert_eq!(mc1.number("correct"), Some(0.0));
    let metrics = suite.tasks()[0].aggregate(&[(0, &sample), (1, &sample)]).unwrap();
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name).collect();
    assert_eq!(names, ["mc1", "mc2", "mc3"]);
    assert!(matches!(suite.tasks()[2].aggregate(&[(0, &mc1)]), Err(Error::Mismatch { .. })));
}

const DEV: &str = "What is one and one?,1,2,3,4,B\nWhat is two and two?,1,2,3,4,D\n";
const TEST: &str = "\" What is one and two? \",1,2,3,4,C\nWhat is two and two?,1,2,3,4,D\n";

#[test]
fn a_worked_example_must_not_be_the_question() {
    let data = tempfile::tempdir().unwrap();
    write_subject(data.path(), "anatomy", DEV, TEST);
    let roots = DataRoots::new(&[data.path().to_path_buf()]).with_pinning(Pinning::Allow);
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = shots(2);
    let allowing = TaskOptions { shown_answers: Concession::Allow, ..options.clone() };
    let of = |options| suite("mmlu_anatomy@lm-eval", &tokenizer, &roots, options).unwrap();
    let strict = of(&options);
    // Spaces around a question are stripped.
    let (context, _) = texts(&tokenizer, &ready(&strict, 0, 0).1[0]);
    assert!(context.ends_with("Answer: D\n\nWhat is one and two?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"), "{context}");
    let error = strict.tasks()[0].prepare(1).err().unwrap();
    assert!(matches!(error, Error::ShownAnswer { document: 1, example: 1, .. }), "{error}");
    let lenient = of(&allowing);
    assert!(lenient.tasks()[0].prepare(1).is_ok());
    assert_eq!(lenient.tasks()[0].configuration()["shown_answers"], "allow");
    let options = shots(3);
    let error = suite("mmlu_anatomy@lm-eval", &tokenizer, &roots, &options).err().unwrap();
    assert!(matches!(error, Error::TooFewExamples { wanted: 3, available: 2, .. }), "{error}");
    // A file that is not the official one needs permission.
    let roots = DataRoots::new(&[data.path().to_path_buf()]);
    let error = suite("mmlu_anatomy@lm-eval", &tokenizer, &roots, &options).err().unwrap();
    assert!(matches!(error, Error::Data(datasets::Error::Pin { .. })), "{error}");
}

#[test]
fn a_prompt_that_does_not_fit_is_refused_or_treated_as_asked() {
    let data = tempfile::tempdir().unwrap();
    write_subject(data.path(), "anatomy", DEV, TEST);
    let roots = DataRoots::new(&[data.path().to_path_buf()]).with_pinning(Pinning::Allow);
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = |on_overflow| TaskOptions { on_overflow, limit: Some(1), ..shots(2) };
    let id = "mmlu_anatomy@lm-eval";
    // <s>, the description, two examples of 50 bytes with delimiters, the question, and " A" of which one token is read.
    let whole = {
        let options = options(OnOverflow::Error);
        let suite = suite(id, &tokenizer, &roots, &options).unwrap();
        ready(&suite, 0, 0).0.prompt_tokens + 1
    };
    for (limit, fits) in [(whole, true), (whole - 1, false)] {
        let options = options(OnOverflow::Error);
        let suite = suite_within(id, &tokenizer, &roots, &options, limit).unwrap();
        let result = suite.tasks()[0].prepare(0);
        assert_eq!(result.is_ok(), fits);
        if let Err(error) = result {
            assert!(
                matches!(&error, Error::ContextOverflow { document: 0, tokens, limit, .. } if *tokens == whole && *limit == whole - 1),
                "{error}"
            );
        }
    }
    let limit = whole - 1;
    let skip = options(OnOverflow::Skip);
    let skipping = suite_within(id, &tokenizer, &roots, &skip, limit).unwrap();
    assert!(
        matches!(skipping.tasks()[0].prepare(0).unwrap(), Prepared::Skipped(reason) if reason.contains(&whole.to_string()))
    );
    let drop = options(OnOverflow::DropShots);
    let dropping = suite_within(id, &tokenizer, &roots, &drop, limit).unwrap();
    let (item, requests) = ready(&dropping, 0, 0);
    assert_eq!(item.notes["shots"], 1);
    let (context, _) = texts(&tokenizer, &requests[0]);
    assert!(context.contains("one and one") && !context.contains("two and two"), "{context}");
    let left = options(OnOverflow::Left);
    let cutting = suite_within(id, &tokenizer, &roots, &left, limit - 9).unwrap();
    let (item, requests) = ready(&cutting, 0, 0);
    assert_eq!(item.notes["tokens_cut_left"], serde_json::json!([10, 10, 10, 10]));
    let (context, letter) = texts(&tokenizer, &requests[3]);
    assert!(context.starts_with("wing are multiple choice") && letter == " D", "{context}");
    let extend = options(OnOverflow::Extend);
    let extending = suite_within(id, &tokenizer, &roots, &extend, limit - 9).unwrap();
    let (item, requests) = ready(&extending, 0, 0);
    assert_eq!((item.prompt_tokens, &item.notes["tokens_beyond_context"]), (whole - 1, &serde_json::json!(10)));
    assert!(texts(&tokenizer, &requests[0]).0.starts_with("<s>The following"));
    // What no shortening helps.
    let dropping = suite_within(id, &tokenizer, &roots, &drop, 50).unwrap();
    assert!(matches!(dropping.tasks()[0].prepare(0), Err(Error::ContextOverflow { .. })));
    let cutting = suite_within(id, &tokenizer, &roots, &left, 1).unwrap();
    assert!(matches!(cutting.tasks()[0].prepare(0), Err(Error::ContextOverflow { .. })));
}

#[test]
fn generation_keeps_to_the_context() {
    let directory = tempfile::tempdir().unwrap();
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let roots = DataRoots::default();
    let options = TaskOptions { on_overflow: OnOverflow::Error, ..TaskOptions::default() };
    let id = "mmlu_people:builtin@qwen-chat";
    let whole = {
        let suite = suite(id, &tokenizer, &roots, &options).unwrap();
        ready(&suite, 0, 0).0.prompt_tokens
    };
    let tight = suite_within(id, &tokenizer, &roots, &options, whole + 5).unwrap();
    let (item, requests) = ready(&tight, 0, 0);
    assert!(matches!(requests[0], Request::Generate { max_new_tokens: 5, .. }));
    assert_eq!(item.notes["max_new_tokens"], 5);
    let full = suite_within(id, &tokenizer, &roots, &options, whole).unwrap();
    assert!(matches!(full.tasks()[0].prepare(0), Err(Error::ContextOverflow { .. })));
    // Unless it is said otherwise, rotary positions go on beyond the context.
    let extending = TaskOptions::default();
    let beyond = suite_within(id, &tokenizer, &roots, &extending, whole - 10).unwrap();
    let (item, requests) = ready(&beyond, 0, 0);
    assert!(matches!(requests[0], Request::Generate { max_new_tokens: 8, .. }));
    assert_eq!(item.notes["tokens_beyond_context"], 11);
}

#[test]
fn two_beginnings_of_a_sequence_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let doubled = chat_tokenizer(directory.path(), &format!("<s>{TEMPLATE}"));
    let (roots, options) = (DataRoots::default(), TaskOptions::default());
    let ids = "mmlu_people:builtin@qwen-chat,truthfulqa_mc1:builtin@repe";
    let strict = suite(ids, &doubled, &roots, &options).unwrap();
    for task in strict.tasks() {
        assert!(matches!(task.prepare(0), Err(Error::DoubleBos { document: 0, .. })));
    }
    let options = TaskOptions { double_bos: Concession::Allow, ..options.clone() };
    let lenient = suite(ids, &doubled, &roots, &options).unwrap();
    assert!(lenient.tasks()[0].prepare(0).is_ok());

    // A text that begins with the token's own text.
    let text = directory.path().join("text.txt");
    std::fs::write(&text, "<s>once upon a time").unwrap();
    let id = format!("perplexity:{}@gptq-8", text.display());
    let options = TaskOptions::default();
    let error = suite(&id, &doubled, &roots, &options).err().unwrap();
    assert!(matches!(&error, Error::DoubleBos { token, .. } if token == "<s>"), "{error}");
}

#[test]
fn an_answer_without_a_token_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let data = tempfile::tempdir().unwrap();
    let questions = r#"[{"question": "Is it?", "mc1_targets": {"": 1, "no": 0}, "mc2_targets": {"yes": 1, "no": 0}}]"#;
    std::fs::create_dir_all(data.path().join("truthfulqa/data")).unwrap();
    std::fs::write(data.path().join("truthfulqa/data/mc_task.json"), questions).unwrap();
    let roots = DataRoots::new(&[data.path().to_path_buf()]).with_pinning(Pinning::Allow);
    let options = TaskOptions::default();
    let suite = suite("truthfulqa_mc1@repe,truthfulqa_mc1@lm-eval", &tokenizer, &roots, &options).unwrap();
    let error = suite.tasks()[0].prepare(0).err().unwrap();
    assert!(matches!(error, Error::EmptyContinuation { document: 0, .. }), "{error}");
    // Under lm-eval the space that joins it is scored, as there.
    assert_eq!(texts(&tokenizer, &ready(&suite, 1, 0).1[0]).1, " ");
}

#[test]
fn ids_and_files_are_named_once() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |directory: &tempfile::TempDir| {
        let path = directory.path().join("text.txt");
        std::fs::write(&path, "a text that is long enough for a window or two").unwrap();
        path.display().to_string()
    };
    let (a, b) = (write(&one), write(&two));
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let (roots, options) = (DataRoots::default(), TaskOptions::default());
    let of = |ids: String| suite(&ids, &tokenizer, &roots, &options).err();
    assert!(matches!(
        of(format!("perplexity:{a}@gptq-8,perplexity:{b}@lm-eval")),
        Some(Error::AmbiguousFileName { .. })
    ));
    assert!(matches!(of(format!("perplexity:{a}@gptq-8,perplexity:{a}@gptq-8")), Some(Error::RepeatedTask { .. })));
    assert!(of(format!("perplexity:{a}@gptq-8,perplexity:{a}@lm-eval")).is_none());
    assert!(matches!(of("perplexity".into()), Some(Error::Variant { .. })));
    assert!(matches!(of("mmlu_anatomy:five@lm-eval".into()), Some(Error::Variant { .. })));
    assert!(matches!(of("mmlu_people@lm-eval".into()), Some(Error::Variant { .. })));
    assert!(matches!(of("perplexity:no/such.txt@gptq-8".into()), Some(Error::Data(_))));
    assert!(matches!(of("mmlu@lm-eval".into()), Some(Error::Data(datasets::Error::Missing { .. }))));
}

#[test]
fn a_group_has_its_members_once() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let roots = DataRoots::default();
    let options = TaskOptions { limit: Some(5), ..shots(5) };
    let ids = "mmlu_geography:builtin@lm-eval,mmlu:builtin@lm-eval";
    let suite = suite(ids, &tokenizer, &roots, &options).unwrap();
    let names: Vec<&str> = suite.tasks().iter().map(|task| task.id()).collect();
    assert_eq!(names[..2], ["mmlu_geography:builtin@lm-eval", "mmlu_people:builtin@lm-eval"]);
    assert_eq!(suite.groups()[0].members, [1, 0, 2, 3, 4, 5]);
    assert_eq!(suite.requested(), ["mmlu_geography:builtin@lm-eval", "mmlu:builtin@lm-eval"]);
    assert_eq!(suite.tasks()[0].document_count(), 5);
    assert_eq!((suite.tasks()[0].frame().counts.original, suite.tasks()[0].frame().shots), (40, 5));
}

#[test]
fn the_official_files_give_57_subjects_in_four_categories() {
    let Some(data) = shared("data") else { return };
    let directory = tempfile::tempdir().unwrap();
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let roots = DataRoots::new(&[data]);
    let options = TaskOptions::default();
    // Numbers of questions in the paper's tables and in the authors' categories.py.
    for (id, sizes) in [
        ("mmlu@lm-eval", [14_042, 3_018, 4_705, 3_077, 3_242]),
        ("mmlu@qwen-chat", [14_042, 3_153, 4_705, 3_077, 3_107]),
    ] {
        let suite = suite(id, &tokenizer, &roots, &options).unwrap();
        assert_eq!(suite.tasks().len(), 57);
        let found: Vec<usize> = suite
            .groups()
            .iter()
            .map(|group| group.members.iter().map(|&index| suite.tasks()[index].document_count()).sum())
            .collect();
        assert_eq!(found, sizes, "{id}");
    }
    let suite = suite("truthfulqa", &tokenizer, &roots, &options).unwrap();
    assert_eq!(suite.tasks()[0].document_count(), 817);
    assert_eq!(suite.tasks()[0].frame().files[0].edition, Some("v2021-10"));
}
