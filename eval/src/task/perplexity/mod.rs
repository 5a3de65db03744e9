//! Perplexity of a text under three conventions, which give three different numbers for one model and one text.
//!
//! * `gptq-W` (GPTQ, AWQ, SpQR and the paper): windows of W tokens that do not overlap; a window's loss is the mean over
//!   its W - 1 predicted tokens; perplexity = exp(mean of the losses).
//! * `lm-eval`: every token of each document is scored once; perplexity a word and a byte of the original text.
//! * `llama.cpp-C`: windows of C tokens of which only what follows the middle is scored.
//!
//! A document of the task is one window, so that an interrupted run goes on where it was.

mod corpus;
mod protocol;
mod windows;

use super::card::Entry;
use super::choices::{numbers, scored_tokens, sum};
use super::options::{Concession, OnOverflow};
use super::prompt::PromptEncoder;
use super::sample::{Comparison, IntervalRule, Item, MetricValue, PairedTest, Prepared, Sample};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::metric::perplexity as metric;
use crate::request::Outcome;
use crate::statistics::Estimate;
use corpus::{C4_WINDOWS, Corpus, Document};
use datasets::catalogue;
use datasets::text::ByteOrderMark;
use engine::tokenizer::Specials;
use kernels::math;
use protocol::{PROTOCOLS, Rule};
use serde_json::{Map, Value};
use windows::Window;

/// Perplexity of a corpus or of any text file.
pub static PERPLEXITY: Entry = Entry {
    name: "perplexity",
    summary: "language modelling: how many continuations the model hesitates between, token by token",
    datasets: &[&catalogue::WIKITEXT2, &catalogue::C4, &catalogue::PTB, &catalogue::WORLD],
    split: "WikiText-2: test; C4: the validation shard found, first 1,100 documents; Penn Treebank: validation (ptb) or \
            test (ptb-new); a file: all of it",
    variants: &[
        ("wikitext2", "WikiText-2, raw"),
        ("c4", "C4"),
        ("ptb", "Penn Treebank, validation sentences joined by blank lines, as GPTQ's and SpQR's code does by default"),
        ("ptb-new", "Penn Treebank, test sentences joined by spaces, as with --new-eval there"),
        (
            "builtin_chronicle, builtin_tales, builtin_notices",
            "16 KB of the micro-world each: what is known of things, stories, single sentences",
        ),
        ("<file>", "any text file in UTF-8; results name it by file name and SHA-256"),
    ],
    protocols: PROTOCOLS,
    default_protocol: "gptq-2048",
    default_reason: "the window and the join of the GPTQ and SpQR code that Jin et al. 2024 used",
    metrics: &["perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"],
    example: "(the text itself, cut into windows)",
    names: || vec!["perplexity".into()],
    canonical_protocol: |word| Rule::parse(word).map(|rule| rule.to_string()),
    build,
};

/// Perplexity of one text under one protocol.
struct Perplexity {
    frame: Frame,
    rule: Rule,
    windows: Vec<Window>,
    /// The texts that windows are cut from, where words and bytes count.
    documents: Vec<Document>,
    configuration: Map<String, Value>,
}

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    let rule = Rule::parse(&id.protocol).ok_or_else(|| Error::UnknownProtocol {
        task: id.name.clone(),
        protocol: id.protocol.clone(),
        did_you_mean: None,
        supported: PROTOCOLS.iter().map(|protocol| protocol.name.to_string()).collect(),
    })?;
    let corpus = Corpus::read(id, inputs)?;
    let task = match rule {
        Rule::Rolling => rolling(id, inputs, corpus)?,
        Rule::Gptq { window } | Rule::LlamaCpp { window } => of_windows(id, inputs, corpus, rule, window)?,
    };
    suite.add(Box::new(task)).map(|_| ())
}

/// One text in windows of equal length.
fn of_windows(
    id: &TaskId,
    inputs: &Inputs<'_>,
    corpus: Corpus,
    rule: Rule,
    window: usize,
) -> Result<Perplexity, Error> {
    let tokenizer = inputs.tokenizer;
    let limit = inputs.context_len;
    if window > limit && !matches!(inputs.options.on_overflow, OnOverflow::Left | OnOverflow::Extend) {
        let family = if matches!(rule, Rule::Gptq { .. }) { "gptq" } else { "llama.cpp" };
        let alternative = TaskId { protocol: format!("{family}-{limit}"), ..id.clone() }.to_string();
        return Err(Error::WindowTooLong { task: id.to_string(), window, limit, alternative });
    }
    let gptq = matches!(rule, Rule::Gptq { .. });
    let (text, joined) = if gptq { corpus.joined_for_gptq() } else { corpus.joined_for_llama_cpp() };
    let mut tokens = tokenizer.encode(&text, Specials::AsConfigured)?;
    let encoder = PromptEncoder::new(tokenizer)?;
    if inputs.options.double_bos == Concession::Refuse && encoder.begins_twice(&tokens) {
        let token = tokenizer.bos_token().unwrap_or_default().to_string();
        return Err(Error::DoubleBos { task: id.to_string(), document: 0, token });
    }
    let total = tokens.len();
    if corpus.is_cut() && gptq {
        tokens.truncate(C4_WINDOWS.saturating_mul(window));
    }
    let needed = if gptq { window } else { window.saturating_mul(2) };
    if tokens.len() < needed {
        return Err(Error::TextTooShort { task: id.to_string(), tokens: tokens.len(), needed });
    }
    let bos = tokenizer.bos_id().filter(|_| tokenizer.adds_bos());
    let windows = if gptq { windows::disjoint(&tokens, window) } else { windows::second_half(&tokens, window, bos) };
    let (frame, mut windows) = Frame::new(id, inputs, 1.0, windows, corpus.files.clone());
    let cuts = window > limit && inputs.options.on_overflow == OnOverflow::Left;
    if cuts {
        windows = windows.into_iter().map(|window| window.cut_left(limit)).collect();
    }

    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    set("output_type", "loglikelihood_rolling".into());
    set("joined", joined.into());
    set(
        "bos",
        match (bos, gptq) {
            (None, _) => "none",
            (Some(_), true) => "once, before the text",
            (Some(_), false) => "in place of the first token of each window",
        }
        .into(),
    );
    set("window", window.into());
    set("stride", window.into());
    set("tokens", total.into());
    set("windows", frame.counts.original.into());
    set("scored_tokens_per_window", if gptq { window - 1 } else { window - window / 2 - 1 }.into());
    set("on_overflow", inputs.options.on_overflow.name().into());
    if cuts {
        set("tokens_cut_left", (window - limit).into());
    } else if window > limit {
        set("tokens_beyond_context", (window - limit).into());
    }
    note_byte_order_mark(&mut fields, &corpus);
    Ok(Perplexity { frame, rule, windows, documents: Vec::new(), configuration: fields })
}

/// Documents, each scored from its first token to its last.
fn rolling(id: &TaskId, inputs: &Inputs<'_>, corpus: Corpus) -> Result<Perplexity, Error> {
    let limit = inputs.context_len;
    let longest = inputs.options.window.unwrap_or(limit);
    if longest > limit || longest == 0 {
        let alternative = format!("--window {limit}");
        return Err(Error::WindowTooLong { task: id.to_string(), window: longest, limit, alternative });
    }
    let prefix = inputs.tokenizer.prefix_token_id();
    let prefix = prefix.ok_or_else(|| Error::NoPrefixToken { task: id.to_string() })?;
    let encoder = PromptEncoder::new(inputs.tokenizer)?;
    let (documents, what) = corpus.documents();
    let (frame, documents) = Frame::new(id, inputs, 2.0, documents, corpus.files.clone());
    let (mut windows, mut total) = (Vec::new(), 0);
    for (index, document) in documents.iter().enumerate() {
        let tokens = encoder.encode(&document.text)?;
        total += tokens.len();
        windows.extend(windows::rolling(&tokens, prefix, longest, index));
    }
    if windows.is_empty() && !documents.is_empty() {
        return Err(Error::TextTooShort { task: id.to_string(), tokens: 0, needed: 1 });
    }
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    set("output_type", "loglikelihood_rolling".into());
    set("documents", what.into());
    set("prefix_token", inputs.tokenizer.id_to_token(prefix).into());
    set(
        "bos",
        if inputs.tokenizer.adds_bos() {
            "the prefix token before the document's tokens, which begin with it as the tokenizer is configured; the \
             second is scored, as in lm-evaluation-harness"
        } else {
            "the prefix token before the document's tokens"
        }
        .into(),
    );
    set("window", longest.into());
    set("context", 1.into());
    set("tokens", total.into());
    set("windows", windows.len().into());
    note_byte_order_mark(&mut fields, &corpus);
    Ok(Perplexity { frame, rule: Rule::Rolling, windows, documents, configuration: fields })
}

fn note_byte_order_mark(fields: &mut Map<String, Value>, corpus: &Corpus) {
    if corpus.byte_order_mark == ByteOrderMark::Present {
        fields.insert("byte_order_mark".into(), "the file begins with U+FEFF, which is scored".into());
    }
}

impl Perplexity {
    fn window(&self, document: usize) -> Result<&Window, Error> {
        self.windows.get(document).ok_or_else(|| self.frame.place(document).mismatch("there is no such window"))
    }

    /// Sums of the windows of each document.
    fn scored_documents(&self, samples: &[(usize, &Sample)]) -> Result<Vec<metric::Scored>, Error> {
        let documents = self.documents.iter();
        let empty = |document: &Document| metric::Scored {
            log_likelihood: 0.0,
            tokens: 0,
            words: document.words,
            bytes: document.bytes,
        };
        let mut scored: Vec<metric::Scored> = documents.map(empty).collect();
        let sums = self.frame.column(samples, "log_probs")?;
        for ((document, _), sum) in samples.iter().zip(sums) {
            let window = self.window(*document)?;
            let text =
                scored.get_mut(window.text).ok_or_else(|| self.frame.place(*document).mismatch("no such text"))?;
            text.log_likelihood += sum;
            text.tokens += window.tokens.len() - window.first_scored;
        }
        Ok(scored)
    }

    /// As `llama-perplexity` prints it: exp of the mean over all scored tokens, and that times the standard error of
    /// this mean, the tokens taken as independent.
    fn llama_cpp(&self, samples: &[(usize, &Sample)]) -> Result<Estimate, Error> {
        let tokens: Vec<f64> = self.frame.column(samples, "token_counts")?;
        let (count, items) = (sum(&tokens), samples.len());
        let mean = -sum(&self.frame.column(samples, "log_probs")?) / count;
        let variance = sum(&self.frame.column(samples, "squares")?) / count - mean * mean;
        let value = math::exp(mean);
        let standard_error = (variance > 0.0 && count > 1.0).then(|| (variance / (count - 1.0)).sqrt() * value);
        Ok(Estimate { value, standard_error, items })
    }
}

impl Task for Perplexity {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn document_count(&self) -> usize {
        self.windows.len()
    }

    fn configuration(&self) -> Map<String, Value> {
        self.configuration.clone()
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let window = self.window(document)?;
        let mut item = Item::of_tokens(&window.tokens, window.first_scored);
        // The last token of a window is not read.
        let beyond = (window.tokens.len() - 1).saturating_sub(self.frame.context_len);
        if beyond > 0 {
            item.notes.insert("tokens_beyond_context".into(), beyond.into());
        }
        Ok(Prepared::Ready(item, vec![window.request()]))
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let [outcome] = outcomes else {
            return Err(self.frame.place(document).mismatch(format!("{} outcomes for one request", outcomes.len())));
        };
        let (log_probs, _) = scored_tokens(self.frame.place(document), outcome)?;
        let log_likelihood = sum(log_probs);
        let sample =
            Sample::of(item).with("token_counts", vec![log_probs.len()]).with("log_probs", numbers(&[log_likelihood]));
        let loss = -log_likelihood / log_probs.len() as f64;
        let sample = sample.with("loss", loss);
        Ok(match self.rule {
            Rule::Gptq { .. } => sample,
            Rule::Rolling => sample.with("text", self.window(document)?.text),
            Rule::LlamaCpp { .. } => {
                let squares: Vec<f64> = log_probs.iter().map(|log_prob| log_prob * log_prob).collect();
                sample.with("squares", sum(&squares))
            }
        })
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        Ok(match self.rule {
            Rule::Gptq { .. } => {
                let losses = self.frame.column(samples, "loss")?;
                vec![MetricValue::of(&metric::PERPLEXITY, metric::from_window_losses(&losses)?)]
            }
            Rule::LlamaCpp { .. } => vec![MetricValue::of(&metric::PERPLEXITY, self.llama_cpp(samples)?)],
            Rule::Rolling => {
                let documents = self.scored_documents(samples)?;
                vec![
                    MetricValue::of(&metric::WORD_PERPLEXITY, metric::per_word(&documents)?),
                    MetricValue::of(&metric::BYTE_PERPLEXITY, metric::per_byte(&documents)?),
                    MetricValue::of(&metric::BITS_PER_BYTE, metric::bits_per_byte(&documents)?),
                ]
            }
        })
    }

    fn metric_names(&self) -> &'static [&'static str] {
        match self.rule {
            Rule::Gptq { .. } | Rule::LlamaCpp { .. } => &["perplexity"],
            Rule::Rolling => &["word_perplexity", "byte_perplexity", "bits_per_byte"],
        }
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "loss", test: PairedTest::StudentT }
    }

    fn interval_rule(&self, name: &str) -> IntervalRule {
        if name == metric::BITS_PER_BYTE.key { IntervalRule::StandardError } else { IntervalRule::LogStandardError }
    }
}
