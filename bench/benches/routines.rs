//! The arithmetic, routine by routine, on one thread: `cargo bench --bench routines`.
//!
//! Throughput is in multiply-adds (or values) per second.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use machado_core::math::buffer::Buffer;
use machado_core::math::elementwise;
use machado_core::math::gru::GruWeights;
use machado_core::math::matmul::{From, Packed, Rows, multiply, padded};
use machado_core::math::outer::{PanelGroup, STRIPE, add_outer};
use machado_core::math::peak::multiply_add;
use machado_core::math::simd::VectorUnit;
use machado_core::math::softmax::{Leave, LossSum, softmax_cross_entropy};
use machado_core::math::tile::Steps;
use machado_core::rng::{Purpose, Rng};

/// Rows of one thread, for the batch of 32 of the tutorial and two threads.
const ROWS: usize = 16;

fn random(len: usize) -> Buffer {
    let mut rng = Rng::new(1, Purpose::Weights, len as u64);
    let mut values = Buffer::zeros(len);
    values.fill_with(|| 0.1 * rng.normal() as f32);
    values
}

/// What the other figures can be compared with.
fn peak(c: &mut Criterion) {
    let unit = VectorUnit::detect();
    let mut group = c.benchmark_group("peak");
    group.throughput(Throughput::Elements((multiply_add(unit, 1 << 16) / 2.0) as u64));
    group.bench_function(unit.name(), |b| b.iter(|| multiply_add(unit, 1 << 16)));
    group.finish();
}

fn products(c: &mut Criterion) {
    let unit = VectorUnit::detect();
    let mut group = c.benchmark_group("multiply");
    for [m, k, n] in [[2048, 128, 82], [2048, 512, 82], [2048, 128, 32], [32, 512, 1536]] {
        let mut packed = Packed::new(unit, k, n);
        packed.pack(&random(k * n));
        let (a, mut out) = (random(m * padded(k)), random(m * padded(n)));
        group.throughput(Throughput::Elements((m * k * n) as u64));
        group.bench_function(format!("{m}x{k}x{n}"), |b| {
            b.iter(|| multiply(Rows::new(&a, k, padded(k)), &packed, From::Zero, &mut out));
        });
    }
    group.finish();
}

fn outer_products(c: &mut Criterion) {
    let unit = VectorUnit::detect();
    let width = 3 * unit.lanes();
    let mut group = c.benchmark_group("add_outer");
    // Up to 255 columns are read where they lie; more are copied together.
    for k in [32, 128, 240, 256, 512, 1024] {
        let time = 128;
        let (a, b_values) = (random(time * STRIPE * k), random(time * STRIPE * width));
        let steps = |data, stride| Steps { data, first: 0, step: STRIPE * stride, stride };
        let mut out = random(k * width);
        group.throughput(Throughput::Elements((time * STRIPE * k * width) as u64));
        group.bench_function(format!("{k} columns"), |b| {
            let (a, b_steps) = (steps(&a[..], k), steps(&b_values[..], width));
            let panel = PanelGroup::single(width);
            b.iter(|| add_outer(unit, a, b_steps, [time, STRIPE], k, panel, &mut out));
        });
    }
    group.finish();
}

fn gru_steps(c: &mut Criterion) {
    let unit = VectorUnit::detect();
    let mut group = c.benchmark_group("gru step");
    for [rows, input, units] in [[1, 32, 128], [ROWS, 32, 128], [ROWS, 128, 512], [ROWS, 256, 2048]]
    {
        let mut weights = GruWeights::new(unit, input, units);
        let (kernel, recurrent) = (random(input * 3 * units), random(units * 3 * units));
        let bias = random(6 * units);
        weights.pack(&kernel, &recurrent, &bias);
        let (x, state) = (random(rows * padded(input)), random(rows * padded(units)));
        let (mut gates, mut new_state) =
            (Buffer::zeros(weights.gates_len(rows)), Buffer::zeros(state.len()));
        let size = format!("{rows} rows, {input} inputs, {units} units");
        group.throughput(Throughput::Elements((rows * (input + units) * 3 * units) as u64));
        group.bench_function(format!("forward, {size}"), |b| {
            b.iter(|| weights.forward(&x, &state, &mut gates, &mut new_state));
        });
        let (d_output, d_state) = (random(state.len()), random(state.len()));
        let mut d_input = Buffer::zeros(x.len());
        group.bench_function(format!("backward, {size}"), |b| {
            // The way back turns gates into gradients, so each time has its own.
            b.iter_batched_ref(
                || (gates.clone(), d_state.clone()),
                |(gates, d_state)| {
                    weights.backward(gates, &state, &d_output, d_state, &mut d_input);
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("repacking, {size}"), |b| {
            b.iter(|| weights.pack(&kernel, &recurrent, &bias));
        });
    }
    group.finish();
}

fn functions(c: &mut Criterion) {
    let unit = VectorUnit::detect();
    let mut values = random(4096);
    let mut group = c.benchmark_group("functions");
    group.throughput(Throughput::Elements(values.len() as u64));
    group.bench_function("sigmoid", |b| b.iter(|| elementwise::sigmoid(unit, &mut values)));
    group.bench_function("tanh", |b| b.iter(|| elementwise::tanh(unit, &mut values)));
    let (vocabulary, rows) = (82, 64);
    let logits = random(rows * padded(vocabulary));
    let targets: Vec<u32> = (0..rows as u32).collect();
    group.throughput(Throughput::Elements((rows * vocabulary) as u64));
    group.bench_function("softmax, cross-entropy and gradient", |b| {
        let mut row = logits.clone();
        let mut sums = [LossSum::default()];
        let leave = Leave::Gradient { scale: 0.01 };
        b.iter(|| {
            row.copy_from_slice(&logits);
            softmax_cross_entropy(unit, &mut row, &targets, vocabulary, leave, &mut sums);
        });
    });
    group.finish();
}

criterion_group!(routines, peak, products, outer_products, gru_steps, functions);
criterion_main!(routines);
