//! Matrix products, the bulk of the work.
//!
//! Three forms are needed: `a·B` (forward), `a·Bᵀ` (back to the inputs) and `aᵀ·b` (the gradient
//! of a weight). The first two are one routine, since the weights are repacked before use: a
//! [`Packed`] matrix holds them in panels a few vectors wide, in the order in which the inner loop
//! reads them. Weights are packed once and used for every time step.
//!
//! Each element of the result is one chain of multiply-adds over the summed dimension, from first
//! to last, whatever tile it falls into. So a row's result does not depend on the other rows.

use std::ops::Range;

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::elementwise::{load, store};
use super::simd::VectorUnit;

/// The most vectors in a panel: with eight rows this keeps 24 accumulators busy, which hides the
/// latency of a multiply-add and leaves registers for the operands.
const MOST_VECTORS: usize = 3;

/// Rows of `aᵀ·b` summed at a time: a panel of this height stays in the first-level cache.
const SUM_BLOCK: usize = 64;

/// The most lanes that a register has.
const MOST_LANES: usize = 16;

/// A matrix `[K, N]` repacked for products from its left.
#[derive(Clone, Debug)]
pub struct Packed {
    unit: VectorUnit,
    k: usize,
    n: usize,
    /// Vectors in a panel, chosen so that the last panel has the least room to spare.
    vectors: usize,
    /// `[panels, K, width]`, columns beyond `N` zero; empty until something is packed.
    data: Vec<f32>,
}

impl Packed {
    /// A matrix of `k` rows and `n` columns, to be filled by [`pack`](Self::pack) or
    /// [`pack_transposed`](Self::pack_transposed). It takes no memory before.
    pub fn new(unit: VectorUnit, k: usize, n: usize) -> Self {
        let padded = |vectors: usize| n.next_multiple_of(vectors * unit.lanes());
        let vectors = (1..=MOST_VECTORS).rev().min_by_key(|&vectors| padded(vectors));
        let vectors = vectors.expect("the range is not empty");
        Self { unit, k, n, vectors, data: Vec::new() }
    }

    fn allocate(&mut self) {
        self.data.resize(self.n.next_multiple_of(self.width()) * self.k, 0.0);
    }

    /// Takes over the values of `b: [K, N]`.
    pub fn pack(&mut self, b: &[f32]) {
        assert_eq!(b.len(), self.k * self.n, "size of a matrix to pack");
        self.allocate();
        let (k, n, width) = (self.k, self.n, self.width());
        for (panel_idx, panel) in self.data.chunks_exact_mut((k * width).max(1)).enumerate() {
            let columns = panel_idx * width..((panel_idx + 1) * width).min(n);
            for (row, packed) in b.chunks_exact(n).zip(panel.chunks_exact_mut(width)) {
                packed[..columns.len()].copy_from_slice(&row[columns.clone()]);
            }
        }
    }

    /// Takes over the values of the transpose of `b: [N, K]`.
    pub fn pack_transposed(&mut self, b: &[f32]) {
        assert_eq!(b.len(), self.k * self.n, "size of a matrix to pack");
        self.allocate();
        let (k, n, width) = (self.k, self.n, self.width());
        for (panel_idx, panel) in self.data.chunks_exact_mut((k * width).max(1)).enumerate() {
            let columns = panel_idx * width..((panel_idx + 1) * width).min(n);
            for (lane, column) in columns.enumerate() {
                for (p, &value) in b[column * k..][..k].iter().enumerate() {
                    panel[p * width + lane] = value;
                }
            }
        }
    }

    fn width(&self) -> usize {
        self.vectors * self.unit.lanes()
    }
}

/// `out += a · b` for `a: [M, K]`, `b: [K, N]`, `out: [M, N]`.
///
/// # Panics
/// If the sizes do not fit, or nothing was packed into `b`.
pub fn matmul_add(a: &[f32], b: &Packed, out: &mut [f32]) {
    assert_eq!(a.len() * b.n, out.len() * b.k, "sizes of a product with [{}, {}]", b.k, b.n);
    assert!(!b.data.is_empty(), "a product with a matrix [{}, {}] that is not packed", b.k, b.n);
    dispatch!(b.unit.0, simd => {
        match b.vectors {
            1 => matmul_add_with::<_, 1>(simd, a, b, out),
            2 => matmul_add_with::<_, 2>(simd, a, b, out),
            _ => matmul_add_with::<_, MOST_VECTORS>(simd, a, b, out),
        }
    });
}

#[inline(always)]
fn matmul_add_with<S: Simd, const V: usize>(simd: S, a: &[f32], b: &Packed, out: &mut [f32]) {
    let (k, n) = (b.k, b.n);
    let width = V * S::f32s::LEN;
    for (panel_idx, panel) in b.data.chunks_exact((k * width).max(1)).enumerate() {
        let panel = Columns { rows: panel, stride: width, first: 0 };
        let mut place = Place { row: 0, n, column: panel_idx * width };
        let mut rest = out.len() / n.max(1);
        while rest > 0 {
            // Wide units have registers for eight rows, narrow ones for four.
            let rows = match rest {
                8.. if S::f32s::LEN >= 16 => {
                    rows_by_panel::<S, 8, V>(simd, a, k, panel, out, place)
                }
                4.. => rows_by_panel::<S, 4, V>(simd, a, k, panel, out, place),
                _ => rows_by_panel::<S, 1, V>(simd, a, k, panel, out, place),
            };
            place.row += rows;
            rest -= rows;
        }
    }
}

/// `R` rows of `a: [M, k]` times a panel; returns `R`.
#[inline(always)]
fn rows_by_panel<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: &[f32],
    k: usize,
    panel: Columns<'_>,
    out: &mut [f32],
    place: Place,
) -> usize {
    simd.vectorize(
        #[inline(always)]
        || {
            let rows: [&[f32]; R] = std::array::from_fn(|r| &a[(place.row + r) * k..][..k]);
            tile::<S, R, V>(simd, k, |p| std::array::from_fn(|r| rows[r][p]), panel, out, place);
        },
    );
    R
}

/// Some columns of a matrix: row `p` begins at `p · stride + first`.
#[derive(Clone, Copy)]
struct Columns<'a> {
    rows: &'a [f32],
    stride: usize,
    first: usize,
}

/// Where a tile lies in the result, whose rows are `n` long.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    n: usize,
    column: usize,
}

/// Adds to `R` rows and up to `V` vectors of columns of `out` the sum over `p` in `0..count` of
/// `a(p)` (one value for each of the rows) times row `p` of `b`.
#[inline(always)]
fn tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    count: usize,
    a: impl Fn(usize) -> [f32; R],
    b: Columns<'_>,
    out: &mut [f32],
    place: Place,
) {
    let lanes = S::f32s::LEN;
    let columns = (place.n - place.column).min(V * lanes);
    let start = |r: usize| (place.row + r) * place.n + place.column;
    let mut sums: [[S::f32s; V]; R] =
        std::array::from_fn(|r| load_columns(simd, &out[start(r)..][..columns]));
    for p in 0..count {
        let row = &b.rows[p * b.stride + b.first..][..V * lanes];
        let row: [S::f32s; V] =
            std::array::from_fn(|v| S::f32s::from_slice(simd, &row[v * lanes..][..lanes]));
        let values = a(p);
        for r in 0..R {
            let x = S::f32s::splat(simd, values[r]);
            for v in 0..V {
                sums[r][v] = x.mul_add(row[v], sums[r][v]);
            }
        }
    }
    for r in 0..R {
        store_columns(sums[r], &mut out[start(r)..][..columns]);
    }
}

/// Up to `V` vectors of values; missing lanes are zero.
#[inline(always)]
fn load_columns<S: Simd, const V: usize>(simd: S, values: &[f32]) -> [S::f32s; V] {
    std::array::from_fn(|v| load(simd, &values[(v * S::f32s::LEN).min(values.len())..]))
}

/// The reverse of [`load_columns`]: lanes beyond the slice are dropped.
#[inline(always)]
fn store_columns<S: Simd, T: SimdBase<S, Element = f32>, const V: usize>(
    vectors: [T; V],
    out: &mut [f32],
) {
    for (v, vector) in vectors.into_iter().enumerate() {
        let start = (v * T::LEN).min(out.len());
        store(vector, &mut out[start..]);
    }
}

/// `out += aᵀ · b` for some rows of the result: `a: [M, K]`, `b: [M, N]`, `out: [rows, N]`.
///
/// `rows` are rows of `aᵀ`, that is, columns of `a`. The sum runs over `M` from first to last.
///
/// # Panics
/// If the sizes do not fit.
pub fn matmul_transposed_add(
    unit: VectorUnit,
    a: &[f32],
    [k, n]: [usize; 2],
    rows: Range<usize>,
    b: &[f32],
    out: &mut [f32],
) {
    assert_eq!(a.len() * n, b.len() * k, "sizes of a transposed product [{k}, {n}]");
    assert!(rows.end <= k && out.len() == rows.len() * n, "rows {rows:?} of [{k}, {n}]");
    dispatch!(unit.0, simd => {
        for (a, b) in a.chunks(SUM_BLOCK * k).zip(b.chunks(SUM_BLOCK * n)) {
            let a = Transposed { values: a, k, rows: rows.clone() };
            transposed_block(simd, &a, b, n, out);
        }
    });
}

/// Some rows of the transpose of `values: [M, k]`.
struct Transposed<'a> {
    values: &'a [f32],
    k: usize,
    rows: Range<usize>,
}

/// Adds the products of one block of rows of `b: [M, n]`, as many columns at a time as fit.
#[inline(always)]
fn transposed_block<S: Simd>(simd: S, a: &Transposed<'_>, b: &[f32], n: usize, out: &mut [f32]) {
    let lanes = S::f32s::LEN;
    let mut column = 0;
    while n - column >= lanes {
        let panel = Columns { rows: b, stride: n, first: column };
        let vectors = match (n - column) / lanes {
            1 => transposed_panel::<S, 1>(simd, a, panel, out, n, column),
            2 => transposed_panel::<S, 2>(simd, a, panel, out, n, column),
            _ => transposed_panel::<S, MOST_VECTORS>(simd, a, panel, out, n, column),
        };
        column += vectors * lanes;
    }
    if column < n {
        // The last columns do not fill a register; a copy with zeros behind them does.
        let mut padded = [0.0; SUM_BLOCK * MOST_LANES];
        for (row, padded) in b.chunks_exact(n).zip(padded.chunks_exact_mut(lanes)) {
            padded[..n - column].copy_from_slice(&row[column..]);
        }
        let panel = Columns { rows: &padded, stride: lanes, first: 0 };
        transposed_panel::<S, 1>(simd, a, panel, out, n, column);
    }
}

/// All rows of the result for one panel of columns; returns `V`.
#[inline(always)]
fn transposed_panel<S: Simd, const V: usize>(
    simd: S,
    a: &Transposed<'_>,
    panel: Columns<'_>,
    out: &mut [f32],
    n: usize,
    column: usize,
) -> usize {
    let mut place = Place { row: 0, n, column };
    while place.row < a.rows.len() {
        place.row += match a.rows.len() - place.row {
            8.. if S::f32s::LEN >= 16 => transposed_rows::<S, 8, V>(simd, a, panel, out, place),
            4.. => transposed_rows::<S, 4, V>(simd, a, panel, out, place),
            _ => transposed_rows::<S, 1, V>(simd, a, panel, out, place),
        };
    }
    V
}

/// `R` rows of the result for one panel; returns `R`. They lie side by side in each row of `a`.
#[inline(always)]
fn transposed_rows<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: &Transposed<'_>,
    panel: Columns<'_>,
    out: &mut [f32],
    place: Place,
) -> usize {
    let (count, first) = (a.values.len() / a.k, a.rows.start + place.row);
    let values = |p: usize| -> [f32; R] {
        a.values[p * a.k + first..][..R].try_into().expect("a slice of R values")
    };
    simd.vectorize(
        #[inline(always)]
        || tile::<S, R, V>(simd, count, values, panel, out, place),
    );
    R
}

/// `out += Σ rows of a`, for `a: [M, N]`, `out: [N]`.
pub fn add_column_sums(a: &[f32], out: &mut [f32]) {
    for row in a.chunks_exact(out.len()) {
        for (sum, value) in out.iter_mut().zip(row) {
            *sum += value;
        }
    }
}
