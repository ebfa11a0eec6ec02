//! The gradient of a weight: `aᵀ · b`, summed over all rows and time steps.
//!
//! The result is cut into panels of columns, as wide as a register tile, and each panel is a
//! contiguous piece of memory: so panels can be computed by different threads, and the larger
//! operand (a GRU's gates are three times as wide as its state) is read once, by one thread.
//! The operands are read where the layers left them. Only where the rows of `a` lie far apart are
//! some columns of them copied together first: at distances of a power of two they would push each
//! other out of the cache.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::simd::VectorUnit;
use super::tile::{self, Steps};

/// Rows of a batch whose steps are summed one behind the other; then come the next. The order of
/// a sum is fixed by it, so it must not depend on how rows are spread over threads.
pub const STRIPE: usize = 4;

/// Time steps summed before the next rows of the result: their values of `a` and `b` stay in the
/// second-level cache.
const TIME_BLOCK: usize = 32;

/// Distance of rows, in values, from which on their columns are copied together.
const FAR: usize = 256;

/// Columns copied at a time.
const COPIED: usize = 64;

/// Columns of `a` copied together: `[COPIED / 8, rows of a block, 8]`.
type Copied = [f32; COPIED * TIME_BLOCK * STRIPE];

/// Panels of a result that are computed together, so that `a` is read once for all of them.
#[derive(Clone, Copy, Debug)]
pub struct PanelGroup {
    /// How many.
    pub count: usize,
    /// Values of a row of one panel: from one to three vectors.
    pub width: usize,
    /// From one panel's columns to the next's in `b`.
    pub b_stride: usize,
    /// From one panel to the next in the result.
    pub out_stride: usize,
}

impl PanelGroup {
    /// A single panel.
    pub fn single(width: usize) -> Self {
        Self { count: 1, width, b_stride: 0, out_stride: 0 }
    }
}

/// `out[i] += Σ a[i] · b` over the first `rows` rows (at most [`STRIPE`]) of `time` steps, for each
/// of some panels `out: [k, width]`, with `k` a multiple of 8.
///
/// # Panics
/// If there are more rows, or `k` or the width is no whole number of tiles or vectors.
pub fn add_outer(
    unit: VectorUnit,
    a: Steps<'_>,
    b: Steps<'_>,
    [time, rows]: [usize; 2],
    k: usize,
    panels: PanelGroup,
    out: &mut [f32],
) {
    let vectors = panels.width / unit.lanes();
    let is_whole = (1..=3).contains(&vectors) && panels.width.is_multiple_of(unit.lanes());
    assert!(is_whole && k.is_multiple_of(8), "panels of {k} × {} values", panels.width);
    assert!(rows <= STRIPE, "{rows} rows in a stripe");
    dispatch!(unit.0, simd => match vectors {
        3 => add_outer_with::<_, 3>(simd, a, b, [time, rows], k, panels, out),
        2 => add_outer_with::<_, 2>(simd, a, b, [time, rows], k, panels, out),
        _ => add_outer_with::<_, 1>(simd, a, b, [time, rows], k, panels, out),
    });
}

#[inline(always)]
fn add_outer_with<S: Simd, const V: usize>(
    simd: S,
    a: Steps<'_>,
    b: Steps<'_>,
    [time, rows]: [usize; 2],
    k: usize,
    panels: PanelGroup,
    out: &mut [f32],
) {
    let width = panels.width;
    let is_far = a.stride >= FAR;
    // Without copying, all columns go in one piece.
    let piece = if is_far { COPIED } else { k };
    let mut copied: Copied = [0.0; _];
    for first in (0..time).step_by(TIME_BLOCK) {
        let size = [TIME_BLOCK.min(time - first), rows];
        let (a, b) = (a.later(first), b.later(first));
        for column in (0..k).step_by(piece) {
            let columns = column..(column + piece).min(k);
            let (a, tile) = if is_far {
                copy_columns(a, size, columns.clone(), &mut copied);
                let a = Steps { data: &copied, first: 0, step: rows * 8, stride: 8 };
                (a, size[0] * rows * 8)
            } else {
                (a.from(column), 8)
            };
            for panel in 0..panels.count {
                let begin = panel * panels.out_stride + column * width;
                let out = &mut out[begin..][..columns.len() * width];
                let b = b.from(panel * panels.b_stride);
                add_block::<S, V>(simd, a, b, size, out, tile);
            }
        }
    }
}

/// Copies some columns of rows together, eight by eight.
fn copy_columns(
    a: Steps<'_>,
    [time, rows]: [usize; 2],
    columns: std::ops::Range<usize>,
    copied: &mut Copied,
) {
    let places = time * rows;
    for t in 0..time {
        let step = a.at(t);
        for row in 0..rows {
            let values = &step[row * a.stride..][columns.clone()];
            let (groups, _) = values.as_chunks::<8>();
            for (group, values) in groups.iter().enumerate() {
                copied[(group * places + t * rows + row) * 8..][..8].copy_from_slice(values);
            }
        }
    }
}

/// Adds a block of steps to all rows of the result. Column `8 · i` of `a` begins at `i · tile`.
#[inline(always)]
fn add_block<S: Simd, const V: usize>(
    simd: S,
    a: Steps<'_>,
    b: Steps<'_>,
    size: [usize; 2],
    out: &mut [f32],
    tile: usize,
) {
    let width = V * S::f32s::LEN;
    for (i, out) in out.chunks_exact_mut(8 * width).enumerate() {
        let a = a.from(i * tile);
        if tile::has_eight_rows(S::f32s::LEN) {
            add_tile::<S, 8, V>(simd, a, b, size, out);
        } else {
            let (first, second) = out.split_at_mut(4 * width);
            add_tile::<S, 4, V>(simd, a, b, size, first);
            add_tile::<S, 4, V>(simd, a.from(4), b, size, second);
        }
    }
}

#[inline(always)]
fn add_tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: Steps<'_>,
    b: Steps<'_>,
    size: [usize; 2],
    out: &mut [f32],
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let width = V * S::f32s::LEN;
            let sums = std::array::from_fn(|r| tile::load(simd, &out[r * width..]));
            let sums = tile::multiply_outer::<S, R, V>(simd, a, b, size, sums);
            for r in 0..R {
                tile::store(sums[r], &mut out[r * width..]);
            }
        },
    );
}

/// `out += Σ b` over the first `rows` rows of `time` steps: the gradient of a bias.
///
/// # Panics
/// If a row is shorter than `out`.
pub fn add_sums(unit: VectorUnit, b: Steps<'_>, [time, rows]: [usize; 2], out: &mut [f32]) {
    dispatch!(unit.0, simd => add_sums_with(simd, b, [time, rows], out));
}

#[inline(always)]
fn add_sums_with<S: Simd>(simd: S, b: Steps<'_>, [time, rows]: [usize; 2], out: &mut [f32]) {
    for (i, out) in out.chunks_exact_mut(S::f32s::LEN).enumerate() {
        let b = b.from(i * S::f32s::LEN);
        let mut sum = S::f32s::from_slice(simd, out);
        for t in 0..time {
            let row_values = b.at(t);
            for row in 0..rows {
                let [value] = tile::load::<S, 1>(simd, &row_values[row * b.stride..]);
                sum += value;
            }
        }
        sum.store_slice(out);
    }
}
