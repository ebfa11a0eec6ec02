//! The gradient of the weights: for each feature a sum over the states that it was kept for.

use super::super::sae::add_scaled;
use super::Shared;
use super::chunk::{Chunk, Kept, level_of};
use crate::math::threads::Compute;

/// Features whose gradients are summed in one go.
const FEATURES: usize = 64;

/// Where a feature was kept.
#[derive(Clone, Copy, Debug)]
struct Place {
    chunk: u32,
    kept: Kept,
    is_aux: bool,
}

/// For each feature the states that it was kept for, in their order: so the order of each sum is
/// fixed, however the work is cut.
pub(super) struct Gradient<'a> {
    shared: Shared<'a>,
    /// All places, feature by feature.
    places: Vec<Place>,
    /// Where the places of each feature begin, and the end.
    starts: Vec<usize>,
}

/// The gradients of some features.
struct Part<'a> {
    first: usize,
    w_enc: &'a mut [f32],
    w_dec: &'a mut [f32],
    b_enc: &'a mut [f32],
}

impl<'a> Gradient<'a> {
    /// Sorts what is kept in all chunks by feature.
    pub(super) fn new(shared: Shared<'a>, chunks: &[Chunk]) -> Self {
        let all = || {
            chunks.iter().enumerate().flat_map(|(number, chunk)| {
                let place = move |is_aux| {
                    move |kept: &Kept| Place { chunk: number as u32, kept: *kept, is_aux }
                };
                let kept = chunk.kept.iter().map(place(false));
                kept.chain(chunk.aux.iter().map(place(true)))
            })
        };
        let mut starts = vec![0; shared.config.d_sae + 1];
        all().for_each(|place| starts[place.kept.feature as usize + 1] += 1);
        for feature in 0..shared.config.d_sae {
            starts[feature + 1] += starts[feature];
        }
        let mut next = starts.clone();
        let empty = Kept { feature: 0, row: 0, value: 0.0, d_value: 0.0 };
        let mut places =
            vec![Place { chunk: 0, kept: empty, is_aux: false }; starts[shared.config.d_sae]];
        for place in all() {
            let next = &mut next[place.kept.feature as usize];
            places[*next] = place;
            *next += 1;
        }
        Self { shared, places, starts }
    }

    /// Fills the gradients, in the order of the trainer's weights.
    pub(super) fn sum(&self, compute: &Compute, chunks: &[Chunk], gradients: &mut [f32]) {
        let Shared { config, d_in, .. } = self.shared;
        gradients.fill(0.0);
        let (w_enc, rest) = gradients.split_at_mut(config.d_sae * d_in);
        let (w_dec, rest) = rest.split_at_mut(config.d_sae * d_in);
        let (b_enc, b_dec) = rest.split_at_mut(config.d_sae);
        let matrices = w_enc.chunks_mut(FEATURES * d_in).zip(w_dec.chunks_mut(FEATURES * d_in));
        let mut parts: Vec<Part<'_>> = matrices
            .zip(b_enc.chunks_mut(FEATURES))
            .enumerate()
            .map(|(number, ((w_enc, w_dec), b_enc))| Part {
                first: number * FEATURES,
                w_enc,
                w_dec,
                b_enc,
            })
            .collect();
        compute.for_each(&mut parts, |part| self.sum_part(chunks, part));
        drop(parts);
        // Decoded states begin with `b_dec`; what is encoded lacks it.
        for chunk in chunks {
            let rows = chunk.centred.len() / d_in;
            chunk.d_decoded[..rows * d_in]
                .chunks_exact(d_in)
                .for_each(|d| add_scaled(b_dec, 1.0, d));
        }
        for (d, row) in b_enc.iter().zip(self.shared.w_enc.chunks_exact(d_in)) {
            if *d != 0.0 {
                add_scaled(b_dec, -d, row);
            }
        }
    }

    fn sum_part(&self, chunks: &[Chunk], part: &mut Part<'_>) {
        let Shared { config, d_in, .. } = self.shared;
        for (number, b_enc) in part.b_enc.iter_mut().enumerate() {
            let feature = part.first + number;
            let level = level_of(&config.prefixes, feature as u32);
            let w_enc = &mut part.w_enc[number * d_in..][..d_in];
            let w_dec = &mut part.w_dec[number * d_in..][..d_in];
            for place in &self.places[self.starts[feature]..self.starts[feature + 1]] {
                let chunk = &chunks[place.chunk as usize];
                let row = place.kept.row as usize;
                let d_decoded = if place.is_aux {
                    &chunk.d_aux[row * d_in..][..d_in]
                } else {
                    let rows = chunk.centred.len() / d_in;
                    &chunk.d_decoded[(level * rows + row) * d_in..][..d_in]
                };
                add_scaled(w_dec, place.kept.value, d_decoded);
                add_scaled(w_enc, place.kept.d_value, &chunk.centred[row * d_in..][..d_in]);
                *b_enc += place.kept.d_value;
            }
        }
    }
}
