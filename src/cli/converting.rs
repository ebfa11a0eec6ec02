//! `machado convert`.

use std::path::PathBuf;

use clap::Args;

/// `machado convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// A model file, of machado (.safetensors) or Keras (.keras), or the folder of a run
    #[arg(value_name = "IN")]
    pub from: PathBuf,

    /// The file to write; its ending says in which format: .safetensors or .keras (all of the model),
    /// .onnx (what it says, for other programs) or .json (its tokenizer, for Hugging Face's tokenizers)
    #[arg(value_name = "OUT")]
    pub to: PathBuf,

    /// What the tokens stand for, if IN does not say it.
    #[command(flatten)]
    pub vocabulary: VocabularyArgs,

    /// Replace OUT if it exists
    #[arg(long)]
    pub overwrite: bool,

    /// Print JSON: from, to, bytes, parameters, vocabulary_size, optimizer_steps (null without an
    /// optimizer), notes (what was left out)
    #[arg(long)]
    pub json: bool,
}

/// What the tokens of a model stand for.
#[derive(Clone, Debug, Default, Args)]
pub struct VocabularyArgs {
    /// What the tokens of a .keras file stand for, where it does not say so itself: the text that the
    /// model was trained on, a vocabulary.txt of Keras, a JSON list of characters, or another model
    #[arg(long, value_name = "FILE")]
    pub vocabulary: Option<PathBuf>,
}
