//! The features of a model: what the routes tell is what the core computes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use machado_core::ids::TokenIds;
use machado_core::interpret::{
    FeatureSurvey, Groups, GroupsConfig, Promoted, ReadOut, Reading, Sae, SaeWeights, SurveyConfig,
    TokenLabels, TokenText, Window, neighbours, properties,
};
use machado_core::math::simd::VectorUnit;
use machado_core::math::threads::Compute;
use machado_core::model::{Model, Site};
use machado_core::rng::{Purpose, Rng};
use machado_core::text::Standardize;
use machado_core::tokenizer::{Tokenizer, UnknownPolicy};
use machado_interop::saelens::SaeFacts;
use machado_server::{Autoencoder, ServedModel, TextSource};
use serde_json::{Value, json};

use crate::common::{Answer, Running, characters, config, model, parts_of_words, served, words};

const UNITS: usize = 24;
const D_SAE: usize = 32;

/// The feature that never fires.
const DEAD: usize = D_SAE - 1;

/// A model with an autoencoder, and its text.
struct Known {
    model: Model,
    sae: Sae,
    facts: SaeFacts,
    site: Site,
    text: String,
    ids: TokenIds,
    compute: Compute,
}

/// Sentences out of a few words.
fn text() -> String {
    let words =
        ["céu", "azul", "mar", "noite", "mar", "cor", "também", "do", "a", "e", "não", "toca"];
    let ends = [" ", " ", " ", ", ", "; ", ".\n"];
    let mut rng = Rng::new(3, Purpose::SaeControls, 0);
    let mut pick = |count: usize| rng.below(count as u64) as usize;
    (0..900).map(|_| [words[pick(words.len())], ends[pick(ends.len())]].concat()).collect()
}

impl Known {
    fn new(tokenizer: Tokenizer) -> Self {
        let mut model = model(tokenizer, UNITS);
        // Small weights, with which a model forgets: what lies far before a piece does not matter to it.
        model.weights.iter_mut().for_each(|weight| *weight /= 4.0);
        let text = text();
        let ids = encoded(&model.tokenizer, &text);
        let site = Site::new(&model.config, "gru").unwrap();
        let compute = Compute::single();
        let reading = Reading { model: &model, compute: &compute, site: &site, ids: &ids };
        let sae = sae(&reading);
        let measure = reading.measure(&sae, 0..ids.len()).unwrap();
        let facts = SaeFacts {
            tool_version: "0".into(),
            site: "gru".into(),
            model_fingerprint: String::new(),
            architecture: "batchtopk".into(),
            k: 4,
            prefixes: vec![D_SAE],
            seed: 0,
            batch_size: 1,
            steps: 1,
            learning_rate: None,
            positions: measure.positions(),
            explained_variance: measure.explained_variance,
            l0: measure.l0,
            max_activations: measure.max_activations,
            active_positions: measure.active_positions,
        };
        Self { model, sae, facts, site, text, ids, compute }
    }

    fn reading(&self) -> Reading<'_> {
        Reading { model: &self.model, compute: &self.compute, site: &self.site, ids: &self.ids }
    }

    fn survey(&self) -> Vec<FeatureSurvey> {
        let text = TokenText::new(&self.model.tokenizer, &self.ids, 0..self.ids.len());
        let labels = TokenLabels::of(&text);
        let config = SurveyConfig { contexts: 20, samples: 2, seed: 42, all_words: false };
        let all: Vec<usize> = (0..D_SAE).collect();
        let maxima = &self.facts.max_activations;
        self.reading().survey(&self.sae, maxima, &all, &labels, config, 0..self.ids.len()).unwrap()
    }

    /// The model to serve, with its text or another source of one.
    fn served(&self, id: &str, source: Option<TextSource>) -> ServedModel {
        let (model, standardize) = (self.model.clone(), Standardize::None);
        let mut served =
            ServedModel::new(id.into(), model, standardize, VectorUnit::detect()).unwrap();
        let (sae, facts) = (self.sae.clone(), self.facts.clone());
        served.autoencoder = Some(Autoencoder { sae, facts, site: self.site.clone() });
        served.text = source;
        served
    }

    fn own_text(&self) -> Option<TextSource> {
        let ids = self.ids.clone();
        Some(TextSource(Box::new(move || Ok(ids.clone()))))
    }
}

fn encoded(tokenizer: &Tokenizer, text: &str) -> TokenIds {
    let mut encoding = tokenizer.encoding(UnknownPolicy::Skip, "text");
    tokenizer.encode_piece(text, &mut encoding).unwrap();
    encoding.ids
}

/// Random directions, each of which fires at its twentieth of the tokens; and one that never does.
fn sae(reading: &Reading<'_>) -> Sae {
    let mut rng = Rng::new(5, Purpose::SaeControls, 0);
    let mut states: Vec<Vec<f32>> = Vec::new();
    reading.for_each(0..reading.ids.len(), |_, state| states.push(state.to_vec())).unwrap();
    let (mut w_enc, mut threshold) = (Vec::new(), Vec::new());
    for _ in 0..D_SAE {
        let row: Vec<f32> = (0..UNITS).map(|_| rng.normal() as f32).collect();
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        let row: Vec<f32> = row.iter().map(|x| x / length).collect();
        let along = |state: &Vec<f32>| state.iter().zip(&row).map(|(x, w)| x * w).sum::<f32>();
        let mut all: Vec<f32> = states.iter().map(along).collect();
        all.sort_by(f32::total_cmp);
        // Between two values, so that no rounding decides who is above.
        let above = all.len() * 19 / 20;
        threshold.push(((all[above - 1] + all[above]) / 2.0).max(0.0));
        w_enc.extend(row);
    }
    threshold[DEAD] = 1e6;
    let (b_enc, b_dec) = (vec![0.0; D_SAE], vec![0.0; UNITS]);
    let w_dec = w_enc.clone();
    Sae::new(SaeWeights { d_in: UNITS, d_sae: D_SAE, w_enc, b_enc, threshold, w_dec, b_dec })
        .unwrap()
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| Known::new(characters()))
}

/// A server with that model, one without features, one without a text, and one whose text is gone.
fn server() -> &'static Running {
    static SERVER: OnceLock<Running> = OnceLock::new();
    SERVER.get_or_init(|| {
        let gone = TextSource(Box::new(|| Err("the text was in /books, which is gone".into())));
        let models = vec![
            known().served("known", known().own_text()),
            served("plain", characters()),
            known().served("textless", None),
            known().served("gone", Some(gone)),
        ];
        Running::start(models, None, config())
    })
}

/// Asks again while the text is being read.
fn patient(ask: impl Fn() -> Answer) -> Answer {
    let mut answers = (0..200).map(|_| ask());
    let is_there = |answer: &Answer| answer.status != 503;
    answers.find(is_there).unwrap_or_else(|| panic!("it is still not read"))
}

fn get(path: &str) -> Value {
    let answer = patient(|| server().get(path));
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn close(found: &Value, expected: f64) {
    let found = number(found);
    assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{found} {expected}");
}

fn ids(list: &Value) -> Vec<u64> {
    list["data"].as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect()
}

fn fails(answer: &Answer, status: u16, code: Value, param: Value, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let error = answer.json()["error"].clone();
    let keys: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["message", "type", "param", "code"], "{error}");
    assert_eq!((&error["code"], &error["param"]), (&code, &param), "{error}");
    assert!(error["message"].as_str().unwrap().contains(words), "{error}");
}

#[test]
fn the_list_has_what_the_survey_found() {
    let list = get("/v1/features");
    assert_eq!(
        (&list["object"], &list["model"], &list["layer"]),
        (&json!("list"), &json!("known"), &json!("gru"))
    );
    assert_eq!(
        (&list["d_in"], &list["d_sae"], &list["total"]),
        (&json!(UNITS), &json!(D_SAE), &json!(D_SAE))
    );
    assert_eq!(list["text_tokens"], known().ids.len());
    let surveys = known().survey();
    for entry in list["data"].as_array().unwrap() {
        let survey = &surveys[entry["id"].as_u64().unwrap() as usize];
        assert_eq!(
            (&entry["label"], &entry["active"]),
            (&json!(survey.label()), &json!(survey.active))
        );
        close(&entry["density"], survey.density());
        close(&entry["max_activation"], survey.max.into());
        assert_eq!(entry["score"], Value::Null);
        match survey.property {
            None => assert_eq!(entry["rule"], Value::Null),
            Some(rule) => {
                assert_eq!(entry["rule"]["name"], properties()[rule.property].name);
                close(&entry["rule"]["f1"], rule.f1);
            }
        }
        let words = entry["words"].as_array().unwrap();
        assert_eq!(words.len(), survey.words.len());
        for (word, known) in words.iter().zip(&survey.words) {
            assert_eq!(word["word"], known.word);
            close(&word["lift"], known.lift);
            close(&word["share"], known.share);
            assert!((0.0..=1.0).contains(&number(&word["recall"])), "{word}");
        }
    }
    let dead = &list["data"][D_SAE - 1];
    assert_eq!((&dead["id"], &dead["label"]), (&json!(DEAD), &json!("(never fires)")));
}

#[test]
fn the_list_has_an_order_and_pages() {
    let column = |order: &str, figure: fn(&Value) -> f64| -> Vec<f64> {
        let list = get(&format!("/v1/features?order={order}"));
        list["data"].as_array().unwrap().iter().map(figure).collect()
    };
    let falls = |figures: Vec<f64>| assert!(figures.is_sorted_by(|a, b| a >= b), "{figures:?}");
    falls(column("density", |one| number(&one["density"])));
    falls(column("strongest", |one| number(&one["max_activation"])));
    falls(column("rule", |one| one["rule"]["f1"].as_f64().unwrap_or(0.0)));
    let all = ids(&get("/v1/features"));
    let page = get("/v1/features?offset=5&limit=7");
    assert_eq!((ids(&page), &page["total"]), (all[5..12].to_vec(), &json!(D_SAE)));
    assert_eq!(ids(&get("/v1/features?offset=30&limit=7")), all[30..]);
    assert_eq!(ids(&get("/v1/features?offset=1000")), [0; 0]);
    assert_eq!(ids(&get("/v1/features/?limit=1&order=&q=")), all[..1]);
}

/// The score of one feature for some words, by reading the text with a plain loop.
fn score_of(known: &Known, feature: usize, words: &[&str]) -> f64 {
    let mut activations = vec![0.0; known.ids.len()];
    let mut encoder = known.sae.encoder(VectorUnit::detect());
    let visit = |place: usize, state: &[f32]| {
        encoder.encode(state, |_, active| {
            let own = active.iter().find(|active| active.feature as usize == feature);
            activations[place] = own.map_or(0.0, |own| own.value);
        });
    };
    known.reading().for_each(0..known.ids.len(), visit).unwrap();
    let least = (0.25 * known.facts.max_activations[feature]).max(f32::MIN_POSITIVE);
    let strong = |place: &usize| activations[*place] >= least;
    let characters: Vec<char> = known.text.chars().collect();
    // Runs of letters, each with the place right after it.
    let (mut times, mut met, mut inside) = (0.0, 0.0, HashSet::new());
    let mut start = 0;
    for (place, c) in characters.iter().enumerate() {
        if c.is_alphanumeric() {
            continue;
        }
        let word: String = characters[start..place].iter().collect();
        if words.contains(&&word.to_lowercase()[..]) {
            times += 1.0;
            met += f64::from(u8::from((start..=place).any(|place| strong(&place))));
            inside.extend(start..=place);
        }
        start = place + 1;
    }
    let all: Vec<usize> = (0..characters.len()).filter(strong).collect();
    let hits = all.iter().filter(|place| inside.contains(*place)).count() as f64;
    let (precision, recall) = (hits / all.len().max(1) as f64, met / times);
    if hits == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
}

#[test]
fn words_find_the_features_that_tell_where_they_are() {
    let check = |q: &str, words: &[&str], unknown: &[&str]| {
        let list = get(&format!("/v1/features?limit=1000&q={q}"));
        let entries = list["data"].as_array().unwrap();
        assert_eq!((&list["total"], &list["unknown"]), (&json!(entries.len()), &json!(unknown)));
        let mut scores = vec![0.0; D_SAE];
        for entry in entries {
            scores[entry["id"].as_u64().unwrap() as usize] = number(&entry["score"]);
        }
        for (feature, score) in scores.iter().enumerate() {
            close(&json!(score), score_of(known(), feature, words));
        }
        let falling: Vec<f64> = entries.iter().map(|entry| number(&entry["score"])).collect();
        assert!(falling.is_sorted_by(|a, b| a >= b) && falling.iter().all(|score| *score > 0.0));
        assert!(entries.len() > 3, "{list}");
    };
    check("mar", &["mar"], &[]);
    check("MAR,%20c%C3%A9u,mar", &["mar", "céu"], &[]);
    check("azul+sol", &["azul"], &["sol"]);
    let none = get("/v1/features?q=sol");
    assert_eq!((&none["total"], &none["data"]), (&json!(0), &json!([])));
    // A word that names a feature finds it, with the same shares.
    let list = get("/v1/features?limit=1000");
    let named = list["data"].as_array().unwrap().iter().flat_map(|entry| {
        entry["words"].as_array().unwrap().iter().map(move |word| (&entry["id"], word))
    });
    let mut count = 0;
    for (id, word) in named {
        let q = word["word"].as_str().unwrap().replace('é', "%C3%A9").replace('ã', "%C3%A3");
        let found = get(&format!("/v1/features?limit=1000&q={q}"));
        let entries = found["data"].as_array().unwrap();
        let entry = entries.iter().find(|entry| &entry["id"] == id).unwrap();
        let [share, recall] = [number(&word["share"]), number(&word["recall"])];
        close(&entry["score"], 2.0 * share * recall / (share + recall));
        count += 1;
    }
    assert!(count > 5, "{count}");
}

#[test]
fn one_feature_is_told_in_full() {
    let (known, surveys) = (known(), known().survey());
    let read_out = ReadOut::after(&known.site, &known.model).unwrap().unwrap();
    let alive: Vec<usize> = (0..DEAD).collect();
    for feature in [0, 1, 17] {
        let shown = get(&format!("/v1/features/{feature}"));
        let survey = &surveys[feature];
        let list = get("/v1/features");
        let entries = list["data"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["id"] == feature).unwrap();
        for (key, value) in entry.as_object().unwrap() {
            assert_eq!(&shown[key], value, "{key}");
        }
        close(&shown["mean_activation"], survey.mean);
        assert_eq!(shown["bands"], json!(survey.bands));
        let (unit, correlation) = survey.unit.unwrap();
        assert_eq!(shown["unit"]["unit"], unit);
        close(&shown["unit"]["correlation"], correlation);
        let logits = read_out.logits(known.sae.direction(feature), survey.max);
        for (moved, name) in Promoted::extremes(&logits, 10).iter().zip(["promotes", "suppresses"])
        {
            assert_eq!(shown[name].as_array().unwrap().len(), moved.len());
            for (found, expected) in shown[name].as_array().unwrap().iter().zip(moved) {
                assert_eq!(found["id"], expected.id);
                assert_eq!(found["token"], known.model.tokenizer.token(expected.id));
                close(&found["logit"], expected.logit);
            }
        }
        let near = neighbours(&known.sae, &[feature], &alive, 6).remove(0);
        assert_eq!(shown["alike"].as_array().unwrap().len(), near.len());
        for (found, (id, cosine)) in shown["alike"].as_array().unwrap().iter().zip(near) {
            assert_eq!((&found["id"], &found["label"]), (&json!(id), &json!(surveys[id].label())));
            close(&found["cosine"], cosine.into());
        }
        check_contexts(known, survey, &shown);
    }
}

/// Places and activations are those of the survey; around them the activations are those of the whole text.
fn check_contexts(known: &Known, survey: &FeatureSurvey, shown: &Value) {
    let (contexts, samples) = (&shown["contexts"], &shown["samples"]);
    let firing = survey.contexts.iter().chain(survey.samples.iter().flatten());
    let found = contexts.as_array().unwrap().iter().chain(samples.as_array().unwrap());
    assert_eq!(found.clone().count(), firing.clone().count());
    assert!(!survey.contexts.is_empty());
    for (found, firing) in found.zip(firing) {
        assert_eq!(found["place"], firing.place);
        close(&found["activation"], firing.value.into());
        let window = Window::around(survey.feature, firing.place, 1, known.ids.len());
        let text: String =
            known.text.chars().skip(window.tokens.start).take(window.tokens.len()).collect();
        let tokens: Vec<&str> = found["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token.as_str().unwrap())
            .collect();
        assert_eq!((tokens.len(), tokens.concat()), (window.tokens.len(), text));
        let whole =
            known.reading().activations_at(&known.sae, &[window], 0..known.ids.len()).unwrap();
        let activations = found["activations"].as_array().unwrap();
        assert_eq!(activations.len(), whole[0].len());
        for (found, expected) in activations.iter().zip(&whole[0]) {
            close(found, (*expected).into());
        }
    }
    let bands = survey.samples.iter().enumerate();
    let bands: Vec<usize> = bands.flat_map(|(band, of)| of.iter().map(move |_| band)).collect();
    let told = samples.as_array().unwrap().iter().map(|sample| sample["band"].as_u64().unwrap());
    assert_eq!(told.map(|band| band as usize).collect::<Vec<_>>(), bands);
}

#[test]
fn a_feature_that_never_fires_is_told_of_too() {
    let shown = get(&format!("/v1/features/{DEAD}"));
    assert_eq!((&shown["label"], &shown["active"]), (&json!("(never fires)"), &json!(0)));
    for key in ["contexts", "samples", "promotes", "suppresses", "words"] {
        assert_eq!(shown[key], json!([]), "{key}");
    }
    assert_eq!((&shown["bands"], &shown["rule"]), (&json!(vec![0; 10]), &Value::Null));
    assert_eq!((&shown["unit"], &shown["mean_activation"]), (&Value::Null, &json!(0.0)));
    assert_eq!(shown["alike"].as_array().unwrap().len(), 6);
}

#[test]
fn the_map_has_like_near_like() {
    let map = get("/v1/features/map");
    let (known, surveys) = (known(), known().survey());
    let alive: Vec<usize> = (0..DEAD).collect();
    let groups = GroupsConfig::usual_groups(alive.len());
    let config = GroupsConfig { neighbours: 5, groups, permutations: 999, seed: 42 };
    let expected = Groups::of(&known.sae, &alive, &config);
    let points = map["points"].as_array().unwrap();
    assert_eq!(points.len(), alive.len());
    for (place, point) in points.iter().enumerate() {
        assert_eq!((&point["id"], &point["group"]), (&json!(place), &json!(expected.group[place])));
        assert_eq!(point["label"], surveys[place].label());
        close(&point["x"], (expected.places[place][0] + 1.0) / 2.0);
        close(&point["y"], (expected.places[place][1] + 1.0) / 2.0);
        close(&point["density"], surveys[place].density());
    }
    let labels: Vec<String> = surveys[..DEAD].iter().map(FeatureSurvey::label).collect();
    let names = expected.names(&labels);
    let told = map["groups"].as_array().unwrap();
    assert_eq!(told.len(), expected.sizes().iter().filter(|size| **size > 0).count());
    for group in told {
        let id = group["id"].as_u64().unwrap() as usize;
        assert_eq!(
            (&group["name"], &group["size"]),
            (&json!(names[id]), &json!(expected.sizes()[id]))
        );
        assert!(["x", "y"].iter().all(|axis| (0.0..=1.0).contains(&number(&group[axis]))));
    }
    let rules: Vec<Option<usize>> =
        surveys[..DEAD].iter().map(|survey| survey.property.map(|rule| rule.property)).collect();
    let agreement = expected.agreement(&rules, &config);
    close(&map["agreement"]["observed"], agreement.share);
    close(&map["agreement"]["chance"], agreement.by_chance);
    close(&map["agreement"]["p"], agreement.p_value);
}

#[test]
fn features_that_fire_in_a_text_are_told_for_each_token() {
    let ask = |body: &Value| {
        let answer = patient(|| server().post("/v1/activations", body));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let known = known();
    let text = "O mar não é azulß.";
    let told = ask(&json!({ "text": text, "top": 100 }));
    assert_eq!((&told["model"], &told["layer"]), (&json!("known"), &json!("gru")));
    // The model knows neither.
    assert_eq!(
        told["skipped"],
        json!([{"character": "O", "count": 1}, {"character": "ß", "count": 1}])
    );
    let ids = encoded(&known.model.tokenizer, text);
    let reading = Reading { ids: &ids, ..known.reading() };
    let mut expected: Vec<Vec<(usize, f32)>> = vec![Vec::new(); ids.len()];
    let visit = |place: usize, state: &[f32]| {
        let active = (0..D_SAE).map(|i| (i, known.sae.activation(i, state)));
        expected[place] = active.filter(|(_, value)| *value > 0.0).collect();
    };
    reading.for_each(0..ids.len(), visit).unwrap();
    let tokens = told["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), ids.len());
    let mut fires = 0;
    for (place, (token, expected)) in tokens.iter().zip(&expected).enumerate() {
        assert_eq!((&token["id"], &token["offset"]), (&json!(ids.at(place)), &json!(place)));
        let features = token["features"].as_array().unwrap();
        let shares: Vec<f64> = features.iter().map(|one| number(&one["share"])).collect();
        assert!(shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
        assert_eq!(features.len(), expected.len());
        for feature in features {
            let id = feature["id"].as_u64().unwrap() as usize;
            let (_, value) = expected.iter().find(|(other, _)| *other == id).unwrap();
            close(&feature["activation"], (*value).into());
            close(&feature["share"], (value / known.facts.max_activations[id]).into());
            fires += 1;
        }
    }
    assert!(fires > 5, "{fires}");
    let few = ask(&json!({ "text": text, "top": 1 }));
    for (one, all) in few["tokens"].as_array().unwrap().iter().zip(tokens) {
        let first: Vec<Value> =
            all["features"].as_array().unwrap().iter().take(1).cloned().collect();
        assert_eq!(one["features"], json!(first));
    }
    let none = ask(&json!({ "text": text, "top": 0 }));
    assert!(none["tokens"].as_array().unwrap().iter().all(|token| token["features"] == json!([])));
    assert_eq!(ask(&json!({ "text": "" }))["tokens"], json!([]));
}

#[test]
fn models_of_words_and_of_parts_of_words_have_features_too() {
    for tokenizer in [words(), parts_of_words()] {
        let known = Known::new(tokenizer);
        let running = Running::start(vec![known.served("one", known.own_text())], None, config());
        let get = |path: &str| {
            let answer = patient(|| running.get(path));
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            answer.json()
        };
        let found = get("/v1/features?q=mar,azul");
        assert!(found["total"].as_u64() > Some(0), "{found}");
        let shown = get("/v1/features/3");
        let whole = TokenText::new(&known.model.tokenizer, &known.ids, 0..known.ids.len());
        for context in shown["contexts"].as_array().unwrap() {
            let (tokens, place) = (&context["tokens"], context["place"].as_u64().unwrap() as usize);
            let piece: String =
                tokens.as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
            assert!(whole.text().contains(&piece), "{piece:?} around {place}");
            assert!(piece.contains(whole.piece(place..place + 1)), "{piece:?} around {place}");
        }
        // A token of a part of a character has a name and a place too.
        let body = json!({ "text": "à noite 🎻 toca" });
        let told = patient(|| running.post("/v1/activations", &body)).json();
        let tokens = told["tokens"].as_array().unwrap();
        assert_eq!((&tokens[0]["offset"], tokens.is_empty()), (&json!(0), false));
        let last = tokens.last().unwrap()["offset"].as_u64().unwrap();
        assert!((8..14).contains(&last), "{told}");
    }
}

#[test]
fn until_the_text_is_read_one_is_told_to_come_again_and_it_is_read_once() {
    let (read, wait) = mpsc::channel::<()>();
    let (wait, reads) = (Mutex::new(wait), Arc::new(AtomicUsize::new(0)));
    let (ids, count) = (known().ids.clone(), reads.clone());
    let slow = TextSource(Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        let _ = wait.lock().unwrap().recv();
        Ok(ids.clone())
    }));
    let running = Running::start(vec![known().served("slow", Some(slow))], None, config());
    for path in ["/v1/features", "/v1/features/3", "/v1/features/map"] {
        let answer = running.get(path);
        fails(&answer, 503, json!("loading"), Value::Null, "is being read");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.json()["error"]["type"], "unavailable_error");
    }
    let answer = running.post("/v1/activations", &json!({ "text": "mar" }));
    fails(&answer, 503, json!("loading"), Value::Null, "is being read");
    // What does not need the text is not kept waiting.
    assert_eq!(running.get("/health").status, 200);
    fails(&running.get("/v1/features/99"), 404, json!("feature_not_found"), json!("id"), "to 31");
    read.send(()).unwrap();
    assert_eq!(patient(|| running.get("/v1/features")).status, 200);
    assert_eq!(patient(|| running.get("/v1/features/map")).status, 200);
    assert_eq!(reads.load(Ordering::SeqCst), 1);
}

#[test]
fn who_has_no_features_or_no_text_is_told_so_on_every_route() {
    let check = |model: &str, code: &str, words: &str| {
        for path in ["/v1/features", "/v1/features/0", "/v1/features/map"] {
            let answer = patient(|| server().get(&format!("{path}?model={model}")));
            fails(&answer, 404, json!(code), Value::Null, words);
            assert_eq!(answer.json()["error"]["type"], "not_found_error");
        }
        let body = json!({ "text": "mar", "model": model });
        let answer = patient(|| server().post("/v1/activations", &body));
        fails(&answer, 404, json!(code), Value::Null, words);
    };
    check("plain", "no_features", "machado sae train");
    check("textless", "no_text", "start the server with a text");
    check("gone", "no_text", "/books, which is gone");
    let empty = TextSource(Box::new(|| Ok(TokenIds::default())));
    let running = Running::start(vec![known().served("empty", Some(empty))], None, config());
    let answer = patient(|| running.get("/v1/features"));
    fails(&answer, 404, json!("no_text"), Value::Null, "has no token");
}

#[test]
fn what_makes_no_sense_is_said_in_the_one_shape() {
    let check = |path: &str, param: Value, words: &str| {
        fails(&server().get(path), 400, Value::Null, param, words);
    };
    check("/v1/features?limit=x", json!("limit"), "from 1 to 1000, not \"x\"");
    check("/v1/features?limit=0", json!("limit"), "from 1 to 1000, not \"0\"");
    check("/v1/features?limit=1001", json!("limit"), "not \"1001\"");
    check("/v1/features?offset=-1", json!("offset"), "not \"-1\"");
    check("/v1/features?order=name", json!("order"), "\"strongest\" or \"rule\", not \"name\"");
    check("/v1/features?q=a&q=b", Value::Null, "duplicate field `q`");
    let many: Vec<String> = (0..101).map(|i| format!("w{i}")).collect();
    check(
        &format!("/v1/features?q={}", many.join(",")),
        json!("q"),
        "100 words, but this one has 101",
    );
    check("/v1/features/x", json!("id"), "the number of a feature, not \"x\"");
    check("/v1/features/-1", json!("id"), "not \"-1\"");
    check("/v1/features/%ff", Value::Null, "UTF-8");
    check("/v1/models/%ff", Value::Null, "UTF-8");
    let absent = format!("/v1/features/{D_SAE}");
    let words = "numbered from 0 to 31";
    fails(&server().get(&absent), 404, json!("feature_not_found"), json!("id"), words);
    let unknown = server().get("/v1/features?model=gpt");
    fails(&unknown, 404, json!("model_not_found"), json!("model"), "no model \"gpt\"");
    let post = |body: &Value, param: Value, words: &str| {
        fails(&server().post("/v1/activations", body), 400, Value::Null, param, words);
    };
    post(&json!({}), json!("text"), "text is missing");
    post(&json!({ "text": 3 }), json!("text"), "expected a string");
    post(&json!({ "text": "a", "top": 101 }), json!("top"), "from 0 to 100, not 101");
    post(&json!({ "text": "a".repeat(2001) }), json!("text"), "2000 tokens, but this one has 2001");
    assert_eq!(server().post("/v1/features", &json!({})).status, 405);
}
