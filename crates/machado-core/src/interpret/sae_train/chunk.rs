//! Some states of a batch on their way through the autoencoder.

use super::super::sae::{add_scaled, dot};
use super::{AUX_COEFFICIENT, Architecture, Shared};
use crate::math::buffer::Buffer;
use crate::math::matmul::{From, Rows, multiply, padded};

/// States of a chunk. Few enough that their activations stay in the cache.
const CHUNK: usize = 32;

/// A feature that is kept for a state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) feature: u32,
    /// The state's number in the chunk.
    pub(super) row: u32,
    /// Its activation.
    pub(super) value: f32,
    /// The gradient of the loss by the activation.
    pub(super) d_value: f32,
}

/// Some states, what is kept of them, and how far the decoded states are off.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// As they come, then centred and scaled; then without `b_dec`: `[rows, d_in]`.
    pub(super) centred: Buffer,
    /// All activations before any choice, `[rows, padded d_sae]`.
    sums: Buffer,
    /// Row by row, features rising.
    pub(super) kept: Vec<Kept>,
    /// Dead features that try to describe what the others leave over.
    pub(super) aux: Vec<Kept>,
    /// For each level the gradient of the loss by what a feature of that level adds,
    /// `[levels, rows, d_in]`. A feature's level is the first prefix that it belongs to.
    pub(super) d_decoded: Buffer,
    /// The same for dead features, `[rows, d_in]`.
    pub(super) d_aux: Buffer,
    /// Sums of squares over the states.
    pub(super) squared_error: f64,
    pub(super) squared_distance: f64,
    pub(super) loss: f64,
}

/// Cuts a batch into chunks.
pub(super) fn arrange(chunks: &mut Vec<Chunk>, states: &[f32], d_in: usize) {
    let pieces = states.chunks(CHUNK * d_in);
    chunks.resize_with(pieces.len(), Chunk::default);
    chunks.iter_mut().zip(pieces).for_each(|(chunk, piece)| chunk.centred.set(piece));
    // `centred` holds the states as they come until `encode`.
    chunks.iter_mut().for_each(|chunk| chunk.sums.resize(0));
}

impl Chunk {
    /// Encodes the states and keeps the activations above `floor`, of which the batch's best
    /// are chosen later, or what the architecture keeps of a state by itself.
    pub(super) fn encode(&mut self, shared: Shared<'_>, floor: f32) {
        let Shared { config, scaling, b_dec, d_in, .. } = shared;
        let width = padded(config.d_sae);
        if self.sums.is_empty() {
            self.squared_distance = 0.0;
            for state in self.centred.chunks_exact_mut(d_in) {
                for (x, mean) in state.iter_mut().zip(&scaling.mean) {
                    *x = (*x - mean) * scaling.factor;
                }
                self.squared_distance += f64::from(dot(state, state));
                add_scaled(state, -1.0, b_dec);
            }
            self.sums.resize(self.centred.len() / d_in * width);
            let input = Rows::new(&self.centred, d_in, d_in);
            multiply(input, shared.packed, From::Bias(shared.b_enc), &mut self.sums);
        }
        self.kept.clear();
        let floor = if config.architecture == Architecture::BatchTopK { floor } else { 0.0 };
        for (row, sums) in self.sums.chunks_exact(width).enumerate() {
            let first = self.kept.len();
            keep_above(&sums[..config.d_sae], floor.max(0.0), row as u32, &mut self.kept);
            if config.architecture == Architecture::TopK && self.kept.len() - first > config.k {
                keep_strongest(&mut self.kept, first, config.k);
            }
        }
    }

    /// Decodes what is kept, compares it with the states, and leaves the gradients.
    pub(super) fn decode(&mut self, shared: Shared<'_>) {
        let Shared { config, d_in, .. } = shared;
        let rows = self.centred.len() / d_in;
        let levels = config.prefixes.len();
        self.d_decoded.resize(levels * rows * d_in);
        (self.loss, self.squared_error) = (0.0, 0.0);
        let mut first = 0;
        for row in 0..rows {
            let count = self.kept[first..].iter().take_while(|kept| kept.row == row as u32).count();
            self.decode_row(shared, row, first..first + count);
            first += count;
        }
        self.decode_aux(shared);
        // From sums of errors to gradients.
        let scale = 2.0 / (shared.batch * d_in) as f32;
        let price = match config.architecture {
            Architecture::L1 { coefficient } => coefficient / shared.batch as f32,
            Architecture::BatchTopK | Architecture::TopK => 0.0,
        };
        self.d_decoded.iter_mut().for_each(|d| *d *= scale);
        for kept in &mut self.kept {
            let level = level_of(&config.prefixes, kept.feature);
            let place = (level * rows + kept.row as usize) * d_in;
            let direction = &shared.w_dec[kept.feature as usize * d_in..][..d_in];
            kept.d_value = dot(&self.d_decoded[place..][..d_in], direction) + price;
            self.loss += f64::from(price * kept.value) * (shared.batch * d_in) as f64;
        }
    }

    /// Leaves in `d_decoded`, for each level, the sum of the errors of all prefixes from there on.
    fn decode_row(&mut self, shared: Shared<'_>, row: usize, kept: std::ops::Range<usize>) {
        let Shared { config, d_in, .. } = shared;
        let rows = self.centred.len() / d_in;
        let state = &self.centred[row * d_in..][..d_in];
        let levels = config.prefixes.len();
        // The error so far, decoded − state; both lack `b_dec`.
        let mut error: Vec<f32> = state.iter().map(|x| -x).collect();
        let mut kept = self.kept[kept].iter().peekable();
        for (level, &prefix) in config.prefixes.iter().enumerate() {
            while let Some(kept) = kept.next_if(|kept| (kept.feature as usize) < prefix) {
                let direction = &shared.w_dec[kept.feature as usize * d_in..][..d_in];
                add_scaled(&mut error, kept.value, direction);
            }
            let squared = f64::from(dot(&error, &error));
            self.loss += squared;
            if level + 1 == levels {
                self.squared_error += squared;
            }
            self.d_decoded[(level * rows + row) * d_in..][..d_in].copy_from_slice(&error);
        }
        for level in (1..levels).rev() {
            let (before, after) = self.d_decoded.split_at_mut(level * rows * d_in);
            let sum = &after[row * d_in..][..d_in];
            add_scaled(&mut before[((level - 1) * rows + row) * d_in..][..d_in], 1.0, sum);
        }
    }

    /// Lets the dead features that would be strongest describe the error of the others.
    fn decode_aux(&mut self, shared: Shared<'_>) {
        let Shared { config, d_in, .. } = shared;
        self.aux.clear();
        if shared.dead.is_empty() {
            return;
        }
        let (rows, width) = (self.centred.len() / d_in, padded(config.d_sae));
        let count = (d_in / 2).clamp(1, shared.dead.len());
        self.d_aux.resize(rows * d_in);
        let whole = (config.prefixes.len() - 1) * rows * d_in;
        for row in 0..rows {
            let first = self.aux.len();
            let sums = &self.sums[row * width..][..config.d_sae];
            let candidates = shared.dead.iter().filter(|&&feature| sums[feature as usize] > 0.0);
            self.aux.extend(candidates.map(|&feature| Kept {
                feature,
                row: row as u32,
                value: sums[feature as usize],
                d_value: 0.0,
            }));
            if self.aux.len() - first > count {
                keep_strongest(&mut self.aux, first, count);
            }
            // error = decoded − state, so what is left over is −error.
            let error = &self.d_decoded[whole + row * d_in..][..d_in];
            let left_over = f64::from(dot(error, error)).max(1e-12);
            let aux_error = &mut self.d_aux[row * d_in..][..d_in];
            aux_error.copy_from_slice(error);
            for kept in &self.aux[first..] {
                let direction = &shared.w_dec[kept.feature as usize * d_in..][..d_in];
                add_scaled(aux_error, kept.value, direction);
            }
            // The error of the aux features relative to what there is to describe, a state.
            let relative = AUX_COEFFICIENT / left_over as f32;
            let squared = f64::from(dot(aux_error, aux_error));
            self.loss += squared * f64::from(relative) * d_in as f64;
            let scale = 2.0 * relative / shared.batch as f32;
            aux_error.iter_mut().for_each(|error| *error *= scale);
            for kept in &mut self.aux[first..] {
                let direction = &shared.w_dec[kept.feature as usize * d_in..][..d_in];
                kept.d_value = dot(&self.d_aux[row * d_in..][..d_in], direction);
            }
        }
    }
}

/// The first prefix that a feature belongs to.
pub(super) fn level_of(prefixes: &[usize], feature: u32) -> usize {
    prefixes.iter().position(|&prefix| (feature as usize) < prefix).unwrap_or(prefixes.len() - 1)
}

/// Appends the activations above a floor.
fn keep_above(sums: &[f32], floor: f32, row: u32, kept: &mut Vec<Kept>) {
    // Most are below, sixteen at a time.
    for (number, sums) in sums.chunks(16).enumerate() {
        if sums.iter().fold(false, |any, &sum| any | (sum > floor)) {
            for (lane, &value) in sums.iter().enumerate().filter(|(_, sum)| **sum > floor) {
                let feature = (16 * number + lane) as u32;
                kept.push(Kept { feature, row, value, d_value: 0.0 });
            }
        }
    }
}

/// Leaves the strongest of those from `first` on, features rising.
fn keep_strongest(kept: &mut Vec<Kept>, first: usize, count: usize) {
    kept[first..].select_nth_unstable_by(count - 1, |a, b| b.value.total_cmp(&a.value));
    kept.truncate(first + count);
    kept[first..].sort_unstable_by_key(|kept| kept.feature);
}
