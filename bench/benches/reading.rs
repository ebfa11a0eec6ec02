//! From text to ids, in bytes per second: `cargo bench --bench reading`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use machado_core::data::{CorpusReader, Split};
use machado_core::text::{Detector, Standardize};
use machado_core::tokenizer::{CharEncoder, TokenizerKind, UnknownPolicy, VocabularyConfig};

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
    for kind in [TokenizerKind::Word, TokenizerKind::Bpe] {
        let config = VocabularyConfig { kind, ..VocabularyConfig::default() };
        let split: Split = "0.9:0.05".parse().expect("a split");
        let learn = || {
            let mut decoder = encoding.decoder();
            let mut reader = CorpusReader::new(config, bytes.len());
            for block in bytes.chunks(BLOCK) {
                reader.add(&Standardize::Lower.apply(&decoder.feed(block)));
            }
            reader.add(&Standardize::Lower.apply(&decoder.finish()));
            reader.finish(&split, None).expect("text")
        };
        let name = kind.name();
        group.bench_function(format!("to ids and their vocabulary, {name}"), |b| b.iter(learn));
        let tokenizer = learn().tokenizer;
        let text = Standardize::Lower.apply(&TEXT.repeat(TIMES)).into_owned();
        group.bench_function(format!("to ids of a known vocabulary, {name}"), |b| {
            b.iter(|| {
                let mut encoding = tokenizer.encoding(UnknownPolicy::Skip, "text");
                tokenizer.encode_piece(&text, &mut encoding).expect("unknown ones are left out");
                encoding.ids.len()
            });
        });
    }
    group.finish();
}

criterion_group!(readings, reading);
criterion_main!(readings);
