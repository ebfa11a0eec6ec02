//! The features of a model: what each of them fires at in the text of the model, and which are alike.
//!
//! The text is read once, when somebody asks for the first time, and on threads of its own; until then
//! requests are told to come again. What is kept is small: of each feature what was counted and the places
//! of some contexts, and the text as ids. Contexts are read anew when a feature is looked at.

mod answer;
mod background;
mod detail;
mod map;
mod search;
mod surveyed;

use std::sync::Arc;

use machado_core::interpret::Reading;
use machado_core::math::threads::Compute;
use tokio::sync::Semaphore;

pub use self::answer::{FeatureDetail, FeatureEntry, FeatureMap, FeatureOrder, TokenFires};
use self::background::Background;
pub use self::search::words_of;
pub use self::surveyed::Surveyed;
use crate::error::{ApiError, ApiResult};
use crate::served::{Autoencoder, ServedModel};

/// The features of a model, which are looked at when somebody asks for them.
#[derive(Debug)]
pub struct Features {
    model: Arc<ServedModel>,
    threads: usize,
    surveyed: Background<Surveyed>,
    map: Background<FeatureMap>,
    /// Requests that compute at the same time.
    room: Arc<Semaphore>,
}

/// What is told while the text is read, and while the map is made.
const READING: &str = "the text of the model is being read; try again in a second";
const ARRANGING: &str = "the map of the features is being made; try again in a second";

impl Features {
    /// Those of a model, if it has an autoencoder; they are looked at with so many threads.
    pub fn of(model: &Arc<ServedModel>, threads: usize) -> Option<Arc<Self>> {
        model.autoencoder.as_ref()?;
        let (surveyed, map) = (Background::default(), Background::default());
        let (model, room) = (model.clone(), Arc::new(Semaphore::new(threads.max(1))));
        Some(Arc::new(Self { model, threads, surveyed, map, room }))
    }

    /// Whether they are those of this model.
    pub fn are_of(&self, model: &Arc<ServedModel>) -> bool {
        Arc::ptr_eq(&self.model, model)
    }

    /// The autoencoder.
    pub fn autoencoder(&self) -> &Autoencoder {
        self.model.autoencoder.as_ref().expect("without one there are no features")
    }

    /// What they fire at in the text of the model.
    ///
    /// # Errors
    /// Until the text has been read, and if it cannot be.
    pub async fn surveyed(self: &Arc<Self>) -> ApiResult<Arc<Surveyed>> {
        let features = self.clone();
        self.surveyed.get(READING, move || Surveyed::read(&features.model, features.threads)).await
    }

    /// The map.
    ///
    /// # Errors
    /// Until it is made, and if the text cannot be read.
    pub async fn map(self: &Arc<Self>) -> ApiResult<Arc<FeatureMap>> {
        let (features, surveyed) = (self.clone(), self.surveyed().await?);
        self.map.get(ARRANGING, move || Ok(features.arranged(&surveyed))).await
    }

    /// All that is known of one feature.
    ///
    /// # Errors
    /// Until the text has been read, and if it cannot be, or if there is no such feature.
    pub async fn detail(self: &Arc<Self>, feature: usize) -> ApiResult<FeatureDetail> {
        let d_sae = self.autoencoder().sae.d_sae();
        if feature >= d_sae {
            let message =
                format!("there is no feature {feature}: they are numbered from 0 to {}", d_sae - 1);
            return Err(ApiError::not_found("feature_not_found", message).with_param("id"));
        }
        let surveyed = self.surveyed().await?;
        self.compute(move |features| features.detail_of(&surveyed, feature)).await
    }

    /// The `top` features after each token of a text.
    ///
    /// # Errors
    /// Until the text of the model has been read, and if it cannot be.
    pub async fn fire(self: &Arc<Self>, ids: Vec<u32>, top: usize) -> ApiResult<Vec<TokenFires>> {
        let surveyed = self.surveyed().await?;
        self.compute(move |features| features.fires(&surveyed, &ids, top)).await
    }

    /// Does some work where it holds up no other request, and few of it at a time.
    async fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> machado_core::error::Result<T> + Send + 'static,
    ) -> ApiResult<T> {
        let room = self.room.clone().acquire_owned().await.expect("it is never closed");
        let features = self.clone();
        let computed = move || {
            // Work whose client has gone goes on, and takes its room until it is done.
            let _room = room;
            work(&features)
        };
        let done = tokio::task::spawn_blocking(computed).await;
        match done {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(ApiError::internal(error.to_string())),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(ApiError::shutting_down()),
        }
    }

    /// A reading of some ids by one thread.
    fn reading<'a>(
        &'a self,
        ids: &'a machado_core::ids::TokenIds,
        compute: &'a Compute,
    ) -> Reading<'a> {
        Reading { model: &self.model.model, compute, site: &self.autoencoder().site, ids }
    }

    /// One thread of the vector unit that the model is served with.
    fn one_thread(&self) -> machado_core::error::Result<Compute> {
        Compute::new(1, self.model.unit)
    }

    /// The strongest activation of a feature: the unit of steering and of shares. Where the autoencoder
    /// brings none along, that in the text.
    pub fn strongest(&self, surveyed: &Surveyed, feature: usize) -> f32 {
        let known = self.autoencoder().facts.max_activations.get(feature).copied();
        known.filter(|&known| known > 0.0).unwrap_or(surveyed.features[feature].max)
    }
}
