//! What a method is given and what it gives back: the layers that read one input.

use super::Choices;
use crate::recipe::Scheme;
use crate::statistics::InputStatistics;
use engine::linear::Weights;
use engine::model::LinearSource;
use kernels::Kernels;

/// Layers of a block that read one input (query, key and value; output; gate and up; down), or a single matrix.
pub(crate) struct Site<'a> {
    /// What computes; changes no bit.
    pub(crate) kernels: &'a Kernels,
    /// The layers, in the order they are applied.
    pub(crate) layers: &'a [SiteLayer],
    /// What the recipe chose for the method's options.
    pub(crate) choices: &'a Choices,
    /// What calibration found out about the input; there for methods that need it.
    pub(crate) inputs: Option<InputStatistics>,
}

/// A layer of a site.
pub(crate) struct SiteLayer {
    pub(crate) source: LinearSource,
    /// How it is to be stored; `None` keeps it as it is.
    pub(crate) scheme: Option<Scheme>,
}

/// What a method chose for a layer.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) weights: Weights,
    /// The loss that the method tracked, where it tracks one.
    pub(crate) loss: Option<f64>,
    /// Weights kept in high precision, where the method keeps some.
    pub(crate) outliers: Option<usize>,
}

impl Chosen {
    /// `weights`, and nothing to report.
    pub(crate) fn of_weights(weights: Weights) -> Self {
        Self { weights, loss: None, outliers: None }
    }
}

impl Site<'_> {
    /// What `choose` gives for every layer; those without a scheme stay as they are.
    pub(crate) fn each<E>(
        &self,
        mut choose: impl FnMut(&SiteLayer, &Scheme) -> Result<Weights, E>,
    ) -> Result<Vec<Chosen>, E> {
        let chosen = self.layers.iter().map(|layer| {
            let weights = match &layer.scheme {
                Some(scheme) => choose(layer, scheme)?,
                None => Weights::Dense(layer.source.matrix.clone()),
            };
            Ok(Chosen::of_weights(weights))
        });
        chosen.collect()
    }
}
