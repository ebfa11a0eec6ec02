//! A run's loss and accuracy as pictures.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::Value;

use crate::files;
use crate::plot::{self, Chart, Curve, CurveStyle};
use crate::run_folder::RunFolder;

/// One picture: its file name, and the metric on its vertical axis.
struct Picture {
    name: &'static str,
    metric: &'static str,
    axis: &'static str,
}

const PICTURES: [Picture; 2] = [
    Picture { name: "loss", metric: "loss", axis: "loss (nats per token)" },
    Picture { name: "accuracy", metric: "accuracy", axis: "accuracy" },
];

/// Draws loss and accuracy into the run's folder; returns the files.
pub fn write(folder: &RunFolder) -> Result<Vec<PathBuf>> {
    let events = folder.read_metrics()?;
    let run = folder.path().file_name().map(|name| name.to_string_lossy().into_owned());
    let mut written = Vec::new();
    for picture in &PICTURES {
        let curves = vec![
            Curve {
                label: "training".into(),
                points: points(&events, "step", picture.metric),
                style: CurveStyle::Line,
            },
            Curve {
                label: "validation".into(),
                points: points(&events, "evaluated", &format!("val_{}", picture.metric)),
                style: CurveStyle::LineWithMarkers,
            },
        ];
        let chart = Chart {
            title: format!("{}: {}", run.as_deref().unwrap_or("run"), picture.name),
            x_label: "step".into(),
            y_label: picture.axis.into(),
            curves,
        };
        let drawing = plot::draw(&chart)?;
        for (ending, bytes) in [("svg", drawing.svg.as_bytes()), ("png", &drawing.png)] {
            let path = folder.file(&format!("{}.{ending}", picture.name));
            files::write(&path, bytes)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// The metric over the steps of all events of one kind.
fn points(events: &[Value], kind: &str, metric: &str) -> Vec<(f64, f64)> {
    let of_kind = events.iter().filter(|event| event["event"] == kind);
    of_kind.filter_map(|event| Some((event["step"].as_f64()?, event[metric].as_f64()?))).collect()
}
