//! Each way in which a `.keras` file can be broken, or not be what machado has.

use std::io::{Cursor, Read, Write};

use machado_core::rng::{Purpose, Rng};
use machado_interop::keras;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::keras::fixture;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";

/// The members of an archive by their names.
type Members = Vec<(String, Vec<u8>)>;

fn members(name: &str) -> Members {
    let mut zip = ZipArchive::new(Cursor::new(fixture(name))).unwrap();
    (0..zip.len())
        .map(|number| {
            let mut member = zip.by_index(number).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            (member.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn pack(members: &Members) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in members {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn member<'m>(members: &'m mut Members, name: &str) -> &'m mut Vec<u8> {
    &mut members.iter_mut().find(|(known, _)| known == name).unwrap().1
}

/// A fixture with another config.
fn with_config(name: &str, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut members = members(name);
    let bytes = member(&mut members, CONFIG);
    let mut config: Value = serde_json::from_slice(bytes).unwrap();
    change(&mut config);
    *bytes = config.to_string().into_bytes();
    pack(&members)
}

/// The tutorial's model with another setting of one of its layers.
fn with_setting(layer: usize, name: &str, value: Value) -> Vec<u8> {
    with_config("sequential.keras", |config| {
        config["config"]["layers"][layer]["config"][name] = value.clone();
    })
}

/// The tutorial's model with these bytes as its weights.
pub(crate) fn with_weights(weights: Vec<u8>) -> Vec<u8> {
    let mut members = members("sequential.keras");
    *member(&mut members, WEIGHTS) = weights;
    pack(&members)
}

fn error(bytes: &[u8], vocabulary: &[u8]) -> String {
    keras::read(bytes, Some(vocabulary)).map(drop).expect_err("it is broken").to_string()
}

/// Checks that reading fails with a message that has all these parts and says what to do.
pub(crate) fn check(bytes: &[u8], parts: &[&str]) {
    let message = error(bytes, &fixture("vocabulary.json"));
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    assert!(message.contains("\nhint: "), "{message}");
}

#[test]
fn no_archive() {
    check(b"", &["not a .keras file"]);
    check("A cor do céu é azul.".as_bytes(), &["not a .keras file", "model.save"]);
    check(b"\x89HDF\r\n\x1a\n\0\0\0", &["an HDF5 file, as Keras 2 wrote (.h5)", "Keras 3"]);
    check(b"PK\x03\x04 and no more", &["its zip archive is damaged"]);
}

#[test]
fn an_archive_cut_off_anywhere() {
    let whole = fixture("nadam.keras");
    for length in (0..whole.len()).step_by(97) {
        check(&whole[..length], &["hint"]);
    }
}

#[test]
fn an_archive_of_something_else() {
    check(&pack(&vec![("photo.png".into(), b"PNG".to_vec())]), &[CONFIG, "it has \"photo.png\""]);
    check(&pack(&Vec::new()), &[CONFIG, "it has none"]);
}

#[test]
fn names_lead_nowhere() {
    let mut members = members("sequential.keras");
    for (name, _) in &mut members {
        *name = format!("../{name}");
    }
    check(&pack(&members), &[CONFIG, "no such file; it has \"../metadata.json\""]);
    // A name that would clear a screen stays words.
    check(&pack(&vec![("\u{1b}[2J".into(), Vec::new())]), &["it has \"\\u{1b}[2J\""]);
}

#[test]
fn a_member_is_missing() {
    for name in [CONFIG, WEIGHTS] {
        let mut members = members("sequential.keras");
        members.retain(|(known, _)| known != name);
        check(&pack(&members), &[name, "no such file"]);
    }
}

/// Changes the header of a member, both where it stands and in the list at the end of the archive.
fn with_header(name: &str, fields: [usize; 2], value: &[u8]) -> Vec<u8> {
    let mut bytes = pack(&members("sequential.keras"));
    for (mark, name_at, field) in [(b"PK\x03\x04", 30, fields[0]), (b"PK\x01\x02", 46, fields[1])] {
        let is_header = |place: &usize| {
            bytes[*place..].starts_with(mark)
                && bytes[place + name_at..].starts_with(name.as_bytes())
        };
        let header = (0..bytes.len() - name_at).find(is_header).unwrap();
        bytes[header + field..][..value.len()].copy_from_slice(value);
    }
    bytes
}

#[test]
fn a_compressed_member() {
    check(&with_header(CONFIG, [8, 10], &[8, 0]), &[CONFIG, "it is compressed", "zip -0"]);
}

#[test]
fn a_member_that_claims_to_be_huge() {
    let size = 0x7fff_ffff_u32.to_le_bytes();
    check(&with_header(WEIGHTS, [22, 24], &size), &[WEIGHTS, "claims 2147483647 bytes"]);
    check(&with_header(CONFIG, [22, 24], &size), &[CONFIG, "claims 2147483647 bytes"]);
}

#[test]
fn a_config_that_is_none() {
    for (bytes, part) in [
        (&b"{"[..], "cannot be read"),
        (b"[1, 2]", "cannot be read"),
        (b"{\"class_name\": \"Sequential\", \"config\": {\"layers\": [7]}}", "list of layers"),
        (b"{\"class_name\": \"Sequential\", \"config\": {\"layers\": []}}", "no Embedding"),
        (b"{\"class_name\": \"Mine>Model\", \"config\": {}}", "of the class Mine>Model"),
    ] {
        let mut members = members("sequential.keras");
        *member(&mut members, CONFIG) = bytes.to_vec();
        check(&pack(&members), &[CONFIG, part]);
    }
    let deep = [&b"{\"config\":"[..], &b"[".repeat(100_000), &b"]".repeat(100_000)].concat();
    let mut members = members("sequential.keras");
    *member(&mut members, CONFIG) = deep;
    check(&pack(&members), &[CONFIG, "recursion limit"]);
}

/// Each of these numbers would take about a hundred bytes where it is written in two.
#[test]
fn json_of_many_numbers() {
    for name in [CONFIG, "metadata.json"] {
        let mut members = members("written.sequential.keras");
        let numbers = "0,".repeat(1_000_000);
        *member(&mut members, name) = format!("{{\"machado\": [{numbers}0]}}").into_bytes();
        check(&pack(&members), &[name, "more values than the weights"]);
    }
}

#[test]
fn a_layer_that_machado_does_not_have() {
    let file = fixture("lstm.keras");
    check(&file, &["layer \"memory\" (LSTM)", "machado has no such layer", "GRU"]);
}

#[test]
fn settings_that_machado_does_not_have() {
    for (layer, name, value, part) in [
        (1, "mask_zero", json!(true), "layer \"embedding\" (Embedding): mask_zero is on"),
        (1, "output_dim", json!(-1), "its settings cannot be read"),
        (
            2,
            "padding",
            json!("same"),
            "layer \"conv1d\" (Conv1D): padding is \"same\", not \"causal\"",
        ),
        (2, "strides", json!([2]), "strides is 2"),
        (2, "dilation_rate", json!([4]), "dilation_rate is 4"),
        (2, "groups", json!(5), "groups is 5"),
        (2, "activation", json!("gelu"), "its activation is gelu"),
        (3, "activation", json!("relu"), "layer \"gru\" (GRU): activation is relu, not tanh"),
        (3, "recurrent_activation", json!("hard_sigmoid"), "recurrent_activation is hard_sigmoid"),
        (3, "go_backwards", json!(true), "backwards"),
        (3, "return_state", json!(true), "second output"),
        (
            4,
            "units",
            json!(9),
            "layer \"dense\" (Dense): it has 9 outputs, but the Embedding knows 7",
        ),
        (4, "activation", json!("relu"), "the activation at the end is relu"),
    ] {
        check(&with_setting(layer, name, value), &[part]);
    }
}

#[test]
fn layers_in_another_order() {
    let swapped = |a: usize, b: usize| {
        with_config("sequential.keras", |config| {
            config["config"]["layers"].as_array_mut().unwrap().swap(a, b);
        })
    };
    let vocabulary = fixture("vocabulary.json");
    let message = error(&swapped(1, 2), &vocabulary);
    assert!(message.contains("begins with an embedding"), "{message}");
    check(&swapped(3, 4), &["layer \"gru\" (GRU): the model ends with it"]);
    let twice = with_config("sequential.keras", |config| {
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        layers.insert(2, layers[1].clone());
    });
    check(&twice, &["it is the second one"]);
}

#[test]
fn functional_models_that_are_no_chain() {
    let with_layers = |change: &dyn Fn(&mut Vec<Value>)| {
        with_config("functional.keras", |config| {
            change(config["config"]["layers"].as_array_mut().unwrap());
        })
    };
    check(
        &with_layers(&|layers| {
            let nodes = layers[2]["inbound_nodes"].as_array_mut().unwrap();
            nodes.push(nodes[0].clone());
        }),
        &["layer \"one\" (GRU): it is called more than once"],
    );
    check(
        &with_layers(&|layers| layers[5]["inbound_nodes"] = layers[2]["inbound_nodes"].clone()),
        &["a chain of layers"],
    );
    check(
        &with_layers(&|layers| {
            let sources = layers[4].pointer_mut("/inbound_nodes/0/args/0").unwrap();
            let first = sources[0].clone();
            sources.as_array_mut().unwrap().push(first);
        }),
        &["layer \"add\" (Add): it adds 3 outputs"],
    );
    // Each would be looked for among all layers, again and again.
    check(
        &with_layers(&|layers| {
            let sources = layers[4].pointer_mut("/inbound_nodes/0/args/0").unwrap();
            *sources = json!(vec![json!(["nowhere", 0, 0]); 100_000]);
        }),
        &["layer \"add\" (Add): it takes 100000 outputs"],
    );
    let outputs = with_config("functional.keras", |config| {
        config["config"]["output_layers"] = json!([["dense", 0, 0], ["add", 0, 0]]);
    });
    check(&outputs, &["one output, at the end"]);
}

#[test]
fn weights_cut_off_or_no_hdf5() {
    let whole = member(&mut members("sequential.keras"), WEIGHTS).clone();
    for length in (0..whole.len()).step_by(211) {
        check(&with_weights(whole[..length].to_vec()), &[WEIGHTS]);
    }
    check(&with_weights(b"no HDF5 at all".to_vec()), &["it is no whole HDF5 file"]);
    let mut version = whole;
    version[8] = 99;
    check(&with_weights(version), &["it is no whole HDF5 file"]);
}

#[test]
fn arrays_that_keras_never_writes() {
    let place = "model.weights.h5, layers/gru/cell/vars/1: ";
    for (name, part) in [
        ("chunked.h5", "stored in chunks, but Keras stores them in one piece"),
        ("compressed.h5", "stored in chunks and compressed"),
        ("half.h5", "machado reads float32"),
        ("text.h5", "its shape is []"),
        ("unwritten.h5", "its values were never written"),
        ("outside.h5", "it is not there"),
    ] {
        check(&with_weights(fixture(name)), &[place, part]);
    }
    // More digits are no harm.
    keras::read(&with_weights(fixture("double.h5")), Some(&fixture("vocabulary.json"))).unwrap();
}

/// Forty layers whose weights are the same bytes: a small file must not become a large model.
#[test]
fn arrays_that_share_their_bytes() {
    let mut members = members("sequential.keras");
    *member(&mut members, WEIGHTS) = fixture("linked.h5");
    let layer = |class: &str, config: Value| json!({"class_name": class, "config": config});
    let mut layers = vec![layer("Embedding", json!({"input_dim": 7, "output_dim": 32}))];
    layers.extend(vec![layer("Dense", json!({"units": 32})); 40]);
    layers.push(layer("Dense", json!({"units": 7})));
    let config = json!({"class_name": "Sequential", "config": {"layers": layers}});
    *member(&mut members, CONFIG) = config.to_string().into_bytes();
    check(&pack(&members), &["layers/dense_4/vars/0", "are left in the file"]);
}

#[test]
fn shapes_of_other_layers() {
    let parts = ["layers/gru/cell/vars/0", "[5, 18]", "need [5, 24]"];
    check(&with_setting(3, "units", json!(8)), &parts);
    let parts = ["layers/gru/cell/vars/2", "[2, 18]", "need [18]"];
    check(&with_setting(3, "reset_after", json!(false)), &parts);
    // A layer that would fill all memory is refused before anything is made for it.
    check(&with_setting(3, "units", json!(16_384)), &["need [5, 49152]"]);
    let message = error(&with_setting(3, "units", json!(1u64 << 60)), b"[]");
    assert!(message.contains("the model has 7") || message.contains("units must be"), "{message}");
}

#[test]
fn a_weight_that_is_no_number() {
    let mut weights = member(&mut members("sequential.keras"), WEIGHTS).clone();
    let first = keras::read(&fixture("sequential.keras"), Some(&fixture("vocabulary.json")))
        .unwrap()
        .checkpoint
        .file
        .model
        .weights[0]
        .to_le_bytes();
    let place = weights.windows(4).position(|window| window == first).unwrap();
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        weights[place..place + 4].copy_from_slice(&value.to_le_bytes());
        check(
            &with_weights(weights.clone()),
            &["layers/embedding/vars/0", &format!("value 0 is {name}"), "diverged"],
        );
    }
}

#[test]
fn vocabularies_that_do_not_fit() {
    let file = fixture("sequential.keras");
    let message = keras::read(&file, None).map(drop).expect_err("no vocabulary").to_string();
    assert!(message.contains("7 tokens") && message.contains("--vocabulary"), "{message}");
    for (vocabulary, part) in [
        (&b"[\"a\", \"b\"]"[..], "it has 2 tokens, but the model has 7"),
        (b"\n[UNK]\na\nb", "it has 4 tokens, but the model has 7"),
        (b"aba", "it has 2 different characters"),
        (b"[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"the\"]", "token 6 is \"the\""),
        (b"[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"a\"]", "'a' comes twice"),
    ] {
        let message = error(&file, vocabulary);
        assert!(message.contains(part) && message.contains("hint:"), "{message}");
    }
    let message = error(&file, b"PK\x03\x04");
    assert!(message.contains("its zip archive is damaged"), "{message}");
    let message = error(&file, &fixture("lstm.keras"));
    assert!(message.contains("it has no vocabulary itself"), "{message}");
    let message = error(&file, b"\0\x01\x02\x03\0\0\0\0\0");
    assert!(message.contains("not text"), "{message}");
}

/// What a vocabulary can be given as: each of these has the seven characters.
#[test]
fn vocabularies_that_fit() {
    let file = fixture("sequential.keras");
    let model = keras::read(&file, Some(&fixture("vocabulary.json"))).unwrap().checkpoint;
    for (vocabulary, expected) in [
        (&b"[\"a\", \"o\", \"e\", \" \", \"r\", \"c\", \"d\"]"[..], "aoe rcd"),
        (b"\n[UNK]\na\no\ne\n \nr\nc\nd", "aoe rcd"),
        (b"\n[UNK]\na\no\ne\n \nr", "\0\u{FFFD}aoe r"),
        ("aaaaaa ooooo eeee bbb cc d".as_bytes(), "ao ebcd"),
        ("AaAaAA ooooO eEee BbB Cc D".as_bytes(), "ao ebcd"),
        (&model.to_bytes(), "aoe rcd"),
        (&fixture("written.nadam.keras"), "aoe rcd"),
    ] {
        let read = keras::read(&file, Some(vocabulary)).unwrap().checkpoint.file;
        let ids: Vec<u32> = (0..7).collect();
        assert_eq!(read.model.tokenizer.decode(&ids), expected);
    }
}

#[test]
fn words_are_not_characters() {
    for (name, value, part) in [
        ("split", json!("whitespace"), "split is \"whitespace\", not character"),
        ("output_mode", json!("multi_hot"), "output_mode is \"multi_hot\""),
        ("ngrams", json!(2), "ngrams is 2"),
        ("vocabulary", json!({"a": 1}), "no list of strings"),
    ] {
        let bytes = with_config("vectorization.keras", |config| {
            config["config"]["layers"][1]["config"][name] = value.clone();
        });
        let message = keras::read(&bytes, None).map(drop).expect_err("words").to_string();
        assert!(message.contains(part) && message.contains("hint:"), "{message}");
    }
    let mut members = members("vectorization.keras");
    members.retain(|(name, _)| !name.contains("vocabulary"));
    let message = keras::read(&pack(&members), None).map(drop).expect_err("no words").to_string();
    assert!(message.contains("it has no vocabulary"), "{message}");
}

#[test]
fn optimizers_that_machado_does_not_have_are_left_out() {
    for (name, value, part) in [
        ("/class_name", json!("RMSprop"), "the optimizer RMSprop is left out"),
        ("/config/use_ema", json!(true), "the optimizer Nadam with use_ema is left out"),
        ("/config/weight_decay", json!(0.1), "the optimizer Nadam is left out"),
    ] {
        let bytes = with_config("nadam.keras", |config| {
            *config["compile_config"]["optimizer"].pointer_mut(name).unwrap() = value.clone();
        });
        let file = keras::read(&bytes, Some(&fixture("vocabulary.json"))).unwrap();
        assert_eq!(file.checkpoint.learning, None);
        assert!(file.notes[0].starts_with(part), "{:?}", file.notes);
    }
}

#[test]
fn an_optimizer_that_does_not_fit() {
    let other = |class: &str| {
        with_config("nadam.keras", |config| {
            config["compile_config"]["optimizer"]["class_name"] = class.into();
        })
    };
    check(&other("SGD"), &["optimizer/vars/2", "more variables than SGD has"]);
    check(&other("Adam"), &["optimizer/vars/14", "more variables than Adam has"]);
    let none = with_config("nadam.keras", |config| {
        config["compile_config"]["optimizer"] = json!(7);
    });
    check(&none, &[CONFIG, "its optimizer cannot be read"]);
}

#[test]
fn constants_that_no_optimizer_has() {
    for (class, name, value, part) in [
        ("Nadam", "beta_1", json!(1.0), "beta_1 of the optimizer must be from 0 to less than 1"),
        ("Nadam", "beta_2", json!(2), "beta_2 of the optimizer must be from 0 to less than 1"),
        ("Adam", "epsilon", json!(-1), "epsilon of the optimizer must be 0 or more, not -1"),
        ("AdamW", "weight_decay", json!(-1), "weight_decay of the optimizer must be 0 or more"),
        ("SGD", "momentum", json!(1.5), "momentum of the optimizer must be from 0 to 1, not 1.5"),
    ] {
        let bytes = with_config("nadam.keras", |config| {
            let optimizer = &mut config["compile_config"]["optimizer"];
            optimizer["class_name"] = class.into();
            optimizer["config"][name] = value.clone();
        });
        check(&bytes, &[CONFIG, part]);
    }
}

/// As a variable it has 32 bits, which may not make it infinite: that could not be read again.
#[test]
fn a_huge_learning_rate() {
    let bytes = with_config("sequential.keras", |config| {
        let constants = json!({"learning_rate": 1e300, "beta_1": 0.9, "beta_2": 0.999});
        config["compile_config"]["optimizer"] = json!({"class_name": "Nadam", "config": constants});
    });
    let file = keras::read(&bytes, Some(&fixture("vocabulary.json"))).unwrap();
    let again = keras::read(&keras::write(&file.checkpoint).unwrap(), None).unwrap();
    assert_eq!(again.checkpoint.learning, file.checkpoint.learning);
}

#[test]
fn an_embedding_of_no_tokens() {
    let bytes = with_config("sequential.keras", |config| {
        let layers = &mut config["config"]["layers"];
        layers[1]["config"]["input_dim"] = json!(0);
        layers[4]["config"]["units"] = json!(0);
    });
    let message = error(&bytes, b"[]");
    assert!(message.contains("(Embedding): it knows no tokens"), "{message}");
}

#[test]
fn what_machado_wrote_and_somebody_changed() {
    let with_metadata = |change: &dyn Fn(&mut Value)| {
        let mut members = members("written.sequential.keras");
        let bytes = member(&mut members, "metadata.json");
        let mut metadata: Value = serde_json::from_slice(bytes).unwrap();
        change(&mut metadata["machado"]);
        *bytes = metadata.to_string().into_bytes();
        keras::read(&pack(&members), None).map(drop).expect_err("changed").to_string()
    };
    let message = with_metadata(&|own| own["format_version"] = json!(99));
    assert!(message.contains("format version 99"), "{message}");
    let message = with_metadata(&|own| own["tokenizer"]["vocabulary"] = json!(["a"]));
    assert!(message.contains("its vocabulary has 1 tokens, but the model has 7"), "{message}");
    let message = with_metadata(&|own| own["tokenizer"] = json!(7));
    assert!(message.contains("metadata.json"), "{message}");
}

/// Whatever is changed in a member, reading ends, with a model or with a message.
#[test]
fn no_bytes_make_the_reader_panic() {
    let mut rng = Rng::new(1, Purpose::Shuffle, 0);
    for name in ["nadam.keras", "functional.keras", "written.nadam.keras", "vectorization.keras"] {
        let members = members(name);
        for number in 0..members.len() {
            for _ in 0..300 {
                let mut changed = members.clone();
                let bytes = &mut changed[number].1;
                for _ in 0..=rng.below(3) {
                    let place = rng.below(bytes.len() as u64) as usize;
                    let end = (place + 1 + rng.below(8) as usize).min(bytes.len());
                    match rng.below(4) {
                        0 => bytes[place..end].fill(0xff),
                        1 => bytes[place..end].fill(0),
                        2 => bytes[place] = b"0129{}[]\","[rng.below(10) as usize],
                        _ => bytes[place] = rng.below(256) as u8,
                    }
                }
                let bytes = pack(&changed);
                let _ = keras::read(&bytes, Some(&fixture("vocabulary.json")));
                let _ = keras::read(&bytes, None);
            }
        }
    }
}
