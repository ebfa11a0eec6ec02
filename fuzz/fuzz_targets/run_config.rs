//! The settings of a run, as `config.toml` has them: those that pass the check come back from TOML
//! and from JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use machado_core::run::RunConfig;
use machado_fuzz::bounded;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(config) = bounded(bytes.len(), || toml::from_str::<RunConfig>(text)) else { return };
    if config.check().is_err() {
        return;
    }
    for characters in [0, 1, 1000] {
        let _ = config.data.split.parts(characters);
    }
    let json = serde_json::to_string(&config).expect("settings have a JSON form");
    assert_eq!(serde_json::from_str::<RunConfig>(&json).expect("its own JSON"), config);
    let again = toml::to_string(&config).expect("settings have a TOML form");
    assert_eq!(toml::from_str::<RunConfig>(&again).expect("its own TOML"), config);
});
