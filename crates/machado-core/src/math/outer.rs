//! The gradient of a weight: `aᵀ · b`, summed over all rows and time steps.
//!
//! The result is cut into panels of columns, as wide as a register tile, and each panel is a
//! contiguous piece of memory: so panels can be computed by different threads, and the larger
//! operand (a GRU's gates are three times as wide as its state) is read once, by one thread.
//! Nothing is copied or packed on the way: the operands are read where the layers left them.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::simd::VectorUnit;
use super::tile::{self, Steps};

/// Rows of a batch whose steps are summed one behind the other; then come the next. The order of
/// a sum is fixed by it, so it must not depend on how rows are spread over threads.
pub const STRIPE: usize = 8;

/// Time steps summed before the next rows of the result: their values of `a` and `b` stay in the
/// second-level cache.
const TIME_BLOCK: usize = 32;

/// `out[i] += Σ a[i] · b` over the first `rows` rows of `time` steps, for `out: [K, V vectors]` and
/// `V` from 1 to 3. `K` is padded.
///
/// # Panics
/// If `K` or the width of `out` is no whole number of tiles or vectors.
pub fn add_outer(
    unit: VectorUnit,
    a: Steps<'_>,
    b: Steps<'_>,
    [time, rows]: [usize; 2],
    width: usize,
    out: &mut [f32],
) {
    let vectors = width / unit.lanes();
    assert!((1..=3).contains(&vectors) && width.is_multiple_of(unit.lanes()), "width {width}");
    assert!((out.len() / width).is_multiple_of(8), "{} values in rows of {width}", out.len());
    dispatch!(unit.0, simd => {
        for first in (0..time).step_by(TIME_BLOCK) {
            let times = first..(first + TIME_BLOCK).min(time);
            match vectors {
                3 => add_block::<_, 3>(simd, a, b, times, rows, out),
                2 => add_block::<_, 2>(simd, a, b, times, rows, out),
                _ => add_block::<_, 1>(simd, a, b, times, rows, out),
            }
        }
    });
}

#[inline(always)]
fn add_block<S: Simd, const V: usize>(
    simd: S,
    a: Steps<'_>,
    b: Steps<'_>,
    times: std::ops::Range<usize>,
    rows: usize,
    out: &mut [f32],
) {
    let width = V * S::f32s::LEN;
    if tile::has_eight_rows(S::f32s::LEN) {
        for (i, out) in out.chunks_exact_mut(8 * width).enumerate() {
            add_tile::<S, 8, V>(simd, a.from(8 * i), b, times.clone(), rows, out);
        }
    } else {
        for (i, out) in out.chunks_exact_mut(4 * width).enumerate() {
            add_tile::<S, 4, V>(simd, a.from(4 * i), b, times.clone(), rows, out);
        }
    }
}

#[inline(always)]
fn add_tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: Steps<'_>,
    b: Steps<'_>,
    times: std::ops::Range<usize>,
    rows: usize,
    out: &mut [f32],
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let width = V * S::f32s::LEN;
            let sums = std::array::from_fn(|r| tile::load(simd, &out[r * width..]));
            let sums = tile::multiply_outer::<S, R, V>(simd, a, b, times, rows, sums);
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
                sum = sum + value;
            }
        }
        sum.store_slice(out);
    }
}
