//! `machado bench`: how fast this machine trains, evaluates and writes.

mod layer;
mod model;
mod timer;

use std::io::Write;

use anyhow::Result;
use machado_core::math::peak::multiply_add;
use machado_core::math::threads::Compute;
use serde_json::{Value, json};

use self::timer::Timer;
use crate::cli::BenchArgs;
use crate::memory;

/// Rounds of multiply-adds of one measurement of the peak: some milliseconds.
const PEAK_ROUNDS: u64 = 1 << 20;

pub(super) fn run(args: &BenchArgs) -> Result<()> {
    let compute = super::compute(&args.compute)?;
    let timer = Timer::new(args.seconds);
    let peak = peak_flops(&compute, &timer);
    let mut figures = match args.layer {
        Some(layer) => layer::measure(args, layer, &compute, &timer, peak)?,
        None => model::measure(args, &compute, &timer, peak)?,
    };
    let machine = json!({
        "peak_gflops": peak / 1e9,
        "threads": compute.threads(),
        "vector_unit": compute.unit().name(),
        "peak_memory_mb": memory::peak_bytes().map(|bytes| bytes as f64 / 1e6),
    });
    if let (Value::Object(figures), Value::Object(machine)) = (&mut figures.json, machine) {
        figures.extend(machine);
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", figures.json)?;
        return Ok(());
    }
    let (unit, threads) = (compute.unit().name(), compute.threads());
    let threads = crate::number::counted(threads, "thread", "threads");
    let mut lines = vec![line("machine", &format!("{unit}, {threads}"))];
    lines.push(line("peak", &format!("{:.0} GFLOP/s of multiply-adds alone", peak / 1e9)));
    lines.extend(figures.lines);
    if let Some(bytes) = memory::peak_bytes() {
        lines.push(line("memory", &format!("{} at most", crate::number::bytes(bytes))));
    }
    writeln!(out, "{}", lines.join("\n"))?;
    Ok(())
}

/// What was measured, for programs and for people.
struct Figures {
    json: Value,
    lines: Vec<String>,
}

fn line(name: &str, value: &str) -> String {
    format!("{name:<12}{value}")
}

/// Floating-point operations per second of all threads together when they do nothing but
/// multiply-adds; the best of several tries, since whatever disturbs it only makes it slower.
fn peak_flops(compute: &Compute, timer: &Timer) -> f64 {
    let mut threads = vec![0.0; compute.threads()];
    let seconds = timer.shortest(|| {
        compute.for_each(&mut threads, |flops| *flops = multiply_add(compute.unit(), PEAK_ROUNDS));
    });
    threads.iter().sum::<f64>() / seconds
}
