//! Drawings of the report.
