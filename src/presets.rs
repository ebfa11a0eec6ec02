//! Settings by name, and what the flags change in them.

mod stack;
mod idle;

use anyhow::{Context, Result, bail};
use machado_core::optimizer::OptimizerConfig;
use machado_core::run::RunConfig;

pub use self::idle::idle_flags;
use crate::cli::{Length, Settings, UsageError};
use crate::files;

/// Name and contents of each preset.
const PRESETS: [(&str, &str); 4] = [
    ("tutorial", include_str!("../presets/tutorial.toml")),
    ("small", include_str!("../presets/small.toml")),
    ("base", include_str!("../presets/base.toml")),
    ("large", include_str!("../presets/large.toml")),
];

/// The preset that is used when none is named.
const DEFAULT: &str = "small";

/// The config that the flags describe.
pub fn resolve(settings: &Settings, length: &Length) -> Result<RunConfig> {
    let mut config = match &settings.config {
        Some(path) => {
            let text = files::read_text(path)?;
            parse(&text).with_context(|| format!("in {}", path.display()))?
        }
        None => by_name(settings.preset.as_deref().unwrap_or(DEFAULT))?,
    };
    apply_settings(&mut config, settings)?;
    apply_length(&mut config, length);
    Ok(config)
}

/// Reads a config file.
pub fn parse(text: &str) -> Result<RunConfig> {
    toml::from_str(text).context("this is not a config of machado")
}

fn by_name(name: &str) -> Result<RunConfig> {
    parse(file_of(name)?).with_context(|| format!("in the preset {name}"))
}

/// The config file of a preset, with its comments.
pub fn file_of(name: &str) -> Result<&'static str> {
    let Some((_, text)) = PRESETS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = PRESETS.iter().map(|(known, _)| *known).collect();
        let problem = format!("there is no preset \"{name}\"; there are {}", known.join(", "));
        bail!(UsageError(problem));
    };
    Ok(text)
}

fn apply_settings(config: &mut RunConfig, settings: &Settings) -> Result<()> {
    /// Replaces fields by flags that were given.
    macro_rules! set {
        ($($flag:ident => $($field:ident).+;)*) => {
            $(if let Some(value) = settings.$flag.clone() {
                config.$($field).+ = value;
            })*
        };
    }
    set! {
        tokenizer => text.tokenizer;
        standardize => text.standardize;
        split => data.split;
        sampling => data.sampling;
        window => data.window;
        shift => data.shift;
        batch_size => data.batch_size;
        shuffle_buffer => data.shuffle_buffer;
        target => data.target;
        optimizer => training.optimizer;
        learning_rate => training.learning_rate;
        schedule => training.schedule;
        warmup_steps => training.warmup_steps;
        seed => training.seed;
        monitor => training.monitor;
        eval_shift => training.eval_shift;
        sample_every => samples.every;
        sample_prompt => samples.prompt;
        sample_tokens => samples.tokens;
    }
    if settings.max_vocab.is_some() {
        config.text.max_vocab = settings.max_vocab;
    }
    if settings.min_count.is_some() {
        config.text.min_count = settings.min_count;
    }
    if settings.clip_norm.is_some() {
        config.training.clip_norm = settings.clip_norm;
    }
    if settings.eval_every.is_some() {
        config.training.eval_every = settings.eval_every;
    }
    if !settings.sample_temperature.is_empty() {
        config.samples.temperatures.clone_from(&settings.sample_temperature);
    }
    apply_weight_decay(config, settings)?;
    stack::apply(&mut config.model, settings)
}

/// Only one optimizer knows weight decay.
fn apply_weight_decay(config: &mut RunConfig, settings: &Settings) -> Result<()> {
    match (settings.weight_decay, &mut config.training.optimizer) {
        (Some(decay), OptimizerConfig::AdamW { weight_decay, .. }) => *weight_decay = decay,
        (Some(_), other) => bail!(UsageError(format!(
            "--weight-decay is for the optimizer adamw, and this run has {}\n\
             hint: add --optimizer adamw",
            other.name()
        ))),
        (None, _) => {}
    }
    Ok(())
}

/// Sets when the run ends; a flag for that drops the config's own.
pub fn apply_length(config: &mut RunConfig, length: &Length) {
    let training = &mut config.training;
    if length.epochs.is_some() || length.steps.is_some() || length.minutes.is_some() {
        (training.epochs, training.steps, training.minutes) =
            (length.epochs, length.steps, length.minutes);
    }
    if length.patience.is_some() {
        training.patience = length.patience;
    }
}

#[cfg(test)]
mod tests {
    use machado_core::model::LayerConfig;

    use super::*;

    #[test]
    fn all_presets_are_sound_and_survive_toml() {
        for (name, _) in PRESETS {
            let config = by_name(name).expect("a preset");
            config.check().expect("sound");
            let written = toml::to_string(&config).expect("serializable");
            assert_eq!(parse(&written).expect("what was written"), config, "{name}");
        }
    }

    #[test]
    fn layer_flags_change_the_stack() {
        let settings = Settings {
            units: Some(64),
            gru_layers: Some(2),
            dropout: Some(0.3),
            ..Settings::default()
        };
        let config = resolve(&settings, &Length::default()).expect("a config");
        let types: Vec<&str> = config.model.layers.iter().map(LayerConfig::type_name).collect();
        let expected = "embedding conv1d dropout gru dropout gru dropout dense";
        assert_eq!(types.join(" "), expected);
        config.check().expect("sound");
    }

    #[test]
    fn a_flag_for_the_length_drops_the_others() {
        let length = Length { steps: Some(5000), ..Length::default() };
        let settings = Settings { preset: Some("tutorial".into()), ..Settings::default() };
        let config = resolve(&settings, &length).expect("a config");
        assert_eq!((config.training.epochs, config.training.steps), (None, Some(5000)));
    }
}
