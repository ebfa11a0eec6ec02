//! Learning: a [`Trainer`] is an iterator of [`Event`]s.

mod event;
mod trainer;
mod validation;

pub use event::{CheckpointKind, DoneReason, Event, Sample, Step};
pub use trainer::{Trainer, TrainingText};
