use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use machado_core::data::{Batch, Start, Target};
use machado_core::error::Error;
use machado_core::evaluate::{Help, evaluate};
use machado_core::ids::TokenIds;
use machado_core::layers::Activation;
use machado_core::math::simd::VectorUnit;
use machado_core::model::{
    Engine, Intervene, Intervention, LayerConfig, Model, ModelConfig, Reach, Site, Streams,
};
use machado_core::tokenizer::{CharTokenizer, Tokenizer};

use crate::common::compute;

const UNITS: usize = 9;

fn softmax() -> LayerConfig {
    LayerConfig::Dense { units: None, activation: Activation::Softmax }
}

/// A model of these layers between an embedding and the output, with weights that say something.
fn model(layers: &[LayerConfig]) -> Model {
    let mut all = vec![LayerConfig::Embedding { output_dim: 5 }];
    all.extend_from_slice(layers);
    all.push(softmax());
    let tokenizer = Tokenizer::Char(CharTokenizer::from_text("abcdefgh "));
    Model::new(ModelConfig { layers: all }, tokenizer, 3).unwrap()
}

fn whole_model() -> Model {
    model(&[
        LayerConfig::Conv1d { filters: 7, kernel_size: 3, activation: Activation::Relu },
        LayerConfig::gru(UNITS),
        LayerConfig::dropout(0.3),
        LayerConfig::gru(UNITS),
        LayerConfig::Add { layer: "gru".into() },
    ])
}

/// Adds the same to each position's values.
#[derive(Debug)]
struct Shift(Vec<f32>);

impl Intervene for Shift {
    fn apply(&self, values: &mut [f32]) {
        values.iter_mut().zip(&self.0).for_each(|(value, shift)| *value += shift);
    }
}

/// Sets the values of the first position that comes.
#[derive(Debug)]
struct SetOnce(Vec<f32>, AtomicBool);

impl Intervene for SetOnce {
    fn apply(&self, values: &mut [f32]) {
        if !self.1.swap(true, Ordering::Relaxed) {
            values.copy_from_slice(&self.0);
        }
    }
}

fn at(model: &Model, site: &str, reach: Reach, change: impl Intervene + 'static) -> Intervention {
    let site = Site::new(&model.config, site).unwrap();
    Intervention { site, reach, change: Arc::new(change) }
}

fn logits(model: &Model, ids: &[u32], interventions: &[Intervention]) -> Vec<f32> {
    let mut streams = Streams::new(model, VectorUnit::detect()).unwrap();
    streams.intervene(interventions, model).unwrap();
    streams.read(ids);
    streams.logits(0).to_vec()
}

/// The values of a site after each of some texts of one length, text by text.
fn outputs(model: &Model, threads: usize, site: &str, texts: &[&[u32]]) -> Vec<Vec<f32>> {
    let site = Site::new(&model.config, site).unwrap();
    let size = model.tokenizer.vocabulary_size();
    let mut engine = Engine::new(&model.config, size, compute(threads)).unwrap();
    engine.load(&model.weights);
    let time = texts[0].len();
    // The last token of a window is only a target.
    let windows = texts.iter().flat_map(|text| text.iter().copied().chain([0])).collect();
    let batch = Batch { windows, rows: texts.len(), time, start: Start::Fresh };
    engine.evaluate(&batch, Target::All);
    let mut found = vec![Vec::new(); texts.len() * time];
    engine.outputs(&site, |row, t, values| found[row * time + t] = values.to_vec());
    found
}

#[test]
fn the_sites_are_all_layers_whose_output_is_their_own() {
    let config = whole_model().config;
    let sites = Site::all(&config);
    let names: Vec<&str> = sites.iter().map(|site| &site.name[..]).collect();
    assert_eq!(names, ["conv1d", "gru", "gru_1", "add"]);
    let recurrent: Vec<bool> = sites.iter().map(Site::is_recurrent).collect();
    assert_eq!(recurrent, [false, true, true, false]);
    assert_eq!(Site::last_state(&config).unwrap().name, "gru_1");
    let error = Site::new(&config, "gru_2").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model has no layer \"gru_2\" to look at; it has conv1d, gru, gru_1, add"
    );
}

#[test]
fn nothing_added_changes_not_a_bit() {
    let model = whole_model();
    let ids = [1, 5, 2, 7, 0, 3];
    let plain = logits(&model, &ids, &[]);
    for site in ["conv1d", "gru", "gru_1", "add"] {
        let shift = at(&model, site, Reach::Output, Shift(vec![0.0; 20]));
        assert_eq!(logits(&model, &ids, &[shift]), plain, "{site}");
    }
    let shift = at(&model, "gru", Reach::State, Shift(vec![0.0; UNITS]));
    assert_eq!(logits(&model, &ids, &[shift]), plain);
}

/// Beyond the last recurrent layer there is only a product: the logits move by `shift · W`.
#[test]
fn what_only_the_read_out_sees_moves_the_logits_along_one_vector() {
    let model = model(&[LayerConfig::gru(UNITS)]);
    let shift: Vec<f32> = (0..UNITS).map(|i| 0.3 * i as f32 - 1.0).collect();
    let table = model.parameters().unwrap();
    let kernel = table.specs().iter().position(|spec| spec.name == "dense/kernel").unwrap();
    let kernel = &model.weights[table.range(kernel)];
    for ids in [&[1, 5, 2, 7, 0, 3][..], &[4]] {
        let change = at(&model, "gru", Reach::Output, Shift(shift.clone()));
        let found = logits(&model, ids, &[change]);
        let plain = logits(&model, ids, &[]);
        for (token, (found, plain)) in found.iter().zip(&plain).enumerate() {
            let expected: f32 =
                (0..UNITS).map(|i| shift[i] * kernel[i * plain_len(&model) + token]).sum();
            assert!((found - plain - expected).abs() < 1e-5, "{token}: {}", found - plain);
        }
    }
}

fn plain_len(model: &Model) -> usize {
    model.tokenizer.vocabulary_size()
}

/// A model that is given the state of another text goes on as after that text.
#[test]
fn a_state_is_all_that_the_model_remembers() {
    let model = model(&[LayerConfig::gru(UNITS)]);
    let (other, own, after) = ([1, 5, 2, 7], [3, 3, 0, 4], [6, 8, 1]);
    let state = outputs(&model, 1, "gru", &[&other])[3].clone();
    let set = || SetOnce(state.clone(), AtomicBool::new(false));
    // The state after the first token is replaced by that after the four of the other text.
    let read: Vec<u32> = own[..1].iter().chain(&after).copied().collect();
    let found = logits(&model, &read, &[at(&model, "gru", Reach::State, set())]);
    assert_eq!(found, logits(&model, &[&other[..], &after].concat(), &[]));
    // The read-out alone forgets it at the next token.
    let found = logits(&model, &read, &[at(&model, "gru", Reach::Output, set())]);
    assert_eq!(found, logits(&model, &read, &[]));
}

#[test]
fn values_are_the_same_in_any_company_and_on_any_threads() {
    let model = whole_model();
    let texts: Vec<Vec<u32>> =
        (0..21).map(|i| (0..6).map(|t| (i * 5 + t * t) % 9).collect()).collect();
    let texts: Vec<&[u32]> = texts.iter().map(|text| &text[..]).collect();
    for site in ["conv1d", "gru", "gru_1", "add"] {
        let together = outputs(&model, 2, site, &texts);
        for (number, text) in texts.iter().enumerate() {
            let alone = outputs(&model, 1, site, &[text]);
            assert_eq!(together[number * 6..][..6], alone, "{site}");
        }
    }
    // The sum is the sum.
    let [gru, gru_1, add] =
        ["gru", "gru_1", "add"].map(|site| outputs(&model, 1, site, &texts[..1]));
    for ((first, second), sum) in gru.iter().zip(&gru_1).zip(&add) {
        let expected: Vec<f32> = first.iter().zip(second).map(|(a, b)| a + b).collect();
        assert_eq!(*sum, expected);
    }
}

#[test]
fn evaluating_sees_the_change_too() {
    let model = whole_model();
    let ids = TokenIds::U32((0..200).map(|i| (i * i) % 9).collect());
    let nats = |interventions: Vec<Intervention>, adapt| {
        let help = Help { interventions, adapt, ..Help::default() };
        let score = evaluate(&model, &compute(1), &ids, 0..200, help, |_| true)?;
        Ok::<_, Error>(score.unwrap().loss_nats())
    };
    let shift = |by: f32| vec![at(&model, "gru", Reach::State, Shift(vec![by; UNITS]))];
    let plain = nats(Vec::new(), None).unwrap();
    assert_eq!(nats(shift(0.0), None).unwrap(), plain);
    assert!((nats(shift(0.5), None).unwrap() - plain).abs() > 1e-3);
    let error = nats(shift(0.5), Some(0.1)).unwrap_err().to_string();
    assert!(error.contains("learn to undo it"), "{error}");
}

#[test]
fn what_does_not_fit_is_an_error() {
    let model = whole_model();
    let mut streams = Streams::new(&model, VectorUnit::detect()).unwrap();
    let mut error = |change| streams.intervene(&[change], &model).unwrap_err().to_string();
    assert_eq!(
        error(at(&model, "conv1d", Reach::State, Shift(vec![0.0; 7]))),
        "nothing can be changed there: conv1d has no state that goes on, only an output"
    );
    let other = self::model(&[LayerConfig::gru(4)]);
    assert_eq!(
        error(at(&other, "gru", Reach::State, Shift(vec![0.0; 4]))),
        "nothing can be changed there: gru has 9 values, not 4"
    );
}
