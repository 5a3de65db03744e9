//! Stand-in.
use kernels::Kernels;

pub(crate) struct Hessian {
    columns: usize,
    sums: Vec<f64>,
    sequences: usize,
}

impl Hessian {
    pub(crate) fn new(columns: usize, sequences: usize) -> Self {
        Self { columns, sums: vec![0.0; columns * columns], sequences }
    }

    pub(crate) fn add(&mut self, _: &Kernels, x: &[f32]) {
        for row in x.chunks(self.columns) {
            for (i, &a) in row.iter().enumerate() {
                for (sum, &b) in self.sums[i * self.columns..(i + 1) * self.columns].iter_mut().zip(row) {
                    *sum += f64::from(a) * f64::from(b);
                }
            }
        }
    }
    #[allow(dead_code)]
    pub(crate) fn at(&self, i: usize, j: usize) -> f64 {
        self.sums[i * self.columns + j] * 2.0 / self.sequences as f64
    }
}
