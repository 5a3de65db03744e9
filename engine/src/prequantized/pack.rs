//! From codes as a format stores them to a packed matrix.

use super::MatrixPart;
use super::module::Module;
use crate::error::Error;
use crate::format::{GridRow, PackedMatrix, PackedShape, ZeroPoints};
use crate::input_map::InputMap;
use crate::linear::{Activations, Weights};
use kernels::{CodeBits, Kernels};
use std::sync::Arc;

/// A quantized matrix, each number where it can be asked for. Rows are those of the whole tensor.
pub(super) struct Codes<'a> {
    pub(super) bits: CodeBits,
    /// Columns of one scale, or `None` for one scale a row.
    pub(super) group: Option<usize>,
    /// Group of every feature, where groups are not neighbours.
    pub(super) groups_of_features: Option<Vec<u32>>,
    pub(super) zero_points: ZeroPoints,
    pub(super) activations: Activations,
    pub(super) codes: RowCodes<'a>,
    pub(super) grid: GroupGrid<'a>,
}

/// Writes the codes of a row, features in their order.
pub(super) type RowCodes<'a> = Box<dyn Fn(usize, &mut [u8]) + Sync + 'a>;
/// Scale and zero point of a row and group.
pub(super) type GroupGrid<'a> = Box<dyn Fn(usize, usize) -> (f32, u8) + Sync + 'a>;

/// Groups that can be multiplied, the largest first.
const GROUPS: [usize; 4] = [128, 64, 32, 16];

/// Packs the rows of `part`. A group of another size that can be cut into ones of 16, 32, 64 or 128 is: each part has
/// the scale of the whole. Features whose groups are not neighbours are put in an order in which they are.
pub(super) fn pack(
    module: &Module<'_>,
    codes: Codes<'_>,
    part: &MatrixPart,
    maps: &mut Vec<Arc<InputMap>>,
) -> Result<Weights, Error> {
    let [_, columns] = module.shape;
    let stored = codes.group.unwrap_or(columns);
    let group = match codes.group {
        None => None,
        Some(group) if GROUPS.contains(&group) => Some(group),
        Some(group) if group >= columns => None,
        Some(group) => match GROUPS.into_iter().find(|part| group.is_multiple_of(*part)) {
            Some(part) => Some(part),
            None => {
                return Err(module.wrong("weight", "groups of a multiple of 16 columns", format!("groups of {group}")));
            }
        },
    };
    let order: Option<Vec<u32>> = codes.groups_of_features.as_ref().map(|of_features| {
        let mut order: Vec<u32> = (0..columns as u32).collect();
        order.sort_by_key(|&feature| of_features[feature as usize]);
        order
    });
    let shape = PackedShape { rows: part.rows, columns, bits: codes.bits, group, zero_points: codes.zero_points };
    let matrix = PackedMatrix::build(Kernels::best(), shape, |row: GridRow<'_>| {
        let of_whole = part.row_of_whole(row.row);
        match &order {
            None => (codes.codes)(of_whole, row.codes),
            Some(order) => {
                let mut natural = vec![0; columns];
                (codes.codes)(of_whole, &mut natural);
                for (code, &feature) in row.codes.iter_mut().zip(order) {
                    *code = natural[feature as usize];
                }
            }
        }
        for (index, (scale, zero)) in row.scales.iter_mut().zip(row.zeros).enumerate() {
            (*scale, *zero) = (codes.grid)(of_whole, group.map_or(0, |group| index * group / stored));
        }
    });
    let matrix = match order {
        None => matrix,
        Some(order) => {
            let map = InputMap::new(columns, Some(order), None)?;
            let known = maps.iter().position(|known| **known == map);
            let map = known.map_or_else(|| Arc::new(map), |index| maps.remove(index));
            maps.insert(0, Arc::clone(&map));
            matrix.with_input_map(map)
        }
    };
    Ok(Weights::Packed { matrix, activations: codes.activations })
}
