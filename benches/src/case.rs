//! One kernel with its operands: what is timed on one thread, and compared with a f64 statement of its formula first.

use crate::held::{Held, Queries};
use crate::limits;
use crate::numbers::{Generator, bf16_bits};
use engine::format::{PackedMatrix, PackedShape, ZeroPoints};
use engine::kv_cache::KvPrecision;
use kernels::{
    ActivationCodes, AttentionShape, CodeBits, ColumnsMut, DenseRows, DenseType, Kernels, PANEL_ROWS, QUERY_GROUP,
    QuantizedRowMut, QuantizedRows, ScoreTerms, Team, math, score_stride, segment_of,
};

/// What bounds a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// f32 multiply and add.
    MultiplyAdd,
    /// Byte products and sums.
    ByteProducts,
}

impl Limit {
    /// Its word in a report.
    pub fn name(self) -> &'static str {
        match self {
            Limit::MultiplyAdd => "multiply-add",
            Limit::ByteProducts => "byte products",
        }
    }

    /// Measures it, operations a second.
    pub fn measure(self, kernels: &Kernels, team: &Team) -> f64 {
        match self {
            Limit::MultiplyAdd => limits::multiply_add(kernels, team),
            Limit::ByteProducts => limits::byte_products(kernels, team),
        }
    }
}

/// Rows, columns and tokens of a matrix product.
#[derive(Clone, Copy, Debug)]
pub struct ProductShape {
    /// Outputs of a token.
    pub rows: usize,
    /// Inputs of a token.
    pub columns: usize,
    /// Tokens.
    pub tokens: usize,
}

/// A kernel and its operands.
pub struct Case {
    /// What a report calls it.
    pub name: String,
    /// What bounds it.
    pub limit: Limit,
    /// Multiplications and additions of the formula in one call.
    pub operations: f64,
    /// Those of them that the limit counts, twice where activations are two bytes.
    pub limited_operations: f64,
    operands: Operands,
}

enum Operands {
    Dense(Dense),
    Packed(Packed),
    Attention(Attention),
}

struct Dense {
    shape: ProductShape,
    dtype: DenseType,
    weights: Vec<u8>,
    x: Vec<f32>,
    y: Vec<f32>,
}

struct Packed {
    shape: ProductShape,
    matrix: PackedMatrix,
    /// Activations: f32, or codes with their scales.
    x: Vec<f32>,
    codes: Option<Codes>,
    y: Vec<f32>,
}

struct Codes {
    segment: usize,
    stride: usize,
    high: Vec<i8>,
    low: Vec<i8>,
    scales: Vec<f32>,
    offsets: Vec<[i16; 2]>,
}

struct Attention {
    shape: AttentionShape<'static>,
    positions: usize,
    queries: Queries,
    /// [positions, kv_heads * head_dim] each.
    keys: Vec<f32>,
    values: Vec<f32>,
    /// The same in blocks.
    held: Held,
    scores: Vec<f32>,
    out: Vec<f32>,
}

/// Storage of an element, its name, and a value's bytes in it.
type Stored = (DenseType, &'static str, fn(f32) -> Vec<u8>);

impl Case {
    /// Dense weights of every storage.
    pub fn dense(shape: ProductShape) -> Vec<Self> {
        let types: [Stored; 3] = [
            (DenseType::Bf16, "bf16", |v| bf16_bits(v).to_le_bytes().to_vec()),
            (DenseType::F16, "f16", |v| half_bits(v).to_le_bytes().to_vec()),
            (DenseType::F32, "f32", |v| v.to_le_bytes().to_vec()),
        ];
        let mut generator = Generator::new(1);
        let (values, x) =
            (generator.floats(shape.rows * shape.columns), generator.floats(shape.tokens * shape.columns));
        types
            .map(|(dtype, name, bytes)| {
                let weights = values.iter().flat_map(|&value| bytes(value)).collect();
                let y = vec![0.0; shape.tokens * shape.rows];
                let operands = Operands::Dense(Dense { shape, dtype, weights, x: x.clone(), y });
                Self::product(format!("dense {name}"), Limit::MultiplyAdd, shape, 1.0, operands)
            })
            .into()
    }

    /// Packed weights of one width and group; activations as codes, or f32 where there are none.
    pub fn packed(
        shape: ProductShape,
        bits: CodeBits,
        group: Option<usize>,
        activations: Option<ActivationCodes>,
    ) -> Self {
        let ProductShape { rows, columns, tokens } = shape;
        let mut generator = Generator::new(2);
        let (codes, x) = (generator.floats(rows * columns), generator.floats(tokens * columns));
        let packed = PackedShape { rows, columns, bits, group, zero_points: ZeroPoints::Stored };
        let top = f32::from(bits.max_code());
        let matrix = PackedMatrix::build(Kernels::best(), packed, |row| {
            for (code, value) in row.codes.iter_mut().zip(&codes[row.row * columns..]) {
                *code = ((value + 1.0) / 2.0 * top) as u8;
            }
            row.scales.fill(0.01);
            row.zeros.fill(bits.max_code() / 2);
        });
        let word = match activations {
            None => "a32",
            Some(ActivationCodes::A16) => "a16",
            Some(ActivationCodes::A8) => "a8",
        };
        let name = format!("w{}{word}{}", bits.bits(), group.map_or(String::new(), |group| format!("g{group}")));
        let codes = activations.map(|width| Codes::of(&x, columns, segment_of(group), width));
        let operands = Operands::Packed(Packed { shape, matrix, x, codes, y: vec![0.0; tokens * rows] });
        let (limit, passes) = match activations {
            None => (Limit::MultiplyAdd, 1.0),
            Some(ActivationCodes::A8) => (Limit::ByteProducts, 1.0),
            Some(ActivationCodes::A16) => (Limit::ByteProducts, 2.0),
        };
        Self::product(name, limit, shape, passes, operands)
    }

    fn product(name: String, limit: Limit, shape: ProductShape, passes: f64, operands: Operands) -> Self {
        let operations = 2.0 * (shape.rows * shape.columns * shape.tokens) as f64;
        Self { name, limit, operations, limited_operations: passes * operations, operands }
    }

    /// A group of queries that all see `positions` positions, of one of two key/value heads.
    pub fn attention(head_dim: usize, positions: usize) -> Self {
        let stride = 2 * head_dim;
        let shape = AttentionShape { head_dim, kv_heads: 2, kv_head: 1, scale: 0.125, terms: ScoreTerms::default() };
        let mut generator = Generator::new(3);
        let queries = Queries::of(Kernels::best(), generator.floats(QUERY_GROUP * head_dim), head_dim);
        let (keys, values) = (generator.floats(positions * stride), generator.floats(positions * stride));
        let operations = 4.0 * (head_dim * QUERY_GROUP * positions) as f64;
        let operands = Operands::Attention(Attention {
            shape,
            positions,
            queries,
            held: Held::of(KvPrecision::F32, &keys, &values, 2, head_dim),
            keys,
            values,
            scores: vec![0.0; QUERY_GROUP * score_stride(positions)],
            out: vec![0.0; QUERY_GROUP * head_dim],
        });
        let name = format!("attention {head_dim}");
        Self { name, limit: Limit::MultiplyAdd, operations, limited_operations: operations, operands }
    }

    /// Calls the kernel, as the engine does: matrix products 64 rows at a time.
    pub fn run(&mut self, kernels: &Kernels) {
        match &mut self.operands {
            Operands::Dense(dense) => {
                let weights = DenseRows { bytes: &dense.weights, dtype: dense.dtype, columns: dense.shape.columns };
                let blocks = ColumnsMut::new(&mut dense.y, dense.shape.rows).chunks(PANEL_ROWS);
                for (index, mut block) in blocks.into_iter().enumerate() {
                    kernels.dense(weights.slice(index * PANEL_ROWS, block.width()), &dense.x, &mut block);
                }
            }
            Operands::Packed(packed) => {
                let blocks = ColumnsMut::new(&mut packed.y, packed.shape.rows).chunks(PANEL_ROWS);
                for (index, mut block) in blocks.into_iter().enumerate() {
                    let panel = packed.matrix.panel(index);
                    match &packed.codes {
                        Some(codes) => kernels.grouped(&panel, &codes.rows(), &mut block),
                        None => kernels.grouped_f32(&panel, &packed.x, &mut block),
                    }
                }
            }
            Operands::Attention(it) => {
                let visible = [(); QUERY_GROUP].map(|()| 0..it.positions);
                let queries = (&it.queries, 0..QUERY_GROUP);
                it.held.attend(kernels, it.shape, queries, &visible, it.positions, &mut it.scores, &mut it.out);
            }
        }
    }

    /// Runs it and compares some outputs with f64.
    ///
    /// # Panics
    /// If one is off.
    pub fn check(&mut self, kernels: &Kernels) {
        self.run(kernels);
        let name = &self.name;
        match &self.operands {
            Operands::Dense(dense) => {
                let all = DenseRows { bytes: &dense.weights, dtype: dense.dtype, columns: dense.shape.columns };
                check_product(name, dense.shape, &dense.y, &|row, out| widen(all.slice(row, 1), out), &|t, k| {
                    f64::from(dense.x[t * dense.shape.columns + k])
                });
            }
            Operands::Packed(packed) => {
                let weights = |row: usize, out: &mut [f32]| packed.matrix.dequantize_row(row, out);
                let columns = packed.shape.columns;
                check_product(name, packed.shape, &packed.y, &weights, &|t, k| match &packed.codes {
                    Some(codes) => codes.value(columns, t, k),
                    None => f64::from(packed.x[t * columns + k]),
                });
            }
            Operands::Attention(attention) => attention.check(name),
        }
    }
}

impl Attention {
    fn check(&self, name: &str) {
        let AttentionShape { head_dim, kv_heads, kv_head, scale, .. } = self.shape;
        let (stride, offset) = (kv_heads * head_dim, kv_head * head_dim);
        for query in [0, QUERY_GROUP / 2, QUERY_GROUP - 1] {
            let row = |rows: &[f32], position: usize| rows[position * stride + offset..][..head_dim].to_vec();
            let dot = |key: Vec<f32>| {
                let query = self.queries.floats(query..query + 1);
                query.iter().zip(key).fold(0.0, |sum, (&q, k)| sum + f64::from(q) * f64::from(k)) * f64::from(scale)
            };
            let scores: Vec<f64> = (0..self.positions).map(|position| dot(row(&self.keys, position))).collect();
            let largest = scores.iter().fold(f64::NEG_INFINITY, |largest, &score| largest.max(score));
            let terms: Vec<f64> = scores.iter().map(|score| math::exp(score - largest)).collect();
            let total = terms.iter().fold(0.0, |sum, term| sum + term);
            for d in 0..head_dim {
                let value = |position: usize| f64::from(self.values[position * stride + offset + d]);
                let sum = terms.iter().enumerate().fold(0.0, |sum, (position, term)| sum + term * value(position));
                let error = (f64::from(self.out[query * head_dim + d]) - sum / total).abs();
                assert!(error < 2e-5, "{name}: query {query}, column {d} is off by {error}");
            }
        }
    }
}

impl Codes {
    fn of(x: &[f32], columns: usize, segment: usize, width: ActivationCodes) -> Self {
        let (tokens, stride, segments) = (x.len() / columns, columns.next_multiple_of(32), columns.div_ceil(segment));
        let low = match width {
            ActivationCodes::A8 => Vec::new(),
            ActivationCodes::A16 => vec![0; tokens * stride],
        };
        let mut codes = Self {
            segment,
            stride,
            high: vec![0; tokens * stride],
            low,
            scales: vec![0.0; tokens * segments],
            offsets: vec![[0; 2]; tokens * segments],
        };
        for (token, x) in x.chunks(columns).enumerate() {
            let (row, grid) = (token * stride..(token + 1) * stride, token * segments..(token + 1) * segments);
            let out = QuantizedRowMut {
                high: &mut codes.high[row.clone()],
                low: codes.low.get_mut(row).unwrap_or_default(),
                scales: &mut codes.scales[grid.clone()],
                offsets: &mut codes.offsets[grid],
            };
            Kernels::best().quantize_row(x, segment, out);
        }
        codes
    }

    fn rows(&self) -> QuantizedRows<'_> {
        QuantizedRows {
            segment: self.segment,
            stride: self.stride,
            high: &self.high,
            low: &self.low,
            scales: &self.scales,
            offsets: &self.offsets,
        }
    }

    /// The value a code stands for.
    fn value(&self, columns: usize, token: usize, k: usize) -> f64 {
        let at = token * self.stride + k;
        let code = match self.low.get(at) {
            Some(&low) => 255 * i32::from(self.high[at]) + i32::from(low),
            None => i32::from(self.high[at]),
        };
        f64::from(code) * f64::from(self.scales[token * columns.div_ceil(self.segment) + k / self.segment])
    }
}

/// Compares three rows of outputs, all tokens, with f64 sums of `weights` times `x`.
fn check_product(
    name: &str,
    shape: ProductShape,
    y: &[f32],
    weights: &dyn Fn(usize, &mut [f32]),
    x: &dyn Fn(usize, usize) -> f64,
) {
    let mut row_weights = vec![0.0; shape.columns];
    for row in [0, shape.rows / 2, shape.rows - 1] {
        weights(row, &mut row_weights);
        for token in 0..shape.tokens {
            let (mut sum, mut magnitude) = (0.0, 0.0);
            for (k, &w) in row_weights.iter().enumerate() {
                let term = f64::from(w) * x(token, k);
                sum += term;
                magnitude += term.abs();
            }
            let error = (f64::from(y[token * shape.rows + row]) - sum).abs();
            assert!(error <= 1e-5 * magnitude, "{name}: token {token}, row {row} is off by {error}");
        }
    }
}

fn widen(row: DenseRows<'_>, out: &mut [f32]) {
    let elements = row.bytes.chunks(row.dtype.size_bytes());
    for (value, bytes) in out.iter_mut().zip(elements) {
        *value = match (row.dtype, bytes) {
            (DenseType::Bf16, &[a, b]) => f32::from_le_bytes([0, 0, a, b]),
            (DenseType::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (_, &[a, b]) => half_value(u16::from_le_bytes([a, b])),
            _ => unreachable!("elements of two or four bytes"),
        };
    }
}

/// A value between -2 and 2 as IEEE half, cut off; zero below the normal numbers.
fn half_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let exponent = (bits >> 23 & 0xff) as i32 - 112;
    if exponent <= 0 { 0 } else { (bits >> 16 & 0x8000) as u16 | (exponent as u16) << 10 | (bits >> 13 & 0x3ff) as u16 }
}

/// The value of a normal IEEE half, or zero.
fn half_value(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = u32::from(bits & 0x7fff);
    if rest == 0 { 0.0 } else { f32::from_bits(sign | ((rest << 13) + (112 << 23))) }
}
