//! Tasks that are answered in free text: prompts literally, replies scored by hand, official files against hashes of
//! lm-evaluation-harness's prompts.

mod fixture;

use datasets::DataRoots;
use engine::generate::{Decoding, Sampling};
use engine::tokenizer::Tokenizer;
use eval::Error;
use eval::request::{Outcome, Request};
use eval::task::{GenerationOptions, MetricValue, OnOverflow, Sample, Suite, TaskOptions, hash_text};
use fixture::*;

/// The prompt of a document, and what ends its reply.
fn asked(tokenizer: &Tokenizer, suite: &Suite<'_>, document: usize) -> (String, usize, Vec<String>) {
    let (item, requests) = ready(suite, 0, document);
    let [request @ Request::Generate { max_new_tokens, stop, .. }] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    let (text, _) = texts(tokenizer, request);
    let text = text.strip_prefix("<s>").map_or(text.clone(), str::to_string);
    assert!(item.prompt_hash == hash_text(&text) || item.prompt_hash == hash_text(&format!("<s>{text}")));
    (text, *max_new_tokens, stop.clone())
}

fn scored(suite: &Suite<'_>, document: usize, reply: &str) -> Sample {
    let (item, _) = ready(suite, 0, document);
    let outcome = Outcome::Generated { tokens: vec![7; reply.len()], text: reply.into() };
    suite.tasks()[0].score(document, &item, &[outcome]).unwrap()
}

fn metrics(suite: &Suite<'_>, replies: &[&str]) -> Vec<MetricValue> {
    let samples: Vec<Sample> =
        replies.iter().enumerate().map(|(document, reply)| scored(suite, document, reply)).collect();
    suite.tasks()[0].aggregate(&samples.iter().enumerate().collect::<Vec<_>>()).unwrap()
}

fn value(metrics: &[MetricValue], name: &str, filter: &str) -> f64 {
    metrics.iter().find(|metric| metric.name == name && metric.filter == filter).unwrap().value
}

#[test]
fn gsm8k_is_asked_and_scored_as_lm_eval_does() {
    let (_directory, roots) = texts_to_answer();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = TaskOptions { num_fewshot: Some(2), ..TaskOptions::default() };
    let suite = suite("gsm8k@lm-eval", &tokenizer, &roots, &options).unwrap();
    // random.Random(1234).sample(range(30), 2): 24, 14; then 3, 0
    let (text, max_new_tokens, stop) = asked(&tokenizer, &suite, 0);
    assert_eq!(
        text,
        "Question: What is 25 and 25?\nAnswer: #### 50\n\nQuestion: What is 15 and 15?\nAnswer: #### 30\n\n\
         Question: Ada reads 7 pages a day. How many in a week?\nAnswer:"
    );
    assert_eq!((max_new_tokens, stop.join(" ")), (256, "Question: </s> <|im_end|>".into()));
    let (text, _, _) = asked(&tokenizer, &suite, 1);
    assert!(text.starts_with("Question: What is 4 and 4?\nAnswer: #### 8\n\nQuestion: What is 1 and 1?"), "{text}");
    let sample = scored(&suite, 0, "7 a day: 7 * 7 = 49.\n#### 49.\nso 50");
    assert_eq!(sample.fields["extracted,strict-match"], "49.");
    assert_eq!(sample.fields["span,strict-match"], serde_json::json!([21, 29]));
    assert_eq!(
        (sample.number("exact_match,strict-match"), sample.number("exact_match,flexible-extract")),
        (Some(1.0), Some(0.0))
    );
    let found = metrics(&suite, &["It is 49", "#### 1234"]);
    assert_eq!(value(&found, "exact_match", "strict-match"), 0.5);
    assert_eq!(value(&found, "no_answer", "strict-match"), 0.5);
    assert_eq!(value(&found, "exact_match", "flexible-extract"), 1.0);
    assert_eq!(value(&found, "no_answer", "flexible-extract"), 0.0);
    let configuration = suite.tasks()[0].configuration();
    assert_eq!(configuration["fewshot_sampler"], "Python's random.Random(1234).sample, document by document");
    assert_eq!((configuration["num_fewshot"].as_u64(), configuration["decoding"].as_str()), (Some(2), Some("greedy")));
    let options = TaskOptions { num_fewshot: Some(31), ..TaskOptions::default() };
    let error = fixture::suite("gsm8k@lm-eval", &tokenizer, &roots, &options).err().unwrap();
    assert!(matches!(error, Error::TooFewExamples { wanted: 31, available: 30, .. }), "{error}");
}

#[test]
fn gsm8k_cot_has_its_own_examples_and_the_papers_protocol_none() {
    let (directory, roots) = texts_to_answer();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = TaskOptions { num_fewshot: Some(1), ..TaskOptions::default() };
    let cot = suite("gsm8k_cot", &tokenizer, &roots, &options).unwrap();
    let (text, _, stop) = asked(&tokenizer, &cot, 0);
    assert_eq!(
        text,
        "Q: There are 15 trees in the grove. Grove workers will plant trees in the grove today. After they are done, \
         there will be 21 trees. How many trees did the grove workers plant today?\nA: There are 15 trees originally. \
         Then there were 21 trees after some more were planted. So there must have been 21 - 15 = 6. The answer is 6.\n\n\
         Q: Ada reads 7 pages a day. How many in a week?\nA:"
    );
    assert_eq!(stop, ["Q:", "</s>", "<|im_end|>"]);
    let found = metrics(&cot, &["7 * 7 = 49. The answer is 49.", "The answer is $1,234."]);
    assert_eq!(value(&found, "exact_match", "strict-match"), 0.5);
    assert_eq!(value(&found, "exact_match", "flexible-extract"), 1.0);

    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let paper = suite("gsm8k", &tokenizer, &roots, &options).unwrap();
    let (text, max_new_tokens, stop) = asked(&tokenizer, &paper, 0);
    assert_eq!((max_new_tokens, stop.len()), (512, 0));
    assert_eq!(text, "[user]Ada reads 7 pages a day. How many in a week?[assistant]");
    assert_eq!(paper.tasks()[0].frame().shots, 0);
    let found = metrics(&paper, &["So 49.00005 pages.", "It is $1,234"]);
    assert_eq!(value(&found, "acc", "last-number"), 1.0);
    // The last digits are 00005, which Python does not read as a number, and 234, which are also the last of the answer.
    assert_eq!(value(&found, "acc", "last-digits"), 0.5);
    assert_eq!(value(&metrics(&paper, &["No idea.", "1"]), "no_answer", "last-number"), 0.5);
}

#[test]
fn flores_is_asked_and_scored_both_ways() {
    let (directory, roots) = texts_to_answer();
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let options = TaskOptions { num_fewshot: Some(1), limit: Some(2), ..TaskOptions::default() };
    let paper = suite("flores200:eng_Latn-zho_Hans", &tokenizer, &roots, &options).unwrap();
    let (text, max_new_tokens, _) = asked(&tokenizer, &paper, 0);
    assert_eq!(
        text,
        "[user]Please translate the following English text into Chinese.\nEnglish text: Sentence number 1 is here, in \
         devtest.[assistant]"
    );
    assert_eq!(max_new_tokens, 512);
    let configuration = paper.tasks()[0].configuration();
    assert_eq!(configuration["bleu_signature"], "nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0");
    let perfect = metrics(&paper, &["devtest 的第 1 句在这里。", "devtest 的第 2 句在这里。"]);
    for name in ["bleu", "chrf", "chrf++"] {
        assert!((value(&perfect, name, "none") - 100.0).abs() < 1e-9, "{perfect:?}");
    }
    assert_eq!((perfect[0].name, value(&perfect, "no_answer", "none")), ("bleu", 0.0));

    let plain = suite("flores200:zho_Hans-deu_Latn@lm-eval", &tokenizer, &roots, &options).unwrap();
    let (text, max_new_tokens, stop) = asked(&tokenizer, &plain, 1);
    let (example, question) = text.split_once("\n\n").unwrap();
    // random.Random(1234).sample(range(997), 1): 989; then 796
    assert_eq!(
        example,
        "Chinese sentence: dev 的第 797 句在这里。\nGerman sentence:Satz Nummer 797 steht hier, in dev."
    );
    assert_eq!(question, "Chinese sentence: devtest 的第 2 句在这里。\nGerman sentence:");
    assert_eq!((max_new_tokens, stop.as_slice()), (256, &["\n".to_string()][..]));
    // sacrebleu.corpus_bleu, corpus_ter and corpus_chrf of these two against the references
    let found = metrics(&plain, &[" Satz Nummer 1 steht da, in devtest.", "Nummer 2, Satz steht hier."]);
    for (name, expected) in [("bleu", 38.363982298032944), ("ter", 42.857142857142854), ("chrf", 63.11846752688317)] {
        assert!((value(&found, name, "none") - expected).abs() < 1e-9, "{name}: {found:?}");
    }
    let error = |id: &str| suite(id, &tokenizer, &roots, &options).err().unwrap();
    assert!(matches!(error("flores200"), Error::Variant { .. }));
    assert!(matches!(error("flores200:eng_Latn-eng_Latn"), Error::Variant { .. }));
    assert!(error("flores200:eng_Latn-zho_Hanz").to_string().contains("zho_Hans"));
}

#[test]
fn summaries_are_asked_and_scored_by_three_protocols() {
    let (directory, roots) = texts_to_answer();
    let tokenizer = chat_tokenizer(directory.path(), TEMPLATE);
    let options = TaskOptions::default();
    let of = |id: &str| suite(id, &tokenizer, &roots, &options).unwrap();
    let article = "The town of Elm has a new bridge.\nIt opened  on Monday, two years late.";
    let paper = of("cnn_dailymail");
    let (text, max_new_tokens, _) = asked(&tokenizer, &paper, 0);
    assert_eq!(
        (text, max_new_tokens),
        (format!("[user]Please summarize the following document.\n{article}[assistant]"), 512)
    );
    assert_eq!(asked(&tokenizer, &of("xsum"), 0).0, asked(&tokenizer, &paper, 0).0);

    let helm = of("xsum@helm");
    let (text, max_new_tokens, stop) = asked(&tokenizer, &helm, 0);
    assert_eq!(
        text,
        "###\nArticle: The town of Elm has a new bridge. It opened on Monday, two years late.\n\nSummarize the above \
         article in 1 sentence.\n"
    );
    assert_eq!((max_new_tokens, stop.as_slice()), (64, &["###".to_string()][..]));
    let sampling = Sampling { temperature: 0.3, top_k: None, top_p: 1.0 };
    let request = ready(&helm, 0, 0).1.remove(0);
    let Request::Generate { decoding, key, .. } = request else { panic!() };
    assert_eq!((decoding, key.seed), (Decoding::Sampled(sampling), 1234));
    assert!(asked(&tokenizer, &of("cnn_dailymail@helm"), 0).0.ends_with("in 3 sentences.\n"));

    let plain = of("cnn_dailymail@lm-eval");
    let (text, max_new_tokens, stop) = asked(&tokenizer, &plain, 0);
    assert_eq!(text, format!("Summarize the following article:\n\n{article}\n\nSummary:"));
    assert_eq!((max_new_tokens, stop.as_slice()), (128, &["\n\n".to_string()][..]));
    // rouge_scorer.RougeScorer([...], use_stemmer=True)
    let found = metrics(&plain, &["Elm has opened a new\nbridge"]);
    let names: Vec<&str> = found.iter().map(|metric| metric.name).collect();
    assert_eq!(names, ["rouge1", "rouge2", "rougeL", "no_answer"]);
    for (name, expected) in [("rouge1", 0.75), ("rouge2", 0.42857142857142855), ("rougeL", 0.625)] {
        assert!((value(&found, name, "none") - expected).abs() < 1e-12, "{name}: {found:?}");
    }
    assert_eq!(value(&metrics(&paper, &[" \n"]), "no_answer", "none"), 1.0);
    assert!(matches!(suite("xsum:x", &tokenizer, &roots, &options).err(), Some(Error::Variant { .. })));
}

#[test]
fn free_answers_to_truthfulqa_are_compared_with_references() {
    let (_directory, roots) = texts_to_answer();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = TaskOptions::default();
    let suite = suite("truthfulqa_gen", &tokenizer, &roots, &options).unwrap();
    let (text, max_new_tokens, stop) = asked(&tokenizer, &suite, 0);
    let start = suite.tasks()[0].frame().entry.example.rsplit_once("\n\n").unwrap().0;
    assert_eq!(text, format!("{start}\n\nQ: What is the sky made of?"));
    assert!(text.starts_with("Q: What is human life expectancy in the United States?\nA: Human life"));
    assert_eq!((max_new_tokens, stop.as_slice()), (256, &["\n\n".to_string()][..]));
    // Largest similarities of lm_eval.tasks.truthfulqa.utils.process_results_gen
    let found = metrics(&suite, &["\nA: It is mostly blue nitrogen."]);
    assert_eq!(found.len(), 12);
    for (name, expected) in [
        ("bleu_max", 25.848657697858535),
        ("bleu_acc", 1.0),
        ("bleu_diff", 20.326259914319063),
        ("rouge1_max", 80.0),
        ("rouge1_diff", 55.0),
        ("rouge2_max", 50.0),
        ("rouge2_diff", 50.0),
        ("rougeL_max", 80.0),
        ("rougeL_diff", 55.0),
    ] {
        assert!((value(&found, name, "none") - expected).abs() < 1e-9, "{name}: {found:?}");
    }
}

#[test]
fn what_is_asked_of_generation_is_done_and_said() {
    let (_directory, roots) = texts_to_answer();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let generation: GenerationOptions = "temperature=0.5,top_p=0.9,max_gen_toks=9".parse().unwrap();
    let options = TaskOptions { generation, num_fewshot: Some(0), seed: 5, ..TaskOptions::default() };
    let sampled = suite("gsm8k@lm-eval", &tokenizer, &roots, &options).unwrap();
    let keys: Vec<_> = (0..2)
        .map(|document| match ready(&sampled, 0, document).1.remove(0) {
            Request::Generate { max_new_tokens: 9, decoding: Decoding::Sampled(it), key, .. } if it.top_p == 0.9 => key,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(keys[0].item != keys[1].item && keys[0].seed == 5);
    let configuration = sampled.tasks()[0].configuration();
    assert_eq!(configuration["decoding"], "drawn: temperature 0.5, top_p 0.9, seed 5, task and document");
    assert!(configuration["generation_note"].as_str().unwrap().contains("--gen_kwargs"));
    // lm-evaluation-harness keeps room for the whole reply where it cuts.
    let options = TaskOptions { on_overflow: OnOverflow::Left, ..options.clone() };
    let cut = suite_within("gsm8k@lm-eval", &tokenizer, &roots, &options, 30).unwrap();
    let (item, requests) = ready(&cut, 0, 0);
    assert_eq!(item.prompt_tokens, 21);
    assert_eq!(texts(&tokenizer, &requests[0]).0, "many in a week?\nAnswer:"[2..].to_string());
}

/// SHA-256 of the prompts of all documents, with a NUL between two.
fn hash_of_prompts(id: &str, shots: Option<usize>, roots: &DataRoots) -> (usize, String) {
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let options = TaskOptions { num_fewshot: shots, ..TaskOptions::default() };
    let suite = suite_within(id, &tokenizer, roots, &options, 1 << 20).unwrap();
    let count = suite.tasks()[0].document_count();
    let prompts: Vec<String> = (0..count).map(|document| asked(&tokenizer, &suite, document).0).collect();
    (count, hash_text(&prompts.join("\0")))
}

#[test]
fn prompts_of_official_files_are_those_of_lm_evaluation_harness() {
    let Some(data) = shared("data") else { return };
    let roots = DataRoots::new(&[data]);
    // ConfigurableTask.fewshot_context of lm-evaluation-harness 0.4.13 on the same files, fewshot seed 1234
    for (id, shots, count, sha256) in [
        ("gsm8k@lm-eval", None, 1319, "84119a05b6c77e92415182c7963444e153dd2df04e05e238744f26b105c0a8b6"),
        ("gsm8k@lm-eval", Some(8), 1319, "c8fbfed204356e93abcbf17ddec967570574374d203a139857e94278f99f31dc"),
        ("gsm8k_cot", None, 1319, "9a08edd9368fad0c8e3a7d85f65d607fcbc6566b30b3ef3e479a4d6c11eaf204"),
        ("gsm8k_cot", Some(2), 1319, "c46cb9400a7ff7e869a31924fdc0ccf2f322a427dc3a938ee47ba62f88694b68"),
        ("truthfulqa_gen", None, 817, "0af9547a615cee5ebae7b2f66478c71961c5afbdfc135922f927e68084384a09"),
        (
            "flores200:eng_Latn-deu_Latn@lm-eval",
            None,
            1012,
            "2571a414186a3cc4164e734ee121d63b81c75a2f5aafa99df040af675ee65c27",
        ),
        (
            "flores200:eng_Latn-deu_Latn@lm-eval",
            Some(3),
            1012,
            "2a6361a203bdc4215c245982b5f2089d624ac106f2a32580ec2d5ac38e5bc5c7",
        ),
        (
            "flores200:zho_Hans-eng_Latn@lm-eval",
            None,
            1012,
            "d7ed7ef272567595ad59cba5f5d719a98bfc282362a6789d9150650ad269fe2e",
        ),
        (
            "flores200:zho_Hans-eng_Latn@lm-eval",
            Some(3),
            1012,
            "ebdad9134c342747e95840d511972942a505df04a3dc3b6fc0b909fd4a5fe81f",
        ),
    ] {
        assert_eq!(hash_of_prompts(id, shots, &roots), (count, sha256.to_string()), "{id}, {shots:?}");
    }
}
