//! The dispatch table: one function pointer a kernel, one table an instruction set.
//!
//! Holding a `&'static Kernels` proves that its instruction set is present: [`Kernels::of`] is the only way to get one.
//! The safe methods check lengths and are the only callers of the pointers. Dispatch happens once a panel or a row,
//! never once a dot product.

use crate::activation::{self, Nonlinearity};
use crate::attention::{AttentionTable, attention_table};
use crate::bilevel::{self, BilevelPanel};
use crate::columns::{Columns, ColumnsMut};
use crate::decomposed::{self, OutlierFeature, OutlierWeights};
use crate::dense::{self, DenseRows};
use crate::feedback::{self, FeedbackColumn};
use crate::grid::{self, CodeGrid};
use crate::grouped;
use crate::grouped::panel::{self, CodeBits, Panel, segment_of};
use crate::isa::Isa;
use crate::levels::{self, LevelPanel};
use crate::log_sum_exp::LOGIT_BLOCK;
use crate::outliers::{self, Outliers, TokenColumns};
use crate::pointwise::{self, Pointwise};
use crate::product_f64::{self, Sign};
use crate::quantize::{self, QuantizedRowMut, QuantizedRows};
use crate::{lanes, log_sum_exp, norm, peak, residual, rope};

/// The kernels of one instruction set.
#[allow(clippy::type_complexity)] // the kernels' signatures, written once, here
pub struct Kernels {
    isa: Isa,
    rms_norm: unsafe fn(&[f32], &[f32], f32, &mut [f32]),
    layer_norm: unsafe fn(&[f32], &[f32], &[f32], f32, &mut [f32]),
    add: unsafe fn(&mut [f32], &[f32]) -> bool,
    rotate: unsafe fn(&mut [f32], &[f32], &[f32]),
    activate: unsafe fn(Nonlinearity, &mut [f32]),
    gate: unsafe fn(Nonlinearity, &mut [f32], &[f32]),
    pointwise: unsafe fn(Pointwise, &mut [f32]),
    exp_sum: unsafe fn(&[f32]) -> (f32, f64),
    dense_few: unsafe fn(DenseRows<'_>, &[f32], &mut ColumnsMut<'_>),
    dense: unsafe fn(DenseRows<'_>, &[f32], &mut ColumnsMut<'_>),
    grouped_few: unsafe fn(&Panel<'_>, &QuantizedRows<'_>, &mut ColumnsMut<'_>),
    grouped: unsafe fn(&Panel<'_>, &QuantizedRows<'_>, &mut ColumnsMut<'_>),
    grouped_f32: unsafe fn(&Panel<'_>, &[f32], &mut ColumnsMut<'_>),
    bilevel_few: unsafe fn(&BilevelPanel<'_>, &QuantizedRows<'_>, &mut ColumnsMut<'_>),
    bilevel: unsafe fn(&BilevelPanel<'_>, &QuantizedRows<'_>, &mut ColumnsMut<'_>),
    bilevel_f32: unsafe fn(&BilevelPanel<'_>, &[f32], &mut ColumnsMut<'_>),
    outliers: unsafe fn(&Outliers<'_>, &TokenColumns<'_>, &mut ColumnsMut<'_>),
    levels: unsafe fn(&LevelPanel<'_>, &[f32], &mut ColumnsMut<'_>),
    quantize_row: unsafe fn(&[f32], usize, QuantizedRowMut<'_>),
    quantize_row_with: unsafe fn(&[f32], f32, usize, QuantizedRowMut<'_>),
    split_row: unsafe fn(&[f32], f32, &mut [f32]) -> f32,
    add_outlier_features: unsafe fn(&OutlierWeights<'_>, &[OutlierFeature], &mut [f32]),
    spans: unsafe fn(DenseRows<'_>, usize, &mut [f32], &mut [f32]),
    encode: unsafe fn(DenseRows<'_>, usize, &[CodeGrid], &mut [u8]),
    product_f64: unsafe fn(Sign, Columns<'_, f64>, Columns<'_, f64>, &mut ColumnsMut<'_, f64>),
    shallow_product_f64: unsafe fn(Sign, Columns<'_, f64>, Columns<'_, f64>, &mut ColumnsMut<'_, f64>),
    feedback: unsafe fn(FeedbackColumn<'_>, &mut [f64], &mut [u8], &mut [f64]),
    pack: unsafe fn(CodeBits, usize, usize, &[u8], &mut [u8]),
    pub(crate) attention: AttentionTable,
    multiply_add: unsafe fn(usize) -> f32,
    multiply_add_f64: unsafe fn(usize) -> f64,
    byte_products: unsafe fn(usize, &[u8; 1024]) -> i32,
    read: unsafe fn(&[i32]) -> i32,
}

/// Compiles every kernel for one instruction set and gathers them in a table.
///
/// # Safety of the functions it makes
/// The instruction set must be present, and lengths must agree as the safe methods of [`Kernels`] check them: those
/// methods are the only callers.
///
/// `dense` is rows x tokens of the register tile, or so many tokens where it widens weights, `grouped` row blocks x
/// tokens, or so many tokens where codes have eight bits, `grouped_f32` tokens, `attend` queries x vectors of
/// positions and vectors of values of six queries, `product_f64` rows of sixteen f64. `peak` is the tile that multiplies
/// and adds fastest, without memory to wait for.
macro_rules! table {
    (
        $table:ident, $isa:expr, $lanes:ty, $proof:expr, $(#[$enable:meta])*
        dense $dr:literal x $dt:literal or $df:literal, grouped $gr:literal x $gt:literal or $gw:literal,
        grouped_f32 $ft:literal, attend $mq:literal x $mv:literal and $vd:literal, product_f64 $dp:literal,
        peak $pr:literal x $pt:literal
    ) => {
        static $table: Kernels = {
            type L = $lanes;
            $(#[$enable])*
            unsafe fn rms_norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
                norm::rms_norm::<L>($proof, x, weight, eps, y)
            }
            $(#[$enable])*
            unsafe fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
                norm::layer_norm::<L>($proof, x, weight, bias, eps, y)
            }
            $(#[$enable])*
            unsafe fn add(x: &mut [f32], update: &[f32]) -> bool {
                residual::add::<L>($proof, x, update)
            }
            $(#[$enable])*
            unsafe fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32]) {
                rope::rotate::<L>($proof, x, cos, sin)
            }
            $(#[$enable])*
            unsafe fn activate(kind: Nonlinearity, x: &mut [f32]) {
                activation::apply::<L>($proof, kind, x)
            }
            $(#[$enable])*
            unsafe fn gate(kind: Nonlinearity, gate: &mut [f32], up: &[f32]) {
                activation::gated::<L>($proof, kind, gate, up)
            }
            $(#[$enable])*
            unsafe fn pointwise(kind: Pointwise, x: &mut [f32]) {
                pointwise::apply::<L>($proof, kind, x)
            }
            $(#[$enable])*
            unsafe fn exp_sum(x: &[f32]) -> (f32, f64) {
                log_sum_exp::exp_sum::<L>($proof, x)
            }
            $(#[$enable])*
            unsafe fn dense_few(weights: DenseRows<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
                dense::matmul_few::<L, $dr, $dt, $df>($proof, weights, x, y)
            }
            $(#[$enable])*
            unsafe fn dense(weights: DenseRows<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
                dense::matmul::<L, $dr, $dt>($proof, weights, x, y)
            }
            $(#[$enable])*
            unsafe fn grouped_few(panel: &Panel<'_>, x: &QuantizedRows<'_>, y: &mut ColumnsMut<'_>) {
                grouped::matmul_few::<L, $gr>($proof, panel, x, y)
            }
            $(#[$enable])*
            unsafe fn grouped(panel: &Panel<'_>, x: &QuantizedRows<'_>, y: &mut ColumnsMut<'_>) {
                grouped::matmul::<L, $gr, $gt, $gw, { grouped::BLOCK_COLUMNS }>($proof, panel, x, y)
            }
            $(#[$enable])*
            unsafe fn grouped_f32(panel: &Panel<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
                grouped::matmul_f32::<L, $ft>($proof, panel, x, y)
            }
            $(#[$enable])*
            unsafe fn levels(panel: &LevelPanel<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
                levels::matmul::<L, $gr, $gt>($proof, panel, x, y)
            }
            $(#[$enable])*
            unsafe fn bilevel_few(panel: &BilevelPanel<'_>, x: &QuantizedRows<'_>, y: &mut ColumnsMut<'_>) {
                const T: usize = grouped::FEW_TOKENS;
                bilevel::matmul::<L, $gr, T, T, { grouped::FEW_COLUMNS }>($proof, panel, x, y)
            }
            $(#[$enable])*
            unsafe fn bilevel(panel: &BilevelPanel<'_>, x: &QuantizedRows<'_>, y: &mut ColumnsMut<'_>) {
                bilevel::matmul::<L, $gr, $gt, $gw, { grouped::BLOCK_COLUMNS }>($proof, panel, x, y)
            }
            $(#[$enable])*
            unsafe fn bilevel_f32(panel: &BilevelPanel<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
                bilevel::matmul_f32::<L, $ft>($proof, panel, x, y)
            }
            $(#[$enable])*
            unsafe fn outliers(list: &Outliers<'_>, x: &TokenColumns<'_>, y: &mut ColumnsMut<'_>) {
                outliers::multiply::<L>($proof, list, x, y)
            }
            $(#[$enable])*
            unsafe fn quantize_row(x: &[f32], segment: usize, out: QuantizedRowMut<'_>) {
                quantize::quantize_row::<L>($proof, x, segment, out)
            }
            $(#[$enable])*
            unsafe fn quantize_row_with(x: &[f32], scale: f32, segment: usize, out: QuantizedRowMut<'_>) {
                quantize::quantize_row_with::<L>($proof, x, scale, segment, out)
            }
            $(#[$enable])*
            unsafe fn split_row(x: &[f32], threshold: f32, kept: &mut [f32]) -> f32 {
                decomposed::split::<L>($proof, x, threshold, kept)
            }
            $(#[$enable])*
            unsafe fn add_outlier_features(
                weights: &OutlierWeights<'_>,
                features: &[OutlierFeature],
                y: &mut [f32],
            ) {
                decomposed::add::<L>($proof, weights, features, y)
            }
            $(#[$enable])*
            unsafe fn spans(row: DenseRows<'_>, width: usize, low: &mut [f32], high: &mut [f32]) {
                grid::spans::<L>($proof, row, width, low, high)
            }
            $(#[$enable])*
            unsafe fn encode(row: DenseRows<'_>, width: usize, grids: &[CodeGrid], codes: &mut [u8]) {
                grid::encode::<L>($proof, row, width, grids, codes)
            }
            $(#[$enable])*
            unsafe fn product_f64(
                sign: Sign,
                x: Columns<'_, f64>,
                y: Columns<'_, f64>,
                c: &mut ColumnsMut<'_, f64>,
            ) {
                product_f64::product::<L, $dp, { product_f64::DEPTH }>($proof, sign, x, y, c)
            }
            $(#[$enable])*
            unsafe fn shallow_product_f64(
                sign: Sign,
                x: Columns<'_, f64>,
                y: Columns<'_, f64>,
                c: &mut ColumnsMut<'_, f64>,
            ) {
                product_f64::product::<L, $dp, { product_f64::SHALLOW }>($proof, sign, x, y, c)
            }
            $(#[$enable])*
            unsafe fn feedback(column: FeedbackColumn<'_>, weights: &mut [f64], codes: &mut [u8], losses: &mut [f64]) {
                feedback::quantize::<L>($proof, column, weights, codes, losses)
            }
            $(#[$enable])*
            unsafe fn pack(bits: CodeBits, rows: usize, columns: usize, codes: &[u8], packed: &mut [u8]) {
                panel::pack_lanes::<L>($proof, bits, rows, columns, codes, packed)
            }
            $(#[$enable])*
            unsafe fn multiply_add(steps: usize) -> f32 {
                peak::multiply_add::<L, $pr, $pt>($proof, steps)
            }
            $(#[$enable])*
            unsafe fn multiply_add_f64(steps: usize) -> f64 {
                peak::multiply_add_f64::<L, $dp>($proof, steps)
            }
            $(#[$enable])*
            unsafe fn byte_products(steps: usize, bytes: &[u8; 1024]) -> i32 {
                peak::byte_products::<L, $gr, $gt>($proof, steps, bytes)
            }
            $(#[$enable])*
            unsafe fn read(words: &[i32]) -> i32 {
                peak::read::<L>($proof, words)
            }
            Kernels {
                isa: $isa,
                rms_norm,
                layer_norm,
                add,
                rotate,
                activate,
                gate,
                pointwise,
                exp_sum,
                dense_few,
                dense,
                grouped_few,
                grouped,
                grouped_f32,
                bilevel_few,
                bilevel,
                bilevel_f32,
                outliers,
                levels,
                quantize_row,
                quantize_row_with,
                split_row,
                add_outlier_features,
                spans,
                encode,
                product_f64,
                shallow_product_f64,
                feedback,
                pack,
                attention: attention_table!($lanes, $proof, [$(#[$enable])*] $mq x $mv and $vd),
                multiply_add,
                multiply_add_f64,
                byte_products,
                read,
            }
        };
    };
}

table!(
    SCALAR, Isa::Scalar, lanes::scalar::Scalar, lanes::scalar::Scalar,
    dense 2 x 2 or 2, grouped 1 x 2 or 2, grouped_f32 2, attend 4 x 1 and 4, product_f64 1, peak 1 x 1
);
#[cfg(target_arch = "x86_64")]
table!(
    // SAFETY: the table is handed out only where the instruction set is present.
    AVX512, Isa::Avx512, lanes::avx512::Avx512, unsafe { lanes::avx512::Avx512::assume() },
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    dense 4 x 6 or 4, grouped 4 x 6 or 6, grouped_f32 12, attend 6 x 4 and 4, product_f64 12, peak 4 x 6
);

table!(
    WIDE, Isa::Wide, lanes::wide::Wide, lanes::wide::Wide,
    dense 2 x 2 or 2, grouped 1 x 2 or 2, grouped_f32 2, attend 4 x 1 and 4, product_f64 1, peak 2 x 2
);
#[cfg(target_arch = "x86_64")]
table!(
    // SAFETY: as above.
    AVX2, Isa::Avx2, lanes::avx2::Avx2, unsafe { lanes::avx2::Avx2::assume() },
    #[target_feature(enable = "avx2,f16c")] #[cfg_attr(feature = "free_order", target_feature(enable = "fma"))]
    dense 2 x 3 or 3, grouped 1 x 6 or 4, grouped_f32 4, attend 4 x 1 and 1, product_f64 2, peak 2 x 3
);
#[cfg(target_arch = "aarch64")]
table!(
    // SAFETY: as above.
    NEON, Isa::Neon, lanes::neon::Neon, unsafe { lanes::neon::Neon::assume() },
    #[target_feature(enable = "neon")]
    dense 2 x 2 or 2, grouped 1 x 3 or 4, grouped_f32 4, attend 4 x 1 and 1, product_f64 2, peak 2 x 3
);
#[cfg(target_arch = "aarch64")]
table!(
    // SAFETY: as above; the processor's dot products are checked where the table is handed out.
    NEON_DOT, Isa::Neon, lanes::neon::NeonDot, unsafe { lanes::neon::NeonDot::assume() },
    #[target_feature(enable = "neon,dotprod")]
    dense 2 x 2 or 2, grouped 1 x 6 or 5, grouped_f32 4, attend 4 x 1 and 1, product_f64 2, peak 2 x 3
);

impl Kernels {
    /// The table of `isa`, if this machine can run it.
    pub fn of(isa: Isa) -> Option<&'static Kernels> {
        if !isa.is_present() {
            return None;
        }
        match isa {
            Isa::Scalar => Some(&SCALAR),
            Isa::Wide => Some(&WIDE),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Some(&AVX2),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Some(&AVX512),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon if std::arch::is_aarch64_feature_detected!("dotprod") => Some(&NEON_DOT),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Some(&NEON),
            _ => None,
        }
    }

    /// The fastest table this machine can run.
    pub fn best() -> &'static Kernels {
        Isa::present().filter_map(Kernels::of).last().unwrap_or(&SCALAR)
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// RMSNorm of one row; see [`crate::norm`].
    ///
    /// # Panics
    /// If lengths differ.
    pub fn rms_norm(&self, x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
        assert!(x.len() == weight.len() && x.len() == y.len());
        // SAFETY: a table exists only where its instruction set is present; lengths checked.
        unsafe { (self.rms_norm)(x, weight, eps, y) }
    }

    /// LayerNorm of one row; see [`crate::norm`].
    ///
    /// # Panics
    /// If lengths differ.
    pub fn layer_norm(&self, x: &[f32], weight: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
        assert!(x.len() == weight.len() && x.len() == bias.len() && x.len() == y.len());
        // SAFETY: as above.
        unsafe { (self.layer_norm)(x, weight, bias, eps, y) }
    }

    /// x = x + update of one row; whether every sum is finite. See [`crate::residual`].
    ///
    /// # Panics
    /// If lengths differ.
    pub fn add(&self, x: &mut [f32], update: &[f32]) -> bool {
        assert_eq!(x.len(), update.len());
        // SAFETY: as above.
        unsafe { (self.add)(x, update) }
    }

    /// Rotates one head in place; see [`crate::rope`].
    ///
    /// # Panics
    /// If cos and sin differ in length or the head is shorter than twice that.
    pub fn rotate(&self, x: &mut [f32], cos: &[f32], sin: &[f32]) {
        assert!(cos.len() == sin.len() && 2 * cos.len() <= x.len());
        // SAFETY: as above.
        unsafe { (self.rotate)(x, cos, sin) }
    }

    /// x = f(x); see [`crate::activation`].
    pub fn activate(&self, kind: Nonlinearity, x: &mut [f32]) {
        // SAFETY: as above.
        unsafe { (self.activate)(kind, x) }
    }

    /// gate = f(gate) * up; see [`crate::activation`].
    ///
    /// # Panics
    /// If lengths differ.
    pub fn gate(&self, kind: Nonlinearity, gate: &mut [f32], up: &[f32]) {
        assert_eq!(gate.len(), up.len());
        // SAFETY: as above.
        unsafe { (self.gate)(kind, gate, up) }
    }

    /// x = f(x); see [`crate::pointwise`].
    pub fn pointwise(&self, kind: Pointwise, x: &mut [f32]) {
        // SAFETY: as above.
        unsafe { (self.pointwise)(kind, x) }
    }

    /// The maximum of up to [`LOGIT_BLOCK`] logits and the sum of exp(x - maximum); see [`crate::log_sum_exp`].
    ///
    /// # Panics
    /// If x is empty or longer than a block.
    pub fn exp_sum(&self, x: &[f32]) -> (f32, f64) {
        assert!(!x.is_empty() && x.len() <= LOGIT_BLOCK);
        // SAFETY: as above.
        unsafe { (self.exp_sum)(x) }
    }

    /// ln(sum(exp(x))) of one row; see [`crate::log_sum_exp`].
    ///
    /// # Panics
    /// If x is empty.
    pub fn log_sum_exp(&self, x: &[f32]) -> f64 {
        log_sum_exp::combine(&x.chunks(LOGIT_BLOCK).map(|block| self.exp_sum(block)).collect::<Vec<_>>())
    }

    /// y = x w^T with dense weights; x: [y.rows(), weights.columns], y.width() == weights.rows(). See [`crate::dense`].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn dense(&self, weights: DenseRows<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
        assert_eq!(weights.bytes.len(), weights.rows() * weights.columns * weights.dtype.size_bytes());
        assert_eq!(x.len(), y.rows() * weights.columns);
        assert_eq!(y.width(), weights.rows());
        // SAFETY: as above.
        unsafe {
            if y.rows() <= dense::FEW_TOKENS { (self.dense_few)(weights, x, y) } else { (self.dense)(weights, x, y) }
        }
    }

    /// y = x w^T with packed weights and quantized activations; see [`crate::grouped`].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn grouped(&self, panel: &Panel<'_>, x: &QuantizedRows<'_>, y: &mut ColumnsMut<'_>) {
        panel.check();
        check_codes(x, panel.columns, segment_of(panel.group), y.rows());
        assert_eq!(y.width(), panel.rows);
        // SAFETY: as above.
        unsafe {
            if y.rows() <= grouped::FEW_TOKENS { (self.grouped_few)(panel, x, y) } else { (self.grouped)(panel, x, y) }
        }
    }

    /// y = x w^T with packed weights and f32 activations [y.rows(), panel.columns]; see [`crate::grouped`].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn grouped_f32(&self, panel: &Panel<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
        panel.check();
        assert_eq!(x.len(), y.rows() * panel.columns);
        assert_eq!(y.width(), panel.rows);
        // SAFETY: as above.
        unsafe { (self.grouped_f32)(panel, x, y) }
    }

    /// y = x w^T with codes that index levels and f32 activations; x: [y.rows(), columns]. See [`crate::levels`].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn levels(&self, panel: &LevelPanel<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
        panel.check();
        assert!(x.len() == y.rows() * panel.columns && y.width() == panel.rows);
        // SAFETY: as above.
        unsafe { (self.levels)(panel, x, y) }
    }

    /// y = x w^T with packed weights whose statistics are codes, and quantized activations; see [`crate::bilevel`].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn bilevel(&self, panel: &BilevelPanel<'_>, x: &QuantizedRows<'_>, y: &mut ColumnsMut<'_>) {
        panel.check();
        check_codes(x, panel.columns, panel.group, y.rows());
        assert_eq!(y.width(), panel.rows);
        // SAFETY: as above.
        unsafe {
            if y.rows() <= grouped::FEW_TOKENS { (self.bilevel_few)(panel, x, y) } else { (self.bilevel)(panel, x, y) }
        }
    }

    /// As [`Kernels::bilevel`] with f32 activations [y.rows(), panel.columns].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn bilevel_f32(&self, panel: &BilevelPanel<'_>, x: &[f32], y: &mut ColumnsMut<'_>) {
        panel.check();
        assert_eq!(x.len(), y.rows() * panel.columns);
        assert_eq!(y.width(), panel.rows);
        // SAFETY: as above.
        unsafe { (self.bilevel_f32)(panel, x, y) }
    }

    /// y = y + x w^T with single weights; see [`crate::outliers`].
    ///
    /// # Panics
    /// If lengths disagree, or an outlier lies outside the columns.
    pub fn outliers(&self, outliers: &Outliers<'_>, x: &TokenColumns<'_>, y: &mut ColumnsMut<'_>) {
        assert_eq!(outliers.starts.len(), y.width() + 1);
        assert_eq!(outliers.values.len(), outliers.columns.len());
        assert!(x.tokens == y.rows() && x.x.len() == x.tokens * x.columns);
        // SAFETY: as above.
        unsafe { (self.outliers)(outliers, x, y) }
    }

    /// Quantizes one row of activations; see [`crate::quantize`].
    ///
    /// # Panics
    /// If lengths disagree or the segment is not a multiple of 8.
    pub fn quantize_row(&self, x: &[f32], segment: usize, out: QuantizedRowMut<'_>) {
        out.check(x, segment);
        // SAFETY: as above.
        unsafe { (self.quantize_row)(x, segment, out) }
    }

    /// Quantizes one row of activations to 8-bit codes with one scale for all segments; see [`crate::quantize`].
    ///
    /// # Panics
    /// As [`Self::quantize_row`], and if there is room for low bytes.
    pub fn quantize_row_with(&self, x: &[f32], scale: f32, segment: usize, out: QuantizedRowMut<'_>) {
        out.check(x, segment);
        assert!(out.low.is_empty());
        // SAFETY: as above.
        unsafe { (self.quantize_row_with)(x, scale, segment, out) }
    }

    /// Writes to `kept` what of x is below the threshold in magnitude, else 0; returns the largest magnitude kept. See
    /// [`crate::decomposed`].
    ///
    /// # Panics
    /// If lengths differ.
    pub fn split_row(&self, x: &[f32], threshold: f32, kept: &mut [f32]) -> f32 {
        assert_eq!(x.len(), kept.len());
        // SAFETY: as above.
        unsafe { (self.split_row)(x, threshold, kept) }
    }

    /// Adds to y [rows] what the outlier features of one token make; see [`crate::decomposed`].
    ///
    /// # Panics
    /// If lengths disagree, there is no such feature, or codes are not of 8 bits with one scale a row.
    pub fn add_outlier_features(&self, weights: &OutlierWeights<'_>, features: &[OutlierFeature], y: &mut [f32]) {
        weights.check(features, y);
        // SAFETY: as above.
        unsafe { (self.add_outlier_features)(weights, features, y) }
    }

    /// (min(w, 0), max(w, 0)) of every `width` weights of one row; see [`crate::grid`].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn spans(&self, row: DenseRows<'_>, width: usize, low: &mut [f32], high: &mut [f32]) {
        assert_eq!(row.bytes.len(), row.columns * row.dtype.size_bytes());
        assert!(width > 0 && low.len() == row.columns.div_ceil(width) && high.len() == low.len());
        // SAFETY: as above.
        unsafe { (self.spans)(row, width, low, high) }
    }

    /// The codes of one row with a grid for every `width` weights; see [`crate::grid`].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn encode(&self, row: DenseRows<'_>, width: usize, grids: &[CodeGrid], codes: &mut [u8]) {
        assert_eq!(row.bytes.len(), row.columns * row.dtype.size_bytes());
        assert!(width > 0 && grids.len() == row.columns.div_ceil(width) && codes.len() == row.columns);
        assert!(width.is_multiple_of(16) || grids.len() <= 1, "grids of {width} columns");
        // SAFETY: as above.
        unsafe { (self.encode)(row, width, grids, codes) }
    }

    /// c = c + x^T y or c - x^T y, x: f64 [y.rows(), c.rows()], y: f64 [.., c.width()]; see [`crate::product_f64`].
    ///
    /// # Panics
    /// If shapes disagree.
    pub fn product_f64(&self, sign: Sign, x: Columns<'_, f64>, y: Columns<'_, f64>, c: &mut ColumnsMut<'_, f64>) {
        assert!(x.rows() == y.rows() && x.width() == c.rows() && y.width() == c.width());
        let product = if x.rows() <= product_f64::SHALLOW { self.shallow_product_f64 } else { self.product_f64 };
        // SAFETY: as above.
        unsafe { product(sign, x, y, c) }
    }

    /// Codes of a column of weights, which their errors take the place of, and the errors' squares added to `losses`; see
    /// [`crate::feedback`].
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn feedback(&self, column: FeedbackColumn<'_>, weights: &mut [f64], codes: &mut [u8], losses: &mut [f64]) {
        assert!(column.scales.len() == weights.len() && column.zeros.len() == weights.len());
        assert!(codes.len() == weights.len() && losses.len() == weights.len());
        // SAFETY: as above.
        unsafe { (self.feedback)(column, weights, codes, losses) }
    }

    /// Packs codes [rows, columns] (row-major, one byte a code) into a panel's bytes, [`CodeBits::panel_bytes`] of
    /// them; see [`crate::grouped::panel`].
    ///
    /// # Panics
    /// If lengths disagree or a code does not fit the width.
    pub fn pack(&self, bits: CodeBits, rows: usize, columns: usize, codes: &[u8], packed: &mut [u8]) {
        panel::check_pack(bits, rows, columns, codes, packed);
        // SAFETY: as above.
        unsafe { (self.pack)(bits, rows, columns, codes, packed) }
    }

    /// `steps` steps of f32 multiply and add, for measuring; see [`crate::peak`].
    pub fn multiply_add(&self, steps: usize) -> f32 {
        // SAFETY: as above.
        unsafe { (self.multiply_add)(steps) }
    }

    /// `steps` steps of f64 multiply and add, for measuring; see [`crate::peak`].
    pub fn multiply_add_f64(&self, steps: usize) -> f64 {
        // SAFETY: as above.
        unsafe { (self.multiply_add_f64)(steps) }
    }

    /// `steps` steps of byte products, for measuring; see [`crate::peak`].
    pub fn byte_products(&self, steps: usize, bytes: &[u8; 1024]) -> i32 {
        // SAFETY: as above.
        unsafe { (self.byte_products)(steps, bytes) }
    }

    /// The wrapping sum of `words`, for measuring how fast memory is read; see [`crate::peak`].
    pub fn read(&self, words: &[i32]) -> i32 {
        // SAFETY: as above.
        unsafe { (self.read)(words) }
    }
}

/// The lengths that products with quantized activations rely on.
fn check_codes(x: &QuantizedRows<'_>, columns: usize, segment: usize, tokens: usize) {
    assert_eq!(x.segment, segment);
    assert!(x.stride >= columns.next_multiple_of(4));
    assert!(x.high.len() == tokens * x.stride && (x.low.is_empty() || x.low.len() == x.high.len()));
    assert!(x.scales.len() == tokens * columns.div_ceil(segment) && x.offsets.len() == x.scales.len());
}
