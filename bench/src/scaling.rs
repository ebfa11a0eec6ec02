//! How the cost of a training step grows with each of its sizes: `scaling MACHADO FOLDER`.
//!
//! Runs `machado bench` and `machado train` for many sizes, prints tables in Markdown, and draws
//! `scaling.svg` into the folder: time for a token against the units of the GRU, beside the time
//! that this machine would take if it only multiplied and added.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use kuva::backend::svg::SvgBackend;
use kuva::plot::{LinePlot, ScatterPlot};
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;
use serde_json::Value;

const UNITS: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
const BATCHES: [usize; 7] = [1, 4, 8, 16, 32, 128, 512];
const WINDOWS: [usize; 5] = [16, 64, 128, 256, 1024];
const THREADS: [usize; 4] = [1, 2, 4, 8];
const VOCABULARIES: [usize; 4] = [82, 1000, 8000, 32_000];

/// Megabytes of the texts that are read.
const MEGABYTES: [usize; 3] = [1, 10, 100];

/// Batch where nothing else is varied: wide enough for all units.
const BATCH: usize = 64;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, machado, folder] = &args[..] else {
        bail!("expected two arguments: the program to measure and a folder for the drawing");
    };
    let program = Program { path: machado.clone() };
    let batch = BATCH.to_string();
    let units = sweep(&program, "units", "--units", &UNITS, &["--batch-size", &batch])?;
    sweep(&program, "batch", "--batch-size", &BATCHES, &[])?;
    sweep(&program, "window", "--window", &WINDOWS, &[])?;
    sweep(&program, "threads", "--threads", &THREADS, &[])?;
    sweep(&program, "vocabulary", "--vocabulary", &VOCABULARIES, &["--units", "256"])?;
    text_sizes(&program)?;
    let path = Path::new(folder).join("scaling.svg");
    std::fs::write(&path, draw(&units)).with_context(|| path.display().to_string())?;
    Ok(())
}

/// The program that is measured.
struct Program {
    path: String,
}

/// What `machado bench` says of one size.
struct Measured {
    size: usize,
    ms_per_step: f64,
    tokens_per_second: f64,
    share_of_peak: f64,
}

impl Program {
    fn bench(&self, size: usize, args: &[&str]) -> Result<Measured> {
        let output = Command::new(&self.path)
            .args(["bench", "--json", "--seconds", "1"])
            .args(args)
            .output()
            .with_context(|| self.path.clone())?;
        if !output.status.success() {
            bail!("{} bench {}: {}", self.path, args.join(" "), text(&output.stderr));
        }
        let figures: Value = serde_json::from_slice(&output.stdout)?;
        let of_training = |key: &str| figures["train"][key].as_f64().context("a figure");
        Ok(Measured {
            size,
            ms_per_step: of_training("ms_per_step")?,
            tokens_per_second: of_training("tokens_per_second")?,
            share_of_peak: of_training("share_of_peak")?,
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Measures one size after the other and prints a table.
fn sweep(
    program: &Program,
    name: &str,
    flag: &str,
    sizes: &[usize],
    fixed: &[&str],
) -> Result<Vec<Measured>> {
    println!("\n| {name} | ms a step | tokens/s | share of the peak |\n|---|---|---|---|");
    let mut all = Vec::new();
    for &size in sizes {
        let value = size.to_string();
        let measured = program.bench(size, &[&[flag, value.as_str()][..], fixed].concat())?;
        let (ms, tokens) = (measured.ms_per_step, measured.tokens_per_second);
        let share = 100.0 * measured.share_of_peak;
        println!("| {size} | {ms:.2} | {tokens:.0} | {share:.0}% |");
        all.push(measured);
    }
    Ok(all)
}

/// Reads texts of some sizes, and trains one step on each.
fn text_sizes(program: &Program) -> Result<()> {
    const SAMPLE: &str = include_str!("../../assets/contos.txt");
    println!("\n| text | seconds until one step is done |\n|---|---|");
    let folder = std::env::temp_dir().join(format!("machado-scaling-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    for megabytes in MEGABYTES {
        let path = folder.join("text.txt");
        std::fs::write(&path, SAMPLE.repeat(megabytes * 1_000_000 / SAMPLE.len() + 1))?;
        let began = Instant::now();
        let output = Command::new(&program.path)
            .arg("train")
            .arg(&path)
            .args(["--steps", "1", "--sample-every", "0", "--split", "1.0:0.0"])
            .arg("--out")
            .arg(folder.join(format!("run-{megabytes}")))
            .output()?;
        let seconds = began.elapsed().as_secs_f64();
        if !output.status.success() {
            std::fs::remove_dir_all(&folder)?;
            bail!("{} train: {}", program.path, text(&output.stderr));
        }
        println!("| {megabytes} MB | {seconds:.2} |");
    }
    Ok(std::fs::remove_dir_all(&folder)?)
}

/// Microseconds for a token against units, and what the peak would allow.
fn draw(units: &[Measured]) -> String {
    let microseconds = |m: &Measured| (m.size as f64, 1e6 / m.tokens_per_second);
    let measured: Vec<(f64, f64)> = units.iter().map(microseconds).collect();
    let ideal: Vec<(f64, f64)> = units
        .iter()
        .map(|m| (m.size as f64, m.share_of_peak * 1e6 / m.tokens_per_second))
        .collect();
    let plots = vec![
        Plot::Line(
            LinePlot::new()
                .with_data(ideal)
                .with_color("#999999")
                .with_legend("multiply-adds alone"),
        ),
        Plot::Line(
            LinePlot::new()
                .with_data(measured.clone())
                .with_color("#1f77b4")
                .with_legend("measured"),
        ),
        Plot::Scatter(ScatterPlot::new().with_data(measured).with_color("#1f77b4").with_size(4.0)),
    ];
    let layout = Layout::auto_from_plots(&plots)
        .with_log_scale()
        .with_title(format!("Training: time for a token, batch {BATCH} × window 128"))
        .with_x_label("units of the GRU")
        .with_y_label("microseconds for a token");
    SvgBackend::new().render_scene(&render_multiple(plots, layout))
}
