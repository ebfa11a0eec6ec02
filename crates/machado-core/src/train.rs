//! Learning: a [`Trainer`] is an iterator of [`Event`]s.

mod event;
mod learner;
mod validation;
mod trainer;

pub use event::{CheckpointKind, DoneReason, Event, Sample, Step};
pub use learner::{Learner, Learnt, Lesson};
pub use trainer::{Trainer, TrainingText};
