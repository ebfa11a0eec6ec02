//! One layer alone, forward and back, with its weights repacked as in each step of training.

use anyhow::Result;
use machado_core::layers::{BlockShape, Gru, Input, Layer, Mode, Pass, Piece, cut_rows};
use machado_core::math::buffer::Buffer;
use machado_core::math::matmul::padded;
use machado_core::math::threads::Compute;
use machado_core::params::ParameterTable;
use machado_core::rng::{Purpose, Rng};
use serde_json::json;

use super::timer::Timer;
use super::{Figures, line};
use crate::cli::{BenchArgs, BenchLayer};

/// Sizes where no flag says otherwise: those of the tutorial.
const UNITS: usize = 128;
const BATCH: usize = 32;
const WINDOW: usize = 128;

pub(super) fn measure(
    args: &BenchArgs,
    layer: BenchLayer,
    compute: &Compute,
    timer: &Timer,
    peak: f64,
) -> Result<Figures> {
    let settings = &args.settings;
    let units = settings.units.unwrap_or(UNITS);
    let shape = BlockShape {
        time: settings.window.unwrap_or(WINDOW),
        rows: settings.batch_size.unwrap_or(BATCH),
    };
    let layer = match layer {
        BenchLayer::Gru => Layer::Gru(Gru::new(compute.unit(), args.input, units)),
    };
    let mut bench = LayerBench::new(layer, args.input, shape, compute);
    let forward = timer.median(|| compute.enter(|| bench.forward()));
    // The way back changes what the way forward left, so both are repeated and the first taken off.
    let both = timer.median(|| {
        compute.enter(|| {
            bench.forward();
            bench.backward();
        });
    });
    let flop = 6.0 * (bench.layer.multiply_adds() * shape.positions()) as f64;
    let share_of_peak = flop / both / peak;
    let sizes = format!("{units} units, {} inputs", args.input);
    let shapes = format!("batch {} × window {}", shape.rows, shape.time);
    let times = format!("{:.2} ms forward, {:.2} ms with the way back", forward * 1e3, both * 1e3);
    let lines = vec![
        line("layer", &format!("gru, {sizes}, {shapes}")),
        line("time", &format!("{times}, {:.0}% of the peak", 100.0 * share_of_peak)),
    ];
    let json = json!({
        "layer": "gru",
        "units": units,
        "input": args.input,
        "batch_size": shape.rows,
        "window": shape.time,
        "forward_ms": forward * 1e3,
        "backward_ms": (both - forward) * 1e3,
        "ms": both * 1e3,
        "gflops_per_second": flop / both / 1e9,
        "share_of_peak": share_of_peak,
    });
    Ok(Figures { json, lines })
}

/// A layer, and what each thread needs for its rows.
struct LayerBench {
    compute: Compute,
    layer: Layer,
    weights: Vec<f32>,
    blocks: Vec<LayerBlock>,
    pieces: Vec<Piece>,
    gradient: Vec<f32>,
}

/// The rows of one thread.
struct LayerBlock {
    shape: BlockShape,
    pass: Pass,
    input: Buffer,
    state: Buffer,
    d_output: Buffer,
    d_input: Buffer,
}

impl LayerBench {
    fn new(layer: Layer, input_dim: usize, shape: BlockShape, compute: &Compute) -> Self {
        let mut rng = Rng::new(1, Purpose::Weights, 0);
        let mut random = |len: usize| {
            let mut values = Buffer::zeros(len);
            values.fill_with(|| 0.1 * rng.normal() as f32);
            values
        };
        let blocks = cut_rows(shape.rows, compute.threads()).map(|rows| {
            let shape = BlockShape { rows: rows.len(), ..shape };
            LayerBlock {
                shape,
                pass: layer.new_pass(),
                input: random(shape.positions() * padded(input_dim)),
                state: Buffer::zeros(shape.rows * layer.state_dim()),
                d_output: random(shape.positions() * padded(layer.output_dim())),
                d_input: Buffer::zeros(shape.positions() * padded(input_dim)),
            }
        });
        let blocks = blocks.collect();
        let weights = ParameterTable::new(layer.parameters()).initial_values(1);
        let lengths = layer.gradient_pieces().into_iter().enumerate();
        let pieces =
            lengths.map(|(number, len)| Piece { layer: 0, number, values: Buffer::zeros(len) });
        Self {
            compute: compute.clone(),
            pieces: pieces.collect(),
            gradient: vec![0.0; weights.len()],
            weights,
            blocks,
            layer,
        }
    }

    fn forward(&mut self) {
        self.layer.load(&self.weights);
        let layer = &self.layer;
        self.compute.for_each(&mut self.blocks, |block| {
            block.state.fill(0.0);
            let mode = Mode::Training { seed: 1, step: 1, first_row: 0 };
            let input = Input::Values(&block.input);
            let state = (&mut block.state[..]).into();
            layer.forward(block.shape, mode, input, state, &mut block.pass);
        });
    }

    fn backward(&mut self) {
        let layer = &self.layer;
        self.compute.for_each(&mut self.blocks, |block| {
            let LayerBlock { shape, pass, d_output, d_input, .. } = block;
            layer.backward(*shape, pass, d_output, d_input);
        });
        let blocks = &self.blocks;
        self.compute.for_each(&mut self.pieces, |piece| {
            piece.values.fill(0.0);
            for block in blocks {
                for stripe in block.shape.stripes() {
                    let input = Input::Values(&block.input);
                    layer.add_gradient(block.shape, stripe, input, &block.pass, piece);
                }
            }
        });
        layer.unpack_gradient(&self.pieces, &mut self.gradient);
    }
}
