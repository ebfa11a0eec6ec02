//! The report as a page.
use super::favourite_science::Report;
pub(super) fn report(_: &Report) -> String {
    String::new()
}
