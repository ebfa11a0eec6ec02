//! The files of other tools: bytes in, bytes out. Nothing here opens a file.
//!
//! - [`keras`]: models, as Keras 3 keeps them.
//! - [`saelens`]: sparse autoencoders, as SAELens keeps them.
//! - [`onnx()`]: a model as a graph for ONNX runtimes.
//! - [`tokenizer_json()`]: a tokenizer for Hugging Face's `tokenizers`.
//! - [`tensorboard`]: the figures of a training for TensorBoard.

pub mod keras;
mod onnx;
pub mod saelens;
pub mod tensorboard;
mod tokenizer_json;

pub use onnx::onnx;
pub use tokenizer_json::tokenizer_json;

/// What can be wrong with a file of another tool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is damaged, or of a kind that is not known.
    #[error("{file}: {problem}")]
    Format {
        /// Its name.
        file: &'static str,
        /// What was expected and what came.
        problem: String,
    },

    /// A file of Keras from which no model can be made.
    #[error("{place}: {problem}\nhint: {hint}")]
    Keras {
        /// The part of the file, or the layer.
        place: String,
        /// What was expected and what came.
        problem: String,
        /// What to do.
        hint: String,
    },

    /// JSON that is none, or lacks something.
    #[error("{file}")]
    Json {
        /// Its name.
        file: &'static str,
        /// What is wrong and where.
        source: serde_json::Error,
    },

    /// What was read makes no sense to machado.
    #[error(transparent)]
    Core(#[from] machado_core::error::Error),
}

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;
