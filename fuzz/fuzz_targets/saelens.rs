//! An autoencoder of SAELens: `cfg.json`, a zero byte, and the weights.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use machado_fuzz::{bounded, mutate_safetensors};
use machado_interop::saelens::{self, SaeFiles};

/// Where the weights begin: JSON has no zero byte.
fn start(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte == 0).map_or(bytes.len(), |end| end + 1)
}

fuzz_target!(|bytes: &[u8]| {
    let (config, weights) = bytes.split_at(start(bytes));
    let config = config.strip_suffix(b"\0").unwrap_or(config).to_vec();
    let files = SaeFiles { config, weights: weights.to_vec() };
    let Ok(found) = bounded(bytes.len(), || saelens::read(&files)) else { return };
    if let Some(facts) = &found.facts
        && let Ok(written) = saelens::write(&found.sae, facts)
    {
        saelens::read(&written).expect("what was written can be read");
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let start = start(&data[..size]);
    mutate_safetensors(data, start, size, max_size, seed)
});
