#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use machado_core::interpret::{SaeWeights, Strongest};
use machado_core::math::simd::VectorUnit;
use safetensors::SafeTensors;
use serde_json::Value;

use super::read::tensor;
use super::*;

/// Directions of length 1.
const W_DEC: [f32; 15] =
    [1.0, 0.0, 0.0, 0.0, 0.6, 0.8, -0.6, 0.0, 0.8, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0];

fn sae() -> Sae {
    let value = |place: usize| (place * 7 % 11) as f32 - 4.5;
    Sae::new(SaeWeights {
        d_in: 3,
        d_sae: 5,
        w_enc: (0..15).map(value).collect(),
        b_enc: (0..5).map(value).collect(),
        threshold: (0..5).map(|i| 0.1 * i as f32).collect(),
        w_dec: W_DEC.to_vec(),
        b_dec: (0..3).map(value).collect(),
    })
    .unwrap()
}

fn facts() -> SaeFacts {
    SaeFacts {
        tool_version: "0.1.0".into(),
        site: "gru".into(),
        model_fingerprint: "0123".into(),
        architecture: "batchtopk".into(),
        k: 2,
        prefixes: vec![2, 5],
        seed: 7,
        batch_size: 8,
        steps: 100,
        learning_rate: Some(7e-4 / 3.0),
        positions: 1000,
        explained_variance: 0.875,
        l0: 1.5,
        max_activations: vec![0.1, 0.2, 0.3, 0.4, 0.5],
        active_positions: vec![1, 2, 3, 4, 5],
    }
}

fn changed(change: impl FnOnce(&mut Value)) -> SaeFiles {
    let files = write(&sae(), &facts()).unwrap();
    let mut config: Value = serde_json::from_slice(&files.config).unwrap();
    change(&mut config);
    SaeFiles { config: config.to_string().into_bytes(), ..files }
}

fn error(files: &SaeFiles) -> String {
    read(files).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_again_bit_for_bit() {
    let files = write(&sae(), &facts()).unwrap();
    let found = Found { sae: sae(), facts: Some(facts()), architecture: "jumprelu".into() };
    assert_eq!(read(&files).unwrap(), found);
    let again = write(&sae(), &facts()).unwrap();
    assert_eq!((files.config, files.weights), (again.config, again.weights));
}

#[test]
fn files_of_before_the_learning_rate_was_kept_are_read() {
    let older = changed(|config| {
        let facts = config["metadata"]["machado"].as_object_mut().unwrap();
        drop(facts.remove("learning_rate").unwrap());
    });
    let found = read(&older).unwrap().facts;
    assert_eq!(found, Some(SaeFacts { learning_rate: None, ..facts() }));
}

/// What SAELens' loader looks at: names, shapes, and a version from 6 on.
#[test]
fn the_layout_is_that_of_saelens() {
    let files = write(&sae(), &facts()).unwrap();
    let config: Value = serde_json::from_slice(&files.config).unwrap();
    assert_eq!(config["architecture"], "jumprelu");
    assert_eq!(config["normalize_activations"], "none");
    assert_eq!(config["metadata"]["sae_lens_version"], "6.18.0");
    assert_eq!(config["metadata"]["hook_name"], "gru");
    let file = SafeTensors::deserialize(&files.weights).unwrap();
    let mut names = file.names();
    names.sort_unstable();
    assert_eq!(names, ["W_dec", "W_enc", "b_dec", "b_enc", "threshold"]);
    assert_eq!(file.tensor("W_enc").unwrap().shape(), [3, 5]);
    // Feature 1 is the second column of W_enc and the second row of ours.
    let w_enc = tensor(&file, "W_enc", &[3, 5]).unwrap();
    assert_eq!([w_enc[1], w_enc[6], w_enc[11]], sae().weights().w_enc[3..6]);
}

#[test]
fn a_standard_one_has_no_threshold_and_may_not_centre() {
    let mut files = changed(|config| {
        config["architecture"] = "standard".into();
        config["apply_b_dec_to_input"] = false.into();
        config["metadata"] = json!({"sae_lens_version": "6.0.0"});
    });
    let Found { sae: found, facts, architecture } = read(&files).unwrap();
    assert_eq!((facts, &architecture[..]), (None, "standard"));
    assert_eq!(found.weights().threshold, [0.0; 5]);
    // u · w + b with u = x − b_dec must be x · w + b of the file.
    let x = [0.3, -0.7, 1.1];
    let w = sae().weights().clone();
    for feature in 0..5 {
        let row = &w.w_enc[feature * 3..][..3];
        let sum: f32 = row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + w.b_enc[feature];
        assert!((found.activation(feature, &x) - sum.max(0.0)).abs() < 1e-4);
    }
    files.weights.truncate(100);
    assert!(error(&files).starts_with("sae_weights.safetensors: "), "{}", error(&files));
}

/// Each of these numbers would take about a hundred bytes where it is written in two.
#[test]
fn a_config_of_many_numbers() {
    let files = changed(|config| config["metadata"] = vec![0; 1_000_000].into());
    assert!(error(&files).contains("more values than the weights"), "{}", error(&files));
}

#[test]
fn what_cannot_be_used_says_why() {
    let gated = changed(|config| config["architecture"] = "gated".into());
    assert_eq!(
        error(&gated),
        "cfg.json: the architecture is \"gated\"; machado reads \"jumprelu\", \"standard\" and \"topk\""
    );
    let topk = changed(|config| config["architecture"] = "topk".into());
    assert_eq!(error(&topk), "cfg.json: the architecture is \"topk\", but there is no k");
    let many = changed(|config| (config["architecture"], config["k"]) = ("topk".into(), 6.into()));
    assert_eq!(error(&many), "k, the features of a state, must be from 1 to 5, not 6");
    let scaled = changed(|config| {
        config["normalize_activations"] = "expected_average_only_in".into();
    });
    assert!(error(&scaled).contains("fold the scale into the weights"), "{}", error(&scaled));
    let wider = changed(|config| config["d_in"] = 4.into());
    assert_eq!(error(&wider), "sae_weights.safetensors: W_enc is [3, 5], but cfg.json says [4, 5]");
    let short = changed(|config| {
        config["metadata"]["machado"]["max_activations"] = json!([1.0]);
    });
    assert_eq!(error(&short), "cfg.json: figures of 1 features, but there are 5");
    let huge = changed(|config| {
        config["metadata"]["machado"]["max_activations"][0] = json!(1e300);
    });
    assert_eq!(error(&huge), "cfg.json: the strongest activation of a feature is inf");
    let lacking = changed(|config| drop(config.as_object_mut().unwrap().remove("d_sae")));
    assert_eq!(error(&lacking), "cfg.json");
}

/// The file of someone else: the encoder reads the two values as they are, and feature 0 has a
/// direction of length 2, feature 1 of length ½.
fn others(architecture: &str, more: Value) -> SaeFiles {
    let mut config = json!({
        "architecture": architecture,
        "d_in": 2,
        "d_sae": 2,
        "apply_b_dec_to_input": true,
        "normalize_activations": "none",
        "metadata": {"sae_lens_version": "6.0.0"},
    });
    let config_map = config.as_object_mut().unwrap();
    config_map.extend(more.as_object().unwrap().clone());
    let tensors = [
        ("W_dec", vec![2, 2], vec![2.0, 0.0, 0.0, 0.5]),
        ("W_enc", vec![2, 2], vec![1.0, 0.0, 0.0, 1.0]),
        ("b_dec", vec![2], vec![0.0; 2]),
        ("b_enc", vec![2], vec![0.0; 2]),
        ("threshold", vec![2], vec![0.0, 1.5]),
    ];
    let data: Vec<Vec<u8>> = tensors.iter().map(|(.., values)| bytes(values.iter())).collect();
    let views = tensors.iter().zip(&data).map(|((name, shape, _), data)| {
        (*name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
    });
    let weights = safetensors::serialize(views, None).unwrap();
    SaeFiles { config: config.to_string().into_bytes(), weights }
}

/// The active features of a state, and what they decode to.
fn seen(sae: &Sae, state: [f32; 2]) -> (Vec<(u32, f32)>, Vec<f32>) {
    let (mut codes, mut decoded) = (Vec::new(), vec![0.0; 2]);
    sae.encoder(VectorUnit::detect()).encode(&state, |_, active| {
        codes = active.iter().map(|active| (active.feature, active.value)).collect();
        sae.decode(active, &mut decoded);
    });
    (codes, decoded)
}

#[test]
fn lengths_of_directions_are_folded_into_the_encoder() {
    let found = read(&others("jumprelu", json!({}))).unwrap().sae;
    assert_eq!(found.weights().w_dec, [1.0, 0.0, 0.0, 1.0]);
    // f = (3, 2) of directions (2, 0) and (0, ½), so x̂ = (6, 1) whatever the unit of a feature.
    assert_eq!(seen(&found, [3.0, 2.0]), (vec![(0, 6.0), (1, 1.0)], vec![6.0, 1.0]));
    // 1.25 does not pass 1.5, nor half of it half of that.
    assert_eq!(seen(&found, [3.0, 1.25]).1, [6.0, 0.0]);
}

#[test]
fn the_strongest_are_chosen_where_saelens_chooses_them() {
    // Before folding 4 is more than 3, after it 3·2 is more than 4·½.
    let before = read(&others("topk", json!({"k": 1}))).unwrap().sae;
    assert_eq!(seen(&before, [3.0, 4.0]), (vec![(1, 2.0)], vec![0.0, 2.0]));
    let after = json!({"k": 1, "rescale_acts_by_decoder_norm": true});
    let after = read(&others("topk", after)).unwrap().sae;
    assert_eq!(seen(&after, [3.0, 4.0]), (vec![(0, 6.0)], vec![6.0, 0.0]));
    assert_eq!(after.strongest(), Some(&Strongest { k: 1, lengths: None }));
}

#[test]
fn one_of_the_strongest_is_written_as_saelens_has_it() {
    let facts =
        || SaeFacts { max_activations: vec![1.0; 2], active_positions: vec![1; 2], ..facts() };
    for more in [json!({"k": 1}), json!({"k": 2, "rescale_acts_by_decoder_norm": true})] {
        let found = read(&others("topk", more)).unwrap();
        let files = write(&found.sae, &facts()).unwrap();
        let config: Value = serde_json::from_slice(&files.config).unwrap();
        assert_eq!(config["architecture"], "topk");
        let file = SafeTensors::deserialize(&files.weights).unwrap();
        assert!(file.tensor("threshold").is_err(), "SAELens loads no tensor that it does not know");
        assert_eq!(read(&files).unwrap(), Found { facts: Some(facts()), ..found });
    }
    let rule = Strongest { k: 2, lengths: None };
    let both = sae().with_strongest(rule).unwrap();
    let problem = write(&both, &facts()).unwrap_err().to_string();
    assert_eq!(problem, "cfg.json: SAELens has no topk with thresholds above 0");
}

#[test]
fn lengths_that_matter_for_choosing_are_kept_in_the_file() {
    let found = read(&others("topk", json!({"k": 1}))).unwrap().sae;
    let lengths = Some(Arc::from([2.0, 0.5]));
    assert_eq!(found.strongest(), Some(&Strongest { k: 1, lengths }));
    let files = write(&found, &facts()).unwrap();
    let file = SafeTensors::deserialize(&files.weights).unwrap();
    assert_eq!(tensor(&file, "W_dec", &[2, 2]).unwrap(), [2.0, 0.0, 0.0, 0.5]);
    assert_eq!(tensor(&file, "W_enc", &[2, 2]).unwrap(), [1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn an_example_holds_what_the_features_make_of_states() {
    let found = read(&others("topk", json!({"k": 1}))).unwrap().sae;
    let states = [3.0, 4.0, -1.0, -2.0];
    let file = Example::of(&found, VectorUnit::detect(), &states).write().unwrap();
    let file = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(tensor(&file, "states", &[2, 2]).unwrap(), states);
    assert_eq!(tensor(&file, "feature_acts", &[2, 2]).unwrap(), [0.0, 2.0, 0.0, 0.0]);
    assert_eq!(tensor(&file, "sae_out", &[2, 2]).unwrap(), [0.0, 2.0, 0.0, 0.0]);
}

#[test]
fn states_stand_beside_their_tokens() {
    let states = States {
        site: "gru".into(),
        model_fingerprint: "0123".into(),
        tokens: vec![7, 300],
        states: vec![0.5, -1.0, 0.25, 2.0],
    };
    let bytes = states.write().unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let facts: Value =
        serde_json::from_str(&header.metadata().as_ref().unwrap()[States::FACTS]).unwrap();
    assert_eq!(facts, json!({"site": "gru", "model_fingerprint": "0123"}));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensor(&file, "states", &[2, 2]).unwrap(), states.states);
    let tokens = file.tensor("tokens").unwrap();
    assert_eq!((tokens.dtype(), tokens.shape()), (Dtype::I64, &[2][..]));
    assert_eq!(tokens.data(), [7i64.to_le_bytes(), 300i64.to_le_bytes()].concat());
    assert!(States { tokens: vec![1, 2, 3], ..states }.write().is_err());
}
