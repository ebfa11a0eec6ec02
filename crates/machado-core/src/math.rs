//! Arithmetic on slices of `f32`. No layer, no model, no text: those are built on top.
//!
//! Matrices are row-major. The dimensions have one letter everywhere in `math` and
//! [`layers`](crate::layers):
//!
//! | letter | meaning |
//! |---|---|
//! | `B` | rows: sequences computed side by side |
//! | `T` | time steps |
//! | `V` | vocabulary size |
//! | `E` | embedding width |
//! | `F` | convolution filters |
//! | `K` | convolution width; in a product, the summed dimension |
//! | `H` | GRU units |
//! | `C` | channels of whatever comes in |
//!
//! Sequences are stored time-major, `[T, B, C]`: the rows of one time step lie together, so a
//! recurrent product reads contiguous memory and a causal shift in time is an offset.
//!
//! [`mod@reference`] holds the plainest version of each routine, in `f64` where it helps: it is the
//! specification, and each fast routine is tested against it. The fast ones are written once with
//! [`fearless_simd`] and compiled for each [`VectorUnit`](simd::VectorUnit); in all of them a value
//! depends on its own row only, not on how many rows are computed together, so batching never
//! changes a result.

pub mod reference;
pub mod buffer;
pub mod simd;
pub mod threads;
pub mod tile;
pub mod elementwise;
pub mod lookup;
pub mod matmul;
pub mod outer;
pub mod gru;
pub mod softmax;
pub mod random;
pub mod peak;
