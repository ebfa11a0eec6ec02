//! A training step of the tutorial's model in candle: forward, backward and optimizer.
//!
//! candle-nn's GRU applies the reset gate after the product, as Keras does by default, so it is
//! taken as it is. There is no Nadam: `AdamW` without decay, which is Adam, is the nearest.

use std::error::Error;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{
    AdamW, Conv1d, Conv1dConfig, Embedding, GRU, GRUConfig, Linear, Module, Optimizer, ParamsAdamW,
    RNN, VarBuilder, VarMap, conv1d, embedding, gru, linear, loss,
};
use peer_common::{
    Arguments, BATCH, EMBEDDING_DIM, FILTERS, KERNEL_SIZE, UNITS, WINDOW, locked_version, measure,
};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let Arguments { text, measured } = Arguments::read()?;
    let variables = VarMap::new();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let model = Model::new(text.vocabulary_size, &builder)?;
    let settings = ParamsAdamW { eps: 1e-7, weight_decay: 0.0, ..Default::default() };
    let version = format!("candle {}", locked_version("candle-core"));
    let mut optimizer = AdamW::new(variables.all_vars(), settings)?;
    measure(&version, measured, text.batches(), |(inputs, targets)| {
        let inputs = Tensor::from_vec(inputs, (BATCH, WINDOW), &Device::Cpu)?;
        let targets = Tensor::from_vec(targets, BATCH * WINDOW, &Device::Cpu)?;
        let loss = loss::cross_entropy(&model.forward(&inputs)?, &targets)?;
        optimizer.backward_step(&loss)?;
        loss.to_scalar()
    })?;
    Ok(())
}

struct Model {
    embedding: Embedding,
    conv: Conv1d,
    gru: GRU,
    dense: Linear,
}

impl Model {
    fn new(vocabulary_size: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            embedding: embedding(vocabulary_size, EMBEDDING_DIM, builder.pp("embedding"))?,
            conv: conv1d(
                EMBEDDING_DIM,
                FILTERS,
                KERNEL_SIZE,
                Conv1dConfig::default(),
                builder.pp("conv"),
            )?,
            gru: gru(FILTERS, UNITS, GRUConfig::default(), builder.pp("gru"))?,
            dense: linear(UNITS, vocabulary_size, builder.pp("dense"))?,
        })
    }

    /// Ids `[B, T]` to logits `[B * T, V]`.
    fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let embedded = self.embedding.forward(ids)?.transpose(1, 2)?;
        let padded = embedded.pad_with_zeros(2, KERNEL_SIZE - 1, 0)?;
        let convolved = self.conv.forward(&padded)?.relu()?.transpose(1, 2)?;
        let states = self.gru.seq(&convolved)?;
        let states = self.gru.states_to_tensor(&states)?;
        self.dense.forward(&states.reshape((BATCH * WINDOW, UNITS))?)
    }
}
