//! Inputs as LLM.int8() reads them: 8-bit codes with one scale a token, and features of large magnitude apart.
//!
//! The tokens of a sequence that are read in one call are what a *call* is here. Where a feature is an outlier for all
//! tokens of a call as soon as it is one for a single token (bitsandbytes, with one sequence a batch), the view of a token
//! depends on tokens behind it: it is made when all rows are there, and such a sequence must not be cut.

use super::{Codes, CodesMut, TASK_TOKENS};
use crate::input_map::InputMap;
use crate::runtime::Runtime;
use half::f16;
use kernels::{ActivationCodes, Kernels, OutlierFeature, QuantizedRows, segment_of};
use std::ops::Range;

/// Which features of an input are outliers, and what is read of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decomposition {
    /// A feature is an outlier where its magnitude is no less than this; infinity: nowhere.
    pub threshold: f32,
    /// For which tokens it then is one.
    pub scope: OutlierScope,
    /// What is read.
    pub precision: InputPrecision,
}

/// For which tokens a feature that is large in one of them is an outlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierScope {
    /// For that token.
    Token,
    /// For all tokens of its sequence that are read in one call.
    Call,
}

/// What is read of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputPrecision {
    /// It as it is.
    F32,
    /// It rounded to IEEE half: nearest, ties to even; infinity from 65520 on.
    F16,
}

/// The view of all tokens.
#[derive(Debug)]
pub(super) struct Decomposed {
    rule: Decomposition,
    codes: Codes,
    /// One list a token; its memory is kept.
    features: Vec<Vec<OutlierFeature>>,
}

/// The view of some tokens.
pub(super) struct DecomposedMut<'a> {
    rule: Decomposition,
    codes: CodesMut<'a>,
    features: &'a mut [Vec<OutlierFeature>],
    /// [columns] each: what is read of a token, and what of that is no outlier.
    read: Vec<f32>,
    kept: Vec<f32>,
}

impl Decomposed {
    pub(super) fn new(rule: Decomposition) -> Self {
        Self { rule, codes: Codes::new(ActivationCodes::A8, segment_of(None)), features: Vec::new() }
    }

    pub(super) fn resize(&mut self, tokens: usize, columns: usize) {
        self.codes.resize(tokens, columns);
        self.features.resize_with(tokens, Vec::new);
    }

    /// All tokens, TASK_TOKENS at a time, where each can be written by itself; else nothing.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = DecomposedMut<'_>> {
        let rows = if self.rule.scope == OutlierScope::Token { Some(self.parts()) } else { None };
        rows.into_iter().flatten()
    }

    fn parts(&mut self) -> impl Iterator<Item = DecomposedMut<'_>> {
        let rule = self.rule;
        self.codes.rows_mut().zip(self.features.chunks_mut(TASK_TOKENS)).map(move |(codes, features)| DecomposedMut {
            rule,
            codes,
            features,
            read: Vec::new(),
            kept: Vec::new(),
        })
    }

    /// Writes the view of x [tokens, columns] where it depends on calls.
    pub(super) fn write_calls(&mut self, runtime: &Runtime, x: &[f32], map: Option<&InputMap>, calls: &[Range<usize>]) {
        let (rule, tokens) = (self.rule, self.features.len());
        if rule.scope != OutlierScope::Call || tokens == 0 {
            return;
        }
        let columns = x.len() / tokens;
        let mut sets: Vec<(&Range<usize>, Vec<bool>)> = calls.iter().map(|call| (call, vec![false; columns])).collect();
        runtime.team().for_each_mut(&mut sets, |_, (call, set)| {
            let mut read = Vec::new();
            for x in x[call.start * columns..call.end * columns].chunks(columns) {
                rule.read(x, map, &mut read);
                for (is_outlier, &value) in set.iter_mut().zip(&read) {
                    *is_outlier |= rule.is_outlier(value);
                }
            }
        });
        let mut tasks: Vec<_> = self.parts().zip(x.chunks(TASK_TOKENS * columns)).enumerate().collect();
        runtime.team().for_each_mut(&mut tasks, |_, (task, (part, x))| {
            for (index, x) in x.chunks(columns).enumerate() {
                let token = *task * TASK_TOKENS + index;
                let call = sets.partition_point(|(call, _)| call.end <= token);
                rule.read(x, map, &mut part.read);
                part.split(runtime.kernels(), index, Some(&sets[call].1));
            }
        });
    }

    /// What the kernels multiply with.
    pub(super) fn rows(&self) -> (QuantizedRows<'_>, &[Vec<OutlierFeature>]) {
        (self.codes.rows(), &self.features)
    }
}

impl DecomposedMut<'_> {
    /// Writes the view of token `index` of the task, x [columns], whose outliers are its own.
    pub(super) fn write(&mut self, kernels: &Kernels, index: usize, x: &[f32], map: Option<&InputMap>) {
        self.rule.read(x, map, &mut self.read);
        self.split(kernels, index, None);
    }

    /// Writes the view of the token that was read; its outliers are those of the set, or its own. The scale is that of
    /// its features below the threshold, whether the set has them or not (bitsandbytes, `int8_vectorwise_quant`).
    fn split(&mut self, kernels: &Kernels, index: usize, set: Option<&[bool]>) {
        let (rule, features) = (self.rule, &mut self.features[index]);
        self.kept.resize(self.read.len(), 0.0);
        let largest = kernels.split_row(&self.read, rule.threshold, &mut self.kept);
        features.clear();
        let mut push = |feature: usize, value: f32| features.push(OutlierFeature { feature: feature as u32, value });
        match set {
            Some(set) => {
                for (k, _) in set.iter().enumerate().filter(|(_, is_outlier)| **is_outlier) {
                    push(k, self.read[k]);
                    self.kept[k] = 0.0;
                }
            }
            None => {
                // Sixteen at a time, so that what has none is passed by in comparisons of vectors.
                for (chunk, values) in self.read.chunks(16).enumerate() {
                    if values.iter().fold(false, |found, &value| found | rule.is_outlier(value)) {
                        let outliers = values.iter().enumerate().filter(|(_, value)| rule.is_outlier(**value));
                        outliers.for_each(|(k, &value)| push(16 * chunk + k, value));
                    }
                }
            }
        }
        self.codes.quantize_with(kernels, index, &self.kept, largest / 127.0);
    }
}

impl Decomposition {
    /// A NaN is one, so that it is not lost.
    fn is_outlier(&self, value: f32) -> bool {
        let is_inside = value.abs() < self.threshold;
        !is_inside
    }

    /// What is read of x [columns].
    fn read(&self, x: &[f32], map: Option<&InputMap>, read: &mut Vec<f32>) {
        read.resize(x.len(), 0.0);
        match map {
            Some(map) => map.apply(x, read),
            None => read.copy_from_slice(x),
        }
        if self.precision == InputPrecision::F16 {
            read.iter_mut().for_each(|value| *value = f16::from_f32(*value).to_f32());
        }
    }
}
