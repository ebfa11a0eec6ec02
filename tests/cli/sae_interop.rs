use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::harness::Place;

/// Values of a tensor in a file, and its shape.
fn tensor(place: &Place, file: &str, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = place.read(file);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    let values = tensor.data().chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap()));
    (tensor.shape().to_vec(), values.collect())
}

/// Makes the autoencoder of the run one that someone else has saved, of another kind.
fn make_foreign(place: &Place, change: impl FnOnce(&mut Value)) {
    let mut config: Value = serde_json::from_str(&place.text("run/sae/cfg.json")).unwrap();
    config["metadata"] = json!({"sae_lens_version": "6.18.0", "hook_name": "somewhere"});
    change(&mut config);
    std::fs::create_dir_all(place.path("foreign")).unwrap();
    place.write("foreign/cfg.json", config.to_string());
    place.write("foreign/sae_weights.safetensors", place.read("run/sae/sae_weights.safetensors"));
}

#[test]
fn an_example_is_of_the_states_that_can_be_saved() {
    let place = Place::with_sae();
    let args = ["sae", "states", "run", "--part", "validation", "--positions", "64"];
    place.machado(&args).assert().success();
    let (shape, states) = tensor(&place, "states.safetensors", "states");
    assert_eq!(shape, [64, 16]);
    let example = "run/sae/example.safetensors";
    assert_eq!(tensor(&place, example, "states"), (shape, states.clone()));
    // x̂ = f · W_dec + b_dec, of the files alone.
    let (_, acts) = tensor(&place, example, "feature_acts");
    let (_, out) = tensor(&place, example, "sae_out");
    let weights = "run/sae/sae_weights.safetensors";
    let (_, w_dec) = tensor(&place, weights, "W_dec");
    let (_, b_dec) = tensor(&place, weights, "b_dec");
    assert!(acts.iter().any(|&f| f > 0.0));
    for (row, out) in acts.chunks_exact(32).zip(out.chunks_exact(16)) {
        for (place, &out) in out.iter().enumerate() {
            let sum: f32 = row.iter().enumerate().map(|(i, f)| f * w_dec[i * 16 + place]).sum();
            assert!((sum + b_dec[place] - out).abs() < 1e-5);
        }
    }
}

#[test]
fn an_autoencoder_from_elsewhere_is_measured_and_then_works_everywhere() {
    let place = Place::with_sae();
    make_foreign(&place, |config| {
        config["architecture"] = "topk".into();
        config["k"] = 2.into();
    });
    place.fails(
        &["sae", "list", "run", "--sae", "foreign"],
        1,
        &["was not made by machado", "hint: measure them with `machado sae import foreign`"],
    );
    let json = place.json(&["sae", "import", "foreign", "run", "--out", "taken", "--json"]);
    assert_eq!((&json["architecture"], &json["d_sae"]), (&"topk".into(), &32.into()));
    let l0 = json["l0"].as_f64().unwrap();
    assert!(l0 > 1.0 && l0 <= 2.0, "{json}");
    let config: Value = serde_json::from_str(&place.text("taken/cfg.json")).unwrap();
    assert_eq!((&config["architecture"], &config["k"]), (&"topk".into(), &2.into()));
    let list = place.json(&["sae", "list", "run", "--sae", "taken", "--top", "1", "--json"]);
    let feature = list["features"][0]["feature"].to_string();
    let shown = place.json(&["sae", "show", &feature, "run", "--sae", "taken", "--json"]);
    assert_eq!(shown[0]["density"], list["features"][0]["density"]);
    let write = |steer: &str| {
        let args = ["generate", "A ", "--model", "run", "--sae", "taken", "--seed", "1"];
        place.stdout(&[&args[..], &["--tokens", "60", "--steer", steer]].concat())
    };
    assert_ne!(write(&format!("{feature}:3")), write(&format!("{feature}:-3")));
    // Nothing is replaced.
    place.fails(&["sae", "import", "foreign", "run"], 1, &["already holds an autoencoder"]);
}

#[test]
fn an_autoencoder_that_does_not_fit_is_refused() {
    let place = Place::with_sae();
    let import = ["sae", "import", "foreign", "run", "--out", "taken"];
    make_foreign(&place, |config| config["architecture"] = "gated".into());
    place.fails(&import, 1, &["in foreign: cfg.json: the architecture is \"gated\""]);
    make_foreign(&place, |_| ());
    place.fails(
        &[&import[..], &["--layer", "conv1d"]].concat(),
        1,
        &["is of states of 16 values, but conv1d has 64", "hint: name its layer with --layer"],
    );
    assert!(!place.path("taken").exists());
}
