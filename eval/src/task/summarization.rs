//! Summaries of news: CNN/DailyMail (See et al. 2017) and XSum (Narayan et al. 2018), scored by ROUGE.
//!
//! Protocol `jin-2024`, the paper's: one message of the user in the chat template,
//!
//! ```text
//! Please summarize the following document.
//! {document}
//! ```
//!
//! Protocol `helm` is that of HELM without worked examples, as the prompts of FMInference/H2O have it; protocol `lm-eval`,
//! of CNN/DailyMail alone, that of lm-evaluation-harness.

use super::ask::{Asker, Question, Reply, ReplyLimits};
use super::card::{Entry, Protocol};
use super::sample::{Comparison, Item, MetricValue, PairedTest, Prepared, Sample};
use super::world::{Origin, TEXT_TOKENS};
use super::{Frame, Inputs, Suite, Task, TaskId};
use crate::error::Error;
use crate::metric::Metric;
use crate::metric::accuracy::NO_ANSWER;
use crate::metric::rouge::{self, ROUGE_L, ROUGE_LSUM, ROUGE1, ROUGE2, Rouge, Stemmer};
use crate::python;
use crate::request::Outcome;
use datasets::cnn_dailymail::Summarized;
use datasets::{catalogue, cnn_dailymail, world, xsum};
use engine::generate::Sampling;
use serde_json::{Map, Value};

const JIN_2024: &str = "jin-2024";
const HELM: &str = "helm";
const LM_EVAL: &str = "lm-eval";

const OF_PAPER: Protocol = Protocol {
    name: JIN_2024,
    summary: "one message of the user in the chat template, no worked examples; greedy, at most 512 tokens; ROUGE of the \
              whole reply, words unstemmed",
    source: "Jin et al. 2024, appendix (prompt); decoding as in QwenLM/Qwen, eval",
};

const DEFAULT_REASON: &str = "it is the prompt of Jin et al. 2024; decoding and ROUGE's settings, which they do not state, \
                              are those of Qwen's scripts and of rouge-score";

/// Several sentences.
pub static CNN_DAILYMAIL: Entry = Entry {
    name: "cnn_dailymail",
    summary: "summarization: 11,490 news articles and the bullet points of their editors",
    datasets: &[&catalogue::CNN_DAILYMAIL, &catalogue::WORLD],
    split: "test",
    variants: OF_WORLD,
    protocols: &[
        OF_PAPER,
        Protocol {
            name: HELM,
            summary: "\"Summarize the above article in 3 sentences.\" after 512 words of the article, no worked examples; \
                      drawn at temperature 0.3, at most 128 tokens, up to \"###\"; words stemmed",
            source: "HELM, summarization_cnndm; FMInference/H2O, summarization_data",
        },
        Protocol {
            name: LM_EVAL,
            summary: "\"Summarize the following article:\" before, \"Summary:\" after the article; greedy, at most 128 \
                      tokens, up to a blank line; words stemmed, white space collapsed",
            source: "EleutherAI/lm-evaluation-harness, lm_eval/tasks/cnn_dailymail, version 1, without BERTScore",
        },
    ],
    default_protocol: JIN_2024,
    default_reason: DEFAULT_REASON,
    metrics: METRICS,
    example: "Please summarize the following document.\nThe town of Elm has a new bridge. It opened on Monday, two years \
              late, and carries bicycles only.",
    names: || vec!["cnn_dailymail".into()],
    canonical_protocol: |word| [JIN_2024, HELM, LM_EVAL].contains(&word).then(|| word.to_string()),
    build,
};

/// One sentence.
pub static XSUM: Entry = Entry {
    name: "xsum",
    summary: "summarization: 11,334 BBC articles and a summary of one sentence",
    datasets: &[&catalogue::XSUM, &catalogue::WORLD],
    split: "test",
    variants: OF_WORLD,
    protocols: &[
        OF_PAPER,
        Protocol {
            name: HELM,
            summary: "\"Summarize the above article in 1 sentence.\" after 512 words of the article, no worked examples; \
                      drawn at temperature 0.3, at most 64 tokens, up to \"###\"; words stemmed",
            source: "HELM, summarization_xsum; FMInference/H2O, summarization_data",
        },
    ],
    default_protocol: JIN_2024,
    default_reason: DEFAULT_REASON,
    metrics: METRICS,
    example: CNN_DAILYMAIL.example,
    names: || vec!["xsum".into()],
    canonical_protocol: |word| [JIN_2024, HELM].contains(&word).then(|| word.to_string()),
    build,
};

const OF_WORLD: &[(&str, &str)] = &[("builtin", "80 stories of the micro-world; replies of at most 64 tokens")];

const METRICS: &[&str] = &["rouge1", "rouge2", "rougeL", "rougeLsum", "no_answer"];

/// Words of an article that HELM keeps.
const HELM_WORDS: usize = 512;

/// A protocol in its words.
struct Style {
    /// With `{document}`.
    doc_to_text: &'static str,
    /// The document as it stands there.
    document: fn(&str) -> String,
    limits: ReplyLimits<'static>,
    rouge: Rouge,
    /// What is done to both texts before they are compared.
    normalize: fn(&str) -> String,
    /// What is done, in words.
    normalization: &'static str,
    metrics: &'static [(&'static str, &'static Metric)],
}

const ALL: &[(&str, &Metric)] =
    &[("rouge1", &ROUGE1), ("rouge2", &ROUGE2), ("rougeL", &ROUGE_L), ("rougeLsum", &ROUGE_LSUM)];

const PAPER_STYLE: Style = Style {
    doc_to_text: "Please summarize the following document.\n{document}",
    document: str::to_string,
    limits: ReplyLimits { max_new_tokens: 512, stop: &[] },
    rouge: Rouge { stemmer: Stemmer::None },
    normalize: str::to_string,
    normalization: "none; the document is not cut",
    metrics: ALL,
};

const HELM_NORMALIZATION: &str =
    "white space of the article made single spaces, 512 words kept; the reply stripped of white space at its ends";

const HELM_CNN: Style = Style {
    doc_to_text: "###\nArticle: {document}\n\nSummarize the above article in 3 sentences.\n",
    document: first_words,
    limits: ReplyLimits { max_new_tokens: 128, stop: &["###"] },
    rouge: Rouge { stemmer: Stemmer::Porter },
    normalize: |text| python::strip(text).to_string(),
    normalization: HELM_NORMALIZATION,
    metrics: ALL.split_at(3).0,
};

const HELM_XSUM: Style = Style {
    doc_to_text: "###\nArticle: {document}\n\nSummarize the above article in 1 sentence.\n",
    limits: ReplyLimits { max_new_tokens: 64, stop: &["###"] },
    ..HELM_CNN
};

const HELM_SAMPLING: Sampling = Sampling { temperature: 0.3, top_k: None, top_p: 1.0 };

const LM_EVAL_STYLE: Style = Style {
    doc_to_text: "Summarize the following article:\n\n{document}\n\nSummary:",
    document: str::to_string,
    limits: ReplyLimits { max_new_tokens: 128, stop: &["\n\n"] },
    rouge: Rouge { stemmer: Stemmer::Porter },
    normalize: rouge::collapse_white_space,
    normalization: "white space of reply and reference made single spaces; the document is not cut",
    metrics: ALL.split_at(3).0,
};

fn first_words(document: &str) -> String {
    let words: Vec<&str> = document.split(python::is_space).filter(|word| !word.is_empty()).take(HELM_WORDS).collect();
    words.join(" ")
}

/// Summaries under one protocol.
struct Summarization<'a> {
    frame: Frame,
    style: &'static Style,
    documents: Vec<Summarized>,
    asker: Asker<'a>,
    limits: ReplyLimits<'static>,
}

fn build<'a>(id: &TaskId, inputs: &Inputs<'a>, suite: &mut Suite<'a>) -> Result<(), Error> {
    let origin = Origin::of(id)?;
    let is_xsum = id.name == "xsum";
    let (style, asker) = match id.protocol.as_str() {
        LM_EVAL => (&LM_EVAL_STYLE, Asker::lm_eval(id, inputs)?),
        HELM => {
            let style = if is_xsum { &HELM_XSUM } else { &HELM_CNN };
            (style, Asker::lm_eval(id, inputs)?.drawing(inputs, HELM_SAMPLING))
        }
        _ => (&PAPER_STYLE, Asker::chat(id, inputs, &format!("`{}@{HELM}`", id.name))?),
    };
    let loaded = match (origin, is_xsum) {
        (Origin::Official, true) => xsum::read(inputs.roots, xsum::Split::Test)?,
        (Origin::Official, false) => cnn_dailymail::read(inputs.roots, cnn_dailymail::Split::Test)?,
        (Origin::World, true) => world::embedded().xsum()?,
        (Origin::World, false) => world::embedded().cnn_dailymail()?,
    };
    let (frame, documents) = Frame::new(id, inputs, 1.0, loaded.content, loaded.files);
    let limits = origin.replies(style.limits, TEXT_TOKENS);
    suite.add(Box::new(Summarization { frame, style, documents, asker, limits })).map(|_| ())
}

impl Summarization<'_> {
    fn document(&self, document: usize) -> Result<&Summarized, Error> {
        let found = self.documents.get(document);
        found.ok_or_else(|| self.frame.place(document).mismatch("there is no such document"))
    }
}

impl Task for Summarization<'_> {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn configuration(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: &str| fields.insert(name.into(), value.into());
        set("doc_to_text", self.style.doc_to_text);
        let stemmer = match self.style.rouge.stemmer {
            Stemmer::None => "none",
            Stemmer::Porter => "Porter",
        };
        set("rouge", &format!("F as rouge-score 0.1.2, stemmer {stemmer}"));
        set("normalization", self.style.normalization);
        self.asker.describe_reply(&self.frame, self.limits, &mut fields);
        self.asker.describe(&self.frame, &mut fields);
        fields
    }

    fn prepare(&self, document: usize) -> Result<Prepared, Error> {
        let content = (self.style.document)(&self.document(document)?.document);
        let text = self.style.doc_to_text.replacen("{document}", &content, 1);
        let question = Question { description: "", examples: &[], text: &text };
        self.asker.reply(&self.frame, document, &question, self.limits)
    }

    fn score(&self, document: usize, item: &Item, outcomes: &[Outcome]) -> Result<Sample, Error> {
        let reference = &self.document(document)?.summary;
        let reply = Reply::read(self.frame.place(document), outcomes)?;
        let scores = self.style.rouge.score(&(self.style.normalize)(reference), &(self.style.normalize)(reply.text));
        let mut sample = reply.log(Sample::of(item));
        let values = [scores.rouge1, scores.rouge2, scores.rouge_l, scores.rouge_lsum];
        for ((field, _), score) in self.style.metrics.iter().zip(values) {
            sample = sample.with(field, score.f_measure);
        }
        let is_empty = python::strip(reply.text).is_empty();
        Ok(sample.with("no_answer", is_empty))
    }

    fn aggregate(&self, samples: &[(usize, &Sample)]) -> Result<Vec<MetricValue>, Error> {
        let no_answer: (_, &'static Metric) = ("no_answer", &NO_ANSWER);
        let metrics = self.style.metrics.iter().chain([&no_answer]);
        metrics.map(|(field, metric)| self.frame.mean(samples, field, metric)).collect()
    }

    fn comparison(&self) -> Comparison {
        Comparison { score: "rouge1", test: PairedTest::StudentT }
    }
}
