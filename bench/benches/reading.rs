//! From text to ids, in bytes per second: `cargo bench --bench reading`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use machado_core::text::{Detector, Standardize};
use machado_core::tokenizer::CharEncoder;

/// The sample text of the program, some times over.
const TEXT: &str = include_str!("../../assets/contos.txt");
const TIMES: usize = 50;

/// Bytes read at a time, as in the program.
const BLOCK: usize = 1 << 20;

fn reading(c: &mut Criterion) {
    let bytes = TEXT.repeat(TIMES).into_bytes();
    let mut group = c.benchmark_group("reading");
    group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
    group.bench_function("recognising the encoding", |b| {
        b.iter(|| {
            let mut detector = Detector::default();
            bytes.chunks(BLOCK).for_each(|block| detector.feed(block));
            detector.finish().expect("text")
        });
    });
    let mut detector = Detector::default();
    detector.feed(&bytes);
    let encoding = detector.finish().expect("text");
    for standardize in [Standardize::None, Standardize::Lower, Standardize::Letters] {
        group.bench_function(format!("to ids, standardize {}", standardize.name()), |b| {
            b.iter(|| {
                let mut decoder = encoding.decoder();
                let mut encoder = CharEncoder::with_capacity(bytes.len());
                for block in bytes.chunks(BLOCK) {
                    encoder.add(&standardize.apply(&decoder.feed(block)));
                }
                encoder.add(&standardize.apply(&decoder.finish()));
                encoder.finish()
            });
        });
    }
    group.finish();
}

criterion_group!(readings, reading);
criterion_main!(readings);
