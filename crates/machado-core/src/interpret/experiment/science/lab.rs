//! Corpus and model of the experiment, and the documents with known topics.

use super::Stage;
use super::config::ScienceConfig;
use crate::checkpoint;
use crate::data::{Corpus, CorpusReader, Part, Split};
use crate::error::{Error, Result};
use crate::evaluate::{Help, evaluate};
use crate::interpret::Reading;
use crate::interpret::experiment::grammar::{Grammar, Words};
use crate::interpret::experiment::labelled::{Labelled, TopicStates};
use crate::math::threads::Compute;
use crate::model::{Model, Site};
use crate::rng::{Purpose, Rng};
use crate::train::{CheckpointKind, Event, Trainer, TrainingText};

/// What all parts of the experiment look at.
pub(super) struct Lab<'a> {
    pub(super) grammar: &'a Grammar,
    pub(super) config: &'a ScienceConfig,
    pub(super) compute: &'a Compute,
    pub(super) corpus: String,
    pub(super) text: Corpus,
    pub(super) model_file: Vec<u8>,
    pub(super) model: Model,
    pub(super) site: Site,
    /// Of the validation documents, nats a token.
    pub(super) entropy_nats: f64,
    pub(super) sets: Sets,
}

/// Documents with known topics, none of which comes in the corpus or in two sets.
pub(super) struct Sets {
    /// First language, studied words: where features are chosen.
    pub(super) found: Labelled,
    /// The same again: where they are tested.
    pub(super) first_language: Labelled,
    /// Second language: the probe's training.
    pub(super) second_found: Labelled,
    /// Second language: test.
    pub(super) second_language: Labelled,
    /// First language, held-out words: test.
    pub(super) held_out_words: Labelled,
}

/// The states of one model in these sets.
pub(super) struct States {
    pub(super) found: TopicStates,
    pub(super) first_language: TopicStates,
    pub(super) second_found: TopicStates,
    pub(super) second_language: TopicStates,
    pub(super) held_out_words: TopicStates,
}

/// Documents one after the other.
struct Written {
    text: String,
    nats: f64,
}

impl<'a> Lab<'a> {
    /// Writes the corpus and trains the model.
    pub(super) fn prepare(
        grammar: &'a Grammar,
        config: &'a ScienceConfig,
        compute: &'a Compute,
        watch: &mut dyn FnMut(Stage),
    ) -> Result<Self> {
        grammar.check()?;
        let held_out = config.held_out_documents;
        let first = [0, config.documents, config.documents + held_out];
        let train = write(grammar, config.seed, first[0], config.documents);
        let validation = write(grammar, config.seed, first[1], held_out);
        let test = write(grammar, config.seed, first[2], held_out);
        let characters = |part: &Written| part.text.chars().count() as u64;
        let split = Split::Counts {
            train: characters(&train),
            validation: characters(&validation),
            test: None,
        };
        let corpus = [&train, &validation, &test].map(|part| &part.text[..]).concat();
        let run = config.run(split);
        let mut reader = CorpusReader::new(run.text.vocabulary(), corpus.len());
        reader.add(&corpus);
        let read = reader.finish(&run.data.split, None)?;
        let text = TrainingText {
            corpus: read.corpus,
            tokenizer: read.tokenizer,
            characters: read.characters,
        };
        let (model_file, trainer) = train_model(Trainer::new(run, text, compute.clone())?, watch)?;
        let model = checkpoint::read_model(&model_file)?.model;
        let Some(site) = Site::last_state(&model.config) else {
            let problem = "the model has no recurrent layer".into();
            return Err(Error::Intervention { problem });
        };
        let text = trainer.corpus();
        let text = Corpus::with_parts(text.ids().clone(), text.parts().clone())?;
        let entropy_nats = validation.nats / text.range(Part::Validation).len() as f64;
        let sets = Sets::write(grammar, config, &model)?;
        Ok(Self {
            grammar,
            config,
            compute,
            corpus,
            text,
            model_file,
            model,
            site,
            entropy_nats,
            sets,
        })
    }

    /// A model's work on the corpus.
    pub(super) fn reading<'s>(&'s self, model: &'s Model) -> Reading<'s> {
        Reading { model, compute: self.compute, site: &self.site, ids: self.text.ids() }
    }

    /// The loss on the validation part, nats a token.
    pub(super) fn loss_nats(&self) -> Result<f64> {
        let range = self.text.range(Part::Validation);
        let score =
            evaluate(&self.model, self.compute, self.text.ids(), range, Help::default(), |_| true)?;
        Ok(score.map_or(f64::NAN, |score| score.loss_nats()))
    }

    /// The states of a model in the sets with known topics.
    pub(super) fn states(&self, model: &Model) -> Result<States> {
        let of = |set: &Labelled| set.states(model, &self.site, self.compute);
        Ok(States {
            found: of(&self.sets.found)?,
            first_language: of(&self.sets.first_language)?,
            second_found: of(&self.sets.second_found)?,
            second_language: of(&self.sets.second_language)?,
            held_out_words: of(&self.sets.held_out_words)?,
        })
    }
}

impl Sets {
    fn write(grammar: &Grammar, config: &ScienceConfig, model: &Model) -> Result<Self> {
        let write = |set, language, words| {
            let (seed, documents) = (config.seed, config.documents_of_topic);
            Labelled::write(grammar, &model.tokenizer, documents, [seed, set], (language, words))
        };
        Ok(Self {
            found: write(0, 0, Words::Studied)?,
            first_language: write(1, 0, Words::Studied)?,
            second_found: write(2, 1, Words::All)?,
            second_language: write(3, 1, Words::All)?,
            held_out_words: write(4, 0, Words::HeldOut)?,
        })
    }
}

/// Writes documents by their numbers.
fn write(grammar: &Grammar, seed: u64, first: u64, count: u64) -> Written {
    let mut written = Written { text: String::new(), nats: 0.0 };
    for number in first..first + count {
        let document = grammar.document(&mut Rng::new(seed, Purpose::Grammar, number));
        written.text.push_str(&document.text);
        written.nats += document.nats;
    }
    written
}

/// Trains to the end; gives the file of the best model.
fn train_model(mut trainer: Trainer, watch: &mut dyn FnMut(Stage)) -> Result<(Vec<u8>, Trainer)> {
    let steps = trainer.total_steps().unwrap_or(0);
    let mut best = Vec::new();
    while let Some(event) = trainer.next() {
        match event? {
            Event::Step(step) => watch(Stage::Model(step.step, steps)),
            Event::Checkpoint(CheckpointKind::Best) => best = trainer.model_file(),
            _ => {}
        }
    }
    Ok((best, trainer))
}
