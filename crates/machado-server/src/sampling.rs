//! How a request says that tokens are drawn.

use machado_core::sample::{REPETITION_WINDOW, Sampler};
use machado_core::tokenizer::Tokenizer;

use crate::error::{ApiError, ApiResult};

/// The highest temperature, OpenAI's.
const HOTTEST: f64 = 2.0;

/// The fields of a request that say how tokens are drawn. What other servers take for "off" is off.
#[derive(Clone, Copy, Debug, Default)]
pub struct SamplingFields {
    pub temperature: Option<f64>,
    pub top_k: Option<i64>,
    pub top_p: Option<f64>,
    pub min_p: Option<f64>,
    pub typical_p: Option<f64>,
    pub repeat_penalty: Option<f64>,
    pub repeat_last_n: Option<usize>,
}

impl SamplingFields {
    /// The sampler that they mean, without bans.
    ///
    /// # Errors
    /// If one is outside its range.
    pub fn sampler(&self, tokenizer: &Tokenizer) -> ApiResult<Sampler> {
        let temperature = self.temperature.unwrap_or(1.0);
        if !(0.0..=HOTTEST).contains(&temperature) {
            let message = format!("temperature must be from 0 to {HOTTEST}, not {temperature}");
            return Err(ApiError::of("temperature", message));
        }
        let size = tokenizer.vocabulary_size();
        let sampler = Sampler {
            temperature,
            // Of OpenAI, where 0 leaves only the likeliest.
            top_p: share("top_p", self.top_p)?
                .map(|p| p.max(f64::MIN_POSITIVE))
                .filter(|&p| p < 1.0),
            top_k: self.top_k.filter(|&k| k > 0).map(|k| usize::try_from(k).unwrap_or(size)),
            min_p: share("min_p", self.min_p)?.filter(|&p| p > 0.0),
            typical_p: share("typical_p", self.typical_p)?.filter(|&p| p > 0.0 && p < 1.0),
            repetition_penalty: self.repeat_penalty.filter(|&penalty| penalty != 1.0),
            repetition_window: self.repeat_last_n.unwrap_or(REPETITION_WINDOW),
            ..Sampler::default()
        };
        sampler.check().map_err(|error| {
            // In the words of this API.
            let error = error.to_string();
            let (flag, rest) = error.split_once(' ').unwrap_or((&error, ""));
            let param = match flag {
                "--repetition-penalty" => "repeat_penalty",
                "--repetition-window" => "repeat_last_n",
                other => other.trim_start_matches("--"),
            };
            ApiError::of(param, format!("{param} {rest}"))
        })?;
        Ok(sampler)
    }
}

fn share(param: &str, value: Option<f64>) -> ApiResult<Option<f64>> {
    match value {
        Some(value) if !(0.0..=1.0).contains(&value) => {
            Err(ApiError::of(param, format!("{param} must be from 0 to 1, not {value}")))
        }
        value => Ok(value),
    }
}
