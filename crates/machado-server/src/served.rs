//! The models that are served.

use std::fmt;

use machado_core::error;
use machado_core::ids::TokenIds;
use machado_core::interpret::Sae;
use machado_core::math::simd::VectorUnit;
use machado_core::model::{Model, Site, Streams};
use machado_core::text::Standardize;
use machado_interop::saelens::SaeFacts;
use serde_json::Value;

/// A model behind a name.
#[derive(Debug)]
pub struct ServedModel {
    /// Its name in the API.
    pub id: String,
    /// The model.
    pub model: Model,
    /// What is done to a prompt.
    pub standardize: Standardize,
    /// What computes.
    pub unit: VectorUnit,
    /// What people are told of it.
    pub about: About,
    /// Its features, if it has an autoencoder.
    pub autoencoder: Option<Autoencoder>,
    /// The text that features are looked for in.
    pub text: Option<TextSource>,
    /// Changes when the program or the weights do.
    pub fingerprint: String,
    /// Its weights ready for computing, which all that read with it share.
    streams: Streams,
}

/// Reads a text in the tokens of a model, or says why it cannot.
pub struct TextSource(pub Box<dyn Fn() -> Result<TokenIds, String> + Send + Sync>);

impl fmt::Debug for TextSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextSource")
    }
}

/// What people are told of a model.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Where it lies.
    pub name: String,
    /// Whether it is the one inside the program.
    pub is_built_in: bool,
    /// How it was trained, if that is known.
    pub training: Value,
    /// A prompt that fits it.
    pub sample_prompt: String,
}

/// The features of a model.
#[derive(Debug)]
pub struct Autoencoder {
    /// The autoencoder.
    pub sae: Sae,
    /// What is known of it.
    pub facts: SaeFacts,
    /// The layer that it is of.
    pub site: Site,
}

impl ServedModel {
    /// Gets a model ready.
    ///
    /// # Errors
    /// If its layers do not fit together.
    pub fn new(
        id: String,
        model: Model,
        standardize: Standardize,
        unit: VectorUnit,
    ) -> error::Result<Self> {
        let streams = Streams::new(&model, unit)?;
        let fingerprint =
            format!("machado-{}-{:016x}", env!("CARGO_PKG_VERSION"), model.fingerprint());
        Ok(Self {
            id,
            model,
            standardize,
            unit,
            about: About::default(),
            autoencoder: None,
            text: None,
            fingerprint,
            streams,
        })
    }

    /// One text, nothing of it read yet.
    pub fn streams(&self) -> Streams {
        self.streams.another()
    }
}
