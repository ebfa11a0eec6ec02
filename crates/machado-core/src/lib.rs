//! Text, tokens, batches, model, training and sampling: everything of machado that is computation.
//!
//! ```text
//! text ─tokenizer─► ids ─data─► batches [B,T] ─model─► logits [B,T,V] ─loss─► nats
//!                                   ▲                                           │
//! checkpoint ◄─ train (events) ◄─ optimizer ◄─────────── gradients ◄────────────┘
//!    ├─ sample + generate, session ─► text    ├─ predict ─► probabilities    └─ evaluate ─► loss, bits per byte
//! ```
//!
//! The modules stand below in the order in which they build on each other: each uses only those
//! above it. Nothing here reads files, the clock or the environment, or prints: bytes and slices
//! come in, bytes and slices go out, and the same input gives the same output.
//!
//! ```
//! use machado_core::data::{Corpus, Split};
//! use machado_core::math::threads::Compute;
//! use machado_core::tokenizer::{CharTokenizer, Tokenizer, UnknownPolicy};
//!
//! let text = "a cor do céu é azul. ";
//! let tokenizer = Tokenizer::Char(CharTokenizer::from_text(text));
//! let mut encoding = tokenizer.encoding(UnknownPolicy::Error, "text");
//! tokenizer.encode_piece(text, &mut encoding)?;
//! let corpus = Corpus::new(encoding.ids, &"0.8:0.2".parse::<Split>()?)?;
//! assert_eq!(corpus.ids().len(), 21);
//! # Ok::<(), machado_core::error::Error>(())
//! ```

// 0 ground
pub mod error;
pub mod rng;
// 1 arithmetic on slices
pub mod math;
// 2 text → ids → batches
pub mod text;
pub mod ids;
pub mod tokenizer;
pub mod data;
// 3 the model
pub mod params;
pub mod layers;
pub mod model;
// 4 using it
pub mod ngram;
pub mod mixture;
pub mod sample;
pub mod generate;
pub mod predict;
pub mod session;
// 5 learning, keeping and measuring
pub mod optimizer;
pub mod run;
pub mod checkpoint;
pub mod train;
pub mod evaluate;
// 6 understanding it
pub mod interpret;
