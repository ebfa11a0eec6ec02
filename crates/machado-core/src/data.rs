//! From ids to batches.
//!
//! The ids of the whole text are kept once, as small as the vocabulary allows; windows and streams
//! are only places in it. A batch is copied out when its turn comes.

mod batch;
mod corpus;
mod epoch;
mod prefetch;
mod reader;
mod shuffle;
mod split;

pub use batch::{Batch, Start};
pub use corpus::Corpus;
pub use epoch::{BatchPlan, Sampling, Target};
pub use prefetch::Prefetch;
pub use reader::{CorpusReader, ReadText};
pub use shuffle::Shuffle;
pub use split::{Part, Parts, Split};
