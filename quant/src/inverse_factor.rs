//! What GPTQ and SpQR solve with: the columns of a layer in the order they are quantized in, and the factor U of the
//! damped inverse Hessian in that order, inv(H) = U^T U.
//!
//! All linear layers with the same inputs share one: it depends on no weight.

use crate::hessian::Hessian;
use crate::linear_algebra::{NotPositiveDefinite, inverse_factor, mirror, permute};
use engine::InputMap;
use kernels::Kernels;
use std::sync::Arc;

/// The order in which columns are quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnOrder {
    /// As they are.
    Natural,
    /// By descending diagonal of the Hessian, equals in their natural order: `act_order`.
    Activation,
}

/// When dead columns, those whose input was always zero, get a 1 on the diagonal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadColumns {
    /// Before the order and the damping are found: GPTQ.
    First,
    /// After the damping, of which they get none: SpQR.
    Last,
}

/// How a Hessian is made ready.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preparation {
    /// Order of columns.
    pub order: ColumnOrder,
    /// What is added to the diagonal, as a multiple of its mean.
    pub damp: f64,
    /// Dead columns.
    pub dead: DeadColumns,
}

/// See the module.
pub struct InverseFactor {
    columns: usize,
    upper: Vec<f64>,
    permutation: Option<Vec<usize>>,
    dead: Vec<bool>,
    damping: f64,
}

impl InverseFactor {
    /// Prepares a Hessian, in its own memory, on the pool that the caller runs on. The mean of the diagonal is a sum in the
    /// natural order of columns.
    ///
    /// # Errors
    /// If the damped Hessian is not positive definite, with the input feature where that shows.
    ///
    /// # Panics
    /// If no sequence was added to the Hessian.
    pub fn new(kernels: &Kernels, hessian: Hessian, preparation: &Preparation) -> Result<Self, NotPositiveDefinite> {
        let n = hessian.columns();
        let mut diagonal = hessian.diagonal();
        let dead: Vec<bool> = diagonal.iter().map(|&h| h == 0.0).collect();
        let revive = |diagonal: &mut [f64]| {
            for (h, _) in diagonal.iter_mut().zip(&dead).filter(|(_, dead)| **dead) {
                *h = 1.0;
            }
        };
        if preparation.dead == DeadColumns::First {
            revive(&mut diagonal);
        }
        let permutation = (preparation.order == ColumnOrder::Activation).then(|| {
            let mut permutation: Vec<usize> = (0..n).collect();
            permutation.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
            permutation
        });
        let mut sum = 0.0;
        for h in &diagonal {
            sum += h;
        }
        let damping = preparation.damp * (sum / n as f64);
        for h in &mut diagonal {
            *h += damping;
        }
        if preparation.dead == DeadColumns::Last {
            revive(&mut diagonal);
        }
        let mut upper = hessian.into_lower();
        for (j, h) in diagonal.into_iter().enumerate() {
            upper[j * n + j] = h;
        }
        if let Some(permutation) = &permutation {
            mirror(&mut upper, n);
            permute(&mut upper, n, permutation);
        }
        inverse_factor(kernels, &mut upper, n).map_err(|error| NotPositiveDefinite {
            column: permutation.as_ref().map_or(error.column, |permutation| permutation[error.column]),
            ..error
        })?;
        Ok(Self { columns: n, upper, permutation, dead, damping })
    }

    /// Input features.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// U: f64 [columns, columns], zeros below the diagonal, rows and columns in the order of quantization.
    pub fn upper(&self) -> &[f64] {
        &self.upper
    }

    /// U[j][j].
    pub fn pivot(&self, j: usize) -> f64 {
        self.upper[j * self.columns + j]
    }

    /// The input feature of every column in the order of quantization, [columns]; none where that is the natural one.
    pub fn permutation(&self) -> Option<&[usize]> {
        self.permutation.as_deref()
    }

    /// From features to columns in the order of quantization, for all layers with these inputs to share; none where that
    /// is the natural one.
    pub fn input_map(&self) -> Option<Arc<InputMap>> {
        let features = self.permutation.as_ref()?.iter().map(|&feature| feature as u32).collect();
        let map = InputMap::new(self.columns, Some(features), None).expect("every feature has one place in an order");
        Some(Arc::new(map))
    }

    /// The input feature that is quantized as number `k`.
    pub fn feature(&self, k: usize) -> usize {
        self.permutation.as_ref().map_or(k, |permutation| permutation[k])
    }

    /// Whether the input feature was always zero: its weights count as zeros.
    pub fn is_dead(&self, feature: usize) -> bool {
        self.dead[feature]
    }

    /// What was added to the diagonal of the Hessian.
    pub fn damping(&self) -> f64 {
        self.damping
    }
}
