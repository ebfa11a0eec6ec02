use machado_core::generate::{Generator, GeneratorConfig};
use machado_core::math::reference;
use machado_core::math::simd::VectorUnit;
use machado_core::model::{Model, Streams};
use machado_core::predict::{PredictConfig, predict};
use machado_core::rng::Purpose;
use machado_core::run::TokenizerKind;
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
        space_waits: false,
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
        let expected = predict(&model, unit, &ids, &PredictConfig::new(&sampler, 6)).unwrap();
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
        let expected =
            predict(&model, VectorUnit::detect(), &ids, &PredictConfig::new(&at_one, 6)).unwrap();
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
            interventions: Vec::new(),
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
        space_waits: false,
    };
    let mut strict = Session::new(&model, VectorUnit::detect(), &[], config).unwrap();
    let message = strict.type_text("a日").unwrap_err().to_string();
    assert!(message.contains("'日' (U+65E5) at character 2 of the text"), "{message}");
    assert_eq!((strict.text(), strict.undo()), (String::new(), false));
    let error = strict.set_sampler(Sampler { temperature: -1.0, ..Sampler::default() });
    assert!(error.is_err() && strict.sampler() == &Sampler::default());
}

/// A model whose tokens are words or parts of words.
fn model_of(kind: TokenizerKind) -> Model {
    let mut config = config();
    config.text.tokenizer = kind;
    config.text.max_vocab = Some(300);
    config.training.epochs = Some(1);
    let mut trainer = trainer(&config, 1);
    trainer.by_ref().for_each(|event| drop(event.unwrap()));
    trainer.model().clone()
}

fn encode(model: &Model, text: &str) -> Vec<u32> {
    let mut encoding = model.tokenizer.encoding(UnknownPolicy::Error, "text");
    model.tokenizer.encode_piece(text, &mut encoding).unwrap();
    encoding.ids.to_vec()
}

/// A session after "a cor ", the space of which waits.
fn session_with_space(model: &Model) -> Session {
    let config = SessionConfig {
        sampler: Sampler::default(),
        standardize: Standardize::Lower,
        unknown: UnknownPolicy::Skip,
        seed: 5,
        space_waits: model.tokenizer.read_of_prompt("a cor ") == "a cor",
    };
    let prompt = encode(model, model.tokenizer.read_of_prompt("a cor "));
    Session::new(model, VectorUnit::detect(), &prompt, config).unwrap()
}

#[test]
fn a_space_at_the_end_is_joined_with_what_is_typed_or_picked() {
    for kind in [TokenizerKind::Word, TokenizerKind::Bpe] {
        let model = model_of(kind);
        let mut session = session_with_space(&model);
        assert_eq!((session.text(), session.take_back(9)), ("a cor ".into(), 0));
        session.type_text("do mar ").unwrap();
        assert_eq!(session.text(), "a cor do mar ");
        session.type_text("E o").unwrap();
        let ids: Vec<u32> = session.chosen().iter().map(|token| token.id).collect();
        // As the text is read at once, which is what the model knows.
        let whole = [encode(&model, "a cor"), encode(&model, " do mar e o")].concat();
        assert_eq!([encode(&model, "a cor"), ids].concat(), whole, "{kind:?}");
        session.type_text(" ").unwrap();
        // A token that has a space itself, one that has none, and one that never has.
        let is_word = |id: &u32| model.tokenizer.token(*id).trim_start().len() > 1;
        let spaced = |id: &u32| model.tokenizer.token(*id).starts_with(' ') && is_word(id);
        let spaced = (0..300).find(spaced).expect("words with a space before them");
        for id in [spaced, encode(&model, "a")[0], encode(&model, "\n")[0]] {
            let token = model.tokenizer.token(id);
            session.pick(id).unwrap();
            let word = token.strip_prefix(' ').unwrap_or(&token);
            assert_eq!(session.text(), format!("a cor do mar e o {word}"));
            assert!(session.undo());
            assert_eq!(session.text(), "a cor do mar e o ");
        }
        session.pick(spaced).unwrap();
        let texts = ["a cor do mar e o ", "a cor do mar e o", "a cor do mar ", "a cor "];
        for text in texts {
            assert!(session.undo());
            assert_eq!(session.text(), text);
        }
        assert!(!session.undo());
        for text in texts.iter().rev().skip(1) {
            assert!(session.redo());
            assert_eq!(&session.text(), text);
        }
        // The space that waits is the first thing to be taken back.
        assert_eq!(session.take_back(1), 1);
        assert_eq!(session.text(), "a cor do mar e o");
        assert_eq!(session.take_back(1000), encode(&model, " do mar e o").len());
        assert_eq!(session.text(), "a cor ");
    }
}

/// The model says itself whether a space comes next, as with `generate`.
#[test]
fn what_the_model_writes_stands_in_the_place_of_a_space_that_waits() {
    for kind in [TokenizerKind::Word, TokenizerKind::Bpe] {
        let model = model_of(kind);
        let config = GeneratorConfig {
            mixture: None,
            sampler: Sampler::default(),
            tokens: 40,
            stop: vec![],
            seed: 5,
            purpose: Purpose::Generate,
            first: 0,
            interventions: Vec::new(),
        };
        let unit = VectorUnit::detect();
        let texts = Generator::new(&model, unit, &encode(&model, "a cor"), 1, config).unwrap();
        let mut session = session_with_space(&model);
        session.write(Until::Tokens(40), |_| true);
        assert_eq!(session.text(), "a cor".to_owned() + &texts.finish()[0].text);
        assert!(session.undo());
        assert_eq!(session.text(), "a cor ");
    }
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

fn word_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        prop_oneof![Just(" "), Just("céu"), Just("céu "), Just(" é  "), Just(", "), Just("\n")]
            .prop_map(Act::Type),
        (0u32..40).prop_map(Act::Pick),
        (0usize..5).prop_map(Act::Write),
        Just(Act::Undo),
        Just(Act::Redo),
        (0usize..9).prop_map(Act::TakeBack),
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
            let expected = predict(model, unit, &ids, &PredictConfig::new(&Sampler::default(), 20)).unwrap();
            prop_assert_eq!(session.candidates(20), expected);
        }
    }

    /// Nothing that a person typed is lost, and undoing and redoing bring each text back.
    #[test]
    fn what_is_typed_stands_in_the_text_as_it_was_typed(
        acts in prop::collection::vec(word_act(), 1..25),
    ) {
        static MODEL: std::sync::OnceLock<Model> = std::sync::OnceLock::new();
        let model = MODEL.get_or_init(|| model_of(TokenizerKind::Word));
        let mut session = session_with_space(model);
        let (mut undone, mut done) = (Vec::new(), Vec::new());
        for act in acts {
            let (before, tokens) = (session.text(), session.chosen().len());
            let mut expected = before.clone();
            match act {
                Act::Type(text) => {
                    session.type_text(text).unwrap();
                    expected += text;
                }
                Act::Pick(id) => {
                    let token = session.token(id);
                    let joined = session.space_waits().then(|| token.strip_prefix(' ')).flatten();
                    expected += joined.unwrap_or(&token);
                    session.pick(id).unwrap();
                }
                Act::Write(count) => {
                    let without = expected.len() - usize::from(session.space_waits());
                    if session.write(Until::Tokens(count), |_| true) > 0 {
                        expected.truncate(without);
                    }
                    let new = session.chosen()[tokens..].iter();
                    new.for_each(|token| expected += &session.token(token.id));
                }
                Act::Undo => {
                    prop_assert_eq!(session.undo(), !done.is_empty());
                    expected = done.pop().inspect(|_| undone.push(before.clone())).unwrap_or(expected);
                }
                Act::Redo => {
                    prop_assert_eq!(session.redo(), !undone.is_empty());
                    expected = undone.pop().inspect(|_| done.push(before.clone())).unwrap_or(expected);
                }
                Act::TakeBack(count) => {
                    // With a token that is but a space the text stays the same.
                    prop_assert!(session.take_back(count) == 0 || session.redo());
                }
                Act::Word => unreachable!("not among these acts"),
            }
            prop_assert_eq!(session.text(), expected);
            let chosen = session.chosen().iter().map(|token| token.id);
            let ids: Vec<u32> = encode(model, "a cor").into_iter().chain(chosen).collect();
            let known = predict(model, VectorUnit::detect(), &ids, &PredictConfig::new(&Sampler::default(), 9)).unwrap();
            prop_assert_eq!(session.candidates(9), known);
            let wrote = matches!(act, Act::Write(_)) && session.chosen().len() > tokens;
            if wrote || matches!(act, Act::Type(_) | Act::Pick(_)) {
                done.push(before);
                undone.clear();
            }
        }
    }
}
