//! A training step of the tutorial's model in burn: forward, backward and optimizer.
//!
//! The backend is Flex, which burn recommends on a CPU: pure Rust, and `NdArray` is deprecated in
//! its favour. The other one, burn-cpu, downloads a build of LLVM while it is compiled, which is
//! more than cargo and a registry. burn has no Nadam: Adam is the nearest.

use std::convert::Infallible;
use std::error::Error;

use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::loss::CrossEntropyLoss;
use burn::nn::{Embedding, EmbeddingConfig, Gru, GruConfig, Linear, LinearConfig, PaddingConfig1d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use peer_common::{
    Arguments, BATCH, Batch, EMBEDDING_DIM, FILTERS, KERNEL_SIZE, UNITS, WINDOW, locked_version,
    measure,
};

const LEARNING_RATE: f64 = 1e-3;

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { text, measured } = Arguments::read()?;
    let device = Device::flex().autodiff();
    let mut model = Model::new(text.vocabulary_size, &device);
    let mut optimizer = AdamConfig::new().with_epsilon(1e-7).init();
    let version = format!("burn {}, Flex", locked_version("burn"));
    let cross_entropy = CrossEntropyLoss::new(None, &device);
    let step = |(inputs, targets): Batch| -> Result<f32, Infallible> {
        let inputs = TensorData::new(inputs, [BATCH, WINDOW]);
        let targets = TensorData::new(targets, [BATCH * WINDOW]);
        let logits = model.forward(Tensor::from_data(inputs, &device));
        let loss = cross_entropy.forward(logits, Tensor::from_data(targets, &device));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(LEARNING_RATE, model.clone(), gradients);
        Ok(loss.into_scalar())
    };
    measure(&version, measured, text.batches(), step)?;
    Ok(())
}

#[derive(Module, Debug)]
struct Model {
    embedding: Embedding,
    conv: Conv1d,
    gru: Gru,
    dense: Linear,
}

impl Model {
    fn new(vocabulary_size: usize, device: &Device) -> Self {
        // Zeros before the text and none after it, so that no filter sees what comes next.
        let causal = PaddingConfig1d::Explicit(KERNEL_SIZE - 1, 0);
        Self {
            embedding: EmbeddingConfig::new(vocabulary_size, EMBEDDING_DIM).init(device),
            conv: Conv1dConfig::new(EMBEDDING_DIM, FILTERS, KERNEL_SIZE)
                .with_padding(causal)
                .init(device),
            gru: GruConfig::new(FILTERS, UNITS, true).init(device),
            dense: LinearConfig::new(UNITS, vocabulary_size).init(device),
        }
    }

    /// Ids `[B, T]` to logits `[B * T, V]`.
    fn forward(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let embedded = self.embedding.forward(ids).swap_dims(1, 2);
        let convolved = relu(self.conv.forward(embedded)).swap_dims(1, 2);
        let states = self.gru.forward(convolved, None);
        self.dense.forward(states.reshape([BATCH * WINDOW, UNITS]))
    }
}
