//! Checksums inside an HDF5 file, put right after a mutation: those of the superblock and of object
//! headers, which are all that machado's own files have. (Keras' have none.)

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Puts the checksums of an HDF5 file right, wherever there are structures with one.
pub(crate) fn put_right(file: &mut [u8]) {
    if !file.starts_with(SIGNATURE) {
        return;
    }
    if let [2 | 3, size_of_offsets, ..] = file[SIGNATURE.len()..] {
        sign(file, 0, 12 + 4 * usize::from(size_of_offsets));
    }
    for place in 0..file.len() {
        if file[place..].starts_with(b"OHDR\x02")
            && let Some(length) = header_length(&file[place..])
        {
            sign(file, place, length);
        }
    }
}

/// Bytes of an object header before its checksum.
fn header_length(header: &[u8]) -> Option<usize> {
    let flags = header.get(5)?;
    let times = if flags & 0x20 == 0 { 0 } else { 16 };
    let attributes = if flags & 0x10 == 0 { 0 } else { 4 };
    let (start, width) = (6 + times + attributes, 1 << (flags & 3));
    let size = header.get(start..start + width)?;
    let size = size
        .iter()
        .rev()
        .try_fold(0, |size: usize, &byte| size.checked_mul(256)?.checked_add(byte.into()))?;
    (start + width).checked_add(size)
}

/// Writes the checksum of some bytes behind them, if there is room.
fn sign(file: &mut [u8], place: usize, length: usize) {
    let Some((bytes, behind)) = file[place..].split_at_mut_checked(length) else { return };
    if let Some(checksum) = behind.first_chunk_mut::<4>() {
        *checksum = lookup3(bytes).to_le_bytes();
    }
}

/// Bob Jenkins' `hashlittle`, as HDF5 uses it.
fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (block, following) = rest.split_at(rest.len().min(12));
        let mut words = [0; 12];
        words[..block.len()].copy_from_slice(block);
        let word =
            |i: usize| u32::from_le_bytes([words[i], words[i + 1], words[i + 2], words[i + 3]]);
        a = a.wrapping_add(word(0));
        b = b.wrapping_add(word(4));
        c = c.wrapping_add(word(8));
        rest = following;
        let mix = |x: &mut u32, y: u32, turn| *x = (*x ^ y).wrapping_sub(y.rotate_left(turn));
        if rest.is_empty() {
            for turns in [[14, 11, 25], [16, 4, 14]] {
                mix(&mut c, b, turns[0]);
                mix(&mut a, c, turns[1]);
                mix(&mut b, a, turns[2]);
            }
            mix(&mut c, b, 24);
        } else {
            for turns in [[4, 6, 8], [16, 19, 4]] {
                a = a.wrapping_sub(c) ^ c.rotate_left(turns[0]);
                c = c.wrapping_add(b);
                b = b.wrapping_sub(a) ^ a.rotate_left(turns[1]);
                a = a.wrapping_add(c);
                c = c.wrapping_sub(b) ^ b.rotate_left(turns[2]);
                b = b.wrapping_add(a);
            }
        }
    }
    c
}
