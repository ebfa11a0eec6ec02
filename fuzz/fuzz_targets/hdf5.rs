//! The weights of a `.keras` file, in archives that are as they should be: one of Keras with an
//! optimizer, and one that machado wrote, with the states of a run.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use machado_fuzz::{bounded, comes_back, mutate_hdf5, with_member};
use machado_interop::keras;

const OF_KERAS: &[u8] = include_bytes!("../../crates/machado-interop/tests/fixtures/nadam.keras");
const OF_MACHADO: &[u8] =
    include_bytes!("../../crates/machado-interop/tests/fixtures/written.nadam.keras");
const VOCABULARY: &[u8] =
    include_bytes!("../../crates/machado-interop/tests/fixtures/vocabulary.json");

fuzz_target!(|weights: &[u8]| {
    for archive in [OF_KERAS, OF_MACHADO] {
        let bytes = with_member(archive, "model.weights.h5", weights);
        if let Ok(file) = bounded(bytes.len(), || keras::read(&bytes, Some(VOCABULARY))) {
            comes_back(&file.checkpoint);
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_hdf5(data, size, max_size, seed)
});
