//! The bytes of a text in any encoding, whole and in blocks: what is done to the text in pieces is
//! what is done to it at once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use machado_core::text::{Detector, Standardize};
use machado_fuzz::bounded;

fuzz_target!(|bytes: &[u8]| {
    let Some((&block, bytes)) = bytes.split_first() else { return };
    let whole = bounded(bytes.len(), || decoded(bytes, bytes.len().max(1)));
    let pieces = bounded(bytes.len(), || decoded(bytes, usize::from(block).max(1)));
    let (Some(whole), Some(pieces)) = (&whole, &pieces) else {
        assert!(whole.is_none() && pieces.is_none(), "blocks of {block} decide what is text");
        return;
    };
    assert_eq!(whole.concat(), pieces.concat(), "blocks of {block}");
    for way in [Standardize::None, Standardize::Lower, Standardize::Letters] {
        let joined: String = pieces.iter().map(|piece| way.apply(piece)).collect();
        assert_eq!(way.apply(&whole.concat()), joined, "{way:?} in blocks of {block}");
    }
});

/// The pieces of a text that comes in blocks of so many bytes.
fn decoded(bytes: &[u8], block: usize) -> Option<Vec<String>> {
    let mut detector = Detector::default();
    bytes.chunks(block).for_each(|block| detector.feed(block));
    let mut decoder = detector.finish().ok()?.decoder();
    let mut pieces: Vec<String> = bytes.chunks(block).map(|block| decoder.feed(block)).collect();
    pieces.push(decoder.finish());
    Some(pieces)
}
