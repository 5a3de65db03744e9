//! Keys, values and queries as attention reads them.

use kernels::{
    BLOCK_POSITIONS, CodeBlock, CodeBlocks, Isa, Kernels, KvBits, QuantizedRowMut, QueryCodes, write_block,
    write_code_block,
};

/// Keys and values, [positions, kv_heads * head_dim], in blocks; NaN where the last block is empty.
pub fn blocks(keys: &[f32], values: &[f32], kv_heads: usize, head_dim: usize) -> (Vec<f32>, Vec<f32>) {
    let (width, mut blocks) = (kv_heads * head_dim, (Vec::new(), Vec::new()));
    let rows = BLOCK_POSITIONS * width;
    for (keys, values) in keys.chunks(rows).zip(values.chunks(rows)) {
        let mut block = (vec![f32::NAN; rows], vec![f32::NAN; rows]);
        write_block(head_dim, 0..keys.len() / width, (keys, values), (&mut block.0, &mut block.1));
        blocks.0.extend(block.0);
        blocks.1.extend(block.1);
    }
    blocks
}

/// Keys and values as codes, in blocks; scales are NaN where the last block is empty.
pub struct CodeMemory {
    bits: KvBits,
    kv_heads: usize,
    head_dim: usize,
    codes: [Vec<u8>; 2],
    scales: [Vec<f32>; 2],
    zeros: [Vec<u8>; 2],
}

impl CodeMemory {
    /// Of keys and values, [positions, kv_heads * head_dim], written in two steps a block.
    pub fn of(bits: KvBits, keys: &[f32], values: &[f32], kv_heads: usize, head_dim: usize) -> Self {
        let (width, scales) = (kv_heads * head_dim, kv_heads * BLOCK_POSITIONS);
        let blocks = keys.len().div_ceil(width * BLOCK_POSITIONS);
        let bytes = [bits.key_bytes(head_dim) * kv_heads, bits.value_bytes(head_dim) * kv_heads];
        let zeros = scales * bits.zeros();
        let mut memory = Self {
            bits,
            kv_heads,
            head_dim,
            codes: bytes.map(|bytes| vec![0xa5; blocks * bytes]),
            scales: [vec![f32::NAN; blocks * scales], vec![f32::NAN; blocks * scales]],
            zeros: [vec![7; blocks * zeros], vec![7; blocks * zeros]],
        };
        for block in 0..blocks {
            let len = (keys.len() / width - block * BLOCK_POSITIONS).min(BLOCK_POSITIONS);
            for slots in [0..len / 3, len / 3..len] {
                let first = block * BLOCK_POSITIONS + slots.start;
                let rows = first * width..(first + slots.len()) * width;
                let Self { codes, scales: all, zeros: points, .. } = &mut memory;
                let [key_codes, value_codes] = codes;
                let [key_scales, value_scales] = all;
                let [key_zeros, value_zeros] = points;
                let mut key = CodeBlock {
                    codes: &mut key_codes[block * bytes[0]..][..bytes[0]],
                    scales: &mut key_scales[block * scales..][..scales],
                    zeros: &mut key_zeros[block * zeros..][..zeros],
                };
                let mut value = CodeBlock {
                    codes: &mut value_codes[block * bytes[1]..][..bytes[1]],
                    scales: &mut value_scales[block * scales..][..scales],
                    zeros: &mut value_zeros[block * zeros..][..zeros],
                };
                let rows = (&keys[rows.clone()], &values[rows]);
                write_code_block(bits, head_dim, slots, rows, (&mut key, &mut value));
            }
        }
        memory
    }

    /// Keys, then values.
    pub fn blocks(&self) -> [CodeBlocks<'_>; 2] {
        [0, 1].map(|of| CodeBlocks { codes: &self.codes[of], scales: &self.scales[of], zeros: &self.zeros[of] })
    }

    /// The scale of a key (0) or value (1).
    pub fn scale(&self, of: usize, position: usize, head: usize) -> f32 {
        self.scales[of][self.slot(position, head)]
    }

    fn slot(&self, position: usize, head: usize) -> usize {
        (position / BLOCK_POSITIONS * self.kv_heads + head) * BLOCK_POSITIONS + position % BLOCK_POSITIONS
    }

    fn element(&self, of: usize, position: usize, head: usize, code: u8) -> f64 {
        let zero = match self.bits {
            KvBits::Eight => 128,
            KvBits::Four => self.zeros[of][self.slot(position, head)],
        };
        f64::from(self.scale(of, position, head)) * (f64::from(code) - f64::from(zero))
    }

    /// What the code of element d of a key stands for.
    pub fn key(&self, position: usize, head: usize, d: usize) -> f64 {
        let (slot, block) = (position % BLOCK_POSITIONS, position / BLOCK_POSITIONS * self.kv_heads + head);
        let codes = &self.codes[0][block * self.bits.key_bytes(self.head_dim)..];
        let code = match self.bits {
            KvBits::Eight => codes[d / 4 * 64 + 4 * slot + d % 4],
            KvBits::Four => codes[d / 8 * 64 + 4 * slot + d % 4] >> (d / 4 % 2 * 4) & 15,
        };
        self.element(0, position, head, code)
    }

    /// What the code of element d of a value stands for.
    pub fn value(&self, position: usize, head: usize, d: usize) -> f64 {
        let bytes = self.bits.value_bytes(self.head_dim) / BLOCK_POSITIONS;
        let row = &self.codes[1][self.slot(position, head) * bytes..][..bytes];
        let code = match self.bits {
            KvBits::Eight => row[d],
            KvBits::Four => row[d / 32 * 16 + d % 16] >> (d / 16 % 2 * 4) & 15,
        };
        self.element(1, position, head, code)
    }
}

/// Queries of one head as codes, made by the scalar kernel.
pub struct HeadCodes {
    head_dim: usize,
    planes: usize,
    stride: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    offsets: Vec<i32>,
}

impl HeadCodes {
    /// Of [queries, head_dim], one byte or two.
    pub fn of(queries: &[f32], head_dim: usize, planes: usize) -> Self {
        let (count, stride) = (queries.len() / head_dim, head_dim.next_multiple_of(8));
        let mut codes = vec![99; count * planes * stride];
        let (mut scales, mut offsets) = (vec![0.0; count], Vec::new());
        for (i, query) in queries.chunks(head_dim).enumerate() {
            let (high, low) = codes[i * planes * stride..(i + 1) * planes * stride].split_at_mut(stride);
            let mut sums = [[0; 2]];
            let row = QuantizedRowMut { high, low, scales: &mut scales[i..=i], offsets: &mut sums };
            Kernels::of(Isa::Scalar).unwrap().quantize_row(query, head_dim.next_multiple_of(16), row);
            offsets.extend(sums[0][..planes].iter().map(|&sum| i32::from(sum)));
        }
        Self { head_dim, planes, stride, codes, scales, offsets }
    }

    /// Some of the queries.
    pub fn rows(&self, queries: std::ops::Range<usize>) -> QueryCodes<'_> {
        let Self { planes, stride, codes, scales, offsets, .. } = self;
        QueryCodes {
            stride: *stride,
            codes: &codes[queries.start * planes * stride..queries.end * planes * stride],
            scales: &scales[queries.clone()],
            offsets: &offsets[queries.start * planes..queries.end * planes],
        }
    }

    /// What the codes of element d of query i stand for.
    pub fn value(&self, i: usize, d: usize) -> f64 {
        assert!(d < self.head_dim);
        let plane = |plane: usize| f64::from(self.codes[(i * self.planes + plane) * self.stride + d]);
        let code = if self.planes == 1 { plane(0) } else { 255.0 * plane(0) + plane(1) };
        code * f64::from(self.scales[i])
    }
}
