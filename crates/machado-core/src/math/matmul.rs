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

use super::simd::VectorUnit;

/// Vectors in a panel: with eight rows this keeps sixteen accumulators busy, which hides the
/// latency of a multiply-add on every machine we know.
const PANEL_VECTORS: usize = 2;

/// Rows of `a`ᵀ·b summed at a time: a panel of this height stays in the first-level cache.
const SUM_BLOCK: usize = 128;

/// A matrix `[K, N]` repacked for products from its left.
#[derive(Clone, Debug)]
pub struct Packed {
    unit: VectorUnit,
    k: usize,
    n: usize,
    /// `[panels, K, width]`, columns beyond `N` zero; empty until something is packed.
    data: Vec<f32>,
}

impl Packed {
    /// A matrix of `k` rows and `n` columns, to be filled by [`pack`](Self::pack) or
    /// [`pack_transposed`](Self::pack_transposed). It takes no memory before.
    pub fn new(unit: VectorUnit, k: usize, n: usize) -> Self {
        Self { unit, k, n, data: Vec::new() }
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
        PANEL_VECTORS * self.unit.lanes()
    }
}

/// `out += a · b` for `a: [M, K]`, `b: [K, N]`, `out: [M, N]`.
///
/// # Panics
/// If the sizes do not fit, or nothing was packed into `b`.
pub fn matmul_add(a: &[f32], b: &Packed, out: &mut [f32]) {
    assert_eq!(a.len() * b.n, out.len() * b.k, "sizes of a product with [{}, {}]", b.k, b.n);
    assert!(!b.data.is_empty(), "a product with a matrix [{}, {}] that is not packed", b.k, b.n);
    dispatch!(b.unit.0, simd => matmul_add_with(simd, a, b, out));
}

#[inline(always)]
fn matmul_add_with<S: Simd>(simd: S, a: &[f32], b: &Packed, out: &mut [f32]) {
    let (k, n) = (b.k, b.n);
    let width = PANEL_VECTORS * S::f32s::LEN;
    let m = out.len() / n.max(1);
    for (panel_idx, panel) in b.data.chunks_exact((k * width).max(1)).enumerate() {
        let column = panel_idx * width;
        let mut row = 0;
        // Wide units have registers for eight rows, narrow ones for four.
        while S::f32s::LEN >= 16 && row + 8 <= m {
            tile::<S, 8>(simd, &a[row * k..], k, panel, &mut out[row * n..], n, column);
            row += 8;
        }
        while row + 4 <= m {
            tile::<S, 4>(simd, &a[row * k..], k, panel, &mut out[row * n..], n, column);
            row += 4;
        }
        while row < m {
            tile::<S, 1>(simd, &a[row * k..], k, panel, &mut out[row * n..], n, column);
            row += 1;
        }
    }
}

/// Adds the product of `R` rows of `a` (each `k` long) with one panel to `out`, whose rows are `n`
/// long, from `column` on.
#[inline(always)]
fn tile<S: Simd, const R: usize>(
    simd: S,
    a: &[f32],
    k: usize,
    panel: &[f32],
    out: &mut [f32],
    n: usize,
    column: usize,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let rows: [&[f32]; R] = std::array::from_fn(|r| &a[r * k..][..k]);
            let lanes = S::f32s::LEN;
            let columns = (n - column).min(PANEL_VECTORS * lanes);
            let mut sums: [[S::f32s; PANEL_VECTORS]; R] =
                std::array::from_fn(|r| load_columns(simd, &out[r * n + column..][..columns]));
            for (p, b) in panel.chunks_exact(PANEL_VECTORS * lanes).enumerate() {
                let b: [S::f32s; PANEL_VECTORS] =
                    std::array::from_fn(|v| S::f32s::from_slice(simd, &b[v * lanes..][..lanes]));
                for r in 0..R {
                    let x = S::f32s::splat(simd, rows[r][p]);
                    for v in 0..PANEL_VECTORS {
                        sums[r][v] = x.mul_add(b[v], sums[r][v]);
                    }
                }
            }
            for r in 0..R {
                store_columns(sums[r], &mut out[r * n + column..][..columns]);
            }
        },
    );
}

/// Up to a panel's width of values as vectors; missing lanes are zero.
#[inline(always)]
fn load_columns<S: Simd>(simd: S, values: &[f32]) -> [S::f32s; PANEL_VECTORS] {
    let lanes = S::f32s::LEN;
    std::array::from_fn(|v| {
        let values = &values[(v * lanes).min(values.len())..];
        if values.len() >= lanes {
            S::f32s::from_slice(simd, &values[..lanes])
        } else {
            let mut padded = [0.0; 16];
            padded[..values.len()].copy_from_slice(values);
            S::f32s::from_slice(simd, &padded[..lanes])
        }
    })
}

/// The reverse of [`load_columns`]: lanes beyond the slice are dropped.
#[inline(always)]
fn store_columns<S: Simd, V: SimdBase<S, Element = f32>>(
    vectors: [V; PANEL_VECTORS],
    out: &mut [f32],
) {
    let lanes = V::LEN;
    for (v, vector) in vectors.iter().enumerate() {
        let start = (v * lanes).min(out.len());
        let out = &mut out[start..];
        if out.len() >= lanes {
            vector.store_slice(&mut out[..lanes]);
        } else {
            let len = out.len();
            out.copy_from_slice(&vector.as_slice()[..len]);
        }
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
    dispatch!(unit.0, simd => matmul_transposed_add_with(simd, a, [k, n], rows, b, out));
}

#[inline(always)]
fn matmul_transposed_add_with<S: Simd>(
    simd: S,
    a: &[f32],
    [k, n]: [usize; 2],
    rows: Range<usize>,
    b: &[f32],
    out: &mut [f32],
) {
    let width = PANEL_VECTORS * S::f32s::LEN;
    let mut panel = [0.0; SUM_BLOCK * PANEL_VECTORS * 16];
    for (a, b) in a.chunks(SUM_BLOCK * k).zip(b.chunks(SUM_BLOCK * n)) {
        for column in (0..n).step_by(width) {
            let columns = column..(column + width).min(n);
            let m = b.len() / n;
            for (row, packed) in b.chunks_exact(n).zip(panel.chunks_exact_mut(width)) {
                packed[..columns.len()].copy_from_slice(&row[columns.clone()]);
                packed[columns.len()..].fill(0.0);
            }
            let panel = &panel[..m * width];
            let mut row = 0;
            while S::f32s::LEN >= 16 && row + 8 <= rows.len() {
                let out = &mut out[row * n..];
                transposed_tile::<S, 8>(simd, &a[rows.start + row..], k, panel, out, n, column);
                row += 8;
            }
            while row + 4 <= rows.len() {
                let out = &mut out[row * n..];
                transposed_tile::<S, 4>(simd, &a[rows.start + row..], k, panel, out, n, column);
                row += 4;
            }
            while row < rows.len() {
                let out = &mut out[row * n..];
                transposed_tile::<S, 1>(simd, &a[rows.start + row..], k, panel, out, n, column);
                row += 1;
            }
        }
    }
}

/// As [`tile`], with the `R` rows lying in `R` neighbouring columns of `a: [M, k]`.
#[inline(always)]
fn transposed_tile<S: Simd, const R: usize>(
    simd: S,
    a: &[f32],
    k: usize,
    panel: &[f32],
    out: &mut [f32],
    n: usize,
    column: usize,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let lanes = S::f32s::LEN;
            let columns = (n - column).min(PANEL_VECTORS * lanes);
            let mut sums: [[S::f32s; PANEL_VECTORS]; R] =
                std::array::from_fn(|r| load_columns(simd, &out[r * n + column..][..columns]));
            for (a, b) in a.chunks(k).zip(panel.chunks_exact(PANEL_VECTORS * lanes)) {
                let a: &[f32; R] = a[..R].try_into().expect("a slice of R values");
                let b: [S::f32s; PANEL_VECTORS] =
                    std::array::from_fn(|v| S::f32s::from_slice(simd, &b[v * lanes..][..lanes]));
                for r in 0..R {
                    let x = S::f32s::splat(simd, a[r]);
                    for v in 0..PANEL_VECTORS {
                        sums[r][v] = x.mul_add(b[v], sums[r][v]);
                    }
                }
            }
            for r in 0..R {
                store_columns(sums[r], &mut out[r * n + column..][..columns]);
            }
        },
    );
}

/// `out += Σ rows of a`, for `a: [M, N]`, `out: [N]`.
pub fn add_column_sums(a: &[f32], out: &mut [f32]) {
    for row in a.chunks_exact(out.len()) {
        for (sum, value) in out.iter_mut().zip(row) {
            *sum += value;
        }
    }
}
