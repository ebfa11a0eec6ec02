//! The report as plain text: what was missed first.

use machado_core::interpret::experiment::ConceptReport;

use super::Report;
use super::wanted::Found;
use crate::cmd::experiment::text::bars;
use crate::number::{counted, duration, grouped};

/// Words shown of each half of a concept.
const WORDS: usize = 8;

/// The whole report.
pub(super) fn report(report: &Report<'_>) -> String {
    let parts = [
        heading(report),
        bars(&report.bars, "concepts"),
        found(report),
        ways(report),
        matrices(report),
        words(report),
        examples(report),
    ];
    parts.join("\n")
}

/// What was done with what, in lines.
pub(super) fn heading(report: &Report<'_>) -> String {
    let tiny = if report.args.tiny { "THIS WAS --tiny: THE FIGURES MEAN NOTHING.\n" } else { "" };
    let facts = &report.sae.facts;
    format!(
        "{tiny}Does a model of this text have features of its concepts, and does it write of them?\n\n\
         {} in {} on {}. Model {}; autoencoder of {} with {} features,\n\
         {:.1} of them in a state, explained variance {:.3}. Features are found on one part of the text \
         with half of\nthe words; all other figures are of another part (that of the held-out words of both), \
         of {} other\nbeginnings and other texts.\n",
        counted(report.figures.concepts.len(), "concept", "concepts"),
        duration(report.elapsed),
        counted(report.threads, "thread", "threads"),
        report.model.name,
        facts.site,
        grouped(report.sae.sae.d_sae() as u64),
        facts.l0,
        facts.explained_variance,
        report.prompts[1].len(),
    )
}

fn found(report: &Report<'_>) -> String {
    let line = |concept: &ConceptReport| {
        let knows = &concept.knows;
        let held_out = knows.held_out_words.map_or("–".into(), |auroc| format!("{auroc:.3}"));
        format!(
            "  {:<12}{:>8}{:>9}{:>8.3}{:>10}{:>8.3}{:>11.3}{:>12.3}\n",
            concept.name,
            concept.feature,
            grouped(concept.tokens),
            knows.auroc,
            held_out,
            knows.f1,
            concept.unit_knows.auroc,
            concept.difference_knows.auroc
        )
    };
    let lines: String = report.figures.concepts.iter().map(line).collect();
    format!(
        "How well the feature of each concept tells where it is (AUROC; held-out: of words that did not \
         choose it):\n  {:<12}{:>8}{:>9}{:>8}{:>10}{:>8}{:>11}{:>12}\n{lines}",
        "", "feature", "tokens", "AUROC", "held-out", "F1", "best unit", "mean diff."
    )
}

fn ways(report: &Report<'_>) -> String {
    let mut out = String::from(
        "Ways to steer, each at the strength that was best on other prompts and texts (score: nats \
         that the\nconcept's words gain beyond words like them; words: of the concept in 1000 that are \
         written; extra:\nhow much more the texts surprise the model as it is; known: of the written words the share that the text \
         has):\n",
    );
    for concept in &report.figures.concepts {
        out += &format!(
            "  {}, p among {} other features {:.3}, for all concepts together {:.3}\n    \
             {:<28}{:>9}{:>9}{:>8}{:>8}{:>8}\n    {:<28}{:>9}{:>9}{:>8.1}{:>8}{:>7.0}%\n",
            concept.name,
            concept.others,
            concept.p_value,
            concept.p_value_holm,
            "",
            "strength",
            "score",
            "words",
            "extra",
            "known",
            "no steering",
            "–",
            "–",
            concept.unsteered_per_thousand_words,
            "–",
            100.0 * concept.unsteered_known_words,
        );
        for way in &concept.ways {
            out += &format!(
                "    {:<28}{:>9.2}{:>+9.2}{:>8.1}{:>7.0}%{:>7.0}%\n",
                way.method,
                way.strength,
                way.score,
                way.per_thousand_words,
                100.0 * way.extra_nats,
                100.0 * way.known_words
            );
        }
    }
    out
}

fn matrices(report: &Report<'_>) -> String {
    let names: Vec<&str> = report.figures.concepts.iter().map(|one| &one.name[..]).collect();
    let head: String = names.iter().map(|name| format!("{name:>10}")).collect();
    let matrix = |values: &[Vec<f64>], digits: usize| -> String {
        let row = |(name, row): (&&str, &Vec<f64>)| {
            let row: String = row.iter().map(|value| format!("{value:>10.digits$}")).collect();
            format!("  {name:<12}{row}\n")
        };
        names.iter().zip(values).map(row).collect()
    };
    let unsteered: String = report
        .figures
        .concepts
        .iter()
        .map(|one| format!("{:>10.1}", one.unsteered_per_thousand_words))
        .collect();
    format!(
        "Whose feature is held (a row), and how many nats the words of each concept gain:\n  {:<12}{head}\n{}\n\
         and how many in 1000 written words they are:\n  {:<12}{head}\n  {:<12}{unsteered}\n{}",
        "",
        matrix(&report.figures.scores, 2),
        "",
        "none",
        matrix(&report.figures.rates, 1)
    )
}

fn words(report: &Report<'_>) -> String {
    let list = |words: Vec<(String, u64)>| -> String {
        let shown: Vec<String> =
            words.iter().take(WORDS).map(|(word, n)| format!("{word} {}", grouped(*n))).collect();
        if shown.is_empty() { "nothing".into() } else { shown.join(", ") }
    };
    let line = |found: &Found| {
        format!(
            "  {:<12}chosen by {}\n  {:<12}held out  {}\n",
            found.name,
            list(found.chosen()),
            "",
            list(found.held_out())
        )
    };
    let lines: String = report.wanted.iter().map(line).collect();
    format!("The words of each concept, with how often they come:\n{lines}")
}

fn examples(report: &Report<'_>) -> String {
    let mut out =
        String::from("What the model writes after a beginning, and with each feature held:\n");
    for concept in &report.figures.concepts {
        let [prompt, plain, steered] = concept.example.each_ref().map(|text| one_line(text));
        out += &format!(
            "  {}\n    after      …{prompt}\n    as it is   {plain}\n    steered    {steered}\n",
            concept.name
        );
    }
    out
}

/// Line ends as signs, and nothing that a terminal would obey.
pub(super) fn one_line(text: &str) -> String {
    crate::visible::without_controls(&text.replace('\n', "↵")).into_owned()
}
