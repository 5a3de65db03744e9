//! One matrix of a model, quantized as it is in the whole, with what it reads.

use super::pass::{Meter, Passing};
use super::{Build, BuildObserver, MemoryNeed, sources};
use crate::error::Error;
use crate::hessian::Hessian;
use crate::method::Needs;
use crate::report::LayerReport;
use engine::decoder::Decoder;
use engine::format::DenseMatrix;
use engine::linear::Weights;
use engine::model::{BlockInput, Builder, LinearSource, Role};
use engine::walk::Walk;

/// A matrix before and after.
pub struct QuantizedLayer {
    /// Name of its tensor; parts of a fused one share it.
    pub tensor: String,
    /// What it is for.
    pub role: Role,
    /// Block, 0-based; `None` outside blocks.
    pub layer: Option<usize>,
    /// The weights before; none where the checkpoint holds them quantized.
    pub original: Option<DenseMatrix>,
    /// Those after.
    pub weights: Weights,
    /// The nearest values on the min/max grid of as many bits and the same groups: what the method is measured against.
    pub nearest: Option<Weights>,
    /// H = (2 / n) sum of x^T x over the n calibration sequences, f64 [columns, columns], where the method looks at them.
    pub hessian: Option<Vec<f64>>,
    /// What the method tracked.
    pub report: Option<LayerReport>,
}

impl Build<'_> {
    /// Quantizes the matrix that serves as `role` in block `layer`, or outside blocks. A method that looks at inputs
    /// quantizes all blocks before it first; `None` if it was stopped.
    ///
    /// # Errors
    /// As [`Self::run`]; [`Error::NoSuchMatrix`].
    pub fn layer(
        &self,
        layer: Option<usize>,
        role: Role,
        observer: &mut dyn BuildObserver,
    ) -> Result<Option<QuantizedLayer>, Error> {
        let mut builder = Builder::new(self.checkpoint)?;
        self.recipe.check(&builder)?;
        let Some(layer) = layer else { return self.outside_blocks(&mut builder, role).map(Some) };
        let missing = || Error::NoSuchMatrix { name: format!("block {layer}, {role}"), fix: "name another".into() };
        let names = builder.blueprint().tensors.blocks.get(layer).and_then(|block| block.linear(role));
        let tensor = names.ok_or_else(missing)?.weight.tensor.clone();
        let (calibration, needs) = (self.calibration, self.recipe.method().needs);
        if needs == Needs::Weights || self.recipe.scheme_of(&tensor, role).is_none() {
            let block = builder.block(layer)?;
            let Some(source) = block.source(builder.blueprint(), layer, role) else {
                let weights = block.linear(role).ok_or_else(missing)?.weights.clone();
                let (original, nearest, hessian, report) = (None, None, None, None);
                let layer = Some(layer);
                return Ok(Some(QuantizedLayer { tensor, role, layer, original, weights, nearest, hessian, report }));
            };
            return self.alone(source).map(Some);
        }
        let calibration = calibration.ok_or_else(|| Error::NoCalibration { recipe: self.recipe.to_string() })?;
        let sequences = calibration.sequences();
        let tokens = sequences.iter().map(Vec::len).sum();
        let need = MemoryNeed::of(self.checkpoint, builder.blueprint(), self.recipe, tokens, self.available_bytes)?;
        observer.memory(&need);
        need.check(self.recipe)?;
        let choose = &mut |source: LinearSource| self.recipe.choose_with(self.runtime.kernels(), source);
        let mut model = self.runtime.run(|| builder.without_blocks(choose))?;
        let mut meter = Meter::new(self, &model, tokens, observer);
        let mut walk = Walk::begin(Decoder::new(&model, self.runtime), sequences)?;
        for before in 0..layer {
            meter.begin(before);
            let mut block = builder.block(before)?;
            let stored = match self.cache {
                Some(cache) => cache.load(before, &mut block)?,
                None => None,
            };
            if stored.is_none()
                && self.block(&model, before, &mut block, &mut walk, sequences.len(), &mut meter)?.is_none()
            {
                return Ok(None);
            }
            let decoder = Decoder::new(&model, self.runtime);
            if walk.pass(decoder, before, &block, &mut Passing(&mut meter))?.is_break() {
                return Ok(None);
            }
            model.blocks.push(block);
        }
        meter.begin(layer);
        let mut block = builder.block(layer)?;
        let decoder = Decoder::new(&model, self.runtime);
        for inputs in self.rounds(&block) {
            let is_wanted = |input: &BlockInput| input.roles().contains(&role);
            // What is quantized before in this block matters where inputs are gathered anew.
            let mut gathering = self.gathering(&model, layer, &block, &inputs, sequences.len(), &mut meter);
            if inputs.len() > 1 {
                gathering.parts.retain(|(input, _)| is_wanted(input));
            }
            if !gathering.parts.is_empty() && walk.watch(decoder, layer, &block, &mut gathering)?.is_break() {
                return Ok(None);
            }
            for (input, statistics) in gathering.parts {
                let source = sources(&model, layer, &block, input).into_iter().find(|source| source.role == role);
                let hessian = statistics.hessian.clone().filter(|_| source.is_some()).map(Hessian::into_matrix);
                let reports = self.quantize(&model, layer, &mut block, input, statistics, &mut meter)?;
                if let Some(source) = source {
                    let report = reports.into_iter().find(|report| report.role == role);
                    let weights = block.linear(role).ok_or_else(missing)?.weights.clone();
                    let nearest = self.nearest(&source, &weights)?;
                    let LinearSource { tensor, matrix, .. } = source;
                    let (layer, original) = (Some(layer), Some(matrix));
                    return Ok(Some(QuantizedLayer {
                        tensor,
                        role,
                        layer,
                        original,
                        weights,
                        nearest,
                        hessian,
                        report,
                    }));
                }
            }
        }
        Err(missing())
    }

    /// A matrix that is quantized without a look at its inputs.
    fn alone(&self, source: LinearSource) -> Result<QuantizedLayer, Error> {
        let weights = self.runtime.run(|| self.recipe.choose_with(self.runtime.kernels(), source.clone()))?;
        let nearest = self.nearest(&source, &weights)?;
        let LinearSource { tensor, role, layer, matrix } = source;
        let original = Some(matrix);
        Ok(QuantizedLayer { tensor, role, layer, original, weights, nearest, hessian: None, report: None })
    }

    fn outside_blocks(&self, builder: &mut Builder<'_>, role: Role) -> Result<QuantizedLayer, Error> {
        let mut found = None;
        let model = builder.without_blocks(&mut |source: LinearSource| -> Result<Weights, Error> {
            let matrix = source.matrix.clone();
            if source.role == role {
                found = Some(source);
            }
            Ok(Weights::Dense(matrix))
        })?;
        let weights = if role == Role::Head { &model.head.weights } else { &model.embedding };
        match found {
            Some(source) => self.alone(source),
            None => {
                let tensors = &model.blueprint.tensors;
                let head = tensors.head.as_ref().filter(|_| role == Role::Head).map(|head| &head.weight.tensor);
                let tensor = head.unwrap_or(&tensors.embedding).clone();
                let (layer, original, nearest, hessian, report) = (None, None, None, None, None);
                let weights = weights.clone();
                Ok(QuantizedLayer { tensor, role, layer, original, weights, nearest, hessian, report })
            }
        }
    }

    /// The matrix rounded to nearest in the groups of `weights`; none where it is not quantized, or by that method.
    fn nearest(&self, source: &LinearSource, weights: &Weights) -> Result<Option<Weights>, Error> {
        let group = match weights {
            Weights::Packed { matrix, .. } => matrix.shape().group,
            Weights::SparseQuantized { matrix, .. } => Some(matrix.shape().group.max(16)),
            _ => return Ok(None),
        };
        if self.recipe.method() == crate::method::RTN {
            return Ok(None);
        }
        self.runtime.run(|| self.recipe.nearest(self.runtime.kernels(), source, group)).map(Some)
    }
}
