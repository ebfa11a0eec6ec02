//! The two inner loops that all products are made of.
//!
//! A *tile* is a small piece of a result, some rows by some vectors, whose sums stay in registers
//! while the summed dimension runs by. Per multiply-add a tile of eight rows by three vectors
//! loads 11/24 values: so the multipliers, not the loads, are what limits it. Both loops are plain
//! `for` loops over arrays of fixed size, which the compiler unrolls without spilling.
//!
//! Each sum is one chain of multiply-adds from first to last, whatever tile it falls into. So a
//! row's result does not depend on the rows beside it.

use fearless_simd::prelude::*;

/// Vectors of a full tile. With eight rows and the operands this takes 28 of 32 registers, with
/// four rows all of 16.
pub const VECTORS: usize = 3;

/// Rows of a full tile: eight where there are 32 registers, four where there are 16.
#[inline(always)]
pub(super) const fn has_eight_rows(lanes: usize) -> bool {
    lanes >= 16 || cfg!(target_arch = "aarch64")
}

/// `V` vectors from the beginning of `values`.
#[inline(always)]
pub(super) fn load<S: Simd, const V: usize>(simd: S, values: &[f32]) -> [S::f32s; V] {
    let lanes = S::f32s::LEN;
    let values = &values[..V * lanes];
    std::array::from_fn(|v| S::f32s::from_slice(simd, &values[v * lanes..][..lanes]))
}

/// The reverse of [`load`].
#[inline(always)]
pub(super) fn store<S: Simd, V: SimdBase<S, Element = f32>, const N: usize>(
    vectors: [V; N],
    out: &mut [f32],
) {
    let out = &mut out[..N * V::LEN];
    for (n, vector) in vectors.iter().enumerate() {
        vector.store_slice(&mut out[n * V::LEN..][..V::LEN]);
    }
}

/// `sums[r] += rows[r] · panel` for `panel: [K, V vectors]` and rows of at least `K` values.
#[inline(always)]
pub(super) fn multiply<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: [&[f32]; R],
    panel: &[f32],
    mut sums: [[S::f32s; V]; R],
) -> [[S::f32s; V]; R] {
    let width = V * S::f32s::LEN;
    let k = panel.len() / width;
    // All of one length, which the compiler can see: no check is left in the loop.
    let rows: [&[f32]; R] = std::array::from_fn(|r| &rows[r][..k]);
    for p in 0..k {
        let b: [S::f32s; V] = load(simd, &panel[p * width..]);
        for r in 0..R {
            let x = S::f32s::splat(simd, rows[r][p]);
            for v in 0..V {
                sums[r][v] = x.mul_add(b[v], sums[r][v]);
            }
        }
    }
    sums
}

/// Where the rows of some time steps lie: row `r` of step `t` begins at
/// `first + t · step + r · stride`.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Where the first row of the first step begins.
    pub first: usize,
    /// From one step to the next.
    pub step: usize,
    /// From one row to the next.
    pub stride: usize,
}

impl<'a> Steps<'a> {
    /// The rows of one step, from the first one on.
    #[inline(always)]
    pub(super) fn at(self, t: usize) -> &'a [f32] {
        &self.data[self.first + t * self.step..]
    }

    /// The same rows, from step `t` on.
    #[inline(always)]
    pub(super) fn later(self, t: usize) -> Self {
        Self { first: self.first + t * self.step, ..self }
    }

    /// The same rows, from value `offset` of each on.
    #[inline(always)]
    pub fn from(self, offset: usize) -> Self {
        Self { first: self.first + offset, ..self }
    }
}

/// `sums[r][v] += Σ a[r] · b[v]` over the first `rows` rows of `time` steps: the outer products that the
/// gradient of a weight is the sum of.
#[inline(always)]
pub(super) fn multiply_outer<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: Steps<'_>,
    b: Steps<'_>,
    [time, rows]: [usize; 2],
    mut sums: [[S::f32s; V]; R],
) -> [[S::f32s; V]; R] {
    for t in 0..time {
        let (a_rows, b_rows) = (a.at(t), b.at(t));
        for row in 0..rows {
            let x = &a_rows[row * a.stride..][..R];
            let y: [S::f32s; V] = load(simd, &b_rows[row * b.stride..]);
            for r in 0..R {
                let x = S::f32s::splat(simd, x[r]);
                for v in 0..V {
                    sums[r][v] = x.mul_add(y[v], sums[r][v]);
                }
            }
        }
    }
    sums
}
