//! A model as an ONNX graph that reads on: what it remembers goes in and comes out.
//!
//! ```text
//! tokens [batch, time] i64           ──┐      ┌──► probabilities [batch, time, V]
//! conv1d.past [batch, K − 1, C]      ──┼ graph┼──► conv1d.past.next
//! gru.state [batch, H]               ──┘      └──► gru.state.next
//! ```
//!
//! There is a `past` for each convolution that sees more than one step, and a `state` for each GRU,
//! both with the layer's name. A text begins with zeros; what comes out of one call goes into the next.
//! So a text gives the same whether it is read at once or token by token.
//!
//! The operators are those of opset 17 (IR 8), which runtimes since 2022 read. ONNX's GRU has its gates
//! in Keras' order; `linear_before_reset` is 1 where the reset gate comes after the product, as it does
//! but in old models of Keras.
//! Dropout does nothing outside training and is left out. The metadata has the tokenizer, under
//! `tokenizer.json`.

mod message;

use machado_core::layers::Activation;
use machado_core::model::{LayerConfig, Model};
use prost::Message;

use self::message::*;
use crate::{Result, tokenizer_json};

const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;

/// The ONNX file of a model.
///
/// # Errors
/// If the layers of the model do not fit together.
pub fn onnx(model: &Model) -> Result<Vec<u8>> {
    let graph = Graph::of(model)?;
    let tokenizer = StringStringEntryProto {
        key: "tokenizer.json".into(),
        value: tokenizer_json(&model.tokenizer),
    };
    let file = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "machado".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string:
            "A language model. Begin with states of 0, and give each .next to the next call.".into(),
        graph: Some(graph.proto),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: vec![tokenizer],
    };
    Ok(file.encode_to_vec())
}

/// A graph that grows layer by layer.
struct Graph {
    proto: GraphProto,
}

/// The axes of what goes from layer to layer.
const BATCH: &str = "batch";
const TIME: &str = "time";

impl Graph {
    fn of(model: &Model) -> Result<Self> {
        let table = model.parameters()?;
        let proto = GraphProto { name: "machado".into(), ..GraphProto::default() };
        let mut graph = Self { proto };
        graph.input("tokens", INT64, &[name(BATCH), name(TIME)], "ids of the tokenizer");
        let names = model.config.layer_names();
        let weights = |layer: &str, weight: &str| {
            let full = format!("{layer}/{weight}");
            let index = table.specs().iter().position(|spec| spec.name == full);
            let index = index.expect("the weights of a layer are in the table");
            (&model.weights[table.range(index)], &table.specs()[index].shape[..])
        };
        // What each layer gives, `[batch, time, width]`, and its width.
        let mut outputs: Vec<(String, usize)> = Vec::new();
        for (place, layer) in model.config.layers.iter().enumerate() {
            let own = &names[place];
            let (x, width) = outputs.last().cloned().unwrap_or_default();
            let output = match layer {
                LayerConfig::Embedding { output_dim } => {
                    let (table, shape) = weights(own, "embeddings");
                    let table = graph.floats(own, "embeddings", shape, table.to_vec());
                    (graph.node(own, "Gather", &[&table, "tokens"], "", &[]), *output_dim)
                }
                LayerConfig::Conv1d { filters, kernel_size, activation } => {
                    let size = [*kernel_size, width, *filters];
                    let [kernel, bias] = ["kernel", "bias"].map(|name| weights(own, name).0);
                    let sums = graph.convolution(own, &x, size, kernel, bias);
                    (graph.activated(own, sums, *activation), *filters)
                }
                LayerConfig::Gru { units, reset_after } => {
                    let values =
                        ["kernel", "recurrent_kernel", "bias"].map(|name| weights(own, name).0);
                    (graph.gru(own, &x, [width, *units], values, *reset_after), *units)
                }
                LayerConfig::Dropout { .. } => (x, width),
                LayerConfig::Add { layer } => {
                    let source = model.config.place(layer).expect("a config that was checked");
                    let other = outputs[source].0.clone();
                    (graph.node(own, "Add", &[&x, &other], "", &[]), width)
                }
                LayerConfig::Dense { activation, .. } => {
                    let (kernel, shape) = weights(own, "kernel");
                    let units = shape[1];
                    let kernel = graph.floats(own, "kernel", shape, kernel.to_vec());
                    let bias = graph.floats(own, "bias", &[units], weights(own, "bias").0.to_vec());
                    let product = graph.node(own, "MatMul", &[&x, &kernel], "product", &[]);
                    let sums = graph.node(own, "Add", &[&product, &bias], "sums", &[]);
                    (graph.activated(own, sums, *activation), units)
                }
            };
            outputs.push(output);
        }
        let (last, width) = outputs.pop().expect("a model has layers");
        graph.identity(&last, "probabilities");
        let shape = [name(BATCH), name(TIME), size(width)];
        // The states were listed first, as they came.
        let probabilities = value("probabilities", FLOAT, &shape, "of each token to come next");
        graph.proto.output.insert(0, probabilities);
        Ok(graph)
    }

    /// A causal convolution: `kernel [K, C, F]`, `bias [F]`; ONNX has `[F, C, K]`, and time last.
    fn convolution(
        &mut self,
        own: &str,
        x: &str,
        [taps, channels, filters]: [usize; 3],
        kernel: &[f32],
        bias: &[f32],
    ) -> String {
        let mut seen = x.to_owned();
        if taps > 1 {
            let [past, next] = [format!("{own}.past"), format!("{own}.past.next")];
            let shape = [name(BATCH), size(taps - 1), size(channels)];
            self.input(&past, FLOAT, &shape, "the inputs before the first step");
            let axis = AttributeProto::int("axis", 1);
            seen = self.node(own, "Concat", &[&past, x], "seen", &[axis]);
            let from = self.integers(own, "from", &[1 - taps as i64]);
            let to = self.integers(own, "to", &[i64::MAX]);
            let time = self.integers(own, "time", &[1]);
            let kept = self.node(own, "Slice", &[&seen, &from, &to, &time], "kept", &[]);
            self.identity(&kept, &next);
            self.proto.output.push(value(&next, FLOAT, &shape, "the last inputs"));
        }
        let mut weights = Vec::with_capacity(kernel.len());
        for f in 0..filters {
            for c in 0..channels {
                weights.extend((0..taps).map(|k| kernel[(k * channels + c) * filters + f]));
            }
        }
        let weights = self.floats(own, "kernel", &[filters, channels, taps], weights);
        let bias = self.floats(own, "bias", &[filters], bias.to_vec());
        let swapped = || [AttributeProto::ints("perm", &[0, 2, 1])];
        let rows = self.node(own, "Transpose", &[&seen], "rows", &swapped());
        let sums = self.node(own, "Conv", &[&rows, &weights, &bias], "convolved", &[]);
        self.node(own, "Transpose", &[&sums], "sums", &swapped())
    }

    /// A GRU: `kernel [C, 3H]`, `recurrent_kernel [H, 3H]`, `bias [2, 3H]` (`[3H]` where the reset
    /// gate comes before the product), gates in the order z, r, h; ONNX has `[1, 3H, C]`, `[1, 3H, H]`,
    /// `[1, 6H]`, and time first.
    fn gru(
        &mut self,
        own: &str,
        x: &str,
        [channels, units]: [usize; 2],
        [kernel, recurrent, bias]: [&[f32]; 3],
        reset_after: bool,
    ) -> String {
        let [state, next] = [format!("{own}.state"), format!("{own}.state.next")];
        let shape = [name(BATCH), size(units)];
        self.input(&state, FLOAT, &shape, "what was remembered before the first step");
        let gates = 3 * units;
        let w = self.floats(own, "w", &[1, gates, channels], transposed(kernel, gates));
        let r = self.floats(own, "r", &[1, gates, units], transposed(recurrent, gates));
        // Without a second bias, that is 0.
        let mut biases = bias.to_vec();
        biases.resize(2 * gates, 0.0);
        let b = self.floats(own, "b", &[1, 2 * gates], biases);
        let first = self.integers(own, "first", &[0]);
        let directions = self.integers(own, "directions", &[1]);
        let swapped = || [AttributeProto::ints("perm", &[1, 0, 2])];
        let steps = self.node(own, "Transpose", &[x], "steps", &swapped());
        let before = self.node(own, "Unsqueeze", &[&state, &first], "before", &[]);
        let [all, last] = [format!("{own}/all"), format!("{own}/last")];
        let settings = vec![
            AttributeProto::int("hidden_size", units as i64),
            AttributeProto::int("linear_before_reset", i64::from(reset_after)),
        ];
        self.proto.node.push(NodeProto {
            // No lengths: all texts of a batch are as long.
            input: vec![steps, w, r, b, String::new(), before],
            output: vec![all.clone(), last.clone()],
            name: format!("{own}/gru"),
            op_type: "GRU".into(),
            attribute: settings,
        });
        let after = self.node(own, "Squeeze", &[&last, &first], "after", &[]);
        self.identity(&after, &next);
        self.proto.output.push(value(
            &next,
            FLOAT,
            &shape,
            "what is remembered after the last step",
        ));
        let states = self.node(own, "Squeeze", &[&all, &directions], "states", &[]);
        self.node(own, "Transpose", &[&states], "out", &swapped())
    }

    fn activated(&mut self, own: &str, sums: String, activation: Activation) -> String {
        let operator = match activation {
            Activation::Linear => return sums,
            Activation::Relu => "Relu",
            Activation::Tanh => "Tanh",
            Activation::Softmax => "Softmax",
        };
        let axis = (activation == Activation::Softmax).then(|| AttributeProto::int("axis", -1));
        self.node(own, operator, &[&sums], "activated", axis.as_slice())
    }

    /// An operation with one output, whose name it returns: that of the layer, or of a step within it.
    fn node(
        &mut self,
        own: &str,
        operator: &str,
        inputs: &[&str],
        step: &str,
        attributes: &[AttributeProto],
    ) -> String {
        let output = if step.is_empty() { format!("{own}/out") } else { format!("{own}/{step}") };
        self.proto.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![output.clone()],
            name: format!("{output}:{operator}"),
            op_type: operator.into(),
            attribute: attributes.to_vec(),
        });
        output
    }

    /// Gives a value the name that the outside knows.
    fn identity(&mut self, from: &str, to: &str) {
        self.proto.node.push(NodeProto {
            input: vec![from.into()],
            output: vec![to.into()],
            name: format!("{to}:Identity"),
            op_type: "Identity".into(),
            attribute: Vec::new(),
        });
    }

    fn floats(&mut self, own: &str, weight: &str, shape: &[usize], values: Vec<f32>) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(format!("{own}/{weight}"), FLOAT, shape, bytes)
    }

    fn integers(&mut self, own: &str, step: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(format!("{own}/{step}"), INT64, &[values.len()], bytes)
    }

    fn constant(
        &mut self,
        name: String,
        data_type: i32,
        shape: &[usize],
        raw_data: Vec<u8>,
    ) -> String {
        let dims = shape.iter().map(|&size| size as i64).collect();
        self.proto.initializer.push(TensorProto { dims, data_type, name: name.clone(), raw_data });
        name
    }

    fn input(&mut self, name: &str, elem_type: i32, shape: &[Size], doc: &str) {
        self.proto.input.push(value(name, elem_type, shape, doc));
    }
}

/// Something that goes in or comes out.
fn value(name: &str, elem_type: i32, shape: &[Size], doc: &str) -> ValueInfoProto {
    let dim = shape.iter().map(|size| Dimension { value: Some(size.clone()) }).collect();
    let tensor_type = Some(TensorType { elem_type, shape: Some(TensorShapeProto { dim }) });
    let r#type = Some(TypeProto { tensor_type });
    ValueInfoProto { name: name.into(), r#type, doc_string: doc.into() }
}

fn size(value: usize) -> Size {
    Size::Value(value as i64)
}

fn name(of: &str) -> Size {
    Size::Name(of.into())
}

/// `[rows, columns]` column by column.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let column = |column: usize| values.iter().skip(column).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

#[cfg(test)]
mod tests;
