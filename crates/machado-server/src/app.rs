//! What all requests share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::ServerConfig;
use crate::engine::{Engine, Job, Refused};
use crate::error::{ApiError, ApiResult};
use crate::features::Features;
use crate::metrics::Metrics;
use crate::run::WatchedRun;
use crate::served::ServedModel;

/// What all requests share.
#[derive(Debug)]
pub struct App {
    /// The models, at least one. That of a run that is watched is replaced when there is a better one.
    models: Vec<RwLock<Arc<ServedModel>>>,
    /// The features of those models of which they have been asked for.
    features: Mutex<Vec<Arc<Features>>>,
    /// The run that can be watched; its model is the first one.
    pub run: Option<Arc<WatchedRun>>,
    /// What computes.
    pub engine: Engine,
    /// How it is served.
    pub config: ServerConfig,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether the server is told to stop.
    pub stopping: watch::Sender<bool>,
    /// A number that another server hardly has, for the names of answers.
    nonce: u64,
    count: AtomicU64,
}

impl App {
    /// Serves these models.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(
        models: Vec<ServedModel>,
        run: Option<WatchedRun>,
        engine: Engine,
        config: ServerConfig,
    ) -> Self {
        assert!(!models.is_empty(), "a model to serve");
        let metrics = Metrics::new(&engine);
        let (stopping, _) = watch::channel(false);
        let models = models.into_iter().map(|model| RwLock::new(Arc::new(model))).collect();
        let (run, nonce, count) = (run.map(Arc::new), random(), AtomicU64::new(0));
        let features = Mutex::default();
        Self { models, features, run, engine, config, metrics, stopping, nonce, count }
    }

    /// The models as they are now.
    pub fn models(&self) -> impl Iterator<Item = Arc<ServedModel>> {
        self.models.iter().map(|model| model.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Takes over the model of the run that is watched, if there is another one since the last time.
    /// Who has begun with the one before goes on with it.
    pub fn renew(&self) {
        let newer = self.run.as_ref().and_then(|run| (run.newer)());
        let known = self.models().next().map(|model| model.fingerprint.clone());
        // The same weights written again are no other model, whose features would be looked for anew.
        if let Some(model) = newer.filter(|model| Some(&model.fingerprint) != known.as_ref()) {
            tracing::debug!(model = model.id, weights = model.fingerprint, "a newer model");
            *self.models[0].write().unwrap_or_else(PoisonError::into_inner) = Arc::new(model);
        }
    }

    /// The model that a request names. Where only one is served, any name will do: many clients have
    /// one of OpenAI's built in.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn model(&self, name: Option<&str>) -> ApiResult<Arc<ServedModel>> {
        let mut models: Vec<Arc<ServedModel>> = self.models().collect();
        let Some(name) = name else { return Ok(models.swap_remove(0)) };
        if let Some(model) = models.iter().find(|model| model.id == name) {
            return Ok(model.clone());
        }
        if models.len() == 1 && !self.config.strict_model {
            return Ok(models.swap_remove(0));
        }
        let known: Vec<&str> = models.iter().map(|model| &model.id[..]).collect();
        let message = format!("there is no model \"{name}\" here; there is: {}", known.join(", "));
        Err(ApiError::not_found("model_not_found", message).with_param("model"))
    }

    /// The features of a model, if it has some.
    pub fn features(&self, model: &Arc<ServedModel>) -> Option<Arc<Features>> {
        let mut known = self.features.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(features) = known.iter().find(|features| features.are_of(model)) {
            return Some(features.clone());
        }
        // Nobody will ask again for those of a model that was replaced.
        known.retain(|features| self.models().any(|model| features.are_of(&model)));
        let features = Features::of(model, self.config.engine.threads)?;
        known.push(features.clone());
        Some(features)
    }

    /// Gives jobs to the engine.
    ///
    /// # Errors
    /// If it has too many already, or stops.
    pub fn submit(&self, jobs: Vec<Job>) -> ApiResult<()> {
        self.engine.submit(jobs).map_err(|refused| match refused {
            Refused::Full => ApiError::unavailable(
                "queue_full",
                1,
                "too many requests wait already; try again in a second",
            ),
            Refused::Stopping => ApiError::shutting_down(),
        })
    }

    /// Waits for something, but not longer than a request may take.
    ///
    /// # Errors
    /// If it takes longer.
    pub async fn in_time<T>(&self, work: impl Future<Output = T>) -> ApiResult<T> {
        let limit = self.config.limits.request;
        timeout(limit, work).await.map_err(|_| self.took_too_long())
    }

    /// What is said when a request takes too long.
    pub fn took_too_long(&self) -> ApiError {
        let seconds = self.config.limits.request.as_secs();
        let message =
            format!("the request took longer than {seconds} seconds; ask for less at a time");
        ApiError::unavailable("timeout", 1, message)
    }

    /// What is said where the engine let go of a request before its end.
    pub fn given_up(&self) -> ApiError {
        if *self.stopping.borrow() {
            return ApiError::shutting_down();
        }
        ApiError::unavailable(
            "given_up",
            1,
            "the request was given up: nobody took what was written for a minute, or the server made a \
             mistake, of which its log says more",
        )
    }

    /// A name that no other answer has.
    pub fn name(&self, kind: &str) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{kind}-{:016x}{count:08x}", self.nonce)
    }
}

/// A random number.
pub fn random() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(0)
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
