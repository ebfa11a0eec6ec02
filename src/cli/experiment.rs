//! `machado experiment`: does a model have features, and do they do anything?

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::parsers::*;
use super::{ComputeArgs, Length, Settings};

/// The experiments.
#[derive(Debug, Subcommand)]
pub enum ExperimentCommand {
    /// Find the feature of a science in a small bilingual model, and let it change the answer
    ///
    /// It writes a corpus by a grammar, trains a model and an autoencoder, looks for the feature of
    /// neuroscience in one language, tests it in the other and on words that it was not found with,
    /// and steers the answer to "what is your favourite science?". The report begins with what was
    /// not reached.
    FavouriteScience(FavouriteScienceArgs),
    /// Look for the concepts of a text in a model, and let each change what the model writes
    ///
    /// It trains a model of words on the text and an autoencoder, or takes those of a run. For each
    /// concept it finds the features that know it, chooses the one that does most for its words, and
    /// measures on other prompts and texts what that does, beside other features, other directions and
    /// the other concepts. The report begins with what was not reached.
    Concepts(Box<ConceptsArgs>),
}

/// `machado experiment favourite-science`.
#[derive(Debug, Args)]
pub struct FavouriteScienceArgs {
    /// How often it is done, each time with another corpus and other weights
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = one_to::<1000>)]
    pub seeds: usize,

    /// The first seed; the others count up from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Where report.txt, report.html and report.json go, and the first model in the folder "run"
    #[arg(long, value_name = "DIR", default_value = "favourite-science")]
    pub out: PathBuf,

    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,

    /// A moment's work that only shows that everything runs; its figures mean nothing
    #[arg(long)]
    pub tiny: bool,

    /// Threads.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// `machado experiment concepts`.
#[derive(Debug, Args)]
pub struct ConceptsArgs {
    /// The folder of a run to look into; its autoencoder is trained if it has none
    /// [default: train a model on the text]
    #[arg(value_name = "RUN", conflicts_with_all = ["Settings", "Length"])]
    pub run: Option<PathBuf>,

    /// Text files or folders [default: the text of the run; without one the sample text inside the
    /// program]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub text: Vec<PathBuf>,

    /// A concept and its words, as in mar=mar,mares,onda*; a star at the end stands for any
    /// letters. Can be given several times [default: amor, olhos, deus, morte, loucura and mar, in Portuguese]
    #[arg(long = "concept", value_name = "NAME=WORDS", value_parser = parse_concept)]
    pub concepts: Vec<NamedConcept>,

    /// Other features to compare each chosen one with; so many that a rank can be sure for all
    /// concepts together
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = one_to::<10000>)]
    pub random_features: usize,

    /// Texts drawn for each figure
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = one_to::<10000>)]
    pub samples: usize,

    /// Decides weights, texts and controls
    #[arg(long = "experiment-seed", value_name = "N", default_value_t = 1)]
    pub experiment_seed: u64,

    /// Where report.txt, report.html and report.json go, and the model in the folder "run"
    #[arg(long, value_name = "DIR", default_value = "concepts")]
    pub out: PathBuf,

    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,

    /// A moment's work that only shows that everything runs; its figures mean nothing
    #[arg(long, conflicts_with_all = ["samples", "random_features", "Length"])]
    pub tiny: bool,

    /// How the model is trained.
    #[command(flatten)]
    pub settings: Settings,

    /// For how long.
    #[command(flatten)]
    pub length: Length,

    /// Threads.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Characters of a concept's name at most, so that it fits into tables.
const LONGEST_NAME: usize = 10;

/// A concept by its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedConcept {
    /// What it is called.
    pub name: String,
    /// Words; a star at the end stands for any letters.
    pub words: Vec<String>,
}

fn parse_concept(given: &str) -> Result<NamedConcept, String> {
    let (name, words) = given
        .split_once('=')
        .ok_or("expected a name, \"=\" and words, as in mar=mar,mares,onda*")?;
    let words: Vec<String> = words
        .split(',')
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    let stem = |word: &str| word.strip_suffix('*').unwrap_or(word).to_owned();
    if let Some(word) = words.iter().find(|word| {
        let stem = stem(word);
        stem.is_empty() || !stem.chars().all(char::is_alphanumeric)
    }) {
        return Err(format!(
            "{word:?} is no single word of letters and digits, with a star at its end or without"
        ));
    }
    if name.trim().chars().count() > LONGEST_NAME {
        return Err(format!("the name {name:?} is longer than {LONGEST_NAME} characters"));
    }
    if name.trim().is_empty() || words.is_empty() {
        return Err("expected a name, \"=\" and words, as in mar=mar,mares,onda*".into());
    }
    Ok(NamedConcept { name: name.trim().to_owned(), words })
}
