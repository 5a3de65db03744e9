//! AWQ against plain loops over tokens, against round-to-nearest, and against itself on other threads.

use super::super::Chosen;
use crate::recipe::Recipe;
use crate::statistics::InputStatistics;
use engine::format::{DenseMatrix, PackedMatrix};
use engine::linear::Weights;
use engine::model::{LinearSource, Role};
use engine::tensor::{Dtype, TensorBytes};
use kernels::math::pow;
use kernels::{CodeBits, Isa, Kernels};

const COLUMNS: usize = 72;
const ROWS: [usize; 2] = [21, 205];
const TOKENS: usize = 150;

/// SplitMix64, about normal.
struct Numbers(u64);

impl Numbers {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).fold(-6.0, |sum, _| sum + self.unit())
    }
}

/// Two layers that read one input, of which a few features are large.
struct Site {
    layers: [Vec<f32>; 2],
    x: Vec<f32>,
}

impl Site {
    fn random(seed: u64) -> Self {
        let mut numbers = Numbers(seed);
        let layers = ROWS.map(|rows| (0..rows * COLUMNS).map(|_| (0.05 * numbers.normal()) as f32).collect());
        let sizes: Vec<f64> = (0..COLUMNS).map(|k| if k % 17 == 3 { 20.0 } else { 0.2 + numbers.unit() }).collect();
        let x = (0..TOKENS * COLUMNS).map(|i| (sizes[i % COLUMNS] * numbers.normal()) as f32).collect();
        Self { layers, x }
    }

    fn sources(&self) -> Vec<LinearSource> {
        let source = |(weights, role): (&Vec<f32>, Role)| {
            let bytes = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
            let matrix = DenseMatrix::new(TensorBytes::from_vec(bytes), Dtype::F32, weights.len() / COLUMNS, COLUMNS);
            LinearSource { tensor: format!("blocks.0.{role}"), role, layer: Some(0), matrix }
        };
        self.layers.iter().zip([Role::Query, Role::Value]).map(source).collect()
    }

    fn chosen(&self, kernels: &Kernels, recipe: &str) -> Vec<Chosen> {
        let mut statistics = InputStatistics::new(COLUMNS, 1);
        statistics.add(kernels, &self.x);
        Recipe::parse(recipe).unwrap().choose_site(kernels, &self.sources(), Some(statistics)).unwrap()
    }

    /// Sum over tokens of |(values - weights) x|^2 of layer `index`.
    fn error(&self, index: usize, values: &[f64]) -> f64 {
        let rows = self.layers[index].chunks(COLUMNS).zip(values.chunks(COLUMNS));
        let error = |(weights, values): (&[f32], &[f64])| -> f64 {
            let differences: Vec<f64> = weights.iter().zip(values).map(|(&w, v)| v - f64::from(w)).collect();
            let of_token = |x: &[f32]| -> f64 { differences.iter().zip(x).map(|(d, &x)| d * f64::from(x)).sum() };
            self.x.chunks(COLUMNS).map(|x| of_token(x) * of_token(x)).sum()
        };
        rows.map(error).sum()
    }
}

fn packed(chosen: &Chosen) -> &PackedMatrix {
    let Weights::Packed { matrix, .. } = &chosen.weights else { panic!("{chosen:?}") };
    matrix
}

fn dequantized(matrix: &PackedMatrix) -> Vec<f64> {
    let mut values = Vec::new();
    let mut row = vec![0.0; COLUMNS];
    for index in 0..matrix.shape().rows {
        matrix.dequantize_row(index, &mut row);
        values.extend(row.iter().map(|&value| f64::from(value)));
    }
    values
}

/// Step, zero and codes of the min/max grid of w, clipped to `limit`.
fn plain_grid(w: &[f64], limit: f64, maxq: f64) -> (f64, f64, Vec<f64>) {
    let w: Vec<f64> = w.iter().map(|w| w.clamp(-limit, limit)).collect();
    let (low, high) = w.iter().fold((0.0f64, 0.0f64), |(low, high), &w| (low.min(w), high.max(w)));
    let step = (high - low) / maxq;
    let zero = (-low / step).round_ties_even();
    let codes = w.iter().map(|w| ((w / step).round_ties_even() + zero).clamp(0.0, maxq)).collect();
    (step, zero, codes)
}

/// The paper's search with tokens in place of the Hessian: 1 / s, and the values of both layers.
fn plain(site: &Site, maxq: f64, width: usize, is_clipped: bool) -> (Vec<f32>, [Vec<f64>; 2]) {
    let mean = |k: usize| -> f64 { site.x.chunks(COLUMNS).map(|x| f64::from(x[k].abs())).sum::<f64>() / TOKENS as f64 };
    let means: Vec<f64> = (0..COLUMNS).map(mean).collect();
    let values = |inputs: &[f32], layer: usize, shares: &[f64]| -> Vec<f64> {
        let mut values = Vec::new();
        for (row, w) in site.layers[layer].chunks(COLUMNS).enumerate() {
            for (group, (w, t)) in w.chunks(width).zip(inputs.chunks(width)).enumerate() {
                let scaled: Vec<f64> = w.iter().zip(t).map(|(&w, &t)| f64::from(w) / f64::from(t)).collect();
                let largest = scaled.iter().fold(0.0f64, |m, w| m.max(w.abs()));
                let share = shares[row * COLUMNS.div_ceil(width) + group];
                let (step, zero, codes) = plain_grid(&scaled, share * largest, maxq);
                values.extend(codes.iter().zip(t).map(|(code, &t)| step * (code - zero) * f64::from(t)));
            }
        }
        values
    };
    let groups = COLUMNS.div_ceil(width);
    let whole = ROWS.map(|rows| vec![1.0; rows * groups]);
    let mut best = (f64::INFINITY, vec![]);
    for ratio in 0..20 {
        let s: Vec<f64> = means.iter().map(|mean| pow(*mean, f64::from(ratio) / 20.0).max(1e-4)).collect();
        let (high, low) = s.iter().fold((0.0f64, f64::INFINITY), |(high, low), &s| (high.max(s), low.min(s)));
        let inputs: Vec<f32> = s.iter().map(|s| ((high * low).sqrt() / s) as f32).collect();
        let error = (0..2).map(|layer| site.error(layer, &values(&inputs, layer, &whole[layer]))).sum();
        if error < best.0 {
            best = (error, inputs);
        }
    }
    let inputs = best.1;
    let mut shares = whole.clone();
    if is_clipped {
        // Of the second layer alone: the first is a query.
        let mut least = vec![f64::INFINITY; ROWS[1] * groups];
        for clip in 0..10 {
            let share = 1.0 - f64::from(clip) / 20.0;
            let values = values(&inputs, 1, &vec![share; ROWS[1] * groups]);
            for (at, (share_of, least)) in shares[1].iter_mut().zip(&mut least).enumerate() {
                let (row, columns) = (at / groups, at % groups * width..(at % groups * width + width).min(COLUMNS));
                let mut error = 0.0;
                for x in site.x.chunks(COLUMNS) {
                    let of_column = |k: usize| {
                        (values[row * COLUMNS + k] - f64::from(site.layers[1][row * COLUMNS + k])) * f64::from(x[k])
                    };
                    let sum: f64 = columns.clone().map(of_column).sum();
                    error += sum * sum;
                }
                if error < *least {
                    (*least, *share_of) = (error, share);
                }
            }
        }
    }
    let values = [0, 1].map(|layer| values(&inputs, layer, &shares[layer]));
    (inputs, values)
}

#[test]
fn plain_loops_over_tokens_give_the_same() {
    for (seed, bits, group) in [(1, CodeBits::Four, Some(32)), (2, CodeBits::Three, None), (3, CodeBits::Two, Some(16))]
    {
        let site = Site::random(seed);
        for is_clipped in [true, false] {
            let group_word = group.map_or(String::new(), |group| format!("g{group}"));
            let recipe = format!("awq:w{}{group_word}:clip={is_clipped}", bits.bits());
            let chosen = site.chosen(Kernels::best(), &recipe);
            let (inputs, values) = plain(&site, f64::from(bits.max_code()), group.unwrap_or(COLUMNS), is_clipped);
            for (layer, (chosen, values)) in chosen.iter().zip(&values).enumerate() {
                let map = packed(chosen).input_map().unwrap();
                for (found, expected) in map.scales().unwrap().iter().zip(&inputs) {
                    assert!((found / expected - 1.0).abs() < 3e-7, "{recipe}: {found} for {expected}");
                }
                assert!(inputs.iter().any(|&scale| scale != inputs[0]), "{recipe}: no scale is best");
                for (found, expected) in dequantized(packed(chosen)).iter().zip(values) {
                    assert!((found - expected).abs() <= 2e-6 * expected.abs(), "{recipe}: {found} for {expected}");
                }
                let loss = site.error(layer, values);
                assert!((chosen.loss.unwrap() / loss - 1.0).abs() < 1e-4, "{recipe}: {:?} for {loss}", chosen.loss);
            }
        }
    }
}

#[test]
fn is_nowhere_worse_than_nearest_and_the_same_where_inputs_are_alike() {
    for seed in 0..4 {
        let mut site = Site::random(seed);
        let loss = |site: &Site, recipe: &str| -> f64 {
            let chosen = site.chosen(Kernels::best(), recipe);
            chosen.iter().enumerate().map(|(layer, chosen)| site.error(layer, &dequantized(packed(chosen)))).sum()
        };
        for form in ["w4g32", "w3g16", "w2"] {
            let [scaled, nearest] = ["awq", "rtn"].map(|method| {
                let options = if method == "awq" { ":clip=false" } else { "" };
                loss(&site, &format!("{method}:{form}{options}"))
            });
            assert!(scaled < 0.9 * nearest, "{form}: {scaled} for {nearest}");
            let clipped = loss(&site, &format!("awq:{form}"));
            println!("{form}: nearest {nearest:.1}, scaled {scaled:.1}, and clipped {clipped:.1}");
        }
        // Magnitudes that are all the same leave nothing to scale.
        site.x.iter_mut().for_each(|x| *x = x.signum() * 0.5);
        for symmetric in [false, true] {
            let chosen = site.chosen(Kernels::best(), &format!("awq:w4g32:sym={symmetric}:clip=false"));
            for (chosen, nearest) in
                chosen.iter().zip(site.chosen(Kernels::best(), &format!("rtn:w4g32:sym={symmetric}")))
            {
                let (found, nearest) = (packed(chosen), packed(&nearest));
                assert_eq!((found.codes(), found.scales()), (nearest.codes(), nearest.scales()));
                assert_eq!(found.zeros(), nearest.zeros());
            }
        }
    }
}

#[test]
fn bits_depend_neither_on_threads_nor_on_the_instruction_set() {
    let site = Site::random(9);
    let bits = |kernels: &Kernels| -> Vec<u32> {
        let chosen = site.chosen(kernels, "awq:w3g32");
        let values = chosen.iter().flat_map(|chosen| dequantized(packed(chosen)));
        let losses = chosen.iter().flat_map(|chosen| {
            let bits = chosen.loss.unwrap().to_bits();
            [bits as u32, (bits >> 32) as u32]
        });
        values.map(|value| (value as f32).to_bits()).chain(losses).collect()
    };
    let expected = bits(Kernels::best());
    for isa in Isa::present() {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| bits(Kernels::of(isa).unwrap())), expected, "{isa:?}, {threads} threads");
        }
    }
}

#[test]
fn layers_that_are_kept_read_their_input_as_it_is() {
    let site = Site::random(4);
    let chosen = site.chosen(Kernels::best(), "awq:w4g32:blocks.0.value=none");
    assert!(chosen[0].weights.input_map().is_some() && chosen[0].loss.is_some());
    assert!(matches!(chosen[1].weights, Weights::Dense(_)) && chosen[1].weights.input_map().is_none());
}
