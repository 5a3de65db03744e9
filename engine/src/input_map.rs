//! Input maps: where a matrix holds its columns in another order than its input's features, or wants them scaled.

use crate::error::Error;

/// Column k of the weights multiplies x'[k] = x[features[k]] * scales[k]; either part may be absent.
///
/// Layers that share an input share the map, as one `Arc`: then what they read is made once for all of them.
#[derive(Debug, PartialEq)]
pub struct InputMap {
    columns: usize,
    features: Option<Vec<u32>>,
    scales: Option<Vec<f32>>,
}

impl InputMap {
    /// The map of `columns` columns, with the feature and the scale of each.
    ///
    /// # Errors
    /// If a part has another length, the features are not each of 0..columns once, or a scale is not finite.
    pub fn new(columns: usize, features: Option<Vec<u32>>, scales: Option<Vec<f32>>) -> Result<Self, Error> {
        let invalid = |expected: String, found: String| Err(Error::InputMap { columns, expected, found });
        if let Some(features) = &features {
            if features.len() != columns {
                return invalid(format!("{columns} features"), format!("{}", features.len()));
            }
            let mut seen = vec![false; columns];
            for &feature in features {
                match seen.get_mut(feature as usize) {
                    Some(seen) if !*seen => *seen = true,
                    Some(_) => return invalid("every feature once".into(), format!("feature {feature} twice")),
                    None => return invalid(format!("features below {columns}"), format!("feature {feature}")),
                }
            }
        }
        if let Some(scales) = &scales {
            if scales.len() != columns {
                return invalid(format!("{columns} scales"), format!("{}", scales.len()));
            }
            if let Some(column) = scales.iter().position(|scale| !scale.is_finite()) {
                return invalid("finite scales".into(), format!("{} in column {column}", scales[column]));
            }
        }
        Ok(Self { columns, features, scales })
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The feature of every column, where their order differs.
    pub fn features(&self) -> Option<&[u32]> {
        self.features.as_deref()
    }

    /// The factor on every column's feature.
    pub fn scales(&self) -> Option<&[f32]> {
        self.scales.as_deref()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        4 * (self.features.as_ref().map_or(0, Vec::len) + self.scales.as_ref().map_or(0, Vec::len))
    }

    /// x' of x, [columns] each. A scale is one product, rounded once; an order changes no bit.
    pub(crate) fn apply(&self, x: &[f32], mapped: &mut [f32]) {
        match &self.features {
            Some(features) => {
                for (mapped, &feature) in mapped.iter_mut().zip(features) {
                    *mapped = x[feature as usize];
                }
            }
            None => mapped.copy_from_slice(x),
        }
        for (mapped, &scale) in mapped.iter_mut().zip(self.scales.iter().flatten()) {
            *mapped *= scale;
        }
    }

    /// The weights of features from those of columns: sum of w[k] x'[k] = sum of the result times x.
    pub(crate) fn undo(&self, columns: &[f32], weights: &mut [f32]) {
        for (k, &value) in columns.iter().enumerate() {
            let feature = self.features.as_ref().map_or(k, |features| features[k] as usize);
            weights[feature] = value * self.scales.as_ref().map_or(1.0, |scales| scales[k]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_then_scales() {
        let map = InputMap::new(3, Some(vec![2, 0, 1]), Some(vec![10.0, 0.5, -1.0])).unwrap();
        let mut mapped = [0.0; 3];
        map.apply(&[1.0, 2.0, 3.0], &mut mapped);
        assert_eq!(mapped, [30.0, 0.5, -2.0]);
        let mut weights = [0.0; 3];
        map.undo(&[1.0, 4.0, 7.0], &mut weights);
        assert_eq!(weights, [2.0, -7.0, 10.0]);
    }

    #[test]
    fn refuses_what_is_no_map() {
        for (features, scales, named) in [
            (Some(vec![0, 1]), None, "expected 3 features, found 2"),
            (Some(vec![0, 1, 3]), None, "expected features below 3, found feature 3"),
            (Some(vec![0, 1, 1]), None, "expected every feature once, found feature 1 twice"),
            (None, Some(vec![1.0; 4]), "expected 3 scales, found 4"),
            (None, Some(vec![1.0, f32::NAN, 1.0]), "expected finite scales, found NaN in column 1"),
        ] {
            let error = InputMap::new(3, features, scales).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
