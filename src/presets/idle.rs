//! Flags that change nothing where others say so.

use machado_core::data::{Sampling, Split};
use machado_core::run::RunConfig;

use crate::cli::{Length, Settings};

/// The flags that were given although nothing looks at them with the settings that came of all, and
/// why.
pub fn idle_flags(
    settings: &Settings,
    length: &Length,
    config: &RunConfig,
) -> Vec<(&'static str, &'static str)> {
    let mut idle = Vec::new();
    let mut note = |why: &'static str, flags: &[(&'static str, bool)]| {
        idle.extend(flags.iter().filter(|(_, given)| *given).map(|(flag, _)| (*flag, why)));
    };
    if config.data.sampling == Sampling::Streams {
        let shift = [("--shift", settings.shift.is_some())];
        note("streams go on where they were; it is for --sampling windows", &shift);
        let shuffle = [("--shuffle-buffer", settings.shuffle_buffer.is_some())];
        note("streams are read in their order; it is for --sampling windows", &shuffle);
        note(
            "streams are validated as streams, unless the part is shorter than two windows",
            &[("--eval-shift", settings.eval_shift.is_some())],
        );
    }
    let has = |kind: &str| config.model.layers.iter().any(|layer| layer.type_name() == kind);
    if !has("conv1d") {
        note("the model has no conv1d layer", &[("--filters", settings.filters.is_some())]);
    }
    if !has("gru") {
        note("the model has no gru layer", &[("--units", settings.units.is_some())]);
    }
    if config.samples.every == 0 {
        let flags = [
            ("--sample-temperature", !settings.sample_temperature.is_empty()),
            ("--sample-tokens", settings.sample_tokens.is_some()),
        ];
        note("with --sample-every 0 there are no samples", &flags);
    }
    if !validates(&config.data.split) {
        let flags =
            [("--monitor", settings.monitor.is_some()), ("--patience", length.patience.is_some())];
        note("the split has no validation part", &flags);
    }
    idle
}

fn validates(split: &Split) -> bool {
    match *split {
        Split::Counts { validation, .. } => validation > 0,
        Split::Fractions { validation, .. } => validation > 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets::resolve;

    fn check(change: impl Fn(&mut Settings), expected: &[&str]) {
        let mut settings = Settings::default();
        change(&mut settings);
        let length = Length { steps: Some(1), patience: Some(2), ..Length::default() };
        let mut config = resolve(&settings, &length).expect("a config");
        let flags = |config: &RunConfig| {
            let idle = idle_flags(&settings, &length, config).into_iter();
            idle.map(|(flag, _)| flag).collect::<Vec<_>>()
        };
        assert_eq!(flags(&config), expected);
        // The same flags where something looks at them.
        config.data.sampling = Sampling::Windows;
        config.data.split = "0.9:0.1".parse().expect("a split");
        config.samples.every = 10;
        assert!(flags(&config).is_empty(), "{expected:?}");
    }

    #[test]
    fn flags_are_idle_only_where_nothing_looks_at_them() {
        check(|_| {}, &[]);
        check(|settings| settings.window = Some(9), &[]);
        check(|settings| settings.shift = Some(2), &["--shift"]);
        let shuffle = |settings: &mut Settings| {
            settings.shuffle_buffer = Some(machado_core::data::Shuffle::ALL);
            settings.eval_shift = Some(1);
        };
        check(shuffle, &["--shuffle-buffer", "--eval-shift"]);
        let no_samples = |settings: &mut Settings| {
            settings.sample_every = Some(0);
            settings.sample_tokens = Some(5);
        };
        check(no_samples, &["--sample-tokens"]);
        let all = |settings: &mut Settings| settings.split = "1.0:0.0".parse().ok();
        check(all, &["--patience"]);
    }

    #[test]
    fn flags_for_layers_that_are_not_there_are_idle() {
        let settings = Settings { units: Some(8), filters: Some(8), ..Settings::default() };
        let length = Length::default();
        let mut config = resolve(&settings, &length).expect("a config");
        assert!(idle_flags(&settings, &length, &config).is_empty());
        config.model.layers.retain(|layer| !["gru", "conv1d"].contains(&layer.type_name()));
        let flags: Vec<&str> =
            idle_flags(&settings, &length, &config).into_iter().map(|(flag, _)| flag).collect();
        assert_eq!(flags, ["--filters", "--units"]);
    }
}
