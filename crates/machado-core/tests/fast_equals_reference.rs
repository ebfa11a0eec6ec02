//! Each fast routine against its plain version, for each vector unit of this machine.

use machado_core::math::elementwise;
use machado_core::math::gates;
use machado_core::math::matmul::{Packed, matmul_add, matmul_transposed_add};
use machado_core::math::reference;
use machado_core::math::simd::VectorUnit;
use machado_core::math::softmax::{argmax, softmax, softmax_cross_entropy};
use machado_core::rng::{Purpose, Rng};

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
            let add = |product: &[f32]| -> Vec<f32> {
                product.iter().zip(&out).map(|(a, b)| a + b).collect()
            };
            let expected = add(&reference::matmul(&a, &b, [m, k, n]));

            let mut packed = Packed::new(unit, k, n);
            packed.pack(&b);
            let mut found = out.clone();
            matmul_add(&a, &packed, &mut found);
            assert_close(&found, &expected, 1e-5, &what);

            let mut transposed = Packed::new(unit, k, n);
            transposed.pack_transposed(&reference::transpose(&b, [k, n]));
            let mut again = out.clone();
            matmul_add(&a, &transposed, &mut again);
            assert_eq!(found, again, "{what}: packed transposed");
        }
    }
}

#[test]
fn transposed_products_of_some_rows() {
    for unit in VectorUnit::available() {
        for size @ [m, k, n] in SIZES {
            let (a, b) = (random(m * k, 1.0), random(m * n, 1.0));
            let expected = reference::matmul(&reference::transpose(&a, [m, k]), &b, [k, m, n]);
            for rows in [0..k, k / 3..k, 0..k.div_ceil(2)] {
                let mut found = vec![0.0; rows.len() * n];
                matmul_transposed_add(unit, &a, [k, n], rows.clone(), &b, &mut found);
                let what = format!("{} {size:?} rows {rows:?}", unit.name());
                assert_close(&found, &expected[rows.start * n..rows.end * n], 2e-5, &what);
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    for unit in VectorUnit::available() {
        let (k, n) = (50, 70);
        let (a, b) = (random(19 * k, 1.0), random(k * n, 1.0));
        let mut packed = Packed::new(unit, k, n);
        packed.pack(&b);
        let mut together = vec![0.0; 19 * n];
        matmul_add(&a, &packed, &mut together);
        for row in 0..19 {
            let mut alone = vec![0.0; n];
            matmul_add(&a[row * k..][..k], &packed, &mut alone);
            assert_eq!(alone, together[row * n..][..n], "{} row {row}", unit.name());
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
fn gru_gates() {
    for unit in VectorUnit::available() {
        for (rows, units) in [(1, 1), (2, 5), (3, 16), (2, 37)] {
            let gates_x = random(rows * 3 * units, 1.0);
            let gates_h = random(rows * 3 * units + 1, 1.0)[1..].to_vec();
            let state = random(rows * units, 0.5);
            let mut new_state = vec![0.0; rows * units];
            let mut activations = gates_x.clone();
            gates::gru_forward(unit, &mut activations, &gates_h, &state, &mut new_state, units);
            for row in 0..rows {
                let gates = row * 3 * units..(row + 1) * 3 * units;
                let own = row * units..(row + 1) * units;
                let expected = reference::gru_step(
                    &gates_x[gates.clone()],
                    &gates_h[gates],
                    &state[own.clone()],
                );
                assert_close(&new_state[own], &expected, 1e-6, unit.name());
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

            let mut rows = [logits.clone(), logits.clone()].concat();
            let best = argmax(&logits);
            let other = if size == 1 { 5 } else { target };
            let sum = softmax_cross_entropy(unit, &mut rows, &[best as u32, other as u32], size);
            let correct = 1 + u64::from(other == best);
            assert_eq!((sum.correct, sum.positions), (correct, if size == 1 { 1 } else { 2 }));
        }
        let mut huge = [1000.0, 0.0, -1000.0];
        softmax(unit, &mut huge);
        assert_eq!(huge[0], 1.0);
    }
}
