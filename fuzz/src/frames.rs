//! Mutations inside a frame that is put right afterwards.
//!
//! A changed byte in a member of a zip archive makes its checksum wrong, and one more byte in the
//! header of a safetensors file its length: left to itself, the fuzzer would see little but these two
//! messages.

use std::io::{Cursor, Read, Write};

use libfuzzer_sys::fuzzer_mutate;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::checksums;

/// One mutation in so many is of the bytes as they are, so that the frame is not spared.
const PLAIN: u32 = 8;

/// Changes one member of a zip archive, or the bytes as they are where they are no archive.
pub fn mutate_archive(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let changed = || {
        let mut members = unpack(&data[..size]).filter(|_| !seed.is_multiple_of(PLAIN))?;
        let number = (seed / PLAIN) as usize % members.len().max(1);
        let (_, bytes) = members.get_mut(number)?;
        mutate_bytes(bytes, max_size - size);
        checksums::put_right(bytes);
        pack(&members).filter(|packed| packed.len() <= max_size)
    };
    put(changed(), data, size, max_size)
}

/// Changes the header of a safetensors file, or the bytes as they are where they are none.
/// `data[..size]` may begin with something else, which ends before `start`.
pub fn mutate_safetensors(
    data: &mut [u8],
    start: usize,
    size: usize,
    max_size: usize,
    seed: u32,
) -> usize {
    let changed = || {
        let (before, file) = data[..size].split_at_checked(start)?;
        let (length, rest) = file.split_first_chunk::<8>().filter(|_| seed.is_multiple_of(2))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (header, values) = rest.split_at_checked(length)?;
        let mut header = header.to_vec();
        mutate_bytes(&mut header, max_size - size);
        let length = (header.len() as u64).to_le_bytes();
        Some([before, &length, &header, values].concat())
    };
    put(changed(), data, size, max_size)
}

/// Changes an HDF5 file, and puts its checksums right.
pub fn mutate_hdf5(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(PLAIN) {
        checksums::put_right(&mut data[..size]);
    }
    size
}

/// Changes some bytes, and lets them grow by up to `room`.
fn mutate_bytes(bytes: &mut Vec<u8>, room: usize) {
    let size = bytes.len();
    bytes.resize(size + room, 0);
    let most = bytes.len();
    let size = fuzzer_mutate(bytes, size, most);
    bytes.truncate(size);
}

fn put(changed: Option<Vec<u8>>, data: &mut [u8], size: usize, max_size: usize) -> usize {
    match changed {
        Some(changed) if changed.len() <= max_size => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
}

type Members = Vec<(String, Vec<u8>)>;

fn unpack(bytes: &[u8]) -> Option<Members> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Members::new();
    for number in 0..zip.len().min(8) {
        // As it lies there: checksums are not looked at.
        let member = zip.by_index_raw(number).ok()?;
        let name = member.name().ok()?.into_owned();
        let mut inside = Vec::new();
        member.take(bytes.len() as u64).read_to_end(&mut inside).ok()?;
        members.push((name, inside));
    }
    Some(members)
}

/// The bytes of an archive of these members, stored as they are.
fn pack(members: &Members) -> Option<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in members {
        zip.start_file(name.as_str(), options).ok()?;
        zip.write_all(bytes).ok()?;
    }
    Some(zip.finish().ok()?.into_inner())
}

/// The archive with other bytes as one of its members.
///
/// # Panics
/// If it is none.
pub fn with_member(archive: &[u8], name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut members = unpack(archive).expect("an archive");
    members.retain(|(known, _)| known != name);
    members.push((name.to_owned(), bytes.to_vec()));
    pack(&members).expect("members that fit into an archive")
}
