use machado_core::checkpoint::{self, Checkpoint, FORMAT_VERSION, ModelFile, Rate};
use machado_core::data::Sampling;
use machado_core::error::Error;
use machado_core::tokenizer::{TokenizerKind, UnknownPolicy};
use serde_json::{Value, json};

use crate::common::{config, resumed, trainer};

fn file() -> Vec<u8> {
    trainer(&config(), 1).model_file()
}

/// The file with another header; the values stay.
fn with_header(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    change_header(&file(), change)
}

fn change_header(file: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    change(&mut header);
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, &file[8 + length..]].concat()
}

fn with_metadata(key: &str, value: Value) -> Vec<u8> {
    with_header(|header| header["__metadata__"][key] = value)
}

fn check(bytes: &[u8], expected: &str) {
    let message = checkpoint::read_model(bytes).expect_err("it is broken").to_string();
    assert!(message.contains(expected), "{message}");
    assert!(message.contains("hint:"), "{message}");
}

#[test]
fn a_whole_file_is_read_back() {
    let trainer = trainer(&config(), 1);
    let read = checkpoint::read_model(&trainer.model_file()).unwrap();
    assert_eq!(&read.model, trainer.model());
    assert_eq!(read.training, Some(trainer.facts()));
    assert_eq!(read.config, Some(config()));
    let bare = checkpoint::write_model(trainer.model(), None, None);
    assert_eq!(checkpoint::read_model(&bare).unwrap().training, None);
}

/// What was trained elsewhere has no run, but an optimizer that can go on.
#[test]
fn a_file_without_a_run_keeps_its_optimizer() {
    let trainer = trainer(&config(), 1);
    let run = Checkpoint::read(&trainer.resume_file()).unwrap();
    let mut bare = run.clone();
    bare.file = ModelFile { training: None, config: None, ..bare.file };
    let learning = bare.learning.as_mut().unwrap();
    learning.rate = Some(Rate { learning_rate: 0.002, clip_norm: Some(1.0) });
    (learning.progress, learning.states) = (None, None);
    let read = Checkpoint::read(&bare.to_bytes()).unwrap();
    assert_eq!(read.learning, bare.learning);
    assert_eq!(read.file.standardize, run.file.standardize);
    assert!(read.to_bytes() == bare.to_bytes());
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    assert!(file() == file());
}

#[test]
fn empty() {
    check(b"", "does not begin as a safetensors file");
}

#[test]
fn text() {
    check(b"A cor do c\xc3\xa9u \xc3\xa9 azul.", "does not begin as a safetensors file");
}

#[test]
fn cut_off_anywhere() {
    let file = file();
    for length in (0..file.len()).step_by(97).chain([1, 8, 9, file.len() - 1]) {
        let error = checkpoint::read_model(&file[..length]).expect_err("cut off");
        assert!(
            matches!(error, Error::DamagedModel { .. } | Error::NotAModel { .. }),
            "{length} bytes: {error}"
        );
    }
    check(&file[..file.len() - 1], "it is cut off after");
}

#[test]
fn bytes_behind_the_end() {
    check(&[file(), vec![0; 8]].concat(), "damaged");
}

#[test]
fn of_another_program() {
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    check(&bytes, "a safetensors file of another program");
}

#[test]
fn of_a_newer_version() {
    let bytes = with_metadata("machado.format_version", json!((FORMAT_VERSION + 1).to_string()));
    check(&bytes, "format version 2, but this program reads up to 1");
}

#[test]
fn without_a_version_number() {
    check(&with_metadata("machado.format_version", json!("soon")), "its version is \"soon\"");
}

#[test]
fn without_its_layers() {
    let bytes = with_header(|header| {
        header["__metadata__"].as_object_mut().unwrap().remove("machado.model");
    });
    check(&bytes, "has no \"machado.model\"");
}

#[test]
fn with_layers_that_cannot_be_read() {
    check(&with_metadata("machado.model", json!("{\"layers\":[{\"type\":\"lstm\"}]}")), "lstm");
    check(&with_metadata("machado.tokenizer", json!("{")), "machado.tokenizer");
}

#[test]
fn with_layers_that_do_not_fit_together() {
    let bytes = with_metadata(
        "machado.model",
        json!(r#"{"layers":[{"type":"gru","units":3},{"type":"dense"}]}"#),
    );
    let message = checkpoint::read_model(&bytes).expect_err("it is broken").to_string();
    assert!(message.contains("layer 1 (gru)"), "{message}");
}

#[test]
fn without_a_tensor() {
    let bytes = with_header(|header| {
        let tensor = header.as_object_mut().unwrap().remove("gru/bias").unwrap();
        header["other"] = tensor;
    });
    check(&bytes, "no tensor \"gru/bias\"");
}

#[test]
fn with_a_tensor_of_another_shape() {
    let bytes = with_header(|header| header["gru/bias"]["shape"] = json!([27, 2]));
    check(&bytes, "\"gru/bias\" has shape [27, 2] instead of [2, 27]");
}

#[test]
fn with_tensors_of_another_type() {
    let bytes = with_header(|header| {
        header["gru/bias"]["dtype"] = json!("I32");
    });
    check(&bytes, "I32 instead of F32");
}

#[test]
fn with_a_weight_that_is_no_number() {
    let mut bytes = file();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    check(&bytes, "is NaN");
}

/// The weights that these layers claim would not fit into any machine.
#[test]
fn with_layers_far_larger_than_the_file() {
    let layers = json!({"layers": [
        {"type": "embedding", "output_dim": 16384},
        {"type": "conv1d", "filters": 16384, "kernel_size": 16384},
        {"type": "dense", "activation": "softmax"},
    ]});
    check(&with_metadata("machado.model", json!(layers.to_string())), "has shape");
}

/// Each of these numbers would take about a hundred bytes where it is written in two.
#[test]
fn with_metadata_of_many_numbers() {
    let numbers = format!("{{\"type\":\"bpe\",\"tokenizer\":[{}0]}}", "0,".repeat(1_000_000));
    check(&with_metadata("machado.tokenizer", json!(numbers)), "more values than its tensors");
}

#[test]
fn with_an_empty_vocabulary() {
    let bytes = with_metadata("machado.tokenizer", json!(r#"{"type":"char","vocabulary":[]}"#));
    check(&bytes, "vocabulary is empty");
}

#[test]
fn with_a_header_that_claims_to_be_huge() {
    let mut bytes = file();
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(checkpoint::read_model(&bytes).is_err());
    bytes[..8].copy_from_slice(&(1u64 << 40).to_le_bytes());
    assert!(checkpoint::read_model(&bytes).is_err());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(place in 0usize..3000, value: u8) {
        let mut bytes = file();
        let place = place % bytes.len();
        bytes[place] = value;
        let _ = checkpoint::read_model(&bytes);
    }
}

/// The layers take their state from it, and one of them takes rows of a table.
#[test]
fn a_state_of_streams_that_no_batch_can_have_left() {
    let mut config = config();
    config.data.sampling = Sampling::Streams;
    let mut stopped = trainer(&config, 1);
    while stopped.progress().step < 1 || !stopped.is_settled() {
        stopped.next().unwrap().unwrap();
    }
    let file = stopped.resume_file();
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let offset = header["streams/states"]["data_offsets"][0].as_u64().unwrap() as usize;
    for bad in [1e9f32, -1.0, 0.5, f32::NAN, f32::INFINITY] {
        let mut broken = file.clone();
        broken[8 + length + offset..][..4].copy_from_slice(&bad.to_le_bytes());
        let outcome: Result<Vec<_>, _> = resumed(&config, &broken).collect();
        let message = outcome.expect_err("no such state").to_string();
        assert!(message.contains("state of its streams"), "{bad}: {message}");
    }
}

/// The file of a model whose tokens are words or parts of words, with another tokenizer.
fn with_tokenizer(kind: TokenizerKind, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut config = config();
    config.text.tokenizer = kind;
    config.text.max_vocab = Some(290);
    let trainer = trainer(&config, 1);
    let mut tokenizer = serde_json::to_value(&trainer.model().tokenizer).unwrap();
    change(&mut tokenizer);
    change_header(&trainer.model_file(), |header| {
        header["__metadata__"]["machado.tokenizer"] = json!(tokenizer.to_string());
    })
}

fn with_words(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_tokenizer(TokenizerKind::Word, |tokenizer| change(&mut tokenizer["vocabulary"]))
}

fn with_parts(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_tokenizer(TokenizerKind::Bpe, |tokenizer| change(&mut tokenizer["tokenizer"]))
}

#[test]
fn with_words_that_are_sound() {
    for bytes in [with_words(|_| {}), with_parts(|_| {})] {
        checkpoint::read_model(&bytes).unwrap();
    }
}

#[test]
fn with_the_same_word_twice() {
    check(&with_words(|words| words[3] = words[1].clone()), "tokens 1 and 3 are both");
}

#[test]
fn with_an_empty_word() {
    check(&with_words(|words| words[3] = json!("")), "token 3 is empty");
}

#[test]
fn with_a_word_that_is_a_number() {
    check(&with_words(|words| words[3] = json!(7)), "machado.tokenizer");
}

#[test]
fn with_fewer_words_than_weights() {
    check(&with_words(|words| words.as_array_mut().unwrap().truncate(5)), "has shape");
    check(&with_words(|words| *words = json!([])), "vocabulary is empty");
}

#[test]
fn with_an_unknown_kind_of_tokens() {
    check(&with_tokenizer(TokenizerKind::Bpe, |t| t["type"] = json!("unigram")), "unigram");
}

#[test]
fn without_a_tokenizer_json() {
    check(&with_parts(|json| *json = json!({})), "machado.tokenizer");
    check(&with_parts(|json| *json = json!([1, 2])), "machado.tokenizer");
    check(&with_parts(|json| json["model"] = json!({"type": "BPE"})), "vocab");
}

#[test]
fn with_words_cut_by_other_rules() {
    let bytes = with_parts(|json| json["pre_tokenizer"]["pretokenizers"][0] = json!("spaces"));
    check(&bytes, "by other rules");
}

#[test]
fn without_a_token_for_some_byte() {
    let bytes = with_parts(|json| {
        let vocab = json["model"]["vocab"].as_object_mut().unwrap();
        let id = vocab.remove("a").unwrap();
        vocab.insert("zzzzzz".into(), id);
    });
    check(&bytes, "no token stands for the byte 97");
}

#[test]
fn with_ids_of_parts_that_are_no_row_of_numbers() {
    let with_id = |id: i64| with_parts(|json| json["model"]["vocab"]["a"] = json!(id));
    check(&with_id(1_000_000), "has id 1000000");
    check(&with_id(4_294_967_295), "has id 4294967295");
    check(&with_id(0), "the same id");
    check(&with_id(-1), "machado.tokenizer");
}

#[test]
fn with_parts_that_name_no_bytes() {
    let bytes = with_parts(|json| {
        let vocab = json["model"]["vocab"].as_object_mut().unwrap();
        let id = vocab.len();
        vocab.insert("日".into(), json!(id));
    });
    check(&bytes, "names no bytes");
}

#[test]
fn with_parts_joined_to_what_is_no_token() {
    let with_merge = |a: &str, b: &str| {
        with_parts(|json| json["model"]["merges"].as_array_mut().unwrap().push(json!([a, b])))
    };
    check(&with_merge("~", "~"), "joined to something that is no token");
    check(&with_merge("nothing", "~"), "joined to something that is no token");
    check(&with_merge(&"a".repeat(1000), "~"), "joined to something that is no token");
    // Joined it is a token, but one of its parts is none.
    check(&with_merge("", "a"), "machado.tokenizer");
}

proptest::proptest! {
    /// Wherever the JSON is spoilt it is refused, or read as something that can encode.
    #[test]
    fn no_tokenizer_makes_it_panic(place in 0usize..20_000, value in "[ -~]") {
        let bytes = spoilt_parts(place, &value);
        if let Ok(file) = checkpoint::read_model(&bytes) {
            let tokenizer = &file.model.tokenizer;
            let mut encoding = tokenizer.encoding(UnknownPolicy::Skip, "text");
            tokenizer.encode_piece("a cor do céu é azul 日", &mut encoding).unwrap();
            tokenizer.decode(&encoding.ids.to_vec());
        }
    }
}

/// The model file made once, with one character of its tokenizer replaced.
fn spoilt_parts(place: usize, value: &str) -> Vec<u8> {
    static FILE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| with_parts(|_| {}));
    change_header(&FILE, |header| {
        let mut json: String = header["__metadata__"]["machado.tokenizer"].as_str().unwrap().into();
        let place = json.floor_char_boundary(place % json.len());
        let end = json.ceil_char_boundary(place + 1);
        json.replace_range(place..end, value);
        header["__metadata__"]["machado.tokenizer"] = json!(json);
    })
}
