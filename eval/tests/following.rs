//! Instruction following: prompts literally, scores by hand, judgements that come later, and the official files.

mod fixture;

use datasets::{DataRoots, Pinning};
use engine::builtin;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use eval::request::{Outcome, Request};
use eval::runner::{Existing, FidelityOptions, Plan, Quantization, RunSummary, Unobserved, run};
use eval::scheduler::SchedulerOptions;
use eval::task::{self, Judgements, OnOverflow, Sample, Suite, TaskOptions, hash_text};
use eval::{Error, journal};
use fixture::*;
use quant::Recipe;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Items of our own in the layout of FollowBench: one example a category, level 0 where the authors have it.
fn write_followbench(data: &Path) {
    let sources = [
        ("content", "own", "content"),
        ("situation", "BBH_logical", "situation"),
        ("style", "own", "style"),
        ("format", "own", "format"),
        ("mixed", "samsum", "format"),
        ("example", "own", "example"),
    ];
    let folder = data.join("followbench/data");
    std::fs::create_dir_all(&folder).unwrap();
    for (constraint, source, category) in sources {
        let levels = if constraint == "example" { 1..=5 } else { 0..=5 };
        let target = match constraint {
            "situation" => "(B)",
            "example" => "{instruction}\nIt is {answer}.",
            _ => "",
        };
        let items: Vec<Value> = levels
            .map(|level| {
                json!({
                    "example_id": 1, "category": category, "source": source, "level": level,
                    "instruction": format!("Write about {constraint} with {level} rules."), "target": target,
                })
            })
            .collect();
        std::fs::write(folder.join(format!("{constraint}_constraints.json")), json!(items).to_string()).unwrap();
    }
}

fn own_roots(data: &Path) -> DataRoots {
    DataRoots::new(&[data.to_path_buf()]).with_pinning(Pinning::Allow)
}

/// The sample that a reply gives, as it comes out of a journal and with judgements.
fn sample(suite: &Suite<'_>, id: &str, document: usize, reply: &str) -> Sample {
    let index = suite.position(id).unwrap();
    let (item, _) = ready(suite, index, document);
    let outcome = Outcome::Generated { tokens: vec![1, 2], text: reply.to_string() };
    let task = &suite.tasks()[index];
    task.judged(document, task.score(document, &item, &[outcome]).unwrap()).unwrap()
}

fn judgement(question: &str, answer: &str) -> String {
    json!({"prompt_new": question, "choices": [{"message": {"content": answer}}]}).to_string() + "\n"
}

/// The table of a run.
fn rendered(summary: &eval::runner::RunSummary) -> String {
    let run = eval::report::Run::of(summary);
    eval::report::render(summary, &run, eval::report::Format::Table, eval::report::Style::Plain)
}

#[test]
fn instructions_are_one_message_of_the_user() {
    let directory = tempfile::tempdir().unwrap();
    write_followbench(directory.path());
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let (roots, options) = (own_roots(directory.path()), TaskOptions::default());
    let suite = suite("followbench", &tokenizer, &roots, &options).unwrap();
    let names: Vec<&str> = suite.tasks().iter().map(|task| task.id()).collect();
    let expected = ["content", "situation", "style", "format", "example", "mixed"];
    assert_eq!(names, expected.map(|name| format!("followbench_{name}@official")));
    // Example constraints are in no mean of the authors'.
    assert_eq!(suite.groups()[0].members, [0, 1, 2, 3, 5]);
    assert!(suite.tasks().iter().all(|task| task.document_count() == 5));
    let (item, requests) = ready(&suite, 0, 0);
    let prompt = "<s>[user]Write about content with 1 rules.[assistant]";
    assert_eq!((texts(&tokenizer, &requests[0]).0.as_str(), item.prompt_hash), (prompt, hash_text(prompt)));
    let Request::Generate { max_new_tokens, stop, .. } = &requests[0] else { panic!("{requests:?}") };
    assert_eq!((*max_new_tokens, stop.len()), (2048, 0));

    let plain = Tokenizer::bytes_only().unwrap();
    let error = fixture::suite("followbench_style", &plain, &roots, &options).err().unwrap();
    assert!(matches!(error, Error::NoChatTemplate { .. }), "{error}");
    let error = fixture::suite("followbench:fr", &tokenizer, &roots, &options).err().unwrap();
    assert!(matches!(error, Error::Variant { .. }), "{error}");
    let error = fixture::suite("followbench:zh", &tokenizer, &roots, &options).err().unwrap();
    assert!(error.to_string().contains("YJiangcm/FollowBench on GitHub, data and data_zh"), "{error}");
}

#[test]
fn rules_score_at_once_and_judges_later() {
    let directory = tempfile::tempdir().unwrap();
    write_followbench(directory.path());
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let (roots, options) = (own_roots(directory.path()), TaskOptions::default());
    let before = suite("followbench", &tokenizer, &roots, &options).unwrap();

    // Rules: every level of one example of each kind.
    let scored = |id: &str, replies: [&str; 5]| -> Vec<Sample> {
        (0..5)
            .map(|document| sample(&before, &format!("followbench_{id}@official"), document, replies[document]))
            .collect()
    };
    let hard =
        |samples: &[Sample]| -> Vec<f64> { samples.iter().map(|sample| sample.number("hard").unwrap()).collect() };
    let situation = scored("situation", ["(B)", "(A)", "(A) or (B)", "B", "(B)."]);
    assert_eq!(hard(&situation), [1.0, 0.0, 1.0, 0.0, 1.0]);
    let example = scored("example", ["It is so.", "It is so", "It is a.b.", "it is so.", "It is\n."]);
    assert_eq!(hard(&example), [1.0, 0.0, 1.0, 0.0, 0.0]);
    let mixed = scored("mixed", ["She delays her stuff."; 5]);
    assert_eq!(hard(&mixed), [1.0; 5]);
    let metrics = |id: &str, samples: &[Sample]| {
        let samples: Vec<(usize, &Sample)> = samples.iter().enumerate().collect();
        let index = before.position(&format!("followbench_{id}@official")).unwrap();
        before.tasks()[index].aggregate(&samples).unwrap()
    };
    let found = metrics("situation", &situation);
    assert_eq!((found[0].name, found[0].filter, found[0].value), ("hsr", "none", 9.0 / 15.0));
    assert_eq!((found[2].name, found[2].value), ("csl", 1.0));
    assert_eq!(metrics("mixed", &mixed)[2].value, 5.0);

    // A judge: the question in the authors' layout, then nothing, something unreadable, a verdict.
    let style = before.position("followbench_style@official").unwrap();
    let waiting = sample(&before, "followbench_style@official", 1, "Well.\n");
    assert_eq!((waiting.fields["unjudged"].as_str(), waiting.number("hard")), (Some("missing"), None));
    let line = before.tasks()[style].judge_line(1, &waiting).unwrap().unwrap();
    let question = line["prompt_new"].as_str().unwrap();
    assert_eq!(
        line.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["example_id", "category", "source", "level", "prompt_new"]
    );
    assert!(question.contains(
        "#Initial Instruction#\nWrite about style with 0 rules.\n\n#Initial Instruction + 1 constraint#\nWrite about style \
         with 1 rules.\n\n#Initial Instruction + 2 constraints#\nWrite about style with 2 rules.\n\n\
         #Answer of Initial Instruction + 2 constraints#\nWell.\n\n\n#System#\n"
    ));
    assert!(before.tasks()[style].judge_line(0, &situation[0]).unwrap().is_none());
    let file = directory.path().join("answers.jsonl");
    let judged = |answer: &str| {
        std::fs::write(&file, judgement(question, answer)).unwrap();
        let judgements = Arc::new(Judgements::read(std::slice::from_ref(&file)).unwrap());
        let options = TaskOptions { judgements, ..TaskOptions::default() };
        let after = suite("followbench_style", &tokenizer, &roots, &options).unwrap();
        let sample = sample(&after, "followbench_style@official", 1, "Well.\n");
        let metrics = after.tasks()[0].aggregate(&[(0, &waiting), (1, &sample)]).unwrap();
        (sample, metrics)
    };
    let (verdict, metrics) = judged("They differ.\n['YES', 'NO']");
    assert_eq!(
        (verdict.number("hard"), verdict.number("soft"), verdict.number("satisfied")),
        (Some(0.0), Some(0.5), Some(1.0))
    );
    let value = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap();
    assert_eq!((value("ssr_l2").value, value("ssr_l2").filter), (0.5, "known"));
    assert!(value("hsr").value.is_nan() && value("hsr_l1").value.is_nan());
    let (unreadable, _) = judged("They differ.");
    assert_eq!(unreadable.fields["unjudged"], "unreadable");
    assert_eq!((unreadable.number("hard"), unreadable.fields["judgement"].as_str()), (None, Some("They differ.")));
}

/// A run of the built-in model on our items, one document of each category.
fn run_with(data: &Path, output: &Path, judgements: Judgements) -> RunSummary {
    let tokenizer = chat_tokenizer(data, TEMPLATE);
    let tasks = [task::parse("followbench").unwrap()];
    let options = TaskOptions {
        limit: Some(1),
        on_overflow: OnOverflow::Error,
        judgements: Arc::new(judgements),
        ..TaskOptions::default()
    };
    let plan = Plan {
        model: builtin::NAME,
        checkpoint: &builtin::checkpoint().unwrap(),
        tokenizer: &tokenizer,
        runtime: &Runtime::new(Some(1), IsaChoice::Best).unwrap(),
        recipes: &Recipe::parse_list("none,rtn:w2g32").unwrap(),
        tasks: &tasks,
        roots: &own_roots(data),
        options,
        fidelity: FidelityOptions::default(),
        efficiency: eval::efficiency::Options::default(),
        quantization: Quantization::default(),
        scheduler: SchedulerOptions::default(),
        output: Some(output),
        existing: Existing::Resume,
        stop: &AtomicBool::new(false),
    };
    run(&plan, &mut Unobserved).unwrap()
}

#[test]
fn a_finished_run_takes_judgements_in() {
    let directory = tempfile::tempdir().unwrap();
    let (data, output) = (directory.path(), directory.path().join("run"));
    write_followbench(data);
    let first = run_with(data, &output, Judgements::default());
    let group = first.variants[0].result("followbench@official").unwrap();
    assert_eq!((group.unjudged, group.metrics.iter().all(|metric| metric.value.is_none())), (3, true));
    assert!(rendered(&first).contains("3 documents wait for a judge"));
    let journal = std::fs::read(output.join(journal::FILE_NAME)).unwrap();

    let mut answers = String::new();
    for folder in ["none", "rtn-w2g32"] {
        for name in ["content", "style", "format"] {
            let path = output.join(folder).join(format!("judge_followbench_{name}@official.jsonl"));
            let line: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let answer = if folder == "none" { "['YES']" } else { "['NO']" };
            answers.push_str(&judgement(line["prompt_new"].as_str().unwrap(), answer));
        }
        assert!(!output.join(folder).join("judge_followbench_situation@official.jsonl").exists());
    }
    let file = data.join("answers.jsonl");
    std::fs::write(&file, answers).unwrap();
    let second = run_with(data, &output, Judgements::read(&[file]).unwrap());
    assert_eq!(std::fs::read(output.join(journal::FILE_NAME)).unwrap(), journal, "nothing was asked again");
    for (variant, expected) in second.variants.iter().zip([1.0, 0.0]) {
        let result = variant.result("followbench_style@official").unwrap();
        let scores: Vec<Option<f64>> = result.documents.iter().map(|it| it.as_ref().map(|it| it.score)).collect();
        assert_eq!((result.unjudged, scores), (0, vec![Some(expected)]));
        let level = result.metrics.iter().find(|metric| metric.name == "hsr_l1").unwrap();
        assert_eq!((level.value, level.filter), (Some(expected), "none"));
    }
    let results: Value = serde_json::from_slice(&std::fs::read(output.join("none/results.json")).unwrap()).unwrap();
    let judgements = &results["configs"]["followbench_style@official"]["judgements"];
    assert_eq!((&judgements[0]["name"], &judgements[0]["judgements"]), (&json!("answers.jsonl"), &json!(6)));
    let samples = std::fs::read_to_string(output.join("none/samples_followbench_style@official.jsonl")).unwrap();
    assert!(samples.contains("\"judgement\":\"['YES']\",\"satisfied\":1,\"hard\":true,\"soft\":1.0"), "{samples}");
}

#[test]
fn ifeval_scores_prompts_and_instructions() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("ifeval")).unwrap();
    let line = |prompt: &str, ids: Value, kwargs: Value| {
        json!({"key": 1, "prompt": prompt, "instruction_id_list": ids, "kwargs": kwargs}).to_string() + "\n"
    };
    let rows = [
        line("Say it.", json!(["punctuation:no_comma", "detectable_format:title"]), json!([{}, {"num_words": null}])),
        line(
            "Auf Deutsch.",
            json!(["language:response_language", "punctuation:no_comma"]),
            json!([{"language": "de"}, {}]),
        ),
    ];
    let file = directory.path().join("ifeval/input_data.jsonl");
    std::fs::write(&file, rows.concat()).unwrap();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let (roots, options) = (own_roots(directory.path()), TaskOptions::default());
    let both = suite("ifeval", &tokenizer, &roots, &options).unwrap();
    let (_, requests) = ready(&both, 0, 0);
    let Request::Generate { max_new_tokens, stop, .. } = &requests[0] else { panic!("{requests:?}") };
    assert_eq!((texts(&tokenizer, &requests[0]).0.as_str(), *max_new_tokens, stop.len()), ("<s>Say it.", 1280, 0));

    let of = |document: usize, reply: &str| sample(&both, "ifeval@lm-eval", document, reply);
    let good = of(0, "<<A title>> and more");
    assert_eq!(good.fields["inst_level_strict_acc"], json!([true, true]));
    // Without its first line the reply follows; as it is it does not.
    let loose = of(0, "Sure, here:\n<<A title>>");
    assert_eq!(
        (loose.number("prompt_level_strict_acc"), loose.number("prompt_level_loose_acc")),
        (Some(0.0), Some(1.0))
    );
    let unchecked = of(1, "Guten Tag");
    assert_eq!(unchecked.fields["inst_level_strict_acc"], json!([null, true]));
    assert_eq!(
        (unchecked.fields["prompt_level_strict_acc"].clone(), unchecked.number("prompt_level_strict_acc")),
        (Value::Null, None)
    );
    let failed = of(1, "Guten Tag, Ann");
    assert_eq!(failed.number("prompt_level_strict_acc"), Some(0.0));
    let metrics = both.tasks()[0].aggregate(&[(0, &good), (1, &unchecked), (2, &loose), (3, &failed)]).unwrap();
    let found: Vec<(&str, f64)> = metrics.iter().map(|metric| (metric.name, metric.value)).collect();
    assert_eq!(
        found,
        [
            ("prompt_level_strict_acc", 1.0 / 3.0),
            ("inst_level_strict_acc", 4.0 / 6.0),
            ("prompt_level_loose_acc", 2.0 / 3.0),
            ("inst_level_loose_acc", 5.0 / 6.0),
            ("inst_not_checked", 0.25),
        ]
    );
    assert_eq!(metrics[1].standard_error, None);

    let bad = line("p", json!(["length_constraints:number_words"]), json!([{"num_words": 3}]));
    std::fs::write(&file, bad).unwrap();
    let error = suite("ifeval", &tokenizer, &roots, &options).err().unwrap().to_string();
    assert!(error.contains("document 0: length_constraints:number_words: expected a text as `relation`"), "{error}");
    let error = suite("ifeval", &tokenizer, &DataRoots::default(), &options).err().unwrap();
    assert!(error.to_string().contains("input_data.jsonl"), "{error}");
}

#[test]
fn the_official_files_are_asked_and_judged_as_by_the_authors() {
    let Some(data) = shared("data") else { return };
    let directory = tempfile::tempdir().unwrap();
    let tokenizer = chat_tokenizer(directory.path(), "{{ messages[0].content }}");
    let roots = DataRoots::new(&[data]);
    let options = TaskOptions::default();
    // Hashes of what the authors' code makes of these files: prompts with a line break each; and, for the reply
    // "A reply.\n", the fields of every line for the judge.
    for (id, counts, prompts_hash, judged, judge_hash) in [
        (
            "followbench",
            [125, 110, 150, 150, 200, 85],
            "01fb20120f6b6ef10d11c033cd88840cbdd4871842da669ea9cc62ce08ac45bc",
            470,
            "4a5de29d2e47d4be374ed6217c3abdf263c4ea01a0e8a55cc39d4720f4e6ec24",
        ),
        (
            "followbench:zh",
            [115, 110, 150, 150, 200, 65],
            "940bd4e38b275ade3e7d0e6f02173731aae86df0e93be689dd60e6e4ac5a8114",
            460,
            "373961e602bcdfdcc9149d76312b38f394012524d6bc2f66a0d36346eb8cefb2",
        ),
    ] {
        let suite = suite(id, &tokenizer, &roots, &options).unwrap();
        let found: Vec<usize> = suite.tasks().iter().map(|task| task.document_count()).collect();
        assert_eq!(found, counts, "{id}");
        let (mut prompts, mut lines, mut count) = (String::new(), String::new(), 0);
        for (index, task) in suite.tasks().iter().enumerate() {
            for document in 0..task.document_count() {
                let (_, requests) = ready(&suite, index, document);
                prompts.push_str(&texts(&tokenizer, &requests[0]).0);
                prompts.push('\n');
                let sample = sample(&suite, task.id(), document, "A reply.\n");
                let Some(line) = task.judge_line(document, &sample).unwrap() else { continue };
                let text = |name: &str| line[name].as_str().unwrap();
                let (category, source, question) = (text("category"), text("source"), text("prompt_new"));
                lines.push_str(&format!("{}{category}{source}{}{question}\n", line["example_id"], line["level"]));
                count += 1;
            }
        }
        assert_eq!((hash_text(&prompts).as_str(), count), (prompts_hash, judged), "{id}");
        assert_eq!(hash_text(&lines), judge_hash, "{id}");
    }
    let suite = suite("ifeval", &tokenizer, &roots, &options).unwrap();
    assert_eq!(suite.tasks()[0].document_count(), 541);
    let mut prompts = String::new();
    let mut instructions = 0;
    for document in 0..541 {
        let (_, requests) = ready(&suite, 0, document);
        let text = texts(&tokenizer, &requests[0]).0;
        prompts.push_str(text.strip_prefix("<s>").unwrap_or(&text));
        prompts.push('\n');
        let sample = sample(&suite, "ifeval@lm-eval", document, "A reply.");
        instructions += sample.fields["inst_level_strict_acc"].as_array().unwrap().len();
    }
    assert_eq!(instructions, 834);
    assert_eq!(hash_text(&prompts), "ca738d391b55654aa0387550ac1fc375a0c13c5ad520e694ee0f98fcf8e5cc68");
}
