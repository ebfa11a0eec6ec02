//! A graph run node by node, as ONNX's documents define the operators: slow, and for what machado writes
//! alone. `bench/interop/run` runs the same files with onnxruntime.

use std::collections::HashMap;

use super::message::*;

/// Numbers with their axes, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Tensor {
    pub(super) fn new(shape: &[usize], values: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "values of {shape:?}");
        Self { shape: shape.to_vec(), values }
    }

    fn of(proto: &TensorProto) -> Self {
        let shape: Vec<usize> = proto.dims.iter().map(|&size| size as usize).collect();
        let values = match proto.data_type {
            FLOAT => {
                let (bytes, rest) = proto.raw_data.as_chunks::<4>();
                assert!(rest.is_empty());
                bytes.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect()
            }
            INT64 => {
                let (bytes, rest) = proto.raw_data.as_chunks::<8>();
                assert!(rest.is_empty());
                bytes.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64).collect()
            }
            other => panic!("data type {other}"),
        };
        Self::new(&shape, values)
    }

    fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        Self::new(&self.shape, self.values.iter().map(|&x| change(x)).collect())
    }

    /// The value at a place in three axes.
    fn at(&self, [i, j, k]: [usize; 3]) -> f64 {
        let [_, columns, depth] = self.shape[..] else {
            panic!("three axes, not {:?}", self.shape)
        };
        self.values[(i * columns + j) * depth + k]
    }

    /// A tensor of three axes from what stands at each place.
    fn from_fn(shape: [usize; 3], value: impl Fn([usize; 3]) -> f64) -> Self {
        let mut values = Vec::new();
        for i in 0..shape[0] {
            for j in 0..shape[1] {
                values.extend((0..shape[2]).map(|k| value([i, j, k])));
            }
        }
        Self::new(&shape, values)
    }

    fn shape3(&self) -> [usize; 3] {
        self.shape[..].try_into().expect("three axes")
    }
}

/// The outputs of a graph for these inputs.
pub(super) fn run(graph: &GraphProto, inputs: Vec<Tensor>) -> Vec<Tensor> {
    let mut known: HashMap<&str, Tensor> = HashMap::new();
    known.extend(graph.initializer.iter().map(|proto| (&proto.name[..], Tensor::of(proto))));
    known.extend(graph.input.iter().map(|input| &input.name[..]).zip(inputs));
    for node in &graph.node {
        let inputs: Vec<&Tensor> = node
            .input
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| &known[&name[..]])
            .collect();
        let outputs = apply(node, &inputs);
        for (name, output) in node.output.iter().zip(outputs) {
            assert!(known.insert(name, output).is_none(), "{name} is given twice");
        }
    }
    graph.output.iter().map(|output| known[&output.name[..]].clone()).collect()
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> &'a AttributeProto {
    let found = node.attribute.iter().find(|attribute| attribute.name == name);
    found.unwrap_or_else(|| panic!("{} without {name}", node.op_type))
}

fn apply(node: &NodeProto, inputs: &[&Tensor]) -> Vec<Tensor> {
    let x = inputs[0];
    let one = match &node.op_type[..] {
        "Identity" => x.clone(),
        "Relu" => x.map(|x| x.max(0.0)),
        "Tanh" => x.map(f64::tanh),
        "Gather" => {
            let width = x.shape[1];
            let row = |&id: &f64| &x.values[id as usize * width..][..width];
            let values = inputs[1].values.iter().flat_map(row).copied().collect();
            Tensor::new(&[&inputs[1].shape[..], &[width]].concat(), values)
        }
        "Add" => {
            let y = inputs[1].values.iter().cycle();
            let values = x.values.iter().zip(y).map(|(x, y)| x + y).collect();
            Tensor::new(&x.shape, values)
        }
        "MatMul" => {
            let [batch, time, _] = x.shape3();
            let columns = inputs[1].shape[1];
            Tensor::from_fn([batch, time, columns], |[i, j, k]| {
                let products =
                    (0..x.shape[2]).map(|c| x.at([i, j, c]) * inputs[1].values[c * columns + k]);
                products.sum()
            })
        }
        "Softmax" => {
            assert_eq!(attribute(node, "axis").i, -1);
            let mut values = x.values.clone();
            for row in values.chunks_exact_mut(x.shape[2]) {
                let sum: f64 = row.iter().map(|x| x.exp()).sum();
                row.iter_mut().for_each(|x| *x = x.exp() / sum);
            }
            Tensor::new(&x.shape, values)
        }
        "Transpose" => {
            let perm: Vec<usize> =
                attribute(node, "perm").ints.iter().map(|&axis| axis as usize).collect();
            let shape = [0, 1, 2].map(|axis| x.shape[perm[axis]]);
            Tensor::from_fn(shape, |place| {
                let mut from = [0; 3];
                (0..3).for_each(|axis| from[perm[axis]] = place[axis]);
                x.at(from)
            })
        }
        "Concat" => {
            assert_eq!(attribute(node, "axis").i, 1);
            let (first, y) = (x.shape[1], inputs[1]);
            let shape = [x.shape[0], first + y.shape[1], x.shape[2]];
            Tensor::from_fn(shape, |[i, j, k]| match j.checked_sub(first) {
                None => x.at([i, j, k]),
                Some(j) => y.at([i, j, k]),
            })
        }
        "Slice" => {
            let [from, to, axis] = [1, 2, 3].map(|input| inputs[input].values[0]);
            assert!(from < 0.0 && to >= 1e18 && axis == 1.0, "{from} to {to} of {axis}");
            let skipped = (x.shape[1] as f64 + from).max(0.0) as usize;
            let shape = [x.shape[0], x.shape[1] - skipped, x.shape[2]];
            Tensor::from_fn(shape, |[i, j, k]| x.at([i, j + skipped, k]))
        }
        "Conv" => {
            let ([batch, channels, time], w) = (x.shape3(), inputs[1]);
            let [filters, _, taps] = w.shape3();
            Tensor::from_fn([batch, filters, time + 1 - taps], |[b, f, t]| {
                let mut sum = inputs[2].values[f];
                for c in 0..channels {
                    sum += (0..taps).map(|k| w.at([f, c, k]) * x.at([b, c, t + k])).sum::<f64>();
                }
                sum
            })
        }
        "Unsqueeze" => {
            let mut shape = x.shape.clone();
            shape.insert(inputs[1].values[0] as usize, 1);
            Tensor::new(&shape, x.values.clone())
        }
        "Squeeze" => {
            let mut shape = x.shape.clone();
            assert_eq!(shape.remove(inputs[1].values[0] as usize), 1);
            Tensor::new(&shape, x.values.clone())
        }
        "GRU" => return gru(node, inputs),
        other => panic!("operator {other}"),
    };
    vec![one]
}

/// ONNX's GRU in one direction: all states, and the last one.
fn gru(node: &NodeProto, inputs: &[&Tensor]) -> Vec<Tensor> {
    let is_after = attribute(node, "linear_before_reset").i == 1;
    let [x, w, r, b, before] = inputs[..] else { panic!("{} inputs", inputs.len()) };
    let ([time, batch, channels], units) = (x.shape3(), attribute(node, "hidden_size").i as usize);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut state = before.values.clone();
    let mut all = Vec::new();
    for t in 0..time {
        let old = state.clone();
        for row in 0..batch {
            let old = &old[row * units..][..units];
            // Gates stand as z, r, h.
            let from_input = |gate: usize| -> f64 {
                let products = (0..channels).map(|c| w.at([0, gate, c]) * x.at([t, row, c]));
                products.sum::<f64>() + b.values[gate]
            };
            let from_state = |gate: usize| -> f64 {
                let products = (0..units).map(|u| r.at([0, gate, u]) * old[u]);
                products.sum::<f64>() + b.values[3 * units + gate]
            };
            let reset: Vec<f64> = (units..2 * units)
                .map(|gate| sigmoid(from_input(gate) + from_state(gate)))
                .collect();
            for unit in 0..units {
                let z = sigmoid(from_input(unit) + from_state(unit));
                let gate = 2 * units + unit;
                let remembered = if is_after {
                    reset[unit] * from_state(gate)
                } else {
                    let products = (0..units).map(|u| r.at([0, gate, u]) * reset[u] * old[u]);
                    products.sum::<f64>() + b.values[3 * units + gate]
                };
                let new = from_input(gate) + remembered;
                state[row * units + unit] = (1.0 - z) * new.tanh() + z * old[unit];
            }
        }
        all.extend(&state);
    }
    vec![Tensor::new(&[time, 1, batch, units], all), Tensor::new(&[1, batch, units], state)]
}
