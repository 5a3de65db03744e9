//! The readers of the benchmarks on items of our own making, in every layout that is published, and on bad ones.

use datasets::followbench::{Constraint, Language};
use datasets::{DataRoots, Error, PinStatus, Pinning, arc, bbq, boolq, ceval, cnn_dailymail, flores, followbench};
use datasets::{gsm8k, hellaswag, ifeval, lambada, piqa, ptb, snli, truthfulqa, winogrande, xsum};
use tempfile::TempDir;

/// A directory with these files.
fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, content) in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

fn roots(dir: &TempDir) -> DataRoots {
    DataRoots::new(&[dir.path().to_owned()]).with_pinning(Pinning::Allow)
}

/// The error of `read` on a directory with one file, which must speak of that file.
fn refused<T: std::fmt::Debug>(file: &str, content: &str, read: impl Fn(&DataRoots) -> datasets::Result<T>) -> String {
    let message = read(&roots(&dir(&[(file, content)]))).unwrap_err().to_string();
    assert!(message.contains(file), "{message}");
    message
}

#[test]
fn a_changed_official_file_is_refused_before_it_is_parsed() {
    let dir = dir(&[("gsm8k/test.jsonl", "{\"question\": \"q\", \"answer\": \"#### 1\"}\n")]);
    let strict = DataRoots::new(&[dir.path().to_owned()]);
    let error = gsm8k::read(&strict, gsm8k::Split::Test).unwrap_err();
    assert!(matches!(error, Error::Pin { .. }) && error.to_string().contains("--allow_unpinned"), "{error}");
    let loaded = gsm8k::read(&roots(&dir), gsm8k::Split::Test).unwrap();
    assert_eq!((loaded.content.len(), loaded.files[0].status), (1, PinStatus::Unpinned));
}

#[test]
fn a_data_sets_own_folder_comes_before_a_directory_that_may_be_it() {
    let first = dir(&[("test.jsonl", "{\"question\": \"of something else\", \"answer\": \"#### 1\"}\n")]);
    let second = dir(&[("gsm8k/test.jsonl", "{\"question\": \"q\", \"answer\": \"#### 2\"}\n")]);
    let both = DataRoots::new(&[first.path().to_owned(), second.path().to_owned()]).with_pinning(Pinning::Allow);
    assert_eq!(gsm8k::read(&both, gsm8k::Split::Test).unwrap().content[0].result, "2");
    assert_eq!(gsm8k::read(&roots(&first), gsm8k::Split::Test).unwrap().content[0].result, "1");
}

#[test]
fn ceval_reads_each_split() {
    let (header, row) = ("id,question,A,B,C,D,answer", "0,\"一加一，等于____。\",1,2,3,4,B");
    let files = [
        ("ceval/val/logic_val.csv", format!("{header}\n{row}\n")),
        ("ceval/dev/logic_dev.csv", format!("\u{feff}{header},explanation\n{row},因为如此\n")),
        ("ceval/test/logic_test.csv", "id,question,A,B,C,D\n0,q,1,2,3,4\n".to_owned()),
    ];
    let dir = dir(&files.each_ref().map(|(file, content)| (*file, content.as_str())));
    let val = ceval::read(&roots(&dir), "logic", ceval::Split::Validation).unwrap().content;
    assert_eq!((val[0].answer, val[0].question.as_str(), &val[0].explanation), (1, "一加一，等于____。", &None));
    let dev = ceval::read(&roots(&dir), "logic", ceval::Split::Dev).unwrap().content;
    assert_eq!(dev[0].explanation.as_deref(), Some("因为如此"));
    assert_eq!(ceval::read_test(&roots(&dir), "logic").unwrap().content[0].choices, ["1", "2", "3", "4"]);

    let read = |roots: &DataRoots| ceval::read(roots, "logic", ceval::Split::Validation);
    for (content, expected) in [
        (format!("{header}\n0,q,1,2,3,4,E\n"), "item 0: expected the answer as one of A, B, C, D, found \"E\""),
        (format!("{header}\n{row}\n1,q,1,2,3,4\n"), "row 3 (line 3): expected 7 columns, found 6"),
        (format!("{header}\n"), "empty"),
        ("id,question,A,B,C,answer\n0,q,1,2,3,A\n".to_owned(), "row 2 (line 2): missing field `D`"),
    ] {
        let message = refused("ceval/val/logic_val.csv", &content, read);
        assert!(message.contains(expected), "{message}");
    }
    let near = ceval::find_subject("logik").unwrap_err().to_string();
    assert!(near.contains("ceval has no subject \"logik\"; did you mean \"logic\"?"), "{near}");
}

#[test]
fn flores_must_have_every_line() {
    let lines = |count: usize| (0..count).map(|line| format!("Sentence {line}.\n")).collect::<String>();
    let dir = dir(&[("flores200_dataset/devtest/eng_Latn.devtest", &lines(1012))]);
    let loaded = flores::read(&roots(&dir), "eng_Latn", flores::Split::Devtest).unwrap();
    assert_eq!((loaded.content.len(), loaded.content[1011].as_str()), (1012, "Sentence 1011."));
    let read = |roots: &DataRoots| flores::read(roots, "eng_Latn", flores::Split::Dev);
    let cut = refused("flores/dev/eng_Latn.dev", &lines(996), read);
    assert!(cut.contains("expected 997 lines, found 996"), "{cut}");
    let empty = refused("flores/dev/eng_Latn.dev", &lines(997).replace("Sentence 3.", " "), read);
    assert!(empty.contains("line 4"), "{empty}");
    assert!(flores::find_language("zho_hans").unwrap_err().to_string().contains("did you mean \"zho_Hans\""));
}

#[test]
fn summaries_are_read_from_the_hubs_exports_and_from_prompts() {
    let csv = "id,article,highlights\n7f,\"One, two.\nThree.\",\"First\nSecond\"\n";
    let cnn = dir(&[("cnn_dailymail/test.csv", csv)]);
    let loaded = cnn_dailymail::read(&roots(&cnn), cnn_dailymail::Split::Test).unwrap();
    let article = &loaded.content[0];
    assert_eq!((article.id.as_deref(), article.document.as_str()), (Some("7f"), "One, two.\nThree."));
    assert_eq!(article.summary, "First\nSecond");

    let line = r#"{"document": "A long story.", "summary": "A story.", "id": "31"}"#;
    let bbc = dir(&[("xsum/test.jsonl", line)]);
    assert_eq!(xsum::read(&roots(&bbc), xsum::Split::Test).unwrap().content[0].document, "A long story.");

    let prompt = r####"{"article": "###\nArticle: First.\n\nSummarize the above article in 1 sentence.\nOne.\n\n###\nArticle: A story.\n\nSummarize the above article in 1 sentence.\n", "summary_gt": "Short.", "stop": ["###"]}"####;
    let helm = dir(&[("summarization_data/xsum_0shot.jsonl", prompt)]);
    let article = xsum::read(&roots(&helm), xsum::Split::Test).unwrap().content.remove(0);
    assert_eq!((article.document.as_str(), article.summary.as_str(), article.id), ("A story.", "Short.", None));
    let bad = refused("xsum/xsum_0shot.jsonl", r#"{"article": "no prompt", "summary_gt": "s", "stop": []}"#, |roots| {
        xsum::read(roots, xsum::Split::Test)
    });
    assert!(bad.contains("item 0: expected a prompt"), "{bad}");
    let read = |roots: &DataRoots| xsum::read(roots, xsum::Split::Test);
    for (line, expected) in [
        (r#"{"document": "", "summary": "s"}"#, "a document"),
        (r#"{"document": "d", "summary": " "}"#, "a summary"),
        (r#"{"document": "d"}"#, "line 1: missing field `summary`"),
    ] {
        let message = refused("xsum/test.jsonl", line, read);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn gsm8k_needs_a_result() {
    let read = |roots: &DataRoots| gsm8k::read(roots, gsm8k::Split::Test);
    let message = refused("gsm8k/test.jsonl", r#"{"question": "q", "answer": "so 3"}"#, read);
    assert!(message.contains("item 0: expected an answer with a line"), "{message}");
    let list = dir(&[("gsm8k/test.json", r#"[{"question": "q", "answer": "x\n#### -1,000"}]"#)]);
    assert_eq!(read(&roots(&list)).unwrap().content[0].result, "-1000");
    let message = refused("gsm8k/test.json", r#"[{"question": "q"}]"#, read);
    assert!(message.contains("item 1 of the list: missing field `answer`"), "{message}");
    let message = refused("gsm8k/test.jsonl", "{\"question\": \"q\", \"answer\": \"#### 1\"}\n{\"question\"", read);
    assert!(message.contains("line 2, column"), "{message}");
}

#[test]
fn snli_keeps_pairs_without_gold_apart() {
    let official = r#"{"annotator_labels": ["neutral"], "gold_label": "neutral", "sentence1": "A man.", "sentence2": "A tall man."}
{"gold_label": "-", "sentence1": "A dog.", "sentence2": "A pet."}
"#;
    for (file, content) in [
        ("snli_1.0/snli_1.0_test.jsonl", official),
        ("snli/test.tsv", "premise\thypothesis\tlabel\nA man.\tA tall man.\t1\nA dog.\tA pet.\t-1\n"),
    ] {
        let pairs = snli::read(&roots(&dir(&[(file, content)])), snli::Split::Test).unwrap().content;
        assert_eq!((pairs.labelled.len(), pairs.without_gold.len()), (1, 1));
        assert_eq!(
            (pairs.labelled[0].label, pairs.labelled[0].hypothesis.as_str()),
            (snli::Label::Neutral, "A tall man.")
        );
    }
    let quoted = "premise\thypothesis\tlabel\n\"A \"\"good\"\" man.\"\tA man.\t0\n";
    let pairs = snli::read(&roots(&dir(&[("snli/test.tsv", quoted)])), snli::Split::Test).unwrap().content;
    assert_eq!(pairs.labelled[0].premise, "A \"good\" man.");
    let message =
        refused("snli/test.tsv", "premise\thypothesis\tlabel\np\th\t3\n", |roots| snli::read(roots, snli::Split::Test));
    assert!(message.contains("found \"3\""), "{message}");
}

fn chain(levels: &[(u32, u8)]) -> String {
    let item = |(example, level): &(u32, u8)| {
        format!(
            r#"{{"example_id": {example}, "category": "style", "source": "own", "level": {level}, "instruction": "Do it, {level} times.", "target": ""}}"#
        )
    };
    format!("[{}]", levels.iter().map(item).collect::<Vec<_>>().join(","))
}

#[test]
fn followbench_levels_follow_each_other() {
    let whole: Vec<(u32, u8)> = [1, 2].iter().flat_map(|example| (0..6).map(move |level| (*example, level))).collect();
    let file = "followbench/data/style_constraints.json";
    let read = |roots: &DataRoots| followbench::read(roots, Language::English, Constraint::Style);
    let items = read(&roots(&dir(&[(file, &chain(&whole))]))).unwrap().content;
    assert_eq!((items.len(), items[11].level, items[11].answer.clone()), (12, 5, None));
    for (levels, expected) in [
        (&whole[..11], "ends with level 4 of example 2"),
        (&whole[1..], "example 1 level 1 where example 1 level 0 is due"),
        (&[whole[0], whole[2]][..], "example 1 level 2 where example 1 level 1 is due"),
        (&whole[6..], "example 2 level 0 where example 1 level 0 is due"),
    ] {
        let message = refused(file, &chain(levels), read);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn truthfulqa_answers_are_split_and_trimmed() {
    let csv = "\u{feff}Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n\
               Adversarial,Weather,Is rain wet?,Yes,\"Yes; It is wet. ;\",No;Never,https://example.org\n";
    let dir = dir(&[("truthfulqa/TruthfulQA.csv", csv)]);
    let question = truthfulqa::read_generation(&roots(&dir)).unwrap().content.remove(0);
    assert_eq!(question.correct_answers, ["Yes", "It is wet."]);
    assert_eq!(question.incorrect_answers, ["No", "Never"]);
    let none = csv.replace("No;Never", ";");
    let message = refused("truthfulqa/TruthfulQA.csv", &none, truthfulqa::read_generation);
    assert!(message.contains("2 true, 0 false"), "{message}");
}

/// An item about two people of which the first is the stereotyped one.
fn bbq_line(category: &str, groups: [&str; 2], stereotyped: &str, polarity: &str) -> String {
    format!(
        r#"{{"example_id": 4, "question_index": "1", "question_polarity": "{polarity}", "context_condition": "ambig", "category": "{category}", "answer_info": {{"ans0": ["one", "{}"], "ans1": ["two", "{}"], "ans2": ["Not known", "unknown"]}}, "additional_metadata": {{"subcategory": "None", "stereotyped_groups": ["{stereotyped}"], "version": "a", "source": "own"}}, "context": "Two met.", "question": "Who left?", "ans0": "One", "ans1": "Two", "ans2": "Not known", "label": 2}}"#,
        groups[0], groups[1]
    )
}

#[test]
fn bbq_roles_follow_groups_and_polarity() {
    use bbq::Role::{Other, Stereotyped, Unknown};
    for (category, groups, stereotyped, polarity, roles, biased) in [
        ("Age", ["old", "nonOld"], "old", "neg", [Stereotyped, Other, Unknown], vec![0]),
        ("Age", ["old", "nonOld"], "old", "nonneg", [Stereotyped, Other, Unknown], vec![1]),
        ("SES", ["lowSES", "highSES"], "low SES", "neg", [Stereotyped, Other, Unknown], vec![0]),
        ("Gender_identity", ["man", "woman"], "F", "neg", [Other, Stereotyped, Unknown], vec![1]),
        // Where both belong to the group, or neither, there is not one biased answer.
        ("Race_x_gender", ["F-Black", "M-Black"], "Black", "neg", [Stereotyped, Stereotyped, Unknown], vec![0, 1]),
        ("Race_x_SES", ["lowSES-White", "highSES-White"], "Black", "neg", [Other, Other, Unknown], vec![]),
    ] {
        let file = format!("bbq/data/{category}.jsonl");
        let dir = dir(&[(&file, &bbq_line(category, groups, stereotyped, polarity))]);
        let loaded = bbq::read(&roots(&dir), category).unwrap();
        assert_eq!(loaded.files[0].name, format!("bbq/{category}.jsonl"));
        let item = &loaded.content[0];
        assert_eq!((item.roles(), item.biased(), item.unknown()), (roles, biased, Some(2)), "{category} {groups:?}");
        assert_eq!((item.label, item.subcategory.as_deref(), item.example_id), (2, None, 4));
    }
    let read = |roots: &DataRoots| bbq::read(roots, "Age");
    let good = bbq_line("Age", ["old", "nonOld"], "old", "neg");
    for (line, expected) in [
        (good.replace("\"label\": 2", "\"label\": 0"), "the unknown answer to be right"),
        (good.replace("\"label\": 2", "\"label\": 3"), "a label from 0 to 2"),
        (good.replace("\"unknown\"", "\"old\""), "one answer of the group"),
        (good.replace("\"neg\"", "\"negative\""), "unknown variant `negative`"),
        (good.replace("\"category\": \"Age\"", "\"category\": \"SES\""), "found \"SES\""),
    ] {
        let message = refused("bbq/data/Age.jsonl", &line, read);
        assert!(message.contains(expected), "{message}");
    }
    let metadata = "\"\",\"category\",\"question_index\",\"example_id\",\"target_loc\",\"label_type\"\n\
                    1,Age,1,4,1,label\n2,Age,1,5,NA,name\n";
    let dir = dir(&[("BBQ/supplemental/additional_metadata.csv", metadata)]);
    let targets = bbq::read_targets(&roots(&dir)).unwrap().content;
    assert_eq!((targets[0].location, targets[1].location), (Some(1), None));
    assert_eq!((targets[1].example_id, targets[1].label_type.as_str()), (5, "name"));
}

#[test]
fn arc_layouts_give_the_same_question() {
    let official = r#"{"id": "x1", "question": {"stem": "Which melts?", "choices": [{"text": "rock", "label": "1"}, {"text": "ice", "label": "2"}]}, "answerKey": "2"}"#;
    let hub = r#"{"id": "x1", "question": "Which melts?", "choices": {"text": ["rock", "ice"], "label": ["1", "2"]}, "answerKey": "2"}"#;
    let request = r#"{"id": "x1", "query": "Question: Which melts?\nAnswer:", "choices": ["rock", "ice"], "gold": 1}"#;
    let read = |roots: &DataRoots| arc::read(roots, arc::Set::Easy, arc::Split::Test);
    for (file, line) in [
        ("ARC-V1-Feb2018-2/ARC-Easy/ARC-Easy-Test.jsonl", official),
        ("arc/ARC-Easy.test.jsonl", hub),
        ("arc/ARC-Easy.test.jsonl", request),
    ] {
        let question = read(&roots(&dir(&[(file, line)]))).unwrap().content.remove(0);
        assert_eq!((question.question.as_str(), question.answer), ("Which melts?", 1));
        assert_eq!(question.choices, ["rock", "ice"]);
    }
    for (line, expected) in [
        (hub.replace("\"answerKey\": \"2\"", "\"answerKey\": \"C\""), "one of the choices"),
        (hub.replace(", \"2\"]", "]"), "2 texts, 1 labels"),
        (request.replace("\"gold\": 1", "\"gold\": 2"), "one of the choices"),
        (request.replace("Question: ", ""), "a query"),
    ] {
        let message = refused("arc/ARC-Easy.test.jsonl", &line, read);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn hellaswag_is_prepared_from_its_parts() {
    let official = r#"{"ind": 24, "activity_label": "Baking", "ctx_a": "A cook mixes flour [substeps] slowly.", "ctx_b": "then HE", "ctx": "unused", "endings": ["stirs. [title] Rest it.", "b", "c", "d"], "label": "0"}"#;
    let read = |roots: &DataRoots| hellaswag::read(roots, hellaswag::Split::Validation);
    let item = read(&roots(&dir(&[("hellaswag/hellaswag_val.jsonl", official)]))).unwrap().content.remove(0);
    assert_eq!(item.query, "Baking: A cook mixes flour slowly. Then he");
    assert_eq!((item.endings[0].as_str(), item.answer, item.ind), ("stirs.. Rest it.", 0, 24));
    let request = r#"{"ind": 24, "query": "Baking: A cook", "choices": ["a", "b", "c", "d"], "gold": 3}"#;
    let file = "hellaswag/hellaswag.validation.sample1000.jsonl";
    assert_eq!(read(&roots(&dir(&[(file, request)]))).unwrap().content[0].answer, 3);
    for (line, expected) in [
        (request.replace(", \"d\"", ""), "four endings, found 3"),
        (request.replace("\"gold\": 3", "\"gold\": 4"), "a label from 0 to 3"),
        (request.replace("\"gold\": 3", "\"gold\": \"\""), "expected an integer"),
        (request.replace("\"query\"", "\"other\""), "activity_label, ctx_a and ctx_b"),
    ] {
        let message = refused(file, &line, read);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn the_other_sets_are_read_in_their_layouts() {
    let line = r#"{"qID": "q-1", "sentence": "Ann thanked Eve because _ had helped.", "option1": "Ann", "option2": "Eve", "answer": "2"}"#;
    let read = |roots: &DataRoots| winogrande::read(roots, winogrande::Split::Validation);
    let item = read(&roots(&dir(&[("winogrande_1.1/dev.jsonl", line)]))).unwrap().content.remove(0);
    assert_eq!((item.around_blank(), item.answer), (("Ann thanked Eve because ", " had helped."), 1));
    let message = refused("winogrande/dev.jsonl", &line.replace('_', "she"), read);
    assert!(message.contains("one blank"), "{message}");

    let openai = dir(&[("lambada/lambada_test.jsonl", "{\"text\": \"He sat on the chair\"}\n")]);
    let passage = lambada::read(&roots(&openai), lambada::Text::Openai).unwrap().content.remove(0);
    assert_eq!(passage.context_and_word(), ("He sat on the", "chair"));
    let standard = dir(&[("lambada/lambada_test_plain_text.txt", "he sat on it\nshe `` left ''\n")]);
    assert_eq!(lambada::read(&roots(&standard), lambada::Text::Standard).unwrap().content.len(), 2);
    let message = refused("lambada/lambada_test_plain_text.txt", "a b\n\n", |roots| {
        lambada::read(roots, lambada::Text::Standard)
    });
    assert!(message.contains("item 1"), "{message}");

    let google = r#"{"question": "is snow cold", "title": "Snow", "answer": true, "passage": "Snow is ice."}"#;
    let superglue = r#"{"question": "is snow cold", "passage": "Snow is ice.", "idx": 0, "label": true}"#;
    for (file, line) in [("boolq/dev.jsonl", google), ("BoolQ/val.jsonl", superglue)] {
        let item = boolq::read(&roots(&dir(&[(file, line)])), boolq::Split::Validation).unwrap().content.remove(0);
        assert_eq!(item.answer, boolq::Answer::Yes);
    }

    let line = r#"{"key": 1, "prompt": "Write.", "instruction_id_list": ["startend:quotation"], "kwargs": [{"end_phrase": null}]}"#;
    let prompt = ifeval::read(&roots(&dir(&[("ifeval/input_data.jsonl", line)]))).unwrap().content.remove(0);
    assert!(prompt.instructions[0].settings.is_empty());
    for (line, expected) in [
        (line.replace("startend:quotation", "startend:rhyme"), "one of the 25 kinds"),
        (line.replace("[{\"end_phrase\": null}]", "[]"), "1 instructions, 0 objects"),
    ] {
        let message = refused("ifeval/input_data.jsonl", &line, ifeval::read);
        assert!(message.contains(expected), "{message}");
    }

    let text = dir(&[("simple-examples/data/ptb.valid.txt", " the cat <unk> \n N dogs bark \n")]);
    let sentences = ptb::read(&roots(&text), ptb::Split::Validation).unwrap().content;
    assert_eq!(sentences, ["the cat <unk>", "N dogs bark"]);
    assert_eq!(ptb::gptq_join(&sentences), "the cat <unk>\n\nN dogs bark");
    assert_eq!(ptb::join_with_spaces(&sentences), "the cat <unk> N dogs bark");
}

#[test]
fn piqa_takes_its_labels_from_beside_it() {
    let goals = "{\"goal\": \"dry hair\", \"sol1\": \"a towel\", \"sol2\": \"a spoon\"}\n{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n";
    let read = |dir: &TempDir| piqa::read(&roots(dir), piqa::Split::Validation);
    for name in ["dev", "valid"] {
        let (jsonl, labels) = (format!("piqa/{name}.jsonl"), format!("piqa/{name}-labels.lst"));
        let loaded = read(&dir(&[(&jsonl, goals), (&labels, "0\n1\n")])).unwrap();
        let answers: Vec<usize> = loaded.content.iter().map(|item| item.answer).collect();
        assert_eq!((answers, loaded.files.len()), (vec![0, 1], 2));
        for (labels_text, expected) in
            [("0\n", "expected 2 labels, found 1"), ("0\n1\n1\n", "found 3"), ("0\n2\n", "found \"2\"")]
        {
            let message = read(&dir(&[(&jsonl, goals), (&labels, labels_text)])).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let message = read(&dir(&[(&jsonl, goals)])).unwrap_err().to_string();
        assert!(message.contains(&labels), "{message}");
    }
    let hub = goals.replace("\"goal\"", "\"label\": 1, \"goal\"");
    assert_eq!(read(&dir(&[("piqa/validation.jsonl", &hub)])).unwrap().content[0].answer, 1);
}
