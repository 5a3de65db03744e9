//! FLORES-200: translation of Wikimedia sentences between any two of 204 languages (NLLB Team 2022).
//!
//! Protocol `jin-2024`, the paper's: one message of the user in the chat template,
//!
//! ```text
//! Please translate the following {source} text into {target}.
//! {source} text: {sentence}
//! ```
//!
//! Protocol `lm-eval`: `{source} sentence: {sentence}\n{target} sentence:`, and the translation up to a line break.
//! Languages are called by their English names, without what stands in parentheses: `zho_Hans` is Chinese.

use super::ask::{Asker, Example, Question, Reply, ReplyLimits};
use super::card::{Entry, Protocol};
use super::examples::Examples;
use super::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use super::world::{Origin, TEXT_TOKENS};
use super::{Frame, Inputs, NO_FILTER, Suite, Task, TaskId};
use crate::error::Error;
use crate::metric::Metric;
use crate::metric::accuracy::NO_ANSWER;
use crate::metric::bleu::{self, BLEU, Bleu, Case, Orders, Smoothing, Tokenizer};
use crate::metric::chrf::{self, CHRF, CHRF_PLUS_PLUS, Chrf};
use crate::metric::signature::References;
use crate::metric::ter::{self, TER};
use crate::python;
use crate::request::Outcome;
use datasets::flores::{self, Split};
use datasets::{Loaded, catalogue, world};
use serde_json::{Map, Value};

const JIN_2024: &str = "jin-2024";
const LM_EVAL: &str = "lm-eval";

/// The task.
pub static FLORES200: Entry = Entry {
    name: "flores200",
    summary: "translation: 1,012 sentences from one language into another, by BLEU and chrF",
    datasets: &[&catalogue::FLORES, &catalogue::WORLD],
    split: "devtest; worked examples from dev, drawn for each document",
    variants: &[
        ("<source>-<target>", "codes of two languages: eng_Latn-zho_Hans"),
        (
            "eng_Latn-vel_Latn, vel_Latn-eng_Latn",
            "150 sentences of the micro-world, from and into Velan; replies of at most 64 tokens",
        ),
    ],
    protocols: &[
        Protocol {
            name: JIN_2024,
            summary: "one message of the user in the chat template, no worked examples; greedy, at most 512 tokens; the \
                      whole reply is the translation; BLEU with the tokenizer of the target: zh, char where words are not \
                      separated, else 13a",
            source: "Jin et al. 2024, appendix (prompt; its line breaks are ours); decoding as in QwenLM/Qwen, eval",
        },
        Protocol {
            name: LM_EVAL,
            summary: "plain text, --num_fewshot worked examples drawn with --seed, none unless asked for; greedy, at most \
                      256 tokens, up to a line break; BLEU with the tokenizer 13a, TER and chrF",
            source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/spanish_bench/flores_es and its siblings, version 1",
        },
    ],
    default_protocol: JIN_2024,
    default_reason: "it is the prompt of Jin et al. 2024; decoding and BLEU's tokenizer, which they do not state, are those \
                     of Qwen's scripts and of sacreBLEU",
    metrics: &["bleu", "chrf", "chrf++", "ter", "no_answer"],
    example: "Please translate the following English text into Chinese.\nEnglish text: The river rose by two metres \
              during the night.",
    names: || vec!["flores200".into()],
    canonical_protocol: |word| [JIN_2024, LM_EVAL].contains(&word).then(|| word.to_string()),
    build,
};

const PAPER_LIMITS: ReplyLimits<'_> = ReplyLimits { max_new_tokens: 512, stop: &[] };
const LM_EVAL_LIMITS: ReplyLimits<'_> = ReplyLimits { max_new_tokens: 256, stop: &["\n"] };

/// Languages in whose script words are not separated, but for Chinese.
const UNSPACED: [&str; 8] =
    ["jpn_Jpan", "tha_Thai", "lao_Laoo", "khm_Khmr", "mya_Mymr", "shn_Mymr", "bod_Tibt", "dzo_Tibt"];

/// The tokenizer of BLEU for a target language.
fn tokenizer(code: &str) -> Tokenizer {
    match code {
        "zho_Hans" | "zho_Hant" | "yue_Hant" => Tokenizer::Zh,
        code if UNSPACED.contains(&code) => Tokenizer::Char,
        _ => Tokenizer::V13a,
    }
}

/// Where sentences in these languages are from: Velan is spoken in the micro-world alone.
fn origin(id: &TaskId, codes: [&str; 2]) -> Result<Origin, Error> {
    let is_known = |code: &str| world::LANGUAGES.iter().any(|language| language.code == code);
    let is_official = |code: &str| flores::LANGUAGES.iter().any(|language| language.code == code);
    match (codes.into_iter().all(is_known), codes.into_iter().find(|code| is_known(code) && !is_official(code))) {
        (true, _) => Ok(Origin::World),
        (false, None) => Ok(Origin::Official),
        (false, Some(code)) => Err(Error::Variant {
            task: id.name.clone(),
            expected: format!("`eng_Latn` beside `{code}`, which is a language of the micro-world"),
            found: format!("`{}`", id.variant.as_deref().unwrap_or_default()),
        }),
    }
}

/// The name of a language in prompts.
fn name(code: &str) -> Result<&'static str, Error> {
    let of_world = world::LANGUAGES.iter().find(|language| language.code == code);
    let language = of_world.map_or_else(|| flores::find_language(code), Ok)?;
    Ok(language.name.split_once(" (").map_or(language.name, |(name, _)| name))
}

/// Translation between two languages under one protocol.
struct Flores<'a> {
    frame: Frame,
    /// Names of source and target.
    languages: [&'static str; 2],
    sources: Vec<String>,
    references: Vec<String>,
    examples: Examples,
    asker: Asker<'a>,
    bleu: Bleu,
    is_lm_eval: IsLmEval,
    limits: ReplyLimits<'static>,
}

/// Which of the two protocols it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsLmEval {
    Yes,
    No,
}

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    let variant = id.variant.as_deref().unwrap_or_default();
    let Some((source, target)) = variant.split_once('-').filter(|(source, target)| source != target) else {
        let found = if variant.is_empty() { "nothing".into() } else { format!("`{variant}`") };
        let expected = "two languages after `:`, such as `:eng_Latn-zho_Hans`".into();
        return Err(Error::Variant { task: id.name.clone(), expected, found });
    };
    let is_lm_eval = if id.protocol == LM_EVAL { IsLmEval::Yes } else { IsLmEval::No };
    let origin = origin(id, [source, target])?;
    let languages = [name(source)?, name(target)?];
    let (asker, tokenizer) = match is_lm_eval {
        IsLmEval::Yes => (Asker::lm_eval(id, inputs)?, Tokenizer::V13a),
        IsLmEval::No => (Asker::chat(id, inputs, &format!("`flores200:{variant}@{LM_EVAL}`"))?, tokenizer(target)),
    };
    let read = |code, split| -> Result<Loaded<Vec<String>>, Error> {
        Ok(match origin {
            Origin::Official => flores::read(inputs.roots, code, split)?,
            Origin::World => world::embedded().flores(code, split)?,
        })
    };
    let (sources, references) = (read(source, Split::Devtest)?, read(target, Split::Devtest)?);
    let (mut frame, sources) = Frame::new(id, inputs, 1.0, sources.content, sources.files);
    frame.files.extend(references.files);
    let mut examples = Examples::NONE;
    if is_lm_eval == IsLmEval::Yes {
        frame.shots = inputs.options.num_fewshot.unwrap_or(0);
    }
    if frame.shots > 0 {
        let (from, into) = (read(source, Split::Dev)?, read(target, Split::Dev)?);
        let pool = from.content.iter().zip(&into.content).map(|(source, target)| Example {
            question: question(is_lm_eval, languages, source),
            // This template has no delimiter between question and answer.
            answer: python::strip(target).to_string(),
        });
        examples = Examples::drawn(id, pool.collect(), frame.shots, sources.len(), inputs.options.seed)?;
        frame.files.extend(from.files);
        frame.files.extend(into.files);
    }
    let bleu = Bleu { tokenizer, smoothing: Smoothing::Exp, case: Case::Mixed, orders: Orders::All };
    let references = references.content;
    let limits = if is_lm_eval == IsLmEval::Yes { LM_EVAL_LIMITS } else { PAPER_LIMITS };
    let limits = origin.replies(limits, TEXT_TOKENS);
    let task = Flores { frame, languages, sources, references, examples, asker, bleu, is_lm_eval, limits };
    suite.add(Box::new(task)).map(|_| ())
}

fn question(is_lm_eval: IsLmEval, [source, target]: [&str; 2], sentence: &str) -> String {
    let sentence = python::strip(sentence);
    match is_lm_eval {
        IsLmEval::Yes => format!("{source} sentence: {sentence}\n{target} sentence:"),
        IsLmEval::No => {
            format!("Please translate the following {source} text into {target}.\n{source} text: {sentence}")
        }
    }
}

/// Counts as a list of a sample.
fn list(counts: impl IntoIterator<Item = u64>) -> Value {
    counts.into_iter().map(Value::from).collect()
}

/// The counts of a segment, as samples hold them: words of hypothesis and reference, matches and totals by order.
fn of_bleu(counts: &bleu::SegmentCounts) -> Value {
    let lengths = [counts.hypothesis_words, counts.reference_words];
    list(lengths.into_iter().chain(counts.matches).chain(counts.totals))
}

/// The same of chrF++: n-grams of hypothesis, of reference and of both, by order.
fn of_chrf(counts: &chrf::SegmentCounts) -> Value {
    list(counts.orders.iter().flat_map(|order| [order.hypothesis, order.reference, order.matches]))
}

fn to_bleu(counts: &[u64]) -> Option<bleu::SegmentCounts> {
    let [hypothesis_words, reference_words, rest @ ..] = counts else { return None };
    let (matches, totals) = rest.split_at_checked(bleu::ORDERS)?;
    Some(bleu::SegmentCounts {
        hypothesis_words: *hypothesis_words,
        reference_words: *reference_words,
        matches: matches.try_into().ok()?,
        totals: totals.try_into().ok()?,
    })
}

fn to_chrf(counts: &[u64]) -> Option<chrf::SegmentCounts> {
    let mut segment = chrf::SegmentCounts::default();
    if counts.len() != 3 * segment.orders.len() {
        return None;
    }
    for (order, counts) in segment.orders.iter_mut().zip(counts.chunks_exact(3)) {
        *order = chrf::OrderCounts { hypothesis: counts[0], reference: counts[1], matches: counts[2] };
    }
    Some(segment)
}

/// Character n-grams alone: with one reference those of chrF are the ones of chrF++.
fn without_words(mut counts: chrf::SegmentCounts) -> chrf::SegmentCounts {
    counts.orders[chrf::CHARACTER_ORDERS..].fill(chrf::OrderCounts::default());
    counts
}

/// A metric of the corpus, of which segments have no errors that could be averaged.
fn of_corpus(metric: &'static Metric, value: f64) -> MetricValue {
    let higher_is_better = metric.higher_is_better();
    MetricValue { name: metric.key, filter: NO_FILTER, value, standard_error: None, higher_is_better }
}

impl Flores<'_> {
    fn sentence<'s>(&self, document: usize, of: &'s [String]) -> Result<&'s str, Error> {
        let sentence = of.get(document).map(|sentence| python::strip(sentence));
        sentence.ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))
    }

    /// The counts that every sample has in `field`.
    fn counts<T>(
        &self,
        samples: &[(usize, &Sample)],
        field: &str,
        read: fn(&[u64]) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let mut all = Vec::with_capacity(samples.len());
        // A bootstrap comes here thousands of times: one buffer for all.
        let mut numbers: Vec<u64> = Vec::new();
        for (document, sample) in samples {
            let list = sample.fields.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            numbers.clear();
            numbers.extend(list.iter().map_while(Value::as_u64));
            let counts = if numbers.len() == list.len() { read(&numbers) } else { None };
            all.push(
                counts.ok_or_else(|| self.frame.place(*document).mismatch(format!("a sample without `{field}`")))?,
            );
        }
        Ok(all)
    }
}

impl Task for Flores<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: String| fields.insert(name.into(), value.into());
        set("doc_to_text", question(self.is_lm_eval, self.languages, "{sentence}"));
        set("bleu_signature", self.bleu.signature(References::Each(1)));
        set("chrf_signature", Chrf::default().signature(References::Each(1)));
        match self.is_lm_eval {
            IsLmEval::Yes => set("ter_signature", ter::signature(References::Each(1))),
            IsLmEval::No => set("chrf++_signature", Chrf::PLUS_PLUS.signature(References::Each(1))),
        };
        if self.frame.shots > 0 {
            set("fewshot_sampler", self.examples.sampler(self.frame.options.seed));
        }
        self.asker.describe_reply(&self.frame, self.limits, &mut fields);
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let text = question(self.is_lm_eval, self.languages, self.sentence(document, &self.sources)?);
        let examples = self.examples.of(document);
        let question = Question { description: "", examples: &examples, text: &text };
        self.asker.reply(&self.frame, document, &question, self.limits)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let reference = self.sentence(document, &self.references)?;
        let reply = Reply::read(self.frame.place(document), outcomes)?;
        let bleu = self.bleu.segment(reply.text, &[reference])?;
        let sample = reply
            .log(Sample::of(item))
            .with("no_answer", python::strip(reply.text).is_empty())
            .with("sentence_bleu", Bleu { orders: Orders::Effective, ..self.bleu }.score(bleu).bleu)
            .with("bleu_counts", of_bleu(&bleu))
            .with("chrf_counts", of_chrf(&Chrf::PLUS_PLUS.segment(reply.text, &[reference])?));
        if self.is_lm_eval == IsLmEval::No {
            return Ok(sample);
        }
        let ter = ter::segment(reply.text, &[reference])?;
        // One reference: the mean of the lengths is a whole number.
        Ok(sample.with("ter_counts", list([ter.edits, ter.reference_words as u64])))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        let bleu = self.bleu.corpus(&self.counts(samples, "bleu_counts", to_bleu)?)?;
        let both = self.counts(samples, "chrf_counts", to_chrf)?;
        let characters: Vec<_> = both.iter().map(|counts| without_words(*counts)).collect();
        let chrf = of_corpus(&CHRF, Chrf::default().corpus(&characters)?);
        let mut metrics = vec![of_corpus(&BLEU, bleu.bleu)];
        match self.is_lm_eval {
            IsLmEval::Yes => {
                let read = |counts: &[u64]| match counts {
                    [edits, words] => Some(ter::SegmentCounts { edits: *edits, reference_words: *words as f64 }),
                    _ => None,
                };
                metrics.push(of_corpus(&TER, ter::corpus(&self.counts(samples, "ter_counts", read)?)?));
                metrics.push(chrf);
            }
            IsLmEval::No => {
                metrics.push(chrf);
                metrics.push(of_corpus(&CHRF_PLUS_PLUS, Chrf::PLUS_PLUS.corpus(&both)?));
            }
        }
        metrics.push(self.frame.mean(samples, "no_answer", &NO_ANSWER)?);
        Ok(metrics)
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "sentence_bleu", test: PairedTest::Bootstrap }
    }
}
