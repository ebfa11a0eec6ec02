//! Turning features up and down: flags that `generate`, `predict` and `evaluate` share.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use machado_core::interpret::Push;

use super::parsers::{at_least_one, feature, number};
use super::{InsideArgs, WhereArgs};

/// What is turned up or down inside the model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Steering")]
#[command(group = ArgGroup::new("steering").multiple(true))]
pub struct SteerArgs {
    /// Features of the autoencoder and what is done with them: 123:2 holds feature 123 at twice the
    /// strongest activation that it had in its text (-1 turns it around), 77:off takes it out,
    /// 5:add1.5 adds as much at each step
    #[arg(long, value_name = "FEATURE:STRENGTH,…", value_delimiter = ',', group = "steering")]
    #[arg(value_parser = parse_steered)]
    pub steer: Vec<Steered>,

    /// Single units of the layer, as for --steer, but the strength is the value itself: 17:0.8 holds
    /// unit 17 at 0.8 (those of a GRU are between -1 and 1)
    #[arg(long, value_name = "UNIT:VALUE,…", value_delimiter = ',', group = "steering")]
    #[arg(value_parser = parse_steered)]
    pub steer_unit: Vec<Steered>,

    /// A text in the direction of which the model is pushed, away from that of --steer-away: along
    /// the difference between the mean states in the two
    #[arg(long, value_name = "FILE", requires = "steer_away", group = "steering")]
    pub steer_toward: Option<PathBuf>,

    /// The text to which it is compared, best one that differs in nothing else
    #[arg(long, value_name = "FILE", requires = "steer_toward")]
    pub steer_away: Option<PathBuf>,

    /// How strongly: 1 is as far in this direction as any place of the two texts
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = number)]
    #[arg(requires = "steer_toward")]
    pub steer_strength: f64,

    /// Who sees the change: the layer's own next step too, or only the layers above
    #[arg(long, value_enum, default_value = "state", requires = "steering")]
    pub steer_reach: ReachArg,

    /// Keep all values within -1 and 1, where those of a GRU are; says how many had to be cut
    #[arg(long, requires = "steering")]
    pub steer_box: bool,

    /// The layer to steer [default: that of the autoencoder; without features the last GRU]
    #[arg(long, value_name = "NAME", requires = "steering", conflicts_with = "steer")]
    pub steer_layer: Option<String>,

    /// The folder of the autoencoder [default: the folder "sae" beside the model]
    #[arg(long, value_name = "DIR", requires = "steering")]
    pub sae: Option<PathBuf>,
}

/// Who sees changed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReachArg {
    /// The layer itself at its next step, and the layers above.
    State,
    /// The layers above alone.
    Output,
}

/// A feature or unit by its number, and what is done with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steered {
    /// Its number.
    pub number: usize,
    /// What is done.
    pub push: Push,
}

/// `machado sae steer`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct SaeSteerArgs {
    /// The number of the feature
    #[arg(value_parser = feature)]
    pub feature: usize,

    /// Model and text.
    #[command(flatten)]
    pub inside: InsideArgs,

    /// Strengths at which the feature is held, in the strongest activation that it had in its text
    #[arg(long, value_name = "S,S,…", value_delimiter = ',', allow_hyphen_values = true)]
    #[arg(value_parser = number, default_value = "-2,-1,0,0.5,1,1.5,2,3,5,10")]
    pub strengths: Vec<f64>,

    /// Text to go on from; may be given more than once [default: pieces of the held-out text]
    #[arg(long, value_name = "TEXT")]
    pub prompt: Vec<String>,

    /// Words that should become more frequent [default: those on which the feature is strongest]
    #[arg(long, value_name = "WORD,…", value_delimiter = ',', conflicts_with = "regex")]
    pub words: Vec<String>,

    /// A regular expression for what should become more frequent, in any case
    #[arg(long, value_name = "REGEX")]
    pub regex: Option<String>,

    /// Texts to write at each strength, spread over the prompts
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub samples: usize,

    /// Tokens of each text
    #[arg(long, short = 'n', value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    pub tokens: usize,

    /// Other features, drawn at random, that the feature is compared with at its best strength
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub random_features: usize,

    /// Decides what is drawn
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,

    /// Who sees the change: the layer's own next step too, or only the layers above
    #[arg(long, value_enum, default_value = "state")]
    pub reach: ReachArg,

    /// Keep all values within -1 and 1, where those of a GRU are
    #[arg(long = "box")]
    pub in_box: bool,

    /// Print JSON: unsteered, doses, breaks_at, best_strength, controls, random_features, and more
    #[arg(long)]
    pub json: bool,

    /// Write a page with curves, which needs no other file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Autoencoder and threads.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// `123:2.0`, `77:off`, `5:add1.5`.
fn parse_steered(text: &str) -> Result<Steered, String> {
    let wrong = || {
        "expected NUMBER:STRENGTH, the number from 0, such as 123:2 (hold at twice the strongest), 123:-1, \
         77:off (take out) or 5:add1.5 (add)"
            .to_owned()
    };
    let (number, push) = text.split_once(':').ok_or_else(wrong)?;
    let number = number.trim().parse().map_err(|_| wrong())?;
    let strength = |text: &str| match text.parse::<f32>() {
        Ok(strength) if strength.is_finite() => Ok(strength),
        _ => Err(wrong()),
    };
    let push = match push.trim() {
        "off" => Push::Off,
        push => match push.strip_prefix("add") {
            Some(added) => Push::Add(strength(added.trim())?),
            None => Push::Clamp(strength(push)?),
        },
    };
    Ok(Steered { number, push })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_steered_is_read() {
        let found = |text| parse_steered(text).ok().map(|steered| (steered.number, steered.push));
        assert_eq!(found("123:2.0"), Some((123, Push::Clamp(2.0))));
        assert_eq!(found("0:-1.5"), Some((0, Push::Clamp(-1.5))));
        assert_eq!(found("77:off"), Some((77, Push::Off)));
        assert_eq!(found("5:add1.5"), Some((5, Push::Add(1.5))));
        assert_eq!(found("5:add-2"), Some((5, Push::Add(-2.0))));
        for wrong in
            ["", "5", "5:", ":2", "a:2", "-1:2", "5:on", "5:inf", "5:NaN", "5:add", "5:2:3"]
        {
            assert_eq!(found(wrong), None, "{wrong:?}");
        }
    }
}
