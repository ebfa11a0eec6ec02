//! Products with weights: `a · B`, and with a transposed weight `a · Bᵀ`.
//!
//! A weight is repacked once per step, when it has changed, and then used for every row and time
//! step: a [`Packed`] matrix lies in panels a few vectors wide, in the order in which the inner
//! loop reads them. Panels are as wide as a register tile; the last one is as narrow as it can be.
//!
//! The rows that come in and go out are padded to whole vectors ([`padded`]), with zeros in the
//! padding: so no loop has to look where a row ends.

use std::ops::Range;

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::buffer::Buffer;
use super::simd::VectorUnit;
use super::tile::{self, VECTORS};

/// Rows of values are padded to a multiple of this, the widest vector.
pub const PADDING: usize = 16;

/// Values of `a` worked on at a time: they stay in the second-level cache while all of `B` goes by.
const A_BLOCK: usize = 1 << 16;

/// The length of a row of `n` values with its padding.
pub const fn padded(n: usize) -> usize {
    n.next_multiple_of(PADDING)
}

/// A matrix `[K, N]` repacked for products from its left.
#[derive(Clone, Debug)]
pub struct Packed {
    unit: VectorUnit,
    k: usize,
    n: usize,
    /// For each panel `[K, vectors of the panel]`; columns beyond `N` are zero. Empty until
    /// something is packed.
    data: Buffer,
}

/// Some neighbouring values of a row that go to another place: `columns` of the source become the
/// summed indices from `to` on.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Places in the source.
    pub columns: Range<usize>,
    /// The first place in the packed matrix.
    pub to: usize,
}

impl Packed {
    /// A matrix of `k` rows and `n` columns, to be filled by one of the `pack` functions. It takes
    /// no memory before.
    pub fn new(unit: VectorUnit, k: usize, n: usize) -> Self {
        Self { unit, k, n, data: Buffer::default() }
    }

    /// Takes over the values of `b: [K, N]`.
    pub fn pack(&mut self, b: &[f32]) {
        assert_eq!(b.len(), self.k * self.n, "size of a matrix to pack");
        let (k, n) = (self.k, self.n);
        for (columns, panel) in self.panels_mut() {
            let width = panel.len() / k;
            let columns = columns.start.min(n)..columns.end.min(n);
            for (row, packed) in b.chunks_exact(n).zip(panel.chunks_exact_mut(width)) {
                packed[..columns.len()].copy_from_slice(&row[columns.clone()]);
            }
        }
    }

    /// Takes over the values of the transpose of `b: [N, K]`.
    pub fn pack_transposed(&mut self, b: &[f32]) {
        assert_eq!(b.len(), self.k * self.n, "size of a matrix to pack");
        self.pack_segments(b, &[Segment { columns: 0..self.k, to: 0 }]);
    }

    /// Takes over the transpose of `b`, which has `N` rows, with its columns at other places; what
    /// no segment fills is zero.
    pub fn pack_segments(&mut self, b: &[f32], segments: &[Segment]) {
        let (k, n) = (self.k, self.n);
        let stride = b.len() / n;
        for (columns, panel) in self.panels_mut() {
            let width = panel.len() / k;
            let rows = &b[columns.start.min(n) * stride..columns.end.min(n) * stride];
            for segment in segments {
                let panel = &mut panel[segment.to * width..][..segment.columns.len() * width];
                for (lane, row) in rows.chunks_exact(stride).enumerate() {
                    let places = panel[lane..].iter_mut().step_by(width);
                    places.zip(&row[segment.columns.clone()]).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }

    /// The panels with the columns, padding included, that each holds.
    fn panels_mut(&mut self) -> impl Iterator<Item = (Range<usize>, &mut [f32])> {
        let (k, width) = (self.k, VECTORS * self.unit.lanes());
        let columns = padded(self.n);
        self.data.resize(k * columns);
        let panels = self.data.chunks_mut((k * width).max(1));
        panels.zip((0..columns).step_by(width)).map(move |(panel, first)| {
            let last = first + panel.len() / k;
            (first..last, panel)
        })
    }
}

/// The rows of the left operand of a product, each in one or more pieces of equal length.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The values.
    pub data: &'a [f32],
    /// From one row to the next.
    pub stride: usize,
    /// Values of one piece.
    pub piece: usize,
    /// From one piece of a row to its next.
    pub piece_stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `k` values, one every `stride` values.
    pub fn new(data: &'a [f32], k: usize, stride: usize) -> Self {
        Self { data, stride, piece: k, piece_stride: 0 }
    }
}

/// What the sums of a product begin with.
#[derive(Clone, Copy, Debug)]
pub enum From<'a> {
    /// Zero.
    Zero,
    /// A bias, padded: the same for each row.
    Bias(&'a [f32]),
    /// What is there already.
    Out,
}

/// `out = from + a · b` for `a: [M, K]`, `b: [K, N]`, `out: [M, padded N]`.
///
/// # Panics
/// If the sizes do not fit, or nothing was packed into `b`.
pub fn multiply(a: Rows<'_>, b: &Packed, from: From<'_>, out: &mut [f32]) {
    let columns = padded(b.n);
    assert!(!b.data.is_empty(), "a product with a matrix [{}, {}] that is not packed", b.k, b.n);
    assert!(out.len().is_multiple_of(columns), "{} values in rows of {columns}", out.len());
    assert!(b.k.is_multiple_of(a.piece), "rows of {} values in pieces of {}", b.k, a.piece);
    dispatch!(b.unit.0, simd => multiply_with(simd, a, b, from, out));
}

#[inline(always)]
fn multiply_with<S: Simd>(simd: S, a: Rows<'_>, b: &Packed, from: From<'_>, out: &mut [f32]) {
    let columns = padded(b.n);
    let width = VECTORS * S::f32s::LEN;
    let rows = (A_BLOCK / b.k).max(1).next_multiple_of(8);
    for (block, out) in out.chunks_mut(rows * columns).enumerate() {
        let a = Rows { data: &a.data[block * rows * a.stride..], ..a };
        for (panel_idx, panel) in b.data.chunks(b.k * width).enumerate() {
            let place = Place { column: panel_idx * width, stride: columns };
            match panel.len() / (b.k * S::f32s::LEN) {
                3 => multiply_panel::<S, 3>(simd, a, panel, from, out, place),
                2 => multiply_panel::<S, 2>(simd, a, panel, from, out, place),
                _ => multiply_panel::<S, 1>(simd, a, panel, from, out, place),
            }
        }
    }
}

/// Where the results of a panel go: from `column` on in rows of `stride` values.
#[derive(Clone, Copy)]
struct Place {
    column: usize,
    stride: usize,
}

#[inline(always)]
fn multiply_panel<S: Simd, const V: usize>(
    simd: S,
    a: Rows<'_>,
    panel: &[f32],
    from: From<'_>,
    out: &mut [f32],
    place: Place,
) {
    let m = out.len() / place.stride;
    let mut row = 0;
    while tile::has_eight_rows(S::f32s::LEN) && row + 8 <= m {
        multiply_tile::<S, 8, V>(simd, a, row, panel, from, out, place);
        row += 8;
    }
    while row + 4 <= m {
        multiply_tile::<S, 4, V>(simd, a, row, panel, from, out, place);
        row += 4;
    }
    while row < m {
        multiply_tile::<S, 1, V>(simd, a, row, panel, from, out, place);
        row += 1;
    }
}

#[inline(always)]
fn multiply_tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: Rows<'_>,
    row: usize,
    panel: &[f32],
    from: From<'_>,
    out: &mut [f32],
    place: Place,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let width = V * S::f32s::LEN;
            let begin = |r: usize| (row + r) * place.stride + place.column;
            let mut sums: [[S::f32s; V]; R] = match from {
                From::Zero => [[S::f32s::splat(simd, 0.0); V]; R],
                From::Bias(bias) => [tile::load(simd, &bias[place.column..]); R],
                From::Out => std::array::from_fn(|r| tile::load(simd, &out[begin(r)..])),
            };
            for (piece, panel) in panel.chunks_exact(a.piece * width).enumerate() {
                let first = row * a.stride + piece * a.piece_stride;
                let rows = std::array::from_fn(|r| &a.data[first + r * a.stride..]);
                sums = tile::multiply::<S, R, V>(simd, rows, panel, sums);
            }
            for r in 0..R {
                tile::store(sums[r], &mut out[begin(r)..]);
            }
        },
    );
}
