//! Multiple choice beyond MMLU and TruthfulQA: prompts literally, scores by hand, and all prompts of the official files
//! against lm-evaluation-harness 0.4.13.

mod fixture;

use datasets::{DataRoots, Pinning};
use engine::tokenizer::Tokenizer;
use eval::request::Outcome;
use eval::task::{Suite, TaskOptions};
use eval::{Error, task};
use fixture::items::{asked, own_items, scored};
use fixture::*;
use sha2::{Digest, Sha256};

fn shots(count: usize) -> TaskOptions {
    TaskOptions { num_fewshot: Some(count), ..TaskOptions::default() }
}

#[test]
fn prompts_of_lm_eval_are_what_they_should_be() {
    let (_directory, roots) = own_items();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = TaskOptions::default();
    for (id, context, continuations) in [
        (
            "arc_easy",
            "Question: Which of these is warm-blooded?\nAnswer:",
            vec![" a frog", " a house sparrow", " a pike"],
        ),
        (
            "hellaswag",
            "Baking bread: A man kneads dough on a table. He",
            vec![" bakes it. It rises.", " sings to a fish.", " paints the dough.", " leaves for the moon."],
        ),
        ("lambada_openai", "Anna had packed an umbrella. When it began to rain, she opened her", vec![" umbrella"]),
        (
            "piqa",
            "Question: To keep a door from closing,\nAnswer:",
            vec![" put a wedge under it.", " put a wedge on the table."],
        ),
        (
            "boolq",
            "Tea -- Tea is a drink made by pouring hot water over leaves.\nQuestion: is tea made with cold water?\nAnswer:",
            vec![" no", " yes"],
        ),
        (
            "snli@lm-eval-mnli",
            "A boy kicks a ball across the yard.\nQuestion: A child is outdoors. True, False or Neither?\nAnswer:",
            vec![" True", " Neither", " False"],
        ),
        (
            "snli@lm-eval-anli",
            "A boy kicks a ball across the yard.\nQuestion: A child is outdoors.  True, False, or Neither?\nAnswer:",
            vec![" True", " Neither", " False"],
        ),
    ] {
        let suite = suite(id, &tokenizer, &roots, &options).unwrap();
        let expected: Vec<(String, String)> =
            continuations.iter().map(|continuation| (context.to_owned(), (*continuation).to_owned())).collect();
        assert_eq!(asked(&tokenizer, &suite, 0, 0), expected, "{id}");
    }
    let mnli = suite("snli@lm-eval-mnli", &tokenizer, &roots, &options).unwrap();
    assert!(asked(&tokenizer, &mnli, 0, 1)[0].0.contains("Nobody speaks. True"), "a full stop is added");
    let winogrande = suite("winogrande", &tokenizer, &roots, &options).unwrap();
    let before = "The key did not fit into the lock because the ";
    let expected = ["key", "lock"].map(|name| (format!("{before}{name}"), " was too large.".to_owned()));
    assert_eq!(asked(&tokenizer, &winogrande, 0, 0), expected);
    assert_eq!(ready(&winogrande, 0, 0).0.prompt_hash, task::hash_text(&format!("{before}key\n{before}lock")));
}

#[test]
fn examples_on_the_cards_are_the_prompts() {
    let (directory, roots) = own_items();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = shots(1);
    let ids = "arc_easy,hellaswag,lambada_openai,piqa,boolq,ceval_high_school_physics@lm-eval";
    let plain = suite(ids, &tokenizer, &roots, &options).unwrap();
    for (index, task) in plain.tasks().iter().enumerate() {
        assert_eq!(asked(&tokenizer, &plain, index, 0)[0].0, task.frame().entry.example, "{}", task.id());
    }
    let winogrande = suite("winogrande", &tokenizer, &roots, &options).unwrap();
    assert_eq!(asked(&tokenizer, &winogrande, 0, 0)[0].0, winogrande.tasks()[0].frame().entry.example);
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let chat = suite("snli,bbq_age", &tokenizer, &roots, &options).unwrap();
    for (index, task) in chat.tasks().iter().enumerate() {
        let example = task.frame().entry.example;
        // The hypothesis in the file ends in a space.
        let prompt = texts(&tokenizer, &ready(&chat, index, 0).1[0]).0.replace("outdoors. \"", "outdoors.\"");
        assert_eq!(prompt, format!("<s>[user]{example}[assistant]"), "{}", task.id());
    }
}

#[test]
fn mmlu_official_keeps_the_authors_two_spaces() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let (roots, options) = (DataRoots::default(), shots(1));
    let of = |protocol: &str| {
        let suite = suite(&format!("mmlu_people:builtin@{protocol}"), &tokenizer, &roots, &options).unwrap();
        asked(&tokenizer, &suite, 0, 0)
    };
    let doubled = |(context, letter): (String, String)| (context.replacen("about ", "about  ", 1), letter);
    assert_eq!(of("official"), of("lm-eval").into_iter().map(doubled).collect::<Vec<_>>());
    let defaults = TaskOptions::default();
    let unasked = suite("mmlu_people:builtin@official", &tokenizer, &roots, &defaults).unwrap();
    assert_eq!(unasked.tasks()[0].frame().shots, 5);
}

#[test]
fn c_eval_asks_as_its_three_protocols_do() {
    let (directory, roots) = own_items();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = shots(1);
    let id = "ceval_high_school_physics";
    let suite_of = |protocol: &str| suite(&format!("{id}@{protocol}"), &tokenizer, &roots, &options).unwrap();
    let head = "以下是中国关于高中物理的单项选择题，请选出其中的正确答案。\n\n";
    let shown = "下列单位中，用来表示力的是____。\nA. 千克\nB. 牛顿\nC. 焦耳\nD. 米\n答案：";
    let text = "一只苹果从树上落下，下落时它的速度____。\nA. 越来越大\nB. 越来越小\nC. 保持不变\nD. 始终为零\n答案：";
    let harness = asked(&tokenizer, &suite_of("lm-eval"), 0, 0);
    assert_eq!(harness[1], (format!("{head}{shown} B\n\n{text}"), " B".to_owned()));
    let official = asked(&tokenizer, &suite_of("official"), 0, 0);
    let head = head.replace("的单项", "考试的单项");
    assert_eq!(official[1], (format!("{head}{shown}B\n\n{text}"), "B".to_owned()));
    let metrics = |suite: &Suite<'_>| suite.tasks()[0].metric_names();
    assert_eq!(
        (metrics(&suite_of("lm-eval")), metrics(&suite_of("official"))),
        (&["acc", "acc_norm"][..], &["acc"][..])
    );
    // Five worked examples unless it is said otherwise, where there are that many.
    let error = suite(&format!("{id}@official"), &tokenizer, &roots, &TaskOptions::default()).err().unwrap();
    assert!(matches!(error, Error::TooFewExamples { wanted: 5, available: 1, .. }), "{error}");

    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let chat = suite(id, &tokenizer, &roots, &options).unwrap();
    let (item, requests) = ready(&chat, 0, 0);
    let text = "一只苹果从树上落下，下落时它的速度____。\n\nA. 越来越大\nB. 越来越小\nC. 保持不变\nD. 始终为零\n";
    assert_eq!(texts(&tokenizer, &requests[0]).0, format!("<s>[user]{text}[assistant]"));
    let reply = Outcome::Generated {
        tokens: vec![1; 3], text: "一只苹果下落，下落时它的速度越来越大".into()
    };
    let sample = chat.tasks()[0].score(0, &item, &[reply]).unwrap();
    assert_eq!((sample.fields["extracted"].as_str(), sample.number("correct")), (Some("A"), Some(1.0)));
    assert_eq!((sample.fields["rule"].as_str(), sample.fields["span"].as_str()), (Some("letter"), Some("A")));
}

#[test]
fn lengths_decide_acc_norm() {
    let (_directory, roots) = own_items();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = TaskOptions::default();
    let suite = suite("arc_easy,winogrande,lambada_openai,boolq", &tokenizer, &roots, &options).unwrap();
    // "a frog" has 6 characters, "a house sparrow" 15, "a pike" 6.
    let (item, requests) = ready(&suite, 0, 0);
    let sample = suite.tasks()[0].score(0, &item, &scored(&requests, &[-7.0, -15.0, -8.0])).unwrap();
    assert_eq!((sample.fields["extracted"].as_u64(), sample.number("correct")), (Some(0), Some(0.0)));
    assert_eq!((sample.fields["extracted_norm"].as_u64(), sample.number("correct_norm")), (Some(1), Some(1.0)));
    let metrics = suite.tasks()[0].aggregate(&[(0, &sample)]).unwrap();
    assert_eq!(
        metrics.iter().map(|metric| (metric.name, metric.value)).collect::<Vec<_>>(),
        [("acc", 0.0), ("acc_norm", 1.0)]
    );
    let (item, requests) = ready(&suite, 1, 0);
    let sample = suite.tasks()[1].score(0, &item, &scored(&requests, &[-7.0, -7.5])).unwrap();
    assert_eq!((sample.fields["extracted"].as_u64(), sample.number("correct")), (Some(0), Some(1.0)));
    let (item, requests) = ready(&suite, 2, 0);
    let tokens = scored(&requests, &[-9.0]);
    let missed = suite.tasks()[2].score(0, &item, &tokens).unwrap();
    let [Outcome::Scored { log_probs, greedy }] = tokens.as_slice() else { panic!() };
    let greedy = Outcome::Scored { log_probs: log_probs.clone(), greedy: vec![true; greedy.len()] };
    let guessed = suite.tasks()[2].score(0, &item, &[greedy]).unwrap();
    let metrics = suite.tasks()[2].aggregate(&[(0, &missed), (1, &guessed)]).unwrap();
    assert_eq!((metrics[0].name, metrics[0].value), ("acc", 0.5));
    assert_eq!(metrics[1].name, "perplexity");
    assert!((metrics[1].value / kernels::math::exp(9.0) - 1.0).abs() < 1e-12, "{metrics:?}");
    let (item, requests) = ready(&suite, 3, 0);
    let sample = suite.tasks()[3].score(0, &item, &scored(&requests, &[-2.0, -1.0])).unwrap();
    assert_eq!((sample.fields["answer"].as_str(), sample.fields["extracted"].as_str()), (Some("no"), Some("yes")));
}

#[test]
fn snli_takes_the_first_of_three_words() {
    let (directory, roots) = own_items();
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let options = TaskOptions::default();
    let suite = suite("snli", &tokenizer, &roots, &options).unwrap();
    assert_eq!(suite.tasks()[0].document_count(), 2, "the pair without gold label is left out");
    let (item, _) = ready(&suite, 0, 0);
    let score = |text: &str| {
        let reply = Outcome::Generated { tokens: vec![1], text: text.into() };
        suite.tasks()[0].score(0, &item, &[reply]).unwrap()
    };
    for (reply, found) in [
        ("Yes, a boy is a child.", Some("yes")),
        ("I know: MAYBE, or no.", Some("maybe")),
        ("Not yes but **no**", Some("yes")),
        ("Nobody can say.", None),
        ("", None),
    ] {
        let sample = score(reply);
        assert_eq!(sample.fields["extracted"].as_str(), found, "{reply}");
        assert_eq!(sample.number("correct"), Some(f64::from(u8::from(found == Some("yes")))), "{reply}");
        assert_eq!(sample.number("no_answer"), Some(f64::from(u8::from(found.is_none()))), "{reply}");
    }
    let (right, none) = (score("yes"), score("hm"));
    let metrics = suite.tasks()[0].aggregate(&[(0, &right), (1, &none)]).unwrap();
    assert_eq!(
        metrics.iter().map(|metric| (metric.name, metric.value)).collect::<Vec<_>>(),
        [("acc", 0.5), ("no_answer", 0.5)]
    );
}

#[test]
fn without_data_an_error_says_where_to_get_them() {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let (roots, options) = (DataRoots::default(), TaskOptions::default());
    for id in [
        "ceval@lm-eval",
        "ceval_law@official",
        "snli@lm-eval-mnli",
        "bbq@lm-eval",
        "bbq:found@lm-eval",
        "bbq_ses@lm-eval",
        "arc_easy",
        "arc_challenge",
        "hellaswag",
        "winogrande",
        "lambada_openai",
        "lambada_standard",
        "piqa",
        "boolq",
        "perplexity:ptb",
        "perplexity:ptb-new",
    ] {
        let error = suite(id, &tokenizer, &roots, &options).err().unwrap();
        assert!(matches!(error, Error::Data(datasets::Error::Missing { .. })), "{id}: {error}");
    }
    let error = suite("piqa:builtin", &tokenizer, &roots, &options).err().unwrap();
    assert!(matches!(error, Error::Variant { .. } | Error::Data(_)), "{error}");
}

/// SHA-256 over all contexts and continuations, white space at the end of a context moved: length (u64) and bytes each.
fn digest(tokenizer: &Tokenizer, suite: &Suite<'_>) -> (usize, String) {
    let mut hasher = Sha256::new();
    let count = suite.tasks()[0].document_count();
    for document in 0..count {
        for (context, continuation) in asked(tokenizer, suite, 0, document) {
            for text in [context, continuation] {
                hasher.update((text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
    }
    (count, hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[test]
fn all_prompts_of_the_official_files_are_those_of_lm_eval() {
    let Some(data) = shared("data") else { return };
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let roots = DataRoots::new(&[data]).with_pinning(Pinning::Allow);
    for (id, wanted_shots, documents, expected) in [
        ("arc_easy", 0, 2_376, "76cf367fed848f28db7359ec3b6a37a26835d05a587625b92aa566ecc4bd919f"),
        ("arc_challenge", 0, 1_172, "c03b8dee1bdc4322e0a298bd3dbb1e511a0d70904629492e6de4a8fdf0ca1674"),
        ("hellaswag", 0, 1_000, "6540d8d2d8f36769935be30cf3bf8754405035e1bcdfe849b7e7cf25f762d574"),
        ("winogrande", 0, 1_267, "b602e6b7c3ba8b786afa4a401d6b11ae6b647dcd31bbb90b95d49fc21772ea81"),
        ("lambada_openai", 0, 5_153, "c7670ea34c91a6d51e952531e68c35d730db59123f4bed689cf5efbea0b36052"),
        ("lambada_standard", 0, 5_153, "de7ee48ce73de2ba52ee5d41029150bc8fa624692c081c59f314b6d71fad9ea2"),
        ("truthfulqa_mc1", 0, 817, "112fa0d3e1549f7888796d59a5a81e86eb0be3040196f3be8fd2a4832d9e63d1"),
        ("truthfulqa_mc2", 0, 817, "ac38a4f31197f26f25c0911163b8b4610a33cba75396b42a3454d7ce275ea9d9"),
        ("bbq:found@lm-eval", 0, 11_956, "73850d77748964c143e08c0b09410a3883c20c78960af65ac6ef0f7c8ab5f300"),
        ("snli@lm-eval-mnli", 0, 9_824, "d15c0004b33f350a41ae69554ef9c4dd00d3f10d8f33e334b6fda77f0e784025"),
        ("snli@lm-eval-anli", 0, 9_824, "05f36ab39079cc6ab6a87a4ad08b95a8fb59839de6f21e98307b81aaa2eb4501"),
        ("mmlu_anatomy@lm-eval", 5, 135, "0b8372abb06cbc6c9cfefd216778ea5d5c71e9dd6a5c058a9c5e690d671d8f67"),
        ("ceval_accountant@lm-eval", 5, 49, "6809f5637761a77aa8abeecc28722765cbd1b7de6f11627d50c72d0d8c6d555d"),
        (
            "ceval_high_school_physics@lm-eval",
            5,
            19,
            "775aac1618c8e75cb02790756adc09e193a9117b97540869c72cb54eaa15b256",
        ),
    ] {
        let options = shots(wanted_shots);
        let suite = suite_within(id, &tokenizer, &roots, &options, 1 << 20).unwrap();
        assert_eq!(digest(&tokenizer, &suite), (documents, expected.to_owned()), "{id}");
    }
}

#[test]
fn the_official_files_give_52_subjects_in_four_categories_and_a_hard_one() {
    let Some(data) = shared("data") else { return };
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let roots = DataRoots::new(&[data]);
    let options = TaskOptions::default();
    let suite = suite("ceval@lm-eval", &tokenizer, &roots, &options).unwrap();
    assert_eq!(suite.tasks().len(), 52);
    let members = |id: &str| {
        let group = suite.groups().iter().find(|group| group.id == format!("{id}@lm-eval")).unwrap();
        let documents = group.members.iter().map(|&index| suite.tasks()[index].document_count()).sum::<usize>();
        (group.members.len(), documents)
    };
    // Subjects: subject_mapping.json of the authors. 1,346 questions are the official number.
    assert_eq!(members("ceval"), (52, 1_346));
    let parts = ["stem", "social_science", "humanities", "other"].map(|name| members(&format!("ceval_{name}")));
    assert_eq!(parts.map(|(subjects, _)| subjects), [20, 10, 11, 11]);
    assert_eq!(parts.map(|(_, documents)| documents).iter().sum::<usize>(), 1_346);
    assert_eq!(members("ceval_hard").0, 8);
}
