//! The features of a model: a list to search, one of them, the map, and which fire in a text.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::completions::Skipped;
use super::query::{Name, Query, number};
use super::tokenize::ModelQuery;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::features::{
    FeatureDetail, FeatureEntry, FeatureMap, FeatureOrder, Features, TokenFires, words_of,
};
use crate::json::Json;
use crate::served::ServedModel;
use crate::steer::no_features;

/// Features of a page where the request does not say how many, and at most.
const LIMIT: usize = 50;
const MOST: usize = 1000;

/// Words of a query, at most.
const MOST_WORDS: usize = 100;

/// Features of a token where the request does not say how many, and at most.
const TOP: usize = 5;
const MOST_TOP: usize = 100;

/// Tokens of a text whose features are asked for, at most.
const MOST_TOKENS: usize = 2000;

/// Which features are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeaturesQuery {
    /// The name of a model; any, where only one is served.
    pub model: Option<String>,
    /// Words, with commas or spaces between them: only features that fire at them are listed, those first
    /// that tell best where they are (see `score`). Capitals do not matter.
    pub q: Option<String>,
    /// `density` (the default) lists those first that fire most often, `strongest` those with the
    /// strongest activations, `rule` those that a rule tells best. With words it decides between features
    /// that fit as well.
    pub order: Option<String>,
    /// Features to pass over. Default 0.
    #[param(value_type = Option<usize>)]
    pub offset: Option<String>,
    /// Features to list, at most 1000. Default 50.
    #[param(value_type = Option<usize>)]
    pub limit: Option<String>,
}

/// Some of the features.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeatureList {
    /// `list`.
    object: &'static str,
    model: String,
    /// The layer whose values they are of.
    layer: String,
    /// Values of that layer.
    d_in: usize,
    /// All features there are.
    d_sae: usize,
    /// Those that were asked for, of which this is a page.
    total: usize,
    /// Tokens of the text of the model. Of more than 16,777,216 the rest was not read.
    text_tokens: usize,
    /// Words asked for that the text does not have.
    unknown: Vec<String>,
    data: Vec<FeatureEntry>,
}

/// Which features fire in a text?
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ActivationsRequest {
    /// The name of a model.
    pub model: Option<String>,
    /// The text, of at most 2000 tokens.
    pub text: String,
    /// Features of each token, at most 100. Default 5.
    pub top: Option<usize>,
}

/// The features that fire in a text.
#[derive(Debug, Serialize, ToSchema)]
pub struct Activations {
    model: String,
    /// The layer whose values they are of.
    layer: String,
    tokens: Vec<TokenFires>,
    skipped: Vec<Skipped>,
}

/// The features of a model, or those that fire at some words
#[utoipa::path(
    get, path = "/v1/features", params(FeaturesQuery),
    responses((status = 200, body = FeatureList)),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<FeaturesQuery>,
) -> ApiResult<Answer<FeatureList>> {
    let (model, features) = features_of(&app, query.model.as_deref())?;
    let order = match query.order.as_deref() {
        None | Some("" | "density") => FeatureOrder::Density,
        Some("strongest") => FeatureOrder::Strongest,
        Some("rule") => FeatureOrder::Rule,
        Some(other) => {
            let message =
                format!("order must be \"density\", \"strongest\" or \"rule\", not \"{other}\"");
            return Err(ApiError::of("order", message));
        }
    };
    let offset = query.offset.as_deref().map(|text| number("offset", text, 0..=usize::MAX));
    let limit = query.limit.as_deref().map(|text| number("limit", text, 1..=MOST));
    let (offset, limit) = (offset.unwrap_or(Ok(0))?, limit.unwrap_or(Ok(LIMIT))?);
    let words = words_of(query.q.as_deref().unwrap_or_default(), model.standardize);
    if words.len() > MOST_WORDS {
        let message = format!("q may have {MOST_WORDS} words, but this one has {}", words.len());
        return Err(ApiError::of("q", message));
    }
    let surveyed = features.surveyed().await?;
    let sought = (!words.is_empty()).then(|| surveyed.seek(words));
    let found = surveyed.ordered(order, sought.as_ref());
    let page = found.iter().skip(offset).take(limit);
    let autoencoder = features.autoencoder();
    Ok(Answer(FeatureList {
        object: "list",
        model: model.id.clone(),
        layer: autoencoder.site.name.clone(),
        d_in: autoencoder.sae.d_in(),
        d_sae: autoencoder.sae.d_sae(),
        total: found.len(),
        text_tokens: surveyed.ids.len(),
        data: page.map(|&(feature, score)| features.entry(&surveyed, feature, score)).collect(),
        unknown: sought.map(|sought| sought.unknown).unwrap_or_default(),
    }))
}

/// All that is known of a feature
#[utoipa::path(
    get, path = "/v1/features/{id}",
    params(("id" = usize, Path, description = "Its number."), ModelQuery),
    responses((status = 200, body = FeatureDetail)),
)]
pub async fn one(
    State(app): State<Arc<App>>,
    Name(id): Name,
    Query(query): Query<ModelQuery>,
) -> ApiResult<Answer<FeatureDetail>> {
    let (_, features) = features_of(&app, query.model.as_deref())?;
    let Ok(feature) = id.parse() else {
        let message = format!("expected the number of a feature, not \"{id}\"");
        return Err(ApiError::of("id", message));
    };
    features.detail(feature).await.map(Answer)
}

/// The features on a plane, like near like
#[utoipa::path(
    get, path = "/v1/features/map", params(ModelQuery),
    responses((status = 200, body = FeatureMap)),
)]
pub async fn map(
    State(app): State<Arc<App>>,
    Query(query): Query<ModelQuery>,
) -> ApiResult<Response> {
    let (_, features) = features_of(&app, query.model.as_deref())?;
    let map = features.map().await?;
    Ok(Answer(&*map).into_response())
}

/// Which features fire in a text
#[utoipa::path(
    post, path = "/v1/activations", request_body = ActivationsRequest,
    responses((status = 200, body = Activations)),
)]
pub async fn activations(
    State(app): State<Arc<App>>,
    Json(request): Json<ActivationsRequest>,
) -> ApiResult<Answer<Activations>> {
    let (model, features) = features_of(&app, request.model.as_deref())?;
    let top = request.top.unwrap_or(TOP);
    if top > MOST_TOP {
        return Err(ApiError::of("top", format!("top must be from 0 to {MOST_TOP}, not {top}")));
    }
    let encoded = model.encode(&request.text)?;
    let found = encoded.ids.len();
    if found > MOST_TOKENS {
        let message = format!("a text may have {MOST_TOKENS} tokens, but this one has {found}");
        return Err(ApiError::of("text", message));
    }
    Ok(Answer(Activations {
        model: model.id.clone(),
        layer: features.autoencoder().site.name.clone(),
        tokens: features.fire(encoded.ids, top).await?,
        skipped: encoded.skipped,
    }))
}

/// The model that a request names, and its features.
fn features_of(app: &App, name: Option<&str>) -> ApiResult<(Arc<ServedModel>, Arc<Features>)> {
    let model = app.model(name)?;
    let features = app.features(&model);
    let features = features.ok_or_else(|| ApiError::not_found("no_features", no_features(&model)));
    Ok((model, features?))
}
