//! What the ids of a model from Keras stand for: any file that a user may give.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use machado_fuzz::{bounded, comes_back, mutate_archive, mutate_safetensors};
use machado_interop::keras;

const MODEL: &[u8] = include_bytes!("../../crates/machado-interop/tests/fixtures/sequential.keras");

fuzz_target!(|bytes: &[u8]| {
    let input = MODEL.len() + bytes.len();
    if let Ok(file) = bounded(input, || keras::read(MODEL, Some(bytes))) {
        comes_back(&file.checkpoint);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if data[..size].starts_with(b"PK") {
        mutate_archive(data, size, max_size, seed)
    } else {
        mutate_safetensors(data, 0, size, max_size, seed)
    }
});
