//! Rows of tables chosen by ids, and the way back: products with vectors that are a single one
//! among zeros.

use fearless_simd::dispatch;
use fearless_simd::prelude::*;

use super::buffer::Buffer;
use super::simd::VectorUnit;
use super::tile::Steps;

/// `out[i] = Σⱼ tables[j][ids[i + j · step]]` for table rows of `width` values (padded) and
/// `out: [N, width]`.
///
/// # Panics
/// If there are too few ids, or a table has no such row.
pub fn sum_rows(
    unit: VectorUnit,
    tables: &[Buffer],
    ids: &[u32],
    step: usize,
    width: usize,
    out: &mut [f32],
) {
    dispatch!(unit.0, simd => sum_rows_with(simd, tables, ids, step, width, out));
}

#[inline(always)]
fn sum_rows_with<S: Simd>(
    simd: S,
    tables: &[Buffer],
    ids: &[u32],
    step: usize,
    width: usize,
    out: &mut [f32],
) {
    let lanes = S::f32s::LEN;
    for (i, out) in out.chunks_exact_mut(width).enumerate() {
        for (j, table) in tables.iter().enumerate() {
            let row = &table[ids[i + j * step] as usize * width..][..width];
            for (out, row) in out.chunks_exact_mut(lanes).zip(row.chunks_exact(lanes)) {
                let value = S::f32s::from_slice(simd, row);
                let sum = if j == 0 { value } else { S::f32s::from_slice(simd, out) + value };
                sum.store_slice(out);
            }
        }
    }
}

/// `table[ids[t · step + r]] += values` of each step and row: the gradient of a table that rows were
/// looked up in. The table's rows are as wide as `width`.
///
/// # Panics
/// If there are too few ids or values, or the table has no such row.
pub fn add_to_rows(
    unit: VectorUnit,
    values: Steps<'_>,
    ids: &[u32],
    step: usize,
    [time, rows]: [usize; 2],
    width: usize,
    table: &mut [f32],
) {
    dispatch!(unit.0, simd => {
        for t in 0..time {
            let ids = &ids[t * step..][..rows];
            add_step(simd, values.at(t), values.stride, ids, width, table);
        }
    });
}

#[inline(always)]
fn add_step<S: Simd>(
    simd: S,
    values: &[f32],
    stride: usize,
    ids: &[u32],
    width: usize,
    table: &mut [f32],
) {
    let lanes = S::f32s::LEN;
    for (row, &id) in ids.iter().enumerate() {
        let values = &values[row * stride..][..width];
        let sums = &mut table[id as usize * width..][..width];
        for (sum, value) in sums.chunks_exact_mut(lanes).zip(values.chunks_exact(lanes)) {
            let added = S::f32s::from_slice(simd, sum) + S::f32s::from_slice(simd, value);
            added.store_slice(sum);
        }
    }
}
