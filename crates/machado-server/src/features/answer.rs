//! What is told of features, as it is sent.

use serde::Serialize;
use utoipa::ToSchema;

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeatureOrder {
    /// By how often they fire.
    #[default]
    Density,
    /// By their strongest activation.
    Strongest,
    /// By how well a rule tells where they fire.
    Rule,
}

/// A feature in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeatureEntry {
    /// Its number in the autoencoder.
    pub id: usize,
    /// A name by what was measured: a rule or words.
    pub label: String,
    /// The words at which it fires more often than elsewhere, the most telling first.
    pub words: Vec<FeatureWord>,
    /// The rule that fits best.
    pub rule: Option<FeatureRule>,
    /// The share of the tokens at which it fires.
    pub density: f64,
    /// At how many tokens it fires.
    pub active: u64,
    /// Its strongest activation: the unit of strengths in steering.
    pub max_activation: f32,
    /// How well it tells where the words asked for are; null if none were. An F1, the harmonic mean of
    /// two shares: of the tokens where it fires strongly (with a quarter of its strongest activation or
    /// more) those that are in one of the words or right after it; and of the times that the words come
    /// in the text those in which it fires strongly. 1 is reached by a feature that fires once in each of
    /// the words, be it at its last letter, and nowhere else.
    pub score: Option<f64>,
}

/// A word at which a feature fires.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeatureWord {
    /// The word, in lower case.
    pub word: String,
    /// How many times more often its tokens are among those where the feature fires strongly than among
    /// all.
    pub lift: f64,
    /// Of the tokens where the feature fires strongly those that are in the word or right after it.
    pub share: f64,
    /// Of the times that the word comes those in which the feature fires strongly.
    pub recall: f64,
}

/// A rule, and how well it tells where a feature fires.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeatureRule {
    /// In words that follow "fires at".
    pub name: &'static str,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
}

/// All that is known of a feature.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeatureDetail {
    /// As in a list; nothing is asked for, so that it has no score.
    #[serde(flatten)]
    pub entry: FeatureEntry,
    /// Its mean activation where it fires.
    pub mean_activation: f64,
    /// At how many tokens its activation is in each tenth of the strongest one, from weak to strong.
    pub bands: [u64; 10],
    /// The tokens that it makes likelier, by what its strongest activation adds to their logits, compared
    /// with the mean over all tokens.
    pub promotes: Vec<MovedToken>,
    /// Those that it makes less likely.
    pub suppresses: Vec<MovedToken>,
    /// The features whose directions are most like its own.
    pub alike: Vec<AlikeFeature>,
    /// The single unit of the layer whose values go most with it.
    pub unit: Option<AlikeUnit>,
    /// Where it fires most strongly, one place for each line of the text at most.
    pub contexts: Vec<FeatureContext>,
    /// Places drawn from each tenth of its strongest activation.
    pub samples: Vec<FeatureSample>,
}

/// A token that a feature moves.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MovedToken {
    /// Its text.
    pub token: String,
    /// Its number.
    pub id: u32,
    /// What is added to its logit.
    pub logit: f64,
}

/// A feature that is like another.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlikeFeature {
    /// Its number.
    pub id: usize,
    /// The cosine of the two directions.
    pub cosine: f32,
    /// What it is called.
    pub label: String,
}

/// A unit that is like a feature.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlikeUnit {
    /// Its number in the layer.
    pub unit: usize,
    /// Pearson's correlation over all tokens.
    pub correlation: f64,
}

/// A piece of the text where a feature fires.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeatureContext {
    /// The token of the text, from 0, after which it fires.
    pub place: usize,
    /// How strongly.
    pub activation: f32,
    /// The tokens around it.
    pub tokens: Vec<String>,
    /// The activation after each of them. They are computed anew from 256 tokens before, so that the one at
    /// the place may differ a little from `activation`, which is that of the whole text.
    pub activations: Vec<f32>,
}

/// A piece of the text where a feature fires, drawn from those as strong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeatureSample {
    /// The tenth of the strongest activation, from 0 to 9.
    pub band: usize,
    /// The piece.
    #[serde(flatten)]
    pub context: FeatureContext,
}

/// Features on a plane, like near like.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct FeatureMap {
    /// The features that fire in the text; none if they are fewer than three.
    pub points: Vec<MapPoint>,
    /// Those whose directions are alike.
    pub groups: Vec<MapGroup>,
    /// Whether neighbours on the map share the rule that fits them best; null if no rule holds anywhere.
    pub agreement: Option<MapAgreement>,
}

/// A feature on the map.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MapPoint {
    /// Its number in the autoencoder.
    pub id: usize,
    /// From 0 to 1.
    pub x: f64,
    /// From 0 to 1.
    pub y: f64,
    /// The number of its group.
    pub group: usize,
    /// What it is called.
    pub label: String,
    /// The share of the tokens at which it fires.
    pub density: f64,
}

/// A group of features.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MapGroup {
    /// Its number.
    pub id: usize,
    /// The label that is most over-represented in it.
    pub name: String,
    /// How many features it has.
    pub size: usize,
    /// The middle of its features, from 0 to 1.
    pub x: f64,
    /// The middle of its features, from 0 to 1.
    pub y: f64,
}

/// Whether neighbours share rules.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MapAgreement {
    /// The share of neighbours with the same rule.
    pub observed: f64,
    /// That share if rules are dealt out anew, on average over 999 deals.
    pub chance: f64,
    /// The probability of a share at least as high by chance.
    pub p: f64,
}

/// The features that fire after a token.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenFires {
    /// Its text.
    pub token: String,
    /// Its number.
    pub id: u32,
    /// Characters before it.
    pub offset: usize,
    /// Those with the highest shares, falling.
    pub features: Vec<FiringFeature>,
}

/// A feature that fires.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FiringFeature {
    /// Its number.
    pub id: usize,
    /// How strongly.
    pub activation: f32,
    /// That as a share of its strongest activation. It may be more than 1.
    pub share: f32,
    /// What it is called.
    pub label: String,
}
