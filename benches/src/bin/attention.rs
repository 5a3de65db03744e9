//! How fast is attention through the decoder's split into tasks, and what does a shared prefix save?
//!
//! `cargo run --release -p benches --bin attention`: a task is one key/value head and up to twelve tokens, as in
//! `engine::attention`. `prompt` is the last tokens of a prompt; `shared` one token each of many sequences after one
//! prefix in memory; `copies` the same with a copy of the prefix each. `--kv 8` and `--kv 4` hold keys and values as
//! codes, and queries as codes of 16 bits. Outputs are compared with f64, and those of `shared` with those of `copies`
//! bit by bit.
#![forbid(unsafe_code)]

use benches::held::{Held, Queries};
use benches::numbers::Generator;
use benches::report::{SPREAD, percent};
use benches::{Cell, Machine, Measuring, Memory, Report, limits, number, options, text, time};
use clap::Parser;
use engine::kv_cache::KvPrecision;
use engine::runtime::Runtime;
use kernels::{AttentionShape, Kernels, QUERY_GROUP, ScoreTerms, math, score_stride};
use std::ops::Range;
use std::sync::Mutex;

/// The rate of attention on all threads, at several contexts, and with shared prefixes
#[derive(Parser)]
#[command(rename_all = "snake_case")]
struct Options {
    /// Query heads x key/value heads x head_dim
    #[arg(long, value_name = "SIZES,...", value_delimiter = ',', value_parser = heads, default_value = "14x2x64,32x8x64,32x32x128")]
    heads: Vec<Heads>,
    /// Positions that the last token sees
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "512,4096")]
    context: Vec<usize>,
    /// Tokens of the prompt that are computed: its last ones
    #[arg(long, value_name = "N", default_value_t = 192)]
    tokens: usize,
    /// How keys and values are held: f32, 8 or 4
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', value_parser = precision, default_value = "f32,8,4")]
    kv: Vec<KvPrecision>,
    /// Sequences that share a prefix
    #[arg(long, value_name = "N", default_value_t = 32)]
    sequences: usize,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    measuring: Measuring,
}

#[derive(Clone, Copy, Debug)]
struct Heads {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

fn heads(text: &str) -> Result<Heads, String> {
    let sizes: Option<Vec<usize>> = text.split('x').map(|size| size.parse().ok().filter(|&it| it > 0)).collect();
    match sizes.as_deref() {
        Some(&[heads, kv_heads, head_dim]) if heads % kv_heads == 0 => Ok(Heads { heads, kv_heads, head_dim }),
        _ => Err("expected query heads, key/value heads and head_dim, as 14x2x64".into()),
    }
}

fn precision(text: &str) -> Result<KvPrecision, String> {
    match text {
        "f32" => Ok(KvPrecision::F32),
        "8" => Ok(KvPrecision::Eight),
        "4" => Ok(KvPrecision::Four),
        _ => Err("expected f32, 8 or 4".into()),
    }
}

/// The word of a report, and how far outputs may be off.
fn name_and_tolerance(precision: KvPrecision) -> (&'static str, f64) {
    match precision {
        KvPrecision::F32 => ("f32", 2e-5),
        KvPrecision::Eight => ("8", 5e-3),
        KvPrecision::Four => ("4", 5e-2),
    }
}

/// Tokens of a task, as in `engine::attention`.
const TASK_TOKENS: usize = 12;

/// Keys and values of `sequences` different memories, and tokens that look at them.
struct Scene {
    heads: Heads,
    /// [context, kv_heads * head_dim] each; every memory holds the same.
    keys: Vec<f32>,
    values: Vec<f32>,
    /// The same as it is held, one a memory.
    held: Vec<Held>,
    precision: KvPrecision,
    /// Of each token: its memory, and how many positions it sees.
    tokens: Vec<(usize, usize)>,
    /// [kv_heads, tokens, heads / kv_heads * head_dim].
    queries: Queries,
}

impl Scene {
    fn new(heads: Heads, precision: KvPrecision, context: usize, memories: usize, tokens: Vec<(usize, usize)>) -> Self {
        let mut generator = Generator::new(17);
        let width = heads.kv_heads * heads.head_dim;
        let (keys, values) = (generator.floats(context * width), generator.floats(context * width));
        let queries = generator.floats(tokens.len() * heads.heads * heads.head_dim);
        let queries = Queries::of(Kernels::best(), queries, heads.head_dim);
        let held = vec![Held::of(precision, &keys, &values, heads.kv_heads, heads.head_dim); memories];
        Self { heads, keys, values, held, precision, tokens, queries }
    }

    /// Tokens of each task: of one memory, at most [`TASK_TOKENS`].
    fn tasks(&self) -> Vec<(usize, Range<usize>)> {
        let mut pieces: Vec<Range<usize>> = Vec::new();
        for token in 0..self.tokens.len() {
            match pieces.last_mut() {
                Some(piece) if piece.len() < TASK_TOKENS && self.tokens[piece.start].0 == self.tokens[token].0 => {
                    piece.end += 1;
                }
                _ => pieces.push(token..token + 1),
            }
        }
        pieces.into_iter().flat_map(|piece| (0..self.heads.kv_heads).map(move |head| (head, piece.clone()))).collect()
    }

    fn shape(&self, kv_head: usize) -> AttentionShape<'static> {
        let Heads { kv_heads, head_dim, .. } = self.heads;
        AttentionShape { head_dim, kv_heads, kv_head, scale: 0.125, terms: ScoreTerms::default() }
    }

    /// Elements of one token's queries of one key/value head.
    fn width(&self) -> usize {
        self.heads.heads / self.heads.kv_heads * self.heads.head_dim
    }

    /// Attended values, laid out as the queries.
    fn attend(&self, runtime: &Runtime, scores: &[Mutex<Vec<f32>>], out: &mut [f32]) {
        let (group, width) = (self.heads.heads / self.heads.kv_heads, self.width());
        let mut rest = out;
        let mut tasks = Vec::new();
        for kv_head in 0..self.heads.kv_heads {
            for (_, piece) in self.tasks().into_iter().filter(|(head, _)| *head == kv_head) {
                let (out, after) = rest.split_at_mut(piece.len() * width);
                rest = after;
                tasks.push((kv_head, piece, out));
            }
        }
        runtime.team().for_each_mut(&mut tasks, |worker, (kv_head, piece, out)| {
            let visible: Vec<Range<usize>> =
                self.tokens[piece.clone()].iter().flat_map(|&(_, end)| std::iter::repeat_n(0..end, group)).collect();
            let held = &self.held[self.tokens[piece.start].0];
            let len = self.keys.len() / (self.heads.kv_heads * self.heads.head_dim);
            let first = (*kv_head * self.tokens.len() + piece.start) * group;
            let queries = (&self.queries, first..first + visible.len());
            let mut scores = scores[worker].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            held.attend(runtime.kernels(), self.shape(*kv_head), queries, &visible, len, &mut scores, out);
        });
    }

    /// Multiplications and additions of the formula.
    fn operations(&self) -> f64 {
        let seen: usize = self.tokens.iter().map(|&(_, end)| end).sum();
        4.0 * (self.heads.heads * self.heads.head_dim * seen) as f64
    }

    /// Bytes of keys and values, each read once.
    fn bytes(&self) -> f64 {
        self.held.iter().fold(0.0, |sum, held| sum + held.bytes() as f64)
    }

    /// Compares the first query of some tokens and heads with f64.
    fn check(&self, out: &[f32]) {
        for kv_head in [0, self.heads.kv_heads - 1] {
            for token in [0, self.tokens.len() - 1] {
                let AttentionShape { head_dim, kv_heads, scale, .. } = self.shape(kv_head);
                let (stride, offset) = (kv_heads * head_dim, kv_head * head_dim);
                let first = (kv_head * self.tokens.len() + token) * self.width();
                let (_, end) = self.tokens[token];
                let row = |rows: &[f32], position: usize| rows[position * stride + offset..][..head_dim].to_vec();
                let dot = |position: usize| {
                    let query = self.queries.floats(first / head_dim..first / head_dim + 1);
                    let terms = query.iter().zip(row(&self.keys, position));
                    terms.fold(0.0, |sum, (&q, k)| sum + f64::from(q) * f64::from(k)) * f64::from(scale)
                };
                let scores: Vec<f64> = (0..end).map(dot).collect();
                let largest = scores.iter().fold(f64::NEG_INFINITY, |largest, &score| largest.max(score));
                let (mut sums, mut total) = (vec![0.0; head_dim], 0.0);
                for (position, score) in scores.iter().enumerate() {
                    let term = math::exp(score - largest);
                    total += term;
                    for (sum, value) in sums.iter_mut().zip(row(&self.values, position)) {
                        *sum += term * f64::from(value);
                    }
                }
                for (found, sum) in out[first..first + head_dim].iter().zip(sums) {
                    let error = (f64::from(*found) - sum / total).abs();
                    let (_, tolerance) = name_and_tolerance(self.precision);
                    assert!(error < tolerance, "token {token}, key/value head {kv_head}: off by {error}");
                }
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let runtime = options.machine.runtime()?;
    let memory = Memory::of(256);
    let columns = [
        text("heads", 10),
        text("kv", 4),
        text("case", 18),
        number("context", 0),
        number("gflops", 1),
        number("limit_gflops", 1),
        number("percent", 1),
        number("percent_of_read", 1),
    ];
    let about = [("machine", options::about(&runtime)), ("tasks", format!("{TASK_TOKENS} tokens").into())];
    let mut report = Report::new(options.measuring.output, "attention", &about, &[&columns[..], &SPREAD].concat());
    for &heads in &options.heads {
        for (&context, &precision) in options.context.iter().flat_map(|it| options.kv.iter().map(move |kv| (it, kv))) {
            let tokens = options.tokens.min(context);
            let sequences = options.sequences;
            let scenes = [
                (format!("prompt, last {tokens}"), 1, (context - tokens..context).map(|last| (0, last + 1)).collect()),
                (format!("{sequences} shared"), 1, vec![(0, context); sequences]),
                (format!("{sequences} copies"), sequences, (0..sequences).map(|memory| (memory, context)).collect()),
            ];
            let mut shared = None;
            for (name, memories, tokens) in scenes {
                let scene = Scene::new(heads, precision, context, memories, tokens);
                let scores: Vec<_> = (0..runtime.threads())
                    .map(|_| Mutex::new(vec![0.0; QUERY_GROUP * score_stride(context)]))
                    .collect();
                let mut out = vec![0.0; scene.queries.elements()];
                scene.attend(&runtime, &scores, &mut out);
                scene.check(&out);
                match (memories, &shared) {
                    (1, _) => shared = Some(out.clone()),
                    (_, Some(shared)) => {
                        let same = out.iter().zip(shared).all(|(a, b)| a.to_bits() == b.to_bits());
                        assert!(same, "shared memory and copies give other bits");
                    }
                    _ => {}
                }
                let read = memory.read_rate(runtime.kernels(), runtime.team());
                let limit = limits::multiply_add(runtime.kernels(), runtime.team());
                let timing = time(options.measuring.runs, || scene.attend(&runtime, &scores, &mut out));
                let cells = [
                    format!("{}x{}x{}", heads.heads, heads.kv_heads, heads.head_dim).into(),
                    name_and_tolerance(precision).0.into(),
                    name.into(),
                    context.into(),
                    Cell::Number(scene.operations() / timing.min / 1e9),
                    Cell::Number(limit / 1e9),
                    percent(scene.operations() / timing.min, limit),
                    percent(scene.bytes() / timing.min, read),
                ];
                report.row(cells.into_iter().chain(timing.cells()));
            }
        }
    }
    report.finish();
    Ok(())
}
