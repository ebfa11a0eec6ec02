//! A whole `.keras` file, read without a vocabulary and with one.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use machado_fuzz::{bounded, comes_back, mutate_archive};
use machado_interop::keras;

const VOCABULARY: &[u8] =
    include_bytes!("../../crates/machado-interop/tests/fixtures/vocabulary.json");

fuzz_target!(|bytes: &[u8]| {
    for vocabulary in [None, Some(VOCABULARY)] {
        if let Ok(file) = bounded(bytes.len(), || keras::read(bytes, vocabulary)) {
            comes_back(&file.checkpoint);
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_archive(data, size, max_size, seed)
});
