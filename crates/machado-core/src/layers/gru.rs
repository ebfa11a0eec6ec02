//! The gated recurrent unit.

use super::{BlockShape, Mode, Piece, State, Stripe};
use crate::math::buffer::Buffer;
use crate::math::gru::GruWeights;
use crate::math::matmul::padded;
use crate::math::outer::{PanelGroup, add_outer, add_sums};
use crate::math::simd::VectorUnit;
use crate::math::tile::Steps;
use crate::params::{Initializer, ParameterSpec};

/// Keras' `GRU` with `reset_after=True`: `kernel: [C, 3H]`, `recurrent_kernel: [H, 3H]`,
/// `bias: [2, 3H]` (the input's, then the state's). The three gates lie side by side in the order
/// z (update), r (reset), h (candidate); [`gru`](crate::math::gru) has the formulas.
#[derive(Clone, Debug)]
pub struct Gru {
    unit: VectorUnit,
    input_dim: usize,
    units: usize,
    weights: GruWeights,
}

/// What is kept of a block.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// The first state, then the state after each step: `[1 + T, B, H]`.
    states: Buffer,
    /// Values of one step, `B · H`: where the outputs begin.
    step: usize,
    /// The gates of each step (of the last one, outside training) by panel, and on the way back
    /// their gradients: `[T, panels, B, 4, L]`.
    gates: Buffer,
    /// Gradient of the state that the way back carries from step to step, `[B, H]`.
    d_state: Buffer,
}

impl Pass {
    pub(super) fn output(&self) -> &[f32] {
        &self.states[self.step..]
    }

    pub(super) fn output_mut(&mut self) -> &mut [f32] {
        &mut self.states[self.step..]
    }
}

impl Gru {
    /// `units` units over `input_dim` inputs.
    pub fn new(unit: VectorUnit, input_dim: usize, units: usize) -> Self {
        Self { unit, input_dim, units, weights: GruWeights::new(unit, input_dim, units) }
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let (c, h) = (self.input_dim, self.units);
        vec![
            super::spec("kernel", &[c, 3 * h], Initializer::GlorotUniform),
            super::spec("recurrent_kernel", &[h, 3 * h], Initializer::Orthogonal),
            super::spec("bias", &[2, 3 * h], Initializer::Zeros),
        ]
    }

    pub(super) fn load(&mut self, weights: &[f32]) {
        let (kernel, rest) = weights.split_at(self.input_dim * 3 * self.units);
        let (recurrent_kernel, bias) = rest.split_at(self.units * 3 * self.units);
        self.weights.pack(kernel, recurrent_kernel, bias);
    }

    pub(super) fn output_dim(&self) -> usize {
        self.units
    }

    pub(super) fn state_dim(&self) -> usize {
        padded(self.units)
    }

    /// `input: [T, B, C]` to outputs `[T, B, H]`; the state is `[B, H]`.
    pub(super) fn forward(
        &self,
        shape: BlockShape,
        mode: Mode,
        input: &[f32],
        state: State<'_>,
        pass: &mut Pass,
    ) {
        let step = shape.rows * padded(self.units);
        let gates_len = self.weights.gates_len(shape.rows);
        // Only training looks at the gates of earlier steps.
        let kept = if mode == Mode::Inference { 0 } else { gates_len };
        pass.step = step;
        pass.states.resize((1 + shape.time) * step);
        pass.gates.resize((shape.time.max(1) - 1) * kept + gates_len);
        pass.states[..step].copy_from_slice(state.values);
        for (t, input) in input.chunks_exact(input.len() / shape.time).enumerate() {
            let (before, after) = pass.states.split_at_mut((t + 1) * step);
            let gates = &mut pass.gates[t * kept..][..gates_len];
            self.weights.forward(input, &before[t * step..], gates, &mut after[..step]);
            if let Some(change) = state.change {
                change(&mut after[..step]);
            }
        }
        state.values.copy_from_slice(&pass.states[shape.time * step..]);
    }

    pub(super) fn backward(
        &self,
        shape: BlockShape,
        pass: &mut Pass,
        d_output: &[f32],
        d_input: &mut [f32],
    ) {
        let (step, gates_len) = (pass.step, self.weights.gates_len(shape.rows));
        let input_step = d_input.len() / shape.time;
        pass.d_state.reset(step);
        for t in (0..shape.time).rev() {
            self.weights.backward(
                &mut pass.gates[t * gates_len..][..gates_len],
                &pass.states[t * step..][..step],
                &d_output[t * step..][..step],
                &mut pass.d_state,
                &mut d_input[t * input_step..][..input_step],
            );
        }
    }

    /// For each panel of units `[C, 3, L]` (h, z, r) of the kernel, `[H, 3, L]` (z, r, h) of the
    /// recurrent kernel, `[4, L]` of the bias; some panels make a piece.
    pub(super) fn gradient_pieces(&self) -> Vec<usize> {
        let panels = padded(self.units) / self.weights.lanes();
        let together = self.panels_together();
        let sizes = (0..panels).step_by(together).map(|first| together.min(panels - first));
        sizes.map(|count| count * self.panel_len()).collect()
    }

    /// Panels of a piece. Many share the reading of the states, which for a small layer is cheap.
    fn panels_together(&self) -> usize {
        if self.units < 256 { 1 } else { 4 }
    }

    fn panel_len(&self) -> usize {
        let rows = padded(self.input_dim) + padded(self.units);
        (3 * rows + 4) * self.weights.lanes()
    }

    pub(super) fn add_gradient(
        &self,
        number: usize,
        shape: BlockShape,
        stripe: Stripe,
        input: &[f32],
        pass: &Pass,
        out: &mut [f32],
    ) {
        let lanes = self.weights.lanes();
        let (inputs, units) = (padded(self.input_dim), padded(self.units));
        let input = stripe.steps(input, shape, inputs);
        let before = stripe.steps(&pass.states, shape, units);
        let first_panel = number * self.panels_together();
        let gates = Steps {
            data: &pass.gates,
            first: (first_panel * shape.rows + stripe.first) * 4 * lanes,
            step: self.weights.gates_len(shape.rows),
            stride: 4 * lanes,
        };
        let size = [shape.time, stripe.rows];
        let panels = PanelGroup {
            count: out.len() / self.panel_len(),
            width: 3 * lanes,
            b_stride: shape.rows * 4 * lanes,
            out_stride: self.panel_len(),
        };
        add_outer(self.unit, input, gates, size, inputs, panels, out);
        let of_state = &mut out[inputs * panels.width..];
        add_outer(self.unit, before, gates.from(lanes), size, units, panels, of_state);
        for (panel, out) in out.chunks_exact_mut(self.panel_len()).enumerate() {
            let of_bias = out.len() - 4 * lanes;
            let gates = gates.from(panel * panels.b_stride);
            add_sums(self.unit, gates, size, &mut out[of_bias..]);
        }
    }

    pub(super) fn unpack_gradient(&self, pieces: &[Piece], out: &mut [f32]) {
        let (lanes, units) = (self.weights.lanes(), self.units);
        let (of_kernel, rest) = out.split_at_mut(self.input_dim * 3 * units);
        let (of_recurrent, of_bias) = rest.split_at_mut(units * 3 * units);
        let (bias_x, bias_h) = of_bias.split_at_mut(3 * units);
        let [z, r, h] = [0, 1, 2];
        let panels = pieces.iter().flat_map(|piece| piece.values.chunks_exact(self.panel_len()));
        for (number, panel) in panels.enumerate() {
            let own = (number * lanes).min(units)..((number + 1) * lanes).min(units);
            let (input, rest) = panel.split_at(padded(self.input_dim) * 3 * lanes);
            let (state, bias) = rest.split_at(padded(units) * 3 * lanes);
            // Where the values of a gate's units go in a row of three gates.
            let place = |gate: usize| gate * units + own.start..gate * units + own.end;
            let unpack = |piece: &[f32], gates: [usize; 3], out: &mut [f32]| {
                for (row, out) in piece.chunks_exact(3 * lanes).zip(out.chunks_exact_mut(3 * units))
                {
                    for (gate, values) in gates.into_iter().zip(row.chunks_exact(lanes)) {
                        out[place(gate)].copy_from_slice(&values[..own.len()]);
                    }
                }
            };
            unpack(input, [h, z, r], of_kernel);
            unpack(state, [z, r, h], of_recurrent);
            unpack(&bias[..3 * lanes], [h, z, r], bias_x);
            unpack(&bias[lanes..], [z, r, h], bias_h);
        }
    }
}
