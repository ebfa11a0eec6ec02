//! `machado plot`: a run's curves as SVG and PNG.

use std::io::Write;

use anyhow::Result;

use crate::cli::PlotArgs;
use crate::curves;
use crate::run_folder::RunFolder;

pub(super) fn run(args: &PlotArgs) -> Result<()> {
    let files = curves::write(&RunFolder::open(&args.run)?)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::json!({ "files": files }))?;
    } else {
        for file in files {
            writeln!(out, "{}", file.display())?;
        }
    }
    Ok(())
}
