use machado_core::generate::{Generator, GeneratorConfig};
use machado_core::math::reference;
use machado_core::math::simd::VectorUnit;
use machado_core::model::{Model, Streams};
use machado_core::predict::predict;
use machado_core::rng::Purpose;
use machado_core::sample::{Bans, Sampler};
use machado_core::session::{Origin, Session, SessionConfig, Until};
use machado_core::text::Standardize;
use machado_core::tokenizer::UnknownPolicy;
use proptest::prelude::*;

use crate::common::{config, trainer};

fn model() -> Model {
    let mut trainer = trainer(&config(), 1);
    trainer.by_ref().for_each(|event| drop(event.unwrap()));
    trainer.model().clone()
}

fn session_with(model: &Model, prompt: &[u32], sampler: Sampler) -> Session {
    let config = SessionConfig {
        sampler,
        standardize: Standardize::Lower,
        unknown: UnknownPolicy::Skip,
        seed: 5,
    };
    Session::new(model, VectorUnit::detect(), prompt, config).unwrap()
}

fn session(model: &Model) -> Session {
    session_with(model, &[3, 1, 2], Sampler::default())
}

const ALL: [Origin; 3] = [Origin::Picked, Origin::Typed, Origin::Drawn];

#[test]
fn candidates_are_what_predict_says_after_the_same_text() {
    let model = model();
    let unit = VectorUnit::detect();
    let mut session = session(&model);
    let penalty = Sampler { repetition_penalty: Some(1.5), ..Sampler::default() };
    for sampler in [Sampler::default(), Sampler { top_p: Some(0.8), ..Sampler::default() }, penalty]
    {
        session.set_sampler(sampler.clone()).unwrap();
        session.pick(4).unwrap();
        let ids: Vec<u32> =
            [3, 1, 2].into_iter().chain(session.chosen().iter().map(|t| t.id)).collect();
        let expected = predict(&model, unit, &ids, &sampler, 6).unwrap();
        assert_eq!(session.candidates(6), expected);
    }
    let picked = session.chosen().iter().all(|token| token.origin == Origin::Picked);
    assert!(picked && session.chosen().len() == 3);
    assert!(session.pick(9999).is_err() && session.chosen().len() == 3);
}

/// All probability would be on one, which tells nothing of the others.
#[test]
fn at_temperature_0_candidates_are_those_at_1_and_the_first_is_drawn() {
    let model = model();
    let greedy = Sampler {
        temperature: 0.0,
        top_k: Some(2),
        typical_p: Some(0.1),
        repetition_penalty: Some(1.5),
        ..Sampler::default()
    };
    let mut session = session_with(&model, &[3, 1, 2], greedy.clone());
    for _ in 0..20 {
        let ids: Vec<u32> =
            [3, 1, 2].into_iter().chain(session.chosen().iter().map(|t| t.id)).collect();
        let at_one = Sampler { repetition_penalty: Some(1.5), ..Sampler::default() };
        let expected = predict(&model, VectorUnit::detect(), &ids, &at_one, 6).unwrap();
        let candidates = session.candidates(6);
        assert_eq!(candidates, expected);
        session.write(Until::Tokens(1), |_| true);
        assert_eq!(session.chosen().last().unwrap().id, candidates[0].id);
    }
    assert_eq!(session.sampler(), &greedy);
}

#[test]
fn the_surprise_is_that_of_the_model_whatever_the_temperature() {
    let model = model();
    let mut session = session(&model);
    session.set_sampler(Sampler { temperature: 0.3, ..Sampler::default() }).unwrap();
    session.type_text("a cor").unwrap();
    session.write(Until::Tokens(20), |_| true);
    let mut streams = Streams::new(&model, VectorUnit::detect()).unwrap();
    streams.read(&[3, 1, 2]);
    let mut sum = 0.0;
    for token in session.chosen() {
        let p = f64::from(reference::softmax(streams.logits(0))[token.id as usize]);
        assert!((token.nats + p.ln()).abs() < 1e-4, "{token:?} and {p}");
        sum += token.nats;
        streams.read(&[token.id]);
    }
    let score = session.score(&ALL);
    assert_eq!((score.tokens, session.score(&[Origin::Typed]).tokens), (25, 5));
    assert!((score.nats - sum).abs() < 1e-9);
    assert!((score.nats_per_token().unwrap() - sum / 25.0).abs() < 1e-9);
    assert_eq!(session.score(&[Origin::Picked]).nats_per_token(), None);
}

/// Also in pieces that end with words, each of which needs to see the token after it.
#[test]
fn what_the_model_writes_is_what_generate_writes_with_the_same_seed() {
    let model = model();
    let bans = Bans::of_texts(&model.tokenizer, Standardize::Lower, &["u".into(), "é a".into()]);
    let careful = Sampler {
        top_k: Some(9),
        typical_p: Some(0.9),
        repetition_penalty: Some(1.2),
        repetition_window: 7,
        bans: bans.unwrap(),
        ..Sampler::default()
    };
    for sampler in [Sampler::default(), careful.clone()] {
        let config = GeneratorConfig {
            mixture: None,
            sampler: sampler.clone(),
            tokens: 120,
            stop: vec![],
            seed: 5,
            purpose: Purpose::Generate,
            first: 0,
        };
        let unit = VectorUnit::detect();
        let texts = Generator::new(&model, unit, &[3, 1, 2], 1, config).unwrap().finish();
        let mut at_once = session_with(&model, &[3, 1, 2], sampler.clone());
        assert_eq!(at_once.write(Until::Tokens(120), |_| true), 120);
        let prompt = at_once.prompt();
        assert_eq!(at_once.text(), format!("{prompt}{}", texts[0].text));
        let mut word_by_word = session_with(&model, &[3, 1, 2], sampler);
        let mut words = 0;
        while word_by_word.chosen().len() < 100 {
            word_by_word
                .write(if words % 3 == 2 { Until::Tokens(2) } else { Until::Word }, |_| true);
            words += 1;
        }
        assert!(words > 10, "{words} words");
        let both = at_once.text().len().min(word_by_word.text().len());
        assert_eq!(at_once.text()[..both], word_by_word.text()[..both]);
    }
    let mut banned = session_with(&model, &[], careful);
    banned.write(Until::Tokens(300), |_| true);
    assert!(!banned.text().contains('u') && !banned.text().contains("é a"), "{}", banned.text());
}

#[test]
fn the_caller_can_stop_the_model() {
    let model = model();
    let mut session = session(&model);
    assert_eq!(session.write(Until::Tokens(50), |session| session.chosen().len() < 7), 7);
    assert_eq!(session.write(Until::Tokens(0), |_| true), 0);
    assert!(session.undo() && session.chosen().is_empty() && !session.undo());
}

#[test]
fn steps_are_taken_back_and_brought_back_whole() {
    let model = model();
    let mut session = session(&model);
    let mut texts = vec![session.text()];
    let mut step = |session: &Session| texts.push(session.text());
    session.pick(4).unwrap();
    step(&session);
    session.type_text("O Mar").unwrap();
    step(&session);
    session.write(Until::Tokens(70), |_| true);
    step(&session);
    for text in texts.iter().rev().skip(1) {
        assert!(session.undo());
        assert_eq!(&session.text(), text);
    }
    assert!(!session.undo());
    for text in &texts[1..] {
        assert!(session.redo());
        assert_eq!(&session.text(), text);
    }
    assert!(!session.redo());
    assert!(texts[2].ends_with("o mar"), "as the model reads it: {}", texts[2]);
    // Some tokens of a step: they come back as they went, and the rest of the step is still one.
    assert_eq!(session.take_back(10), 10);
    assert_eq!(session.take_back(5), 5);
    assert!(session.redo() && session.redo());
    assert_eq!(session.text(), texts[3]);
    session.take_back(10);
    assert!(session.undo());
    assert_eq!(session.text(), texts[2]);
    // Something new: what was taken back is gone.
    session.pick(1).unwrap();
    assert!(!session.redo());
    assert_eq!(session.take_back(1000), 7);
    assert_eq!(session.text(), texts[0]);
}

#[test]
fn unknown_characters_are_left_out_and_named_or_an_error_that_changes_nothing() {
    let model = model();
    let mut lenient = session(&model);
    let before = lenient.text();
    assert_eq!(lenient.type_text("a日b日☃").unwrap(), [('日', 2), ('☃', 1)]);
    assert_eq!(lenient.text(), format!("{before}ab"));
    assert_eq!(lenient.type_text("日").unwrap(), [('日', 1)]);
    assert!(lenient.undo() && !lenient.undo(), "nothing typed is no step");
    let config = SessionConfig {
        sampler: Sampler::default(),
        standardize: Standardize::Lower,
        unknown: UnknownPolicy::Error,
        seed: 5,
    };
    let mut strict = Session::new(&model, VectorUnit::detect(), &[], config).unwrap();
    let message = strict.type_text("a日").unwrap_err().to_string();
    assert!(message.contains("'日' (U+65E5) at character 2 of the text"), "{message}");
    assert_eq!((strict.text(), strict.undo()), (String::new(), false));
    let error = strict.set_sampler(Sampler { temperature: -1.0, ..Sampler::default() });
    assert!(error.is_err() && strict.sampler() == &Sampler::default());
}

#[derive(Clone, Debug)]
enum Act {
    Pick(u32),
    Type(&'static str),
    Write(usize),
    Word,
    Undo,
    TakeBack(usize),
    Redo,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0u32..13).prop_map(Act::Pick),
        prop_oneof![Just("a"), Just("céu é"), Just("")].prop_map(Act::Type),
        (0usize..80).prop_map(Act::Write),
        Just(Act::Word),
        Just(Act::Undo),
        (0usize..50).prop_map(Act::TakeBack),
        Just(Act::Redo),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Whatever was done, the model knows what one knows that has read just this text.
    #[test]
    fn after_any_steps_the_state_is_that_of_the_text(acts in prop::collection::vec(act(), 1..25)) {
        static MODEL: std::sync::OnceLock<Model> = std::sync::OnceLock::new();
        let model = MODEL.get_or_init(model);
        let mut session = session(model);
        for act in acts {
            match act {
                Act::Pick(id) => session.pick(id).unwrap(),
                Act::Type(text) => drop(session.type_text(text).unwrap()),
                Act::Write(tokens) => drop(session.write(Until::Tokens(tokens), |_| true)),
                Act::Word => drop(session.write(Until::Word, |_| true)),
                Act::Undo => drop(session.undo()),
                Act::TakeBack(count) => drop(session.take_back(count)),
                Act::Redo => drop(session.redo()),
            }
            let ids: Vec<u32> =
                [3, 1, 2].into_iter().chain(session.chosen().iter().map(|t| t.id)).collect();
            prop_assert_eq!(session.text(), model.tokenizer.decode(&ids));
            let unit = VectorUnit::detect();
            let expected = predict(model, unit, &ids, &Sampler::default(), 20).unwrap();
            prop_assert_eq!(session.candidates(20), expected);
        }
    }
}
