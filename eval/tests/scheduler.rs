//! Answers do not depend on what is shared, on the batch or on the order of requests, and shared prefixes are
//! computed once.

use engine::decoder::{Chunk, Decoder};
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
        requests.push(Request::Generate { prompt: context, max_new_tokens: 5 + question as usize, stop: vec![] });
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
        let options = SchedulerOptions { batch_tokens, batch_sequences };
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
        let options = SchedulerOptions { batch_tokens, batch_sequences };
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
