//! TensorBoard's event files, record by record: the bytes to append to a file, and its name.
//!
//! A file is a sequence of records (TensorFlow's `TFRecord`), each an event in Protocol Buffers:
//!
//! ```text
//! length u64 LE | masked CRC32C of the length u32 LE | event | masked CRC32C of the event u32 LE
//! ```
//!
//! The layout is that of TensorFlow's `record_writer.cc`, `event.proto` and `summary.proto`. TensorBoard
//! joins all files below a folder into one run, and shows the same tag of several runs in one chart.

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What an event file begins with; TensorBoard drops events that happened again only from this
/// version on.
const FILE_VERSION: &str = "brain.Event:2";

/// `DataType.DT_STRING` of TensorFlow.
const DT_STRING: i32 = 7;
/// `DataClass.DATA_CLASS_TENSOR`.
const DATA_CLASS_TENSOR: i32 = 2;
/// `SessionLog.START`.
const SESSION_START: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    // Optional, so that a 0 is written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "8")]
    tensor: Option<Tensor>,
    #[prost(message, optional, tag = "9")]
    metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    dtype: i32,
    /// None of its dimensions: a single string.
    #[prost(message, optional, tag = "2")]
    tensor_shape: Option<Shape>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    string_val: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(message, optional, tag = "1")]
    plugin_data: Option<PluginData>,
    #[prost(int32, tag = "4")]
    data_class: i32,
}

#[derive(Clone, PartialEq, Message)]
struct PluginData {
    #[prost(string, tag = "1")]
    plugin_name: String,
}

/// The name of an event file that is begun at a time, in whole seconds since 1970; `origin` tells
/// files of one second apart.
pub fn file_name(seconds: u64, origin: &str) -> String {
    format!("events.out.tfevents.{seconds:010}.{origin}")
}

/// The first record of a file. All times are in seconds since 1970.
pub fn header(wall_time: f64) -> Vec<u8> {
    let file_version = Some(FILE_VERSION.to_owned());
    record(&Event { wall_time, file_version, ..Event::default() })
}

/// Says that a run goes on before `step`: what earlier files have from that step on is dropped, since
/// it will happen again.
pub fn restart(wall_time: f64, step: u64) -> Vec<u8> {
    let session_log = Some(SessionLog { status: SESSION_START });
    record(&Event { wall_time, step: step as i64, session_log, ..Event::default() })
}

/// Some figures of a step, each under a tag.
pub fn scalars(wall_time: f64, step: u64, figures: &[(&str, f32)]) -> Vec<u8> {
    let scalar = |&(tag, value): &(&str, f32)| Value {
        tag: tag.into(),
        simple_value: Some(value),
        ..Value::default()
    };
    summary(wall_time, step, figures.iter().map(scalar).collect())
}

/// A text of a step, in Markdown.
pub fn text(wall_time: f64, step: u64, tag: &str, markdown: &str) -> Vec<u8> {
    let value = Value {
        tag: tag.into(),
        simple_value: None,
        tensor: Some(Tensor {
            dtype: DT_STRING,
            tensor_shape: Some(Shape {}),
            string_val: vec![markdown.as_bytes().to_vec()],
        }),
        metadata: Some(Metadata {
            plugin_data: Some(PluginData { plugin_name: "text".into() }),
            data_class: DATA_CLASS_TENSOR,
        }),
    };
    summary(wall_time, step, vec![value])
}

fn summary(wall_time: f64, step: u64, value: Vec<Value>) -> Vec<u8> {
    let summary = Some(Summary { value });
    record(&Event { wall_time, step: step as i64, summary, ..Event::default() })
}

/// An event with its length and checksums.
fn record(event: &Event) -> Vec<u8> {
    let event = event.encode_to_vec();
    let length = (event.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(event.len() + 16);
    bytes.extend(length);
    bytes.extend(masked_crc(&length).to_le_bytes());
    bytes.extend(&event);
    bytes.extend(masked_crc(&event).to_le_bytes());
    bytes
}

/// A checksum that may itself stand in bytes that are summed up (TensorFlow's `crc32c.h`).
fn masked_crc(bytes: &[u8]) -> u32 {
    CRC32C.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 3720, B.4, and that of the CRC catalogue.
    #[test]
    fn checksums_are_crc32c() {
        let ascending: Vec<u8> = (0..32).collect();
        for (bytes, expected) in [
            (&[0u8; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (b"123456789", 0xe306_9283),
        ] {
            assert_eq!(CRC32C.checksum(bytes), expected, "{bytes:?}");
        }
        // 0x8a9136aa turned right by 15 is 0x6d551522.
        assert_eq!(masked_crc(&[0; 32]), 0x6d55_1522u32.wrapping_add(0xa282_ead8));
    }

    /// The parts of a record, its checksums checked.
    fn event(bytes: &[u8]) -> Event {
        let (length, rest) = bytes.split_at(8);
        let (length_crc, rest) = rest.split_at(4);
        let (event, event_crc) = rest.split_at(rest.len() - 4);
        assert_eq!(length, (event.len() as u64).to_le_bytes());
        assert_eq!(length_crc, masked_crc(length).to_le_bytes());
        assert_eq!(event_crc, masked_crc(event).to_le_bytes());
        Event::decode(event).expect("it was just encoded")
    }

    /// A header byte by byte: field 1 (double) 0x09, field 3 (string) 0x1a with 13 bytes.
    #[test]
    fn a_file_begins_with_its_version() {
        let bytes = header(1.0);
        let mut expected = vec![0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x1a, 13];
        expected.extend(FILE_VERSION.bytes());
        assert_eq!(bytes[12..bytes.len() - 4], expected);
        assert_eq!(event(&bytes).file_version.as_deref(), Some(FILE_VERSION));
    }

    #[test]
    fn events_hold_what_was_given() {
        let found = event(&scalars(2.0, 7, &[("loss", 0.0), ("accuracy", 0.5)]));
        assert_eq!((found.wall_time, found.step), (2.0, 7));
        let values = found.summary.expect("a summary").value;
        let values: Vec<_> = values.into_iter().map(|v| (v.tag, v.simple_value)).collect();
        assert_eq!(values, [("loss".into(), Some(0.0)), ("accuracy".into(), Some(0.5))]);
        let found = event(&text(2.0, 7, "sample", "céu"));
        let value = &found.summary.expect("a summary").value[0];
        assert_eq!(value.tensor.as_ref().expect("a tensor").string_val, ["céu".as_bytes()]);
        assert_eq!(event(&restart(2.0, 8)).session_log, Some(SessionLog { status: 1 }));
        assert_eq!(file_name(1_700_000_000, "a.1"), "events.out.tfevents.1700000000.a.1");
    }
}
