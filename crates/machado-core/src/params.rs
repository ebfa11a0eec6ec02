//! The weights of a model: one flat buffer and one table of what lies where.
//!
//! Gradients and the optimizer's moments are buffers of the same table, so a weight is declared
//! once, by its layer.

use std::ops::Range;

use crate::rng::{Purpose, Rng};

/// How the first values of a weight are drawn; Keras' names and limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initializer {
    /// All 0.
    Zeros,
    /// Uniform in ±`limit`; Keras' embeddings use 0.05.
    Uniform {
        /// The limit.
        limit: f64,
    },
    /// Uniform in ±√(6 / (fan in + fan out)); the last two axes are in and out, those before
    /// multiply both (a convolution's width).
    GlorotUniform,
    /// A random matrix whose rows (or columns, if there are more rows) are orthonormal.
    Orthogonal,
}

/// One weight: its name, shape and first values.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// `layer/weight`, in Keras' words: `gru/recurrent_kernel`.
    pub name: String,
    /// Its axes.
    pub shape: Vec<usize>,
    /// How it starts.
    pub initializer: Initializer,
}

impl ParameterSpec {
    /// The number of its values.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A table of weights and where each lies in the flat buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterTable {
    specs: Vec<ParameterSpec>,
    /// Where each begins, and after the last the total.
    offsets: Vec<usize>,
}

impl ParameterTable {
    /// The table of these weights, one behind the other.
    pub fn new(specs: Vec<ParameterSpec>) -> Self {
        let mut offsets = vec![0];
        for spec in &specs {
            offsets.push(offsets[offsets.len() - 1] + spec.size());
        }
        Self { specs, offsets }
    }

    /// The weights in their order.
    pub fn specs(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// Where weight number `index` lies.
    pub fn range(&self, index: usize) -> Range<usize> {
        self.offsets[index]..self.offsets[index + 1]
    }

    /// The number of all values.
    pub fn len(&self) -> usize {
        self.offsets[self.specs.len()]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// First values for a run with this seed. Each weight has its own random sequence.
    pub fn initial_values(&self, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; self.len()];
        for (index, spec) in self.specs.iter().enumerate() {
            let rng = Rng::new(seed, Purpose::Weights, index as u64);
            initialize(spec, rng, &mut values[self.range(index)]);
        }
        values
    }
}

fn initialize(spec: &ParameterSpec, mut rng: Rng, values: &mut [f32]) {
    let mut uniform = |values: &mut [f32], limit: f64| {
        for value in values {
            *value = ((2.0 * rng.uniform() - 1.0) * limit) as f32;
        }
    };
    match spec.initializer {
        Initializer::Zeros => values.fill(0.0),
        Initializer::Uniform { limit } => uniform(values, limit),
        Initializer::GlorotUniform => uniform(values, glorot_limit(&spec.shape)),
        Initializer::Orthogonal => orthogonal(&spec.shape, rng, values),
    }
}

/// √(6 / (fan in + fan out)) as Keras computes the fans.
fn glorot_limit(shape: &[usize]) -> f64 {
    let (receptive, ends) = shape.split_at(shape.len() - 2);
    let receptive: usize = receptive.iter().product();
    (6.0 / (receptive * (ends[0] + ends[1])) as f64).sqrt()
}

/// Rows of normal numbers made orthonormal one after the other (Gram and Schmidt's method, twice
/// for precision). That is the Q of a QR decomposition with a positive diagonal, Keras' convention.
fn orthogonal(shape: &[usize], mut rng: Rng, values: &mut [f32]) {
    let [rows, columns] = *shape else { panic!("an orthogonal weight has 2 axes, not {shape:?}") };
    let (short, long) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(short);
    while basis.len() < short {
        let mut vector: Vec<f64> = (0..long).map(|_| rng.normal()).collect();
        for _ in 0..2 {
            for other in &basis {
                let share = dot(&vector, other);
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= share * b);
            }
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|a| *a /= norm);
        basis.push(vector);
    }
    for (i, vector) in basis.iter().enumerate() {
        for (j, &value) in vector.iter().enumerate() {
            let place = if rows <= columns { i * columns + j } else { j * columns + i };
            values[place] = value as f32;
        }
    }
}

/// The sum of products, in eight sums side by side: a single one would wait for itself at each step.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(shape: &[usize], initializer: Initializer) -> Vec<f32> {
        let spec = ParameterSpec { name: "w".into(), shape: shape.to_vec(), initializer };
        ParameterTable::new(vec![spec]).initial_values(7)
    }

    #[test]
    fn uniform_values_fill_their_limits() {
        for (shape, initializer, limit) in [
            (vec![86, 16], Initializer::Uniform { limit: 0.05 }, 0.05),
            (vec![64, 192], Initializer::GlorotUniform, (6.0f32 / 256.0).sqrt()),
            (vec![3, 16, 32], Initializer::GlorotUniform, (6.0f32 / 144.0).sqrt()),
        ] {
            let values = drawn(&shape, initializer);
            let largest = values.iter().fold(0f32, |max, v| max.max(v.abs()));
            assert!(largest <= limit && largest > 0.98 * limit, "{shape:?}: {largest} of {limit}");
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            assert!(mean.abs() < 0.1 * limit, "{shape:?}: mean {mean}");
        }
    }

    #[test]
    fn orthogonal_rows_are_orthonormal() {
        for [rows, columns] in [[6, 18], [18, 6], [5, 5]] {
            let w = drawn(&[rows, columns], Initializer::Orthogonal);
            let at = |i: usize, j: usize| {
                if rows <= columns { w[i * columns + j] } else { w[j * columns + i] }
            };
            for a in 0..rows.min(columns) {
                for b in 0..rows.min(columns) {
                    let dot: f32 = (0..rows.max(columns)).map(|j| at(a, j) * at(b, j)).sum();
                    let expected = if a == b { 1.0 } else { 0.0 };
                    assert!((dot - expected).abs() < 1e-5, "{rows}×{columns}: {a}·{b} = {dot}");
                }
            }
        }
    }
}
