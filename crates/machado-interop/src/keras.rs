//! Keras 3's `.keras` file, in and out.
//!
//! It is a zip archive of `config.json` (the layers, and how the model learns), `model.weights.h5`
//! (HDF5) and `metadata.json`. What Keras has no place for, such as a vocabulary of words or how far
//! a run is, lies in `metadata.json` under `machado`, which Keras ignores; so a model that goes out
//! and comes back is the same, byte for byte. `docs/formats.md` describes all of it.
//!
//! Read are `Sequential` models, and functional ones that are a chain with sums around layers. A
//! layer that machado does not have is an error that names it; settings that change nothing of what a
//! model says, such as a regularizer, are left out with a note.
//!
//! No bytes make the reader panic, or take more memory than a small multiple of their size: shapes
//! are checked against the layers and the size of the file before anything is read.

mod archive;
mod config;
mod convert;
mod hdf5;
mod layer;
mod metadata;
mod optimizer;
mod places;
mod vocabulary;
mod write;

use machado_core::checkpoint::{Checkpoint, ModelFile};
use machado_core::model::Model;
use machado_core::text::Standardize;
use machado_core::tokenizer::Tokenizer;

use self::archive::Archive;
use self::convert::Converted;
use self::hdf5::Weights;
use self::metadata::Metadata;
pub use self::write::write;
use crate::{Error, Result};

/// The layers, and how the model learns.
const CONFIG: &str = "config.json";
/// Versions, and what machado keeps.
const METADATA: &str = "metadata.json";
/// The weights.
const WEIGHTS: &str = "model.weights.h5";

/// What a file of Keras says.
#[derive(Clone, Debug)]
pub struct KerasFile {
    /// The model, and the optimizer if the file has one that machado has too.
    pub checkpoint: Checkpoint,
    /// What of the file was left out, in sentences for people.
    pub notes: Vec<String>,
}

/// What the ids of a model stand for.
#[derive(Clone, Debug)]
struct Vocabulary {
    tokenizer: Tokenizer,
    standardize: Standardize,
}

/// Reads the bytes of a `.keras` file.
///
/// Most files have no vocabulary in them: then `vocabulary` says what the ids stand for. It is the
/// bytes of any of these: a text whose characters they are (in the order in which Keras'
/// `TextVectorization` numbers them), a `vocabulary.txt` of Keras, a JSON list of characters, or a
/// model of machado or Keras with a vocabulary.
///
/// # Errors
/// If the bytes are no such file, if the model has a layer that machado does not have, if its
/// weights do not fit its layers, or if there is no vocabulary of its size.
pub fn read(bytes: &[u8], vocabulary: Option<&[u8]>) -> Result<KerasFile> {
    let mut archive = Archive::open(bytes)?;
    let config = config::read(&archive.required(CONFIG)?)?;
    let metadata = match archive.member(METADATA)? {
        Some(json) => Metadata::read(&json)?,
        None => None,
    };
    let converted = convert::convert(&config.layers)?;
    let known = match (vocabulary, &metadata, &converted.vectorization) {
        (Some(given), ..) => vocabulary::given(given, converted.vocabulary_size)?,
        (None, Some(own), _) => own.vocabulary(converted.vocabulary_size)?,
        (None, None, Some(layer)) => {
            let known = vocabulary::of_layer(layer, &mut archive)?;
            vocabulary::fitting(&known, converted.vocabulary_size, "its TextVectorization")?
        }
        (None, None, None) => return Err(vocabulary::missing(converted.vocabulary_size)),
    };
    converted.check_masking(&known)?;

    let mut weights = Weights::open(archive.required(WEIGHTS)?)?;
    let places = converted.places();
    let mut values = Vec::new();
    for place in &places {
        values.extend(weights.weight(place)?);
    }
    let Converted { config: layers, mut notes, .. } = converted;
    let model = Model { config: layers, tokenizer: known.tokenizer, weights: values };
    assert_eq!(model.weights.len(), model.parameters()?.len(), "values of the weights");

    let mut learning = match &config.optimizer {
        Some(settings) => {
            let own = metadata.as_ref().and_then(|own| own.optimizer);
            optimizer::read(settings, &mut weights, &places, own, &mut notes)?
        }
        None => None,
    };
    let (mut training, mut run) = (None, None);
    if let Some(own) = metadata {
        own.check_layers(&model.config)?;
        if let Some(learning) = &mut learning {
            learning.progress = own.progress;
            learning.states = weights.streams()?;
        }
        (training, run) = (own.training, own.config);
    }
    let file = ModelFile { model, training, config: run, standardize: known.standardize };
    Ok(KerasFile { checkpoint: Checkpoint { file, learning }, notes })
}

/// An error about a part of a file.
fn error(place: &str, problem: impl Into<String>, hint: &str) -> Error {
    Error::Keras { place: place.to_owned(), problem: problem.into(), hint: hint.to_owned() }
}
