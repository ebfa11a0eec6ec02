//! What the fuzz targets share: a bound on memory, what must hold of a model that was read, and
//! mutations that keep a file's frame whole.

mod checksums;
mod frames;
mod memory;

use machado_core::checkpoint::Checkpoint;
use machado_interop::keras;

pub use self::frames::{mutate_archive, mutate_hdf5, mutate_safetensors, with_member};
pub use self::memory::bounded;

/// Checks that a model that was read can be written in machado's own format and as a file of Keras,
/// and that the same comes back of both.
///
/// # Panics
/// If it does not.
pub fn comes_back(checkpoint: &Checkpoint) {
    let kept = comes_back_itself(checkpoint);
    let written = keras::write(checkpoint).expect("a model that was read can be written for Keras");
    let again = keras::read(&written, None).expect("what was written for Keras can be read");
    same(&kept, &again.checkpoint.to_bytes());
}

/// As [`comes_back`], in machado's own format alone; returns its bytes.
///
/// # Panics
/// If it does not come back.
pub fn comes_back_itself(checkpoint: &Checkpoint) -> Vec<u8> {
    let kept = checkpoint.to_bytes();
    let again = Checkpoint::read(&kept).expect("what was written can be read");
    same(&kept, &again.to_bytes());
    kept
}

fn same(one: &[u8], other: &[u8]) {
    let place = one.iter().zip(other).position(|(a, b)| a != b);
    assert!(one == other, "{} and {} bytes, different at {place:?}", one.len(), other.len());
}
