//! Answers do not depend on what is shared, on the batch or on the order of requests, and shared prefixes are
//! computed once.

use engine::decoder::{Chunk, Decoder};
use engine::generate::{Decoding, DrawKey, Generator, PREFILL_CHUNK, Sampling, Settings};
use engine::kv_cache::KvPrefix;
use engine::model::Model;
use engine::runtime::{IsaChoice, Runtime};
use engine::tokenizer::Tokenizer;
use eval::request::{Outcome, Request};
use eval::scheduler::{Continue, Scheduler, SchedulerOptions};
use std::collections::BTreeMap;

fn answers(
    decoder: Decoder<'_>,
    tokenizer: &Tokenizer,
    options: SchedulerOptions,
    requests: &[(usize, Request)],
) -> (BTreeMap<usize, Outcome>, usize, usize) {
    let mut scheduler = Scheduler::new(decoder, Some(tokenizer), options);
    let mut found = BTreeMap::new();
    scheduler
        .run::<engine::Error>(requests, &mut |key, outcome| {
            assert!(found.insert(key, outcome).is_none(), "request {key} answered twice");
            Ok(Continue::Yes)
        })
        .unwrap();
    (found, scheduler.counts().requested, scheduler.counts().computed)
}

/// The log-probabilities of a request computed alone, in one chunk, without the scheduler.
fn alone(decoder: Decoder<'_>, tokens: &[u32], first_scored: usize) -> Vec<f64> {
    alone_in_chunks(decoder, tokens, first_scored, tokens.len())
}

/// Likewise, `size` tokens at a time.
fn alone_in_chunks(decoder: Decoder<'_>, tokens: &[u32], first_scored: usize, size: usize) -> Vec<f64> {
    let mut cache = decoder.cache_after(&KvPrefix::default());
    let read = &tokens[..tokens.len() - 1];
    let mut hidden = Vec::new();
    for part in read.chunks(size) {
        let chunk = Chunk { cache: &mut cache, tokens: part, sequence_len: read.len(), wanted: 0..part.len() };
        hidden.extend(decoder.forward(&mut [chunk]).unwrap().remove(0).unwrap());
    }
    let logits = decoder.logits(&hidden);
    let sums = decoder.log_sum_exps(&logits);
    let vocab = decoder.blueprint().vocab_size;
    (first_scored..tokens.len())
        .map(|i| f64::from(logits[(i - 1) * vocab + tokens[i] as usize]) - sums[i - 1])
        .collect()
}

fn requests() -> Vec<(usize, Request)> {
    let header: Vec<u32> = (0..50).map(|i| 3 + (i * 7) % 90).collect();
    let mut requests = Vec::new();
    for question in 0..6u32 {
        let context = [header.clone(), vec![5 + question; 3 + question as usize], vec![9]].concat();
        for choice in 0..4u32 {
            requests.push(Request::loglikelihood(&context, &[20 + choice]));
            requests.push(Request::loglikelihood(&context, &[30 + choice, 31, 32 + choice]));
        }
        let drawn = Sampling { temperature: 1.5, top_k: Some(60), top_p: 0.95 };
        let ways = [Decoding::Greedy, Decoding::Sampled(drawn), Decoding::Sampled(Sampling { top_k: None, ..drawn })];
        for (sample, decoding) in ways.into_iter().enumerate() {
            requests.push(Request::Generate {
                prompt: context.clone(),
                max_new_tokens: 5 + 4 * question as usize,
                stop: vec![],
                decoding,
                key: DrawKey { seed: 7, item: u64::from(question), sample: sample as u32, position: 0 },
            });
        }
    }
    requests.push(Request::window(&header));
    requests.into_iter().enumerate().collect()
}

#[test]
fn answers_do_not_depend_on_sharing_batch_or_order() {
    let checkpoint = engine::builtin::checkpoint().unwrap();
    let model = Model::unquantized(&checkpoint).unwrap();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let decoder = Decoder::new(&model, &runtime);
    let requests = requests();
    let (expected, requested, computed) = answers(decoder, &tokenizer, SchedulerOptions::default(), &requests);
    assert_eq!(expected.len(), requests.len());
    assert!(computed * 5 < requested, "computed {computed} of {requested} tokens");
    for (batch_tokens, batch_sequences) in [(1, 1), (7, 2), (64, 3), (1000, 1000)] {
        // Room for one text at a time, then for some.
        let cache_bytes = decoder.cache_bytes_per_token() * batch_tokens;
        let options = SchedulerOptions { batch_tokens, batch_sequences, cache_bytes };
        let mut shuffled = requests.clone();
        shuffled.reverse();
        shuffled.rotate_left(batch_tokens % 11);
        assert_eq!(answers(decoder, &tokenizer, options, &shuffled).0, expected, "{options:?}");
        // One at a time: nothing is shared.
        for request in &requests {
            let single = answers(decoder, &tokenizer, options, std::slice::from_ref(request)).0;
            assert_eq!(single[&request.0], expected[&request.0]);
        }
    }
    for (key, request) in &requests {
        if let Request::Score { tokens, first_scored, .. } = request {
            let Outcome::Scored { log_probs, .. } = &expected[key] else { panic!("{:?}", expected[key]) };
            assert_eq!(log_probs, &alone(decoder, tokens, *first_scored));
        }
    }
}

/// A continuation by the scheduler, alone.
fn continued(decoder: Decoder<'_>, tokenizer: &Tokenizer, request: &Request) -> (Vec<u32>, String) {
    match answers(decoder, tokenizer, SchedulerOptions::default(), &[(0, request.clone())]).0.remove(&0) {
        Some(Outcome::Generated { tokens, text }) => (tokens, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn continuations_are_those_of_the_generator() {
    let model = Model::unquantized(&engine::builtin::checkpoint().unwrap()).unwrap();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let decoder = Decoder::new(&model, &runtime);
    let mut drawn = Vec::new();
    for (_, request) in requests() {
        let Request::Generate { prompt, max_new_tokens, stop, decoding, key } = &request else { continue };
        let settings = Settings {
            decoding: *decoding,
            key: *key,
            max_new_tokens: *max_new_tokens,
            eos_ids: tokenizer.eos_ids().to_vec(),
            stop: stop.clone(),
            prefill_chunk: PREFILL_CHUNK,
        };
        let generator = Generator::new(&model, &runtime, Some(&tokenizer), settings);
        let expected = generator.run(prompt, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        assert_eq!(continued(decoder, &tokenizer, &request).0, expected.tokens);
        if matches!(decoding, Decoding::Sampled(_)) {
            drawn.push(expected.tokens);
        }
    }
    drawn.sort();
    drawn.dedup();
    assert!(drawn.len() > 8, "every draw has its own key");
}

/// The text of a free continuation is cut at strings that lie in it, wherever its tokens, which are bytes, begin.
#[test]
fn stop_strings_cut_texts_across_tokens() {
    let model = Model::unquantized(&engine::builtin::checkpoint().unwrap()).unwrap();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let decoder = Decoder::new(&model, &runtime);
    let ascii = Sampling { temperature: 0.7, top_k: None, top_p: 1.0 };
    let of = |stop: Vec<String>, max_new_tokens| Request::Generate {
        prompt: vec![256, 72, 105],
        max_new_tokens,
        stop,
        decoding: Decoding::Sampled(ascii),
        key: DrawKey::default(),
    };
    let (tokens, whole) = continued(decoder, &tokenizer, &of(vec![], 120));
    let letters: Vec<(usize, char)> = whole.char_indices().collect();
    let mut found = 0;
    for window in letters.windows(3).filter(|window| window.iter().all(|(_, it)| *it != char::REPLACEMENT_CHARACTER)) {
        let stop: String = window.iter().map(|(_, letter)| letter).collect();
        let end = whole.find(&stop).unwrap();
        let (cut, text) = continued(decoder, &tokenizer, &of(vec!["never there".into(), stop.clone()], 120));
        assert_eq!(text, whole[..end], "{stop:?}");
        assert!(tokens.starts_with(&cut) && cut.len() < tokens.len() || text.len() + 8 > whole.len(), "{stop:?}");
        found += 1;
    }
    assert!(found > 3, "{whole:?}");
    // An empty string stops nothing; no tokens are no text.
    assert_eq!(continued(decoder, &tokenizer, &of(vec![String::new()], 120)), (tokens, whole));
    assert_eq!(continued(decoder, &tokenizer, &of(vec![], 0)), (vec![], String::new()));
}

/// LLM.int8() with outliers of whole sequences: they are read whole, whatever the batch, and their prefixes by nobody else.
#[test]
fn sequences_whose_tokens_depend_on_each_other_are_read_whole() {
    let checkpoint = engine::builtin::checkpoint().unwrap();
    let runtime = Runtime::new(Some(2), IsaChoice::Best).unwrap();
    let recipe = quant::Recipe::parse("llm.int8:threshold=2:outliers=per_call").unwrap();
    let model = quant::build_model(&checkpoint, &recipe, &runtime).unwrap();
    let tokenizer = Tokenizer::bytes_only().unwrap();
    let decoder = Decoder::new(&model, &runtime);
    let requests = requests();
    let (expected, requested, computed) = answers(decoder, &tokenizer, SchedulerOptions::default(), &requests);
    assert!(computed >= requested, "computed {computed} of {requested} tokens");
    for (batch_tokens, batch_sequences) in [(1, 1), (70, 3), (1000, 1000)] {
        let options = SchedulerOptions { batch_tokens, batch_sequences, ..SchedulerOptions::default() };
        let mut shuffled = requests.clone();
        shuffled.reverse();
        assert_eq!(answers(decoder, &tokenizer, options, &shuffled).0, expected, "{options:?}");
    }
    let mut cut = 0;
    for (key, request) in &requests {
        if let Request::Score { tokens, first_scored, .. } = request {
            let Outcome::Scored { log_probs, .. } = &expected[key] else { panic!("{:?}", expected[key]) };
            assert_eq!(log_probs, &alone(decoder, tokens, *first_scored));
            cut += usize::from(log_probs != &alone_in_chunks(decoder, tokens, *first_scored, 9));
        }
    }
    assert!(cut > 0, "sequences that are cut have other outliers");
}

#[test]
fn stopping_leaves_the_rest_unanswered() {
    let checkpoint = engine::builtin::checkpoint().unwrap();
    let model = Model::unquantized(&checkpoint).unwrap();
    let runtime = Runtime::new(Some(1), IsaChoice::Best).unwrap();
    let mut scheduler = Scheduler::new(Decoder::new(&model, &runtime), None, SchedulerOptions::default());
    let mut count = 0;
    let end = scheduler.run::<engine::Error>(&requests(), &mut |_, _| {
        count += 1;
        Ok(if count == 3 { Continue::Stop } else { Continue::Yes })
    });
    assert_eq!((end.unwrap(), count), (Continue::Stop, 3));
}
