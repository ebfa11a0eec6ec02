//! What comes in and goes out, against the programs whose files they are.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

/// Models of Keras, in both directions.
mod keras;
/// One way in which a file of Keras can be broken a test.
mod malformed_keras;
/// Files of HDF5 that are small, and would be much.
mod malformed_hdf5;
