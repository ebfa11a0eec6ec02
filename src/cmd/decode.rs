//! `machado decode`: pieces of a text, and what the model would have said at each place.

use std::io::Write;

use anyhow::{Result, bail};
use machado_core::data::{Batch, Start};
use machado_core::model::Engine;
use machado_core::rng::{Purpose, Rng};
use machado_core::sample::{Draw, Sampler};
use serde_json::json;

use crate::cli::{DecodeArgs, PartArg};
use crate::known_text::KnownText;
use crate::number::grouped;
use crate::{models, visible};

pub(super) fn run(args: &DecodeArgs) -> Result<()> {
    let loaded = models::load(&args.model)?;
    let compute = super::compute(&args.compute)?;
    let text = KnownText::read(&loaded, &args.texts, args.model.unknown)?;
    let own_text = args.texts.is_empty().then_some(PartArg::Validation);
    let range = match args.part.or(own_text) {
        Some(part) => text.part(&loaded, part)?,
        None => 0..text.ids.len(),
    };
    let Some(room) = range.len().checked_sub(args.window + 1) else {
        bail!(
            "the text has {} tokens, but a window of {} needs {}\nhint: give a smaller --window",
            range.len(),
            args.window,
            args.window + 1
        );
    };
    let starts: Vec<usize> =
        (0..args.windows).map(|i| range.start + room * i / args.windows).collect();
    let model = &loaded.file.model;
    let tokenizer = &model.tokenizer;
    let sampler = Sampler { temperature: args.temperature, ..Sampler::default() };
    let mut draw = Draw::new(sampler, compute.unit())?;
    let mut engine = Engine::new(&model.config, tokenizer.vocabulary_size(), compute)?;
    engine.load(&model.weights);
    let batch = Batch::gather(&text.ids, &starts, args.window, Start::Fresh);
    let probabilities = engine.probabilities(&batch);

    let rows = probabilities.chunks_exact(args.window * tokenizer.vocabulary_size());
    let mut out = std::io::stdout().lock();
    for (number, (row, &start)) in rows.zip(&starts).enumerate() {
        let mut rng = Rng::new(args.seed, Purpose::Decode, number as u64);
        let generated: Vec<u32> = row
            .chunks_exact(tokenizer.vocabulary_size())
            .map(|probabilities| {
                let logits: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
                draw.draw(&logits, &[], &mut rng)
            })
            .collect();
        let original = &batch.row(number)[1..];
        let correct = original.iter().zip(&generated).filter(|(a, b)| a == b).count();
        if args.json {
            let line = json!({
                "start": start + 1,
                "original": tokenizer.decode(original),
                "generated": tokenizer.decode(&generated),
                "correct": correct,
                "tokens": args.window,
            });
            writeln!(out, "{}", visible::json_on(&out, &line))?;
            continue;
        }
        let show_token =
            |&id: &u32| visible::on(&out, &on_one_line(&tokenizer.token(id))).into_owned();
        let show = |ids: &[u32]| ids.iter().map(show_token).collect();
        let (original, generated): (Vec<_>, Vec<_>) = (show(original), show(&generated));
        writeln!(
            out,
            "token {}: {correct} of {} right\n{}",
            grouped(start as u64 + 2),
            args.window,
            side_by_side(&original, &generated)
        )?;
    }
    Ok(())
}

/// A token on one line: line ends and tabs as signs.
fn on_one_line(token: &str) -> String {
    token.replace('\n', "↵").replace('\t', "→")
}

/// Two lines of tokens, each pair made equally wide, and a line that marks where they differ.
fn side_by_side(original: &[String], generated: &[String]) -> String {
    let mut lines = ["original   ".to_owned(), "generated  ".to_owned(), "           ".to_owned()];
    for (a, b) in original.iter().zip(generated) {
        let width = a.chars().count().max(b.chars().count());
        let mark = if a == b { " " } else { "^" };
        for (line, cell) in lines.iter_mut().zip([a.as_str(), b, &mark.repeat(width)]) {
            line.push_str(&format!("{cell:<width$}"));
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_marked() {
        let tokens = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        let shown = side_by_side(&tokens("azul."), &tokens("azur "));
        assert_eq!(shown, "original   azul.\ngenerated  azur\n              ^^\n");
    }
}
