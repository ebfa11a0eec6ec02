#![allow(clippy::unwrap_used, reason = "tests")]

use machado_core::math::simd::VectorUnit;
use machado_core::model::{ModelConfig, Streams};
use machado_core::tokenizer::{CharTokenizer, Tokenizer};

use super::*;
use tract_onnx::prelude::{
    Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTValue, IntoTensor, Tensor,
};

fn model(layers: Vec<LayerConfig>) -> Model {
    let tokenizer = Tokenizer::Char(CharTokenizer::from_text("abcdefg h"));
    let mut model = Model::new(ModelConfig { layers }, tokenizer, 7).unwrap();
    // Biases too, and so large that probabilities differ.
    for (place, weight) in model.weights.iter_mut().enumerate() {
        *weight = 2.0 * *weight + 0.1 * ((place % 7) as f32 - 3.0);
    }
    model
}

fn all_kinds() -> Model {
    model(vec![
        LayerConfig::Embedding { output_dim: 5 },
        LayerConfig::Conv1d { filters: 6, kernel_size: 3, activation: Activation::Relu },
        LayerConfig::dropout(0.2),
        LayerConfig::gru(4),
        LayerConfig::Gru { units: 4, reset_after: false },
        LayerConfig::Add { layer: "gru".into() },
        LayerConfig::Conv1d { filters: 4, kernel_size: 1, activation: Activation::Linear },
        LayerConfig::Dense { units: Some(5), activation: Activation::Tanh },
        LayerConfig::Dense { units: None, activation: Activation::Softmax },
    ])
}

/// What machado says after each token, `[time, V]`.
fn said(model: &Model, ids: &[i64]) -> Vec<f32> {
    let mut streams = Streams::new(model, VectorUnit::detect()).unwrap();
    let mut all = Vec::new();
    for &id in ids {
        streams.read(&[id as u32]);
        let logits = streams.logits(0);
        let highest = logits.iter().copied().fold(f32::MIN, f32::max);
        let powers: Vec<f32> = logits.iter().map(|logit| (logit - highest).exp()).collect();
        let sum: f32 = powers.iter().sum();
        all.extend(powers.iter().map(|power| power / sum));
    }
    all
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 1e-5, "{a} instead of {b} at {place}");
    }
}

/// What the graph gives in tract for a batch of texts of one length: probabilities, then states. It
/// begins with states of 0, or with those that another call has left.
fn given(bytes: &[u8], tokens: &[Vec<i64>], before: Option<&[Tensor]>) -> Vec<Tensor> {
    let graph = ModelProto::decode(bytes).unwrap().graph.unwrap();
    let (batch, time) = (tokens.len(), tokens[0].len());
    let mut model = tract_onnx::onnx().model_for_read(&mut &*bytes).unwrap();
    let mut inputs = Vec::new();
    for (number, input) in graph.input.iter().enumerate() {
        let tensor_type = input.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
        let length = |dim: &Dimension| match dim.value.as_ref().unwrap() {
            Size::Value(size) => *size as usize,
            Size::Name(name) if name == BATCH => batch,
            Size::Name(_) => time,
        };
        let shape: Vec<usize> =
            tensor_type.shape.as_ref().unwrap().dim.iter().map(length).collect();
        let tensor = match (number, before) {
            (0, _) => Tensor::from_shape(&shape, &tokens.concat()).unwrap(),
            (_, None) => Tensor::zero::<f32>(&shape).unwrap(),
            // Outputs have the states in the order of the inputs.
            (_, Some(before)) => before[number].clone(),
        };
        let fact = InferenceFact::dt_shape(tensor.datum_type(), &shape);
        model.set_input_fact(number, fact).unwrap();
        inputs.push(tensor.into_tvalue());
    }
    let runnable = model.into_optimized().unwrap().into_runnable().unwrap();
    let outputs = runnable.run(inputs.into()).unwrap();
    outputs.into_iter().map(|output| output.into_tensor()).collect()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_plain_array_view::<f32>().unwrap().iter().copied().collect()
}

#[test]
fn the_graph_says_what_machado_says() {
    let model = all_kinds();
    let texts = [vec![0, 3, 1, 8, 2, 5], vec![7, 7, 4, 0, 6, 1]];
    let found = given(&onnx(&model).unwrap(), &texts, None);
    let expected: Vec<f32> = texts.iter().flat_map(|text| said(&model, text)).collect();
    assert_near(&values(&found[0]), &expected);
}

#[test]
fn a_text_may_be_read_in_parts() {
    let model = all_kinds();
    let bytes = onnx(&model).unwrap();
    let expected = said(&model, &[0, 3, 1, 8, 2, 5]);
    let mut found = Vec::new();
    let mut before: Option<Vec<Tensor>> = None;
    // One token alone is less than the convolution sees.
    for part in [vec![0], vec![3, 1, 8], vec![2], vec![5]] {
        let now = given(&bytes, &[part], before.as_deref());
        found.extend(values(&now[0]));
        before = Some(now);
    }
    assert_near(&found, &expected);
}

#[test]
fn the_file_says_what_goes_in_and_comes_out() {
    let bytes = onnx(&all_kinds()).unwrap();
    assert_eq!(bytes, onnx(&all_kinds()).unwrap());
    let file = ModelProto::decode(&bytes[..]).unwrap();
    assert_eq!((file.ir_version, file.opset_import[0].version), (8, 17));
    assert_eq!(file.metadata_props[0].key, "tokenizer.json");
    let graph = file.graph.unwrap();
    let names = |values: &[ValueInfoProto]| -> Vec<String> {
        values.iter().map(|value| value.name.clone()).collect()
    };
    // A convolution that sees one step remembers nothing.
    assert_eq!(names(&graph.input), ["tokens", "conv1d.past", "gru.state", "gru_1.state"]);
    assert_eq!(
        names(&graph.output),
        ["probabilities", "conv1d.past.next", "gru.state.next", "gru_1.state.next"]
    );
}
