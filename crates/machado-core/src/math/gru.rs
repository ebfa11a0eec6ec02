//! One time step of a GRU, forward and back, with products and gates in one go.
//!
//! Keras' `reset_after=True`, gates in the order z (update), r (reset), h (candidate):
//!
//! ```text
//! z = σ(x_z + h_z)    r = σ(x_r + h_r)    c = tanh(x_c + r·h_c)    h' = z·h + (1 − z)·c
//! ```
//!
//! where `x_·` is the input's part of a gate and `h_·` the state's part, biases included.
//!
//! The weights are repacked once per step of the training: for each vector of units the three
//! gates lie side by side. A tile of eight rows then has all sums of its units in registers when the
//! products end, and turns them into gates and the new state at once; z and r, which need only
//! the sum of both parts, take one chain of multiply-adds over input and state together.
//!
//! What the way back needs is kept *by panel*, `[panels, B, 4, L]`, with `L` units (one vector) to a
//! panel: c, z, r, `h_c` on the way forward, and on the way back, in the same places, the gradients
//! by `x_c`, by z and r before σ, and by `h_c`. The first three are what the input's weights
//! want, the last three what the state's want, each one contiguous piece.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::buffer::Buffer;
use super::elementwise::{sigmoid_vector, tanh_vector};
use super::matmul::{self, Packed, Rows, Segment, padded};
use super::simd::VectorUnit;
use super::tile::{self, VECTORS};

/// The weights of a GRU, repacked.
#[derive(Clone, Debug)]
pub struct GruWeights {
    unit: VectorUnit,
    input_dim: usize,
    units: usize,
    /// For each panel the kernel's `[C, 3, L]` (c, z, r), then the recurrent kernel's
    /// `[H, 3, L]` (z, r, c).
    forward: Buffer,
    /// For each panel `[4, L]`: of `x_c`, z, r and `h_c`.
    bias: Buffer,
    /// Where the columns of the kernels go in their transposes.
    segments: [Vec<Segment>; 2],
    /// The transposed kernel; summed over `[panels, 3, L]` (c, z, r).
    kernel_transposed: Packed,
    /// The transposed recurrent kernel; summed over `[panels, 3, L]` (z, r, c).
    recurrent_kernel_transposed: Packed,
}

/// Keras' place of a gate in kernels and biases.
const Z: usize = 0;
const R: usize = 1;
const C: usize = 2;

impl GruWeights {
    /// Weights of 0 for `units` units over `input_dim` inputs.
    pub fn new(unit: VectorUnit, input_dim: usize, units: usize) -> Self {
        let summed = VECTORS * padded(units);
        Self {
            unit,
            input_dim,
            units,
            forward: Buffer::zeros((input_dim + units) * summed),
            bias: Buffer::zeros(4 * padded(units)),
            segments: [[C, Z, R], [Z, R, C]].map(|gates| segments(units, unit.lanes(), gates)),
            kernel_transposed: Packed::new(unit, summed, input_dim),
            recurrent_kernel_transposed: Packed::new(unit, summed, units),
        }
    }

    /// Takes over `kernel: [C, 3H]`, `recurrent_kernel: [H, 3H]` and `bias: [2, 3H]`.
    pub fn pack(&mut self, kernel: &[f32], recurrent_kernel: &[f32], bias: &[f32]) {
        let (input_dim, units, lanes) = (self.input_dim, self.units, self.lanes());
        let (bias_x, bias_h) = bias.split_at(3 * units);
        let panel = (input_dim + units) * VECTORS * lanes;
        let panels =
            self.forward.chunks_exact_mut(panel).zip(self.bias.chunks_exact_mut(4 * lanes));
        for (number, (panel, bias)) in panels.enumerate() {
            let own = number * lanes..((number + 1) * lanes).min(units);
            let own = own.start.min(own.end)..own.end;
            let (of_input, of_state) = panel.split_at_mut(input_dim * VECTORS * lanes);
            pack_gates(kernel, [C, Z, R], own.clone(), lanes, of_input);
            pack_gates(recurrent_kernel, [Z, R, C], own.clone(), lanes, of_state);
            for (lane, unit) in own.enumerate() {
                bias[lane] = bias_x[C * units + unit];
                bias[lanes + lane] = bias_x[Z * units + unit] + bias_h[Z * units + unit];
                bias[2 * lanes + lane] = bias_x[R * units + unit] + bias_h[R * units + unit];
                bias[3 * lanes + lane] = bias_h[C * units + unit];
            }
        }
        self.kernel_transposed.pack_segments(kernel, &self.segments[0]);
        self.recurrent_kernel_transposed.pack_segments(recurrent_kernel, &self.segments[1]);
    }

    /// Units of a panel.
    pub fn lanes(&self) -> usize {
        self.unit.lanes()
    }

    /// Values of the gates of one step of so many rows.
    pub fn gates_len(&self, rows: usize) -> usize {
        4 * rows * padded(self.units)
    }

    /// One step forward for some rows.
    ///
    /// `input: [B, C]` and `state: [B, H]` (padded) to `new_state: [B, H]`; `gates` receives what
    /// [`backward`](Self::backward) wants.
    pub fn forward(&self, input: &[f32], state: &[f32], gates: &mut [f32], new_state: &mut [f32]) {
        let rows = state.len() / padded(self.units);
        assert_eq!(state.len(), new_state.len(), "sizes of two states");
        assert_eq!(gates.len(), self.gates_len(rows), "size of the gates");
        dispatch!(self.unit.0, simd => self.forward_with(simd, input, state, gates, new_state));
    }

    #[inline(always)]
    fn forward_with<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        state: &[f32],
        gates: &mut [f32],
        new_state: &mut [f32],
    ) {
        let lanes = S::f32s::LEN;
        let width = padded(self.units);
        let rows = state.len() / width;
        let panel_len = (self.input_dim + self.units) * VECTORS * lanes;
        let weights = self.forward.chunks_exact(panel_len).zip(self.bias.chunks_exact(4 * lanes));
        let gates = gates.chunks_exact_mut((rows * 4 * lanes).max(1));
        for (number, ((panel, bias), gates)) in weights.zip(gates).enumerate() {
            let (of_input, of_state) = panel.split_at(self.input_dim * VECTORS * lanes);
            let mut step = Forward {
                of_input,
                of_state,
                bias,
                input: Rows::new(input, self.input_dim, padded(self.input_dim)),
                state,
                width,
                column: number * lanes,
                gates,
                new_state: &mut *new_state,
            };
            let mut row = 0;
            while tile::has_eight_rows(lanes) && row + 8 <= rows {
                step.tile::<S, 8>(simd, row);
                row += 8;
            }
            while row + 4 <= rows {
                step.tile::<S, 4>(simd, row);
                row += 4;
            }
            while row < rows {
                step.tile::<S, 1>(simd, row);
                row += 1;
            }
        }
    }

    /// One step back for some rows.
    ///
    /// `d_output: [B, H]` is the gradient of this step's output from above, `d_state: [B, H]` the
    /// one from the step after, which becomes the one for the step before; `state: [B, H]` is the
    /// state before the step. `gates` becomes gradients, and `d_input: [B, C]` is overwritten.
    pub fn backward(
        &self,
        gates: &mut [f32],
        state: &[f32],
        d_output: &[f32],
        d_state: &mut [f32],
        d_input: &mut [f32],
    ) {
        let width = padded(self.units);
        let rows = state.len() / width;
        assert_eq!(gates.len(), self.gates_len(rows), "size of the gates");
        assert_eq!([d_output.len(), d_state.len()], [state.len(); 2], "sizes of states");
        dispatch!(self.unit.0, simd => {
            gates_backward(simd, gates, state, d_output, d_state, width);
        });
        let lanes = self.lanes();
        let pieces = |data| Rows {
            data,
            stride: 4 * lanes,
            piece: 3 * lanes,
            piece_stride: rows * 4 * lanes,
        };
        let (of_input, of_state) = (pieces(&*gates), pieces(&gates[lanes..]));
        let from = matmul::From::Out;
        matmul::multiply(of_state, &self.recurrent_kernel_transposed, from, d_state);
        matmul::multiply(of_input, &self.kernel_transposed, matmul::From::Zero, d_input);
    }
}

/// Where the columns of a kernel go when its transpose is summed over panels of gates.
fn segments(units: usize, lanes: usize, gates: [usize; 3]) -> Vec<Segment> {
    let segment = |(first, place): (usize, usize)| {
        let own = first..(first + lanes).min(units);
        let columns = gates[place] * units + own.start..gates[place] * units + own.end;
        Segment { columns, to: VECTORS * first + place * lanes }
    };
    let firsts = (0..units).step_by(lanes);
    firsts.flat_map(|first| (0..3).map(move |place| (first, place))).map(segment).collect()
}

/// Fills `[K, 3, L]` with some units' columns of three gates of a kernel `[K, 3H]`.
fn pack_gates(
    kernel: &[f32],
    gates: [usize; 3],
    own: std::ops::Range<usize>,
    lanes: usize,
    out: &mut [f32],
) {
    let rows = out.len() / (VECTORS * lanes);
    let units = kernel.len() / (3 * rows);
    for (row, out) in kernel.chunks_exact(3 * units).zip(out.chunks_exact_mut(VECTORS * lanes)) {
        for (gate, out) in gates.into_iter().zip(out.chunks_exact_mut(lanes)) {
            out[..own.len()].copy_from_slice(&row[gate * units..][own.clone()]);
        }
    }
}

/// One panel of a step forward.
struct Forward<'a> {
    of_input: &'a [f32],
    of_state: &'a [f32],
    bias: &'a [f32],
    input: Rows<'a>,
    state: &'a [f32],
    /// From row to row of the states.
    width: usize,
    /// The panel's first unit.
    column: usize,
    /// `[B, 4, L]`.
    gates: &'a mut [f32],
    new_state: &'a mut [f32],
}

impl Forward<'_> {
    /// All gates of `N` rows and one panel of units.
    #[inline(always)]
    fn tile<S: Simd, const N: usize>(&mut self, simd: S, row: usize) {
        simd.vectorize(
            #[inline(always)]
            || {
                let lanes = S::f32s::LEN;
                let [c, z, r, h_c] = tile::load::<S, 4>(simd, self.bias);
                let inputs =
                    std::array::from_fn(|i| &self.input.data[(row + i) * self.input.stride..]);
                let sums = [[c, z, r]; N];
                let sums = tile::multiply::<S, N, 3>(simd, inputs, self.of_input, sums);
                let gates = &mut self.gates[row * 4 * lanes..][..N * 4 * lanes];
                // x_c waits in memory, so that the registers suffice for the rest.
                for i in 0..N {
                    sums[i][0].store_slice(&mut gates[i * 4 * lanes..][..lanes]);
                }
                let sums: [[S::f32s; 3]; N] =
                    std::array::from_fn(|i| [sums[i][1], sums[i][2], h_c]);
                let states = std::array::from_fn(|i| &self.state[(row + i) * self.width..]);
                let sums = tile::multiply::<S, N, 3>(simd, states, self.of_state, sums);
                for i in 0..N {
                    let [z, r, h_c] = sums[i];
                    let gates = &mut gates[i * 4 * lanes..][..4 * lanes];
                    let place = (row + i) * self.width + self.column;
                    let x_c = S::f32s::from_slice(simd, &gates[..lanes]);
                    let state = S::f32s::from_slice(simd, &self.state[place..][..lanes]);
                    let z = sigmoid_vector(simd, z);
                    let r = sigmoid_vector(simd, r);
                    let c = tanh_vector(simd, r.mul_add(h_c, x_c));
                    let new_state = z.mul_add(state - c, c);
                    tile::store([c, z, r, h_c], gates);
                    new_state.store_slice(&mut self.new_state[place..][..lanes]);
                }
            },
        );
    }
}

/// The way back through the gates of one step: `gates` becomes gradients, `d_state` the direct
/// share `z·dh'` of the step before, to which the product with the recurrent kernel is still to
/// be added.
#[inline(always)]
fn gates_backward<S: Simd>(
    simd: S,
    gates: &mut [f32],
    state: &[f32],
    d_output: &[f32],
    d_state: &mut [f32],
    width: usize,
) {
    let lanes = S::f32s::LEN;
    let rows = state.len() / width;
    let one = S::f32s::splat(simd, 1.0);
    for (number, panel) in gates.chunks_exact_mut((rows * 4 * lanes).max(1)).enumerate() {
        for (row, gates) in panel.chunks_exact_mut(4 * lanes).enumerate() {
            let place = row * width + number * lanes..row * width + (number + 1) * lanes;
            let at = |values: &[f32]| S::f32s::from_slice(simd, &values[place.clone()]);
            let [c, z, r, h_c] = tile::load::<S, 4>(simd, gates);
            let dh = at(d_output) + at(d_state);
            let d_c = dh * (one - z) * (one - c * c);
            let d_z = dh * (at(state) - c) * z * (one - z);
            let d_r = d_c * h_c * r * (one - r);
            tile::store([d_c, d_z, d_r, d_c * r], gates);
            (dh * z).store_slice(&mut d_state[place]);
        }
    }
}
