use std::sync::Arc;

use machado_core::error::Error;
use machado_core::evaluate::{Help, evaluate};
use machado_core::generate::{FinishReason, Generator, GeneratorConfig, Written, write_texts};
use machado_core::ids::TokenIds;
use machado_core::math::reference;
use machado_core::math::simd::VectorUnit;
use machado_core::mixture::Mixture;
use machado_core::model::{LayerConfig, Model, Streams};
use machado_core::predict::{PredictConfig, predict};
use machado_core::rng::Purpose;
use machado_core::sample::Sampler;

use crate::common::{compute, config, trainer, training_text};

fn model() -> Model {
    let mut trainer = trainer(&config(), 1);
    trainer.by_ref().for_each(|event| drop(event.unwrap()));
    trainer.model().clone()
}

fn settings(seed: u64, first: u64) -> GeneratorConfig {
    let sampler = Sampler::default();
    GeneratorConfig {
        sampler,
        tokens: 60,
        stop: vec![],
        seed,
        purpose: Purpose::Generate,
        first,
        mixture: None,
        interventions: Vec::new(),
    }
}

fn write(model: &Model, texts: usize, config: GeneratorConfig) -> Vec<String> {
    let prompt = [3, 1, 2];
    let mut generator =
        Generator::new(model, VectorUnit::detect(), &prompt, texts, config).unwrap();
    let mut written = vec![String::new(); texts];
    while generator.step(|number, piece| written[number].push_str(piece)) {}
    written
}

#[test]
fn reading_token_by_token_equals_reading_at_once() {
    check_reading(&model());
    let mut model = model();
    let LayerConfig::Gru { reset_after, .. } = &mut model.config.layers[3] else { panic!() };
    *reset_after = false;
    check_reading(&Model::new(model.config, model.tokenizer, 7).unwrap());
}

fn check_reading(model: &Model) {
    let ids: Vec<u32> = (0..40).map(|i| i * 7 % 13).collect();
    for unit in VectorUnit::available() {
        let mut at_once = Streams::new(model, unit).unwrap();
        at_once.read(&ids);
        let mut one_by_one = Streams::new(model, unit).unwrap();
        for id in &ids {
            one_by_one.read(&[*id]);
        }
        one_by_one.clear();
        ids.iter().for_each(|&id| one_by_one.read(&[id]));
        assert_eq!(one_by_one.logits(0), at_once.logits(0), "{}", unit.name());
    }
}

#[test]
fn a_text_is_the_same_alone_and_with_others() {
    let model = model();
    let together = write(&model, 9, settings(5, 0));
    for (number, text) in together.iter().enumerate() {
        assert_eq!(&write(&model, 1, settings(5, number as u64))[0], text);
    }
    assert_ne!(together[0], together[1]);
    assert_ne!(together[0], write(&model, 1, settings(6, 0))[0]);
    assert!(together.iter().all(|text| text.chars().count() == 60));
}

#[test]
fn texts_on_all_threads_are_those_of_one_generator() {
    let model = model();
    let mut settings = settings(5, 3);
    settings.stop = vec!["a".into()];
    for threads in 1..=3 {
        for texts in [1, 5, 70] {
            let written = write_texts(&model, &compute(threads), &[3, 1, 2], texts, &settings);
            let written = written.unwrap();
            let expected = write(&model, texts, settings.clone());
            assert!(written.iter().map(|text| &text.text).eq(&expected), "{threads} threads");
            let stopped = |text: &&Written| text.finish_reason == FinishReason::Stop;
            assert!(texts < 70 || (1..texts).contains(&written.iter().filter(stopped).count()));
            for text in &written {
                let all = text.tokens == settings.tokens;
                assert!(all || text.finish_reason == FinishReason::Stop, "{text:?}");
            }
        }
    }
    assert!(write_texts(&model, &compute(2), &[3], 0, &settings).unwrap().is_empty());
}

#[test]
fn the_same_text_from_all_vector_units_at_temperature_0() {
    let model = model();
    let greedy = GeneratorConfig {
        sampler: Sampler { temperature: 0.0, ..Sampler::default() },
        ..settings(0, 0)
    };
    let texts: Vec<String> = VectorUnit::available()
        .into_iter()
        .map(|unit| {
            let mut generator = Generator::new(&model, unit, &[1], 1, greedy.clone()).unwrap();
            let mut text = String::new();
            while generator.step(|_, piece| text.push_str(piece)) {}
            text
        })
        .collect();
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "{texts:?}");
}

#[test]
fn predictions_are_the_softmax_of_the_logits_in_order() {
    let model = model();
    let unit = VectorUnit::detect();
    let mut streams = Streams::new(&model, unit).unwrap();
    streams.read(&[2, 5]);
    let expected = reference::softmax(streams.logits(0));
    let all =
        predict(&model, unit, &[2, 5], &PredictConfig::new(&Sampler::default(), 1000)).unwrap();
    assert_eq!(all.len(), model.tokenizer.vocabulary_size());
    assert!(all.is_sorted_by(|a, b| a.probability >= b.probability));
    assert!((all.iter().map(|c| c.probability).sum::<f64>() - 1.0).abs() < 1e-9);
    for candidate in &all {
        let expected = f64::from(expected[candidate.id as usize]);
        assert!((candidate.probability - expected).abs() < 1e-6);
        assert_eq!(candidate.token, model.tokenizer.token(candidate.id));
    }
    assert_eq!(
        predict(&model, unit, &[2, 5], &PredictConfig::new(&Sampler::default(), 3)).unwrap(),
        all[..3]
    );
}

/// The loss of a text is minus the sum of the log-probabilities of its tokens, one after the other.
#[test]
fn evaluation_carries_the_state_over_the_whole_text() {
    let model = model();
    let corpus = training_text(&config()).corpus;
    let ids = corpus.ids().to_vec()[..1500].to_vec();
    let mut streams = Streams::new(&model, VectorUnit::detect()).unwrap();
    let mut nats = 0.0;
    for pair in ids.windows(2) {
        streams.read(&pair[..1]);
        let probabilities = reference::softmax(streams.logits(0));
        nats -= f64::from(probabilities[pair[1] as usize]).ln();
    }
    let ids = TokenIds::U32(ids);
    let score =
        evaluate(&model, &compute(2), &ids, 0..1500, Help::default(), |_| true).unwrap().unwrap();
    assert_eq!(score.sum.positions, 1499);
    assert!((score.sum.nats - nats).abs() < 1e-3, "{} instead of {nats}", score.sum.nats);
    let text = model.tokenizer.decode(&ids.to_vec()[1..]);
    assert_eq!((score.characters, score.bytes), (1499, text.len() as u64));
    let bits = score.sum.nats / std::f64::consts::LN_2;
    assert!((score.bits_per_byte() - bits / text.len() as f64).abs() < 1e-12);
    assert!(evaluate(&model, &compute(1), &ids, 3..4, Help::default(), |_| true).is_err());
}

/// Counts and going on learning make a text that repeats itself easier, on any number of threads, and
/// a mixture that trusts the network alone changes nothing.
#[test]
fn what_helps_while_reading_helps() {
    let model = model();
    let corpus = training_text(&config()).corpus;
    let ids = TokenIds::U32(corpus.ids().to_vec()[..400].repeat(3));
    let nats = |threads: usize, help: Help| {
        let range = 0..ids.len();
        let score = evaluate(&model, &compute(threads), &ids, range, help, |_| true);
        score.unwrap().unwrap().sum.nats
    };
    let plain = nats(1, Help::default());
    let counts = || Mixture::new(model.tokenizer.vocabulary_size(), 6).unwrap();
    let counted = nats(1, Help { mixture: Some(counts()), ..Help::default() });
    assert!(counted < 0.7 * plain, "{counted} of {plain}");
    let adapted = nats(1, Help { adapt: Some(0.3), ..Help::default() });
    assert!(adapted < 0.97 * plain, "{adapted} of {plain}");
    let both = |threads| {
        nats(threads, Help { mixture: Some(counts()), adapt: Some(0.3), ..Help::default() })
    };
    assert!(both(1) < counted, "{} of {counted}", both(1));
    assert_eq!(both(1), both(2));
    assert_eq!(plain, nats(2, Help::default()));
    // So small a rate changes no weight: the state alone must go on as without learning.
    let unchanged = nats(1, Help { adapt: Some(1e-30), ..Help::default() });
    assert!((unchanged - plain).abs() < 1e-3, "{unchanged}, not {plain}");
    assert_eq!(nats(1, Help::default()), plain, "the model itself stays as it is");
}

#[test]
fn a_rate_that_breaks_the_weights_is_an_error() {
    let model = model();
    let ids = TokenIds::U32(training_text(&config()).corpus.ids().to_vec()[..400].to_vec());
    let help = Help { adapt: Some(1e38), ..Help::default() };
    let error = evaluate(&model, &compute(1), &ids, 0..400, help, |_| true).unwrap_err();
    assert!(error.to_string().contains("--learning-rate"), "{error}");
}

/// A rate that only makes the model worse than a blind guess, with counts that hide it and without;
/// and a model that was as bad before.
#[test]
fn a_rate_that_makes_the_model_useless_is_an_error() {
    let mut model = model();
    let ids = TokenIds::U32(training_text(&config()).corpus.ids().to_vec());
    let evaluated = |model: &Model, length: usize, adapt: f64, mixture: Option<Mixture>| {
        let mut read = 0;
        let help = Help { mixture, adapt: Some(adapt), ..Help::default() };
        let watch = |done| {
            read = done;
            true
        };
        let score = evaluate(model, &compute(1), &ids, 0..length, help, watch);
        (score, read)
    };
    let counts = Mixture::new(model.tokenizer.vocabulary_size(), 6).unwrap();
    for (length, counts) in [(400, None), (400, Some(counts)), (ids.len(), None)] {
        let (score, read) = evaluated(&model, length, 300.0, counts);
        let error = score.unwrap_err();
        assert!(matches!(error, Error::HarmfulLearning { loss, without } if loss > 2.0 * without));
        assert_eq!(read, 2048.min(length as u64 - 1), "soon, or else at the end");
    }
    // The output's kernel and bias come last: what was likely is the unlikeliest.
    let vocabulary_size = model.tokenizer.vocabulary_size();
    let output = model.weights.len() - 10 * vocabulary_size;
    model.weights[output..].iter_mut().for_each(|weight| *weight *= -3.0);
    let (score, read) = evaluated(&model, ids.len(), 1e-9, None);
    let guess = (vocabulary_size as f64).ln();
    assert!(score.unwrap().unwrap().loss_nats() > guess + 2.0);
    assert_eq!(read, ids.len() as u64 - 1);
}

/// Where the network knows nothing, the likeliest token is the one that the counts have seen, and
/// each of several texts goes its own way through them.
#[test]
fn counts_help_to_write() {
    let config = config();
    let text = training_text(&config);
    let mut model = Model::new(config.model.clone(), text.tokenizer.clone(), 1).unwrap();
    model.weights.fill(0.0);
    let ids = text.corpus.ids().to_vec()[..60].to_vec();
    let mut counts = Mixture::new(model.tokenizer.vocabulary_size(), 12).unwrap();
    counts.study(&TokenIds::U32(ids.clone()), 0..ids.len());
    let sampler = Sampler { temperature: 0.0, ..Sampler::default() };
    let mixture = Some(Arc::new(counts));
    let config = GeneratorConfig { sampler, tokens: 20, mixture, ..settings(1, 0) };
    let written = write_texts(&model, &compute(2), &ids[..30], 3, &config).unwrap();
    assert_eq!(written[0].text, model.tokenizer.decode(&ids[30..50]));
    assert!(written.iter().all(|other| other == &written[0]));
    let config = GeneratorConfig { sampler: Sampler::default(), tokens: 60, ..config };
    let together = write_texts(&model, &compute(1), &ids[..5], 4, &config).unwrap();
    let alone = GeneratorConfig { first: 2, ..config };
    let third = write_texts(&model, &compute(1), &ids[..5], 1, &alone).unwrap();
    assert_eq!(together[2], third[0]);
    assert_ne!(together[1], together[2]);
}

/// Texts of different lengths that come and go while others are written.
#[test]
fn texts_join_and_leave_others_and_stay_the_same() {
    let model = model();
    for unit in VectorUnit::available() {
        let texts: Vec<Vec<u32>> =
            (0..9).map(|n| (0..7 + 3 * n).map(|i| (i * 7 + n) % 13).collect()).collect();
        let first = Streams::new(&model, unit).unwrap();
        let alone = |ids: &[u32]| {
            let mut streams = first.another();
            streams.read(ids);
            streams.logits(0).to_vec()
        };
        let mut together = first.another();
        together.leave_all();
        // Of each row the text, and how much of it was read.
        let mut rows: Vec<(usize, usize)> = Vec::new();
        let mut waiting: Vec<usize> = (0..texts.len()).rev().collect();
        while !waiting.is_empty() || !rows.is_empty() {
            if rows.len() < 4
                && let Some(text) = waiting.pop()
            {
                let mut beginning = first.another();
                beginning.read(&texts[text][..2]);
                together.join(&beginning.state());
                rows.push((text, 2));
            }
            let ids: Vec<u32> = rows.iter().map(|&(text, at)| texts[text][at]).collect();
            together.read(&ids);
            for row in (0..rows.len()).rev() {
                let (text, at) = &mut rows[row];
                *at += 1;
                assert_eq!(together.logits(row), alone(&texts[*text][..*at]), "{}", unit.name());
            }
            for row in (0..rows.len()).rev() {
                let (text, at) = rows[row];
                if at == texts[text].len() {
                    let mut again = first.another();
                    again.set_state(&together.state_of(row));
                    again.read(&[1]);
                    let ids = [&texts[text][..], &[1]].concat();
                    assert_eq!(again.logits(0), alone(&ids));
                    together.leave(row);
                    rows.swap_remove(row);
                }
            }
        }
    }
}

#[test]
fn the_logits_after_each_token_are_those_of_reading_so_far() {
    let model = model();
    let unit = VectorUnit::detect();
    let ids: Vec<u32> = (0..600).map(|i| i * 7 % 13).collect();
    let mut streams = Streams::new(&model, unit).unwrap();
    let mut after_each = Vec::new();
    streams.read_each(&ids, |place, logits| {
        assert_eq!(place, after_each.len());
        after_each.push(logits.to_vec());
    });
    assert_eq!(after_each.len(), ids.len());
    for length in [1, 2, 511, 512, 513, 600] {
        let mut alone = streams.another();
        alone.read(&ids[..length]);
        assert_eq!(alone.logits(0), after_each[length - 1], "{length}");
    }
    assert_eq!(streams.logits(0), after_each[599]);
}
