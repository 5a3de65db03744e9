//! What quantizing did to each matrix.

use engine::model::Role;

/// One matrix of a block, quantized.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerReport {
    /// Name of the tensor in the checkpoint; parts of a fused one share it.
    pub tensor: String,
    /// What it is for.
    pub role: Role,
    /// Block, 0-based.
    pub layer: usize,
    /// Output features.
    pub rows: usize,
    /// Input features.
    pub columns: usize,
    /// The loss that the method tracked, on the calibration inputs; none where it tracks none.
    pub loss: Option<f64>,
    /// Weights kept in high precision; none where the method keeps none.
    pub outliers: Option<usize>,
    /// Whether no token of the calibration text came here (an expert that none went to): the matrix was rounded to nearest.
    pub is_unseen: bool,
    /// Time that choosing took: the only field that differs from run to run, 0 where an earlier run chose.
    pub seconds: f64,
}

impl LayerReport {
    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.rows * self.columns
    }

    /// Share of weights kept in high precision.
    pub fn outlier_share(&self) -> Option<f64> {
        self.outliers.map(|outliers| outliers as f64 / self.weights() as f64)
    }
}
