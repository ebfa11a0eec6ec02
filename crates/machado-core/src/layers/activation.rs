//! The functions at the end of a convolution or dense layer.

use serde::{Deserialize, Serialize};

use crate::math::elementwise;
use crate::math::simd::VectorUnit;

/// What is applied to each output of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Nothing.
    #[default]
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// Probabilities; for the last layer only. The layer leaves logits: the loss and the sampler
    /// turn them into probabilities, where that can be done without losing precision.
    Softmax,
}

impl Activation {
    /// Applies it to each value.
    pub fn apply(self, unit: VectorUnit, values: &mut [f32]) {
        match self {
            Self::Linear | Self::Softmax => {}
            Self::Relu => elementwise::relu(values),
            Self::Tanh => elementwise::tanh(unit, values),
        }
    }

    /// Multiplies `d: [N]`, the gradient of the outputs, by its derivative, read off the outputs.
    pub fn backward(self, outputs: &[f32], d: &mut [f32]) {
        match self {
            Self::Linear | Self::Softmax => {}
            Self::Relu => {
                for (d, &y) in d.iter_mut().zip(outputs) {
                    *d = if y > 0.0 { *d } else { 0.0 };
                }
            }
            Self::Tanh => {
                for (d, &y) in d.iter_mut().zip(outputs) {
                    *d *= 1.0 - y * y;
                }
            }
        }
    }

    /// Its name in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::Tanh => "tanh",
            Self::Softmax => "softmax",
        }
    }
}
