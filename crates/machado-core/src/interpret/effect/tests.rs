#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::interpret::word_odds::log_probability;
use crate::interpret::{Sae, SaeWeights};
use crate::layers::Activation;
use crate::math::simd::VectorUnit;
use crate::model::{LayerConfig, ModelConfig};
use crate::predict::{PredictConfig, kl_nats, predict};
use crate::tokenizer::CharTokenizer;

const UNITS: usize = 6;
const TEXT: &str = "o mar e o sol e o mar e a flor e o sol e a dor de amar ";

fn model() -> Model {
    let softmax = LayerConfig::Dense { units: None, activation: Activation::Softmax };
    let layers = vec![LayerConfig::Embedding { output_dim: 4 }, LayerConfig::gru(UNITS), softmax];
    let tokenizer = Tokenizer::Char(CharTokenizer::from_text(TEXT));
    let mut model = Model::new(ModelConfig { layers }, tokenizer, 5).unwrap();
    // Weights that say something.
    model.weights.iter_mut().for_each(|w| *w *= 3.0);
    model
}

fn place(reach: Reach) -> Place {
    let site = Site::new(&model().config, "gru").unwrap();
    Place { site, reach, in_box: false }
}

fn sae() -> Sae {
    let value = |place: usize| ((place * 7 + 3) % 11) as f32 / 11.0 - 0.4;
    let mut w_dec = vec![0.0; 2 * UNITS];
    (w_dec[1], w_dec[4], w_dec[UNITS + 2]) = (0.6, -0.8, 1.0);
    Sae::new(SaeWeights {
        d_in: UNITS,
        d_sae: 2,
        w_enc: (0..2 * UNITS).map(value).collect(),
        b_enc: vec![0.1, 0.2],
        threshold: vec![0.05, 0.0],
        w_dec,
        b_dec: (0..UNITS).map(|i| 0.05 * i as f32).collect(),
    })
    .unwrap()
}

fn ids(text: &str) -> Vec<u32> {
    encoded(&model().tokenizer, text, UnknownPolicy::Error).unwrap()
}

/// Calls `check` with a trial of the prompts "o " and "e a ", the word "mar" beside "sol", and 5 texts
/// of 40 tokens.
fn with_trial(check: impl FnOnce(&Trial<'_>, &Model)) {
    let model = model();
    let compute = Compute::new(2, VectorUnit::detect()).unwrap();
    let strings = |texts: &[&str]| -> Vec<String> { texts.iter().map(|&t| t.into()).collect() };
    let mut natural = TokenIds::for_vocabulary(model.tokenizer.vocabulary_size());
    ids(TEXT).into_iter().for_each(|id| natural.push(id));
    let config = TrialConfig {
        model: &model,
        compute: &compute,
        prompts: &strings(&["o ", "e a "]),
        words: &strings(&["mar"]),
        control_words: &strings(&["sol", "dor"]),
        count: &|text| words(text).filter(|word| *word == "o").count() as u64,
        vocabulary: &WordCounts::of(TEXT),
        natural: (&natural, &(0..natural.len())),
        samples: 5,
        tokens: 40,
        seed: 7,
    };
    check(&Trial::new(config).unwrap(), &model);
}

fn logits(model: &Model, text: &str, interventions: &[Intervention]) -> Vec<f32> {
    let mut streams = Streams::new(model, VectorUnit::detect()).unwrap();
    streams.intervene(interventions, model).unwrap();
    streams.read(&ids(text));
    streams.logits(0).to_vec()
}

fn probability(model: &Model, text: &str, next: u32, interventions: &[Intervention]) -> f64 {
    let mut config = PredictConfig::new(&Sampler::default(), 1000);
    config.interventions = interventions.to_vec();
    let all = predict(model, VectorUnit::detect(), &ids(text), &config).unwrap();
    all.iter().find(|candidate| candidate.id == next).unwrap().probability
}

#[test]
fn without_a_change_all_is_as_it_was() {
    with_trial(|trial, model| {
        let handle = Handle::feature(&sae(), 0, 1.5).unwrap();
        let nothing = trial.effect(&handle, Push::Add(0.0), &place(Reach::State)).unwrap();
        let zero = Exact { words_nats: 0.0, control_words_nats: 0.0, kl_nats: 0.0, loss_nats: 0.0 };
        assert_eq!(nothing.exact, zero);
        let unchanged = trial.sampled(&[]).unwrap();
        assert_eq!(nothing.sampled, unchanged);
        // The texts are those that the same seed writes without any of this.
        let config = trial.generator(&[], 0);
        let compute = Compute::single();
        let texts = write_texts(model, &compute, &ids("o "), 3, &config).unwrap();
        assert_eq!(unchanged.example, ["o ".to_owned(), texts[0].text.clone()]);
        let config = trial.generator(&[], 3);
        let others = write_texts(model, &compute, &ids("e a "), 2, &config).unwrap();
        let all: Vec<&str> = texts.iter().chain(&others).map(|written| &written.text[..]).collect();
        let written: usize = all.iter().map(|text| words(text).count()).sum();
        assert_eq!(unchanged.words, written as u64);
        let concept = all.iter().flat_map(|text| words(text)).filter(|word| *word == "o").count();
        assert_eq!(unchanged.concept, concept as u64);
    });
}

/// ln p(m) + ln p(a | m) + ln p(r | ma), and the mean over prompts.
#[test]
fn words_are_scored_token_by_token() {
    with_trial(|trial, model| {
        let handle = Handle::feature(&sae(), 1, 2.0).unwrap();
        let push = Push::Clamp(1.5);
        let (interventions, _) = pushed(&handle, push, &place(Reach::State));
        let mean = |word: &str, interventions: &[Intervention]| -> f64 {
            let of = |prompt: &str| -> f64 {
                let places = word.char_indices().map(|(place, _)| place);
                let next = ids(word);
                let p = |(place, next)| {
                    let before = format!("{prompt}{}", &word[..place]);
                    probability(model, &before, next, interventions).ln()
                };
                places.zip(next).map(p).sum()
            };
            (of("o ") + of("e a ")) / 2.0
        };
        let change = |word| mean(word, &interventions) - mean(word, &[]);
        let exact = trial.exact(&interventions).unwrap();
        let control = (change("sol") + change("dor")) / 2.0;
        assert!((exact.words_nats - change("mar")).abs() < 1e-4, "{exact:?}");
        assert!((exact.control_words_nats - control).abs() < 1e-4, "{exact:?}");
        let score = trial.output_score(&handle, push, &place(Reach::State)).unwrap();
        assert_eq!(score, exact.output_score());
        assert!(score.abs() > 1e-3, "a push that does something: {score}");
    });
}

/// One row of natural text, read token by token.
#[test]
fn divergence_and_loss_on_natural_text() {
    with_trial(|trial, model| {
        let handle = Handle::feature(&sae(), 0, 2.0).unwrap();
        let (interventions, _) = pushed(&handle, Push::Clamp(1.0), &place(Reach::State));
        let exact = trial.exact(&interventions).unwrap();
        let all = ids(TEXT);
        assert_eq!((trial.natural.rows, trial.natural.time), (1, all.len() - 1));
        let (mut kl, mut loss) = (0.0, 0.0);
        let distribution = |place: usize, interventions: &[Intervention]| -> Vec<f64> {
            let logits = logits(model, &model.tokenizer.decode(&all[..place]), interventions);
            let log = |id| log_probability(&logits, id as u32).exp();
            (0..logits.len()).map(log).collect()
        };
        for place in 1..all.len() {
            let [p, q] = [&interventions[..], &[]].map(|change| distribution(place, change));
            kl += kl_nats(&p, &q);
            loss += (q[all[place] as usize] / p[all[place] as usize]).ln();
        }
        let positions = (all.len() - 1) as f64;
        assert!((exact.kl_nats - kl / positions).abs() < 1e-4, "{exact:?} {}", kl / positions);
        assert!((exact.loss_nats - loss / positions).abs() < 1e-4, "{exact:?}");
        assert!(exact.kl_nats > 1e-3);
    });
}

#[test]
fn written_text_is_judged_by_the_model_as_it_is() {
    with_trial(|trial, model| {
        let handle = Handle::feature(&sae(), 1, 2.0).unwrap();
        let (interventions, _) = pushed(&handle, Push::Clamp(3.0), &place(Reach::State));
        let found = trial.sampled(&interventions).unwrap();
        let mut nats = 0.0;
        for (prompt, first, count) in [("o ", 0, 3), ("e a ", 3, 2)] {
            let config = trial.generator(&interventions, first);
            let texts =
                write_texts(model, &Compute::single(), &ids(prompt), count, &config).unwrap();
            for written in texts {
                assert_eq!(model.tokenizer.decode(&written.ids), written.text);
                let mut before = prompt.to_owned();
                for c in written.text.chars() {
                    let next = ids(&c.to_string())[0];
                    nats -= log_probability(&logits(model, &before, &[]), next);
                    before.push(c);
                }
            }
        }
        assert!((found.nats_per_token - nats / 200.0).abs() < 1e-4, "{found:?} {}", nats / 200.0);
        assert_ne!(found, trial.sampled(&[]).unwrap());
    });
}

/// Read-out alone: the logits move by (s·M − f) · W_o d, whatever the text is.
#[test]
fn the_read_out_moves_the_logits_along_one_vector() {
    let model = model();
    let (sae, strength, unit) = (sae(), 1.75, 2.0);
    let table = model.parameters().unwrap();
    let number = table.specs().iter().position(|spec| spec.name == "dense/kernel").unwrap();
    let kernel = &model.weights[table.range(number)];
    let size = model.tokenizer.vocabulary_size();
    for feature in [0, 1] {
        let handle = Handle::feature(&sae, feature, unit).unwrap();
        for (push, clamps) in [(Push::Clamp(strength), 1.0), (Push::Add(strength), 0.0)] {
            let (interventions, _) = pushed(&handle, push, &place(Reach::Output));
            for text in ["o mar", "e a flor e", "d"] {
                let (before, after) =
                    (logits(&model, text, &[]), logits(&model, text, &interventions));
                let by = strength * unit - clamps * sae.activation(feature, &state(&model, text));
                for token in 0..size {
                    let along: f32 = (0..UNITS)
                        .map(|i| sae.direction(feature)[i] * kernel[i * size + token])
                        .sum();
                    let expected = before[token] + by * along;
                    assert!((after[token] - expected).abs() < 1e-4, "{} {expected}", after[token]);
                }
            }
        }
    }
}

/// The state after a text.
fn state(model: &Model, text: &str) -> Vec<f32> {
    let mut all = TokenIds::for_vocabulary(model.tokenizer.vocabulary_size());
    ids(text).into_iter().for_each(|id| all.push(id));
    let (compute, site) = (Compute::single(), place(Reach::Output).site);
    let reading = crate::interpret::Reading { model, compute: &compute, site: &site, ids: &all };
    let mut found = Vec::new();
    let visit = |place, state: &[f32]| {
        if place + 1 == all.len() {
            found = state.to_vec();
        }
    };
    reading.for_each(0..all.len(), visit).unwrap();
    found
}

#[test]
fn what_cannot_be_measured_says_why() {
    with_trial(|trial, _| {
        let error = |change: fn(&mut TrialConfig<'_>)| {
            let mut config = trial.config;
            change(&mut config);
            Trial::new(config).err().map(|error| error.to_string()).unwrap()
        };
        assert_eq!(error(|c| c.samples = 0), "--samples must be at least 1, not 0");
        assert_eq!(error(|c| c.words = &[]), "the words of the concept must be at least 1, not 0");
        assert_eq!(error(|c| c.prompts = &[]), "the prompts must be at least 1, not 0");
    });
}
