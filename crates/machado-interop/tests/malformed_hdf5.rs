//! Small HDF5 files that would be read for years, or fill all memory: each is laid out here byte by
//! byte, as HDF5 of the oldest version has it.

use crate::malformed_keras::{check, with_weights};

const UNDEFINED: u64 = u64::MAX;

/// Where the object header of the root group lies, and where its messages do.
const ROOT: u64 = 96;
const MESSAGES: u64 = ROOT + 16;

fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A file whose root group has these messages, and what follows them.
fn file(messages: &[u8], following: &[u8]) -> Vec<u8> {
    let end = MESSAGES + (messages.len() + following.len()) as u64;
    let root_entry = [words(&[0, ROOT]), vec![0; 24]].concat();
    [
        b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0\0\0\0\0".to_vec(),
        words(&[0, UNDEFINED, end, UNDEFINED]),
        root_entry,
        b"\x01\0\x02\0\x01\0\0\0".to_vec(),
        words(&[messages.len() as u64]),
        messages.to_vec(),
        following.to_vec(),
    ]
    .concat()
}

/// A message of two addresses, or of an address and a length.
fn message(kind: u8, values: [u64; 2]) -> Vec<u8> {
    [&[kind, 0, 16, 0, 0, 0, 0, 0][..], &words(&values)].concat()
}

const CONTINUATION: u8 = 0x10;
const SYMBOL_TABLE: u8 = 0x11;

#[test]
fn an_object_header_that_goes_on_in_two_that_go_on_in_two() {
    let length = 48;
    let twice = |part: u64| message(CONTINUATION, [MESSAGES + part * length, length]).repeat(2);
    let parts: Vec<u8> = (2..=30).flat_map(twice).chain(vec![0; length as usize]).collect();
    check(&with_weights(file(&twice(1), &parts)), &["it is not there", "again and again"]);
}

/// A node of a tree with the members of a group, or with nodes that have.
fn node(level: u8, children: &[u64]) -> Vec<u8> {
    let head = [&b"TREE\0"[..], &[level, children.len() as u8, 0]].concat();
    let keys = children.iter().flat_map(|&child| words(&[0, child]));
    [head, words(&[UNDEFINED, UNDEFINED]), keys.collect(), words(&[0])].concat()
}

/// A heap of names whose bytes follow.
fn heap(at: u64, names: &[u8]) -> Vec<u8> {
    let head = words(&[names.len() as u64, UNDEFINED, at + 32]);
    [b"HEAP\0\0\0\0".to_vec(), head, names.to_vec()].concat()
}

#[test]
fn a_tree_whose_nodes_have_the_same_child_twice() {
    let (start, nodes) = (MESSAGES + 24, 40);
    let size = node(1, &[0, 0]).len() as u64;
    let twice = |number: u64| node((nodes - number) as u8, &[start + (number + 1) * size; 2]);
    let mut following: Vec<u8> = (0..nodes).flat_map(twice).collect();
    following.extend(node(0, &[]));
    let at = MESSAGES + 24 + following.len() as u64;
    following.extend(heap(at, b"layers\0\0"));
    let bytes = file(&message(SYMBOL_TABLE, [start, at]), &following);
    check(&with_weights(bytes), &["it is not there", "again and again"]);
}

/// Twenty thousand names of a megabyte, in a file of less than two.
#[test]
fn members_that_share_a_long_name() {
    let start = MESSAGES + 24;
    let tree = node(0, &[0]);
    let members_at = start + tree.len() as u64;
    let count = 20_000u16;
    let member = [words(&[0, ROOT]), vec![0; 24]].concat();
    let members = [&b"SNOD\x01\0"[..], &count.to_le_bytes(), &member.repeat(count.into())].concat();
    let at = members_at + members.len() as u64;
    let names = [&b"a".repeat(1 << 20)[..], &[0; 8]].concat();
    let following = [node(0, &[members_at]), members, heap(at, &names)].concat();
    let bytes = file(&message(SYMBOL_TABLE, [start, at]), &following);
    check(&with_weights(bytes), &["it is not there", "a name of more than 255 bytes"]);
}
