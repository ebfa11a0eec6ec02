//! A file of machado itself: a model, or a run to resume.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use machado_core::checkpoint::{self, Checkpoint};
use machado_fuzz::{bounded, comes_back_itself, mutate_safetensors};

fuzz_target!(|bytes: &[u8]| {
    let model = bounded(bytes.len(), || checkpoint::read_model(bytes).is_ok());
    if let Ok(checkpoint) = bounded(bytes.len(), || Checkpoint::read(bytes)) {
        assert!(model, "the model alone cannot be read");
        comes_back_itself(&checkpoint);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_safetensors(data, 0, size, max_size, seed)
});
