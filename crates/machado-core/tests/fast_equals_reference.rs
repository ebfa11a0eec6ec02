//! Each fast routine against its plain version, for each vector unit of this machine.

use machado_core::math::buffer::Buffer;
use machado_core::math::elementwise;
use machado_core::math::gru::GruWeights;
use machado_core::math::lookup::{add_to_rows, sum_rows};
use machado_core::math::matmul::{From, Packed, Rows, Segment, multiply, padded};
use machado_core::math::outer::{PanelGroup, add_outer, add_sums};
use machado_core::math::reference;
use machado_core::math::simd::VectorUnit;
use machado_core::math::softmax::{Leave, LossSum, argmax, softmax, softmax_cross_entropy};
use machado_core::math::tile::Steps;
use machado_core::rng::{Purpose, Rng};

use crate::common::{pad, unpad};

/// Sizes around the widths of tiles and registers.
const SIZES: [[usize; 3]; 10] = [
    [1, 1, 1],
    [1, 128, 384],
    [3, 5, 7],
    [4, 16, 32],
    [7, 33, 31],
    [8, 64, 82],
    [9, 17, 33],
    [13, 3, 100],
    [16, 130, 65],
    [300, 11, 18],
];

fn random(len: usize, scale: f64) -> Vec<f32> {
    let mut rng = Rng::new(17, Purpose::Weights, len as u64);
    (0..len).map(|_| (scale * rng.normal()) as f32).collect()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}[{i}]: {a}, not {b}");
    }
}

#[test]
fn products() {
    for unit in VectorUnit::available() {
        for size @ [m, k, n] in SIZES {
            let what = format!("{} {size:?}", unit.name());
            let (a, b, out) = (random(m * k, 1.0), random(k * n, 1.0), random(m * n, 1.0));
            let bias = random(n, 1.0);
            let product = reference::matmul(&a, &b, [m, k, n]);
            let plus = |first: &[f32]| -> Vec<f32> {
                product.iter().zip(first).map(|(a, b)| a + b).collect()
            };
            let mut packed = Packed::new(unit, k, n);
            packed.pack(&b);
            let mut transposed = Packed::new(unit, k, n);
            transposed.pack_transposed(&reference::transpose(&b, [k, n]));
            let padded_a = pad(&a, k);
            let rows = Rows::new(&padded_a, k, padded(k));
            let padded_bias = pad(&bias, n);
            for (from, expected) in [
                (From::Zero, product.clone()),
                (From::Bias(&padded_bias), plus(&bias.repeat(m))),
                (From::Out, plus(&out)),
            ] {
                let mut found = pad(&out, n);
                multiply(rows, &packed, from, &mut found);
                assert_close(&unpad(&found, n), &expected, 1e-5, &what);
                let mut again = pad(&out, n);
                multiply(rows, &transposed, from, &mut again);
                assert_eq!(found, again, "{what}: packed transposed");
            }
        }
    }
}

/// Rows come in blocks that the cache holds; with the longest rows a block is as short as it can be.
#[test]
fn products_of_several_blocks_of_rows() {
    let unit = VectorUnit::detect();
    for size @ [m, k, n] in [[40, 5000, 17], [9, 70_000, 2]] {
        let (a, b) = (random(m * k, 0.1), random(k * n, 0.1));
        let mut packed = Packed::new(unit, k, n);
        packed.pack(&b);
        let padded_a = pad(&a, k);
        let mut found = vec![0.0; m * padded(n)];
        multiply(Rows::new(&padded_a, k, padded(k)), &packed, From::Zero, &mut found);
        let expected = reference::matmul(&a, &b, size);
        assert_close(&unpad(&found, n), &expected, 1e-4, &format!("{size:?}"));
    }
}

#[test]
fn look_ups_and_their_way_back() {
    for unit in VectorUnit::available() {
        let (width, time, rows, step) = (32, 5, 3, 4);
        let tables = [11u64, 12].map(|seed| {
            let mut table = Buffer::zeros(7 * width);
            table.copy_from_slice(&random(7 * width + seed as usize, 1.0)[seed as usize..]);
            table
        });
        let ids: Vec<u32> = (0..(1 + time) * step).map(|i| (i * 5 % 7) as u32).collect();
        let mut found = vec![9.0; time * step * width];
        sum_rows(unit, &tables, &ids, step, width, &mut found);
        for (i, found) in found.chunks_exact(width).enumerate() {
            let row = |table: usize, id: u32| &tables[table][id as usize * width..][..width];
            let pairs = row(0, ids[i]).iter().zip(row(1, ids[i + step]));
            let expected: Vec<f32> = pairs.map(|(a, b)| a + b).collect();
            assert_eq!(found, expected, "{} position {i}", unit.name());
        }
        // The way back of the last rows of each step.
        let values = random(time * step * width, 1.0);
        let own = Steps { data: &values, first: width, step: step * width, stride: width };
        let mut table = vec![0.5; 7 * width];
        add_to_rows(unit, own, &ids[1..], step, [time, rows], width, &mut table);
        let mut expected = vec![0.5f64; 7 * width];
        for t in 0..time {
            for row in 1..=rows {
                let (id, place) = (ids[t * step + row] as usize, (t * step + row) * width);
                for c in 0..width {
                    expected[id * width + c] += f64::from(values[place + c]);
                }
            }
        }
        let expected: Vec<f32> = expected.into_iter().map(|sum| sum as f32).collect();
        assert_close(&table, &expected, 1e-6, unit.name());
    }
}

/// Rows in three pieces, as the gates of a GRU lie.
#[test]
fn a_product_of_rows_in_pieces_and_a_matrix_of_segments() {
    for unit in VectorUnit::available() {
        let (m, k, n) = (11, 15, 20);
        let (a, b) = (random(m * k, 1.0), random(n * 9, 1.0));
        // Columns 0..4 of the source become 5..9, and 4..9 become 10..15; the rest is zero.
        let segments = [Segment { columns: 0..4, to: 5 }, Segment { columns: 4..9, to: 10 }];
        let mut packed = Packed::new(unit, k, n);
        packed.pack_segments(&b, &segments);
        let mut moved = vec![0.0; k * n];
        for segment in &segments {
            for (place, column) in segment.columns.clone().enumerate() {
                for row in 0..n {
                    moved[(segment.to + place) * n + row] = b[row * 9 + column];
                }
            }
        }
        // Piece by piece, `[3, m, 5]`.
        let pieces: Vec<f32> = (0..3)
            .flat_map(|p| (0..m * 5).map(move |i| (p, i)))
            .map(|(p, i)| a[i / 5 * k + p * 5 + i % 5])
            .collect();
        let rows = Rows { data: &pieces, stride: 5, piece: 5, piece_stride: m * 5 };
        let mut found = vec![0.0; m * padded(n)];
        multiply(rows, &packed, From::Zero, &mut found);
        let expected = reference::matmul(&a, &moved, [m, k, n]);
        assert_close(&unpad(&found, n), &expected, 1e-5, unit.name());
    }
}

#[test]
fn sums_of_outer_products_of_some_rows() {
    for unit in VectorUnit::available() {
        // The last one has rows so long that their columns are copied together.
        for [time, rows, k, n] in [[1, 1, 1, 1], [3, 2, 7, 20], [70, 4, 33, 100], [40, 3, 300, 48]]
        {
            let all = rows + 2;
            let (a, b) = (random(time * all * k, 1.0), random(time * all * n, 1.0));
            // Without the first row and the last one.
            let inner = |values: &[f32], width: usize| -> Vec<f32> {
                let steps = values.chunks_exact(all * width);
                steps.flat_map(|step| &step[width..(1 + rows) * width]).copied().collect()
            };
            let (inner_a, inner_b) = (inner(&a, k), inner(&b, n));
            let m = time * rows;
            let transposed = reference::transpose(&inner_a, [m, k]);
            let expected = reference::matmul(&transposed, &inner_b, [k, m, n]);
            let sums = reference::matmul(&vec![1.0; m], &inner_b, [1, m, n]);

            let (padded_a, padded_b) = (pad(&a, k), pad(&b, n));
            let steps = |data, width: usize| Steps {
                data,
                first: padded(width),
                step: all * padded(width),
                stride: padded(width),
            };
            let (a_steps, b_steps) = (steps(&padded_a[..], k), steps(&padded_b[..], n));
            let what = format!("{} [{time}, {rows}, {k}, {n}]", unit.name());
            for first in (0..padded(n)).step_by(3 * unit.lanes()) {
                let width = (3 * unit.lanes()).min(padded(n) - first);
                let own = first.min(n)..(first + width).min(n);
                let mut found = vec![0.0; padded(k) * width];
                let size = [time, rows];
                let panel = PanelGroup::single(width);
                add_outer(unit, a_steps, b_steps.from(first), size, padded(k), panel, &mut found);
                let mut found_sums = vec![0.0; width];
                add_sums(unit, b_steps.from(first), size, &mut found_sums);
                for row in 0..k {
                    let found = &found[row * width..][..own.len()];
                    assert_close(found, &expected[row * n..][own.clone()], 1e-4, &what);
                }
                assert_close(&found_sums[..own.len()], &sums[own], 1e-4, &what);
            }
        }
    }
}

#[test]
fn panels_summed_together_equal_each_alone() {
    for unit in VectorUnit::available() {
        let width = 3 * unit.lanes();
        let ([time, rows], k, count) = ([40, 4], 320, 3);
        let (a, b) = (random(time * rows * k, 1.0), random(time * rows * count * width, 1.0));
        let steps = |data, stride: usize| Steps { data, first: 0, step: rows * stride, stride };
        let (a, b) = (steps(&a[..], k), steps(&b[..], count * width));
        let out_stride = k * width + 16;
        let panels = PanelGroup { count, width, b_stride: width, out_stride };
        let mut together = vec![0.5; count * out_stride];
        add_outer(unit, a, b, [time, rows], k, panels, &mut together);
        for (panel, together) in together.chunks_exact(out_stride).enumerate() {
            let mut alone = vec![0.5; k * width];
            let single = PanelGroup::single(width);
            add_outer(unit, a, b.from(panel * width), [time, rows], k, single, &mut alone);
            assert_eq!(alone, together[..k * width], "{} panel {panel}", unit.name());
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    for unit in VectorUnit::available() {
        let (k, n) = (50, 70);
        let (a, b) = (pad(&random(19 * k, 1.0), k), random(k * n, 1.0));
        let mut packed = Packed::new(unit, k, n);
        packed.pack(&b);
        let product = |rows: &[f32]| {
            let mut out = vec![0.0; rows.len() / padded(k) * padded(n)];
            multiply(Rows::new(rows, k, padded(k)), &packed, From::Zero, &mut out);
            out
        };
        let together = product(&a);
        for row in 0..19 {
            let alone = product(&a[row * padded(k)..][..padded(k)]);
            assert_eq!(
                alone,
                together[row * padded(n)..][..padded(n)],
                "{} row {row}",
                unit.name()
            );
        }
    }
}

/// Distance in units of the last place of the larger one.
fn ulps(a: f32, b: f32) -> f64 {
    let place = f64::from(a.abs().max(b.abs()).max(f32::MIN_POSITIVE)) * 2f64.powi(-23);
    (f64::from(a) - f64::from(b)).abs() / place
}

#[test]
fn sigmoid_and_tanh_are_within_four_units_in_the_last_place() {
    let arguments: Vec<f32> = (-40_000..=40_000)
        .map(|i| i as f32 / 1000.0)
        .chain([0.0, -0.0, 1e-30, -1e-30, 1e-5, 3e-4, f32::MIN_POSITIVE, -1e-7])
        .collect();
    for unit in VectorUnit::available() {
        let (mut sigmoids, mut tanhs) = (arguments.clone(), arguments.clone());
        elementwise::sigmoid(unit, &mut sigmoids);
        elementwise::tanh(unit, &mut tanhs);
        for (i, &x) in arguments.iter().enumerate() {
            let (s, t) = (reference::sigmoid(x), reference::tanh(x));
            assert!(
                ulps(sigmoids[i], s) <= 4.0,
                "{} σ({x}) = {}, not {s}",
                unit.name(),
                sigmoids[i]
            );
            assert!(ulps(tanhs[i], t) <= 4.0, "{} tanh({x}) = {}, not {t}", unit.name(), tanhs[i]);
        }
        let mut extremes = [-1e30, 1e30, f32::NEG_INFINITY, f32::INFINITY];
        elementwise::tanh(unit, &mut extremes);
        assert_eq!(extremes, [-1.0, 1.0, -1.0, 1.0]);
        let mut extremes = [-1e30, 1e30];
        elementwise::sigmoid(unit, &mut extremes);
        assert!(extremes[0] < 1e-30 && extremes[1] == 1.0, "{extremes:?}");
    }
}

#[test]
fn values_that_are_no_finite_numbers_are_seen_wherever_they_stand() {
    for unit in VectorUnit::available() {
        let mut values = random(37, 1e30);
        assert!(elementwise::all_finite(unit, &values), "{}", unit.name());
        for place in 0..values.len() {
            for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN] {
                let good = std::mem::replace(&mut values[place], bad);
                assert!(!elementwise::all_finite(unit, &values), "{} {bad}", unit.name());
                values[place] = good;
            }
        }
    }
}

#[test]
fn a_step_of_a_gru() {
    for unit in VectorUnit::available() {
        for [rows, input, units] in [[1, 1, 1], [2, 5, 3], [13, 7, 37], [9, 32, 16]] {
            let kernel = random(input * 3 * units, 0.5);
            let recurrent_kernel = random(units * 3 * units, 0.5);
            let bias = random(6 * units + 1, 0.5)[1..].to_vec();
            let mut weights = GruWeights::new(unit, input, units);
            weights.pack(&kernel, &recurrent_kernel, &bias);
            let (x, state) =
                (random(rows * input, 1.0), random(rows * units + 2, 0.5)[2..].to_vec());
            let mut new_state = vec![9.0; rows * padded(units)];
            let mut gates = vec![9.0; weights.gates_len(rows)];
            weights.forward(&pad(&x, input), &pad(&state, units), &mut gates, &mut new_state);
            let part = |values: &[f32], kernel: &[f32], k: usize, bias: &[f32]| -> Vec<f32> {
                let product = reference::matmul(values, kernel, [rows, k, 3 * units]);
                product.iter().zip(bias.iter().cycle()).map(|(a, b)| a + b).collect()
            };
            let gates_x = part(&x, &kernel, input, &bias[..3 * units]);
            let gates_h = part(&state, &recurrent_kernel, units, &bias[3 * units..]);
            for row in 0..rows {
                let gates = row * 3 * units..(row + 1) * 3 * units;
                let own = row * units..(row + 1) * units;
                let expected =
                    reference::gru_step(&gates_x[gates.clone()], &gates_h[gates], &state[own]);
                let found = &new_state[row * padded(units)..][..padded(units)];
                assert_close(&found[..units], &expected, 3e-6, unit.name());
                assert!(found[units..].iter().all(|&x| x == 0.0), "padding stays zero: {found:?}");
            }
        }
    }
}

#[test]
fn softmax_and_cross_entropy() {
    for unit in VectorUnit::available() {
        for size in [1, 2, 15, 16, 17, 82, 300] {
            let logits = random(size, 5.0);
            let expected = reference::softmax(&logits);
            let mut row = logits.clone();
            let log_sum = softmax(unit, &mut row);
            assert_close(&row, &expected, 1e-6, unit.name());
            let target = size / 2;
            let nats = log_sum - f64::from(logits[target]);
            assert!((nats + f64::from(expected[target]).ln()).abs() < 1e-5);

            let best = argmax(&logits);
            let other = if size == 1 { 5 } else { target };
            let compared = |leave| {
                let mut rows = pad(&[&logits[..], &logits].concat(), size);
                let mut sums = [LossSum::default(); 2];
                let targets = [best as u32, other as u32];
                softmax_cross_entropy(unit, &mut rows, &targets, size, leave, &mut sums);
                (unpad(&rows, size), sums)
            };
            let (left, sums) = compared(Leave::Logits);
            assert_eq!(left, logits.repeat(2));
            let positions = u64::from(size > 1);
            assert_eq!([sums[0].correct, sums[1].correct], [1, u64::from(other == best)]);
            assert_eq!([sums[0].positions, sums[1].positions], [1, positions]);
            let nats = -f64::from(expected[best]).ln();
            assert!((sums[0].nats - nats).abs() < 1e-5, "{} nats, not {nats}", sums[0].nats);

            let (left, same) = compared(Leave::Probabilities);
            assert_close(&left[..size], &expected, 1e-6, unit.name());
            let (left, also) = compared(Leave::Gradient { scale: 0.5 });
            let mut gradient: Vec<f32> = expected.iter().map(|p| 0.5 * p).collect();
            gradient[best] -= 0.5;
            assert_close(&left[..size], &gradient, 1e-6, unit.name());
            if size == 1 {
                assert_eq!(left[1], 0.0, "a position without target has no gradient");
            }
            assert_eq!([same, also], [sums, sums]);
        }
        let mut huge = [1000.0, 0.0, -1000.0];
        softmax(unit, &mut huge);
        assert_eq!(huge[0], 1.0);
    }
}
