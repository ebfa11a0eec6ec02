use machado_core::checkpoint;
use machado_core::data::{CorpusReader, ReadText, Sampling, Shuffle, Target};
use machado_core::error::Error;
use machado_core::optimizer::{Optimizer, OptimizerConfig, Schedule};
use machado_core::run::{Monitor, RunConfig};
use machado_core::train::{CheckpointKind, DoneReason, Event, Trainer, TrainingText};

use crate::common::{compute, config, resumed, text, trainer, training_text};

fn events(trainer: &mut Trainer) -> Vec<Event> {
    trainer.map(|event| event.unwrap()).collect()
}

fn done(events: &[Event]) -> DoneReason {
    match events.last() {
        Some(Event::Done(reason)) => *reason,
        other => panic!("the last event is {other:?}"),
    }
}

fn shuffled_whole() -> RunConfig {
    let mut config = config();
    config.data.shuffle_buffer = Shuffle::ALL;
    config
}

fn streams() -> RunConfig {
    let mut config = config();
    config.data.sampling = Sampling::Streams;
    config
}

#[test]
fn a_run_learns_and_tells_its_events_in_order() {
    let config = config();
    let mut trainer = trainer(&config, 2);
    let batches = trainer.batches_per_epoch();
    let events = events(&mut trainer);
    let steps: Vec<_> = events
        .iter()
        .filter_map(|event| if let Event::Step(step) = event { Some(step) } else { None })
        .collect();
    assert_eq!(steps.len() as u64, 2 * batches);
    assert!(steps.iter().map(|step| step.step).eq(1..=2 * batches));
    let (first, last) = (steps[0].training.loss(), steps[steps.len() - 1].training.loss());
    assert!(last < first - 0.5, "loss from {first} to {last}");
    assert_eq!(done(&events), DoneReason::Epochs);

    let evaluated = events.iter().filter(|e| matches!(e, Event::Evaluated(_))).count() as u64;
    let expected = 2 * batches / 7 + 2
        - u64::from(batches.is_multiple_of(7))
        - u64::from((2 * batches).is_multiple_of(7));
    assert_eq!(evaluated, expected, "every 7 steps, and at the end of each epoch");
    let samples = events.iter().filter(|e| matches!(e, Event::Sample(_))).count() as u64;
    assert_eq!(samples, 2 * (2 * batches / 10), "two temperatures every 10 steps");
    let epochs: Vec<u64> = events
        .iter()
        .filter_map(|e| if let Event::Epoch { epoch, .. } = e { Some(*epoch) } else { None })
        .collect();
    assert_eq!(epochs, [1, 2]);
}

#[test]
fn an_epochs_training_loss_is_the_mean_over_its_batches() {
    let config = config();
    let (mut nats, mut positions) = (0.0, 0);
    for event in trainer(&config, 1) {
        match event.unwrap() {
            Event::Step(step) => {
                nats += step.training.nats;
                positions += step.training.positions;
            }
            Event::Epoch { training, validation, .. } => {
                assert!((training.loss() - nats / positions as f64).abs() < 1e-12);
                assert!(validation.is_some());
                (nats, positions) = (0.0, 0);
            }
            _ => {}
        }
    }
}

#[test]
fn the_best_model_is_the_one_with_the_best_validation() {
    for monitor in [Monitor::ValLoss, Monitor::ValAccuracy] {
        let mut config = config();
        config.training.monitor = monitor;
        config.training.learning_rate = 0.05;
        let mut trainer = trainer(&config, 1);
        let (mut best, mut kept) = (None, None);
        while let Some(event) = trainer.next() {
            match event.unwrap() {
                Event::Evaluated(now) => {
                    let better =
                        best.is_none_or(|best: machado_core::run::Evaluation| match monitor {
                            Monitor::ValLoss => now.loss < best.loss,
                            Monitor::ValAccuracy => now.accuracy > best.accuracy,
                        });
                    assert_eq!(now.is_best, better);
                    if better {
                        best = Some(now);
                    }
                }
                Event::Checkpoint(CheckpointKind::Best) => kept = Some(trainer.model_file()),
                _ => {}
            }
        }
        let (best, kept) = (best.unwrap(), checkpoint::read_model(&kept.unwrap()).unwrap());
        let facts = kept.training.unwrap();
        assert_eq!((facts.steps, facts.val_loss), (best.step, Some(best.loss)));
        assert_eq!(kept.config.unwrap(), config);
    }
}

/// Stops at the first settled moment after `events` events and goes on from the file of then.
fn check_resume(config: &RunConfig, after: usize) {
    // Each with another number of threads, which must not show either.
    let mut whole = trainer(config, 1);
    let all = events(&mut whole);
    let mut first = trainer(config, 3);
    let mut before = Vec::new();
    while before.len() < after || !first.is_settled() {
        before.push(first.next().unwrap().unwrap());
    }
    let file = first.resume_file();
    assert!(checkpoint::Checkpoint::read(&file).unwrap().to_bytes() == file, "read and written");
    let mut second = resumed(config, &file);
    before.extend(events(&mut second));
    let visible = |events: &[Event]| -> Vec<Event> {
        events.iter().filter(|e| !matches!(e, Event::Evaluating { .. })).cloned().collect()
    };
    assert_eq!(visible(&before), visible(&all), "events when stopped after {after} events");
    assert!(second.resume_file() == whole.resume_file(), "bytes when stopped after {after} events");
    assert!(second.model_file() == whole.model_file(), "bytes when stopped after {after} events");
}

/// A model learns on with what its optimizer remembers, on another text with a character it does not
/// know.
#[test]
fn a_run_can_begin_with_a_trained_model() {
    let config = config();
    let mut first = trainer(&config, 2);
    let before = events(&mut first);
    let checkpoint::Checkpoint { file, learning } =
        checkpoint::Checkpoint::read(&first.resume_file()).unwrap();
    let optimizer = learning.unwrap().optimizer;
    let text = || {
        let mut reader = CorpusReader::new(config.text.vocabulary(), 0);
        reader.add("é azul, e o mar também; ");
        reader.add(&config.text.standardize.apply(&text()).replace("céu", "c€u"));
        let read = reader.finish(&config.data.split, Some(&file.model.tokenizer)).unwrap();
        assert_eq!(read.rare.left_out[0].0, '€');
        let ReadText { corpus, tokenizer, characters, .. } = read;
        TrainingText { corpus, tokenizer, characters }
    };
    let begin = |optimizer| {
        let (config, model) = (config.clone(), file.model.clone());
        Trainer::from_model(config, text(), model, optimizer, compute(2))
    };
    let losses = |events: &[Event]| -> Vec<f64> {
        let steps = events.iter().filter_map(|event| match event {
            Event::Step(step) => Some(step.training.loss()),
            _ => None,
        });
        steps.collect()
    };
    let last = *losses(&before).last().unwrap();
    for optimizer in [Some(optimizer.clone()), None] {
        let steps = optimizer.as_ref().map_or(0, Optimizer::steps);
        let mut second = begin(optimizer).unwrap();
        let after = losses(&events(&mut second));
        assert!(after[0] < last + 0.5, "{} after {last}", after[0]);
        let file = checkpoint::Checkpoint::read(&second.resume_file()).unwrap();
        assert_eq!(file.learning.unwrap().optimizer.steps(), steps + after.len() as u64);
    }
    let other = Optimizer::new(OptimizerConfig::by_name("sgd").unwrap(), 1);
    let message = begin(Some(other)).map(drop).unwrap_err().to_string();
    assert!(message.contains("the constants of the optimizer"), "{message}");
}

/// Every moment of the second epoch's end and a bit before, and some from the beginning on.
fn moments(config: &RunConfig) -> Vec<usize> {
    let count = events(&mut trainer(config, 2)).len();
    (0..count).filter(|i| i % 13 == 0 || (count / 2 - 8..count / 2 + 8).contains(i)).collect()
}

#[test]
fn a_resumed_run_equals_one_that_never_stopped() {
    for config in [config(), shuffled_whole()] {
        for after in moments(&config) {
            check_resume(&config, after);
        }
    }
}

#[test]
fn a_resumed_run_of_streams_equals_one_that_never_stopped() {
    for after in moments(&streams()) {
        check_resume(&streams(), after);
    }
}

#[test]
fn a_resumed_run_without_validation_equals_one_that_never_stopped() {
    let mut config = config();
    config.data.split = "1.0:0.0".parse().unwrap();
    for after in moments(&config) {
        check_resume(&config, after);
    }
}

#[test]
fn a_run_stopped_before_its_last_evaluation_is_not_over() {
    let mut config = config();
    config.training.eval_every = None;
    (config.training.epochs, config.training.steps) = (None, Some(9));
    let mut stopped = trainer(&config, 1);
    while stopped.progress().step < 9 || !stopped.is_settled() {
        stopped.next().unwrap().unwrap();
    }
    assert!(!stopped.is_over());
    let mut again = resumed(&config, &stopped.resume_file());
    assert!(!again.is_over());
    assert!(events(&mut again).iter().any(|event| matches!(event, Event::Evaluated(_))));
    assert!(resumed(&config, &again.resume_file()).is_over());
}

/// What a sample at temperature 0 says is what the model of that step would generate, with the
/// prompt in the same letters as the text.
#[test]
fn samples_are_what_the_model_would_generate() {
    use machado_core::generate::{Generator, GeneratorConfig};
    use machado_core::math::simd::VectorUnit;
    use machado_core::tokenizer::UnknownPolicy;

    let mut config = config();
    config.samples.prompt = "A COR ".into();
    config.samples.temperatures = vec![0.0];
    let mut trainer = trainer(&config, 1);
    let sample = loop {
        if let Event::Sample(sample) = trainer.next().unwrap().unwrap() {
            break sample;
        }
    };
    let model = trainer.model();
    let mut encoding = model.tokenizer.encoding(UnknownPolicy::Error, "prompt");
    model.tokenizer.encode_piece("a cor ", &mut encoding).unwrap();
    let settings = GeneratorConfig {
        mixture: None,
        interventions: Vec::new(),
        sampler: machado_core::sample::Sampler { temperature: 0.0, ..Default::default() },
        tokens: config.samples.tokens,
        stop: vec![],
        seed: 0,
        purpose: machado_core::rng::Purpose::Generate,
        first: 0,
    };
    let prompt = encoding.ids.to_vec();
    let mut generator = Generator::new(model, VectorUnit::detect(), &prompt, 1, settings).unwrap();
    let mut text = String::new();
    while generator.step(|_, piece| text.push_str(piece)) {}
    assert_eq!(sample.text, text);
    assert_eq!(sample.prompt, "A COR ");
}

#[test]
fn every_optimizer_resumes_exactly() {
    for name in OptimizerConfig::NAMES {
        let mut config = config();
        config.training.optimizer = OptimizerConfig::by_name(name).unwrap();
        config.training.epochs = Some(1);
        check_resume(&config, 9);
    }
    let mut config = config();
    config.training.optimizer = OptimizerConfig::Sgd { momentum: 0.9, nesterov: true };
    check_resume(&config, 9);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for config in [config(), streams()] {
        let bytes = |threads| {
            let mut trainer = trainer(&config, threads);
            events(&mut trainer);
            trainer.resume_file()
        };
        let one = bytes(1);
        for threads in [2, 3, 5] {
            assert!(bytes(threads) == one, "{threads} threads");
        }
    }
}

#[test]
fn another_seed_gives_another_model() {
    let weights = |seed| {
        let mut config = config();
        config.training.seed = seed;
        config.training.epochs = None;
        config.training.steps = Some(1);
        let mut trainer = trainer(&config, 1);
        events(&mut trainer);
        trainer.model().weights.clone()
    };
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn a_run_goes_on_longer_than_it_was_first_meant_to() {
    let mut config = config();
    // A cosine would end at another step; a constant rate makes the two ways equal.
    config.training.schedule = Schedule::Constant;
    config.training.eval_every = None;
    (config.training.epochs, config.training.steps) = (None, Some(8));
    let mut short = trainer(&config, 1);
    assert_eq!(done(&events(&mut short)), DoneReason::Steps);
    config.training.steps = Some(15);
    let mut longer = resumed(&config, &short.resume_file());
    assert_eq!(done(&events(&mut longer)), DoneReason::Steps);
    let mut whole = trainer(&config, 1);
    events(&mut whole);
    assert_eq!(longer.model().weights, whole.model().weights);
}

#[test]
fn a_run_ends_by_patience() {
    let mut config = config();
    // So large a rate that it soon gets worse.
    config.training.learning_rate = 0.3;
    config.training.schedule = Schedule::Constant;
    config.training.epochs = Some(1000);
    config.training.patience = Some(2);
    let mut trainer = trainer(&config, 1);
    assert_eq!(done(&events(&mut trainer)), DoneReason::Patience);
    assert_eq!(trainer.progress().evaluations_since_best, 2);
}

#[test]
fn a_run_ends_by_time_after_an_evaluation() {
    let mut config = config();
    (config.training.epochs, config.training.minutes) = (None, Some(1.0));
    let mut trainer = trainer(&config, 1);
    let mut events = Vec::new();
    loop {
        trainer.set_time(trainer.progress().step as f64 / 10.0);
        match trainer.next() {
            Some(event) => events.push(event.unwrap()),
            None => break,
        }
    }
    assert_eq!(done(&events), DoneReason::Minutes);
    assert_eq!(trainer.progress().step, 10);
    assert_eq!(trainer.progress().evaluation.unwrap().step, 10);
}

#[test]
fn the_learning_rate_warms_up_and_falls_to_zero() {
    let config = config();
    let mut trainer = trainer(&config, 1);
    let rates: Vec<f64> = events(&mut trainer)
        .iter()
        .filter_map(|e| if let Event::Step(s) = e { Some(s.learning_rate) } else { None })
        .collect();
    assert_eq!(rates[..6], [0.0, 0.002, 0.004, 0.006, 0.008, 0.01]);
    assert!(rates[5..].is_sorted_by(|a, b| a > b));
    assert!(rates[rates.len() - 1] < 1e-4);
}

#[test]
fn the_target_last_and_streams_learn_too() {
    let mut last = config();
    last.data.target = Target::Last;
    for config in [last, streams()] {
        let mut config = config;
        config.training.epochs = Some(6);
        let mut trainer = trainer(&config, 2);
        let losses: Vec<f64> = events(&mut trainer)
            .iter()
            .filter_map(|e| {
                if let Event::Epoch { training, .. } = e { Some(training.loss()) } else { None }
            })
            .collect();
        assert!(losses[5] < losses[0] - 0.3, "{losses:?}");
    }
}

#[test]
fn without_a_validation_part_the_newest_model_is_kept() {
    let mut config = config();
    config.data.split = "0.9:0.0".parse().unwrap();
    let mut trainer = trainer(&config, 1);
    assert_eq!(trainer.validation_windows(), 0);
    let events = events(&mut trainer);
    assert!(events.contains(&Event::Checkpoint(CheckpointKind::Best)));
    assert!(!events.iter().any(|e| matches!(e, Event::Evaluated(_))));
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_before_it_spoils_the_weights() {
    let mut config = config();
    config.training.learning_rate = 1e30;
    config.training.schedule = Schedule::Constant;
    config.training.clip_norm = None;
    config.training.optimizer = OptimizerConfig::by_name("sgd").unwrap();
    let mut trainer = trainer(&config, 1);
    let error = trainer.find_map(|event| event.err()).expect("it diverges");
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
    assert!(error.to_string().contains("--learning-rate"), "{error}");
    assert!(trainer.next().is_none());
}

#[test]
fn resuming_with_another_text_or_other_layers_is_refused() {
    let config = config();
    let file = trainer(&config, 1).resume_file();
    let problem = |change: &dyn Fn(&mut RunConfig)| {
        let mut config = config.clone();
        change(&mut config);
        let text = training_text(&config);
        let compute = crate::common::compute(1);
        Trainer::resume(config, text, &file, compute).expect_err("refused").to_string()
    };
    let letters = machado_core::text::Standardize::Letters;
    assert!(problem(&|c| c.text.standardize = letters).contains("setting text.standardize"));
    assert!(problem(&|c| c.model.layers.truncate(4)).contains("setting model.layers"));
    assert!(problem(&|c| c.training.seed = 1).contains("setting training.seed"));
    assert!(problem(&|c| c.training.clip_norm = None).contains("setting training.clip_norm"));
    assert!(problem(&|c| c.data.batch_size = 3).contains("setting data.batch_size"));
    let model = trainer(&config, 1).model_file();
    let text = training_text(&config);
    let error = Trainer::resume(config, text, &model, crate::common::compute(1));
    assert!(error.expect_err("refused").to_string().contains("last.safetensors"));
}
