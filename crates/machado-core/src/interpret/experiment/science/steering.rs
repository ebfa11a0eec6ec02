//! From the features of topics to what they do, and the controls.

use std::sync::Arc;

use super::detecting::Features;
use super::lab::Lab;
use super::{Effects, Example, Ranked, Steered, TopicFeature};
use crate::error::Result;
use crate::interpret::experiment::ask::{
    Answer, Asker, Prompt, Questions, likeliest, mean, prompts,
};
use crate::interpret::experiment::directions::{best_component, best_unit, diff_mean};
use crate::interpret::experiment::fluency::{Writer, Written};
use crate::interpret::experiment::grammar::Words;
use crate::interpret::experiment::science_words::{NEUROSCIENCE, PHYSICS};
use crate::interpret::pca::random_direction;
use crate::interpret::{Handle, Push, Sae, Steering, rank_p_value};
use crate::model::{Intervention, Reach};
use crate::rng::{Purpose, Rng};

/// Strengths to choose from.
const STRENGTHS: [f32; 12] = [0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0];

/// Strengths at which the effect is shown.
const DOSES: [f32; 13] = [-2.0, -1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0];

/// How much more a chosen strength may surprise the unsteered model, as a share, on validation texts.
const MOST_EXTRA: f64 = 0.20;

/// How much more what is reported may surprise it, as a share, and still be text.
const STILL_TEXT: f64 = 0.25;

/// Text is broken where it surprises the unsteered model so much more.
const BROKEN: f64 = 0.5;

/// A handle, and who sees what it does.
struct Way {
    handle: Handle,
    reach: Reach,
}

impl Way {
    fn in_state(handle: Handle) -> Self {
        Self { handle, reach: Reach::State }
    }
}

/// Asks and writes, steered.
struct Bench<'l> {
    lab: &'l Lab<'l>,
    asker: Asker<'l>,
    writer: Writer<'l>,
    validation: Vec<Prompt>,
    test: Vec<Prompt>,
    /// What the unsteered model writes with the seeds of validation and test.
    plain: [Written; 2],
}

/// Texts to choose by, and texts to report.
#[derive(Clone, Copy)]
enum Texts {
    Validation,
    Test,
}

impl<'l> Bench<'l> {
    fn new(lab: &'l Lab<'l>) -> Result<Self> {
        let unit = lab.compute.unit();
        let mut writer = Writer::new(&lab.model, lab.grammar, lab.compute)?;
        let plain = [Texts::Validation, Texts::Test]
            .map(|texts| writer.write(lab.config.texts, texts.seed(lab), &[]));
        let [validation, test] = plain;
        let questions =
            |which| prompts(lab.grammar, &lab.model.tokenizer, which, |_| String::new());
        Ok(Self {
            lab,
            asker: Asker::new(&lab.model, lab.grammar, unit)?,
            writer,
            validation: questions(Questions::Validation)?,
            test: questions(Questions::Test)?,
            plain: [validation?, test?],
        })
    }

    fn hold(&self, way: &Way, strength: f32) -> Vec<Intervention> {
        let push = Steering::new().and(way.handle.clone(), Push::Clamp(strength));
        let site = self.lab.site.clone();
        vec![Intervention { site, reach: way.reach, change: Arc::new(push) }]
    }

    fn validation(&mut self, held: &[Intervention]) -> Result<Vec<Answer>> {
        self.asker.ask(&self.validation, held)
    }

    fn test(&mut self, held: &[Intervention]) -> Result<Vec<Answer>> {
        self.asker.ask(&self.test, held)
    }

    /// Steered texts, and how much more they surprise than unsteered ones, as a share.
    fn write(&mut self, texts: Texts, held: &[Intervention]) -> Result<(Written, f64)> {
        let written = self.writer.write(self.lab.config.texts, texts.seed(self.lab), held)?;
        let extra = written.nats / self.plain[texts as usize].nats - 1.0;
        Ok((written, extra))
    }

    /// The strength with the highest probability of a topic on validation questions, among those
    /// that leave validation texts fluent.
    fn strength(&mut self, way: &Way, topic: usize) -> Result<f32> {
        let mut best = (STRENGTHS[0], -1.0);
        for strength in STRENGTHS {
            let held = self.hold(way, strength);
            let target = mean(&self.validation(&held)?).topics[topic];
            if target > best.1 && self.write(Texts::Validation, &held)?.1 <= MOST_EXTRA {
                best = (strength, target);
            }
        }
        Ok(best.0)
    }

    /// How much holding a handle at its strongest moves the log-odds of a topic's name on validation
    /// questions: the gain of its logarithm less that of the others' on average.
    fn causal_score(&mut self, handle: &Handle, topic: usize, plain: &[Answer]) -> Result<f64> {
        let held = self.hold(&Way::in_state(handle.clone()), 1.0);
        let steered = self.validation(&held)?;
        let log_odds = |answer: &Answer| {
            let logs: Vec<f64> = answer.topics.iter().map(|p| p.max(1e-12).ln()).collect();
            let others = logs.iter().sum::<f64>() - logs[topic];
            logs[topic] - others / (logs.len() - 1) as f64
        };
        let gains =
            steered.iter().zip(plain).map(|(after, before)| log_odds(after) - log_odds(before));
        Ok(gains.sum::<f64>() / plain.len() as f64)
    }

    /// The figures of one way at one strength.
    fn row(
        &mut self,
        method: &str,
        way: Option<&Way>,
        strength: f32,
        topic: usize,
    ) -> Result<Steered> {
        let held = way.map_or_else(Vec::new, |way| self.hold(way, strength));
        let answers = self.test(&held)?;
        let (written, extra) = self.write(Texts::Test, &held)?;
        Ok(Steered {
            extra_nats: Some(extra),
            topic_words: Some(written.words_per_thousand[topic]),
            ..asked(method, strength, &answers, topic)
        })
    }
}

impl Texts {
    fn seed(self, lab: &Lab<'_>) -> u64 {
        2 * lab.config.seed + self as u64
    }
}

/// The figures of some answers.
fn asked(method: &str, strength: f32, answers: &[Answer], topic: usize) -> Steered {
    let all = mean(answers);
    let flipped = answers.iter().filter(|answer| likeliest(&answer.topics) == topic).count();
    Steered {
        method: method.into(),
        strength,
        target: all.topics[topic],
        flipped: flipped as f64 / answers.len() as f64,
        in_language: all.in_language,
        extra_nats: None,
        topic_words: None,
    }
}

/// Chooses a feature for each topic and steers.
pub(super) fn steer(
    lab: &Lab<'_>,
    sae: &Sae,
    found: &Features,
) -> Result<(Vec<TopicFeature>, Effects)> {
    let mut bench = Bench::new(lab)?;
    let plain = bench.validation(&[])?;
    let mut features = Vec::new();
    let mut ways = Vec::new();
    for (topic, candidates) in found.candidates.iter().enumerate() {
        let (feature, way) = choose(&mut bench, sae, candidates, topic, &plain)?;
        features.push(feature);
        ways.push(way);
    }
    let unsteered = mean(&bench.test(&[])?).topics;
    let mut matrix = Vec::new();
    for (way, feature) in ways.iter().zip(&features) {
        let held = bench.hold(way, feature.strength);
        matrix.push(mean(&bench.test(&held)?).topics);
    }
    let (target, chosen) = (&ways[NEUROSCIENCE], &features[NEUROSCIENCE]);
    let figure = matrix[NEUROSCIENCE][NEUROSCIENCE];
    let mut dose = Vec::new();
    for strength in DOSES {
        dose.push(bench.row("feature", Some(target), strength, NEUROSCIENCE)?);
    }
    let broken = |row: &&Steered| row.strength > 0.0 && row.extra_nats >= Some(BROKEN);
    let breaks_at = dose.iter().find(broken).map(|row| row.strength);
    let down = bench.hold(&ways[PHYSICS], -1.0);
    let usual = mean(&bench.test(&down)?).topics[PHYSICS];
    let effects = Effects {
        usual_answer_turned_down: [unsteered[PHYSICS], usual],
        steered: compare(&mut bench, target, chosen, found)?,
        among_features: among_features(&mut bench, sae, found, (target, chosen), figure)?,
        among_directions: among_directions(&mut bench, found, target, chosen, figure)?,
        examples: examples(&mut bench, target, chosen)?,
        texts: texts(&mut bench, target, chosen)?,
        unsteered,
        matrix,
        dose,
        breaks_at,
    };
    Ok((features, effects))
}

/// Of the features that tell a topic best, the one that does most for it.
fn choose(
    bench: &mut Bench<'_>,
    sae: &Sae,
    candidates: &[TopicFeature],
    topic: usize,
    plain: &[Answer],
) -> Result<(TopicFeature, Way)> {
    let mut best: Option<(TopicFeature, Handle)> = None;
    for candidate in candidates {
        let handle = Handle::feature(sae, candidate.feature, candidate.max_activation)?;
        let causal_score = bench.causal_score(&handle, topic, plain)?;
        // What tells nothing of the topic is no feature of it, whatever it does; but there is always
        // a first one.
        let tells = candidate.auroc_found >= super::LEAST_AUROC;
        if best.as_ref().is_none_or(|(best, _)| tells && causal_score > best.causal_score) {
            best = Some((TopicFeature { causal_score, ..candidate.clone() }, handle));
        }
    }
    let Some((feature, handle)) = best else {
        let problem = "no feature is ever active; train the autoencoder for longer".into();
        return Err(crate::error::Error::Intervention { problem });
    };
    let way = Way::in_state(handle);
    let strength = bench.strength(&way, topic)?;
    Ok((TopicFeature { strength, ..feature }, way))
}

/// The feature beside all else that could do it, each at its own best strength.
fn compare(
    bench: &mut Bench<'_>,
    target: &Way,
    chosen: &TopicFeature,
    found: &Features,
) -> Result<Vec<Steered>> {
    let states = &found.states.found;
    let mut rows = vec![
        bench.row("feature", Some(target), chosen.strength, NEUROSCIENCE)?,
        bench.row("no steering", None, 0.0, NEUROSCIENCE)?,
    ];
    let in_state = |handle: Result<Handle>| handle.map(Way::in_state);
    for (method, way) in [
        ("feature, read-out only", Way { handle: target.handle.clone(), reach: Reach::Output }),
        ("difference of means", in_state(diff_mean(states, NEUROSCIENCE))?),
        ("best unit", in_state(best_unit(states, NEUROSCIENCE))?),
        (
            "best principal component",
            in_state(best_component(states, NEUROSCIENCE, &found.components))?,
        ),
    ] {
        let strength = bench.strength(&way, NEUROSCIENCE)?;
        rows.push(bench.row(method, Some(&way), strength, NEUROSCIENCE)?);
    }
    let (lab, seed) = (bench.lab, bench.lab.config.seed);
    let mut rng = Rng::new(seed, Purpose::Grammar, 2 << 32);
    let told = prompts(lab.grammar, &lab.model.tokenizer, Questions::Test, |language| {
        let document =
            lab.grammar.in_one_language(&mut rng, NEUROSCIENCE, language, Words::All).text;
        document[..document.len() - 1].to_owned()
    })?;
    let answers = bench.asker.ask(&told, &[])?;
    rows.push(asked("prompt about the topic", 0.0, &answers, NEUROSCIENCE));
    Ok(rows)
}

/// Other live features at the same strength, each in its own units.
fn among_features(
    bench: &mut Bench<'_>,
    sae: &Sae,
    found: &Features,
    (target, chosen): (&Way, &TopicFeature),
    figure: f64,
) -> Result<Ranked> {
    let mut others: Vec<usize> = (0..sae.d_sae())
        .filter(|&other| other != chosen.feature && found.max_activations[other] > 0.0)
        .collect();
    let mut rng = Rng::new(bench.lab.config.seed, Purpose::Control, 4);
    for i in (1..others.len()).rev() {
        others.swap(i, rng.below(i as u64 + 1) as usize);
    }
    others.truncate(bench.lab.config.controls);
    let handle = |other: &usize| Handle::feature(sae, *other, found.max_activations[*other]);
    let handles: Result<Vec<Handle>> = others.iter().map(handle).collect();
    ranked(bench, handles?, target, chosen, figure)
}

/// Directions by chance, each held as far from the mean state as the feature is from nothing.
fn among_directions(
    bench: &mut Bench<'_>,
    found: &Features,
    target: &Way,
    chosen: &TopicFeature,
    figure: f64,
) -> Result<Ranked> {
    let origin = found.states.found.mean(|_| true);
    let mut rng = Rng::new(bench.lab.config.seed, Purpose::Control, 5);
    let handle = |_| {
        let direction = random_direction(&mut rng, origin.len());
        Handle::direction(&direction, &origin, target.handle.unit())
    };
    let handles: Result<Vec<Handle>> = (0..bench.lab.config.controls).map(handle).collect();
    ranked(bench, handles?, target, chosen, figure)
}

/// Ranks the feature among handles, each held at its strength: all of them, and those only that leave
/// text fluent. What breaks the text answers anything.
fn ranked(
    bench: &mut Bench<'_>,
    handles: Vec<Handle>,
    target: &Way,
    chosen: &TopicFeature,
    figure: f64,
) -> Result<Ranked> {
    let mut figures = Vec::with_capacity(handles.len());
    let mut fluent = Vec::with_capacity(handles.len());
    for handle in handles {
        let held = bench.hold(&Way::in_state(handle), chosen.strength);
        let other = mean(&bench.test(&held)?).topics[NEUROSCIENCE];
        figures.push(other);
        // Whoever does less need not be asked for a text.
        let counts = other >= figure && bench.write(Texts::Test, &held)?.1 <= STILL_TEXT;
        fluent.push(if counts { other } else { 0.0 });
    }
    let held = bench.hold(target, chosen.strength);
    let is_fluent = bench.write(Texts::Test, &held)?.1 <= STILL_TEXT;
    Ok(Ranked::of(if is_fluent { figure } else { 0.0 }, figure, &figures, &fluent))
}

impl Ranked {
    /// A figure among those of others; `fluent` figures are 0 where the text broke.
    pub(super) fn of(fluent_figure: f64, figure: f64, others: &[f64], fluent: &[f64]) -> Self {
        Self {
            figure,
            others: others.len(),
            mean: others.iter().sum::<f64>() / others.len().max(1) as f64,
            highest: others.iter().copied().fold(0.0, f64::max),
            p_value: rank_p_value(figure, others),
            p_value_fluent: rank_p_value(fluent_figure, fluent),
        }
    }
}

fn examples(bench: &mut Bench<'_>, target: &Way, chosen: &TopicFeature) -> Result<Vec<Example>> {
    let held = bench.hold(target, chosen.strength);
    let (before, after) = (bench.test(&[])?, bench.test(&held)?);
    let tokenizer = &bench.lab.model.tokenizer;
    let text = |prompt: &Prompt| -> String {
        let pieces: Vec<String> = prompt.ids.iter().map(|&id| tokenizer.token(id)).collect();
        pieces.concat().trim_start().to_owned()
    };
    let rows = bench.test.iter().zip(before.into_iter().zip(after));
    Ok(rows
        .map(|(prompt, (before, after))| Example {
            prompt: text(prompt),
            before: before.topics,
            after: after.topics,
        })
        .collect())
}

fn texts(bench: &mut Bench<'_>, target: &Way, chosen: &TopicFeature) -> Result<[String; 2]> {
    let held = bench.hold(target, chosen.strength);
    let steered = bench.write(Texts::Test, &held)?.0.example;
    Ok([bench.plain[Texts::Test as usize].example.clone(), steered])
}
